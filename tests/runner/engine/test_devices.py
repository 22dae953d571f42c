"""An accelerator computes what a CPU does, and is used as one: on a pretended one, where no GPU is needed.

Each test is about a mistake that was made, and fails where it is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest
import torch
from support import device_checks as checks
from support.pretend_accelerator import in_a_process
from xprun.runner.engine.graph_blocks import has_graphs
from xprun.runner.workload.device_generators import seed_torch
from xprun.runner.workload.device_memory import is_out_of_memory
from xprun.runner.workload.device_transfer import sent, synchronise

Call = Callable[..., None]
WAYS = [(name, way) for name in checks.CASES for way in checks.ways_of(name)]
SLOW = {"a transformer of tokens", "a CNN with BatchNorm"}  # in which nothing is measured that others do not measure
MPS, CUDA = torch.device("mps"), torch.device("cuda:1")


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    with in_a_process() as pool:
        yield pool


@pytest.fixture
def call(process: ProcessPoolExecutor) -> Call:
    """Return what calls a function in the process that has the accelerator, and raises what it raises."""
    return lambda function, *arguments: process.submit(function, *arguments).result()


def named(name: str, way: str | None) -> Any:
    return pytest.param(name, way, id=f"{name}, {way or 'alone'}")


# --- the same numbers


@pytest.mark.parametrize(("name", "way"), [named(*one) for one in WAYS])
def test_runs_become_what_they_become_on_the_cpu(name: str, way: str | None, call: Call) -> None:
    call(checks.same_as_on_the_cpu, name, way)


@pytest.mark.parametrize(("name", "way"), [named(*one) for one in WAYS if one[0] not in SLOW])
def test_no_double_precision_is_asked_of_a_device_without(name: str, way: str | None, call: Call) -> None:
    """Guards every `.double()` of a tensor that is still on the device: MPS raises."""
    call(checks.without_double_precision, name, way)


def test_double_precision_that_is_asked_for_is_told_to_be_absent(call: Call) -> None:
    call(checks.float64_is_refused_where_there_is_none)


def test_the_closed_form_is_found_beside_a_device_without_double_precision(call: Call) -> None:
    call(checks.the_optimum_is_solved_for_on_the_cpu)


RESUMED = [("a Linear stack", "linear-stack"), ("clipped, accumulated and averaged", "linear-stack")]
RESUMED += [("averages over the batches", "linear-stack"), ("dropout", "traced"), ("dropout", None)]
RESUMED += [("a CNN with BatchNorm", "traced"), ("a stream", "linear-stack"), ("a torch class", None)]


@pytest.mark.parametrize(("name", "way"), [named(*one) for one in RESUMED])
def test_a_training_goes_on_from_its_snapshot_to_the_bit(name: str, way: str | None, call: Call) -> None:
    call(checks.resumes_to_the_bit, name, way)


# --- what is drawn at random


def test_runs_with_dropout_train_together_as_alone(call: Call) -> None:
    """Guards masks drawn from generators of the CPU, and from the device's own order where a run is alone."""
    call(checks.dropout_is_that_of_runs_that_train_together)


def test_models_made_in_the_midst_of_a_training_draw_nothing_of_its_own(call: Call) -> None:
    """Guards forks of the CPU's generator alone, after which all seeds drew as the seed 0 of a trial."""
    call(checks.an_evaluation_seeds_nothing)


def test_a_run_seeds_the_device_that_it_is_on(call: Call) -> None:
    """Guards `torch.cuda.manual_seed`, which seeds the current device: on `cuda:1` all seeds shared their masks."""
    call(checks.a_run_seeds_its_own_device)


