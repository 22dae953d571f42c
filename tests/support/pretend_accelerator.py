"""A pretended accelerator on the CPU: real numbers on a device of its own, which finds what a GPU would not forgive.

A tensor on `pretend:0` holds one of the CPU. Each operator that gets one is checked as CUDA would: the others must be
there, too (but for single numbers, and indices in `x[i]`), and so must generators. It may be one without double
precision, as Apple's GPUs are, or with little memory. Launches, waits and copied bytes are counted.

It works in any thread, with autograd, torch.func and make_fx: it is PrivateUse1 with kernels in Python. It has to be
installed before the first backward pass of a process, so that tests have it in one of their own (`in_a_process`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

NAME = "pretend"
DEVICE = "pretend:0"
DEVICES = 2
PLENTY = 2**40

_VIEWS = """
    view _unsafe_view as_strided detach alias slice select transpose permute expand unsqueeze squeeze t split
    split_with_sizes unbind unfold _reshape_alias lift_fresh view_as_real
"""
VIEWS = frozenset(_VIEWS.split())  # launch nothing
WAITING = frozenset(
    ["_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal", "is_nonzero"]
)
MAY_MIX = frozenset(["copy_", "_to_copy", "index", "index_put_", "_index_put_impl_", "index_put", "_unsafe_index"])


@dataclass
class Machine:
    """The accelerator: what it has, and what was asked of it."""

    has_double: bool = True
    largest: int = PLENTY  # bytes of a tensor, above which there is no memory
    free: int = PLENTY  # bytes that it says are free
    launches: Counter[str] = field(default_factory=Counter)
    waits: int = 0
    copied: int = 0  # bytes that came from the CPU
    graph: PretendGraph | None = None  # that is being recorded

    def forget(self) -> None:
        self.launches.clear()
        self.waits = self.copied = 0


MACHINE = Machine()


@contextmanager
def with_less(**less: Any) -> Iterator[Machine]:
    """Have an accelerator that lacks something for a while: `has_double=False`, `largest=10_000`."""
    from xprun.plugins.double_precision import has_double

    before = {name: getattr(MACHINE, name) for name in less}
    for name, value in less.items():
        setattr(MACHINE, name, value)
    has_double.cache_clear()
    try:
        yield MACHINE
    finally:
        for name, value in before.items():
            setattr(MACHINE, name, value)
        has_double.cache_clear()


# --- tensors


class PretendTensor(torch.Tensor):
    """A tensor on the accelerator, which holds one of the CPU."""

    raw: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, raw: Tensor) -> PretendTensor:
        _want_room(raw)
        made: PretendTensor = torch.Tensor._make_wrapper_subclass(
            cls, raw.shape, strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype, device=DEVICE
        )
        made.raw = raw
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})

    def __repr__(self, **_: Any) -> str:
        return f"{DEVICE} {self.raw!r}"

    def __deepcopy__(self, memo: Any) -> Any:
        twin = PretendTensor(self.raw.detach().clone())
        if isinstance(self, torch.nn.Parameter):
            return torch.nn.Parameter(twin, self.requires_grad)
        return twin.requires_grad_(self.requires_grad)

    @property
    def data(self) -> Any:  # type: ignore[override]
        return self.detach()

    @data.setter
    def data(self, other: Any) -> None:
        self.raw = other.raw

    def data_ptr(self) -> int:
        return self.raw.data_ptr()

    def tolist(self) -> Any:
        MACHINE.waits += 1
        return self.raw.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first")


def _want_room(raw: Tensor) -> None:
    if raw.dtype == torch.float64 and not MACHINE.has_double:
        raise TypeError(f"Cannot convert a tensor of {NAME} to float64: it has no such numbers. Use float32 instead.")
    if raw.numel() * raw.element_size() > MACHINE.largest:
        raise torch.OutOfMemoryError(f"{NAME} out of memory. Tried to allocate {raw.numel() * raw.element_size()}")


def _compute(func: Any, args: Any, kwargs: Any) -> Any:
    """Compute an operator on the CPU, after the checks of a device."""
    name = func._schema.name.partition("::")[2]
    ours, theirs = _tensors(args, kwargs)
    _check_places(name, ours, theirs)
    kwargs = _with_generator(func, args, kwargs)
    fetches = str(kwargs.get("device")) == "cpu" if name == "_to_copy" else name == "copy_" and not _is_ours(args[0])
    MACHINE.waits += fetches or name in WAITING
    if name in MAY_MIX and not fetches:
        MACHINE.copied += sum(x.numel() * x.element_size() for x in theirs)
    MACHINE.launches[name] += name not in VIEWS
    if own := OWN_KERNELS.get(name):
        return tree_map(PretendTensor, own(*tree_map(_raw, args)))
    raw_args, raw_kwargs = tree_map(_raw, (args, kwargs))
    with torch.no_grad():
        result = func(*raw_args, **raw_kwargs)
    if MACHINE.graph:
        waits = fetches or name in WAITING or (name in MAY_MIX and any(x.dim() for x in theirs))
        MACHINE.graph.add(Call(func, raw_args, raw_kwargs, result), waits=waits)
    known = {id(x.raw): x for x in ours}

    def wrapped(x: Any) -> Any:
        if not isinstance(x, torch.Tensor) or _is_ours(x):
            return x
        if id(x) in known:
            assert known[id(x)].shape == x.shape, f"{name} has changed a shape, which is not pretended"
            return known[id(x)]
        return (x.clone() if name == "_to_copy" else x) if fetches else PretendTensor(x)

    return tree_map(wrapped, result)


def _tensors(args: Any, kwargs: Any) -> tuple[list[PretendTensor], list[Tensor]]:
    """Return the tensors of the accelerator and those of the CPU."""
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    return [x for x in tensors if isinstance(x, PretendTensor)], [x for x in tensors if not _is_ours(x)]


def _is_ours(x: Any) -> bool:
    return isinstance(x, PretendTensor)


def _check_places(name: str, ours: list[PretendTensor], theirs: list[Tensor]) -> None:
    if ours and name not in MAY_MIX and any(x.dim() for x in theirs):
        both = f"at least two devices, {DEVICE} and cpu"
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {both}! ({name})")


def _raw(x: Any) -> Any:
    if isinstance(x, torch.device) and x.type == NAME:
        return torch.device("cpu")
    return x.raw if isinstance(x, PretendTensor) else x


# --- random numbers


GENERATORS: dict[int, torch.Generator] = {}  # those of the accelerator, by where they are: they say they are of the CPU
_Original: Any = torch.Generator


class _KindOfGenerator(type):
    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, _Original)


class PretendGenerator(metaclass=_KindOfGenerator):
    """Stands for `torch.Generator`, which the accelerator has, too."""

    def __new__(cls, device: Any = "cpu") -> Any:
        if torch.device(device).type != NAME:
            return _Original(device)
        made = _Original()
        GENERATORS[made._cdata] = made
        return made


def _with_generator(func: Any, args: Any, kwargs: Any) -> Any:
    """Return the arguments by name with a generator of the accelerator; raise where one of the CPU is given."""
    places = [i for i, argument in enumerate(func._schema.arguments) if argument.name == "generator"]
    if not places:
        return kwargs
    given = kwargs.get("generator") or (args[places[0]] if places[0] < len(args) else None)
    if given is None:
        return {**kwargs, "generator": Module.default_generators[0]}
    if given._cdata not in GENERATORS:
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu'")
    return kwargs


# --- kernels that a device has and a CPU has not


def _dropout(x: Tensor, p: float, train: bool | None) -> tuple[Tensor, ...]:
    """Dropout as one kernel, which draws in an order of its own."""
    kept = torch.rand(x.shape, generator=Module.default_generators[0]).flip(-1) >= p
    return x * kept / (1 - p), kept


def _lstm_cell(inputs: Tensor, hidden: Tensor, c: Tensor, *biases: Tensor) -> tuple[Tensor, ...]:
    gates = sum((b for b in biases if b is not None), inputs + hidden)
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    new = f * c + i * g
    return o * new.tanh(), new, torch.cat([i, f, g, o], 1)


def _lstm_cell_backward(dh: Any, dc: Any, c: Tensor, new: Tensor, gates: Tensor, has_bias: bool) -> tuple[Any, ...]:
    i, f, g, o = gates.chunk(4, 1)
    dh = torch.zeros_like(new) if dh is None else dh
    dc = (torch.zeros_like(new) if dc is None else dc) + dh * o * (1 - new.tanh() ** 2)
    parts = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * new.tanh() * o * (1 - o)
    d = torch.cat(parts, 1)
    return d, dc * f, d.sum(0)


OWN_KERNELS: dict[str, Any] = {
    "native_dropout": _dropout,
    "_thnn_fused_lstm_cell": _lstm_cell,
    "_thnn_fused_lstm_cell_backward_impl": _lstm_cell_backward,
}


# --- graphs


CAPTURING = "operation not permitted when stream is capturing"


@dataclass
class Call:
    """An operator with its arguments and its result, all in the memory where they were when it was recorded."""

    func: Any
    args: Any
    kwargs: Any
    result: Any

    def again(self) -> None:
        """Compute it anew, into the same memory."""
        with torch.no_grad():
            found = self.func(*self.args, **self.kwargs)
            for old, new in zip(tree_flatten(self.result)[0], tree_flatten(found)[0], strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class PretendGraph:
    """What was done while it was recorded, as `torch.cuda.CUDAGraph` has it: any other number in it is a constant."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.generators = set(list(GENERATORS)[:1])  # that of the device
        self.replays = 0

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.add(generator._cdata)

    def add(self, call: Call, *, waits: bool) -> None:
        generator = call.kwargs.get("generator")
        if waits:
            raise RuntimeError(CAPTURING)
        if generator is not None and generator._cdata not in self.generators:
            raise RuntimeError("a generator that is not registered is drawn from in a graph")
        self.calls.append(call)

    def replay(self) -> None:
        self.replays += 1
        MACHINE.launches["graph"] += 1
        for call in self.calls:
            call.again()


