"""The intent, an int32 row per market that every strategy returns: lots to take, and lots to rest on a ladder of
prices.

It has the lots to take now and the lots wanted at rest on a ladder of prices; lots in neither are held back. It is the
*wanted* state: reconcile compares it with the live own orders and sends the fewest commands. Rung `j` rests at
``anchor - side * step * j``; a rung at or through the far touch is a marketable limit.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NO_ASK
from tercel.execution.view import View
from tercel.market.simulator.layout import RUNGS

# Lots to take now.
TAKE: Final = 0
# Worst price for them, ticks.
TAKE_LIMIT: Final = 1
# Price of rung 0, ticks.
ANCHOR: Final = 2
# Treatment of own orders off the ladder: KEEP or CANCEL.
OUTSIDE: Final = 3
# Ticks between rungs.
STEP: Final = 4
# Lots wanted on rung 0; REST0 + j on rung j.
REST0: Final = 5
# Rungs.
K: Final = RUNGS
# Columns of an intent.
WIDTH: Final = REST0 + K
KEEP: Final = 0
CANCEL: Final = 1
# Rung one tick inside the own touch, on the default ladder.
IMPROVE: Final = 0
# Rung at the own touch, on the default ladder.
AT_TOUCH: Final = 1
# ``side * MARKET_LIMIT`` as take_limit means any price.
MARKET_LIMIT: Final = NO_ASK
# Beyond it no price can be said: rows are int32.
FARTHEST: Final = 2**31 - 1
# int32 (n, WIDTH).
Intents = NDArray[np.int32]


def empty(n: int) -> Intents:
    """Create `n` empty intents, int32 (n, WIDTH): no lots to take or rest, so that all own orders are cancelled.

    Anchor and take_limit are 0; see :func:`ladder` for intents ready to be filled in.

    >>> empty(2).tolist()
    [[0, 0, 0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]]
    """
    intents = np.zeros((n, WIDTH), np.int32)
    intents[:, OUTSIDE] = CANCEL
    intents[:, STEP] = 1
    return intents


def ladder(side: Ints, touch: Ints) -> Intents:
    """Intents without lots on the default ladder around `touch`: improve, touch, touch-1, touch-2, touch-3; takes at
    any price.

    Parameters
    ----------
    side : int64 (n,)
        +1 buy, -1 sell.
    touch : int64 (n,)
        Best public price of the own side, ticks.

    >>> ladder(np.array([1, -1]), np.array([100, 101]))[:, [TAKE_LIMIT, ANCHOR]].tolist()
    [[1073741824, 101], [-1073741824, 100]]
    """
    intents = empty(len(side))
    intents[:, TAKE_LIMIT] = side * MARKET_LIMIT
    intents[:, ANCHOR] = touch + side
    return intents


def clip(intents: Intents, left: Ints) -> Intents:
    """Clip intents in place: negative lots to 0, then take and rungs, deepest first, so that they sum to at most `left` (n,).

    Excess lots are cut from the back: the deepest rung first, the take last.

    >>> row = empty(1)
    >>> row[0, [TAKE, REST0, REST0 + 1]] = 4, 4, 4
    >>> clip(row, np.array([10]))[0].tolist()
    [4, 0, 0, 1, 1, 4, 2, 0, 0, 0]
    """
    lots = np.empty((len(intents), 1 + K), np.int64)
    lots[:, 0] = intents[:, TAKE]
    lots[:, 1:] = intents[:, REST0:]
    np.maximum(lots, 0, out=lots)
    upto = np.minimum(np.cumsum(lots, axis=1), np.maximum(left, 0)[:, None])
    intents[:, TAKE] = upto[:, 0]
    intents[:, REST0:] = np.diff(upto, axis=1)
    return intents


@dataclass(frozen=True, eq=False)
class Intent:
    """Intent of a strategy by named fields: lots to take, lots to rest by rung or price; :meth:`rows` makes int32 rows.

    Every field is one whole number for all markets, or an array of n, one for each. By default resting orders stay and
    nothing is taken: ``Intent()`` changes nothing. Lots beyond the order's remaining lots are cut, the deepest rung
    first and the take last.

    Parameters
    ----------
    take : int or int (n,)
        Lots to take now. 0 if left out.
    take_limit : int or int (n,), optional
        Worst price for them, ticks. Any price if left out.
    rest : int, int (n,), int (n, 5) or int (1, 5), optional
        Lots wanted at rest from now on. One number per market: all of them at `anchor`, or at the best price of the own
        side where `anchor` is left out. Five a market: at ``anchor - side * step * j`` for j = 0 .. 4. Orders already
        at these prices count and keep their queue positions. Left out: own orders stay as they are.
    anchor : int or int (n,), optional
        Price of the first rung, ticks. Left out, with five numbers a market: one tick better than the best price of
        the own side, so that the second rung is at it.
    step : int or int (n,)
        Ticks between two rungs. 1 if left out.
    outside : {"keep", "cancel"}, optional
        Treatment of own orders on no rung. If left out: "keep" without `rest`, "cancel" with it.

    Raises
    ------
    ConfigError
        From :meth:`rows`: no whole numbers, lots below zero, or another number of rows.

    >>> from tercel.execution.probe_views import view_of
    >>> view = view_of(left=[30, 20], touch=500)
    >>> Intent(take=(view.left + 1) // 2).rows(view)[:, TAKE].tolist()
    [15, 10]
    >>> Intent(rest=view.left).rows(view)[:, REST0:].tolist()
    [[0, 30, 0, 0, 0], [0, 20, 0, 0, 0]]
    """

    take: ArrayLike = 0
    take_limit: ArrayLike | None = None
    rest: ArrayLike | None = None
    anchor: ArrayLike | None = None
    step: ArrayLike = 1
    outside: Literal["keep", "cancel"] | None = None

    def rows(self, view: View) -> Intents:
        """The intent as int32 (n, WIDTH) rows for a view, cut to the lots left; without `rest` own orders stay as they rest.

        Parameters
        ----------
        view : View
            The decision of n markets that it answers.
        """
        if self.outside not in (None, "keep", "cancel"):
            raise ConfigError(
                "outside as keep or cancel", repr(self.outside), "leave it out for the default"
            )
        if self.rest is None and self.anchor is not None:
            raise ConfigError("rest beside anchor", "anchor alone", "say how many lots rest there")
        n = view.n
        most = np.maximum(view.left, 0)
        rows = ladder(view.side, view.touch)
        rows[:, TAKE] = np.minimum(_column("take", _lots("take", self.take), n), most)
        if self.take_limit is not None:
            rows[:, TAKE_LIMIT] = _prices("take_limit", self.take_limit, n)
        keep = self.rest is None if self.outside is None else self.outside == "keep"
        rows[:, OUTSIDE] = KEEP if keep else CANCEL
        if self.rest is None:
            rows[:, REST0:] = view.rest
            return clip(rows, view.left)
        if self.anchor is not None:
            rows[:, ANCHOR] = _prices("anchor", self.anchor, n)
        rows[:, STEP] = _prices("step", self.step, n)
        rungs = _lots("rest", self.rest)
        if rungs.ndim < 2:
            rows[:, REST0 + (AT_TOUCH if self.anchor is None else 0)] = np.minimum(
                _column("rest", rungs, n), most
            )
        else:
            rows[:, REST0:] = np.minimum(_broadcast("rest", rungs, (n, K)), most[:, None])
        return clip(rows, view.left)


def _whole_numbers(name: str, value: Any) -> Ints:
    """A value as int64 array; ConfigError unless its dtype is an integer one (2.0 is refused)."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        remedy = (
            "round it, such as numpy.ceil(x).astype(int)"
            if array.dtype.kind == "f"
            else "give numbers"
        )
        raise ConfigError(
            f"whole numbers as {name}", f"{array.dtype} of shape {array.shape}", remedy
        )
    return array.astype(np.int64)


