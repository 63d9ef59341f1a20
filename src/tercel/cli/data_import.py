"""`tercel data import ...`: feed files into a lake, a command for each feed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.api.display import progress_console
from tercel.cli.shared import (
    AsJson,
    Lake,
    Replace,
    add,
    check_date,
    hand_over,
    print_table,
    progress,
    result_console,
    say,
)
from tercel.core.errors import ConfigError, FeedError, TercelError, listed, refuse_if
from tercel.core.serialization import Record
from tercel.market.feed import Feed, FeedDay, FeedOptions, feed_named, feeds_of_others

if TYPE_CHECKING:
    from tercel.feeds.itch import FileCounts, Progress
    from tercel.feeds.itch_book import SymbolCheck
    from tercel.market.tape import Instrument, Lake as Store

import_app = typer.Typer(
    help="Import feed files into a lake, one command per feed.", no_args_is_help=True
)

Captures = Annotated[
    list[Path],
    typer.Argument(
        help="Captures: lines of local ns and JSON, plain, compressed, in archives or folders.",
        metavar="PATHS",
    ),
]
MaybeLake = Annotated[Path | None, typer.Option(help="Folder of the tape lake.", metavar="DIR")]
FileDate = Annotated[
    str | None, typer.Option(help="Default: read from the file names.", metavar="YYYY-MM-DD")
]
UtcDate = Annotated[
    str | None, typer.Option(help="One day of UTC (default: all).", metavar="YYYY-MM-DD")
]
ExactTick = Annotated[
    float | None, typer.Option(help="Tick size (default: inferred, exactly).", metavar="T")
]
OUTCOMES = {
    "written": "written",
    "replaced": "replaced",
    "unchanged": "unchanged: the lake holds the same content",
}
SHOWN = 25
"""Symbols in the table of `--check`, the busiest first."""


def lobster(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Message and orderbook CSVs, zip, zst or tar files of them, or folders.",
            metavar="PATHS",
        ),
    ],
    lake: Lake,
    symbol: Annotated[
        str | None, typer.Option(help="Default: read from the file names.", metavar="SYM")
    ] = None,
    date: FileDate = None,
    tick: Annotated[
        float | None,
        typer.Option(help="Tick size in dollars (default: inferred from the prices).", metavar="T"),
    ] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import LOBSTER days: messages with an orderbook file of any number of levels, or messages alone."""
    _import(
        lambda: feed_named("lobster"),
        paths,
        lake,
        _facts(symbol, date, tick),
        replace,
        as_json,
    )


def dbn(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Databento MBO files: .dbn, .dbn.zst, .csv, archives of them, or folders.",
            metavar="PATHS",
        ),
    ],
    lake: Lake,
    symbol: Annotated[
        str | None, typer.Option(help="One symbol or instrument id (default: all).", metavar="SYM")
    ] = None,
    date: UtcDate = None,
    tick: Annotated[
        float | None,
        typer.Option(
            help="Tick size (default: from a definition file, else inferred).", metavar="T"
        ),
    ] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import Databento order-by-order days, every instrument in the files."""
    _import(lambda: feed_named("dbn"), paths, lake, _facts(symbol, date, tick), replace, as_json)


def binance(
    paths: Captures,
    lake: Lake,
    symbol: Annotated[
        str | None, typer.Option(help="One symbol (default: all).", metavar="SYM")
    ] = None,
    date: UtcDate = None,
    tick: ExactTick = None,
    replace: Replace = False,
    lot: Annotated[
        str | None, typer.Option(help="Lot size (default: inferred, exactly).", metavar="L")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import Binance captures of depth diffs, trades and snapshots: spot, USD-M and COIN-M futures."""
    from tercel.feeds.binance import BinanceFeed

    _import(lambda: BinanceFeed(lot), paths, lake, _facts(symbol, date, tick), replace, as_json)


