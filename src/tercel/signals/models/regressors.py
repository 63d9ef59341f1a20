"""Ridge regression, random forests and boosted trees as models, stored as arrays and never as code.

Ridge: columns are standardised with the training's weighted mean and deviation; the penalty acts on the standardised
coefficients, never on the intercept. Random forests (Breiman, 2001) are grown by scikit-learn, stored and evaluated as
arrays of nodes. Gradient boosting (Friedman, 2001) is LightGBM's (Ke et al., 2017), deterministic, one thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import Field
from sklearn import linear_model

from tercel.core.arrays import AnyArray, Float32, Floats, Ints
from tercel.signals.models.estimator import (
    Count,
    Estimator,
    FitError,
    Penalty,
    Regressor,
    Share,
    Whole,
    scale_of,
)

NODES: Final = ("feature_", "threshold_", "left_", "right_", "value_")
# Rows that go down all trees at once.
_ROWS: Final = 1024
_FIXED: Final[dict[str, Any]] = {
    "n_jobs": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
    "subsample_freq": 1,
}


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
        """Fit coefficients and intercept on standardised columns; store them for raw columns."""
        mean, deviation = scale_of(X, weights)
        line = linear_model.Ridge(max(self.alpha, 1e-10)).fit((X - mean) / deviation, y, weights)
        self.coef_ = line.coef_ / deviation
        self.intercept_ = float(line.intercept_ - mean @ self.coef_)

    def _value(self, X: Floats) -> Floats:
        """Predictions (n,) of the fitted line for X (n, F)."""
        return np.asarray(X @ self.coef_ + self.intercept_)


@dataclass(eq=False, repr=False)
class AsGiven(Regressor):
    """The features' own values: the mean of the standardised columns, the sign kept; targets teach nothing.

    NaN is refused; sample weights are used.
    """

    learned = ("mean_", "deviation_")

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        """Take each column's mean and standard deviation."""
        self.mean_, self.deviation_ = scale_of(X, weights)

    def _value(self, X: Floats) -> Floats:
        """Mean of the standardised columns (n,) of X (n, F)."""
        return np.asarray(((X - self.mean_) / self.deviation_).mean(axis=1))


class _Nodes(Estimator):
    roots_: Ints
    feature_: Ints
    threshold_: Floats
    left_: Ints
    right_: Ints
    value_: Floats


