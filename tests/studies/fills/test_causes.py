"""Ingredients taken out of small tapes: what must stay stays to the last digit, a planted cause is found and no other."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.studies.fills.tapes import Row, drawn, tape

from studies.fills import causes, fills_kernel as k, removals
from studies.fills.fills import FillScale
from studies.fills.replayed import replayed, with_rows
from tercel.core import ADD, DELETE, EXECUTE
from tercel.market.tape import Events, Instrument

SCALE = FillScale(1, 10.0, (5.0, 10.0, 15.0))


@given(st.integers(0, 2**31))
@settings(max_examples=8)
def test_levels_stand_before_a_removal_as_a_slow_book_says(seed: int) -> None:
    day = replayed(*drawn(seed, 300))
    stood = removals.surroundings(day, np.random.default_rng(seed))
    book: dict[int, list[int]] = {}
    for r, (what, side, price, lots) in enumerate(
        day.rows[:, [k.KIND, k.SIDE, k.PRICE, k.LOTS]].tolist()
    ):
        born, took = day.seen[r, k.BORN], day.seen[r, k.TOOK]
        if what != ADD and born >= 0:
            here = {o: n for o, (s, p, n) in book.items() if (s, p) == (side, price)}
            far = [p * side for s, p, _ in book.values() if s == -side]
            other = sum(n for s, p, n in book.values() if s == -side and p * side == min(far))
            assert stood[r, :3].tolist() == [sum(here.values()), other, min(here)]
            assert stood[r, removals.ANY] in here
            book[born][2] -= took
            if book[born][2] == 0:
                del book[born]
        elif what == ADD:
            book[r] = [side, price, lots]


@given(st.integers(0, 2**31))
@settings(max_examples=8)
def test_labels_change_and_the_book_does_not(seed: int) -> None:
    day, rng = replayed(*drawn(seed, 300)), np.random.default_rng(seed)
    other = removals.exchange_labels(removals.NOTHING)(day, rng)
    np.testing.assert_array_equal(other.seen, day.seen)
    np.testing.assert_array_equal(
        other.rows[:, [k.NS, k.SIDE, k.PRICE]], day.rows[:, [k.NS, k.SIDE, k.PRICE]]
    )
    assert np.sum(other.rows[:, k.KIND] == EXECUTE) == np.sum(day.rows[:, k.KIND] == EXECUTE)


@given(st.integers(0, 2**31))
@settings(max_examples=5)
def test_an_exchange_of_each_with_itself_changes_no_digit(seed: int) -> None:
    day = replayed(*drawn(seed, 300))
    figures = causes.figures_of(day, SCALE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removals, "exchanged", lambda values, cell, rng: values)
        for removal in (
            removals.exchange_labels(removals.STATES[4]),
            removals.exchange_places(removals.LAST_PRICE),
        ):
            np.testing.assert_array_equal(
                causes.figures_of(removal(day, np.random.default_rng(1)), SCALE), figures
            )
    np.testing.assert_array_equal(
        causes.figures_of(with_rows(day, day.rows.copy()), SCALE), figures
    )


def test_values_stay_in_their_cell() -> None:
    rng = np.random.default_rng(1)
    cell, values = rng.integers(0, 5, 400), rng.integers(0, 99, 400)
    now = removals.exchanged(values, cell, rng)
    assert (now != values).mean() > 0.8
    for one in range(5):
        assert sorted(now[cell == one]) == sorted(values[cell == one])


def test_time_by_market_orders_is_even_and_keeps_the_order_of_rows() -> None:
    day = replayed(*drawn(3, 1000))
    even = removals.even_time(0.0, 30e9)(day, np.random.default_rng(1))
    at = np.unique(causes.market_orders(even).ns)
    assert np.diff(at) == pytest.approx(
        np.full(len(at) - 1, 30e9), rel=0.7
    )  # two sides at one moment count twice
    assert np.median(np.diff(at)) == pytest.approx(30e9, rel=1e-6)
    assert (np.diff(even.rows[:, k.NS]) >= 0).all()


def market(seed: int, knows: bool) -> tuple[Instrument, Events]:
    """Four levels of one order a side; one at the touch leaves every five seconds, and its price comes back or both quotes move.

    A trade, where it `knows`, leaves when the quotes will move; else half of the removals, by chance, are trades.
    """
    rng, rows, ids = np.random.default_rng(seed), list[Row](), iter(range(1, 10**6))
    book: dict[tuple[int, int], int] = {}

    def come(at: float, side: int, price: int) -> None:
        book[side, price] = next(ids)
        rows.append((at, ADD, book[side, price], side, price, 10))

    for level in range(4):
        come(1.0, 1, 1000 - level)
        come(1.0, -1, 1002 + level)
    for at in np.arange(890.0, 3590.0, 5.0):
        side = int(rng.choice([1, -1]))
        prices = sorted((p for s, p in book if s == side), key=lambda p: -p * side)
        moves, trade = rng.random() < 0.5, rng.random() < 0.5
        kind = EXECUTE if (moves if knows else trade) else DELETE
        rows.append((at, kind, book.pop((side, prices[0])), side, prices[0], 10))
        if moves:
            come(at + 1, side, prices[-1] - side)
            far = [p for s, p in book if s == -side]
            come(at + 1, -side, min(far) - 1 if side > 0 else max(far) + 1)
            last = max(far) if side > 0 else min(far)
            rows.append((at + 1, DELETE, book.pop((-side, last)), -side, last, 10))
        else:
            come(at + 1, side, prices[0])
    return tape(rows)


def test_a_planted_cause_is_found_and_no_other() -> None:
    """Trades know the next move on recorded days alone; quotes are the same on both."""
    recorded, simulated = ([market(seed, knows) for seed in range(8)] for knows in (True, False))
    found, held = causes.compare(recorded, simulated, 1)
    by_name = {one.name: one for one in found}
    share = {name: causes.explained(found[0], one)["both"] for name, one in by_name.items()}
    real, made = (causes.values(sums) for sums in (found[0].recorded, found[0].simulated))
    assert (made - real > 0.02)[1:-1].all()
    assert share[causes.LABELS] == pytest.approx(np.ones(2), abs=0.15)
    for name in (
        "hidden executions",
        "which order of a level is cancelled",
        "market orders past the first level",
    ):
        assert (share[name] == 0.0).all()
    of = by_name[causes.LABELS]
    back = {one.name: causes.given_back(found[0], of, one)[0] for one in held}
    assert back[removals.RANDOM] == pytest.approx(np.zeros(2), abs=0.25)


def test_intervals_hold_the_figure_of_equal_days() -> None:
    one = causes.Cause(
        "nothing",
        *(np.array([causes.figures_of(replayed(*market(s, True)), SCALE)] * 4) for s in (1, 2)),
    )
    low, high = causes.interval(causes.values(one.recorded, causes.draws([one], 1)[0]))
    assert low == pytest.approx(high)
    assert low == pytest.approx(causes.values(one.recorded))
