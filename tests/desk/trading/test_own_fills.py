"""Somebody's own fills: read, measured against a tape, split exactly, and worked again by strategies."""

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from tercel.api.tca.counterfactual import (
    Counterfactual,
    StrategyOnParents,
    compare,
    counterfactual,
    with_assumptions,
)
from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import FileOrder, fills_map, read_fill_file, read_orders
from tercel.api.tca.market_day import MarketDay, read_day
from tercel.api.tca.own_fills import analyse
from tercel.api.tca.report import verdict_sentence
from tercel.core.errors import DataError
from tercel.core.stats import Estimate
from tercel.execution import step as kernels
from tercel.execution.market import Market
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.windows import window_row
from tercel.market.book import Book
from tercel.market.impact.fitted import tape_law
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import simulated_lake
from tercel.market.simulator.tape_source import replay
from tercel.market.tape import Events, Lake
from tercel.market.tape.schema import COLUMNS, MESSAGE_END, STATUS

S = 1_000_000_000
DAYS = ("2003-01-13", "2003-01-14")
HEADER = "time,symbol,side,quantity,price,parent\n"
PARTS = ("delay", "spread", "walk", "timing", "forced", "fees")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return simulated_lake(tmp_path_factory.mktemp("own"), 2, DAYS)


@pytest.fixture(scope="module")
def day(lake: Lake) -> MarketDay:
    return read_day(lake, lake.list()[0])


def fill(ns: int, price: Fraction, **changes: object) -> FileFill:
    return replace(FileFill(2, ns, "SIM", 1, 100, price, Fraction(0), "p", "", ""), **changes)  # type: ignore[arg-type]


def order(start: int, end: int, quantity: int = 500, **changes: object) -> FileOrder:
    return replace(FileOrder(2, "p", "SIM", 1, quantity, start, end, None, 0), **changes)  # type: ignore[arg-type]


