"""Factory, as a type, of a desk's strategies by name, and the refusal of weights that are not finite; no strategy itself."""

from collections.abc import Callable

import numpy as np

from tercel.core.errors import PolicyError, refuse_if
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategy import Strategy

Strategies = Callable[[str, str], Strategy]
"""Factory of the strategy of a name for an instrument; it raises UnknownNameError if there is none of that name."""


def refuse_broken_weights(strategy: Strategy) -> None:
    """Refuse a learned strategy whose weights are NaN or infinite; compiled code would not notice them.

    Raises
    ------
    PolicyError
        For weights that are NaN or infinite.
    """
    if isinstance(strategy, PolicyStrategy) and isinstance(strategy.policy, MlpPolicy):
        refuse_if(
            not all(
                np.isfinite(part).all()
                for part in strategy.policy.packed
                if isinstance(part, np.ndarray)
            ),
            f"finite weights in {strategy.name}",
            "NaN or infinity",
            "train it again",
            PolicyError,
        )
