"""What the runs of a cohort share: data, batches, model, loss, metrics and schedule."""
