"""The runner: from a spec and a registry to trained runs and result tables."""
