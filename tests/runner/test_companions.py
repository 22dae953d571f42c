"""A run has the same bits whatever else is in its spec."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from xprun import run as train

DATA = {
    "linear": 'name = "line"\nbatch_size = "full"',
    "digits": 'name = "digits"\nbatch_size = 64',
}
MODEL = {
    "linear": 'name = "linear"',
    "digits": 'layers = [{ name = "Linear", in_features = 64, out_features = 10 }]',
}
LOSS = {"linear": "MSELoss", "digits": "CrossEntropyLoss"}
TOLD = ["seconds", "together", "host", "threads", "device"]


def rows(folder: Path, model: str, *names: str, lr: str = "0.003", seeds: int = 2, jobs: int = 0) -> pd.DataFrame:
    """Return the rows of Adam with lr 0.003, by seed."""
    optimizers = "".join(f'[[optimizer]]\nname = "{name}"\nlr = {lr}\n' for name in ("Adam", *names))
    spec = folder / "spec.toml"
    spec.write_text(
        f'device = "cpu"\n[data]\n{DATA[model]}\nvalid = 0.2\n[model]\n{MODEL[model]}\n'
        f'[loss]\nname = "{LOSS[model]}"\n'
        f'{optimizers}[run]\nsteps = 40\nseeds = {seeds}\nengine = "together"\ncompile = false\n',
        encoding="utf-8",
    )
    found = train(spec, output=folder / f"{len(list(folder.iterdir()))}", jobs=jobs, quiet=True).runs
    chosen = found[(found["optimizer"] == "Adam") & (found["optimizer.lr"] == 0.003)]
    return chosen.drop(columns=TOLD).set_index("seed").loc[[0, 1]]


@pytest.mark.parametrize("model", MODEL)
def test_a_run_has_the_same_bits_in_other_company(model: str, tmp_path: Path) -> None:
    expected = rows(tmp_path, model, lr="{ grid = [0.003] }")
    others = {
        "another rate": rows(tmp_path, model, lr="{ grid = [0.003, 0.01] }"),
        "other alternatives": rows(tmp_path, model, "SGD", "scratch.adam", lr="{ grid = [0.01, 0.003] }"),
        "more seeds": rows(tmp_path, model, lr="{ grid = [0.003, 0.02] }", seeds=4),
        "two workers": rows(tmp_path, model, "RMSprop", lr="{ grid = [0.003, 0.01] }", jobs=2),
    }
    for what, found in others.items():
        pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True, obj=what)
