"""Data sets: functions that return a Table."""
