"""The results of an experiment, from the run that has just ended or from an output folder of an earlier one."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xprun.specs.language.diagnostics import printable

if TYPE_CHECKING:
    import pandas as pd
    from xprun.reports.data.results_folder import Tables

RANKED = 20  # rows that a notebook shows


def open_results(folder: str | Path) -> Results:
    """Return the results in an output folder; of a grid that was killed, those that it had saved.

    Raises ReportError for a folder that holds no results, InUseError or OutputError where what a killed grid had saved
    cannot be written into tables.
    """
    from xprun.runner.status.status_reader import recover

    recover(Path(folder))
    results = Results(Path(folder))
    _ = results.runs
    return results


class Results:
    """What came out of an experiment: its output folder and the tables in it.

    `runs` has one row for each run (one under each label where the spec has it under several) and `history` one for
    each measurement, with the columns of `results.csv` and `history.csv`; labels are as the spec writes them. A
    notebook shows the alternatives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def runs(self) -> pd.DataFrame:
        return self._tables.runs

    @cached_property
    def history(self) -> pd.DataFrame:
        from xprun.reports.data.results_folder import read_history
        from xprun.runner.results.results_schema import METRIC, RUN

        return read_history(self.folder / "history.csv").astype({RUN: "str", METRIC: "str"})

    @cached_property
    def claims(self) -> pd.DataFrame:
        """One row for each claim of the spec, with its verdict; none where runs are missing."""
        from xprun.reports.data.results_folder import read_claims

        return read_claims(self.folder / "claims.csv")

    @property
    def statuses(self) -> Counter[str]:
        """How many runs are `done`, `stopped`, `diverged`, `failed`, `timeout`."""
        from xprun.runner.results.results_schema import RUN, STATUS

        return Counter(self.runs.drop_duplicates(RUN)[STATUS])

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """One row for each setting of the search, the best first: mean and standard deviation over the seeds.

        `ended` of `runs` came to their end. A setting of which one did not has no mean and ranks below all others.
        """
        from xprun.reports import ranking

        return ranking(self.folder)

    @cached_property
    def alternatives(self) -> pd.DataFrame:
        """One row for each alternative at its chosen setting, the best first, as the report ranks them.

        With `[confirm]` these are the means over fresh seeds, which did not choose the setting; `stage` says so.
        """
        from xprun.reports import alternatives

        return alternatives(self.folder)

    @property
    def best(self) -> pd.Series[Any] | None:
        """The first of the alternatives; None where none came to its end."""
        first = self.alternatives.iloc[0]
        return first if first["ended"] == first["runs"] else None

    def model(self, run: str = "", *, plugins: Iterable[str | Path] = ()) -> Any:
        """Return the `torch.nn.Module` of a saved run with its trained weights, in evaluation mode on the CPU.

        `run` is a run's id, or the start of it; it may be left out where only one was saved, see `run.save`. The model
        is built as the spec says and filled from the run's checkpoint. `plugins` are files of components; those that
        this program has registered are known anyway. Raises CheckpointError where no such run was saved, where its
        files are not as they were saved, or where its components are missing.
        """
        from xprun.plugins.discovery import open_registry
        from xprun.runner.exports.saved_model import rebuild

        return rebuild(self.folder, run, open_registry(tuple(map(Path, plugins)))).module

    def report(self, formats: Iterable[str] = ("html", "md"), *, plugins: Iterable[str | Path] = ()) -> list[Path]:
        """Write the report into the folder, and return the paths of its files, `report.html` among them.

        `formats` are those of `--format`; `plugins` are files of components, for the plots that the spec asks for.
        """
        from xprun.plugins.discovery import open_registry
        from xprun.reports import read_formats, write_report
        from xprun.runner.visuals.requested_plots import asked_plots

        wanted = read_formats(",".join(formats))
        registry = open_registry(tuple(map(Path, plugins)))
        return write_report(self.folder, wanted, asked_plots(self.folder, registry))

    @cached_property
    def _tables(self) -> Tables:
        from xprun.reports.data.results_folder import read_results
        from xprun.reports.presentation.report_errors import about

        with about(self.folder):
            return read_results(self.folder)

    def __repr__(self) -> str:
        ends = ", ".join(f"{count} {status}" for status, count in self.statuses.most_common())
        name = self._tables.resolved.get("name") or self.folder.name
        return printable(f"<{name}: {self.statuses.total()} runs ({ends}) in {self.folder}>")

    def _repr_html_(self) -> str:
        """Return the alternatives for a notebook, with a link to the report where one was written."""
        report = self.folder / "report.html"
        link = f'<p><a href="{html.escape(report.as_posix())}">report</a></p>' if report.exists() else ""
        return f"<p>{html.escape(repr(self))}</p>{self.alternatives.to_html(max_rows=RANKED, index=False)}{link}"
