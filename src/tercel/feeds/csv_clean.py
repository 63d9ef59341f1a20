"""Rules that remove bad ticks from the quotes and trades of tick files; each counts the rows that it took.

Brownlees & Gallo (2006, Computational Statistics & Data Analysis 51) and Barndorff-Nielsen, Hansen, Lunde & Shephard
(2009, Econometrics Journal 12, section 3), whose names are in brackets:

========================= ============================================================================================
``zero``                  no price or no size on a side, or in a trade (P2)
``session``               outside continuous trading (P1); the last quote before it opens the tape
exchanges of the map      one exchange only (P3)
``merge``                 several quotes (Q1) or trades (T3) of one stamp become one: "last", or the "median" price
                          with the median size of quotes and all the lots of trades
``negative_spread``       a bid above the ask (Q2)
``wide_spread``           a spread above so many times the day's median (Q3)
``outliers``              a mid further than so many mean absolute deviations, and `GRAIN_TICKS` (the granularity of
                          Brownlees & Gallo: without it a quiet minute makes any change an outlier), from the median
                          of the `window` quotes about it (Q4)
``correction``            of the map: corrected trades (T1)
``condition``             of the map: irregular sale conditions (T2)
``trade_outliers``        a print above the ask, or below the bid, by more than the spread (T4)
``uncross``               of level updates and order events: what a new level of the other side reaches or passes
========================= ============================================================================================
"""

from typing import Final

import numpy as np
import polars as pl

from tercel.feeds.csv_columns import NS, RECEIVED, TIMES, in_order
from tercel.feeds.csv_map import CleanMap
from tercel.feeds.csv_rows import RuleCounts

GRAIN_TICKS: Final = 5.0
_BID = pl.col("bid_1")
_ASK = pl.col("ask_1")


def merge_exchanges(quotes: pl.DataFrame, keep: bool) -> pl.DataFrame:
    """Best bid and ask over all exchanges after each exchange's quote, sizes summed; 0 where none; with `keep` an
    unpriced side stays as the exchange last said.

    A side without a price is left as its exchange last said (`keep`) or taken away.
    """
    quotes = quotes.sort(NS, maintain_order=True)
    best = []
    for side, better in (("bid", pl.max_horizontal), ("ask", pl.min_horizontal)):
        prices = []
        sizes = []
        for exchange in quotes["exchange"].unique(maintain_order=True):
            stated = (pl.col("exchange") == exchange) & ((pl.col(f"{side}_1") > 0) | (not keep))
            price, size = (
                pl.when(stated).then(pl.col(f"{side}{suffix}_1")).forward_fill()
                for suffix in ("", "_size")
            )
            prices.append(pl.when(price > 0).then(price))
            sizes.append(size)
        touch = better(*prices)
        at_touch = [
            pl.when(price == touch).then(size) for price, size in zip(prices, sizes, strict=True)
        ]
        best += [
            touch.fill_null(0.0).alias(f"{side}_1"),
            pl.sum_horizontal(at_touch).alias(f"{side}_size_1"),
        ]
    return quotes.with_columns(best) if quotes.height else quotes


def clean_quotes(
    q: pl.DataFrame, rules: CleanMap, open_ns: int, close_ns: int, tick: float, report: RuleCounts
) -> pl.DataFrame:
    """Quotes that pass the cleaning rules of the module's table, and the last one before the session, put at its opening;
    `report` counts the others by rule."""
    from tercel.feeds import csv_kernels as k  # numba: a file is read before it is imported

    if rules.zero:
        good = pl.all_horizontal(pl.col("bid_1", "ask_1", "bid_size_1", "ask_size_1") > 0)
        q = _keep_only(q, good, "quotes without a price or a size on a side", report)
    opening = q.clear()
    if rules.session and close_ns:
        opening = q.filter(pl.col(NS) < open_ns).tail(1)
        q = _keep_only(
            q, pl.col(NS).is_between(open_ns, close_ns), "quotes outside the session", report
        )
    if rules.negative_spread:
        q = _keep_only(q, _ASK >= _BID, "quotes of negative spread", report)
    if rules.wide_spread > 0 and q.height:
        widest = rules.wide_spread * pl.max_horizontal((_ASK - _BID).median(), tick)
        q = _keep_only(q, widest >= _ASK - _BID, "quotes of wide spread", report)
    if rules.merge != "off":
        merged = _merged_quotes(q, rules.merge)
        report["quotes merged into others of their stamp"] += q.height - merged.height
        q = merged
    if rules.outliers > 0 and q.height:
        is_outlier = np.zeros(q.height, np.uint8)
        mid = q.select((_BID + _ASK) / 2).to_series().to_numpy()
        k.outliers(
            mid,
            rules.window,
            rules.outliers,
            GRAIN_TICKS * tick,
            np.zeros(rules.window + 1),
            is_outlier,
        )
        q = _keep_only(q, pl.lit(pl.Series(is_outlier == 0)), "quotes that are outliers", report)
    opening = opening.filter((_BID > 0) & (_BID < _ASK))
    if opening.height and q.height and q[NS][0] > open_ns:
        open_time = pl.lit(open_ns, pl.Int64)
        q = in_order(
            pl.concat([opening.with_columns(open_time.alias(NS), open_time.alias(RECEIVED)), q])
        )
    return q


def clean_trades(
    t: pl.DataFrame, rules: CleanMap, open_ns: int, close_ns: int, report: RuleCounts
) -> pl.DataFrame:
    """Trades that pass the rules which need no quotes; `report` counts the others. Auction prints outside the session stay."""
    if rules.zero:
        t = _keep_only(
            t,
            (pl.col("price") > 0) & (pl.col("size") > 0),
            "trades without a price or a size",
            report,
        )
    if rules.session and close_ns:
        inside = pl.col(NS).is_between(open_ns, close_ns) | pl.col("cross")
        t = _keep_only(t, inside, "trades outside the session", report)
    if rules.merge == "median":
        merged = _merged_trades(t)
        report["trades merged into others of their stamp"] += t.height - merged.height
        t = merged
    return t


def _keep_only(rows: pl.DataFrame, good: pl.Expr, rule: str, report: RuleCounts) -> pl.DataFrame:
    """Rows where `good` holds; `report` counts the others under the rule's name."""
    passed = rows.filter(good)
    report[rule] += rows.height - passed.height
    return passed


def _merged_quotes(q: pl.DataFrame, how: str) -> pl.DataFrame:
    """One quote for each time: the last, or with `how` "median" (and one level) the medians of prices and sizes."""
    median = how == "median" and "bid_2" not in q.columns
    sides = pl.col("^(bid|ask)_.*$")
    values = sides.median() if median else sides.last()
    return (
        q.group_by(NS, maintain_order=True)
        .agg(pl.col(*TIMES[1:], "exchange").last(), values)
        .select(q.columns)
    )


def _merged_trades(t: pl.DataFrame) -> pl.DataFrame:
    """One print for each time, except auction prints: the median price, all the lots, their sign if they share one, else 0."""
    cross = pl.col("cross")
    new = (pl.col(NS) != pl.col(NS).shift()) | cross | cross.shift()
    common_sign = pl.when(pl.col("sign").n_unique() == 1).then(pl.col("sign").first()).otherwise(0)
    merged = t.group_by(new.fill_null(True).cum_sum().alias("run"), maintain_order=True).agg(
        pl.col(*TIMES, "cross", "hidden").last(),
        pl.col("price").median(),
        pl.col("size").sum(),
        common_sign.alias("sign"),
    )
    return merged.select(t.columns)
