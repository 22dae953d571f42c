"""Frameworks that take the steps of a run in the place of PyTorch, and what such a one must give."""
