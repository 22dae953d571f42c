"""Programs: forward and backward passes for a whole grid of runs."""
