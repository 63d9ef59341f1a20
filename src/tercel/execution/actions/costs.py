"""`costs`: what a forecast moves of a rule: take a part at once, stand inside the spread, or show nothing.

A policy with these actions compares what an order pays now with what it pays if it waits. It observes (`"costs"`) six
numbers in units of the usual half spread, so that one set of weights serves names of any spread; what waiting costs in a
name is measured on its earlier days (`lab.evaluation.runs.Waiting`). Three scores come back; one above 0 acts:

| score | intents |
|---|---|
| `take` | `slices` of the order's slices are taken, at most what the far touch displays |
| `inside` | what the rule rests stands a tick inside the spread, where there is room |
| `hide` | nothing rests |

Zeros are the rule, and so is everything where no forecast is known: `guarded`, to the last lot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.errors import ConfigError
from tercel.execution.actions.placement import checked_vectors, refuse_unknown
from tercel.execution.intent import CANCEL, IMPROVE, OUTSIDE, REST0, TAKE, Intents, View
from tercel.execution.observation import is_known
from tercel.execution.strategies.guarded import GUARD, Guarded
from tercel.execution.strategy import Strategy, settle

LABELS: Final = ("take", "inside", "hide")


@dataclass(frozen=True)
class CostDecoder:
    """Decoder that moves a rule's intents by three scores.

    Parameters
    ----------
    base : Strategy
    slices : float
        What is taken at once, slices of the order.

    >>> from tercel.execution.probes import view_of
    >>> view, decoder = view_of(left=20), CostDecoder()
    >>> bool((decoder.decode(np.ones((1, 3)), view) == Guarded().decide(view)).all())
    True
    """

    base: Strategy = field(default_factory=Guarded)
    slices: float = 2.0
    labels: ClassVar = LABELS
    continuous: ClassVar = True

    def decode(self, actions: AnyArray, view: View) -> Intents:
        """Intents int32 (n, 10) of float (n, 3) scores.

        Raises
        ------
        ConfigError
            Another shape, or a score that is not finite.
        """
        intents = self.base.decide(view).astype(np.int32, casting="same_kind")
        take, inside, hide = (
            (checked_vectors(actions, view.n, LABELS) > 0) & is_known(view)[:, None]
        ).T
        inside = inside & ~hide & (view.spread > 1)
        rest = intents[:, REST0:].sum(axis=1)
        intents[hide | inside, REST0:] = 0
        intents[inside, REST0 + IMPROVE] = rest[inside]
        intents[hide, OUTSIDE] = CANCEL
        lots = np.minimum(np.ceil(self.slices * view.qty0 / view.decisions), view.far_depth[:, 0])
        intents[take, TAKE] = np.maximum(intents[take, TAKE], lots[take])
        return settle(intents, view)


def costs(parameters: Mapping[str, Any]) -> CostDecoder:
    """The decoder that a card's `action_parameters` describe.

    Parameters
    ----------
    parameters : mapping
        ``slices``: what is taken at once; ``guarded``: False leaves the rule's guard out.

    Raises
    ------
    ConfigError, UnknownNameError
        A parameter that there is not; slices that are no number above 0.

    >>> costs({"slices": 3}).slices
    3.0
    """
    refuse_unknown(parameters, ("slices", "guarded"), "costs")
    slices = float(parameters.get("slices", CostDecoder.slices))
    if not 0.0 < slices < np.inf:
        raise ConfigError("slices above 0", f"slices = {slices}", "such as 2")
    return CostDecoder(Guarded(guard=GUARD if parameters.get("guarded", True) else None), slices)
