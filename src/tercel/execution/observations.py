"""The observations that policies can be made for: those that ship, by name, and a user's function of a view.

`Observation-v3`: `Observation-v2` with own fills, own share of the volume and the market's slow flow behind it.

A function of the two integer rows alone, as `execution.observation_v2` is. Here d is the mean of the ten displayed
levels, "since the warm-up" goes back to long before the arrival, and flow is that of aggressors, in lots.

| entry | |
|---|---|
| `fill_rate` | lots done a decision so far, over lots left a decision to come: log, from -4 to 4; 0 at arrival |
| `fill_share` | lots done, over them and all flow against the order since arrival |
| `flow_to_come` | flow against the order, an interval on average, times decisions to come, over lots left: log(1 + x) |
| `pace` | flow an interval since arrival over that since the warm-up: log, from -4 to 4 |
| `lean` | (flow with - flow against) / (flow with + flow against), since the warm-up |
| `lean_since_arrival` | the same since arrival |
| `long_order_flow_imbalance` | order flow imbalance an interval since the warm-up / d, slog |
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import ConfigError, UnknownNameError, offer
from tercel.core.jit import Longs, Singles, kernel
from tercel.execution import columns as c
from tercel.execution.intent import View
from tercel.execution.microstructure import imbalance, signed_log
from tercel.execution.observation import OBS_NAMES
from tercel.execution.observation_v2 import (
    MOST,
    OBS2_NAMES,
    OBS2_SIZE,
    STACKED,
    encode_past,
    encode_v2,
    encode_v2_rows,
    mean_depth,
)
from tercel.execution.probes import probe

SLOW_NAMES: Final = (
    *("fill_rate", "fill_share", "flow_to_come"),
    *("pace", "lean", "lean_since_arrival", "long_order_flow_imbalance"),
)
"""Names of the entries behind those of the second observation, in order."""
SLOW_SIZE: Final = len(SLOW_NAMES)
_MOST: Final = 4.0


@kernel
def _log_ratio(over: float, under: float) -> float:
    """log(over / under), cut at 4 either way; where neither is anything, 0."""
    if over <= 0.0 or under <= 0.0:
        return 0.0 if over <= 0.0 and under <= 0.0 else (_MOST if over > 0.0 else -_MOST)
    return min(max(math.log(over / under), -_MOST), _MOST)


@kernel
def encode_slow(x: Longs, m: Longs, at: int, o: Singles) -> None:
    """Entries `at` and on: how the order fares, and the slow state of the market (see the module's table)."""
    depth = mean_depth(m)
    passed, to_come = x[c.DECISION], max(x[c.DECISIONS] - x[c.DECISION], 1)
    interval_ns = max(x[c.HORIZON_NS] / max(x[c.DECISIONS], 1), 1.0)
    intervals = max(m[c.AGE_NS] / interval_ns, 1.0)
    left, done = float(max(x[c.LEFT], 1)), float(max(x[c.QTY0] - x[c.LEFT], 0))
    same, against = float(m[c.LONG_SAME]), float(m[c.LONG_AGAINST])
    seen, seen_against = float(m[c.V_SEEN]), float(m[c.SEEN_AGAINST])
    o[at] = _log_ratio(done / max(passed, 1), left / to_come) if passed > 0 else 0.0
    o[at + 1] = done / max(done + seen_against, 1.0)
    o[at + 2] = math.log1p(against / intervals * to_come / left)
    o[at + 3] = (
        _log_ratio(seen / max(passed, 1), (same + against) / intervals) if passed > 0 else 0.0
    )
    o[at + 4] = imbalance(same, against)
    o[at + 5] = imbalance(seen - seen_against, seen_against)
    o[at + 6] = signed_log(m[c.LONG_OFI] / intervals / depth)


@kernel
def encode_v3_rows(x: Longs, m: Longs, out: Singles) -> None:
    """int64 (n, PX), int64 (n, MX) -> `out`, float32 (n, OBS2_SIZE + 5 (stack - 1) + SLOW_SIZE): v2's entries first."""
    slow = out.shape[1] - SLOW_SIZE
    for row in range(out.shape[0]):
        encode_v2(x[row], m[row], out[row])
        for back in range(1, 1 + (slow - OBS2_SIZE) // len(STACKED)):
            encode_past(m[row], back, OBS2_SIZE + (back - 1) * len(STACKED), out[row])
        encode_slow(x[row], m[row], slow, out[row])


FROM_FILE: Final = "tercel_own_"
"""Modules that a user named by their file are called so, and then as the file."""
ObservationFunction = Callable[[View], Any]
"""An observation of the user's: a :class:`View` of n markets -> numbers of shape (n, k)."""


class Observer(NamedTuple):
    """An observation: name, entries, and the function that fills them from a view."""

    name: str
    entries: tuple[str, ...]
    """What it says, in order."""
    encode: Callable[[View], Float32]
    """A view -> float32 (n, D)."""
    stack: int = 1
    """Decision intervals that it shows."""

    @property
    def size(self) -> int:
        """Number of entries D."""
        return len(self.entries)


def _v1(view: View) -> Float32:
    return np.asarray(view.obs, np.float32)


def _stacked(name: str, stack: int) -> Observer:
    """The second observation, or the third, of so many decision intervals."""
    past = tuple(f"{what}_{back}_ago" for back in range(1, stack) for what in STACKED)
    more, rows = ((), encode_v2_rows) if name == "v2" else (SLOW_NAMES, encode_v3_rows)
    names = OBS2_NAMES + past + more

    def encode(view: View) -> Float32:
        out = np.empty((view.n, len(names)), np.float32)
        rows(view.x, view.m, out)
        return out

    return Observer(name, names, encode, stack)


SLOW: Final = "v3"
"""The observation that looks back to before the arrival."""
OBSERVERS: Final = ("v1", "v2", SLOW)


def observer(name: str | ObservationFunction, stack: int = 1) -> Observer:
    """The observation called `name`, of the last `stack` decision intervals, or a function of a view as one.

    Raises
    ------
    UnknownNameError
        No such observation; the nearest name is offered.
    ConfigError
        More intervals than a view shows; a function that does not answer rows of numbers.

    >>> observer("v1").size, observer("v2", 3).size - observer("v2").size
    (40, 10)
    >>> def eyes(view):
    ...     return np.column_stack([view.left / view.qty0, view.spread])
    >>> observer(eyes).entries
    ('eyes_0', 'eyes_1')
    """
    if not isinstance(name, str):
        if stack != 1:
            raise ConfigError(
                f"a stack of 1 to 1 for observation {name_of(name)}",
                f"{stack}",
                "v2 and v3 can be stacked",
            )
        return _own(name)
    if name not in OBSERVERS:
        raise UnknownNameError(
            f"one of {', '.join(OBSERVERS)}",
            f"observation {name!r}",
            "pass the function itself" if is_own_name(name) else offer(name, OBSERVERS),
        )
    most = 1 if name == "v1" else MOST
    if not 1 <= stack <= most:
        raise ConfigError(
            f"a stack of 1 to {most} for observation {name}", f"{stack}", "v2 and v3 can be stacked"
        )
    return Observer("v1", OBS_NAMES, _v1) if name == "v1" else _stacked(name, stack)


def is_own_name(name: str) -> bool:
    """Whether a card or a configuration says an observation of the user's, as ``module:name``.

    >>> is_own_name("my_module:eyes"), is_own_name("v2")
    (True, False)
    """
    return ":" in name


def name_of(function: Any) -> str:
    """``module:name`` of a function; a script's and a file's module is the file's name without its ending.

    >>> name_of(name_of)
    'tercel.execution.observations:name_of'
    """
    module = getattr(function, "__module__", None) or "__main__"
    file = getattr(sys.modules.get(module), "__file__", None)
    if file and (module == "__main__" or module.startswith(FROM_FILE)):
        module = Path(file).stem
    return f"{module}:{getattr(function, '__name__', type(function).__name__)}"


def same_name(one: str, other: str) -> bool:
    """Whether two names mean one function, whichever package or file its module was imported from.

    >>> same_name("mine:eyes", "pkg.mine:eyes"), same_name("mine:eyes", "a/mine.py:eyes"), same_name("m:eyes", "m:ears")
    (True, True, False)
    """
    return _short(one) == _short(other)


def _short(name: str) -> tuple[str, str]:
    where, _, what = name.rpartition(":")
    return Path(where).stem if where.endswith(".py") else where.rpartition(".")[2], what


def _own(function: ObservationFunction) -> Observer:
    """A user's function as an observation; two ordinary markets tell how many entries it has."""
    if not callable(function):
        raise ConfigError(
            "the name of an observation, or a function of a view",
            repr(function),
            "such as def eyes(view): return numpy.column_stack([view.left, view.spread])",
        )
    name = name_of(function)
    size = _rows_of(function, name, probe(), None).shape[1]
    entries = tuple(getattr(function, "entries", ())) or tuple(
        f"{name.partition(':')[2]}_{i}" for i in range(size)
    )
    if len(entries) != size:
        raise ConfigError(
            f"a name for each column of {name}",
            f"{len(entries)} entries for {size} columns",
            "let its `entries` name them all",
        )
    return Observer(name, entries, lambda view: _rows_of(function, name, view, size))


def _rows_of(function: ObservationFunction, name: str, view: View, size: int | None) -> Float32:
    """What it answers, checked."""
    found = np.asarray(function(view.read_only()))
    wide = size or max((1, *found.shape[1:]))
    if found.dtype.kind not in "fiub" or found.shape != (view.n, wide):
        wanted = f"({view.n}, {size or 'k'})"
        raise ConfigError(
            f"numbers of shape {wanted} from {name}",
            f"{found.dtype} of shape {found.shape}",
            "return a row of numbers a market, such as numpy.column_stack([view.left, view.spread])",
        )
    rows = np.array(found, np.float32)
    if not np.isfinite(rows).all():
        row, entry = np.argwhere(~np.isfinite(rows))[0]
        raise ConfigError(
            f"finite numbers from {name}",
            f"{rows[row, entry]} in column {entry} of row {row}",
            "look for divisions by zero, and unquoted sides",
        )
    return rows
