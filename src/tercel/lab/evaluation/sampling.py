"""Samplers of training episodes, none of which is ever judged."""

from collections.abc import Callable
from functools import partial

from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Plan, seeded_plan

Sampler = Callable[[int, int, int], Plan]
"""(seed, first, n) -> the `n` episodes from number `first` on of the run with that seed."""


def bank_sampler(task: Task, quantity: int, worlds: int, warmup_ns: int | None = None) -> Sampler:
    """Training episodes from a bank of warmed books, each with a stream of its own.

    They warm up for one decision interval (the first observation shows its flow), or for `warmup_ns`. Their seeds are
    negative: no judged episode, whatever its seed, is ever trained upon.
    """
    warmup_ns = task.horizon_ns // task.decisions if warmup_ns is None else warmup_ns
    return partial(
        _of_bank, task, quantity, worlds, warmup_ns
    )  # no closure: environments can be pickled


def _of_bank(
    task: Task, quantity: int, worlds: int, warmup_ns: int, seed: int, first: int, n: int
) -> Plan:
    return seeded_plan(task, quantity, -1 - seed, first, n, worlds, warmup_ns)
