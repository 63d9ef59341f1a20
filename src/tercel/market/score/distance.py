"""Distances between two samples: L1 on bins of the reference, and normalised Wasserstein.

L1 is half the sum of |p - q| over bins, 0 for equal laws and 1 for laws that share no bin. The bins come from the
reference (the real tape) alone: cuts at its quantiles, and every value that makes up a bin's share by itself (a round
lot of 100 shares) is a bin of its own. Wasserstein-1 is taken after both samples are divided by the standard deviation
of the pool of them, each weighing half.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from tercel.core.jit import Floats, Longs
from tercel.market.score.sample import CURVES, FOURTEEN, Sample

BINS: Final = 20
FEW_BINS: Final = 10
FEW: Final = ("return_60s", "minute_volume")
"""Statistics with too few values for twenty bins."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Cuts of the line: bin i holds cuts[i - 1] <= x < cuts[i].

    >>> bins = Bins.of(np.array([100.0] * 50 + list(range(1, 51))), 4)
    >>> bins.shares(np.array([100.0, 100.0, 3.0, 40.0])).tolist()
    [0.25, 0.25, 0.5, 0.0]
    """

    cuts: Floats

    @classmethod
    def of(cls, reference: Floats, count: int) -> "Bins":
        """Bins at the quantiles k / count of the reference; values with a bin's share or more get bins of their own."""
        if not len(reference):
            return cls(np.empty(0))
        ordered = np.sort(reference)
        quantiles = ordered[
            np.minimum(np.arange(1, count) * len(ordered) // count, len(ordered) - 1)
        ]
        values, counts = np.unique(ordered, return_counts=True)
        atoms = values[counts * count >= len(ordered)]
        return cls(np.unique(np.concatenate((quantiles, atoms, np.nextafter(atoms, np.inf)))))

    @property
    def n(self) -> int:
        """Number of bins."""
        return len(self.cuts) + 1

    def index(self, values: Floats) -> Longs:
        """Bin of each value."""
        return np.searchsorted(self.cuts, values, side="right")

    def counts(self, values: Floats) -> Longs:
        """Number of the values in each bin."""
        return np.bincount(self.index(values), minlength=self.n)

    def shares(self, values: Floats) -> Floats:
        """Share of the values in each bin."""
        return self.counts(values) / max(len(values), 1)

    def to_json(self) -> list[list[float]]:
        """Cuts, and the values that are bins alone."""
        atoms = self.cuts[np.isin(np.nextafter(self.cuts, np.inf), self.cuts)]
        plain = self.cuts[~np.isin(self.cuts, np.concatenate((atoms, np.nextafter(atoms, np.inf))))]
        return [[int(x) if x == int(x) else float(x) for x in row] for row in (plain, atoms)]

    @classmethod
    def of_json(cls, plain: Sequence[float], atoms: Sequence[float]) -> "Bins":
        """The very bins that :meth:`to_json` wrote.

        >>> bins = Bins.of(np.array([100.0] * 50 + list(range(1, 51))), 4)
        >>> bool(np.all(Bins.of_json(*bins.to_json()).cuts == bins.cuts))
        True
        """
        atom_values = np.asarray(atoms, np.float64)
        return cls(
            np.unique(
                np.concatenate(
                    (np.asarray(plain, np.float64), atom_values, np.nextafter(atom_values, np.inf))
                )
            )
        )


def l1(p: Floats, q: Floats) -> float:
    """Half the sum of |p - q|.

    >>> l1(np.array([0.5, 0.5]), np.array([0.75, 0.25]))
    0.25
    """
    return 0.5 * float(np.abs(p - q).sum())


def wasserstein(reference: Floats, sample: Floats) -> float:
    """Wasserstein-1 between two samples, in standard deviations of the half-and-half pool of them.
    NaN if a sample is empty, 0 if the pool is constant.

    >>> round(wasserstein(np.array([0.0, 1.0]), np.array([1.0, 2.0])), 4)
    1.4142
    """
    a = np.sort(reference)
    b = np.sort(sample)
    if not len(a) or not len(b):
        return float("nan")
    mean = 0.5 * (a.mean() + b.mean())
    sd = np.sqrt(0.5 * (np.mean((a - mean) ** 2) + np.mean((b - mean) ** 2)))
    if sd <= 0.0:
        return 0.0
    # Both quantile functions are steps: the integral of their difference over the union of the steps' edges.
    edges = np.union1d(np.arange(1, len(a) + 1) / len(a), np.arange(1, len(b) + 1) / len(b))
    middle = edges - 0.5 * np.diff(edges, prepend=0.0)
    at_a = a[np.minimum((middle * len(a)).astype(np.int64), len(a) - 1)]
    at_b = b[np.minimum((middle * len(b)).astype(np.int64), len(b) - 1)]
    return float(np.sum(np.diff(edges, prepend=0.0) * np.abs(at_a - at_b)) / sd)


class StoredReference(msgspec.Struct):
    """A reference in a card: of each statistic the cuts, the values that are bins alone and the counts; the curves."""

    bins: dict[str, tuple[list[float], list[float], list[int]]]
    curves: dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class Reference:
    """A real sample as bins, to compare others with.

    Attributes
    ----------
    bins : dict of str to Bins
    counts : dict of str to int64[bins]
        Of the fourteen.
    curves : dict of str to float64[lags]
        The autocorrelations.
    real : Sample, optional
        The sample itself; without it there is no Wasserstein distance.
    """

    bins: dict[str, Bins]
    counts: dict[str, Longs]
    curves: dict[str, Floats]
    real: Sample | None = None

    @classmethod
    def of(cls, real: Sample) -> "Reference":
        """Reference from a sample: bins of each statistic, their counts, and both curves."""
        bins = {n: Bins.of(real.values[n], FEW_BINS if n in FEW else BINS) for n in FOURTEEN}
        return cls(bins, {n: bins[n].counts(real.values[n]) for n in FOURTEEN}, real.curves, real)

    def l1(self, sample: Sample) -> dict[str, float]:
        """L1 of the fourteen statistics, and the mean absolute difference of both autocorrelations."""
        shares = {n: counted / max(counted.sum(), 1) for n, counted in self.counts.items()}
        distances = {n: l1(shares[n], self.bins[n].shares(sample.values[n])) for n in FOURTEEN}
        return distances | {
            n: float(np.abs(self.curves[n] - sample.curves[n]).mean()) for n in CURVES
        }

    def to_json(self) -> dict[str, Any]:
        """Bins and counts as they are, the autocorrelations to four digits after the point."""
        return {
            "bins": {n: [*self.bins[n].to_json(), self.counts[n].tolist()] for n in FOURTEEN},
            "curves": {n: self.curves[n].round(4).tolist() for n in CURVES},
        }

    @classmethod
    def of_json(cls, stored: "StoredReference") -> "Reference":
        """Read a reference as :meth:`to_json` writes it, without the sample."""
        rows = {n: stored.bins[n] for n in FOURTEEN}
        bins = {n: Bins.of_json(plain, atoms) for n, (plain, atoms, _) in rows.items()}
        counts = {n: np.array(counted, np.int64) for n, (_, _, counted) in rows.items()}
        if any(counts[n].shape != (bins[n].n,) for n in FOURTEEN):
            raise ValueError("bins and counts of different number")
        return cls(bins, counts, {n: np.array(stored.curves[n], np.float64) for n in CURVES})

    def wasserstein(self, sample: Sample) -> dict[str, float | None]:
        """Wasserstein distances of the fourteen; None for event kinds (unordered), autocorrelations, and all without `real`."""
        if self.real is None:
            return dict.fromkeys((*FOURTEEN, *CURVES))
        distances: dict[str, float | None] = {
            n: None if n == "event_mix" else wasserstein(self.real.values[n], sample.values[n])
            for n in FOURTEEN
        }
        return distances | dict.fromkeys(CURVES)


def mean14(distances: Mapping[str, float]) -> float:
    """Mean L1 of the fourteen statistics."""
    return float(np.mean([distances[name] for name in FOURTEEN]))


def finite_or_none(value: float | None) -> float | None:
    """The number, or None if it is not finite: JSON has no NaN."""
    return float(value) if value is not None and np.isfinite(value) else None


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
