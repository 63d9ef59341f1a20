"""Base classes of models with scikit-learn's interface: input checks, errors, fitted arrays instead of code.

A model inherits :class:`Regressor` and says how to learn (`_fit`) and how to predict (`_value`); wrong inputs are
refused here. No model can predict NaN: a value that is not finite is an error.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import _check_sample_weight, check_array, check_X_y

from tercel.core.arrays import AnyArray, Floats
from tercel.core.errors import DataError

Count = Annotated[int, Field(ge=1, le=100_000)]
Penalty = Annotated[float, Field(ge=0, le=1e12)]
Share = Annotated[float, Field(gt=0, le=1)]
Whole = Annotated[int, Field(ge=0, lt=2**31)]
"""Types of settings."""


class FitError(DataError, ValueError):
    """Features, targets or weights that a model cannot be fitted to or predict for.

    A `ValueError` too, since scikit-learn's tools look for that.
    """


class UnfittedError(DataError, NotFittedError):  # type: ignore[misc]
    """A prediction by a model that has not been fitted."""


@contextmanager
def translate_check_errors() -> Iterator[None]:
    """Turn errors of scikit-learn's checks into FitError with expected, received and remedy."""
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


def _refuse_gaps(X: Floats, native_nan: bool) -> Floats:
    """Return X; raise FitError for infinity, and for NaN unless the model reads NaN as "missing", with the first place."""
    bad = np.isinf(X) if native_nan else ~np.isfinite(X)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        kind = "inf" if np.isinf(X[row, column]) else "NaN"
        raise FitError(
            "finite features",
            f"{kind} in row {row}, column {column} (NaN or inf: {int(bad.sum())})",
            "fill or drop missing values (signals.models.estimator.fill_gaps), then fit",
        )
    return X


def _refuse_constants(X: Floats, weights: Floats) -> None:
    """Raise FitError for feature columns that are constant over rows of weight above 0: more often a broken source than
    a fact.
    """
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


def fill_gaps(X: Any, medians: Floats | None = None) -> tuple[Floats, Floats]:
    """NaN replaced by the column's value in `medians`, by default its own median (0 if it holds nothing), and those medians.

    >>> fill_gaps([[1.0, float("nan")], [3.0, 4.0]])[0].tolist()
    [[1.0, 4.0], [3.0, 4.0]]
    """
    array = np.array(X, dtype=np.float64)
    gap = np.isnan(array)
    if medians is None:
        medians = np.array(
            [
                np.median(column[~is_gap]) if (~is_gap).any() else 0.0
                for column, is_gap in zip(array.T, gap.T, strict=True)
            ]
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
        """Change parameters by name (``outer__inner`` in a nested model); scikit-learn's ValueError becomes a FitError."""
        with translate_check_errors():
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
        """Tags that scikit-learn's tools read, which here allow NaN if `native_nan` is true."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.native_nan
        return tags

    def _check_fitted(self) -> None:
        """Raise UnfittedError if the model has not been fitted."""
        if not hasattr(self, "n_features_in_"):
            name = type(self).__name__
            raise UnfittedError(
                f"{name} after fit", "one that has learned nothing yet", f"call {name}.fit first"
            )

    def check_training_data(
        self, X: Any, y: Any, sample_weight: Any, numeric: bool
    ) -> tuple[Floats, Any, Floats]:
        """Checked features, targets and weights (1 by default) of a fit; raises FitError for shapes, gaps or constant columns."""
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
        with translate_check_errors():
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
        _refuse_constants(_refuse_gaps(features, self.native_nan), weights)
        return features, target, weights

    def check_features(self, X: Any) -> Floats:
        """Checked features of a prediction; raises UnfittedError before a fit, FitError for other columns than its or
        for gaps.
        """
        self._check_fitted()
        with translate_check_errors():
            features = check_array(X, dtype=np.float64, ensure_all_finite=False, estimator=self)
        if features.shape[1] != self.n_features_in_:
            name = type(self).__name__
            raise FitError(
                "the features of the training",
                f"X has {features.shape[1]} features, but {name} is expecting {self.n_features_in_} features as input",
                "build the same columns in the same order",
            )
        return _refuse_gaps(features, self.native_nan)

    def check_predictions(self, values: Any) -> Floats:
        """Predictions; raises FitError where one is not finite."""
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
        """Fit the model to checked features X (n, F), targets y (n,) and weights (n,)."""
        raise NotImplementedError

    def _value(self, X: Floats) -> Any:
        """Predictions (n,) for checked features X (n, F)."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to `X` float (n, F), `y` float (n,) and `sample_weight` (n,) or None.

        Raises
        ------
        FitError
            Constant features, NaN where the model does not read it, rows that do not match.
        """
        features, target, weights = self.check_training_data(X, y, sample_weight, numeric=True)
        self._fit(features, target.astype(np.float64), weights)
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, X: Any) -> Floats:
        """Predictions, float64 (n,); raises UnfittedError before a fit, FitError for features or predictions that are
        not usable.
        """
        return self.check_predictions(self._value(self.check_features(X)))


def scale_of(X: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation of each column, (F,) each; a deviation of 0 becomes 1."""
    mean = np.average(X, axis=0, weights=weights)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    return mean, np.where(deviation > 0, deviation, 1.0)
