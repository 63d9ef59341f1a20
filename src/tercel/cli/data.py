"""`tercel data ...`: list the days of a lake, verify one, record live feeds into it."""

import math
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tercel as tc
from tercel.cli.commands import add
from tercel.cli.data_import import import_app
from tercel.cli.imported_days import ImportedDay, print_days
from tercel.cli.interrupts import BoundedClock, on_interrupt
from tercel.cli.options import IN_LAKE, AsJson, Lake, Symbol, Venue, check_date
from tercel.cli.output import hand_over, print_table, result_console, say
from tercel.core.errors import FeedError, VenueError, check_known, refuse_if

if TYPE_CHECKING:
    from tercel.market.tape import Instrument

record_app = typer.Typer(
    help="Record live feeds into a lake, one command per feed.", no_args_is_help=True
)


data_app = typer.Typer(
    name="data", help="Tapes: import feed files, list a lake, verify a day.", no_args_is_help=True
)


class _Clock(BoundedClock):
    """Clock of a recorder in local time, as captures have it."""

    def now_ns(self) -> int:
        """Wall-clock time of this machine, ns since 1970."""
        return time.time_ns()


@on_interrupt("the captures are saved; `tercel data import` makes a tape of them")
def crypto(
    symbol: Annotated[
        str, typer.Option(help="As the venue writes it: BTCUSDT, btcusd.", metavar="SYM")
    ],
    url: Annotated[str, typer.Option(help="WebSocket server, ws:// or wss://.", metavar="URL")],
    lake: Lake,
    venue: Annotated[str, typer.Option(help="binance or bitstamp.")] = "binance",
    market: Annotated[str, typer.Option(help="Binance: spot, usdm or coinm.")] = "spot",
    snapshot_url: Annotated[
        str | None, typer.Option(help="Snapshot server (default: the venue's).")
    ] = None,
    captures: Annotated[
        Path | None,
        typer.Option(help="Folder of the raw captures (default: in the lake).", metavar="DIR"),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds (default: until Ctrl-C).", metavar="S")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Record order books and trades: raw captures as they come, at the end a tape. A kill loses nothing accepted."""
    refuse_if(
        duration is not None and not 0 < duration < math.inf,
        "a duration above zero",
        f"--duration {duration}",
        "give seconds, or leave it out",
    )
    refuse_if(
        not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", symbol),
        "a symbol as the venue writes it",
        f"--symbol {symbol}",
        "such as BTCUSDT or btcusd",
    )
    from tercel.feeds.capture_writer import CaptureWriter
    from tercel.feeds.live_streams import stream_of
    from tercel.feeds.recorder import Recorder, websocket_client

    stream = stream_of(venue, symbol, market, url, snapshot_url)
    websocket_client()
    folder = captures or lake / "captures" / f"{venue}-{market}-{symbol.upper()}"
    new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    clock = _Clock(duration)
    with CaptureWriter(folder, clock.now_ns()) as writer:
        say(f"recording {venue} {symbol} into {writer.path}; Ctrl-C stops")
        recorded = Recorder(stream, writer, clock, say).run()
    if writer.lines == 0:
        for path in new_folders:
            path.rmdir()
        reason = (
            f"none in {recorded.connections} connections"
            if recorded.connections
            else "no connection"
        )
        raise VenueError(
            f"messages of {symbol} from {stream.url}",
            reason,
            "check the address, symbol and network",
        )
    counts = {
        **asdict(stream.counts),
        **asdict(recorded),
        "lines": writer.lines,
        "clock_back": writer.clock_back,
    }
    days = _import_captures(venue, lake, folder)

    def show() -> None:
        """Print the recorded counts and days."""
        print_table(
            "recorded", ("what", "count"), [(name, f"{count:,}") for name, count in counts.items()]
        )
        if days:
            rows = [(*day.instrument.key, f"{day.instrument.rows:,}", day.outcome) for day in days]
            print_table("days", ("venue", "symbol", "date", "events", "outcome"), rows)

    hand_over({"captures": folder, "lake": lake, **counts, "days": days}, as_json, show)


def _import_captures(venue: str, root: Path, folder: Path) -> list[ImportedDay]:
    """Import all captures of a folder as days of tape, replacing those in the lake; none, with a message, if they
    contain no book yet."""
    from tercel.feeds.binance import BinanceFeed
    from tercel.feeds.bitstamp import BitstampFeed
    from tercel.market.feed import FeedOptions

    lake = tc.Lake(root)
    days: list[ImportedDay] = []
    try:
        with (BinanceFeed() if venue == "binance" else BitstampFeed()).days(
            [folder], FeedOptions()
        ) as feed_days:
            for day in feed_days:
                imported = day.read()
                outcome = lake.write_in_common_units(imported.instrument, imported.events, True)
                for warning in imported.warnings:
                    say(f"warning: {warning}")
                days.append(ImportedDay(imported.instrument, outcome))
    except FeedError as error:
        say(f"no tape yet: {error}")
        say(
            f"the captures are in {folder}; import them later with: tercel data import {venue} {folder}"
        )
    return days


add(record_app, crypto)


data_app.add_typer(import_app, name="import")
data_app.add_typer(record_app, name="record")


def list_(
    lake: Lake,
    as_json: AsJson = False,
) -> None:
    """List the days in a lake."""
    refuse_if(
        not lake.is_dir(),
        "a lake folder",
        f"{lake}, which is none",
        f"run: tercel data import lobster PATHS... --lake {lake}",
        FeedError,
    )

    days = [ImportedDay(day) for day in tc.Lake(lake).list()]
    hand_over({"lake": lake, "days": days}, as_json, lambda: print_days(days))


def export(
    format: Annotated[
        str,
        typer.Argument(help="hftbacktest, lobster, nautilus or parquet.", metavar="FORMAT"),
    ],
    symbol: Annotated[str, typer.Argument(help="Symbol on the tape.", metavar="SYMBOL"), IN_LAKE],
    dates: Annotated[list[str], typer.Argument(help="Days, YYYY-MM-DD.", metavar="DATES")],
    lake: Lake,
    out: Annotated[Path, typer.Option(help="New or empty folder.", metavar="DIR")],
    venue: Venue = "",
    as_json: AsJson = False,
) -> None:
    """Write days as files of other systems, all or none. `tercel data import exported` reads the same days from them."""
    from tercel.feeds.export import FORMATS, export_days

    check_known(format, FORMATS, "a format")
    store = tc.Lake(lake, below_zero=True)
    days = list(map(ImportedDay, export_days(store, format, symbol, dates, out, venue or None)))
    hand_over({"format": format, "out": out, "days": days}, as_json, lambda: print_days(days))


def verify(
    lake: Lake,
    symbol: Symbol,
    date: Annotated[str, typer.Option(help="Day on the tape.", metavar="YYYY-MM-DD")],
    venue: Annotated[
        str | None, typer.Option(help="Venue, if several have the day: BINANCE, XNAS, ...")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="File to compare with: a LOBSTER orderbook, a Databento mbp-10, a Binance capture.",
            metavar="FILE",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Replay a day and count anomalies; with --against, exit 1 if a row of the file is left unexplained."""
    check_date(date)
    from tercel.feeds.truths import truth_for
    from tercel.feeds.verify import verify_alone

    instrument, events = tc.Lake(lake, below_zero=True).check(symbol, date, venue)
    if against is None:
        findings = {**verify_alone(events), **_import_counts(instrument)}
        explained = True
    else:
        findings = truth_for(instrument)(instrument, events, against)
        explained = bool(findings["explained"])
    hand_over(findings, as_json, lambda: _print_verdict(instrument, findings, explained))
    return 0 if explained else 1


def _import_counts(instrument: "Instrument") -> dict[str, Any]:
    """Counts that the feed made when it read the files."""
    kinds = {
        "clock_backwards": int,
        "quotes_without_change": int,
        "gaps": int,
        "cleaning": dict,
        "signed": dict,
    }
    return {
        key: instrument.extra[key]
        for key, kind in kinds.items()
        if isinstance(instrument.extra.get(key), kind)
    }


def _print_verdict(instrument: "Instrument", findings: dict[str, Any], explained: bool) -> None:
    """Print the counts of a day's verification, and the first differing row if rows are unexplained."""
    rows = []
    cause = findings.pop("likely_cause", "")
    for key, value in findings.items():
        if isinstance(value, dict) and key != "first_mismatch":
            rows += [(f"{key}: {name}", _value_text(count)) for name, count in value.items()]
        else:
            rows.append((key, _value_text(value)))
    width = 2 + sum(max(map(len, cells)) for cells in zip(*rows, strict=True))
    wraps = ("count",) * (width > result_console().width)
    print_table(" ".join(instrument.key), ("what", "count"), rows, wraps=wraps)
    if not explained and findings["first_mismatch"] is not None:
        say("the tape and the file do not agree; the first mismatch is in the table")
    elif not explained and findings.get("illegal_rolls"):
        say(
            "the tape's levels are the file's; illegal_rolls counts the rows whose levels come or go without cause"
        )
    if findings.get("crossed") and instrument.extra.get("feed") == "lobster":
        say(
            "warning: this tape does not rebuild a real book: its messages alone leave out what lay beyond the levels"
        )
        say("they show. Import them with their orderbook file")
    elif cause:
        say(f"crossed, by likely cause: {cause}")
    if findings.get("unknown_ids") and not findings.get("crossed"):
        say(
            "unknown ids: orders that rested before the first message; the book lacks them until they are gone"
        )


def _value_text(value: Any) -> str:
    """A finding of a verification as the text of a table cell.

    >>> _value_text([1200, 3]), _value_text(True), _value_text(None), _value_text(155935)
    ('1,200, 3', 'yes', 'none', '155,935')
    """
    if isinstance(value, list):
        return ", ".join(f"{number:,}" for number in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


add(data_app, list_, verify, export)
