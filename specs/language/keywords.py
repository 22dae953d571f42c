"""The words of the language for sweeps."""

from __future__ import annotations

# Each word with the other keys its table takes; `with` goes with all of them.
WORDS = {
    "grid": (),
    "linspace": ("num",),
    "logspace": ("num",),
    "range": (),
    "uniform": ("samples",),
    "loguniform": ("samples",),
    "choice": ("samples",),
}
RANDOM = {"uniform", "loguniform", "choice"}
LISTED = {"grid", "choice"}  # any values; the others take two or three numbers
