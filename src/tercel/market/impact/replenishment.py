"""Replenishment: time until lots taken by a market order are added again.

A market order takes L lots of one side. From then on the lots of new limit orders of that side are counted, at the
worst price that it paid or better (asks at or below it, bids at or above it). The delay is the time until they are L.
Cancels are not taken off: what is measured is how soon the side sends as much again.

Each market order is counted by itself, so two that follow each other closely may be filled up by the same limit
orders. The worst price paid is read off the book on show before the order; an order larger than all levels written in
`Observed` is taken to end at the last of them.

Delays end at :data:`LONGEST_S`. A market order whose lots are not back by then, or by the end of the stretch, is
censored and counts with :data:`LONGEST_S`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bools, Int8
from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed
from tercel.market.observed.kernel import LIMIT_AT_BEST, LIMIT_DEEPER, LIMIT_IN_SPREAD, MARKET

VALUES: Final = 32
"""Values of the quantile table."""
LONGEST_S: Final = 600.0
"""Seconds after which nobody waits any more."""

_BACK, _LATE, _CUT = range(3)


@dataclass(frozen=True, eq=False)
class Delays:
    """Replenishment delays of n market orders.

    Attributes
    ----------
    seconds : float64[n]
        Seconds until the lots were added again; `LONGEST_S` where they were not.
    late : bool[n]
        Not back within `LONGEST_S`.
    cut : bool[n]
        Not back when the stretch ended, less than `LONGEST_S` after the market order.
    """

    seconds: Floats
    late: Bools
    cut: Bools

    @property
    def n(self) -> int:
        """Number of market orders."""
        return len(self.seconds)

    @property
    def censored(self) -> float:
        """Share of market orders whose lots were not seen to return."""
        return float(np.mean(self.late | self.cut))

    def table(self, values: int = VALUES) -> Floats:
        """Quantiles of equal probability, float64[values], s: the (i + 1/2) / values quantile, i = 0, 1, ..."""
        at = (np.arange(values) + 0.5) / values
        return np.asarray(np.quantile(self.seconds, at, method="inverted_cdf"), np.float64)


def replenishment(days: Sequence[Observed]) -> Floats:
    """Quantile table of the delay, float64[`VALUES`], s, non-decreasing, at most `LONGEST_S`.

    Parameters
    ----------
    days : sequence of Observed
        Stretches of tape; a market order is followed to the end of its own.

    Raises
    ------
    ConfigError
        Days without market orders, or without limit orders (a feed of quotes and prints alone).
    """
    return delays(days).table()


def delays(days: Sequence[Observed]) -> Delays:
    """Replenishment delay of every market order.

    Raises
    ------
    ConfigError
        As :func:`replenishment`.
    """
    found = [_of_day(day) for day in days]
    seconds = np.concatenate([seconds for seconds, _ in found]) if found else np.zeros(0)
    if not len(seconds):
        raise ConfigError(
            "days with market orders on show",
            f"{len(days)} days without one",
            "name days that trade visibly",
        )
    if not any(np.any(day.kind <= LIMIT_DEEPER) for day in days):
        raise ConfigError(
            "a feed that shows limit orders",
            f"{len(days)} days without one",
            "take a feed with a book",
        )
    how = np.concatenate([how for _, how in found])
    return Delays(seconds, how == _LATE, how == _CUT)


def _of_day(day: Observed) -> tuple[Floats, Int8]:
    """Delay and how it ended, of each market order of one stretch."""
    rows = np.flatnonzero(day.kind == MARKET)
    seconds, how = np.full(len(rows), LONGEST_S), np.zeros(len(rows), np.int8)
    longest = round(LONGEST_S * NS_PER_SECOND)
    _follow(
        rows,
        day.ns,
        day.kind,
        day.side,
        day.price,
        day.lots,
        day.bid_px,
        day.bid_lots,
        day.ask_px,
        day.ask_lots,
        longest,
        seconds,
        how,
    )
    how[(how == _LATE) & (day.ns[rows] + longest > day.stop_ns)] = _CUT
    return seconds, how


@kernel
def _follow(
    rows: Any,
    ns: Any,
    kind: Any,
    side: Any,
    price: Any,
    lots: Any,
    bid_px: Any,
    bid_lots: Any,
    ask_px: Any,
    ask_lots: Any,
    longest: int,
    seconds: Any,
    how: Any,
) -> None:
    """Follow each market order until its lots are back."""
    for i in range(rows.shape[0]):
        r = rows[i]
        taken = -side[r]  # the side that was on show: +1 bids, -1 asks
        if taken > 0:
            worst = _worst_paid(bid_px[r], bid_lots[r], lots[r])
        else:
            worst = _worst_paid(ask_px[r], ask_lots[r], lots[r])
        left = lots[r]
        how[i] = _LATE
        for j in range(r + 1, ns.shape[0]):
            if ns[j] - ns[r] > longest:
                break
            limit = (
                kind[j] == LIMIT_IN_SPREAD or kind[j] == LIMIT_AT_BEST or kind[j] == LIMIT_DEEPER
            )
            if limit and side[j] == taken and (price[j] - worst) * taken >= 0:
                left -= lots[j]
                if left <= 0:
                    seconds[i], how[i] = (ns[j] - ns[r]) / NS_PER_SECOND, _BACK
                    break


@kernel
def _worst_paid(px: Any, shown: Any, lots: int) -> int:
    """Price of the level at which the levels on show add up to `lots`; that of the last one where they do not."""
    worst = px[0]
    for level in range(px.shape[0]):
        if shown[level] <= 0:
            break
        worst = px[level]
        lots -= shown[level]
        if lots <= 0:
            break
    return int(worst)
