"""One day of tick files: read by their map, cleaned, prints signed, translated to the tape.

Quotes become LEVEL_SET, ROLL_IN and ROLL_OUT rows of what changed between them, prints TRADE rows against the side
they hit, auction prints CROSS rows. Prints that the file does not sign are signed by Lee & Ready (1991): against the
mid of the quote in force, without a lag, and at the mid by the last different price. Rows of one time keep their
file's order, trades before quotes of other files: a quote that follows a trade at once shows what the trade left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import polars.selectors as cs

from tercel.core.errors import FeedError
from tercel.core.report.formatting import format_clock
from tercel.core.vocabulary import DAY_NS, LEAST_TICK, MOST_TICK, NS_PER_SECOND
from tercel.feeds import csv_columns, csv_read as r, csv_rows
from tercel.feeds.csv_clean import clean_quotes, clean_trades, merge_exchanges
from tercel.feeds.csv_columns import in_order
from tercel.feeds.csv_levels import levels_of, orders_of
from tercel.feeds.csv_map import CsvMap, FileMap
from tercel.feeds.csv_rows import ROUNDED
from tercel.feeds.csv_trading_day import rows_of_trading_day
from tercel.feeds.members import Member
from tercel.feeds.recording_notes import recording_notes
from tercel.market.feed import Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Extra, Instrument
from tercel.market.tape.local_times import day_ns, midnight_ns

MOST_BLANK: Final = 0.1
"""Share of quotes that may lack a side before the key that keeps it is named."""
MOST_BACKWARDS: Final = 0.01
"""Share of rows whose clock may go back before a warning."""


APART_NS: Final = 30 * 60 * NS_PER_SECOND
"""Distance of the first times of two files from which one of them may be of another zone."""
LEAST_COPY: Final = 20
"""Rows that have to come again for a copy, in a file of more than four times as many."""
_COLUMNS: Final = {
    "quote": (*csv_columns.TIMES, *(name for (name,) in csv_rows.side_columns(1))),
    "trade": (*csv_columns.TIMES, "price", "size", "sign", "cross", "hidden"),
    "direct": (*csv_columns.TIMES, "side", "kind", "order_id", "price", "size", "snapshot"),
}
_TYPES: Final[dict[str, Any]] = {
    **{"cross": pl.Boolean, "hidden": pl.Boolean, "order_id": pl.String},
    **dict.fromkeys((*csv_columns.TIMES, "sign", "side", "kind", "snapshot"), pl.Int64),
}
EMPTY_ROWS: Final = {
    sort: pl.DataFrame(schema={name: _TYPES.get(name, pl.Float64) for name in names})
    for sort, names in _COLUMNS.items()
}
"""Empty frames with the columns of each kind of rows."""


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
    venue : str
        Instead of the map's; empty: the map's.
    """

    symbol: str
    date: str
    parts: tuple[tuple[Member, FileMap], ...]
    map: CsvMap
    tick: float | None = None
    venue: str = ""

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(m.name for m, _ in self.parts)

    def read(self) -> Imported:
        """Translate the day's files to a tape, after cleaning; FeedError for prices off the tick, sizes off the lot, or no rows.

        Raises
        ------
        FeedError
            With file, row, column and remedy, when a file is not what its map says.
        """
        report = csv_rows.RuleCounts()
        notes = list[str]()
        instrument_map = self.map.instrument
        rules = self.map.clean
        tick = instrument_map.tick if self.tick is None else self.tick
        if not LEAST_TICK <= tick <= MOST_TICK and self.tick is not None:
            raise FeedError(
                f"a tick of {LEAST_TICK:g} to {MOST_TICK:g}",
                f"{tick:g}",
                "give the exchange's tick",
            )
        origin = 0
        if instrument_map.lowest_price is not None:  # the lowest price is tick 1 of the tape
            origin = floor(Fraction(str(instrument_map.lowest_price)) / Fraction(str(tick))) - 1
        prices = csv_columns.FilePrices(
            zero=float(origin * Fraction(str(tick))), lots=instrument_map.lots_a_unit
        )
        items, back, firsts = self._gather(prices, report, notes)
        notes += clock_notes(firsts, instrument_map.timezone)
        from tercel.feeds import (  # numba: a file is read before it is imported
            csv_crossed,
            csv_tape,
        )

        open_ns, close_ns = instrument_map.session_ns(self.date)
        if open_ns and any(file.trading_day for _, file in self.parts):
            first_ns = min(firsts)[0]
            open_ns = (  # after a weekend, or without a night
                open_ns - round((open_ns - first_ns) / DAY_NS) * DAY_NS
                if first_ns < midnight_ns(self.date, instrument_map.timezone)
                else first_ns
            )
        quotes, trades, direct = (
            in_order(self._drop_copies(pl.concat(items[sort]), report, notes))
            if items[sort]
            else EMPTY_ROWS[sort]
            for sort in EMPTY_ROWS
        )
        if not quotes.height + trades.height + direct.height:
            raise self._nothing_left(report)
        books = [rows for rows in (quotes, direct) if rows.height] or [trades]
        if not tick:
            tick = csv_tape.infer_tick(books)
        else:
            csv_tape.refuse_off_tick([quotes, direct, trades], tick, prices.zero, self._location_of)
        is_exact = False
        if not instrument_map.lot:
            parts, is_exact = csv_tape.infer_parts([quotes, direct, trades])
            instrument_map = instrument_map.model_copy(
                update={"lot": 1 if parts == 1 else 1 / parts}
            )
            if parts > 1:
                quotes, direct, trades = (
                    rows.with_columns(cs.contains("size") * float(parts))
                    for rows in (quotes, direct, trades)
                )
        if not is_exact:
            units = [getattr(file, role).size_unit for _, file in self.parts for role in file.roles]
            csv_tape.refuse_parted(
                [quotes, direct, trades], instrument_map, max(units) == 1, report, self._location_of
            )
        direct = direct.with_columns(order_id=csv_tape.number_ids(direct["order_id"]))
        if items["quote"]:
            quotes = clean_quotes(quotes, rules, open_ns, close_ns, tick, report)
        if items["trade"]:
            trades = clean_trades(trades, rules, open_ns, close_ns, report)
        events, extra = csv_tape.tape_of(
            quotes,
            trades,
            direct,
            tick,
            instrument_map.lot,
            rules.trade_outliers,
            any(file.trade and file.trade.in_quotes for _, file in self.parts),
            report,
        )
        if events.n == 0:
            raise self._nothing_left(report)
        if direct.height:
            events = csv_crossed.uncross(events, report) if rules.uncross else events
        if direct.height or (quotes.height and not rules.negative_spread):
            extra |= csv_crossed.count_crossed(events)
        extra |= {
            "feed": "csv",
            "map": self.map.about,
            "cleaning": dict(report),
            "clock_backwards": back,
            **({"rules": instrument_map.rules} if instrument_map.rules else {}),
        }
        if instrument_map.lot < 1:
            extra["lot_size"] = f"{Decimal(str(instrument_map.lot)):f}"
        instrument = Instrument(
            venue=self.venue or instrument_map.venue,
            symbol=self.symbol,
            date=self.date,
            tick=tick,
            tick_rule="stated" if self.tick or instrument_map.tick else "inferred",
            lot=max(int(instrument_map.lot), 1),
            levels=next(
                (f.quote.levels for _, f in reversed(self.parts) if f.quote is not None), 0
            ),
            timezone=instrument_map.timezone,
            source=self.source,
            session_open_ns=open_ns,
            session_close_ns=close_ns,
            rows=events.n,
            off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)),
            extra=extra,
            price_origin=origin,
        )
        rows = quotes.height + trades.height + direct.height
        notes += self._warnings(report, back, rows, extra) + recording_notes(instrument, events)
        return Imported(instrument, events, tuple(notes))

    def _nothing_left(self, report: csv_rows.RuleCounts) -> FeedError:
        """Error for a day without rows."""
        return FeedError(
            f"rows of {self.symbol} on {self.date}",
            f"none left of {', '.join(self.source)}: {dict(report)}",
            "check symbol, date, session and rules",
        )

    def _gather(
        self, prices: csv_columns.FilePrices, report: csv_rows.RuleCounts, notes: list[str]
    ) -> tuple[dict[str, list[pl.DataFrame]], int, list[tuple[int, str, str]]]:
        """Typed rows of all files by kind (quote, trade, direct), numbered across files, how often clocks go back, and the
        first time of each file; rows of another day are left out and counted in `report`, and what is odd said in `notes`."""
        firsts = list[tuple[int, str, str]]()
        items: dict[str, list[pl.DataFrame]] = {sort: [] for sort in EMPTY_ROWS}
        back = 0
        zone = self.map.instrument.timezone
        start, stop = day_ns(self.date, zone, self.map.instrument.begins_s)
        for number, (member, file) in enumerate(self.parts):
            text = r.read_text(member, file, self.map.instrument, self.date, self.symbol)
            inside, changed = self._rows_of_day(text, file, start, stop, report)
            report["rows of another day"] += text.frame.height - inside.height
            report.update({"rows of other symbols": text.others} if text.others else ())
            report.update(
                {"times before that of the row above, set to it": changed} if changed else ()
            )
            text = replace(text, frame=inside)
            steps = text.frame[csv_columns.NS].diff()
            back += int((steps < 0).sum())
            notes += sequence_notes(text, file)
            notes += [
                f"the clock goes back by {-int(steps.to_numpy()[row]) / (60 * NS_PER_SECOND):,.0f} minutes in row "
                f"{inside[csv_columns.ROW][row]} of {text.location}; rows were put in order of time"
                for row in (steps < -APART_NS).arg_true()[:1]
            ]
            if inside.height:
                firsts.append(
                    (int(inside[csv_columns.NS].to_numpy().min()), text.location, text.zone)
                )
            is_book = file.quote is not None or (file.level is not None and file.trade is None)
            rank = number + len(self.parts) * is_book
            for role in file.roles:
                role_rows = (
                    text.of(file.rows.column, getattr(file.rows, role))
                    if file.rows.column
                    else text
                )
                rows = _rows_of(
                    role, role_rows, file, replace(prices, divisor=file.price_scale), report
                ).with_columns(pl.col(csv_columns.ROW) + (rank << 40))
                items[role if role in EMPTY_ROWS else "direct"].append(rows)
        return items, back, firsts

    def _rows_of_day(
        self,
        text: csv_columns.TextRows,
        file: FileMap,
        start: int,
        stop: int,
        report: csv_rows.RuleCounts,
    ) -> tuple[pl.DataFrame, int]:
        """Rows of a file that belong to the day from `start` to `stop`, ns, and how many of their times were set to that of
        the row above; FeedError for a file of a trading day that does not end on that day.
        """
        by_receipt = file.time.order == "receipt"
        frame = text.frame
        if file.trading_day:
            frame = rows_of_trading_day(text, self.date, self.map.instrument, report)
        else:
            clock = csv_columns.RECEIVED if by_receipt else csv_columns.NS
            frame = frame.filter(pl.col(clock).is_between(start, stop, closed="left"))
        if not by_receipt:
            return frame, 0
        ahead = frame.with_columns(pl.col(csv_columns.NS).clip(start).cum_max())
        return ahead, int((ahead[csv_columns.NS] != frame[csv_columns.NS]).sum())

    def _location_of(self, row: int) -> str:
        """Text of a row's place, from its number by `_gather`: its number in its file, and the file."""
        return f"row {row & ((1 << 40) - 1)} of {self.parts[(row >> 40) % len(self.parts)][0].location}"

    def _drop_copies(
        self, rows: pl.DataFrame, report: csv_rows.RuleCounts, notes: list[str]
    ) -> pl.DataFrame:
        """Rows without those that a file repeats, which are counted and noted."""
        content = [name for name in rows.columns if name not in csv_columns.TIMES[1:]]
        distinct = without_copies(rows, content)
        if rows.height > distinct.height:
            report["rows that come again"] += rows.height - distinct.height
            again = rows.join(distinct, on=csv_columns.ROW, how="anti", maintain_order="left")[:1]
            first = distinct.join(again, on=content, how="semi", nulls_equal=True)[csv_columns.ROW][
                0
            ]
            notes.append(
                f"{self._location_of(again[csv_columns.ROW][0])} is {self._location_of(first)} again; such rows count once"
            )
        return distinct.drop("id", strict=False)

    def _warnings(
        self, report: csv_rows.RuleCounts, back: int, items: int, extra: Extra
    ) -> list[str]:
        """Warnings for people about cleaning, rounding, clocks and crossed states."""
        taken = {
            rule: n for rule, n in report.items() if not rule.endswith(" read") and rule != ROUNDED
        }
        counts = ", ".join(f"{v:,} {k}" for k, v in taken.items() if v)
        warnings = [f"cleaning took {counts}"] if counts else []
        one_sided = report["quotes without a price or a size on a side"]
        if one_sided > MOST_BLANK * report["quotes read"] and any(
            file.quote is not None and not file.quote.zero_side for _, file in self.parts
        ):
            warnings.append(
                'if a blank side means "as before", write `zero_side = "keep"` under [file.quote] in the map'
            )
        if report[ROUNDED]:
            warnings.append(
                f"sizes of {report[ROUNDED]:,} rows are no whole lots; they were rounded, in a book to 1 lot at least, "
                "of prints so that their sum stays"
            )
        if back > MOST_BACKWARDS * items:
            warnings.append(f"the clock goes back in {back:,} rows; they were put in order of time")
        if any(f.quote is not None and not f.quote.bid_size for _, f in self.parts):
            warnings.append("the quotes carry no sizes: each side is shown as one lot")
        if extra.get("crossed_states") or extra.get("locked_states"):
            states = "{crossed_states:,} of {states:,} states are crossed, {locked_states:,} locked".format(
                **extra
            )
            warnings.append(
                "{}; `tercel data verify` names the likely cause, `{} = true` under [clean] drops it".format(
                    states, "negative_spread" if any(f.quote for _, f in self.parts) else "uncross"
                )
            )
        return warnings


