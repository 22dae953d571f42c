"""Imports torchvision, also where its compiled operators were made for another build of torch than this one."""

from __future__ import annotations

from functools import cache
from typing import Any

_declared: list[Any] = []  # a library's operators last as long as the object


@cache
def import_torchvision() -> Any:
    """Return the module torchvision; what needs its compiled operators (detection) may be missing.

    Beside a torch that its operators do not fit, `import torchvision` ends with "operator torchvision::nms does not
    exist". Data sets, transforms and classifiers need none of them, so the two that it asks for are declared.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        _declare_operators()
        import torchvision
    return torchvision


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
