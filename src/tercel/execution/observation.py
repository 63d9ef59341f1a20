"""Observations of policies by name: `v3`, `v2`, `costs`, or a user's function of a view.

`execution.observation_encoder` has the entries of `v2` and `v3`, `execution.cost_observation` those of `costs`. Stacked, the
decision intervals before the last one follow. A policy's own encoder computes them: what a market records stays as it is.
"""

import hashlib
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import ConfigError, UnknownNameError, refuse_if, suggest_name
from tercel.execution import columns as c
from tercel.execution.cost_observation import COST_ENTRIES, observe_costs
from tercel.execution.observation_encoder import LAST, MOST, SLOW, STACKED, encode_rows
from tercel.execution.probe_views import DECISIONS, probe_view
from tercel.execution.view import View

# Modules that a user named by their file are called so, and then as the file.
FROM_FILE: Final = "tercel_own_"
# An observation of the user's: a :class:`View` of n markets -> numbers of shape (n, k).
ObservationFunction = Callable[[View], Any]


# Observations that policies can be made for: what each has behind the entries of the last intervals.
BY_NAME: Final = {"v2": (), c.OBSERVATION: SLOW}
# What the actions `costs` go by (`execution.action_sets`): no rows of the past.
COSTS: Final = "costs"
OBSERVERS: Final = (*BY_NAME, COSTS)


class Observer(NamedTuple):
    """An observation: name, names of its entries, and the function from a view to its rows, float32 (n, D)."""

    name: str
    # What it says, in order.
    entries: tuple[str, ...]
    # A view -> float32 (n, D).
    encode: Callable[[View], Float32]
    # Decision intervals that it shows.
    stack: int = 1

    @property
    def size(self) -> int:
        """Number of entries D."""
        return len(self.entries)

    @property
    def answers(self) -> str:
        """16 hex digits that change when a user's function answers made-up views otherwise, by four digits; "" for Tercel's."""
        if not is_user_name(self.name):
            return ""
        rows = np.concatenate([self.encode(probe_view(decision)) for decision in range(DECISIONS)])
        digits = " ".join(
            f"{value:.4g}" for value in rows.astype(np.float64).round(6).ravel() + 0.0
        )
        return hashlib.sha256(digits.encode()).hexdigest()[:16]


def _shipped_observer(name: str, stack: int) -> Observer:
    """The observation `v2` or `v3`, of the last `stack` intervals."""
    past = tuple(f"{entry}_{back}_ago" for back in range(1, stack) for entry in STACKED)
    slow = BY_NAME[name]
    names = LAST + past + slow
    encode = partial(_encode_view, len(names), len(slow))  # no closure: environments can be pickled
    return Observer(name, names, encode, stack)


def _encode_view(size: int, slow: int, view: View) -> Float32:
    """Rows of `v2` or `v3` from a view, float32 (n, size); the last `slow` of the entries are own fills and slow flow."""
    rows = np.empty((view.n, size), np.float32)
    encode_rows(view.x, view.m, slow, rows)
    return rows


def observer(name: str | ObservationFunction, stack: int = 1) -> Observer:
    """The observation called `name` (v2, v3, costs), of the last `stack` intervals, or of a user's function of a view.

    Raises
    ------
    UnknownNameError
        No such observation; the nearest name is offered.
    ConfigError
        More intervals than a view shows; a function that does not answer rows of numbers.

    >>> observer("v3").size, observer("v2", 3).size - observer("v2").size
    (50, 10)
    >>> def sizes(view):
    ...     return np.column_stack([view.left / view.qty0, view.spread])
    >>> observer(sizes).entries
    ('sizes_0', 'sizes_1')
    """
    if not isinstance(name, str):
        if stack != 1:
            raise ConfigError(
                f"a stack of 1 to 1 for observation {name_of(name)}",
                f"{stack}",
                "one of Tercel's can be stacked",
            )
        return _user_observer(name)
    if name not in OBSERVERS:
        raise UnknownNameError(
            f"one of {', '.join(OBSERVERS)}",
            f"observation {name!r}",
            "pass the function itself" if is_user_name(name) else suggest_name(name, OBSERVERS),
        )
    most = 1 if name == COSTS else MOST
    refuse_if(
        not 1 <= stack <= most,
        f"a stack of 1 to {most} for observation {name}",
        f"{stack}",
        "name a number of these",
    )
    return (
        Observer(COSTS, COST_ENTRIES, observe_costs)
        if name == COSTS
        else _shipped_observer(name, stack)
    )


