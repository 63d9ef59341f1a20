"""Support vector machines (Cortes & Vapnik, 1995): linear, and with a Gaussian kernel on a stated subsample.

Chances come from decision values that three contiguous folds give out of fold, calibrated as Platt (1999).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from tercel.core.arrays import Floats
from tercel.signals.zoo.base import Classifier, Estimator, FitError, Regressor, platt, scale_of

_FOLDS = 3


_ROWS = 1024
"""Rows that meet all support vectors at once."""


def _machine(model: Any, regress: bool, gamma: float) -> Any:
    from sklearn import svm

    if model.kernel not in ("linear", "rbf"):
        raise FitError("a kernel: linear or rbf", repr(model.kernel), "name one of these")
    if model.kernel == "linear":
        kind = svm.LinearSVR if regress else svm.LinearSVC
        extra = {"loss": "squared_epsilon_insensitive"} if regress else {}
        return kind(C=model.C, dual=False, max_iter=3000, random_state=model.random_state, **extra)
    kind = svm.SVR if regress else svm.SVC
    return kind(kernel="rbf", gamma=gamma, C=model.C, cache_size=100)


def _gamma(Z: Floats) -> float:
    """The width that scikit-learn calls "scale"."""
    return 1.0 / (Z.shape[1] * float(Z.var()) or 1.0)


def _subsample(model: Any, rows: int) -> Any:
    """Sorted rows that are learned from: all, or `subsample` of them drawn by the seed."""
    if model.subsample is None or rows <= model.subsample:
        return np.arange(rows)
    return np.sort(np.random.default_rng(model.random_state).choice(rows, model.subsample, replace=False))


@dataclass(eq=False, repr=False)
class _Machine(Estimator):
    """What both share: the parameters, and support vectors with their weights (a linear kernel has one)."""

    kernel: str = "rbf"
    C: float = 1.0
    subsample: int | None = 5000
    random_state: int = 0

    def _hold(self, machine: Any, gamma: float) -> None:
        """Take what a fitted machine of scikit-learn decides by."""
        self.gamma_, self.intercept_ = gamma, float(np.ravel(machine.intercept_)[0])
        if self.kernel == "linear":
            self.vectors_, self.dual_ = machine.coef_.reshape(1, -1), np.ones(1)
        else:
            self.vectors_, self.dual_ = machine.support_vectors_, machine.dual_coef_.ravel()

    def _decision(self, Z: Floats) -> Floats:
        """Decision values (n,) of standardised rows."""
        parts = [self._kernel(Z[at : at + _ROWS]) @ self.dual_ for at in range(0, len(Z), _ROWS)]
        return np.concatenate(parts) + self.intercept_

    def _kernel(self, Z: Floats) -> Floats:
        products: Floats = Z @ self.vectors_.T
        if self.kernel == "linear":
            return products
        apart = (Z**2).sum(axis=1)[:, None] + (self.vectors_**2).sum(axis=1) - 2.0 * products
        return np.asarray(np.exp(-self.gamma_ * np.maximum(apart, 0.0)))


class SvmClassifier(_Machine, Classifier):
    """A support vector classifier with calibrated chances.

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

    learned = ("vectors_", "dual_", "gamma_", "intercept_", "mean_", "deviation_", "slope_", "offset_")

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        rows = _subsample(self, len(X))
        X, up, weights = X[rows], up[rows], weights[rows]
        self.mean_, self.deviation_ = scale_of(X, weights)
        Z = (X - self.mean_) / self.deviation_
        gamma = _gamma(Z)
        decision, known = np.zeros(len(Z)), np.zeros(len(Z), bool)
        for fold in np.array_split(np.arange(len(Z)), _FOLDS):
            rest = np.setdiff1d(np.arange(len(Z)), fold)
            if len(np.unique(up[rest][weights[rest] > 0])) == 2:
                machine = _machine(self, False, _gamma(Z[rest])).fit(Z[rest], up[rest], weights[rest])
                decision[fold] = machine.decision_function(Z[fold])
                known[fold] = True
        self._hold(_machine(self, False, gamma).fit(Z, up, weights), gamma)
        if not known.any():
            decision, known = self._decision(Z), np.ones(len(Z), bool)
        slope, self.offset_ = platt(decision[known], up[known], weights[known])
        # too few rows to calibrate can turn the sign; the machine's own order is then kept
        self.slope_ = max(slope, 1e-3)

    def decision_function(self, X: Floats) -> Floats:
        """Calibrated log odds of the second class, (n,)."""
        features = (self._asked(X) - self.mean_) / self.deviation_
        return self._finite(self.slope_ * self._decision(features) + self.offset_)

    def _chance(self, X: Floats) -> Floats:
        Z = (X - self.mean_) / self.deviation_
        return np.asarray(expit(self.slope_ * self._decision(Z) + self.offset_))


class SvmRegressor(_Machine, Regressor):
    """A support vector regressor on the standardised target; parameters as :class:`SvmClassifier`."""

    learned = ("vectors_", "dual_", "gamma_", "intercept_", "mean_", "deviation_", "centre_", "spread_")

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        rows = _subsample(self, len(X))
        X, y, weights = X[rows], y[rows], weights[rows]
        self.mean_, self.deviation_ = scale_of(X, weights)
        centre, spread = scale_of(y[:, None], weights)
        self.centre_, self.spread_ = float(centre[0]), float(spread[0])
        target = (y - self.centre_) / self.spread_
        Z = (X - self.mean_) / self.deviation_
        gamma = _gamma(Z)
        self._hold(_machine(self, True, gamma).fit(Z, target, weights), gamma)

    def _value(self, X: Floats) -> Floats:
        Z = (X - self.mean_) / self.deviation_
        return np.asarray(self._decision(Z) * self.spread_ + self.centre_)
