"""The port that every feed of recorded files implements: find the days in some paths, then read them one by one.

A feed is a translator into the tape. It never writes: the caller puts what :meth:`Feed.read` returns into a lake. A new
feed is one file beside this one and a test class that inherits ``tercel.testing.feed.FeedContract``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument


@dataclass(frozen=True)
class FeedOptions:
    """What a person says about files that do not say it themselves; None leaves it to the feed.

    Parameters
    ----------
    symbol, date : str, optional
        Name of the instrument; trading day as YYYY-MM-DD.
    tick : float, optional
        Tick in price units.
    """

    symbol: str | None = None
    date: str | None = None
    tick: float | None = None


@dataclass(frozen=True)
class Imported:
    """One day, translated: the instrument (its hash still empty), the events, and what a person should know."""

    instrument: Instrument
    events: Events
    warnings: tuple[str, ...] = ()


class FeedDay(Protocol):
    """One day that a feed found; nothing but names has been looked at yet."""

    @property
    def symbol(self) -> str:
        """Name of the instrument."""

    @property
    def date(self) -> str:
        """Trading day, YYYY-MM-DD."""

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the files that the day comes from."""

    def read(self) -> Imported:
        """Translate the day.

        Raises
        ------
        FeedError
            With file, row, field and remedy, when a file is not what it claims to be.
        """


@runtime_checkable
class Feed(Protocol):
    """A translator of recorded files into tapes."""

    name: str

    def days(self, paths: Sequence[Path], options: FeedOptions) -> AbstractContextManager[Sequence[FeedDay]]:
        """Find the days in `paths` (files, folders, archives), by symbol and date; read them within the context.

        Raises
        ------
        FeedError
            When a path is missing, empty or damaged, a day occurs twice, or symbol or date stay unknown.
        """
