"""`tercel data record ...`: live feeds into captures as they come, and the captures into a lake at the end."""

import math
import re
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from tercel.cli.data_import import import_days
from tercel.cli.machine import BoundedClock
from tercel.cli.request import add
from tercel.cli.shared import Dated, JsonRequest, Lake, Replace
from tercel.cli.terminal import hand_over, print_table, say
from tercel.core.errors import ConfigError, FeedError, VenueError
from tercel.core.machine import WallClock

record_app = typer.Typer(
    help="Record live feeds into a lake, one command per feed.", no_args_is_help=True
)


@dataclass(frozen=True)
class RecordItch(Dated, JsonRequest):
    """What is asked of `tercel data record itch`."""

    interrupted: ClassVar[str] = "accepted messages are in the capture; --resume goes on"

    lake: Lake
    port: Annotated[
        int, typer.Option(help="UDP port to listen on.", min=1, max=65_535, metavar="PORT")
    ]
    group: Annotated[str | None, typer.Option(help="Multicast group to join.", metavar="ADDR")] = (
        None
    )
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; with --group, of the interface.", metavar="ADDR"),
    ] = "0.0.0.0"
    request: Annotated[
        str | None,
        typer.Option(help="Request server that gives missing messages again.", metavar="HOST:PORT"),
    ] = None
    symbol: Annotated[
        str | None, typer.Option(help="Symbols, separated by commas (default: all).")
    ] = None
    date: Annotated[
        str | None,
        typer.Option(help="Day of the feed (default: today in New York).", metavar="YYYY-MM-DD"),
    ] = None
    capture: Annotated[
        Path | None,
        typer.Option(help="File of accepted messages (default: in LAKE/captures).", metavar="FILE"),
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a capture, after a stop or a kill.")
    ] = False
    seconds: Annotated[
        float | None,
        typer.Option(help="Stop after so long (default: at the end of the session).", min=0.0),
    ] = None
    silence: Annotated[
        float, typer.Option(help="Give up after so many seconds without a packet.", min=0.1)
    ] = 30.0
    patience: Annotated[
        float,
        typer.Option(help="Give up when missing messages stay away for so many seconds.", min=0.1),
    ] = 10.0
    replace: Replace = False


def itch(request: RecordItch) -> None:
    """Record ITCH over MoldUDP64: gaps are asked for again, what is accepted survives a kill, tapes come at the end."""
    from zoneinfo import ZoneInfo

    from tercel.feeds.itch import TIMEZONE
    from tercel.feeds.moldudp import (
        MoldCapture,
        MulticastLink,
        PacketOutcome,
        Receiver,
        open_socket,
    )

    today = datetime.now(ZoneInfo(TIMEZONE)).date().isoformat()
    path = (
        request.capture
        or request.lake / "captures" / f"itch-{request.date or today}-{request.port}.itch"
    )
    link = MulticastLink(
        request.port,
        request.group,
        request.host,
        _address(request.request),
        request.silence,
        request.patience,
    )
    open_socket(link).close()  # an address that cannot be had leaves no capture behind
    if request.resume:
        capture = MoldCapture.resume(path)
        say(f"going on after message {capture.messages:,} of {path}")
    else:
        capture = MoldCapture.start(path, {"session": None, "date": request.date or today})
    date = request.date or str(capture.note.get("date", today))
    receiver = Receiver(link, capture, WallClock())
    say(
        f"listening on {request.group or request.host}:{request.port}; accepted messages go to {path}"
    )
    try:
        outcome = receiver.run(BoundedClock(request.seconds).stopping)
    finally:
        capture.close()
    found: dict[str, Any] = {
        "outcome": str(outcome),
        "capture": path,
        "session": capture.note["session"],
    }
    found |= {"captured": capture.messages, **asdict(receiver.sequencer.counts)}
    if outcome is PacketOutcome.STOPPED:
        say(f"stopped after message {capture.messages:,}; --resume goes on")
    if capture.messages:
        found |= _imported(path, date, request)

    def show() -> None:
        days = found.get("days", ())
        rows = [
            [name.replace("_", " "), f"{value}"]
            for name, value in found.items()
            if name not in ("days", "files")
        ]
        rows += [
            [f"{day['symbol']} {day['date']}", f"{day['rows']:,} {day['outcome']}"] for day in days
        ]
        print_table("recording", ["what", "value"], rows)

    hand_over(found, request.as_json, show)


def _imported(path: Path, date: str, request: RecordItch) -> dict[str, Any]:
    """The tapes of a capture, in the lake; a resumed recording replaces what the part before it gave."""
    from tercel.feeds.itch import ItchFeed
    from tercel.market.feed import FeedOptions
    from tercel.market.tape import Lake as Store

    feed = ItchFeed()
    with feed.days([path], FeedOptions(request.symbol, date)) as days:
        rows = import_days(days, Store(request.lake), request.replace or request.resume)
    return {"days": rows, "files": [asdict(counts) for counts in feed.files]}


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ConfigError("--request HOST:PORT", repr(text), "write it as 127.0.0.1:18000")
    return host, int(port)


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
    from tercel.feeds.recorder import CaptureWriter, Recorder
    from tercel.feeds.recorder.live import websocket_client
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


add(record_app, itch, crypto)
