"""Strategies, which are not trusted: what they say is looked at before it is believed."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tercel.core.errors import PolicyError
from tercel.execution.intent import Intents
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategy import Shares, Strategy
from tercel.execution.view import View


class Strategies(Protocol):
    """Makes the strategy of a name for an instrument."""

    def __call__(self, name: str, instrument: str) -> Strategy:
        """Raise `UnknownNameError` where there is none."""
        ...


@dataclass(frozen=True)
class Guarded:
    """A strategy whose answers are looked at before they are believed.

    Parameters
    ----------
    inner : Strategy
    """

    inner: Strategy

    @property
    def name(self) -> str:
        """As in every table."""
        return self.inner.name

    def decide(self, view: View) -> Intents:
        """What the strategy wants.

        Raises
        ------
        PolicyError
            For an observation or an intent with NaN, or of another kind than whole numbers.
        """
        if not np.isfinite(view.obs).all():
            raise PolicyError("an observation of numbers", "NaN or infinity in it", "see its features in the journal")
        intents = np.asarray(self.inner.decide(view))
        if intents.dtype.kind != "i":
            said = "NaN" if intents.dtype.kind == "f" and np.isnan(intents).any() else f"{intents.dtype}"
            raise PolicyError(f"an intent of whole numbers from {self.name}", said, "mend the strategy")
        return intents.astype(np.int32, copy=False)

    def expected(self, view: View) -> Shares:
        """The strategy's own."""
        return self.inner.expected(view)


def trusted(strategy: Strategy) -> Strategy:
    """A strategy that a worker may run: a learned one with finite weights, any other one guarded.

    Raises
    ------
    PolicyError
        For weights that are no numbers.
    """
    if isinstance(strategy, PolicyStrategy) and isinstance(strategy.policy, MlpPolicy):
        if not all(np.isfinite(part).all() for part in strategy.policy.packed if isinstance(part, np.ndarray)):
            raise PolicyError(f"finite weights in {strategy.name}", "NaN or infinity", "train it again")
        return strategy  # as it is, it runs compiled
    return Guarded(strategy)