def taken(day: MarketDay) -> tuple[int, int, Fraction]:
    """A quarter of an hour after the opening, a lot, and the price at which one is sold then."""
    ns = day.open_ns + 900 * S
    return ns, day.instrument.lot, day.quote_before(ns)[1] * Fraction(str(day.instrument.tick))


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "fills.csv"
    path.write_text(
        "Time, Symbol,SIDE,quantity,price,Parent ID,agent,fee,desk\n"
        "1042468200000000000,SIM,Sell,300,15.635,a,ann,-0.25,x\n\n"
        "1042468201000000000,SIM,buy,100,15.6,,,,x\n"
    )
    first, second = read_fill_file(path, fills_map(fees="positive")).fills
    assert first == FileFill(
        2, 1042468200 * S, "SIM", -1, 300, Fraction("15.635"), Fraction("-0.25"), "a", "", "ann"
    )
    assert (second.row, second.side, second.fee, second.parent) == (4, 1, 0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,symbol\n", "the columns time, symbol, side, quantity, price"),
        (HEADER, "a header alone"),
        (HEADER + "1042468200000000000,SIM,up,1,1,p\n", "row 2"),
        (HEADER + "1042468200000000000,SIM,buy,0,1,p\n", "a quantity above 0"),
        (HEADER + "1042468200000000000,SIM,buy,1,-1,p\n", "price above 0"),
        (HEADER + "1042468200000000000,SIM,buy,1,nan,p\n", "price above 0"),
        (HEADER + "2003-01-13T09:30:00,SIM,buy,1,1,p\n", "2003-01-13T09:30:00"),
        (HEADER + "1042468200000000000,,buy,1,1,p\n", "a symbol"),
        (HEADER + "1042468200000000000,SIM,buy,1\n", "4 cells in row 2"),
    ],
)
def test_bad_rows_are_refused_with_file_and_row(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "fills.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        read_fill_file(path)
    assert "fills.csv" in str(caught.value)


def test_bad_orders_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    head, row = (
        "parent,symbol,side,quantity,start,end,refused\n",
        "p,SIM,buy,5,1042468200000000000,1042468260000000000",
    )
    path.write_text(head + f"{row},1\n")
    assert read_orders(path)["p"].refused == 1
    for text in (
        f"{row},0\n{row},0\n",
        f"{row},6\n",
        "p,SIM,buy,5,1042468260000000000,1042468200000000000,0\n",
    ):
        path.write_text(head + text)
        with pytest.raises(DataError, match=r"row [23] of .*orders\.csv"):
            read_orders(path)


# -- the day ----------------------------------------------------------------------------------------------------------


def test_quotes_are_those_of_a_book_that_is_played_up_to_the_moment(
    lake: Lake, day: MarketDay
) -> None:
    """At moments between events and at events: a book that took every row before them, row by row."""
    _, events = lake.read("SIM", DAYS[0])
    rng, inside = np.random.default_rng(2), np.flatnonzero(events.exch_ns > day.open_ns)[:-1]
    moments = [
        *rng.integers(day.open_ns, day.close_ns - S, 40),
        *events.exch_ns[rng.choice(inside, 40)],
    ]
    book, played = Book(), 0
    for ns in sorted(int(ns) for ns in moments):
        for moment in (ns, ns + 1):
            stop = int(np.searchsorted(events.exch_ns, moment))
            book.apply(events, played, stop)
            played = stop
            assert day.quote_before(moment) == (book.best_bid, book.best_ask)


def test_nothing_is_quoted_in_a_halt_or_a_night(lake: Lake, day: MarketDay, tmp_path: Path) -> None:
    about, events = lake.read("SIM", DAYS[0])
    stop, again = day.open_ns + 600 * S, day.open_ns + 700 * S
    at = np.searchsorted(events.exch_ns, [stop, again])
    words = {
        "kind": STATUS,
        "exch_ns": [stop, again],
        "recv_ns": [stop, again],
        "price_ticks": [-1, 1],
        "flags": MESSAGE_END,
    }
    columns = {
        name: np.insert(getattr(events, name), at, words.get(name, 0)).astype(dtype)
        for name, dtype in COLUMNS
    }
    columns["seq"] = np.arange(1, len(columns["seq"]) + 1, dtype=np.int64)
    halted = Lake(tmp_path)
    halted.write(replace(about, rows=0, content_hash=""), Events(**columns))
    held = read_day(halted, halted.list()[0])
    assert held.quote_before(stop - S) == day.quote_before(stop - S)
    assert held.quote_before(stop + S) == held.quote_before(again - S + 1) == (0, 0)
    assert held.quote_before(again + S) != (0, 0)
    assert held.quote_before(held.open_ns - 1) == held.quote_before(held.close_ns + 1) == (0, 0)
    price = Fraction(day.quote_before(stop - S)[1]) * Fraction(str(about.tick))
    found = analyse([fill(stop - S, price), fill(stop + S, price, row=3)], {}, halted)
    assert [one.row for one in found.odd["no_quote"]] == [3]
    assert found.parents[0].cost.filled == 100 // about.lot


@pytest.mark.parametrize(
    ("column", "meant"), [("prnt", "parent"), ("fe", "fee"), ("vnue", "venue")]
)
def test_a_misspelt_column_is_refused_and_any_other_passed_over(
    tmp_path: Path, column: str, meant: str
) -> None:
    path, row = tmp_path / "fills.csv", "2012-06-21T10:30:00Z,A,buy,1,5,7"
    path.write_text(f"time,symbol,side,quantity,price,{column}\n{row}\n")
    with pytest.raises(
        DataError, match=rf"(?s){column!r} in the first row of .*fills\.csv.*try {meant!r}"
    ):
        read_fill_file(path)
    for other in ("asset", "event", "exchange", "currency", ""):
        path.write_text(f"time,symbol,side,quantity,price,{other}\n{row}\n")
        assert read_fill_file(path).fills[0].parent == ""
    path.write_text(f"time,symbol,side,quantity,price,parent id,parents\n{row},8\n")
    assert read_fill_file(path).fills[0].parent == "7"


# -- the split --------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_an_order_time_in_the_file_is_the_arrival_and_delay_a_part_of_the_cost(
    lake: Lake, day: MarketDay, data: st.DataObject
) -> None:
    """Perold's shortfall, fill by fill in a plain loop: what was paid over the mid at the order's time; delay is the
    mid's move until the first fill, on every lot.
    """
    lot, side = day.instrument.lot, data.draw(st.sampled_from([1, -1]))
    tick = Fraction(str(day.instrument.tick))
    arrival = day.open_ns + data.draw(st.integers(-60, 5000)) * S
    waited = sorted(data.draw(st.lists(st.integers(60, 900), min_size=1, max_size=5)))
    rows = [
        fill(arrival + w * S, day.quote_before(arrival + w * S)[side > 0] * tick, side=side, row=n, quantity=lot * (n + 1),
             arrival_ns=arrival + data.draw(st.integers(0, 1)) * S if n else arrival)
        for n, w in enumerate(waited) if arrival + w * S > day.open_ns
    ]  # fmt: skip
    assume(rows)
    [one], start = analyse(rows, {}, lake).parents, max(arrival, day.open_ns)
    assert (one.ordered, one.cost.start_ns, one.cost.end_ns) == (True, start, rows[-1].ns)
    mid = {ns: sum(day.quote_before(ns)) * tick / 2 for ns in (start, *(row.ns for row in rows))}
    if start == day.open_ns:  # before the first quote of the session the first mid is the arrival
        mid[start] = Fraction(one.arrival_mid2, one.grain) * tick / 2
    delay = shortfall = Fraction(0)
    for row in rows:
        delay += side * (mid[rows[0].ns] - mid[start]) * row.quantity
        shortfall += side * (row.price - mid[start]) * row.quantity
    assert one.money["delay"] == delay
    assert one.money["fills"] == shortfall == sum(one.money[part] for part in PARTS)
    assert one.delay_bps == pytest.approx(
        float(1e4 * delay / (mid[start] * sum(row.quantity for row in rows)))
    )
    first = analyse([replace(row, arrival_ns=0) for row in rows], {}, lake).parents[0]
    assert (first.ordered, first.cost.start_ns, first.money["delay"]) == (False, rows[0].ns, 0)
    late = analyse([replace(row, arrival_ns=row.ns + S) for row in rows], {}, lake).parents[0]
    assert late.cost.start_ns == rows[0].ns, "an order time behind its first fill"


