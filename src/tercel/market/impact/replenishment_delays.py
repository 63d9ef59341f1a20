"""Replenishment: how long the lots that a market order took are missing from the book, measured on a tape.

A market order takes L lots of one side. From then on the lots of new limit orders of that side are counted, at the
worst price that it paid or better (asks at or below it, bids at or above it). The delay is the time until they are L.
Cancels are not subtracted: the delay measures how soon the side sends as much again.

Each market order is counted by itself, so two that follow each other closely may be filled up by the same limit
orders. The worst price paid is read off the visible book before the order; an order larger than all levels written in
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
from tercel.market.observed.event_columns import (
    LIMIT_AT_BEST,
    LIMIT_DEEPER,
    LIMIT_IN_SPREAD,
    MARKET,
)

VALUES: Final = 32
"""Values of the quantile table."""
LONGEST_S: Final = 600.0
"""Seconds after which a delay is censored."""
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

    def table(self, values: int = VALUES) -> Floats:
        """Quantiles of equal probability, float64[values], s: the (i + 1/2) / values quantile, i = 0, 1, ..."""
        probabilities = (np.arange(values) + 0.5) / values
        return np.asarray(
            np.quantile(self.seconds, probabilities, method="inverted_cdf"), np.float64
        )


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
    by_day = [_delays_of_day(day) for day in days]
    seconds = np.concatenate([seconds for seconds, _ in by_day]) if by_day else np.zeros(0)
    if not len(seconds):
        raise ConfigError(
            "days with visible market orders",
            f"{len(days)} days without one",
            "name days that trade visibly",
        )
    if not any(np.any(day.kind <= LIMIT_DEEPER) for day in days):
        raise ConfigError(
            "a feed that shows limit orders",
            f"{len(days)} days without one",
            "take a feed with a book",
        )
    outcome = np.concatenate([outcome for _, outcome in by_day])
    return Delays(seconds, outcome == _LATE, outcome == _CUT)


def _delays_of_day(day: Observed) -> tuple[Floats, Int8]:
    """Delay of each market order of one stretch, and how it ended (_BACK, _LATE or _CUT)."""
    rows = np.flatnonzero(day.kind == MARKET)
    seconds = np.full(len(rows), LONGEST_S)
    outcome = np.zeros(len(rows), np.int8)
    longest = round(LONGEST_S * NS_PER_SECOND)
    _follow_orders(
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
        outcome,
    )
    outcome[(outcome == _LATE) & (day.ns[rows] + longest > day.stop_ns)] = _CUT
    return seconds, outcome


@kernel
def _follow_orders(
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
    outcome: Any,
) -> None:
    """Follow each market order until its lots are back; write its delay to `seconds`, and _BACK or else _LATE to `outcome`."""
    for i in range(rows.shape[0]):
        r = rows[i]
        taken = -side[r]  # the side that was hit: +1 bids, -1 asks
        if taken > 0:
            worst = _worst_paid(bid_px[r], bid_lots[r], lots[r])
        else:
            worst = _worst_paid(ask_px[r], ask_lots[r], lots[r])
        remaining = lots[r]
        outcome[i] = _LATE
        for j in range(r + 1, ns.shape[0]):
            if ns[j] - ns[r] > longest:
                break
            limit = (
                kind[j] == LIMIT_IN_SPREAD or kind[j] == LIMIT_AT_BEST or kind[j] == LIMIT_DEEPER
            )
            if limit and side[j] == taken and (price[j] - worst) * taken >= 0:
                remaining -= lots[j]
                if remaining <= 0:
                    seconds[i] = (ns[j] - ns[r]) / NS_PER_SECOND
                    outcome[i] = _BACK
                    break


@kernel
def _worst_paid(px: Any, shown: Any, lots: int) -> int:
    """Price of the level at which the visible levels add up to `lots`; of the last level where they never do."""
    worst = px[0]
    for level in range(px.shape[0]):
        if shown[level] <= 0:
            break
        worst = px[level]
        lots -= shown[level]
        if lots <= 0:
            break
    return int(worst)
