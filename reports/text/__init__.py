"""Findings in words, and tables as text."""
