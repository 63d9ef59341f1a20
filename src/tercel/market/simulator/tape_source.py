"""Sources of episodes from recorded days: compiled tapes end to end, with one starting world for each checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.venue_rules import VenueRules
from tercel.market.book import layout as lay
from tercel.market.book.book_records import order_at
from tercel.market.book.ladder import insert
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.bounds import KIND, with_bound
from tercel.market.simulator.layout import OWN_ORDERS, blank_state
from tercel.market.simulator.levels import POWER, QUEUE, set_stated_total
from tercel.market.simulator.queue_models import DEFAULT, queue_model
from tercel.market.simulator.records import put_real
from tercel.market.simulator.replay import init_touch
from tercel.market.simulator.source import Source, with_impact
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.compiled import WIDTH, Checkpoint, CompiledDay
from tercel.market.tape.compiled_store import load_compiled
from tercel.market.tape.crossed import refuse_crossed
from tercel.market.tape.day_breaks import with_breaks
from tercel.market.tape.recorded_rules import recorded_hours


@dataclass(frozen=True, eq=False)
class TapeDay:
    """Location of a day in a tape source: its rows and worlds.

    Parameters
    ----------
    instrument : Instrument
        Symbol, date, tick, session times.
    first_row, last_row : int
        Rows `[first_row, last_row)` of the source's tape.
    world_ns, world_row, world : int64 (w,)
        Time, next row and index of each of its worlds, by time.
    last_ns : int
        Time of the day's last row.
    """

    instrument: Instrument
    first_row: int
    last_row: int
    world_ns: Longs
    world_row: Longs
    world: Longs
    last_ns: int

    @property
    def open_ns(self) -> int:
        """Start of the session, of the tape where the feed does not say."""
        return self.instrument.session_open_ns or int(self.world_ns[0])

    @property
    def close_ns(self) -> int:
        """End of the session, of the tape where the feed does not say."""
        return self.instrument.session_close_ns or self.last_ns

    @cached_property
    def hours(self) -> VenueRules:
        """Its windows of trading, where it has breaks (`recorded_hours`)."""
        return recorded_hours(self.instrument)


@kernel
def load_orders(book: Packed, orders: Longs) -> None:
    """Rest the orders of a checkpoint (slot, side, price, lots, arrival, anonymous; by arrival) in an empty book."""
    for n in range(orders.shape[0]):
        slot = orders[n, 0]
        book[lay.ARRIVAL] = orders[n, 4]
        insert(book, slot, orders[n, 1], orders[n, 2], orders[n, 3])
        if orders[n, 5] != 0:
            order_at(book, slot).marks |= lay.ANONYMOUS


def world_of(
    checkpoint: Checkpoint, slots: int, levels: int, queue: tuple[int, float] | None = None
) -> tuple[Packed, Longs]:
    """Market of a checkpoint as two arrays; `queue` is the queue model for level-total tapes."""
    book = lay.new_book(slots + sim.RIVAL_SLOTS, WIDTH, OWN_ORDERS)
    state = blank_state(sim.REPLAY)
    load_orders(book, checkpoint.orders)
    state[sim.NOW] = checkpoint.ns
    state[sim.FEED_LEVELS] = levels
    state[sim.HALTED] = int(checkpoint.halted)
    if checkpoint.row:
        state[[sim.LAST_BID, sim.LAST_ASK, sim.MID2]] = (
            checkpoint.last_bid,
            checkpoint.last_ask,
            checkpoint.mid2,
        )
    if queue is not None:
        state[QUEUE] = queue[0]
        put_real(state, POWER, queue[1])
        for slot, lots in checkpoint.orders[:, [0, 3]].tolist():
            set_stated_total(book, slot, lots)
    init_touch(book, state)
    return book, state


def replay(
    lake: Lake,
    symbol: str,
    dates: Sequence[str],
    venue: str | None = None,
    queue: str = DEFAULT,
    impact: ImpactLaw | None = None,
    bound: str = KIND,
) -> tuple[Source, list[TapeDay]]:
    """The recorded days of a symbol as one source; `queue` names the queue model of tapes of level totals.

    Parameters
    ----------
    impact : ImpactLaw, optional
        Law of impact of own trades on the prices of the tape (`market.impact.fitted.tape_law`); default: none.
    bound : str
        One of `bounds.BOUNDS`.

    Raises
    ------
    ConfigError
        For no days, or days that differ in tick, lot or venue.
    TapeError
        For a crossed tape, with the first row after which it is.
    """
    if not dates:
        raise ConfigError(
            "at least one day to replay", "none", "import days with `tercel data import`"
        )
    days = [load_compiled(lake, symbol, date, venue) for date in dates]
    for day in days:
        refuse_crossed(day.crossed)
    units = {(d.instrument.venue, d.instrument.tick, d.instrument.lot) for d in days}
    if len(units) > 1:
        raise ConfigError(
            "days of one venue, tick and lot",
            f"{sorted(units)} (venue, tick, lot) among {len(days)} days",
            "import the days with the same `tick=`",
        )
    source, tape_days = source_of(days, queue)
    return with_bound(
        with_impact(source, impact), bound, symbol, days[0].instrument.date
    ), tape_days


def source_of(days: Sequence[CompiledDay], queue: str = DEFAULT) -> tuple[Source, list[TapeDay]]:
    """Source of episodes from compiled days end to end, one world for each checkpoint."""
    model = queue_model(queue)
    days = [with_breaks(day) for day in days]
    slots = max(day.slots for day in days)
    worlds: list[tuple[Packed, Longs]] = []
    tape_days: list[TapeDay] = []
    offset = 0
    for day in days:
        first = len(worlds)
        worlds += [
            world_of(c, slots, day.instrument.levels, model if day.by_level else None)
            for c in day.checkpoints
        ]
        tape_days.append(
            TapeDay(
                day.instrument,
                offset,
                offset + len(day.rows),
                np.array([c.ns for c in day.checkpoints], np.int64),
                np.array([c.row for c in day.checkpoints], np.int64) + offset,
                np.arange(first, len(worlds)),
                int(day.rows[-1, 0]) if len(day.rows) else 0,
            )
        )
        offset += len(day.rows)
    instrument = days[0].instrument
    source = Source(
        instrument.symbol,
        sim.REPLAY,
        np.zeros(sim.FLOW_HEAD),
        np.concatenate([day.rows for day in days]),
        np.stack([b for b, _ in worlds]),
        np.stack([k for _, k in worlds]),
        instrument.tick,
        instrument.lot,
    )
    return source, tape_days
