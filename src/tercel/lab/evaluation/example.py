"""One recorded example episode of a strategy: the public book through time with the strategy's own fills."""

from collections import Counter

import numpy as np

from tercel.core.arrays import Floats, Int32, Ints
from tercel.core.report.book_figure import OwnFills, book_around_trades
from tercel.core.report.svg import Figure
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.runs import markets_of
from tercel.lab.evaluation.scenario import Scenario
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
TIME_POINTS = 240
MAX_PRICES = 60


def draw_book_example(
    scenario: Scenario,
    market: BuiltMarket,
    strategy: Strategy,
    episode: int = 0,
    name: str = "book",
) -> Figure:
    """Run one judged episode of a strategy with recording on, and draw the public book through time, with own fills on
    it; `name` is the figure's, unique in a page.
    """
    plan = market.plan.take(slice(episode, episode + 1))
    episodes = markets_of(strategy, market.judged, scenario.task, plan, 4096, RECORD_ROWS)
    levels = levels_of(episodes.books[0])
    start = int(episodes.states[0, sim.START_NS])
    first_row = int(episodes.states[0, sim.RECORD])
    episodes.run(strategy)
    fills = episodes.fills(0)
    times = np.linspace(0, scenario.task.horizon_s, TIME_POINTS)
    rows = episodes.record(0)[first_row:]
    centre = np.array([int(episodes.states[0, sim.ARRIVAL_MID2]) // 2])
    _, bid, ask = _replay_levels(dict(levels), rows, start, times, centre)
    touched_prices = np.concatenate(
        [centre, fills[:, 1], bid[np.isfinite(bid)], ask[np.isfinite(ask)]]
    )
    lowest = int(touched_prices.min()) - MAX_PRICES // 3
    highest = int(touched_prices.max()) + MAX_PRICES // 3
    step = max((highest - lowest) // (4 * MAX_PRICES), 1)
    prices = np.arange(lowest, highest + 1)
    lots, bid, ask = _replay_levels(levels, rows, start, times, prices)
    side = int(episodes.states[0, sim.SIDE])
    return book_around_trades(
        times,
        prices[::step],
        lots[:, ::step],
        OwnFills((fills[:, 0] - start) / NS_PER_SECOND, fills[:, 1], fills[:, 2], fills[:, 5] != 0),
        side,
        bid,
        ask,
        market.judged.tick,
        f"{strategy.name}, {'buying' if side > 0 else 'selling'}",
        name,
    )


def levels_of(b: Int32) -> dict[tuple[int, int], int]:
    """Public lots by (side, price) of a book's packed array."""
    total = int(b[lay.ORDERS]) + 2 * int(b[lay.OWN])
    records = b[lay.HEADER : lay.HEADER + total * lay.ORDER].reshape(-1, lay.ORDER)
    own_slots = range(int(b[lay.ORDERS]), int(b[lay.ORDERS]) + int(b[lay.OWN]))
    levels = Counter[tuple[int, int]]()
    for slot in np.flatnonzero(records[:, lay.QTY] > 0).tolist():
        if slot not in own_slots:
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
    """Replay recorded rows into `levels`, in place: lots (T, P), bids positive and asks negative; best bid, best ask (T,).

    A best price is NaN where the side is empty.
    """
    lots = np.zeros((len(times), len(prices)))
    bid = np.full(len(times), np.nan)
    ask = np.full(len(times), np.nan)
    row_number = 0
    for t, time_s in enumerate(times.tolist()):
        until_ns = start + int(time_s * NS_PER_SECOND)
        while row_number < len(rows) and rows[row_number, sim.R_NS] <= until_ns:
            apply_row(levels, rows[row_number].tolist())
            row_number += 1
        bids = [p for (s, p), q in levels.items() if s > 0 and q > 0]
        asks = [p for (s, p), q in levels.items() if s < 0 and q > 0]
        bid[t], ask[t] = max(bids, default=NO_BID), min(asks, default=NO_ASK)
        for (side, price), q in levels.items():
            if prices[0] <= price <= prices[-1]:
                lots[t, price - prices[0]] = side * q
    bid[bid == NO_BID] = np.nan
    ask[ask == NO_ASK] = np.nan
    return lots, bid, ask


def apply_row(levels: dict[tuple[int, int], int], row: list[int]) -> None:
    """Apply one recorded event row to the public lots by (side, price), in place."""
    kind = row[sim.R_KIND]
    side = row[sim.R_SIDE]
    price = row[sim.R_PRICE]
    lots = row[sim.R_LOTS]
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
        shifted = {(s, p + price): q for (s, p), q in levels.items()}
        levels.clear()
        levels.update(shifted)
