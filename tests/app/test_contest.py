"""Cells of a contest: kept, found again, run elsewhere, refused when damaged."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tercel.core.errors import CapacityError, ConfigError
from tercel.evaluation.contest.cells import Cell, Judged, cells_of, is_done, is_kept, read_place, run_cell
from tercel.evaluation.contest.contenders import Contender
from tercel.evaluation.contest.held import Contest
from tercel.evaluation.contest.places import Place, build_place
from tercel.evaluation.contest.room import roomy, with_room
from tercel.evaluation.episodes import seeded_plan
from tercel.evaluation.experiment import run_strategy
from tercel.evaluation.market import thinned
from tercel.evaluation.settings import RunSettings
from tercel.execution import step as kernels
from tercel.execution.task import Task
from tercel.learning.ray import contest as cluster

TASK = Task(horizon_s=60.0, decisions=6, warmup_s=20.0, grid_points=4)
PLACE = Place("small", RunSettings(market="csco-santa-fe", task=TASK), (3, 4), 300)
THREE = [Contender("twap_take"), Contender("peg_behind"), Contender("random")]
WHO = [Contender("twap_take"), Contender("peg_behind")]


def test_seeds_share_the_episodes_and_none_is_one_of_training() -> None:
    rows = build_place(PLACE).plan.rows
    assert len(rows) == 300
    assert np.unique(rows[:, :2], axis=0).shape == (300, 2)
    assert np.unique(rows[:, 0], return_counts=True)[1].tolist() == [150, 150]
    assert (build_place(PLACE.on_validation(5)).plan.rows[:, 0] < 0).all()


def test_a_place_is_known_by_what_decides_its_results() -> None:
    other = Place("small", RunSettings(market="csco-santa-fe", task=TASK, regimes="thin"), (3, 4), 300)
    assert len({PLACE.id, other.id, PLACE.on_validation(300).id}) == 3
    assert Place("small", PLACE.settings, (3, 4), 300).id == PLACE.id


def test_costs_run_elsewhere_are_those_run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    cells = cells_of(PLACE, WHO, recorded=False)
    assert [cell.first for cell in cells] == [0, 256]
    for cell in cells:
        assert not is_done(cell, here)
        assert run_cell(cell, here)
        assert is_done(cell, here)
    asked: list[int] = []

    def elsewhere(_: Any, source: Any, task: Any, plan: Any, strategy: Any, **__: Any) -> Any:
        asked.append(len(plan))
        return run_strategy(source, task, plan, strategy)

    monkeypatch.setattr(cluster, "run_strategy_on", elsewhere)
    run_cell(Cell(PLACE, 256, (WHO[0],), False), there)
    cluster.hold_on(None, cells, there)  # type: ignore[arg-type]
    assert asked == [256, 300], "one cell of the first was there"
    for one in WHO:
        assert all(is_kept(cell, one, there) for cell in cells)
        mine, theirs = (read_place(PLACE, WHO, out).costs[one.key] for out in (here, there))
        kept = [f.name for f in fields(mine) if f.name != "mid2_grid"]
        assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in kept)


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    [cell, *_] = cells_of(PLACE, WHO[:1], recorded=False)
    run_cell(cell, tmp_path)
    run_cell(Cell(PLACE, 256, cell.contenders, False), tmp_path)
    file = next(tmp_path.rglob("256.npz"))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ConfigError, match=r"256\.npz"):
        read_place(PLACE, WHO[:1], tmp_path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("small")
    for cell in cells_of(PLACE, THREE, recorded=True):
        run_cell(cell, folder)
    return read_place(PLACE, THREE, folder, recorded=True)


def overflowing(judged: Judged, key: str, episodes: list[int]) -> Judged:
    overflow = judged.costs[key].overflow.copy()
    overflow[episodes] = 2
    return replace(judged, costs={**judged.costs, key: replace(judged.costs[key], overflow=overflow)})


def test_an_episode_without_room_is_left_out_for_everybody(small: Judged) -> None:
    contest = Contest([], THREE, [], small, {"small": small}, {"small": {"thin": small}}, (3, 4), ["before"])
    assert with_room(contest).notes == ["before"]
    cut = overflowing(overflowing(small, "peg_behind", [7, 9]), "random", [9])
    left = with_room(replace(contest, markets={"small": cut}))
    kept = np.delete(np.arange(300), [7, 9])
    for key, costs in left.main.costs.items():
        assert np.array_equal(costs.cluster, small.costs[key].cluster[kept])
        assert np.array_equal(costs.shortfall, small.costs[key].shortfall[kept])
    assert left.main.arrivals is not None
    assert small.arrivals is not None
    assert np.array_equal(left.main.arrivals.mid2_grid, small.arrivals.mid2_grid[kept])
    assert len(left.validation.costs["random"]) == len(left.regimes["small"]["thin"].costs["random"]) == 300
    [_, note] = left.notes
    assert "2 of 300" in note
    assert "(peg_behind, random)" in note


def test_a_rule_that_often_finds_no_room_is_left_out_and_named(small: Judged) -> None:
    cut = overflowing(small, "peg_behind", [7, 9, 11, 12, 13, 14, 200])
    contest = Contest([], THREE, [], small, {"small": cut}, {}, (3, 4), ["before"])
    left = with_room(contest)
    assert [one.key for one in left.baselines] == ["twap_take", "random"]
    assert all(list(place.costs) == ["twap_take", "random"] for place in left.places)
    assert left.best == "twap_take"
    before, note = left.notes
    assert before == "before"
    assert "peg_behind is left out" in note
    assert "7 of 300 episodes of small" in note
    with pytest.raises(ConfigError, match="peg_behind is left out"):
        with_room(replace(contest, baselines=[THREE[1], THREE[2]]))
    with pytest.raises(CapacityError, match="7 of 300 for peg_behind"):
        roomy(cut)


@pytest.mark.parametrize(("rows", "most"), [(2000, 1000), (1992, 1000), (24, 7)])
def test_a_window_that_is_bought_and_sold_in_stays_both(rows: int, most: int) -> None:
    plan = seeded_plan(Task(), 100, 1, 0, rows)
    few = thinned(plan, most)
    assert most - 1 <= len(few) <= most
    index, side = (few.rows[:, column] for column in (kernels.E_INDEX, kernels.E_SIDE))
    assert (index[1::2] == index[::2] + 1).all()
    assert side.sum() == 0
    assert len(np.unique(index)) == len(few)
    assert thinned(plan, rows) is plan


def test_which_rows_are_left_is_known_after_leaving_out_twice() -> None:
    ground = build_place(PLACE)
    costs = run_strategy(ground.source, TASK, ground.plan.take(slice(0, 6)), WHO[0].strategy(ground.market))
    judged = Judged(PLACE, {"one": costs}, {})
    some = judged.select(np.array([True, False, True, True, False, True]))
    assert some.kept is not None
    assert some.kept.tolist() == [0, 2, 3, 5]
    again = some.select(np.array([False, True, True, False]))
    assert again.kept is not None
    assert again.kept.tolist() == [2, 3]
    assert again.costs["one"].qty.tolist() == costs.qty[[2, 3]].tolist()
