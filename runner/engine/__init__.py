"""The batched engine: how runs are put together, and the tensor programs that train many at once."""
