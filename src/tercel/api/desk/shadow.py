"""A desk in shadow or in replay: its market data, and two bounds of what its orders would have cost.

The recorded stream is replayed twice with the same parents. The bounds differ in two unknowns of an order that was
never sent: its queue position after cancellations of others, and its impact on the price (the square-root law, with
the range of prefactors that markets show: `market.impact.law`).
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.api.demo import SimulatedMarkets, pace_of, warm_up
from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError, TercelError
from tercel.core.files import write_atomic
from tercel.core.orders import M_ID, M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE, Listing, MarketRows
from tercel.core.pace import Pace
from tercel.core.ports import Clock, Entry, Venue
from tercel.core.progress import say
from tercel.desk.engine.agent_slot import strategy_of
from tercel.desk.engine.config import REPLAY, SHADOW, DeskConfig
from tercel.desk.engine.runtime import DependencyFactory, DeskDependencies, known_of, limits_of
from tercel.desk.gate.process import FOLDER, venue_at
from tercel.desk.limits import LimitGate
from tercel.desk.trading.counterfactual_replay import ParentScript
from tercel.desk.trading.journal.chain import MemoryJournal
from tercel.desk.trading.session import Session, SessionTerms
from tercel.desk.trading.tca.shortfall import Shortfall, by_filled
from tercel.market.impact.fitted import law_of
from tercel.market.impact.law import ImpactLaw
from tercel.market.observed.observe import observe
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import order_ids
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Events, Instrument, Lake, schema
from tercel.venues.address import SIMULATED, Agree, connect, refuse_money
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.exchange.shadow import (
    STREAM,
    RecordedStream,
    ShadowRules,
    ShadowVenue,
    recorded_market,
)

OPTIMISTIC, PESSIMISTIC = "optimistic", "pessimistic"
QUEUES: Final = {OPTIMISTIC: "first", PESSIMISTIC: "risk_averse"}
"""Queue model of cancellations: all were ahead of the own order, or none."""
PREFACTORS: Final = {OPTIMISTIC: 0.5, PESSIMISTIC: 1.5}
"""Y of the square-root law."""
BOUNDS: Final = "bounds.json"
"""Of a desk in shadow, in its folder: what each parent would have cost."""
SLACK_BPS: Final = 0.2


def refuse_short(config: DeskConfig, beside: Path | None) -> None:
    """Refuse a recorded day that ends before the desk's last round does.

    Raises
    ------
    TercelError
        No such lake, symbol or day, or one that is too short; the message has the available and the needed seconds.
    """
    desk, data = config.desk, config.data
    for instrument in config.instrument:
        lake, name, venue = (
            Lake((beside or Path()) / data.lake),
            instrument.name,
            data.venue or None,
        )
        longest = lake.longest(name, venue)
        date = data.date or longest
        held_s, needed_s = (
            lake.span_s(name, date, venue),
            desk.warmup_s + desk.rounds * desk.round_s,
        )
        if held_s < needed_s:
            fit = int((held_s - desk.warmup_s) // desk.round_s)
            remedy = (
                f"set rounds = {fit} in [desk]"
                if fit > 0
                else "shorten warmup_s and round_s in [desk]"
            )
            remedy += f", name {longest}, the longest day" * (date != longest)
            expected = f"{needed_s:,g} s of events: a warm-up of {desk.warmup_s:g} s, {desk.rounds} rounds of "
            raise ConfigError(
                f"{expected}{desk.round_s:g} s",
                f"{held_s:,.1f} s, all that {name} has on {date}",
                f"{remedy}, or record a longer day",
            )


def recorded_exchange(
    config: DeskConfig, beside: Path | None, pace: Pace | None = None, *, shown: bool = False
) -> SimulatedExchange:
    """Exchange on the recorded day of a desk's `[data]`; `shown`: for its market data only.

    Raises
    ------
    TercelError
        No such lake, symbol or day.
    """
    data = config.data
    specs: dict[str, MarketSpec] = {}
    for number, instrument in enumerate(config.instrument):
        lake, seed = (beside or Path()) / data.lake, config.desk.seed
        specs |= recorded_market(
            lake,
            instrument.name,
            data.date or None,
            seed,
            levels=True,
            queue=data.queue,
            venue=data.venue or None,
        )
        spec = specs[instrument.name]
        charged = replace(spec.source, fees=Fees(data.maker_bps, data.taker_bps, "bps"))
        specs[instrument.name] = replace(
            spec,
            source=charged,
            index=number,
            volume_per_s=traded_per_s(charged.tape),
            currency=instrument.currency,
        )
    if shown:
        return SimulatedExchange(
            {name: replace(spec, client_orders=0) for name, spec in specs.items()}, pace=pace
        )
    return SimulatedExchange(specs, latency=latency_of(config), pace=pace)


def latency_of(config: DeskConfig) -> EntryLatency:
    """Order-entry latency of a desk's file."""
    return EntryLatency("constant", round(config.desk.latency_ms * 1e6))


