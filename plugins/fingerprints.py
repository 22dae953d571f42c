"""Texts of built-in components that compute what an earlier text of theirs did, so that no run of theirs is lost."""

from __future__ import annotations

# The hash of a source file as it is now: that of the text under which its runs have their ids.
# `tests/plugins/test_fingerprints.py` says which line to write where a text has changed and no number can have.
EQUIVALENT = {
    "5222ae3b89ab485d": "8f2f0c6c9f8f4cdc",  # datasets/sklearn_tables.py
    "7ea5b9a1d3d0a48f": "4594e58d8b6f89b5",  # metrics/classification.py: shares, which were rounded to single precision
    "1c374d0ebe8d1507": "897f9c8cfd48b99a",  # metrics/regression.py
    "bcdb7e7129784b2b": "e5cd00566afc73e8",  # models/linear.py: `w` and `b`, which a run in float64 rounded likewise
    "bacc8c5c18ba3a35": "8f4ee84b7a42fef7",  # models/layers.py
    "f38719a0da593f1a": "d6387148b202a58e",  # plots/scatter.py
    "fdcdc3bedd3d043f": "933ff9a5a65faf4e",  # schedulers/basic.py
    "bb5e56124fb5e69a": "d9846fe7d0fe9a90",  # optimizers/textbook.py
    "3ab3cc943a505b6a": "b8168267a4f02df1",  # datasets/csv_file.py
    "d65c54d156490ea4": "f87b827c077c174c",  # optimizers/torch_optim.py
    "b1e03ef8d6cc7858": "f1db8067ae927ead",  # metrics/torchmetrics_scores.py
    "9105b0b34744b36d": "a57a41f4b1e816cf",  # observers/tensorboard.py: an observer changes no number
    "049862df715fecc9": "db37ac6c0570b823",  # schedulers/torch_schedulers.py
    "c011ba7e8a6362a6": "9fed5b57271244a2",  # datasets/digits.py: images as targets, and drawn classes
    "703228055fe82125": "08c98a1361205783",  # datasets/line.py
    "7032e9baea73afce": "6e07c225189f995c",  # datasets/linear_regression.py
    "b13d5efbbae3701e": "6f1427941f1e99d5",  # models/sequences.py
    "19e88a27d672422a": "7ee99519b53357d4",  # models/classics.py
    "e9a0c93467f1f4db": "bb733f070a7c1f99",  # models/sequence_layers.py
    "fb259f21b795b72d": "5a4ac6c1909d4606",  # losses/squared.py: that it is a sum is said beside it
    "11dd8988c1c0bbdc": "909f7448a1f12320",  # datasets/text.py
}


def of_earlier_text(fingerprint: str) -> str:
    """Return the fingerprint of the first text of a source that computes the same."""
    return EQUIVALENT.get(fingerprint, fingerprint)
