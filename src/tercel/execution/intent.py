"""The Intent: the one sentence that every strategy speaks, an int32 row per market.

It says how many lots to take now and how many to have resting on a ladder of prices; what is in neither is
held back. It states what is *wanted*: reconcile compares it with the own orders that live already and sends
the fewest commands. Rung `j` rests at ``anchor - side * step * j``; a rung at or through the far touch is a
marketable limit.
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

TAKE: Final = 0
"""Lots to take now."""
TAKE_LIMIT: Final = 1
"""Worst price for them, ticks."""
ANCHOR: Final = 2
"""Price of rung 0, ticks."""
OUTSIDE: Final = 3
"""What happens to own orders that stand off the ladder: KEEP or CANCEL."""
STEP: Final = 4
"""Ticks between rungs."""
REST0: Final = 5
"""Lots wanted on rung 0; REST0 + j on rung j."""
K: Final = RUNGS
"""Rungs."""
WIDTH: Final = REST0 + K
"""Columns of an intent."""

KEEP: Final = 0
CANCEL: Final = 1

IMPROVE: Final = 0
"""Rung one tick inside the own touch, on the default ladder."""
AT_TOUCH: Final = 1
"""Rung at the own touch, on the default ladder."""
MARKET_LIMIT: Final = NO_ASK
"""``side * MARKET_LIMIT`` as take_limit means any price."""

FARTHEST: Final = 2**31 - 1
"""Beyond it no price can be said: rows are int32."""

Intents = NDArray[np.int32]
"""int32 (n, WIDTH)."""


def empty(n: int) -> Intents:
    """`n` intents that want nothing: no lots, and own orders cancelled wherever they stand.

    Anchor and take_limit are 0; see :func:`ladder` for intents ready to be filled in.

    >>> empty(2).tolist()
    [[0, 0, 0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]]
    """
    intents = np.zeros((n, WIDTH), np.int32)
    intents[:, OUTSIDE] = CANCEL
    intents[:, STEP] = 1
    return intents


def ladder(side: Ints, touch: Ints) -> Intents:
    """Intents with no lots yet on the default ladder: improve, touch, touch-1, touch-2, touch-3; taking at
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
    """The same intents, in place, with negative lots at 0 and take + rest at most `left`.

    What is too much is cut from the back: the deepest rung first, the take last.

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
    """What a strategy wants at a decision, by name; :meth:`rows` makes it the int32 rows that markets read.

    Every field is one whole number for all markets, or an array of n, one for each. What is left out keeps what rests
    and takes nothing: ``Intent()`` changes nothing. Lots beyond what is left of the order are cut, the deepest rung
    first and the take last.

    Parameters
    ----------
    take : int or int (n,)
        Lots to take now. 0 if left out.
    take_limit : int or int (n,), optional
        Worst price for them, ticks. Any price if left out.
    rest : int, int (n,), int (n, 5) or int (1, 5), optional
        Lots wanted at rest from now on. One number a market: all of them at `anchor`, or at the best price of the own
        side where `anchor` is left out. Five a market: at ``anchor - side * step * j`` for j = 0 .. 4. Orders that
        stand there already count and keep their places. Left out: own orders stay as they are.
    anchor : int or int (n,), optional
        Price of the first rung, ticks. Left out, with five numbers a market: one tick better than the best price of
        the own side, so that the second rung is at it.
    step : int or int (n,)
        Ticks between two rungs. 1 if left out.
    outside : {"keep", "cancel"}, optional
        What becomes of own orders that stand on no rung. If left out: "keep" without `rest`, "cancel" with it.

    Raises
    ------
    ConfigError
        From :meth:`rows`: no whole numbers, lots below zero, or another number of rows.

    >>> from tercel.execution.probes import view_of
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
        """The same as int32 (n, WIDTH), cut to what is left.

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
        n, most = view.n, np.maximum(view.left, 0)
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
            rows[:, REST0:] = np.minimum(_spread("rest", rungs, (n, K)), most[:, None])
        return clip(rows, view.left)


def _whole(name: str, value: Any) -> Ints:
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
    array = _whole(name, value)
    if (least := int(array.min(initial=0))) < 0:
        where = "" if array.ndim == 0 else f" in market {int(np.argwhere(array == least)[0][0])}"
        raise ConfigError(
            f"0 lots or more as {name}", f"{least}{where}", f"write numpy.maximum({name}, 0)"
        )
    return array


def _spread(name: str, array: Ints, shape: tuple[int, ...]) -> Ints:
    if array.ndim and (
        array.ndim != len(shape)
        or array.shape[-1] != shape[-1]
        or array.shape[0] not in (1, shape[0])
    ):
        expected = f"{name} as one number, or of shape {shape}" + (
            f" or (1, {K})" if len(shape) > 1 else ""
        )
        raise ConfigError(expected, f"shape {array.shape}", "give one row a market")
    return np.broadcast_to(array, shape)


def _column(name: str, value: Any, n: int) -> Ints:
    return _spread(name, _whole(name, value), (n,))


def _prices(name: str, value: Any, n: int) -> Ints:
    array = _column(name, value, n)
    most = int(np.abs(array).max(initial=0))
    if most > FARTHEST:
        raise ConfigError(
            f"{name} within {FARTHEST} ticks",
            f"{most}",
            "prices are whole ticks, as view.touch says",
        )
    return array
