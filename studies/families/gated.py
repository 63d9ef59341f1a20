"""An expert per regime as a family of the comparison: trained by state, mixed by filtered probabilities.

At most four states: each has to be learned from its share of the rows (Jacobs et al. 1991, "Adaptive mixtures of local
experts").
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.families.classifiers import Classifier, Logistic
from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.signals.gate import MOST_STATES
from tercel.signals.zoo.regimes import KINDS


@dataclass(eq=False, repr=False)
class GatedClassifier(Classifier):
    """Mixture of one expert a regime, by filtered probabilities.

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
        self.gate_ = KINDS[self.regimes](states=self.states, random_state=self.random_state).fit(self._gate(X))
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
        predicted = np.stack([expert.predict_proba(X)[:, 1] for expert in self.experts_], axis=1)
        return np.asarray((chance * predicted).sum(axis=1))
