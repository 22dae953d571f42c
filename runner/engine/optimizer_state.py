"""All that a torch optimizer keeps, and the optimizers inside it, as plain values and tensors, and back."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from xprun.errors import Error
from xprun.runner.store.snapshots import State

PLAIN = (bool, int, float, str, bytes, type(None))
# What an object holds that no step changes: code, kinds of numbers, and the module, which is saved by its program.
UNCHANGED = (nn.Module, torch.dtype, torch.device, type, ModuleType, logging.Logger)
SEQUENCES = (list, tuple, set, deque)
OF_GROUPS = ("params", "param_names")

Parameters = Sequence[Tensor]
Encoded = list[Any]  # a tag and what it is about


class UnsavableError(Error, ValueError):
    """An optimizer keeps something that a snapshot cannot hold."""


def optimizers_in(optimizer: Optimizer) -> list[Optimizer]:
    """Return an optimizer and those that it holds, wherever in its attributes they are."""
    return [thing for thing in _objects(optimizer, set()) if isinstance(thing, Optimizer)]


def groups_in(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the parameter groups of an optimizer and of those that it holds, each once."""
    groups = [group for one in optimizers_in(optimizer) for group in one.param_groups]
    return list({id(group): group for group in groups}.values())


def state_of(optimizer: Optimizer, parameters: Parameters) -> State:
    """Return all that an optimizer of these parameters keeps; raise UnsavableError for what cannot be told."""
    encoder = _Encoder(type(optimizer).__name__, parameters)
    return {"optimizers": [encoder.optimizer(one) for one in optimizers_in(optimizer)]}


def restore(optimizer: Optimizer, parameters: Parameters, state: State) -> None:
    """Let an optimizer that is made anew be as that was of which the state is; what it shares, it goes on sharing."""
    for one, found in zip(optimizers_in(optimizer), state["optimizers"], strict=True):
        for group, saved in zip(one.param_groups, found["groups"], strict=True):
            group.update({name: _decoded(value, group.get(name), parameters) for name, value in saved.items()})
        one.state.clear()
        one.state.update(_decoded(found["state"], None, parameters))
        _restore_attributes(one, found["attributes"], parameters)


