"""Tries an optimizer on fixed gradients: is it right?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

import tomli
import torch
from pydantic import ValidationError
from torch import Tensor
from xprun.plugins.installed_plugins import describe_error
from xprun.plugins.registry import Component, Registry
from xprun.plugins.rule_calls import UpdateRuleError
from xprun.plugins.signature import Setting
from xprun.runner.engine.update_rules import Rule
from xprun.runner.optimizer_check.fixed_gradients import STEPS, Path, Settings, Walker, fixed_gradients, start
from xprun.specs.language.wording import unknown_key, value_problems

TOLERANCE = 1e-10  # of float64 sums taken in another order, relative to the parameters
GIVEN: dict[str, Any] = {"T": STEPS, "loss": torch.ones(()), "name": "0.weight"}  # what a rule may ask for by name
CARRIED_OUT = {"foreach", "fused", "capturable", "differentiable"}  # settings of a class that change no value


@dataclass(frozen=True)
class Check:
    """One question about an optimizer, and what is wrong: nothing when the answer is good."""

    question: str
    problems: list[str]

    def render(self) -> str:
        if not self.problems:
            return f"  ok     {self.question}"
        return "\n".join([f"  WRONG  {self.question}", *(f"         {problem}" for problem in self.problems)])


@dataclass(frozen=True)
class Trial:
    """What came out of trying an optimizer."""

    title: str
    checks: list[Check] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong with it."""
        return [problem for check in self.checks for problem in check.problems]

    def render(self) -> str:
        """Return one line for each check, and the problems below it."""
        return "\n".join([self.title, *(check.render() for check in self.checks)])


def try_optimizer(registry: Registry, name: str, settings: Settings | None = None, against: str | None = None) -> Trial:
    """Run an optimizer over fixed gradients and return what is wrong with it.

    `settings` are typed values; others have their defaults. `against` names an optimizer that it should agree with,
    with the same settings as far as both have them. Raises what `Registry.find` raises for a name.
    """
    component = registry.find("optimizer", name)
    try:
        walker = Walker(registry, component, settings or {})
    except TypeError as error:
        return Trial(name, [Check("is an update rule", [str(error)])])
    trial = Trial(f"{name}: {STEPS} steps over fixed gradients, {_shown(walker.settings)}")
    trial.checks.append(Check("takes a step and returns what its signature says", _wrong_step(walker)))
    if not trial.problems:
        trial.checks.extend(_checks(walker))
        if against:
            trial.checks.append(
                _agreement(walker, Walker(registry, registry.find("optimizer", against), walker.settings))
            )
    return trial


def read_given(component: Component, sets: tuple[str, ...]) -> Settings:
    """Return the typed settings of texts like `lr=0.1` or `optimizer.lr=0.1`; raise ValueError for a wrong one."""
    given: Settings = {}
    for text in sets:
        name, _, value = text.removeprefix("optimizer.").partition("=")
        setting = component.settings.get(name.strip())
        if setting is None:
            known = list(component.settings)
            raise ValueError(f"--set {text}: {unknown_key((name,), component.name, known).message}")
        try:
            given[setting.name] = setting.read(tomli.loads(f"value = {value}")["value"])
        except tomli.TOMLDecodeError:
            raise ValueError(f"--set {text}: {value!r} is not a TOML value; a string needs quotes") from None
        except ValidationError as error:
            raise ValueError(f"--set {text}: {value_problems(error, (), value)[0].message}") from None
    return given


def _checks(walker: Walker) -> Iterator[Check]:
    if walker.rule:  # a class may work in the memory of its gradients, which are made anew for each step
        yield Check("does not change its inputs", _changed_inputs(walker, walker.rule))
    yield Check("stays finite with ordinary, zero, tiny and large gradients", _not_finite(walker))
    if not walker.asks_for_losses:
        yield Check("uses every setting", _unused(walker))
    if walker.rule:
        yield Check("gives the same result in a batch of runs as alone", _together(walker))


def _wrong_step(walker: Walker) -> list[str]:
    """Return what is wrong with the results of a step, in float32 and in float64."""
    problems: dict[str, None] = {}
    for dtype in (torch.float32, torch.float64):
        try:
            problems |= dict.fromkeys(_wrong_results(walker, walker.rule, dtype) if walker.rule else ())
            if not problems:
                walker.path(fixed_gradients(dtype=dtype)[:2])
        except UpdateRuleError as error:
            return [str(error)]
        except (Exception, SystemExit) as error:
            return [f"it raises {describe_error(error)}"]
    return list(problems)


def _wrong_results(walker: Walker, rule: Rule, dtype: torch.dtype) -> Iterator[str]:
    gradients = fixed_gradients(dtype=dtype)[0]
    names = ("w", *rule.states)
    for w, g in zip(start(gradients).values(), gradients.values(), strict=True):
        states = tuple(torch.zeros_like(g) for _ in rule.states)
        new, new_states = rule.update(w, g, states, 1, 1, walker.live(walker.settings), **GIVEN)
        for name, tensor in zip(names, (new, *new_states), strict=True):
            yield from _misfit(name, tensor, w)


def _misfit(name: str, tensor: Any, w: Tensor) -> Iterator[str]:
    if not isinstance(tensor, Tensor):
        yield f"the new {name} is not a tensor but a {type(tensor).__name__}"
    elif tensor.shape != w.shape:
        yield f"the new {name} has the shape {list(tensor.shape)} where the parameter has {list(w.shape)}"
    elif tensor.dtype != w.dtype:
        yield f"the new {name} is {_short(tensor.dtype)} where the parameter is {_short(w.dtype)}"


