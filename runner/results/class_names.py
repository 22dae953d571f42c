"""What classes are called: by the names that the data tell, else by their numbers from 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence


def class_labels(names: Sequence[str], show: Callable[[str], str] = str) -> list[str]:
    """Return a label for each class that has a name, as `show` writes it, no two of them the same.

    A name of which nothing shows is the number; of names that look the same, each has its number before it.
    """
    labels = [show(name) or str(number) for number, name in enumerate(names)]
    times = Counter(labels)
    return [label if times[label] == 1 else f"{number}: {label}" for number, label in enumerate(labels)]


def label_of(number: int, labels: Sequence[str]) -> str:
    """Return the label of a class, or its number where it has none."""
    return labels[number] if 0 <= number < len(labels) else str(number)
