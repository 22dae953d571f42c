"""Images as courses use them: LeNet, 60,000 + 10,000 images of 28 x 28, beside a loop by hand that does the same.

`python benchmarks/images.py [REPEATS [MEASURED...]]` times whole processes, from start to end: four runs of one epoch
(two learning rates, two seeds), batches of 256, loss and accuracy of the training and the test images. The loop keeps
the images in memory as tensors and measures by 1,000 rows; it runs in one process, and in two that share the runs, each
with one thread, and the faster way counts. The images are random, written as MNIST's files are. Final losses are
checked to be equal. Alternated repeats, medians; `user + sys` beside the wall time, which a busy machine moves more.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from data import SIDE, write_idx
from torch import Tensor, nn

RATES, SEEDS, BATCH = (0.1, 0.5), (0, 1), 256
MEASURED = ("full", "running", "none")
JOBS = ((), ("-j", "1"), ("-j", "2"))
SPEC = """
[data]
name = "MNIST"
root = "{root}"
valid = "test"
batch_size = {batch}

[model]
name = "lenet"

[loss]
name = "CrossEntropyLoss"

[optimizer]
name = "SGD"
lr = {{ grid = {rates} }}

[run]
epochs = 1
seeds = {seeds}
metrics = ["accuracy"]
measure_train = "{measured}"
"""


# --- the loop by hand: `python images.py loop ROOT PROCESSES MEASURED`


def lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10)),
    )


def read(root: str, *, train: bool) -> tuple[Tensor, Tensor]:
    from xprun.plugins.torchvision_import import import_torchvision

    images = import_torchvision().datasets.MNIST(root, train=train)
    return images.data.unsqueeze(1).float() / 255, images.targets


@torch.no_grad()
def measure(model: nn.Module, x: Tensor, y: Tensor, rows: int = 1000) -> tuple[float, float]:
    """Return the mean loss and the accuracy."""
    loss, hits = 0.0, 0
    for images, classes in zip(x.split(rows), y.split(rows), strict=True):
        scores = model(images)
        loss += nn.functional.cross_entropy(scores, classes, reduction="sum").item()
        hits += int((scores.argmax(1) == classes).sum())
    return loss / len(y), hits / len(y)


def run(lr: float, seed: int, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], measured: str) -> None:
    """Train one run for one epoch as a tutorial does, and print what is measured."""
    torch.manual_seed(seed)
    model, (x, y) = lenet(), train
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    loss, hits = torch.zeros(()), torch.zeros(())
    for chosen in torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)).split(BATCH):
        classes = y[chosen]
        optimizer.zero_grad()
        scores = model(x[chosen])
        of_batch = nn.functional.cross_entropy(scores, classes)
        of_batch.backward()
        optimizer.step()
        if measured == "running":
            loss += of_batch.detach() * len(chosen)
            hits += (scores.argmax(1) == classes).sum()
    seen = {"full": lambda: measure(model, *train), "running": lambda: (float(loss) / len(y), float(hits) / len(y))}
    print(lr, seed, *(seen[measured]() if measured in seen else ()), *measure(model, *test))


def some_runs(root: str, measured: str, chosen: Sequence[tuple[float, int]]) -> None:
    torch.set_num_threads(1)
    train, test = read(root, train=True), read(root, train=False)
    for lr, seed in chosen:
        run(lr, seed, train, test, measured)


def loop(root: str, processes: int, measured: str) -> None:
    runs = [(lr, seed) for lr in RATES for seed in SEEDS]
    if processes == 1:
        some_runs(root, measured, runs)
        return
    context = torch.multiprocessing.get_context("fork")
    started = [context.Process(target=some_runs, args=(root, measured, runs[i::processes])) for i in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()


# --- whole processes side by side


def make_images(root: Path) -> None:
    """Write images whose classes can be learned: one random picture a class, under noise."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (10, SIDE, SIDE), generator=generator)
    for name, rows in (("train", 60_000), ("t10k", 10_000)):
        classes = torch.arange(rows).remainder(10)
        noise = torch.randint(-128, 128, (rows, SIDE, SIDE), generator=generator)
        write_idx(folder / f"{name}-images-idx3-ubyte", (pictures[classes] + noise).clamp(0, 255).byte())
        write_idx(folder / f"{name}-labels-idx1-ubyte", classes.byte())


def timed(command: Sequence[str | Path]) -> tuple[float, float, str]:
    """Return the wall and the processor seconds of a command, and what it prints."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def final_losses(text: str) -> list[float]:
    """Return the test losses that the loop has printed, of each run."""
    return sorted(float(line.split()[-2]) for line in text.splitlines())


def losses_in(folder: Path) -> list[float]:
    import pandas as pd

    return sorted(pd.read_csv(folder / "results.csv")["final.valid.loss"])


def sample(root: Path, measured: str) -> dict[str, tuple[float, float]]:
    """Return the wall and processor seconds of each way, once."""
    spec, out = root / "lenet.toml", root / "out"
    rates, seeds = list(RATES), len(SEEDS)
    spec.write_text(SPEC.format(root=root, batch=BATCH, rates=rates, seeds=seeds, measured=measured))
    found, losses = {}, []
    for processes in (1, 2):
        *seconds, text = timed([sys.executable, __file__, "loop", root, str(processes), measured])
        found[f"loop, {processes} process{'es'[: 2 * processes - 2]}"] = seconds
        losses.append(final_losses(text))
    for jobs in JOBS:
        for report in ((), ("--no-report",)) if not jobs else (("--no-report",),):
            command = [sys.executable, "-m", "xprun", spec, "-o", out, "--rerun", "all", "-q", *jobs, *report]
            *seconds, _ = timed(command)
            found[" ".join(["xprun", *jobs, *report])] = seconds
            losses.append(losses_in(out))
    for one in losses[1:]:
        assert one == sorted(one) and torch.allclose(torch.tensor(one), torch.tensor(losses[0]), rtol=1e-3), losses
    return {name: (wall, cpu) for name, (wall, cpu) in found.items()}


def main(repeats: int, wanted: Sequence[str]) -> None:
    os.environ["OMP_NUM_THREADS"] = "2"  # what xprun may share among its workers
    print(f"torch {torch.__version__}, {repeats} alternated repeats; seconds (user + sys)")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_images(root)
        for measured in wanted:
            samples = [sample(root, measured) for _ in range(repeats)]
            print(f"\n| measure_train = {measured} | seconds | user + sys | times the best loop |\n|---|---|---|---|")
            for name in samples[0]:
                wall, cpu = (statistics.median(one[name][i] for one in samples) for i in (0, 1))
                best = [min(seconds[0] for way, seconds in one.items() if way.startswith("loop")) for one in samples]
                ratio = statistics.median(one[name][0] / least for one, least in zip(samples, best, strict=True))
                print(f"| {name} | {wall:.1f} | {cpu:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["loop"]:
        loop(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2:] or MEASURED)
