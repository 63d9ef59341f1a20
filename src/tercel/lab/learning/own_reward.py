"""A reward of the user's: a function of what one decision came to, by name, in n markets at once.

def my_reward(step):
    return -step.cost_bps - 2.0 * step.forced / step.quantity
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.costs import BPS
from tercel.execution.observations import name_of
from tercel.execution.own_code import place_of, remedy_of
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.market.simulator import layout as sim


@dataclass(frozen=True, eq=False)
class Step:
    """What became of one decision, in n markets: every column an array (n,) that cannot be written to.

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
        What was filled, against the mid at the decision: bps of the order at the mid of its arrival.
    impact_bps : float64
        What the mid's move since the decision costs the lots that are left, in the same unit.
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
        """What a step of `episodes` came to.

        Parameters
        ----------
        episodes : Episodes
        left_before : int64 (n,)
            Lots that were left at the decision.
        costs, sums : float64 (3, n)
            Of the step and of the episode so far: execution and impact in ticks per lot, share sent at the horizon.
        """
        view, k = episodes.view.read_only(), episodes.states
        arrival_mid = k[:, sim.ARRIVAL_MID2] / 2
        per_tick = BPS / arrival_mid
        made = cls(
            side=view.side,
            quantity=view.qty0,
            filled=left_before - view.left,
            forced=episodes.terms[:, 2].copy(),
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
                getattr(made, column.name).setflags(write=False)
        return made


Reward = Callable[[Step], Any]
"""A reward of the user's: a :class:`Step` of n markets -> n numbers, more being better."""


def rewards_of(function: Reward, step: Step) -> Floats:
    """What it answers, checked: float64 (n,).

    Raises
    ------
    ConfigError
        Anything but a finite number a market; an `if` on a column.
    """
    name, n = name_of(function), len(step.side)
    try:
        found = np.asarray(function(step))
    except ValueError as error:
        if not (remedy := remedy_of(error)):
            raise
        raise ConfigError(f"a reward from {name}", f"{error}{place_of(error)}", remedy) from error
    if found.dtype.kind not in "fiub" or found.shape != (n,):
        received = f"{found.dtype} of shape {found.shape}"
        raise ConfigError(
            f"numbers of shape ({n},) from {name}", received, "such as return -step.cost_bps"
        )
    rewards = found.astype(np.float64)
    if not np.isfinite(rewards).all():
        row = int(np.argmin(np.isfinite(rewards)))
        received = f"{rewards[row]} in row {row}"
        raise ConfigError(
            f"finite numbers from {name}",
            received,
            "look for divisions by zero: nothing may be filled",
        )
    return rewards
