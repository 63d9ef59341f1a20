"""`override`: as a written rule does, or one of the `sized` actions in its place.

Action 0 is the rule, lot for lot; a policy that starts with a strong leaning to it starts as the rule and learns where
to do otherwise. Lots stay together: no action splits an order over more rungs than the rule does, so that places in
the queue are kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.execution.actions import sized
from tercel.execution.actions.choice import checked, refuse_unknown
from tercel.execution.intent import Intents
from tercel.execution.strategy import Strategy
from tercel.execution.view import View

LABELS: Final = ("as the rule", *sized.LABELS)
RULE: Final = 0


@dataclass(frozen=True)
class Override:
    """Decoder that follows one written strategy or takes an action of `sized` in its place.

    >>> from tercel.execution.strategies.baselines import Peg
    >>> from tercel.execution.probes import view_of
    >>> Override(Peg()).decode(np.array([0, 3]), view_of(left=[90, 90]))[:, 5:].tolist()
    [[0, 0, 90, 0, 0], [0, 90, 0, 0, 0]]
    """

    base: Strategy
    labels: ClassVar = LABELS
    continuous: ClassVar = False

    def decode(self, actions: Ints, view: View) -> Intents:
        """Intents of `actions`, int64 (n,): 0 the rule's, others those of `sized`, one lower.

        Raises
        ------
        ConfigError
            An action outside the set, or not one a market.
        """
        actions = checked(actions, view.n, LABELS)
        intents = sized.decode(np.maximum(actions - 1, 0), view)
        ruled = actions == RULE
        if ruled.any():
            intents[ruled] = self.base.decide(view)[ruled]
        return intents


def override(
    parameters: Mapping[str, Any], base: Callable[[Mapping[str, Any]], Strategy]
) -> Override:
    """The decoder that a card's `action_parameters` describe: ``base``, ``parameters``, ``estimates``.

    Raises
    ------
    ConfigError
        A parameter that is none of these.
    """
    refuse_unknown(parameters, ("base", "parameters", "estimates"), "override")
    return Override(base(parameters))
