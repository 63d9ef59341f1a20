"""Feeds: translators of recorded market data into the tape, one file each behind one small port."""

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
]
