"""Fusion of several forecasts into one, by stacking out-of-fold forecasts alone; a missing source degrades it.

    fused = stack(out_of_fold, y, sources)        columns: one forecast per source, NaN where it was missing
    value, sd = fused.combine(forecasts)          NaN again where a source is missing now

Each source's forecast is first set right by one slope (never negative). The weights minimise the squared error plus
a penalty on their distance from equal weights, and are never negative (Breiman 1996; equal weights are the baseline
that combinations of forecasts seldom beat by much: Stock & Watson 2004). Only moments are stored, so that the fusion
can be adjusted in closed form when a source is missing, without a refit: the other weights grow by what the missing
source had in common with them and by no more, and the standard deviation grows by what only it knew.

Out-of-fold evidence decides which sources have a weight: :mod:`tercel.signals.models.walk_forward` passes as `eligible`
the sources whose slope is above 0 by its 95 % interval. Without such a source the forecast is the target's mean: no
forecast.

Never give in-sample forecasts: the weights would go to the source that overfits most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import AnyArray, Bools, Floats, Indices
from tercel.core.errors import DataError, refuse_if

BOUNDED: Final = "bounded_linear"
"""Name of :class:`BoundedLinear` on a card, which needs NumPy alone; other parts are families of models."""
LEAST_ROWS = 30
"""Rows below which no weight is estimated."""


@dataclass(frozen=True, eq=False)
class BoundedLinear:
    """A line of features clipped to bounds, so that nothing is extrapolated.

    Parameters
    ----------
    low, high, coef : float64 (F,)
    intercept : float
    """

    native_nan: ClassVar[bool] = True
    """A value that is missing makes the forecast missing: it is not imputed."""
    low: Floats
    high: Floats
    coef: Floats
    intercept: float

    def predict(self, X: Floats) -> Floats:
        """Forecasts, float64 (n,), of X, float64 (n, F); NaN where a value is. Row by row: the bits of one are those
        of many."""
        return np.array(
            [np.clip(row, self.low, self.high) @ self.coef + self.intercept for row in X]
        )

    def to_arrays(self) -> dict[str, AnyArray]:
        """Fitted arrays: all that a prediction needs."""
        return {
            name: np.asarray(getattr(self, name), np.float64)
            for name in ("low", "high", "coef", "intercept")
        }

    def get_params(self) -> dict[str, Any]:
        """Constructor parameters: none, since everything is learned."""
        return {}


@dataclass(frozen=True, eq=False)
class BaseModel:
    """A fitted model of one source.

    Parameters
    ----------
    source, family : str
    names : tuple of str
        Columns of the source, in order.
    used : int64 (F,)
        Those that varied in training.
    medians : float64 (F,)
        Replaces a missing value where the family does not read NaN.
    model : estimator
    """

    source: str
    family: str
    names: tuple[str, ...]
    used: Indices
    medians: Floats
    model: Any

    @property
    def name(self) -> str:
        """Name of the model in the fusion, `source:family`."""
        return f"{self.source}:{self.family}"

    def predict(self, x: Floats) -> Floats:
        """Forecasts (n,) for the source's columns (n, len(names)); NaN where all of them are missing."""
        features = x[:, self.used]
        missing = np.isnan(x).all(axis=1)
        ready = (
            features
            if type(self.model).native_nan
            else np.where(np.isnan(features), self.medians, features)
        )
        forecasts = np.full(len(x), np.nan)
        if (~missing).any():
            forecasts[~missing] = self.model.predict(ready[~missing])
        return forecasts


