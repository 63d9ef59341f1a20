"""Sets of actions by name: the decoder that turns a policy's numbers into intents.

Discrete sets take int64 (n,) indices, continuous ones float (n, A) vectors. `execution.decoders` has those that need no
rule; here are those that move one (`levers`, `residual`, `costs`) and :func:`action_set`, which finds any.
A new set is named in `SETS` and in `_PLAIN` or, where it has parameters of its own, in `_MADE`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Ints
from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c, intent as it
from tercel.execution.decoders import (
    ALLOCATION_LABELS,
    FRACTION_LABELS,
    LEVEL_LABELS,
    PLACEMENT_LABELS,
    SIZED_LABELS,
    checked_vectors,
    decode_allocation,
    decode_fraction,
    decode_level,
    decode_placement,
    decode_sized,
    guarded,
    is_tradable,
    override,
    refuse_unknown,
    round_lots,
)
from tercel.execution.intent import CANCEL, IMPROVE, OUTSIDE, REST0, TAKE, Intents, View
from tercel.execution.observation import is_known
from tercel.execution.strategies import TUNABLE, MarketEstimates, build
from tercel.execution.strategies.event_clock import GAP_NS, GUARD, Guarded, between_slices
from tercel.execution.strategies.tunable import Tunable
from tercel.execution.strategy import Strategy, gap_of, settle

# -- levers ---------------------------------------------------------------------------------------
# `levers`: some parameters of a tuned rule, moved by a network at every decision; all zeros are the rule itself.
#
# The rule keeps its order of thoughts (score, take, pace, display) and the network turns its knobs: an action adds
# ``scale * a`` to each lever, in the unconstrained space in which the rule was tuned.

_RUNGS: Final = {"improve": 2.0, "touch": 2.0, "behind_1": 2.0, "behind_2": 2.0, "behind_3": 2.0}
# Rules whose levers can be moved -> levers by default -> how far an action of 1 moves them.
RULES: Final[Mapping[str, Mapping[str, float]]] = {
    "score_rule": {"threshold": 1.0, "take": 1.0, "pace": 0.5, **_RUNGS},
    "direction_rule": {"wait": 1.0, "gap": 1.0, "take": 1.0, **_RUNGS},
}


@dataclass(frozen=True, eq=False)
class RuleLeversDecoder:
    """Decoder that moves the parameters of one tuned rule.

    Parameters
    ----------
    rule : type of Tunable
    vector : float64 (P,)
        The rule's parameters where the network says nothing.
    places : int64 (A,)
        Which of them are levers.
    scales : float64 (A,)
    labels : tuple of str
        Their names.

    >>> from tercel.execution.strategies import build
    >>> from tercel.execution.observation import view_of
    >>> view, decoder = view_of(left=range(20)), levers({"base": "score_rule"})
    >>> bool((decoder.decode(np.zeros((20, 8)), view) == build("score_rule").decide(view)).all())
    True
    """

    rule: type[Tunable]
    vector: Floats
    places: Ints
    scales: Floats
    labels: tuple[str, ...]
    continuous: ClassVar = True

    def decode(self, actions: AnyArray, view: View) -> Intents:
        """Intents int32 (n, 10) of float (n, A) actions.

        Raises
        ------
        ConfigError
            Another shape, or an action that is not finite.
        """
        actions = checked_vectors(actions, view.n, self.labels)
        rows = np.repeat(self.vector[None, :], view.n, axis=0)
        rows[:, self.places] += actions * self.scales
        return self.rule(rows).decide(view)


def levers(parameters: Mapping[str, Any]) -> RuleLeversDecoder:
    """The decoder that a card's `action_parameters` describe.

    Parameters
    ----------
    parameters : mapping
        ``base``: the rule's name; ``parameters``: its values by name (generic ones where none is given); ``levers``:
        name -> scale (the rule's own by default).

    Raises
    ------
    ConfigError, UnknownNameError
        A parameter, a rule or a lever that there is not; the nearest is offered.
    """
    refuse_unknown(parameters, ("base", "parameters", "levers"), "levers")
    base = str(parameters.get("base", "score_rule"))
    check_known(base, RULES, "a rule with levers:")
    rule: type[Tunable] = TUNABLE[base]
    moved: Mapping[str, float] = parameters.get("levers") or RULES[base]
    for name, scale in moved.items():
        check_known(name, rule.layout.names, f"levers of {base}:")
        if not (np.isfinite(scale) and scale > 0):
            raise ConfigError("scales of levers above 0", f"{name} = {scale}", "such as 1.0")
    vector = rule.layout.vector(parameters.get("parameters") or None)
    places = np.array([rule.layout.names.index(name) for name in moved], np.int64)
    return RuleLeversDecoder(
        rule, vector, places, np.array(list(moved.values()), np.float64), tuple(moved)
    )


# -- costs ---
# `costs`: changes of a rule by a forecast: take a part at once, rest inside the spread, or rest nothing.
# A policy with these actions compares what an order pays now with what it pays if it waits. It observes (`"costs"`) six
# numbers in units of the usual half spread, so that one set of weights serves names of any spread; what waiting costs in a
# name is measured on its earlier days (`lab.evaluation.runs.Waiting`). Three scores come back; one above 0 acts:
# | score | intents |
# |---|---|
# | `take` | `slices` of the order's slices are taken, at most what the far touch displays |
# | `inside` | lots that the rule rests go a tick inside the spread, if the spread is wide enough |
# | `hide` | nothing rests |
# Zeros are the rule, and so is everything where no forecast is known: `guarded`, to the last lot.

COST_LABELS: Final = ("take", "inside", "hide")


@dataclass(frozen=True)
class CostDecoder:
    """Decoder that moves a rule's intents by three scores.

    Parameters
    ----------
    base : Strategy
    slices : float
        Lots taken at once, in slices of the order.

    >>> from tercel.execution.observation import view_of
    >>> view, decoder = view_of(left=20), CostDecoder()
    >>> bool((decoder.decode(np.ones((1, 3)), view) == Guarded().decide(view)).all())
    True
    """

    base: Strategy = field(default_factory=Guarded)
    slices: float = 2.0
    labels: ClassVar = COST_LABELS
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
            (checked_vectors(actions, view.n, COST_LABELS) > 0) & is_known(view)[:, None]
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
        ``slices``: lots taken at once, in slices of the order; ``guarded``: False leaves the rule's guard out.

    Raises
    ------
    ConfigError, UnknownNameError
        A parameter that there is not; slices that are no number above 0.

    >>> costs({"slices": 3}).slices
    3.0
    """
    refuse_unknown(parameters, ("slices", "guarded"), "costs")
    slices = float(parameters.get("slices", CostDecoder.slices))
    refuse_if(not 0.0 < slices < np.inf, "slices above 0", f"slices = {slices}", "such as 2")
    return CostDecoder(Guarded(guard=GUARD if parameters.get("guarded", True) else None), slices)


# -- residual ---
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
    """Lots to take: `base`, and as many more (fewer) times the displayed `far` lots as `action` says."""
    moved = round(max(abs(action) - dead, 0.0) * far)
    return max(base - moved, 0) if action < 0.0 else min(max(min(base + moved, far), base), left)


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
    Where the market is not tradable, nothing is left, or the action is all zeros, the base is unchanged.
    """
    places, spread = lots[0], lots[1]
    for row in range(actions.shape[0]):
        for j in range(it.WIDTH):
            out[row, j] = base[row, j]
        left = x[row, c.LEFT]
        moved = False
        for j in range(RESIDUAL_SIZE):
            moved = moved or actions[row, j] != 0.0
        if not is_tradable(m[row]) or left <= 0 or not moved:
            continue
        taken = int(base[row, it.TAKE])
        rest = left - taken
        places[it.K] = rest
        for j in range(it.K):
            places[j] = base[row, it.REST0 + j]
            places[it.K] -= places[j]
        take = shift_take(taken, actions[row, 0], m[row, c.FAR1], left, dead)
        spread_lots(places, rest, left - take, actions[row, 1:], weights, spread)
        out[row, it.TAKE] = take
        for j in range(it.K):
            out[row, it.REST0 + j] = spread[j]


@dataclass(frozen=True)
class Residual:
    """Decoder that moves the takes and places of one rule.

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
    >>> from tercel.execution.observation import view_of
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
        """Intents int32 (n, 10) of float (n, 7) actions.

        Raises
        ------
        ConfigError
            Another shape, or an action that is not finite.
        """
        actions = checked_vectors(actions, view.n, RESIDUAL_LABELS) * (
            (1.0,) + PLACES * (self.scale,)
        )
        intents = self.base.decide(view)
        lots, weights = np.zeros((2, PLACES), np.int64), np.zeros(PLACES)
        decode_residual(actions, intents, view.x, view.m, self.dead, lots, weights, intents)
        if self.grains:
            round_lots(view.x, intents)
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
    refuse_if(not 0.0 <= dead < np.inf, "a band of takes from 0", f"dead = {dead}", "such as 0.5")
    scale = float(parameters.get("scale", 1.0))
    refuse_if(
        not 0.0 < scale < np.inf, "a scale of weights above 0", f"scale = {scale}", "such as 3.0"
    )
    return Residual(base(parameters), dead, scale, bool(parameters.get("grains", False)))


# -- action sets ----------------------------------------------------------------------------------

# int64 (n,) actions, or float (n, A) vectors, and a view -> int32 (n, 10) intents.
Decoder = Callable[[AnyArray, View], Intents]


class ActionSet(NamedTuple):
    """A set of actions: how many, and the decoder that makes intents of them."""

    name: str
    labels: tuple[str, ...]
    decode: Decoder
    continuous: bool = False
    # Whether action 0, or a vector of zeros, is a rule, whatever it is.
    from_a_rule: bool = False
    # Time between two looks, ns: that strategy's, or of the clock of events; 0 without a clock of events.
    gap_ns: int = 0

    @property
    def size(self) -> int:
        """Number of actions, or length of a vector of them."""
        return len(self.labels)


def base_strategy(parameters: Mapping[str, Any]) -> Strategy:
    """The rule that an action set's parameters name.

    Parameters
    ----------
    parameters : mapping
        ``base``: a strategy's name; ``parameters``: its own; ``estimates``: what it may know of the market.
    """
    known = parameters.get("estimates")
    return build(
        str(parameters.get("base", "peg_behind")),
        MarketEstimates(**known) if known else None,
        parameters.get("parameters"),
    )


# Name -> labels, decoder.
_PLAIN: Final[Mapping[str, tuple[tuple[str, ...], Any]]] = {
    "placement": (PLACEMENT_LABELS, decode_placement),
    "fraction": (FRACTION_LABELS, decode_fraction),
    "level": (LEVEL_LABELS, decode_level),
    "sized": (SIZED_LABELS, decode_sized),
    "allocation": (ALLOCATION_LABELS, decode_allocation),
}
# Name -> what makes a decoder of parameters.
_MADE: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "override": lambda given: override(given, base_strategy),
    "levers": levers,
    "residual": lambda given: residual(given, base_strategy),
    "costs": costs,
}
# All sets by name; the first is the default.
SETS: Final = (
    "placement",
    "fraction",
    "level",
    "sized",
    "override",
    "allocation",
    "levers",
    "residual",
    "costs",
)


