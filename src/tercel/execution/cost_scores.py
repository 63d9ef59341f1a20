"""Action set `costs`: two scores decide whether an order takes a part at once, or its rule's takes wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.errors import refuse_if
from tercel.execution.action_checks import check_vectors, refuse_unknown
from tercel.execution.cost_observation import is_known
from tercel.execution.intent import TAKE, Intents
from tercel.execution.strategies.guarded import GUARD, Guarded
from tercel.execution.strategy import Strategy, finish_intents
from tercel.execution.view import View

# `costs`: changes of a rule by a forecast: take a part at once, or take nothing now.
# A policy with these actions compares what an order pays now with what it pays if it waits. It observes (`"costs"`) six
# numbers in units of the usual half spread, so that one set of weights serves names of any spread; what waiting costs in a
# name is measured on its earlier days (`lab.evaluation.market_estimates.Waiting`). Two scores come back; one above 0 acts:
# | score | intents |
# |---|---|
# | `take` | `slices` of the order's slices are taken, at most what the far touch displays |
# | `wait` | the rule takes nothing at this decision; its lots go on resting |
# Both act on when lots are taken: a policy that takes more lots than its rule owes its gain to the unknown impact of resting
# fills. Zeros are the rule, and so is everything where no forecast is known: `guarded`, to the last lot.
COST_LABELS: Final = ("take", "wait")


@dataclass(frozen=True)
class CostDecoder:
    """Decoder: two scores (take, wait) change what one rule's intents take.

    Parameters
    ----------
    base : Strategy
    slices : float
        Lots taken at once, in slices of the order.

    >>> from tercel.execution.probe_views import view_of
    >>> view, decoder = view_of(left=20), CostDecoder()
    >>> bool((decoder.decode(-np.ones((1, 2)), view) == Guarded().decide(view)).all())
    True
    """

    base: Strategy = field(default_factory=Guarded)
    slices: float = 3.0
    labels: ClassVar = COST_LABELS
    continuous: ClassVar = True

    def decode(self, actions: AnyArray, view: View) -> Intents:
        """Intents int32 (n, 10) of float (n, 2) scores: those above 0 change the rule's intents, where forecasts are known.

        No take waits at an order's last decision. Where both scores are above 0, `take` acts.

        Raises
        ------
        ConfigError
            Another shape, or a score that is not finite.
        """
        intents = self.base.decide(view).astype(np.int32, casting="same_kind")
        take, wait = ((check_vectors(actions, view.n, COST_LABELS) > 0) & is_known(view)[:, None]).T
        intents[wait & (view.decisions_left > 1), TAKE] = 0
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

    >>> cost_decoder({"slices": 2}).slices
    2.0
    """
    refuse_unknown(parameters, ("slices", "guarded"), "costs")
    slices = float(parameters.get("slices", CostDecoder.slices))
    refuse_if(not 0.0 < slices < np.inf, "slices above 0", f"slices = {slices}", "such as 2")
    return CostDecoder(Guarded(guard=GUARD if parameters.get("guarded", True) else None), slices)
