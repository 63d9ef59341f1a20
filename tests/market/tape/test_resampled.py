"""Resampled days: within a block the book is the real one, moved; where blocks meet nobody loses his place."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake
from tercel.market.tape.block_rows import join_books
from tercel.market.tape.compiled import compile_day
from tercel.market.tape.compiled_store import load_compiled
from tercel.market.tape.resampled import MOMENT_NS, OPENING_S, Resampler
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE, STATUS

BLOCK_S = 120.0


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    lake = simulated_lake(
        tmp_path_factory.mktemp("lake"), 0.5, ("2003-01-13", "2003-01-14", "2003-01-15")
    )
    return [load_compiled(lake, "SIM", date) for date in lake.days("SIM")]


@pytest.fixture(scope="module")
def resampler(days):
    return Resampler(days, BLOCK_S)


def levels_of(rows, until_ns):
    """Lots by side and price up to a time, by the plainest code; rows are ns, kind, order, side, price, lots."""
    orders = {}
    for ns, kind, who, side, price, lots in rows:
        if ns > until_ns:
            break
        if kind == ADD:
            orders[who] = [side, price, lots]
        elif kind in (REDUCE, DELETE, EXECUTE) and who in orders:
            orders[who][2] -= min(lots, orders[who][2])
    found = Counter()
    for side, price, lots in orders.values():
        if lots:
            found[side, price] += lots
    return found


def table_of(events):
    columns = (
        events.exch_ns,
        events.kind,
        events.order_id,
        events.side,
        events.price_ticks,
        events.qty_lots,
    )
    return np.column_stack([np.asarray(one, np.int64) for one in columns]).tolist()


def test_within_every_block_the_book_is_that_of_a_real_day_moved(days, resampler) -> None:
    instrument, events = resampler.day("2031-01-02", 7)
    rows, at = table_of(events), resampler._grid
    _, blocks = at.blocks(resampler.steps, np.random.default_rng((7, resampler.steps)))
    clock = round(OPENING_S * NS_PER_SECOND)
    sources = set()
    for begins, ends in blocks:
        number, start_ns = int(at.table[begins, 0]), int(at.table[begins, 2])
        sources.add(number)
        for part in (0, 1, 2, 3):
            since = (ends - begins) * MOMENT_NS * part // 3 - (part == 3)
            real = levels_of(days[number].rows.tolist(), start_ns + since)
            made = levels_of(rows, instrument.session_open_ns + clock + since)
            moved = max(p for s, p in made if s > 0) - max(p for s, p in real if s > 0)
            assert made == Counter(
                {(side, price + moved): lots for (side, price), lots in real.items()}
            )
        clock += (ends - begins) * MOMENT_NS
    assert clock == instrument.session_close_ns - instrument.session_open_ns
    assert len(sources) > 1, "blocks of several days"


def test_blocks_begin_where_a_book_stands_like_the_one_before(resampler) -> None:
    at = resampler._grid
    same = []
    for seed in range(40):
        _, blocks = at.blocks(resampler.steps, np.random.default_rng((seed, resampler.steps)))
        joins = list(pairwise(blocks))[:-1]  # the close of a real day is one of three here
        same += [
            (at.spread[end] == at.spread[begin], end == begin) for (_, end), (begin, _) in joins
        ]
        last = blocks[-1][1]
        assert last == len(at.day) - 1 or at.day[last + 1] != at.day[last], (
            "a day closes as a real one does"
        )
    assert all(spread for spread, _ in same)
    assert np.mean([joined for _, joined in same]) < 0.5, "days are mixed"


def test_a_day_is_tape_like_any_other_and_each_seed_has_its_own(resampler, tmp_path) -> None:
    instrument, events = resampler.day("2031-01-02", 1)
    assert Lake(tmp_path).write(instrument, events) == "written"
    assert resampler.day("2031-01-02", 1)[1] == events
    assert resampler.day("2031-01-02", 2)[1] != events
    assert instrument.extra["resampled_of"] == ["2003-01-13", "2003-01-14", "2003-01-15"]
    compile_day(instrument, events)
    halts = events.kind == STATUS
    assert halts.sum() == 2 * math.ceil((1800 - OPENING_S) / BLOCK_S), (
        "trading stands still where blocks meet, no longer"
    )
    assert np.array_equal(np.diff(events.exch_ns[halts])[::2], np.zeros(halts.sum() // 2))


books = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(1, 4), st.integers(1, 9)),
    min_size=1,
    max_size=12,
)


@given(books, books)
def test_joined_books_have_the_lots_of_the_new_one_and_the_order_of_the_old_one(old, new) -> None:
    def laid(orders):
        apart = [
            (n, side, price + (10 if side < 0 else 0), lots)
            for n, (side, price, lots) in enumerate(orders)
        ]
        return np.array(sorted(apart, key=lambda one: (one[1], one[2], one[0])), np.int64)

    stands, comes = laid(old), laid(new)
    own = np.zeros((64, 3), np.int64)
    own[stands[:, 0]] = stands[:, 1:]
    before = own.copy()
    pieces, ends, out = (
        np.zeros((64, 2), np.int64),
        np.zeros((16, 2), np.int64),
        np.zeros((96, 6), np.int64),
    )
    rows, born, made = join_books(stands, comes, 5, own, len(old), pieces, ends, out)
    start = [(0, ADD, n, *before[n]) for n in range(len(old))]
    there = levels_of([*start, *out[:rows].tolist()], 9)
    assert there == _totals(new)
    kinds = [int(kind) for kind in out[:rows, 1]]
    assert kinds[0] == kinds[-1] == STATUS
    adds = [n for n, kind in enumerate(kinds) if kind == ADD]
    assert all(kind != ADD for kind in kinds[: min(adds, default=len(kinds) - 1)]), (
        "cancels come first"
    )
    assert not [n for n in adds if kinds[n + 1 :].count(REDUCE) + kinds[n + 1 :].count(DELETE)]
    for level in _totals(
        new
    ):  # whoever stays stands where he stood: lots leave from the back alone
        queue = [n for n in range(len(old)) if tuple(before[n, :2]) == level]
        left = [int(own[n, 2]) for n in queue]
        whole = [int(before[n, 2]) for n in queue]
        short = [n for n in range(len(queue)) if left[n] < whole[n]]
        assert not short or all(left[n] == 0 for n in range(short[0] + 1, len(queue)))
    for n, (_, _, lots) in enumerate(new):
        carried = pieces[ends[n, 0] : ends[n, 1]]
        assert carried[:, 1].sum() == lots
        assert {tuple(own[who, :2]) for who in carried[:, 0]} == {
            tuple(comes[comes[:, 0] == n][0, 1:3])
        }
    assert made == ends.max()
    assert (own[len(old) : born, 2] > 0).all()


def _totals(orders):
    found = Counter()
    for side, price, lots in orders:
        found[side, price + (10 if side < 0 else 0)] += lots
    return found


def like(day, rows=None, **about):
    """The day with other rows, or other words about its instrument."""
    found = day.rows if rows is None else rows
    return replace(day, rows=found, instrument=replace(day.instrument, **about))


REFUSED = [
    ("at least one day", lambda days: [[]]),
    ("longer than its opening and two blocks", lambda days: [days, 600.0]),
    ("blocks of 10 s, or a multiple", lambda days: [days, float("nan")]),
    ("blocks of 10 s, or a multiple", lambda days: [days, 125.0]),
    (
        "received 1130 s in SIM 2003-01-13",
        lambda days: [days, BLOCK_S, OPENING_S + 2 * BLOCK_S - 10],
    ),
    (
        "which is made of others",
        lambda days: [[like(days[0], extra={"resampled_of": ["2003-01-13"]})], BLOCK_S],
    ),
    (
        r"of 5 levels a side or more.*model=queue_reactive",
        lambda days: [[like(days[0], levels=5)], BLOCK_S],
    ),
    (
        "two sides 90% of the time",
        lambda days: [[like(days[0], days[0].rows[days[0].rows[:, 3] >= 0])], BLOCK_S],
    ),
]


@pytest.mark.parametrize(("said", "given"), REFUSED)
def test_what_cannot_be_resampled_is_refused(days, said, given) -> None:
    with pytest.raises(TapeError, match=said):
        Resampler(*given(days))


def test_blocks_are_of_the_hours_that_are_used_and_fill_a_whole_day(days) -> None:
    until_s = OPENING_S + 3 * BLOCK_S
    made = Resampler(days, BLOCK_S, until_s)
    for seed in range(8):
        opening, blocks = made._grid.blocks(made.steps, np.random.default_rng((seed, made.steps)))
        assert max(made._grid.clock[end] for _, end in blocks) <= until_s * NS_PER_SECOND
        steps = sum(end - begin for begin, end in blocks)
        assert made._grid.clock[opening] + steps * MOMENT_NS == 1800 * NS_PER_SECOND
    late = replace(days[0], rows=days[0].rows.copy())
    late.rows[late.rows[:, 0] > late.instrument.session_open_ns + until_s * NS_PER_SECOND, 5] += 7
    again = Resampler([late, *days[1:]], BLOCK_S, until_s)
    for one in (again, made):
        assert one.day("2031-01-02", 3)[1] == made.day("2031-01-02", 3)[1], (
            "later hours are not read"
        )


def test_a_block_never_holds_a_halt(days) -> None:
    rows, opened = days[0].rows, days[0].instrument.session_open_ns
    middle = int(np.searchsorted(rows[:, 0], opened + 1350 * NS_PER_SECOND))
    halted = np.insert(rows, middle, [[rows[middle, 0], STATUS, -1, 0, 1, 0]], axis=0)
    made = Resampler([replace(days[0], rows=halted), days[1]], BLOCK_S)
    joins = 2 * math.ceil((1800 - OPENING_S) / BLOCK_S)
    for seed in range(8):
        assert np.count_nonzero(made.day("2031-01-02", seed)[1].kind == STATUS) == joins
