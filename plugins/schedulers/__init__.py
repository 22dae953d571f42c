"""Schedulers: functions from the optimizer's learning rate and the time to the learning rate of that time."""
