"""What reading an epoch costs: a `DataLoader` over torchvision's MNIST class, beside xprun's resident tensors.

Run it with `python benchmarks/data.py`. Both yield shuffled float batches of 256 from 60000 x 28 x 28 random pixels; an
epoch that is not timed checks that they yield the same ones. The loader is set up as an experienced user would: no
transform but `ToTensor`, and workers that live on from epoch to epoch. xprun reads as a run does: from the floats that
it keeps in memory. Medians of alternated repeats, one process (beside the workers), one thread.
"""

from __future__ import annotations

import datetime
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from xprun.plugins.torchvision_import import import_torchvision
from xprun.runner.engine.allocator import keep_freed_memory
from xprun.runner.workload.batch_order import batches

REPEATS = 7
ROWS, SIDE, BATCH = 60_000, 28, 256
STEPS = -(-ROWS // BATCH)
TARGET = 40  # times faster than the loader without workers

Batches = Iterable[tuple[Tensor, Tensor]]
Epoch = Callable[[], Batches]


def write_idx(path: Path, numbers: Tensor) -> None:
    """Write uint8 numbers in the format of MNIST: a magic number that counts the axes, their lengths, the bytes."""
    header = struct.pack(f">{1 + numbers.dim()}i", 0x800 + numbers.dim(), *numbers.shape)
    path.write_bytes(header + numbers.numpy().tobytes())


def make_images(root: Path) -> Any:
    """Return torchvision's MNIST data set over random pixels, written below `root` as its files are."""
    torchvision = import_torchvision()
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for name, rows in (("train", ROWS), ("t10k", 1)):
        pixels = torch.randint(256, (rows, SIDE, SIDE), dtype=torch.uint8, generator=generator)
        write_idx(folder / f"{name}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{name}-labels-idx1-ubyte", torch.arange(rows).remainder(10).byte())
    return torchvision.datasets.MNIST(root, transform=torchvision.transforms.ToTensor())


def loader(images: Any, workers: int) -> Epoch:
    made: DataLoader[Any] = DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return lambda: made


def resident(images: Any) -> Epoch:
    """Return xprun's way: the set as floats in memory once, then a permutation an epoch."""
    feed = batches(images.data.unsqueeze(1).float() / 255, images.targets, BATCH, seed=0)
    return lambda: islice(feed, STEPS)


def contents(epoch: Epoch) -> list[tuple[float, int]]:
    """Return the sum of the pixels and the label of every row, sorted: the same for the same rows in any order."""
    rows: list[tuple[float, int]] = []
    for x, y in epoch():
        assert x.dtype == torch.float32 and x.shape[1:] == (1, SIDE, SIDE), (x.dtype, x.shape)
        rows += zip(x.double().mul(255).round().sum((1, 2, 3)).tolist(), y.tolist(), strict=True)
    return sorted(rows)


def seconds(epoch: Epoch) -> float:
    start = time.perf_counter()
    for _ in epoch():
        pass
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        images = make_images(Path(folder))
        start = time.perf_counter()
        ours = resident(images)
        once = time.perf_counter() - start
        ways = {"xprun": ours, "DataLoader": loader(images, 0), "DataLoader, 2 workers": loader(images, 2)}
        expected = contents(ours)
        assert all(contents(way) == expected for way in ways.values()), "the ways do not read the same"
        samples = [[seconds(way) for way in ways.values()] for _ in range(REPEATS)]
    print_table(list(ways), samples, once)


def print_table(names: list[str], samples: list[list[float]], once: float) -> None:
    """Print the medians as Markdown; a ratio is the median of the ratios within a repeat."""
    versions = f"torch {torch.__version__}, torchvision {import_torchvision().__version__}"
    print(f"{datetime.date.today()}, {versions}, 1 thread, medians of {REPEATS} alternated repeats\n")
    print("| an epoch of 60000 x 28 x 28, batch 256 | seconds | times xprun |\n|---|---|---|")
    ratios = [statistics.median(sample[i] / sample[0] for sample in samples) for i in range(len(names))]
    for i, name in enumerate(names):
        print(f"| {name} | {statistics.median(sample[i] for sample in samples):.3f} | {ratios[i]:.1f} |")
    print(f"\nxprun keeps the set as floats in memory; making them takes {once:.2f} s once.")
    print(f"target: {TARGET} times faster than the DataLoader: {'met' if ratios[1] >= TARGET else 'MISSED'}")


if __name__ == "__main__":
    main()
