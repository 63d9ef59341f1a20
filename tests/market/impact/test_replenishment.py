"""Delays of replenishment against a brute-force twin, a planted delay, and by hand."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.flow.conformance import as_events
from tests.market.tape.tapes import DAY, OPEN, rude_events

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.impact.replenishment_delays import LONGEST_S, VALUES, delays, replenishment
from tercel.market.observed import Observed, event_columns, observe
from tercel.market.tape import Instrument, schema

BOOK = (
    (0, schema.ROLL_IN, 0, 1, 99, 10),
    (0, schema.ROLL_IN, 0, 1, 98, 10),
    (0, schema.ROLL_IN, 0, -1, 101, 10),
    (0, schema.ROLL_IN, 0, -1, 102, 10),
    (0, schema.ROLL_IN, 0, -1, 103, 10),
)


def seen_in(*rows: tuple[float, int, int, int, int, int], stop_s: float = 2000.0) -> Observed:
    """Rows of (second, kind, id, side, price, lots) on top of a book of 99 to 101."""
    every = [(OPEN + round(second * NS_PER_SECOND), *rest) for second, *rest in (*BOOK, *rows)]
    stop = OPEN + round(stop_s * NS_PER_SECOND)
    about = Instrument("X", "Y", DAY.date, 0.01, session_open_ns=OPEN, session_close_ns=stop)
    return observe(about, as_events(every), 0.0)


def by_brute_force(seen: Observed) -> list[float]:
    """Delay of each market order, one row at a time."""
    found = []
    for r in np.flatnonzero(seen.kind == event_columns.MARKET):
        taken = -int(seen.side[r])
        px, shown = (seen.bid_px, seen.bid_lots) if taken > 0 else (seen.ask_px, seen.ask_lots)
        levels = [(int(p), int(q)) for p, q in zip(px[r], shown[r], strict=True) if q > 0]
        reached = np.searchsorted(np.cumsum([q for _, q in levels]), int(seen.lots[r]))
        worst = levels[min(int(reached), len(levels) - 1)][0]
        later = slice(r + 1, None)
        counts = (
            (seen.kind[later] <= event_columns.LIMIT_DEEPER)
            & (seen.side[later] == taken)
            & (seen.price[later] * taken >= worst * taken)
        )
        back = np.flatnonzero(np.cumsum(np.where(counts, seen.lots[later], 0)) >= seen.lots[r])
        delay = (seen.ns[r + 1 + back[0]] - seen.ns[r]) / NS_PER_SECOND if len(back) else LONGEST_S
        found.append(min(float(delay), LONGEST_S))
    return found


@given(seed=st.integers(0, 2**31), step=st.sampled_from([10**6, 10**9, 10**10]))
def test_as_the_brute_force_twin(seed: int, step: int) -> None:
    events = rude_events(seed, 400, step_ns=step)
    seen = observe(Instrument("NASDAQ", "TOY", DAY.date, 0.01), events, 0.0)
    if np.any(seen.kind == event_columns.MARKET) and np.any(
        seen.kind <= event_columns.LIMIT_DEEPER
    ):
        assert delays([seen]).seconds.tolist() == by_brute_force(seen)


def test_a_planted_delay_is_found() -> None:
    rng = np.random.default_rng(3)
    wanted = rng.exponential(5.0, 200)
    rows = []
    for i, wait in enumerate(wanted):
        at = 100.0 * (i + 1)
        rows.append((at, schema.EXECUTE, 0, -1, 101, 4))
        rows.append((at + wait, schema.ADD, 1000 + i, -1, 101, 4))
    seen = seen_in(*rows, stop_s=30_000.0)
    found = delays([seen])
    np.testing.assert_allclose(found.seconds, wanted, atol=1e-8)
    assert (found.n, (found.late | found.cut).any()) == (200, False)
    table = replenishment([seen])
    assert table.shape == (VALUES,)
    assert np.all(np.diff(table) >= 0.0)
    np.testing.assert_allclose(table[15:17].mean(), np.median(wanted), rtol=0.05)


def test_late_and_cut_are_told_apart() -> None:
    found = delays([seen_in((10, schema.EXECUTE, 0, -1, 101, 3), (700, schema.ADD, 1, -1, 101, 9),
                            (1500, schema.EXECUTE, 0, -1, 101, 3))])  # fmt: skip
    assert found.seconds.tolist() == [LONGEST_S, LONGEST_S]
    assert (found.late.tolist(), found.cut.tolist()) == ([True, False], [False, True])


def test_level_totals_are_read_too() -> None:
    found = delays([
        seen_in(
            (10, schema.TRADE, 0, -1, 101, 4),
            (10, schema.LEVEL_SET, 0, -1, 101, 6),
            (13, schema.LEVEL_SET, 0, -1, 101, 9),
            (17, schema.LEVEL_SET, 0, -1, 101, 10),
        )
    ])  # fmt: skip
    assert found.seconds.tolist() == [7.0]


def test_days_that_say_nothing() -> None:
    with pytest.raises(ConfigError, match="market orders"):
        replenishment([])
    with pytest.raises(ConfigError, match="market orders"):
        replenishment([seen_in((10, schema.ADD, 1, -1, 101, 3))])
    with pytest.raises(ConfigError, match="limit orders"):
        replenishment(
            [seen_in((10, schema.EXECUTE, 0, -1, 101, 3), (3000, schema.ADD, 1, -1, 101, 3))]
        )
