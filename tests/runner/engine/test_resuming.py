"""A training that is cut off, at whatever step, goes on from its snapshot and ends to the bit as one that is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from support.optimizer_classes import SAM, AdaHessian, Both, Lookahead, Opaque
from support.python_blocks import python_block
from support.training import SCHEDULE_FREE, MakePlan
from support.unused_parameters import Heads, LayerDrop
from torch import Tensor
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine import compiled_blocks
from xprun.runner.engine import stop_rules as stopping
from xprun.runner.engine.execution_units import ExecutionUnit, grids_of
from xprun.runner.engine.optimizer_state import UnsavableError
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.engine.stop_rules import StopRules
from xprun.runner.planning.layout import Layout
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.snapshots import Snapshot, read_place
from xprun.runner.workload.batch_feeds import Draws
from xprun.runner.workload.batch_order import Counted
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Run
from xprun.specs.language.schema import Stop

CPU = torch.device("cpu")
SPEC = """
data = DATA
model = MODEL
loss = { name = "CrossEntropyLoss" }
optimizer = OPTIMIZER
SCHEDULER
[run]
epochs = 6
checkpoint_every = 1
metrics = ["accuracy", "confusion"]
RUN
"""
DIGITS = '{ name = "digits", valid = 0.9, batch_size = 32 }'  # 180 rows in 6 steps an epoch
TESTED = '{ name = "digits", valid = 0.8, test = 0.1, batch_size = 32 }'
EVEN = DIGITS.replace("32", "30")
SMALL = """{ layers = [
  { name = "Linear", in_features = 64, out_features = 6 }, MIDDLE
  { name = "Linear", in_features = 6, out_features = 10 },
] }"""
MLP, DROPOUT = SMALL.replace("MIDDLE", '{ name = "Tanh" },'), SMALL.replace("MIDDLE", '{ name = "Dropout" },')
NORM = SMALL.replace("MIDDLE", '{ name = "BatchNorm1d", num_features = 6 }, { name = "Dropout", p = 0.3 },')
PLAIN = {"DATA": DIGITS, "MODEL": MLP, "OPTIMIZER": '{ name = "SGD", lr = 0.3, momentum = 0.9 }'}
MOVING = """[scheduler]
name = "OneCycleLR"
max_lr = 0.5
per = "step"
"""
FLIPPED = """{ name = "FakeData", size = 40, image_size = [1, 6, 6], num_classes = 3, valid = 0.2, batch_size = 8,
    transforms = [{ name = "RandomHorizontalFlip" }] }"""
IMAGES = """{ layers = [
  { name = "Flatten" }, { name = "Dropout" }, { name = "Linear", in_features = 36, out_features = 3 },
] }"""
VERSE = '{ name = "text", file = "verse.txt", sequence_length = 8, valid = 0.2, batch_size = 6 }'
TRANSFORMER = '{ name = "transformer", d_model = 8, nhead = 2, num_layers = 1, dropout = 0.2 }'
TWO_RULES = """[
  { name = "scratch.momentum", lr = { grid = [0.03, 0.3] } },
  { name = "Adam", lr = { grid = [0.001, 3e38, 0.1] } },
]"""
WOBBLING = """[
  { name = "scratch.momentum", lr = { grid = [0.5, 3.0] } },
  { name = "Adam", lr = { grid = [0.1, 0.3, 1.0] } },
]"""

WARM = '[scheduler]\nname = "LinearLR"\nper = "step"\ntotal_iters = 30'
GROUPS = '{ name = "NAME", lr = 0.02, groups = { "*.bias" = { betas = [0.5, 0.9] }, "2.*" = { lr = 0.05 } } }'
RECIPE = 'clip_norm = 0.1\naccumulate = 4\nsave = "best"'

ALONE = {
    "a rule on one vector": {"OPTIMIZER": '{ name = "scratch.momentum", lr = 0.1 }'},
    "two states and bias correction": {"OPTIMIZER": '{ name = "Adam", lr = 0.01, amsgrad = true }'},
    "a torch class": {"OPTIMIZER": '{ name = "Adafactor", lr = 0.01 }'},
    "a torch class with a closure": {"OPTIMIZER": '{ name = "LBFGS", lr = 0.1, max_iter = 3, history_size = 3 }'},
    "a scheduler that moves momentum": {"SCHEDULER": MOVING},
    "a scheduled torch class": {
        "OPTIMIZER": '{ name = "Adafactor", lr = 0.01 }',
        "SCHEDULER": '[scheduler]\nname = "CosineAnnealingWarmRestarts"\nT_0 = 2\nper = "epoch"',  # back to the first
    },
    "other parameters in training than in evaluation": {
        "OPTIMIZER": '{ name = "averaged", lr = 0.3 }',
        "RUN": 'save = "best"',
    },
    "optimizers inside a class": {"OPTIMIZER": '{ name = "both", lr = 0.02 }', "SCHEDULER": WARM},
    "a class that shares its groups": {"OPTIMIZER": '{ name = "sam", lr = 0.2 }', "SCHEDULER": WARM},
    "a class with lists and objects of its own": {"OPTIMIZER": '{ name = "lookahead", lr = 0.02 }'},
    "a class with a generator and a count": {"OPTIMIZER": '{ name = "ada_hessian", lr = 0.1 }'},
    "a pair": {"OPTIMIZER": '{ name = "Muon", lr = 0.02 }', "SCHEDULER": WARM},
    "groups of a rule": {"OPTIMIZER": GROUPS.replace("NAME", "AdamW"), "SCHEDULER": MOVING},
    "groups of a class": {"OPTIMIZER": GROUPS.replace("NAME", "Adafactor").replace("betas = [0.5, 0.9]", "lr = 0.1")},
    "layers that steps leave out": {"MODEL": '{ name = "layer_drop" }', "OPTIMIZER": '{ name = "Adam", lr = 0.02 }'},
    "random layers": {"MODEL": DROPOUT},
    "running statistics": {"MODEL": NORM},
    "the best evaluation": {"RUN": 'save = "best"', "OPTIMIZER": '{ name = "SGD", lr = 9.0 }'},
    "the test rows": {"DATA": TESTED, "RUN": 'save = "best"'},
    "the last step": {"RUN": 'save = "last"'},
    "averages over the batches": {"RUN": 'measure_train = "running"\nstop = { loss_below = 1.2 }\naccumulate = 2'},
    "patience": {"RUN": "stop = { patience = 2 }", "OPTIMIZER": '{ name = "SGD", lr = 5.0 }'},
    "a loss that is watched": {"RUN": "stop = { loss_below = 1.2 }"},
    "divergence": {"OPTIMIZER": '{ name = "SGD", lr = 1e7, weight_decay = 1e3 }'},
    "rows changed at random": {"DATA": FLIPPED, "MODEL": IMAGES},
    "clipped and averaged": {"MODEL": NORM, "RUN": f"{RECIPE}\naverage = {{ ema = 0.8 }}", "SCHEDULER": MOVING},
    "a mean from a step on": {"RUN": 'average = { swa_from = 0.5 }\nsave = "last"'},
    "a torch class, clipped and averaged": {
        "OPTIMIZER": '{ name = "Adafactor", lr = 0.01 }',
        "RUN": f"{RECIPE}\naverage = {{ swa_from = 0.3 }}",
    },
    "a recurrent model of tokens": {"DATA": VERSE, "MODEL": '{ name = "char_lstm", hidden_size = 8 }'},
}
TOGETHER = {
    "linear-stack": {"OPTIMIZER": TWO_RULES, "RUN": 'seeds = 2\nsave = "best"'},
    "traced": {"OPTIMIZER": TWO_RULES, "MODEL": NORM, "DATA": EVEN, "RUN": 'seeds = 2\nsave = "last"'},
    "linear-stack, averages over the batches": {"OPTIMIZER": TWO_RULES, "RUN": 'seeds = 2\nmeasure_train = "running"'},
    "linear-stack, all stop somewhere": {
        "OPTIMIZER": WOBBLING,
        "RUN": "seeds = 3\nrecord_every = 4\n"
        'stop = { patience = 2, loss_below = 0.7, metric_reached = { "valid.accuracy" = 0.7 } }',
    },
    "linear-stack, the test rows of runs that stop": {
        "OPTIMIZER": WOBBLING,
        "DATA": TESTED,
        "RUN": 'seeds = 3\nsave = "best"\nstop = { patience = 2, metric_reached = { "valid.accuracy" = 0.7 } }',
    },
    "linear-stack, clipped and averaged": {
        "OPTIMIZER": TWO_RULES,
        "RUN": "clip_norm = { grid = [0.1, 1.0] }\naccumulate = 4\naverage = { ema = { grid = [0.5, 0.9] } }\n"
        'seeds = 2\nsave = "best"',
    },
    "traced, clipped and averaged": {
        "OPTIMIZER": TWO_RULES,
        "MODEL": NORM,
        "DATA": EVEN,
        "RUN": f"{RECIPE}\naverage = {{ swa_from = 0.3 }}\nseeds = 2",
    },
    "traced, rows changed at random": {"DATA": FLIPPED, "MODEL": IMAGES, "RUN": "seeds = 2"},
    "traced, transformers with a scheduler": {
        "DATA": VERSE,
        "MODEL": TRANSFORMER,
        "OPTIMIZER": '{ name = "AdamW", lr = { grid = [0.003, 0.03] } }',
        "SCHEDULER": '[scheduler]\nname = "warmup_cosine"\nwarmup = 4\nper = "step"',
        "RUN": "seeds = 2",
    },
    "linear-stack, schedulers": {
        "SCHEDULER": "\n".join(f'[[scheduler]]\nname = "StepLR"\nstep_size = {n}\nper = "step"' for n in (2, 5)),
        "OPTIMIZER": TWO_RULES,
    },
    "linear-stack, a rule that asks for the loss and the end": {
        "OPTIMIZER": '{ name = "test.by_loss", lr = { grid = [0.1, 0.3] } }'
    },
    "linear-stack, groups": {
        "OPTIMIZER": GROUPS.replace("NAME", "AdamW").replace("= 0.05", "= { grid = [0.05, 0.1] }")
    },
    "traced, parameters that no step uses": {"MODEL": '{ name = "heads" }', "OPTIMIZER": TWO_RULES, "DATA": EVEN},
    "linear-stack, a rule on whole parameters": {"OPTIMIZER": '{ name = "test.by_norm", lr = { grid = [0.1, 0.3] } }'},
}
STREAM = """
data = { name = "polynomial", batch_size = 8 }
model = { name = "linear" }
loss = { name = "SmoothL1Loss" }
optimizer = { name = "scratch.adam", lr = { grid = [0.05, 0.1] } }
run = { steps = 330, seeds = 2, checkpoint_every = 1, metrics = ["mae"] }
"""
BY_HAND = """
data = { name = "thermometer", batch_size = "full" }
model = { name = "linear", w = 1.0, b = 0.01 }
loss = { name = "MSELoss" }
optimizer = { name = "SGD", lr = 1e-4, momentum = 0.5 }
run = { steps = 60, gradient = "manual", checkpoint_every = 7 }
"""


def text_of(parts: dict[str, str]) -> str:
    text = SPEC
    for name, value in ({"SCHEDULER": "", "RUN": ""} | PLAIN | parts).items():
        text = text.replace(name, value)
    return text


def by_norm(w: Tensor, g: Tensor, m: Tensor, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    m = 0.5 * m + g / (1 + g.norm())
    return w - lr * m, m


def by_loss(w: Tensor, g: Tensor, m: Tensor, t: int, T: int, loss: Tensor, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    m = 0.5 * m + g * loss
    return w - lr * (1 - t / T) * m, m


@pytest.fixture(autouse=True)
def _rule(_registry_as_installed: None, one_thread: None, tmp_path: Path) -> None:
    from xprun.plugins.registry import model, optimizer

    (tmp_path / "verse.txt").write_text("so long as men can breathe or eyes can see\n" * 6, encoding="utf-8")

    optimizer("test.by_norm")(by_norm)
    optimizer("test.by_loss")(by_loss)
    for name, cls in {"both": Both, "sam": SAM, "lookahead": Lookahead, "ada_hessian": AdaHessian}.items():
        optimizer(name)(cls)
    optimizer("opaque")(Opaque)
    model("heads")(lambda x, y: Heads())
    model("layer_drop")(lambda x, y: LayerDrop())
    open_registry((SCHEDULE_FREE,))


# --- to train, to be cut off, and to compare


class Cut(BaseException):
    """Stands for whatever ends a process."""


class Scissors:
    """Counts the steps that are taken, and cuts the training off before the one wanted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps, self.left = 0, 10**9
        for feed in (Counted, Draws):
            monkeypatch.setattr(feed, "__next__", self._counting(feed.__next__))

    def _counting(self, take: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def counted(feed: Any) -> Any:
            if self.left == 0:
                raise Cut
            self.left -= 1
            self.steps += 1
            return take(feed)

        return counted

    def cut_off(self, train: Train, after: int) -> bool:
        """Return whether a training was cut off after so many steps; shorter ones are not."""
        self.left = after
        try:
            train()
        except Cut:
            return True
        finally:
            self.left = 10**9
        return False


Train = Callable[[], list[Outcome]]
Way = Callable[[Workload, list[Run], Path], list[Outcome]]


@pytest.fixture
def scissors(monkeypatch: pytest.MonkeyPatch) -> Scissors:
    return Scissors(monkeypatch)


def alone(work: Workload, runs: list[Run], folder: Path) -> list[Outcome]:
    folder.mkdir(exist_ok=True)
    every = runs[0].settings.checkpoint_every
    return [train_alone(work, run, Snapshot(folder, Layout([[run.id]], None, 1), every=every)) for run in runs]


def together(program: str, shards: int = 1) -> Way:
    def train(work: Workload, runs: list[Run], folder: Path) -> list[Outcome]:
        folder.mkdir(exist_ok=True)
        every = runs[0].settings.checkpoint_every
        units = [ExecutionUnit(grid, program, "", None, shards=shards) for grid in grids_of(work, runs)]
        return [
            outcome
            for unit in units
            for outcome in train_in_shards(work, unit, lambda i, u=unit: Snapshot(folder, u.layout, i, every))
        ]

    return train


def work_of(plan: MakePlan, text: str) -> tuple[Workload, list[Run]]:
    [cohort] = plan(text).cohorts(set())
    return make_workload(REGISTRY, cohort.runs[0], CPU), cohort.runs


def bits(outcomes: list[Outcome]) -> list[Any]:
    """Return all that outcomes tell but their times, in a form that is equal only where every bit is."""
    found = []
    for outcome in outcomes:
        history = {name: (s.steps.tobytes(), s.values.tobytes()) for name, s in outcome.history.items()}
        state = {name: values.tobytes() for name, values in outcome.state.items()}
        found.append(repr(replace(outcome, history=history, state=state, seconds=0.0)))  # type: ignore[arg-type]
    return sorted(found)


def check(plan: MakePlan, text: str, way: Way, folder: Path, scissors: Scissors, rounds: int = 3) -> list[Outcome]:
    """See that a training ends the same when it is cut off twice, so many times; return how it ends."""
    work, runs = work_of(plan, text)
    expected = way(work, runs, folder / "whole")
    steps, chance = scissors.steps, random.Random(text)
    every = (runs[0].settings.checkpoint_every or 1) * work.schedule.steps_per_epoch * work.accumulate
    for round_ in range(rounds):
        scissors.steps = 0
        into = folder / f"cut {round_}"
        cuts = sum(scissors.cut_off(lambda: way(work, runs, into), chance.randint(every, steps)) for _ in range(2))  # noqa: B023
        found = way(work, runs, into)
        assert bits(found) == bits(expected)
        assert scissors.steps < steps * (cuts + 1) or cuts == 0
    return expected


# --- every loop


@pytest.mark.parametrize("what", ALONE)
def test_a_lone_run_goes_on(what: str, plan: MakePlan, tmp_path: Path, scissors: Scissors) -> None:
    [outcome] = check(plan, text_of(ALONE[what]), alone, tmp_path, scissors)
    ends = {"patience": "stopped", "a loss that is watched": "stopped", "divergence": "diverged"}
    ends["averages over the batches"] = "stopped"
    assert outcome.status == ends.get(what, "done")
    assert bool(outcome.state) == ("save" in ALONE[what].get("RUN", ""))
    if what == "the best evaluation":
        assert outcome.history["valid.accuracy"].values.argmax() < 4


def test_what_cannot_be_saved_is_refused_at_the_first_step(plan: MakePlan, tmp_path: Path) -> None:
    text = text_of({"OPTIMIZER": '{ name = "opaque", lr = 0.1 }'})
    work, runs = work_of(plan, text)
    with pytest.raises(UnsavableError, match="Opaque keeps a Clock in 'state', which checkpoint_every cannot save"):
        alone(work, runs, tmp_path)
    work, runs = work_of(plan, text.replace("checkpoint_every = 1", ""))
    assert [outcome.status for outcome in alone(work, runs, tmp_path)] == ["done"]


@pytest.mark.parametrize("what", TOGETHER)
def test_runs_that_train_together_go_on(what: str, plan: MakePlan, tmp_path: Path, scissors: Scissors) -> None:
    program = what.partition(",")[0]
    rounds = 1 if program == "traced" else 3
    outcomes = check(plan, text_of(TOGETHER[what]), together(program), tmp_path, scissors, rounds)
    assert len(outcomes) > 1
    if what in PROGRAMS:
        assert {outcome.status for outcome in outcomes} == {"done", "diverged"}
    if "stop" in what:
        assert len({outcome.steps for outcome in outcomes}) > 2


PROGRAMS = ("linear-stack", "traced")


@pytest.mark.parametrize("way", [alone, together("linear-stack")])
def test_a_stream_goes_on(way: Way, plan: MakePlan, tmp_path: Path, scissors: Scissors) -> None:
    check(plan, STREAM, way, tmp_path, scissors, rounds=1)


def test_gradients_by_hand_and_paths_go_on(plan: MakePlan, tmp_path: Path, scissors: Scissors) -> None:
    [outcome] = check(plan, BY_HAND, alone, tmp_path, scissors)
    assert "param.w" in outcome.history


@pytest.mark.parametrize(("way", "rules"), [(alone, PLAIN["OPTIMIZER"]), (together("linear-stack"), WOBBLING)])
def test_it_goes_on_from_every_step(way: Way, rules: str, plan: MakePlan, tmp_path: Path, scissors: Scissors) -> None:
    text = text_of({"OPTIMIZER": rules, "RUN": "stop = { patience = 3 }"}).replace("epochs = 6", "epochs = 3")
    work, runs = work_of(plan, text)
    expected = way(work, runs, tmp_path / "whole")
    scissors.steps = 0
    way(work, runs, tmp_path / "steps")
    for step in range(scissors.steps):
        folder = tmp_path / str(step)
        assert scissors.cut_off(lambda: way(work, runs, folder), step)  # noqa: B023
        assert bits(way(work, runs, folder)) == bits(expected)


def test_each_shard_goes_on_from_its_own_place(plan: MakePlan, tmp_path: Path, scissors: Scissors) -> None:
    check(plan, text_of(TOGETHER["linear-stack"]), together("linear-stack", 2), tmp_path, scissors)
    assert len(list(tmp_path.glob("whole/resume/*"))) == 2


@pytest.mark.parametrize("kept", [1, 2])
def test_compiled_steps_go_on_compiled(
    kept: int, plan: MakePlan, tmp_path: Path, scissors: Scissors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands for the compiler rounds otherwise than the ordinary steps, so that nobody can mistake the two."""

    def compiler(*arguments: Any, **more: Any) -> Any:
        block = python_block(*arguments, **more)

        def call(arguments: list[Tensor]) -> list[Tensor]:
            flat, *others = block(arguments)
            return [flat * (1 + 1e-6), *others]

        return call

    monkeypatch.setattr(compiled_blocks, "block_for", compiler)
    text = text_of({"OPTIMIZER": TWO_RULES, "RUN": f"compile = true\nevaluate_every = {kept}"})
    work, runs = work_of(plan, text)
    ordinary = together("linear-stack")(work, [replace(run, settings=never_compiled(run)) for run in runs], tmp_path)
    assert bits(check(plan, text, together("linear-stack"), tmp_path, scissors)) != bits(ordinary)


def never_compiled(run: Run) -> Any:
    return run.settings.model_copy(update={"compile": False, "checkpoint_every": None})


# --- what else a snapshot holds, and what becomes of one that is no use


def test_a_run_is_told_the_seconds_of_all_its_parts_and_stopped_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(stopping.time, "perf_counter", lambda: now)
    first = StopRules(Stop(max_seconds=10), {}, (1, 1))
    now = 108.0
    state = first.state()
    now = 5000.0
    second = StopRules(Stop(max_seconds=10), {}, (1, 1))
    second.restore(state)
    now = 5001.5
    mask = torch.ones(1, 1, dtype=torch.bool).numpy()
    assert not second.after_step(torch.ones(1, 1).double().numpy(), mask, 5, last=False)
    now = 5002.5
    assert second.after_step(torch.ones(1, 1).double().numpy(), mask, 6, last=False)


def test_the_seconds_before_an_interrupt_count(plan: MakePlan, tmp_path: Path, scissors: Scissors) -> None:
    work, runs = work_of(plan, text_of({}))
    for way in (alone, together("linear-stack")):
        folder = tmp_path / str(id(way))
        assert scissors.cut_off(lambda: way(work, runs, folder), 20)  # noqa: B023
        [path] = folder.glob("resume/*")
        age(path, 1000.0)
        [outcome] = way(work, runs, folder)
        assert 1000 < outcome.seconds < 1100


def age(path: Path, seconds: float) -> None:
    """Let a snapshot tell that so many seconds went into it."""
    place = read_place(path)
    snapshot = Snapshot(path.parents[1], place.layout)
    state = snapshot.read()
    assert state is not None
    snapshot.write(state | {"seconds": seconds}, place.step, place.steps)


@pytest.mark.parametrize("way", [alone, together("linear-stack")])
def test_a_state_that_does_not_fit_is_told_and_not_used(
    way: Way, plan: MakePlan, tmp_path: Path, scissors: Scissors, caplog: pytest.LogCaptureFixture
) -> None:
    work, runs = work_of(plan, text_of({}))
    expected = way(work, runs, tmp_path / "whole")
    assert scissors.cut_off(lambda: way(work, runs, tmp_path), 20)
    [path] = tmp_path.glob("resume/*")
    path.write_bytes(path.read_bytes()[:-10])
    assert bits(way(work, runs, tmp_path)) == bits(expected)
    assert "cannot be resumed; its runs start again: SnapshotError: is damaged" in caplog.text


@pytest.mark.parametrize("text", [text_of({}), STREAM, text_of(ALONE["rows changed at random"])])
def test_batches_go_on_at_any_place(text: str, plan: MakePlan) -> None:
    work, _ = work_of(plan, text)

    def as_they_are(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x, y

    for make in (lambda: work.feed.alone(3), lambda: work.feed.together(as_they_are, [3, 4])):
        for place in (0, 1, 5, 6, 7, 23):
            one, other = make(), make()
            for _ in range(place):
                next(one)
            other.restore(one.state())
            for (x, y), (x2, y2) in islice(zip(one, other, strict=True), 8):
                assert torch.equal(x, x2)
                assert torch.equal(y, y2)


def test_rows_that_another_process_changes_go_on(plan: MakePlan) -> None:
    text = text_of(ALONE["rows changed at random"])
    work, _ = work_of(plan, text.replace("}] }", "}], num_workers = 1 }"))
    expected = islice(work.feed.in_process().alone(3), 6, 9)
    feed = work.feed.alone(3)
    feed.restore({"taken": 6})
    for (x, y), (x2, y2) in zip(islice(feed, 3), expected, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)
