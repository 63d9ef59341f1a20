"""Source of episodes: a flow model or a compiled tape, worlds to start from, and bounds on fills of a replay.

A world is the pair of arrays of one market at one moment. Episodes copy one and go on with their own random streams.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np

from tercel.core.errors import CapacityError, ConfigError
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import insert, order_at
from tercel.market.flow.port import Preset
from tercel.market.impact.law import COMPONENTS, LAWS, ImpactLaw, of_card
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.layout import OWN_ORDERS, blank_state
from tercel.market.simulator.levels import DEFAULT, POWER, QUEUE, queue_model, tell
from tercel.market.simulator.records import put_real
from tercel.market.simulator.replay import RATE_WORDS, touch_from_book
from tercel.market.simulator.terms import NO_FEES, Fees
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.compiled import WIDTH, Checkpoint, CompiledDay, compiled, refuse_crossed
from tercel.market.tape.schema import ADD

KIND, STRICT, UNDERCUT = "kind", "strict", "undercut"
BOUNDS: Final = (KIND, STRICT, UNDERCUT)
NO_TAPE = engine.NO_TAPE

Impact = ImpactLaw | Literal["none"] | None
"""A law, none, or (None) that of the preset's card."""


class Measured(Protocol):
    """A figure that is measured on first use."""

    @property
    def value(self) -> float: ...


@dataclass(frozen=True)
class Source:
    """A market from which episodes start.

    Parameters
    ----------
    name : str
        As shown in tables.
    model : int
        As `MODEL` in the layout.
    flow : float64[p]
        Parameters of the flow model (empty for a tape).
    tape : int64[n, 6]
        Compiled rows (empty for a flow model).
    worlds_b : int32[w, ...]
        Books to start from.
    worlds_k : int64[w, GRID]
        The other half of each world, without the time grid.
    tick, lot : float, int
        Price units of a tick, shares of a lot.
    regimes : tuple of str
        Names of the regimes that switch in it, by number (`market.regimes`); empty: none do.
    fees : Fees
        Fees of the venue for own fills.
    impact : ImpactLaw, optional
        Law of impact of own trades beyond the lots that they take; its words are in `flow` (`with_impact`).
    waiting : Measured, optional
        Cost of a resting order here over half the spread, on episodes that are not used for judging (`View.waiting`).
    outside : execution.outside.Terms, optional
        Dealers and session beside the book.
    """

    name: str
    model: int
    flow: Floats
    tape: Longs
    worlds_b: Packed
    worlds_k: Longs
    tick: float
    lot: int
    regimes: tuple[str, ...] = ()
    fees: Fees = NO_FEES
    impact: ImpactLaw | None = None
    waiting: Measured | None = None
    outside: Any = None

    @property
    def answers(self) -> bool:
        """Whether the market reacts to own orders, so that impact can be measured against the counterfactual market."""
        return self.model != sim.REPLAY or self.impact is not None


def with_impact(source: Source, law: ImpactLaw | None) -> Source:
    """The same market under a law of impact; None: without."""
    if law is None and source.impact is None:
        return source
    flow, states = source.flow, source.worlds_k.copy()
    if (at := int(flow[sim.IMPACT_AT])) > int(flow[sim.REGIMES_AT]):  # it lies last
        flow = flow[:at]
    flow = flow.copy()
    flow[sim.IMPACT_AT] = 0
    states[:, sim.IMPACT] = sim.NO_IMPACT
    moved = law is not None and law.law == "translation" and source.model != sim.REPLAY
    apart = sim.always_apart(source.model) or (moved and bool(source.worlds_b[0, lay.BACKGROUND]))
    states[:, sim.APART] = sim.WILL_PART if apart else sim.TOGETHER
    if law is not None:
        packed = law.packed()
        if packed[COMPONENTS] > sim.KERNEL_WORDS:
            raise ConfigError(
                f"at most {sim.KERNEL_WORDS} exponentials", f"{packed[COMPONENTS]}", "use fewer"
            )
        flow = np.concatenate((flow, packed))
        flow[sim.IMPACT_AT] = len(flow) - len(packed)
        states[:, sim.IMPACT] = LAWS[law.law]
    return replace(source, flow=flow, worlds_k=states, impact=law)


