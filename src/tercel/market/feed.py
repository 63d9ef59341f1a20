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

from tercel.core.errors import ConfigError, UnknownNameError, suggest_name
from tercel.core.grouping import group_values

if TYPE_CHECKING:  # `tercel --help` asks for names of feeds, and loads no arrays for it
    from tercel.market.tape.events import Events, Instrument


GROUP: Final = "tercel.feeds"
_OWN_PACKAGE: Final = "tercel"
# Feeds of this package that need more than options: commands alone.
_COMMAND_FEEDS: Final = frozenset({"csv", "exported", "itch"})


@dataclass(frozen=True)
class FeedOptions:
    """Options of an import that state facts about the files; None leaves a fact to the feed.

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


def _package_of(entry: EntryPoint) -> str:
    """Name of the package that an entry point belongs to, `?` if unknown."""
    return entry.dist.name if entry.dist else "?"


def _load_feeds() -> tuple[dict[str, EntryPoint], dict[str, list[EntryPoint]]]:
    """Entry points of this package's feeds by name, and lists of those of other packages; names of this package are not taken."""
    entries = entry_points(group=GROUP)  # every installed package is looked at: once
    own_feeds = {entry.name: entry for entry in entries if _package_of(entry) == _OWN_PACKAGE}
    taken = {*own_feeds, *_COMMAND_FEEDS}
    others = (entry for entry in entries if entry.name not in taken)
    return own_feeds, group_values((entry.name, entry) for entry in others)


def _describe_entries(entries: Iterable[EntryPoint]) -> list[str]:
    """Package and object of each entry point, for an error message."""
    return [f"{_package_of(entry)} ({entry.value})" for entry in entries]


def feeds_of_others() -> dict[str, list[str]]:
    """Names of feeds of other packages, and the packages that provide each; none is imported.

    A package cannot take the name of a feed of this one.
    """
    return {name: _describe_entries(entries) for name, entries in _load_feeds()[1].items()}


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
    own_feeds, other_feeds = _load_feeds()
    if name not in own_feeds and name not in other_feeds:
        names = [*own_feeds, *other_feeds]
        raise UnknownNameError(
            f"one of {', '.join(names)}", f"feed {name!r}", suggest_name(name, names)
        )
    entries = [own_feeds[name]] if name in own_feeds else other_feeds[name]
    packages = _OWN_PACKAGE if name in own_feeds else " and ".join(_describe_entries(entries))
    if len(entries) > 1:
        raise ConfigError(f"one package with a feed {name!r}", packages, "take one away")
    try:
        feed = entries[0].load()()
    except Exception as error:
        raise ConfigError(
            f"the feed {name!r} of {packages}",
            f"{type(error).__name__}: {error}",
            "install that package again",
        ) from error
    if not isinstance(feed, Feed):
        raise ConfigError(
            "a feed: a name and days(paths, options)",
            f"{feed!r} of {packages}",
            "see market/feed.py",
        )
    return feed
