"""A disk that is full or fails ends the work in one line; what was saved stays, and the next run completes it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from support.fault_checks import calls_of, check_end, spread
from support.fault_runs import Experiment, rounds
from xprun.runner.store.recovery import read_store


@pytest.mark.parametrize(("number", "lasting"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_a_disk_that_fails_at_any_call_costs_one_line_and_no_result(
    uninterrupted: Experiment, tmp_path: Path, number: int, lasting: bool
) -> None:
    if not uninterrupted.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    for i, call in enumerate(spread(calls_of(uninterrupted, tmp_path), rounds(4, 200))):
        experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / f"out{i}")
        ending = experiment.run(fault={"at": call, "until": 10**9 if lasting else call, "errno": number})
        assert (ending.code, ending.output.count("\n")) in ((3, 1), (0, 0)), (call, ending.output)
        stored, damaged = read_store(experiment.folder / "store.sqlite")
        assert not damaged
        assert stored.keys() >= set(experiment.reported())
        if ending.code == 0:  # what failed was only to tidy up
            check_end(experiment, uninterrupted)
        assert experiment.run().code == 0
        check_end(experiment, uninterrupted)
