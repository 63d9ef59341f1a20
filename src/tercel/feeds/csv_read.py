"""A tick file read as rows with their times: encoding, separator, header, the columns that its map names.

Text that Polars reads as plain numbers stays numbers; if a cell is none, all is read again as text, which names the cell.
"""

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
import polars.selectors as cs

from tercel.core.errors import FeedError, suggest_name
from tercel.core.progress import say
from tercel.core.tables.cell_text import find_decimal_signs
from tercel.core.tables.local_times import resolve_local_times
from tercel.core.tables.text import HEAD, decode_text, find_header, find_separator
from tercel.core.tables.usual_names import plain_name
from tercel.feeds.csv_columns import CORRECT, NS, RECEIVED, ROW, TextRows, strip_text
from tercel.feeds.csv_map import FileMap, InstrumentMap
from tercel.feeds.csv_times import find_iso_format, parse_times, with_number_times
from tercel.feeds.members import HEAD_BYTES, Member, tail_of
from tercel.market.tape.local_times import midnight_ns

TRADE_IDS: Final = frozenset((
    "id", "tid", "tradeid", "execid", "executionid", "matchid", "dealid", "transactionid", "aggtradeid", "tradeno", "trdid",
))  # fmt: skip
NUMBER: Final = re.compile(r"-?\d+(\.\d*)?")
_KINDS_OF_ROWS: Final = frozenset(
    ("type", "kind", "action", "event", "updatetype", "eventtype", "msgtype", "messagetype")
)


def needed_columns(file: FileMap) -> list[str]:
    """Every column of the file that its map names, without repetition."""
    named = [*file.time.column, file.time.received, file.symbol, file.rows.column, file.sequence]
    if (q := file.quote) is not None:
        named += [q.exchange, q.suspicious]
    if (t := file.trade) is not None:
        named += [t.exchange, t.aggressor, t.condition, t.correction, t.suspicious]
        named += t.id or ()
    for m in filter(None, (file.level, file.order)):
        named += [m.side, m.snapshot or ""]
    if (o := file.order) is not None:
        named += [o.id, o.action]
    return [name for name in dict.fromkeys([*named, *_number_columns(file)]) if name]


def _number_columns(file: FileMap) -> list[str]:
    """Columns of prices and sizes that the map of a file names."""
    named = []
    if (q := file.quote) is not None:
        named += [
            name for side in (q.bid, q.bid_size, q.ask, q.ask_size) for name in q.columns(side)
        ]
    if file.trade is not None:
        named += [file.trade.price, file.trade.size]
    for m in filter(None, (file.level, file.order)):
        named += [m.price, m.size]
    return named


def telling_columns(file: FileMap, names: Sequence[str]) -> list[str]:
    """Columns among `names` outside of the map that suggest trade ids, or marks of snapshots, where the map leaves these open."""
    known_names = TRADE_IDS if file.trade is not None and file.trade.id is None else frozenset()
    if any(m is not None and m.snapshot is None for m in (file.level, file.order)):
        known_names |= _KINDS_OF_ROWS | {
            plain_name(name) for name in names if "snap" in name.lower()
        }
    return [name for name in names if plain_name(name) in known_names]


