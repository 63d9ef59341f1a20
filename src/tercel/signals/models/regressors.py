"""Models with scikit-learn's interface: ridge regression, forests, boosted trees; stored as arrays, never as code.

A model inherits :class:`Regressor` and says how to learn (`_fit`) and how to predict (`_value`); wrong inputs are
caught here once. No model can predict NaN: a value that is not finite is an error.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
from pydantic import Field
from sklearn import linear_model
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import _check_sample_weight, check_array, check_X_y

from tercel.core.arrays import AnyArray, Float32, Floats, Ints
from tercel.core.errors import DataError

Count = Annotated[int, Field(ge=1, le=100_000)]
Penalty = Annotated[float, Field(ge=0, le=1e12)]
Share = Annotated[float, Field(gt=0, le=1)]
Whole = Annotated[int, Field(ge=0, lt=2**31)]
"""Types of settings."""


class FitError(DataError, ValueError):
    """Features, targets or weights that a model cannot learn from or predict for.

    A `ValueError` too, since scikit-learn's tools look for that.
    """


class UnfittedError(DataError, NotFittedError):  # type: ignore[misc]
    """A model that is used before it has learned."""


@contextmanager
def checks() -> Iterator[None]:
    """Give the errors of scikit-learn's checks their three parts."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise FitError(
            "features (n, F), targets (n,) and weights (n,)",
            str(error),
            "give finite numbers, one row per moment, one column per feature, one target and weight per row",
        ) from error


def _no_gaps(X: Floats, native_nan: bool) -> Floats:
    """Refuse NaN, unless the model reads it as "missing", and infinity; the first is named with its place."""
    bad = np.isinf(X) if native_nan else ~np.isfinite(X)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        what = "inf" if np.isinf(X[row, column]) else "NaN"
        raise FitError(
            "finite features",
            f"{what} in row {row}, column {column} (NaN or inf: {int(bad.sum())})",
            "fill or drop missing values (signals.models.regressors.filled), then fit",
        )
    return X


def _no_constants(X: Floats, weights: Floats) -> None:
    """Refuse columns that say nothing: a constant feature is a broken source more often than a fact."""
    weighted = X[weights > 0]
    if len(weighted) < 2:
        return
    with np.errstate(invalid="ignore"):
        flat = np.flatnonzero(
            ~(
                np.nanmax(weighted, axis=0, initial=-np.inf)
                > np.nanmin(weighted, axis=0, initial=np.inf)
            )
        )
    if flat.size:
        columns = ", ".join(str(i) for i in flat[:8]) + (" ..." if flat.size > 8 else "")
        raise FitError(
            "features that vary",
            f"constant feature in column(s) {columns}",
            "leave the column(s) out",
        )


def filled(X: Any, medians: Floats | None = None) -> tuple[Floats, Floats]:
    """NaN replaced by the column's training median (0 where a column holds nothing), and those medians.

    >>> filled([[1.0, float("nan")], [3.0, 4.0]])[0].tolist()
    [[1.0, 4.0], [3.0, 4.0]]
    """
    array = np.array(X, dtype=np.float64)
    gap = np.isnan(array)
    if medians is None:
        medians = np.array(
            [np.median(c[~g]) if (~g).any() else 0.0 for c, g in zip(array.T, gap.T, strict=True)]
        )
    return np.where(gap, medians, array), medians


