"""Ridge regression.

Columns are standardised with the training's weighted mean and deviation; the penalty acts on the standardised
coefficients, never on the intercept.
"""

from dataclasses import dataclass

import numpy as np
from sklearn import linear_model

from tercel.core.arrays import Floats
from tercel.signals.zoo.base import Penalty, Regressor, scale_of


@dataclass(eq=False, repr=False)
class Ridge(Regressor):
    """Least squares with an L2 penalty (Hoerl & Kennard, 1970): scikit-learn's, on scaled columns.

    Parameters
    ----------
    alpha : float
        Penalty on standardised coefficients, in rows: ``sum w (y - Xb)^2 + alpha |b|^2``.

    NaN is refused; sample weights are used.
    """

    learned = ("coef_", "intercept_")

    alpha: Penalty = 1.0

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        mean, deviation = scale_of(X, weights)
        line = linear_model.Ridge(max(self.alpha, 1e-10)).fit((X - mean) / deviation, y, weights)
        self.coef_ = line.coef_ / deviation
        self.intercept_ = float(line.intercept_ - mean @ self.coef_)

    def _value(self, X: Floats) -> Floats:
        return np.asarray(X @ self.coef_ + self.intercept_)
