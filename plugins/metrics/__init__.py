"""Metrics: functions of all predictions and targets of a split that return one number."""
