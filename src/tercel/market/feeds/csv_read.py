"""Columns of a tick file as arrays, by its map: Polars reads text, every value is converted here, and what cannot be is
named with its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.names import offer
from tercel.market.feeds.csv_map import UNIT_NS, FileMap, LevelMap, OrderMap, QuoteMap, TradeMap
from tercel.market.feeds.members import Member
from tercel.market.tape.instrument import midnight_ns

if TYPE_CHECKING:
    import polars as pl

ROW: Final = "_row"
NS: Final = "_ns"
RECEIVED: Final = "_received"


@dataclass(frozen=True)
class Text:
    """The rows of one symbol and day in a file, as text, with their numbers and times.

    Parameters
    ----------
    frame : polars.DataFrame
        Text columns; ROW from 1 (the header counts), NS and RECEIVED in ns since 1970.
    where : str
        The file, for people.
    """

    frame: pl.DataFrame
    where: str

    def of(self, column: str, values: Sequence[str]) -> Text:
        """Rows whose column holds one of some values."""
        import polars as pl

        return Text(self.frame.filter(pl.col(column).is_in(list(values))), self.where)

    @property
    def n(self) -> int:
        """Rows."""
        return self.frame.height

    def times(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """When rows were sent and received, and their numbers."""
        return self.longs(NS), self.longs(RECEIVED), self.longs(ROW)

    def longs(self, name: str) -> NDArray[np.int64]:
        """A column of integers that was made here."""
        found: NDArray[np.int64] = self.frame[name].to_numpy().astype(np.int64)
        return found

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column as float64[n]; 0 where the field is empty.

        Raises
        ------
        FeedError
            For a field that is no number, with its row.
        """
        import polars as pl

        text = self.frame[column].str.strip_chars()
        made = text.cast(pl.Float64, strict=False)
        self._refuse(text, made.is_null() | ~made.is_finite().fill_null(False), column, "a number")
        out: NDArray[np.float64] = made.fill_null(0.0).to_numpy().astype(np.float64)
        return out

    def words(self, column: str) -> NDArray[np.object_]:
        """A column as text, "" where the field is empty."""
        found: NDArray[np.object_] = self.frame[column].fill_null("").str.strip_chars().to_numpy().astype(object)
        return found

    def codes(self, column: str) -> tuple[NDArray[np.int64], list[str]]:
        """A column as numbers from 0 by first appearance, and what they stand for."""
        import polars as pl

        text = self.frame[column].fill_null("").str.strip_chars()
        names = text.unique(maintain_order=True).to_list()
        if not names:
            return np.zeros(0, np.int64), names
        codes = text.replace_strict(names, list(range(len(names))), return_dtype=pl.Int64)
        return codes.to_numpy().astype(np.int64), names

    def one_of(self, column: str, table: dict[str, int], what: str) -> NDArray[np.int64]:
        """A column by a table of what its values mean; anything else is refused with its row."""
        import polars as pl

        text = self.frame[column].fill_null("").str.strip_chars()
        made = text.replace_strict(list(table), list(table.values()), default=None, return_dtype=pl.Int64)
        self._refuse(text, made.is_null(), column, what, empty_too=True)
        found: NDArray[np.int64] = made.to_numpy().astype(np.int64)
        return found

    def _refuse(self, text: pl.Series, bad: pl.Series, column: str, expected: str, empty_too: bool = False) -> None:
        if not empty_too:
            bad = bad & (text.fill_null("") != "")
        if bad.any():
            at = int(bad.arg_true()[0])
            shown = (text[at] or "")[:40]
            received = f"{shown!r} in column {column}, row {self.frame[ROW][at]} of {self.where}"
            raise FeedError(f"{expected} as {column}", received, "correct the row, or the map")


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


def read_text(member: Member, file: FileMap, timezone: str, date: str | None, symbol: str | None) -> Text:
    """Rows of a file as text with their times; of one symbol where the file holds several.

    Raises
    ------
    FeedError
        For a file that Polars cannot split into the map's columns, lacks one of them, or holds a time that is none.
    """
    import polars as pl

    try:
        lazy = pl.scan_csv(
            member.path or member.content(), has_header=file.header, infer_schema=False, separator=file.separator
        )
        lazy = _named(lazy, member, file).with_row_index(ROW, 1 + file.header)
        if symbol is not None and file.symbol:
            lazy = lazy.filter(pl.col(file.symbol).str.strip_chars().str.to_uppercase() == symbol.upper())
        frame = lazy.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise FeedError("rows of separated fields", f"{member.where}: {first}", "check the file and the map") from error
    text = Text(frame, member.where)
    ns = _times(text, file, file.time.column, timezone, date)
    heard = _times(text, file, (file.time.received,), timezone, date) if file.time.received else ns
    return Text(frame.with_columns(pl.Series(NS, ns), pl.Series(RECEIVED, heard)), member.where)


