"""LOBSTER files as a feed: which files belong together, for which symbol and day.

Names are ``TICKER_YYYY-MM-DD_start_end_message_LEVELS.csv`` and ``..._orderbook_LEVELS.csv``, start and end in ms after
midnight. Files of other names are taken when symbol and date are given and no more than one of each role is there.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tercel.core.errors import FeedError
from tercel.core.grouping import group_values
from tercel.feeds.lobster_csv import MESSAGE_WIDTHS, columns_of
from tercel.feeds.lobster_day import LobsterDay
from tercel.feeds.members import Member, members
from tercel.market.feed import FeedOptions

_NAME: Final = re.compile(
    r"(?P<symbol>.+)_(?P<date>\d{4}-\d{2}-\d{2})_(?P<start>\d+)_(?P<end>\d+)"
    r"_(?P<role>message|orderbook)_(?P<levels>\d+)\.csv",
    re.IGNORECASE,
)
_SESSION_MS: Final = (34_200_000, 57_600_000)
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class LobsterFile:
    """A LOBSTER file with symbol, date, role, levels and session from its name or the user."""

    member: Member
    symbol: str
    date: str
    role: str
    levels: int
    start_ms: int
    end_ms: int


class LobsterFeed:
    """LOBSTER files as a :class:`tercel.market.feed.Feed`.

    Examples
    --------
    >>> feed = LobsterFeed()
    >>> with feed.days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "lobster"

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[LobsterDay]]:
        """Context with a day for each symbol and date of the files, its message file paired with its orderbook file."""
        with members(paths) as files:
            named = [n for n in (_parse_file_name(m, options) for m in files) if n is not None]
            named += _guess_files(files, options)
            if paths and not named:
                raise FeedError(
                    "files named like TICKER_DATE_START_END_message_LEVELS.csv",
                    ", ".join(m.name for m in files[:3]),
                    "check the path; for files of other names give `symbol=` and `date=`",
                )
            yield _pair_files(named, options.tick)


def _parse_file_name(member: Member, options: FeedOptions) -> LobsterFile | None:
    """A file with what its name says, symbol and date of the options over it; None for other names."""
    match = _NAME.fullmatch(member.name)
    if match is None:
        return None
    symbol = match["symbol"] if options.symbol is None else options.symbol
    date = match["date"] if options.date is None else options.date
    levels, start_ms, end_ms = (int(match[name]) for name in ("levels", "start", "end"))
    return LobsterFile(member, symbol, date, match["role"].lower(), levels, start_ms, end_ms)


def _guess_files(files: Sequence[Member], options: FeedOptions) -> list[LobsterFile]:
    """CSV files of other names, their role guessed by the number of columns (six or seven: messages).

    FeedError unless the options give symbol and date.
    """
    others = [
        m
        for m in files
        if _NAME.fullmatch(m.name) is None and Path(m.name).suffix.lower() == ".csv"
    ]
    if not others:
        return []
    if options.symbol is None or options.date is None:
        missing = " and ".join(f"`{w}=`" for w in ("symbol", "date") if getattr(options, w) is None)
        raise FeedError(
            "a name like TICKER_YYYY-MM-DD_START_END_message_LEVELS.csv",
            others[0].location,
            f"give {missing}, or rename the file",
        )
    roles = ["message" if columns_of(m) in MESSAGE_WIDTHS else "orderbook" for m in others]
    return [
        LobsterFile(m, options.symbol, options.date, role, 0, *_SESSION_MS)
        for m, role in zip(others, roles, strict=True)
    ]


def _pair_files(named: Sequence[LobsterFile], tick: float | None) -> list[LobsterDay]:
    """One day for each symbol and date: its message file with its orderbook file, if there is one."""
    groups = group_values(((n.symbol, n.date), n) for n in named)
    return [
        _make_day(symbol, date, group, tick) for (symbol, date), group in sorted(groups.items())
    ]


def _make_day(
    symbol: str, date: str, group: Sequence[LobsterFile], tick: float | None
) -> LobsterDay:
    """One day from its message file and its orderbook file, which may lack; FeedError if they do not fit."""
    messages = [n for n in group if n.role == "message"]
    books = [n for n in group if n.role == "orderbook"]
    for role, files in (("message", messages), ("orderbook", books)):
        if len(files) > 1:
            raise FeedError(
                f"one {role} file for {symbol} on {date}",
                " and ".join(n.member.location for n in files[:3]),
                "import one of them; several days or symbols need names that tell them apart",
            )
    if not messages:
        raise FeedError(
            f"a message file for {symbol} on {date}",
            f"only {books[0].member.location}",
            "give the message file of the same download",
        )
    book = books[0] if books else None
    if book is not None and book.levels != messages[0].levels:
        raise FeedError(
            "message and orderbook files of the same number of levels",
            f"{messages[0].member.location} and {book.member.location}",
            "pair the right files",
        )
    first = messages[0]
    if not first.start_ms < first.end_ms <= _DAY_MS:
        raise FeedError(
            f"a session in ms after midnight, its start before its end, at most {_DAY_MS}",
            f"{first.start_ms} to {first.end_ms} in the name of {first.member.location}",
            "name the file as it was downloaded",
        )
    return LobsterDay(
        symbol,
        date,
        first.member,
        book.member if book else None,
        first.start_ms,
        first.end_ms,
        tick,
        book.levels if book else 0,
    )
