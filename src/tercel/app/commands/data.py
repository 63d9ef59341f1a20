"""``tercel data``: import feed files into a lake, list a lake, verify a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tercel.app.output import print_json, print_table, progress_console, result_console, say
from tercel.core.errors import FeedError
from tercel.market.feeds import BinanceFeed, BitstampFeed, DbnFeed, Feed, FeedDay, FeedOptions, LobsterFeed
from tercel.market.tape import Instrument, Lake

EXPLAINED = 0
UNEXPLAINED = 1


def import_lobster(
    paths: list[Path],
    lake: Path,
    symbol: str | None,
    date: str | None,
    tick: float | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Import LOBSTER files into a lake, day by day; days before one that fails stay."""
    return import_feed(LobsterFeed(), paths, Lake(lake), FeedOptions(symbol, date, tick), replace, as_json)


def import_dbn(
    paths: list[Path],
    lake: Path,
    symbol: str | None,
    date: str | None,
    tick: float | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Import Databento files into a lake, each instrument and day; days before one that fails stay."""
    return import_feed(DbnFeed(), paths, Lake(lake), FeedOptions(symbol, date, tick), replace, as_json)


def import_binance(
    paths: list[Path],
    lake: Path,
    symbol: str | None,
    date: str | None,
    tick: float | None,
    lot: str | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Import Binance captures into a lake, each market and day of UTC."""
    return import_feed(BinanceFeed(lot), paths, Lake(lake), FeedOptions(symbol, date, tick), replace, as_json)


def import_bitstamp(
    paths: list[Path],
    lake: Path,
    symbol: str | None,
    date: str | None,
    tick: float | None,
    lot: str | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Import Bitstamp captures into a lake, each pair and day of UTC."""
    return import_feed(BitstampFeed(lot), paths, Lake(lake), FeedOptions(symbol, date, tick), replace, as_json)


def feed_of(venue: str) -> Feed:
    """The feed of a venue whose captures can be recorded."""
    return BinanceFeed() if venue == "binance" else BitstampFeed()


def import_feed(
    feed: Feed, paths: Sequence[Path], lake: Lake, options: FeedOptions, replace: bool, as_json: bool
) -> int:
    """Import the days that a feed finds in `paths`; says on stderr what happens, on stdout what was done."""
    no_lake_as_source(paths, lake)
    with feed.days(paths, options) as days:
        rows = import_days(days, lake, replace)
    if as_json:
        print_json({"lake": lake.root, "days": rows})
    else:
        _print_days(rows)
    return EXPLAINED


def import_days(days: Sequence[FeedDay], lake: Lake, replace: bool) -> list[dict[str, Any]]:
    """Write days into a lake, one by one; says on stderr which are in when one fails."""
    rows: list[dict[str, Any]] = []
    for number, day in enumerate(_with_progress(days), start=1):
        try:
            rows.append(_import_day(day, lake, replace))
        except BaseException:
            if number > 1:
                say(f"{number - 1} of {len(days)} days are in the lake; {day.symbol} {day.date} is not")
            raise
    return rows


def _import_day(day: FeedDay, lake: Lake, replace: bool) -> dict[str, Any]:
    imported = day.read()
    outcome = lake.write(imported.instrument, imported.events, replace=replace)
    venue, symbol, date = imported.instrument.key
    instrument = lake.instrument(symbol, date, venue)
    for warning in imported.warnings:
        say(f"warning: {warning}")
    said = {"written": "written", "replaced": "replaced", "unchanged": "unchanged: the lake holds the same content"}
    say(f"{instrument.symbol} {instrument.date}: {instrument.rows:,} events, {said[outcome]}")
    return {**asdict(instrument), "outcome": outcome, "warnings": list(imported.warnings)}


def _with_progress(days: Sequence[FeedDay]) -> Any:
    """The days, with a bar on stderr when there are several and a person watches."""
    console = progress_console()
    if len(days) < 2 or not console.is_terminal:
        return days
    from rich.progress import track

    return track(days, description="importing days", console=console, transient=True)


def no_lake_as_source(paths: Sequence[Path], lake: Lake) -> None:
    """Refuse a lake among the files to import, and a file as the lake."""
    if lake.root.exists() and not lake.root.is_dir():
        raise FeedError("a folder as --lake", f"the file {lake.root}", "name another folder")
    for path in paths:
        if path.is_dir() and (path / ".tercel").is_dir():
            raise FeedError("a folder of feed files", f"the lake {path}", "give the folder that was imported from")


def list_lake(lake: Path, as_json: bool) -> int:
    """Print the days of a lake."""
    if not lake.is_dir():
        received, remedy = f"{lake}, which is none", f"run: tercel data import lobster PATHS... --lake {lake}"
        raise FeedError("a lake folder", received, remedy)
    days = Lake(lake).list()
    if as_json:
        print_json({"lake": lake, "days": [asdict(day) for day in days]})
    else:
        _print_days([asdict(day) for day in days])
    return EXPLAINED


def verify(lake: Path, symbol: str, date: str, venue: str | None, against: Path | None, as_json: bool) -> int:
    """Replay a day, alone or against an orderbook file; 1 when something is left unexplained."""
    instrument, events = Lake(lake).check(symbol, date, venue)
    from tercel.market.verify import verify_alone
    from tercel.market.verify_truths import truth_for

    if against is None:
        found: dict[str, Any] = {**verify_alone(events), **_at_import(instrument)}
        code = EXPLAINED
    else:
        found = truth_for(instrument)(instrument, events, against)
        code = EXPLAINED if found["explained"] else UNEXPLAINED
    if as_json:
        print_json(found)
    else:
        _print_verdict(instrument, found, code)
    return code


def _at_import(instrument: Instrument) -> dict[str, Any]:
    """What the feed counted when it read the files."""
    extra, found = instrument.extra, {}
    for key in ("clock_backwards", "quotes_without_change", "gaps"):
        if isinstance(extra.get(key), int):
            found[key] = extra[key]
    for key in ("cleaning", "signed"):
        if isinstance(extra.get(key), dict):
            found[key] = extra[key]
    return found


def _print_days(days: Sequence[dict[str, Any]]) -> None:
    last = "outcome" if any("outcome" in day for day in days) else "content"
    rows = [
        [
            *(day["venue"], day["symbol"], day["date"], f"{day['rows']:,}"),
            *(str(day["levels"]) if day["levels"] else "all", f"{day['tick']:g}", f"{day['off_tick_rows']:,}"),
            day["outcome"] if last == "outcome" else day["content_hash"][:12],
        ]
        for day in days
    ]
    headings = ("venue", "symbol", "date", "events", "levels", "tick", "off tick", last)
    print_table("days", headings, rows, leaves=("off tick", "levels", "tick"), words=("symbol", "date", last))


def _print_verdict(instrument: Instrument, found: dict[str, Any], code: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=" ".join(instrument.key), title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    for key, value in found.items():
        if isinstance(value, dict) and key != "first_mismatch":
            for name, count in value.items():
                table.add_row(f"{key}: {name}", _in_words(count))
        else:
            table.add_row(key, _in_words(value))
    result_console().print(table)
    if code == UNEXPLAINED and found["first_mismatch"] is not None:
        say("the tape and the file do not agree; the first mismatch is in the table")
    elif code == UNEXPLAINED and found.get("illegal_rolls"):
        say("the tape's levels are the file's; illegal_rolls counts the rows whose levels come or go without cause")
    if found.get("tape") == "level totals":
        if found.get("crossed"):
            say("crossed: quotes of several exchanges, or of one moment told in two messages, stand across each other")
    elif found.get("crossed") and instrument.extra.get("feed") == "lobster":
        say("warning: this tape does not rebuild a real book: its messages alone leave out what lay beyond the levels")
        say("they show. Import them with their orderbook file")
    if found.get("unknown_ids") and not found.get("crossed"):
        say("unknown ids: orders that rested before the first message; the book lacks them until they are gone")


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
