"""Rows of a tick file as typed columns, by its map: Polars reads text, expressions convert it, and what cannot be
converted is named with its row.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError, offer
from tercel.core.progress import say
from tercel.core.tables.table import plain_name
from tercel.core.tables.text import (
    EITHER,
    HEAD,
    NOTHING,
    decoded,
    header_at,
    plain_text,
    separator_of,
    shown_signs,
    with_point,
)
from tercel.core.tables.times import utc_of_local
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.feeds.csv_map import (
    UNIT_NS,
    FileMap,
    InstrumentMap,
    QuoteMap,
    TimeMap,
    TradeMap,
)
from tercel.feeds.members import Member
from tercel.market.tape.events import clock_s, midnight_ns

ROW: Final = "_row"
NS: Final = "_ns"
RECEIVED: Final = "_received"
TIMES: Final = (NS, RECEIVED, ROW)
ROUNDED: Final = "rows of sizes rounded to whole lots"
HEAD_BYTES: Final = 1 << 16
"""Bytes of a file by which its encoding, its separator and its header are found."""
_UTC: Final = r"\s?(?i:Z|UTC|GMT)$"
_MARKS: Final = r"[^-+.0-9eE\s]|\d\s\d"
# Moments since 1970 that ticks may have, 1980 to 2199: in another unit a number of them is none of these.
_SPANS_NS: Final = {
    "epoch": (315_532_800 * NS_PER_SECOND, 7_258_118_400 * NS_PER_SECOND),
    "midnight": (-DAY_NS, 2 * DAY_NS),
}
_TRADE_IDS: Final = frozenset((
    "id", "tid", "tradeid", "execid", "executionid", "matchid", "dealid", "transactionid", "aggtradeid", "tradeno", "trdid",
))  # fmt: skip
_KINDS_OF_ROWS: Final = frozenset(
    ("type", "kind", "action", "event", "updatetype", "eventtype", "msgtype", "messagetype")
)
CORRECT: Final = "correct the row, or the map"
ALLOW: Final = (
    "correct the row; where prices may be at or below zero, say how low in [instrument] of the map: "
    'lowest_price = -100.0; where 0 is no price of a quote, zero_side = "none" in [file.quote]'
)
LOWER: Final = "correct the row, or lower `lowest_price` in [instrument] of the map"


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in order of time and number."""
    return rows.sort(NS, ROW, maintain_order=True)


@dataclass(frozen=True)
class TypedColumn:
    """A typed column and its text; `made` is null if the text is not of the expected kind."""

    column: str
    text: pl.Expr
    made: pl.Expr
    expected: str
    remedy: str = CORRECT


def stripped(column: str) -> pl.Expr:
    """A column of text without blanks around it, "" where the field is empty."""
    return pl.col(column).fill_null("").str.strip_chars()


def divided(value: pl.Expr, by: float) -> pl.Expr:
    """Quotients to the last digit: by a single number Polars multiplies with its reciprocal."""
    return value.map_batches(
        lambda column: pl.Series(column.to_numpy() / by), return_dtype=pl.Float64
    )


def one_of(column: str, table: Mapping[str, int], what: str) -> TypedColumn:
    """A column by a table of what its values mean."""
    text = stripped(column)
    made = text.replace_strict(
        list(table), list(table.values()), default=None, return_dtype=pl.Int64
    )
    return TypedColumn(column, text, made, what)


