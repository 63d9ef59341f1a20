"""Rows of a tick file as typed columns, by its map: Polars reads text, expressions convert it, and what cannot be
converted is named with its row.
"""

import codecs
import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from tercel.core.errors import FeedError, offer
from tercel.core.progress import say
from tercel.core.tables.text import (
    EITHER,
    HEAD,
    decoded,
    header_at,
    plain_text,
    separator_of,
    shown_signs,
    with_point,
)
from tercel.core.tables.times import utc_of_local
from tercel.feeds.csv_map import UNIT_NS, FileMap, LevelMap, OrderMap, QuoteMap, TradeMap
from tercel.feeds.members import Member
from tercel.market.tape import schema
from tercel.market.tape.events import midnight_ns

ROW: Final = "_row"
NS: Final = "_ns"
RECEIVED: Final = "_received"
TIMES: Final = (NS, RECEIVED, ROW)
HEAD_BYTES: Final = 1 << 16
"""Bytes of a file by which its encoding, its separator and its header are found."""
_MARKS: Final = r"[^-+.0-9eE\s]|\d\s\d"
CORRECT: Final = "correct the row, or the map"
ALLOW: Final = (
    "correct the row; where prices may be at or below zero, say how low in [instrument] of the map: "
    'lowest_price = -100.0; where 0 is no price of a quote, zero_side = "none" in [file.quote]'
)
LOWER: Final = "correct the row, or lower `lowest_price` in [instrument] of the map"


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
    """

    over: int = 1
    zero: float = 0.0

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
    if (v := file.level) is not None:
        named += [v.side, v.price, v.size]
    if (o := file.order) is not None:
        named += [o.id, o.action, o.side, o.price, o.size]
    return [name for name in dict.fromkeys(named) if name]


def read_text(
    member: Member, file: FileMap, timezone: str, date: str | None, symbol: str | None
) -> TextRows:
    """Rows of a file as text with their times; of one symbol where the file holds several.

    Raises
    ------
    FeedError
        For a file that Polars cannot split into the map's columns, lacks one of them, or holds a time that is none.
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
        start = midnight_ns(date, timezone)
    decimal = file.point or ("." if separator == "," else _shown(frame))
    text, clock = TextRows(frame, member.where, decimal), file.time
    times = {NS: _time(file, clock.column, start)}
    if clock.received:
        times[RECEIVED] = _time(file, (clock.received,), start)
    typed = text.typed(times, frame.columns)
    whose = frame.select(stripped(file.symbol)).to_series() if file.symbol else None
    for name, one in times.items():
        if typed.schema[name] == pl.Datetime("ns"):  # of local clocks
            moments, unshown = utc_of_local(
                typed[name], clock.timezone or timezone, clock.repeated_hour, whose
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
    as_ns = pl.col(*times).dt.epoch("ns") if clock.unit == "text" else pl.col(*times)
    typed = typed.with_columns(as_ns).with_columns(
        pl.col(RECEIVED if clock.received else NS).alias(RECEIVED)
    )
    return replace(text, frame=typed)


def _opened(member: Member, file: FileMap) -> tuple[Path | bytes, str, int]:
    """Source for Polars, in UTF-8, the separator of its cells, and the number of lines before the header."""
    head = next(member.chunks(HEAD_BYTES), b"")
    try:
        text = codecs.getincrementaldecoder(file.encoding or "utf-8")().decode(head)
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
            raise FeedError(
                f"a column {name}",
                f"columns {', '.join(names[:12])} in {member.where}",
                f"{offer(name, names)} in the map",
            )
    return lazy.select(wanted)


def _time(file: FileMap, columns: tuple[str, ...], start: int) -> TypedColumn:
    """Times: numbers in ns since 1970 UTC, counted from `start`; text as moments, or as what clocks showed."""
    clock, name = file.time, " ".join(columns)
    text = pl.concat_str([pl.col(c).str.strip_chars() for c in columns], separator=" ")
    if clock.unit == "text":
        made = text.str.to_datetime(clock.format, time_unit="ns", strict=False)
        return TypedColumn(name, text, made, f"a time as {clock.format}")
    parts, unit = text.str.split_exact(".", 1).struct, UNIT_NS[clock.unit]
    whole = parts.field("field_0").cast(pl.Int64, strict=False)
    rest = ("0." + parts.field("field_1").fill_null("0")).cast(pl.Float64, strict=False)
    return TypedColumn(
        name,
        text,
        whole * unit + (rest * unit).round().cast(pl.Int64) + start,
        f"a time in {clock.unit}",
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
    fields: dict[str, TypedColumn | pl.Expr] = {
        "exchange": stripped(m.exchange) if m.exchange else pl.lit("")
    }
    for side, price, size in (("bid", m.bid, m.bid_size), ("ask", m.ask, m.ask_size)):
        for n in range(1, m.levels + 1):
            column = price.replace("{n}", str(n))
            sized = text.number(size.replace("{n}", str(n)), m.size_unit) if size else None
            unsized = sized.made <= 0 if sized and not never else never or not prices.zero
            at = fields[f"{side}_{n}"] = prices.column(text, column, unsized)
            fields[f"{side}_size_{n}"] = sized or (at.made > 0).cast(pl.Float64)
    return text.typed(fields)


def trades_of(text: TextRows, m: TradeMap, prices: FilePrices, report: Taken) -> pl.DataFrame:
    """Prints: `price` and `size` float64, `sign` (+1 buyer active, -1 seller, 0 not said), `cross` of an auction.

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
    price, size = prices.column(text, m.price), text.number(m.size, m.size_unit)
    return text.typed({"price": price, "size": size, "sign": sign, "cross": cross})


def _conditions(text: TextRows, m: TradeMap) -> dict[str, bool]:
    """The sale conditions that pass, and whether each is of an auction print."""
    kinds: dict[str, bool] = {}
    for name in text.frame.select(stripped(m.condition)).to_series().unique(maintain_order=True):
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
            parts = set(name.replace(" ", ""))
        cross = bool(parts & set(m.cross))
        if not parts & set(m.drop) and (cross or not m.keep or parts <= set(m.keep)):
            kinds[name] = cross
    return kinds


def _only(text: TextRows, column: str, wanted: Sequence[str], rule: str, report: Taken) -> TextRows:
    """Rows whose column, where the map names one, holds one of some values; the others are counted."""
    if not column or not wanted:
        return text
    matching = text.of(column, wanted)
    report[rule] += text.frame.height - matching.frame.height
    return matching


def levels_of(text: TextRows, m: LevelMap, prices: FilePrices) -> pl.DataFrame:
    """Rows that set a level's total, as those of `orders_of`."""
    return _direct(text, m, prices, pl.lit(schema.LEVEL_SET, pl.Int64), pl.lit(0, pl.Int64))


def orders_of(text: TextRows, m: OrderMap, prices: FilePrices) -> pl.DataFrame:
    """Events of single orders: `kind`, `order_id`, `side` int64, `price` and `size` float64 as the file has them."""
    kinds = {
        schema.ADD: m.add,
        schema.REDUCE: m.reduce,
        schema.DELETE: m.delete,
        schema.EXECUTE: m.execute,
        schema.MODIFY: m.modify,
        schema.TRADE_HIDDEN: m.hidden,
        schema.CROSS: m.cross,
    }
    table = {word: kind for kind, words in kinds.items() for word in words}
    number_of = text.number(m.id)
    ids = TypedColumn(m.id, number_of.text, number_of.made.cast(pl.Int64), number_of.expected)
    return _direct(text, m, prices, one_of(m.action, table, "an action that the map knows"), ids)


def _direct(
    text: TextRows,
    m: LevelMap | OrderMap,
    prices: FilePrices,
    kind: TypedColumn | pl.Expr,
    order_id: TypedColumn | pl.Expr,
) -> pl.DataFrame:
    side = one_of(m.side, {**dict.fromkeys(m.bid, 1), **dict.fromkeys(m.ask, -1)}, "a side")
    print_of_auction = (kind.made if isinstance(kind, TypedColumn) else kind) == schema.CROSS
    price = prices.column(text, m.price, may_lack=print_of_auction)
    return text.typed(
        {
            "side": side,
            "kind": kind,
            "order_id": order_id,
            "price": price,
            "size": text.number(m.size),
        }
    )