@dataclass(eq=False, repr=False)
class ForestNodes(_Nodes):
    """Nodes of all trees of a forest as arrays; a leaf is its own child."""

    learned = ("roots_", *NODES)

    n_estimators: Count = 150
    max_depth: Annotated[int | None, Field(ge=1, le=10_000)] = None
    min_samples_leaf: Count = 10
    max_features: Share | Literal["sqrt", "log2"] = "sqrt"
    random_state: Whole = 0

    def take_forest(self, forest: Any) -> None:
        """Take the nodes of scikit-learn's fitted forest as arrays; a classifier's value is its share of ups."""
        trees = [estimator.tree_ for estimator in forest.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        self.roots_ = np.cumsum(sizes) - sizes
        parts = []
        for root, tree in zip(self.roots_.tolist(), trees, strict=True):
            index = root + np.arange(tree.node_count)
            leaf = tree.children_left < 0
            left, right = (
                np.where(leaf, index, root + child)
                for child in (tree.children_left, tree.children_right)
            )
            values = tree.value[:, 0, :]
            value = values[:, -1] / values.sum(axis=1) if values.shape[1] > 1 else values[:, 0]
            feature = np.where(leaf, 0, tree.feature)
            threshold = np.where(leaf, np.inf, tree.threshold)
            parts.append((feature, threshold, left, right, value))
        for name, part in zip(NODES, zip(*parts, strict=True), strict=True):
            setattr(self, name, np.concatenate(part))

    def from_arrays(self, arrays: Mapping[str, AnyArray]) -> Self:
        """Restore the arrays; raise FitError if a child comes before its node, or an index is outside."""
        super().from_arrays(arrays)
        index = np.arange(len(self.value_))
        down = all(
            ((child >= index) & (child < len(index))).all() for child in (self.left_, self.right_)
        )
        valid = (self.feature_ >= 0).all() and (self.feature_ < self.n_features_in_).all()
        if not (down and valid and np.isin(self.roots_, index).all()):
            raise FitError("trees whose nodes lead down", "others", "train it again")
        return self

    def mean(self, X: Floats) -> Floats:
        """Mean value of the leaves that each row of X reaches, (n,); features are rounded to single precision."""
        single = X.astype(np.float32)
        parts = [self._leaves(single[start : start + _ROWS]) for start in range(0, len(X), _ROWS)]
        return np.concatenate([self.value_[leaves].mean(axis=1) for leaves in parts])

    def _leaves(self, X: Float32) -> Ints:
        """Leaf of each row in each tree, (n, T)."""
        rows = np.arange(len(X))[:, None]
        node: Ints = np.broadcast_to(self.roots_, (len(X), len(self.roots_)))
        while True:
            low = X[rows, self.feature_[node]] <= self.threshold_[node]
            below: Ints = np.where(low, self.left_[node], self.right_[node])
            if np.array_equal(below, node):
                return below
            node = below


@dataclass(eq=False, repr=False)
class ForestRegressor(ForestNodes, Regressor):
    """Random forest of means in its leaves.

    Parameters
    ----------
    n_estimators, max_depth, min_samples_leaf, max_features, random_state
        As in scikit-learn. Leaves are large by default, since labels of markets are mostly noise.

    NaN is refused; sample weights are used.
    """

    max_features: Share | Literal["sqrt", "log2"] = 0.33

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        """Grow scikit-learn's forest and take its nodes as arrays."""
        from sklearn.ensemble import RandomForestRegressor

        self.take_forest(RandomForestRegressor(**self.get_params(), n_jobs=1).fit(X, y, weights))

    def _value(self, X: Floats) -> Floats:
        """Mean of the leaves of all trees for each row of X (n, F)."""
        return self.mean(X)


@dataclass(eq=False, repr=False)
class BoostedTrees(Estimator):
    """Parameters of LightGBM's boosted trees, and their storage as LightGBM's own text."""

    native_nan = True

    n_estimators: Count = 150
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.05
    num_leaves: Annotated[int, Field(ge=2, le=131_072)] = 15
    min_child_samples: Whole = 20
    subsample: Share = 0.8
    colsample_bytree: Share = 0.8
    reg_lambda: Penalty = 1.0
    random_state: Whole = 0

    def grow(self, kind: Any, X: Floats, y: Any, weights: Floats) -> None:
        """Grow trees by a LightGBM model class on X (n, F), y (n,) and weights (n,)."""
        self.booster_ = kind(**self.get_params(), **_FIXED).fit(X, y, weights).booster_

    def to_arrays(self) -> dict[str, AnyArray]:
        """The trees as bytes of LightGBM's text format, which is read by a parser and runs nothing."""
        return super().to_arrays() | {
            "trees": np.frombuffer(self.booster_.model_to_string().encode(), np.uint8)
        }

    def from_arrays(self, arrays: Mapping[str, AnyArray]) -> Self:
        """Restore the trees from their text."""
        from lightgbm import Booster

        self.booster_ = Booster(model_str=np.asarray(arrays["trees"], np.uint8).tobytes().decode())
        return super().from_arrays(arrays)


class BoostingRegressor(BoostedTrees, Regressor):
    """LightGBM regressor.

    Parameters
    ----------
    n_estimators, learning_rate, num_leaves, min_child_samples, subsample, colsample_bytree, reg_lambda, random_state
        As in LightGBM. The defaults were fixed before any result was looked at and are tuned on nothing.

    NaN is read as "missing" by the trees; sample weights are used.
    """

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        """Grow LightGBM's boosted trees on X (n, F), y (n,) and weights (n,)."""
        from lightgbm import LGBMRegressor

        self.grow(LGBMRegressor, X, y, weights)

    def _value(self, X: Floats) -> Any:
        """Predictions (n,) of the boosted trees for X (n, F)."""
        return self.booster_.predict(X, num_threads=1)
