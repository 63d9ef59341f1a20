"""Tapes thinned to depth, commands sent again, and bounds on what they cost: against plain twins, and on real days."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.tape.tapes import DAY, rude_events
from tests.studies.typed import printed, refused
from typer.testing import CliRunner

from studies.__main__ import app
from studies.tape.commands_again import Command, send_again
from studies.tape.depth_study import (
    DepthCosts,
    cost_bounds,
    costs_on_depth,
    depth_row,
    record_exactly,
)
from studies.tape.thin import snapshots_of, thin
from tercel import Task
from tercel.core.errors import ConfigError, TapeError
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.lab.evaluation import Scenario, build_market
from tercel.market.book import Book
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.tape import Lake
from tercel.market.tape.schema import CLEAR, EXECUTE, LEVEL_SET, TRADE

EVERY_NS = 1_000_000
SENT = ("peg_touch", "twap_passive", "twap_take", "guarded")


def shown(events, until_ns, levels):
    """Best levels of a tape's book behind all rows up to a time."""
    book = Book(own_orders=0)
    book.apply(events, 0, int(np.searchsorted(events.exch_ns, until_ns, side="right")))
    return [
        [
            pair
            for pair in zip(*(x.tolist() for x in book.depth(side, levels)), strict=True)
            if pair[1]
        ]
        for side in (1, -1)
    ]


