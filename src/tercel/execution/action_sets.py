"""Action decoders: what a learner's numbers mean, as intents.

Each set of actions is one file with `LABELS` and ``decode(actions, view) -> intents``; here they stand by name: the
discrete ones take int64 (n,) indices, the continuous ones float (n, A) vectors. Some have parameters, which a policy's
card keeps. A new set is named in `SETS` and in `_PLAIN` or, where it is made of parameters, in `_MADE`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray, Ints
from tercel.core.errors import ConfigError, check_known
from tercel.core.jit import Floats
from tercel.execution.actions import costs, guard, placement, residual
from tercel.execution.actions.guard import guarded
from tercel.execution.actions.placement import checked_vectors, refuse_unknown
from tercel.execution.intent import Intents, View
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategies.timed import GAP_NS, between_slices
from tercel.execution.strategies.vector import Tunable
from tercel.execution.strategy import Strategy, gap_of

# -- levers ---------------------------------------------------------------------------------------
# `levers`: some parameters of a tuned rule, moved by a network at every decision; all zeros are the rule itself.
#
# The rule keeps its order of thoughts (score, take, pace, display) and the network turns its knobs: an action adds
# ``scale * a`` to each lever, in the unconstrained space in which the rule was tuned.

_RUNGS: Final = {"improve": 2.0, "touch": 2.0, "behind_1": 2.0, "behind_2": 2.0, "behind_3": 2.0}
RULES: Final[Mapping[str, Mapping[str, float]]] = {
    "score_rule": {"threshold": 1.0, "take": 1.0, "pace": 0.5, **_RUNGS},
    "direction_rule": {"wait": 1.0, "gap": 1.0, "take": 1.0, **_RUNGS},
}
"""Rules whose levers can be moved -> levers by default -> how far an action of 1 moves them."""


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
    >>> from tercel.execution.probes import view_of
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
    from tercel.execution.strategies import TUNABLE

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


# -- action sets ----------------------------------------------------------------------------------

Decoder = Callable[[AnyArray, View], Intents]
"""int64 (n,) actions, or float (n, A) vectors, and a view -> int32 (n, 10) intents."""


class ActionSet(NamedTuple):
    """A set of actions: how many, and the decoder that makes intents of them."""

    name: str
    labels: tuple[str, ...]
    decode: Decoder
    continuous: bool = False
    from_a_rule: bool = False
    """Whether action 0, or a vector of zeros, is a written strategy, whatever it is."""
    gap_ns: int = 0
    """Time between two looks, ns: that strategy's, or of the clock of events; 0 without a clock of events."""

    @property
    def size(self) -> int:
        """Number of actions, or length of a vector of them."""
        return len(self.labels)


def base_strategy(parameters: Mapping[str, Any]) -> Strategy:
    """The written strategy that an action set's parameters name.

    Parameters
    ----------
    parameters : mapping
        ``base``: a strategy's name; ``parameters``: its own; ``estimates``: what it may know of the market.
    """
    known = parameters.get("estimates")
    estimates = MarketEstimates(**known) if known else None
    return build(str(parameters.get("base", "peg_behind")), estimates, parameters.get("parameters"))


_PLAIN: Final[Mapping[str, tuple[tuple[str, ...], Any]]] = {
    "placement": (placement.LABELS, placement.decode),
    "fraction": (placement.FRACTION_LABELS, placement.decode_fraction),
    "level": (placement.LEVEL_LABELS, placement.decode_level),
    "sized": (placement.SIZED_LABELS, placement.decode_sized),
    "allocation": (guard.ALLOCATION_LABELS, guard.decode_allocation),
}
"""Name -> labels, decoder."""
# Name -> what makes a decoder of parameters.
_MADE: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "override": lambda given: placement.override(given, base_strategy),
    "levers": levers,
    "residual": lambda given: residual.residual(given, base_strategy),
    "costs": costs.costs,
}
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
"""All sets by name; the first is the default."""


def action_set(name: str, parameters: Mapping[str, Any] | None = None) -> ActionSet:
    """The set of actions called `name`.

    Parameters
    ----------
    name : str
        One of `SETS`.
    parameters : mapping, optional
        Of the set, such as ``{"base": "peg_behind"}`` of `residual`; the discrete ones have none. Behind any of them
        ``guard`` = [late, resume] puts a guard (`execution.actions.guard`), ``events`` the clock of events, in this
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
    return actions._replace(decode=_on_events(actions.decode), gap_ns=GAP_NS)


def _on_events(decode: Decoder) -> Decoder:
    """A decoder whose intents give way to what stands between two slices."""
    return lambda actions, view: between_slices(
        decode(actions, view).astype(np.int32, casting="same_kind"), view
    )
