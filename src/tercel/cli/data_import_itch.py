"""`tercel data import itch`: NASDAQ TotalView-ITCH files into a lake, or a check of their books."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.api.display import progress_console
from tercel.cli.imported_days import feed_options, import_days, no_lake_as_source, print_days
from tercel.cli.options import AsJson, Replace, check_date
from tercel.cli.output import hand_over, print_table, progress, say
from tercel.core.errors import ConfigError, split_commas

if TYPE_CHECKING:
    from tercel.feeds.itch_book import SymbolCheck
    from tercel.feeds.itch_pass import FileCounts, Progress

MaybeLake = Annotated[Path | None, typer.Option(help="Folder of the tape lake.", metavar="DIR")]
FileDate = Annotated[
    str | None, typer.Option(help="Default: read from the file names.", metavar="YYYY-MM-DD")
]
SHOWN = 25
"""Symbols in the table of `--check`, the busiest first."""


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
        _check_books(paths, symbol, allow_cut, as_json)
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
    with feed.days(paths, feed_options(symbol, date, tick)) as days:
        for counts in feed.files:
            _say_counts(counts)
        if not days:
            say("no symbol has an order or a trade: nothing was imported")
        rows = import_days(days, target, replace)
    result = {"lake": target.root, "days": rows, "files": [asdict(counts) for counts in feed.files]}
    hand_over(result, as_json, lambda: print_days(rows))


def _progress() -> "Progress":
    """Callback that shows the messages and bytes read so far on stderr, one overwritten line on a terminal."""
    console = progress_console()
    bars = progress(now=True)
    task = bars.add_task("reading", total=None, now="")

    def show(messages: int, size: int) -> None:
        """Show so many messages and bytes."""
        line = f"{messages / 1e6:,.1f} M messages, {size / 1e6:,.0f} MB"
        bars.update(task, now=line)
        if console.is_terminal:
            console.print(line, end="\r", soft_wrap=True)

    return show


def _say_counts(counts: "FileCounts") -> None:
    """Print the counts of a pass on stderr."""
    from tercel.feeds.itch_format import NAMES

    type_counts = ", ".join(
        f"{type_code} {count:,} ({NAMES[type_code][0]})"
        if type_code in NAMES
        else f"{type_code} {count:,} (unknown)"
        for type_code, count in counts.types.items()
    )
    say(
        f"{counts.file}: {counts.messages:,} messages, {counts.bytes:,} bytes, {counts.symbols:,} symbols: {type_counts}"
    )
    for name, count in counts.odd.items():
        say(
            f"warning: {name.replace('_', ' ')} {count:,} times, first in message {counts.first[name]:,}"
        )
    if counts.unprinted or counts.away:
        say(
            f"{counts.unprinted:,} executions are not printed, {counts.away:,} are printed at another price"
        )
    if counts.cut_bytes:
        say(
            f"warning: the file ends inside a message; its last {counts.cut_bytes} bytes were left out"
        )


def _check_books(paths: Sequence[Path], symbol: str | None, allow_cut: bool, as_json: bool) -> None:
    """Replay the books of ITCH files and print their anomalies; write nothing."""
    from tercel.feeds.itch_book import check_file, totals
    from tercel.feeds.members import members

    results: list[dict[str, Any]] = []
    with members(paths) as files:
        for member in files:
            counts, symbols = check_file(
                member, tuple(split_commas(symbol or "")), allow_cut, _progress()
            )
            _say_counts(counts)
            results.append(
                {
                    **asdict(counts),
                    "totals": totals(symbols),
                    "symbols": [asdict(symbol_check) for symbol_check in symbols],
                }
            )
            if not as_json:
                _print_check(counts, symbols)
    hand_over({"files": results}, as_json, lambda: None)


def _print_check(counts: "FileCounts", symbols: "list[SymbolCheck]") -> None:
    """Print a table of the busiest symbols' anomalies, and the totals."""
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
    busiest = sorted(symbols, key=lambda symbol_check: -symbol_check.messages)[:SHOWN]
    rows = [
        [symbol_check.symbol, *(_cell(getattr(symbol_check, name)) for name in names)]
        for symbol_check in busiest
    ]
    if len(symbols) > 1:
        sums = totals(symbols)
        rows.append(
            [
                f"all {len(symbols):,}",
                *("" if name in ("bid", "ask") else _cell(sums[name]) for name in names),
            ]
        )
    print_table(counts.file, headings, rows)


def _cell(value: float) -> str:
    """A number as the text of a cell: integers with separators, other numbers with 4 decimals."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