@contextmanager
def recorded(graph: PretendGraph) -> Iterator[None]:
    MACHINE.graph = graph
    try:
        yield
    finally:
        MACHINE.graph = None


class Stream:
    """There is one, as it were."""

    def __init__(self, device: Any = None) -> None:
        pass

    def wait_stream(self, other: Stream) -> None:
        pass


# --- the device


class Module:
    """`torch.pretend`, with the functions that `torch.cuda` has."""

    default_generators: tuple[torch.Generator, ...] = ()
    init = empty_cache = staticmethod(lambda: None)
    is_initialized = is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: DEVICES)
    current_device = staticmethod(lambda: 0)
    _is_in_bad_fork = staticmethod(lambda: False)
    memory_reserved = memory_allocated = staticmethod(lambda device=None: 0)
    mem_get_info = staticmethod(lambda device=None: (MACHINE.free, PLENTY))
    get_amp_supported_dtype = staticmethod(lambda: [torch.float16, torch.bfloat16])

    CUDAGraph, graph, Stream = PretendGraph, staticmethod(recorded), Stream
    stream = staticmethod(nullcontext)
    current_stream = staticmethod(Stream)

    @staticmethod
    def synchronize(device: Any = None) -> None:
        MACHINE.waits += 1

    @staticmethod
    def manual_seed(seed: int) -> None:
        """Seed the generator of the current device, as that of CUDA does."""
        Module.default_generators[0].manual_seed(seed)

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        for generator in Module.default_generators:
            generator.manual_seed(seed)


