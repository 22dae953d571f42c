"""When a number that was measured and a number of a spec are the same but for rounding: the one rule for all of them.

Metrics that come in single precision keep about seven digits: 0.9 is 0.8999999762 there, which is not less than the 0.9
of a spec. Stop rules, targets, claims and tolerances ask here, so that no two of them judge one value differently.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SINGLE = 2.0**-22  # relative: a few roundings of a number of single precision
DOUBLE = 1e-12  # relative: some roundings of a sum or mean in double precision


def same(measured: float, wanted: float) -> bool:
    """Whether a measured number is the wanted one but for rounding."""
    return math.isclose(measured, wanted, rel_tol=precision_of([measured]))


def precision_of(measured: Iterable[float]) -> float:
    """Return the relative size of what rounding may have changed in numbers that were measured, or in their mean."""
    return SINGLE if all(map(_is_single, measured)) else DOUBLE


def reached(values: NDArray[np.float64], aim: float, goal: Literal["min", "max"] | str) -> NDArray[np.bool_]:
    """Return which measured values are as good as an aim, or the same but for rounding; NaN is as good as nothing."""
    import numpy as np

    found: Any = values >= aim if goal == "max" else values <= aim
    near = np.isclose(values, aim, rtol=SINGLE, atol=0.0) & ~found
    found[near] = [same(value, aim) for value in values[near].tolist()]
    return np.asarray(found)


def within(size: float, tolerance: float, measured: Iterable[float]) -> bool:
    """Whether the size of a difference between measured numbers is at most a tolerance, but for rounding.

    No tolerance is none.
    """
    known = [value for value in measured if math.isfinite(value)]
    rounding = precision_of(known) * max(map(abs, known), default=0.0)
    return size <= (tolerance + rounding if tolerance else tolerance)


def _is_single(value: float) -> bool:
    """Whether a number has no more than single precision."""
    try:
        return bool(struct.unpack("f", struct.pack("f", value))[0] == value)
    except OverflowError:
        return False
