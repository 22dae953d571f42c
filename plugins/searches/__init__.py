"""Searches: which settings of an alternative are tried, for how long, and in which rounds."""
