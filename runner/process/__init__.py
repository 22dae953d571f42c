"""This process: what it logs, and what interrupts it."""
