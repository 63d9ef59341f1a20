"""Activity of the calibration minutes: a seasonal curve, each minute's excess, and its market-order rate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.extract import ExtractedDay
from tercel.market.flow.queue_reactive.latent import latent


@dataclass(frozen=True)
class Minutes:
    """Activity by minute of the calibration days.

    Attributes
    ----------
    season : float64[SEASONS]
    edges, mean : float64[ACTIVITIES - 1], float64[ACTIVITIES]
    classes : list of int64[minutes]
        By day.
    rows : float64[n, 3]
        Activity over season, factor of market orders (drawn given the tape), day.
    markets : list of float64[minutes]
        Mean factor of market orders given the tape, by day.
    """

    season: Floats
    edges: Floats
    mean: Floats
    classes: list[Ints]
    rows: Floats
    markets: list[Floats]

    def steady(self) -> "Minutes":
        """The same with the seasonal curve alone: equal minutes within each half hour, one market-order rate."""
        rows = np.column_stack((np.ones((len(self.rows), 2)), self.rows[:, 2]))
        return replace(self, rows=rows, markets=[np.ones_like(one) for one in self.markets])


def minutes_of(days: Sequence[ExtractedDay], session_ns: int) -> Minutes:
    """Estimate the seasonal half hours, each minute's excess, and its market orders per event."""
    everything = np.concatenate([_counts(d, np.ones(len(d.minute), np.bool_)) for d in days])
    half = np.concatenate([_halves(d, session_ns) for d in days])
    mean = everything.mean()
    count = np.bincount(half, minlength=q.SEASONS // 2)
    season = np.where(
        count >= 10,
        np.bincount(half, everything, q.SEASONS // 2) / np.maximum(count, 1) / mean,
        1.0,
    )
    total = everything / mean
    edges = np.quantile(total, np.arange(1, q.ACTIVITIES) / q.ACTIVITIES)
    classes = np.searchsorted(edges, total, side="right")
    by_class = np.array(
        [total[classes == c].mean() if (classes == c).any() else 1.0 for c in range(q.ACTIVITIES)]
    )
    traded = np.concatenate([_counts(d, d.o.kind == q.MARKET) for d in days])
    shares = [
        traded[classes == c].sum() / max(everything[classes == c].sum(), 1.0)
        for c in range(q.ACTIVITIES)
    ]
    bounds = np.cumsum([d.minutes for d in days])[:-1]
    expected = np.array(shares)[classes] * everything
    mean, drawn = latent(np.split(traded, bounds), np.split(expected, bounds))
    day = np.repeat(np.arange(len(days)) % q.DAYS, [d.minutes for d in days])
    return Minutes(
        np.repeat(np.maximum(season, 1e-3), 2),
        edges,
        np.maximum(by_class, 1e-6),
        np.split(classes, bounds),
        np.stack((total / season[half], drawn, day), axis=1),
        np.split(mean, bounds),
    )


def _counts(day: ExtractedDay, rows: Bools) -> Floats:
    """How many of some events came in each minute."""
    return np.bincount(day.minute[rows], minlength=day.minutes)[: day.minutes].astype(float)


def _halves(day: ExtractedDay, session_ns: int) -> Ints:
    """The half hour of the session that each minute is of."""
    since = day.o.start_ns - day.o.open_ns + 60 * NS_PER_SECOND * np.arange(day.minutes)
    return np.minimum(
        (since % session_ns) * (q.SEASONS // 2) // session_ns, q.SEASONS // 2 - 1
    ).astype(np.int64)