def _named(lazy: pl.LazyFrame, member: Member, file: FileMap) -> pl.LazyFrame:
    """The columns that the map names, under their names."""
    names = lazy.collect_schema().names()
    if not file.header:
        if len(names) != len(file.columns):
            received = f"{len(names)} in {member.where}, row 1"
            raise FeedError(f"{len(file.columns)} columns, {', '.join(file.columns)}", received, "correct the map")
        lazy = lazy.rename(dict(zip(names, file.columns, strict=True)))
        names = list(file.columns)
    wanted = needed_columns(file)
    for name in wanted:
        if name not in names:
            received = f"columns {', '.join(names[:12])} in {member.where}"
            raise FeedError(f"a column {name}", received, f"{offer(name, names)} in the map")
    return lazy.select(wanted)


def _times(text: Text, file: FileMap, columns: tuple[str, ...], timezone: str, date: str | None) -> NDArray[np.int64]:
    """Times in ns since 1970 UTC."""
    import polars as pl

    clock = file.time
    joined = text.frame.select(pl.concat_str([pl.col(c).str.strip_chars() for c in columns], separator=" ")).to_series()
    name = " ".join(columns)
    if clock.unit == "text":
        made = joined.str.to_datetime(clock.format, time_unit="ns", strict=False, ambiguous="earliest")
        if made.dtype == pl.Datetime("ns"):  # no zone in the text
            made = made.dt.replace_time_zone(clock.timezone or timezone, ambiguous="earliest", non_existent="null")
        text._refuse(joined, made.is_null(), name, f"a time as {clock.format}", empty_too=True)
        stamps: NDArray[np.int64] = made.dt.epoch("ns").to_numpy().astype(np.int64)
        return stamps
    parts = joined.str.split_exact(".", 1)
    whole = parts.struct.field("field_0").cast(pl.Int64, strict=False)
    rest = ("0." + parts.struct.field("field_1").fill_null("0")).cast(pl.Float64, strict=False)
    text._refuse(joined, whole.is_null() | rest.is_null(), name, f"a time in {clock.unit}", empty_too=True)
    unit = UNIT_NS[clock.unit]
    fraction = np.rint(rest.to_numpy() * unit).astype(np.int64)
    ns: NDArray[np.int64] = whole.to_numpy().astype(np.int64) * unit + fraction
    if clock.origin == "epoch":
        return ns
    if date is None:
        remedy = "give --date, or a group `date` in the map's name of files"
        raise FeedError("the date of times since midnight", text.where, remedy)
    return ns + midnight_ns(date, timezone)


# -- what rows say, in shares and prices as the file has them ---------------------------------------------------------


@dataclass
class CsvRows:
    """Rows of a file: times int64[n] as sent and as received, and their numbers; subclasses add columns."""

    ns: NDArray[np.int64]
    received: NDArray[np.int64]
    row: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.ns)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Some of the rows."""
        return type(self)(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Rows of several parts in order of time and number."""
        whole = cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))
        return whole.take(np.lexsort((whole.row, whole.ns)))


@dataclass
class CsvQuotes(CsvRows):
    """Quotes of one or more exchanges: prices and sizes float64[n, levels] (0: none)."""

    bid: NDArray[np.float64]
    bid_size: NDArray[np.float64]
    ask: NDArray[np.float64]
    ask_size: NDArray[np.float64]
    exchange: NDArray[np.int64]


@dataclass
class Trades(CsvRows):
    """Prints: prices and sizes float64[n], sign (+1 buyer active, -1 seller, 0 not said), whether of an auction."""

    price: NDArray[np.float64]
    size: NDArray[np.float64]
    sign: NDArray[np.int64]
    cross: NDArray[np.bool_]


@dataclass
class Direct(CsvRows):
    """Rows that already are events, prices and sizes as the file has them."""

    kind: NDArray[np.int64]
    order_id: NDArray[np.int64]
    side: NDArray[np.int64]
    price: NDArray[np.float64]
    size: NDArray[np.float64]


_NO_LONGS: Final = np.zeros(0, np.int64)
_NO_FLOATS: Final = np.zeros(0)
_NO_TIMES: Final = (_NO_LONGS,) * 3
NO_QUOTES: Final = CsvQuotes(*_NO_TIMES, *(np.zeros((0, 1)),) * 4, _NO_LONGS)
NO_TRADES: Final = Trades(*_NO_TIMES, _NO_FLOATS, _NO_FLOATS, _NO_LONGS, np.zeros(0, np.bool_))
NO_DIRECT: Final = Direct(*_NO_TIMES, _NO_LONGS, _NO_LONGS, _NO_LONGS, _NO_FLOATS, _NO_FLOATS)


Tell = Callable[[str, int], None]
"""Where removed rows are counted: by the name of a rule."""


