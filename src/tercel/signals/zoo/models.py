"""Families of models: ridge regression, forests and boosted trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import Field
from sklearn import linear_model

from tercel.core.arrays import AnyArray, Float32, Floats, Ints
from tercel.signals.zoo.base import (
    Count,
    Estimator,
    FitError,
    Penalty,
    Regressor,
    Share,
    Whole,
    scale_of,
)

# -- linear ---------------------------------------------------------------------------------------
# Ridge regression.
#
# Columns are standardised with the training's weighted mean and deviation; the penalty acts on the standardised
# coefficients, never on the intercept.


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


# -- forest ---------------------------------------------------------------------------------------
# Random forests (Breiman, 2001), grown by scikit-learn; what is kept and asked are the nodes as arrays.

NODES: Final = ("feature_", "threshold_", "left_", "right_", "value_")
# Rows that go down all trees at once.
_ROWS: Final = 1024


class _Nodes(Estimator):
    roots_: Ints
    feature_: Ints
    threshold_: Floats
    left_: Ints
    right_: Ints
    value_: Floats


@dataclass(eq=False, repr=False)
class ForestNodes(_Nodes):
    """Nodes of all trees, one after another. A leaf is its own child, so that every row goes down as far as it can."""

    learned = ("roots_", *NODES)

    n_estimators: Count = 150
    max_depth: Annotated[int | None, Field(ge=1, le=10_000)] = None
    min_samples_leaf: Count = 10
    max_features: Share | Literal["sqrt", "log2"] = "sqrt"
    random_state: Whole = 0

    def hold(self, forest: Any) -> None:
        """Take the nodes of a fitted forest of scikit-learn; the value of a classifier's is its share of ups."""
        trees = [one.tree_ for one in forest.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        self.roots_ = np.cumsum(sizes) - sizes
        parts: dict[str, list[Any]] = {name: [] for name in NODES}
        for root, tree in zip(self.roots_.tolist(), trees, strict=True):
            here, leaf = root + np.arange(tree.node_count), tree.children_left < 0
            parts["feature_"].append(np.where(leaf, 0, tree.feature))
            parts["threshold_"].append(np.where(leaf, np.inf, tree.threshold))
            parts["left_"].append(np.where(leaf, here, root + tree.children_left))
            parts["right_"].append(np.where(leaf, here, root + tree.children_right))
            values = tree.value[:, 0, :]
            parts["value_"].append(
                values[:, -1] / values.sum(axis=1) if values.shape[1] > 1 else values[:, 0]
            )
        for name, part in parts.items():
            setattr(self, name, np.concatenate(part))

    def put_back(self, kept: Mapping[str, AnyArray]) -> Self:
        """Refuse nodes that lead nowhere or back."""
        super().put_back(kept)
        here = np.arange(len(self.value_))
        down = all(
            ((child >= here) & (child < len(here))).all() for child in (self.left_, self.right_)
        )
        known = (self.feature_ >= 0).all() and (self.feature_ < self.n_features_in_).all()
        if not (down and known and np.isin(self.roots_, here).all()):
            raise FitError("trees whose nodes lead down", "others", "train it again")
        return self

    def mean(self, X: Floats) -> Floats:
        """Mean value of the leaves that each row comes to; thresholds were found on single precision."""
        single = X.astype(np.float32)
        parts = [self._leaves(single[at : at + _ROWS]) for at in range(0, len(X), _ROWS)]
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
        from sklearn.ensemble import RandomForestRegressor

        self.hold(RandomForestRegressor(**self.get_params(), n_jobs=1).fit(X, y, weights))

    def _value(self, X: Floats) -> Floats:
        return self.mean(X)


# -- boosting -------------------------------------------------------------------------------------
# Gradient boosting (Friedman, 2001): LightGBM (Ke et al., 2017), deterministic, one thread.

_FIXED: Final[dict[str, Any]] = {
    "n_jobs": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
    "subsample_freq": 1,
}


@dataclass(eq=False, repr=False)
class BoostedTrees(Estimator):
    """The parameters, that trees read NaN, and that they are kept as LightGBM's own text."""

    native_nan = True

    n_estimators: Count = 150
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.05
    num_leaves: Annotated[int, Field(ge=2, le=131_072)] = 15
    min_child_samples: Whole = 20
    subsample: Share = 0.8
    colsample_bytree: Share = 0.8
    reg_lambda: Penalty = 1.0
    random_state: Whole = 0

    def grown(self, kind: Any, X: Floats, y: Any, weights: Floats) -> None:
        """Grow trees by a model of LightGBM."""
        self.booster_ = kind(**self.get_params(), **_FIXED).fit(X, y, weights).booster_

    def kept(self) -> dict[str, AnyArray]:
        """The trees as bytes of LightGBM's text format, which is read by a parser and runs nothing."""
        return super().kept() | {
            "trees": np.frombuffer(self.booster_.model_to_string().encode(), np.uint8)
        }

    def put_back(self, kept: Mapping[str, AnyArray]) -> Self:
        """Restore the trees from their text."""
        from lightgbm import Booster

        self.booster_ = Booster(model_str=np.asarray(kept["trees"], np.uint8).tobytes().decode())
        return super().put_back(kept)


class BoostingRegressor(BoostedTrees, Regressor):
    """LightGBM regressor.

    Parameters
    ----------
    n_estimators, learning_rate, num_leaves, min_child_samples, subsample, colsample_bytree, reg_lambda, random_state
        As in LightGBM. The defaults were fixed before any result was looked at and are tuned on nothing.

    NaN is read as "missing" by the trees; sample weights are used.
    """

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        from lightgbm import LGBMRegressor

        self.grown(LGBMRegressor, X, y, weights)

    def _value(self, X: Floats) -> Any:
        return self.booster_.predict(X, num_threads=1)
