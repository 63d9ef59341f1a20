"""Shadow trading: another venue's public market data, local orders, fills by the rules of replay; and its recording.

    data venue -> tape that grows -> replay market with own orders in it -> session

Nothing that is sent leaves: :meth:`ShadowVenue.send` is the simulated exchange's. What the data venue publishes becomes
rows of a tape as it comes, so a shadow of a recorded day and a replay of it are the same bytes. `docs/howto/crypto.md` says
what its bounds are. A recording is a line of JSON, then events in int64 words: instrument number, whether it is a
snapshot, number of rows, the rows. Orders may be shown as the totals of their levels.

    {"began_ns":1700000000000000000,"listings":[{"instrument":"XYZ","tick":0.01,...}],"depths":[[1024,0]]}

Markets of an exchange by name: presets, or a recorded day of a lake.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError, TapeError, UnknownNameError, VenueError
from tercel.core.orders import (
    M_AGGRESSOR,
    M_KIND,
    M_LOTS,
    M_NS,
    M_PRICE,
    M_SIDE,
    MARKET_WORDS,
    Command,
    Listing,
    MarketRows,
    VenueEvent,
)
from tercel.core.ports import Capabilities, Venue
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow import preset as presets
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.levels import DEFAULT, POWER, QUEUE, queue_model, tell
from tercel.market.simulator.records import put_real
from tercel.market.simulator.replay import touch_from_book
from tercel.market.simulator.source import (
    NO_TAPE,
    Source,
    load_orders,
    reactive,
    replay,
    with_impact,
)
from tercel.market.tape import Lake, schema
from tercel.venues.exchange.exchange import SimulatedExchange
from tercel.venues.exchange.market import CLIENT_ORDERS, EntryLatency, MarketSpec

STREAM: Final = "stream.rows"
"""Its name in a desk's folder."""
_HEAD: Final = 3
_MORE: Final = frozenset({schema.ADD, schema.ROLL_IN})
_LESS: Final = frozenset({schema.REDUCE, schema.DELETE, schema.EXECUTE})
_AS_IT_IS: Final = frozenset({schema.STATUS, schema.TRADE_HIDDEN, schema.TRADE, schema.LEVEL_SET})


class StreamFile:
    """Writes what a venue shows: a line of JSON, then each event as int64 words.

    Parameters
    ----------
    path : Path
        A new file.
    listings : sequence of Listing
    widths : mapping of str to (int, int)
        Ring and levels of each instrument's book.
    began_ns : int
        Time of the venue.
    """

    def __init__(
        self,
        path: Path,
        listings: Sequence[Listing],
        depths: Sequence[tuple[int, int]],
        began_ns: int,
    ):
        self._file: BinaryIO = path.open("wb")
        self._waiting: list[MarketRows] = []
        self._number = {one.instrument: i for i, one in enumerate(listings)}
        head = {
            "began_ns": began_ns,
            "listings": [asdict(one) for one in listings],
            "depths": list(depths),
        }
        self._file.write(json.dumps(head).encode() + b"\n")

    def add(self, event: MarketRows) -> None:
        """Rows that were seen at their times, to be written with others of the same step."""
        if event.snapshot:
            self.write()
            self._put(event.instrument, event.rows, True)
        else:
            self._waiting.append(event)

    def write(self) -> None:
        """Write what was added, all instruments in order of time."""
        waiting = self._waiting
        self._waiting = []
        if len({event.instrument for event in waiting}) < 2:
            for event in waiting:
                self._put(event.instrument, event.rows)
            return
        rows = np.concatenate([event.rows for event in waiting])
        of = np.repeat(
            [self._number[event.instrument] for event in waiting],
            [len(event.rows) for event in waiting],
        )
        by_time = np.argsort(rows[:, M_NS], kind="stable")
        rows, of = rows[by_time], of[by_time]
        cuts = np.flatnonzero(np.diff(of)) + 1
        names = list(self._number)
        for part, first in zip(np.split(rows, cuts), (0, *cuts.tolist()), strict=True):
            self._put(names[int(of[first])], part)

    def _put(self, instrument: str, rows: Ints, snapshot: bool = False) -> None:
        head = np.array((self._number[instrument], int(snapshot), len(rows)), np.int64)
        self._file.write(head.tobytes() + np.ascontiguousarray(rows).tobytes())

    def flush(self) -> None:
        """Let others read what was seen."""
        self.write()
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self.write()
        self._file.close()