def _changed_inputs(walker: Walker, rule: Rule) -> list[str]:
    """Return the inputs that a step changes in place."""
    gradients = fixed_gradients()[0]
    g = gradients["0.weight"]
    states = {name: torch.full_like(g, 0.5) for name in rule.states}
    inputs = {"w": torch.ones_like(g), "g": g, **states}
    before = {name: tensor.clone() for name, tensor in inputs.items()}
    rule.update(inputs["w"], g, tuple(states.values()), 1, 1, walker.live(walker.settings), **GIVEN)
    wrong = _changed(inputs, before)
    return [f"it changes {name} in place; write {name} = ..., without functions that end in _" for name in wrong]


def _changed(tensors: dict[str, Tensor], before: dict[str, Tensor]) -> list[str]:
    return [name for name, tensor in tensors.items() if not torch.equal(tensor, before[name])]


def _not_finite(walker: Walker) -> list[str]:
    problems = []
    for kind, scale in {"ordinary": 1.0, "zero": 0.0, "tiny": 1e-8, "large": 1e8}.items():
        path = walker.path(fixed_gradients(scale, torch.float32))
        wrong = [t for t, parameters in enumerate(path, 1) if not parameters.isfinite().all()]
        if wrong:
            values = path[wrong[0] - 1]
            value = values[~values.isfinite()][0].item()
            problems.append(f"with {kind} gradients in float32 a parameter is {value} after step {wrong[0]}")
    return problems


def _unused(walker: Walker) -> list[str]:
    """Return the settings that change nothing, whether the others are as they are or changed, too."""
    known = walker.component.settings
    values = {name: _other_values(s, walker.settings[name]) for name, s in known.items() if name not in CARRIED_OUT}
    changed = {**walker.settings, **{name: others[0] for name, others in values.items() if others}}
    return [
        f"{name} has no effect: {', '.join(map(str, others))} gives the same steps as {walker.settings[name]}"
        for name, others in values.items()
        if others and not any(_matters(walker, base, name, others) for base in (walker.settings, changed))
    ]


def _matters(walker: Walker, base: Settings, name: str, others: list[Any]) -> bool:
    now = {**base, name: walker.settings[name]}
    return any(_differ(walker, now, {**base, name: value}) for value in others)


def _differ(walker: Walker, one: Settings, other: Settings) -> bool:
    try:
        ends = [walker.path(fixed_gradients(), settings)[-1] for settings in (one, other)]
    except (Exception, SystemExit):  # values that do not go together are looked at
        return True
    return not torch.equal(*ends)


def _together(walker: Walker) -> list[str]:
    """Return whether stacked runs, whose settings differ in every number, depart from the same runs one by one."""
    columns = [walker.settings, _smaller(walker, 0.5), _smaller(walker, 0.75)]
    try:
        together = walker.paths_together(fixed_gradients(), columns)
    except (Exception, SystemExit) as error:
        why = describe_error(error).partition("\n")[0][:200]
        return [f"it cannot be batched, so its runs train one by one: {why}", "write torch.where(...) for an if"]
    for settings, path in zip(columns, together, strict=True):
        if found := first_difference(path, walker.path(fixed_gradients(), settings)):
            return [
                f"in a batch it differs from step {found[0]} on, by {found[1]:.3g} at first, with {_shown(settings)}"
            ]
    return []


def _agreement(walker: Walker, reference: Walker) -> Check:
    found = first_difference(walker.path(fixed_gradients()), reference.path(fixed_gradients()))
    wrong = (
        [f"it differs from {reference.name} from step {found[0]} on, by {found[1]:.3g} in a parameter at first"]
        if found
        else []
    )
    return Check(f"agrees with {reference.name}, {_shown(reference.settings)}", wrong)


def first_difference(path: Path, other: Path) -> tuple[int, float] | None:
    """Return the first step after which two paths differ by more than rounding, and by how much at most."""
    for step, (a, b) in enumerate(zip(path, other, strict=True), 1):
        size = (a - b).abs()
        if not (size <= TOLERANCE * (1 + b.abs())).all():
            return step, size.max().item()
    return None


def _smaller(walker: Walker, factor: float) -> Settings:
    """Return the settings with smaller numbers, as far as that is allowed."""
    known = walker.component.settings
    smaller = {name: _read(known[name], _times(value, factor)) for name, value in walker.settings.items()}
    return {name: walker.settings[name] if value is None else value for name, value in smaller.items()}


def _other_values(setting: Setting, value: Any) -> list[Any]:
    """Return other values that the setting may have: near and far ones, for it may be a limit; none for any type."""
    if setting.annotation is Any:
        return []
    words = [choice for choice in get_args(setting.annotation) if isinstance(choice, str)]
    numbers = [STEPS // 2] if type(value) is int else []  # the first steps of a walk may be a warm-up, or the like
    candidates = [*(_times(value, factor) for factor in (0.5, 1e-6, 1e6)), *numbers, 0.25, 1, not value, *words]
    typed = [_read(setting, candidate) for candidate in candidates]
    return [one for one in typed if one is not None and one != value]


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_times(v, factor) for v in value)
    return value * factor if isinstance(value, float) else value


def _read(setting: Setting, value: Any) -> Any:
    """Return the value as the setting has it, or None when it may not."""
    try:
        return setting.read(value)
    except ValidationError:
        return None


def _shown(settings: Settings) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items()) or "no settings"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
