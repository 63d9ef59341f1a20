"""Undisturbed days of a market as tape, for scoring models and making synthetic lakes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs, Packed
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow.port import Preset
from tercel.market.flow.preset import load
from tercel.market.observed import Observed, observe
from tercel.market.regimes.choice import chosen, path
from tercel.market.regimes.kernel import begin_regimes, with_law
from tercel.market.regimes.law import names_of as law_names, packed
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.layout import FLOW_HEAD
from tercel.market.simulator.source import NO_TAPE, first_world, too_small
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.events import Extra, midnight_ns
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
    warm-up ends; without it the session opens at time 0. `law` is one of regimes (`market.regimes.law.packed`); what
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
    b, k, flow = first_world(preset, seed, session_ns=opening)
    if law is not None:
        flow = with_law(flow, law)
        begin_regimes(k, flow, seed, 0, round(warmup_s * NS_PER_SECOND))
    stood = standing(b)
    rows = run_recorded(b, k, flow, int((warmup_s + seconds) * NS_PER_SECOND))
    if b[lay.OVERFLOW]:
        raise too_small(preset)
    return as_events(np.concatenate((stood, rows[rows[:, sim.R_KIND] != sim.REGIME_IS])))


def observed_day(
    preset: Preset,
    seed: int,
    seconds: float,
    warmup_s: float,
    from_s: float | None = None,
    window: int = 0,
) -> Observed:
    """A simulated day observed as a tape is, without warm-up, through a window of levels (0: all)."""
    if (found := preset.recorded("2000-01-03", seed)) is not None:
        start = from_s or 0.0
        return observe(found[0], found[1], 0.0, from_s=start, to_s=start + seconds, window=window)
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


def run_recorded(b: Packed, k: Longs, flow: Floats, until_ns: int) -> Longs:
    """Run a market alone up to a time: its public rows, int64 (n, RECORD_WORDS).

    `b` is moved on; of `k`, which must be without grid and record, so is what a world keeps.
    """
    margin = 2 * int(b[lay.ORDERS]) + 64  # what one event can write
    wide = sim.extend(k, 0, CHUNK + margin)
    record = wide[wide[sim.RECORD_AT] : wide[sim.LOG_AT]].reshape(-1, sim.RECORD_WORDS)
    chunks = [_NO_ROWS]
    full = 1
    while full:
        wide[sim.RECORD] = 0
        full = engine.run_recorded(b, wide, flow, NO_TAPE, until_ns, margin)
        chunks.append(record[: wide[sim.RECORD]].copy())
    wide[[sim.RECORD, sim.RECORD_AT, sim.RECORD_ROWS, sim.LOG_AT]] = 0
    k[:] = wide[: sim.GRID]
    return np.concatenate(chunks)


def standing(b: Packed) -> Longs:
    """Resting public orders of a book as rows at time 0, by arrival."""
    orders = b[lay.HEADER : lay.HEADER + int(b[lay.ORDERS]) * lay.ORDER].reshape(-1, lay.ORDER)
    slots = np.flatnonzero(orders[:, lay.QTY])
    slots = slots[np.argsort(orders[slots, lay.ARR], kind="stable")]
    rows = np.zeros((len(slots), sim.RECORD_WORDS), np.int64)
    rows[:, sim.R_KIND] = ADD
    rows[:, sim.R_WHO] = slots
    for word, column in ((sim.R_SIDE, lay.SIDE), (sim.R_PRICE, lay.PRICE), (sim.R_LOTS, lay.QTY)):
        rows[:, word] = orders[slots, column]
    return rows


def as_events(rows: Longs) -> Events:
    """Public rows of a record, from a moment when the book was empty, as canonical events."""
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


def session(
    preset: Preset,
    seed: int,
    seconds: float,
    open_ns: int,
    warmup_s: float = 600.0,
    law: Floats | None = None,
) -> Events:
    """A session of the preset's flow as a recorded day: the initial book as OPENING rows, then its public rows.

    `law` is one of regimes (`market.regimes.law.packed`), counted from the opening; no row says which is in force.

    Raises
    ------
    CapacityError
        The preset's book is too small for its flow.
    """
    warm = round(warmup_s * NS_PER_SECOND)
    b, k, flow = first_world(preset, seed, session_ns=warm)
    if law is not None:
        flow = with_law(flow, law)
        begin_regimes(k, flow, seed, 0, warm)
    run_recorded(b, k, flow, warm)
    stood = standing(b)
    stood[:, sim.R_NS] = warm
    rows = run_recorded(b, k, flow, warm + round(seconds * NS_PER_SECOND))
    events = as_events(np.concatenate((stood, rows[rows[:, sim.R_KIND] != sim.REGIME_IS])))
    if b[lay.OVERFLOW]:
        raise too_small(preset)
    opening = len(stood)
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
    """A lake with simulated days of symbol SIM at venue TEST: the flow of a preset from 9:30 New York time.

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
    preset, lake = load(market), Lake(folder)
    for number, date in enumerate(days):
        events = simulated_day(preset, seed + number, hours * 3600.0, WARM_S)
        opening = midnight_ns(date, "America/New_York") + OPENS_S * NS_PER_SECOND
        at = events.exch_ns + opening - WARM_S * NS_PER_SECOND
        instrument = Instrument(
            "TEST",
            "SIM",
            date,
            preset.tick,
            lot=preset.lot,
            session_open_ns=opening,
            session_close_ns=opening + round(hours * 3600 * NS_PER_SECOND),
        )
        lake.write(instrument, dataclasses.replace(events, exch_ns=at, recv_ns=at))
    return lake


