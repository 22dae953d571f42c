"""What Python programs and notebooks call: run a spec, and have its tables."""

from __future__ import annotations

import html
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xprun.plugins.discovery import open_registry
from xprun.runner.resolve.resolver import MAX_RUNS, resolve
from xprun.runner.results.atomic_files import folder_name
from xprun.runner.results.results_schema import RUN, STATUS
from xprun.runner.workload.gradient_check import check_gradients
from xprun.specs import Diagnostic, Document, SpecError, read_document, read_spec, read_text
from xprun.specs.language.library import find_spec
from xprun.specs.language.writer import toml_of, toml_value

if TYPE_CHECKING:
    import pandas as pd

RANKED = 20  # rows of the ranking that a notebook shows


class Results:
    """What came out of an experiment: its output folder and the two tables in it.

    `runs` has one row for each run and `history` one for each measurement, with the columns of `results.csv` and
    `history.csv`. A notebook shows the ranking.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._resolved: dict[str, Any] = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))

    @cached_property
    def runs(self) -> pd.DataFrame:
        return _read(self.folder / "results.csv")

    @cached_property
    def history(self) -> pd.DataFrame:
        return _read(self.folder / "history.csv")

    @property
    def statuses(self) -> Counter[str]:
        """How many runs are `done`, `stopped`, `diverged`, `failed`, `timeout`."""
        return Counter(self.runs[STATUS])

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """One row for each setting, the best first: mean and standard deviation over the seeds of what is compared.

        `ended` of `runs` came to their end. A setting of which one did not has no mean and ranks below all others.
        """
        from xprun.reports import ranking

        return ranking(self.folder)

    def __repr__(self) -> str:
        ends = ", ".join(f"{count} {status}" for status, count in self.statuses.most_common())
        return f"<{self._resolved['name']}: {len(self.runs)} runs ({ends}) in {self.folder}>"

    def _repr_html_(self) -> str:
        """Return the ranking for a notebook, with a link to the report where one was written."""
        report = self.folder / "report.html"
        link = f'<p><a href="{html.escape(report.as_posix())}">report</a></p>' if report.exists() else ""
        return f"<p>{html.escape(repr(self))}</p>{self.ranking.to_html(max_rows=RANKED, index=False)}{link}"


def run(
    spec: str | Path | Mapping[str, Any],
    *,
    output: str | Path | None,
    settings: Mapping[str, Any] | Iterable[str],
    device: str | None,
    plugins: Iterable[str | Path],
    jobs: int,
    max_runs: int | None,
    quiet: bool,
) -> Results:
    """Train what the output folder lacks of a spec; see `xprun.runner.run`."""
    document = _document_of(spec, settings)
    files = tuple(map(Path, plugins))
    registry = open_registry(files)
    resolved = check_gradients(resolve(read_spec(document), registry, max_runs or MAX_RUNS), registry)

    from xprun.runner.experiment import Options, run_experiment
    from xprun.runner.status.progress import Narrator, Silent
    from xprun.runner.workload.devices import DeviceError

    folder = Path(output) if output else Path("runs") / folder_name(resolved.name)
    progress = Silent() if quiet else Narrator(live=sys.stderr.isatty())
    try:
        report = run_experiment(resolved, registry, Options(folder, files, device, workers=jobs), progress)
    except DeviceError as error:
        raise SpecError(document, [Diagnostic(("device",), str(error))]) from None
    if report.interrupted is not None:
        raise KeyboardInterrupt
    return Results(folder)


def _document_of(spec: str | Path | Mapping[str, Any], settings: Mapping[str, Any] | Iterable[str]) -> Document:
    sets = (
        tuple(f"{k}={toml_value(v, k)}" for k, v in settings.items())
        if isinstance(settings, Mapping)
        else tuple(settings)
    )
    if isinstance(spec, Mapping):
        return read_text(toml_of(spec), "dictionary", sets)
    return read_document(find_spec(Path(spec)), sets)


def _read(file: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(file, dtype={RUN: str})