def _objects(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Yield a thing and the objects in it that have attributes of their own, each once."""
    if id(thing) in seen or isinstance(thing, (*PLAIN, *UNCHANGED, Tensor)) or inspect.isroutine(thing):
        return
    seen.add(id(thing))
    if isinstance(thing, dict):
        inside = [*thing.values()]
    elif isinstance(thing, SEQUENCES):
        inside = [*thing]
    else:
        yield thing
        inside = [value for _, value in _attributes(thing)]
    for part in inside:
        yield from _objects(part, seen)


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object that its steps may change."""
    for name, value in getattr(thing, "__dict__", {}).items():
        is_torchs = isinstance(thing, Optimizer) and name in _torchs_own()
        if not is_torchs and not isinstance(value, UNCHANGED) and not inspect.isroutine(value):
            yield name, value


@cache
def _torchs_own() -> frozenset[str]:
    """Return what torch keeps in every optimizer beside its groups and state, which says how it is carried out."""
    return frozenset(vars(torch.optim.SGD([torch.zeros(1)]))) - {"state", "param_groups"}


class _Encoder:
    """Tells the values that an optimizer keeps; parameters are told by their numbers."""

    def __init__(self, owner: str, parameters: Parameters) -> None:
        self.owner = owner
        self.numbers = {id(parameter): i for i, parameter in enumerate(parameters)}
        self.inside: list[int] = []  # the objects around the value at hand

    def optimizer(self, optimizer: Optimizer) -> State:
        own = [{k: self.value(v, k) for k, v in g.items() if k not in OF_GROUPS} for g in optimizer.param_groups]
        attributes = {name: self.value(value, name) for name, value in _kept(optimizer)}
        return {"groups": own, "state": self.value(dict(optimizer.state), "state"), "attributes": attributes}

    def value(self, value: Any, name: str) -> Encoded:
        if isinstance(value, Tensor):
            if id(value) in self.numbers:
                return ["parameter", self.numbers[id(value)]]
            return ["tensor", value.detach(), str(value.device)]
        if isinstance(value, int) and value in self.numbers:  # a parameter's `id`, by which tables of states go
            return ["id", self.numbers[value]]
        if isinstance(value, PLAIN):
            return ["plain", _plain(value)]
        if isinstance(value, dict):
            return ["dict", [[self.value(key, name), self.value(inner, name)] for key, inner in value.items()]]
        if isinstance(value, SEQUENCES):
            [tag] = [kind.__name__ for kind in SEQUENCES if isinstance(value, kind)]
            return [tag, [self.value(item, name) for item in value], getattr(value, "maxlen", None)]
        if isinstance(value, torch.Generator):
            return ["generator", value.get_state()]
        if isinstance(value, UNCHANGED) or inspect.isroutine(value) or isinstance(value, Optimizer):
            return ["unchanged"]
        return self.object(value, name)

    def object(self, thing: Any, name: str) -> Encoded:
        """Return what an object holds, which is filled in where a new one stands at the same place."""
        if name == "state" or not hasattr(thing, "__dict__"):
            raise UnsavableError(
                f"{self.owner} keeps a {type(thing).__name__} in {name!r}, which checkpoint_every cannot save: keep "
                "tensors and plain values there, or leave run.checkpoint_every out"
            )
        if id(thing) in self.inside:
            return ["unchanged"]
        self.inside.append(id(thing))
        found = {inner: self.value(value, inner) for inner, value in _attributes(thing)}
        self.inside.pop()
        return ["object", found]


def _plain(value: Any) -> Any:
    """Return a plain value as one of Python's own, which it may be a kind of."""
    kinds: dict[type, Any] = {bool: bool, int: int, float: float, str: str, bytes: bytes}
    return next((make(value) for kind, make in kinds.items() if isinstance(value, kind)), None)


def _kept(optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
    return ((n, value) for n, value in _attributes(optimizer) if n not in ("state", "param_groups"))


def _restore_attributes(thing: Any, saved: dict[str, Encoded], parameters: Parameters) -> None:
    for name, value in saved.items():
        now = getattr(thing, name, None)
        found = _decoded(value, now, parameters)
        if found is not now:
            setattr(thing, name, found)


def _decoded(saved: Encoded, now: Any, parameters: Parameters) -> Any:
    """Return a value that was saved; what stands there `now` is changed in place, so that all who hold it see it."""
    tag: str = saved[0]
    what: Any = saved[1] if len(saved) > 1 else None
    if tag == "plain":
        return what
    if tag == "parameter":
        return parameters[what]
    if tag == "id":
        return id(parameters[what])
    if tag == "tensor":
        return _tensor(what, saved[2], None if any(now is parameter for parameter in parameters) else now)
    if tag == "generator":
        now.set_state(what)
    elif tag == "object":
        _restore_attributes(now, what, parameters)
    elif tag == "dict":
        return _dict(what, now, parameters)
    elif tag != "unchanged":
        return _sequence(tag, what, saved[2], now, parameters)
    return now


def _tensor(saved: Tensor, device: str, now: Any) -> Tensor:
    if isinstance(now, Tensor) and (now.shape, now.dtype) == (saved.shape, saved.dtype):
        with torch.no_grad():
            return now.copy_(saved)
    return saved.to(device)


def _dict(saved: list[Any], now: Any, parameters: Parameters) -> dict[Any, Any]:
    held = now if isinstance(now, dict) else {}
    keys = [_decoded(key, None, parameters) for key, _ in saved]
    found = {key: _decoded(value, held.get(key), parameters) for key, (_, value) in zip(keys, saved, strict=True)}
    held.clear()
    held.update(found)
    return held


def _sequence(tag: str, saved: list[Any], length: int | None, now: Any, parameters: Parameters) -> Any:
    before = [*now] if isinstance(now, list | tuple | deque) and len(now) == len(saved) else [None] * len(saved)
    found = [_decoded(item, old, parameters) for item, old in zip(saved, before, strict=True)]
    if tag == "list" and isinstance(now, list):
        now[:] = found
        return now
    return deque(found, length) if tag == "deque" else {"list": list, "tuple": tuple, "set": set}[tag](found)