def read_text(
    member: Member,
    file: FileMap,
    instrument: InstrumentMap,
    date: str | None,
    symbol: str | None,
) -> TextRows:
    """Rows of a file as text with their times, ns since 1970; those of `symbol` where the file holds several (None: all).

    Raises
    ------
    FeedError
        For a file that Polars cannot split into the map's columns, lacks one of them, or holds a time that is none, or
        none in the unit of the map.
    """
    frame, separator = _read_columns(member, file, symbol)
    others = 0
    if symbol is not None and file.symbol and "(?P<symbol>" in file.name:
        of_symbol = frame.filter(strip_text(file.symbol).str.to_uppercase() == symbol.upper())
        others = frame.height - of_symbol.height
        frame = of_symbol
    start = 0
    clock = find_iso_format(file.time, frame, member.location)
    if clock.unit != "text" and clock.origin == "midnight":
        if date is None:
            raise FeedError(
                "the date of times since midnight",
                member.location,
                "give `date=`, or a group `date` in the map's name of files",
            )
        start = midnight_ns(date, instrument.timezone)
    decimal = file.point or ("." if separator == "," else _find_decimal_sign(frame))
    text = TextRows(frame, member.location, decimal, others=others)
    columns = {NS: clock.column} | ({RECEIVED: (clock.received,)} if clock.received else {})
    remedy = CORRECT + "; if its first row has names, write `header = true`" * (not file.header)
    times = {
        name: replace(parse_times(clock, source_columns, frame), remedy=remedy)
        for name, source_columns in columns.items()
    }
    if clock.unit != "text":
        return with_number_times(text, clock, times, start, instrument)
    typed = text.to_typed(times, frame.columns)
    zone = "UTC" if clock.origin == "epoch" else clock.timezone or instrument.timezone
    symbols = frame.select(strip_text(file.symbol)).to_series() if file.symbol else None
    for name, time_column in times.items():
        if typed.schema[name] == pl.Datetime("ns"):  # of local clocks
            text = replace(text, zone=zone)
            moments, unshown = resolve_local_times(typed[name], zone, clock.repeated_hour, symbols)
            text.refuse(
                moments.is_null(),
                time_column,
                f"{time_column.expected}, one that the clocks did not pass over,",
                CORRECT,
            )
            text.refuse(
                unshown,
                time_column,
                "rows whose order shows which pass of the hour that the clocks repeat,",
                'write `repeated_hour = "first"`, or "second", under [file.time] in the map',
            )
            typed = typed.with_columns(moments.alias(name))
    typed = typed.with_columns(pl.col(*times).dt.epoch("ns")).with_columns(
        pl.col(RECEIVED if clock.received else NS).alias(RECEIVED)
    )
    return replace(text, frame=typed)


def _read_columns(member: Member, file: FileMap, symbol: str | None) -> tuple[pl.DataFrame, str]:
    """Columns of a file that its map needs, with ROW, and the separator of its text; the rows of `symbol` alone where
    no name of a file says it."""
    separator = ","
    first = 1
    try:
        if member.name.endswith((".parquet", ".arrow", ".feather")):
            scan_file = pl.scan_parquet if member.name.endswith(".parquet") else pl.scan_ipc
            untyped = cs.temporal() | cs.decimal() | cs.by_dtype(pl.Float32)
            scans = [
                scan_file(member.path or member.content()).with_columns(untyped.cast(pl.String))
            ]
        else:
            source, separator, skip, has_names = _open_source(member, file)
            scan = partial(
                pl.scan_csv,
                source,
                has_header=has_names,
                separator=separator,
                skip_lines=skip,
            )
            first += has_names + skip
            text = scan(infer_schema=False)
            types = _plain_types(scan().collect_schema(), file, separator)
            scans = [scan(schema_overrides=types), text] if types else [text]
            if symbol is not None:
                _refuse_cut(source, len(text.collect_schema()), separator, member.location)
        while True:
            lazy = _select_columns(scans.pop(0), member, file).with_row_index(ROW, first)
            if symbol is not None and file.symbol and "(?P<symbol>" not in file.name:
                lazy = lazy.filter(strip_text(file.symbol).str.to_uppercase() == symbol.upper())
            try:
                frame = lazy.with_columns(pl.col(ROW).cast(pl.Int64)).collect(engine="streaming")
                return frame, separator
            except pl.exceptions.ComputeError:  # a cell that is no plain number: as text
                if not scans:
                    raise
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise FeedError(
            "rows of separated fields", f"{member.location}: {reason}", "check the file and the map"
        ) from error


def _plain_types(
    inferred: pl.Schema, file: FileMap, separator: str
) -> dict[str, type[pl.DataType]]:
    """Types of a file's columns by the names that Polars gives them: numbers for prices, sizes and times that are plain
    numbers in the first rows, text for the others; {} where a comma may be their decimal sign."""
    if separator != "," or file.point == ",":
        return {}
    names = _names_of(inferred.names(), file)
    numbers = set(_number_columns(file))
    clocks = {file.time.received, *file.time.column}
    return {
        theirs: pl.Float64
        if name in numbers and kind.is_numeric()
        else pl.Int64
        if name in clocks and kind.is_integer()
        else pl.String
        for (theirs, kind), name in zip(inferred.items(), names, strict=False)
    }


