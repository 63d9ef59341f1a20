"""Bars against a slow book, and against what agents observe on the same rows."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.tape.tapes import empty_market, play, rude_events

from benchmarks.reference_book import ReferenceBook
from studies.signals.bars import bar_names, bars, clock, flow_of
from studies.signals.ofi import past_clip
from tercel.core.errors import DataError
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution import columns as c
from tercel.execution.features import observe_market
from tercel.feeds.lobster import LobsterFeed
from tercel.market.feed import FeedOptions, Imported
from tercel.market.simulator import layout as sim
from tercel.market.tape import Events, schema
from tercel.market.tape.compiled import compile_day

LEVELS = 3


def slow_flow(events: Events, levels: int) -> list[list[int]]:
    """Flow of each row by the formula, over the reference book."""
    book, out = ReferenceBook(), []
    before: dict[int, tuple[list[int], list[int]]] = {}
    for i in range(events.n):
        book.apply(events, i, i + 1)
        now = {
            side: tuple(list(map(int, part)) for part in book.depth(side, levels))
            for side in (1, -1)
        }
        row = []
        for m in range(levels):
            total = 0
            for side, none in ((1, NO_BID), (-1, NO_ASK)):
                prices, lots = now[side]
                price, q = (prices[m], lots[m]) if m < len(prices) and lots[m] > 0 else (none, 0)
                if before:
                    old_price, old_q = before[side][0][m], before[side][1][m]
                    better = (price - old_price) * side
                    total += side * ((q if better >= 0 else 0) - (old_q if better <= 0 else 0))
                now[side][0][m : m + 1], now[side][1][m : m + 1] = [price], [q]
            row.append(total)
        out.append(row)
        before = {side: (list(part[0]), list(part[1])) for side, part in now.items()}
    return out


@given(seed=st.integers(0, 10_000), n=st.integers(1, 120))
def test_flow_is_that_of_a_slow_book(seed: int, n: int) -> None:
    events = rude_events(seed, n)
    stray = (events.kind != schema.STATUS) & (np.abs(events.price_ticks - 10_000) > 500)
    events.price_ticks[stray] = 10_000  # levels beyond the book's window are shown to nobody
    found = flow_of(events, LEVELS)
    assert found.by_level.tolist() == slow_flow(events, LEVELS)
    assert found.ns.tolist() == events.exch_ns.tolist()


def lobster(shared_data: Path, symbol: str, levels: int) -> Imported:
    path = (
        shared_data
        / "lobster-zips-20120621"
        / f"LOBSTER_SampleFile_{symbol}_2012-06-21_{levels}.zip"
    )
    with LobsterFeed().days([path], FeedOptions()) as days:
        return days[0].read()


@pytest.mark.parametrize(
    ("symbol", "levels"), [pytest.param("AMZN", 5, marks=pytest.mark.long), ("GOOG", 1)]
)
def test_bars_equal_what_agents_observe(shared_data: Path, symbol: str, levels: int) -> None:
    day = lobster(shared_data, symbol, levels)
    opened = day.instrument.session_open_ns
    edges = clock(opened, opened + 600 * NS_PER_SECOND, 10 * NS_PER_SECOND)
    events = day.events.slice(0, int(np.searchsorted(day.events.exch_ns, edges[-1], side="right")))
    values = bars(flow_of(events, levels), edges)
    column = {name: values[:, i] for i, name in enumerate(bar_names(levels))}
    compiled = compile_day(day.instrument, events)
    b, k = empty_market(compiled.slots)
    k[sim.SIDE], k[sim.HORIZON_NS], k[sim.DECISIONS] = 1, 600 * NS_PER_SECOND, 60
    at = 0
    for j, edge in enumerate(edges):
        stop = int(np.searchsorted(compiled.rows[:, 0], edge, side="right"))
        play(b, k, compiled.rows[at:stop])
        at, m = stop, np.zeros(c.MX, np.int64)
        k[sim.NOW] = edge
        observe_market(b, k, m)
        if (
            j < 2
        ):  # the first bar holds the opening snapshot, which moves the agent's tallies and no flow
            continue
        seen = {
            "ofi_1": m[c.OFI], "rv": m[c.RV], "events": m[c.EVENTS], "move": m[c.DRIFT] / 2, "mid": m[c.MID2] / 2,
            "spread": m[c.FAR] - m[c.TOUCH], "signed_volume": m[c.V_SAME] - m[c.V_AGAINST],
            "volume": m[c.V_SAME] + m[c.V_AGAINST],
        }  # fmt: skip
        assert {name: column[name][j - 1] for name in seen} == {
            name: float(value) for name, value in seen.items()
        }
        own, far = m[c.OWN1 : c.OWN1 + levels].sum(), m[c.FAR1 : c.FAR1 + levels].sum()
        assert column["imbalance"][j - 1] == pytest.approx((own - far) / (own + far))
        first = (m[c.OWN1] - m[c.FAR1]) / (m[c.OWN1] + m[c.FAR1])
        assert column["microprice"][j - 1] == pytest.approx(0.5 * (m[c.FAR] - m[c.TOUCH]) * first)


def test_clip_knows_only_the_past() -> None:
    events = rude_events(3, 400, step_ns=1_000_000)
    flow = flow_of(events, 2)
    middle = int(flow.ns[200])
    assert np.array_equal(
        past_clip(flow, middle), past_clip(flow_of(events.slice(0, 201), 2), middle)
    )
    assert np.isinf(past_clip(flow, int(flow.ns[0]) - 1)).all()
    edges = clock(int(flow.ns[0]), int(flow.ns[-1]), 50_000_000)
    clipped = bars(flow, edges, np.zeros(2))
    assert not clipped[:, -2:].any()
    assert np.array_equal(clipped[:, :-2], bars(flow, edges)[:, :-2], equal_nan=True)


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="a tape with events"):
        flow_of(Events.empty(0))
    with pytest.raises(DataError, match="1 to 5 levels"):
        flow_of(rude_events(1, 3), 6)
    with pytest.raises(DataError, match="longer than a bar"):
        clock(0, 5, 10)
