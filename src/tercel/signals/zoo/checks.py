"""What every model asks of its data before it learns from it, and the errors that name what is wrong.

The errors are :class:`~tercel.core.errors.DataError` and `ValueError` at once, since scikit-learn's tools look for
the latter.
"""

from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError


class FitError(DataError, ValueError):
    """Features, targets or weights that a model cannot learn from or predict for."""


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
        raise FitError("finite features", text, "fill or drop what is missing (tercel.signals.zoo.filled), then fit")
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
