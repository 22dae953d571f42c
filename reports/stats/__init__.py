"""Statistics: pure functions from table to table."""
