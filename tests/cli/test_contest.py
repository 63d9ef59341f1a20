"""Cells of a contest: kept, found again, run elsewhere, refused when damaged."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.ray import cluster
from tercel.core.errors import CapacityError, ConfigError
from tercel.execution import step as kernels
from tercel.execution.market import Market
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import seeded_plan
from tercel.lab.evaluation.market import cached_market, thinned
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.evaluation import (
    Evaluation,
    without_overflow,
    without_overflowed,
)
from tercel.lab.evaluation.pipeline.jobs import (
    Job,
    Results,
    is_done,
    is_stored,
    jobs_of,
    read_results,
    run_job,
)
from tercel.lab.evaluation.runs import run_strategy
from tercel.lab.evaluation.scenario import Scenario

TASK = Task(horizon_s=60.0, decisions=6, warmup_s=20.0, grid_points=4)
PLACE = Scenario(Market("csco-santa-fe"), task=TASK, name="small", seeds=(3, 4), episodes=300)
THREE = [Candidate("twap_take"), Candidate("peg_behind"), Candidate("random")]
WHO = [Candidate("twap_take"), Candidate("peg_behind")]


def test_seeds_share_the_episodes_and_none_is_one_of_training() -> None:
    rows = cached_market(PLACE).plan.rows
    assert len(rows) == 300
    assert np.unique(rows[:, :2], axis=0).shape == (150, 2), "bought and sold in"
    assert np.unique(rows[:, 0], return_counts=True)[1].tolist() == [150, 150]
    assert (cached_market(PLACE.on_validation(5)).plan.rows[:, 0] < 0).all()


def test_a_place_is_known_by_what_decides_its_results() -> None:
    other = PLACE.in_market(regimes="thin")
    assert len({PLACE.id, other.id, PLACE.on_validation(300).id}) == 3
    assert replace(PLACE).id == PLACE.id


def test_costs_run_elsewhere_are_those_run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    jobs = jobs_of(PLACE, WHO, recorded=False)
    assert [job.first for job in jobs] == [0, 256]
    for job in jobs:
        assert not is_done(job, here)
        assert run_job(job, here)
        assert is_done(job, here)
    request: list[int] = []

    def elsewhere(_: Any, source: Any, task: Any, plan: Any, strategy: Any, **__: Any) -> Any:
        request.append(len(plan))
        return run_strategy(source, task, plan, strategy)

    monkeypatch.setattr(cluster, "run_strategy_on", elsewhere)
    run_job(Job(PLACE, 256, (WHO[0],), False), there)
    cluster.run_jobs_on(None, jobs, there)  # type: ignore[arg-type]
    assert request == [256, 300], "one job of the first was there"
    for one in WHO:
        assert all(is_stored(job, one, there) for job in jobs)
        mine, theirs = (read_results(PLACE, WHO, out).costs[one.key] for out in (here, there))
        kept = [f.name for f in fields(mine) if f.name != "mid2_grid"]
        assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in kept)


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    [job, *_] = jobs_of(PLACE, WHO[:1], recorded=False)
    run_job(job, tmp_path)
    run_job(Job(PLACE, 256, job.candidates, False), tmp_path)
    file = next(tmp_path.rglob("256.npz"))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ConfigError, match=r"256\.npz"):
        read_results(PLACE, WHO[:1], tmp_path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("small")
    for job in jobs_of(PLACE, THREE, recorded=True):
        run_job(job, folder)
    return read_results(PLACE, THREE, folder, recorded=True)


def overflowing(judged: Results, key: str, episodes: list[int]) -> Results:
    overflow = judged.costs[key].overflow.copy()
    overflow[episodes] = 2
    return replace(
        judged, costs={**judged.costs, key: replace(judged.costs[key], overflow=overflow)}
    )


def test_an_episode_without_room_is_left_out_for_everybody(small: Results) -> None:
    evaluation = Evaluation(
        [], THREE, [], small, {"small": small}, {"small": {"thin": small}}, (3, 4), ["before"]
    )
    assert without_overflow(evaluation).notes == ["before"]
    cut = overflowing(overflowing(small, "peg_behind", [7, 9]), "random", [9])
    left = without_overflow(replace(evaluation, markets={"small": cut}))
    kept = np.delete(np.arange(300), [7, 9])
    for key, costs in left.main.costs.items():
        assert np.array_equal(costs.cluster, small.costs[key].cluster[kept])
        assert np.array_equal(costs.shortfall, small.costs[key].shortfall[kept])
    assert left.main.arrivals is not None
    assert small.arrivals is not None
    assert np.array_equal(left.main.arrivals.mid2_grid, small.arrivals.mid2_grid[kept])
    assert (
        len(left.validation.costs["random"])
        == len(left.regimes["small"]["thin"].costs["random"])
        == 300
    )
    [_, note] = left.notes
    assert "2 of 300" in note
    assert "(peg_behind, random)" in note


def test_a_rule_that_often_finds_no_room_is_left_out_and_named(small: Results) -> None:
    cut = overflowing(small, "peg_behind", [7, 9, 11, 12, 13, 14, 200])
    evaluation = Evaluation([], THREE, [], small, {"small": cut}, {}, (3, 4), ["before"])
    left = without_overflow(evaluation)
    assert [one.key for one in left.baselines] == ["twap_take", "random"]
    assert all(list(scenario.costs) == ["twap_take", "random"] for scenario in left.scenarios)
    assert left.best == "twap_take"
    before, note = left.notes
    assert before == "before"
    assert "peg_behind is left out" in note
    assert "7 of 300 episodes of small" in note
    with pytest.raises(ConfigError, match="peg_behind is left out"):
        without_overflow(replace(evaluation, baselines=[THREE[1], THREE[2]]))
    with pytest.raises(CapacityError, match="7 of 300 for peg_behind"):
        without_overflowed(cut)


@pytest.mark.parametrize(("rows", "most"), [(2000, 1000), (1992, 1000), (24, 7)])
def test_a_window_that_is_bought_and_sold_in_stays_both(rows: int, most: int) -> None:
    plan = seeded_plan(Task(), 100, 1, 0, rows)
    few = thinned(plan, most)
    assert most - 1 <= len(few) <= most
    index, side = (few.rows[:, column] for column in (kernels.E_INDEX, kernels.E_SIDE))
    assert (index[1::2] == index[::2]).all()
    assert side.sum() == 0
    assert 2 * len(np.unique(index)) == len(few)
    assert thinned(plan, rows) is plan
    once = thinned(plan, most, once=True).rows
    assert len(once) == len(np.unique(once[:, kernels.E_INDEX])) == min(most, rows // 2)
    assert abs(once[:, kernels.E_SIDE].sum()) <= 1


def test_which_rows_are_left_is_known_after_leaving_out_twice() -> None:
    built = cached_market(PLACE)
    costs = run_strategy(built.judged, TASK, built.plan.take(slice(0, 6)), WHO[0].strategy(built))
    judged = Results(PLACE, {"one": costs}, {})
    some = judged.select(np.array([True, False, True, True, False, True]))
    assert some.plan_rows is not None
    assert some.plan_rows.tolist() == [0, 2, 3, 5]
    again = some.select(np.array([False, True, True, False]))
    assert again.plan_rows is not None
    assert again.plan_rows.tolist() == [2, 3]
    assert again.costs["one"].qty.tolist() == costs.qty[[2, 3]].tolist()
