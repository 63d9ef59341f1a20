"""Distances between two samples given the class of the spread or the time of day.

The reference's events fall into classes (four of spread by its quantiles, or half hours since the opening); within each
the L1 distance is taken on the reference's own bins, and the classes are weighed by their share of the reference.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.jit import Floats, Longs
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed
from tercel.market.observed.event_columns import LIMIT_DEEPER, MARKET
from tercel.market.score.distance import BINS, Bins, l1
from tercel.market.score.sample import ZERO_WAIT_S, minute_volume
from tercel.market.score.scored_days import HALF_HOUR_NS

GIVEN_SPREAD: Final = ("touch_depth", "imbalance", "event_mix", "limit_distance", "log_wait")
GIVEN_TIME: Final = ("spread", "touch_depth", "event_mix", "log_wait", "minute_volume")
CLASSES: Final = 4
MIN_VALUES: Final = 20
"""Values of the reference below which a class is left out."""
MIN_CLASS_SHARE: Final = 0.5
"""Share of the reference's classes that the other side must have."""
Pairs = tuple[Floats, Floats]
"""Values, and their conditioning variables."""


def given_spread(parts: Sequence[Observed], clock_ns: int) -> dict[str, Pairs]:
    """(values, spread before the event) of each statistic in `GIVEN_SPREAD`."""
    by_stretch = [_by_event(o, clock_ns) for o in parts]
    return {
        name: _concatenate_pairs([(d[name][0], d[name][1]) for d in by_stretch])
        for name in GIVEN_SPREAD
    }


def given_time(parts: Sequence[Observed], clock_ns: int) -> dict[str, Pairs]:
    """(values, half hour since the opening) of each statistic in `GIVEN_TIME`."""
    by_stretch = [_by_event(o, clock_ns) for o in parts]
    pairs = {
        n: _concatenate_pairs([(d[n][0], d[n][2]) for d in by_stretch])
        for n in GIVEN_TIME
        if n != "minute_volume"
    }
    volume = [minute_volume(o) for o in parts]
    minute = [
        ((o.start_ns - o.open_ns + np.arange(len(v)) * 60 * NS_PER_SECOND) // HALF_HOUR_NS).astype(
            np.float64
        )
        for o, v in zip(parts, volume, strict=True)
    ]
    return pairs | {"minute_volume": (np.concatenate(volume), np.concatenate(minute))}


def _concatenate_pairs(pairs: Sequence[Pairs]) -> Pairs:
    """Pairs (values, given) of several stretches, concatenated into one pair."""
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _by_event(o: Observed, clock_ns: int) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Values with the spread and the half hour of the event that each belongs to."""
    counted = ~o.remainder
    kind = o.kind[counted]
    spread = (o.ask_px[counted, 0] - o.bid_px[counted, 0]).astype(np.float64)
    hour = ((o.ns[counted] - o.open_ns) // HALF_HOUR_NS).astype(np.float64)
    bid, ask = (x[counted, 0] * float(o.lot) for x in (o.bid_lots, o.ask_lots))
    limit = kind <= LIMIT_DEEPER
    behind = o.behind[counted].astype(np.float64)
    wait = np.log10(
        np.maximum(np.diff(o.ns[counted] // clock_ns) * (clock_ns / NS_PER_SECOND), ZERO_WAIT_S)
    )
    twice = np.concatenate((spread, spread)), np.concatenate((hour, hour))
    return {
        "spread": (spread, spread, hour),
        "touch_depth": (np.concatenate((bid, ask)), *twice),
        "imbalance": ((bid - ask) / (bid + ask), spread, hour),
        "event_mix": (np.minimum(kind, MARKET).astype(np.float64), spread, hour),
        "limit_distance": (behind[limit], spread[limit], hour[limit]),
        "log_wait": (wait, spread[1:], hour[1:]),
    }


class ConditionalBins:
    """Classes of the reference, and the bins within each.

    Parameters
    ----------
    values, given : float64[n]
        The reference.
    cuts : float64[c], optional
        Classes of `given`: cuts[i - 1] <= x < cuts[i]. Default: every value is a class.
    """

    def __init__(self, values: Floats, given: Floats, cuts: Floats | None = None) -> None:
        self.cuts = np.unique(given)[1:] if cuts is None else cuts
        classes = self._class_of(given)
        self.classes = [
            c for c in range(len(self.cuts) + 1) if np.count_nonzero(classes == c) >= MIN_VALUES
        ]
        by_class = [values[classes == c] for c in self.classes]
        counts = np.array([len(x) for x in by_class], np.float64)
        self.weights = counts / max(counts.sum(), 1.0)
        self.bins = [Bins.of(x, int(np.clip(len(x) // 5, 2, BINS))) for x in by_class]
        self.shares = [b.shares(x) for b, x in zip(self.bins, by_class, strict=True)]

    def _class_of(self, given: Floats) -> Longs:
        """Number of the class that each value of the condition falls into."""
        return np.searchsorted(self.cuts, given, side="right")

    def l1(self, values: Floats, given: Floats) -> float | None:
        """Mean L1 over the classes, weighed by their share of the reference; a class empty on the other side counts 1.

        None without classes, and where the other side lacks classes of half the weight (another time of day).
        """
        classes = self._class_of(given)
        met = [bool(np.any(classes == c)) for c in self.classes]
        if not self.classes or float(np.sum(self.weights[met])) < MIN_CLASS_SHARE:
            return None
        total = 0.0
        for c, weight, bins, shares in zip(
            self.classes, self.weights, self.bins, self.shares, strict=True
        ):
            chosen = values[classes == c]
            total += weight * (l1(shares, bins.shares(chosen)) if len(chosen) else 1.0)
        return float(total)


class ConditionalReference:
    """Reference stretch by class, to compare others with."""

    def __init__(self, real: Observed, clock_ns: int) -> None:
        self.clock_ns = clock_ns
        spread = given_spread([real], clock_ns)
        quantiles = np.unique(
            np.quantile(spread["imbalance"][1], np.arange(1, CLASSES) / CLASSES, method="lower")
        )
        self.by_spread = {n: ConditionalBins(v, g, quantiles) for n, (v, g) in spread.items()}
        self.by_time = {
            n: ConditionalBins(v, g) for n, (v, g) in given_time([real], clock_ns).items()
        }

    def l1(self, parts: Sequence[Observed]) -> dict[str, float | None]:
        """Distances of stretches to the reference by class: L1 of each statistic given spread, and given time."""
        spread = given_spread(parts, self.clock_ns)
        time = given_time(parts, self.clock_ns)
        by_spread = {f"{n} | spread": c.l1(*spread[n]) for n, c in self.by_spread.items()}
        return by_spread | {f"{n} | time": c.l1(*time[n]) for n, c in self.by_time.items()}
