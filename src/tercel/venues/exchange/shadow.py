"""A venue in shadow: another's public market data, orders that are kept here, and fills by the rules of replay.

    data venue -> tape that grows -> replay market with own orders in it -> session

Nothing that is sent leaves: :meth:`ShadowVenue.send` is the simulated exchange's. What the data venue publishes becomes
rows of a tape as it comes, so a shadow of a recorded day and a replay of it are the same bytes. `docs/shadow.md` says
what its bounds are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import VenueError
from tercel.core.orders import M_AGGRESSOR, M_KIND, M_LOTS, M_NS, Listing, MarketRows, VenueEvent
from tercel.core.ports import Capabilities, Venue
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.levels import DEFAULT, POWER, QUEUE, queue_model, tell
from tercel.market.simulator.records import put_real
from tercel.market.simulator.replay import touch_from_book
from tercel.market.simulator.source import NO_TAPE, Source, load_orders, with_impact
from tercel.market.tape import schema
from tercel.venues.exchange.exchange import SimulatedExchange
from tercel.venues.exchange.market import CLIENT_ORDERS, EntryLatency, MarketSpec
from tercel.venues.exchange.stream import LevelTotals, StreamFile

FIRST_S = 60.0
"""Seconds of the data venue within which it has to show every book."""


@dataclass(frozen=True)
class ShadowRules:
    """How own orders in shadow are filled.

    Parameters
    ----------
    queue : str
        Model of queues where level totals alone are shown (`market.simulator.levels`).
    theirs : bool
        What is traded at an own order's price stays the tape's (`market.simulator.source`, `strict`); orders alone.
    laws : mapping of str to ImpactLaw
        What own trades do to prices, by instrument; those that are not there: nothing.
    totals : bool
        Orders that the data venue shows are made of level totals, and become totals again.
    """

    queue: str = DEFAULT
    theirs: bool = False
    totals: bool = False
    laws: Mapping[str, ImpactLaw] | None = None


class ShadowVenue(SimulatedExchange):
    """The simulated exchange over the public market data of another venue, as it comes.

    Parameters
    ----------
    data : Venue
        Shows its books; it is never sent anything, and closed with this one.
    instruments : sequence of str
    latency : EntryLatency
    rules : ShadowRules
    keep : Path, optional
        New file that what is shown is kept in (`venues.exchange.stream`).

    Raises
    ------
    VenueError
        The data venue lists no such instrument, or does not show its book.
    """

    name = "shadow"

    def __init__(
        self,
        data: Venue,
        instruments: Sequence[str],
        *,
        latency: EntryLatency | None = None,
        rules: ShadowRules = ShadowRules(),
        keep: Path | None = None,
    ) -> None:
        self._data = data
        self._rules = rules
        self._listed = {one.instrument: one for one in data.listings()}
        snapshots, later = first_books(data, instruments)
        there = [self._listed[name] for name in snapshots]
        self._totals = {one.instrument: LevelTotals(one.dense_ids) for one in there if rules.totals}
        self._kept = None
        if keep is not None:
            depths = [depth_of(data, name) for name in snapshots]
            self._kept = StreamFile(keep, there, depths, data.now_ns)
        specs = {name: self._spec(name, self._seen(event, 0)) for name, event in snapshots.items()}
        super().__init__(specs, latency=latency)
        self.now_ns = max(self.now_ns, data.now_ns)
        self._feed(later)

    # -- what is seen there --------------------------------------------------------------------------------------

    def _spec(self, name: str, rows: Ints) -> MarketSpec:
        """The market of an instrument as its first snapshot shows it."""
        listing, rules = self._listed[name], self._rules
        width, feed_levels = depth_of(self._data, name)
        book = lay.new_book(listing.dense_ids, width, CLIENT_ORDERS)
        k = blank_state(sim.REPLAY)
        k[sim.NOW], k[sim.FEED_LEVELS] = self._data.now_ns, feed_levels
        status = rows[rows[:, M_KIND] == schema.STATUS]
        k[sim.HALTED] = int(len(status) > 0 and status[-1, sim.T_PRICE] != 1)
        orders = rows[rows[:, M_KIND] != schema.STATUS]
        load_orders(book, snapshot_orders(orders))
        if np.any(orders[:, M_KIND] == schema.LEVEL_SET):
            self._by_level(k)
            for slot, lots in orders[:, [sim.T_SLOT, M_LOTS]].tolist():
                tell(book, slot, lots)
        touch_from_book(book, k)
        k[sim.THEIRS] = int(rules.theirs)
        source = Source(
            name,
            sim.REPLAY,
            np.zeros(sim.FLOW_HEAD),
            NO_TAPE,
            book[None],
            k[None],
            listing.tick,
            listing.lot,
        )
        source = with_impact(source, (rules.laws or {}).get(name))
        return MarketSpec(source, volume_per_s=listing.volume_per_s, began_ns=self._data.now_ns)

    def _seen(self, event: MarketRows, now_ns: int) -> Ints:
        """Rows of an event as this venue sees them, none before now; they are to be kept."""
        rows = event.rows
        if event.instrument in self._totals:
            rows = self._totals[event.instrument].of(rows, event.snapshot)
        rows = np.array(rows, np.int64)
        rows[:, M_NS] = np.maximum.accumulate(np.maximum(rows[:, M_NS], now_ns))
        if self._kept is not None and len(rows):
            self._kept.add(MarketRows(event.instrument, rows, event.snapshot))
        return rows[:, :M_AGGRESSOR]

    def _by_level(self, k: Ints) -> None:
        k[QUEUE], power = queue_model(self._rules.queue)
        put_real(k, POWER, power)

    def _feed(self, events: Sequence[VenueEvent]) -> None:
        """Market data becomes tape; a word on the way to the data venue is handed on."""
        fed: dict[int, list[Ints]] = {}
        for event in events:
            if isinstance(event, MarketRows) and event.instrument in self._number:
                market = self._number[event.instrument]
                parts = fed.setdefault(market, [])
                rows = self._seen(event, int(parts[-1][-1, M_NS]) if parts else self.now_ns)
                if len(rows):
                    parts.append(begun_anew(rows) if event.snapshot else rows)
            elif not isinstance(event, MarketRows):
                self._outbox.append(event)
        for market, parts in fed.items():
            if not parts:
                continue
            rows, k = np.concatenate(parts), self._markets.states[market]
            if not k[QUEUE] and np.any(rows[:, M_KIND] == schema.LEVEL_SET):
                self._by_level(k)
            self._markets.feed(market, rows)
        if self._kept is not None:
            self._kept.write()

    # -- as a venue ----------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`: the clock and the link are the data venue's."""
        there = self._data.capabilities
        return replace(
            super().capabilities,
            stepped=there.stepped,
            connection=there.connection,
            reconnects=there.reconnects,
        )

    def listings(self) -> Sequence[Listing]:
        """As the data venue lists them; their fees hold for fills here."""
        there = [self._listed[name] for name in self._markets.names]
        return [
            replace(one, dense_ids=here.dense_ids, answers=here.answers)
            for one, here in zip(there, super().listings(), strict=True)
        ]

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Advance to `until_ns` as the data venue gets there, or to the end of the first moment with a report."""
        events: list[VenueEvent] = []
        while True:
            pulled = self._data.now_ns <= self.now_ns
            if pulled:
                self._feed(self._data.step(until_ns))
            seen = self._data.now_ns
            events += super().step(min(until_ns, seen))
            said = any(not isinstance(event, MarketRows) for event in events)
            if said or pulled or self.now_ns < seen or self.now_ns >= until_ns:
                return events

    def flush(self) -> None:
        """Let others read what was kept."""
        if self._kept is not None:
            self._kept.flush()

    def close(self) -> None:
        """Close both, and what was kept."""
        super().close()
        if self._kept is not None:
            self._kept.close()
        self._data.close()


def first_books(
    data: Venue, instruments: Sequence[str]
) -> tuple[dict[str, MarketRows], list[VenueEvent]]:
    """The first snapshot of each instrument, and what came behind them.

    Raises
    ------
    VenueError
        One that is not listed, whose ids are arbitrary, or that is not shown in time.
    """
    listed = {one.instrument: one for one in data.listings()}
    for name in instruments:
        if name not in listed or listed[name].dense_ids <= 0:
            raise VenueError(
                f"an instrument that {data.name} shows",
                f"{name}, which is not"
                if name not in listed
                else f"{name}, whose ids are arbitrary",
                f"use one of {', '.join(listed)}",
            )
        data.subscribe(name)
    found: dict[str, MarketRows] = {}
    later: list[VenueEvent] = []
    until = data.now_ns
    last = until + round(FIRST_S * NS_PER_SECOND)
    while len(found) < len(instruments):
        if until > last:
            missing = ", ".join(name for name in instruments if name not in found)
            raise VenueError(
                "a snapshot of every book", f"none of {missing} in {FIRST_S:g} s", "ask the venue"
            )
        for event in data.step(until):
            if isinstance(event, MarketRows) and event.snapshot and event.instrument not in found:
                found[event.instrument] = event
            else:
                later.append(event)
        until = data.now_ns + NS_PER_SECOND // 10
    return {name: found[name] for name in instruments}, later


def depth_of(data: Venue, instrument: str) -> tuple[int, int]:
    """Prices of the book's ring and levels of the feed, as the data venue declares them."""
    depth = data.capabilities.depth
    if depth is None:
        return WIDTH, 0
    try:
        return depth.width(instrument), depth.feed_levels(instrument)
    except VenueError:
        return WIDTH, 0


def snapshot_orders(rows: Ints) -> Ints:
    """Snapshot rows as the orders of a checkpoint (`market.tape.compiled.Checkpoint`)."""
    anonymous = (rows[:, M_KIND] != schema.ADD).astype(np.int64)
    return np.column_stack((rows[:, sim.T_SLOT : sim.TAPE_WORDS], np.arange(len(rows)), anonymous))


def begun_anew(rows: Ints) -> Ints:
    """A later snapshot as tape: the book is cleared and laid again."""
    clear = np.array([[rows[0, M_NS], schema.CLEAR, -1, 0, 0, 0]], np.int64)
    return np.concatenate((clear, rows))


WIDTH = 1024
"""Prices of the ring of a book whose depth nobody declares."""