def traded_per_s(tape: Ints) -> float:
    """Traded lots per second of a tape: it scales random orders, and is known only afterwards."""
    traded = (tape[:, sim.T_KIND] == schema.TRADE) | (tape[:, sim.T_KIND] == schema.EXECUTE)
    span = float(tape[-1, sim.T_NS] - tape[0, sim.T_NS]) / 1e9 if len(tape) else 0.0
    return float(tape[traded, sim.T_LOTS].sum()) / span if span > 0 else 0.0


def shadow_of(config: DeskConfig, data: Venue, keep: Path) -> ShadowVenue:
    """A desk's venue in shadow of `data`; its market data are recorded."""
    names = [instrument.name for instrument in config.instrument]
    rules = ShadowRules(config.data.queue, totals=config.data.totals)
    return ShadowVenue(data, names, latency=latency_of(config), rules=rules, keep=keep)


# -- bounds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShadowBounds:
    """Simulated costs of the same parents at both bounds.

    Parameters
    ----------
    parents : mapping of str to (float, float)
        Optimistic and pessimistic cost of each, bps of its arrival mid, fills and opportunity.
    optimistic_bps, pessimistic_bps : float or None
        Means by filled value, as the desk's own cost; None without fills. That cost may lie below both: the desk's
        fills are without impact.
    laws : mapping of str to dict
        The law of impact by instrument, as measured on the stream, at Y = 1; none where it hardly trades.
    """

    parents: Mapping[str, tuple[float, float]]
    optimistic_bps: float | None
    pessimistic_bps: float | None
    laws: Mapping[str, dict[str, Any]]

    def to_json(self) -> dict[str, float | None]:
        """The two means."""
        return {"optimistic_bps": self.optimistic_bps, "pessimistic_bps": self.pessimistic_bps}


def bounds_of(
    config: DeskConfig,
    entries: Iterable[tuple[int, Entry]],
    stream: Path,
    beside: Path | None = None,
    without: Collection[str] = (),
) -> ShadowBounds:
    """Bounds of a desk's parents on their recorded stream; parents in `without` are left out.

    Raises
    ------
    TercelError
        A stream that cannot be read, strategies or limits that are gone.
    """
    return bounds_on(
        stream,
        ParentScript.of(entries),
        lambda venue: session_again(config, venue, beside),
        latency_of(config),
        without,
    )


def bounds_on(
    stream: Path,
    script: ParentScript,
    session_at: Callable[[Venue], Session],
    latency: EntryLatency,
    without: Collection[str] = (),
) -> ShadowBounds:
    """Bounds of a script of parents, each bound by a new session; parents in `without` are left out.

    Raises
    ------
    TercelError
        A stream that cannot be read, strategies or limits that are gone.
    """
    laws = stream_laws(stream)
    found: dict[str, Mapping[str, Shortfall]] = {}
    listings: dict[str, Listing] = {}
    for bound, queue in QUEUES.items():
        moved = {name: replace(law, y=PREFACTORS[bound]) for name, law in laws.items()}
        rules = ShadowRules(queue, theirs=bound == PESSIMISTIC, laws=moved)
        data = RecordedStream(stream)
        venue = ShadowVenue(
            data, [one.instrument for one in data.listings()], latency=latency, rules=rules
        )
        session = session_at(venue)
        with closing(session):
            found[bound] = script.work(session)
            listings = dict(session.listings)
    asked = {
        parent: name
        for parent, name in script.instruments.items()
        if parent not in without and all(parent in one for one in found.values())
    }
    means = {bound: _mean(costs, asked, listings) for bound, costs in found.items()}
    parents = {
        one: (found[OPTIMISTIC][one].whole_bps, found[PESSIMISTIC][one].whole_bps) for one in asked
    }
    return ShadowBounds(
        parents,
        means[OPTIMISTIC],
        means[PESSIMISTIC],
        {name: law.card() for name, law in laws.items()},
    )


