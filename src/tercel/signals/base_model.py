"""A fitted model of one source, as fusion weighs it and a model folder keeps it; and one that needs NumPy alone."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import AnyArray, Floats, Indices


@dataclass(frozen=True, eq=False)
class BoundedLinear:
    """A line between bounds: values beyond are taken as these, so that nothing is extrapolated.

    Parameters
    ----------
    low, high, coef : float64 (F,)
    intercept : float
    """

    native_nan: ClassVar[bool] = True
    """A value that is missing makes the forecast missing: nothing stands in for it."""
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

    def kept(self) -> dict[str, AnyArray]:
        """All that a prediction needs."""
        return {
            name: np.asarray(getattr(self, name), np.float64)
            for name in ("low", "high", "coef", "intercept")
        }

    def get_params(self) -> dict[str, Any]:
        """None: everything is learned."""
        return {}


BOUNDED: Final = "bounded_linear"
"""How a card calls :class:`BoundedLinear`, which needs NumPy alone; other parts are families of the zoo."""


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
        What stands for a missing value where the family does not read NaN.
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
        """Name of the model in the fusion."""
        return f"{self.source}:{self.family}"

    def predict(self, x: Floats) -> Floats:
        """Forecasts (n,) for the source's columns (n, len(names)); NaN where all of them are missing."""
        part = x[:, self.used]
        missing = np.isnan(x).all(axis=1)
        ready = (
            part if type(self.model).native_nan else np.where(np.isnan(part), self.medians, part)
        )
        out = np.full(len(x), np.nan)
        if (~missing).any():
            out[~missing] = self.model.predict(ready[~missing])
        return out
