"""The check that all discrete decoders share."""

from collections.abc import Iterable

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError


def checked(actions: Ints, n: int, labels: tuple[str, ...]) -> Ints:
    """`actions` as int64 (n,), every one of them an index into `labels`.

    Raises
    ------
    ConfigError
        Another shape, or an action that is not in the set.
    """
    actions = np.asarray(actions, np.int64)
    if actions.shape != (n,):
        raise ConfigError(f"{n} actions, one a market", f"shape {actions.shape}", "decode the whole batch at once")
    wrong = (actions < 0) | (actions >= len(labels))
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = f"actions from 0 to {len(labels) - 1}"
        raise ConfigError(expected, f"{actions[row]} in row {row}", "use the action set that the policy names")
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