def test_a_run_seeds_the_gpu_of_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a device that is no CUDA and was not seeded at all."""
    generator = torch.Generator()
    monkeypatch.setattr(torch.mps, "_get_default_mps_generator", lambda: generator)
    seed_torch(11, MPS)
    assert generator.initial_seed() == torch.default_generator.initial_seed() == 11


# --- how it is used


def test_no_threads_share_an_accelerator(call: Call) -> None:
    """Guards shards, one for each core of the CPU, whose steps waited for one another before the device."""
    call(checks.it_is_not_cut_into_shards)


def test_as_many_traced_runs_train_at_once_as_fit_the_memory(call: Call) -> None:
    """Guards 64 runs and 1 GiB, the sizes of a CPU's caches, as those of every device."""
    call(checks.its_memory_says_how_many_train_at_once)


@pytest.mark.parametrize("tried", [True, False], ids=["in a trial", "in the training"])
def test_runs_that_take_too_much_memory_are_cut_in_half(tried: bool, call: Call) -> None:
    """Guards estimates of what fits, which are no more than that."""
    call(partial(checks.it_goes_on_with_half, tried=tried))


def test_an_evaluation_that_takes_too_much_memory_is_cut_in_half(call: Call) -> None:
    call(checks.an_evaluation_goes_on_with_half)


STEADY = [("a Linear stack", "linear-stack"), ("a CNN with BatchNorm", "traced"), ("dropout", "traced")]
STEADY += [("every rule", "linear-stack"), ("a scheduler", "linear-stack"), ("a Linear stack", None)]
STEADY += [("averages over the batches", "linear-stack")]


@pytest.mark.parametrize(("name", "way"), [named(*one) for one in STEADY])
def test_a_step_neither_waits_nor_copies(name: str, way: str | None, call: Call) -> None:
    """Guards a look at a number, or a tensor made on the CPU, in each step."""
    call(checks.a_step_waits_for_nothing, name, way)


def test_cuda_fetches_batches_while_the_cpu_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards copies for which each step waits; the pretended accelerator has no memory of its own to copy to."""
    asked: list[Any] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda batch: asked.append("pinned") or batch)
    monkeypatch.setattr(torch.Tensor, "to", lambda batch, device, **how: asked.append((device, how)) or batch)
    sent(torch.ones(3), CUDA)
    assert asked == ["pinned", (CUDA, {"non_blocking": True})]


def test_the_orders_of_an_epoch_are_few_bytes(call: Call) -> None:
    """Guards eight bytes a row and seed, 115 MB an epoch for 10,000 seeds of the digits."""
    call(checks.orders_are_few_bytes)


def test_a_trial_waits_until_its_steps_are_done(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards trials on a Mac, which timed how long it takes to hand a step over."""
    call(checks.a_trial_waits)
    waits: list[str] = []
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waits.append("mps"))
    synchronise(MPS)
    assert waits == ["mps"]


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (MemoryError(), False),
    ],
)
def test_an_accelerator_that_is_out_of_memory_is_known(error: Exception, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one


# --- graphs of steps


GRAPHS = [("a Linear stack", "linear-stack"), ("every rule", "linear-stack"), ("dropout", "traced")]
GRAPHS += [("a scheduler", "linear-stack"), ("full batches", "linear-stack"), ("a CNN", "traced")]


@pytest.mark.parametrize(("name", "way"), [named(*one) for one in GRAPHS])
def test_steps_in_a_graph_are_those_of_the_ordinary_loop(name: str, way: str, call: Call) -> None:
    """Guards a step that is a number in a graph, tensors that are made anew, and masks that are all the same."""
    call(checks.graphs_take_the_same_steps, name, way)


@pytest.mark.parametrize(
    ("name", "way"),
    [named("a CNN with BatchNorm", "traced"), named("a rule that looks at whole parameters", "linear-stack")],
)
def test_steps_that_are_no_function_are_not_recorded(name: str, way: str, call: Call) -> None:
    call(checks.steps_that_cannot_be_recorded_are_taken_one_by_one, name, way)


def test_the_generators_of_a_block_are_registered_with_its_graphs(call: Call) -> None:
    call(checks.a_graph_is_not_drawn_from_unknown_generators)


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_a_device_without_graphs_is_known(kind: str) -> None:
    assert not has_graphs(torch.device(kind))