def test_what_is_odd_is_named_and_counted(lake: Lake, day: MarketDay) -> None:
    """A parent of its own for what has none; an unknown symbol, a night, a price off the market, a second day."""
    inside, lot, price = taken(day)
    next_day = read_day(lake, lake.list()[1])
    there = next_day.quote_before(inside + 86_400 * S)[1] * Fraction(str(day.instrument.tick))
    rows = [
        fill(inside, price, parent="", quantity=lot),
        fill(inside, price, symbol="NONE", parent="q", quantity=lot),
        fill(day.close_ns + 60 * S, price, parent="r", quantity=lot),
        fill(inside + S, price * 2, parent="s", quantity=lot),
        fill(inside, price, parent="t", quantity=lot),
        fill(inside + 86_400 * S, there, parent="t", quantity=lot),
    ]
    found = analyse(rows, {}, lake)
    counts = {name: len(fills) for name, fills in found.odd.items() if fills}
    assert counts == {
        "no_parent": 1,
        "no_tape": 1,
        "outside_session": 1,
        "off_market": 1,
        "several_days": 2,
    }
    assert {one.cost.parent for one in found.parents} == {
        "SIM buy 2003-01-13", "s", "t 2003-01-13", "t 2003-01-14",
    }  # fmt: skip
    held = sum(one.cost.filled for one in found.parents)
    left = sum(len(found.odd[name]) for name in ("no_tape", "outside_session", "no_quote"))
    assert held + left == found.fills == len(rows)


