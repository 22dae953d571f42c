"""A saved model is written for other programs, and gives there what the run's model gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor, nn
from xprun import open_results
from xprun.plugins import model
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.exports import model_files
from xprun.runner.exports.saved_model import SavedModel, rebuild
from xprun.runner.store.checkpoints import CheckpointError

SPEC = """
data = { name = "DATA", batch_size = 64 }
model = MODEL
loss = { name = "LOSS" }
optimizer = { name = "SGD", lr = 0.1 }
run = { steps = 2, save = "last" }
"""
CHAIN = """{ layers = [
  { name = "Linear", in_features = 4, out_features = 8 }, { name = "BatchNorm1d" }, { name = "ReLU" },
  { name = "Dropout", p = 0.5 }, { name = "Linear", out_features = 3 },
] }"""

Save = Callable[..., Path]


@pytest.fixture
def save(write: Callable[[str], Path], tmp_path: Path) -> Save:
    """Return what trains a model for two steps and returns the output folder, in which it is saved."""

    def train(model: str = CHAIN, data: str = "iris", loss: str = "CrossEntropyLoss", *sets: str) -> Path:
        spec = write(SPEC.replace("MODEL", model).replace("DATA", data).replace("LOSS", loss))
        out = tmp_path / "out"
        options = [word for one in sets for word in ("--set", one)]
        done = CliRunner().invoke(main, [str(spec), "-o", str(out), "--no-report", "-q", *options])
        assert done.exit_code == 0, done.output
        return out

    return train


def export(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", str(folder), *arguments])


def saved_model(folder: Path) -> tuple[SavedModel, Tensor]:
    """Return the model as xprun rebuilds it, and rows of its data."""
    saved = rebuild(folder, "", REGISTRY)
    return saved, saved.work.train.one_tensor[:7]


def outputs_elsewhere(module: Path, rows: Tensor, tmp_path: Path) -> Tensor:
    """Return what the model of a file gives in a Python that knows nothing of xprun."""
    torch.save(rows, tmp_path / "rows.pt")
    program = (
        "import sys, torch\n"
        "from model import load\n"
        "model = load()\n"
        "assert not model.training\n"
        "torch.save(model(torch.load('rows.pt')).detach(), 'outputs.pt')\n"
        "assert not [name for name in sys.modules if name.startswith('xprun')]"
    )
    for file in (module, module.with_suffix(".pt")):
        (tmp_path / f"model{file.suffix}").write_bytes(file.read_bytes())
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    found: Tensor = torch.load(tmp_path / "outputs.pt")
    return found


@model("residual")
class Residual(nn.Module):
    """Layers in parts, a parameter of its own, and a sum past them."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        self.inner = nn.ModuleList([nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.GELU())])
        self.scale = nn.Parameter(torch.full((4,), 0.5))
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.inner[0](x)) * self.scale
        scores: Tensor = self.last(self.inner[1](y) + x)
        return scores


