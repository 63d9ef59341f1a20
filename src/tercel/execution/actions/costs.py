"""`costs`: what a forecast moves of a rule: take a part at once, stand inside the spread, or show nothing.

A policy with these actions compares what an order pays now with what it pays if it waits. It observes (`"costs"`) six
numbers in units of the usual half spread, so that one set of weights serves names of any spread; what waiting costs in a
name is measured on its earlier days (`lab.evaluation.experiment.Waiting`). Three scores come back; one above 0 acts:

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

from tercel.core.arrays import AnyArray, Bools, Float32, Floats
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c
from tercel.execution.actions.placement import checked_vectors, refuse_unknown
from tercel.execution.intent import CANCEL, IMPROVE, OUTSIDE, REST0, TAKE, Intents, View
from tercel.execution.strategies.guarded import GUARD, Guarded
from tercel.execution.strategy import Strategy, settle

ENTRIES: Final = ("forecast_10", "forecast_30", "half_spread", "waiting", "behind", "time_left")
"""Moves of the mid expected against the order in 10 s and 30 s, half the spread, what resting costs (in usual half
spreads each), the share of the order that is left less that of its time, the latter."""
LABELS: Final = ("take", "inside", "hide")
MOST: Final = 3.0
"""An entry counts up to so many usual half spreads."""


def half_spread(view: View) -> Floats:
    """Half the public spread, bps, float64 (n,); 0 where a side is not quoted.

    Orders that a bound draws against the order do not narrow it: they say nothing of the market.

    >>> from tercel.execution.probes import view_of
    >>> half_spread(view_of(touch=999, far=1001, mid2=2000)).tolist()
    [10.0]
    """
    near = view.m[:, c.TOUCH]
    quoted = (np.abs(near) < NO_ASK) & (np.abs(view.far) < NO_ASK)
    spread = np.where(quoted, (view.far - near) * view.side, 0)
    return np.asarray(1e4 * spread / np.maximum(np.abs(view.mid2), 1), np.float64)


def is_known(view: View) -> Bools:
    """Where a forecast, the usual spread and the cost of waiting are known, bool (n,)."""
    said = (view.forecast_30_sd_bps > 0) & (view.usual_spread > 0) & (view.waiting > 0)
    return np.asarray(said & view.tradable & (half_spread(view) > 0))


def observe_costs(view: View) -> Float32:
    """The observation `"costs"`, float32 (n, 6); a row of zeros where something of it is not known.

    >>> from tercel.execution.probes import view_of
    >>> observe_costs(view_of(left=60, decision=5)).tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    mid2 = np.maximum(np.abs(view.mid2), 1)
    usual = np.where(view.usual_spread > 0, 1e4 * view.usual_spread / mid2, 1.0)
    time_left = view.time_left_ns / np.maximum(view.horizon_ns, 1)
    moves = (view.forecast_10_bps, view.forecast_30_bps, half_spread(view))
    rows = np.stack(
        [
            *(np.clip(one / usual, -MOST, MOST) for one in moves),
            view.waiting,
            view.left / np.maximum(view.qty0, 1) - time_left,
            time_left,
        ],
        axis=1,
    )
    return np.where(is_known(view)[:, None], rows, 0.0).astype(np.float32)


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
