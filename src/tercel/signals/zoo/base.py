"""scikit-learn's interface to the letter, without importing scikit-learn: parameters, checks, classes, tags.

What a model learned are arrays (:meth:`Estimator.kept`): nothing that is stored of one can run code when it is read.

A model inherits :class:`Classifier` or :class:`Regressor` and says how to learn and how to predict; everything that a
person can do wrong is caught here once. No model can predict NaN: what is not finite is an error.
"""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats
from tercel.core.errors import DataError


class FitError(DataError, ValueError):
    """Features, targets or weights that a model cannot learn from or predict for.

    A `ValueError` too, since scikit-learn's tools look for that.
    """


def not_fitted(name: str) -> DataError:
    """The error of a model that is asked before it has learned; scikit-learn's own kind where that is installed."""
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        kind: type[DataError] = FitError
    else:
        kind = type("NotFitted", (DataError, NotFittedError), {})
    return kind(f"{name} after fit", "one that has learned nothing yet", f"call {name}.fit first")


def as_features(X: Any, native_nan: bool = False, least: int = 1) -> Floats:
    """A table of features as float64 (n, F), everything that is none refused.

    Parameters
    ----------
    X : array_like, shape (n, F)
    native_nan : bool
        Whether the model reads NaN as "missing" by itself; infinities are refused in any case.
    least : int
        Rows that are needed.
    """
    if hasattr(X, "toarray"):
        raise TypeError("a dense array is expected, sparse data was passed; use X.toarray()")
    array = np.asarray(X)
    if np.iscomplexobj(array):
        raise FitError("real features", "Complex data not supported", "give the real and imaginary part as columns")
    if array.dtype.kind == "O":
        array = _from_objects(array)
    array = array.astype(np.float64)
    if array.ndim != 2:
        text = f"an array of {array.ndim} dimensions. Reshape your data with X.reshape(-1, 1) or X.reshape(1, -1)"
        raise FitError("features of shape (n, F)", text, "give one row per moment and one column per feature")
    for count, what, need in ((array.shape[0], "sample", least), (array.shape[1], "feature", 1)):
        if count < need:
            text = f"{count} {what}(s) (shape={array.shape}) while a minimum of {need} is required"
            raise FitError(f"at least {need} {what}(s)", text, "give a longer history or more columns")
    bad = np.isinf(array) if native_nan else ~np.isfinite(array)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        what = "inf" if np.isinf(array[row, column]) else "NaN"
        text = f"{what} in row {row}, column {column} (NaN or inf: {int(bad.sum())})"
        raise FitError("finite features", text, "fill or drop what is missing (signals.zoo.base.filled), then fit")
    return array


def _from_objects(array: Any) -> Floats:
    try:
        return np.asarray(array, dtype=np.float64)
    except TypeError as error:
        raise TypeError(f"argument must be a string or a real number: {error}") from error
    except ValueError as error:
        raise FitError("features that are numbers", str(error), "turn words into numbers first") from error


def no_constants(X: Floats, weights: Floats) -> None:
    """Refuse columns that say nothing: a constant feature is a broken source more often than a fact."""
    kept = X[weights > 0]
    if len(kept) < 2:
        return
    with np.errstate(invalid="ignore"):
        flat = np.flatnonzero(~(np.nanmax(kept, axis=0, initial=-np.inf) > np.nanmin(kept, axis=0, initial=np.inf)))
    if flat.size:
        columns = ", ".join(str(i) for i in flat[:8]) + (" ..." if flat.size > 8 else "")
        raise FitError("features that vary", f"constant feature in column(s) {columns}", "leave the column(s) out")


