"""Plots: functions that draw the tables of an experiment for its report."""
