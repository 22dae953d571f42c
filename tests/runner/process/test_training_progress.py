"""What is told of a training arrives as it was told or not at all, and harms nobody."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
from support.progress import progress_of
from xprun.runner.process.training_progress import (
    MOST_RUNS,
    TrainingProgress,
    decode,
    encode,
    guarded,
    heard_by,
    listener,
    tell,
)


def test_progress_travels_with_values_that_are_not_finite() -> None:
    told = progress_of({"a": [1.0, 0.5], "b": [math.inf]}, seconds_left=math.inf)
    assert decode(encode(told)) == told
    found = decode(encode(replace(told, latest={"loss": (3, [math.nan, 1.0])})))
    assert found is not None
    assert math.isnan(found.latest["loss"][1][0])


def changed(**values: object) -> bytes:
    return json.dumps(asdict(progress_of({"a": [1.0]})) | values).encode()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"\x80\x04\x95",
        b"[]",
        changed(steps="many"),
        changed(per_epoch=0),
        changed(step=-1),
        changed(step=99),
        changed(runs=["a", "b"]),
        changed(runs=["a"] * (MOST_RUNS + 1), latest={}),
        changed(latest={"loss": [1, [1.0, 2.0]]}),
    ],
)
def test_what_is_no_progress_is_nothing(rubbish: bytes) -> None:
    assert decode(rubbish) is None


def test_only_who_listens_hears() -> None:
    heard: list[TrainingProgress] = []
    told = progress_of({"a": [1.0]})
    tell(told)
    with heard_by(heard.append):
        tell(told)
    tell(told)
    assert heard == [told]
    assert listener() is None


def test_who_fails_to_hear_is_told_no_more_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def fail(progress: TrainingProgress) -> None:
        calls.append(progress)
        raise ValueError("the disk is full")

    hear = guarded(fail)
    hear(progress_of({"a": [1.0]}))
    hear(progress_of({"a": [1.0]}))
    assert len(calls) == 1
    assert caplog.messages == ["progress within runs is no longer shown: ValueError: the disk is full"]
