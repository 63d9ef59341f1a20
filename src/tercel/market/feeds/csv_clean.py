"""Rules that remove bad ticks, as the field states them; each says how many rows it took.

Brownlees & Gallo (2006, Computational Statistics & Data Analysis 51) and Barndorff-Nielsen, Hansen, Lunde & Shephard
(2009, Econometrics Journal 12, section 3), whose names stand in brackets:

========================= ============================================================================================
``zero``                  a price or size of zero (P2)
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
========================= ============================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercel.market.feeds import csv_kernels as k
from tercel.market.feeds.csv_map import CleanMap
from tercel.market.feeds.csv_read import CsvQuotes, Trades

GRAIN_TICKS: Final = 5.0
Some = TypeVar("Some", CsvQuotes, Trades)


@dataclass
class CleanReport:
    """Rows that each rule took, by name, in the order in which they were told."""

    taken: dict[str, int] = field(default_factory=dict)

    def tell(self, rule: str, rows: int) -> None:
        """Count the rows of a rule (also none: the rule was in force)."""
        self.taken[rule] = self.taken.get(rule, 0) + rows


def merge_exchanges(quotes: CsvQuotes, keep: bool) -> CsvQuotes:
    """The best over all exchanges after each quote of one."""
    if quotes.n == 0:
        return quotes
    out = np.zeros((quotes.n, 4))
    held = np.zeros((int(quotes.exchange.max()) + 1, 4))
    bid, bid_size, ask, ask_size = (x[:, 0] for x in (quotes.bid, quotes.bid_size, quotes.ask, quotes.ask_size))
    k.consolidate(quotes.exchange, bid, bid_size, ask, ask_size, keep, held, out)
    bid, bid_size, ask, ask_size = (out[:, i : i + 1].copy() for i in range(4))
    none = np.zeros(quotes.n, np.int64)
    return CsvQuotes(quotes.ns, quotes.received, quotes.row, bid, bid_size, ask, ask_size, none)


def clean_quotes(
    q: CsvQuotes, rules: CleanMap, open_ns: int, close_ns: int, tick: float, report: CleanReport
) -> CsvQuotes:
    """Quotes by the rules; see the module."""
    if rules.zero:
        good = (q.bid[:, 0] > 0) & (q.ask[:, 0] > 0) & (q.bid_size[:, 0] > 0) & (q.ask_size[:, 0] > 0)
        q = _kept(q, good, "quotes with a zero", report)
    opening: CsvQuotes | None = None
    if rules.session and close_ns:
        before = np.flatnonzero(q.ns < open_ns)
        opening = q.take(before[-1:])
        q = _kept(q, (q.ns >= open_ns) & (q.ns <= close_ns), "quotes outside the session", report)
    if rules.negative_spread:
        q = _kept(q, q.ask[:, 0] >= q.bid[:, 0], "quotes of negative spread", report)
    if rules.wide_spread > 0 and q.n:
        spread = q.ask[:, 0] - q.bid[:, 0]
        q = _kept(q, spread <= rules.wide_spread * max(float(np.median(spread)), tick), "quotes of wide spread", report)
    if rules.merge != "off":
        before_n = q.n
        q = _merged_quotes(q, rules.merge)
        report.tell("quotes merged into others of their stamp", before_n - q.n)
    if rules.outliers > 0 and q.n:
        out = np.zeros(q.n, np.uint8)
        mid = np.ascontiguousarray(q.bid[:, 0] + q.ask[:, 0]) / 2
        k.outliers(mid, rules.window, rules.outliers, GRAIN_TICKS * tick, np.zeros(rules.window + 1), out)
        q = _kept(q, out == 0, "quotes that are outliers", report)
    if opening is not None and opening.n and q.n and q.ns[0] > open_ns and _sound(opening):
        opening.ns[:] = opening.received[:] = open_ns
        q = CsvQuotes.joined([opening, q])
    return q


def _sound(opening: CsvQuotes) -> bool:
    return bool(0 < opening.bid[0, 0] < opening.ask[0, 0])


def clean_trades(t: Trades, rules: CleanMap, open_ns: int, close_ns: int, report: CleanReport) -> Trades:
    """Trades by the rules that need no quotes; auction prints are kept where they fall."""
    if rules.zero:
        t = _kept(t, (t.price > 0) & (t.size > 0), "trades with a zero", report)
    if rules.session and close_ns:
        inside = ((t.ns >= open_ns) & (t.ns <= close_ns)) | t.cross
        t = _kept(t, inside, "trades outside the session", report)
    if rules.merge == "median":
        before = t.n
        t = _merged_trades(t)
        report.tell("trades merged into others of their stamp", before - t.n)
    return t


def _kept(rows: Some, good: NDArray[np.bool_], rule: str, report: CleanReport) -> Some:
    report.tell(rule, int(rows.n - good.sum()))
    return rows.take(good)


def _stamps(ns: NDArray[np.int64], apart: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """First index of each run of equal times (rows that stand `apart` are runs of their own), and the end."""
    new = np.append(True, ns[1:] != ns[:-1])
    if apart is not None:
        new |= apart | np.append(False, apart[:-1])
    return np.append(np.flatnonzero(new), len(ns))


def _merged_quotes(q: CsvQuotes, how: str) -> CsvQuotes:
    if q.n == 0:
        return q
    runs = _stamps(q.ns)
    last = runs[1:] - 1
    merged = q.take(last)
    if how == "median" and q.bid.shape[1] == 1:
        for i in np.flatnonzero(np.diff(runs) > 1):
            run = slice(runs[i], runs[i + 1])
            for name in ("bid", "bid_size", "ask", "ask_size"):
                getattr(merged, name)[i, 0] = np.median(getattr(q, name)[run, 0])
    return merged


def _merged_trades(t: Trades) -> Trades:
    if t.n == 0:
        return t
    runs = _stamps(t.ns, t.cross)
    merged = t.take(runs[1:] - 1)
    for i in np.flatnonzero(np.diff(runs) > 1):
        run = slice(runs[i], runs[i + 1])
        merged.price[i] = np.median(t.price[run])
        merged.size[i] = t.size[run].sum()
        signs = t.sign[run]
        merged.sign[i] = signs[0] if (signs == signs[0]).all() else 0
    return merged