# -- days with their regimes as ground truth --

VENUE = "SIM"
TIMEZONE = "America/New_York"
OPEN_S = 34_200
"""09:30."""
WARMUP_S = 600.0
LONGEST_S = 86_400.0 - OPEN_S


def law_of(regimes: str, preset: Preset, seconds: float) -> tuple[Floats | None, tuple[str, ...]]:
    """Regime law and regime names of a day; a passing regime begins after a third of the session."""
    if not regimes:
        return None, ()
    law, season = chosen(regimes, preset, seconds / 3)
    if season is not None and season.arrival_s is None:
        season = dataclasses.replace(season, arrival_s=0.0)
    return packed(law, season), ("none", *law_names(law))


def truth(law: Floats, names: Sequence[str], seed: int, seconds: float) -> list[dict[str, Any]]:
    """Ground truth: regimes with their starts, seconds since the opening."""
    warm = round(WARMUP_S * NS_PER_SECOND)
    flow = with_law(np.zeros(FLOW_HEAD), law)
    rows = path(flow, seed, 0, 0, warm, warm + round(seconds * NS_PER_SECOND))
    switches: list[dict[str, Any]] = []
    for ns, number, _ in rows.tolist():
        from_s = max((ns - warm) / NS_PER_SECOND, 0.0)
        if switches and (from_s == 0.0 or switches[-1]["regime"] == names[number]):
            switches[-1] |= {"regime": names[number]}
        else:
            switches.append({"from_s": from_s, "regime": names[number]})
    return switches


def synthetic(
    preset: Preset, seed: int, date: str, seconds: float, symbol: str, law: Floats | None = None
) -> tuple[Instrument, Events]:
    """One day: resting orders as OPENING rows at 09:30, then the events of `seconds`; whole where it comes from tape.

    Raises
    ------
    ConfigError
        Regimes in a market that comes from tape.
    """
    if (found := preset.recorded(date, seed)) is not None:
        if law is not None:
            raise ConfigError(
                "days of tape as they were", "regimes", f"leave them out with {preset.name}"
            )
        return dataclasses.replace(found[0], venue=VENUE), found[1]
    opening = midnight_ns(date, TIMEZONE) + OPEN_S * NS_PER_SECOND
    events = session(preset, seed, seconds, opening, WARMUP_S, law)
    extra: Extra = {
        "synthetic": True,
        "preset": preset.name,
        "model": preset.model,
        "seed": seed,
    }
    instrument = Instrument(
        VENUE,
        symbol,
        date,
        preset.tick,
        lot=preset.lot,
        timezone=TIMEZONE,
        source=(f"preset {preset.name}",),
        session_open_ns=opening,
        session_close_ns=opening + round(seconds * NS_PER_SECOND),
        extra=extra,
    )
    return instrument, events
