"""A guard outside the network: an order that falls too far behind its schedule is brought back by taking.

The order is behind by the share of it that is left less the share of its decisions that is left. Beyond `late` the
guard takes what brings it back to `resume`, at most what is displayed at the far touch. Between the two it does
nothing, so that it does not chatter at one threshold. Both narrow towards the end with the square root of the time that
is left, so that little is left to the horizon. It has no memory: a guarded policy is a function of the view like any
other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.errors import ConfigError
from tercel.execution.intent import TAKE, Intents
from tercel.execution.strategy import settle
from tercel.execution.view import View


@dataclass(frozen=True)
class CatchUp:
    """Thresholds of the guard: how far behind an order may fall and where taking brings it, shares of the order.

    Parameters
    ----------
    late : float
        Behind by more than this, it takes.
    resume : float
        How far behind it leaves the order.

    Raises
    ------
    ConfigError
        Anything but 0 <= resume <= late <= 1.

    >>> from tercel.execution.strategy import ladder
    >>> from tercel.execution.probes import view_of
    >>> view = view_of(qty0=100, left=[70, 80], decision=30, decisions=60, far1=500)
    >>> CatchUp(0.3, 0.1).applied(ladder(view), view)[:, TAKE].tolist()
    [0, 22]
    """

    late: float
    resume: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.resume <= self.late <= 1.0:
            received = f"late {self.late}, resume {self.resume}"
            raise ConfigError("a guard of 0 <= resume <= late <= 1", received, "such as [0.2, 0.1]")

    def applied(self, intents: Intents, view: View) -> Intents:
        """`intents`, changed in place where an order is late, int32 (n, 10)."""
        time_left = view.decisions_left / view.decisions
        narrow = np.sqrt(time_left)
        behind = view.left / np.maximum(view.qty0, 1) - time_left
        lots = np.floor((behind - self.resume * narrow) * view.qty0)
        lots = np.minimum(lots, view.far_depth[:, 0])
        late = (behind > self.late * narrow) & view.tradable
        intents[:, TAKE] = np.where(late, np.maximum(intents[:, TAKE], lots), intents[:, TAKE])
        return settle(intents, view)


def guarded(
    decode: Callable[[AnyArray, View], Intents], thresholds: tuple[float, float]
) -> Callable[[AnyArray, View], Intents]:
    """A decoder behind which the guard stands.

    Raises
    ------
    ConfigError
        Thresholds that are no pair of shares, the first not below the second.
    """
    try:
        late, resume = (float(value) for value in thresholds)
    except (TypeError, ValueError):
        raise ConfigError(
            "a guard of two shares, [late, resume]", f"{thresholds!r}", "such as [0.2, 0.1]"
        ) from None
    catch_up = CatchUp(late, resume)
    return lambda actions, view: catch_up.applied(decode(actions, view), view)
