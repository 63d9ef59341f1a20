"""Two simulated bounds of what the orders of a desk in shadow would have cost.

The recorded stream is replayed twice with the same parents. The bounds differ in what is unknown of an order that was
never sent: its queue position after cancellations of others, and its impact on the price (the square-root law, with
the range of prefactors that markets show, and resting fills that count nothing or as takes: `market.impact.law`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.api.desk.dependencies import latency_of
from tercel.core.arrays import Ints
from tercel.core.errors import TercelError
from tercel.core.orders import M_ID, M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE, Listing, MarketRows
from tercel.core.ports import Entry, Venue
from tercel.core.progress import say
from tercel.desk.engine.assembly import estimates_by_instrument, limits_of
from tercel.desk.engine.config import DeskConfig
from tercel.desk.engine.configured_agents import strategy_of
from tercel.desk.limits import LimitGate
from tercel.desk.trading.counterfactual_replay import ParentScript
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.session import Session
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.desk.trading.tca.shortfall import Shortfall, by_filled
from tercel.market.impact.fitted import fit_law
from tercel.market.impact.law import ImpactLaw
from tercel.market.observed.observe import observe
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import order_ids
from tercel.market.tape import Events, Instrument, schema
from tercel.venues.exchange import EntryLatency
from tercel.venues.exchange.shadow import ShadowRules, ShadowVenue
from tercel.venues.exchange.stream_file import RecordedStream

OPTIMISTIC = "optimistic"
PESSIMISTIC = "pessimistic"
QUEUES: Final = {OPTIMISTIC: "first", PESSIMISTIC: "risk_averse"}
"""Queue model of cancellations at each bound: all were ahead of the own order, or none."""
PREFACTORS: Final = {OPTIMISTIC: 0.5, PESSIMISTIC: 1.5}
"""Prefactor Y of the square-root impact law at each bound."""
PASSIVE_IMPACTS: Final = {OPTIMISTIC: 0.0, PESSIMISTIC: 1.0}
"""Impact of a resting fill to that of a take at each bound: nobody has measured it (docs/concepts/impact.md)."""


@dataclass(frozen=True)
class ShadowBounds:
    """Simulated costs (bps) of the same parents at the optimistic and the pessimistic bound.

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
        """Mean optimistic and mean pessimistic cost, bps, by name; None without fills."""
        return {"optimistic_bps": self.optimistic_bps, "pessimistic_bps": self.pessimistic_bps}


