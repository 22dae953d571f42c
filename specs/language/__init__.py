"""The spec language: TOML text in, typed alternatives with their sweeps out."""
