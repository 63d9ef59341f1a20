"""Action set `residual`: actions change the lots that a rule takes and rests at each place; zeros leave the rule as it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import refuse_if
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c, intent as it
from tercel.execution.action_checks import check_vectors, refuse_unknown
from tercel.execution.decoder_kernels import is_tradable, round_lots
from tercel.execution.intent import Intents
from tercel.execution.strategy import Strategy
from tercel.execution.view import View

# `residual`: a rule's intent, moved by a network; all zeros are that strategy, lot for lot.
#     0        take: more (less) of it, in units of the lots displayed at the far touch
#     1 .. 5   improve, touch, touch-1, touch-2, touch-3: what rests there gains (loses) weight
#     6        hide: lots held back gain (lose) weight
# A take within `dead` of zero changes nothing, so that exploration around zero does not trade the order away. A
# strategy that takes more than is displayed keeps its own number; the network never raises a take beyond it. Weights
# change by e to `scale` times the action.
RESIDUAL_LABELS: Final = ("take", "improve", "touch", "touch-1", "touch-2", "touch-3", "hide")
RESIDUAL_SIZE: Final = len(RESIDUAL_LABELS)
# Where lots that are not taken can be: five rungs, and hidden.
PLACES: Final = it.K + 1
# Default band of takes that change nothing.
DEAD: Final = 0.5
# Share of the lots not taken that an empty place of the strategy gains when its weight is multiplied by e, in units
# of (e - 1).
SEED_SHARE: Final = 0.05
# Weights are multiplied by at most e to this.
LIMIT: Final = 6.0


@kernel
def shift_take(base: int, action: float, far: int, left: int, dead: float) -> int:
    """Lots to take: `base` plus `action`, its size less `dead`, times the displayed `far` lots, from 0 to the lots
    left; a rise goes to `far` at most.

    `abs(action)` counts less `dead`, so that actions within it change nothing.
    """
    moved = round(max(abs(action) - dead, 0.0) * far)
    return max(base - moved, 0) if action < 0.0 else min(max(min(base + moved, far), base), left)


@kernel
def spread_lots(
    base: Longs, total: int, lots: int, action: Floats, weights: Floats, placed: Longs
) -> None:
    """Write whole lots for the places into `placed`: `base` (PLACES,) with sum `total`, reweighted by exp of `action`, with sum
    `lots`; `weights` is overwritten.

    A place's share s becomes ``s exp(a) + SEED_SHARE max(exp(a) - 1, 0)`` before they are made to add up to one;
    whole lots by largest remainder, ties to the first.
    """
    weight_sum = 0.0
    for j in range(PLACES):
        share = base[j] / total if total > 0 else (1.0 if j == PLACES - 1 else 0.0)
        power = np.exp(min(max(action[j], -LIMIT), LIMIT))
        weights[j] = share * power + SEED_SHARE * max(power - 1.0, 0.0)
        weight_sum += weights[j]
    assigned = 0
    for j in range(PLACES):
        weights[j] = weights[j] / weight_sum * lots
        placed[j] = int(np.floor(weights[j]))
        assigned += placed[j]
    while assigned < lots:
        best = 0
        for j in range(1, PLACES):
            if weights[j] - placed[j] > weights[best] - placed[best]:
                best = j
        placed[best] += 1
        assigned += 1


@kernel
def decode_residual(
    actions: Floats,
    base: Packed,
    x: Longs,
    m: Longs,
    dead: float,
    lots: Longs,
    weights: Floats,
    intents: Packed,
) -> None:
    """Write the intents of actions, float64 (n, 7), around `base`, int32 (n, 10), into `intents`, which may be `base`.

    `lots`, int64 (2, PLACES), and `weights`, float64 (PLACES,), are to work on.
    Where the market is not tradable, nothing is left, or the action is all zeros, the base is unchanged.
    """
    places = lots[0]
    spread = lots[1]
    for row in range(actions.shape[0]):
        for j in range(it.WIDTH):
            intents[row, j] = base[row, j]
        left = x[row, c.LEFT]
        moved = False
        for j in range(RESIDUAL_SIZE):
            moved = moved or actions[row, j] != 0.0
        if not is_tradable(m[row]) or left <= 0 or not moved:
            continue
        base_take = int(base[row, it.TAKE])
        rest = left - base_take
        places[it.K] = rest
        for j in range(it.K):
            places[j] = base[row, it.REST0 + j]
            places[it.K] -= places[j]
        take = shift_take(base_take, actions[row, 0], m[row, c.FAR1], left, dead)
        spread_lots(places, rest, left - take, actions[row, 1:], weights, spread)
        intents[row, it.TAKE] = take
        for j in range(it.K):
            intents[row, it.REST0 + j] = spread[j]


@dataclass(frozen=True)
class Residual:
    """Decoder: actions change the lots that one rule takes and the lots that it rests at each place.

    Parameters
    ----------
    base : Strategy
    dead : float
        Takes within it change nothing, in units of the displayed far touch.
    scale : float
        Change of the logarithm of a weight by an action of 1.
    grains : bool
        Whether what rests changes by whole grains alone (`execution.decoders`), even where an action is all zeros.

    >>> from tercel.execution.strategies.baselines import Peg
    >>> from tercel.execution.probe_views import view_of
    >>> decode, view = Residual(Peg()).decode, view_of(left=90, far1=20)
    >>> decode(np.zeros((1, 7)), view)[0, [0, 5, 6, 7, 8, 9]].tolist()
    [0, 0, 0, 90, 0, 0]
    >>> decode(np.array([[1.0, 0, 0, 0, 0, 0, 1.0]]), view)[0, [0, 5, 6, 7, 8, 9]].tolist()
    [10, 0, 0, 74, 0, 0]
    """

    base: Strategy
    dead: float = DEAD
    scale: float = 1.0
    grains: bool = False
    labels: ClassVar = RESIDUAL_LABELS
    continuous: ClassVar = True

    def decode(self, actions: NDArray[Any], view: View) -> Intents:
        """Intents int32 (n, 10) of float (n, 7) actions: the rule's, with the take shifted and resting lots reweighted.

        Raises
        ------
        ConfigError
            Another shape, or an action that is not finite.
        """
        actions = check_vectors(actions, view.n, RESIDUAL_LABELS) * (
            (1.0,) + PLACES * (self.scale,)
        )
        intents = self.base.decide(view)
        lots = np.zeros((2, PLACES), np.int64)
        weights = np.zeros(PLACES)
        decode_residual(actions, intents, view.x, view.m, self.dead, lots, weights, intents)
        if self.grains:
            round_lots(view.x, intents)
        return intents


def residual_decoder(
    parameters: Mapping[str, Any], base: Callable[[Mapping[str, Any]], Strategy]
) -> Residual:
    """The `residual` decoder of a policy card's `action_parameters`; `base` makes its rule of their ``base``, ``parameters``,
    ``estimates``; others are ``dead``, ``scale`` and ``grains``.

    Raises
    ------
    ConfigError
        A parameter that is none of these, or a band that is no number from 0.
    """
    refuse_unknown(
        parameters,
        ("base", "parameters", "estimates", "dead", "scale", "grains"),
        "residual actions",
    )
    dead = float(parameters.get("dead", DEAD))
    refuse_if(not 0.0 <= dead < np.inf, "a band of takes from 0", f"dead = {dead}", "such as 0.5")
    scale = float(parameters.get("scale", 1.0))
    refuse_if(
        not 0.0 < scale < np.inf, "a scale of weights above 0", f"scale = {scale}", "such as 3.0"
    )
    return Residual(base(parameters), dead, scale, bool(parameters.get("grains", False)))