def looks_back(name: str) -> bool:
    """Whether the observation of a name reaches back before arrival (only v3 does), so that a simulated market needs a warm-up.

    >>> looks_back("v3"), looks_back("v2"), looks_back("my_module:sizes")
    (True, False, False)
    """
    return bool(BY_NAME.get(name))


def is_user_name(name: str) -> bool:
    """Whether a name in a card or configuration is a user's observation, ``module:name``.

    >>> is_user_name("my_module:sizes"), is_user_name("v2")
    (True, False)
    """
    return ":" in name


def name_of(function: Any) -> str:
    """``module:name`` of a function, of another callable its class; for a script or file the module is the file's stem.

    >>> name_of(name_of)
    'tercel.execution.observation:name_of'
    """
    module = getattr(function, "__module__", None) or "__main__"
    file = getattr(sys.modules.get(module), "__file__", None)
    if file and (module == "__main__" or module.startswith(FROM_FILE)):
        module = Path(file).stem
    return f"{module}:{getattr(function, '__name__', type(function).__name__)}"


def same_name(name: str, other_name: str) -> bool:
    """Whether two names mean the same function: last part of the module and name are equal, whatever package or path.

    >>> same_name("mine:a", "pkg.mine:a"), same_name("mine:a", "a/mine.py:a"), same_name("m:a", "m:b")
    (True, True, False)
    """
    return _short_name(name) == _short_name(other_name)


def warn_of_name(declared: str, function: ObservationFunction, where: str) -> None:
    """Warn if an observation function that was given has another name than `where` declares."""
    if not same_name(declared, name_of(function)):
        warnings.warn(
            f"{where} names the observation {declared}; {name_of(function)} was given in its place",
            stacklevel=2,
        )


def _short_name(name: str) -> tuple[str, str]:
    """(last part of the module or stem of its file, function name) of ``module:name``."""
    module, _, function = name.rpartition(":")
    return Path(module).stem if module.endswith(".py") else module.rpartition(".")[2], function


def _user_observer(function: ObservationFunction) -> Observer:
    """An observation of a user's function; a run on made-up markets tells its number of entries; ConfigError for a bad one."""
    refuse_if(
        not callable(function),
        "the name of an observation, or a function of a view",
        repr(function),
        "such as def sizes(view): return numpy.column_stack([view.left, view.spread])",
    )
    name = name_of(function)
    size = _rows_of(function, name, probe_view(), None).shape[1]
    entries = tuple(getattr(function, "entries", ())) or tuple(
        f"{name.partition(':')[2]}_{i}" for i in range(size)
    )
    refuse_if(
        len(entries) != size,
        f"a name for each column of {name}",
        f"{len(entries)} entries for {size} columns",
        "let its `entries` name them all",
    )
    return Observer(name, entries, partial(_rows_of, function, name, size=size))


def _rows_of(function: ObservationFunction, name: str, view: View, size: int | None) -> Float32:
    """The function's rows for a view as float32 (n, size), any number of columns if None; ConfigError unless finite numbers."""
    values = np.asarray(function(view.read_only()))
    width = size or max((1, *values.shape[1:]))
    if values.dtype.kind not in "fiub" or values.shape != (view.n, width):
        wanted = f"({view.n}, {size or 'k'})"
        raise ConfigError(
            f"numbers of shape {wanted} from {name}",
            f"{values.dtype} of shape {values.shape}",
            "return a row of numbers a market, such as numpy.column_stack([view.left, view.spread])",
        )
    rows = np.array(values, np.float32)
    if not np.isfinite(rows).all():
        row, entry = np.argwhere(~np.isfinite(rows))[0]
        raise ConfigError(
            f"finite numbers from {name}",
            f"{rows[row, entry]} in column {entry} of row {row}",
            "look for divisions by zero, and unquoted sides",
        )
    return rows