@dataclass(frozen=True)
class TextRows:
    """The rows of one symbol and day in a file, as text, with their numbers and times.

    Parameters
    ----------
    frame : polars.DataFrame
        Text columns; ROW from 1 (the header counts), NS and RECEIVED in ns since 1970.
    where : str
        The file, for people.
    decimal : str
        Sign of decimals in its numbers; empty: not known.
    """

    frame: pl.DataFrame
    where: str
    decimal: str = "."

    def of(self, column: str, values: Sequence[str]) -> "TextRows":
        """Rows whose column holds one of some values."""
        return replace(self, frame=self.frame.filter(stripped(column).is_in(list(values))))

    def number(self, column: str, times: int = 1, over: int = 1) -> TypedColumn:
        """A column as float64, multiplied and divided; 0 where the field is empty.

        Raises
        ------
        FeedError
            For a number whose decimal sign neither the map nor another cell shows, with its row.
        """
        text = stripped(column)
        made = TypedColumn(column, text, text.cast(pl.Float64, strict=False), "a number")
        if not self.decimal:
            unknown = self.frame[column].str.strip_chars().str.contains(EITHER).fill_null(False)
            self.refuse(
                unknown,
                made,
                "a number whose decimal sign is known",
                'write `decimal = ","`, or ".", in the map',
            )
        if self.decimal == "," or self.frame[column].str.contains(_MARKS).any():
            made = replace(
                made, made=with_point(plain_text(text), self.decimal or ".").cast(pl.Float64)
            )
        value = (
            pl.when(text == "")
            .then(0.0)
            .when(made.made.is_finite())
            .then(divided(made.made * times, over))
        )
        return replace(made, made=value)

    def ids(self, columns: Sequence[str]) -> TypedColumn:
        """Ids of one column, or of several, as text; "" where the field is empty."""
        first, *others = map(stripped, columns)
        text = exact = pl.concat_str([first, *others], separator=" ")
        if self.frame[columns[0]].cast(pl.Int64, strict=False).null_count():
            # a whole number that pandas wrote as a float has all its digits up to 9e15
            plain = first.str.replace(r"^(\d{1,15}|[0-8]\d{15})\.0+$", "${1}")
            lost = plain.str.contains(r"^[-+]?\d+\.\d+[eE][-+]?\d+$|^\d+[eE]\+\d+$|^\d{16,}\.0+$")
            whole = pl.when(~lost).then(pl.concat_str([plain, *others], separator=" "))
            exact = (
                pl.when(first.str.to_lowercase().is_in(NOTHING)).then(pl.lit("")).otherwise(whole)
            )
        remedy = "export the ids as text: these are rounded numbers"
        return TypedColumn(" ".join(columns), text, exact, "an id with all its digits", remedy)

    def typed(
        self, fields: Mapping[str, TypedColumn | pl.Expr], carried: Sequence[str] = TIMES
    ) -> pl.DataFrame:
        """The `carried` columns and those of the fields, under their names.

        Raises
        ------
        FeedError
            A field that is not of its expected kind, with its row.
        """
        made = {
            name: one.made if isinstance(one, TypedColumn) else one for name, one in fields.items()
        }
        typed = self.frame.select(*carried, **made)
        for name, one in fields.items():
            if isinstance(one, TypedColumn):
                self.refuse(typed[name].is_null(), one, one.expected, one.remedy)
        return typed

    def refuse(self, wrong: pl.Series, one: TypedColumn, expected: str, remedy: str) -> None:
        """Refuse the first row that is wrong in a column."""
        if wrong.any():
            at = int(wrong.arg_max() or 0)
            shown = (self.frame[at].select(one.text).item() or "")[:40]
            raise FeedError(
                f"{expected} as {one.column}",
                f"{shown!r} in column {one.column}, row {self.frame[ROW][at]} of {self.where}",
                remedy,
            )


