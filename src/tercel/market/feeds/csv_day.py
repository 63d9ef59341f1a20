"""One day of tick files: read by their map, clean, sign the prints, translate to the tape.

Quotes become LEVEL_SET, ROLL_IN and ROLL_OUT rows of what changed between them, prints TRADE rows against the side they
hit, auction prints CROSS rows. Prints that the file does not sign are signed by Lee & Ready (1991): against the mid of
the quote in force, without a lag, and at the mid by the last different price. Rows of one time keep their file's order,
trades before quotes of other files: a quote that follows a trade at once shows what the trade left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.feeds import csv_kernels as k
from tercel.market.feeds.csv_clean import CleanReport, clean_quotes, clean_trades, merge_exchanges
from tercel.market.feeds.csv_map import CsvMap, FileMap
from tercel.market.feeds.csv_read import (
    NO_DIRECT,
    NO_QUOTES,
    NO_TRADES,
    NS,
    CsvQuotes,
    CsvRows,
    Direct,
    Text,
    Trades,
    levels_of,
    orders_of,
    quotes_of,
    read_text,
    trades_of,
)
from tercel.market.feeds.members import Member
from tercel.market.feeds.port import Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument, clock_s, midnight_ns, next_midnight_ns

MOST_BACKWARDS: Final = 0.01
"""Share of rows whose clock may go back before it is worth a warning."""


@dataclass(frozen=True)
class CsvDay:
    """The files of one symbol and day.

    Parameters
    ----------
    symbol, date : str
        As in the lake.
    parts : sequence of (Member, FileMap)
        Its files.
    map : CsvMap
        What their columns mean.
    tick : float or None
        Instead of the map's.
    """

    symbol: str
    date: str
    parts: tuple[tuple[Member, FileMap], ...]
    map: CsvMap
    tick: float | None = None

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(m.name for m, _ in self.parts)

    def read(self) -> Imported:
        """Translate the day.

        Raises
        ------
        FeedError
            With file, row, column and remedy, when a file is not what its map says.
        """
        report = CleanReport()
        items, back = self._gather(report)
        one, rules = self.map.instrument, self.map.clean
        tick = one.tick if self.tick is None else self.tick
        open_ns, close_ns = self._session()
        quotes, trades, direct = NO_QUOTES, NO_TRADES, NO_DIRECT
        if items[CsvQuotes]:
            quotes = clean_quotes(CsvQuotes.joined(items[CsvQuotes]), rules, open_ns, close_ns, tick, report)
        if items[Trades]:
            trades = clean_trades(Trades.joined(items[Trades]), rules, open_ns, close_ns, report)
        if items[Direct]:
            direct = Direct.joined(items[Direct])
        events, extra = tape_of(quotes, trades, direct, tick, one.lot, rules.trade_outliers, report)
        if events.n == 0:
            received = f"none left of {', '.join(self.source)}: {report.taken}"
            raise FeedError(f"rows of {self.symbol} on {self.date}", received, "check symbol, date, session and rules")
        extra |= {"feed": "csv", "map": self.map.about, "cleaning": report.taken, "clock_backwards": back}
        instrument = Instrument(
            venue=one.venue, symbol=self.symbol, date=self.date, tick=tick, lot=one.lot,
            levels=next((f.quote.levels for _, f in reversed(self.parts) if f.quote is not None), 0),
            timezone=one.timezone, source=self.source, session_open_ns=open_ns, session_close_ns=close_ns,
            rows=events.n, off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)), extra=extra,
        )  # fmt: skip
        rows = quotes.n + trades.n + direct.n
        return Imported(instrument, events, tuple(self._warnings(report, back, rows)))

    def _session(self) -> tuple[int, int]:
        one = self.map.instrument
        if not one.session:
            return 0, 0
        start = midnight_ns(self.date, one.timezone)
        noon = (start + next_midnight_ns(self.date, one.timezone)) // 2  # clocks change at night
        return tuple(clock_s(c) * NS_PER_SECOND + noon - 12 * 3600 * NS_PER_SECOND for c in one.session)  # type: ignore[return-value]

    def _gather(self, report: CleanReport) -> tuple[dict[type[CsvRows], list[Any]], int]:
        """Rows of all files by what they are, numbered by file (trades before quotes at one time), and clocks back."""
        import polars as pl

        items: dict[type[CsvRows], list[Any]] = {CsvQuotes: [], Trades: [], Direct: []}
        back = 0
        zone = self.map.instrument.timezone
        start, stop = midnight_ns(self.date, zone), next_midnight_ns(self.date, zone)
        for number, (member, file) in enumerate(self.parts):
            text = read_text(member, file, zone, self.date, self.symbol)
            text = Text(text.frame.filter(pl.col(NS).is_between(start, stop, closed="left")), text.where)
            back += int(np.count_nonzero(np.diff(text.longs(NS)) < 0))
            rank = number if file.quote is None else number + len(self.parts)
            for role in file.roles:
                mine = text.of(file.rows.column, getattr(file.rows, role)) if file.rows.column else text
                rows = _rows_of(role, mine, file, report)
                rows.row[:] += rank << 40
                items[type(rows)].append(rows)
        return items, back

    def _warnings(self, report: CleanReport, back: int, items: int) -> list[str]:
        taken = {k: v for k, v in report.taken.items() if not k.endswith(" read")}
        counts = ", ".join(f"{v:,} {k}" for k, v in taken.items() if v)
        found = [f"cleaning took {counts}"] if counts else []
        if back > MOST_BACKWARDS * items:
            found.append(f"the clock goes back in {back:,} rows; they were put in order of time")
        if any(f.quote is not None and not f.quote.bid_size for _, f in self.parts):
            found.append("the quotes carry no sizes: each side is shown as one lot")
        return found


def _rows_of(role: str, text: Text, file: FileMap, report: CleanReport) -> CsvRows:
    """What the rows of one kind say."""
    if role == "quote" and (q := file.quote) is not None:
        quotes, keep = quotes_of(text, q, file.price_scale, report.tell), q.zero_side == "keep"
        if q.levels == 1 and (keep or (q.exchange and len(q.exchanges) != 1)):
            quotes = merge_exchanges(quotes.take(np.argsort(quotes.ns, kind="stable")), keep)
        report.tell("quotes read", text.n)
        return quotes
    if role == "trade" and file.trade is not None:
        report.tell("trades read", text.n)
        return trades_of(text, file.trade, file.price_scale, report.tell)
    if role == "level" and file.level is not None:
        report.tell("level updates read", text.n)
        return levels_of(text, file.level, file.price_scale)
    assert file.order is not None
    report.tell("order events read", text.n)
    return orders_of(text, file.order, file.price_scale)


def tape_of(
    q: CsvQuotes, t: Trades, d: Direct, tick: float, lot: int, check: bool, report: CleanReport
) -> tuple[Events, dict[str, Any]]:
    """The tape of cleaned rows, and what else was found; with `check` prints far beyond the quotes are left out."""
    q, shown, off = _levels(q, tick, lot, report)
    parts = (q, t, d)
    ns, row = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ns", "row"))
    order = np.lexsort((row, ns))
    what = np.repeat(np.arange(3, dtype=np.uint8), [p.n for p in parts])[order]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    quote_at, print_at, direct_at = np.split(place, [q.n, q.n + t.n])
    sign, far, count = t.sign.copy(), np.zeros(t.n, np.uint8), np.zeros(4, np.int64)
    at = np.concatenate([np.arange(p.n) for p in parts])[order]
    k.sign_prints(what, at, shown[0], shown[2], t.price / tick, sign, t.cross.astype(np.uint8), far, check, count)
    names = ("by feed", "by quotes", "by ticks", "unsigned")
    signed = {"signed": dict(zip(names, count.tolist(), strict=True))} if t.n else {}
    if check and t.n:
        report.tell("trades beyond the quotes", int(far.sum()))
        t, sign, print_at = t.take(far == 0), sign[far == 0], print_at[far == 0]
    first = min((int(p[0]) for p in (quote_at, print_at, direct_at) if len(p)), default=0)
    opens = q.n > 0 and int(quote_at[0]) == first
    bid, bid_lots, ask, ask_lots = shown
    news = k.changes(bid, bid_lots, ask, ask_lots, off, opens, np.empty((0, 6), np.int64))
    made = np.empty((news, 6), np.int64)
    k.changes(bid, bid_lots, ask, ask_lots, off, opens, made)
    j, kind, side, ticks, lots, flags = made.T
    cross = np.where(t.cross, schema.CROSS, schema.TRADE)
    tables = [
        _table(quote_at[j], q.ns[j], q.received[j], kind, 0, side, ticks, lots, flags),
        _table(
            print_at, t.ns, t.received, cross, 0, np.where(t.cross, 0, -sign),
            *_units(t.price / tick, -sign, t.size, lot, t.row),
        ),
        _table(
            direct_at, d.ns, d.received, d.kind, d.order_id, d.side, *_units(d.price / tick, d.side, d.size, lot, d.row)
        ),
    ]  # fmt: skip
    table = np.concatenate(tables)
    table = table[np.argsort(table[:, SEQ], kind="stable")]
    events, place = Events.from_table(table), table[:, SEQ]
    new = np.append(True, place[1:] != place[:-1])[: events.n]
    opening = bool(opens and events.n and place[0] == first)  # message 0
    events.seq[:] = np.cumsum(new) - opening
    events.flags[np.append(new[1:], True)[: events.n]] |= schema.MESSAGE_END
    same = q.n - len(np.unique(j)) - (opens and not opening)
    return events, {"quotes_without_change": same} | signed


SEQ: Final = 2
"""Column of a table: the place of an item among all, then the number of its message."""


def _table(place: NDArray[np.int64], ns: Any, received: Any, *columns: Any) -> NDArray[np.int64]:
    """Columns of a tape, one number or one a row, as int64 (n, 9)."""
    return np.stack(np.broadcast_arrays(ns, received, place, *columns), axis=1).astype(np.int64)


def _levels(
    q: CsvQuotes, tick: float, lot: int, report: CleanReport
) -> tuple[CsvQuotes, list[NDArray[np.int32]], NDArray[np.uint8]]:
    """Quotes in ticks and lots, and which are off the tick; those whose levels make no sense are left out."""
    shown = [np.zeros(q.bid.shape, np.int32) for _ in range(4)]
    off, bad = np.zeros(q.n, np.uint8), np.zeros(q.n, np.uint8)
    k.to_levels(q.bid, q.bid_size, 1, tick, lot, shown[0], shown[1], off, bad)
    k.to_levels(q.ask, q.ask_size, -1, tick, lot, shown[2], shown[3], off, bad)
    if not bad.any():
        return q, shown, off
    report.tell("quotes whose levels are out of order", int(bad.sum()))
    good = bad == 0
    return q.take(good), [x[good] for x in shown], off[good]


def _units(
    exact: NDArray[np.float64], side: NDArray[np.int64], size: NDArray[np.float64], lot: int, row: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
    """Ticks, lots and flags of rows."""
    ticks, off = _ticks(exact, side)
    return ticks, _lots(size, lot, row), off * np.uint8(schema.OFF_TICK)


def _ticks(exact: NDArray[np.float64], side: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Prices in ticks; off the tick: away from the touch (bids down, asks up), to the nearest without a side."""
    near = np.rint(exact)
    off = np.abs(exact - near) > 1e-4
    away = np.where(side > 0, np.floor(exact), np.where(side < 0, np.ceil(exact), near))
    at = np.where(off, np.maximum(away, 1), near)
    if at.size and at.max() >= 1 << 30:
        raise FeedError("prices below 2**30 ticks", f"{exact.max():g} ticks", "give a larger tick")
    return at.astype(np.int32), off.astype(np.uint8)


def _lots(size: NDArray[np.float64], lot: int, row: NDArray[np.int64]) -> NDArray[np.int32]:
    lots = np.where(size > 0, np.maximum(np.floor(size / lot + 0.5), 1), 0)
    bad = (lots >= 1 << 30) | (size < 0)
    if bad.any():
        at = int(np.argmax(bad))
        received = f"{size[at]:g} in row {row[at] & ((1 << 40) - 1)}"
        raise FeedError("a size of 0 to 2**30 lots", received, "raise `lot` in the map, or correct the row")
    return lots.astype(np.int32)