def _names_of(names: Sequence[str], file: FileMap) -> list[str]:
    """Names of a file's columns by its map: where the map has `columns`, those of that name, the others in their order."""
    others = iter([name for name in file.columns if name not in names])
    return [
        name if file.header is True or name in file.columns else next(others, name)
        for name in names
    ]


def _refuse_cut(source: Path | bytes, columns: int, separator: str, location: str) -> None:
    """FeedError if a text's last line has no end and lacks columns; a warning if it has no end alone."""
    last = tail_of(source, HEAD_BYTES).decode("utf-8", "replace").rsplit("\n", 1)[-1].strip("\r")
    if not last.strip():
        return
    fields = len(next(csv.reader([last], delimiter=separator)))
    if fields < columns:
        whole = source if isinstance(source, bytes) else source.read_bytes()
        row = whole.count(b"\n") + 1
        raise FeedError(
            f"{columns} fields in each row",
            f"{fields} in row {row} of {location}, the last, which has no end",
            "download the file again, or take that line away",
        )
    say(
        f"warning: the last line of {location} has no end; if the file was cut there, its last number lacks digits"
    )


def _open_source(member: Member, file: FileMap) -> tuple[Path | bytes, str, int, bool]:
    """Source for Polars in UTF-8 (path or bytes), the separator, the number of lines before the header, and whether
    there is one."""
    head = next(member.chunks(HEAD_BYTES), b"")
    try:
        text = codecs.getincrementaldecoder(file.encoding or "utf-8-sig")().decode(head)
        source = member.path or member.content()
    except UnicodeDecodeError:
        text = ""
    if not text or file.encoding:
        text, note = decode_text(member.content(), file.encoding, member.location)
        source = text.encode()
        if note:
            say(f"warning: {note}")
    lines = text[:HEAD_BYTES].splitlines()[:HEAD]
    separator = find_separator(lines, file.separator)
    skip = max(file.skip, 0)
    if file.skip < 0 and file.header is True:
        skip = find_header(list(csv.reader(lines, delimiter=separator)))
    has_names = file.header is not False
    if file.header == "maybe":
        cells = next(csv.reader(lines[skip:], delimiter=separator), [])
        has_names = not any(NUMBER.fullmatch(cell.strip()) for cell in cells)
    return source, separator, skip, has_names


def _find_decimal_sign(frame: pl.DataFrame) -> str:
    """Decimal sign of a file's numbers, "," or "."; "" if no cell shows one, or both are found."""
    head = frame.head(HEAD)
    signs = find_decimal_signs(head)
    comma, point = (
        sign is not None for sign in (find_decimal_signs(frame) if signs == (None, None) else signs)
    )
    return "," if comma and not point else "." if point and not comma else ""


def _select_columns(lazy: pl.LazyFrame, member: Member, file: FileMap) -> pl.LazyFrame:
    """A lazy frame with the columns that the map names, and those that tell of ids or snapshots; FeedError if one is missing."""
    names = lazy.collect_schema().names()
    if file.header is not True:
        if len(names) > len(file.columns) or (not file.header and len(names) < len(file.columns)):
            raise FeedError(
                f"{len(file.columns)} columns, {', '.join(file.columns)}",
                f"{len(names)} in {member.location}, row 1",
                "correct the map",
            )
        lazy = lazy.rename(dict(zip(names, _names_of(names, file), strict=True)))
        names = _names_of(names, file)
    needed = needed_columns(file)
    for name in needed:
        if name not in names:
            all_names = needed + [f"other{n + 1}" for n in range(len(needed), len(names))]
            raise FeedError(
                f"a column {name}",
                f"columns {', '.join(names[:12])} in {member.location}",
                f"write `header = false` and `columns = {all_names}`, in their order, under [[file]]"
                if any(NUMBER.fullmatch(header) for header in names)
                else f"{suggest_name(name, names)} in the map",
            )
    return lazy.select(list(dict.fromkeys([*needed, *telling_columns(file, names)])))
