"""Families of the zoo as classifiers of up against down: what the comparison of families is made of.

A model inherits :class:`Classifier` and says how to learn (`_fit`) and which chance it gives (`_chance`).
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from studies.zoo import card_of
from studies.zoo.networks import SequenceNetwork
from studies.zoo.regimes import KINDS
from studies.zoo.svm import SupportVectors, gamma_of
from tercel.core import Floats
from tercel.signals import BoostedTrees, Estimator, FitError, ForestNodes, checks, scale_of

_FOLDS: Final = 3


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Base of classifiers of two classes: `_fit` takes targets 0 and 1, `_chance` gives the second class's."""

    common = ("n_features_in_", "classes_")
    classes_: NDArray[Any]

    def __sklearn_tags__(self) -> Any:
        """Two classes, no more."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        raise NotImplementedError

    def _chance(self, X: Floats) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit; `X` float (n, F), `y` (n,) of two classes, `sample_weight` (n,) or None.

        Raises
        ------
        FitError
            Constant features, a single class, NaN where the model does not read it, rows that do not match.
        """
        features, target, weights = self.begin(X, y, sample_weight, numeric=False)
        with checks():
            check_classification_targets(target)
        classes = np.unique(target[weights > 0])
        if len(classes) < 2:
            text = f"a single class, {classes[0]!r}, in {len(target)} rows; the classifier needs two classes"
            raise FitError("two classes", text, "take a longer training window")
        if len(classes) > 2:
            text = f"Only binary classification is supported. The type of the target is multiclass ({len(classes)})"
            raise FitError("two classes", text, "make it up against down")
        up = (target == classes[1]).astype(np.float64)
        self._fit(features, up, weights)
        self.classes_ = classes
        self.n_features_in_ = features.shape[1]
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Chances, float64 (n, 2), columns in the order of `classes_`."""
        features = self.asked(X)
        chance = np.clip(self.finite(self._chance(features)), 0.0, 1.0)
        return np.stack([1.0 - chance, chance], axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class of each row."""
        second = (self.predict_proba(X)[:, 1] > 0.5).astype(np.intp)
        return np.asarray(self.classes_)[second]


