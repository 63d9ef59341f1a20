"""Import of a feed's days into a lake, with progress, and the table of the imported days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tercel.cli.options import check_date
from tercel.cli.output import print_table, progress, say
from tercel.core.errors import FeedError, refuse_if
from tercel.core.records import Record
from tercel.market.feed import FeedDay, FeedOptions

if TYPE_CHECKING:
    from tercel.market.tape import Instrument, Lake as Store

MOST_OFF = 0.01
"""Share of rows off a stated tick from which on it is told."""
OUTCOMES = {
    "written": "written",
    "replaced": "replaced",
    "unchanged": "unchanged: the lake holds the same content",
}


def feed_options(symbol: str | None, date: str | None, tick: float | None) -> FeedOptions:
    """Options of a feed from typed ones; ConfigError for an invalid date."""
    check_date(date)
    return FeedOptions(symbol, date, tick)


@dataclass(frozen=True)
class ImportedDay(Record):
    """An imported day, its result in the lake (empty if nothing was written), and warnings of its feed."""

    instrument: "Instrument"
    outcome: str = ""
    warnings: list[str] | None = None

    def json_fields(self) -> dict[str, object]:
        """The instrument's facts, and what there is beside them."""
        optional = {"outcome": self.outcome or None, "warnings": self.warnings}
        return vars(self.instrument) | {
            key: value for key, value in optional.items() if value is not None
        }


def import_days(days: "Sequence[FeedDay]", lake: "Store", replace: bool) -> list[ImportedDay]:
    """Write days into a lake one by one; where one fails, name the days already written on stderr."""
    rows: list[ImportedDay] = []
    for number, day in enumerate(_with_progress(days) if len(days) > 1 else days, start=1):
        try:
            rows.append(_import_day(day, lake, replace))
        except BaseException as error:
            error.add_note(", ".join(day.source))
            if number > 1:
                say(
                    f"{number - 1} of {len(days)} days are in the lake; {day.symbol} {day.date} is not"
                )
            raise
    return rows


def _import_day(day: "FeedDay", lake: "Store", replace: bool) -> ImportedDay:
    """Read one day of a feed, write it into the lake, and print its warnings."""
    imported = day.read()
    outcome = lake.write_in_common_units(imported.instrument, imported.events, replace)
    venue, symbol, date = imported.instrument.key
    instrument = lake.instrument(symbol, date, venue)
    for warning in imported.warnings:
        say(f"warning: {warning}")
    if instrument.tick_rule == "stated" and instrument.off_tick_rows > MOST_OFF * instrument.rows:
        say(
            f"warning: {instrument.off_tick_rows:,} of {instrument.rows:,} prices are off the tick {instrument.tick:g}; "
            "leave out --tick, and it is inferred (--replace writes the day again)"
        )
    say(f"{instrument.symbol} {instrument.date}: {instrument.rows:,} events, {OUTCOMES[outcome]}")
    return ImportedDay(instrument, outcome, list(imported.warnings))


def _with_progress(days: "Sequence[FeedDay]") -> "Iterator[FeedDay]":
    """Iterate over days with a progress bar on stderr."""
    with progress(transient=True) as bars:
        yield from bars.track(days, description="importing days")


def no_lake_as_source(paths: Sequence[Path], lake: "Store") -> None:
    """Raise a FeedError for a lake among the files to import, or for a file as the target lake."""
    refuse_if(
        lake.root.exists() and not lake.root.is_dir(),
        "a folder as --lake",
        f"the file {lake.root}",
        "name another folder",
        FeedError,
    )
    for path in paths:
        refuse_if(
            path.is_dir() and (path / ".tercel").is_dir(),
            "a folder of feed files",
            f"the lake {path}",
            "give the folder that was imported from",
            FeedError,
        )


def print_days(days: Sequence[ImportedDay]) -> None:
    """Print a table of days in a lake."""
    last_heading = "outcome" if any(day.outcome for day in days) else "content"
    rows = [
        [
            *instrument.key,
            f"{instrument.rows:,}",
            str(instrument.levels) if instrument.levels else "all",
            f"{instrument.tick:g}",
            f"{instrument.off_tick_rows:,}",
            day.outcome if last_heading == "outcome" else instrument.content_hash[:12],
        ]
        for day in days
        for instrument in (day.instrument,)
    ]
    headings = ("venue", "symbol", "date", "events", "levels", "tick", "off tick", last_heading)
    print_table(
        "days",
        headings,
        rows,
        drop_order=("off tick", "levels", "tick"),
        left_aligned=("symbol", "date", last_heading),
    )
