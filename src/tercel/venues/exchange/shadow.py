"""Shadow trading: another venue's public market data, own orders that never leave, filled by the rules of replay.

    data venue -> tape that grows -> replay market with own orders in it -> session

Nothing that is sent leaves: :meth:`ShadowVenue.send` is the simulated exchange's. What the data venue publishes becomes
rows of a tape as it comes, so a shadow of a recorded day and a replay of it are the same bytes. `docs/howto/crypto.md`
says what its bounds are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.capabilities import Capabilities
from tercel.core.errors import VenueError
from tercel.core.orders import M_AGGRESSOR, M_KIND, M_LOTS, M_NS, Listing, MarketRows, VenueEvent
from tercel.core.ports import Venue
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.levels import POWER, QUEUE, set_stated_total
from tercel.market.simulator.queue_models import DEFAULT, queue_model
from tercel.market.simulator.records import put_real
from tercel.market.simulator.replay import init_touch
from tercel.market.simulator.source import NO_TAPE, Source, with_impact
from tercel.market.simulator.tape_source import load_orders
from tercel.market.tape import schema
from tercel.venues.exchange.exchange import SimulatedExchange
from tercel.venues.exchange.level_totals import LevelTotals
from tercel.venues.exchange.market_spec import CLIENT_ORDERS, EntryLatency, MarketSpec
from tercel.venues.exchange.named_markets import WIDTH
from tercel.venues.exchange.stream_file import StreamFile

FIRST_S = 60.0
"""Seconds of the data venue within which it has to show every book."""


@dataclass(frozen=True)
class ShadowRules:
    """Fill rules of own orders in shadow.

    Parameters
    ----------
    queue : str
        Model of queues where level totals alone are shown (`market.simulator.levels`).
    theirs : bool
        Trades at an own order's price fill recorded orders first (`market.simulator.source`, `strict`); orders only.
    laws : mapping of str to ImpactLaw
        Impact of own trades on prices, by instrument; none for missing ones.
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
        New file that market data is recorded to (`StreamFile`).

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
        """Wait for every instrument's first snapshot from the data venue, and build replay markets from them."""
        self._data = data
        self._rules = rules
        self._listings_by_name = {listing.instrument: listing for listing in data.listings()}
        snapshots, later = first_books(data, instruments)
        listings = [self._listings_by_name[name] for name in snapshots]
        self._totals = {
            listing.instrument: LevelTotals(listing.dense_ids)
            for listing in listings
            if rules.totals
        }
        self._recording = None
        if keep is not None:
            self._recording = StreamFile(
                keep, listings, [depth_of(data, name) for name in snapshots], data.now_ns
            )
        specs = {
            name: self._spec(name, self._take_rows(event, 0)) for name, event in snapshots.items()
        }
        super().__init__(specs, latency=latency)
        self.now_ns = max(self.now_ns, data.now_ns)
        self._feed(later)

    def _spec(self, name: str, rows: Ints) -> MarketSpec:
        """Market specification of an instrument, from its first snapshot."""
        listing = self._listings_by_name[name]
        rules = self._rules
        width, feed_levels = depth_of(self._data, name)
        book = lay.new_book(listing.dense_ids, width, CLIENT_ORDERS)
        k = blank_state(sim.REPLAY)
        k[sim.NOW] = self._data.now_ns
        k[sim.FEED_LEVELS] = feed_levels
        status = rows[rows[:, M_KIND] == schema.STATUS]
        k[sim.HALTED] = int(len(status) > 0 and status[-1, sim.T_PRICE] != 1)
        orders = rows[rows[:, M_KIND] != schema.STATUS]
        # as the orders of a checkpoint (`market.tape.compiled.Checkpoint`)
        order_words = orders[:, sim.T_SLOT : sim.TAPE_WORDS]
        anonymous = orders[:, M_KIND] != schema.ADD
        load_orders(book, np.column_stack((order_words, np.arange(len(orders)), anonymous)))
        shows_totals = bool(np.any(orders[:, M_KIND] == schema.LEVEL_SET))
        if shows_totals:
            self._set_queue_model(k)
            for slot, lots in orders[:, [sim.T_SLOT, M_LOTS]].tolist():
                set_stated_total(book, slot, lots)
        init_touch(book, k)
        k[sim.THEIRS] = int(rules.theirs and not shows_totals)
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
        return MarketSpec(
            source,
            volume_per_s=listing.volume_per_s,
            began_ns=self._data.now_ns,
            rules=listing.rules,
        )

    def _take_rows(self, event: MarketRows, now_ns: int) -> Ints:
        """Rows of an event as tape rows, none stamped before `now_ns`; they are added to the recording."""
        rows = event.rows
        if event.instrument in self._totals:
            rows = self._totals[event.instrument].convert_rows(rows, event.snapshot)
        rows = np.array(rows, np.int64)
        rows[:, M_NS] = np.maximum.accumulate(np.maximum(rows[:, M_NS], now_ns))
        if self._recording is not None and len(rows):
            self._recording.add(MarketRows(event.instrument, rows, event.snapshot))
        return rows[:, :M_AGGRESSOR]

    def _set_queue_model(self, k: Ints) -> None:
        """Write the rules' queue model into a market's state."""
        k[QUEUE], power = queue_model(self._rules.queue)
        put_real(k, POWER, power)

    def _feed(self, events: Sequence[VenueEvent]) -> None:
        """Append market data to the tape; link events of the data venue are passed on."""
        rows_by_market: dict[int, list[Ints]] = {}
        for event in events:
            if isinstance(event, MarketRows) and event.instrument in self._number:
                market = self._number[event.instrument]
                parts = rows_by_market.setdefault(market, [])
                rows = self._take_rows(event, int(parts[-1][-1, M_NS]) if parts else self.now_ns)
                if len(rows) and event.snapshot:  # the book is cleared and laid again
                    parts.append(np.array([[rows[0, M_NS], schema.CLEAR, -1, 0, 0, 0]], np.int64))
                if len(rows):
                    parts.append(rows)
            elif not isinstance(event, MarketRows):
                self._outbox.append(event)
        for market, parts in rows_by_market.items():
            if not parts:
                continue
            rows = np.concatenate(parts)
            k = self._markets.states[market]
            if not k[QUEUE] and np.any(rows[:, M_KIND] == schema.LEVEL_SET):
                self._set_queue_model(k)
            self._markets.feed(market, rows)
        if self._recording is not None:
            self._recording.write()

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`: the clock and the link are the data venue's."""
        data_capabilities = self._data.capabilities
        return replace(
            super().capabilities,
            stepped=data_capabilities.stepped,
            connection=data_capabilities.connection,
            reconnects=data_capabilities.reconnects,
        )

    def listings(self) -> Sequence[Listing]:
        """Listings of the data venue; their fees hold for fills here."""
        data_listings = [self._listings_by_name[name] for name in self._markets.names]
        return [
            replace(listing, dense_ids=local.dense_ids, answers=local.answers)
            for listing, local in zip(data_listings, super().listings(), strict=True)
        ]

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Advance to `until_ns` as the data venue gets there, or to the end of the first moment with a report."""
        events: list[VenueEvent] = []
        while True:
            pulled = self._data.now_ns <= self.now_ns
            if pulled:
                self._feed(self._data.step(until_ns))
            data_ns = self._data.now_ns
            events += super().step(min(until_ns, data_ns))
            has_report = any(not isinstance(event, MarketRows) for event in events)
            if has_report or pulled or self.now_ns < data_ns or self.now_ns >= until_ns:
                return events

    def flush(self) -> None:
        """Write the recording to the file."""
        if self._recording is not None:
            self._recording.flush()

    def close(self) -> None:
        """Close this exchange, the data venue and the recording."""
        super().close()
        if self._recording is not None:
            self._recording.close()
        self._data.close()


def first_books(
    data: Venue, instruments: Sequence[str]
) -> tuple[dict[str, MarketRows], list[VenueEvent]]:
    """Subscribe to the instruments at `data` and step it until all show a book: the first snapshot of each, and the
    other events.

    Raises
    ------
    VenueError
        One that is not listed, whose ids are arbitrary, or that is not shown in time.
    """
    listed = {listing.instrument: listing for listing in data.listings()}
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
    snapshots: dict[str, MarketRows] = {}
    later: list[VenueEvent] = []
    until_ns = data.now_ns
    deadline_ns = until_ns + round(FIRST_S * NS_PER_SECOND)
    while len(snapshots) < len(instruments):
        if until_ns > deadline_ns:
            missing = ", ".join(name for name in instruments if name not in snapshots)
            raise VenueError(
                "a snapshot of every book", f"none of {missing} in {FIRST_S:g} s", "ask the venue"
            )
        for event in data.step(until_ns):
            if (
                isinstance(event, MarketRows)
                and event.snapshot
                and event.instrument not in snapshots
            ):
                snapshots[event.instrument] = event
            else:
                later.append(event)
        until_ns = data.now_ns + NS_PER_SECOND // 10
    return {name: snapshots[name] for name in instruments}, later


def depth_of(data: Venue, instrument: str) -> tuple[int, int]:
    """Prices of the book's ring and levels of the feed (0: all), as the data venue declares them; (WIDTH, 0) if it does not."""
    depth = data.capabilities.depth
    if depth is None:
        return WIDTH, 0
    try:
        return depth.width(instrument), depth.feed_levels(instrument)
    except VenueError:
        return WIDTH, 0
