"""`tercel data ...`: what a lake holds, and a day of it put to the test."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.data_import import import_app, print_days
from tercel.cli.data_record import record_app
from tercel.cli.request import add
from tercel.cli.shared import Dated, JsonRequest, Lake, Symbol
from tercel.cli.terminal import hand_over, print_table, say
from tercel.core.errors import FeedError

if TYPE_CHECKING:
    from tercel.market.tape import Instrument

data_app = typer.Typer(
    name="data", help="Tapes: import feed files, list a lake, verify a day.", no_args_is_help=True
)
data_app.add_typer(import_app, name="import")
data_app.add_typer(record_app, name="record")


@dataclass(frozen=True)
class ListDays(JsonRequest):
    """What is asked of `tercel data list`."""

    lake: Lake


def list_(request: ListDays) -> None:
    """List what a lake holds."""
    if not request.lake.is_dir():
        raise FeedError(
            "a lake folder",
            f"{request.lake}, which is none",
            f"run: tercel data import lobster PATHS... --lake {request.lake}",
        )
    from tercel.market.tape import Lake as Store

    days = [asdict(day) for day in Store(request.lake).list()]
    hand_over({"lake": request.lake, "days": days}, request.as_json, lambda: print_days(days))


@dataclass(frozen=True)
class Verify(Dated, JsonRequest):
    """What is asked of `tercel data verify`."""

    lake: Lake
    symbol: Symbol
    date: Annotated[str, typer.Option(help="Day on the tape.", metavar="YYYY-MM-DD")]
    venue: Annotated[
        str | None, typer.Option(help="Where several have the day: BINANCE, XNAS, ...")
    ] = None
    against: Annotated[
        Path | None,
        typer.Option(
            help="File to compare with: a LOBSTER orderbook, a Databento mbp-10, a Binance capture.",
            metavar="FILE",
        ),
    ] = None


def verify(request: Verify) -> int:
    """Replay a day and count what is odd; with --against, exit 1 when a row of the file is left unexplained."""
    from tercel.feeds.verify import verify_alone
    from tercel.feeds.verify_truths import truth_for
    from tercel.market.tape import Lake as Store

    instrument, events = Store(request.lake, below_zero=True).check(
        request.symbol, request.date, request.venue
    )
    if request.against is None:
        found, explained = {**verify_alone(events), **_at_import(instrument)}, True
    else:
        found = truth_for(instrument)(instrument, events, request.against)
        explained = bool(found["explained"])
    hand_over(found, request.as_json, lambda: _print_verdict(instrument, found, explained))
    return 0 if explained else 1


def _at_import(instrument: "Instrument") -> dict[str, Any]:
    """What the feed counted when it read the files."""
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
        say(f"crossed, by what is likely: {cause}")
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
