"""The engine: how runs are put together, and the loop and programs that train many at once."""