def platt(decision: Floats, up: Floats, weights: Floats, rounds: int = 50) -> tuple[float, float]:
    """Slope and intercept of a logistic calibration of decision values (Platt, 1999, with his smoothed targets)."""
    ones, zeros = float(weights @ up), float(weights @ (1 - up))
    target = np.where(up > 0, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    design = np.stack([decision, np.ones_like(decision)], axis=1)
    beta = np.array([0.0, float(np.log((ones + 1) / (zeros + 1)))])
    for _ in range(rounds):
        chance = expit(design @ beta)
        hessian = (design * (weights * chance * (1 - chance))[:, None]).T @ design + 1e-9 * np.eye(
            2
        )
        step = np.linalg.solve(hessian, design.T @ (weights * (target - chance)))
        beta += np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-9:
            break
    return float(beta[0]), float(beta[1])


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
            curvature = (
                Z * (weights * np.maximum(chance * (1 - chance), 1e-9))[:, None]
            ).T @ Z + np.diag(penalty)
            step = np.linalg.solve(curvature, slope)
            # half steps where a whole one would leap over the optimum of separable data
            beta += step * min(1.0, 8.0 / max(float(np.abs(step).max()), 1e-300))
            if np.abs(step).max() < 1e-8:
                break
        self.coef_ = beta[:-1] / deviation
        self.intercept_ = float(beta[-1] - mean @ self.coef_)

    def decision_function(self, X: Floats) -> Floats:
        """Log odds of the second class, (n,)."""
        features = self.asked(X)
        return self.finite(features @ self.coef_ + self.intercept_)

    def _chance(self, X: Floats) -> Floats:
        return np.asarray(expit(X @ self.coef_ + self.intercept_))


class BoostingClassifier(BoostedTrees, Classifier):
    """LightGBM classifier of up against down; parameters as :class:`tercel.signals.models.regressors.BoostingRegressor`."""

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        from lightgbm import LGBMClassifier

        self.grown(LGBMClassifier, X, up.astype(np.int64), weights)

    def _chance(self, X: Floats) -> Any:
        return self.booster_.predict(X, num_threads=1)


class ForestClassifier(ForestNodes, Classifier):
    """Random forest of class shares in its leaves; parameters as of the zoo's."""

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self.hold(RandomForestClassifier(**self.get_params(), n_jobs=1).fit(X, up, weights))

    def _chance(self, X: Floats) -> Floats:
        return self.mean(X)


class SvmClassifier(SupportVectors, Classifier):
    """A support vector classifier with calibrated chances; parameters as of the zoo's regressor.

    Chances come from decision values that three contiguous folds give out of fold, calibrated as Platt (1999).
    """

    learned = (
        "vectors_",
        "dual_",
        "gamma_",
        "intercept_",
        "mean_",
        "deviation_",
        "slope_",
        "offset_",
    )

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        from sklearn.svm import SVC, LinearSVC

        rows = self.chosen(len(X))
        X, up, weights = X[rows], up[rows], weights[rows]
        self.mean_, self.deviation_ = scale_of(X, weights)
        Z = (X - self.mean_) / self.deviation_
        gamma = gamma_of(Z)
        decision, known = np.zeros(len(Z)), np.zeros(len(Z), bool)
        for fold in np.array_split(np.arange(len(Z)), _FOLDS):
            rest = np.setdiff1d(np.arange(len(Z)), fold)
            if len(np.unique(up[rest][weights[rest] > 0])) == 2:
                machine = self.machine(LinearSVC, SVC, gamma_of(Z[rest])).fit(
                    Z[rest], up[rest], weights[rest]
                )
                decision[fold] = machine.decision_function(Z[fold])
                known[fold] = True
        self.hold(self.machine(LinearSVC, SVC, gamma).fit(Z, up, weights), gamma)
        if not known.any():
            decision, known = self.decision(Z), np.ones(len(Z), bool)
        slope, self.offset_ = platt(decision[known], up[known], weights[known])
        # too few rows to calibrate can turn the sign; the machine's own order is then kept
        self.slope_ = max(slope, 1e-3)

    def decision_function(self, X: Floats) -> Floats:
        """Calibrated log odds of the second class, (n,)."""
        features = (self.asked(X) - self.mean_) / self.deviation_
        return self.finite(self.slope_ * self.decision(features) + self.offset_)

    def _chance(self, X: Floats) -> Floats:
        Z = (X - self.mean_) / self.deviation_
        return np.asarray(expit(self.slope_ * self.decision(Z) + self.offset_))


class LstmClassifier(SequenceNetwork, Classifier):
    """LSTM classifier of up against down; parameters as :class:`studies.zoo.networks.LstmRegressor`."""

    body = "lstm"

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        self.learn(X, up, weights, True)

    def _chance(self, X: Floats) -> Floats:
        return np.asarray(expit(self.out(X)))


class TransformerClassifier(LstmClassifier):
    """Small Transformer classifier of up against down; parameters as :class:`LstmClassifier`."""

    body = "transformer"


@dataclass(eq=False, repr=False)
class RegimeClassifier(Classifier):
    """A regime alone as a forecast: the share of ups that training saw in each state, mixed by its probabilities.

    Parameters
    ----------
    regimes : {"hmm", "clusters"}
    states : int
    random_state : int

    Rows are moments in time order. NaN is refused; weights count the ups, the states are found without them.
    """

    learned = ("up_",)

    regimes: str = "hmm"
    states: int = 2
    random_state: int = 0

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        self.gate_ = self._gate().fit(X)
        share = self.gate_.predict_proba(X) * weights[:, None]
        # one up and one down are put to each state: a state that was never seen says one half
        self.up_ = (share.T @ up + 1.0) / (share.sum(axis=0) + 2.0)

    def _gate(self) -> Any:
        return KINDS[self.regimes](states=self.states, random_state=self.random_state)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The states' own arrays beside the share of ups."""
        return super().to_arrays() | {
            f"gate.{name}": value for name, value in self.gate_.to_arrays().items()
        }

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore the states, then the share of ups."""
        inner = {
            name.removeprefix("gate."): value
            for name, value in arrays.items()
            if name.startswith("gate.")
        }
        self.gate_ = self._gate().from_arrays(inner)
        return super().from_arrays(arrays)

    def _chance(self, X: Floats) -> Floats:
        return np.asarray(self.gate_.predict_proba(X) @ self.up_)


MODELS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "linear": (Logistic, {}),
    "forest": (ForestClassifier, {}),
    "boosting": (BoostingClassifier, {}),
    "svm_linear": (SvmClassifier, {}),
    "svm_rbf": (SvmClassifier, {}),
    "hmm": (RegimeClassifier, {"regimes": "hmm"}),
    "clusters": (RegimeClassifier, {"regimes": "clusters"}),
    "lstm": (LstmClassifier, {}),
    "transformer": (TransformerClassifier, {}),
}
"""The class of each family's classifier, and what sets it apart from others of that class."""


def classifier(name: str, seed: int = 0, steps: int = 1) -> Any:
    """An unfitted classifier of a family; `steps` is the length of a sequence laid out flat, oldest first."""
    kind, settings = MODELS[name]
    known = inspect.signature(kind).parameters
    given = {"random_state": seed, "steps": steps}
    return kind(
        **{key: value for key, value in given.items() if key in known},
        **card_of(name).settings,
        **settings,
    )
