"""Data classes of an estimate with its confidence interval, and of a paired gain (`core.stats` computes them)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Estimate:
    """An estimate with its confidence interval; the bounds are None without data to resample."""

    mean: float
    ci_low: float | None
    ci_high: float | None

    @classmethod
    def of(cls, cell: Mapping[str, Any]) -> Self:
        """Read the object of :meth:`to_json`; a missing mean is NaN.

        >>> Estimate.of({"mean": None})
        Estimate(mean=nan, ci_low=None, ci_high=None)
        """
        values = {field.name: cell.get(field.name) for field in fields(cls)}
        return cls(**values | {"mean": math.nan if values["mean"] is None else values["mean"]})

    def to_json(self) -> dict[str, Any]:
        """Mean and bounds by name as a dictionary, never rounded.

        >>> Estimate(1.0, 0.5, 1.5).to_json()
        {'mean': 1.0, 'ci_low': 0.5, 'ci_high': 1.5}
        """
        return asdict(self)

    def times(self, factor: float) -> "Estimate":
        """The estimate and its interval multiplied by `factor`; a negative factor swaps the bounds.

        >>> Estimate(-1.0, -3.0, 1.0).times(-1)
        Estimate(mean=1.0, ci_low=-1.0, ci_high=3.0)
        """
        low, high = (None if end is None else factor * end for end in (self.ci_low, self.ci_high))
        return Estimate(factor * self.mean, *((low, high) if factor >= 0 else (high, low)))


@dataclass(frozen=True)
class PairedGain(Estimate):
    """Paired gain of one strategy over another on the same episodes, bps: positive is better.

    Parameters
    ----------
    p_adjusted : float or None
        Two-sided p-value after the correction of all comparisons; None before it, or without a test.
    power : float or None
        Smallest true gain that would be found with 80 % power, bps.
    """

    p_adjusted: float | None = None
    power: float | None = None
