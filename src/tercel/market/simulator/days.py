"""Simulated days of a market without own orders, as tape: for scoring models and making synthetic lakes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.jit import Floats, Longs, Packed
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow.port import Preset
from tercel.market.flow.registry import load
from tercel.market.observed import Observed, observe
from tercel.market.regimes.switching import begin_regimes, with_law
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.source import NO_TAPE, first_world, too_small
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.local_times import midnight_ns
from tercel.market.tape.schema import ADD, MESSAGE_END, OPENING

CHUNK = 1 << 17
OPENS_S: Final = 34_200
WARM_S: Final = 600
DAYS: Final = ("2003-01-13", "2003-01-14", "2003-01-15")
"""Of a lake of simulated days."""
_NO_ROWS = np.zeros((0, sim.RECORD_WORDS), np.int64)


def simulated_day(
    preset: Preset,
    seed: int,
    seconds: float,
    warmup_s: float = 600.0,
    from_s: float | None = None,
    law: Floats | None = None,
) -> Events:
    """A day of the preset's flow from its mean book, times in ns from 0, warm-up included.

    Order ids count the orders from 1. `from_s` is the time of day, in seconds since the session opened, at which the
    warm-up ends; without it the session opens at time 0. `law` is one of regimes (`market.regimes.law.pack_law`); what
    counts from the arrival counts from the end of the warm-up, and no row says which regime is in force.

    Raises
    ------
    CapacityError
        The preset's book is too small for its flow.

    >>> from tercel.market.flow import load
    >>> simulated_day(load("csco-santa-fe"), seed=1, seconds=60.0, warmup_s=0.0).n > 50
    True
    """
    opening = 0 if from_s is None else round((warmup_s - from_s) * NS_PER_SECOND)
    book, state, flow = first_world(preset, seed, session_ns=opening)
    if law is not None:
        flow = with_law(flow, law)
        begin_regimes(state, flow, seed, 0, round(warmup_s * NS_PER_SECOND))
    opening_rows = resting_rows(book)
    rows = run_recorded(book, state, flow, int((warmup_s + seconds) * NS_PER_SECOND))
    if book[lay.OVERFLOW]:
        raise too_small(preset)
    return as_events(np.concatenate((opening_rows, rows[rows[:, sim.R_KIND] != sim.REGIME_IS])))


def observed_day(
    preset: Preset,
    seed: int,
    seconds: float,
    warmup_s: float,
    from_s: float | None = None,
    window: int = 0,
) -> Observed:
    """Observed events of a simulated day without its warm-up, through a window of levels (0: all), as from a tape."""
    if (tape_day := preset.make_tape_day("2000-01-03", seed)) is not None:
        start = from_s or 0.0
        return observe(
            tape_day[0], tape_day[1], 0.0, from_s=start, to_s=start + seconds, window=window
        )
    stop = round((warmup_s + seconds) * NS_PER_SECOND)
    instrument = Instrument(
        preset.venue,
        preset.symbol,
        "2000-01-03",
        preset.tick,
        preset.lot,
        window,
        session_close_ns=stop,
    )
    return observe(instrument, simulated_day(preset, seed, seconds, warmup_s, from_s), warmup_s)


def run_recorded(book: Packed, state: Longs, flow: Floats, until_ns: int) -> Longs:
    """Run a market alone up to a time: its public rows, int64 (n, RECORD_WORDS).

    `book` is moved on; of `state`, which must be without grid and record, so is what a world keeps.
    """
    margin = 2 * int(book[lay.ORDERS]) + 64  # what one event can write
    wide = sim.extend(state, 0, CHUNK + margin)
    record = wide[wide[sim.RECORD_AT] : wide[sim.LOG_AT]].reshape(-1, sim.RECORD_WORDS)
    chunks = [_NO_ROWS]
    full = 1
    while full:
        wide[sim.RECORD] = 0
        full = engine.run_until_full(book, wide, flow, NO_TAPE, until_ns, margin)
        chunks.append(record[: wide[sim.RECORD]].copy())
    wide[[sim.RECORD, sim.RECORD_AT, sim.RECORD_ROWS, sim.LOG_AT]] = 0
    state[:] = wide[: sim.GRID]
    return np.concatenate(chunks)


def resting_rows(book: Packed) -> Longs:
    """Resting public orders of a book as rows at time 0, by arrival."""
    orders = book[lay.HEADER : lay.HEADER + int(book[lay.ORDERS]) * lay.ORDER].reshape(
        -1, lay.ORDER
    )
    slots = np.flatnonzero(orders[:, lay.QTY])
    slots = slots[np.argsort(orders[slots, lay.ARR], kind="stable")]
    rows = np.zeros((len(slots), sim.RECORD_WORDS), np.int64)
    rows[:, sim.R_KIND] = ADD
    rows[:, sim.R_WHO] = slots
    for word, column in ((sim.R_SIDE, lay.SIDE), (sim.R_PRICE, lay.PRICE), (sim.R_LOTS, lay.QTY)):
        rows[:, word] = orders[slots, column]
    return rows


def as_events(rows: Longs) -> Events:
    """Rows of a market's record, from a moment when the book was empty, as a tape (`Events`)."""
    columns = (rows[:, column] for column in (sim.R_SIDE, sim.R_PRICE, sim.R_LOTS))
    return Events.of_messages(rows[:, sim.R_NS], rows[:, sim.R_KIND], order_ids(rows), *columns)