def bounds_of(
    config: DeskConfig,
    entries: Iterable[tuple[int, Entry]],
    stream: Path,
    file_folder: Path | None = None,
    without: Collection[str] = (),
) -> ShadowBounds:
    """Simulated cost bounds of a desk's parents on their recorded stream; parents in `without` are left out.

    Raises
    ------
    TercelError
        A stream that cannot be read, strategies or limits that are gone.
    """
    return bounds_on(
        stream,
        ParentScript.of(entries),
        lambda venue: memory_session(config, venue, file_folder),
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
    """Simulated cost bounds of a script of parents, each bound in a new session; parents in `without` are left out.

    Raises
    ------
    TercelError
        A stream that cannot be read, strategies or limits that are gone.
    """
    laws = stream_laws(stream)
    costs_by_bound: dict[str, Mapping[str, Shortfall]] = {}
    listings: dict[str, Listing] = {}
    for bound in QUEUES:
        rules = rules_at(bound, laws)
        data = RecordedStream(stream)
        venue = ShadowVenue(
            data, [listing.instrument for listing in data.listings()], latency=latency, rules=rules
        )
        session = session_at(venue)
        with closing(session):
            costs_by_bound[bound] = script.work(session)
            listings = dict(session.listings)
    instruments = {
        parent: name
        for parent, name in script.instruments.items()
        if parent not in without and all(parent in costs for costs in costs_by_bound.values())
    }
    means = {
        bound: _mean_cost(costs, instruments, listings) for bound, costs in costs_by_bound.items()
    }
    parents = {
        parent: (
            costs_by_bound[OPTIMISTIC][parent].whole_bps,
            costs_by_bound[PESSIMISTIC][parent].whole_bps,
        )
        for parent in instruments
    }
    return ShadowBounds(
        parents,
        means[OPTIMISTIC],
        means[PESSIMISTIC],
        {name: law.card() for name, law in laws.items()},
    )


def rules_at(bound: str, laws: Mapping[str, ImpactLaw]) -> ShadowRules:
    """How a shadow's own orders fill and move prices at a bound; `laws`: each instrument's, at Y = 1."""
    scaled_laws = {
        name: law.scaled(PREFACTORS[bound], PASSIVE_IMPACTS[bound]) for name, law in laws.items()
    }
    return ShadowRules(QUEUES[bound], theirs=bound == PESSIMISTIC, laws=scaled_laws)


def _mean_cost(
    costs: Mapping[str, Shortfall], instruments: Mapping[str, str], listings: Mapping[str, Listing]
) -> float | None:
    """Mean cost of parents in bps, weighted by filled value; None if nothing was filled."""
    units = {name: listing.tick / 2 * listing.lot for name, listing in listings.items()}
    return by_filled([costs[parent].to_dict(units[name]) for parent, name in instruments.items()])[
        0
    ]


def memory_session(config: DeskConfig, venue: Venue, file_folder: Path | None) -> Session:
    """A new session of the desk's agents, strategies and limits, with a journal in memory."""
    estimates_of = estimates_by_instrument(config)
    flow = config.signals.flow
    gate = LimitGate(
        limits_of(config, file_folder), venue.listings(), [agent.name for agent in config.agent]
    )
    terms = SessionTerms(seed=config.desk.seed, warmup_s=config.desk.warmup_s)
    return open_session(
        venue,
        MemoryJournal(chained=False),
        gate,
        lambda name, agent: strategy_of(name, estimates_of.get(agent), flow),
        terms,
    )


def stream_laws(stream: Path) -> dict[str, ImpactLaw]:
    """Square-root law of each instrument, measured on its stream; none for one without trades."""
    with closing(RecordedStream(stream)) as data:
        listings = {listing.instrument: listing for listing in data.listings()}
        rows: dict[str, list[Ints]] = {name: [] for name in listings}
        while not data.is_exhausted:
            for event in data.step(data.now_ns + 3600 * 10**9):
                assert isinstance(event, MarketRows)
                rows[event.instrument].append(_with_clear(event) if event.snapshot else event.rows)
    laws = {}
    for name, chunks in rows.items():
        try:
            laws[name] = fit_law(
                [observe(*rows_to_tape(listings[name], np.concatenate(chunks)), skip_s=0.0)],
                "square_root",
            )
        except (TercelError, ValueError) as error:
            say(f"no law of impact for {name}: {error}")
    return laws


def _with_clear(event: MarketRows) -> Ints:
    """Rows of a market data snapshot, preceded by a row that clears the book."""
    clear = np.array([[event.rows[0, M_NS], schema.CLEAR, -1, 0, 0, 0, -1]], np.int64)
    return np.concatenate((clear, event.rows))


def rows_to_tape(listing: Listing, rows: Ints) -> tuple[Instrument, Events]:
    """Instrument and tape events from rows of market data."""
    record = np.zeros((len(rows), sim.RECORD_WORDS), np.int64)
    record_columns = [sim.R_NS, sim.R_KIND, sim.R_WHO, sim.R_SIDE, sim.R_PRICE, sim.R_LOTS]
    record[:, record_columns] = rows[:, [M_NS, M_KIND, M_ID, M_SIDE, M_PRICE, M_LOTS]]
    ids = order_ids(record)
    kind = rows[:, M_KIND]
    ids[
        (kind == schema.LEVEL_SET)
        | (kind == schema.TRADE)
        | (kind == schema.CLEAR)
        | (kind == schema.STATUS)
    ] = 0
    ns, side, price, lots = (rows[:, column] for column in (M_NS, M_SIDE, M_PRICE, M_LOTS))
    events = Events.of_messages(ns, kind, ids, side, price, lots)
    open_ns = int(rows[0, M_NS])
    close_ns = int(rows[-1, M_NS])
    day = Instrument(
        "SHADOW",
        listing.instrument,
        "2000-01-03",
        listing.tick,
        listing.lot,
        session_open_ns=max(open_ns, 1),
        session_close_ns=close_ns,
    )
    return day, events
