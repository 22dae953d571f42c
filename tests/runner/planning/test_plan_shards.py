"""Shards share the runs of a plan: each run is in one, cohorts stay whole where they can, sizes are about equal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from xprun.runner.planning.cohorts import cohorts_of, program_of
from xprun.runner.planning.plan import Plan
from xprun.runner.planning.plan_shards import PlanShard

MakePlan = Callable[..., Plan]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("sweep", ["data.samples=[10, 20, 30, 40, 50, 60]", "data.samples=[10, 20]"])
def test_every_run_is_in_one_shard_and_they_are_about_equal(
    plan: MakePlan, line_spec: str, sweep: str, count: int
) -> None:
    runs = plan(line_spec, sweep, "run.seeds=6").runs
    shards = [PlanShard(number, count).of(runs) for number in range(1, count + 1)]
    assert sorted(run for shard in shards for run in shard) == sorted(run.id for run in runs)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= max(6, len(runs) // count)


def test_cohorts_stay_whole_unless_one_is_larger_than_a_shard(plan: MakePlan, line_spec: str) -> None:
    runs = plan(line_spec, "data.samples=[10, 20, 30]", "run.seeds=4").runs
    for number in (1, 2, 3):
        mine = PlanShard(number, 3).of(runs)
        assert [len(cohort.runs) for cohort in cohorts_of(run for run in runs if run.id in mine)] == [4]
    halves = [PlanShard(number, 2).of(runs[:4]) for number in (1, 2)]
    assert [len(half) for half in halves] == [2, 2]
    assert len({program_of(run) for run in runs[:4]}) == 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/", "a/b", "-1/3", "1/3/3", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no shard: write 1/3, 2/3 and 3/3"):
        PlanShard.read(text)
