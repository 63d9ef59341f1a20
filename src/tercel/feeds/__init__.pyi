from tercel.feeds import itch_format as itch_format
from tercel.feeds.binance import BinanceFeed as BinanceFeed
from tercel.feeds.bitstamp import BitstampFeed as BitstampFeed
from tercel.feeds.csv_feed import CsvFeed as CsvFeed
from tercel.feeds.dbn import DbnFeed as DbnFeed
from tercel.feeds.itch import ItchFeed as ItchFeed
from tercel.feeds.lobster import LobsterFeed as LobsterFeed
from tercel.feeds.lobster_day import with_rolls as with_rolls
from tercel.feeds.lobster_kernels import EMPTY_ASK as EMPTY_ASK
from tercel.feeds.lobster_kernels import EMPTY_BID as EMPTY_BID
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR as UNITS_PER_DOLLAR
from tercel.feeds.shanghai import ShanghaiFeed as ShanghaiFeed
from tercel.feeds.shenzhen import ShenzhenFeed as ShenzhenFeed
from tercel.feeds.verify_kernels import run_with_room as run_with_room
from tercel.market.feed import Feed as Feed
from tercel.market.feed import FeedDay as FeedDay
from tercel.market.feed import FeedOptions as FeedOptions
from tercel.market.feed import Imported as Imported
from tercel.market.feed import feed_named as feed_named
from tercel.market.feed import feeds_of_others as feeds_of_others

__all__ = [
    "EMPTY_ASK",
    "EMPTY_BID",
    "UNITS_PER_DOLLAR",
    "BinanceFeed",
    "BitstampFeed",
    "CsvFeed",
    "DbnFeed",
    "Feed",
    "FeedDay",
    "FeedOptions",
    "Imported",
    "ItchFeed",
    "LobsterFeed",
    "ShanghaiFeed",
    "ShenzhenFeed",
    "feed_named",
    "feeds_of_others",
    "itch_format",
    "run_with_room",
    "with_rolls",
]
