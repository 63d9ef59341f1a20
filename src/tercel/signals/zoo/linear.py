"""Linear models: ridge regression and logistic regression by Newton's method.

Columns are standardised with the training's weighted mean and deviation; the penalty acts on the standardised
coefficients, never on the intercept.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from tercel.core.arrays import Floats
from tercel.signals.zoo.base import Classifier, Regressor, scale_of


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

    alpha: float = 1.0

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


@dataclass(eq=False, repr=False)
class Logistic(Classifier):
    """Logistic regression with an L2 penalty, by iteratively reweighted least squares.

    Parameters
    ----------
    C : float
        Inverse of the penalty, as scikit-learn counts it.
    max_iter : int
        Newton steps at most.

    NaN is refused; sample weights are used.
    """

    learned = ("coef_", "intercept_")

    C: float = 1.0
    max_iter: int = 50

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        mean, deviation = scale_of(X, weights)
        Z = np.concatenate([(X - mean) / deviation, np.ones((len(X), 1))], axis=1)
        penalty = np.full(Z.shape[1], 1.0 / self.C)
        penalty[-1] = 1e-10
        share = np.clip(np.average(up, weights=weights), 1e-6, 1 - 1e-6)
        beta = np.zeros(Z.shape[1])
        beta[-1] = np.log(share / (1 - share))
        self.n_iter_ = 0
        for _ in range(self.max_iter):
            self.n_iter_ += 1
            chance = expit(Z @ beta)
            slope = Z.T @ (weights * (up - chance)) - penalty * beta
            curvature = (Z * (weights * np.maximum(chance * (1 - chance), 1e-9))[:, None]).T @ Z + np.diag(penalty)
            step = np.linalg.solve(curvature, slope)
            # half steps where a whole one would leap over the optimum of separable data
            beta += step * min(1.0, 8.0 / max(float(np.abs(step).max()), 1e-300))
            if np.abs(step).max() < 1e-8:
                break
        self.coef_ = beta[:-1] / deviation
        self.intercept_ = float(beta[-1] - mean @ self.coef_)

    def decision_function(self, X: Floats) -> Floats:
        """Log odds of the second class, (n,)."""
        features = self._asked(X)
        return self._finite(features @ self.coef_ + self.intercept_)

    def _chance(self, X: Floats) -> Floats:
        return np.asarray(expit(X @ self.coef_ + self.intercept_))