@pytest.mark.parametrize("times", [Fraction(10), Fraction(1, 10), Fraction(100), Fraction(5)])
def test_a_price_with_a_slipped_digit_is_named_and_not_averaged_in(
    lake: Lake, day: MarketDay, times: Fraction
) -> None:
    inside, lot, price = taken(day)
    good = [fill(inside, price, quantity=lot, row=2), fill(inside, price, quantity=2 * lot, row=4)]
    slip = fill(inside, times * price, quantity=3 * lot, row=3)
    orders = {"p": order(inside - S, inside + S, 10 * lot)}
    found, sound = analyse([good[0], slip, good[1]], orders, lake), analyse(good, orders, lake)
    kind = "other_unit" if times in (100, Fraction(1, 100)) else "far_off"
    assert [one.row for one in found.odd[kind]] == [3]
    assert found.odd["off_market"] == []
    [one], [other] = found.parents, sound.parents
    assert {**one.money, "opportunity": 0, "whole": 0} == {
        **other.money,
        "opportunity": 0,
        "whole": 0,
    }
    assert (one.cost.is_bps, one.cost.filled) == (pytest.approx(other.cost.is_bps), 3)
    assert one.cost.quantity == 10 - 3  # what is left out was not asked for either
    with pytest.raises(DataError, match=r"(fifth of it or less|or a hundredth).*row 3"):
        analyse([slip], {}, lake)


def test_a_fill_of_a_day_without_tape_is_on_neither_side(lake: Lake, day: MarketDay) -> None:
    """With the slip in the file, what its order asked for is less by its lots: the rest costs what it does without."""
    inside, lot, price = taken(day)
    good, slip = (
        fill(inside, price, quantity=2 * lot),
        fill(inside + 900 * 86_400 * S, price, quantity=3 * lot, row=3),
    )
    asked, less = ({"p": order(inside - S, inside + S, lots * lot)} for lots in (10, 7))
    for sound in ([good], []):
        rest = [fill(inside, price, quantity=lot, parent="q", row=9)]
        found, other = (
            analyse([*sound, slip, *rest], asked, lake),
            analyse([*sound, *rest], less, lake),
        )
        assert [one.row for one in found.odd["no_tape"]] == [3]
        assert [one.money for one in found.parents] == [one.money for one in other.parents]
        assert [one.cost.unfilled for one in found.parents] == [
            one.cost.unfilled for one in other.parents
        ]
    with pytest.raises(DataError, match="1200 filled and 0 refused"):
        analyse(
            [slip, fill(inside, price, quantity=9 * lot)],
            {"p": order(inside - S, inside + S, 10 * lot)},
            lake,
        )


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("paid", "limit", "names"),
    [
        (Fraction(1), Fraction(1), []),
        (Fraction(1), Fraction(4), []),  # a wide limit is no word on where its fills were
        (Fraction(3, 2), Fraction(4), ["off_market"]),
        (Fraction(1), Fraction(9, 10), ["beyond_limit"]),
        (Fraction(3, 2), Fraction(9, 10), ["beyond_limit", "off_market"]),
        (Fraction(6), Fraction(9), ["far_off"]),  # left out: within a limit that is a slip itself
        (Fraction(6), Fraction(9, 10), ["far_off"]),
    ],
)
def test_a_wide_limit_and_a_price_off_the_market_are_told_apart(
    lake: Lake, day: MarketDay, side: int, paid: Fraction, limit: Fraction, names: list[str]
) -> None:
    """Multiples of the touch, of a sell divisions: where a fill was is read off the tape, not off its order."""
    inside, lot = day.open_ns + 900 * S, day.instrument.lot
    touch = day.quote_before(inside)[side > 0] * Fraction(str(day.instrument.tick))
    price, worst = touch * paid**side, touch * limit**side
    mine = fill(inside, price, quantity=lot, side=side, row=3)
    beside = fill(inside, touch, quantity=lot, side=side, row=4, parent="q")
    asked = {"p": order(inside, inside + S, lot, side=side, limit=worst)}
    found = analyse([mine, beside], asked, lake)
    assert (
        sorted(name for name, fills in found.odd.items() if [one for one in fills if one.row == 3])
        == names
    )