@dataclass(frozen=True)
class FilePrices:
    """Format and lowest value of prices in a file.

    Parameters
    ----------
    over : int
        Prices in the file are price units times this.
    zero : float
        Where ticks of the tape begin, price units: all prices are above it. Below 0 where the map has `lowest_price`.
    lots : int
        Lots of one share or coin, by which sizes are multiplied.
    """

    over: int = 1
    zero: float = 0.0
    lots: int = 1

    def column(
        self,
        text: TextRows,
        name: str,
        zero_is_none: pl.Expr | bool | None = None,
        may_lack: pl.Expr | bool = True,
    ) -> TypedColumn:
        """Prices above `zero`, counted from there; 0 if missing. Others are refused, and missing ones if required.

        `zero_is_none`: rows in which 0 is no price; by default all unless the map has `lowest_price`.
        """
        said = text.number(name, over=self.over)
        nothing = (said.text == "") | (
            (said.made == 0) & (not self.zero if zero_is_none is None else zero_is_none)
        )
        above = pl.when((said.text != "") & (said.made > self.zero)).then(said.made - self.zero)
        made = pl.when(nothing & may_lack).then(0.0).otherwise(above)
        return TypedColumn(
            name, said.text, made, f"a price above {self.zero:g}", LOWER if self.zero else ALLOW
        )


def needed_columns(file: FileMap) -> list[str]:
    """Every column of the file that its map names, without repetition."""
    named = [*file.time.column, file.time.received, file.symbol, file.rows.column]
    if (q := file.quote) is not None:
        sides = [q.bid, q.bid_size, q.ask, q.ask_size]
        named += [s.replace("{n}", str(n)) for s in sides for n in range(1, q.levels + 1)]
        named += [q.exchange, q.suspicious]
    if (t := file.trade) is not None:
        named += [t.price, t.size, t.exchange, t.aggressor, t.condition, t.correction, t.suspicious]
        named += t.id or ()
    for m in filter(None, (file.level, file.order)):
        named += [m.side, m.price, m.size, m.snapshot or ""]
    if (o := file.order) is not None:
        named += [o.id, o.action]
    return [name for name in dict.fromkeys(named) if name]


def telling_columns(file: FileMap, names: Sequence[str]) -> list[str]:
    """Columns that the map does not name, but whose names say that they are ids of trades or mark snapshots."""
    words = _TRADE_IDS if file.trade is not None and file.trade.id is None else frozenset()
    if any(m is not None and m.snapshot is None for m in (file.level, file.order)):
        words |= _KINDS_OF_ROWS | {plain_name(name) for name in names if "snap" in name.lower()}
    return [name for name in names if plain_name(name) in words]


def read_text(
    member: Member,
    file: FileMap,
    instrument: InstrumentMap,
    date: str | None,
    symbol: str | None,
) -> TextRows:
    """Rows of a file as text with their times; of one symbol where the file holds several.

    Raises
    ------
    FeedError
        For a file that Polars cannot split into the map's columns, lacks one of them, or holds a time that is none, or
        none in the unit of the map.
    """
    source, separator, skip = _opened(member, file)
    try:
        lazy = pl.scan_csv(
            source, has_header=file.header, infer_schema=False, separator=separator, skip_lines=skip
        )
        lazy = _named(lazy, member, file).with_row_index(ROW, 1 + file.header + skip)
        if symbol is not None and file.symbol:
            lazy = lazy.filter(
                pl.col(file.symbol).str.strip_chars().str.to_uppercase() == symbol.upper()
            )
        frame = lazy.with_columns(pl.col(ROW).cast(pl.Int64)).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise FeedError(
            "rows of separated fields", f"{member.where}: {first}", "check the file and the map"
        ) from error
    start = 0
    if file.time.unit != "text" and file.time.origin == "midnight":
        if date is None:
            raise FeedError(
                "the date of times since midnight",
                member.where,
                "give `date=`, or a group `date` in the map's name of files",
            )
        start = midnight_ns(date, instrument.timezone)
    decimal = file.point or ("." if separator == "," else _shown(frame))
    text, clock = TextRows(frame, member.where, decimal), file.time
    columns = {NS: clock.column} | ({RECEIVED: (clock.received,)} if clock.received else {})
    remedy = CORRECT + "; if its first row has names, write `header = true`" * (not file.header)
    times = {name: replace(_time(clock, of, frame), remedy=remedy) for name, of in columns.items()}
    if clock.unit != "text":
        return _counted(text, clock, times, start, instrument)
    typed = text.typed(times, frame.columns)
    whose = frame.select(stripped(file.symbol)).to_series() if file.symbol else None
    for name, one in times.items():
        if typed.schema[name] == pl.Datetime("ns"):  # of local clocks
            moments, unshown = utc_of_local(
                typed[name],
                "UTC" if clock.origin == "epoch" else clock.timezone or instrument.timezone,
                clock.repeated_hour,
                whose,
            )
            text.refuse(
                moments.is_null(),
                one,
                f"{one.expected}, one that the clocks did not pass over,",
                CORRECT,
            )
            text.refuse(
                unshown,
                one,
                "rows whose order shows which pass of the hour that the clocks repeat,",
                'write `repeated_hour = "first"`, or "second", under [file.time] in the map',
            )
            typed = typed.with_columns(moments.alias(name))
    typed = typed.with_columns(pl.col(*times).dt.epoch("ns")).with_columns(
        pl.col(RECEIVED if clock.received else NS).alias(RECEIVED)
    )
    return replace(text, frame=typed)


