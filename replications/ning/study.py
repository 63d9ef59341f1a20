"""Learn and judge both: at the mid as published, and by taking from the displayed book."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replications.nevmyvaka.study import Tape, windows
from replications.ning import replayed, world
from studies.twins import run_twins
from tercel.core import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.execution.policies import MlpPolicy
from tercel.lab.evaluation import Plan
from tercel.lab.learning import AnyVectorEnv, Dqn, DqnSettings

Floats = NDArray[np.float64]

SEEDS: Final = (0, 1, 2)
EVERY_NS: Final = 300 * NS_PER_SECOND
FROM_S, TO_S = 11 * 3600 - 9.5 * 3600, 13 * 3600 - 9.5 * 3600
"""The study's hours, seconds after the opening."""
FRAMES: Final = 40_000
FRAMES_REPLAY: Final = 9_600


@dataclass(frozen=True, eq=False)
class Hours:
    """One-hour orders of a tape, each sold and bought: `training` on the earlier days, `judged` on the later.

    They lie between 11 and 13 o'clock where the days are whole.
    """

    training: Plan
    judged: Plan


def hours(tape: Tape, shares: int) -> Hours:
    """Orders that start every five minutes (they overlap: days are what is independent)."""
    plans = []
    for judged in (False, True):
        plan = windows(tape, replayed.TASK, shares, judged=judged, every_ns=EVERY_NS)
        rows = plan.rows
        keep = np.ones(len(rows), np.bool_)
        if not (tape.cut_ns and judged):
            opening = np.zeros(len(rows), np.int64)
            for day in tape.training + tape.judged:
                inside = (rows[:, kernels.E_START_NS] >= day.open_ns) & (
                    rows[:, kernels.E_START_NS] < day.close_ns
                )
                opening[inside] = day.open_ns
            after = (rows[:, kernels.E_START_NS] - opening) / NS_PER_SECOND
            keep &= (after >= FROM_S) & (after <= TO_S - 3600)
        plans.append(plan.take(np.flatnonzero(keep)))
    return Hours(*plans)


def sales(plan: Plan) -> Plan:
    """Those that sell."""
    return plan.take(np.flatnonzero(plan.rows[:, kernels.E_SIDE] < 0))


def mids(tape: Tape, plan: Plan) -> Floats:
    """Mids second by second, float64 (n, 3601)."""
    return run_twins(tape.source, replayed.TASK, plan) / 2.0


def learn(env: AnyVectorEnv, seed: int, frames: int) -> MlpPolicy:
    """Double DQN, as the study's; the network is 2 x 32."""
    settings = DqnSettings(
        hidden=(32, 32), warmup=1024, steps=20, gradient_steps=8, minibatch=128, n_step=1, dueling=False,
        epsilon_frames=frames // 2, target_every=100, learning_rate=1e-3, anneal_frames=frames,
    )  # fmt: skip
    dqn = Dqn(env, settings, seed)
    while dqn.frames < frames:
        dqn.update()
    return dqn.policy()


def gains(paths: world.Paths, policy: Any) -> Floats:
    """Revenue over TWAP's at the mid, bps of the arrival price, float64 (n,)."""
    gain: Floats = world.revenue(paths, policy) - world.revenue(paths)
    return gain


def replay_gains(tape: Tape, plan: Plan, policies: Sequence[Any]) -> list[Floats]:
    """TWAP's shortfall less each policy's on the tape, bps."""
    even = replayed.shortfall(tape.source, plan)
    return [even - replayed.shortfall(tape.source, plan, policy) for policy in policies]
