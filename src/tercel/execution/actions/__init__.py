"""Action decoders: what a learner's numbers mean, as intents.

Each discrete set of actions is one file with `LABELS` and ``decode(actions, view) -> intents``; here they
stand by name. `allocation` is continuous and has a decoder of its own shape. A set that is to be offered to
the learners is added to `DISCRETE`.
"""

import difflib
from typing import Final, NamedTuple

from tercel.core.errors import UnknownNameError
from tercel.execution.actions import fraction, level, placement
from tercel.execution.strategy import Decode


class ActionSet(NamedTuple):
    """A discrete set of actions."""

    name: str
    labels: tuple[str, ...]
    decode: Decode
    """int64 (n,) actions and a view -> int32 (n, 10) intents."""

    @property
    def size(self) -> int:
        """Number of actions."""
        return len(self.labels)


DISCRETE: Final = {
    "placement": ActionSet("placement", placement.LABELS, placement.decode),
    "fraction": ActionSet("fraction", fraction.LABELS, fraction.decode),
    "level": ActionSet("level", level.LABELS, level.decode),
}
"""The discrete sets by name; the first is the default."""


def action_set(name: str) -> ActionSet:
    """The discrete set of actions called `name`.

    Raises
    ------
    UnknownNameError
        No such set; the nearest name is offered.

    >>> action_set("placement").size
    8
    """
    if name not in DISCRETE:
        nearest = difflib.get_close_matches(name, DISCRETE, 1, 0.0)[0]
        raise UnknownNameError(f"one of {', '.join(DISCRETE)}", f"actions {name!r}", f"try {nearest!r}")
    return DISCRETE[name]
