"""Ridge regression.

Columns are standardised with the training's weighted mean and deviation; the penalty acts on the standardised
coefficients, never on the intercept.
"""

from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Floats
from tercel.signals.zoo.base import Penalty, Regressor, scale_of


@dataclass(eq=False, repr=False)
class Ridge(Regressor):
    """Least squares with an L2 penalty (Hoerl & Kennard, 1970), in closed form.

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
        centre = float(np.average(y, weights=weights))
        Z = (X - mean) / deviation
        weighted = Z * weights[:, None]
        normal = weighted.T @ Z + max(self.alpha, 1e-10) * np.eye(Z.shape[1])
        self.coef_ = np.linalg.solve(normal, weighted.T @ (y - centre)) / deviation
        self.intercept_ = centre - float(mean @ self.coef_)

    def _value(self, X: Floats) -> Floats:
        return np.asarray(X @ self.coef_ + self.intercept_)