def test_what_cannot_be_one_parent_is_refused(lake: Lake, day: MarketDay) -> None:
    ns, price = day.open_ns + 900 * S, Fraction(20)
    with pytest.raises(DataError, match="one symbol and side a parent"):
        analyse([fill(ns, price), fill(ns, price, side=-1, row=3)], {}, lake)
    with pytest.raises(DataError, match="at most the 100"):
        analyse([fill(ns, price, quantity=200)], {"p": order(ns, ns + S, 100)}, lake)
    with pytest.raises(DataError, match="fills on days"):
        analyse([fill(ns, price, symbol="NONE")], {}, lake)


def test_an_order_without_fills_has_opportunity_alone(lake: Lake, day: MarketDay) -> None:
    start, lot, price = taken(day)
    asked = {
        "p": order(start, start + 60 * S, lot),
        "idle": order(start, start + 60 * S, 3 * lot, parent="idle"),
    }
    asked["gone"] = order(0, S, lot, parent="gone")
    found = analyse([fill(start + S, price, quantity=lot)], asked, lake)
    idle = next(one for one in found.parents if one.cost.parent == "idle")
    assert (idle.cost.filled, idle.cost.unfilled, idle.cost.sums["fills"]) == (0, 3, 0)
    assert [one.parent for one in found.skipped_orders] == ["gone"]


# -- the counterfactual -----------------------------------------------------------------------------------------------


Written = tuple[list[FileFill], dict[str, FileOrder]]
TIGHT = (-6, -2, 0, 2, 6)
"""Ticks from the mid at arrival, in the order's favour where below 0."""


