"""Optimizers: update rules as pure functions."""
