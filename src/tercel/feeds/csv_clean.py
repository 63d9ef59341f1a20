"""Rules that remove bad ticks, as the field states them; each says how many rows it took.

Brownlees & Gallo (2006, Computational Statistics & Data Analysis 51) and Barndorff-Nielsen, Hansen, Lunde & Shephard
(2009, Econometrics Journal 12, section 3), whose names stand in brackets:

========================= ============================================================================================
``zero``                  no price or no size on a side, or in a trade (P2)
``session``               outside continuous trading (P1); the last quote before it opens the tape
exchanges of the map      one exchange only (P3)
``merge``                 several quotes (Q1) or trades (T3) of one stamp become one: "last", or the "median" price with
                          the median size of quotes and all the lots of trades
``negative_spread``       a bid above the ask (Q2)
``wide_spread``           a spread above so many times the day's median (Q3)
``outliers``              a mid further than so many mean absolute deviations, and `GRAIN_TICKS` (the granularity of
                          Brownlees & Gallo: without it a quiet minute makes any change an outlier), from the median of
                          the `window` quotes about it (Q4)
``correction``            of the map: corrected trades (T1)
``condition``             of the map: irregular sale conditions (T2)
``trade_outliers``        a print above the ask, or below the bid, by more than the spread (T4)
``uncross``               of level updates and order events: what a new level of the other side reaches or passes
========================= ============================================================================================
"""

from typing import Final

import numpy as np
import polars as pl

from tercel.feeds.csv_map import CleanMap
from tercel.feeds.csv_read import NS, RECEIVED, ROW, TIMES, Taken

GRAIN_TICKS: Final = 5.0
_BID, _ASK = pl.col("bid_1"), pl.col("ask_1")


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in order of time and number."""
    return rows.sort(NS, ROW, maintain_order=True)


def merge_exchanges(quotes: pl.DataFrame, keep: bool) -> pl.DataFrame:
    """The best over all exchanges after each quote of one.

    A side without a price is left as its exchange last said (`keep`) or taken away.
    """
    quotes = quotes.sort(NS, maintain_order=True)
    best = []
    for side, better in (("bid", pl.max_horizontal), ("ask", pl.min_horizontal)):
        prices, sizes = [], []
        for exchange in quotes["exchange"].unique(maintain_order=True):
            stated = (pl.col("exchange") == exchange) & ((pl.col(f"{side}_1") > 0) | (not keep))
            price, size = (
                pl.when(stated).then(pl.col(f"{side}{what}_1")).forward_fill()
                for what in ("", "_size")
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
    q: pl.DataFrame, rules: CleanMap, open_ns: int, close_ns: int, tick: float, report: Taken
) -> pl.DataFrame:
    """Quotes by the rules; see the module."""
    if rules.zero:
        good = pl.all_horizontal(pl.col("bid_1", "ask_1", "bid_size_1", "ask_size_1") > 0)
        q = _kept(q, good, "quotes without a price or a size on a side", report)
    opening = q.clear()
    if rules.session and close_ns:
        opening = q.filter(pl.col(NS) < open_ns).tail(1)
        q = _kept(q, pl.col(NS).is_between(open_ns, close_ns), "quotes outside the session", report)
    if rules.negative_spread:
        q = _kept(q, _ASK >= _BID, "quotes of negative spread", report)
    if rules.wide_spread > 0 and q.height:
        widest = rules.wide_spread * pl.max_horizontal((_ASK - _BID).median(), tick)
        q = _kept(q, widest >= _ASK - _BID, "quotes of wide spread", report)
    if rules.merge != "off":
        merged = _merged_quotes(q, rules.merge)
        report["quotes merged into others of their stamp"] += q.height - merged.height
        q = merged
    if rules.outliers > 0 and q.height:
        from tercel.feeds.csv_kernels import outliers

        out = np.zeros(q.height, np.uint8)
        mid = q.select((_BID + _ASK) / 2).to_series().to_numpy()
        outliers(
            mid, rules.window, rules.outliers, GRAIN_TICKS * tick, np.zeros(rules.window + 1), out
        )
        q = _kept(q, pl.lit(pl.Series(out == 0)), "quotes that are outliers", report)
    opening = opening.filter((_BID > 0) & (_BID < _ASK))
    if opening.height and q.height and q[NS][0] > open_ns:
        at = pl.lit(open_ns, pl.Int64)
        q = in_order(pl.concat([opening.with_columns(at.alias(NS), at.alias(RECEIVED)), q]))
    return q


def clean_trades(
    t: pl.DataFrame, rules: CleanMap, open_ns: int, close_ns: int, report: Taken
) -> pl.DataFrame:
    """Trades by the rules that need no quotes; auction prints are kept where they fall."""
    if rules.zero:
        t = _kept(
            t,
            (pl.col("price") > 0) & (pl.col("size") > 0),
            "trades without a price or a size",
            report,
        )
    if rules.session and close_ns:
        inside = pl.col(NS).is_between(open_ns, close_ns) | pl.col("cross")
        t = _kept(t, inside, "trades outside the session", report)
    if rules.merge == "median":
        merged = _merged_trades(t)
        report["trades merged into others of their stamp"] += t.height - merged.height
        t = merged
    return t


def _kept(rows: pl.DataFrame, good: pl.Expr, rule: str, report: Taken) -> pl.DataFrame:
    kept = rows.filter(good)
    report[rule] += rows.height - kept.height
    return kept


def _merged_quotes(q: pl.DataFrame, how: str) -> pl.DataFrame:
    """One quote of each time: the last, or the median of the prices and of the sizes of one level."""
    median = how == "median" and "bid_2" not in q.columns
    sides = pl.col("^(bid|ask)_.*$")
    values = sides.median() if median else sides.last()
    return (
        q.group_by(NS, maintain_order=True)
        .agg(pl.col(RECEIVED, ROW, "exchange").last(), values)
        .select(q.columns)
    )


def _merged_trades(t: pl.DataFrame) -> pl.DataFrame:
    """One print of each time, auction prints apart: the median price of all the lots."""
    cross = pl.col("cross")
    new = (pl.col(NS) != pl.col(NS).shift()) | cross | cross.shift()
    one = pl.when(pl.col("sign").n_unique() == 1).then(pl.col("sign").first()).otherwise(0)
    merged = t.group_by(new.fill_null(True).cum_sum().alias("run"), maintain_order=True).agg(
        pl.col(*TIMES, "cross").last(),
        pl.col("price").median(),
        pl.col("size").sum(),
        one.alias("sign"),
    )
    return merged.select(t.columns)
