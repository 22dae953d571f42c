"""The types that settings of components are written with; a bound in a type is checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MinLen


@dataclass(frozen=True, slots=True)
class OfKind:
    """Marks a setting whose value is itself a component: `{ name = "ReLU" }`."""

    kind: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Return what stands for any component of the kind in a JSON schema of the setting."""
        return {"component": self.kind}


class AsTensor:
    """Marks a list of numbers that the component receives as a tensor, such as class weights."""


class NotIdentity:
    """Marks a setting that says how something is done and changes no result, so that it is no part of a run's id."""


class AbsentByDefault:
    """Marks a setting that an earlier text of its component lacked: at its default it is no part of a run's id.

    The earlier text itself is named in `plugins/fingerprints.py`.
    """


class SpecRelativePath:
    """Marks the name of a file in the spec's folder, whose content is part of a run's identity.

    The component receives the file's whole path, a `pathlib.Path`.
    """


class FolderContent:
    """Marks the name of a folder, relative to the working directory, whose files are part of a run's identity.

    The component receives the name as it is written; there may be no such folder.
    """


class ByParameter:
    """Marks a table from patterns of parameter names to settings of the component's own; the order of keys matters."""


Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Decay = Annotated[float, Ge(0), Lt(1)]
PositiveInt = Annotated[int, Gt(0)]
NonNegativeInt = Annotated[int, Ge(0)]
Rows = Annotated[int, Gt(0), Le(10**10)]  # of data that are made; the machine's memory may be less
Width = Annotated[int, Gt(0), Le(10**9)]  # units of a layer
Depth = Annotated[int, Gt(0), Le(10_000)]  # layers of a model

Vector = Annotated[list[float], AsTensor()]
SpecFile = Annotated[str, SpecRelativePath()]
Folder = Annotated[str, FolderContent()]
Layer = Annotated[dict[str, Any], OfKind("layer")]  # the model receives a function that makes the layer
Layers = Annotated[list[Layer], MinLen(1)]
InnerOptimizer = Annotated[dict[str, Any], OfKind("optimizer")]  # a class receives a function that makes it
Init = Annotated[dict[str, Any], OfKind("init")]
Scheduler = Annotated[dict[str, Any], OfKind("scheduler")]
Transform = Annotated[dict[str, Any], OfKind("transform")]
ParameterGroups = Annotated[dict[str, dict[str, Any]], ByParameter()]
Workers = Annotated[int, Ge(0), Le(1024), NotIdentity()]  # and no more than the machine can use
Download = Annotated[bool, NotIdentity()]
