"""Random forests (Breiman, 2001), grown by scikit-learn; what is kept and asked are the nodes as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import Field

from tercel.core.arrays import AnyArray, Float32, Floats, Ints
from tercel.signals.zoo.base import Count, Estimator, FitError, Regressor, Share, Whole

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