def run_free(b: Packed, k: Longs, flow: Floats, tape: Longs, until_ns: int) -> None:
    """Run a market alone up to a time."""
    k[sim.DUE_NS] = until_ns
    engine.run(b, k, flow, tape)


def first_world(
    preset: Preset, seed: int, index: int = 0, own: int = OWN_ORDERS, session_ns: int = 0
) -> tuple[Packed, Longs, Floats]:
    """Preset market at time 0 with its mean book: book, state, parameters. `session_ns`: its session's opening.

    Raises
    ------
    CapacityError
        When the order slots do not hold the mean book.
    """
    flow = preset.packed()
    b = lay.new_book(preset.orders, preset.width, own, background=True)
    k = blank_state(preset.code)
    seed_stream(k, sim.FLOW_RNG, seed, index, 0)
    for side, price, lots in preset.first_orders():
        if engine.lay_order(b, k, flow, NO_TAPE, side, price, lots) < 0:
            raise too_small(preset)
    k[sim.FLOW_NS] = 1
    k[sim.SESSION_NS] = session_ns
    preset.remember(k)
    return b, k, flow


def reactive(
    preset: Preset, worlds: int = 1, seed: int = 0, settle_s: float = 3600.0, impact: Impact = None
) -> Source:
    """Reactive market of a preset.

    Parameters
    ----------
    preset : Preset
        Calibrated rates, sizes and capacities.
    worlds : int
        Books to start from (a bank): each continues from the one before for half the settling time.
    seed : int
        Of the streams that settle them.
    settle_s : float
        Seconds that the laid book runs before the first world is stored; 0 where the preset's book does not settle.
    impact : ImpactLaw or "none", optional
        A law (`impact.fitted.law_for` has one by name); default: the law on the card, none where the card has none.

    Raises
    ------
    CapacityError
        When the preset's order slots do not hold the orders that its rates bring.
    ConfigError
        For a card whose law is none of this version.
    """
    law = of_card(preset.card) if impact is None else None if impact == "none" else impact
    b, k, flow = first_world(preset, seed)
    books, states = [], []
    settle_s = settle_s if preset.settles else 0.0
    until = int(settle_s * NS_PER_SECOND)
    for _ in range(worlds):
        run_free(b, k, flow, NO_TAPE, until)
        if b[lay.OVERFLOW]:
            raise too_small(preset)
        books.append(b.copy())
        states.append(k.copy())
        until += int(settle_s * NS_PER_SECOND / 2)
    source = Source(
        preset.name,
        preset.code,
        flow,
        NO_TAPE,
        np.stack(books),
        np.stack(states),
        preset.tick,
        preset.lot,
    )
    return with_impact(source, law)


def settled_bank(
    preset: Preset, worlds: int, seed: int = 0, settle_s: float = 3600.0, impact: Impact = None
) -> Source:
    """Preset market with a bank of settled books at one time of day, as a judged market has.

    :func:`reactive` lets one world go on from the one before, so that its bank runs through the day, whose season makes
    some hours quieter than others; here every world settles by itself, with a stream of its own.

    Parameters
    ----------
    preset, seed, settle_s, impact
        As :func:`reactive`.
    worlds : int

    Raises
    ------
    CapacityError, ConfigError
        As :func:`reactive`.
    """
    source = reactive(preset, 1, seed, settle_s, impact)
    if not preset.settles:
        settle_s = 0.0
    books, states = [], []
    for index in range(worlds):
        b, k, _ = first_world(preset, seed, 1 + index)
        run_free(b, k, source.flow, NO_TAPE, int(settle_s * NS_PER_SECOND))
        if b[lay.OVERFLOW]:
            raise too_small(preset)
        k[[sim.IMPACT, sim.APART]] = source.worlds_k[0, [sim.IMPACT, sim.APART]]
        books.append(b)
        states.append(k)
    return replace(source, worlds_b=np.stack(books), worlds_k=np.stack(states))


