"""Objectives: functions whose parameters are trained without data, because their minimum is known."""
