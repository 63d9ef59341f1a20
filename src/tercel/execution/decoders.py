"""Decoders of actions without a rule: `fraction`, `level`, `placement`, `sized`, `allocation`, and `override` of one rule.

Discrete sets are int64 (n,) indices into their labels. Of `allocation` an action is a row of shares.
`execution.action_sets` has all sets by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.execution.action_checks import check_indices, refuse_unknown
from tercel.execution.decoder_kernels import FIRST_REST, placement_rows
from tercel.execution.intent import AT_TOUCH, CANCEL, KEEP, OUTSIDE, REST0, TAKE, WIDTH, Intents, K
from tercel.execution.strategy import Strategy, finish_intents, gap_of, hold, ladder
from tercel.execution.view import View

# `fraction`: the share of the remaining order to take now; the rest is held back (or rests, see `level`).
PERCENT: Final = (0, 5, 10, 20, 30, 50, 100)
FRACTION_LABELS: Final = tuple(f"take {percent} %" for percent in PERCENT)


# `level`: where lots that are not taken rest: improve, touch, touch-1, touch-2, touch-3, or nowhere.
LEVEL_LABELS: Final = ("improve", "touch", "touch-1", "touch-2", "touch-3", "nowhere")
NOWHERE: Final = K
# `placement`, the default set of eight actions: where to rest, or how much of the slice to take.
#
#     0        hold: own orders stay as they are, nothing new
#     1 2 3 4  rest all that is left at improve, touch, touch-1, touch-3
#     5 6 7    take 25, 50, 100 % of the slice now and rest the remainder of all that is left at the touch
# The slice is the remaining lots over the remaining decisions, rounded up; improve is one tick inside the own touch.
PLACEMENT_LABELS: Final = (
    *("hold", "rest at improve", "rest at touch", "rest at touch-1", "rest at touch-3"),
    *("take 25 % of the slice", "take 50 % of the slice", "take 100 % of the slice"),
)
# `sized`: thirteen actions that keep places in the queue and take in units of the lots displayed at the far touch.
#
#     0              hold: own orders stay as they are, nothing new
#     1 2 3 4 5      rest all that is left at improve, touch, touch-1, touch-2, touch-3
#     6              spread all that is left evenly over touch, touch-1, touch-2, touch-3
#     7              hide: take every own order back and wait
#     8 9 10         take 25, 50, 100 % of the lots displayed at the far touch; own orders stay
#     11             take the slice (remaining lots over remaining decisions, rounded up); own orders stay
#     12             take 50 % of the lots displayed at the far touch, rest the remaining lots at the touch
#
# What stays gives way to a take from the back: the deepest rung first.
SIZED_LABELS: Final = (
    *(
        "hold",
        "rest at improve",
        "rest at touch",
        "rest at touch-1",
        "rest at touch-2",
        "rest at touch-3",
    ),
    *(
        "spread over touch to touch-3",
        "hide",
        "take 25 % of the far touch",
        "take 50 % of the far touch",
    ),
    *("take the far touch", "take the slice", "take 50 % of the far touch, rest at touch"),
)
SPREAD = 6
HIDE = 7
FIRST_TAKE = 8
SLICE = 11
TAKE_AND_REST = 12
# Quarters of the displayed far touch that actions 8 to 10 take.
QUARTERS: Final = (1, 2, 4)
# `override`: as a rule does, or one of the `sized` actions in its place.
#
# Action 0 is the rule, lot for lot; a policy that starts with a strong leaning to it starts as the rule and learns where
# to do otherwise. Lots stay together: no action splits an order over more rungs than the rule does, so that places in
# the queue are not lost.
OVERRIDE_LABELS: Final = ("as the rule", *SIZED_LABELS)
RULE: Final = 0
# `allocation`: continuous shares of the remaining lots for take, improve, touch, touch-1, touch-2, touch-3 and
# hold.
#
# Only the decoder: from shares on the simplex, or logits before a softmax, to whole lots by largest remainder.
# Lots given to hold are held back: they are neither taken nor resting.
ALLOCATION_LABELS: Final = ("take", "improve", "touch", "touch-1", "touch-2", "touch-3", "hold")
ALLOCATION_SIZE: Final = len(ALLOCATION_LABELS)


def decode_fraction(actions: Ints, view: View) -> Intents:
    """Intents of `fraction` actions, int64 (n,): take that percentage (`PERCENT`) of the lots left, rounded up; nothing rests.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probe_views import view_of
    >>> decode_fraction(np.array([1]), view_of(left=90))[0, TAKE]
    np.int32(5)
    """
    intents = ladder(view)
    percent = np.array(PERCENT)[check_indices(actions, view.n, FRACTION_LABELS)]
    intents[:, TAKE] = -(-view.left * percent // 100)
    return finish_intents(intents, view)


def decode_level(actions: Ints, view: View) -> Intents:
    """Intents of `level` actions, int64 (n,): all lots left rest at one level of the ladder, or nowhere.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probe_views import view_of
    >>> decode_level(np.array([2]), view_of(left=90))[0, [TAKE, REST0 + 2]].tolist()
    [0, 90]
    """
    actions = check_indices(actions, view.n, LEVEL_LABELS)
    intents = ladder(view)
    rows = np.flatnonzero(actions != NOWHERE)
    intents[rows, REST0 + actions[rows]] = view.left[rows]
    return finish_intents(intents, view)


def decode_placement(actions: Ints, view: View) -> Intents:
    """Intents of `placement` actions, int64 (n,) from 0 to 7: hold, rest all at a rung, or take part of the slice and rest.

    Shares of the slice are rounded up and never exceed the remaining lots. Where the market is not tradable every
    action holds.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probe_views import view_of
    >>> view = view_of(side=1, qty0=100, left=90, decision=1, decisions=10, touch=500, far=502)
    >>> decode_placement(np.array([6]), view).tolist()
    [[5, 1073741824, 501, 1, 1, 0, 85, 0, 0, 0]]
    """
    actions = check_indices(actions, view.n, PLACEMENT_LABELS)
    intents = np.empty((view.n, WIDTH), np.int32)
    placement_rows(actions, np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), intents)
    return intents


def _takes(actions: Ints, view: View) -> Ints:
    """Lots that `sized` actions take, int64 (n,): 0 for those that take nothing, at most the lots left."""
    far = view.far_depth[:, 0]
    quarters = np.zeros(len(SIZED_LABELS), np.int64)
    quarters[FIRST_TAKE : FIRST_TAKE + len(QUARTERS)] = QUARTERS
    quarters[TAKE_AND_REST] = 2
    lots = -(-far * quarters[actions] // 4)
    lots = np.where(actions == SLICE, -(-view.left // view.decisions_left), lots)
    return np.asarray(np.minimum(lots, np.maximum(view.left, 0)))


def decode_sized(actions: Ints, view: View) -> Intents:
    """Intents of `sized` actions, int64 (n,) from 0 to 12 (`SIZED_LABELS`): hold, rest, spread, hide or take.

    Where the market is not tradable every action holds.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probe_views import view_of
    >>> view = view_of(left=90, far1=40, rest1=80, rest2=10)
    >>> decode_sized(np.array([9]), view)[0, [0, 3, 5, 6, 7, 8, 9]].tolist()
    [20, 0, 0, 70, 0, 0, 0]
    """
    actions = check_indices(actions, view.n, SIZED_LABELS)
    intents = hold(view)
    fresh = ladder(view)
    takes = _takes(actions, view)
    moves = ((actions >= FIRST_REST) & (actions <= HIDE)) | (actions == TAKE_AND_REST)
    intents[moves] = fresh[moves]
    intents[:, OUTSIDE] = np.where(moves, CANCEL, KEEP)
    intents[:, TAKE] = takes
    for rung in range(K):
        intents[actions == FIRST_REST + rung, REST0 + rung] = view.left[
            actions == FIRST_REST + rung
        ]
    rows = actions == TAKE_AND_REST
    intents[rows, REST0 + AT_TOUCH] = (view.left - takes)[rows]
    rows = actions == SPREAD
    share, remainder = np.divmod(np.maximum(view.left[rows], 0), K - 1)
    for j in range(K - 1):
        intents[rows, REST0 + AT_TOUCH + j] = share + (j < remainder)
    return finish_intents(intents, view)


@dataclass(frozen=True)
class Override:
    """Decoder: action 0 follows one rule, other actions are those of `sized`. A rule on the event clock decides by itself
    between the decisions of the schedule.

    >>> from tercel.execution.strategies.baselines import Peg
    >>> from tercel.execution.probe_views import view_of
    >>> Override(Peg()).decode(np.array([0, 3]), view_of(left=[90, 90]))[:, 5:].tolist()
    [[0, 0, 90, 0, 0], [0, 90, 0, 0, 0]]
    """

    base: Strategy
    labels: ClassVar = OVERRIDE_LABELS
    continuous: ClassVar = False

    def decode(self, actions: Ints, view: View) -> Intents:
        """Intents of `actions`, int64 (n,): 0 is the rule's intent, action a above 0 is action a - 1 of `sized`.

        Raises
        ------
        ConfigError
            An action outside the set, or not one a market.
        """
        actions = check_indices(actions, view.n, OVERRIDE_LABELS)
        intents = decode_sized(np.maximum(actions - 1, 0), view)
        ruled = actions == RULE
        if gap_of(self.base):
            ruled |= ~view.on_schedule
        if ruled.any():
            intents[ruled] = self.base.decide(view)[ruled]
        return intents


def override_decoder(
    parameters: Mapping[str, Any], base: Callable[[Mapping[str, Any]], Strategy]
) -> Override:
    """The `override` decoder of a policy card's `action_parameters` (``base``, ``parameters``, ``estimates``), of which the
    function `base` makes the rule.

    Raises
    ------
    ConfigError
        A parameter that is none of these.
    """
    refuse_unknown(parameters, ("base", "parameters", "estimates"), "override")
    return Override(base(parameters))


def largest_remainder(shares: NDArray[np.floating], lots: Ints) -> Ints:
    """Whole lots, int64 (n, m), with row sums `lots` (n,), in proportion to `shares` (n, m) of any sum, by largest remainders.

    Hare's method: everyone gets the whole part, the lots that remain go to the largest fractions, ties to the
    first.

    >>> largest_remainder(np.array([[0.5, 0.25, 0.25]]), np.array([7])).tolist()
    [[3, 2, 2]]
    """
    quota = np.asarray(shares, np.float64) / np.sum(shares, axis=1, keepdims=True) * lots[:, None]
    allotted: Ints = np.floor(quota).astype(np.int64)
    order = np.argsort(allotted - quota, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    allotted += rank < (lots - allotted.sum(axis=1))[:, None]
    return allotted


def decode_allocation(shares: NDArray[np.floating], view: View) -> Intents:
    """Intents of shares, float (n, 7), of the lots left: take, each rung, hold back; >= 0, of any sum but 0, else ConfigError.

    Raises
    ------
    ConfigError
        Another shape, or a row that is negative, not finite or all zero.

    >>> from tercel.execution.probe_views import view_of
    >>> decode_allocation(np.array([[1, 0, 2, 0, 0, 0, 1]]), view_of(left=40))[0].tolist()
    [10, 1073741824, 1000, 1, 1, 0, 20, 0, 0, 0]
    """
    shares = np.asarray(shares, np.float64)
    if shares.shape != (view.n, ALLOCATION_SIZE):
        raise ConfigError(
            f"shares of shape {(view.n, ALLOCATION_SIZE)}",
            f"{shares.shape}",
            f"one column each: {ALLOCATION_LABELS}",
        )
    total = shares.sum(axis=1)
    wrong = (shares < 0).any(axis=1) | ~np.isfinite(total) | (total <= 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ConfigError(
            "finite shares >= 0, not all 0",
            f"{shares[row].tolist()} in row {row}",
            "pass logits through a softmax",
        )
    lots = largest_remainder(shares, np.maximum(view.left, 0))
    intents = ladder(view)
    intents[:, TAKE] = lots[:, 0]
    intents[:, REST0:] = lots[:, 1 : 1 + K]
    return finish_intents(intents, view)