def action_set(name: str, parameters: Mapping[str, Any] | None = None) -> ActionSet:
    """The set of actions called `name`.

    Parameters
    ----------
    name : str
        One of `SETS`.
    parameters : mapping, optional
        Of the set, such as ``{"base": "peg_behind"}`` of `residual`; the discrete ones have none. Behind any of them
        ``guard`` = [late, resume] puts a guard (`execution.decoders`), ``events`` the clock of events, in this
        order. ``flow`` names the forecaster that is listened to.

    Raises
    ------
    UnknownNameError
        No such set; the nearest name is offered.
    ConfigError
        A parameter that the set does not have.

    >>> action_set("placement").size, action_set("residual", {"base": "peg_behind"}).continuous
    (8, True)
    """
    given = dict(parameters or {})
    thresholds, on_events = given.pop("guard", None), given.pop("events", False)
    given.pop("flow", None)
    if name in _MADE:
        made = _MADE[name](given)
        gap_ns = gap_of(getattr(made, "base", None))
        actions = ActionSet(name, made.labels, made.decode, made.continuous, True, gap_ns)
    else:
        check_known(name, SETS, said=f"actions {name!r}")
        refuse_unknown(given, (), name)
        labels, decode = _PLAIN[name]
        actions = ActionSet(name, labels, decode, name == "allocation")
    if thresholds is not None:
        actions = actions._replace(decode=guarded(actions.decode, thresholds))
    if not on_events:
        return actions
    decode = actions.decode
    return actions._replace(
        decode=lambda numbers, view: between_slices(
            decode(numbers, view).astype(np.int32, casting="same_kind"), view
        ),
        gap_ns=GAP_NS,
    )