def _mean(
    costs: Mapping[str, Shortfall], asked: Mapping[str, str], listings: Mapping[str, Listing]
) -> float | None:
    units = {name: one.tick / 2 * one.lot for name, one in listings.items()}
    return by_filled([costs[parent].to_dict(units[name]) for parent, name in asked.items()])[0]


def session_again(config: DeskConfig, venue: Venue, beside: Path | None) -> Session:
    """New session of a desk's agents, strategies and limits, with a journal in memory."""
    known, flow = known_of(config), config.signals.flow
    gate = LimitGate(
        limits_of(config, beside), venue.listings(), [agent.name for agent in config.agent]
    )
    terms = SessionTerms(seed=config.desk.seed, warmup_s=config.desk.warmup_s)
    journal = MemoryJournal(chained=False)
    return Session(
        venue, journal, gate, lambda name, of: strategy_of(name, known.get(of), flow), terms
    )


def stream_laws(stream: Path) -> dict[str, ImpactLaw]:
    """Square-root law of each instrument, measured on its stream; none for one without trades."""
    with closing(RecordedStream(stream)) as data:
        listings = {one.instrument: one for one in data.listings()}
        rows: dict[str, list[Ints]] = {name: [] for name in listings}
        while not data.last:
            for event in data.step(data.now_ns + 3600 * 10**9):
                assert isinstance(event, MarketRows)
                rows[event.instrument].append(_begun(event) if event.snapshot else event.rows)
    laws = {}
    for name, parts in rows.items():
        try:
            laws[name] = law_of(
                [observe(*day_of(listings[name], np.concatenate(parts)), skip_s=0.0)], "square_root"
            )
        except (TercelError, ValueError) as error:
            say(f"no law of impact for {name}: {error}")
    return laws


def _begun(event: MarketRows) -> Ints:
    clear = np.array([[event.rows[0, M_NS], schema.CLEAR, -1, 0, 0, 0, -1]], np.int64)
    return np.concatenate((clear, event.rows))


def day_of(listing: Listing, rows: Ints) -> tuple[Instrument, Events]:
    """Market data rows as a tape."""
    record = np.zeros((len(rows), sim.RECORD_WORDS), np.int64)
    words = [sim.R_NS, sim.R_KIND, sim.R_WHO, sim.R_SIDE, sim.R_PRICE, sim.R_LOTS]
    record[:, words] = rows[:, [M_NS, M_KIND, M_ID, M_SIDE, M_PRICE, M_LOTS]]
    ids = order_ids(record)
    kind = rows[:, M_KIND]
    ids[
        (kind == schema.LEVEL_SET)
        | (kind == schema.TRADE)
        | (kind == schema.CLEAR)
        | (kind == schema.STATUS)
    ] = 0
    ns, side, price, lots = (rows[:, word] for word in (M_NS, M_SIDE, M_PRICE, M_LOTS))
    events = Events.of_messages(ns, kind, ids, side, price, lots)
    opened, closed = int(rows[0, M_NS]), int(rows[-1, M_NS])
    day = Instrument(
        "SHADOW",
        listing.instrument,
        "2000-01-03",
        listing.tick,
        listing.lot,
        session_open_ns=max(opened, 1),
        session_close_ns=closed,
    )
    return day, events


# -- bounds against fills ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BoundScore:
    """Realised costs beside the bounds of the same parents.

    Parameters
    ----------
    parents : int
        Number of parents with both.
    within : float or None
        Share of them with a cost between the bounds, within :data:`SLACK_BPS`.
    centre_bps : float or None
        Mean of the midpoint of the bounds less the realised cost.
    width_bps : float or None
        Mean distance of the bounds.
    misses : tuple of (str, float)
        Parents outside the bounds, and their distance; positive above the upper one.
    """

    parents: int
    within: float | None
    centre_bps: float | None
    width_bps: float | None
    misses: tuple[tuple[str, float], ...]


