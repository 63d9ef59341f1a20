"""Distances between two samples: L1 on bins of the reference, also by class, normalised Wasserstein, and gates.

L1 is half the sum of |p - q| over bins, 0 for equal laws and 1 for laws that share no bin. The bins come from the
reference (the real tape) alone: cuts at its quantiles, and every value that makes up a bin's share by itself (a round
lot of 100 shares) is a bin of its own. Wasserstein-1 is taken after both samples are divided by the standard deviation
of the pool of them, each weighing half.

Gates beyond marginal distances: volatility by horizon, spread, market orders, sign memory, response.

Each gate compares one number of the simulated market with the real one's. Several samples (seeds, days) are averaged
before they are compared: volatilities as variances, all else plainly.

Two-sample classifier test: gradient boosting on fixed features of windows of 50 events.

Both tapes are cut into windows of 50 events; the first 60 % of each tape's windows train the classifier and the rest
test it, so that no window is near one it was trained on. The area under the ROC curve is 0.5 where the tapes cannot be
distinguished and 1 where every window gives itself away; two real days of one stock reach 0.7 to 0.8.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs
from tercel.core.stats.inference import ranks
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed
from tercel.market.observed.kernel import KINDS, LIMIT_DEEPER, MARKET, NAMES
from tercel.market.score.calibrated import HALF_HOUR_NS
from tercel.market.score.sample import (
    CURVES,
    FOURTEEN,
    RESPONSE_LAGS,
    SD_SECONDS,
    ZERO_WAIT_S,
    Sample,
    minute_volume,
)

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
        alone = np.asarray(atoms, np.float64)
        return cls(
            np.unique(
                np.concatenate((np.asarray(plain, np.float64), alone, np.nextafter(alone, np.inf)))
            )
        )


def l1(p: Floats, q: Floats) -> float:
    """Half the sum of |p - q|.

    >>> l1(np.array([0.5, 0.5]), np.array([0.75, 0.25]))
    0.25
    """
    return 0.5 * float(np.abs(p - q).sum())


def wasserstein(reference: Floats, other: Floats) -> float:
    """Wasserstein-1 between two samples, in standard deviations of the half-and-half pool of them.

    >>> round(wasserstein(np.array([0.0, 1.0]), np.array([1.0, 2.0])), 4)
    1.4142
    """
    a, b = np.sort(reference), np.sort(other)
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
        """Bins from a sample, and what falls into them."""
        bins = {n: Bins.of(real.values[n], FEW_BINS if n in FEW else BINS) for n in FOURTEEN}
        return cls(bins, {n: bins[n].counts(real.values[n]) for n in FOURTEEN}, real.curves, real)

    def l1(self, other: Sample) -> dict[str, float]:
        """L1 of the fourteen statistics, and the mean absolute difference of both autocorrelations."""
        shares = {n: counted / max(counted.sum(), 1) for n, counted in self.counts.items()}
        found = {n: l1(shares[n], self.bins[n].shares(other.values[n])) for n in FOURTEEN}
        return found | {n: float(np.abs(self.curves[n] - other.curves[n]).mean()) for n in CURVES}

    def to_json(self) -> dict[str, Any]:
        """Bins and counts as they are, the autocorrelations to four digits after the point."""
        return {
            "bins": {n: [*self.bins[n].to_json(), self.counts[n].tolist()] for n in FOURTEEN},
            "curves": {n: self.curves[n].round(4).tolist() for n in CURVES},
        }

    @classmethod
    def of_json(cls, given: "StoredReference") -> "Reference":
        """Read a reference as :meth:`to_json` writes it, without the sample."""
        rows = {n: given.bins[n] for n in FOURTEEN}
        bins = {n: Bins.of_json(plain, atoms) for n, (plain, atoms, _) in rows.items()}
        counts = {n: np.array(counted, np.int64) for n, (_, _, counted) in rows.items()}
        if any(counts[n].shape != (bins[n].n,) for n in FOURTEEN):
            raise ValueError("bins and counts of different number")
        return cls(bins, counts, {n: np.array(given.curves[n], np.float64) for n in CURVES})

    def wasserstein(self, other: Sample) -> dict[str, float | None]:
        """Wasserstein distances of the fourteen; None for event kinds (unordered) and autocorrelations."""
        if self.real is None:
            return dict.fromkeys((*FOURTEEN, *CURVES))
        found: dict[str, float | None] = {
            n: None if n == "event_mix" else wasserstein(self.real.values[n], other.values[n])
            for n in FOURTEEN
        }
        return found | dict.fromkeys(CURVES)


def mean14(found: Mapping[str, float]) -> float:
    """Mean L1 of the fourteen statistics."""
    return float(np.mean([found[name] for name in FOURTEEN]))


# -- gates: volatility by horizon, spread, market orders, sign memory, response --

RELATIVE: Final = 0.10
"""Volatility, spread, count and size of market orders."""
SIGN: Final = 0.10
"""Sign autocorrelation, absolute."""
SIGN_LAGS: Final = (1, 5, 20)
RESPONSE: Final = 0.25
"""Response function, relative."""
GATED_LAGS: Final = (1, 5, 20)
LEVELS: Final = ("sd_", "mean_spread", "market_")
"""Prefixes of figures whose level varies by day."""
RATIO: Final = 0.15
"""Variance ratios, absolute."""


@dataclass(frozen=True)
class ScoreGate:
    """A simulated number beside the tape's, and whether it is near enough; not passed where one of them is None."""

    value: float | None
    real: float | None
    passed: bool


