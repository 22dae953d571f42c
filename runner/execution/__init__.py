"""Carries out cohorts, in this process or in supervised workers."""
