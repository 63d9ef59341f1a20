"""The regime gate: a mixture whose weights follow the state that the market is known to be in (filtered alone).

Two forms. :class:`GatedFusion` weighs the same sources differently in each state, each state's weights pulled to those
of all rows. :class:`GatedClassifier` trains one expert per state. At most four states: each has to be learned from its
share of the rows (Jacobs et al. 1991, "Adaptive mixtures of local experts").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.signals.fusion import Fusion, stack
from tercel.signals.zoo.base import Classifier
from tercel.signals.zoo.linear import Logistic
from tercel.signals.zoo.regimes import regimes_of

MOST_STATES = 4


@dataclass(frozen=True, eq=False)
class GatedFusion:
    """A fusion per state, mixed by the probabilities of the states.

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
        told = [part.combine(forecasts) for part in self.parts]
        values = np.stack([value for value, _ in told], axis=1)
        deviations = np.stack([sd for _, sd in told], axis=1)
        mean = (chance * values).sum(axis=1)
        second = (chance * (deviations**2 + values**2)).sum(axis=1)
        return mean, np.sqrt(np.maximum(second - mean**2, 0.0))


def stack_by_state(
    out_of_fold: ArrayLike, y: ArrayLike, states: ArrayLike, sources: Sequence[str], *, shrink: float = 0.5
) -> GatedFusion:
    """One fusion per state, from out-of-fold forecasts (n, K) and filtered probabilities (n, S).

    Each state's rows weigh by its probability, and its weights are pulled to those of all rows: a state that was hardly
    ever seen is fused like the whole.

    Raises
    ------
    DataError
        As :func:`tercel.signals.fusion.stack`; or more than four states.
    """
    chance = np.asarray(states, dtype=np.float64)
    whole = stack(out_of_fold, y, sources, shrink=shrink)
    if chance.ndim != 2 or len(chance) != len(np.asarray(y)) or not 1 <= chance.shape[1] <= MOST_STATES:
        text = f"shape {chance.shape} for {len(np.asarray(y))} rows"
        raise DataError(f"probabilities of 1 to {MOST_STATES} states per row", text, "use fewer states")
    parts = []
    for column in chance.T:
        rows = float(column.sum())
        seen = column if rows >= 1.0 else np.full(len(column), 1.0)
        # a state of few rows learns little of its own
        trust = shrink + (1.0 - shrink) * 100.0 / (100.0 + rows)
        parts.append(stack(out_of_fold, y, sources, shrink=trust, row_weights=seen, towards=whole.weights))
    return GatedFusion(tuple(parts))


@dataclass(eq=False, repr=False)
class GatedClassifier(Classifier):
    """An expert per regime, mixed by filtered probabilities.

    Parameters
    ----------
    expert : model of the zoo, optional
        Copied for every state; logistic regression when not given.
    columns : tuple of int, optional
        Columns that the regimes are read from; all when not given.
    regimes : {"hmm", "clusters"}
    states : int
        At most four.
    random_state : int

    Rows are moments in time order. NaN is refused; sample weights go to the experts.
    """

    least_rows = 20

    expert: Any = None
    columns: tuple[int, ...] | None = None
    regimes: str = "hmm"
    states: int = 2
    random_state: int = 0

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        if not 1 <= self.states <= MOST_STATES:
            raise DataError(f"1 to {MOST_STATES} states", str(self.states), "use fewer states")
        self.gate_ = regimes_of(self.regimes, self.states, self.random_state).fit(self._gate(X))
        chance = self.gate_.predict_proba(self._gate(X))
        model = Logistic() if self.expert is None else self.expert
        self.experts_ = []
        for state in range(self.states):
            # a tenth of the other states' weight keeps an expert sane where its own state was hardly seen
            part = weights * (0.1 + 0.9 * chance[:, state])
            self.experts_.append(type(model)(**model.get_params(deep=False)).fit(X, up, part))

    def _gate(self, X: Floats) -> Floats:
        return X if self.columns is None else X[:, list(self.columns)]

    def _chance(self, X: Floats) -> Floats:
        chance = self.gate_.predict_proba(self._gate(X))
        told = np.stack([expert.predict_proba(X)[:, 1] for expert in self.experts_], axis=1)
        return np.asarray((chance * told).sum(axis=1))
