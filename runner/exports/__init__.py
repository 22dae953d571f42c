"""Trained models for other programs: rebuilt from a checkpoint, written as Python, `torch.export` or ONNX."""
