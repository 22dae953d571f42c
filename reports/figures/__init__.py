"""Plots: each maps an analysis or a table to a figure."""
