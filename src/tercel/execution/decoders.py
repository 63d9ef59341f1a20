"""From actions to intents: the decoders that need no rule, their compiled rows, and the guard behind them.

Discrete sets are int64 (n,) indices into their labels: `placement`, `fraction`, `level`, `sized`, `override`. Of
`allocation` an action is a row of shares. `execution.action_sets` has all sets by name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Floats, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c, intent as it
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

# -- grains ---------------------------------------------------------------------------------------
# Whole grains: what rests changes by no less than a 24th of the order.
#
# Shares that change at every decision would leave crumbs of orders standing, until they lose their place in the queue
# for nothing and the book has no room for more.

# Parts of an order.
ROUNDING_PARTS: Final = 24


@kernel
def rounded_lots(lots: int, resting: int, order: int, least: int) -> int:
    """Lots of a rung on which `resting` lots rest already, of an order of so many: what changes are whole grains, and
    a new one shows a grain, or `least` lots if that is less, or nothing."""
    grain = order // ROUNDING_PARTS
    if lots > 0 and resting > 0 and grain > 0:  # what a cancel leaves of an order is no crumb
        return resting + int((lots - resting) / grain) * grain
    return 0 if resting == 0 and lots < min(grain, least) else lots


@kernel
def round_lots(x: Longs, out: Packed) -> None:
    """Let the rungs of intents, int32 (n, 10) changed in place, differ from the resting lots by whole grains alone."""
    for row in range(out.shape[0]):
        budget = max(x[row, c.LEFT], 0) - out[row, it.TAKE]
        room = budget
        for j in range(it.K):
            at = it.REST0 + j
            lots = rounded_lots(out[row, at], x[row, c.REST0 + j], x[row, c.QTY0], budget // 4)
            out[row, at] = min(lots, room)
            room -= out[row, at]


# -- kernels --------------------------------------------------------------------------------------

HOLD: Final = 0
FIRST_REST: Final = 1
# Where actions 1 to 4 rest.
PLACEMENT_RUNGS: Final = np.array([it.IMPROVE, it.AT_TOUCH, it.AT_TOUCH + 1, it.AT_TOUCH + 3])
# Quarters of the slice that actions 5 to 7 take.
SLICE_QUARTERS: Final = np.array([1, 2, 4])
PLACEMENT_FIRST_TAKE: Final = FIRST_REST + len(PLACEMENT_RUNGS)


@kernel
def is_tradable(m: Longs) -> bool:
    """Whether the market is open and both sides are quoted."""
    return bool(m[c.HALTED] == 0 and abs(m[c.TOUCH]) < NO_ASK and abs(m[c.FAR]) < NO_ASK)


@kernel
def hold_row(x: Longs, out: Packed) -> None:
    """Own orders stay where they are, and nothing new is sent."""
    out[it.OUTSIDE] = it.KEEP
    budget = max(x[c.LEFT], 0)
    for rung in range(it.K):
        lots = min(max(x[c.REST0 + rung], 0), budget)
        out[it.REST0 + rung] = lots
        budget -= lots


@kernel
def begin_row(x: Longs, m: Longs, out: Packed) -> bool:
    """An intent without lots on the default ladder; False where the market is closed and the row holds."""
    side = x[c.SIDE]
    out[:] = 0
    out[it.TAKE_LIMIT] = side * it.MARKET_LIMIT
    out[it.ANCHOR] = m[c.TOUCH] + side * (1 + x[c.UNDERCUT])
    out[it.OUTSIDE] = it.CANCEL
    out[it.STEP] = 1
    if is_tradable(m):
        return True
    hold_row(x, out)
    return False


@kernel
def placement_rows(actions: Longs, x: Longs, m: Longs, out: Packed) -> None:
    """Write the intents of `actions` (int64 (n,)) into `out` (int32 (n, 10)).

    Actions are not checked here: one outside the set holds.
    """
    for row in range(actions.shape[0]):
        placement_row(actions[row], x[row], m[row], out[row])


@kernel
def placement_row(action: int, x: Longs, m: Longs, out: Packed) -> None:
    """The same for one market: `x` (PX,), `m` (MX,), `out` (10,)."""
    if not begin_row(x, m, out):
        return
    left = max(x[c.LEFT], 0)
    if action <= HOLD or action >= PLACEMENT_FIRST_TAKE + len(SLICE_QUARTERS):
        hold_row(x, out)
    elif action < PLACEMENT_FIRST_TAKE:
        out[it.REST0 + PLACEMENT_RUNGS[action - FIRST_REST]] = left
    else:
        slice_lots = -(-left // max(x[c.DECISIONS] - x[c.DECISION], 1))
        take = -(-slice_lots * SLICE_QUARTERS[action - PLACEMENT_FIRST_TAKE] // 4)
        out[it.TAKE] = take
        out[it.REST0 + it.AT_TOUCH] = left - take


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
    """`actions` as float64 (n, A), finite, one column per label.

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


