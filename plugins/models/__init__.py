"""Models: functions that return a torch.nn.Module for the data at hand."""
