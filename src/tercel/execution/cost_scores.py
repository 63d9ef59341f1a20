"""Action set `costs`: three scores decide whether a rule's intents take, rest inside the spread, or hide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.errors import refuse_if
from tercel.execution.action_checks import check_vectors, refuse_unknown
from tercel.execution.cost_observation import is_known
from tercel.execution.intent import CANCEL, IMPROVE, OUTSIDE, REST0, TAKE, Intents
from tercel.execution.strategies.guarded import GUARD, Guarded
from tercel.execution.strategy import Strategy, finish_intents
from tercel.execution.view import View

# `costs`: changes of a rule by a forecast: take a part at once, rest inside the spread, or rest nothing.
# A policy with these actions compares what an order pays now with what it pays if it waits. It observes (`"costs"`) six
# numbers in units of the usual half spread, so that one set of weights serves names of any spread; what waiting costs in a
# name is measured on its earlier days (`lab.evaluation.market_estimates.Waiting`). Three scores come back; one above 0 acts:
# | score | intents |
# |---|---|
# | `take` | `slices` of the order's slices are taken, at most what the far touch displays |
# | `inside` | lots that the rule rests go a tick inside the spread, if the spread is wide enough |
# | `hide` | nothing rests |
# Zeros are the rule, and so is everything where no forecast is known: `guarded`, to the last lot.
COST_LABELS: Final = ("take", "inside", "hide")


@dataclass(frozen=True)
class CostDecoder:
    """Decoder: three scores (take, inside, hide) change what one rule's intents take and rest.

    Parameters
    ----------
    base : Strategy
    slices : float
        Lots taken at once, in slices of the order.

    >>> from tercel.execution.probe_views import view_of
    >>> view, decoder = view_of(left=20), CostDecoder()
    >>> bool((decoder.decode(np.ones((1, 3)), view) == Guarded().decide(view)).all())
    True
    """

    base: Strategy = field(default_factory=Guarded)
    slices: float = 2.0
    labels: ClassVar = COST_LABELS
    continuous: ClassVar = True

    def decode(self, actions: AnyArray, view: View) -> Intents:
        """Intents int32 (n, 10) of float (n, 3) scores: those above 0 change the rule's intents, where forecasts are known.

        Raises
        ------
        ConfigError
            Another shape, or a score that is not finite.
        """
        intents = self.base.decide(view).astype(np.int32, casting="same_kind")
        take, inside, hide = (
            (check_vectors(actions, view.n, COST_LABELS) > 0) & is_known(view)[:, None]
        ).T
        inside = inside & ~hide & (view.spread > 1)
        rest = intents[:, REST0:].sum(axis=1)
        intents[hide | inside, REST0:] = 0
        intents[inside, REST0 + IMPROVE] = rest[inside]
        intents[hide, OUTSIDE] = CANCEL
        lots = np.minimum(np.ceil(self.slices * view.qty0 / view.decisions), view.far_depth[:, 0])
        intents[take, TAKE] = np.maximum(intents[take, TAKE], lots[take])
        return finish_intents(intents, view)


def cost_decoder(parameters: Mapping[str, Any]) -> CostDecoder:
    """The `costs` decoder of a policy card's `action_parameters`: `slices`, and `guarded` (True) for a guard of the rule.

    Parameters
    ----------
    parameters : mapping
        ``slices``: lots taken at once, in slices of the order; ``guarded``: False leaves the rule's guard out.

    Raises
    ------
    ConfigError, UnknownNameError
        A parameter that there is not; slices that are no number above 0.

    >>> cost_decoder({"slices": 3}).slices
    3.0
    """
    refuse_unknown(parameters, ("slices", "guarded"), "costs")
    slices = float(parameters.get("slices", CostDecoder.slices))
    refuse_if(not 0.0 < slices < np.inf, "slices above 0", f"slices = {slices}", "such as 2")
    return CostDecoder(Guarded(guard=GUARD if parameters.get("guarded", True) else None), slices)
