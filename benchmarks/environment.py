"""The environment that learners are measured in: the default market, 10 % of half an hour's volume, 60 decisions."""

import numpy as np

from tercel import Task
from tercel.lab.evaluation import Plan, Sampler, bank_sampler
from tercel.lab.learning import ExecutionVec, TrainingTerms
from tercel.market.flow import registry as presets
from tercel.market.simulator import reactive

WORLDS = 64


def environment(n: int, pool: int = 0) -> ExecutionVec:
    """`n` orders side by side; with a `pool`, the first so many episodes come again and again, and what their public
    does is simulated once. 0: no episode comes again."""
    task, market = Task(), presets.load(presets.DEFAULT)
    sampler = bank_sampler(task, task.lots(market.volume_per_s), WORLDS)
    return ExecutionVec(
        reactive(market, WORLDS),
        task,
        pooled(sampler, pool) if pool else sampler,
        n,
        terms=TrainingTerms(share=pool > 0, copy=False),
    )


def pooled(sampler: Sampler, pool: int) -> Sampler:
    """The first `pool` episodes of a sampler, over and over."""

    def sample(seed: int, first: int, n: int) -> Plan:
        return sampler(seed, 0, pool).take(np.arange(first, first + n) % pool)

    return sample
