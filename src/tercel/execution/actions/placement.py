"""Actions that are one of a few choices: where and how much of what is left rests or takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import AnyArray, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.execution.actions.kernels import decode_placement
from tercel.execution.intent import (
    AT_TOUCH,
    CANCEL,
    KEEP,
    OUTSIDE,
    REST0,
    TAKE,
    WIDTH,
    Intents,
    K,
    View,
)
from tercel.execution.strategy import Strategy, hold, ladder, settle

# -- choice ---------------------------------------------------------------------------------------
# Checks that all action decoders share: indices, vectors, unknown parameters.


def checked(actions: Ints, n: int, labels: tuple[str, ...]) -> Ints:
    """`actions` as int64 (n,), every one of them an index into `labels`.

    Raises
    ------
    ConfigError
        Another shape, or an action that is not in the set.
    """
    actions = np.asarray(actions, np.int64)
    if actions.shape != (n,):
        raise ConfigError(
            f"{n} actions, one a market", f"shape {actions.shape}", "decode the whole batch at once"
        )
    wrong = (actions < 0) | (actions >= len(labels))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ConfigError(
            f"actions from 0 to {len(labels) - 1}",
            f"{actions[row]} in row {row}",
            "use the action set that the policy names",
        )
    return actions


def refuse_unknown(parameters: Iterable[str], known: tuple[str, ...], name: str) -> None:
    """Refuse parameters that a set of actions does not have.

    Raises
    ------
    ConfigError
    """
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        wanted = f"parameters {', '.join(known)}" if known else "no parameters"
        raise ConfigError(f"{wanted} of {name}", f"{unknown[0]!r}", "leave it out")


def checked_vectors(actions: AnyArray, n: int, labels: tuple[str, ...]) -> Floats:
    """`actions` as float64 (n, A), finite, one column a label.

    Raises
    ------
    ConfigError
        Another shape, or a number that is none.
    """
    actions = np.ascontiguousarray(actions, np.float64)
    if actions.shape != (n, len(labels)):
        raise ConfigError(
            f"actions of shape {(n, len(labels))}", f"{actions.shape}", f"one column each: {labels}"
        )
    if not np.isfinite(actions).all():
        row = int(np.argmax(~np.isfinite(actions).all(axis=1)))
        raise ConfigError(
            "finite actions", f"{actions[row].tolist()} in row {row}", "train the policy again"
        )
    return actions


# -- fraction -------------------------------------------------------------------------------------
# `fraction`: the share of the remaining order to take now; the rest is held back (or rests, see `level`).

PERCENT: Final = (0, 5, 10, 20, 30, 50, 100)
FRACTION_LABELS: Final = tuple(f"take {percent} %" for percent in PERCENT)


def lots(actions: Ints, view: View) -> Ints:
    """int64 (n,): lots that `actions` take, rounded up."""
    percent = np.array(PERCENT)[checked(actions, view.n, FRACTION_LABELS)]
    return np.asarray(-(-view.left * percent // 100))


def decode_fraction(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,), an index into `PERCENT`. Nothing rests; own resting orders are
    cancelled.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> decode_fraction(np.array([1]), view_of(left=90))[0, TAKE]
    np.int32(5)
    """
    intents = ladder(view)
    intents[:, TAKE] = lots(actions, view)
    return settle(intents, view)


# -- level ----------------------------------------------------------------------------------------
# `level`: where what is not taken rests: improve, touch, touch-1, touch-2, touch-3, or nowhere.

LEVEL_LABELS: Final = ("improve", "touch", "touch-1", "touch-2", "touch-3", "nowhere")
NOWHERE: Final = K


def decode_level(actions: Ints, view: View, take: Ints | int = 0) -> Intents:
    """Intents of `actions`, int64 (n,): take `take` lots now and rest the remainder of what is left at the
    level.

    Parameters
    ----------
    take : int64 (n,), optional
        Lots to take first, as `fraction.lots` gives them: both together are a two-part action.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> decode_level(np.array([2]), view_of(left=90), take=np.array([40]))[0, [TAKE, REST0 + 2]].tolist()
    [40, 50]
    """
    actions = checked(actions, view.n, LEVEL_LABELS)
    intents = ladder(view)
    taken = np.clip(take, 0, view.left)
    intents[:, TAKE] = taken
    rows = np.flatnonzero(actions != NOWHERE)
    intents[rows, REST0 + actions[rows]] = (view.left - taken)[rows]
    return settle(intents, view)


