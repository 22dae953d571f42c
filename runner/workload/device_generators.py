"""The generators that models and random layers draw from: those of the CPU, and of the device that a run is on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from xprun.runner.store.snapshots import State


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed the generators that models and random layers draw from.

    `torch.manual_seed` would do the same, but it prepares devices that are not there and imports the compiler.
    """
    for generator in _default_generators(device).values():
        generator.manual_seed(seed)


def generator_on(device: torch.device, seed: int) -> torch.Generator:
    """Return a generator of its own for tensors on a device: none of another device can fill them."""
    return torch.Generator(device).manual_seed(seed)


def random_state(device: torch.device) -> State:
    """Return where the generators are that random layers draw from, by the kind of their device."""
    return {kind: generator.get_state() for kind, generator in _default_generators(device).items()}


def restore_random(state: State, device: torch.device) -> None:
    """Let random layers go on drawing from such a state."""
    for kind, generator in _default_generators(device).items():
        generator.set_state(state[kind])


@contextmanager
def own_draws(device: torch.device) -> Iterator[None]:
    """Leave the generators that random layers draw from as they were."""
    before = random_state(device)
    try:
        yield
    finally:
        restore_random(before, device)


def _default_generators(device: torch.device) -> dict[str, torch.Generator]:
    """Return the generator of the CPU, and that of this very device: `torch.cuda.manual_seed` asks which is current."""
    if device.type == "cpu":
        return {"cpu": torch.default_generator}
    return {"cpu": torch.default_generator, device.type: _default_generator(device)}


def _default_generator(device: torch.device) -> torch.Generator:
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    module = torch.get_device_module(device)
    module.init()  # before, it has none
    number = module.current_device() if device.index is None else device.index
    generator: torch.Generator = module.default_generators[number]
    return generator
