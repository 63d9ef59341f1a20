"""How good chances of "up" are, as plain numbers: AUC, Brier score, calibration error."""

import numpy as np
from numpy.typing import ArrayLike

from tercel.core import DataError
from tercel.core.stats import ranks


def single_class(which: object, rows: int) -> DataError:
    """Error of a set that holds one class alone."""
    return DataError(
        "at least two classes",
        f"class {which} alone in {rows} rows",
        "use a longer span or another label",
    )


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Probability that a positive (truth > 0) scores above a negative, ties half.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75

    Raises
    ------
    DataError
        When there is a single class.
    """
    y = np.asarray(truth) > 0
    up, down = int(y.sum()), int((~y).sum())
    if up == 0 or down == 0:
        raise single_class(int(y[0]) if len(y) else 0, len(y))
    return float((ranks(score)[y].sum() - up * (up + 1) / 2) / (up * down))


def brier(truth: ArrayLike, probability: ArrayLike) -> float:
    """Mean squared distance of a probability from what happened (truth > 0)."""
    return float(np.mean((np.asarray(probability, np.float64) - (np.asarray(truth) > 0)) ** 2))


def ece(truth: ArrayLike, probability: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error over `bins` of equally many rows: mean |probability - frequency|, by rows."""
    p, y = np.asarray(probability, np.float64), (np.asarray(truth) > 0).astype(np.float64)
    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(part) * abs(p[part].mean() - y[part].mean()) for part in parts) / len(p))
