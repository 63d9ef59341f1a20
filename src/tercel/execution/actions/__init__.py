"""Action decoders: what a learner's numbers mean, as intents.

Each set of actions is one file with `LABELS` and ``decode(actions, view) -> intents``; here they stand by name: the
discrete ones take int64 (n,) indices, the continuous ones float (n, A) vectors. Some have parameters, which a policy's
card keeps. A set that is to be offered to the learners is added to `DISCRETE` or, where it is made, to `MADE`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer
from tercel.execution.actions import allocation, fraction, level, levers, override, placement, residual, sized
from tercel.execution.intent import Intents
from tercel.execution.view import View


class ActionSet(NamedTuple):
    """A set of actions."""

    name: str
    labels: tuple[str, ...]
    decode: Callable[[NDArray[Any], View], Intents]
    """int64 (n,) actions, or float (n, A) vectors, and a view -> int32 (n, 10) intents."""
    continuous: bool = False

    @property
    def size(self) -> int:
        """Number of actions, or length of a vector of them."""
        return len(self.labels)


DISCRETE: Final = {
    "placement": ActionSet("placement", placement.LABELS, placement.decode),
    "fraction": ActionSet("fraction", fraction.LABELS, fraction.decode),
    "level": ActionSet("level", level.LABELS, level.decode),
    "sized": ActionSet("sized", sized.LABELS, sized.decode),
}
"""The discrete sets by name; the first is the default."""


def _allocation(parameters: Mapping[str, Any]) -> ActionSet:
    if parameters:
        raise ConfigError("no parameters of allocation", f"{sorted(parameters)[0]!r}", "leave it out")
    return ActionSet("allocation", allocation.LABELS, allocation.decode, True)


def _residual(parameters: Mapping[str, Any]) -> ActionSet:
    return ActionSet("residual", residual.LABELS, residual.residual(parameters).decode, True)


def _override(parameters: Mapping[str, Any]) -> ActionSet:
    return ActionSet("override", override.LABELS, override.override(parameters).decode)


def _levers(parameters: Mapping[str, Any]) -> ActionSet:
    decoder = levers.levers(parameters)
    return ActionSet("levers", decoder.labels, decoder.decode, True)


MADE: Final[dict[str, Callable[[Mapping[str, Any]], ActionSet]]] = {
    "override": _override,
    "allocation": _allocation,
    "levers": _levers,
    "residual": _residual,
}
"""What makes the sets that have parameters or are continuous, by name."""
SETS: Final = (*DISCRETE, *MADE)


def action_set(name: str, parameters: Mapping[str, Any] | None = None) -> ActionSet:
    """The set of actions called `name`.

    Parameters
    ----------
    name : str
        One of `SETS`.
    parameters : mapping, optional
        Of the set, such as ``{"base": "peg_behind"}`` of `residual`; the discrete ones have none.

    Raises
    ------
    UnknownNameError
        No such set; the nearest name is offered.
    ConfigError
        A parameter that the set does not have.

    >>> action_set("placement").size, action_set("residual", {"base": "peg_behind"}).continuous
    (8, True)
    """
    if name in MADE:
        return MADE[name](parameters or {})
    if name not in DISCRETE:
        raise UnknownNameError(f"one of {', '.join(SETS)}", f"actions {name!r}", offer(name, SETS))
    if parameters:
        raise ConfigError(f"no parameters of {name}", f"{sorted(parameters)[0]!r}", "leave it out")
    return DISCRETE[name]
