"""Order flow imbalance on a recorded day: what it explains within a bar, and what it foretells of the next second.

Contemporaneous: the move of the mid over 10 s on the flow of the same 10 s, fitted in each half hour (Cont, Kukanov &
Stoikov 2014). In-sample R² of one level and of five; then the coefficients of a half hour scored on the next, raw and
with contributions clipped at the 99 % quantile of all messages *before* the scored half hour. It explains, it does not
forecast: nobody knows the flow of a bar before the bar is over.

Forecast: direction of the mid over the next second from 27 features of the past, logistic; trained before 12:45, tested
after. The AUC is above chance; the moves are a fraction of the spread, so that no profit follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.common.scores import auc, clustered, single_class
from studies.signals.bars import SECOND, Flow, bar_names, bars, clock, flow_of, session
from tercel.core import DataError, import_optional
from tercel.core.stats import Estimate
from tercel.market.tape import Events, Instrument

Floats = NDArray[np.float64]
BAR_NS = 10 * SECOND
PART_NS = 1800 * SECOND
RIDGE = 0.1
"""Penalty on standardised flows, for each bar that is fitted."""
PROFIT = "no profit claimed: the moves explained or foretold are a fraction of the spread"


def past_clip(flow: Flow, until_ns: int, quantile: float = 0.99) -> Floats:
    """Absolute contribution of a message, at each level, that `quantile` of those up to `until_ns` stay below.

    Every message counts, those that left the level alone too. Float64 (L,); infinite where there is no past.
    """
    past = flow.by_level[: int(np.searchsorted(flow.ns, until_ns, side="right"))]
    if len(past) == 0:
        return np.full(flow.levels, np.inf)
    return np.asarray(np.quantile(np.abs(past), quantile, axis=0), np.float64)


@dataclass(frozen=True)
class FlowStudy:
    """Figures of one day.

    Parameters
    ----------
    instrument, date : str
    whole_day : float
        R² of one slope for the whole day, first level.
    raw_1, raw_5, clipped_1, clipped_5 : float
        Mean half-hour R² in-sample, of one and of `levels` levels.
    next_1, next_5, next_clipped_1, next_clipped_5 : float
        Mean R² of a half hour's coefficients on the next half hour.
    worst_half_hour, best_half_hour : float
        Of `raw_1`.
    signed_volume : float
        Mean half-hour R² of signed trade volume instead.
    auc : Estimate or None
        Of the next second's direction, out of sample, by blocks of a minute; None where it was not asked for.
    moves : int
        Test seconds whose mid moved.
    spread_ticks, move_ticks : float
        Median spread; mean absolute 10 s move.
    """

    instrument: str
    date: str
    levels: int
    half_hours: int
    whole_day: float
    raw_1: float
    raw_5: float
    clipped_1: float
    clipped_5: float
    next_1: float
    next_5: float
    next_clipped_1: float
    next_clipped_5: float
    worst_half_hour: float
    best_half_hour: float
    signed_volume: float
    auc: Estimate | None
    moves: int
    spread_ticks: float
    move_ticks: float
    note: str = PROFIT


def flow_study(
    instrument: Instrument, events: Events, *, seed: int = 0, forecast: bool = True
) -> FlowStudy:
    """Figures of one day of tape.

    Raises
    ------
    DataError
        When the session holds fewer than two half hours with a book.
    """
    levels = min(instrument.levels, 5) or 5
    flow = flow_of(events, levels)
    opened, closed = session(instrument)
    parts = (closed - opened) // PART_NS
    if parts < 2:
        raise DataError("a session of at least two half hours", f"{parts}", "use a longer tape")
    edges = clock(opened, opened + parts * PART_NS, BAR_NS)
    raw = _split(bars(flow, edges), levels, parts)
    past = [past_clip(flow, opened + (h + 1) * PART_NS) for h in range(parts)]
    clipped = [_split(bars(flow, edges, clip), levels, parts) for clip in past]
    later = range(parts - 1)
    own = [
        clipped[max(h - 1, 0)][h] for h in range(parts)
    ]  # clipped at what was known when the half hour began
    inside = np.array([_inside(*part) for part in raw])
    inside_clipped = np.array([_inside(*part) for part in own])
    ahead = np.array([_next(raw[h], raw[h + 1]) for h in later])
    # both half hours clipped at the quantile of all that came before the second
    ahead_clipped = np.array([_next(clipped[h][h], clipped[h][h + 1]) for h in later])
    every = bars(flow, edges)
    names = bar_names(levels)
    signed = every[:, names.index("signed_volume")].reshape(parts, -1, 1)
    by_volume = [_fitted(signed[h], raw[h][1]) for h in range(parts)]
    found, moves = _direction(flow, opened, closed, seed) if forecast else (None, 0)
    return FlowStudy(
        instrument.symbol, instrument.date, levels, int(parts),
        _fitted(every[:, names.index("ofi_1")][:, None], every[:, names.index("move")]),
        *_means(inside), *_means(inside_clipped), *_means(ahead), *_means(ahead_clipped),
        float(inside[:, 0].min()), float(inside[:, 0].max()),
        float(np.mean(by_volume)), found, moves,
        float(np.nanmedian(every[:, names.index("spread")])), float(np.mean(np.abs(every[:, names.index("move")]))),
    )  # fmt: skip


def _means(pairs: Floats) -> tuple[float, float]:
    return float(pairs[:, 0].mean()), float(pairs[:, 1].mean())


def _split(values: Floats, levels: int, parts: int) -> list[tuple[Floats, Floats]]:
    """(flows (m, L), moves (m,)) of each half hour."""
    names = bar_names(levels)
    first, move = names.index("ofi_1"), names.index("move")
    if not np.isfinite(values[:, move]).all():
        raise DataError(
            "a two-sided book from the first bar on",
            "bars without a mid",
            "cut the tape to the session",
        )
    return [
        (part[:, first : first + levels], part[:, move]) for part in np.array_split(values, parts)
    ]


def ridge(x: Floats, y: Floats, penalty: float = RIDGE) -> tuple[Floats, float]:
    """(coefficients, intercept) of a ridge on standardised columns, penalised `penalty` a row, in their own units."""
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    z = (x - centre) / scale
    inside = z.T @ z + penalty * len(y) * np.eye(x.shape[1])
    slope = np.linalg.solve(inside, z.T @ (y - y.mean())) / scale
    return slope, float(y.mean() - centre @ slope)


def _fitted(x: Floats, y: Floats, penalty: float = 0.0) -> float:
    slope, start = ridge(x, y, max(penalty, 1e-12))
    return float(import_optional("sklearn.metrics").r2_score(y, x @ slope + start))


def _inside(x: Floats, y: Floats) -> tuple[float, float]:
    return _fitted(x[:, :1], y), _fitted(x, y, RIDGE)


def _next(now: tuple[Floats, Floats], later: tuple[Floats, Floats]) -> tuple[float, float]:
    out = []
    for columns, penalty in ((1, 1e-12), (now[0].shape[1], RIDGE)):
        slope, start = ridge(now[0][:, :columns], now[1], penalty)
        out.append(
            float(
                import_optional("sklearn.metrics").r2_score(
                    later[1], later[0][:, :columns] @ slope + start
                )
            )
        )
    return out[0], out[1]


# -- the next second --------------------------------------------------------------------------------------------------

WINDOWS = (1, 5, 20)


def second_features(flow: Flow, edges: NDArray[np.int64], clip: Floats) -> tuple[Floats, Floats]:
    """(features float64 (n, 27), move of the mid in the bar, ticks): all known at the end of each bar of the clock.

    Over three windows the flow of five levels, signed volume and the return (21); variance and events; the book as it
    stands: three imbalances and the microprice.
    """
    names = bar_names(flow.levels)
    values = bars(flow, edges, clip)
    column = {name: values[:, i] for i, name in enumerate(names)}
    wide = range(1, flow.levels + 1)
    built = [_window(column[f"ofi_{m}"], w) for w in WINDOWS for m in wide]
    built += [_window(column["signed_volume"], w) for w in WINDOWS]
    built += [_window(column["move"], w) for w in WINDOWS]
    built += [np.log1p(_window(column["rv"], 20)), np.log1p(column["events"])]
    built += [column[name] for name in ("imbalance_1", "imbalance_3", "imbalance", "microprice")]
    x = np.stack(built, axis=1)
    return np.nan_to_num(x), column["move"]


def _window(value: Floats, width: int) -> Floats:
    """Sum over the last `width` bars."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(value))])
    at = np.arange(1, len(total))
    return np.asarray(total[at] - total[np.maximum(at - width, 0)])


