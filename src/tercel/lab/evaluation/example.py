"""One episode in full, for the report: the book around a strategy's trades."""

from collections import Counter

import numpy as np

from tercel.core.arrays import Floats, Int32, Ints
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.experiment import markets_of
from tercel.lab.evaluation.market import JobMarket
from tercel.lab.evaluation.report import BookExample
from tercel.lab.evaluation.settings import MarketTask
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    LEVEL_SET,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
)

RECORD_ROWS = 1 << 20
TIMES = 240
MOST_PRICES = 60


def book_example(
    settings: MarketTask, market: JobMarket, strategy: Strategy, episode: int = 0
) -> BookExample:
    """Run one judged episode with its record on and lay the public book out over time."""
    plan = market.plan.take(slice(episode, episode + 1))
    episodes = markets_of(strategy, market.judged, settings.task, plan, 4096, RECORD_ROWS)
    levels = levels_of(episodes.books[0])
    start = int(episodes.states[0, sim.START_NS])
    first = int(episodes.states[0, sim.RECORD])
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    fills = episodes.fills(0)
    times = np.linspace(0, settings.task.horizon_s, TIMES)
    rows = episodes.record(0)[first:]
    centre = np.array([int(episodes.states[0, sim.ARRIVAL_MID2]) // 2])
    _, bid, ask = _replay_levels(dict(levels), rows, start, times, centre)
    met = np.concatenate([centre, fills[:, 1], bid[np.isfinite(bid)], ask[np.isfinite(ask)]])
    lowest, highest = int(met.min()) - MOST_PRICES // 3, int(met.max()) + MOST_PRICES // 3
    step = max((highest - lowest) // (4 * MOST_PRICES), 1)
    prices = np.arange(lowest, highest + 1)
    lots, bid, ask = _replay_levels(levels, rows, start, times, prices)
    return BookExample(
        strategy.name,
        int(episodes.states[0, sim.SIDE]),
        times,
        prices[::step] if step > 1 else prices,
        lots[:, ::step] if step > 1 else lots,
        bid,
        ask,
        (fills[:, 0] - start) / NS_PER_SECOND,
        fills[:, 1],
        fills[:, 2],
        fills[:, 5] != 0,
        market.judged.tick,
    )


def levels_of(b: Int32) -> dict[tuple[int, int], int]:
    """Public lots by (side, price) of a packed book."""
    total = int(b[lay.ORDERS]) + 2 * int(b[lay.OWN])
    records = b[lay.HEADER : lay.HEADER + total * lay.ORDER].reshape(-1, lay.ORDER)
    own = range(int(b[lay.ORDERS]), int(b[lay.ORDERS]) + int(b[lay.OWN]))
    levels = Counter[tuple[int, int]]()
    for slot in np.flatnonzero(records[:, lay.QTY] > 0).tolist():
        if slot not in own:
            levels[int(records[slot, lay.SIDE]), int(records[slot, lay.PRICE])] += int(
                records[slot, lay.QTY]
            )
    return levels


def _replay_levels(
    levels: dict[tuple[int, int], int],
    rows: Ints,
    start: int,
    times: Floats,
    prices: Ints,
) -> tuple[Floats, Floats, Floats]:
    """Signed lots (T, P) and touches (T,) at the given times."""
    lots = np.zeros((len(times), len(prices)))
    bid, ask = np.full(len(times), np.nan), np.full(len(times), np.nan)
    at = 0
    for t, when in enumerate(times.tolist()):
        until = start + int(when * NS_PER_SECOND)
        while at < len(rows) and rows[at, sim.R_NS] <= until:
            apply_row(levels, rows[at].tolist())
            at += 1
        bids = [p for (s, p), q in levels.items() if s > 0 and q > 0]
        asks = [p for (s, p), q in levels.items() if s < 0 and q > 0]
        bid[t], ask[t] = max(bids, default=NO_BID), min(asks, default=NO_ASK)
        for (side, price), q in levels.items():
            if prices[0] <= price <= prices[-1]:
                lots[t, price - prices[0]] = side * q
    bid[bid == NO_BID], ask[ask == NO_ASK] = np.nan, np.nan
    return lots, bid, ask


def apply_row(levels: dict[tuple[int, int], int], row: list[int]) -> None:
    """One recorded row on public lots by (side, price)."""
    kind, side, price, lots = row[sim.R_KIND], row[sim.R_SIDE], row[sim.R_PRICE], row[sim.R_LOTS]
    key = (side, price)
    if kind in (ADD, ROLL_IN):
        levels[key] = levels.get(key, 0) + lots
    elif kind in (REDUCE, DELETE, EXECUTE):
        levels[key] = max(levels.get(key, 0) - lots, 0)
    elif kind == LEVEL_SET:
        levels[key] = lots
    elif kind == ROLL_OUT:
        levels.pop(key, None)
    elif kind == CLEAR:
        levels.clear()
    elif kind == sim.SHIFTED:  # the law moved every public order
        moved = {(s, p + price): q for (s, p), q in levels.items()}
        levels.clear()
        levels.update(moved)