def too_small(preset: Preset) -> CapacityError:
    return CapacityError(
        "as many order slots as orders rest at once",
        f"more than the {preset.orders} order slots of preset {preset.name} hold",
        "raise `orders` in the preset file",
    )


# -- tape source -----------------------------------------------------------------------------------
# Replay sources: compiled days of a lake, with worlds from their checkpoints.


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


@kernel
def load_orders(b: Packed, orders: Longs) -> None:
    """Rest the orders of a checkpoint (slot, side, price, lots, arrival, anonymous; by arrival) in an empty book."""
    for n in range(orders.shape[0]):
        slot = orders[n, 0]
        b[lay.ARRIVAL] = orders[n, 4]
        insert(b, slot, orders[n, 1], orders[n, 2], orders[n, 3])
        if orders[n, 5] != 0:
            order_at(b, slot).marks |= lay.ANONYMOUS


def world_of(
    checkpoint: Checkpoint, slots: int, levels: int, queue: tuple[int, float] | None = None
) -> tuple[Packed, Longs]:
    """Market of a checkpoint as two arrays; `queue` is the queue model for level-total tapes."""
    b = lay.new_book(slots + sim.RIVAL_SLOTS, WIDTH, OWN_ORDERS)
    k = blank_state(sim.REPLAY)
    load_orders(b, checkpoint.orders)
    k[sim.NOW] = checkpoint.ns
    k[sim.FEED_LEVELS] = levels
    k[sim.HALTED] = int(checkpoint.halted)
    if checkpoint.row:
        k[[sim.LAST_BID, sim.LAST_ASK, sim.MID2]] = (
            checkpoint.last_bid,
            checkpoint.last_ask,
            checkpoint.mid2,
        )
    if queue is not None:
        k[QUEUE] = queue[0]
        put_real(k, POWER, queue[1])
        for slot, lots in checkpoint.orders[:, [0, 3]].tolist():
            tell(b, slot, lots)
    touch_from_book(b, k)
    return b, k


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
    days = [compiled(lake, symbol, date, venue) for date in dates]
    for day in days:
        refuse_crossed(day.crossed)
    units = {(d.instrument.venue, d.instrument.tick, d.instrument.lot) for d in days}
    if len(units) > 1:
        raise ConfigError(
            "days of one venue, tick and lot",
            f"{sorted(units)} (venue, tick, lot) among {len(days)} days",
            "import the days with the same `tick=`",
        )
    source, placed = source_of(days, queue)
    return bounded(with_impact(source, impact), bound, symbol, days[0].instrument.date), placed