@dataclass(frozen=True, eq=False)
class Fusion:
    """Weights of sources and the moments that they come from.

    Parameters
    ----------
    sources : tuple of str, length K
    centre, slope : float64 (K,)
        A source's forecast p says ``slope * (p - centre)`` of the target's distance from `base`.
    weights : float64 (K,)
        Of what the sources say; not negative.
    gram, common : float64 (K, K) and (K,)
        Means of products of what the sources say, with each other and with the target.
    base, spread : float
        The target's mean and standard deviation.
    tail : float
        Standard deviations that hold 90 % of the out-of-fold errors.
    given : bool
        Whether weights are shares that were given, not learned: a missing source leaves its share to the others.
    """

    sources: tuple[str, ...]
    centre: Floats
    slope: Floats
    weights: Floats
    gram: Floats
    common: Floats
    base: float
    spread: float
    tail: float
    given: bool = False

    def combine(self, forecasts: ArrayLike) -> tuple[Floats, Floats]:
        """The fused forecast and the standard deviation of its error, float64 (n,) each.

        Parameters
        ----------
        forecasts : float (n, K)
            In the order of `sources`; NaN where a source is missing. Where all are, the forecast is `base`.

        Raises
        ------
        DataError
            For another number of columns, or an infinite forecast.
        """
        by_source = np.asarray(forecasts, dtype=np.float64)
        if by_source.ndim != 2 or by_source.shape[1] != len(self.sources):
            raise DataError(
                "one column of forecasts per source",
                f"shape {by_source.shape} for {', '.join(self.sources)}",
                "give NaN for a source that is missing",
            )
        refuse_if(
            np.isinf(by_source).any(),
            "finite forecasts",
            "an infinite one",
            "look at the model that made it",
            DataError,
        )
        present = ~np.isnan(by_source)
        scaled = np.where(present, self.slope * (by_source - self.centre), 0.0)
        masks, pattern = np.unique(present, axis=0, return_inverse=True)
        value = np.empty(len(by_source))
        sd = np.empty(len(by_source))
        for number, mask in enumerate(masks):
            rows = np.asarray(pattern).ravel() == number
            weights, deviation = self.without(mask)
            value[rows] = self.base + scaled[rows] @ weights
            sd[rows] = deviation
        return value, sd

    def without(self, present: ArrayLike) -> tuple[Floats, float]:
        """Weights (K,), grown for what is missing, and error's standard deviation with only the sources in `present`,
        bool (K,).
        """
        mask = np.asarray(present, dtype=bool)
        remaining = np.where(mask, self.weights, 0.0)
        full_deviation = self._deviation(self.weights)
        if mask.all() or remaining.sum() <= 0:
            return remaining, max(full_deviation, self._deviation(remaining))
        most = self.weights.sum() / remaining.sum()
        if self.given:
            return remaining * most, max(full_deviation, self._deviation(remaining * most))
        power = float(remaining @ self.gram @ remaining)
        fair = float(remaining @ self.common) / power if power > 0 else 1.0
        # from "the missing source was independent" (1) to "it said the same" (all of its weight goes to the others)
        rescaled = remaining * float(np.clip(fair, 1.0, most))
        return rescaled, max(full_deviation, self._deviation(rescaled))

    def _deviation(self, weights: Floats) -> float:
        """Standard deviation of the fused forecast's error for some weights (K,), from the stored moments."""
        variance = (
            self.spread**2 - 2 * float(weights @ self.common) + float(weights @ self.gram @ weights)
        )
        return float(np.sqrt(max(variance, 1e-12 * self.spread**2)))

    def to_json(self) -> dict[str, Any]:
        """Fields as plain values for JSON."""
        arrays = {
            name: getattr(self, name).tolist()
            for name in ("centre", "slope", "weights", "gram", "common")
        }
        numbers = {"base": self.base, "spread": self.spread, "tail": self.tail}
        return {
            "sources": list(self.sources),
            **arrays,
            **numbers,
            **({"given": True} if self.given else {}),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Fusion":
        """Restore a fusion from :meth:`to_json`.

        Raises
        ------
        DataError
            When a part is missing, of another shape or not finite.
        """
        try:
            sources = tuple(str(name) for name in raw["sources"])
            k = len(sources)
            shapes = {
                "centre": (k,),
                "slope": (k,),
                "weights": (k,),
                "gram": (k, k),
                "common": (k,),
            }
            arrays = {
                name: np.asarray(raw[name], np.float64).reshape(shape)
                for name, shape in shapes.items()
            }
            base, spread, tail = (float(raw[name]) for name in ("base", "spread", "tail"))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "a fusion as it was saved", f"{type(error).__name__}: {error}", "train again"
            ) from error
        numbers = np.concatenate(
            [*(array.ravel() for array in arrays.values()), [base, spread, tail]]
        )
        refuse_if(
            not np.isfinite(numbers).all() or (arrays["weights"] < 0).any(),
            "finite numbers and weights that are not negative",
            "others",
            "train again",
            DataError,
        )
        return cls(
            sources,
            base=base,
            spread=spread,
            tail=tail,
            given=raw.get("given") is True,
            **arrays,
        )


def stack(
    out_of_fold: ArrayLike,
    y: ArrayLike,
    sources: Sequence[str],
    *,
    shrink: float = 0.5,
    eligible: ArrayLike = True,
    shares: ArrayLike | None = None,
) -> Fusion:
    """Learn the weights of sources from out-of-fold forecasts, float (n, K), and targets (n,); or take those given.

    Parameters
    ----------
    out_of_fold : float (n, K)
        Walk-forward forecasts; NaN where a source was missing.
    y : float (n,)
        Outcomes.
    sources : sequence of str, length K
    shrink : float
        0: least squares with weights not negative; 1: equal weights.
    eligible : bool (K,)
        Sources that may have a weight; that of all others is 0.
    shares : float (K,), optional
        Weights of standardised forecasts, in proportion: nothing is learned but each forecast's mean and deviation.

    Raises
    ------
    DataError
        Fewer than 30 rows, targets that are not finite or do not vary, or no source that ever says anything.
    """
    by_source, target, rows = _check_stack_inputs(out_of_fold, y, sources, shrink)
    base = float(rows @ target)
    spread = float(np.sqrt(rows @ (target - base) ** 2))
    refuse_if(
        not spread > 0,
        "targets that vary",
        f"{len(target)} times {base:g}",
        "take a longer history",
        DataError,
    )
    present = ~np.isnan(by_source)
    centre, slope = _calibrate_slopes(
        by_source,
        present & np.asarray(eligible, bool),
        None if shares is not None else target - base,
        rows,
    )
    scaled = np.where(present, slope * (by_source - centre), 0.0)
    gram = (scaled * rows[:, None]).T @ scaled
    common = scaled.T @ (rows * (target - base))
    weights = _nonnegative(gram, common, shrink)
    if shares is not None:
        said = np.asarray(shares, np.float64) * (slope > 0)
        weights = said / (said.sum() or 1.0)
    error = target - base - scaled @ weights
    deviation = float(np.sqrt(max(float(rows @ error**2), 1e-12 * spread**2)))
    tail = float(_weighted_quantile(np.abs(error) / deviation, rows, 0.9))
    return Fusion(
        tuple(sources),
        centre,
        slope,
        weights,
        gram,
        common,
        base,
        spread,
        tail,
        given=shares is not None,
    )


