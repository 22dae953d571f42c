"""Trained models for other programs: rebuilt from a checkpoint, written as Python, `torch.export` or ONNX."""

from typing import Literal

Format = Literal["module", "torch_export", "onnx"]
SUFFIXES: dict[Format, str] = {"module": ".py", "torch_export": ".pt2", "onnx": ".onnx"}
