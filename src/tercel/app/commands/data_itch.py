"""``tercel data import itch``: NASDAQ TotalView-ITCH 5.0 files into a lake, or through the books of all symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tercel.app.commands.data import import_days, no_lake_as_source
from tercel.app.output import print_json, print_table, progress_console, say
from tercel.core.errors import ConfigError
from tercel.market.feeds.itch import ItchFeed
from tercel.market.feeds.itch_book import SymbolCheck, check_file, totals
from tercel.market.feeds.itch_format import NAMES
from tercel.market.feeds.itch_pass import FileCounts, Progress
from tercel.market.feeds.members import members
from tercel.market.feeds.port import FeedOptions
from tercel.market.tape import Lake

_SHOWN = 25
"""Symbols in the table of `--check`, the busiest first."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for."""

    symbol: str | None = None
    date: str | None = None
    tick: float | None = None
    allow_cut: bool = False
    replace: bool = False


def import_itch(paths: Sequence[Path], lake: Path | None, wanted: Wanted, check: bool, as_json: bool) -> int:
    """Import files, or with `check` keep their books and write nothing."""
    if check:
        return _check(paths, wanted, as_json)
    if lake is None:
        raise ConfigError("--lake DIR, a folder to import into", "none", "give --lake, or --check to import nothing")
    target = Lake(lake)
    no_lake_as_source(paths, target)
    feed = ItchFeed(wanted.allow_cut, progress=_progress())
    with feed.days(paths, FeedOptions(wanted.symbol, wanted.date, wanted.tick)) as days:
        for counts in feed.files:
            _say_counts(counts)
        if not days:
            say("no symbol has an order or a trade: nothing was imported")
        rows = import_days(days, target, wanted.replace)
    if as_json:
        print_json({"lake": target.root, "days": rows, "files": [asdict(c) for c in feed.files]})
        return 0
    cells = [
        [r["symbol"], r["date"], f"{r['rows']:,}", f"{r['tick']:g}", f"{r['off_tick_rows']:,}", r["outcome"]]
        for r in rows
    ]
    print_table(f"{target.root}", ["symbol", "date", "events", "tick", "off tick", "outcome"], cells)
    return 0


def _progress() -> Progress | None:
    """A line on stderr that is written over, when a person watches."""
    console = progress_console()
    if not console.is_terminal:
        return None
    return lambda messages, size: console.print(
        f"{messages / 1e6:,.1f} M messages, {size / 1e6:,.0f} MB", end="\r", soft_wrap=True
    )


def _say_counts(counts: FileCounts) -> None:
    """What a pass saw, in words, on stderr."""
    named = ", ".join(
        f"{y} {n:,} ({NAMES[y][0]})" if y in NAMES else f"{y} {n:,} (unknown)" for y, n in counts.types.items()
    )
    say(f"{counts.file}: {counts.messages:,} messages, {counts.bytes:,} bytes, {counts.symbols:,} symbols: {named}")
    for name, n in counts.odd.items():
        say(f"warning: {name.replace('_', ' ')} {n:,} times, first in message {counts.first[name]:,}")
    if counts.unprinted or counts.away:
        say(f"{counts.unprinted:,} executions are not printed, {counts.away:,} are printed at another price")
    if counts.cut_bytes:
        say(f"warning: the file ends inside a message; its last {counts.cut_bytes} bytes were left out")


def _check(paths: Sequence[Path], wanted: Wanted, as_json: bool) -> int:
    picks = tuple(p.strip() for p in (wanted.symbol or "").split(",") if p.strip())
    results: list[dict[str, Any]] = []
    with members(paths) as found:
        for member in found:
            counts, symbols = check_file(member, picks, wanted.allow_cut, _progress())
            _say_counts(counts)
            results.append({**asdict(counts), "totals": totals(symbols), "symbols": [asdict(s) for s in symbols]})
            if not as_json:
                _print_check(counts, symbols)
    if as_json:
        print_json({"files": results})
    return 0


def _print_check(counts: FileCounts, symbols: list[SymbolCheck]) -> None:
    names: tuple[str, ...] = ("messages", "crossed", "locked", "off_best", "off_head", "resting", "bid", "ask")
    names += ("added", "executed", "withdrawn", "hidden", "cross", "broken")
    headings = ["symbol", *(name.replace("_", " ") for name in names)]
    busiest = sorted(symbols, key=lambda s: -s.messages)[:_SHOWN]
    rows = [[s.symbol, *(_cell(getattr(s, name)) for name in names)] for s in busiest]
    if len(symbols) > 1:
        sums = totals(symbols)
        rows.append([f"all {len(symbols):,}", *("" if n in ("bid", "ask") else _cell(sums[n]) for n in names)])
    print_table(counts.file, headings, rows)


def _cell(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
