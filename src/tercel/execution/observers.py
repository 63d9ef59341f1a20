"""The observations that policies can be made for, by the name that their cards say."""

import difflib
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import UnknownNameError
from tercel.execution.observation import OBS_NAMES
from tercel.execution.observation_v2 import OBS2_NAMES, encode_v2_rows
from tercel.execution.view import View

Float32 = NDArray[np.float32]


class Observer(NamedTuple):
    """An observation."""

    name: str
    entries: tuple[str, ...]
    """What it says, in order."""
    encode: Callable[[View], Float32]
    """A view -> float32 (n, D)."""

    @property
    def size(self) -> int:
        """D."""
        return len(self.entries)


def _v1(view: View) -> Float32:
    return np.asarray(view.obs, np.float32)


def _v2(view: View) -> Float32:
    out = np.empty((view.n, len(OBS2_NAMES)), np.float32)
    encode_v2_rows(view.x, view.m, out)
    return out


OBSERVERS: Final = {"v1": Observer("v1", OBS_NAMES, _v1), "v2": Observer("v2", OBS2_NAMES, _v2)}


def observer(name: str) -> Observer:
    """The observation called `name`.

    Raises
    ------
    UnknownNameError
        No such observation; the nearest name is offered.

    >>> observer("v1").size
    40
    """
    if name not in OBSERVERS:
        nearest = difflib.get_close_matches(name, OBSERVERS, 1, 0.0)[0]
        raise UnknownNameError(f"one of {', '.join(OBSERVERS)}", f"observation {name!r}", f"try {nearest!r}")
    return OBSERVERS[name]
