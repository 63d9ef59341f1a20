"""Port of feeds of recorded files: find the days in some paths, then read them one by one.

A feed is a translator into the tape. It never writes: the caller puts what :meth:`Feed.read` returns into a lake. It is
found by its name among the entry points of the group ``tercel.feeds``, those of this package as those of others::

    [project.entry-points."tercel.feeds"]
    acme = "acme.feed:AcmeFeed"

A new feed inherits ``certify.kits.feed.FeedContract`` in a test class.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tercel.core.errors import ConfigError, UnknownNameError, offer

if TYPE_CHECKING:  # `tercel --help` asks for names of feeds, and loads no arrays for it
    from tercel.market.tape.events import Events, Instrument


@dataclass(frozen=True)
class FeedOptions:
    """Facts about files, instead of what their names say; None leaves them to the feed.

    Where the content itself names several instruments or days, `symbol` and `date` say which of them is taken. No day
    of another symbol, date or tick comes of a feed that was given one: what it cannot take is a `FeedError`.

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
    """One imported day: instrument (hash still empty), events, and notes for people."""

    instrument: "Instrument"
    events: "Events"
    warnings: tuple[str, ...] = ()


class FeedDay(Protocol):
    """One day found by a feed; only file names have been read so far."""

    @property
    def symbol(self) -> str:
        """Name of the instrument."""

    @property
    def date(self) -> str:
        """Trading day, YYYY-MM-DD."""

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the day's files."""

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

    def days(
        self, paths: Sequence[Path], options: FeedOptions
    ) -> AbstractContextManager[Sequence[FeedDay]]:
        """Find the days in `paths` (files, folders, archives), by symbol and date; read them within the context.

        Raises
        ------
        FeedError
            When a path is missing, empty or damaged, a day occurs twice, or symbol or date stay unknown.
        """


GROUP: Final = "tercel.feeds"
_HOUSE: Final = "tercel"
# Feeds of this package that need more than options: commands alone.
_TAKEN: Final = frozenset({"csv", "itch"})


def _whose(one: EntryPoint) -> str:
    return one.dist.name if one.dist else "?"


def _found() -> tuple[dict[str, EntryPoint], dict[str, list[EntryPoint]]]:
    """Feeds of this package, and those of others by name; a name of this package cannot be taken."""
    given = entry_points(group=GROUP)  # every installed package is looked at: once
    own = {one.name: one for one in given if _whose(one) == _HOUSE}
    others: dict[str, list[EntryPoint]] = {}
    for one in given:
        if one.name not in own and one.name not in _TAKEN:
            others.setdefault(one.name, []).append(one)
    return own, others


def _listed(entries: Iterable[EntryPoint]) -> list[str]:
    return [f"{_whose(one)} ({one.value})" for one in entries]


def feeds_of_others() -> dict[str, list[str]]:
    """Names of feeds of other packages, and the packages that provide each; none is imported.

    A package cannot take the name of a feed of this one.
    """
    return {name: _listed(entries) for name, entries in _found()[1].items()}


def feed_named(name: str) -> Feed:
    """A feed by name, of this package or another installed one.

    Raises
    ------
    UnknownNameError
        No such feed.
    ConfigError
        Two packages have one of that name, or what a package has cannot be imported or is none.

    >>> feed_named("lobster").name
    'lobster'
    """
    own, others = _found()
    if name not in own and name not in others:
        known = [*own, *others]
        raise UnknownNameError(f"one of {', '.join(known)}", f"feed {name!r}", offer(name, known))
    entries = [own[name]] if name in own else others[name]
    whose = _HOUSE if name in own else " and ".join(_listed(entries))
    if len(entries) > 1:
        raise ConfigError(f"one package with a feed {name!r}", whose, "take one away")
    try:
        found = entries[0].load()()
    except Exception as error:
        raise ConfigError(
            f"the feed {name!r} of {whose}",
            f"{type(error).__name__}: {error}",
            "install that package again",
        ) from error
    if not isinstance(found, Feed):
        raise ConfigError(
            "a feed: a name and days(paths, options)", f"{found!r} of {whose}", "see market/feed.py"
        )
    return found
