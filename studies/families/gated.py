"""An expert per regime as a family of the comparison: trained by state, mixed by filtered probabilities.

At most four states: each has to be learned from its share of the rows (Jacobs et al. 1991, "Adaptive mixtures of local
experts").
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from studies.families.classifiers import Classifier, Logistic
from studies.zoo.regimes import KINDS
from tercel.core import DataError, Floats
from tercel.signals import Estimator, Regressor, Ridge

MOST_STATES = 4


@dataclass(eq=False, repr=False)
class _Gated(Estimator):
    """Mixture of one expert a regime, by filtered probabilities.

    Parameters
    ----------
    expert : model of the zoo, optional
        Copied for every state; a line when not given.
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

    usual: ClassVar[type[Estimator]]

    def _fit(self, X: Floats, y: Floats, weights: Floats) -> None:
        if not 1 <= self.states <= MOST_STATES:
            raise DataError(f"1 to {MOST_STATES} states", str(self.states), "use fewer states")
        self.gate_ = KINDS[self.regimes](states=self.states, random_state=self.random_state).fit(
            self._gate(X)
        )
        chance = self.gate_.predict_proba(self._gate(X))
        model = self.usual() if self.expert is None else self.expert
        self.experts_ = []
        for state in range(self.states):
            # a tenth of the other states' weight keeps an expert sane where its own state was hardly seen
            part = weights * (0.1 + 0.9 * chance[:, state])
            self.experts_.append(type(model)(**model.get_params(deep=False)).fit(X, y, part))

    def _gate(self, X: Floats) -> Floats:
        return X if self.columns is None else X[:, list(self.columns)]

    def mixed(self, X: Floats, told: Callable[[Any], Floats]) -> Floats:
        """What the experts say of rows, (n,), each as likely as its regime."""
        chance = self.gate_.predict_proba(self._gate(X))
        return np.asarray(
            (chance * np.stack([told(one) for one in self.experts_], axis=1)).sum(axis=1)
        )


class GatedClassifier(_Gated, Classifier):
    """The mixture as a classifier, of logistic regressions."""

    usual = Logistic

    def _chance(self, X: Floats) -> Floats:
        return self.mixed(X, lambda expert: expert.predict_proba(X)[:, 1])


class GatedRegressor(_Gated, Regressor):
    """The mixture as a regressor, of ridges."""

    usual = Ridge

    def _value(self, X: Floats) -> Floats:
        return self.mixed(X, lambda expert: expert.predict(X))
