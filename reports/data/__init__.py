"""Reads an output folder back, and what is compared in it."""
