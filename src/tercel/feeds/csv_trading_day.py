"""Rows of a file of a trading day, which begins on the evening before its date."""

from datetime import date as calendar_date
from typing import Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.feeds.csv_columns import NS, RECEIVED, ROW, TextRows
from tercel.feeds.csv_map import InstrumentMap
from tercel.feeds.csv_rows import RuleCounts
from tercel.market.tape.local_times import midnight_ns

MOST_DAYS_OFF: Final = 12
"""Days between the evening on which a trading day begins and its date, at most: the longest holidays."""
EARLY_NS: Final = 3 * 3600 * NS_PER_SECOND
"""Before the session of the evening, from when on rows are of its trading day."""


def rows_of_trading_day(
    text: TextRows, date: str, instrument: InstrumentMap, report: RuleCounts
) -> pl.DataFrame:
    """Rows of a file of one trading day; an evening that is stamped with its date is set to that of the weekday before.

    Raises
    ------
    FeedError
        For rows of another trading day, or none on the date.
    """
    frame = text.frame
    midnight = midnight_ns(date, instrument.timezone)
    evening = midnight + instrument.begins_s * NS_PER_SECOND
    next_evening = evening + DAY_NS
    times = frame[NS].to_numpy()
    nights = times[times < midnight]
    if len(nights):  # the last evening with rows: a weekend may lie between
        evening -= min(max(-((int(nights.max()) - evening) // DAY_NS), 0), MOST_DAYS_OFF) * DAY_NS
    elif next_evening <= times.max(initial=0) < midnight + DAY_NS:
        evening -= (2 if calendar_date.fromisoformat(date).weekday() == 0 else 0) * DAY_NS
        frame = frame.with_columns(
            pl.col(NS, RECEIVED) - (pl.col(NS) >= next_evening) * (next_evening - evening)
        )
        report["times of the evening stamped with the trading day, set to it"] += int(
            (times >= next_evening).sum()
        )
        times = frame[NS].to_numpy()
    wrong = (times >= next_evening) | (times < evening - EARLY_NS)
    if wrong.any() or times.max(initial=midnight) < midnight:
        row = int(wrong.argmax()) if wrong.any() else frame.height - 1
        raise FeedError(
            f"rows of the trading day {date} alone, which end on that date",
            f"{np.datetime64(int(times[row]), 'ns')} UTC in row {frame[ROW][row]} of {text.location}",
            "name the file, or `date=`, after the day on which its last row is, and split one of several days",
        )
    return frame