def _direction(flow: Flow, opened: int, closed: int, seed: int) -> tuple[Estimate, int]:
    """AUC of the direction of the next second in the second half of the day, and the moves it rests on."""
    linear = import_optional("sklearn.linear_model")
    split = opened + (closed - opened) // 2
    edges = clock(opened, closed, SECOND)
    x, move = second_features(flow, edges, past_clip(flow, split))
    x, target, known = x[:-1], move[1:], edges[1:-1]
    moved = np.flatnonzero(np.isfinite(target) & (target != 0))
    # the label of a training row ends a second after it is known
    train, test = moved[known[moved] + SECOND <= split], moved[known[moved] >= split]
    if len(train) == 0 or len(test) == 0:
        raise DataError(
            "moves of the mid in both halves of the session", "none", "use a longer tape"
        )
    up = target > 0
    if up[train].all() or not up[train].any():
        raise single_class(bool(up[train][0]), len(train))
    z = _squashed(x, train)
    model = linear.LogisticRegression(C=0.05, max_iter=500).fit(z[train], up[train])
    score = model.decision_function(z[test])
    minutes = (known[test] - split) // (60 * SECOND)
    return clustered(auc, up[test].astype(int), score, minutes, np.random.default_rng(seed)), len(
        test
    )


def _squashed(x: Floats, train: NDArray[np.intp]) -> Floats:
    """Standardised by the training rows and cut at 4 standard deviations: flows have heavy tails."""
    centre, scale = x[train].mean(axis=0), x[train].std(axis=0)
    z = (x - centre) / np.where(scale > 0, scale, 1.0)
    return np.asarray(np.clip(z, -4.0, 4.0), np.float64)
