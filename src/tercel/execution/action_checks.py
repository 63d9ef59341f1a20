"""Checks of a policy's actions: indices within their labels, finite vectors; and of an action set's parameters: known names."""

from collections.abc import Iterable

import numpy as np

from tercel.core.arrays import AnyArray, Floats, Ints
from tercel.core.errors import ConfigError


# Checks that all action decoders share: indices, vectors, unknown parameters.
def check_indices(actions: Ints, n: int, labels: tuple[str, ...]) -> Ints:
    """`actions` as int64 (n,); ConfigError for another shape, or one that is no index into `labels` (below 0 included).

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
    """Refuse `parameters` that are not among the `known` ones of the action set `name` (ConfigError).

    Raises
    ------
    ConfigError
    """
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        wanted = f"parameters {', '.join(known)}" if known else "no parameters"
        raise ConfigError(f"{wanted} of {name}", f"{unknown[0]!r}", "leave it out")


def check_vectors(actions: AnyArray, n: int, labels: tuple[str, ...]) -> Floats:
    """`actions` as float64 (n, A), one column per label; ConfigError for another shape or numbers that are not finite.

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
