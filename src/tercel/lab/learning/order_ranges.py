"""Ranges from which training draws its orders: quantity, horizon and latency, widened along a curriculum."""

from dataclasses import dataclass, replace

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import refuse_if
from tercel.execution import step as kernels
from tercel.execution.task import SHARE, Task
from tercel.lab.evaluation.plans import Plan

Pair = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """Lowest and highest share, horizon and latency of an episode's order.

    Parameters
    ----------
    share : pair of float
        Share of the volume expected within the horizon; drawn evenly in its logarithm, for each episode.
    horizon_s : pair of float
        Seconds; each prepared world has one, evenly spread in the logarithm. The interval between decisions stays.
    latency_ms : pair of float
        Order-entry latency, milliseconds; each prepared world has one, evenly spread.
    grow_frames : int
        The ranges of share and horizon grow from their middles to the whole over so many frames; 0: whole at once.

    >>> [round(share, 4) for share in Ranges((0.05, 0.2), grow_frames=100).at_frames(50).share]
    [0.0707, 0.1414]
    """

    share: Pair
    horizon_s: Pair = (1800.0, 1800.0)
    latency_ms: Pair = (0.0, 0.0)
    grow_frames: int = 0

    def __post_init__(self) -> None:
        """Refuse ranges that are not finite, not ordered or not positive (latency: negative)."""
        for name in ("share", "horizon_s", "latency_ms"):
            low, high = getattr(self, name)
            minimum = 0.0 if name == "latency_ms" else 1e-9
            refuse_if(
                not (np.isfinite([low, high]).all() and minimum <= low <= high),
                f"{name} from a lowest to a highest value",
                f"{low} to {high}",
                "such as 0.05 to 0.2",
            )

    def at_frames(self, frames: int) -> "Ranges":
        """Ranges after so many frames of the curriculum."""
        part = min(frames / self.grow_frames, 1.0) if self.grow_frames else 1.0
        return replace(
            self,
            share=_shrink_range(self.share, part),
            horizon_s=_shrink_range(self.horizon_s, part),
        )

    def worlds(self, task: Task, count: int) -> tuple[Ints, Ints, Ints]:
        """Horizon (ns), number of decisions and latency (ns) of each of `count` prepared worlds, int64 (count,) each.

        Spread evenly, horizons and latencies in orders of their own, the same in every process.
        """
        rng = np.random.default_rng(0)
        horizon_rank, latency_rank = ((rng.permutation(count) + 0.5) / count for _ in range(2))
        interval_s = task.horizon_s / task.decisions
        low, high = self.horizon_s
        seconds = low * (high / low) ** horizon_rank
        decisions = np.maximum(np.round(seconds / interval_s), 1).astype(np.int64)
        latency_ms = self.latency_ms[0] + latency_rank * (self.latency_ms[1] - self.latency_ms[0])
        horizon = np.round(decisions * (interval_s * 1e9)).astype(np.int64)
        return horizon, decisions, np.round(latency_ms * 1e6).astype(np.int64)

    def draw_quantities(self, plan: Plan, task: Task, horizon_ns: Ints) -> Plan:
        """Plan with quantities drawn from the range of shares, for the horizons of its episodes' worlds; at least 1 lot.

        Parameters
        ----------
        plan : Plan
            Of `task`: quantities are of its share and horizon.
        horizon_ns : int64 (worlds,)
            As :meth:`worlds` gives them.
        """
        rows = plan.rows.copy()
        low, high = self.share
        uniform = np.array(
            [np.random.default_rng((abs(int(s)), int(i))).random() for s, i in rows[:, :2]]
        )
        share = low * (high / low) ** uniform
        scale = (
            share / (task.share or SHARE) * horizon_ns[rows[:, kernels.E_WORLD]] / task.horizon_ns
        )
        rows[:, kernels.E_QUANTITY] = np.maximum(np.round(rows[:, kernels.E_QUANTITY] * scale), 1)
        return Plan(rows, plan.cluster)


def _shrink_range(full: Pair, part: float) -> Pair:
    """Shrink a range towards its geometric middle to the part `part` of its width in the logarithm."""
    low, high = full
    middle = float(np.sqrt(low * high))
    return (middle * (low / middle) ** part, middle * (high / middle) ** part)