# -- placement ------------------------------------------------------------------------------------
# `placement`, the default set of eight actions: where to stand, or how much of the slice to take.
#
#     0        hold: own orders stay as they are, nothing new
#     1 2 3 4  rest all that is left at improve, touch, touch-1, touch-3
#     5 6 7    take 25, 50, 100 % of the slice now and rest the remainder of all that is left at the touch
#
# The slice is what is left over the decisions left, rounded up; improve is one tick inside the own touch.

LABELS: Final = (
    *("hold", "rest at improve", "rest at touch", "rest at touch-1", "rest at touch-3"),
    *("take 25 % of the slice", "take 50 % of the slice", "take 100 % of the slice"),
)


def decode(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,) from 0 to 7.

    Shares of the slice are rounded up and never exceed what is left. Where the market is not tradable every
    action holds.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> view = view_of(side=1, qty0=100, left=90, decision=1, decisions=10, touch=500, far=502)
    >>> decode(np.array([6]), view).tolist()
    [[5, 1073741824, 501, 1, 1, 0, 85, 0, 0, 0]]
    """
    actions = checked(actions, view.n, LABELS)
    intents = np.empty((view.n, WIDTH), np.int32)
    decode_placement(actions, np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), intents)
    return intents


# -- sized ----------------------------------------------------------------------------------------
# `sized`: thirteen actions that keep places in the queue and take in units of what is displayed at the far touch.
#
#     0              hold: own orders stay as they are, nothing new
#     1 2 3 4 5      rest all that is left at improve, touch, touch-1, touch-2, touch-3
#     6              spread all that is left evenly over touch, touch-1, touch-2, touch-3
#     7              hide: take every own order back and wait
#     8 9 10         take 25, 50, 100 % of the lots displayed at the far touch; own orders stay
#     11             take the slice (what is left over the decisions left, rounded up); own orders stay
#     12             take 50 % of the lots displayed at the far touch, rest what is left then at the touch
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
HOLD, FIRST_REST, SPREAD, HIDE, FIRST_TAKE, SLICE, TAKE_AND_REST = 0, 1, 6, 7, 8, 11, 12
QUARTERS: Final = (1, 2, 4)
"""Quarters of the displayed far touch that actions 8 to 10 take."""


def _takes(actions: Ints, view: View) -> Ints:
    """int64 (n,): lots that the actions take, at most what is left."""
    far = view.far_depth[:, 0]
    quarters = np.zeros(len(SIZED_LABELS), np.int64)
    quarters[FIRST_TAKE : FIRST_TAKE + len(QUARTERS)] = QUARTERS
    quarters[TAKE_AND_REST] = 2
    lots = -(-far * quarters[actions] // 4)
    lots = np.where(actions == SLICE, -(-view.left // view.decisions_left), lots)
    return np.asarray(np.minimum(lots, np.maximum(view.left, 0)))


def decode_sized(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,) from 0 to 12.

    Where the market is not tradable every action holds.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> view = view_of(left=90, far1=40, rest1=80, rest2=10)
    >>> decode_sized(np.array([9]), view)[0, [0, 3, 5, 6, 7, 8, 9]].tolist()
    [20, 0, 0, 70, 0, 0, 0]
    """
    actions = checked(actions, view.n, SIZED_LABELS)
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
    share, over = np.divmod(np.maximum(view.left[rows], 0), K - 1)
    for j in range(K - 1):
        intents[rows, REST0 + AT_TOUCH + j] = share + (j < over)
    return settle(intents, view)


# -- override -------------------------------------------------------------------------------------
# `override`: as a written rule does, or one of the `sized` actions in its place.
#
# Action 0 is the rule, lot for lot; a policy that starts with a strong leaning to it starts as the rule and learns where
# to do otherwise. Lots stay together: no action splits an order over more rungs than the rule does, so that places in
# the queue are kept.

OVERRIDE_LABELS: Final = ("as the rule", *SIZED_LABELS)
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
    labels: ClassVar = OVERRIDE_LABELS
    continuous: ClassVar = False

    def decode(self, actions: Ints, view: View) -> Intents:
        """Intents of `actions`, int64 (n,): 0 the rule's, others those of `sized`, one lower.

        Raises
        ------
        ConfigError
            An action outside the set, or not one a market.
        """
        actions = checked(actions, view.n, OVERRIDE_LABELS)
        intents = decode_sized(np.maximum(actions - 1, 0), view)
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