def _check_stack_inputs(
    out_of_fold: ArrayLike, y: ArrayLike, sources: Sequence[str], shrink: float
) -> tuple[Floats, Floats, Floats]:
    """Checked arrays of :func:`stack`: forecasts by source (n, K), targets (n,), and equal weights of rows (n,)."""
    by_source = np.asarray(out_of_fold, np.float64)
    target = np.asarray(y, np.float64)
    refuse_if(
        by_source.ndim != 2
        or by_source.shape != (len(target), len(sources))
        or len(set(sources)) != len(sources),
        "one forecast per row and source, sources named once",
        f"forecasts of shape {by_source.shape}, {len(target)} targets, sources {', '.join(sources)}",
        "line them up",
        DataError,
    )
    refuse_if(
        len(target) < LEAST_ROWS,
        f"at least {LEAST_ROWS} out-of-fold rows",
        str(len(target)),
        "take a longer history",
        DataError,
    )
    refuse_if(
        not np.isfinite(target).all() or np.isinf(by_source).any(),
        "finite targets and forecasts",
        "others",
        "drop rows without a label",
        DataError,
    )
    refuse_if(
        not 0.0 <= shrink <= 1.0,
        "a shrinkage from 0 to 1",
        f"{shrink:g}",
        "0 trusts the sample, 1 is equal weights",
        DataError,
    )
    silent = [
        name for name, column in zip(sources, by_source.T, strict=True) if np.isnan(column).all()
    ]
    if len(silent) == len(sources):
        raise DataError(
            "a source that says something", f"nothing from {', '.join(silent)}", "check the panel"
        )
    return by_source, target, np.full(len(target), 1.0 / len(target))


def _calibrate_slopes(
    by_source: Floats, present: Bools, target: Floats | None, rows: Floats
) -> tuple[Floats, Floats]:
    """Centre and slope of each source over the rows that have it; both 0 below `LEAST_ROWS` rows.

    The slope is of least squares, from 0 to 2; without targets one over the deviation.
    """
    centre = np.zeros(by_source.shape[1])
    slope = np.zeros(by_source.shape[1])
    for k in range(by_source.shape[1]):
        present_rows = present[:, k]
        share = rows[present_rows]
        if present_rows.sum() < LEAST_ROWS or not share.sum() > 0:
            continue
        share = share / share.sum()
        centre[k] = share @ by_source[present_rows, k]
        centred = by_source[present_rows, k] - centre[k]
        variance = float(share @ centred**2)
        if target is None:
            slope[k] = variance**-0.5 if variance > 0 else 0.0
        elif variance > 0:
            slope[k] = np.clip(float(share @ (centred * target[present_rows])) / variance, 0.0, 2.0)
    return centre, slope


def _nonnegative(gram: Floats, common: Floats, shrink: float, rounds: int = 500) -> Floats:
    """Weights >= 0 that minimise the squared error plus a pull to equal weights, by coordinate descent (convex).

    Equal are the weights of the sources that say anything, scaled to the least squared error.
    """
    ones = (np.diag(gram) > 0).astype(np.float64)
    power = float(ones @ gram @ ones)
    even = ones * (max(float(ones @ common), 0.0) / power) if power > 0 else ones
    if shrink >= 1.0:
        return even
    penalty = shrink / (1.0 - shrink) * float(np.mean(np.diag(gram)))
    matrix = gram + penalty * np.eye(len(even))
    target = common + penalty * even
    weights = even.copy()
    for _ in range(rounds):
        before = weights.copy()
        for k in range(len(weights)):
            if matrix[k, k] > 0:
                rest = float(matrix[k] @ weights) - matrix[k, k] * weights[k]
                weights[k] = max((target[k] - rest) / matrix[k, k], 0.0)
        if np.abs(weights - before).max() < 1e-12:
            break
    return weights


def _weighted_quantile(values: Floats, weights: Floats, level: float) -> float:
    """Quantile at `level` of values with weights."""
    order = np.argsort(values, kind="stable")
    index = np.searchsorted(np.cumsum(weights[order]) / weights.sum(), level)
    return float(values[order[min(int(index), len(order) - 1)]])
