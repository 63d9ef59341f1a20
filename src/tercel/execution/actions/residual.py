"""`residual`: a written strategy's intent, moved by a network; all zeros are that strategy, lot for lot.

    0        take: more (less) of it, in units of the lots displayed at the far touch
    1 .. 5   improve, touch, touch-1, touch-2, touch-3: what rests there gains (loses) weight
    6        hide: what is held back gains (loses) weight

A take within `dead` of zero changes nothing, so that exploration around zero does not trade the order away. A
strategy that takes more than is displayed keeps its own number; the network never raises a take beyond it. Weights
change by e to `scale` times the action.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution import intent as i
from tercel.execution.actions.kernels import is_tradable, keep_grains
from tercel.execution.actions.placement import checked_vectors, refuse_unknown
from tercel.execution.intent import Intents, View
from tercel.execution.strategy import Strategy

LABELS: Final = ("take", "improve", "touch", "touch-1", "touch-2", "touch-3", "hide")
SIZE: Final = len(LABELS)
PLACES: Final = i.K + 1
"""Where lots that are not taken can be: five rungs, and hidden."""
DEAD: Final = 0.5
"""Default band of takes that change nothing."""
SEED_SHARE: Final = 0.05
"""How much of what is not taken a place that the strategy leaves empty gains when its weight is multiplied by e, in
units of (e - 1)."""
LIMIT: Final = 6.0
"""Weights are multiplied by at most e to this."""


@kernel
def shift_take(base: int, action: float, far: int, left: int, dead: float) -> int:
    """Lots to take: `base`, and as many more (fewer) times the displayed `far` lots as `action` says."""
    away = max(abs(action) - dead, 0.0)
    moved = round(away * far)
    if action < 0.0:
        return max(base - moved, 0)
    return min(max(min(base + moved, far), base), left)


@kernel
def spread_lots(
    base: Longs, total: int, lots: int, action: Floats, weights: Floats, out: Longs
) -> None:
    """Whole lots for the places: `base` (PLACES,) of sum `total`, reweighted by `action` (PLACES,), adding up to
    `lots`; to `out` (PLACES,), with `weights` (PLACES,) to work on.

    A place's share s becomes ``s exp(a) + SEED_SHARE max(exp(a) - 1, 0)`` before they are made to add up to one;
    whole lots by largest remainder, ties to the first.
    """
    whole = 0.0
    for j in range(PLACES):
        share = base[j] / total if total > 0 else (1.0 if j == PLACES - 1 else 0.0)
        power = np.exp(min(max(action[j], -LIMIT), LIMIT))
        weights[j] = share * power + SEED_SHARE * max(power - 1.0, 0.0)
        whole += weights[j]
    given = 0
    for j in range(PLACES):
        weights[j] = weights[j] / whole * lots
        out[j] = int(np.floor(weights[j]))
        given += out[j]
    while given < lots:
        best = 0
        for j in range(1, PLACES):
            if weights[j] - out[j] > weights[best] - out[best]:
                best = j
        out[best] += 1
        given += 1


@kernel
def decode_residual(
    actions: Floats,
    base: Packed,
    x: Longs,
    m: Longs,
    dead: float,
    lots: Longs,
    weights: Floats,
    out: Packed,
) -> None:
    """Intents of float64 (n, 7) `actions` around the intents `base`, int32 (n, 10), into `out`, which may be `base`.

    `lots`, int64 (2, PLACES), and `weights`, float64 (PLACES,), are to work on.
    Where the market is not tradable, nothing is left, or the action is all zeros, the base stands.
    """
    places, spread = lots[0], lots[1]
    for row in range(actions.shape[0]):
        for j in range(i.WIDTH):
            out[row, j] = base[row, j]
        left = x[row, c.LEFT]
        moved = False
        for j in range(SIZE):
            moved = moved or actions[row, j] != 0.0
        if not is_tradable(m[row]) or left <= 0 or not moved:
            continue
        taken = int(base[row, i.TAKE])
        rest = left - taken
        places[i.K] = rest
        for j in range(i.K):
            places[j] = base[row, i.REST0 + j]
            places[i.K] -= places[j]
        take = shift_take(taken, actions[row, 0], m[row, c.FAR1], left, dead)
        spread_lots(places, rest, left - take, actions[row, 1:], weights, spread)
        out[row, i.TAKE] = take
        for j in range(i.K):
            out[row, i.REST0 + j] = spread[j]


@dataclass(frozen=True)
class Residual:
    """Decoder that moves the takes and places of one written strategy.

    Parameters
    ----------
    base : Strategy
    dead : float
        Takes within it change nothing, in units of the displayed far touch.
    scale : float
        How far an action of 1 moves the logarithm of a weight.
    grains : bool
        Whether what rests changes by whole grains alone (`execution.actions.kernels`), even where an action is all zeros.

    >>> from tercel.execution.strategies.baselines import Peg
    >>> from tercel.execution.probes import view_of
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
    labels: ClassVar = LABELS
    continuous: ClassVar = True

    def decode(self, actions: NDArray[Any], view: View) -> Intents:
        """Intents int32 (n, 10) of float (n, 7) actions.

        Raises
        ------
        ConfigError
            Another shape, or an action that is not finite.
        """
        actions = checked_vectors(actions, view.n, LABELS) * ((1.0,) + PLACES * (self.scale,))
        intents = self.base.decide(view)
        lots, weights = np.zeros((2, PLACES), np.int64), np.zeros(PLACES)
        decode_residual(actions, intents, view.x, view.m, self.dead, lots, weights, intents)
        if self.grains:
            keep_grains(view.x, intents)
        return intents


def residual(
    parameters: Mapping[str, Any], base: Callable[[Mapping[str, Any]], Strategy]
) -> Residual:
    """The decoder that a card's `action_parameters` describe: ``base``, ``parameters``, ``estimates``, ``dead``,
    ``scale``, ``grains``.

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
    if not 0.0 <= dead < np.inf:
        raise ConfigError("a band of takes from 0", f"dead = {dead}", "such as 0.5")
    scale = float(parameters.get("scale", 1.0))
    if not 0.0 < scale < np.inf:
        raise ConfigError("a scale of weights above 0", f"scale = {scale}", "such as 3.0")
    return Residual(base(parameters), dead, scale, bool(parameters.get("grains", False)))