def written_by(lake: Lake, name: str, impact: str, n: int = 24, limited: bool = False) -> Written:
    """Fills and orders that a strategy leaves when it works `n` random parents in replay, some of them to a limit."""
    rng, about = np.random.default_rng(3), lake.list()[0]
    source, [day] = replay(
        lake, "SIM", [about.date], impact=tape_law([lake.read("SIM", about.date)], impact)
    )
    task, tick = Task(horizon_s=300.0), Fraction(str(about.tick))
    starts = np.sort(rng.integers(day.open_ns + 60 * S, day.close_ns - 700 * S, n))
    spans, lots = rng.integers(200 * S, 600 * S, n), rng.integers(1, 12, n)
    sides = rng.choice([-1, 1], n)
    asked = zip(starts.tolist(), sides.tolist(), lots.tolist(), strict=True)
    rows = np.array(
        [
            window_row(day, task, start, side, lot, 1, i)
            for i, (start, side, lot) in enumerate(asked)
        ]
    )
    worlds = rows[:, kernels.E_WORLD].copy()
    rows[:, kernels.E_WORLD] = np.arange(n)
    if limited:
        held = read_day(lake, about)
        mids = np.array([sum(held.quote_before(start)) // 2 for start in starts.tolist()])
        rows[::2, kernels.E_LIMIT] = (mids + sides * np.resize(TIGHT, n))[::2]
    limits = [None if ticks == 0 else int(ticks) * tick for ticks in rows[:, kernels.E_LIMIT]]
    apart = replace(source, worlds_b=source.worlds_b[worlds], worlds_k=source.worlds_k[worlds])
    episodes, strategy = Episodes(apart, task, n, log_rows=400), build(name)
    episodes.vary_worlds(spans, np.full(n, task.decisions), np.zeros(n, np.int64))
    episodes.start(Plan(rows, np.zeros(n, np.int64)))
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    assert episodes.costs().unfilled_lots.any() == limited
    fills = [
        fill(ns, price * tick, side=int(sides[i]), quantity=lot * about.lot, parent=f"p{i}")
        for i in range(n)
        for ns, price, lot, *_, how in episodes.fills(i).tolist()
        if how != sim.UNFILLED
    ]
    orders = {
        f"p{i}": order(int(starts[i]), int(starts[i] + spans[i]), int(lots[i]) * about.lot, parent=f"p{i}",
                       side=int(sides[i]), limit=limits[i])
        for i in range(n)
    }  # fmt: skip
    return fills, orders


@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@pytest.mark.parametrize(
    ("name", "impact"), [("twap_take", "none"), ("twap_passive", "square_root"), ("random", "none")]
)
def test_a_strategy_does_not_differ_from_itself(
    lake: Lake, name: str, impact: str, limited: bool
) -> None:
    """Fills written by a strategy in replay, read as a file's: worked again by it, not a half tick is between them."""
    found = analyse(*written_by(lake, name, impact, limited=limited), lake)
    assert any(one.cost.unfilled for one in found.parents) == limited
    assert not found.odd["beyond_limit"]
    again = counterfactual(
        found.parents,
        lake,
        {name: partial(build, name), "immediate": partial(build, "immediate")},
        market=Market(lake=str(lake.root), impact=impact),
    )
    assert again is not None
    assert again.parents == 24
    np.testing.assert_allclose(again.costs[name], again.costs[""], rtol=0, atol=1e-9)
    assert again.strategies[name].verdict not in ("cheaper", "more expensive")
    assert abs(again.strategies[name].saves.mean) < 1e-9
    assert again.strategies["immediate"].saves.mean != 0
    assert again.own_unfilled == again.strategies[name].unfilled
    assert not found.odd["no_quote"]


def test_other_assumptions_are_those_of_such_a_market(lake: Lake) -> None:
    """The cheapest strategy is worked again with resting fills that move no price, as in a market that is so."""
    parents = analyse(*written_by(lake, "twap_take", "square_root"), lake).parents
    makers = {name: partial(build, name) for name in ("immediate", "twap_passive")}
    market = Market(lake=str(lake.root), impact="square_root")
    found = with_assumptions(
        counterfactual(parents, lake, makers, market=market), parents, lake, makers, (), ("impact",)
    )
    there = counterfactual(parents, lake, makers, market=replace(market, passive_impact=0.0))
    name = found.cheapest
    assert found.assumed is not None
    saves = {label: row[name].mean for label, row in found.assumed.items()}
    assert saves["resting fills move no price"] == there.strategies[name].saves.mean
    assert saves["resting fills move the price as takes do"] == found.strategies[name].saves.mean
    assert set(next(iter(found.assumed.values()))) == {name}
    few = with_assumptions(found, parents, lake, makers, (), None)
    assert few.assumed is None


def test_parents_that_cannot_be_worked_again_are_said(lake: Lake, day: MarketDay) -> None:
    ns, lot, price = taken(day)
    rows = [fill(ns, price, quantity=lot), fill(ns, price, parent="q", quantity=lot)]
    asked = {"p": order(ns - S, ns + 60 * S, lot)}
    again = counterfactual(
        analyse(rows, asked, lake).parents, lake, {"twap_take": partial(build, "twap_take")}
    )
    assert again is not None
    assert again.parents == 1
    assert again.left_out == {"one_moment": ["q"]}


def test_a_limit_that_nobody_meets_costs_the_move_of_the_mid(lake: Lake, day: MarketDay) -> None:
    """In closed form: every strategy, and the owner, cost what the market did to the whole order."""
    start, lot = day.open_ns + 900 * S, day.instrument.lot
    orders = {
        f"p{i}": order(
            start + i * S, start + 300 * S, 5 * lot, parent=f"p{i}", side=side, limit=limit
        )
        for i, (side, limit) in enumerate([(1, Fraction(1)), (-1, Fraction(90)), (1, Fraction(2))])
    }
    found = analyse([], orders, lake)
    makers = {name: partial(build, name) for name in ("immediate", "twap_passive", "peg_behind")}
    again = counterfactual(found.parents, lake, makers)
    assert again is not None
    m0, m1 = (
        [sum(day.quote_before(start + i * S)) for i in range(3)],
        sum(day.quote_before(start + 300 * S + 1)),
    )
    moved = [1e4 * side * (m1 - mid) / mid for side, mid in zip((1, -1, 1), m0, strict=True)]
    for costs in again.costs.values():
        np.testing.assert_allclose(costs, moved, rtol=0, atol=1e-9)
    assert {one.unfilled for one in again.strategies.values()} == {again.own_unfilled} == {15}


@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
def test_a_false_difference_comes_in_a_twentieth_of_tables(lake: Lake, limited: bool) -> None:
    """Costs of strategies on replayed parents, dealt to owner and rivals at random, parent by parent: nobody is better.

    In a table of four rivals any difference that is shown is false: 5 % of 400 tables, within 3.2 standard errors.
    """
    found = analyse(*written_by(lake, "twap_take", "none", 60, limited), lake)
    names = ("twap_passive", "submit_and_leave", "immediate", "imbalance_peg")
    again = counterfactual(
        found.parents,
        lake,
        {name: partial(build, name) for name in names},
        market=Market(lake=str(lake.root), impact="none"),
    )
    assert again is not None
    costs = np.stack([again.costs[name] for name in ("", *names)])
    rng, tables = np.random.default_rng(11), 400
    clusters, n = np.arange(costs.shape[1]), costs.shape[1]
    false = 0
    for _ in range(tables):
        dealt = np.take_along_axis(
            costs, rng.permuted(np.tile(np.arange(5), (n, 1)), axis=1).T, axis=0
        )
        rows = compare(
            dealt[0],
            dict(zip(names, dealt[1:], strict=True)),
            np.ones(n),
            clusters,
            rng,
            resamples=500,
        )
        false += any(not (one.ci_low or 0) <= 0 <= (one.ci_high or 0) for one in rows.values())
    assert false / tables == pytest.approx(0.05, abs=3.2 * np.sqrt(0.05 * 0.95 / tables))


def test_below_five_clusters_there_is_neither_an_interval_nor_a_verdict() -> None:
    """However far apart the costs are; from five on an interval, and a verdict by it."""
    own = np.arange(60.0)
    for clusters in range(1, 8):
        found = compare(
            own, {"less": own - 30}, np.ones(60), np.arange(60) % clusters, np.random.default_rng(1)
        )
        row = StrategyOnParents(0.0, found["less"])
        assert (found["less"].ci_low is None) == (clusters < 5)
        assert row.verdict == ("no verdict" if clusters < 5 else "cheaper")


def test_the_headline_compares_with_no_strategy_that_left_more_than_one_in_a_hundred() -> None:
    """The cheapest of those that filled; the others are named, and counted with none."""
    rows = {
        "twap_take": StrategyOnParents(2.0, Estimate(1.0, 0.5, 1.5), 100),
        "submit_and_leave": StrategyOnParents(-3.0, Estimate(6.0, 5.0, 7.0), 101),
    }
    found = Counterfactual(3.0, 0, rows, 30, 30, "none", incomplete=("submit_and_leave",))
    said = verdict_sentence(found)
    assert "twap_take would have cost 2.00 bps where yours cost 3.00" in said
    assert "of 1 strategies 1 are cheaper, 0 more expensive" in said
    assert said.endswith("left out, with more than 1 % unfilled: submit_and_leave.")
    none = verdict_sentence(
        replace(found, strategies={"submit_and_leave": rows["submit_and_leave"]}, clusters=4)
    )
    unmet = "no strategy filled enough to be compared, so no verdict of the table counts; "
    assert f"{unmet}there is no verdict below 5 clusters" in none
    many = verdict_sentence(
        replace(found, strategies={"submit_and_leave": rows["submit_and_leave"]})
    )
    assert f"{unmet}left out, with more than 1 % unfilled: submit_and_leave." in many
