"""Classes, their settings and their documentation are read from sources, and nothing is imported."""

from __future__ import annotations

import ast
import sys
from inspect import Parameter
from pathlib import Path
from typing import Any, Literal

import pytest
from xprun.plugins.source_reading import SourceClass, SourceModule, open_package, read_parameters

FILES = {
    "__init__.py": """
import os.path
from strange.rules import *
from .deep import Inner as Renamed
raise SystemExit("imported")
""",
    "kinds.py": "from typing import Tuple, Union\nBetas = Union[Tuple[float, float], None]\nSMALL = 1e-8\n",
    "deep/__init__.py": "from ..rules import Base\nclass Inner(Base):\n    pass\n",
    "rules.py": '''
import torch
from typing import Callable, List, Literal, Optional
from torch.optim import optimizer
from torch.optim.optimizer import Optimizer, required
from strange.kinds import SMALL, Betas
try:
    import faster
except ImportError:
    faster = None

class Base(Optimizer):
    """What all have."""

    def __init__(self, params, lr: float = 1e-3, *, betas: Betas = (0.9, 0.99), eps=SMALL, momentum=0, nesterov=False,
                 scale: "float | torch.Tensor" = -1.0, mode: Literal["a", "b"] = "a", sizes: List[int] = [1, 2],
                 most: Optional[int] = None, foreach: bool | None = hasattr(torch, "_foreach_mul_"), first=required,
                 dtype: torch.dtype = torch.float32, project: Callable = None, **others):
        pass

class _Hidden(Base):
    pass
''',
}


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SourceModule:
    """Return a package that ends the program when it is imported."""
    for name, text in FILES.items():
        file = tmp_path / "strange" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    package = open_package("strange")
    assert package is not None
    module = package.module("strange")
    assert module is not None
    return module


def cls(module: SourceModule, name: str) -> SourceClass:
    found = module.resolve(name)
    assert isinstance(found, SourceClass)
    return found


def test_names_are_followed_through_imports(strange: SourceModule) -> None:
    assert {"Base", "Renamed"} < set(strange.names)
    assert "_Hidden" not in strange.names  # which a star does not bring
    assert cls(strange, "Base").doc == "What all have."
    ancestors = list(cls(strange, "Renamed").ancestors())
    assert [a.node.name for a in ancestors if isinstance(a, SourceClass)] == ["Inner", "Base"]
    assert ancestors[-1] == ("torch.optim.optimizer", "Optimizer")
    assert strange.resolve("os.path.join") == ("os", "path.join")
    assert "strange" not in sys.modules


def test_an_inherited_constructor_tells_the_settings(strange: SourceModule) -> None:
    constructor = cls(strange, "Renamed").method("__init__")
    assert constructor is not None
    found = {p.name: (p.annotation, p.default) for p in read_parameters(*constructor)}
    expected: dict[str, tuple[Any, Any]] = {
        "params": (Any, Parameter.empty),
        "lr": (float, 1e-3),
        "betas": (tuple[float, float] | None, (0.9, 0.99)),
        "eps": (float, 1e-8),
        "momentum": (int, 0),
        "nesterov": (bool, False),
        "scale": (float, -1.0),
        "mode": (Literal["a", "b"], "a"),
        "sizes": (list[int], [1, 2]),
        "most": (int | None, None),
        "first": (Any, Parameter.empty),
        "project": (Any, None),
    }
    assert {name: found[name] for name in expected} == expected
    assert isinstance(found["foreach"][1], ast.expr)  # only Python can tell that default
    assert isinstance(found["dtype"][1], ast.expr)
    assert "others" not in found


def test_a_package_that_is_not_installed_is_none() -> None:
    assert open_package("there_is_no_such_package") is None