def sequence_notes(text: csv_columns.TextRows, file: FileMap) -> list[str]:
    """Notes on the numbers of a file's rows that go back, or leave rows out where the map has them follow one another."""
    if not file.sequence:
        return []
    numbers = text.frame.select(csv_columns.strip_text(file.sequence).cast(pl.Int64, strict=False))
    steps = numbers.to_series().diff()
    odd = {
        "goes back": (steps < 0, "their rows were put in order of time"),
        "leaves out numbers": ((steps > 1) & file.gapless, "rows are missing: download it again"),
    }
    return [
        f"{file.sequence} {what} {wrong.sum():,} times in {text.location}, first in row "
        f"{text.frame[csv_columns.ROW][wrong.arg_max() or 0]}; {consequence}"
        for what, (wrong, consequence) in odd.items()
        if wrong.any()
    ]


def clock_notes(firsts: Sequence[tuple[int, str, str]], timezone: str) -> list[str]:
    """Note on files of which those whose times name no zone begin at another time than the others; [] if none does.

    `firsts`: first time, ns since 1970, of each file, where it is, and the zone of its times, "" where they name it.

    >>> clock_notes([(0, "q.csv", "Asia/Tokyo"), (5 * 3600 * 10**9, "t.csv", "")], "UTC")  # doctest: +ELLIPSIS
    ['q.csv begins at 00:00:00.000, t.csv begins at 05:00:00.000 (UTC): the times of q.csv name no zone and ...']
    """
    earliest = {bool(zone): (ns, location, zone) for ns, location, zone in sorted(firsts)[::-1]}
    if len(earliest) < 2 or abs(earliest[True][0] - earliest[False][0]) < APART_NS:
        return []
    begins = {
        key: f"{location} begins at {format_clock(ns, ZoneInfo(timezone))}"
        for key, (ns, location, _) in earliest.items()
    }
    _, location, zone = earliest[True]
    return [
        f"{begins[True]}, {begins[False]} ({timezone}): the times of {location} name no zone and are read as of {zone}; "
        'if they are UTC, write `timezone = "UTC"` under its [file.time] in the map'
    ]


