"""Writes the tables of a job, and what reports need beside them; only what has changed is written anew."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import partial
from pathlib import Path

from xprun.plugins.python_packages import release_of
from xprun.runner.job import Job
from xprun.runner.outputs.claim_verdicts import Verdict, claims_table
from xprun.runner.outputs.environment import describe_environment, torch_facts
from xprun.runner.outputs.result_columns import Pairs
from xprun.runner.outputs.run_observers import observe
from xprun.runner.planning.plan import describe
from xprun.runner.resolve.backend_checks import frameworks_of
from xprun.runner.results.atomic_files import replace_text
from xprun.runner.results.results_schema import MODELS_FILE
from xprun.runner.results.run_columns import components_key
from xprun.runner.store.export_cache import export, hash_of_sources
from xprun.runner.visuals.data_summaries import distinct_data, summaries_of, write_data
from xprun.runner.visuals.fitted_curves import data_of, data_sets, write_fits
from xprun.runner.visuals.loss_surfaces import losses_over, windows, write_surfaces
from xprun.runner.visuals.model_summaries import TEXT, distinct_models, summaries, write_models
from xprun.runner.visuals.sample_images import best_runs, pixels_of, wanted_rows, write_samples
from xprun.runner.workers.isolated import run_isolated
from xprun.specs import Run


def hash_of_content(job: Job, verdicts: list[Verdict]) -> str:
    """Return a hash of everything that tables and pages show."""
    parts = [
        hash_of_sources(Path(__file__).parent),
        job.plan.spec.document.as_run(),
        json.dumps([describe(job.plan), job.plan.goals], default=str),
        release_of("pyarrow"),
        job.store.stamp(run.id for run in job.plan.runs),
        "\n".join(verdict.line for verdict in verdicts),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def write_results(job: Job, pairs: Pairs, made_of: str, verdicts: list[Verdict]) -> list[Path]:
    """Write the tables, which are returned, and the spec as it was run and resolved."""
    folder, plan = job.options.folder, job.plan
    tables = export(folder, "tables", made_of, partial(_write_tables, job, pairs, verdicts))
    _renew(folder / "spec.toml", plan.spec.document.as_run())
    _renew(folder / "resolved.json", json.dumps(describe(plan), indent=1, default=str) + "\n")
    return tables


def _write_tables(job: Job, pairs: Pairs, verdicts: list[Verdict]) -> list[Path]:
    from xprun.runner.outputs.result_tables import write_tables  # with pandas

    return write_tables(job.options.folder, job.plan, pairs, claims_table(verdicts))


def write_made_by_components(job: Job, pairs: Pairs, made_of: str, *, anew: bool) -> None:
    """Write that for which code of components is run; an interrupt may end it."""
    folder = job.options.folder
    ended = {run.id: outcome for run, outcome in pairs}
    for run in job.plan.rows:  # those of earlier calls, too
        if run.id in ended:
            observe(job.plan, run, ended[run.id], folder, job.plugins, job.run_isolated, again=False)
    if anew or not all((folder / file).is_file() for file in (TEXT, MODELS_FILE)):
        _write_models(job)
    for name, write in {"surfaces": _write_surfaces, "fits": _write_fits, "samples": _write_samples}.items():
        export(folder, name, made_of, partial(write, job, pairs))
    data = distinct_data([run for run, _ in pairs])
    export(folder, "data", " ".join(components_key(run, ("data",)) for run in data), partial(_write_data, job, data))


def _renew(path: Path, text: str) -> None:
    """Write a small file unless it says that already."""
    with suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return
    replace_text(path, text)


def write_environment(job: Job, *, anew: bool) -> None:
    """Write where runs were trained: only when some were, `anew`, or nothing says so."""
    path = job.options.folder / "environment.json"
    if anew or not path.exists():
        facts = torch_facts(job.device_here) if job.options.workers == 0 else run_isolated(torch_facts, job.device_here)
        environment = describe_environment(
            job.device, job.options.plugins, job.registry, facts, frameworks_of(job.plan.spec, job.registry)
        )
        replace_text(path, json.dumps(environment, indent=1) + "\n")


def _write_models(job: Job) -> None:
    """Write what the models look like; building them again costs little beside a run."""
    runs, left_out = distinct_models(job.plan.searched)
    write_models(job.options.folder, runs, left_out, job.map_isolated(summaries, runs))


def _write_data(job: Job, runs: list[Run]) -> list[Path]:
    """Write what the data are on which runs have ended; they are made anew only where they are others."""
    return write_data(job.options.folder, runs, job.map_isolated(summaries_of, runs))


def _write_surfaces(job: Job, pairs: Pairs) -> list[Path]:
    """Write the loss around the paths of runs with one or two parameters."""
    found = windows(pairs, job.plan.spec.compare.window)
    return write_surfaces(job.options.folder, found, job.map_isolated(losses_over, found))


def _write_fits(job: Job, pairs: Pairs) -> list[Path]:
    """Write the curves that runs have fitted, and the data beside them."""
    found = data_sets(pairs)
    return write_fits(job.options.folder, pairs, found, job.map_isolated(data_of, found))


def _write_samples(job: Job, pairs: Pairs) -> list[Path]:
    """Write images with what the best runs took them for."""
    best = best_runs(job.plan, pairs)
    wanted = wanted_rows(best)
    return write_samples(job.options.folder, best, wanted, job.map_isolated(pixels_of, wanted))
