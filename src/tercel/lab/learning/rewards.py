"""Rewards by a function of the user's: the `Step` that it sees, and checks of its values (built-in: `reward_terms`)."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.costs import BPS
from tercel.execution.observation import name_of
from tercel.execution.user_strategy import error_location, remedy_of
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.market.simulator import layout as sim


# A reward of the user's: a function of what one decision came to, by name, in n markets at once.
#
# def my_reward(step):
#     return -step.cost_bps - 2.0 * step.forced / step.quantity
@dataclass(frozen=True, eq=False)
class Step:
    """Outcome of one decision in n markets: read-only columns, one value per market.

    Parameters
    ----------
    side : int64
        +1 buy, -1 sell.
    quantity : int64
        Lots of the order.
    filled : int64
        Lots filled since the decision, those of the horizon among them.
    forced : int64
        Lots that the horizon sent to the market; 0 before it.
    left : int64
        Lots not yet filled.
    decision, decisions : int64
        Number of the next decision, from 1, and how many there are in the horizon.
    time_left : float64
        Seconds to the horizon.
    horizon : float64
        Seconds from arrival to the horizon.
    execution_bps : float64
        Cost of the fills against the mid at the decision: bps of the order at the mid of its arrival.
    impact_bps : float64
        Cost of the mid's move since the decision for the remaining lots, in the same unit.
    cost_bps : float64
        Both together: what the decision cost. The sum over an episode is its implementation shortfall.
    shortfall_bps : float64
        That sum so far; where `done`, the arrival shortfall.
    spread : int64
        Ticks between the best public prices; 0 where a side is not quoted.
    mid, arrival_mid : float64
        Ticks.
    volume : int64
        Public lots traded since arrival.
    done : bool
        Whether the episode ended with this decision.
    view : View
        All else that can be seen now: what the next decision would see, also where the episode is over.

    >>> [column.name for column in fields(Step)][:4]
    ['side', 'quantity', 'filled', 'forced']
    """

    side: Ints
    quantity: Ints
    filled: Ints
    forced: Ints
    left: Ints
    decision: Ints
    decisions: Ints
    time_left: Floats
    horizon: Floats
    execution_bps: Floats
    impact_bps: Floats
    cost_bps: Floats
    shortfall_bps: Floats
    spread: Ints
    mid: Floats
    arrival_mid: Floats
    volume: Ints
    done: Bools
    view: View

    @classmethod
    def of(cls, episodes: Episodes, left_before: Ints, costs: Floats, sums: Floats) -> Self:
        """Outcome of the step that `episodes` just took.

        Parameters
        ----------
        episodes : Episodes
        left_before : int64 (n,)
            Lots that were left at the decision.
        costs, sums : float64 (3, n)
            Of the step and of the episode so far: execution and impact in ticks per lot, share sent at the horizon.
        """
        view = episodes.view.read_only()
        k = episodes.states
        arrival_mid = k[:, sim.ARRIVAL_MID2] / 2
        per_tick = BPS / arrival_mid
        step = cls(
            side=view.side,
            quantity=view.qty0,
            filled=left_before - view.left,
            forced=episodes.reward_terms[:, 2].copy(),
            left=view.left,
            decision=view.decision,
            decisions=view.decisions,
            time_left=view.time_left_ns / NS_PER_SECOND,
            horizon=view.horizon_ns / NS_PER_SECOND,
            execution_bps=costs[0] * per_tick,
            impact_bps=costs[1] * per_tick,
            cost_bps=(costs[0] + costs[1]) * per_tick,
            shortfall_bps=(sums[0] + sums[1]) * per_tick,
            spread=view.spread,
            mid=view.mid2 / 2,
            arrival_mid=arrival_mid,
            volume=view.v_seen,
            done=k[:, sim.PHASE] == sim.DONE,
            view=view,
        )
        for column in fields(cls):
            if column.name != "view":
                getattr(step, column.name).setflags(write=False)
        return step


# A reward of the user's: a :class:`Step` of n markets -> n numbers, more being better.
Reward = Callable[[Step], Any]


def rewards_of(function: Reward, step: Step) -> Floats:
    """Rewards of n markets by a user's function, checked for type and shape: float64 (n,).

    Raises
    ------
    ConfigError
        Anything but a finite number a market; an `if` on a column.
    """
    name = name_of(function)
    n = len(step.side)
    try:
        values = np.asarray(function(step))
    except ValueError as error:
        if not (remedy := remedy_of(error)):
            raise
        raise ConfigError(
            f"a reward from {name}", f"{error}{error_location(error)}", remedy
        ) from error
    if values.dtype.kind not in "fiub" or values.shape != (n,):
        raise ConfigError(
            f"numbers of shape ({n},) from {name}",
            f"{values.dtype} of shape {values.shape}",
            "such as return -step.cost_bps",
        )
    rewards = values.astype(np.float64)
    if not np.isfinite(rewards).all():
        row = int(np.argmin(np.isfinite(rewards)))
        raise ConfigError(
            f"finite numbers from {name}",
            f"{rewards[row]} in row {row}",
            "look for divisions by zero: nothing may be filled",
        )
    return rewards
