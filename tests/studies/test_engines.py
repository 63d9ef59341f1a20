"""The study of engines, without another engine: what it sends and counts here, and what it says where none is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from studies.__main__ import app
from studies.engines import parent_orders as p, touch_orders as t
from studies.engines.hosts import do_jobs, interpreter
from studies.engines.parent_tables import holds, interval
from tercel import Latency, Task
from tercel.core import ADD, EXECUTE, NS_PER_SECOND, ConfigError, Estimate
from tercel.execution import BPS, step
from tercel.execution.policies_packaged import build_named
from tercel.lab.evaluation import Episodes
from tercel.market.simulator import replay_source
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake

ORDERS = 60


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return simulated_lake(tmp_path_factory.mktemp("engines") / "lake", 1.5)


def first_fill(rows: list[tuple[int, ...]], order: tuple[int, int, int], bound: str) -> int:
    """When a buy or sell of one lot fills on a tape of (ns, kind, id, side, price, lots), by the rules of replay; 0: not."""
    arrive, side, price = order
    left: dict[int, list[int]] = {}
    ahead: set[int] | None = None
    for ns, kind, name, of, at, lots in rows:
        if ns > arrive and ahead is None:
            ahead = {one for one, (s, q, _) in left.items() if (s, q) == (side, price)}
        if ns > arrive + t.HOLD_S * NS_PER_SECOND - 1:
            return 0
        if ahead is not None:
            if kind == ADD and of == -side and (price - at) * side >= 0:
                return ns
            if kind == EXECUTE and of == side:
                if (price - at) * side > 0 or (bound == t.KIND and at == price and not ahead):
                    return ns
        if kind == ADD:
            left[name] = [of, at, lots]
        elif name in left:
            left[name][2] -= lots
            if left[name][2] <= 0:
                del left[name]
                if ahead is not None:
                    ahead.discard(name)
    return 0


@pytest.mark.parametrize("bound", t.BOUNDS)
def test_fills_of_orders_at_the_touch_are_those_of_a_second_reading_of_the_tape(
    lake: Lake, bound: str
) -> None:
    date = lake.days("SIM")[0]
    source, (day,) = replay_source(lake, "SIM", [date], bound=bound)
    orders, plan = t.draw(source, day, ORDERS, 0, np.random.default_rng(3))
    found = t.fills_here(source, orders, plan, 1)
    _, events = lake.read("SIM", date)
    kinds, ids = events.kind.tolist(), events.order_id.tolist()
    gone = [lots if kind != 3 else 1 << 30 for kind, lots in zip(kinds, events.qty_lots.tolist(), strict=True)]  # fmt: skip
    rows = list(
        zip(events.exch_ns.tolist(), kinds, ids, events.side.tolist(), events.price_ticks.tolist(), gone, strict=True)
    )  # fmt: skip
    sent = zip(orders.ns.tolist(), orders.side.tolist(), orders.price.tolist(), strict=True)
    assert found.ns.tolist() == [first_fill(rows, order, bound) for order in sent]
    assert 0 < (found.lots > 0).sum() < len(orders.ns)


def test_executions_cost_what_the_evaluation_says(lake: Lake) -> None:
    task = Task(quantity=1, horizon=p.HORIZON_S, decisions=p.DECISIONS, latency=Latency("constant", 50_000_000))  # fmt: skip
    source, (day,) = replay_source(lake, "SIM", [lake.days("SIM")[0]], bound=t.STRICT)
    plan = p.plan_day(lake, day, 4, p.Size(0.05, p.DECISIONS), task)
    assert (plan.rows[:, step.E_QUANTITY] > p.DECISIONS).all()
    episodes = Episodes(source, task, len(plan), log_rows=1 << 12)
    episodes.start(plan)
    episodes.run(build_named("guarded", None))
    unit, tick = float(day.instrument.lot_units), day.instrument.tick
    executions = np.array(
        [
            (number, fill[0], fill[1] * tick, fill[2] * unit, fill[5])
            for number in range(len(plan))
            for fill in episodes.fills(number).tolist()
        ],
        float,
    )
    costs = episodes.costs()
    found = p.worked_there(executions, plan, costs, day)
    np.testing.assert_allclose(found.bps, BPS * costs.shortfall / costs.denominator, atol=1e-9)
    np.testing.assert_allclose(found.passive, costs.passive_lots / costs.qty)
    missing = p.worked_there(executions[1:], plan, costs, day)
    assert np.isnan(missing.bps).tolist() == [True, False, False, False]


def test_each_difference_has_the_cause_that_takes_it_away() -> None:
    def fills(*lots: int) -> t.Fills:
        return t.Fills(np.array(lots), np.array(lots))

    here = {t.STRICT: fills(1, 0, 0, 1, 0, 1), t.KIND: fills(1, 1, 0, 1, 0, 1)}
    there = {t.PLAIN: fills(1, 1, 1, 0, 1, 0), t.SHOWN: fills(1, 1, 1, 1, 1, 0), t.THROUGH: fills(1, 0, 0, 1, 1, 0)}  # fmt: skip
    older = np.array([False, False, False, False, False, True])
    causes = [
        t.CAUSES[one] if one >= 0 else "" for one in t.causes_of(t.Compared(here, there, older))
    ]
    assert causes == ["", t.QUEUE, t.ROUNDING, t.OWN, t.OTHER, t.OLDER]


def test_a_bar_holds_inside_both_intervals() -> None:
    wide, far = Estimate(0.0, -1.0, 1.0), Estimate(2.0, 1.0, 3.0)
    assert holds(wide, wide, Estimate(0.1, 0.0, 0.2))
    assert not holds(wide, far, Estimate(0.1, 0.0, 0.2))
    assert not holds(wide, wide, Estimate(-0.3, -0.4, -0.2))
    assert interval(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1])).mean == 2.0


def test_an_engine_that_is_not_installed_is_named(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make hosts"):
        interpreter("hftbacktest", tmp_path)
    words = ["engines", "--lake", str(lake.root), "--hosts", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "make hosts" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_last_line_of_a_host_that_fails_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No module named no_such_host"):
        do_jobs(Path(sys.executable), "no_such_host", [{"job": "rest"}], tmp_path)