def bitstamp(
    paths: Captures,
    lake: Lake,
    symbol: Annotated[
        str | None, typer.Option(help="One pair, as BTCUSD (default: all).", metavar="SYM")
    ] = None,
    date: UtcDate = None,
    tick: ExactTick = None,
    replace: Replace = False,
    lot: Annotated[
        str | None,
        typer.Option(help="Lot size (default: the smallest power of ten that fits).", metavar="L"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import Bitstamp captures of order events, trades and snapshots (order_book?group=2)."""
    from tercel.feeds.bitstamp import BitstampFeed

    _import(lambda: BitstampFeed(lot), paths, lake, _facts(symbol, date, tick), replace, as_json)


def csv(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="CSV files, zip, zst, gz or tar files of them, or folders.", metavar="PATHS"
        ),
    ] = None,
    map: Annotated[
        str,
        typer.Option(
            help="Map of the columns: the name of a built-in map, or a file.", metavar="MAP.toml"
        ),
    ] = "",
    lake: MaybeLake = None,
    show_map: Annotated[
        bool,
        typer.Option(
            "--show-map", help="Print the map, to start one's own from, and import nothing."
        ),
    ] = False,
    symbol: Annotated[
        str | None, typer.Option(help="Default: as the map says.", metavar="SYM")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Default: as the map says.", metavar="YYYY-MM-DD")
    ] = None,
    tick: Annotated[
        float | None, typer.Option(help="Tick size (default: the map's).", metavar="T")
    ] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import quotes, trades, levels or order events from columns that a map names, cleaned by the field's rules."""
    from tercel.feeds.csv_feed import CsvFeed
    from tercel.feeds.csv_map import map_text, parse_map, shipped

    if not map:
        raise ConfigError(
            "a map", "none", f"add --map NAME ({', '.join(shipped())}) or --map FILE.toml"
        )
    if show_map:
        text = map_text(map)
        parse_map(text, map)

        def show() -> None:
            result_console().print(text, markup=False, highlight=False, soft_wrap=True)

        hand_over({"map": map, "toml": text}, as_json, show)
        return
    if lake is None or not paths:
        missing = "--lake DIR" if lake is None else "PATHS"
        raise ConfigError(
            "files to import and a lake to put them in", f"no {missing}", f"add {missing}"
        )
    _import(lambda: CsvFeed(map), paths, lake, _facts(symbol, date, tick), replace, as_json)


def itch(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="ITCH 5.0 files, plain, compressed, in archives or folders.", metavar="PATHS"
        ),
    ],
    lake: MaybeLake = None,
    symbol: Annotated[
        str | None, typer.Option(help="Symbols, separated by commas (default: all).")
    ] = None,
    date: FileDate = None,
    tick: Annotated[
        float | None,
        typer.Option(help="Tick size in dollars (default: inferred for each symbol).", metavar="T"),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Replay the books of all symbols and count anomalies; import nothing."
        ),
    ] = False,
    allow_cut: Annotated[
        bool,
        typer.Option("--allow-cut", help="Take the whole messages of a file that ends inside one."),
    ] = False,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import NASDAQ TotalView-ITCH 5.0 files: all symbols in one pass, or some."""
    check_date(date)
    if check:
        _check(paths, symbol, allow_cut, as_json)
        return
    if lake is None:
        raise ConfigError(
            "--lake DIR, a folder to import into",
            "none",
            "give --lake, or --check to import nothing",
        )
    from tercel.feeds.itch import ItchFeed
    from tercel.market.tape import Lake as Store

    target = Store(lake)
    no_lake_as_source(paths, target)
    feed = ItchFeed(allow_cut, progress=_progress())
    with feed.days(paths, _facts(symbol, date, tick)) as days:
        for counts in feed.files:
            _say_counts(counts)
        if not days:
            say("no symbol has an order or a trade: nothing was imported")
        rows = import_days(days, target, replace)
    found = {"lake": target.root, "days": rows, "files": [asdict(counts) for counts in feed.files]}
    hand_over(found, as_json, lambda: print_days(rows))


# -- days into a lake -------------------------------------------------------------------------------------------------


def _facts(symbol: str | None, date: str | None, tick: float | None) -> FeedOptions:
    check_date(date)
    return FeedOptions(symbol, date, tick)


def _import(
    feed: "Callable[[], Feed]",
    paths: Sequence[Path],
    root: Path,
    options: FeedOptions,
    replace: bool,
    as_json: bool,
) -> None:
    """Import the days that a feed finds; says on stderr what happens, on stdout what was done."""
    from tercel.market.tape import Lake as Store

    lake = Store(root)
    no_lake_as_source(paths, lake)
    with feed().days(paths, options) as days:
        rows = import_days(days, lake, replace)
    hand_over({"lake": lake.root, "days": rows}, as_json, lambda: print_days(rows))


@dataclass(frozen=True)
class ImportedDay(Record):
    """An imported day, its result in the lake (empty if nothing was written), and warnings of its feed."""

    instrument: "Instrument"
    outcome: str = ""
    warnings: list[str] | None = None

    def json_fields(self) -> dict[str, object]:
        """The instrument's facts, and what there is beside them."""
        more = {"outcome": self.outcome or None, "warnings": self.warnings}
        return vars(self.instrument) | {key: one for key, one in more.items() if one is not None}


def import_days(days: "Sequence[FeedDay]", lake: "Store", replace: bool) -> list[ImportedDay]:
    """Write days into a lake, one by one; says on stderr which are in when one fails."""
    rows: list[ImportedDay] = []
    for number, day in enumerate(_with_progress(days) if len(days) > 1 else days, start=1):
        try:
            rows.append(_import_day(day, lake, replace))
        except BaseException as error:
            error.add_note(", ".join(day.source))
            if number > 1:
                say(
                    f"{number - 1} of {len(days)} days are in the lake; {day.symbol} {day.date} is not"
                )
            raise
    return rows


def _import_day(day: "FeedDay", lake: "Store", replace: bool) -> ImportedDay:
    imported = day.read()
    outcome = lake.write(imported.instrument, imported.events, replace=replace)
    venue, symbol, date = imported.instrument.key
    instrument = lake.instrument(symbol, date, venue)
    for warning in imported.warnings:
        say(f"warning: {warning}")
    say(f"{instrument.symbol} {instrument.date}: {instrument.rows:,} events, {OUTCOMES[outcome]}")
    return ImportedDay(instrument, outcome, list(imported.warnings))


def _with_progress(days: "Sequence[FeedDay]") -> "Iterator[FeedDay]":
    """The days, with a bar on stderr when a person watches."""
    with progress(transient=True) as bars:
        yield from bars.track(days, description="importing days")


def no_lake_as_source(paths: Sequence[Path], lake: "Store") -> None:
    """Refuse a lake among the files to import, and a file as the lake."""
    refuse_if(
        lake.root.exists() and not lake.root.is_dir(),
        "a folder as --lake",
        f"the file {lake.root}",
        "name another folder",
        FeedError,
    )
    for path in paths:
        if path.is_dir() and (path / ".tercel").is_dir():
            raise FeedError(
                "a folder of feed files",
                f"the lake {path}",
                "give the folder that was imported from",
            )


def print_days(days: Sequence[ImportedDay]) -> None:
    """A row for each day of a lake."""
    last = "outcome" if any(day.outcome for day in days) else "content"
    rows = [
        [
            *one.key,
            f"{one.rows:,}",
            str(one.levels) if one.levels else "all",
            f"{one.tick:g}",
            f"{one.off_tick_rows:,}",
            day.outcome if last == "outcome" else one.content_hash[:12],
        ]
        for day in days
        for one in (day.instrument,)
    ]
    headings = ("venue", "symbol", "date", "events", "levels", "tick", "off tick", last)
    print_table(
        "days", headings, rows, leaves=("off tick", "levels", "tick"), left=("symbol", "date", last)
    )


# -- ITCH -------------------------------------------------------------------------------------------------------------


def _progress() -> "Progress":
    """Progress of a pass, on stderr: one line that is overwritten on a terminal."""
    console, bars = progress_console(), progress(now=True)
    task = bars.add_task("reading", total=None, now="")

    def show(messages: int, size: int) -> None:
        line = f"{messages / 1e6:,.1f} M messages, {size / 1e6:,.0f} MB"
        bars.update(task, now=line)
        if console.is_terminal:
            console.print(line, end="\r", soft_wrap=True)

    return show


def _say_counts(counts: "FileCounts") -> None:
    """Print the counts of a pass on stderr."""
    from tercel.feeds.itch_kernels import NAMES

    named = ", ".join(
        f"{y} {n:,} ({NAMES[y][0]})" if y in NAMES else f"{y} {n:,} (unknown)"
        for y, n in counts.types.items()
    )
    say(
        f"{counts.file}: {counts.messages:,} messages, {counts.bytes:,} bytes, {counts.symbols:,} symbols: {named}"
    )
    for name, n in counts.odd.items():
        say(
            f"warning: {name.replace('_', ' ')} {n:,} times, first in message {counts.first[name]:,}"
        )
    if counts.unprinted or counts.away:
        say(
            f"{counts.unprinted:,} executions are not printed, {counts.away:,} are printed at another price"
        )
    if counts.cut_bytes:
        say(
            f"warning: the file ends inside a message; its last {counts.cut_bytes} bytes were left out"
        )


def _check(paths: Sequence[Path], symbol: str | None, allow_cut: bool, as_json: bool) -> None:
    """The books of files, and nothing written."""
    from tercel.feeds.itch_book import check_file, totals
    from tercel.feeds.members import members

    results: list[dict[str, Any]] = []
    with members(paths) as found:
        for member in found:
            counts, symbols = check_file(
                member, tuple(listed(symbol or "")), allow_cut, _progress()
            )
            _say_counts(counts)
            results.append(
                {
                    **asdict(counts),
                    "totals": totals(symbols),
                    "symbols": [asdict(one) for one in symbols],
                }
            )
            if not as_json:
                _print_check(counts, symbols)
    hand_over({"files": results}, as_json, lambda: None)


def _print_check(counts: "FileCounts", symbols: "list[SymbolCheck]") -> None:
    from tercel.feeds.itch_book import totals

    names: tuple[str, ...] = (
        "messages",
        "crossed",
        "locked",
        "off_best",
        "off_head",
        "resting",
        "bid",
        "ask",
    )
    names += ("added", "executed", "withdrawn", "hidden", "cross", "broken")
    headings = ["symbol", *(name.replace("_", " ") for name in names)]
    busiest = sorted(symbols, key=lambda s: -s.messages)[:SHOWN]
    rows = [[s.symbol, *(_cell(getattr(s, name)) for name in names)] for s in busiest]
    if len(symbols) > 1:
        sums = totals(symbols)
        rows.append(
            [
                f"all {len(symbols):,}",
                *("" if n in ("bid", "ask") else _cell(sums[n]) for n in names),
            ]
        )
    print_table(counts.file, headings, rows)


def _cell(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"


def _of_another(name: str) -> Callable[..., None]:
    """The command of a feed that another package has, which is imported when it is called."""

    whose = " and ".join(OTHERS[name])

    def body(
        paths: Annotated[
            list[Path], typer.Argument(help="Files, archives or folders.", metavar="PATHS")
        ],
        lake: Lake,
        symbol: Annotated[
            str | None, typer.Option(help="Default: as the files say.", metavar="SYM")
        ] = None,
        date: Annotated[
            str | None, typer.Option(help="Default: as the files say.", metavar="YYYY-MM-DD")
        ] = None,
        tick: Annotated[
            float | None, typer.Option(help="Default: as the feed knows.", metavar="T")
        ] = None,
        replace: Replace = False,
        as_json: AsJson = False,
    ) -> None:
        try:
            options = _facts(symbol, date, tick)
            _import(lambda: feed_named(name), paths, lake, options, replace, as_json)
        except (TercelError, OSError):
            raise
        except (
            Exception
        ) as error:  # only its authors know the cause: the error names them and the files
            files = ", ".join(getattr(error, "__notes__", map(str, paths)))
            raise FeedError(
                "days, or an error with file, row and field",
                f"{type(error).__name__}: {error}, in {files}, from the feed of {whose}",
                "tell its people",
            ) from error

    body.__name__ = name
    body.__doc__ = f"Import with a feed of another package: {whose}."
    return body


OTHERS = feeds_of_others()
add(import_app, lobster, itch, csv, dbn, binance, bitstamp, *map(_of_another, OTHERS))
