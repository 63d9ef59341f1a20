"""Feeds: translators of recorded market data into the tape, one file each behind the port in ``market/feed.py``.

Each is imported when it is first asked for, by its class here or by its name among the entry points ``tercel.feeds``;
so is the port: a venue's adapter that reads messages as a feed does loads nothing of tapes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tercel.feeds.binance import BinanceFeed
    from tercel.feeds.bitstamp import BitstampFeed
    from tercel.feeds.csv_feed import CsvFeed
    from tercel.feeds.dbn import DbnFeed
    from tercel.feeds.lobster import LobsterFeed
    from tercel.market.feed import Feed, FeedDay, FeedOptions, Imported, feed_named, feeds_of_others

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

_HOMES: Final = {
    "BinanceFeed": "tercel.feeds.binance",
    "BitstampFeed": "tercel.feeds.bitstamp",
    "CsvFeed": "tercel.feeds.csv_feed",
    "DbnFeed": "tercel.feeds.dbn",
    "LobsterFeed": "tercel.feeds.lobster",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "tercel.market.feed")), name)
