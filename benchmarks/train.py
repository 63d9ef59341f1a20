"""``benchmarks train``: frames per second of native PPO beside Stable-Baselines3's on the same environment.

Both run on one core with one thread, with the same settings (networks 2 x 64 tanh, 64 episode slots of 64 decisions,
normalised observations, scaled rewards), in turns, an update each. A frame is one decision of one episode, rollout and
learning together. Seconds are the process's own CPU time, so that a neighbour on the core weighs on neither. Without
Stable-Baselines3 the reference is null.

Rows end in ``.pool`` where the episodes are those of a pool, which come again: both learners' markets find what the
public does at hand.

``train.learner_frames_per_s`` is the learner without a market, on episodes of nothing: 320 slots of 10 decisions, 26
entries, 7 shares by a logistic-normal law, minibatches of 400 in 4 epochs, networks of 2 x 64 and 2 x 128.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured, sb3_judge
from benchmarks.environment import environment
from tercel.core import AnyArray, Float32
from tercel.lab.learning import AnyVectorEnv, Info, Ppo, PpoSettings, SameStepVectorEnv, vectors

SIZES = ((64, 10), (256, 4), (2048, 4))
"""Minibatch and epochs: Stable-Baselines3's defaults, CleanRL's order, and large batches."""
UNITS = (64, 128)
POOL = 128
"""Episodes that come again and again in the rows `.pool`; the first update meets them all."""


def _environment() -> AnyVectorEnv:
    """What both train in: the default market, an order of 10 % of half an hour's volume with 60 decisions."""
    return environment(64)


def _pool() -> AnyVectorEnv:
    """The same, from a pool of episodes, whose public is simulated once."""
    return environment(64, POOL)


def bench(
    make_env: Callable[[], AnyVectorEnv] = _environment,
    updates: int = 5,
    make_pool: Callable[[], AnyVectorEnv] = _pool,
) -> list[dict[str, Any]]:
    """Measure all sizes; medians of `updates` updates after one that compiles and warms up."""
    with one_core():
        rows = [_compare(make_env, minibatch, epochs, updates) for minibatch, epochs in SIZES]
        rows += [
            _compare(make_pool, minibatch, epochs, updates, ".pool")
            for minibatch, epochs in SIZES[:2]
        ]
        return rows + [_alone(units, updates) for units in UNITS]


def _compare(
    make_env: Callable[[], AnyVectorEnv], minibatch: int, epochs: int, updates: int, kind: str = ""
) -> dict[str, Any]:
    settings = PpoSettings(minibatch=minibatch, epochs=epochs)
    native = Ppo(make_env(), settings, seed=1)
    runs: list[Callable[[], object]] = [native.update]
    if sb3_judge.available():
        sb3_judge.one_thread()
        other = sb3_judge.Sb3Ppo(make_env(), settings, seed=1)
        runs.append(lambda: other.learn(other.batch, go_on=True))
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(updates + 1):
        for run, times in zip(runs, seconds, strict=True):
            start = process_time()
            run()
            if turn:
                times.append(process_time() - start)
    rates = [native.batch / median(times) for times in seconds]
    reference = rates[1] if len(rates) > 1 else None
    return measured(
        f"train.ppo_frames_per_s.{minibatch}x{epochs}{kind}",
        rates[0],
        "frames/s",
        "Stable-Baselines3" if reference else None,
        reference,
        environment=type(native.env).__name__,
    )


class Blank(SameStepVectorEnv):
    """Episodes of 10 decisions in which the same happens, whatever is done."""

    def __init__(self) -> None:
        super().__init__(320, 26, vectors(7))
        rng = np.random.default_rng(0)
        self.t = 0
        self.obs = np.asarray(rng.normal(size=(10, 320, 26)), np.float32)
        self.rewards = rng.normal(size=(10, 320))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The first observations."""
        self.t = 0
        first: NDArray[np.float32] = self.obs[0]
        return first, {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """The next ones."""
        self.t = (self.t + 1) % 10
        ended = np.full(320, self.t == 0)
        return self.obs[self.t], self.rewards[self.t], ended, self.truncated, {}


def _alone(units: int, updates: int) -> dict[str, Any]:
    settings = PpoSettings((units, units), steps=10, minibatch=400, distribution="logistic_normal")
    learner, times = Ppo(Blank(), settings, seed=1), []
    for _ in range(4 * updates + 1):
        start = process_time()
        learner.update()
        times.append(process_time() - start)
    rate = learner.batch / median(times[1:])
    return measured(f"train.learner_frames_per_s.2x{units}", rate, "frames/s", environment="Blank")


@contextmanager
def one_core() -> Iterator[None]:
    """Keep the process on the core it is on, where the system allows it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
