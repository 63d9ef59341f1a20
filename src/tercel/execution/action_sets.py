"""Action decoders: what a learner's numbers mean, as intents.

Each set of actions is one file with `LABELS` and ``decode(actions, view) -> intents``; here they stand by name: the
discrete ones take int64 (n,) indices, the continuous ones float (n, A) vectors. Some have parameters, which a policy's
card keeps. A new set is named in `SETS` and in `_PLAIN` or, where it is made of parameters, in `_MADE`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.names import check_known
from tercel.execution.actions import (
    allocation,
    fraction,
    level,
    levers,
    override,
    placement,
    residual,
    sized,
)
from tercel.execution.actions.choice import refuse_unknown
from tercel.execution.actions.guard import guarded
from tercel.execution.intent import Intents
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategies.events_clock import between_slices
from tercel.execution.strategies.flow import thresholds_of
from tercel.execution.strategy import Strategy
from tercel.execution.view import View

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


_PLAIN: Final = {
    "placement": placement,
    "fraction": fraction,
    "level": level,
    "sized": sized,
    "allocation": allocation,
}
# Name -> what makes a decoder of parameters.
_MADE: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "override": lambda given: override.override(given, base_strategy),
    "levers": levers.levers,
    "residual": lambda given: residual.residual(given, base_strategy),
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
        ``guard`` = [late, resume] puts a guard (`execution.actions.guard`), ``flow`` a forecast that is
        listened to (a forecaster's ``model`` and the thresholds of `strategies.flow`), ``events`` the clock of events,
        in this order.

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
    thresholds, listening = given.pop("guard", None), given.pop("flow", None)
    on_events = given.pop("events", False)
    if name in _MADE:
        made = _MADE[name](given)
        actions = ActionSet(name, made.labels, made.decode, made.continuous, True)
    else:
        check_known(name, SETS, said=f"actions {name!r}")
        refuse_unknown(given, (), name)
        plain: Any = _PLAIN[name]
        actions = ActionSet(name, plain.LABELS, plain.decode, name == "allocation")
    if thresholds is not None:
        actions = actions._replace(decode=guarded(actions.decode, thresholds))
    if listening is not None:
        actions = actions._replace(decode=_then(actions.decode, thresholds_of(listening).applied))
    return actions._replace(decode=_then(actions.decode, between_slices)) if on_events else actions


def _then(decode: Decoder, change: Callable[[Intents, View], Intents]) -> Decoder:
    """A decoder whose intents are changed by a function of them and of the view."""
    return lambda actions, view: change(
        decode(actions, view).astype(np.int32, casting="same_kind"), view
    )
