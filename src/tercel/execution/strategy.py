"""The port of a strategy, wrappers, and intents that all strategies share (hold, ladder).

A strategy is a pure function of the :class:`~tercel.execution.view.View`: same view, same intents. It says
what it wants; reconcile turns that into commands and sees to it that nothing is overfilled.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats, Ints
from tercel.execution import intent
from tercel.execution.decoder_kernels import finish_rows
from tercel.execution.intent import Intents
from tercel.execution.view import View

if TYPE_CHECKING:
    from tercel.execution.foresight.forecaster import Forecaster


# float64 (n, 1 + K): take and rungs as shares of the remaining lots.
Shares = Floats


# Discrete actions, int64 (n,), and the view -> intents.
Decode = Callable[[Ints, View], Intents]


class Strategy(Protocol):
    """Port of a strategy: intents from a view.

    Implementations need `name` (as shown in tables) and `decide`; those that draw (from `view.draw` alone) or
    that hold a distribution over actions also say their `expected` intent.
    `certify.kits.strategy.StrategyConformance` checks an implementation.
    """

    @property
    def name(self) -> str:
        """Name of the strategy in every table."""

    def decide(self, view: View) -> Intents:
        """Intents of each market, int32 (n, 10), see `execution.intent`."""

    def expected(self, view: View) -> Shares:
        """Expected (take, rungs) as shares of the remaining lots, float64 (n, 6); by default those of `decide`."""
        return shares(self.decide(view), view)


def gap_of(strategy: object) -> int:
    """Least time between two decisions of a strategy on the event clock, ns; 0 for a strategy that follows the
    schedule.

    Read by `getattr`, once a layer: `isinstance` of a runtime protocol reads it too, so each layer would read the
    layers beneath twice.
    """
    return int(getattr(strategy, "gap_ns", 0))


class Wrapper(Strategy):
    """Base of strategies that change the intents of an inner strategy; event clock and forecaster are the inner ones."""

    inner: Strategy
    # Behind the inner strategy's name in tables.
    suffix: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Name of the inner strategy, with the suffix."""
        return f"{self.inner.name}{self.suffix}"

    @property
    def gap_ns(self) -> int:
        """Event clock of the inner strategy, ns; 0 if it follows the schedule."""
        return gap_of(self.inner)

    @property
    def forecaster(self) -> "Forecaster | None":
        """Forecaster of the inner strategy; None without one."""
        return forecaster_of(self.inner)


def forecaster_of(strategy: object) -> "Forecaster | None":
    """The forecaster that a strategy reads; None for a strategy without one."""
    forecaster: Forecaster | None = getattr(strategy, "forecaster", None)
    return forecaster


def shares(intents: Intents, view: View) -> Shares:
    """Intents as shares of the lots left, without prices, (take, rungs), float64 (n, 6); 0 if no lots are left.

    Returns
    -------
    float64 (n, 1 + K)
    """
    lots = np.concatenate([intents[:, [intent.TAKE]], intents[:, intent.REST0 :]], axis=1)
    return lots / np.maximum(view.left, 1)[:, None]


def expected_shares(weights: NDArray[np.floating], decode: Decode, view: View) -> Shares:
    """Mean over discrete actions with probabilities `weights`, (A,) or (n, A), of their intents as shares of the lots left,
    float64 (n, 6).

    Parameters
    ----------
    weights : float (n, A) or (A,)
        Probabilities of the A actions.
    decode : callable
        Turns int64 (n,) actions and the view into intents, as the decoders in `execution.decoders` do.

    Returns
    -------
    float64 (n, 1 + K)
    """
    weights = np.broadcast_to(weights, (view.n, np.shape(weights)[-1]))
    total = np.zeros((view.n, 1 + intent.K))
    for action in range(weights.shape[1]):
        total += weights[:, [action]] * shares(
            decode(np.full(view.n, action, np.int64), view), view
        )
    return total


def ladder(view: View) -> Intents:
    """Intents without lots on the default ladder at the public touch (see `intent.ladder`)."""
    return intent.ladder(view.side, view.touch)


def hold(view: View) -> Intents:
    """Intents that keep own orders as they are, at most the lots left, and send nothing new."""
    intents = ladder(view)
    intents[:, intent.OUTSIDE] = intent.KEEP
    intents[:, intent.REST0 :] = view.rest
    return intent.clip(intents, view.left)


def finish_intents(intents: Intents, view: View) -> Intents:
    """Finish `intents` in place, and return them: hold where the market is not tradable, cut lots to those left."""
    finish_rows(view.x, view.m, intents)
    return intents