def _opened(member: Member, file: FileMap) -> tuple[Path | bytes, str, int]:
    """Source for Polars, in UTF-8, the separator of its cells, and the number of lines before the header."""
    head = next(member.chunks(HEAD_BYTES), b"")
    try:
        text = codecs.getincrementaldecoder(file.encoding or "utf-8-sig")().decode(head)
        source = member.path or member.content()
    except UnicodeDecodeError:
        text = ""
    if not text or file.encoding:
        text, note = decoded(member.content(), file.encoding, member.where)
        source = text.encode()
        if note:
            say(f"warning: {note}")
    lines = text[:HEAD_BYTES].splitlines()[:HEAD]
    separator = separator_of(lines, file.separator)
    skip = max(file.skip, 0)
    if file.skip < 0 and file.header:
        skip = header_at(list(csv.reader(lines, delimiter=separator)))
    return source, separator, skip


def _shown(frame: pl.DataFrame) -> str:
    """The decimal sign that cells show, "" where none does."""
    some = frame.head(HEAD)
    found = shown_signs(some)
    comma, point = (
        one is not None for one in (shown_signs(frame) if found == (None, None) else found)
    )
    return "," if comma and not point else "." if point and not comma else ""


def _named(lazy: pl.LazyFrame, member: Member, file: FileMap) -> pl.LazyFrame:
    """The columns that the map names, under their names."""
    names = lazy.collect_schema().names()
    if not file.header:
        if len(names) != len(file.columns):
            raise FeedError(
                f"{len(file.columns)} columns, {', '.join(file.columns)}",
                f"{len(names)} in {member.where}, row 1",
                "correct the map",
            )
        lazy = lazy.rename(dict(zip(names, file.columns, strict=True)))
        names = list(file.columns)
    wanted = needed_columns(file)
    for name in wanted:
        if name not in names:
            all_names = wanted + [f"other{n + 1}" for n in range(len(wanted), len(names))]
            raise FeedError(
                f"a column {name}",
                f"columns {', '.join(names[:12])} in {member.where}",
                f"write `header = false` and `columns = {all_names}`, in their order, under [[file]]"
                if any(re.fullmatch(r"-?\d+(\.\d*)?", one) for one in names)
                else f"{offer(name, names)} in the map",
            )
    return lazy.select(list(dict.fromkeys([*wanted, *telling_columns(file, names)])))


