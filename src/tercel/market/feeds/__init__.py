"""Feeds: translators of recorded market data into the tape, one file each behind one small port.

Each is imported when it is first asked for. A feed of another package is found by its name among the entry points of
the group ``tercel.feeds``::

    [project.entry-points."tercel.feeds"]
    acme = "acme.feed:AcmeFeed"
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer

if TYPE_CHECKING:
    from tercel.market.feeds.binance import BinanceFeed
    from tercel.market.feeds.bitstamp import BitstampFeed
    from tercel.market.feeds.csv_feed import CsvFeed
    from tercel.market.feeds.dbn import DbnFeed
    from tercel.market.feeds.lobster import LobsterFeed
    from tercel.market.feeds.port import Feed, FeedDay, FeedOptions, Imported

__all__ = [
    "BinanceFeed",
    "BitstampFeed",
    "CsvFeed",
    "DbnFeed",
    "Feed",
    "FeedDay",
    "FeedOptions",
    "Imported",
    "LobsterFeed",
    "feed_named",
    "feeds_of_others",
]

GROUP: Final = "tercel.feeds"
_HOMES: Final = {
    "BinanceFeed": "binance",
    "BitstampFeed": "bitstamp",
    "CsvFeed": "csv_feed",
    "DbnFeed": "dbn",
    "LobsterFeed": "lobster",
    **dict.fromkeys(("Feed", "FeedDay", "FeedOptions", "Imported"), "port"),
}
_FEEDS: Final = {"lobster": "LobsterFeed", "dbn": "DbnFeed", "binance": "BinanceFeed", "bitstamp": "BitstampFeed"}
_COMMANDS: Final = {*_FEEDS, "csv", "itch"}
"""Names that are taken."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def feeds_of_others() -> dict[str, list[str]]:
    """Names of feeds of other packages, and which packages give each; none is imported.

    A package cannot take the name of a feed of this one.
    """
    found: dict[str, list[str]] = {}
    for one in entry_points(group=GROUP):
        if one.name not in _COMMANDS:
            found.setdefault(one.name, []).append(f"{one.dist.name if one.dist else '?'} ({one.value})")
    return found


def feed_named(name: str) -> "Feed":
    """The translator of that name, as it comes: of this package, or of another that is installed.

    Raises
    ------
    UnknownNameError
        No such feed.
    ConfigError
        Two packages have one of that name, or what a package has cannot be imported or is none.

    >>> feed_named("lobster").name
    'lobster'
    """
    from tercel.market.feeds.port import Feed

    if name in _FEEDS:
        own: Feed = __getattr__(_FEEDS[name])()
        return own
    others = feeds_of_others()
    if name not in others:
        known = [*_FEEDS, *others]
        raise UnknownNameError(f"one of {', '.join(known)}", f"feed {name!r}", offer(name, known))
    whose = " and ".join(others[name])
    if len(others[name]) > 1:
        raise ConfigError(f"one package with a feed {name!r}", whose, "take one away")
    [entry] = entry_points(group=GROUP, name=name)
    try:
        found = entry.load()()
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the feed {name!r} of {whose}", told, "install that package again") from error
    if not isinstance(found, Feed):
        raise ConfigError("a feed: a name and days(paths, options)", f"{found!r} of {whose}", "see feeds/port.py")
    return found