def scored(
    bounds: Mapping[str, Sequence[float]],
    realised: Mapping[str, float],
    slack_bps: float = SLACK_BPS,
) -> BoundScore:
    """Score bounds by own fills: both by parent, bps.

    >>> score = scored({"a": (1.0, 3.0), "b": (5.0, 4.0)}, {"a": 2.0, "b": 6.2, "c": 1.0})
    >>> score.parents, score.within, score.misses
    (2, 0.5, (('b', 1.2),))
    """
    names = [name for name in bounds if name in realised]
    if not names:
        return BoundScore(0, None, None, None, ())
    low, high = (np.array([pick(bounds[name]) for name in names]) for pick in (min, max))
    real = np.array([realised[name] for name in names])
    over = np.where(real > high, real - high, np.where(real < low, real - low, 0.0))
    outside = np.abs(over) > slack_bps
    misses = tuple(
        (name, round(float(far), 6))
        for name, far, out in zip(names, over, outside, strict=True)
        if out
    )
    centre, width = float(np.mean((low + high) / 2 - real)), float(np.mean(high - low))
    return BoundScore(len(names), float(1.0 - outside.mean()), centre, width, misses)


def write_bounds(folder: Path, bounds: ShadowBounds) -> None:
    """Write the bounds into a desk's folder."""
    write_atomic(folder / BOUNDS, json.dumps(asdict(bounds), indent=1) + "\n")


def read_bounds(folder: Path) -> dict[str, tuple[float, float]]:
    """Read the bounds by parent from the folder of a desk in shadow.

    Raises
    ------
    ConfigError
        No bounds in the folder.
    """
    try:
        return {
            one: (low, high)
            for one, (low, high) in json.loads((folder / BOUNDS).read_text("utf-8"))[
                "parents"
            ].items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            "the folder of a desk in shadow",
            f"{folder} without {BOUNDS}",
            'run one with stage = "shadow"',
        ) from error


def dependencies_of(
    config: DeskConfig, clock: Clock, beside: Path | None = None, agree: Agree = refuse_money
) -> DependencyFactory:
    """Venue, news and baselines of a desk by its file; kernels are compiled before it connects to a venue.

    Parameters
    ----------
    config : DeskConfig
    clock : Clock
        Clock that paces a desk on the simulated exchange.
    beside : Path, optional
        Folder of the configuration's relative files.
    agree : callable
        See `venues.address.connect`.
    """

    def make(folder: Path, latch: Path, opened: ExitStack) -> DeskDependencies:
        if config.data.lake:
            refuse_short(config, beside)
        markets = SimulatedMarkets()
        where = config.desk.venue
        limits = config.limits.file
        warm_up(config, markets)
        if config.desk.stage in (REPLAY, SHADOW):
            return DeskDependencies(_paper_venue(config, clock, folder, beside))
        if where == SIMULATED:
            return markets.parts(config, clock)
        accounts = [agent.name for agent in config.agent]
        file = (beside or Path()) / limits if limits else None
        venue = venue_at(
            where, accounts, folder, file, latch, opened, beside, config.limits.changed, agree
        )
        before = venue.capabilities.parents
        gate = Path(before.journal) if before is not None and before.journal else folder / FOLDER
        return DeskDependencies(venue, gate=gate)

    return make


def _paper_venue(config: DeskConfig, clock: Clock, folder: Path, beside: Path | None) -> Venue:
    """A venue whose orders do not leave: a recorded day, or the shadow of one or of another venue."""
    pace = pace_of(config, clock)
    if config.desk.stage == REPLAY:
        return recorded_exchange(config, beside, pace)
    if config.data.lake:
        data: Venue = recorded_exchange(config, beside, pace, shown=True)
    else:
        data = connect(
            config.desk.venue, [], folder / "data", beside, agree=lambda money: {}
        )  # no order leaves
    return shadow_of(config, data, folder / STREAM)
