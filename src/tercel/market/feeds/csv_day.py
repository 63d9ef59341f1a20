"""One day of tick files: read by their map, clean, sign the prints, translate to the tape.

Quotes become LEVEL_SET, ROLL_IN and ROLL_OUT rows of what changed between them, prints TRADE rows against the side they
hit, auction prints CROSS rows. Prints that the file does not sign are signed by Lee & Ready (1991): against the mid of
the quote in force, without a lag, and at the mid by the last different price. Rows of one time keep their file's order,
trades before quotes of other files: a quote that follows a trade at once shows what the trade left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.feeds import csv_kernels as k
from tercel.market.feeds.csv_clean import Report, clean_quotes, clean_trades, merge_exchanges
from tercel.market.feeds.csv_map import CsvMap, FileMap
from tercel.market.feeds.csv_read import (
    NS,
    Direct,
    Quotes,
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


@dataclass
class _Items:
    """What the files of a day hold, by kind, with the rank of each file (trades before quotes at one time)."""

    quotes: list[tuple[int, Quotes]]
    trades: list[tuple[int, Trades]]
    direct: list[tuple[int, Direct]]
    levels: int = 0


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
        report = Report()
        items, back = self._gather(report)
        one = self.map.instrument
        tick = one.tick if self.tick is None else self.tick
        open_ns, close_ns = self._session()
        quotes = clean_quotes(
            _joined(Quotes, items.quotes), self.map.clean, open_ns, close_ns, tick, report
        ) if items.quotes else None  # fmt: skip
        trades = clean_trades(_joined(Trades, items.trades), self.map.clean, open_ns, close_ns, report) \
            if items.trades else None  # fmt: skip
        direct = _joined(Direct, items.direct) if items.direct else None
        made = _Tape(quotes, trades, direct, tick, one.lot, self.map.clean.trade_outliers, report)
        events, extra = made.events()
        if events.n == 0:
            received = f"none left of {', '.join(self.source)}: {report.taken}"
            raise FeedError(f"rows of {self.symbol} on {self.date}", received, "check symbol, date, session and rules")
        extra |= {"feed": "csv", "map": self.map.about, "cleaning": report.taken, "clock_backwards": back}
        instrument = Instrument(
            venue=one.venue, symbol=self.symbol, date=self.date, tick=tick, lot=one.lot, levels=items.levels,
            timezone=one.timezone, source=self.source, session_open_ns=open_ns, session_close_ns=close_ns,
            rows=events.n, off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)), extra=extra,
        )  # fmt: skip
        return Imported(instrument, events, tuple(self._warnings(report, extra, back, made.items)))

    def _session(self) -> tuple[int, int]:
        one = self.map.instrument
        if not one.session:
            return 0, 0
        start = midnight_ns(self.date, one.timezone)
        noon = (start + next_midnight_ns(self.date, one.timezone)) // 2  # clocks change at night
        return tuple(clock_s(c) * NS_PER_SECOND + noon - 12 * 3600 * NS_PER_SECOND for c in one.session)  # type: ignore[return-value]

    def _gather(self, report: Report) -> tuple[_Items, int]:
        items, back = _Items([], [], []), 0
        zone = self.map.instrument.timezone
        start, stop = midnight_ns(self.date, zone), next_midnight_ns(self.date, zone)
        for number, (member, file) in enumerate(self.parts):
            text = read_text(member, file, zone, self.date, self.symbol)
            ns = text.longs(NS)
            inside = (ns >= start) & (ns < stop)
            if not inside.all():
                import polars as pl

                text = Text(text.frame.filter(pl.Series(inside)), text.where)
            back += int(np.count_nonzero(np.diff(text.longs(NS)) < 0))
            alone = file.quote is None
            rank = number if alone else number + len(self.parts)
            for role in ("quote", "trade", "level", "order"):
                self._take(role, text, file, rank, items, report)
        return items, back

    def _take(self, role: str, text: Text, file: FileMap, rank: int, items: _Items, report: Report) -> None:
        if getattr(file, role) is None:
            return
        if file.rows.column:
            text = text.of(file.rows.column, getattr(file.rows, role))
        if file.quote is not None and role == "quote":
            q = quotes_of(text, file.quote, file.price_scale, report.tell)
            keep = file.quote.zero_side == "keep"
            if file.quote.levels == 1 and (keep or (file.quote.exchange and len(file.quote.exchanges) != 1)):
                q = merge_exchanges(_in_time(q), keep)
            report.tell("quotes read", text.n)
            items.quotes.append((rank, q))
            items.levels = file.quote.levels
        elif file.trade is not None and role == "trade":
            report.tell("trades read", text.n)
            items.trades.append((rank, trades_of(text, file.trade, file.price_scale, report.tell)))
        elif file.level is not None and role == "level":
            report.tell("level updates read", text.n)
            items.direct.append((rank, levels_of(text, file.level, file.price_scale)))
        elif file.order is not None:
            report.tell("order events read", text.n)
            items.direct.append((rank, orders_of(text, file.order, file.price_scale)))

    def _warnings(self, report: Report, extra: dict[str, Any], back: int, items: int) -> list[str]:
        taken = {k: v for k, v in report.taken.items() if not k.endswith(" read")}
        counts = ", ".join(f"{v:,} {k}" for k, v in taken.items() if v)
        found = [f"cleaning took {counts}"] if counts else []
        if back > MOST_BACKWARDS * items:
            found.append(f"the clock goes back in {back:,} rows; they were put in order of time")
        if any(f.quote is not None and not f.quote.bid_size for _, f in self.parts):
            found.append("the quotes carry no sizes: each side is shown as one lot")
        return found


def _in_time(q: Quotes) -> Quotes:
    return q if bool((np.diff(q.ns) >= 0).all()) else q.take(np.argsort(q.ns, kind="stable"))


def _joined(kind: Any, parts: Sequence[tuple[int, Any]]) -> Any:
    """Rows of several files as one, in order of time and rank; the rank is put into the row numbers' high bits."""
    names = list(kind.__dataclass_fields__)
    columns = {name: np.concatenate([getattr(p, name) for _, p in parts]) for name in names}
    columns["row"] = np.concatenate([p.row + (rank << 40) for rank, p in parts])
    order = np.lexsort((columns["row"], columns["ns"]))
    return kind(**{name: column[order] for name, column in columns.items()})


