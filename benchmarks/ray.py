"""``benchmarks ray``: frames per second of PPO by number of Ray workers, beside the same shards in this process.

A frame is one decision of one episode. Measured twice: rollouts alone, which workers share, and whole updates, of which
learning stays here. Seconds are CPU time along the longest way, this process and then the busiest worker, as free
cores would have it; other work on the machine does not weigh on it. Wall time as it was stands in ``wall_ratio``.
Results are the same bytes whoever holds the shards.
"""

import os
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks import measured
from benchmarks.environment import environment
from studies.ray import RayShardWorkers, connect, ray_env, sharded_env
from tercel.lab.learning import AnyVectorEnv, Ppo, PpoSettings

SLOTS, SHARDS = 256, 4
WORKERS = (1, 2)
UPDATES = 5
STAGES = ("rollout", "update")


def market(slots: int) -> AnyVectorEnv:
    """A shard: the default market with the default task."""
    return environment(slots)


def bench(
    make: Callable[[int], AnyVectorEnv] = market, updates: int = UPDATES
) -> list[dict[str, Any]]:
    """Measure each number of workers against this process, in turns, after one update that compiles and warms up."""
    settings = PpoSettings(minibatch=1_024)
    here = Ppo(sharded_env(make, SLOTS, SHARDS), settings, 1)
    results = []
    with connect("local", max(WORKERS)) as where:
        for workers in WORKERS:
            env = ray_env(where, make, SLOTS, shards=SHARDS, workers=workers)
            there = Ppo(env, settings, 1)
            ours, theirs = _turns(here, there, updates)
            results += [
                _result(stage, workers, here.batch, ours[stage], theirs[stage]) for stage in STAGES
            ]
            env.dismiss()
    return results


def _result(
    stage: str, workers: int, batch: int, ours: list[float], theirs: list[float]
) -> dict[str, Any]:
    """One row of the table, from (CPU seconds, wall seconds) of both."""
    return measured(
        f"ray.{stage}_per_s.{workers}",
        batch / theirs[0],
        "frames/s",
        "one process",
        batch / ours[0],
        wall_ratio=ours[1] / theirs[1],
        cores=os.cpu_count(),
    )


def _turns(
    here: Ppo, there: Ppo, updates: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Median CPU and wall seconds of a rollout and of an update, of each learner."""
    found: list[dict[str, list[list[float]]]] = [{stage: [] for stage in STAGES} for _ in range(2)]
    for turn in range(updates + 1):
        for learner, seconds in zip((here, there), found, strict=True):
            calls: tuple[Callable[[], object], ...] = (partial(_roll, learner), learner.update)
            for stage, call in zip(STAGES, calls, strict=True):
                taken = _seconds(learner, call)
                if turn:
                    seconds[stage].append(taken)
    ours, theirs = (
        {s: [median(c) for c in zip(*rows, strict=True)] for s, rows in each.items()}
        for each in found
    )
    return ours, theirs


def _roll(learner: Ppo) -> None:
    learner.env.roll(learner)


def _seconds(learner: Ppo, call: Callable[[], object]) -> list[float]:
    """CPU seconds of this process and the busiest worker together, and wall seconds."""
    crew = learner.env.crew
    workers = np.array(crew.cpu_seconds()) if isinstance(crew, RayShardWorkers) else np.zeros(1)
    own, began = process_time(), perf_counter()
    call()
    taken = [process_time() - own, perf_counter() - began]
    busiest = (
        (np.array(crew.cpu_seconds()) - workers).max() if isinstance(crew, RayShardWorkers) else 0.0
    )
    return [taken[0] + float(busiest), taken[1]]
