"""How far a grid is: for a terminal, for other processes, for the live page."""
