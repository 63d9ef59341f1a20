"""`tercel data ...`: list the days of a lake, verify one, record live feeds into it."""

import math
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.data_import import ImportedDay, import_app, print_days
from tercel.cli.shared import (
    AsJson,
    BoundedClock,
    Lake,
    Symbol,
    add,
    check_date,
    hand_over,
    on_interrupt,
    print_table,
    say,
)
from tercel.core.errors import ConfigError, FeedError, VenueError, refuse_if

if TYPE_CHECKING:
    from tercel.market.tape import Instrument

record_app = typer.Typer(
    help="Record live feeds into a lake, one command per feed.", no_args_is_help=True
)


class _Clock(BoundedClock):
    """Clock of a recorder: captures have the local time of day."""

    def now_ns(self) -> int:
        """Local time, ns since 1970."""
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
    if duration is not None and not 0 < duration < math.inf:
        raise ConfigError(
            "a duration above zero",
            f"--duration {duration}",
            "give seconds, or leave it out",
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", symbol):  # it names a folder
        raise ConfigError(
            "a symbol as the venue writes it",
            f"--symbol {symbol}",
            "such as BTCUSDT or btcusd",
        )
    from tercel.feeds.recorder import CaptureWriter, Recorder, stream_of, websocket_client

    stream = stream_of(venue, symbol, market, url, snapshot_url)
    websocket_client()
    folder = captures or lake / "captures" / f"{venue}-{market}-{symbol.upper()}"
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    clock = _Clock(duration)
    with CaptureWriter(folder, clock.now_ns()) as writer:
        say(f"recording {venue} {symbol} into {writer.path}; Ctrl-C stops")
        recorded = Recorder(stream, writer, clock, say).run()
    if writer.lines == 0:
        for place in made:
            place.rmdir()
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
        **asdict(stream.seen),
        **asdict(recorded),
        "lines": writer.lines,
        "clock_back": writer.clock_back,
    }
    days = _tape(venue, lake, folder)

    def show() -> None:
        print_table(
            "recorded", ("what", "count"), [(name, f"{count:,}") for name, count in counts.items()]
        )
        if days:
            rows = [(*day.instrument.key, f"{day.instrument.rows:,}", day.outcome) for day in days]
            print_table("days", ("venue", "symbol", "date", "events", "outcome"), rows)

    hand_over({"captures": folder, "lake": lake, **counts, "days": days}, as_json, show)


def _tape(venue: str, root: Path, folder: Path) -> list[ImportedDay]:
    """Days of tape from all captures of the folder; none, with a word why, where they hold no book yet."""
    from tercel.feeds.binance import BinanceFeed
    from tercel.feeds.bitstamp import BitstampFeed
    from tercel.market.feed import FeedOptions
    from tercel.market.tape import Lake as Store

    lake = Store(root)
    days: list[ImportedDay] = []
    try:
        with (BinanceFeed() if venue == "binance" else BitstampFeed()).days(
            [folder], FeedOptions()
        ) as found:
            for day in found:
                imported = day.read()
                outcome = lake.write(imported.instrument, imported.events, replace=True)
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


data_app = typer.Typer(
    name="data", help="Tapes: import feed files, list a lake, verify a day.", no_args_is_help=True
)
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
    from tercel.market.tape import Lake as Store

    days = [ImportedDay(day) for day in Store(lake).list()]
    hand_over({"lake": lake, "days": days}, as_json, lambda: print_days(days))


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
    from tercel.feeds.verify import truth_for, verify_alone
    from tercel.market.tape import Lake as Store

    instrument, events = Store(lake, below_zero=True).check(symbol, date, venue)
    if against is None:
        found, explained = {**verify_alone(events), **_at_import(instrument)}, True
    else:
        found = truth_for(instrument)(instrument, events, against)
        explained = bool(found["explained"])
    hand_over(found, as_json, lambda: _print_verdict(instrument, found, explained))
    return 0 if explained else 1


def _at_import(instrument: "Instrument") -> dict[str, Any]:
    """Counts that the feed made when it read the files."""
    kinds = {
        "clock_backwards": int,
        "quotes_without_change": int,
        "gaps": int,
        "cleaning": dict,
        "signed": dict,
    }
    extra = instrument.extra
    return {key: extra[key] for key, kind in kinds.items() if isinstance(extra.get(key), kind)}


def _print_verdict(instrument: "Instrument", found: dict[str, Any], explained: bool) -> None:
    rows = []
    cause = found.pop("likely_cause", "")
    for key, value in found.items():
        if isinstance(value, dict) and key != "first_mismatch":
            rows += [(f"{key}: {name}", _in_words(count)) for name, count in value.items()]
        else:
            rows.append((key, _in_words(value)))
    print_table(" ".join(instrument.key), ("what", "count"), rows)
    if not explained and found["first_mismatch"] is not None:
        say("the tape and the file do not agree; the first mismatch is in the table")
    elif not explained and found.get("illegal_rolls"):
        say(
            "the tape's levels are the file's; illegal_rolls counts the rows whose levels come or go without cause"
        )
    if found.get("crossed") and instrument.extra.get("feed") == "lobster":
        say(
            "warning: this tape does not rebuild a real book: its messages alone leave out what lay beyond the levels"
        )
        say("they show. Import them with their orderbook file")
    elif cause:
        say(f"crossed, by likely cause: {cause}")
    if found.get("unknown_ids") and not found.get("crossed"):
        say(
            "unknown ids: orders that rested before the first message; the book lacks them until they are gone"
        )


def _in_words(value: Any) -> str:
    """A finding as the table shows it.

    >>> _in_words([1200, 3]), _in_words(True), _in_words(None), _in_words(155935)
    ('1,200, 3', 'yes', 'none', '155,935')
    """
    if isinstance(value, list):
        return ", ".join(f"{one:,}" for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


add(data_app, list_, verify)
