"""How numbers, names and alternatives look, wherever they stand."""
