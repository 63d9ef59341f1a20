"""``tercel data record itch``: ITCH over MoldUDP64 into a capture, and the capture into the lake."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tercel.app.commands.data import import_days
from tercel.app.machine import WallClock
from tercel.app.output import print_json, print_table, say
from tercel.core.errors import ConfigError
from tercel.market.feeds.itch import TIMEZONE, ItchFeed
from tercel.market.feeds.port import FeedOptions
from tercel.market.tape import Lake
from tercel.venues.moldudp import Capture, Link, Outcome, Receiver, open_socket


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    port: int
    group: str | None
    host: str
    request: str | None
    lake: Path
    symbol: str | None
    date: str | None
    capture: Path | None
    resume: bool
    seconds: float | None
    silence_s: float
    patience_s: float
    replace: bool


def record_itch(asked: Asked, as_json: bool) -> int:
    """Record until the session ends, the time is over or someone stops it; then import what was captured."""
    today = datetime.now(ZoneInfo(TIMEZONE)).date().isoformat()
    path = asked.capture or asked.lake / "captures" / f"itch-{asked.date or today}-{asked.port}.itch"
    link = Link(asked.port, asked.group, asked.host, _address(asked.request), asked.silence_s, asked.patience_s)
    open_socket(link).close()  # an address that cannot be had leaves no capture behind
    if asked.resume:
        capture = Capture.resume(path)
        say(f"going on after message {capture.messages:,} of {path}")
    else:
        capture = Capture.start(path, {"session": None, "date": asked.date or today})
    date = asked.date or str(capture.note.get("date", today))
    receiver = Receiver(link, capture, WallClock())
    say(f"listening on {asked.group or asked.host}:{asked.port}; accepted messages go to {path}")
    try:
        outcome = receiver.run(_stopper(asked.seconds))
    finally:
        capture.close()
    found: dict[str, Any] = {"outcome": str(outcome), "capture": path, "session": capture.note["session"]}
    found |= {"captured": capture.messages, **asdict(receiver.sequencer.counts)}
    if outcome is Outcome.STOPPED:
        say(f"stopped after message {capture.messages:,}; --resume goes on")
    if capture.messages:
        found |= _imported(path, date, asked)
    if as_json:
        print_json(found)
    else:
        rows = [[name.replace("_", " "), f"{value}"] for name, value in found.items() if name not in ("days", "files")]
        rows += [
            [f"{day['symbol']} {day['date']}", f"{day['rows']:,} {day['outcome']}"] for day in found.get("days", ())
        ]
        print_table("recording", ["what", "value"], rows)
    return 0


def _imported(path: Path, date: str, asked: Asked) -> dict[str, Any]:
    """The tapes of a capture, in the lake; a resumed recording replaces what the part before it gave."""
    feed = ItchFeed()
    with feed.days([path], FeedOptions(asked.symbol, date)) as days:
        rows = import_days(days, Lake(asked.lake), asked.replace or asked.resume)
    return {"days": rows, "files": [asdict(counts) for counts in feed.files]}


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ConfigError("--request HOST:PORT", repr(text), "write it as 127.0.0.1:18000")
    return host, int(port)


def _stopper(seconds: float | None) -> Callable[[], bool]:
    """Whether to stop: the time is over, or SIGINT or SIGTERM came (which end the recording in good order)."""
    clock = WallClock()
    until = None if seconds is None else clock.now_ns() + int(seconds * 1e9)
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: told.append(got))
    return lambda: bool(told) or (until is not None and clock.now_ns() >= until)
