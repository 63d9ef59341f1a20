"""The observations that policies can be made for, by the name that their cards say."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer
from tercel.execution.observation import OBS_NAMES
from tercel.execution.observation_v2 import MOST, OBS2_NAMES, STACKED, encode_v2_rows
from tercel.execution.view import View

Float32 = NDArray[np.float32]


class Observer(NamedTuple):
    """An observation."""

    name: str
    entries: tuple[str, ...]
    """What it says, in order."""
    encode: Callable[[View], Float32]
    """A view -> float32 (n, D)."""
    stack: int = 1
    """Decision intervals that it shows."""

    @property
    def size(self) -> int:
        """D."""
        return len(self.entries)


def _v1(view: View) -> Float32:
    return np.asarray(view.obs, np.float32)


def _v2(stack: int) -> Observer:
    """The second observation of so many decision intervals."""
    past = tuple(f"{what}_{back}_ago" for back in range(1, stack) for what in STACKED)

    def encode(view: View) -> Float32:
        out = np.empty((view.n, len(OBS2_NAMES) + len(past)), np.float32)
        encode_v2_rows(view.x, view.m, out)
        return out

    return Observer("v2", OBS2_NAMES + past, encode, stack)


OBSERVERS: Final = ("v1", "v2")


def observer(name: str, stack: int = 1) -> Observer:
    """The observation called `name`, of the last `stack` decision intervals.

    Raises
    ------
    UnknownNameError
        No such observation; the nearest name is offered.
    ConfigError
        More intervals than a view shows.

    >>> observer("v1").size, observer("v2", 3).size - observer("v2").size
    (40, 10)
    """
    if name not in OBSERVERS:
        raise UnknownNameError(f"one of {', '.join(OBSERVERS)}", f"observation {name!r}", offer(name, OBSERVERS))
    most = MOST if name == "v2" else 1
    if not 1 <= stack <= most:
        raise ConfigError(f"a stack of 1 to {most} for observation {name}", f"{stack}", "v2 can be stacked")
    return Observer("v1", OBS_NAMES, _v1) if name == "v1" else _v2(stack)
