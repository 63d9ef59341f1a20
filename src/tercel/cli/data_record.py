"""`tercel data record ...`: live feeds into captures as they come, and the captures into a lake at the end."""

import math
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from tercel.cli.machine import BoundedClock
from tercel.cli.request import add
from tercel.cli.shared import JsonRequest, Lake
from tercel.cli.terminal import hand_over, print_table, say
from tercel.core.errors import ConfigError, FeedError, VenueError

record_app = typer.Typer(
    help="Record live feeds into a lake, one command per feed.", no_args_is_help=True
)


@dataclass(frozen=True)
class Crypto(JsonRequest):
    """What is asked of `tercel data record crypto`."""

    interrupted: ClassVar[str] = (
        "what was captured is kept; `tercel data import` makes a tape of it"
    )

    symbol: Annotated[
        str, typer.Option(help="As the venue writes it: BTCUSDT, btcusd.", metavar="SYM")
    ]
    url: Annotated[str, typer.Option(help="WebSocket server, ws:// or wss://.", metavar="URL")]
    lake: Lake
    venue: Annotated[str, typer.Option(help="binance or bitstamp.")] = "binance"
    market: Annotated[str, typer.Option(help="Binance: spot, usdm or coinm.")] = "spot"
    snapshot_url: Annotated[
        str | None, typer.Option(help="Snapshot server (default: the venue's).")
    ] = None
    captures: Annotated[
        Path | None,
        typer.Option(help="Folder of the raw captures (default: in the lake).", metavar="DIR"),
    ] = None
    duration: Annotated[
        float | None, typer.Option(help="Seconds (default: until Ctrl-C).", metavar="S")
    ] = None


class _Clock(BoundedClock):
    """What a recorder knows: captures carry the time of day."""

    def now_ns(self) -> int:
        """Local time, ns since 1970."""
        return time.time_ns()


def crypto(request: Crypto) -> None:
    """Record order books and trades: raw captures as they come, at the end a tape. A kill loses nothing accepted."""
    if request.duration is not None and not 0 < request.duration < math.inf:
        raise ConfigError(
            "a duration above zero",
            f"--duration {request.duration}",
            "give seconds, or leave it out",
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", request.symbol):  # it names a folder
        raise ConfigError(
            "a symbol as the venue writes it",
            f"--symbol {request.symbol}",
            "such as BTCUSDT or btcusd",
        )
    from tercel.feeds.recorder import CaptureWriter, Recorder, websocket_client
    from tercel.feeds.streams import stream_of

    stream = stream_of(
        request.venue, request.symbol, request.market, request.url, request.snapshot_url
    )
    websocket_client()
    folder = (
        request.captures
        or request.lake / "captures" / f"{request.venue}-{request.market}-{request.symbol.upper()}"
    )
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    clock = _Clock(request.duration)
    with CaptureWriter(folder, clock.now_ns()) as writer:
        say(f"recording {request.venue} {request.symbol} into {writer.path}; Ctrl-C stops")
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
            f"messages of {request.symbol} from {stream.url}",
            reason,
            "check the address, symbol and network",
        )
    counts = {
        **asdict(stream.seen),
        **asdict(recorded),
        "lines": writer.lines,
        "clock_back": writer.clock_back,
    }
    days = _tape(request, folder)

    def show() -> None:
        print_table(
            "recorded", ("what", "count"), [(name, f"{count:,}") for name, count in counts.items()]
        )
        if days:
            rows = [
                (day["venue"], day["symbol"], day["date"], f"{day['rows']:,}", day["outcome"])
                for day in days
            ]
            print_table("days", ("venue", "symbol", "date", "events", "outcome"), rows)

    hand_over(
        {"captures": folder, "lake": request.lake, **counts, "days": days}, request.as_json, show
    )


def _tape(request: Crypto, folder: Path) -> list[dict[str, Any]]:
    """Days of tape from all captures of the folder; none, with a word why, where they hold no book yet."""
    from tercel.feeds.binance import BinanceFeed
    from tercel.feeds.bitstamp import BitstampFeed
    from tercel.market.feed import FeedOptions
    from tercel.market.tape import Lake as Store

    lake = Store(request.lake)
    days: list[dict[str, Any]] = []
    try:
        with (BinanceFeed() if request.venue == "binance" else BitstampFeed()).days(
            [folder], FeedOptions()
        ) as found:
            for day in found:
                imported = day.read()
                outcome = lake.write(imported.instrument, imported.events, replace=True)
                for warning in imported.warnings:
                    say(f"warning: {warning}")
                days.append({**asdict(imported.instrument), "outcome": outcome})
    except FeedError as error:
        say(f"no tape yet: {error}")
        say(
            f"the captures are kept in {folder}; import them later with: tercel data import {request.venue} {folder}"
        )
    return days


add(record_app, crypto)