@dataclass(frozen=True)
class LevelGate(ScoreGate):
    """A gate with the days' level taken out (:func:`at_level`)."""

    by_model: float | None
    by_day: float | None


def gates(reals: Mapping[str, float], sims: Mapping[str, float]) -> dict[str, ScoreGate]:
    """Every gate, of the tape's `numbers` and the simulated ones."""
    return {name: judged(name, sims[name], reals[name]) for name in sims}


def at_level(
    reals: Mapping[str, float], train: Mapping[str, float], sims: Mapping[str, float]
) -> dict[str, LevelGate]:
    """Gates with the days' level taken out: volatility, spread, and rate and size of market orders move as the tape's
    do from the days calibrated on to these.

    `by_model` is the simulated value over that of the days calibrated on, `by_day` theirs over that of these days; the
    product is the misfit. Both are None for what has no level.

    >>> found = at_level({"sd_1s": 2.0}, {"sd_1s": 1.0}, {"sd_1s": 1.05})["sd_1s"]
    >>> found.passed, found.by_model, found.by_day
    (True, 1.05, 0.5)
    """
    found = {}
    for name, value in sims.items():
        has_level = name.startswith(LEVELS) and reals[name] > 0 and train[name] > 0
        moved = value * reals[name] / train[name] if has_level else value
        ratios = (value / train[name], train[name] / reals[name]) if has_level else (None, None)
        gate = judged(name, moved, reals[name])
        found[name] = LevelGate(gate.value, gate.real, gate.passed, *ratios)
    return found


def numbers(drawn: Sample | Sequence[Sample]) -> dict[str, float]:
    """Gated quantities, averaged over samples."""
    samples = [drawn] if isinstance(drawn, Sample) else list(drawn)

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values))

    sd = {h: float(np.sqrt(mean([s.sd[h] ** 2 for s in samples]))) for h in SD_SECONDS}
    found = {f"sd_{h}s": sd[h] for h in SD_SECONDS}
    found["mean_spread"] = mean([s.mean_spread for s in samples])
    found["market_orders"] = 60.0 * mean([s.market_orders_per_s for s in samples])
    found["market_size"] = mean([s.mean_market_size for s in samples])
    for lag in SIGN_LAGS:
        found[f"sign_acf_{lag}"] = mean([s.curves["sign_acf"][lag - 1] for s in samples])
    for lag in GATED_LAGS:
        found[f"response_{lag}"] = mean([s.response[RESPONSE_LAGS.index(lag)] for s in samples])
    for short, long in itertools.pairwise(SD_SECONDS):
        found[f"variance_ratio_{long}s"] = (
            sd[long] / (sd[short] * np.sqrt(long / short)) if sd[short] else np.nan
        )
    return {name: float(value) for name, value in found.items()}


