"""Losses: functions of a batch's prediction and target that return a scalar; torch.nn's are found by class name."""