@pytest.mark.parametrize(("seed", "levels"), itertools.product(range(4), (1, 3)))
def test_a_snapshot_shows_the_best_levels_of_its_moment_and_prints_keep_their_times(
    seed: int, levels: int
) -> None:
    orders = rude_events(seed, 400, step_ns=EVERY_NS // 5)
    _, depth = thin(DAY, orders, levels, EVERY_NS, phase_ns=300_000)
    times = np.unique(depth.exch_ns[depth.kind == LEVEL_SET])
    assert len(times) > 10
    assert (times % EVERY_NS == 300_000).all()
    for at in times.tolist():
        assert shown(depth, at, levels) == shown(orders, at, levels)
    prints = depth.kind == TRADE
    traded = (orders.kind == EXECUTE) & (orders.exch_ns > depth.exch_ns[0])
    assert depth.exch_ns[prints].tolist() == orders.exch_ns[traded].tolist()
    assert depth.qty_lots[prints].tolist() == orders.qty_lots[traded].tolist()
    assert (np.diff(depth.exch_ns) >= 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_early_falls_and_late_rises_never_show_more_than_a_snapshot_before_or_behind(
    seed: int,
) -> None:
    """And the other way round never less; what the snapshots themselves show stays."""
    orders = rude_events(seed, 300, step_ns=EVERY_NS // 5)
    orders = orders.slice(0, int(np.append(np.flatnonzero(orders.kind == CLEAR), orders.n)[0]))
    orders.kind[orders.kind == EXECUTE] = 2  # without prints: a fall is of cancels alone
    recorded = snapshots_of(DAY, orders, 50, EVERY_NS)
    plain = recorded.tape()[1]
    falls, rises = (recorded.tape([(-1, direction)])[1] for direction in (-1, 1))
    times = np.unique(recorded.at_ns)[1:]

    def asks(events, at):
        return dict(shown(events, at, 60)[1])

    for at in times.tolist():
        before, behind = asks(plain, at - 1), asks(plain, at)
        for price in before.keys() | behind.keys():
            both = before.get(price, 0), behind.get(price, 0)
            assert asks(falls, at - 1).get(price, 0) == min(both)
            assert asks(rises, at - 1).get(price, 0) == max(both)
        assert asks(falls, at) == asks(rises, at) == behind


def fills(parts):
    """Own fills of (what, price, lots); what: 0 a take at time 0, 1 resting, 2 at the horizon."""
    rows = [[0, price, lots, 0, 0, int(what == 1), int(what == 2)] for what, price, lots in parts]
    return np.array(rows, np.int64).reshape(-1, 7)


lots_of = st.lists(st.integers(0, 4), min_size=4, max_size=4)


@given(lots_of, lots_of, st.sampled_from([1, -1]))
def test_bounds_are_those_of_every_mixture_of_the_two_replays(first, second, side) -> None:
    prices, what = (100, 102, 99, 104), (1, 1, 0, 2)
    commands = [Command(0, n, True, price, 4, False, False) for n, price in enumerate(prices)]
    total = max(sum(first), sum(second))
    first[3] += total - sum(first)  # both fill the order
    second[3] += total - sum(second)
    spans = [range(min(a, b), max(a, b) + 1) for a, b in zip(first, second, strict=True)]
    paid = [
        side * sum(n * price for n, price in zip(mixture, prices, strict=True))
        for mixture in itertools.product(*spans)
        if sum(mixture) == total
    ]
    replays = [
        fills([row for row in zip(what, prices, lots, strict=True) if row[2]])
        for lots in (first, second)
    ]
    found = cost_bounds(*replays, side, total, commands)
    assert found == pytest.approx((min(paid), max(paid)))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_lake(tmp_path_factory.mktemp("depth") / "lake", 0.35).root


@pytest.fixture(scope="module")
def recorded(lake: Path):
    task = Task(share=0.1, horizon_s=120.0, decisions=12, warmup_s=60.0)
    return record_exactly(lake, "SIM", (), task, 4, SENT)


def test_commands_sent_again_into_the_same_orders_cost_the_same_to_the_tick(lake, recorded) -> None:
    from tercel import Market

    market = Market(lake=str(lake), symbol="SIM", impact="none", bound="kind")
    source = build_market(Scenario(market, recorded.task, episodes=4)).judged
    again = send_again(source, recorded.task, recorded.plan, recorded.commands)
    for sent, costs in zip(again, recorded.kind, strict=True):
        assert sent.costs.shortfall.tolist() == costs.shortfall.tolist()
        assert sent.costs.passive_lots.tolist() == costs.passive_lots.tolist()
    assert any((costs.passive_lots > 0).any() for costs in recorded.kind)


def test_deep_and_frequent_depth_bounds_every_order(recorded) -> None:
    costs = costs_on_depth(recorded, 50, EVERY_NS, 0)
    row = depth_row("SIM", 50, 1, costs)
    assert row.between_kind == row.between_strict == row.means_between == 1.0
    assert row.width_bps is not None
    assert row.exact_width_bps is not None
    assert row.width_bps > row.exact_width_bps > 0, "the places in the queues are not known"


def test_a_thinned_lake_holds_level_totals_and_is_another_lake(lake: Path, tmp_path: Path) -> None:
    typed = ("thin", "--lake", lake, "--symbol", "SIM", "--date", DAYS[0])
    assert "another lake" in refused(*typed, "--out", lake)
    assert "0 levels" in refused(*typed, "--out", tmp_path / "none", "--levels", 0)
    assert not (tmp_path / "none").exists()
    result = CliRunner().invoke(app, [*map(str, typed), "--out", str(tmp_path / "depth")])
    assert result.exit_code == 0, result.output
    instrument, events = Lake(tmp_path / "depth").read("SIM", DAYS[0])
    assert instrument.levels == 10
    assert np.isin(LEVEL_SET, events.kind)
    assert "at least 20 levels" in refused(
        "thin", "--lake", tmp_path / "depth", "--symbol", "SIM", "--out", tmp_path / "more", "--levels", 20
    )  # fmt: skip


def test_figures_of_known_costs() -> None:
    kind, strict = np.array([[1.0, 2.0], [3.0, 3.0]]), np.array([[2.0, 2.0], [7.0, 3.0]])
    high = np.array([[3.0, 1.5], [6.0, 4.0]])
    costs = DepthCosts(kind, strict, kind - 1.0, high, kind + 0.5, np.ones((2, 2), np.bool_))
    row = depth_row("all", 5, 500, costs)
    assert (row.between_kind, row.between_strict, row.means_between) == (0.75, 0.5, 1.0)
    assert (row.width_bps, row.exact_width_bps, row.width_ratio) == (3.5, 2.5, 2.0)
    assert row.model_error_bps == 0.5
    assert depth_row("all", 5, 500, replace(costs, strict=kind)).width_ratio is None
    part = depth_row(
        "all", 5, 500, replace(costs, bounded=np.array([[True, False], [False, False]]))
    )
    assert (part.bounded, part.between_strict, part.means_between) == (0.25, 1.0, 1.0)
    none = depth_row("all", 5, 500, replace(costs, bounded=np.zeros((2, 2), np.bool_)))
    assert (none.bounded, none.between_kind, none.width_bps) == (0.0, None, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda day, events: (day, events, 0, EVERY_NS), "1 to 50 levels"),
        (lambda day, events: (day, events, 5, 10), "such as 10 levels each 100 ms"),
        (lambda day, events: (replace(day, levels=5), events, 10, EVERY_NS), "5 in TOY 2012-06-21"),
        (lambda day, events: (day, events.slice(0, 0), 5, EVERY_NS), "no rows in TOY"),
    ],
)
def test_what_cannot_be_thinned_is_refused(change, says: str) -> None:
    with pytest.raises((ConfigError, TapeError), match=says):
        thin(*change(DAY, rude_events(1, 50)))


def test_rows_out_of_order_are_named() -> None:
    events = rude_events(1, 50, step_ns=EVERY_NS)
    events.exch_ns[20] = events.exch_ns[10]
    with pytest.raises(TapeError, match="row 20 of TOY 2012-06-21 earlier than the row before"):
        thin(DAY, events, 5, EVERY_NS)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["--levels", "ten"], "whole numbers with commas"),
        (["--levels", "0"], "0 levels"),
        (["--symbol", "NONE"], "NONE"),
        (["--date", "2003-01-14", "--every", "0.5"], "'0.5'"),
    ],
)
def test_bad_input_is_refused_by_the_command(lake: Path, typed: list[str], says: str) -> None:
    assert says in refused("depth", "--lake", lake, "--symbol", "SIM", *typed)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of CSCO and YHOO and of IBM, of single orders at every depth."""
    found = Lake(tmp_path_factory.mktemp("depth") / "real")
    folder = shared_data / "nasdaq-2003-L1-messages"
    for name in ("CSCO_2003", "YHOO_2003-01_02", "IBM_2003-01_02"):
        path = folder / f"{name}_message_1.tar.zst"
        with LobsterFeed().days([path], FeedOptions(tick=0.01)) as days:
            for day in days:
                if day.date in ("2003-01-27", "2003-01-28", "2003-02-05"):
                    read = day.read()
                    found.write(read.instrument, read.events)
    return found.root


@pytest.mark.long
def test_exact_costs_of_25_strategies_lie_between_the_bounds_of_thinned_days(real: Path) -> None:
    typed = ("depth", "--lake", real, "--date", "2003-01-28,2003-02-05")
    found = printed(
        *typed, "--symbol", "CSCO,YHOO,IBM", "--orders", 16, "--levels", 10, "--every", 100
    )
    assert found["strategies"] == 25
    row = found["rows"][0]
    assert row["symbol"] == "all"
    assert row["bounded"] > 0.95
    assert row["between_kind"] >= 0.95
    assert row["between_strict"] >= 0.95
    assert row["width_ratio"] <= 2.0
    table = CliRunner().invoke(
        app, [*map(str, typed), "--symbol", "CSCO", "--orders", "4"], env={"COLUMNS": "150"}
    )
    assert table.exit_code == 0, table.output
    rows = [line.split() for line in table.stdout.splitlines()[2:11]]
    shown = itertools.product(("10", "5", "1"), ("100 ms", "500 ms", "3 s"))
    assert [(row[0], " ".join(row[1:3])) for row in rows] == list(shown)
