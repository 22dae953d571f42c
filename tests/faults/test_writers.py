"""One process at a time writes a folder; the others are told who does, and each run is trained once."""

from __future__ import annotations

import random
from pathlib import Path

from support.fault_checks import check_end
from support.fault_runs import RUNS, Experiment, rounds


def test_of_several_processes_one_works_and_the_others_name_it(uninterrupted: Experiment, tmp_path: Path) -> None:
    chance = random.Random(0)
    told = 0
    for number in range(rounds(3, 100)):
        experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / f"out{number}")
        jobs = [experiment.job(i) for i in range(chance.randint(2, 8))]
        jobs[0]["kill_after"] = [chance.uniform(0, 0.5)]
        endings = experiment.driver.run(*jobs)
        pids = [str(ending.pid) for ending in endings]
        for ending in endings:
            assert ending.code in (0, 4, -9), ending.output
            if ending.code == 4:
                assert ending.output.startswith(f"{experiment.folder} is in use by process "), ending.output
                assert ending.output.split(" process ")[1].split(",")[0] in pids
                told += 1
        assert experiment.run().code == 0
        check_end(experiment, uninterrupted)
        assert len(experiment.reported()) >= RUNS - 1  # the killed one may have saved a run and not reported it
    assert told > 0