def _time(clock: TimeMap, columns: tuple[str, ...], frame: pl.DataFrame) -> TypedColumn:
    """Times: the whole part of numbers; text as moments where it has a zone, else as what clocks showed."""
    name = " ".join(columns)
    text = pl.concat_str([pl.col(c).str.strip_chars() for c in columns], separator=" ")
    if clock.unit == "text":
        # %Z passes over any word, so over the name of a local clock too
        style = (
            clock.format
            if clock.format.endswith("%Z")
            and not frame[columns[-1]].str.contains(rf"{_UTC}|[-+]\d\d(:?\d\d)?$").any()
            else re.sub(
                r"\s?(?:(?<!%)(?:Z|UTC|GMT|[-+]\d\d:?\d\d)|%[:#]?[zZ])$", "%#z", clock.format
            )
        )
        made = text.str.replace(_UTC, "+00:00").str.to_datetime(style, time_unit="ns", strict=False)
        return TypedColumn(name, text, made, f"a time as {clock.format}")
    number = text.cast(pl.Decimal(38, 9), strict=False)
    return TypedColumn(name, text, number, f"a time in {clock.unit}")


def _counted(
    text: TextRows,
    clock: TimeMap,
    times: Mapping[str, TypedColumn],
    start: int,
    instrument: InstrumentMap,
) -> TextRows:
    """Rows with times that are numbers, in ns since 1970 UTC; counted from `start`."""
    numbers = text.typed(times, ())
    _refuse_other_units(text, clock, times, numbers, start, instrument)
    unit = pl.lit(UNIT_NS.get(clock.unit, 1))
    for each in ("us", "ms", "s") if clock.unit == "auto" else ():
        below = pl.col(*times) < _SPANS_NS["epoch"][1] // UNIT_NS[each]
        unit = pl.when(below).then(UNIT_NS[each]).otherwise(unit)
    ns = numbers.select((pl.col(*times) * unit).cast(pl.Int64) + start)
    received = pl.col(RECEIVED if clock.received else NS).alias(RECEIVED)
    return replace(text, frame=text.frame.with_columns(ns).with_columns(received))


