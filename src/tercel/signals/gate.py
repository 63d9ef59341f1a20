"""The regime gate: a mixture whose weights follow the state that the market is known to be in (filtered alone).

:class:`GatedFusion` weighs the same sources differently in each state, each state's weights pulled to those of all
rows. At most four states: each has to be learned from its share of the rows (Jacobs et al. 1991, "Adaptive mixtures of
local experts").

Walked forward:

    gate = Gate(("market.vol_20", "market.ret_5"))
    value, sd, chance = gated(data, told, names, folds, gate)

States are read from columns that say the same of every instrument. They are found on dates before each block and
filtered through it: the chance of a date knows that date and those before it, never a later one. It is measured by
`signals evaluate`; what `signals predict` serves and `signals backtest` holds is the plain fusion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.signals.fusion import LEAST_ROWS, Fusion, stack
from tercel.signals.fusion_walk import Fold, heard
from tercel.signals.panel.dataset import Dataset
from tercel.signals.zoo.regimes import KINDS

MOST_STATES = 4


@dataclass(frozen=True, eq=False)
class GatedFusion:
    """Mixture of one fusion a state, by the probabilities of the states.

    Parameters
    ----------
    parts : tuple of Fusion, length S
    """

    parts: tuple[Fusion, ...]

    def combine(self, forecasts: ArrayLike, states: ArrayLike) -> tuple[Floats, Floats]:
        """Forecast and standard deviation, (n,) each, from forecasts (n, K) and filtered probabilities (n, S).

        The variance is that of the mixture: within states and between them.
        """
        chance = np.asarray(states, dtype=np.float64)
        if chance.ndim != 2 or chance.shape[1] != len(self.parts) or not np.isfinite(chance).all():
            text = f"shape {chance.shape} for {len(self.parts)} states"
            raise DataError("a finite probability per row and state", text, "filter the regimes first")
        predicted = [part.combine(forecasts) for part in self.parts]
        values = np.stack([value for value, _ in predicted], axis=1)
        deviations = np.stack([sd for _, sd in predicted], axis=1)
        mean = (chance * values).sum(axis=1)
        second = (chance * (deviations**2 + values**2)).sum(axis=1)
        return mean, np.sqrt(np.maximum(second - mean**2, 0.0))


def stack_by_state(
    out_of_fold: ArrayLike, y: ArrayLike, states: ArrayLike, sources: Sequence[str], *, shrink: float = 0.5,
    heard: ArrayLike = True,
) -> GatedFusion:  # fmt: skip
    """One fusion per state, from out-of-fold forecasts (n, K) and filtered probabilities (n, S).

    Each state's rows weigh by its probability, and its weights are pulled to those of all rows: a state that was hardly
    ever seen is fused like the whole.

    Raises
    ------
    DataError
        As :func:`tercel.signals.fusion.stack`; or more than four states.
    """
    chance = np.asarray(states, dtype=np.float64)
    whole = stack(out_of_fold, y, sources, shrink=shrink, heard=heard)
    if chance.ndim != 2 or len(chance) != len(np.asarray(y)) or not 1 <= chance.shape[1] <= MOST_STATES:
        text = f"shape {chance.shape} for {len(np.asarray(y))} rows"
        raise DataError(f"probabilities of 1 to {MOST_STATES} states per row", text, "use fewer states")
    parts = []
    for column in chance.T:
        rows = float(column.sum())
        seen = column if rows >= 1.0 else np.full(len(column), 1.0)
        # a state of few rows learns little of its own
        trust = shrink + (1.0 - shrink) * 100.0 / (100.0 + rows)
        parts.append(stack(out_of_fold, y, sources, shrink=trust, row_weights=seen, towards=whole.weights, heard=heard))
    return GatedFusion(tuple(parts))


LEAST_DATES = 60
"""Dates below which no states are looked for."""


@dataclass(frozen=True)
class FusionGate:
    """Columns and kind of model from which the gate reads states.

    Parameters
    ----------
    columns : tuple of str
        Columns of the set, `source.column`; states are numbered by the variance of the first, calm first.
    kind : {"hmm", "clusters"}
    states : int
    seed : int
    """

    columns: tuple[str, ...]
    kind: str = "hmm"
    states: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no gate can be made of."""
        if self.kind not in KINDS or not 2 <= self.states <= MOST_STATES or not self.columns:
            text = f"{self.kind}, {self.states} states, {len(self.columns)} columns"
            raise ConfigError(f"hmm or clusters, 2 to {MOST_STATES} states, a column", text, "mend [train.gate]")

    def make(self) -> Any:
        """An unfitted model of the states."""
        return KINDS[self.kind](states=self.states, random_state=self.seed)

    def by_date(self, data: Dataset) -> Floats:
        """The columns' values, one row a date, float64 (D, C); NaN where nothing is known.

        Raises
        ------
        ConfigError
            For a column that the set does not have.
        DataError
            For a column that differs between the instruments of a date; when fewer than 60 dates know all columns.
        """
        shared = [n for n in data.names if n.split(".", 1)[0] not in data.ranking]
        missing = [name for name in self.columns if name not in data.names]
        if missing:
            known = ", ".join(shared) or "none in this panel"
            raise ConfigError(f"columns for the gate among {known}", ", ".join(missing), "mend [train.gate] columns")
        first = np.flatnonzero(np.diff(data.time_ns, prepend=data.time_ns[:1] - 1))
        x = data.x[:, [data.names.index(name) for name in self.columns]]
        high, low = np.fmax.reduceat(x, first, axis=0), np.fmin.reduceat(x, first, axis=0)
        if (high > low).any():
            bad = self.columns[int(np.flatnonzero((high > low).any(axis=0))[0])]
            raise DataError("columns that say the same of every instrument", bad, f"use {', '.join(shared)}")
        if (count := int(np.isfinite(high).all(axis=1).sum())) < LEAST_DATES:
            what = f"{count} of {len(high)} that know {', '.join(self.columns)}"
            raise DataError(
                f"at least {LEAST_DATES} dates for a gate", what, "take a longer panel, or leave the gate out"
            )
        return np.asarray(high)