class RecordedStream:
    """A venue that replays a recorded stream, and takes no orders.

    Parameters
    ----------
    path : Path

    Raises
    ------
    TapeError
        No such file, or one that is no stream.
    """

    name = "recorded"

    def __init__(self, path: Path) -> None:
        try:
            self._file: BinaryIO = path.open("rb")
            head = json.loads(self._file.readline())
            self._listings = [Listing(**one) for one in head["listings"]]
            self._depths = {
                one.instrument: tuple(depth)
                for one, depth in zip(self._listings, head["depths"], strict=True)
            }
            self.now_ns = int(head["began_ns"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TapeError(
                "a stream that a desk in shadow recorded",
                f"{path}: {getattr(error, 'strerror', None) or 'something else'}",
                f"name its {STREAM}",
            ) from error
        self._next = self._read()

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`."""
        return Capabilities(depth=self)

    def width(self, instrument: str) -> int:
        """Prices of the ring of an instrument's book."""
        return int(self._depths[instrument][0])

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed shows; 0: all of them."""
        return int(self._depths[instrument][1])

    def listings(self) -> Sequence[Listing]:
        """Listings of the recorded venue."""
        return self._listings

    def subscribe(self, instrument: str) -> None:
        """Everything is shown as it was."""

    def send(self, command: Command) -> None:
        """Refuse.

        Raises
        ------
        VenueError
            Always.
        """
        raise VenueError(
            "nothing that is sent to a recorded stream", command.cl_ord_id, "trade in shadow on it"
        )

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Events up to a time."""
        events: list[VenueEvent] = []
        while (event := self._next) is not None:
            upto = int(np.searchsorted(event.rows[:, M_NS], until_ns, "right"))
            if upto < len(event.rows) and (event.snapshot or not upto):
                break
            events.append(replace(event, rows=event.rows[:upto]))
            self._next = (
                self._read() if upto == len(event.rows) else replace(event, rows=event.rows[upto:])
            )
        self.now_ns = max(self.now_ns, until_ns)
        return events

    @property
    def last(self) -> bool:
        """Whether everything was shown."""
        return self._next is None

    def _read(self) -> MarketRows | None:
        if len(head := self._file.read(8 * _HEAD)) < 8 * _HEAD:
            return None
        number, snapshot, n = np.frombuffer(head, np.int64).tolist()
        if (
            len(words := self._file.read(8 * n * MARKET_WORDS)) < 8 * n * MARKET_WORDS
        ):  # cut short by a kill
            return None
        return MarketRows(
            self._listings[number].instrument,
            np.frombuffer(words, np.int64).reshape(n, MARKET_WORDS).copy(),
            bool(snapshot),
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class LevelTotals:
    """Converts rows of orders of one instrument to those of a feed of level totals and prints.

    Parameters
    ----------
    levels : int
        Number of levels at a time.

    >>> shown = LevelTotals(8)
    >>> rows = np.array([[5, schema.ADD, 3, 1, 99, 7, -1], [6, schema.EXECUTE, 3, 1, 99, 2, -1]])
    >>> shown.of(rows)[:, [1, 2, 4, 5]].tolist() == [
    ...     [schema.LEVEL_SET, 0, 99, 7], [schema.TRADE, 0, 99, 2], [schema.LEVEL_SET, 0, 99, 5]]
    True
    """

    def __init__(self, levels: int) -> None:
        self._free = list(range(levels - 1, -1, -1))
        self._slots: dict[tuple[int, int], int] = {}
        self._lots: dict[tuple[int, int], int] = {}

    def of(self, rows: Ints, snapshot: bool = False) -> Ints:
        """The rows that would be shown in their place, int64 (n, MARKET_WORDS); of a snapshot the book's totals.

        Raises
        ------
        TapeError
            Rows that no feed of totals has, or more levels than there are numbers.
        """
        if snapshot:
            self._forget()
        shown = [row for one in rows.tolist() for row in self._row(one)]
        if snapshot:
            status = [row for row in shown if row[M_KIND] == schema.STATUS]
            ns = int(rows[-1, M_NS]) if len(rows) else 0
            shown = status + [self._total(ns, at) for at in self._lots]
        return np.array(shown, np.int64).reshape(-1, MARKET_WORDS)

    def _forget(self) -> None:
        self._free += self._slots.values()
        self._slots.clear()
        self._lots.clear()

    def _total(self, ns: int, at: tuple[int, int]) -> list[int]:
        return [ns, schema.LEVEL_SET, self._slots[at], *at, self._lots[at], -1]

    def _row(self, row: list[int]) -> Iterator[list[int]]:
        kind, at, lots = row[M_KIND], (row[M_SIDE], row[M_PRICE]), row[M_LOTS]
        if kind in _MORE or kind in _LESS:
            if kind == schema.EXECUTE:
                yield [row[M_NS], schema.TRADE, self._slots.get(at, -1), *at, lots, -1]
            yield from self._set(
                row[M_NS], at, self._lots.get(at, 0) + (lots if kind in _MORE else -lots)
            )
        elif kind == schema.ROLL_OUT:
            yield from self._set(row[M_NS], at, 0)
        elif kind == schema.CLEAR:
            self._forget()
            yield row
        elif kind == sim.REGIME_IS:
            return
        elif kind in _AS_IT_IS:
            yield row
        else:
            raise TapeError(
                "rows of a public feed",
                f"{row}",
                "watch a market without trades that have impact",
            )

    def _set(self, ns: int, at: tuple[int, int], lots: int) -> Iterator[list[int]]:
        if at not in self._slots:
            if lots <= 0:
                return
            if not self._free:
                raise TapeError(
                    "room for every level", f"none for {at}", "watch a market of fewer levels"
                )
            self._slots[at] = self._free.pop()
        self._lots[at] = max(lots, 0)
        yield self._total(ns, at)
        if lots <= 0:
            self._free.append(self._slots.pop(at))
            del self._lots[at]


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
        self._data = data
        self._rules = rules
        self._listed = {one.instrument: one for one in data.listings()}
        snapshots, later = first_books(data, instruments)
        there = [self._listed[name] for name in snapshots]
        self._totals = {one.instrument: LevelTotals(one.dense_ids) for one in there if rules.totals}
        self._recording = None
        if keep is not None:
            self._recording = StreamFile(
                keep, there, [depth_of(data, name) for name in snapshots], data.now_ns
            )
        specs = {name: self._spec(name, self._seen(event, 0)) for name, event in snapshots.items()}
        super().__init__(specs, latency=latency)
        self.now_ns = max(self.now_ns, data.now_ns)
        self._feed(later)

    # -- observed data -------------------------------------------------------------------------------------------

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
        # as the orders of a checkpoint (`market.tape.compiled.Checkpoint`)
        words, anonymous = orders[:, sim.T_SLOT : sim.TAPE_WORDS], orders[:, M_KIND] != schema.ADD
        load_orders(book, np.column_stack((words, np.arange(len(orders)), anonymous)))
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
        """Rows of an event as this venue sees them, none before now; they are recorded."""
        rows = event.rows
        if event.instrument in self._totals:
            rows = self._totals[event.instrument].of(rows, event.snapshot)
        rows = np.array(rows, np.int64)
        rows[:, M_NS] = np.maximum.accumulate(np.maximum(rows[:, M_NS], now_ns))
        if self._recording is not None and len(rows):
            self._recording.add(MarketRows(event.instrument, rows, event.snapshot))
        return rows[:, :M_AGGRESSOR]

    def _by_level(self, k: Ints) -> None:
        k[QUEUE], power = queue_model(self._rules.queue)
        put_real(k, POWER, power)

    def _feed(self, events: Sequence[VenueEvent]) -> None:
        """Append market data to the tape; link events of the data venue are passed on."""
        fed: dict[int, list[Ints]] = {}
        for event in events:
            if isinstance(event, MarketRows) and event.instrument in self._number:
                market = self._number[event.instrument]
                parts = fed.setdefault(market, [])
                rows = self._seen(event, int(parts[-1][-1, M_NS]) if parts else self.now_ns)
                if len(rows) and event.snapshot:  # the book is cleared and laid again
                    parts.append(np.array([[rows[0, M_NS], schema.CLEAR, -1, 0, 0, 0]], np.int64))
                if len(rows):
                    parts.append(rows)
            elif not isinstance(event, MarketRows):
                self._outbox.append(event)
        for market, parts in fed.items():
            if not parts:
                continue
            rows, k = np.concatenate(parts), self._markets.states[market]
            if not k[QUEUE] and np.any(rows[:, M_KIND] == schema.LEVEL_SET):
                self._by_level(k)
            self._markets.feed(market, rows)
        if self._recording is not None:
            self._recording.write()

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
        """Listings of the data venue; their fees hold for fills here."""
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
        """Write the recording to the file."""
        if self._recording is not None:
            self._recording.flush()

    def close(self) -> None:
        """Close both, and the recording."""
        super().close()
        if self._recording is not None:
            self._recording.close()
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


WIDTH = 1024
"""Prices of the ring of a book whose depth is not declared."""


UNNAMED: Final = "csco"
"""The market of an exchange when none is named."""


def preset_markets(names: Sequence[str], seed: int) -> dict[str, MarketSpec]:
    """One instrument for each preset, under its symbol; the default one without names.

    Raises
    ------
    ConfigError, UnknownNameError
        A preset twice, or one that is none.
    """

    markets: dict[str, MarketSpec] = {}
    for name in names or [UNNAMED]:
        preset = presets.load(name)
        instrument = preset.symbol if preset.symbol not in markets else preset.name
        if instrument in markets:
            raise ConfigError("every market once", f"{name} twice", "name each preset once")
        markets[instrument] = MarketSpec(
            reactive(preset), seed, index=len(markets), volume_per_s=preset.volume_per_s
        )
    return markets


def recorded_market(
    tape: Path,
    symbol: str | None,
    date: str | None,
    seed: int,
    *,
    levels: bool = False,
    queue: str = DEFAULT,
    venue: str | None = None,
) -> dict[str, MarketSpec]:
    """A recorded day of a lake (the longest by default), from its opening; the lake's one symbol where none is named.

    Parameters
    ----------
    levels : bool
        For a desk's own exchange: a day of level totals will do, `queue` is then the model of queues, and of lots that
        are parts of a coin prices are those of a lot.

    Raises
    ------
    ConfigError, UnknownNameError
        No symbol named of several, a day that the lake lacks, or one that shows level totals alone.
    """

    lake = Lake(tape)
    if symbol is None:
        names = sorted({one.symbol for one in lake.list()})
        if len(names) != 1:
            held = ", ".join(names) or "no days"
            raise ConfigError(
                f"`symbol=` with `tape={tape}`", f"none, and the lake holds {held}", "name one"
            )
        symbol = names[0]
    days = lake.days(symbol)
    chosen = date or lake.longest(symbol, venue)
    if chosen not in days:
        raise UnknownNameError(
            f"a day of {symbol} in {tape}",
            repr(chosen),
            f"use one of {', '.join(days) or '(none)'}",
        )
    source, (day,) = replay(lake, symbol, [chosen], venue, queue)
    if source.worlds_k[0, QUEUE] and not levels:
        raise ConfigError(
            "a tape of single orders",
            f"level totals in {symbol} {chosen}",
            "an exchange shows its clients orders: serve a day of an order-level feed",
        )
    # the last world at or before the opening
    at = max(int((day.world_ns <= day.open_ns).sum()) - 1, 0)
    spec = MarketSpec(
        source,
        seed,
        world=int(day.world[at]),
        began_ns=max(day.open_ns, int(day.world_ns[at])),
        first_row=int(day.world_row[at]),
        last_row=day.last_row,
    )
    if (
        levels and (units := day.instrument.lot_units) < 1
    ):  # lots are parts of a coin: a tick is money for a lot
        tick = float(Fraction(repr(source.tick)) * units)
        spec = replace(spec, source=replace(source, tick=tick), part=float(units))
    return {symbol: spec}
