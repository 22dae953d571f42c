"""Blocks of steps as CUDA graphs: what a GPU does in some steps is recorded once, and asked for by one call each time.

    arguments ── copied ──► fixed buffers: t, rows, settings │ parameters, states
                                                             ▼
                            a graph of n steps, which reads them, and writes parameters, states and losses there
                                                             ▼
    losses, parameters, states ◄── copied ── fixed buffers

A graph computes with the memory that it was recorded with. So the number of a step is a tensor on the device, and
generators that are drawn from in it are registered, which lets them move on with each replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from xprun.runner.engine.step_function import StepFunction

LONGEST = 16  # steps of a graph: of more, a launch is no cheaper for a step, while recording takes longer
WARM = 2  # steps before a graph is recorded, in which libraries get what they need on the device


def has_graphs(device: torch.device) -> bool:
    """Whether steps on a device can be recorded."""
    return device.type != "cpu" and hasattr(torch.get_device_module(device), "CUDAGraph")


class GraphBlock:
    """A block of steps, called as `load_block` tells, for rows, parameters, settings and states of fixed shapes.

    `arguments` are those of some steps, of which the numbers are not looked at; where the steps are `shared`, all see
    the same rows. `function` draws from the `generators`.
    """

    def __init__(
        self, function: StepFunction, arguments: list[Tensor], shared: bool, generators: Sequence[torch.Generator] = ()
    ) -> None:
        self.families, self.moves, self.generators = len(function.families), function.moves, generators
        self.call, self.device = function.call, arguments[0].device
        settings = 3 + self.families
        moving = [True, not shared, not shared, *[False] * self.families, *self.moves]
        self.moving = [*moving, *[False] * (len(arguments) - len(moving))]
        self.buffers = [_buffer(one, moves) for one, moves in zip(arguments, self.moving, strict=True)]
        self.carry = [*range(3, settings), *range(settings + len(self.moves), len(arguments))]
        shape = arguments[3].shape[0], sum(part.shape[1] for part in arguments[3:settings])
        self.losses = arguments[3].new_zeros(LONGEST, *shape)
        self.graphs: dict[int, Callable[[], None]] = {}

    def __call__(self, arguments: list[Tensor]) -> list[Tensor]:
        """Take the steps of `t` [n]; return their losses [n, S, K], and the parameters and states after them."""
        counts = list(_counts(len(arguments[0])))
        for count in set(counts) - self.graphs.keys():
            self.graphs[count] = self._recorded(count)
        for buffer, one, moves in zip(self.buffers, arguments, self.moving, strict=True):
            if not moves:
                buffer.copy_(one)
        losses, start = [], 0
        for count in counts:
            for buffer, one, moves in zip(self.buffers, arguments, self.moving, strict=True):
                if moves:
                    buffer[:count].copy_(one[start : start + count])
            self.graphs[count]()
            losses.append(self.losses[:count].clone())
            start += count
        return [torch.cat(losses), *(self.buffers[i].clone() for i in self.carry)]

    def _recorded(self, count: int) -> Callable[[], None]:
        """Return what takes so many steps with the buffers."""
        with torch.no_grad(), _drawing_nothing(self.generators):
            return record(lambda: self._take(count), self.device, self.generators)

    def _take(self, count: int) -> None:
        """Take so many steps, and leave what they lead to in the buffers."""
        _, x, y, *others = self.buffers
        settings = others[self.families : self.families + len(self.moves)]
        carry = [self.buffers[i] for i in self.carry]
        for i in range(count):
            rows = [part[i] if moves else part for part, moves in zip((x, y), self.moving[1:3], strict=True)]
            now = [one[i] if moves else one for one, moves in zip(settings, self.moves, strict=True)]
            parameters, states = carry[: self.families], carry[self.families :]
            made = self.call(self.buffers[0][i], *rows, *parameters, *now, *states)
            self.losses[i].copy_(made[self.families].view_as(self.losses[i]))
            carry = [*made[: self.families], *made[self.families + 1 :]]
        for place, one in zip(self.carry, carry, strict=True):
            self.buffers[place].copy_(one)


def record(work: Callable[[], None], device: torch.device, generators: Sequence[torch.Generator]) -> Callable[[], None]:
    """Return what does again, by one call, what `work` does on a device: it does so some times, and is recorded.

    Raises what torch raises where it waits for the device, or reads from the CPU.
    """
    cuda: Any = torch.get_device_module(device)
    side = cuda.Stream(device)
    side.wait_stream(cuda.current_stream(device))
    with cuda.stream(side):
        for _ in range(WARM):
            work()
    cuda.current_stream(device).wait_stream(side)
    graph = cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with cuda.graph(graph):
        work()
    replay: Callable[[], None] = graph.replay
    return replay


def _buffer(argument: Tensor, moves: bool) -> Tensor:
    """Return memory for an argument, of LONGEST steps where each has its own."""
    if moves:
        return argument.new_zeros(LONGEST, *argument.shape[1:])
    return argument.detach().clone(memory_format=torch.contiguous_format)


def _counts(steps: int) -> Iterator[int]:
    """Yield the lengths of the graphs that are so many steps."""
    yield from [LONGEST] * (steps // LONGEST)
    if steps % LONGEST:
        yield steps % LONGEST


@contextmanager
def _drawing_nothing(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Leave generators where they are."""
    before = [generator.get_state() for generator in generators]
    yield
    for generator, state in zip(generators, before, strict=True):
        generator.set_state(state)