class _Tape:
    """The canonical rows of cleaned items."""

    def __init__(
        self, quotes: Quotes | None, trades: Trades | None, direct: Direct | None, tick: float, lot: int,
        check: bool, report: Report,
    ) -> None:  # fmt: skip
        self.report, self.check, self.tick, self.lot = report, check, tick, lot
        self.quotes = quotes if quotes is not None else _nothing(Quotes, 1)
        self.trades = trades if trades is not None else _nothing(Trades)
        self.direct = direct if direct is not None else _nothing(Direct)
        self.items = self.quotes.n + self.trades.n + self.direct.n

    def events(self) -> tuple[Events, dict[str, Any]]:
        """The tape, and what else was found."""
        q, off_q = self._levels()
        what, at = self._order()
        t, d = self.trades, self.direct
        price = t.price / self.tick
        sign, far = t.sign.copy(), np.zeros(t.n, np.uint8)
        count = np.zeros(4, np.int64)
        cross = t.cross.astype(np.uint8)
        k.sign_prints(what, at, q[0], q[2], price, sign, cross, far, self.check, count)
        if self.check and t.n:
            self.report.tell("trades beyond the quotes", int(far.sum()))
            gone = (what == k.PRINT) & (far[np.minimum(at, max(t.n - 1, 0))] != 0)
            what, at = what[~gone], at[~gone]
        p_price, p_off = _ticks(price, -sign)
        d_price, d_off = _ticks(d.price / self.tick, d.side)
        arrays = (
            self.quotes.ns, self.quotes.received, *q, off_q,
            t.ns, t.received, p_price, _lots(t.size, self.lot, t.row), sign, cross, p_off,
            d.ns, d.received, d.kind, d.order_id, d.side, d_price, _lots(d.size, self.lot, d.row), d_off,
        )  # fmt: skip
        n, same = k.rows(what, at, False, *arrays, *_columns(Events.empty(0)))
        out = Events.empty(n)
        k.rows(what, at, True, *arrays, *_columns(out))
        signed = dict(zip(("by feed", "by quotes", "by ticks", "unsigned"), count.tolist(), strict=True))
        extra: dict[str, Any] = {"quotes_without_change": same}
        return out, extra | ({"signed": signed} if t.n else {})

    def _levels(self) -> tuple[tuple[Any, ...], NDArray[np.uint8]]:
        """Quotes in ticks and lots; rows whose levels make no sense are left out and counted."""
        q = self.quotes
        shape = q.bid.shape
        out = tuple(np.zeros(shape, np.int32) for _ in range(4))
        off, bad = np.zeros(q.n, np.uint8), np.zeros(q.n, np.uint8)
        k.to_levels(q.bid, q.bid_size, 1, self.tick, self.lot, out[0], out[1], off, bad)
        k.to_levels(q.ask, q.ask_size, -1, self.tick, self.lot, out[2], out[3], off, bad)
        if bad.any():
            self.report.tell("quotes whose levels are out of order", int(bad.sum()))
            good = bad == 0
            self.quotes, off = q.take(good), off[good]
            out = tuple(np.ascontiguousarray(x[good]) for x in out)
        return out, off

    def _order(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Kinds and indices of all items in tape order."""
        parts = (self.quotes, self.trades, self.direct)
        what = np.concatenate([np.full(p.n, i, np.uint8) for i, p in enumerate(parts)])
        at = np.concatenate([np.arange(p.n) for p in parts])
        ns, row = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ns", "row"))
        order = np.lexsort((row, ns))
        return what[order], at[order]


def _nothing(kind: Any, levels: int = 0) -> Any:
    wide = {"bid", "bid_size", "ask", "ask_size"}
    floats = {"price", "size"}
    return kind(
        **{
            name: np.zeros((0, levels)) if name in wide
            else np.zeros(0, np.float64 if name in floats else np.bool_ if name == "cross" else np.int64)
            for name in kind.__dataclass_fields__
        }
    )  # fmt: skip


def _columns(e: Events) -> tuple[Any, ...]:
    return (
        e.exch_ns, e.recv_ns, e.seq, e.kind, e.order_id, e.side, e.price_ticks, e.qty_lots, e.flags,
    )  # fmt: skip


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
