"""Any two columns of the results against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xprun.plugins.registry import plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@plot("scatter")
def scatter(runs: Any, palette: dict[str, str], *, x: str, y: str, log: bool = False) -> tuple[Figure, str]:
    """One point per run: two columns of the results against each other."""
    from matplotlib.figure import Figure

    lacking = [name for name in (x, y) if name not in runs]
    if lacking:
        raise ValueError(f"results.csv has no column {lacking[0]!r}; it has {', '.join(runs.columns)}")
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    shown = runs.dropna(subset=[x, y])
    for name, rows in shown.groupby("alternative", sort=False):
        axes.scatter(rows[x], rows[y], s=18, alpha=0.8, color=palette.get(name), label=str(name))
    axes.set(xlabel=x, ylabel=y, **({"xscale": "log", "yscale": "log"} if log else {}))
    if len(shown):
        axes.legend(fontsize=8)
    return figure, f"{len(shown)} of {len(runs)} runs have both {x} and {y}"