def _lots(name: str, value: Any) -> Ints:
    """A value as int64 lots of its own shape; ConfigError if any is negative or its dtype is not an integer one."""
    array = _whole_numbers(name, value)
    if (least := int(array.min(initial=0))) < 0:
        location = "" if array.ndim == 0 else f" in market {int(np.argwhere(array == least)[0][0])}"
        raise ConfigError(
            f"0 lots or more as {name}", f"{least}{location}", f"write numpy.maximum({name}, 0)"
        )
    return array


def _broadcast(name: str, array: Ints, shape: tuple[int, ...]) -> Ints:
    """An array broadcast to `shape`: one number, or that shape, or with one row; ConfigError for any other."""
    if array.ndim and (
        array.ndim != len(shape)
        or array.shape[-1] != shape[-1]
        or array.shape[0] not in (1, shape[0])
    ):
        expected = f"{name} as one number, or of shape {shape}" + (
            f" or (1, {K})" if len(shape) > 1 else ""
        )
        raise ConfigError(expected, f"shape {array.shape}", "give one row per market")
    return np.broadcast_to(array, shape)


def _column(name: str, value: Any, n: int) -> Ints:
    """A value as whole numbers (n,): one for all or one per market; ConfigError for another shape or dtype."""
    return _broadcast(name, _whole_numbers(name, value), (n,))


def _prices(name: str, value: Any, n: int) -> Ints:
    """A value as whole ticks (n,), also a number of ticks; ConfigError beyond what int32 holds."""
    array = _column(name, value, n)
    most = int(np.abs(array).max(initial=0))
    if most > FARTHEST:
        raise ConfigError(
            f"{name} within {FARTHEST} ticks",
            f"{most}",
            "prices are whole ticks, as view.touch says",
        )
    return array
