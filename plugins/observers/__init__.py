"""Observers: functions that write an ended run in the form of another tool."""
