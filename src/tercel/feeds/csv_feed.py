"""Tick files of any columns, by a map (`csv_map`): the feed, and one day from rows to tape.

A row of quotes and the part of a map that reads it (`maps/lean-quotes.toml`)::

    14400054,0,0,1836300,100,Q,1,0            [[file]]
                                              name = '(?P<date>\\d{8})_(?P<symbol>[A-Za-z0-9.]+)_Quote_Tick\\.csv'
                                              columns = ["ms", "bid", "bid_size", "ask", "ask_size", "exchange", ...]
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError
from tercel.core.vocabulary import LEAST_TICK, MOST_TICK
from tercel.feeds import csv_read as r
from tercel.feeds.csv_levels import levels_of, orders_of
from tercel.feeds.csv_map import CleanMap, CsvMap, FileMap, load_map
from tercel.feeds.csv_read import (
    NS,
    RECEIVED,
    ROUNDED,
    ROW,
    TIMES,
    Taken,
    in_order,
    read_text,
    stripped,
)
from tercel.feeds.members import Member, members
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Extra, Instrument, day_ns

# -- csv day ---------------------------------------------------------------------------------------
# One day of tick files: read by their map, clean, sign the prints, translate to the tape.
#
# Quotes become LEVEL_SET, ROLL_IN and ROLL_OUT rows of what changed between them, prints TRADE rows against the side they
# hit, auction prints CROSS rows. Prints that the file does not sign are signed by Lee & Ready (1991): against the mid of
# the quote in force, without a lag, and at the mid by the last different price. Rows of one time keep their file's order,
# trades before quotes of other files: a quote that follows a trade at once shows what the trade left.
#
# Rules that remove bad ticks, as the field states them; each says how many rows it took.
#
# Brownlees & Gallo (2006, Computational Statistics & Data Analysis 51) and Barndorff-Nielsen, Hansen, Lunde & Shephard
# (2009, Econometrics Journal 12, section 3), whose names are in brackets:
#
# ========================= ============================================================================================
# ``zero``                  no price or no size on a side, or in a trade (P2)
# ``session``               outside continuous trading (P1); the last quote before it opens the tape
# exchanges of the map      one exchange only (P3)
# ``merge``                 several quotes (Q1) or trades (T3) of one stamp become one: "last", or the "median" price with
#                           the median size of quotes and all the lots of trades
# ``negative_spread``       a bid above the ask (Q2)
# ``wide_spread``           a spread above so many times the day's median (Q3)
# ``outliers``              a mid further than so many mean absolute deviations, and `GRAIN_TICKS` (the granularity of
#                           Brownlees & Gallo: without it a quiet minute makes any change an outlier), from the median of
#                           the `window` quotes about it (Q4)
# ``correction``            of the map: corrected trades (T1)
# ``condition``             of the map: irregular sale conditions (T2)
# ``trade_outliers``        a print above the ask, or below the bid, by more than the spread (T4)
# ``uncross``               of level updates and order events: what a new level of the other side reaches or passes
# ========================= ============================================================================================

GRAIN_TICKS: Final = 5.0
_BID, _ASK = pl.col("bid_1"), pl.col("ask_1")


def merge_exchanges(quotes: pl.DataFrame, keep: bool) -> pl.DataFrame:
    """The best over all exchanges after each quote of one.

    A side without a price is left as its exchange last said (`keep`) or taken away.
    """
    quotes = quotes.sort(NS, maintain_order=True)
    best = []
    for side, better in (("bid", pl.max_horizontal), ("ask", pl.min_horizontal)):
        prices, sizes = [], []
        for exchange in quotes["exchange"].unique(maintain_order=True):
            stated = (pl.col("exchange") == exchange) & ((pl.col(f"{side}_1") > 0) | (not keep))
            price, size = (
                pl.when(stated).then(pl.col(f"{side}{what}_1")).forward_fill()
                for what in ("", "_size")
            )
            prices.append(pl.when(price > 0).then(price))
            sizes.append(size)
        touch = better(*prices)
        at_touch = [
            pl.when(price == touch).then(size) for price, size in zip(prices, sizes, strict=True)
        ]
        best += [
            touch.fill_null(0.0).alias(f"{side}_1"),
            pl.sum_horizontal(at_touch).alias(f"{side}_size_1"),
        ]
    return quotes.with_columns(best) if quotes.height else quotes


def clean_quotes(
    q: pl.DataFrame, rules: CleanMap, open_ns: int, close_ns: int, tick: float, report: Taken
) -> pl.DataFrame:
    """Quotes by the rules; see the module."""
    from tercel.feeds import csv_kernels as k  # numba: a file is read before it is imported

    if rules.zero:
        good = pl.all_horizontal(pl.col("bid_1", "ask_1", "bid_size_1", "ask_size_1") > 0)
        q = _only(q, good, "quotes without a price or a size on a side", report)
    opening = q.clear()
    if rules.session and close_ns:
        opening = q.filter(pl.col(NS) < open_ns).tail(1)
        q = _only(q, pl.col(NS).is_between(open_ns, close_ns), "quotes outside the session", report)
    if rules.negative_spread:
        q = _only(q, _ASK >= _BID, "quotes of negative spread", report)
    if rules.wide_spread > 0 and q.height:
        widest = rules.wide_spread * pl.max_horizontal((_ASK - _BID).median(), tick)
        q = _only(q, widest >= _ASK - _BID, "quotes of wide spread", report)
    if rules.merge != "off":
        merged = _merged_quotes(q, rules.merge)
        report["quotes merged into others of their stamp"] += q.height - merged.height
        q = merged
    if rules.outliers > 0 and q.height:
        out = np.zeros(q.height, np.uint8)
        mid = q.select((_BID + _ASK) / 2).to_series().to_numpy()
        k.outliers(
            mid, rules.window, rules.outliers, GRAIN_TICKS * tick, np.zeros(rules.window + 1), out
        )
        q = _only(q, pl.lit(pl.Series(out == 0)), "quotes that are outliers", report)
    opening = opening.filter((_BID > 0) & (_BID < _ASK))
    if opening.height and q.height and q[NS][0] > open_ns:
        at = pl.lit(open_ns, pl.Int64)
        q = in_order(pl.concat([opening.with_columns(at.alias(NS), at.alias(RECEIVED)), q]))
    return q


def clean_trades(
    t: pl.DataFrame, rules: CleanMap, open_ns: int, close_ns: int, report: Taken
) -> pl.DataFrame:
    """Trades by the rules that need no quotes; auction prints stay where they fall."""
    if rules.zero:
        t = _only(
            t,
            (pl.col("price") > 0) & (pl.col("size") > 0),
            "trades without a price or a size",
            report,
        )
    if rules.session and close_ns:
        inside = pl.col(NS).is_between(open_ns, close_ns) | pl.col("cross")
        t = _only(t, inside, "trades outside the session", report)
    if rules.merge == "median":
        merged = _merged_trades(t)
        report["trades merged into others of their stamp"] += t.height - merged.height
        t = merged
    return t


def _only(rows: pl.DataFrame, good: pl.Expr, rule: str, report: Taken) -> pl.DataFrame:
    passed = rows.filter(good)
    report[rule] += rows.height - passed.height
    return passed


def _merged_quotes(q: pl.DataFrame, how: str) -> pl.DataFrame:
    """One quote of each time: the last, or the median of the prices and of the sizes of one level."""
    median = how == "median" and "bid_2" not in q.columns
    sides = pl.col("^(bid|ask)_.*$")
    values = sides.median() if median else sides.last()
    return (
        q.group_by(NS, maintain_order=True)
        .agg(pl.col(RECEIVED, ROW, "exchange").last(), values)
        .select(q.columns)
    )


def _merged_trades(t: pl.DataFrame) -> pl.DataFrame:
    """One print of each time, auction prints apart: the median price of all the lots."""
    cross = pl.col("cross")
    new = (pl.col(NS) != pl.col(NS).shift()) | cross | cross.shift()
    one = pl.when(pl.col("sign").n_unique() == 1).then(pl.col("sign").first()).otherwise(0)
    merged = t.group_by(new.fill_null(True).cum_sum().alias("run"), maintain_order=True).agg(
        pl.col(*TIMES, "cross").last(),
        pl.col("price").median(),
        pl.col("size").sum(),
        one.alias("sign"),
    )
    return merged.select(t.columns)


MOST_BLANK: Final = 0.1
"""Share of quotes that may lack a side before the key that keeps it is named."""
MOST_BACKWARDS: Final = 0.01
"""Share of rows whose clock may go back before a warning."""


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
        report, notes = r.Taken(), list[str]()
        one, rules = self.map.instrument, self.map.clean
        tick = one.tick if self.tick is None else self.tick
        if not LEAST_TICK <= tick <= MOST_TICK:
            raise FeedError(
                f"a tick of {LEAST_TICK:g} to {MOST_TICK:g}",
                f"{tick:g}",
                "give the exchange's tick",
            )
        origin = 0
        if one.lowest_price is not None:  # the lowest price is tick 1 of the tape
            origin = floor(Fraction(str(one.lowest_price)) / Fraction(str(tick))) - 1
        prices = r.FilePrices(zero=float(origin * Fraction(str(tick))), lots=one.lots_a_unit)
        items, back = self._gather(prices, report)
        from tercel.feeds import (  # numba: a file is read before it is imported
            csv_kernels as k,
            csv_tape,
        )

        open_ns, close_ns = one.session_ns(self.date)
        quotes, trades, direct = (
            in_order(self._once(pl.concat(items[what]), report, notes))
            if items[what]
            else NONE[what]
            for what in NONE
        )
        csv_tape.refuse_off_tick([quotes, direct, trades], tick, prices.zero, self._place)
        units = [getattr(file, role).size_unit for _, file in self.parts for role in file.roles]
        csv_tape.refuse_parted([quotes, direct, trades], one, max(units) == 1, report, self._place)
        direct = direct.with_columns(order_id=csv_tape.numbered(direct["order_id"]))
        if items["quote"]:
            quotes = clean_quotes(quotes, rules, open_ns, close_ns, tick, report)
        if items["trade"]:
            trades = clean_trades(trades, rules, open_ns, close_ns, report)
        events, extra = csv_tape.tape_of(
            quotes, trades, direct, tick, one.lot, rules.trade_outliers, report
        )
        if events.n == 0:
            raise FeedError(
                f"rows of {self.symbol} on {self.date}",
                f"none left of {', '.join(self.source)}: {dict(report)}",
                "check symbol, date, session and rules",
            )
        if direct.height:
            events = k.uncrossed(events, report) if rules.uncross else events
            extra |= k.counted(events)
        extra |= {
            "feed": "csv",
            "map": self.map.about,
            "cleaning": dict(report),
            "clock_backwards": back,
        }
        if one.lot < 1:
            extra["lot_size"] = f"{Decimal(str(one.lot)):f}"
        instrument = Instrument(
            venue=one.venue,
            symbol=self.symbol,
            date=self.date,
            tick=tick,
            lot=max(int(one.lot), 1),
            levels=next(
                (f.quote.levels for _, f in reversed(self.parts) if f.quote is not None), 0
            ),
            timezone=one.timezone,
            source=self.source,
            session_open_ns=open_ns,
            session_close_ns=close_ns,
            rows=events.n,
            off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)),
            extra=extra,
            price_origin=origin,
        )
        rows = quotes.height + trades.height + direct.height
        return Imported(
            instrument, events, tuple(self._warnings(report, back, rows, extra) + notes)
        )

    def _gather(
        self, prices: r.FilePrices, report: r.Taken
    ) -> tuple[dict[str, list[pl.DataFrame]], int]:
        """Rows of all files by what they are, numbered by file (trades before quotes at one time), and clocks back."""
        items: dict[str, list[pl.DataFrame]] = {what: [] for what in NONE}
        back = 0
        zone = self.map.instrument.timezone
        start, stop = day_ns(self.date, zone, self.map.instrument.begins_s)
        for number, (member, file) in enumerate(self.parts):
            text = r.read_text(member, file, self.map.instrument, self.date, self.symbol)
            inside = text.frame.filter(pl.col(r.NS).is_between(start, stop, closed="left"))
            report["rows of another day"] += text.frame.height - inside.height
            text = replace(text, frame=inside)
            back += int((text.frame[r.NS].diff() < 0).sum())
            rank = number if file.quote is None else number + len(self.parts)
            for role in file.roles:
                mine = (
                    text.of(file.rows.column, getattr(file.rows, role))
                    if file.rows.column
                    else text
                )
                rows = _rows_of(
                    role, mine, file, replace(prices, over=file.price_scale), report
                ).with_columns(pl.col(r.ROW) + (rank << 40))
                items[role if role in NONE else "direct"].append(rows)
        return items, back

    def _place(self, row: int) -> str:
        """Number of a row in its file, and the file."""
        return (
            f"row {row & ((1 << 40) - 1)} of {self.parts[(row >> 40) % len(self.parts)][0].where}"
        )

    def _once(self, rows: pl.DataFrame, report: r.Taken, notes: list[str]) -> pl.DataFrame:
        """Rows without copies, which are counted and said."""
        content = [name for name in rows.columns if name not in (r.RECEIVED, r.ROW)]
        once = without_copies(rows, content)
        if rows.height > once.height:
            report["rows that come again"] += rows.height - once.height
            again = rows.join(once, on=r.ROW, how="anti", maintain_order="left")[:1]
            first = once.join(again, on=content, how="semi", nulls_equal=True)[r.ROW][0]
            notes.append(
                f"{self._place(again[r.ROW][0])} is {self._place(first)} again; such rows count once"
            )
        return once.drop("id", strict=False)

    def _warnings(self, report: r.Taken, back: int, items: int, extra: Extra) -> list[str]:
        taken = {
            rule: n for rule, n in report.items() if not rule.endswith(" read") and rule != ROUNDED
        }
        counts = ", ".join(f"{v:,} {k}" for k, v in taken.items() if v)
        found = [f"cleaning took {counts}"] if counts else []
        one_sided = report["quotes without a price or a size on a side"]
        if one_sided > MOST_BLANK * report["quotes read"] and any(
            file.quote is not None and not file.quote.zero_side for _, file in self.parts
        ):
            found.append(
                'if a blank side means "as before", write `zero_side = "keep"` under [file.quote] in the map'
            )
        if report[ROUNDED]:
            found.append(
                f"sizes of {report[ROUNDED]:,} rows are no whole lots; they were rounded, in a book to 1 lot at least, "
                "of prints so that their sum stays"
            )
        if back > MOST_BACKWARDS * items:
            found.append(f"the clock goes back in {back:,} rows; they were put in order of time")
        if any(f.quote is not None and not f.quote.bid_size for _, f in self.parts):
            found.append("the quotes carry no sizes: each side is shown as one lot")
        if extra.get("crossed_states") or extra.get("locked_states"):
            states = "{crossed_states:,} of {states:,} states are crossed, {locked_states:,} locked".format(
                **extra
            )
            found.append(
                f"{states}; `tercel data verify` names the likely cause, `uncross = true` under [clean] drops it"
            )
        return found


LEAST_COPY: Final = 20
"""Rows that have to come again for a copy, in a file of more than four times as many."""


def without_copies(rows: pl.DataFrame, content: Sequence[str]) -> pl.DataFrame:
    """Rows without those that their files repeat.

    A copy begins where the clock goes back furthest: of the rows behind it, as far as the clock had come, most were there
    before. Files that are newest first are seen from their end.
    """
    while True:
        steps = rows[r.NS].diff()
        forward = -1 if 2 * int((steps < 0).sum()) > rows.height else 1
        at = int((forward * steps).arg_min() or 0)
        before = rows[:at]
        late = rows[at:].filter(pl.col(r.NS).is_between(before[r.NS].min(), before[r.NS].max()))
        since = before.filter(pl.col(r.NS) >= (late[r.NS].min() or 0))
        again = late.join(since, on=list(content), how="semi", nulls_equal=True)[r.ROW]
        least = max(2, min(LEAST_COPY, rows.height // 4))
        enough = min(3, least) if len(again) == late.height else max(least, late.height / 2)
        if forward * (steps[at : at + 1].sum() or 0) >= 0 or len(again) < enough:
            return rows
        rows = rows.filter(~pl.col(r.ROW).is_in(again.implode()))


def _rows_of(
    role: str, text: r.TextRows, file: FileMap, prices: r.FilePrices, report: r.Taken
) -> pl.DataFrame:
    """Typed rows of one kind, without bad ones, which `report` counts."""
    if role == "quote" and (q := file.quote) is not None:
        quotes, keep = r.quotes_of(text, q, prices, report), q.zero_side == "keep"
        if q.levels == 1 and (keep or (q.exchange and len(q.exchanges) != 1)):
            quotes = merge_exchanges(quotes, keep)
        report["quotes read"] += text.frame.height
        return quotes
    if role == "trade" and file.trade is not None:
        report["trades read"] += text.frame.height
        return r.trades_of(text, file.trade, prices, report)
    if role == "level" and file.level is not None:
        report["level updates read"] += text.frame.height
        return levels_of(text, file.level, prices)
    assert file.order is not None
    report["order events read"] += text.frame.height
    return orders_of(text, file.order, prices)


_COLUMNS: Final = {
    "quote": (*r.TIMES, *(name for (name,) in r.side_columns(1))),
    "trade": (*r.TIMES, "price", "size", "sign", "cross"),
    "direct": (*r.TIMES, "side", "kind", "order_id", "price", "size", "snapshot"),
}
_TYPES: Final[dict[str, Any]] = {
    **{"cross": pl.Boolean, "order_id": pl.String},
    **dict.fromkeys((*r.TIMES, "sign", "side", "kind", "snapshot"), pl.Int64),
}
NONE: Final = {
    sort: pl.DataFrame(schema={name: _TYPES.get(name, pl.Float64) for name in names})
    for sort, names in _COLUMNS.items()
}
"""Rows of each sort, of which there are none."""


class CsvFeed:
    """Files that a column map describes, as a :class:`tercel.market.feed.Feed`.

    Parameters
    ----------
    map : CsvMap or str
        The map, its shipped name, or its file.

    >>> with CsvFeed("lean").days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "csv"

    def __init__(self, map: CsvMap | str) -> None:
        self.map = map if isinstance(map, CsvMap) else load_map(map)

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[CsvDay]]:
        """See :meth:`tercel.market.feed.Feed.days`.

        A file whose name does not say its symbol or day is looked through for them.
        """
        with members(paths) as found:
            groups: dict[tuple[str, str], list[tuple[Member, FileMap]]] = {}
            strange: list[Member] = []
            for member in found:
                named = self._file_of(member)
                if named is None:
                    strange.append(member)
                    continue
                file, symbol, date = named
                date = (
                    None if self.map.instrument.begins_s else date
                )  # a calendar day's file holds two trading days
                for key in self._keys(member, file, options.symbol or symbol, options.date or date):
                    groups.setdefault(key, []).append((member, file))
            if paths and not groups:
                wanted = " or ".join(f.name or "any name" for f in self.map.file)
                raise FeedError(
                    f"files named as the map says ({wanted})",
                    ", ".join(m.name for m in strange[:3]),
                    "check the path and the map's `name`",
                )
            yield [self._day(key, parts, options) for key, parts in sorted(groups.items())]

    def _day(
        self, key: tuple[str, str], parts: list[tuple[Member, FileMap]], options: FeedOptions
    ) -> CsvDay:
        symbol, date = key
        for file in self.map.file:
            same = [m.where for m, f in parts if f is file]
            if len(same) > 1 and file.name and not self.map.instrument.begins_s:
                raise FeedError(
                    f"one file of each kind for {symbol} on {date}",
                    " and ".join(same[:3]),
                    "import one of them",
                )
        return CsvDay(symbol, date, tuple(parts), self.map, options.tick)

    def _file_of(self, member: Member) -> tuple[FileMap, str | None, str | None] | None:
        for file in self.map.file:
            if not file.name:
                return file, None, None
            match = re.fullmatch(file.name, member.name)
            if match is None:
                continue
            groups = match.groupdict()
            date = groups.get("date")
            if date is not None:
                try:
                    date = datetime.strptime(date, file.date_format).date().isoformat()
                except ValueError as error:
                    raise FeedError(
                        f"a date as {file.date_format}",
                        f"{date!r} in the name of {member.where}",
                        "rename the file, or correct the map",
                    ) from error
            return file, groups.get("symbol"), date
        return None

    def _keys(
        self, member: Member, file: FileMap, symbol: str | None, date: str | None
    ) -> list[tuple[str, str]]:
        """Symbols and days in a file: from its name and the user, else from its rows."""
        if symbol is not None and date is not None:
            return [(self._cased(symbol), date)]
        if symbol is None and not file.symbol:
            raise FeedError(
                "to know the symbol",
                member.where,
                "give `symbol=`, or `symbol` (a column) in the map, or a group `symbol` in its name of files",
            )
        zone = self.map.instrument.timezone
        text = read_text(member, file, self.map.instrument, date, None)
        if text.frame.height == 0:
            raise FeedError(
                "a row", f"none in {member.where}", "download it again, or leave it out"
            )
        local = (
            pl.from_epoch(NS, "ns")
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone(zone)
            .dt.replace_time_zone(None)
        )
        local = local.dt.offset_by(f"{-self.map.instrument.begins_s}s")
        named = pl.lit(symbol) if symbol is not None else stripped(file.symbol)
        day = pl.lit(date) if date is not None else local.dt.strftime("%Y-%m-%d")
        pairs = (
            text.frame.select(symbol=named, day=day)
            .unique()
            .filter(pl.col("symbol") != "")
            .sort("symbol", "day")
        )
        return [(self._cased(one), on) for one, on in pairs.rows()]

    def _cased(self, symbol: str) -> str:
        return symbol.upper() if self.map.instrument.uppercase else symbol