def without_copies(rows: pl.DataFrame, content: Sequence[str]) -> pl.DataFrame:
    """Rows without those of a part of a file that repeats earlier rows, equal in the columns `content`.

    A copy begins where the clock goes back furthest: of the rows behind it, as far as the clock had come, most were there
    before. Files that are newest first are seen from their end.
    """
    while True:
        steps = rows[csv_columns.NS].diff()
        forward = -1 if 2 * int((steps < 0).sum()) > rows.height else 1
        copy_start = int((forward * steps).arg_min() or 0)
        before = rows[:copy_start]
        candidates = rows[copy_start:].filter(
            pl.col(csv_columns.NS).is_between(
                before[csv_columns.NS].min(), before[csv_columns.NS].max()
            )
        )
        since = before.filter(pl.col(csv_columns.NS) >= (candidates[csv_columns.NS].min() or 0))
        copies = candidates.join(since, on=list(content), how="semi", nulls_equal=True)[
            csv_columns.ROW
        ]
        least = max(2, min(LEAST_COPY, rows.height // 4))
        enough = (
            min(3, least) if len(copies) == candidates.height else max(least, candidates.height / 2)
        )
        if forward * (steps[copy_start : copy_start + 1].sum() or 0) >= 0 or len(copies) < enough:
            return rows
        rows = rows.filter(~pl.col(csv_columns.ROW).is_in(copies.implode()))


def _rows_of(
    role: str,
    text: csv_columns.TextRows,
    file: FileMap,
    prices: csv_columns.FilePrices,
    report: csv_rows.RuleCounts,
) -> pl.DataFrame:
    """Typed rows of one kind (`role`: quote, trade, level, order) of a file; `report` counts rows read and left out."""
    if role == "quote" and (q := file.quote) is not None:
        quotes = csv_rows.quotes_of(text, q, prices, report)
        keep = q.zero_side == "keep"
        if q.levels == 1 and (keep or (q.exchange and len(q.exchanges) != 1)):
            quotes = merge_exchanges(quotes, keep)
        report["quotes read"] += text.frame.height
        return quotes
    if role == "trade" and file.trade is not None:
        report["trades read"] += text.frame.height
        return csv_rows.trades_of(text, file.trade, prices, report)
    if role == "level" and file.level is not None:
        report["level updates read"] += text.frame.height
        return levels_of(text, file.level, prices)
    assert file.order is not None
    report["order events read"] += text.frame.height
    return orders_of(text, file.order, prices)
