"""The curve of a day's volume, of hours that are not judged, on a tape of level totals."""

from pathlib import Path

import numpy as np

from certify.kits.feed import read_all
from tercel.feeds.csv_feed import CsvFeed
from tercel.feeds.csv_map import parse_map
from tercel.lab.evaluation.market import Split
from tercel.market.feed import FeedOptions

MAP = """
[instrument]
venue = "X"
tick = 0.01
session = ["09:00", "15:30"]
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>[0-9]{8})\\.csv'
[file.time]
column = "s"
unit = "s"
[file.trade]
price = "p"
size = "q"
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>[0-9]{8})_quotes\\.csv'
[file.time]
column = "s"
unit = "s"
[file.quote]
bid = "b"
ask = "a"
"""


def test_a_judged_half_hour_counts_as_the_mean_of_the_others(tmp_path: Path) -> None:
    """Trades of a lot more in each of the 13 half hours; the third, from 10:00, is judged."""
    lots = np.arange(1, 14)
    rows = [f"{32_400 + 900 + 1_800 * part},10,{count}" for part, count in enumerate(lots)]
    trades, quotes = tmp_path / "abc_20240105.csv", tmp_path / "abc_20240105_quotes.csv"
    trades.write_text("\n".join(["s,p,q", *rows]) + "\n")
    quotes.write_text("s,b,a\n32400,9.99,10\n32410,9.98,10\n")
    [day] = read_all(CsvFeed(parse_map(MAP)), [trades, quotes], FeedOptions())
    begin = day.instrument.session_open_ns + 3_600 * 10**9
    judged = {day.instrument.date: [(begin, begin + 1_800 * 10**9)]}
    split = Split(
        [day.instrument.date], [day.instrument.date], 0, [(day.instrument, day.events)], judged
    )
    assert np.allclose(split.curve, [1, 2, (91 - 3) / 12, *lots[3:]])