class Estimator(BaseEstimator):  # type: ignore[misc]
    """Base of a model: the parameters of its constructor define it."""

    native_nan: ClassVar[bool] = False
    """Whether NaN in the features is read as "missing"; all others refuse it."""
    least_rows: ClassVar[int] = 2
    takes_weights: ClassVar[bool] = True
    common: ClassVar[tuple[str, ...]] = ("n_features_in_",)
    learned: ClassVar[tuple[str, ...]] = ()
    """Attributes that a training leaves behind: arrays and numbers."""
    n_features_in_: int

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name; ``outer__inner`` reaches a nested model."""
        with checks():
            super().set_params(**params)
        return self

    def to_arrays(self) -> dict[str, AnyArray]:
        """Fitted arrays: with the parameters all that a prediction needs.

        Raises
        ------
        UnfittedError
            When it has learned nothing yet.
        """
        self._check_fitted()
        return {name: np.asarray(getattr(self, name)) for name in (*self.common, *self.learned)}

    def from_arrays(self, arrays: Mapping[str, AnyArray]) -> Self:
        """Restore a fitted model from :meth:`to_arrays`.

        Raises
        ------
        KeyError
            When something of it is missing.
        """
        for name in (*self.learned, *self.common):
            value = np.asarray(arrays[name])
            setattr(self, name, value.item() if value.ndim == 0 else value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Tags that scikit-learn's tools read."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.native_nan
        return tags

    def _check_fitted(self) -> None:
        if not hasattr(self, "n_features_in_"):
            name = type(self).__name__
            raise UnfittedError(
                f"{name} after fit", "one that has learned nothing yet", f"call {name}.fit first"
            )

    def begin(
        self, X: Any, y: Any, sample_weight: Any, numeric: bool
    ) -> tuple[Floats, Any, Floats]:
        """Checked features, targets and weights of a training."""
        if sample_weight is not None and not self.takes_weights:
            raise FitError(
                "no sample weights",
                f"some: {type(self).__name__} cannot use them",
                "leave them out",
            )
        finite: dict[str, Any] = {
            "dtype": np.float64,
            "ensure_all_finite": False,
            "ensure_min_samples": self.least_rows,
        }
        with checks():
            features, target = check_X_y(X, y, y_numeric=numeric, estimator=self, **finite)
            weights = _check_sample_weight(
                sample_weight, features, dtype=np.float64, ensure_non_negative=True
            )
        if not weights.sum() > 0:
            raise FitError(
                "sample weights that are not all zero",
                "zeros alone",
                "give none, or some above zero",
            )
        _no_constants(_no_gaps(features, self.native_nan), weights)
        return features, target, weights

    def asked(self, X: Any) -> Floats:
        """Checked features of a prediction."""
        self._check_fitted()
        with checks():
            features = check_array(X, dtype=np.float64, ensure_all_finite=False, estimator=self)
        if features.shape[1] != self.n_features_in_:
            name = type(self).__name__
            raise FitError(
                "the features of the training",
                f"X has {features.shape[1]} features, but {name} is expecting {self.n_features_in_} features as input",
                "build the same columns in the same order",
            )
        return _no_gaps(features, self.native_nan)

    def finite(self, values: Any) -> Floats:
        """Predictions, refused where one is not a number."""
        array = np.asarray(values, dtype=np.float64)
        if not np.isfinite(array).all():
            raise FitError(
                f"finite predictions of {type(self).__name__}",
                f"{int((~np.isfinite(array)).sum())} of {array.size} that are NaN or infinite",
                "train it again on scaled features",
            )
        return array


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Base of regressors: `_fit` fits, `_value` predicts."""

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        raise NotImplementedError

    def _value(self, X: Floats) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit; `X` float (n, F), `y` float (n,), `sample_weight` (n,) or None.

        Raises
        ------
        FitError
            Constant features, NaN where the model does not read it, rows that do not match.
        """
        features, target, weights = self.begin(X, y, sample_weight, numeric=True)
        self._fit(features, target.astype(np.float64), weights)
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, X: Any) -> Floats:
        """Predictions, float64 (n,)."""
        return self.finite(self._value(self.asked(X)))


def scale_of(X: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation of each column, (F,) each; a deviation of 0 becomes 1."""
    mean = np.average(X, axis=0, weights=weights)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    return mean, np.where(deviation > 0, deviation, 1.0)


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
# Random forests (Breiman, 2001), grown by scikit-learn, stored and evaluated as arrays of nodes.

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
        parts = []
        for root, tree in zip(self.roots_.tolist(), trees, strict=True):
            here, leaf = root + np.arange(tree.node_count), tree.children_left < 0
            left, right = (
                np.where(leaf, here, root + child)
                for child in (tree.children_left, tree.children_right)
            )
            values = tree.value[:, 0, :]
            value = values[:, -1] / values.sum(axis=1) if values.shape[1] > 1 else values[:, 0]
            feature, threshold = (
                np.where(leaf, 0, tree.feature),
                np.where(leaf, np.inf, tree.threshold),
            )
            parts.append((feature, threshold, left, right, value))
        for name, part in zip(NODES, zip(*parts, strict=True), strict=True):
            setattr(self, name, np.concatenate(part))

    def from_arrays(self, arrays: Mapping[str, AnyArray]) -> Self:
        """Restore the arrays; raise FitError if a node's child comes before it."""
        super().from_arrays(arrays)
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
    """The parameters, that trees read NaN, and that they are stored as LightGBM's own text."""

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
        from lightgbm import LGBMRegressor

        self.grown(LGBMRegressor, X, y, weights)

    def _value(self, X: Floats) -> Any:
        return self.booster_.predict(X, num_threads=1)