def _is_tick_time(number: Any, unit: str, origin: str) -> Any:
    """Whether a number, or an expression, is a time that ticks may have."""
    first, end = _SPANS_NS[origin]
    return (number >= first // UNIT_NS[unit]) & (number < end // UNIT_NS[unit])


def _refuse_other_units(
    text: TextRows,
    clock: TimeMap,
    times: Mapping[str, TypedColumn],
    numbers: pl.DataFrame,
    start: int,
    instrument: InstrumentMap,
) -> None:
    """Refuse numbers that are no times of ticks in the unit of the map, with the unit in which they are."""
    units = [unit for unit in UNIT_NS if clock.unit in (unit, "auto")]
    opens_ns = clock_s(instrument.session[0]) * NS_PER_SECOND if instrument.session else None
    for name, one in times.items():
        most = int(numbers.select(pl.col(name).max()).item() or 0)
        of_day = [unit for unit in UNIT_NS if 0 < most * UNIT_NS[unit] <= DAY_NS]
        # all before the session, or in the first seconds of the day, but at its usual hours in a longer unit
        early = (
            clock.origin == "midnight"
            and most * UNIT_NS[units[0]] < (DAY_NS // 1000 if opens_ns is None else opens_ns)
            and most * UNIT_NS[(of_day or units)[0]] >= (opens_ns or DAY_NS // 4)
        )
        inside = [_is_tick_time(pl.col(name), unit, clock.origin) for unit in units]
        wrong = numbers.select(~pl.any_horizontal(inside) | early).to_series()
        if wrong.any():
            number = int(numbers[name].filter(wrong)[0])
            keys = [
                " and ".join(
                    f'`{key} = "{value}"`'
                    for key, value in (("unit", unit), ("origin", origin))
                    if value != getattr(clock, key)
                )
                for origin, ways in (("epoch", UNIT_NS), ("epoch", ["auto"]), ("midnight", of_day))
                for unit in ways
                if all(
                    any(
                        _is_tick_time(edge, way, origin) for way in UNIT_NS if unit in (way, "auto")
                    )
                    for edge in (*numbers.min().row(0), *numbers.max().row(0))
                )
            ]
            seconds = min((number * UNIT_NS[units[0]] + start) // NS_PER_SECOND, 10**18)
            raise FeedError(
                f"times in {clock.unit} since {'1970, of 1980 to 2199' if clock.origin == 'epoch' else 'midnight'}",
                f"{number} in column {one.column}, row {text.frame[ROW].filter(wrong)[0]} of {text.where}, "
                f"which would be {np.datetime64(seconds, 's')}",
                f"write {keys[0]} under [file.time] in the map" if keys else CORRECT,
            )


# -- what rows say, in shares and prices as the file has them ---------------------------------------------------------


Taken = Counter[str]
"""Rows that each rule took, in the order in which they were counted (0: the rule was in force)."""


def side_columns(levels: int) -> list[list[str]]:
    """Columns of quotes: prices and sizes of bids, then of asks, best first."""
    return [
        [f"{what}_{n}" for n in range(1, levels + 1)]
        for what in ("bid", "bid_size", "ask", "ask_size")
    ]


def quotes_of(text: TextRows, m: QuoteMap, prices: FilePrices, report: Taken) -> pl.DataFrame:
    """Quotes of one or more exchanges: `side_columns` float64 (0: none), `exchange`.

    Those of other exchanges and suspicious ones are left out and counted.
    """
    text = _only(text, m.suspicious, ("0", ""), "quotes marked suspicious", report)
    text = _only(text, m.exchange, m.exchanges, "quotes of other exchanges", report)
    never = m.zero_side == "none" or (
        m.zero_side == "keep" and not prices.zero
    )  # a price of 0 is one
    unit = m.size_unit * prices.lots
    fields: dict[str, TypedColumn | pl.Expr] = {
        "exchange": stripped(m.exchange) if m.exchange else pl.lit("")
    }
    for side, price, size in (("bid", m.bid, m.bid_size), ("ask", m.ask, m.ask_size)):
        for n in range(1, m.levels + 1):
            column = price.replace("{n}", str(n))
            sized = text.number(size.replace("{n}", str(n)), unit) if size else None
            unsized = sized.made <= 0 if sized and not never else never or not prices.zero
            at = fields[f"{side}_{n}"] = prices.column(text, column, unsized)
            fields[f"{side}_size_{n}"] = sized or (at.made > 0) * float(prices.lots)
    return text.typed(fields)


def trades_of(text: TextRows, m: TradeMap, prices: FilePrices, report: Taken) -> pl.DataFrame:
    """Prints: `price` and `size` float64, `sign` (+1 buyer active, -1 seller, 0 not said), `cross` of an auction, `id`.

    Corrected, suspicious and irregular ones are left out and counted.
    """
    text = _only(text, m.suspicious, ("0", ""), "trades marked suspicious", report)
    text = _only(text, m.exchange, m.exchanges, "trades of other exchanges", report)
    text = _only(text, m.correction, m.good, "trades corrected", report)
    cross: pl.Expr = pl.lit(False)
    if m.condition:
        kinds = _conditions(text, m)
        regular = text.of(m.condition, list(kinds))
        report["trades of irregular conditions"] += text.frame.height - regular.frame.height
        text, cross = (
            regular,
            stripped(m.condition).is_in([name for name, auction in kinds.items() if auction]),
        )
    sign: pl.Expr = pl.lit(0, pl.Int64)
    if m.aggressor:
        active = stripped(m.aggressor)
        sign = active.is_in(m.buy).cast(pl.Int64) - active.is_in(m.sell).cast(pl.Int64)
    likely = [
        name for name in text.frame.columns if m.id is None and plain_name(name) in _TRADE_IDS
    ]
    names = [name for name in m.id or likely[:1] if name]
    trade_id = text.ids(names) if names else pl.lit("")
    rows = text.typed(
        {
            "price": prices.column(text, m.price),
            "size": text.number(m.size, m.size_unit * prices.lots),
            "sign": sign,
            "cross": cross,
            "id": trade_id,
        }
    )
    return _once_by_id(text, rows, names, m, report) if names else rows


def _once_by_id(
    text: TextRows, rows: pl.DataFrame, names: Sequence[str], m: TradeMap, report: Taken
) -> pl.DataFrame:
    """Prints, those with the id of another once; refused if they differ, or if the map does not name the column."""
    numbers = rows["id"].cast(pl.Int64, strict=False).fill_null(0)
    if (numbers.diff() > 0).all():
        return rows if m.id else rows.with_columns(id=pl.lit(""))
    same = rows.filter((pl.col("id") != "") & pl.col("id").is_duplicated())
    content = [name for name in rows.columns if name not in (RECEIVED, ROW)]
    once = same.unique(content, keep="first", maintain_order=True)
    differ = once.filter(pl.col("id").is_duplicated())
    wrong = differ if m.id else same[: 0 if differ.height else None]
    if wrong.height:
        first, second = wrong.filter(pl.col("id") == wrong["id"][0])[ROW][:2]
        raise FeedError(
            "one content for each id of a trade"
            if m.id
            else "each trade once, or the column of its id",
            f"{'two contents' if m.id else 'equal rows'} of {' '.join(names)} {wrong['id'][0]}, "
            f"{first} and {second} of {text.where}",
            f"correct one; or, where an id holds for one exchange alone, write "
            f"`id = {[*names, m.exchange or 'EXCHANGE']}`"
            if m.id
            else f'write `id = "{names[0]}"` under [file.trade] in the map, and they count once; '
            'or `id = ""`, and each counts, but rows of a part of the file that comes again count once',
        )
    if not m.id:
        return rows.with_columns(id=pl.lit(""))
    report["trades that come again"] += same.height - once.height
    return rows.filter((pl.col("id") == "") | pl.col("id").is_first_distinct())


def _conditions(text: TextRows, m: TradeMap) -> dict[str, bool]:
    """The sale conditions that pass, and whether each is of an auction print."""
    kinds: dict[str, bool] = {}
    unmet = set(m.drop)
    names = text.frame.select(stripped(m.condition)).to_series().unique(maintain_order=True)
    apart = (
        m.condition_code == "numbers"
        or any(len(word) > 1 for word in (*m.cross, *m.drop, *m.keep))
        or (
            names.str.contains(r"\d\d|\d\.0").any()
            and not names.str.contains(r"[^\d\s.,;|/\[\]{}()'\"]").any()
        )
    )
    for name in names:
        if m.condition_code == "bits":
            try:
                bits = int(name or "0", 16)
            except ValueError:
                row = text.of(m.condition, [name]).frame[ROW][0]
                raise FeedError(
                    f"hexadecimal flags as {m.condition}",
                    f"{name!r} in row {row} of {text.where}",
                    "correct the map",
                ) from None
            parts = {f"{1 << b:x}" for b in range(64) if bits >> b & 1}
        else:
            # a number that pandas wrote as a float is the number
            words = re.split(
                r"[\s,;|/\[\]{}()'\"]+", re.sub(r"(?<![\d.])(\d+)\.0+(?![\d.])", r"\1", name)
            )
            parts = set(words if apart else "".join(words)) - {""}
        unmet -= parts
        cross = bool(parts & set(m.cross))
        if not parts & set(m.drop) and (cross or not m.keep or parts <= set(m.keep)):
            kinds[name] = cross
    if unmet and m.condition_code != "bits" and text.frame.height:
        say(
            f"warning: no row of {text.where} has the condition {', '.join(sorted(unmet))} "
            "that `drop` of the map names"
        )
    return kinds


def _only(text: TextRows, column: str, wanted: Sequence[str], rule: str, report: Taken) -> TextRows:
    """Rows whose column, where the map names one, holds one of some values; the others are counted."""
    if not column or not wanted:
        return text
    matching = text.of(column, wanted)
    report[rule] += text.frame.height - matching.frame.height
    return matching
