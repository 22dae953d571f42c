"""Checkpoints: `state_dict` files of runs, what is needed to use them again, and whether they are what was saved."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from xprun.errors import Error
from xprun.runner.resolve.spec_files import ResolvedSpecFile
from xprun.runner.results.atomic_files import OutputError, replace_bytes, replace_text, writing
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.records import to_outcome
from xprun.runner.store.recovery import read_store
from xprun.specs import Alternative, Choice, Run, RunSettings

FOLDER = "checkpoints"


class CheckpointError(Error):
    """A checkpoint is missing, is none, or belongs to another model."""

    exit_code = 2


def save_checkpoints(folder: Path, runs: Iterable[Run], outcomes: list[Outcome]) -> None:
    """Write `checkpoints/<run>.pt` for every outcome that has a state, and beside it what the run was.

    The outcome is given the hash of both, by which they are known to be whole once it is stored.
    """
    by_id = {run.id: run for run in runs}
    for outcome in outcomes:
        if outcome.state:
            path = folder / FOLDER / f"{outcome.run}.pt"
            path.parent.mkdir(exist_ok=True)
            description = json.dumps(_description(by_id[outcome.run]), indent=1) + "\n"
            state = {name: torch.from_numpy(values) for name, values in outcome.state.items()}
            content = _to_bytes(state)
            outcome.checkpoint = _digest(description.encode(), content)
            replace_text(path.with_suffix(".json"), description)
            replace_bytes(path, content)


def load_state(module: nn.Module, path: Path) -> None:
    """Fill a module with the tensors of a `state_dict` file.

    Raises CheckpointError where they do not fit it, and for a checkpoint of an output folder that has changed since.
    """
    check_whole(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file that is none raises whatever the format's reader raises
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise CheckpointError(f"{path.name} is not a checkpoint file: {reason[:150]}") from None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError(f"{path.name} has no state_dict (names to tensors)")
    own = module.state_dict()
    problems = [f"it lacks {name}" for name in own if name not in state]
    problems += [f"the model has no {name}" for name in state if name not in own]
    problems += [
        f"{name} is {list(state[name].shape)}, in the model {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(f"{path.name} belongs to another model: {'; '.join(problems[:3])}{more}")
    module.load_state_dict(state)


def check_whole(path: Path) -> None:
    """Raise CheckpointError for a checkpoint in an output folder that is not what its run has saved.

    A file that is somewhere else, or of which the store knows nothing, is for the reader to judge.
    """
    expected = _saved(path.parents[1]).get(path.stem) if path.parent.name == FOLDER else None
    if expected and expected != _digest_of_files(path):
        raise CheckpointError(
            f"{path} is missing or damaged: it does not match what was saved with its run. To train that run again: "
            f"xprun SPEC -o {path.parents[1]} --only {path.stem} --rerun all"
        )


def _saved(folder: Path) -> dict[str, str]:
    """Return the hashes of the checkpoints that the store of a folder tells of, by run."""
    store = folder / "store.sqlite"
    files = [file for file in (store, store.with_name(f"{store.name}-wal")) if file.is_file()]
    return _hashes(store, tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in files)) if files else {}


@lru_cache(maxsize=10)
def _hashes(store: Path, stamp: tuple[tuple[int, int], ...]) -> dict[str, str]:
    """Read the hashes; the stamp is another one whenever the store has changed."""
    try:
        with writing(store.parent):
            records, _ = read_store(store)
    except OutputError as error:
        raise CheckpointError(str(error)) from None
    return {run: outcome.checkpoint for run, record in records.items() if (outcome := to_outcome(record)).checkpoint}


def _digest_of_files(path: Path) -> str:
    try:
        return _digest(path.with_suffix(".json").read_bytes(), path.read_bytes())
    except OSError:
        return ""


def _digest(description: bytes, content: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(description).digest() + content).hexdigest()


def _to_bytes(state: dict[str, Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def read_run(folder: Path, name: str) -> tuple[Run, Path]:
    """Return the run of an output folder whose id starts with a name, and its checkpoint; "" names the only one.

    Raises CheckpointError where there is none, or several, where it is not what was saved, or where what stands beside
    it describes no run.
    """
    saved = sorted({path.stem for path in (folder / FOLDER).glob("*.pt")} | _saved(folder).keys())
    found = [run for run in saved if run.startswith(name)]
    if not saved:
        raise CheckpointError(f'{folder} has no checkpoints; write save = "last" or "best" in [run]')
    if len(found) != 1:
        some = _some(found or saved)
        if not name:
            raise CheckpointError(f"several runs were saved; name one of {some}")
        why = "several runs are" if found else "no run with a checkpoint is"
        raise CheckpointError(f"{why} called {name!r}; there are {some}")
    path = folder / FOLDER / f"{found[0]}.pt"
    check_whole(path)
    beside = path.with_suffix(".json")
    try:
        return _run(json.loads(beside.read_text(encoding="utf-8"))), path
    except Exception as error:  # anything may stand there
        raise CheckpointError(f"{beside.name} does not describe a run: {type(error).__name__}") from error


def _description(run: Run) -> dict[str, Any]:
    """Return what a run was, as plain values."""
    choices = {
        section: {"name": choice.name, "settings": _plain(choice.settings)} for section, choice in run.choices.items()
    }
    return {"run": run.id, "seed": run.seed, **choices, "settings": run.settings.model_dump(mode="json")}


def _run(description: dict[str, Any]) -> Run:
    """Return the run that was described."""
    settings = RunSettings.model_validate(description["settings"])
    choices = {section: _choice(section, table) for section, table in description.items() if isinstance(table, dict)}
    run_choice = choices.pop("settings")
    return Run(choices, settings, run_choice, description["seed"], description["run"])


def _choice(section: str, table: dict[str, Any]) -> Choice:
    name, settings = table.get("name", section), _live(table.get("settings", {}))
    return Choice(Alternative(section, (section,), name, settings), settings, {})


def _plain(value: Any) -> Any:
    """Return a value with the places of files beside their names."""
    if isinstance(value, ResolvedSpecFile):
        return {"file": str(value), "path": str(value.path)}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _live(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"file", "path"}:
        file = ResolvedSpecFile(value["file"])
        file.path = Path(value["path"])
        return file
    if isinstance(value, dict):
        return {key: _live(inner) for key, inner in value.items()}
    return [_live(inner) for inner in value] if isinstance(value, list) else value


def _some(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
