"""Which runs a spec stands for, which of them belong together, and what their ids are made of."""
