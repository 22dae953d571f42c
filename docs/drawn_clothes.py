"""Drawn clothes in the files of Fashion-MNIST, where the real ones are absent: ten outlines, moved and noisy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from data import SIDE, write_idx

ROWS = {"train": 6_000, "t10k": 1_000}
SLEEVES = [(3, 6), (10, 4), (18, 4), (25, 6)]
# The outlines in the order of the classes, as (x, y) in pixels.
OUTLINES = [
    [*SLEEVES, (24, 12), (20, 10), (20, 24), (8, 24), (8, 10), (4, 12)],  # T-shirt
    [(9, 3), (19, 3), (20, 25), (16, 25), (14, 9), (12, 25), (8, 25)],  # trouser
    [*SLEEVES, (26, 22), (22, 22), (20, 11), (20, 24), (8, 24), (8, 11), (6, 22), (2, 22)],  # pullover
    [(11, 3), (17, 3), (16, 11), (21, 26), (7, 26), (12, 11)],  # dress
    [*SLEEVES, (26, 23), (22, 23), (21, 10), (21, 26), (15, 26), (14, 5), (13, 26), (7, 26), (7, 10), (6, 23), (2, 23)],
    [(3, 20), (9, 17), (14, 12), (16, 12), (13, 18), (24, 13), (25, 15), (25, 21), (3, 21)],  # sandal
    [
        (4, 5),
        (11, 4),
        (14, 8),
        (17, 4),
        (24, 5),
        (25, 16),
        (21, 16),
        (20, 9),
        (20, 25),
        (8, 25),
        (8, 9),
        (7, 16),
        (3, 16),
    ],
    [(3, 16), (10, 15), (16, 10), (20, 13), (25, 12), (25, 20), (3, 20)],  # sneaker
    [(4, 11), (9, 11), (10, 6), (18, 6), (19, 11), (24, 11), (25, 24), (3, 24)],  # bag
    [(15, 4), (24, 4), (24, 23), (3, 23), (3, 18), (14, 15)],  # ankle boot
]


def write_clothes(root: Path) -> None:
    """Write images [n, 28, 28] and their labels below `root`, always the same, as torchvision reads Fashion-MNIST."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    shapes = np.stack([drawn(outline) for outline in OUTLINES])
    for part, rows in ROWS.items():
        classes = np.arange(rows) % len(shapes)
        moves = random.integers(-2, 3, (rows, 2))
        moved = np.stack([np.roll(shapes[c], move, (0, 1)) for c, move in zip(classes, moves, strict=True)])
        light = random.uniform(0.3, 1.0, (rows, 1, 1))
        pixels = (moved * light + random.normal(0, 40, moved.shape)).clip(0, 255).astype(np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", torch.from_numpy(pixels))
        write_idx(folder / f"{part}-labels-idx1-ubyte", torch.from_numpy(classes.astype(np.uint8)))


def drawn(outline: list[tuple[int, int]]) -> np.ndarray:
    """Return a filled outline [28, 28], bright on black."""
    image = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(image).polygon(outline, fill=230)
    return np.asarray(image, dtype=np.float64)
