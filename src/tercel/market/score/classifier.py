"""Two-sample classifier test of realism: gradient boosting on fixed features of windows of 50 events.

Both tapes are cut into windows of 50 events; the first 60 % of each tape's windows train the classifier and the rest
test it, so that no window is near one it was trained on. The area under the ROC curve is 0.5 where the tapes cannot be
distinguished and 1 where every window gives itself away; two real days of one stock reach 0.7 to 0.8.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.core.stats.ranks import ranks
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed
from tercel.market.observed.event_columns import KINDS, LIMIT_DEEPER, NAMES
from tercel.market.score.sample import ZERO_WAIT_S

WINDOW: Final = 50
TRAIN_SHARE: Final = 0.6
MIN_WINDOWS: Final = 40
"""Windows of each tape below which no classifier is trained."""
MAX_WINDOWS: Final = 4000
FEATURES: Final = (
    *(f"share of {name}" for name in NAMES),
    "same side as before",
    "same kind as before",
    "same size as before",
    "mean log wait",
    "sd of log wait",
    "share of no wait",
    "autocorrelation of log wait",
    "mean spread",
    "sd of spread",
    "mean log touch depth",
    "mean log deep depth",
    "mean absolute imbalance",
    "mean log size",
    "sd of log size",
    "share of round lots",
    "mean distance of limit orders",
    "autocorrelation of their distance",
    "absolute move of the mid",
)
ROUND_LOT: Final = 100


def features(o: Observed, clock_ns: int = 1) -> Floats:
    """Features of each whole window, shape (windows, 24), in the order of `FEATURES`."""
    counted = ~o.remainder
    n = int(np.count_nonzero(counted)) // WINDOW
    if n == 0:
        return np.empty((0, len(FEATURES)))

    def cut(values: NDArray[Any]) -> Floats:
        """Values of the counted events by window, float64 (windows, WINDOW)."""
        return np.asarray(values[counted][: n * WINDOW], np.float64).reshape(n, WINDOW)

    kind = cut(o.kind)
    side = cut(o.side)
    size = cut(o.lots) * o.lot
    wait = np.diff(cut(o.ns // clock_ns), axis=1) * (clock_ns / NS_PER_SECOND)
    log_wait = np.log10(np.maximum(wait, ZERO_WAIT_S))
    log_size = np.log(size)
    spread = cut(o.ask_px[:, 0] - o.bid_px[:, 0])
    bid = cut(o.bid_lots[:, 0]) * o.lot
    ask = cut(o.ask_lots[:, 0]) * o.lot
    deep = cut(o.bid_lots[:, 1:5].sum(axis=1) + o.ask_lots[:, 1:5].sum(axis=1)) * o.lot
    limit = kind <= LIMIT_DEEPER
    behind = np.where(limit, cut(o.behind), np.nan)
    mid = cut(o.bid_px[:, 0] + o.ask_px[:, 0]) / 2.0
    columns = [
        *((kind == code).mean(axis=1) for code in range(KINDS)),
        *((x[:, 1:] == x[:, :-1]).mean(axis=1) for x in (side, kind, size)),
        log_wait.mean(axis=1),
        log_wait.std(axis=1),
        (wait <= 0).mean(axis=1),
        _lag_one(log_wait),
        spread.mean(axis=1),
        spread.std(axis=1),
        np.log(np.maximum(bid, 1.0) * np.maximum(ask, 1.0)).mean(axis=1) / 2.0,
        np.log1p(deep).mean(axis=1),
        np.abs((bid - ask) / (bid + ask)).mean(axis=1),
        log_size.mean(axis=1),
        log_size.std(axis=1),
        (size % ROUND_LOT == 0).mean(axis=1),
        _mean_of(behind),
        _lag_one_of_given(behind),
        np.abs(mid[:, -1] - mid[:, 0]),
    ]
    return np.stack(columns, axis=1)


def _lag_one(x: Floats) -> Floats:
    """Autocorrelation at lag 1 along each row, 0 for constant rows."""
    centred = x - x.mean(axis=1, keepdims=True)
    variance = np.sum(centred * centred, axis=1)
    correlation = np.zeros(len(x))
    np.divide(
        np.sum(centred[:, 1:] * centred[:, :-1], axis=1),
        variance,
        out=correlation,
        where=variance > 0,
    )
    return correlation


def _mean_of(x: Floats) -> Floats:
    """Row means without NaN; 0 for a row that is all NaN."""
    is_number = ~np.isnan(x)
    return np.asarray(np.nansum(x, axis=1) / np.maximum(is_number.sum(axis=1), 1), np.float64)


def _lag_one_of_given(x: Floats) -> Floats:
    """Autocorrelation at lag 1 of each row's values that are not NaN, in their order, 0 for constant rows."""
    correlation = np.zeros(len(x))
    for i, row in enumerate(x):
        present = row[~np.isnan(row)]
        if len(present) > 2:
            correlation[i] = _lag_one(present[None, :])[0]
    return correlation


def auc(positive: Floats, negative: Floats) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half.

    >>> auc(np.array([0.9, 0.4]), np.array([0.1, 0.4]))
    0.875
    """
    rank = ranks(np.concatenate((positive, negative)))
    n = len(positive)
    m = len(negative)
    return float((rank[:n].sum() - n * (n + 1) / 2.0) / (n * m))


def classifier_auc(
    real: Observed | Sequence[Observed],
    candidate: Observed | Sequence[Observed],
    clock_ns: int = 1,
    like: Sequence[Observed] = (),
) -> float | None:
    """AUC of the classifier on windows away from those it was trained on; None for too few windows.

    With `like` the candidate has at most as many windows as that, evenly spread, so that both are told from the real
    tape by as many rows.

    Raises
    ------
    ConfigError
        scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise ConfigError(
            "scikit-learn for the classifier",
            "it is not installed",
            "install tercel[signals], or give `classifier=False`",
        ) from error
    sides = [_windows(tape, clock_ns) for tape in (real, candidate)]
    if like:
        train, test = _windows(like, clock_ns)
        sides[1] = _thin_windows(sides[1][0], len(train)), _thin_windows(sides[1][1], len(test))
    if min(sum(len(x) for x in parts) for parts in sides) < MIN_WINDOWS:
        return None
    (real_train, real_test), (candidate_train, candidate_test) = sides
    model = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0)
    model.fit(
        np.concatenate((real_train, candidate_train)),
        np.repeat([1, 0], [len(real_train), len(candidate_train)]),
    )
    scores = [model.predict_proba(x)[:, 1] for x in (real_test, candidate_test)]
    return auc(scores[0], scores[1])


def _windows(tape: Observed | Sequence[Observed], clock_ns: int) -> tuple[Floats, Floats]:
    """Training and test windows: the first 60 % of each stretch, and the rest; thinned evenly to `MAX_WINDOWS`."""
    parts = [tape] if isinstance(tape, Observed) else tape
    train = []
    test = []
    for part in parts:
        rows = features(part, clock_ns)
        cut = int(TRAIN_SHARE * len(rows))
        train.append(rows[:cut])
        test.append(rows[cut:])
    return (
        _thin_windows(np.concatenate(train), MAX_WINDOWS),
        _thin_windows(np.concatenate(test), MAX_WINDOWS),
    )


def _thin_windows(rows: Floats, most: int) -> Floats:
    """So many windows at most, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)]