_libraries: list[torch.library.Library] = []  # an operator is gone with its library


def install() -> None:
    """Let the devices `pretend:0` and `pretend:1` be there; tensors may be on the first."""
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

    if _libraries:
        return
    _setup_privateuseone_for_python_backend(NAME, backend_module=Module())
    torch.Generator = PretendGenerator  # type: ignore[misc, assignment]
    Module.default_generators = tuple(torch.Generator(f"{NAME}:{i}") for i in range(DEVICES))
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty.memory_format", _empty, "PrivateUse1")
    library.impl("empty_strided", _empty_strided, "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    for name in ("arange", "arange.start", "arange.start_step", "linspace"):  # which change the shape of what is there
        library.impl(name, partial(_made_at_once, name), "PrivateUse1")
    _libraries.append(library)


def _empty(size: Any, *, dtype: Any = None, memory_format: Any = None, **_: Any) -> Any:
    layout = memory_format or torch.contiguous_format
    return PretendTensor(torch.empty(size, dtype=dtype, memory_format=layout))


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> Any:
    return PretendTensor(torch.empty_strided(size, stride, dtype=dtype))


def _made_at_once(name: str, *numbers: Any, dtype: Any = None, **_: Any) -> Any:
    return PretendTensor(getattr(torch, name.partition(".")[0])(*numbers, dtype=dtype))


def _copy_from(source: Any, target: Any, non_blocking: bool = False) -> Any:
    if not _is_ours(source):
        if MACHINE.graph:
            raise RuntimeError(CAPTURING)
        MACHINE.copied += source.numel() * source.element_size()
    _raw(target).copy_(_raw(source))
    return target


# --- a process that has it


def in_a_process() -> ProcessPoolExecutor:
    """Return a process with the accelerator, to which functions of modules in `support` can be given."""
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=install)
