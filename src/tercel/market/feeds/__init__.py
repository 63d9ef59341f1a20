"""Feeds: translators of recorded market data into the tape, one file each behind one small port."""

from typing import Final

from tercel.core.errors import UnknownNameError
from tercel.core.names import offer
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
]

_FEEDS: Final[dict[str, type[LobsterFeed | DbnFeed | BinanceFeed | BitstampFeed]]] = {
    "lobster": LobsterFeed,
    "dbn": DbnFeed,
    "binance": BinanceFeed,
    "bitstamp": BitstampFeed,
}


def feed_named(name: str) -> Feed:
    """The translator of that name, as it comes.

    Raises
    ------
    UnknownNameError
        No such feed.

    >>> feed_named("lobster").name
    'lobster'
    """
    if name not in _FEEDS:
        raise UnknownNameError(f"one of {', '.join(_FEEDS)}", f"feed {name!r}", offer(name, _FEEDS))
    return _FEEDS[name]()
