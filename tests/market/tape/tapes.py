"""Rude random tapes as events, and the replay of compiled rows by hand."""

import numpy as np
from tests.market.book.conformance import random_columns

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.replay import replay_row
from tercel.market.simulator.tape_source import world_of
from tercel.market.tape import Events, Instrument, schema
from tercel.market.tape.local_times import midnight_ns

DAY = Instrument(venue="NASDAQ", symbol="TOY", date="2012-06-21", tick=0.01)
MIDNIGHT = midnight_ns(DAY.date, DAY.timezone)
OPEN = MIDNIGHT + 34_200 * NS_PER_SECOND


def rude_events(
    seed: int, n: int, *, step_ns: int = 1, ids: int = 30, anonymous: float = 0.1
) -> Events:
    """Every kind of row but LEVEL_SET, duplicate, unknown and no ids, clears and halts."""
    rng = np.random.default_rng(seed)
    rows = random_columns(seed, n, span=6, ids=ids)
    events = Events.empty(n)
    events.kind[:] = np.where(rows.kind == schema.LEVEL_SET, schema.ROLL_IN, rows.kind)
    events.kind[rng.random(n) < 0.005] = schema.CLEAR
    events.order_id[:] = np.where(rng.random(n) < anonymous, 0, rows.order_id)
    events.side[:], events.price_ticks[:], events.qty_lots[:] = (
        rows.side,
        rows.price_ticks,
        rows.qty_lots,
    )
    status = events.kind == schema.STATUS
    events.price_ticks[status] = rng.integers(-1, 2, status.sum())
    events.exch_ns[:] = events.recv_ns[:] = OPEN + np.cumsum(rng.integers(0, 2 * step_ns, n))
    events.seq[:] = np.arange(1, n + 1)
    events.flags[:] = schema.MESSAGE_END
    return events


def queues(b: np.ndarray) -> dict[tuple[int, int], list[tuple[int, bool]]]:
    """Level -> (lots, anonymous) in queue order; levels in the ring are read off its links."""
    total = int(b[lay.ORDERS])
    records = b[lay.HEADER : lay.HEADER + total * lay.ORDER].reshape(-1, lay.ORDER)
    live = records[records[:, lay.QTY] > 0]
    live = live[np.argsort(live[:, lay.ARR], kind="stable")]
    levels: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    for o in live.tolist():
        queue = levels.setdefault((o[lay.SIDE], o[lay.PRICE]), [])
        queue.append((o[lay.QTY], bool(o[lay.FLAGS] & lay.ANONYMOUS)))
    return levels


def empty_market(slots: int) -> tuple[np.ndarray, np.ndarray]:
    """A replay market before its first row."""
    return lay.new_book(slots, 1024, 32), blank_state(sim.REPLAY)


def market_at(day, checkpoint) -> tuple[np.ndarray, np.ndarray]:
    """The market that a checkpoint describes."""
    return world_of(checkpoint, day.slots, day.instrument.levels)


def play(b: np.ndarray, k: np.ndarray, rows: np.ndarray) -> None:
    """Compiled rows into a market that has no own orders."""
    for ns, *row in rows.tolist():
        k[sim.NOW] = ns
        replay_row(b, k, *row)
