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
from tercel.market.tape.local_times import day_ns

MOST_DAYS_OFF: Final = 12
"""Days between the evening on which a trading day begins and its date, at most: the longest holidays."""
EARLY_NS: Final = 3 * 3600 * NS_PER_SECOND
"""Before the session of the evening, from when on rows are of its trading day."""
NIGHT_NS: Final = 4 * 3600 * NS_PER_SECOND
"""After midnight, until when a night may go on."""
STAMPED: Final = "times of the night stamped with the trading day, set to its evening"


def rows_of_trading_day(
    text: TextRows, date: str, instrument: InstrumentMap, report: RuleCounts
) -> pl.DataFrame:
    """Rows of a file of one trading day; a night that is stamped with its date is set to the evening of the weekday before.

    Raises
    ------
    FeedError
        For rows of another trading day, or none on the date.
    """
    frame = text.frame
    midnight, _ = day_ns(date, instrument.timezone)
    evening = midnight + instrument.begins_s * NS_PER_SECOND
    next_evening = evening + DAY_NS
    nights = frame.filter(pl.col(NS) < midnight)[NS].to_numpy()
    is_late = frame[NS] >= next_evening
    if len(nights):  # the last evening with rows: a weekend may lie between
        evening += min((int(nights.max()) - evening) // DAY_NS, 0) * DAY_NS
    elif is_late.any() and frame[NS].to_numpy().max() < midnight + DAY_NS:
        days = 3 if calendar_date.fromisoformat(date).weekday() == 0 else 1
        after_midnight = pl.when(pl.col(NS) < midnight + NIGHT_NS).then(days - 1).otherwise(0)
        back = pl.when(is_late).then(days).otherwise(after_midnight)
        frame = frame.with_columns(pl.col(NS, RECEIVED) - back * DAY_NS)
        report[STAMPED] += int(is_late.sum())
        evening = next_evening - days * DAY_NS
    times = frame[NS]
    earliest = max(evening - EARLY_NS, midnight - MOST_DAYS_OFF * DAY_NS)
    wrong = (times >= next_evening) | (times < earliest)
    ends = not frame.height or int(times.to_numpy().max()) >= midnight
    if wrong.any() or not ends:
        row = int(wrong.arg_max() or 0) if wrong.any() else frame.height - 1
        raise FeedError(
            f"rows of the trading day {date} alone, which end on that date",
            f"{np.datetime64(int(times[row]), 'ns')} UTC in row {frame[ROW][row]} of {text.location}",
            "name the file, or `date=`, after the day on which its last row is, and split one of several days",
        )
    return frame