def decode_fraction(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,), an index into `PERCENT`. Nothing rests; own resting orders are
    cancelled.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.observation import view_of
    >>> decode_fraction(np.array([1]), view_of(left=90))[0, TAKE]
    np.int32(5)
    """
    intents = ladder(view)
    percent = np.array(PERCENT)[checked(actions, view.n, FRACTION_LABELS)]
    intents[:, TAKE] = -(-view.left * percent // 100)
    return settle(intents, view)


# -- level ----------------------------------------------------------------------------------------
# `level`: where lots that are not taken rest: improve, touch, touch-1, touch-2, touch-3, or nowhere.

LEVEL_LABELS: Final = ("improve", "touch", "touch-1", "touch-2", "touch-3", "nowhere")
NOWHERE: Final = K


def decode_level(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,): everything that is left rests at the level.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.observation import view_of
    >>> decode_level(np.array([2]), view_of(left=90))[0, [TAKE, REST0 + 2]].tolist()
    [0, 90]
    """
    actions = checked(actions, view.n, LEVEL_LABELS)
    intents = ladder(view)
    rows = np.flatnonzero(actions != NOWHERE)
    intents[rows, REST0 + actions[rows]] = view.left[rows]
    return settle(intents, view)


# -- placement ------------------------------------------------------------------------------------
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


def decode_placement(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,) from 0 to 7.

    Shares of the slice are rounded up and never exceed the remaining lots. Where the market is not tradable every
    action holds.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.observation import view_of
    >>> view = view_of(side=1, qty0=100, left=90, decision=1, decisions=10, touch=500, far=502)
    >>> decode_placement(np.array([6]), view).tolist()
    [[5, 1073741824, 501, 1, 1, 0, 85, 0, 0, 0]]
    """
    actions = checked(actions, view.n, PLACEMENT_LABELS)
    intents = np.empty((view.n, WIDTH), np.int32)
    placement_rows(actions, np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), intents)
    return intents


# -- sized ----------------------------------------------------------------------------------------
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
SPREAD, HIDE, FIRST_TAKE, SLICE, TAKE_AND_REST = 6, 7, 8, 11, 12
# Quarters of the displayed far touch that actions 8 to 10 take.
QUARTERS: Final = (1, 2, 4)


def _takes(actions: Ints, view: View) -> Ints:
    """int64 (n,): lots that the actions take, at most the remaining lots."""
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

    >>> from tercel.execution.observation import view_of
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
# `override`: as a rule does, or one of the `sized` actions in its place.
#
# Action 0 is the rule, lot for lot; a policy that starts with a strong leaning to it starts as the rule and learns where
# to do otherwise. Lots stay together: no action splits an order over more rungs than the rule does, so that places in
# the queue are not lost.

OVERRIDE_LABELS: Final = ("as the rule", *SIZED_LABELS)
RULE: Final = 0


@dataclass(frozen=True)
class Override:
    """Decoder that follows one rule or takes an action of `sized` in its place.

    >>> from tercel.execution.strategies.baselines import Peg
    >>> from tercel.execution.observation import view_of
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


# -- guard ----------------------------------------------------------------------------------------
# A guard outside the network: an order that falls too far behind its schedule is brought back by taking.
# The order is behind by the share of it that is left less the share of its decisions that is left. Beyond `late` the
# guard takes the lots that bring it back to `resume`, at most those displayed at the far touch. Between the two it does
# nothing, so that it does not chatter at one threshold. Both narrow towards the end with the square root of the time that
# is left, so that little is left to the horizon. It has no memory: a guarded policy is a function of the view like any
# other.


