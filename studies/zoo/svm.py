"""Support vector machines (Cortes & Vapnik, 1995): linear, and with a Gaussian kernel on a stated subsample."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tercel.core import Floats
from tercel.signals import Estimator, FitError, Regressor, scale_of

# Rows that meet all support vectors at once.
_ROWS = 1024


def gamma_of(Z: Floats) -> float:
    """The width that scikit-learn calls "scale"."""
    return 1.0 / (Z.shape[1] * float(Z.var()) or 1.0)


@dataclass(eq=False, repr=False)
class SupportVectors(Estimator):
    """The parameters, and support vectors with their weights (a linear kernel has one)."""

    kernel: str = "rbf"
    C: float = 1.0
    subsample: int | None = 5000
    random_state: int = 0

    def machine(self, linear: Any, kernel: Any, gamma: float, **more: Any) -> Any:
        """An unfitted machine of scikit-learn: of the class `linear`, which takes `more`, or of the class `kernel`."""
        if self.kernel not in ("linear", "rbf"):
            raise FitError("a kernel: linear or rbf", repr(self.kernel), "name one of these")
        if self.kernel == "linear":
            return linear(
                C=self.C, dual=False, max_iter=3000, random_state=self.random_state, **more
            )
        return kernel(kernel="rbf", gamma=gamma, C=self.C, cache_size=100)

    def chosen(self, rows: int) -> Any:
        """Sorted rows that are learned from: all, or `subsample` of them drawn by the seed."""
        if self.subsample is None or rows <= self.subsample:
            return np.arange(rows)
        return np.sort(
            np.random.default_rng(self.random_state).choice(rows, self.subsample, replace=False)
        )

    def hold(self, machine: Any, gamma: float) -> None:
        """Take what a fitted machine of scikit-learn decides by."""
        self.gamma_, self.intercept_ = gamma, float(np.ravel(machine.intercept_)[0])
        if self.kernel == "linear":
            self.vectors_, self.dual_ = machine.coef_.reshape(1, -1), np.ones(1)
        else:
            self.vectors_, self.dual_ = machine.support_vectors_, machine.dual_coef_.ravel()

    def decision(self, Z: Floats) -> Floats:
        """Decision values (n,) of standardised rows."""
        parts = [self._kernel(Z[at : at + _ROWS]) @ self.dual_ for at in range(0, len(Z), _ROWS)]
        return np.concatenate(parts) + self.intercept_

    def _kernel(self, Z: Floats) -> Floats:
        products: Floats = Z @ self.vectors_.T
        if self.kernel == "linear":
            return products
        apart = (Z**2).sum(axis=1)[:, None] + (self.vectors_**2).sum(axis=1) - 2.0 * products
        return np.asarray(np.exp(-self.gamma_ * np.maximum(apart, 0.0)))


class SvmRegressor(SupportVectors, Regressor):
    """A support vector regressor on the standardised target.

    Parameters
    ----------
    kernel : {"linear", "rbf"}
    C : float
        Inverse of the penalty.
    subsample : int, optional
        Rows that are learned from at most (drawn by the seed): time grows faster than linearly with a kernel.
    random_state : int

    NaN is refused; sample weights are used.
    """

    learned = (
        "vectors_",
        "dual_",
        "gamma_",
        "intercept_",
        "mean_",
        "deviation_",
        "centre_",
        "spread_",
    )

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        from sklearn.svm import SVR, LinearSVR

        rows = self.chosen(len(X))
        X, y, weights = X[rows], y[rows], weights[rows]
        self.mean_, self.deviation_ = scale_of(X, weights)
        centre, spread = scale_of(y[:, None], weights)
        self.centre_, self.spread_ = float(centre[0]), float(spread[0])
        target = (y - self.centre_) / self.spread_
        Z = (X - self.mean_) / self.deviation_
        gamma = gamma_of(Z)
        machine = self.machine(LinearSVR, SVR, gamma, loss="squared_epsilon_insensitive")
        self.hold(machine.fit(Z, target, weights), gamma)

    def _value(self, X: Floats) -> Floats:
        Z = (X - self.mean_) / self.deviation_
        return np.asarray(self.decision(Z) * self.spread_ + self.centre_)