def order_ids(rows: Longs) -> Longs:
    """Unique order ids from reused slots: an id names the last order added to its slot.

    >>> rows = np.zeros((4, sim.RECORD_WORDS), np.int64)
    >>> rows[:, sim.R_KIND] = ADD, 3, ADD, 3
    >>> order_ids(rows).tolist()
    [1, 1, 2, 2]
    """
    added = rows[:, sim.R_KIND] == ADD
    by_slot = np.argsort(rows[:, sim.R_WHO], kind="stable")
    number = np.where(added, np.cumsum(added), 0)[by_slot]
    # ids grow along the rows of one slot, so the largest so far, offset by slot, is the last added
    slot = rows[by_slot, sim.R_WHO] + 1
    ids = np.zeros(len(rows), np.int64)
    ids[by_slot] = np.maximum.accumulate(number + slot * (len(rows) + 1)) - slot * (len(rows) + 1)
    return ids


def simulated_session(
    preset: Preset,
    seed: int,
    seconds: float,
    open_ns: int,
    warmup_s: float = 600.0,
    law: Floats | None = None,
) -> Events:
    """A session of the preset's flow as a recorded day: the initial book as OPENING rows, then its public rows.

    `law` is one of regimes (`market.regimes.law.pack_law`), counted from the opening; no row says which is in force.

    Raises
    ------
    CapacityError
        The preset's book is too small for its flow.
    """
    warm = round(warmup_s * NS_PER_SECOND)
    book, state, flow = first_world(preset, seed, session_ns=warm)
    if law is not None:
        flow = with_law(flow, law)
        begin_regimes(state, flow, seed, 0, warm)
    run_recorded(book, state, flow, warm)
    opening_rows = resting_rows(book)
    opening_rows[:, sim.R_NS] = warm
    rows = run_recorded(book, state, flow, warm + round(seconds * NS_PER_SECOND))
    events = as_events(np.concatenate((opening_rows, rows[rows[:, sim.R_KIND] != sim.REGIME_IS])))
    if book[lay.OVERFLOW]:
        raise too_small(preset)
    opening = len(opening_rows)
    events.exch_ns[:] += open_ns - warm
    events.recv_ns[:] = events.exch_ns
    events.seq[:] = np.maximum(np.arange(events.n) - opening + 1, 0)  # the snapshot is message 0
    events.flags[:opening] = OPENING
    events.flags[opening - 1] |= MESSAGE_END
    return events


def simulated_lake(
    folder: Path,
    hours: float,
    days: Sequence[str] = DAYS,
    seed: int = 5,
    market: str = "csco-santa-fe",
) -> Lake:
    """Write simulated days of symbol SIM at venue TEST to a lake: the flow of a preset from 9:30 New York time.

    Parameters
    ----------
    folder : Path
    hours : float
        Length of a session.
    days : sequence of str
        YYYY-MM-DD; the k-th has seed `seed` + k.
    seed : int
    market : str
        The preset.
    """
    preset = load(market)
    lake = Lake(folder)
    for number, date in enumerate(days):
        events = simulated_day(preset, seed + number, hours * 3600.0, WARM_S)
        opening = midnight_ns(date, "America/New_York") + OPENS_S * NS_PER_SECOND
        ns = events.exch_ns + opening - WARM_S * NS_PER_SECOND
        instrument = Instrument(
            "TEST",
            "SIM",
            date,
            preset.tick,
            lot=preset.lot,
            session_open_ns=opening,
            session_close_ns=opening + round(hours * 3600 * NS_PER_SECOND),
        )
        lake.write(instrument, dataclasses.replace(events, exch_ns=ns, recv_ns=ns))
    return lake
