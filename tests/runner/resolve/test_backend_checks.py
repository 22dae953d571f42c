"""What another backend does not train is an error with its place and the reason, without its framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.numpy_backend import register
from xprun.plugins import optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.planning.plan import make_plan
from xprun.runner.planning.run_identity import origins_of, why_to_run
from xprun.runner.resolve import resolver
from xprun.runner.resolve.backend_checks import MissingFrameworkError, require_frameworks
from xprun.runner.resolve.resolver import resolve
from xprun.runner.workload.backend_task import network_problems
from xprun.specs import Spec, SpecError, read_spec, read_text

SPEC = """
data = { name = "line" }
model = { name = "linear" }
loss = { name = "MSELoss" }
optimizer = { name = "SGD", lr = 0.1 }
run = { steps = 5, backend = "tensorflow" }
"""


@pytest.fixture(autouse=True)
def _backends(_registry_as_installed: None) -> None:
    register()


def read(*changes: tuple[str, str]) -> Spec:
    text = SPEC
    for was, written in changes:
        assert was in text
        text = text.replace(was, written)
    return resolve(read_spec(read_text(text, "spec.toml", ())), REGISTRY)


def wrong(*changes: tuple[str, str]) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as raised:
        read(*changes)
    return [(problem.dotted, problem.message) for problem in raised.value.problems]


RUN = "steps = 5,"
PLAIN = "the backend tensorflow takes plain steps, one run after the other"
NOT = "the backend tensorflow does not train this: "


@pytest.mark.parametrize(
    ("was", "written", "place", "message"),
    [
        (RUN, "steps = 5, clip_norm = 1.0,", "run.clip_norm", PLAIN),
        (RUN, "steps = 5, clip_value = 1.0,", "run.clip_value", PLAIN),
        (RUN, "epochs = 5, accumulate = 2,", "run.accumulate", PLAIN),
        (RUN, 'steps = 5, autocast = "bfloat16",', "run.autocast", PLAIN),
        (RUN, "steps = 5, average = { ema = 0.9 },", "run.average", PLAIN),
        (RUN, "steps = 5, compile = true,", "run.compile", PLAIN),
        (RUN, 'steps = 5, engine = "together",', "run.engine", PLAIN),
        (RUN, 'steps = 5, metrics = ["mae"], measure_train = "running",', "run.measure_train", PLAIN),
        ("data =", 'device = "cuda"\ndata =', "device", "other backends than torch train on the CPU"),
        ('"SGD"', '"AdamW"', "optimizer.name", "it has the optimizers Adagrad, Adam, RMSprop, SGD and update rules"),
        ('"SGD"', '"LBFGS"', "optimizer.name", "it has the optimizers Adagrad, Adam, RMSprop, SGD and update rules"),
        ("lr = 0.1", "lr = 0.1, weight_decay = 0.1", "optimizer.weight_decay", "SGD of TensorFlow has no such setting"),
        (
            "lr = 0.1",
            'lr = 0.1, groups = { "b" = { lr = 0.2 } }',
            "optimizer.groups",
            "SGD of TensorFlow has no such setting",
        ),
        ('"MSELoss"', '"L1Loss"', "loss.name", "it trains CrossEntropyLoss, MSELoss, squared, not L1Loss"),
        ('"linear"', '"linear", freeze = ["b"]', "model.freeze", "the backend tensorflow trains all parameters"),
    ],
)
def test_what_it_does_not_train_is_told_where_it_stands(was: str, written: str, place: str, message: str) -> None:
    [(where, why)] = wrong((was, written))
    assert where == place
    assert message in why


def test_a_scheduler_is_told() -> None:
    scheduler = 'scheduler = { name = "StepLR", per = "epoch", step_size = 1 }\nrun = {'
    [(where, why)] = wrong(("run = {", scheduler))
    assert (where, why) == ("scheduler", "the backend tensorflow trains with a constant learning rate")


def test_a_rule_of_ones_own_is_told_why_it_does_not_run() -> None:
    @optimizer("my.rule")
    def rule(w, g, s, *, lr=0.1):  # type: ignore[no-untyped-def]
        s = s + g**2
        return w - lr * g / s.sqrt(), s

    [(where, why)] = wrong(('"SGD"', '"my.rule"'))
    assert where == "optimizer.name"
    assert why.endswith("comparisons only, and my.rule is none: it uses .sqrt of a tensor")


def test_an_unknown_backend_is_told_what_there_is() -> None:
    with pytest.raises(SpecError) as raised:
        read(('"tensorflow"', '"tensorflw"'))
    [problem] = raised.value.problems
    assert problem.message == "there is no backend named 'tensorflw'; did you mean 'tensorflow'?"
    assert problem.help == "a backend is one of numpy.line, tensorflow, torch"


def test_a_gradient_by_hand_is_one_of_a_line() -> None:
    read((RUN, 'steps = 5, gradient = "manual",'))
    [(where, why)] = wrong((RUN, 'steps = 5, gradient = "manual",'), ('"MSELoss"', '"squared"'))
    assert where == "run.gradient"
    assert why.endswith("its gradient by hand is that of a line's mean squared error only")


def test_torch_is_told_nothing_that_others_do_not_do() -> None:
    read(('backend = "tensorflow"', "clip_norm = 1.0"))


def test_only_what_is_not_excluded_is_looked_at() -> None:
    sweep = '{ steps = 5, backend = { grid = ["torch", "tensorflow"] }, clip_norm = 1.0 }\n'
    rest = ('{ steps = 5, backend = "tensorflow" }', f'{sweep}exclude = {{ "run.backend" = "tensorflow" }}')
    assert len(make_plan(read(rest), "cpu").runs) == 1


@pytest.mark.parametrize(
    ("was", "written", "place", "message"),
    [
        ('"linear"', '"mlp", dropout = 0.1', "model.name", "chains of Linear layers: it is not a chain"),
        ('"linear"', '"mlp", activation = "LeakyReLU"', "model.name", "not LeakyReLU"),
        (
            '"linear" ',
            '"layers", layers = [{ name = "Linear", out_features = 3 }, { name = "ELU", alpha = 2.0 }, '
            '{ name = "Linear", out_features = 1 }] ',
            "model.name",
            "ELU(alpha=2.0) has settings that a backend is not told",
        ),
    ],
)
def test_models_are_built_to_be_looked_at(was: str, written: str, place: str, message: str) -> None:
    [problem] = network_problems(read((was, written)), REGISTRY)
    assert problem.dotted == place
    assert message in problem.message


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("xprun.runner.resolve.backend_checks.find_package", lambda name: None)
    yield


@pytest.mark.parametrize(("backend", "cure"), [("tensorflow", "'xprun[tensorflow]'"), ("numpy.line", "numpy")])
def test_a_missing_framework_is_told_with_its_cure(backend: str, cure: str, absent: None) -> None:
    changes = [('"tensorflow"', f'"{backend}"'), ('"SGD"', '"scratch.gd"')]
    with pytest.raises(MissingFrameworkError, match=rf"which is not installed: pip install {cure}".replace("[", r"\[")):
        require_frameworks(read(*changes), REGISTRY)


def ids(spec: Spec) -> list[str]:
    return [run.id for run in make_plan(spec, "cpu").runs]


def test_the_version_is_part_of_the_ids_of_its_runs_and_of_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ('backend = "tensorflow"', 'backend = { grid = ["torch", "tensorflow"] }')
    versions: list[Callable[[str], str]] = [lambda name: "2.20.0", lambda name: "2.21.0"]
    found, specs = [], []
    for version in versions:
        monkeypatch.setattr(resolver, "release_of", version)
        specs.append(read(both))
        found.append(ids(specs[-1]))
    [torch_before, tf_before], [torch_after, tf_after] = found
    assert torch_before == torch_after == ids(read(('backend = "tensorflow"', 'backend = "torch"')))[0]
    assert tf_before != tf_after
    stored = origins_of(make_plan(specs[0], "cpu").runs, "cpu")
    new = [run for run in make_plan(specs[1], "cpu").runs if run.id not in stored]
    assert why_to_run(new, "cpu", stored) == ["1 run: tensorflow changed, which run reads"]
