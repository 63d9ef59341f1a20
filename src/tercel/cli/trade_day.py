"""`tercel trade day`: the report of desks' days, as a file."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tercel.cli.operator import find_desk
from tercel.cli.shared import JsonRequest
from tercel.cli.terminal import print_json, print_sentences, say
from tercel.core.errors import ConfigError
from tercel.core.files import write_whole

if TYPE_CHECKING:
    from tercel.api.desk_day import DayWindow

FILE: Final = "day.html"
FAILED: Final = 2
"""Exit code where a desk could not be read; the report is written all the same."""


@dataclass(frozen=True)
class DayOfDesks(JsonRequest):
    """What is asked of `tercel trade day`."""

    desks: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of desks (default: TERCEL_DESK, or the newest under desks/).",
            metavar="DESK...",
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page (default: day.html, in the desk's folder if it is one).", metavar="FILE"
        ),
    ] = None
    date: Annotated[
        str | None,
        typer.Option(
            help="This day in UTC (default: the last 24 hours of the venue).", metavar="YYYY-MM-DD"
        ),
    ] = None
    session: Annotated[bool, typer.Option("--session", help="Since the last session began.")] = (
        False
    )
    from_ns: Annotated[
        int | None, typer.Option(help="From this venue time.", min=0, max=2**62, metavar="NS")
    ] = None
    to_ns: Annotated[
        int | None, typer.Option(help="Up to this venue time.", min=0, max=2**62, metavar="NS")
    ] = None

    @property
    def window(self) -> "DayWindow":
        """The time that is meant."""
        from tercel.api.desk_day import DayWindow

        if self.date is None:
            return DayWindow(self.from_ns, self.to_ns, self.session)
        if self.session or self.from_ns is not None or self.to_ns is not None:
            raise ConfigError(
                "--date, or a time to begin and to end", "both", "leave one of the two out"
            )
        try:
            day = datetime.strptime(self.date, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise ConfigError("a date YYYY-MM-DD", repr(self.date[:40]), "correct it") from None
        begin = int(day.timestamp())
        if begin < 0:
            raise ConfigError("a date from 1970 on", self.date, "correct it")
        return DayWindow(begin * 10**9, (begin + 86_400) * 10**9 - 1)


def day(request: DayOfDesks) -> int:
    """Report the day of desks, as a page: costs, profit, limits, alerts and what needs a person."""
    from tercel.api.desk_day import days_of
    from tercel.api.desk_day_page import DayReport

    window, folders = request.window, request.desks or [find_desk(None)]
    found = days_of(folders, window)
    report = DayReport(found)
    file = request.out or (
        folders[0] / FILE if len(folders) == 1 and folders[0].is_dir() else Path(FILE)
    )
    write_whole(file, report.html())
    if request.as_json:
        print_json(found | {"file": str(file)})
    else:
        print_sentences(report.text)
    say(f"report: {file}")
    unread = [one["desk"] for one in found["desks"] if "error" in one]
    if unread:
        say(f"not read: {', '.join(unread)}")
    return FAILED if unread else 0