def judged(name: str, value: float, real: float) -> ScoreGate:
    """One gate's verdict.

    >>> judged("sd_1s", 1.05, 1.0).passed, judged("sign_acf_1", 0.45, 0.6).passed
    (True, False)
    """
    if not (np.isfinite(value) and np.isfinite(real)):
        return ScoreGate(finite(value), finite(real), False)
    if name.startswith("sign_acf"):
        passed = abs(value - real) <= SIGN
    elif name.startswith("variance_ratio"):
        passed = abs(value - real) <= RATIO
    else:
        passed = abs(value - real) <= (RESPONSE if name.startswith("response") else RELATIVE) * abs(
            real
        )
    return ScoreGate(value, real, bool(passed))


def finite(value: float | None) -> float | None:
    """The number, or None if it is not finite: JSON has no NaN."""
    return float(value) if value is not None and np.isfinite(value) else None


# -- conditional -----------------------------------------------------------------------------------
# Distances conditional on the spread and on the time of day, which marginal distances can hide.
#
# The reference's events fall into classes (four of spread by its quantiles, or half hours since the opening); within each
# the L1 distance is taken on the reference's own bins, and the classes are weighed by their share of the reference.

GIVEN_SPREAD: Final = ("touch_depth", "imbalance", "event_mix", "limit_distance", "log_wait")
GIVEN_TIME: Final = ("spread", "touch_depth", "event_mix", "log_wait", "minute_volume")
CLASSES: Final = 4
MIN_VALUES: Final = 20
"""Values of the reference below which a class is left out."""
LEAST_MET: Final = 0.5
"""Share of the reference's classes that the other side must have."""

Pairs = tuple[Floats, Floats]
"""Values, and their conditioning variables."""


def given_spread(parts: Sequence[Observed], clock_ns: int) -> dict[str, Pairs]:
    """(values, spread before the event) of each statistic in `GIVEN_SPREAD`."""
    drawn = [_by_event(o, clock_ns) for o in parts]
    return {name: _joined([(d[name][0], d[name][1]) for d in drawn]) for name in GIVEN_SPREAD}


def given_time(parts: Sequence[Observed], clock_ns: int) -> dict[str, Pairs]:
    """(values, half hour since the opening) of each statistic in `GIVEN_TIME`."""
    drawn = [_by_event(o, clock_ns) for o in parts]
    found = {
        n: _joined([(d[n][0], d[n][2]) for d in drawn]) for n in GIVEN_TIME if n != "minute_volume"
    }
    volume = [minute_volume(o) for o in parts]
    minute = [
        ((o.start_ns - o.open_ns + np.arange(len(v)) * 60 * NS_PER_SECOND) // HALF_HOUR_NS).astype(
            np.float64
        )
        for o, v in zip(parts, volume, strict=True)
    ]
    return found | {"minute_volume": (np.concatenate(volume), np.concatenate(minute))}