@model("export.branching")
class Branching(nn.Module):
    """Something that depends on numbers, which no trace of symbols passes."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.last(x)
        return scores if float(scores.detach().sum()) > 0 else 2 * scores


@pytest.fixture(autouse=True)
def _registered() -> None:
    model("residual")(Residual)
    model("export.branching")(Branching)


def test_a_chain_becomes_layers_that_one_can_read(save: Save, tmp_path: Path) -> None:
    folder = save()
    done = export(folder, "-o", str(tmp_path / "net.py"))
    assert done.exit_code == 0, done.output
    first, *told = done.stdout.splitlines()
    assert first == f"wrote {tmp_path / 'net.py'}  {tmp_path / 'net.pt'}"
    assert [line.split()[0] for line in told] == ["model", "input", "output", "classes", "check"]
    assert "float32 [N, 4]; N rows of iris" in done.stdout
    assert "setosa, versicolor, virginica" in done.stdout
    assert "outputs as the run's model, exactly, on 16 rows" in done.stdout
    text = (tmp_path / "net.py").read_text(encoding="utf-8")
    assert (
        "            nn.Linear(in_features=4, out_features=8),\n            nn.BatchNorm1d(num_features=8),\n" in text
    )
    assert "CLASSES = ('setosa', 'versicolor', 'virginica')" in text
    saved, rows = saved_model(folder)
    assert torch.equal(outputs_elsewhere(tmp_path / "net.py", rows, tmp_path), saved.module(rows))


@pytest.mark.parametrize(
    ("wanted", "contains"),
    [
        ('{ name = "residual" }', 'self.inner.add_module("1", nn.Sequential('),
        ('{ name = "mlp", hidden = [3] }', "nn.Flatten(),"),
    ],
)
def test_models_of_ones_own_are_written_with_their_layers(
    wanted: str, contains: str, save: Save, tmp_path: Path
) -> None:
    folder = save(wanted, "iris", "CrossEntropyLoss", 'run.dtype="float64"')
    assert export(folder, "-o", str(tmp_path / "net.py")).exit_code == 0
    text = (tmp_path / "net.py").read_text(encoding="utf-8")
    assert contains in text
    assert "torch.ops.aten" not in text
    saved, rows = saved_model(folder)
    assert rows.dtype == torch.float64
    assert torch.equal(outputs_elsewhere(tmp_path / "net.py", rows, tmp_path), saved.module(rows))


def test_what_no_trace_of_layers_passes_is_written_in_operations(save: Save, tmp_path: Path) -> None:
    layers = (
        '{ layers = [{ name = "Unflatten", dim = 1, unflattened_size = [2, 2] }, '
        '{ name = "TransformerEncoderLayer", d_model = 2, nhead = 1, dim_feedforward = 4, causal = true }, '
        '{ name = "Flatten" }, { name = "Linear", out_features = 3 }] }'
    )
    folder = save(layers)
    done = export(folder, "-o", str(tmp_path / "net.py"))
    assert done.exit_code == 0, done.output
    assert "torch.ops.aten" in (tmp_path / "net.py").read_text(encoding="utf-8")
    saved, rows = saved_model(folder)
    assert torch.allclose(outputs_elsewhere(tmp_path / "net.py", rows, tmp_path), saved.module(rows))


def test_a_program_of_torch_export_takes_any_number_of_rows(save: Save) -> None:
    folder = save()
    done = export(folder, "--format", "torch_export")
    assert done.exit_code == 0, done.output
    saved, rows = saved_model(folder)
    path = folder / "exports" / f"model_{saved.run.id}.pt2"
    assert f"wrote {path}\n" in done.stdout
    told = {"xprun.json": ""}
    loaded = torch.export.load(path, extra_files=told).module()
    assert torch.equal(loaded(rows), saved.module(rows))
    assert torch.equal(loaded(rows[:1]), saved.module(rows[:1]))
    assert json.loads(told["xprun.json"])["classes"] == "setosa, versicolor, virginica"


def test_onnx_gives_the_same_in_another_framework(save: Save) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder = save('{ name = "residual" }')
    done = export(folder, "--format", "onnx")
    assert done.exit_code == 0, done.output
    assert re.search(r"check +outputs as the run's model, .*, on 16 rows in onnxruntime", done.stdout)
    saved, rows = saved_model(folder)
    session = onnxruntime.InferenceSession(folder / "exports" / f"model_{saved.run.id}.onnx")
    (given,) = session.get_inputs()
    assert (given.name, given.shape[1:]) == ("input", [4])
    assert "setosa" in session.get_modelmeta().custom_metadata_map["classes"]
    for some in (rows, rows[:1]):
        torch.testing.assert_close(
            torch.from_numpy(session.run(None, {"input": some.numpy()})[0]), saved.module(some).detach()
        )


def test_onnx_says_what_it_needs(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save()
    monkeypatch.setattr(model_files, "find_package", lambda name: None)
    done = export(folder, "--format", "onnx")
    assert done.exit_code == 3
    assert done.stderr == "onnx is not installed: pip install 'xprun[onnx]'\n"


def test_how_inputs_were_scaled_is_told_in_numbers(save: Save) -> None:
    folder = save(CHAIN, 'iris", standardise = true, label = "iris')
    done = export(folder)
    rows = rebuild(folder, "", REGISTRY).work.train.one_tensor
    (mean, deviation) = re.findall(r"(?:mean|deviation) \[([^]]*)\]", done.stdout)
    raw = rows * torch.tensor(list(map(float, deviation.split(", ")))) + torch.tensor(
        list(map(float, mean.split(", ")))
    )
    assert torch.allclose(raw[0], torch.tensor([5.1, 3.5, 1.4, 0.2]), atol=1e-4)


@pytest.mark.parametrize("kind", ["module", "torch_export"])
def test_a_model_that_branches_on_numbers_is_refused_and_nothing_is_written(kind: str, save: Save) -> None:
    folder = save('{ name = "export.branching" }')
    done = export(folder, "--format", kind)
    assert done.exit_code == 1
    assert done.stderr.startswith("the model of run ")
    assert "cannot be" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list((folder / "exports").glob("*"))


def test_a_run_must_be_saved_and_one_of_several_named(save: Save, tmp_path: Path) -> None:
    folder = save(CHAIN, "iris", "CrossEntropyLoss", "run.seeds=2")
    assert re.fullmatch(r"several runs were saved; name one of \w{12}, \w{12}\n", export(folder).stderr)
    wrong = export(folder, "zz")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("no run with a checkpoint is called 'zz'; there are ")
    nothing = export(tmp_path / "nowhere", "ab")
    assert nothing.exit_code == 2
    assert "no such file or folder" in nothing.stderr
    bare = tmp_path / "bare"
    bare.mkdir()
    assert export(bare).stderr == f'{bare} has no checkpoints; write save = "last" or "best" in [run]\n'


def test_the_rebuilt_model_predicts_as_the_run_did(save: Save) -> None:
    folder = save()
    module = open_results(folder).model()
    saved, rows = saved_model(folder)
    assert not module.training
    assert torch.equal(module(rows), saved.module(rows))
    with pytest.raises(CheckpointError, match="no run with a checkpoint is called 'zz'"):
        open_results(folder).model("zz")


def test_a_file_is_called_as_its_format_asks(tmp_path: Path) -> None:
    done = export(tmp_path, "-o", "net.pt")
    assert done.exit_code == 2
    assert "-o net.pt: the name of a file in the format module ends with .py" in done.stderr