def quotes_of(text: Text, m: QuoteMap, scale: int, tell: Tell) -> CsvQuotes:
    """Quote rows; those of other exchanges and suspicious ones are left out and counted."""
    text = _not_suspicious(text, m.suspicious, "quotes", tell)
    text = _of_exchanges(text, m.exchange, m.exchanges, "quotes", tell)
    sides = []
    for price, size in ((m.bid, m.bid_size), (m.ask, m.ask_size)):
        levels = range(1, m.levels + 1)
        prices = [text.numbers(price.replace("{n}", str(n))) / scale for n in levels]
        sizes = [text.numbers(size.replace("{n}", str(n))) * m.size_unit for n in levels] if size else None
        p = np.stack(prices, axis=1)
        sides += [p, np.stack(sizes, axis=1) if sizes is not None else (p > 0).astype(np.float64)]
    exchange = text.codes(m.exchange)[0] if m.exchange else np.zeros(text.n, np.int64)
    bid, bid_size, ask, ask_size = sides
    return CsvQuotes(*text.times(), bid, bid_size, ask, ask_size, exchange)


def trades_of(text: Text, m: TradeMap, scale: int, tell: Tell) -> Trades:
    """Trade rows; corrected, suspicious and irregular ones are left out and counted."""
    import polars as pl

    text = _not_suspicious(text, m.suspicious, "trades", tell)
    text = _of_exchanges(text, m.exchange, m.exchanges, "trades", tell)
    if m.correction:
        before = text.n
        text = text.of(m.correction, m.good)
        tell("trades corrected", before - text.n)
    cross = np.zeros(text.n, np.bool_)
    if m.condition:
        cross, drop = _conditions(text, m)
        tell("trades of irregular conditions", int(drop.sum()))
        text = Text(text.frame.filter(pl.Series(~drop)), text.where)
        cross = cross[~drop]
    sign = np.zeros(text.n, np.int64)
    if m.aggressor:
        words = text.words(m.aggressor)
        sign = np.isin(words, m.buy).astype(np.int64) - np.isin(words, m.sell)
    price, size = text.numbers(m.price) / scale, text.numbers(m.size) * m.size_unit
    return Trades(*text.times(), price, size, sign, cross)


def _conditions(text: Text, m: TradeMap) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(auction prints, rows to leave out) by sale condition."""
    codes, names = text.codes(m.condition)
    cross, drop = np.zeros(len(names), np.bool_), np.zeros(len(names), np.bool_)
    for i, name in enumerate(names):
        if m.condition_code == "bits":
            try:
                bits = int(name or "0", 16)
            except ValueError:
                row = int(text.longs(ROW)[codes == i][0])
                received = f"{name!r} in row {row} of {text.where}"
                raise FeedError(f"hexadecimal flags as {m.condition}", received, "correct the map") from None
            parts = {f"{1 << b:x}" for b in range(64) if bits >> b & 1}
        else:
            parts = set(name.replace(" ", ""))
        cross[i] = bool(parts & set(m.cross))
        drop[i] = bool(parts & set(m.drop)) or bool(m.keep and not cross[i] and parts - set(m.keep))
    return cross[codes] & ~drop[codes], drop[codes]


def _not_suspicious(text: Text, column: str, what: str, tell: Tell) -> Text:
    import polars as pl

    if not column:
        return text
    kept = text.frame.filter(pl.col(column).fill_null("0").str.strip_chars().is_in(["0", ""]))
    tell(f"{what} marked suspicious", text.n - kept.height)
    return Text(kept, text.where)


def _of_exchanges(text: Text, column: str, wanted: tuple[str, ...], what: str, tell: Tell) -> Text:
    if not column or not wanted:
        return text
    kept = text.of(column, wanted)
    tell(f"{what} of other exchanges", text.n - kept.n)
    return kept


def levels_of(text: Text, m: LevelMap, scale: int) -> Direct:
    """Rows that set a level's total."""
    from tercel.market.tape.schema import LEVEL_SET

    side = text.one_of(m.side, {**dict.fromkeys(m.bid, 1), **dict.fromkeys(m.ask, -1)}, "a side")
    zeros = np.zeros(text.n, np.int64)
    return Direct(
        *text.times(), zeros + LEVEL_SET, zeros, side,
        text.numbers(m.price) / scale, text.numbers(m.size),
    )  # fmt: skip


def orders_of(text: Text, m: OrderMap, scale: int) -> Direct:
    """Rows that are events of single orders."""
    from tercel.market.tape import schema

    side = text.one_of(m.side, {**dict.fromkeys(m.bid, 1), **dict.fromkeys(m.ask, -1)}, "a side")
    kinds = {
        schema.ADD: m.add, schema.REDUCE: m.reduce, schema.DELETE: m.delete, schema.EXECUTE: m.execute,
        schema.MODIFY: m.modify, schema.TRADE_HIDDEN: m.hidden, schema.CROSS: m.cross,
    }  # fmt: skip
    table = {word: kind for kind, words in kinds.items() for word in words}
    kind = text.one_of(m.action, table, "an action that the map knows")
    ids = text.numbers(m.id)
    return Direct(
        *text.times(), kind, ids.astype(np.int64), side,
        text.numbers(m.price) / scale, text.numbers(m.size),
    )  # fmt: skip
