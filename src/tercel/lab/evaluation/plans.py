"""Plans: the episodes to run, one row each, with those of simulated markets (`windows`: on tape); training samplers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.vocabulary import BUY, SELL
from tercel.execution import step as kernels
from tercel.execution.task import Task


@dataclass(frozen=True, eq=False)
class Plan:
    """Episodes to run, one row each, with labels of independent clusters.

    Parameters
    ----------
    rows : int64 (n, EPISODE_WORDS)
        See `execution.step`: seed, index, side, quantity, arrival, warm-up, tape rows, world.
    cluster : int64 (n,)
        Market seed, bank entry, day, or block of a day.
    """

    rows: Ints
    cluster: Ints

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.rows)

    def take(self, selection: slice | Ints) -> "Plan":
        """Plan of some of the episodes, by slice or row numbers."""
        return Plan(self.rows[selection], self.cluster[selection])


def seeded_plan(
    task: Task,
    quantity: int,
    seed: int,
    first: int,
    n: int,
    worlds: int = 1,
    warmup_ns: int | None = None,
) -> Plan:
    """Plan of `n` episodes of a simulated market from number `first` on, with the random streams (seed, number).

    A task of both sides buys and sells in turn, two episodes on one stream: what the market does by itself costs the
    one what the other gains (antithetic variates), so that a mean is known from far fewer. With one world every market
    is warmed up on its own and is a cluster; with a bank of `worlds` the bank entry is the cluster.

    Raises
    ------
    ConfigError
        A price as limit.
    """
    index = np.arange(first, first + n, dtype=np.int64)
    rows = np.zeros((n, kernels.EPISODE_WORDS), np.int64)
    rows[:, kernels.E_SEED] = seed
    rows[:, kernels.E_INDEX] = market = index if task.side else index // 2
    rows[:, kernels.E_SIDE] = task.side if task.side else np.where(index % 2 == 0, 1, -1)
    rows[:, kernels.E_QUANTITY] = quantity
    limits = task.limit_of_mid(BUY), task.limit_of_mid(SELL)
    rows[:, kernels.E_LIMIT_OF_MID] = np.where(rows[:, kernels.E_SIDE] > 0, *limits)
    rows[:, kernels.E_WARMUP_NS] = task.warmup_ns if warmup_ns is None else warmup_ns
    rows[:, kernels.E_WORLD] = (index // 2) % worlds
    return Plan(rows, market if worlds == 1 else rows[:, kernels.E_WORLD])


def streams_plan(task: Task, quantity: int, seed: int, first: int, n: int) -> Plan:
    """Plan of `n` episodes with as many random streams, from stream `first` on; buys and sells alternate.

    For runs without an order, or where episodes are taken to be independent.

    >>> streams_plan(Task(), 1, 7, 2, 3).rows[:, [kernels.E_INDEX, kernels.E_SIDE]].tolist()
    [[2, 1], [3, -1], [4, 1]]
    """
    index = np.arange(n)
    return seeded_plan(task, quantity, seed, 2 * first, 2 * n).take(2 * index + index % 2)


def sides_of(plan: Plan) -> int:
    """Number of sides of a plan: 2 if rows 2i and 2i + 1 buy and sell in the same market, else 1.

    >>> sides_of(seeded_plan(Task(), 1, 7, 0, 4)), sides_of(seeded_plan(Task(side=1), 1, 7, 0, 4))
    (2, 1)
    """
    sides = plan.rows[:2, kernels.E_SIDE]
    return 2 if len(plan) > 1 and len(plan) % 2 == 0 and sides[0] == -sides[1] else 1


# Samplers of training episodes, none of which is ever judged.
Sampler = Callable[[int, int, int], Plan]
"""(seed, first, n) -> the `n` episodes from number `first` on of the run with that seed."""


def bank_sampler(task: Task, quantity: int, worlds: int, warmup_ns: int | None = None) -> Sampler:
    """Sampler of training episodes that start from a bank of warmed-up books, each with a random stream of its own.

    They warm up for one decision interval (the first observation shows its flow), or for `warmup_ns`. Their seeds are
    negative: no judged episode, whatever its seed, is ever trained upon.
    """
    warmup_ns = task.horizon_ns // task.decisions if warmup_ns is None else warmup_ns
    return partial(
        _bank_plan, task, quantity, worlds, warmup_ns
    )  # no closure: environments can be pickled


def _bank_plan(
    task: Task, quantity: int, worlds: int, warmup_ns: int, seed: int, first: int, n: int
) -> Plan:
    """Plan of training episodes over a bank of `worlds` warmed-up books; `seed` from 0 becomes -1 - `seed`, which is
    never judged.
    """
    return seeded_plan(task, quantity, -1 - seed, first, n, worlds, warmup_ns)