def as_weights(sample_weight: Any, rows: int) -> Floats:
    """Sample weights as float64 (n,), ones where None."""
    if sample_weight is None:
        return np.ones(rows)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(rows, float(weights))
    if weights.shape != (rows,):
        raise FitError(
            f"sample weights of shape ({rows},)", f"shape {weights.shape}; sample_weight must be 1D", "give one per row"
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise FitError(
            "finite sample weights, none negative, not all zero", f"{weights.min()} to {weights.max()}", "give none"
        )
    return weights


def as_target(y: Any, rows: int, numeric: bool) -> Any:
    """Targets (n,), one per row; numbers where `numeric`."""
    if y is None:
        raise FitError(
            "one target per row", "none: this model requires y to be passed, but the target y is None", "give y"
        )
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        _warn_column()
        array = array.ravel()
    if array.ndim != 1 or len(array) != rows:
        raise FitError(f"targets of shape ({rows},)", f"shape {array.shape}", "give one target per row of features")
    if array.dtype.kind == "c":
        raise FitError("real targets", "Complex data not supported", "give real numbers")
    if numeric or array.dtype.kind == "f":
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            text = "Input y contains infinity or a value too large for dtype('float64'), or NaN"
            raise FitError("finite targets", text, "drop rows without a label")
    return array


def _warn_column() -> None:
    import warnings

    try:
        from sklearn.exceptions import DataConversionWarning as Kind
    except ImportError:
        Kind = UserWarning
    warnings.warn("A column-vector y was passed when a 1d array was expected", Kind, stacklevel=4)


def filled(X: Any, medians: Floats | None = None) -> tuple[Floats, Floats]:
    """NaN replaced by the column's training median (0 where a column holds nothing), and those medians.

    >>> filled([[1.0, float("nan")], [3.0, 4.0]])[0].tolist()
    [[1.0, 4.0], [3.0, 4.0]]
    """
    array = np.array(X, dtype=np.float64)
    gap = np.isnan(array)
    if medians is None:
        medians = np.array([np.median(c[~g]) if (~g).any() else 0.0 for c, g in zip(array.T, gap.T, strict=True)])
    return np.where(gap, medians, array), medians


class Estimator:
    """Parameters of the constructor, and nothing else, decide what a model is."""

    native_nan: ClassVar[bool] = False
    """Whether NaN in the features is read as "missing"; all others refuse it."""
    kind: ClassVar[str] = ""
    least_rows: ClassVar[int] = 2
    takes_weights: ClassVar[bool] = True
    common: ClassVar[tuple[str, ...]] = ("n_features_in_",)
    learned: ClassVar[tuple[str, ...]] = ()
    """Attributes that a training leaves behind: arrays and numbers."""
    n_features_in_: int

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; with `deep` those of nested models as ``outer__inner``."""
        found: dict[str, Any] = {}
        for name in sorted(self._names()):
            value = found[name] = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                found |= {f"{name}__{inner}": nested for inner, nested in value.get_params().items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name; ``outer__inner`` reaches a nested model."""
        for key, value in params.items():
            name, _, inner = key.partition("__")
            if name not in self._names():
                text = f"Invalid parameter {name!r} for estimator {type(self).__name__}"
                raise FitError(f"one of {', '.join(self._names())}", text, "see the model's docstring")
            if inner:
                getattr(self, name).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self

    def kept(self) -> dict[str, NDArray[Any]]:
        """What it learned, as arrays: with the parameters all that a prediction needs.

        Raises
        ------
        FitError
            When it has learned nothing yet.
        """
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self).__name__)
        return {name: np.asarray(getattr(self, name)) for name in (*self.common, *self.learned)}

    def put_back(self, kept: Mapping[str, NDArray[Any]]) -> Self:
        """Be the model of these parameters that :meth:`kept` was asked of.

        Raises
        ------
        KeyError
            When something of it is missing.
        """
        for name in (*self.learned, *self.common):
            value = np.asarray(kept[name])
            setattr(self, name, value.item() if value.ndim == 0 else value)
        return self

    def __repr__(self) -> str:
        """The call that makes it."""
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._names())
        return f"{type(self).__name__}({inside})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn's tools ask of a model."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type=self.kind or None,
            target_tags=TargetTags(required=bool(self.kind)),
            transformer_tags=None,
            classifier_tags=ClassifierTags(multi_class=False) if self.kind == "classifier" else None,
            regressor_tags=RegressorTags() if self.kind == "regressor" else None,
            input_tags=InputTags(allow_nan=self.native_nan),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether it has learned."""
        return hasattr(self, "n_features_in_")

    def _begin(self, X: Any, sample_weight: Any) -> tuple[Floats, Floats]:
        """Checked features and weights of a training."""
        if self.kind and sample_weight is not None and not self.takes_weights:
            raise FitError("no sample weights", f"some: {type(self).__name__} cannot use them", "leave them out")
        features = as_features(X, self.native_nan, self.least_rows)
        weights = as_weights(sample_weight, len(features))
        no_constants(features, weights)
        return features, weights

    def _asked(self, X: Any) -> Floats:
        """Checked features of a prediction."""
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self).__name__)
        features = as_features(X, self.native_nan)
        if features.shape[1] != self.n_features_in_:
            name = type(self).__name__
            text = (
                f"X has {features.shape[1]} features, but {name} is expecting {self.n_features_in_} features as input"
            )
            raise FitError("the features of the training", text, "build the same columns in the same order")
        return features

    def _finite(self, values: Any) -> Floats:
        """Predictions, refused where one is not a number."""
        array = np.asarray(values, dtype=np.float64)
        if not np.isfinite(array).all():
            text = f"{int((~np.isfinite(array)).sum())} of {array.size} that are NaN or infinite"
            raise FitError(f"finite predictions of {type(self).__name__}", text, "train it again on scaled features")
        return array


class Classifier(Estimator):
    """Two classes: `_fit` learns from targets 0 and 1, `_chance` gives the chance of the second class."""

    kind = "classifier"
    common = ("n_features_in_", "classes_")
    _estimator_type = "classifier"
    classes_: NDArray[Any]

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        raise NotImplementedError

    def _chance(self, X: Floats) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn; `X` float (n, F), `y` (n,) of two classes, `sample_weight` (n,) or None.

        Raises
        ------
        FitError
            Constant features, a single class, NaN where the model does not read it, rows that do not match.
        """
        features, weights = self._begin(X, sample_weight)
        target = as_target(y, len(features), numeric=False)
        if target.dtype.kind == "f" and (target != np.round(target)).any():
            raise FitError("classes", "Unknown label type: continuous", "use the regressor")
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
        features = self._asked(X)
        chance = np.clip(self._finite(self._chance(features)), 0.0, 1.0)
        return np.stack([1.0 - chance, chance], axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class of each row."""
        second = (self.predict_proba(X)[:, 1] > 0.5).astype(np.intp)
        return np.asarray(self.classes_)[second]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose class is right."""
        right = self.predict(X) == np.asarray(y)
        return float(np.average(right, weights=sample_weight))


class Regressor(Estimator):
    """A number per row: `_fit` learns, `_value` predicts."""

    kind = "regressor"
    _estimator_type = "regressor"

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        raise NotImplementedError

    def _value(self, X: Floats) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn; `X` float (n, F), `y` float (n,), `sample_weight` (n,) or None.

        Raises
        ------
        FitError
            Constant features, NaN where the model does not read it, rows that do not match.
        """
        features, weights = self._begin(X, sample_weight)
        target = as_target(y, len(features), numeric=True)
        self._fit(features, target, weights)
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, X: Any) -> Floats:
        """Predictions, float64 (n,)."""
        return self._finite(self._value(self._asked(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R squared against the mean."""
        target = np.asarray(y, dtype=np.float64)
        weights = as_weights(sample_weight, len(target))
        error = float(weights @ (target - self.predict(X)) ** 2)
        spread = float(weights @ (target - np.average(target, weights=weights)) ** 2)
        return 1.0 - error / spread if spread > 0 else 0.0


def scale_of(X: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation of each column, (F,) each; a deviation of 0 becomes 1."""
    mean = np.average(X, axis=0, weights=weights)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    return mean, np.where(deviation > 0, deviation, 1.0)


def platt(decision: Floats, up: Floats, weights: Floats, rounds: int = 50) -> tuple[float, float]:
    """Slope and intercept of a logistic calibration of decision values (Platt, 1999, with his smoothed targets)."""
    ones, zeros = float(weights @ up), float(weights @ (1 - up))
    target = np.where(up > 0, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    design = np.stack([decision, np.ones_like(decision)], axis=1)
    beta = np.array([0.0, float(np.log((ones + 1) / (zeros + 1)))])
    for _ in range(rounds):
        chance = sigmoid(design @ beta)
        hessian = (design * (weights * chance * (1 - chance))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (weights * (target - chance)))
        beta += np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-9:
            break
    return float(beta[0]), float(beta[1])


def sigmoid(x: Any) -> Floats:
    """1 / (1 + exp(-x)) without overflow.

    >>> sigmoid(np.array([0.0, 1000.0])).tolist()
    [0.5, 1.0]
    """
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0))))
