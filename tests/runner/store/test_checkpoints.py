"""Checkpoints hold the run's last or best parameters, alone and together, and can be used again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from support.training import MakePlan, all_together, each_alone
from torch import nn
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.runner.store.checkpoints import CheckpointError, load_state

SPEC = """
data = { name = "digits", valid = 0.8, batch_size = 64 }
model = { layers = [
  { name = "Linear", in_features = 64, out_features = 8 },
  MIDDLE
  { name = "Linear", in_features = 8, out_features = 10 },
] }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = { grid = [0.1, 2.0, 1e308] } }
run = { epochs = 6, seeds = 2, dtype = "float64", metrics = ["accuracy"], save = "SAVE" }
"""
MIDDLES = {
    "linear-stack": '{ name = "Tanh" },',
    "traced": '{ name = "BatchNorm1d", num_features = 8 }, { name = "Dropout", p = 0.2 },',
}


def spec(save: str, program: str = "linear-stack") -> str:
    return SPEC.replace("SAVE", save).replace("MIDDLE", MIDDLES[program])


@pytest.mark.parametrize("program", MIDDLES)
@pytest.mark.parametrize("save", ["last", "best"])
def test_what_is_kept_together_is_what_is_kept_alone(save: str, program: str, plan: MakePlan) -> None:
    runs = plan(spec(save, program)).runs
    alone, together = each_alone(runs), all_together(runs, program)
    assert {o.status for o in together.values()} == {"done", "diverged"}
    for run, outcome in together.items():
        assert outcome.state.keys() == alone[run].state.keys()
        assert bool(outcome.state) == (outcome.status == "done")
        for name, values in outcome.state.items():
            np.testing.assert_allclose(values, alone[run].state[name], 1e-6, 1e-9, err_msg=name)


def test_nothing_is_kept_unasked(plan: MakePlan) -> None:
    runs = plan(spec("last").replace(', save = "last"', "")).runs
    assert all(outcome.state == {} for outcome in {**each_alone(runs), **all_together(runs)}.values())


def accuracy(outcome: Outcome) -> float:
    """Return the accuracy on the held-out digits of the model that was kept."""
    from xprun.plugins.datasets.digits import digits

    table = digits()
    valid = torch.randperm(1797, generator=torch.Generator().manual_seed(0))[:1438]
    model = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)).double()
    model.load_state_dict({name: torch.from_numpy(values) for name, values in outcome.state.items()})
    hits = model(table.inputs[valid].double()).argmax(1) == table.targets[valid]
    return float(hits.double().mean())


@pytest.mark.parametrize(("save", "pick"), [("last", lambda values: values[-1]), ("best", max)])
def test_the_last_and_the_best_are_what_they_are_called(
    save: str, pick: Callable[[list[float]], float], plan: MakePlan
) -> None:
    outcomes = [o for o in all_together(plan(spec(save)).runs).values() if o.status == "done"]
    curves = [outcome.history["valid.accuracy"].values.tolist() for outcome in outcomes]
    assert any(curve[-1] < max(curve) for curve in curves)
    for outcome, curve in zip(outcomes, curves, strict=True):
        assert accuracy(outcome) == pytest.approx(pick(curve))


def test_the_best_follows_the_comparison_and_is_part_of_the_run(plan: MakePlan) -> None:
    by_accuracy, by_loss = plan(spec("best")), plan(spec("best"), "compare.metric=valid.loss")
    last, none = plan(spec("last")), plan(spec("last").replace(', save = "last"', ""))
    assert len({made.runs[0].id for made in (by_accuracy, by_loss, last, none)}) == 4
    outcome = next(o for o in all_together(by_loss.runs).values() if o.status == "done")
    assert outcome.state


def test_a_stopped_run_keeps_its_last_step(plan: MakePlan) -> None:
    text = spec("last").replace("save =", 'stop = { metric_reached = { "valid.accuracy" = 0.7 } }, save =')
    outcomes = all_together(plan(text).runs).values()
    stopped = [o for o in outcomes if o.status == "stopped"]
    assert stopped
    for outcome in stopped:
        assert accuracy(outcome) == pytest.approx(outcome.history["valid.accuracy"].values[-1])


def test_a_best_that_nothing_tells_is_an_error(write: Callable[[str], Path], line_spec: str) -> None:
    result = CliRunner().invoke(main, ["check", str(write(f'{line_spec}save = "best"\n'))])
    assert (
        "run.save: the best checkpoint is chosen by a metric at evaluations, which the runs do not have"
        in result.stderr
    )
    text = spec("best") + '[compare]\nmetric = "loss"'
    assert (
        "the best checkpoint is chosen by loss at evaluations"
        in CliRunner().invoke(main, ["check", str(write(text))]).stderr
    )


# --- files


@pytest.fixture
def folder(plan: MakePlan, tmp_path: Path) -> Path:
    """Return an output folder with checkpoints."""
    run_experiment(plan(spec("best")).spec, REGISTRY, Options(tmp_path / "out"), Silent())
    return tmp_path / "out"


def predict(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["predict", str(folder), *arguments])


def test_files_are_plain_state_dicts_for_runs_that_ended_well(folder: Path) -> None:
    results = pd.read_csv(folder / "results.csv", dtype={"run": str}).set_index("run")
    saved = sorted(path.stem for path in (folder / "checkpoints").glob("*.pt"))
    assert saved == sorted(results[results["status"] == "done"].index)
    state = torch.load(folder / "checkpoints" / f"{saved[0]}.pt", weights_only=True)
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert not list((folder / "checkpoints").glob(".*"))


def test_predictions_are_those_of_the_best_evaluation(folder: Path, tmp_path: Path) -> None:
    results = pd.read_csv(folder / "results.csv", dtype={"run": str})
    run = results[results["status"] == "done"].iloc[-1]
    file = tmp_path / "predictions.csv"
    assert predict(folder, run["run"][:8], "-o", str(file)).stdout == f"wrote {file}\n"
    table = pd.read_csv(file)
    assert list(table.columns) == ["row", "target", "prediction", *(f"p[{i}]" for i in range(10))]
    assert len(table) == 1438
    assert (table["target"] == table["prediction"]).mean() == pytest.approx(run["best.valid.accuracy"])
    assert table.filter(like="p[").sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert len(predict(folder, run["run"], "--data", "train").stdout.splitlines()) == 360


def test_a_regression_has_numbers(plan: MakePlan, tmp_path: Path, line_spec: str) -> None:
    made = plan(f'{line_spec}save = "last"\n')
    run_experiment(made.spec, REGISTRY, Options(tmp_path / "out"), Silent())
    lines = predict(tmp_path / "out", made.runs[0].id).stdout.splitlines()
    assert lines[0] == "row,target,prediction"
    assert len(lines) == 21
    result = predict(tmp_path / "out", made.runs[0].id, "--data", "valid")
    assert result.exit_code == 2
    assert "has no valid rows; use --data train" in result.stderr


def test_a_run_that_is_not_there_is_told_with_those_that_are(folder: Path, tmp_path: Path) -> None:
    assert "no run with a checkpoint is called 'zzz'; there are " in predict(folder, "zzz").stderr
    assert "several runs were saved; name one of" in predict(folder, "").stderr
    assert 'has no checkpoints; write save = "last" or "best" in [run]' in predict(tmp_path, "x").stderr


@pytest.mark.parametrize("ending", [".pt", ".json"])
def test_a_checkpoint_is_what_was_saved_with_its_run_or_is_refused(ending: str, folder: Path, tmp_path: Path) -> None:
    path = sorted((folder / "checkpoints").glob(f"*{ending}"))[0]
    content = path.read_bytes()
    help_text = f"xprun SPEC -o {folder} --only {path.stem} --rerun all"
    middle = len(content) // 2
    for wrong in (content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], content[:-1], b""):
        path.write_bytes(wrong)
        result = predict(folder, path.stem)
        assert result.exit_code == 2
        assert (
            f"{path.stem}.pt is missing or damaged: it does not match what was saved with its run. To" in result.stderr
        )
        assert help_text in result.stderr
        with pytest.raises(CheckpointError, match="is missing or damaged"):
            load_state(nn.Linear(2, 3), path.with_suffix(".pt"))
    path.unlink()
    assert help_text in predict(folder, path.stem).stderr
    path.write_bytes(content)
    assert predict(folder, path.stem).exit_code == 0


def test_a_run_that_is_trained_again_has_the_checkpoint_of_that_time(folder: Path, plan: MakePlan) -> None:
    spec_again = plan(spec("best")).spec
    [path, *_] = sorted((folder / "checkpoints").glob("*.pt"))
    path.unlink()
    run_experiment(spec_again, REGISTRY, Options(folder, workers=0), Silent())
    assert not path.exists()
    only = frozenset([path.stem])
    run_experiment(spec_again, REGISTRY, Options(folder, workers=0, only=only, rerun="all"), Silent())
    assert predict(folder, path.stem).exit_code == 0


def test_training_goes_on_from_a_checkpoint(folder: Path, plan: MakePlan, tmp_path: Path) -> None:
    checkpoint = next((folder / "checkpoints").glob("*.pt"))
    shutil.copy(checkpoint, tmp_path / "start.pt")
    text = (
        spec("last").replace("] }\nloss", '], start_from = "start.pt" }\nloss').replace("[0.1, 2.0, 1e308]", "[1e-300]")
    )
    runs = plan(text).runs
    state = torch.load(checkpoint, weights_only=True)
    for outcomes in (each_alone(runs), all_together(runs)):
        for outcome in outcomes.values():
            for name, values in outcome.state.items():
                np.testing.assert_array_equal(values, state[name].numpy())
    torch.save({name: 2 * tensor for name, tensor in state.items()}, tmp_path / "start.pt")
    assert plan(text).runs[0].id != runs[0].id


def test_a_file_of_another_model_is_told(tmp_path: Path) -> None:
    path, model = tmp_path / "x.pt", nn.Linear(2, 3)
    torch.save({"weight": torch.zeros(3, 5), "more": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError) as caught:
        load_state(model, path)
    differences = "it lacks bias; the model has no more; weight is [3, 5], in the model [3, 2]"
    assert str(caught.value) == f"x.pt belongs to another model: {differences}"
    path.write_text("nonsense")
    with pytest.raises(CheckpointError, match="is not a checkpoint file"):
        load_state(model, path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="has no state_dict"):
        load_state(model, path)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code from a file was run",)


def test_no_code_in_a_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weight": Evil()}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="is not a checkpoint file"):
        load_state(nn.Linear(2, 3), tmp_path / "x.pt")
    assert capsys.readouterr().out == ""
