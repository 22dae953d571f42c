"""This process: what it logs, what interrupts it, and what it has one of that all runs share."""
