"""Support vector machines (Cortes & Vapnik, 1995): linear, and with a Gaussian kernel on a stated subsample.

Chances come from decision values that three contiguous folds give out of fold, calibrated as Platt (1999).
"""

from typing import Any

import numpy as np

from tercel.signals.zoo.base import Classifier, Regressor, platt, scale_of, sigmoid
from tercel.signals.zoo.checks import Floats
from tercel.signals.zoo.port import FamilyCard

_FOLDS = 3


def _machine(model: Any, regress: bool) -> Any:
    from sklearn import svm

    if model.kernel == "linear":
        kind = svm.LinearSVR if regress else svm.LinearSVC
        extra = {"loss": "squared_epsilon_insensitive"} if regress else {}
        return kind(C=model.C, dual=False, max_iter=3000, random_state=model.random_state, **extra)
    kind = svm.SVR if regress else svm.SVC
    return kind(kernel=model.kernel, C=model.C, cache_size=100)


def _subsample(model: Any, rows: int) -> Any:
    """Sorted rows that are learned from: all, or `subsample` of them drawn by the seed."""
    if model.subsample is None or rows <= model.subsample:
        return np.arange(rows)
    return np.sort(np.random.default_rng(model.random_state).choice(rows, model.subsample, replace=False))


class _Machine:
    """What both share: the parameters."""

    def __init__(
        self, kernel: str = "rbf", C: float = 1.0, subsample: int | None = 5000, random_state: int = 0
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.subsample = subsample
        self.random_state = random_state


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

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        rows = _subsample(self, len(X))
        X, up, weights = X[rows], up[rows], weights[rows]
        self.mean_, self.deviation_ = scale_of(X, weights)
        Z = (X - self.mean_) / self.deviation_
        decision, told = np.zeros(len(Z)), np.zeros(len(Z), bool)
        for fold in np.array_split(np.arange(len(Z)), _FOLDS):
            rest = np.setdiff1d(np.arange(len(Z)), fold)
            if len(np.unique(up[rest][weights[rest] > 0])) == 2:
                decision[fold] = _machine(self, False).fit(Z[rest], up[rest], weights[rest]).decision_function(Z[fold])
                told[fold] = True
        self.model_ = _machine(self, False).fit(Z, up, weights)
        if not told.any():
            decision, told = self.model_.decision_function(Z), np.ones(len(Z), bool)
        slope, self.offset_ = platt(decision[told], up[told], weights[told])
        # too few rows to calibrate can turn the sign; the machine's own order is then kept
        self.slope_ = max(slope, 1e-3)

    def decision_function(self, X: Floats) -> Floats:
        """Calibrated log odds of the second class, (n,)."""
        features = (self._asked(X) - self.mean_) / self.deviation_
        return self._finite(self.slope_ * self.model_.decision_function(features) + self.offset_)

    def _chance(self, X: Floats) -> Floats:
        Z = (X - self.mean_) / self.deviation_
        return sigmoid(self.slope_ * self.model_.decision_function(Z) + self.offset_)


class SvmRegressor(_Machine, Regressor):
    """A support vector regressor on the standardised target; parameters as :class:`SvmClassifier`."""

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        rows = _subsample(self, len(X))
        X, y, weights = X[rows], y[rows], weights[rows]
        self.mean_, self.deviation_ = scale_of(X, weights)
        centre, spread = scale_of(y[:, None], weights)
        self.centre_, self.spread_ = float(centre[0]), float(spread[0])
        target = (y - self.centre_) / self.spread_
        self.model_ = _machine(self, True).fit((X - self.mean_) / self.deviation_, target, weights)

    def _value(self, X: Floats) -> Floats:
        Z = (X - self.mean_) / self.deviation_
        return np.asarray(self.model_.predict(Z) * self.spread_ + self.centre_)


CARDS = (
    FamilyCard(
        name="svm_linear",
        about="linear support vector machine",
        needs=("sklearn",),
        missing="refused",
        claims={"as good as logistic regression": "Hastie, Tibshirani & Friedman (2009), ch. 12"},
        makers={
            "classify": lambda seed, steps: SvmClassifier("linear", 0.1, None, seed),
            "regress": lambda seed, steps: SvmRegressor("linear", 0.1, None, seed),
        },
    ),
    FamilyCard(
        name="svm_rbf",
        about="support vector machine, Gaussian kernel, at most 5,000 rows",
        needs=("sklearn",),
        missing="refused",
        claims={
            "does not scale": "Bottou & Lin (2007)",
            "captures interactions": "Cortes & Vapnik (1995)",
        },
        makers={
            "classify": lambda seed, steps: SvmClassifier("rbf", 1.0, 5000, seed),
            "regress": lambda seed, steps: SvmRegressor("rbf", 1.0, 5000, seed),
        },
    ),
)