def _joined(pairs: Sequence[Pairs]) -> Pairs:
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _by_event(o: Observed, clock_ns: int) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Values with the spread and the half hour of the event that each belongs to."""
    own = ~o.remainder
    kind = o.kind[own]
    spread = (o.ask_px[own, 0] - o.bid_px[own, 0]).astype(np.float64)
    hour = ((o.ns[own] - o.open_ns) // HALF_HOUR_NS).astype(np.float64)
    bid, ask = (x[own, 0] * float(o.lot) for x in (o.bid_lots, o.ask_lots))
    limit = kind <= LIMIT_DEEPER
    behind = o.behind[own].astype(np.float64)
    wait = np.log10(
        np.maximum(np.diff(o.ns[own] // clock_ns) * (clock_ns / NS_PER_SECOND), ZERO_WAIT_S)
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


class Conditioned:
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
        chosen = [values[classes == c] for c in self.classes]
        counts = np.array([len(x) for x in chosen], np.float64)
        self.weights = counts / max(counts.sum(), 1.0)
        self.bins = [Bins.of(x, int(np.clip(len(x) // 5, 2, BINS))) for x in chosen]
        self.shares = [b.shares(x) for b, x in zip(self.bins, chosen, strict=True)]

    def _class_of(self, given: Floats) -> Longs:
        return np.searchsorted(self.cuts, given, side="right")

    def l1(self, values: Floats, given: Floats) -> float | None:
        """Mean L1 over the classes; a class empty on the other side counts 1.

        None without classes, and where the other side lacks classes of half the weight (another time of day).
        """
        classes = self._class_of(given)
        met = [bool(np.any(classes == c)) for c in self.classes]
        if not self.classes or float(np.sum(self.weights[met])) < LEAST_MET:
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
        self.by_spread = {n: Conditioned(v, g, quantiles) for n, (v, g) in spread.items()}
        self.by_time = {n: Conditioned(v, g) for n, (v, g) in given_time([real], clock_ns).items()}

    def l1(self, parts: Sequence[Observed]) -> dict[str, float | None]:
        """L1 of "statistic | spread" and "statistic | time"."""
        spread, time = given_spread(parts, self.clock_ns), given_time(parts, self.clock_ns)
        found = {f"{n} | spread": c.l1(*spread[n]) for n, c in self.by_spread.items()}
        return found | {f"{n} | time": c.l1(*time[n]) for n, c in self.by_time.items()}


WINDOW: Final = 50
TRAIN_SHARE: Final = 0.6
MIN_WINDOWS: Final = 40
"""Windows of each tape below which no classifier is trained."""
MOST_WINDOWS: Final = 4000
FEATURES: Final = (
    *(f"share of {name}" for name in NAMES),
    "same side as before",
    "same kind as before",
    "same size as before",
    "mean log wait",
    "sd of log wait",
    "share of no wait",
    "autocorrelation of log wait",
    "mean spread",
    "sd of spread",
    "mean log touch depth",
    "mean log deep depth",
    "mean absolute imbalance",
    "mean log size",
    "sd of log size",
    "share of round lots",
    "mean distance of limit orders",
    "autocorrelation of their distance",
    "absolute move of the mid",
)
ROUND_LOT: Final = 100


def features(o: Observed, clock_ns: int = 1) -> Floats:
    """Features of each whole window, shape (windows, 24), in the order of `FEATURES`."""
    own = ~o.remainder
    n = int(np.count_nonzero(own)) // WINDOW
    if n == 0:
        return np.empty((0, len(FEATURES)))

    def cut(values: NDArray[Any]) -> Floats:
        return np.asarray(values[own][: n * WINDOW], np.float64).reshape(n, WINDOW)

    kind, side, size = cut(o.kind), cut(o.side), cut(o.lots) * o.lot
    wait = np.diff(cut(o.ns // clock_ns), axis=1) * (clock_ns / NS_PER_SECOND)
    log_wait, log_size = np.log10(np.maximum(wait, ZERO_WAIT_S)), np.log(size)
    spread = cut(o.ask_px[:, 0] - o.bid_px[:, 0])
    bid, ask = cut(o.bid_lots[:, 0]) * o.lot, cut(o.ask_lots[:, 0]) * o.lot
    deep = cut(o.bid_lots[:, 1:5].sum(axis=1) + o.ask_lots[:, 1:5].sum(axis=1)) * o.lot
    limit = kind <= LIMIT_DEEPER
    behind = np.where(limit, cut(o.behind), np.nan)
    mid = cut(o.bid_px[:, 0] + o.ask_px[:, 0]) / 2.0
    columns = [
        *((kind == code).mean(axis=1) for code in range(KINDS)),
        *((x[:, 1:] == x[:, :-1]).mean(axis=1) for x in (side, kind, size)),
        log_wait.mean(axis=1),
        log_wait.std(axis=1),
        (wait <= 0).mean(axis=1),
        _lag_one(log_wait),
        spread.mean(axis=1),
        spread.std(axis=1),
        np.log(np.maximum(bid, 1.0) * np.maximum(ask, 1.0)).mean(axis=1) / 2.0,
        np.log1p(deep).mean(axis=1),
        np.abs((bid - ask) / (bid + ask)).mean(axis=1),
        log_size.mean(axis=1),
        log_size.std(axis=1),
        (size % ROUND_LOT == 0).mean(axis=1),
        _mean_of(behind),
        _lag_one_of_given(behind),
        np.abs(mid[:, -1] - mid[:, 0]),
    ]
    return np.stack(columns, axis=1)


def _lag_one(x: Floats) -> Floats:
    """Autocorrelation at lag 1 along each row, 0 for constant rows."""
    centred = x - x.mean(axis=1, keepdims=True)
    variance = np.sum(centred * centred, axis=1)
    out = np.zeros(len(x))
    np.divide(
        np.sum(centred[:, 1:] * centred[:, :-1], axis=1), variance, out=out, where=variance > 0
    )
    return out


def _mean_of(x: Floats) -> Floats:
    """Row means without NaN; 0 for a row of NaN alone."""
    given = ~np.isnan(x)
    return np.asarray(np.nansum(x, axis=1) / np.maximum(given.sum(axis=1), 1), np.float64)


def _lag_one_of_given(x: Floats) -> Floats:
    """Autocorrelation at lag 1 of each row's values that are not NaN, in their order, 0 for constant rows."""
    out = np.zeros(len(x))
    for i, row in enumerate(x):
        given = row[~np.isnan(row)]
        if len(given) > 2:
            out[i] = _lag_one(given[None, :])[0]
    return out


