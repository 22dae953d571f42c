"""The words of the language for sweeps."""

from __future__ import annotations

# Each word with the other keys its table takes; `with` goes with all of them.
WORDS = {
    "grid": (),
    "linspace": ("num",),
    "logspace": ("num",),
    "range": (),
    "uniform": ("samples",),
    "loguniform": ("samples",),
    "choice": ("samples",),
}
RANDOM = {"uniform", "loguniform", "choice"}
LISTED = {"grid", "choice"}  # any values; the others take two or three numbers

# Settings that have one value in all runs of a spec, by their dotted keys or by a section, and what to do instead.
NEVER_SWEPT = {
    "name": "write one name: it is that of the output folder",
    "title": "write one title: it is that of the report",
    "device": "run the spec once for each with --device and -o, then compare: xprun diff FOLDER FOLDER",
    "label": "tables and plots show swept values by themselves",
    "compare": "runs do not depend on it: change it and run the spec again, which trains nothing",
    "confirm": "write seeds = 10 or seeds = [10, 11, 12]",
    "search": "a search is no part of a run: run the spec once for each, with -o",
    "expect": "write one [[expect]] for each",
    "data.k_folds": "write k_folds = 5: each setting is trained once a fold",
    "run.seeds": "write seeds = 5 or seeds = [0, 1, 2]",
    "run.metrics": 'list all of them: metrics = ["mae", "rmse"]',
    "run.observers": "list all of them: every run is told to each",
    "run.search_seed": "for more draws, raise samples",
    "run.engine": "it changes no result, so its runs would be the same",
    "run.compile": "it changes no result, so its runs would be the same",
    "run.timeout": "it changes no result, so its runs would be the same",
    "run.checkpoint_every": "it changes no result, so its runs would be the same",
}