def source_of(days: Sequence[CompiledDay], queue: str = DEFAULT) -> tuple[Source, list[TapeDay]]:
    """Compiled days end to end, one world per checkpoint."""
    model = queue_model(queue)
    slots = max(day.slots for day in days)
    worlds: list[tuple[Packed, Longs]] = []
    placed: list[TapeDay] = []
    offset = 0
    for day in days:
        first = len(worlds)
        worlds += [
            world_of(c, slots, day.instrument.levels, model if day.by_level else None)
            for c in day.checkpoints
        ]
        placed.append(
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
    one = days[0].instrument
    source = Source(
        one.symbol,
        sim.REPLAY,
        np.zeros(sim.FLOW_HEAD),
        np.concatenate([day.rows for day in days]),
        np.stack([b for b, _ in worlds]),
        np.stack([k for _, k in worlds]),
        one.tick,
        one.lot,
    )
    return source, placed


# -- measured rates of undercutting: which table is a tape's --

# -- bounds ----------------------------------------------------------------------------------------
# Bounds on fills in replay: whether trades that the tape gave to its own orders also fill ours, and undercutting.
#
# A bound is kinder than the next: `kind` lets such trades fill own orders too, `strict` leaves the tape what trades at an
# own order's price, `undercut` is strict and draws public orders that come because an own order improves the touch.
#
# Measured rates of undercutting: which table is a tape's, and how kernels read it (`undercut.json`, with its card).
#
# A table is that of the name and its year where both were measured; else the mean of the names of that year, as reactions
# became faster by orders of magnitude; else the mean of all names. `python -m studies undercut` counts them.

ROOM_BPS: Final = (0.0, 2.0, 4.0, 8.0, 16.0)
AGE_S: Final = (0.0, 0.1, 1.0, 3.0, 10.0, 30.0)
SIZE_OVER_USUAL: Final = (0.0, 0.5, 2.0)
"""Where the classes begin: room left inside the spread, age of the own order there, its size."""
FILE: Final = Path(__file__).with_name("undercut.json")
# parts of a table, in the order in which kernels read them
PARTS: Final = ("rates", "by_size", "steps", "lots", "lives_s")


@cache
def tables() -> dict[str, dict[str, Any]]:
    """Every table, by name and year, by year, and "" for all."""
    return json.loads(FILE.read_text(encoding="utf-8"))["tables"]


def table_of(symbol: str, date: str) -> str:
    """Which table is that of a symbol's day.

    >>> table_of("IBM", "2003-02-03"), table_of("SIM", "2003-02-03"), table_of("SIM", "2030-01-02")
    ('IBM 2003', '2003', '')
    """
    return next((key for key in (f"{symbol} {date[:4]}", date[:4]) if key in tables()), "")


def packed(table: str, usual_lots: float) -> Floats:
    """A table as kernels read it: float64 (RATE_WORDS,)."""
    one = tables()[table]
    parts = [np.ravel(one[part]) for part in PARTS]
    words = np.concatenate([[max(usual_lots, 1.0)], *parts])
    assert len(words) == RATE_WORDS
    return words


def by_level(source: Source) -> bool:
    """Whether a tape shows level totals alone: queues are guessed there, and no bound is known."""
    return bool(source.worlds_k[:, QUEUE].any())


def theirs(source: Source) -> Source:
    """The same recorded days under the other bound on double fills (`docs/design.md`, rule 6).

    What a tape's trade fills twice at an own order's price stays the tape's: own orders fill by trades beyond their
    price, and by orders that arrive through them.

    Raises
    ------
    ConfigError
        A tape of level totals, or no tape.
    """
    if source.model != sim.REPLAY or by_level(source):
        raise ConfigError(
            "a tape of single orders", f"{source.name} without any", "leave the bound out"
        )
    states = source.worlds_k.copy()
    states[:, sim.THEIRS] = 1
    return replace(source, worlds_k=states)


def undercutting(source: Source, table: str) -> Source:
    """The same recorded days under the strictest bound: as :func:`theirs`, and an own order alone inside the spread is
    undercut (`market.simulator.replay`) at the rates of a `table` (`table_of`).

    Raises
    ------
    ConfigError
        As :func:`theirs`.
    """
    lots = source.tape[source.tape[:, sim.T_KIND] == ADD, sim.T_LOTS]
    plain, law = with_impact(theirs(source), None), source.impact
    words = packed(table, float(np.median(lots)) if len(lots) else 1.0)
    states = plain.worlds_k.copy()
    states[:, sim.UNDERCUT] = len(plain.flow)
    return with_impact(
        replace(plain, flow=np.concatenate((plain.flow, words)), worlds_k=states), law
    )


def bounded(source: Source, bound: str, symbol: str, date: str) -> Source:
    """Recorded days under a bound of :data:`BOUNDS`; tapes of level totals stay as they are."""
    if bound == KIND or by_level(source):
        return source
    return theirs(source) if bound == STRICT else undercutting(source, table_of(symbol, date))
