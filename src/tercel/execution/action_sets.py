"""Sets of actions by name: for each the decoder that turns a policy's numbers into intents; most decoders are elsewhere.

Discrete sets take int64 (n,) indices, continuous ones float (n, A) vectors. `execution.decoders` has those that need no
rule; `execution.levers`, `execution.residual` and `execution.cost_scores` move a rule; :func:`action_set` finds any.
A new set is named in `SETS` and in `_FIXED_SETS` or, where it has parameters of its own, in `_MAKERS`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.errors import check_known
from tercel.execution.action_checks import refuse_unknown
from tercel.execution.catch_up import add_guard
from tercel.execution.cost_scores import cost_decoder
from tercel.execution.decoders import (
    ALLOCATION_LABELS,
    FRACTION_LABELS,
    LEVEL_LABELS,
    PLACEMENT_LABELS,
    SIZED_LABELS,
    decode_allocation,
    decode_fraction,
    decode_level,
    decode_placement,
    decode_sized,
    override_decoder,
)
from tercel.execution.intent import Intents
from tercel.execution.levers import levers_decoder
from tercel.execution.residual import residual_decoder
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategies.event_clock import GAP_NS, between_slices
from tercel.execution.strategy import Strategy, gap_of
from tercel.execution.view import View

# int64 (n,) actions, or float (n, A) vectors, and a view -> int32 (n, 10) intents.
Decoder = Callable[[AnyArray, View], Intents]


# Name -> labels, decoder.
_FIXED_SETS: Final[Mapping[str, tuple[tuple[str, ...], Any]]] = {
    "placement": (PLACEMENT_LABELS, decode_placement),
    "fraction": (FRACTION_LABELS, decode_fraction),
    "level": (LEVEL_LABELS, decode_level),
    "sized": (SIZED_LABELS, decode_sized),
    "allocation": (ALLOCATION_LABELS, decode_allocation),
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


class ActionSet(NamedTuple):
    """A set of actions: their labels, whether they are continuous, and the decoder that turns them into intents."""

    name: str
    labels: tuple[str, ...]
    decode: Decoder
    continuous: bool = False
    # Whether action 0, or a vector of zeros, is a rule, whatever it is.
    from_a_rule: bool = False
    # Time between two looks, ns: that strategy's, or of the clock of events; 0 without a clock of events.
    gap_ns: int = 0
    # The strategy that action 0, or a vector of zeros, follows.
    base: Strategy | None = None

    @property
    def size(self) -> int:
        """Number of actions, or length of a vector of them."""
        return len(self.labels)


def base_strategy(parameters: Mapping[str, Any]) -> Strategy:
    """The strategy that an action set's parameters name, built: `base` (peg_behind if none), its `estimates` and `parameters`.

    Parameters
    ----------
    parameters : mapping
        ``base``: a strategy's name; ``parameters``: its own; ``estimates``: what it may know of the market.
    """
    estimates = parameters.get("estimates")
    return build(
        str(parameters.get("base", "peg_behind")),
        MarketEstimates(**estimates) if estimates else None,
        parameters.get("parameters"),
    )


MakeBase = Callable[[Mapping[str, Any]], Strategy]
# Name -> what makes a decoder of parameters, and of a function that makes the base that they name.
_MAKERS: Final[dict[str, Callable[[Mapping[str, Any], MakeBase], Any]]] = {
    "override": override_decoder,
    "levers": lambda parameters, _: levers_decoder(parameters),
    "residual": residual_decoder,
    "costs": lambda parameters, _: cost_decoder(parameters),
}


def action_set(
    name: str, parameters: Mapping[str, Any] | None = None, make_base: MakeBase = base_strategy
) -> ActionSet:
    """The set of actions called `name`, with its `parameters`; `guard` and `events` among them wrap its decoder.

    Parameters
    ----------
    name : str
        One of `SETS`.
    parameters : mapping, optional
        Of the set, such as ``{"base": "peg_behind"}`` of `residual`; the discrete ones have none. Behind any of them
        ``guard`` = [late, resume] puts a guard (`execution.catch_up`), ``events`` the clock of events, in this
        order. ``flow`` names the forecaster that is listened to.
    make_base : callable
        Makes the base that they name; `policies.strategy.base_of` also knows packaged policies.

    Raises
    ------
    UnknownNameError
        No such set; the nearest name is offered.
    ConfigError
        A parameter that the set does not have.

    >>> action_set("placement").size, action_set("residual", {"base": "peg_behind"}).continuous
    (8, True)
    """
    options = dict(parameters or {})
    thresholds = options.pop("guard", None)
    on_events = options.pop("events", False)
    options.pop("flow", None)
    if name in _MAKERS:
        decoder = _MAKERS[name](options, make_base)
        base = getattr(decoder, "base", None)
        actions = ActionSet(
            name, decoder.labels, decoder.decode, decoder.continuous, True, gap_of(base), base
        )
    else:
        check_known(name, SETS, received=f"actions {name!r}")
        refuse_unknown(options, (), name)
        labels, decode = _FIXED_SETS[name]
        actions = ActionSet(name, labels, decode, name == "allocation")
    if thresholds is not None:
        actions = actions._replace(decode=add_guard(actions.decode, thresholds))
    if not on_events:
        return actions
    decode = actions.decode
    return actions._replace(
        decode=lambda numbers, view: between_slices(
            decode(numbers, view).astype(np.int32, casting="same_kind"), view
        ),
        gap_ns=GAP_NS,
    )