def gated(
    data: Dataset, predicted: Floats, names: Sequence[str], folds: Sequence[Fold], gate: FusionGate, *,
    shrink: float = 0.5,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Fused forecast, its standard deviation, float64 (n,), and the states' chances (n, S).

    NaN in rows of no test block, and in blocks before which too little was heard for a gate: there the caller's plain
    fusion stands.
    """
    values, dates = gate.by_date(data), data.dates
    value, sd = np.full(data.n, np.nan), np.full(data.n, np.nan)
    chance = np.full((data.n, gate.states), np.nan)
    seen = np.zeros(data.n, dtype=bool)
    for _, test in folds:
        begin = int(data.time_ns[test].min())
        known = seen & (data.end_ns <= begin) & ~np.isnan(predicted).all(axis=1)
        at, last = int(dates[test].min()), int(dates[test].max())
        past = values[:at]
        seen[test] = True
        if known.sum() < LEAST_ROWS or np.isfinite(past).all(axis=1).sum() < LEAST_DATES:
            continue
        try:
            regimes, usual = _fitted(gate, past)
            states = _chances(regimes, values[: last + 1], usual)
            fusion = stack_by_state(
                predicted[known], data.y[known], states[dates[known]], names, shrink=shrink,
                heard=heard(data, predicted, known),
            )  # fmt: skip
        except DataError:  # states that cannot be told apart yet
            continue
        chance[test] = states[dates[test]]
        value[test], sd[test] = fusion.combine(predicted[test], chance[test])
    return value, sd, chance


def _fitted(gate: FusionGate, past: Floats) -> tuple[Any, Floats]:
    """A model of the states of some dates, and how often each was."""
    kept = past[np.isfinite(past).all(axis=1)]
    regimes = gate.make().fit(kept)
    return regimes, np.asarray(regimes.predict_proba(kept).mean(axis=0))


def _chances(regimes: Any, values: Floats, usual: Floats) -> Floats:
    out = np.tile(usual, (len(values), 1))
    finite = np.isfinite(values).all(axis=1)
    if finite.any():
        out[finite] = regimes.predict_proba(values[finite])
    return out