@dataclass(frozen=True)
class CatchUp:
    """Thresholds of the guard: how far behind an order may fall and where taking brings it, shares of the order.

    Parameters
    ----------
    late : float
        Behind by more than this, it takes.
    resume : float
        Arrears to which it brings the order back.

    Raises
    ------
    ConfigError
        Anything but 0 <= resume <= late <= 1.

    >>> from tercel.execution.strategy import ladder
    >>> from tercel.execution.observation import view_of
    >>> view = view_of(qty0=100, left=[70, 80], decision=30, decisions=60, far1=500)
    >>> CatchUp(0.3, 0.1).applied(ladder(view), view)[:, TAKE].tolist()
    [0, 22]
    """

    late: float
    resume: float

    def __post_init__(self) -> None:
        refuse_if(
            not 0.0 <= self.resume <= self.late <= 1.0,
            "a guard of 0 <= resume <= late <= 1",
            f"late {self.late}, resume {self.resume}",
            "such as [0.2, 0.1]",
        )

    def applied(self, intents: Intents, view: View) -> Intents:
        """`intents`, changed in place where an order is late, int32 (n, 10)."""
        time_left = view.decisions_left / view.decisions
        narrow = np.sqrt(time_left)
        behind = view.left / np.maximum(view.qty0, 1) - time_left
        lots = np.floor((behind - self.resume * narrow) * view.qty0)
        lots = np.minimum(lots, view.far_depth[:, 0])
        late = (behind > self.late * narrow) & view.tradable
        intents[:, TAKE] = np.where(late, np.maximum(intents[:, TAKE], lots), intents[:, TAKE])
        return settle(intents, view)


def guarded(
    decode: Callable[[AnyArray, View], Intents], thresholds: tuple[float, float]
) -> Callable[[AnyArray, View], Intents]:
    """A decoder followed by the guard.

    Raises
    ------
    ConfigError
        Thresholds that are no pair of shares, the first not below the second.
    """
    try:
        late, resume = (float(value) for value in thresholds)
    except (TypeError, ValueError):
        raise ConfigError(
            "a guard of two shares, [late, resume]", f"{thresholds!r}", "such as [0.2, 0.1]"
        ) from None
    catch_up = CatchUp(late, resume)
    return lambda actions, view: catch_up.applied(decode(actions, view), view)


# -- allocation -----------------------------------------------------------------------------------
# `allocation`: continuous shares of the remaining lots for take, improve, touch, touch-1, touch-2, touch-3 and
# hold.
#
# Only the decoder: from shares on the simplex, or logits before a softmax, to whole lots by largest remainder.
# Lots given to hold are held back: they are neither taken nor resting.

ALLOCATION_LABELS: Final = ("take", "improve", "touch", "touch-1", "touch-2", "touch-3", "hold")
ALLOCATION_SIZE: Final = len(ALLOCATION_LABELS)


def largest_remainder(shares: NDArray[np.floating], lots: Ints) -> Ints:
    """Whole lots, int64 (n, m), that add up to `lots` (n,) and differ from ``shares * lots`` by less than one
    each.

    Hare's method: everyone gets the whole part, the lots that remain go to the largest fractions, ties to the
    first.

    >>> largest_remainder(np.array([[0.5, 0.25, 0.25]]), np.array([7])).tolist()
    [[3, 2, 2]]
    """
    quota = np.asarray(shares, np.float64) / np.sum(shares, axis=1, keepdims=True) * lots[:, None]
    whole: Ints = np.floor(quota).astype(np.int64)
    order = np.argsort(whole - quota, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    whole += rank < (lots - whole.sum(axis=1))[:, None]
    return whole


def decode_allocation(shares: NDArray[np.floating], view: View) -> Intents:
    """Intents of `shares`, float (n, 7), non-negative; they need not add up to one.

    Raises
    ------
    ConfigError
        Another shape, or a row that is negative, not finite or all zero.

    >>> from tercel.execution.observation import view_of
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
    return settle(intents, view)
