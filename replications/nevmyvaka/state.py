"""What the study's agent sees and does: four market variables in three parts each, one limit price for all shares."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel import View
from tercel.execution import ANCHOR, REST0, TAKE, Intents, finish_intents, ladder

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

VARIABLES: Final = ("spread", "imbalance", "cost", "volume")
PARTS: Final = 3
"""Low, middle, high: thirds of the training moments."""
MARKET: Final = 1000
"""Offset that stands for a market order."""


def spread(view: View) -> Floats:
    """Ticks between the touches."""
    ticks: Floats = np.abs(view.far - view.touch).astype(np.float64)
    return ticks


def imbalance(view: View) -> Floats:
    """Lots at the own touch against those at the far one, -1 to 1."""
    own, far = view.own_depth[:, 0], view.far_depth[:, 0]
    share: Floats = (own - far) / np.maximum(own + far, 1)
    return share


def immediate(view: View, lots: Ints) -> Floats:
    """Ticks over the mid that a market order would pay now, were the displayed levels a tick apart."""
    total = np.zeros(view.n)
    rest = lots.astype(np.float64)
    for level in range(view.far_depth.shape[1]):
        here = np.minimum(rest, view.far_depth[:, level])
        total += level * here
        rest -= here
    total += view.far_depth.shape[1] * rest
    return spread(view) / 2 + total / np.maximum(lots, 1)


def signed_volume(view: View) -> Floats:
    """Lots that aggressors took on the order's side less those against it, in the last step."""
    return (view.v_same - view.v_against).astype(np.float64)


def market_state(view: View, lots: Ints) -> Floats:
    """The variables in the order of `VARIABLES`, float64 (n, 4), with `lots` left."""
    return np.stack(
        [spread(view), imbalance(view), immediate(view, lots), signed_volume(view)], axis=1
    )


def jobs_of(values: Floats, cuts: Floats, which: Sequence[int]) -> Ints:
    """Number of the market cell, int64 (n,), for the variables `which`.

    Parameters
    ----------
    values : float64 (n, 4)
    cuts : float64 (n, 4, 2) or (4, 2)
        Where the middle and the high part begin.

    >>> jobs_of(np.array([[1.0, 0.0, 0.5, 9.0]]), np.tile([0.0, 5.0], (4, 1)), (0, 3)).tolist()
    [5]
    """
    parts = (values[..., None] > cuts).sum(axis=-1)
    cell = np.zeros(len(values), np.int64)
    for variable in which:
        cell = cell * PARTS + parts[:, variable]
    return cell


def one_price(view: View, offsets: Ints) -> Intents:
    """All that is left at one limit price, `offsets` ticks through the own touch; `MARKET`: at any price, now."""
    intents = ladder(view)
    at_market = offsets == MARKET
    intents[:, TAKE] = np.where(at_market, view.left, 0)
    intents[:, REST0] = np.where(at_market, 0, view.left)
    intents[:, ANCHOR] = view.touch + view.side * np.where(at_market, 0, offsets)
    return finish_intents(intents, view)
