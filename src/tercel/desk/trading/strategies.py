"""Strategies of a session by name, and checks before one trades."""

from typing import Protocol

import numpy as np

from tercel.core.errors import PolicyError
from tercel.execution.policies.network import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategy import Strategy


class Strategies(Protocol):
    """Factory of a strategy by name for an instrument."""

    def __call__(self, name: str, instrument: str) -> Strategy:
        """Raise `UnknownNameError` where there is none."""


def refuse_broken_weights(strategy: Strategy) -> None:
    """Refuse a learned strategy with non-finite weights: its compiled code checks no answers.

    Raises
    ------
    PolicyError
        For weights that are NaN or infinite.
    """
    if isinstance(strategy, PolicyStrategy) and isinstance(strategy.policy, MlpPolicy):
        if not all(
            np.isfinite(part).all()
            for part in strategy.policy.packed
            if isinstance(part, np.ndarray)
        ):
            raise PolicyError(
                f"finite weights in {strategy.name}", "NaN or infinity", "train it again"
            )
