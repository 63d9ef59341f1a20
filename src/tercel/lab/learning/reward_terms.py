"""The costs of a decision that a reward weighs, as a list: `TERMS`; and `RewardWeights`, a weight for each of them.

A further entry of the list is logged, weighed, a parameter of `RewardWeights` and a key of the section `[reward]`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.core.jit import Longs, kernel
from tercel.lab.evaluation.episodes import Episodes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at


@dataclass(frozen=True)
class RewardTerm:
    """One cost of a decision.

    Parameters
    ----------
    name : str
        In `RewardWeights`, in `info` and in the metrics of a training.
    amount : callable
        The cost in half-ticks x lots, a number for each of n markets, of the step that `Episodes` just took: its
        `reward_terms` (int64 (n, 3): cash of the fills against the mid at decision, move of the mid on the lots left,
        lots that the horizon sent), `states` and `view`. Divided by twice the order's lots, it is the logged cost.
    weight : float
        Weight where none is given.

    >>> RewardTerm("spread", lambda episodes: episodes.view.spread * episodes.view.left, 0.1).name
    'spread'
    """

    name: str
    amount: Callable[[Episodes], Any]
    weight: float = 0.0


def _column(number: int, factor: int, episodes: Episodes) -> Ints:
    """A column of the step's `reward_terms`, times a factor, int64 (n,)."""
    return factor * episodes.reward_terms[:, number]


# The first two add up to the shortfall, which a `Step` shows. A lot sent at the horizon counts as a tick, two half-ticks.
TERMS: Final = (
    RewardTerm("execution", partial(_column, 0, 1), 1.0),
    RewardTerm("impact", partial(_column, 1, 1), 1.0),
    RewardTerm("left", partial(_column, 2, 2)),
)


class RewardWeights:
    """Weights of the costs in the reward of a decision, ``-sum(weight * cost)``; all finite and not negative.

    Parameters
    ----------
    own : sequence of RewardTerm
        Costs of your own, beside `TERMS`.
    weights : float
        By the name of a cost. By default those of the terms: `execution` 1 (what was filled, against the mid at
        decision), `impact` 1 (the mid's move on the lots left), `left` 0 (share of the order sent at the horizon).

    Raises
    ------
    ConfigError
        A weight that is negative or not finite, a name twice.
    UnknownNameError
        A weight of no term.

    >>> weights = RewardWeights(left=2.0)
    >>> weights.names, weights.array.tolist()
    (('execution', 'impact', 'left'), [1.0, 1.0, 2.0])
    """

    def __init__(self, own: Sequence[RewardTerm] = (), **weights: float) -> None:
        """Weigh the terms of the list and `own` ones."""
        self.terms = (*TERMS, *own)
        self.names = tuple(term.name for term in self.terms)
        refuse_if(
            len(set(self.names)) != len(self.names),
            "reward terms with a name each",
            ", ".join(self.names),
            "rename yours",
        )
        for name in weights:
            check_known(name, self.names, "a weight of")
        values = {term.name: term.weight for term in self.terms} | weights
        for name, value in values.items():
            refuse_if(
                not (np.isfinite(value) and value >= 0),
                f"a finite weight {name!r} >= 0",
                f"{value}",
                "1, 1, 0 add up to the shortfall",
            )
        self.array: Floats = np.array(list(values.values()), np.float64)

    def fill_amounts(self, episodes: Episodes, amounts: Floats) -> None:
        """Write what each term gives for the step that `episodes` just took into `amounts`, float64 (terms, n).

        Raises
        ------
        ConfigError
            An own term that gives anything but a finite number for each market.
        """
        for number, term in enumerate(self.terms):
            amounts[number] = (
                term.amount(episodes)
                if number < len(TERMS)
                else _check_amounts(term.name, term.amount(episodes), amounts[0].shape)
            )


@kernel
def settle_rewards(
    ks: Longs,
    amounts: Floats,
    weights: Floats,
    costs: Floats,
    sums: Floats,
    rewards: Floats,
    done: Bools,
) -> None:
    """Write `costs`, `sums`, `rewards` and `done` of one step from the `amounts` of its terms.

    Parameters
    ----------
    ks, amounts, weights
        int64 (n, ...) states; float64 (terms, n) half-ticks x lots; float64 (terms,).
    costs, sums, rewards, done
        Float64 (terms, n) costs of the step, ticks per lot of the order; the same summed over the episode (a sum that was
        finished by the step before starts again); float64 (n,); bool (n,).
    """
    for i in range(ks.shape[0]):
        s = state_at(ks[i])
        per_lot = 1.0 / (2.0 * s.quantity)
        rewards[i] = 0.0
        for j in range(amounts.shape[0]):
            costs[j, i] = amounts[j, i] * per_lot
            sums[j, i] = (0.0 if done[i] else sums[j, i]) + costs[j, i]
            rewards[i] -= weights[j] * costs[j, i]
        done[i] = s.phase == sim.DONE


def _check_amounts(name: str, amounts: Any, shape: tuple[int, ...]) -> Floats:
    """Amounts of an own reward term, after checking that they are a finite number for each market."""
    values = np.asarray(amounts)
    is_number = values.dtype.kind in "fiub"
    if not is_number or values.shape != shape or not np.isfinite(values).all():
        raise ConfigError(
            f"finite numbers of shape {shape} from the reward term {name!r}",
            f"{values.dtype} of shape {values.shape}" + is_number * f", such as {values.flat[:3]}",
            "such as return episodes.view.spread * episodes.view.left",
        )
    return values