def auc(positive: Floats, negative: Floats) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half.

    >>> auc(np.array([0.9, 0.4]), np.array([0.1, 0.4]))
    0.875
    """
    rank = ranks(np.concatenate((positive, negative)))
    n, m = len(positive), len(negative)
    return float((rank[:n].sum() - n * (n + 1) / 2.0) / (n * m))


def classifier_auc(
    real: Observed | Sequence[Observed], other: Observed | Sequence[Observed], clock_ns: int = 1
) -> float | None:
    """AUC of the classifier on windows away from those it was trained on; None for too few windows.

    Raises
    ------
    ConfigError
        scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise ConfigError(
            "scikit-learn for the classifier",
            "it is not installed",
            "install tercel[signals], or give `classifier=False`",
        ) from error
    sides = [_windows(tape, clock_ns) for tape in (real, other)]
    if min(sum(len(x) for x in parts) for parts in sides) < MIN_WINDOWS:
        return None
    (real_train, real_test), (other_train, other_test) = sides
    model = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0)
    model.fit(
        np.concatenate((real_train, other_train)),
        np.repeat([1, 0], [len(real_train), len(other_train)]),
    )
    scores = [model.predict_proba(x)[:, 1] for x in (real_test, other_test)]
    return auc(scores[0], scores[1])


def _windows(tape: Observed | Sequence[Observed], clock_ns: int) -> tuple[Floats, Floats]:
    """Training and test windows: the first 60 % of each stretch, and the rest; thinned evenly to `MOST_WINDOWS`."""
    parts = [tape] if isinstance(tape, Observed) else tape
    train, test = [], []
    for part in parts:
        rows = features(part, clock_ns)
        cut = int(TRAIN_SHARE * len(rows))
        train.append(rows[:cut])
        test.append(rows[cut:])
    return _thinned(np.concatenate(train)), _thinned(np.concatenate(test))


def _thinned(rows: Floats) -> Floats:
    step = -(-len(rows) // MOST_WINDOWS) if len(rows) else 1
    return rows[::step]
