"""A place that lacks something says so before its first run, and nothing of it is stored as a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xprun
from click.testing import CliRunner
from xprun.launching import Cohort, Context, Outcome, PlaceError, lead
from xprun.plugins import launcher
from xprun.plugins.machine import host_mark
from xprun.runner.cli.main import main
from xprun.runner.execution.worker_context import Home

Change = Callable[[Context], Context | None]

PLUGIN = """
from helper import slowed
from xprun.plugins import optimizer

@optimizer("mine.slow")
def slow(w, g, *, lr=0.1):
    return w - slowed(lr) * g
"""
CSV = "x,y\n" + "".join(f"{i},{2 * i + 1}\n" for i in range(20))
TABLE = 'name = "csv"\nfile = "points.csv"\ntarget = "y"\nstandardise = true'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("points.csv").write_text(CSV, encoding="utf-8")
    Path("mine.py").write_text(PLUGIN, encoding="utf-8")
    Path("helper.py").write_text("def slowed(rate):\n    return rate / 2\n", encoding="utf-8")


def elsewhere(spec: str, change: Change, **more: Any) -> xprun.Results:
    """Run a spec by a launcher that leads every cohort, after the place has been changed."""

    @launcher("elsewhere")
    def lead_elsewhere(cohorts: list[Cohort], context: Context) -> Iterator[list[Outcome]]:
        there = change(context) or context
        for cohort in cohorts:
            yield from lead(there, cohort)

    Path("spec.toml").write_text(spec, encoding="utf-8")
    return xprun.run("spec.toml", output="out", launcher="elsewhere", quiet=True, **more)


def home(context: Context) -> Home:
    assert context.home is not None
    return context.home


def with_component(context: Context, kind: str, name: str) -> Context:
    """Return a context in which runs use another version of a component than there is."""
    return replace(context, home=replace(home(context), components=((kind, name, "0"),)))


def of_table(spec: str) -> str:
    return spec.replace('name = "line"\nsamples = 20', TABLE)


def test_plugin_files_and_the_modules_beside_them_travel(line_spec: str) -> None:
    def without_files(context: Context) -> None:
        Path("mine.py").unlink()
        Path("helper.py").unlink()

    spec = line_spec.replace("scratch.gd", "mine.slow")
    assert elsewhere(spec, without_files, plugins=["mine.py"]).runs["status"].tolist() == ["done"]


def test_rows_tell_the_place_without_its_name(line_spec: str) -> None:
    [row] = elsewhere(line_spec, lambda context: None).runs.to_dict("records")
    assert (row["host"], row["device"], row["threads"]) == (host_mark(), "cpu", 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda context: Path("points.csv").unlink(), "has no file "),
        (lambda context: Path("points.csv").write_text("x,y\n1,2\n", encoding="utf-8") and None, "points.csv changed"),
        (
            lambda context: replace(context, home=replace(home(context), versions=(("Python", "2.7"),))),
            " (not 2.7); results depend on these",
        ),
        (
            lambda context: with_component(context, "optimizer", "scratch.gd"),
            "has another version of the optimizer 'scratch.gd'",
        ),
        (
            lambda context: with_component(context, "loss", "acme.loss"),
            "there is no loss named 'acme.loss'",
        ),
        (lambda context: replace(context, device="cuda"), "there is no device 'cuda' on this machine"),
    ],
)  # fmt: skip
def test_what_a_place_lacks_is_told_before_the_first_run_and_never_stored(
    line_spec: str, change: Change, words: str
) -> None:
    spec = of_table(line_spec)
    with pytest.raises(PlaceError) as raised:
        elsewhere(spec, change)
    assert words in str(raised.value)
    assert (raised.value.exit_code, str(raised.value).count("\n")) == (3, 0)
    Path("points.csv").write_text(CSV, encoding="utf-8")
    assert xprun.run("spec.toml", output="out", quiet=True).runs["status"].tolist() == ["done"]


@pytest.mark.parametrize("raised", ["FileNotFoundError('rows.npy')", "ModuleNotFoundError('extra')"])
def test_a_run_that_lacks_something_is_tried_again(line_spec: str, raised: str) -> None:
    lacking = PLUGIN.replace("    return w", f"    if not Path('there').exists(): raise {raised}\n    return w")
    Path("mine.py").write_text("from pathlib import Path\n" + lacking, encoding="utf-8")
    Path("spec.toml").write_text(line_spec.replace("scratch.gd", "mine.slow"), encoding="utf-8")
    for status in ("failed", "done"):
        results = xprun.run("spec.toml", output="out", plugins=["mine.py"], quiet=True)
        assert results.runs["status"].tolist() == [status]
        Path("there").touch()


@pytest.mark.parametrize("shares", [True, False])
def test_a_folder_that_is_not_shared_is_left_alone_and_told_once(line_spec: str, shares: bool) -> None:
    seen: list[bool] = []

    @launcher("watching")
    def watching(cohorts: list[Cohort], context: Context) -> Iterator[list[Outcome]]:
        there = context if shares else replace(context, home=replace(home(context), holder="another"))
        for cohort in cohorts:
            for part in cohort.split(2):
                yield from lead(there, part)
                seen.append(Path("out/resume").exists())

    spec = line_spec.replace("steps = 5", 'epochs = 20\nseeds = 2\nengine = "alone"\ncheckpoint_every = 1')
    Path("spec.toml").write_text(spec, encoding="utf-8")
    result = CliRunner().invoke(main, ["spec.toml", "-o", "out", "--no-report", "--launcher", "watching"])
    told = [line for line in result.stderr.splitlines() if "does not share" in line]
    assert (seen, len(told)) == ([shares] * 2, 0 if shares else 1)


def test_a_device_is_planned_where_there_is_none(line_spec: str) -> None:
    devices: list[str] = []

    @launcher("planning")
    def planning(cohorts: list[Cohort], context: Context) -> Iterator[list[Outcome]]:
        devices.append(context.device)
        yield [Outcome(run.id, "done") for cohort in cohorts for run in cohort.runs]

    Path("spec.toml").write_text(line_spec, encoding="utf-8")
    xprun.run("spec.toml", output="out", launcher="planning", device="cuda", quiet=True)
    assert devices == ["cuda"]
    with pytest.raises(xprun.Error, match="there is no device 'gpu'"):
        xprun.run("spec.toml", output="out", launcher="planning", device="gpu", quiet=True)
