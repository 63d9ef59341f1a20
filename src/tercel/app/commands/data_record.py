"""``tercel data record crypto``: a live WebSocket feed into captures, and at the end into the lake."""

from __future__ import annotations

import math
import re
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tercel.app.output import print_json, say
from tercel.core.errors import ConfigError, FeedError, VenueError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.feeds.streams import stream_of
from tercel.market.tape import Lake

CAPTURES: Final = "captures"
"""Folder in the lake that captures go to unless told otherwise."""


@dataclass(frozen=True)
class Asked:
    """What a person asked for; see the command line for each."""

    venue: str
    symbol: str
    market: str
    url: str
    snapshot_url: str | None
    lake: Path
    captures: Path | None
    duration_s: float | None
    as_json: bool


class _Until:
    """Real time, and a stop by Ctrl-C, a polite kill or the end of the time asked for."""

    def __init__(self, duration_s: float | None) -> None:
        self._stop = False
        self._end = None if duration_s is None else time.monotonic() + duration_s
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def now_ns(self) -> int:
        """Local time, ns since 1970."""
        return time.time_ns()

    def sleep_ns(self, ns: int) -> None:
        """Wait."""
        time.sleep(ns / NS_PER_SECOND)

    def stopping(self) -> bool:
        """Whether to stop."""
        return self._stop or (self._end is not None and time.monotonic() >= self._end)


def record_crypto(asked: Asked) -> int:
    """Record until told to stop, then import what the captures of this symbol hold by now."""
    if asked.duration_s is not None and not 0 < asked.duration_s < math.inf:
        raise ConfigError("a duration above zero", f"--duration {asked.duration_s}", "give seconds, or leave it out")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", asked.symbol):  # it names a folder
        raise ConfigError("a symbol as the venue writes it", f"--symbol {asked.symbol}", "such as BTCUSDT or btcusd")
    from tercel.venues.recorder import CaptureWriter, Recorder
    from tercel.venues.recorder.live import websocket_client

    stream = stream_of(asked.venue, asked.symbol, asked.market, asked.url, asked.snapshot_url)
    websocket_client()
    folder = asked.captures or asked.lake / CAPTURES / f"{asked.venue}-{asked.market}-{asked.symbol.upper()}"
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    senses = _Until(asked.duration_s)
    with CaptureWriter(folder, senses.now_ns()) as writer:
        say(f"recording {asked.venue} {asked.symbol} into {writer.path}; Ctrl-C stops")
        recorded = Recorder(stream, writer, senses, say).run()
    if writer.lines == 0:
        for place in made:
            place.rmdir()
        reason = f"none in {recorded.connections} connections" if recorded.connections else "no connection"
        raise VenueError(
            f"messages of {asked.symbol} from {stream.url}", reason, "check the address, symbol and network"
        )
    counts = {**stream.seen.as_dict(), **asdict(recorded), "lines": writer.lines, "clock_back": writer.clock_back}
    days = _import(asked, folder)
    if asked.as_json:
        print_json({"captures": folder, "lake": asked.lake, **counts, "days": days})
    else:
        _print_counts(counts, days)
    return 0


def _import(asked: Asked, folder: Path) -> list[dict[str, Any]]:
    """Days of tape from all captures of the folder; none, with a word why, where they hold no book yet."""
    from tercel.app.commands.data import feed_of
    from tercel.market.feeds import FeedOptions

    lake = Lake(asked.lake)
    days: list[dict[str, Any]] = []
    try:
        with feed_of(asked.venue).days([folder], FeedOptions()) as found:
            for day in found:
                imported = day.read()
                outcome = lake.write(imported.instrument, imported.events, replace=True)
                for warning in imported.warnings:
                    say(f"warning: {warning}")
                days.append({**asdict(imported.instrument), "outcome": outcome})
    except FeedError as error:
        say(f"no tape yet: {error}")
        say(f"the captures are kept in {folder}; import them later with: tercel data import {asked.venue} {folder}")
    return days


def _print_counts(counts: dict[str, int], days: list[dict[str, Any]]) -> None:
    from tercel.app.output import print_table

    print_table("recorded", ("what", "count"), [(name, f"{count:,}") for name, count in counts.items()])
    rows = [(d["venue"], d["symbol"], d["date"], f"{d['rows']:,}", d["outcome"]) for d in days]
    if rows:
        print_table("days", ("venue", "symbol", "date", "events", "outcome"), rows)
