"""What only a privileged teacher sees: the future of an episode's market, as it would be without own orders.

Every training episode is first run through by a twin that trades nothing, from the same seed and number to the horizon.
What the twin sees at its decisions is kept, and at decision d of the episode itself the following is told of it, with
M(t) the twin's mid at decision t, D the horizon, s the standard deviation of an interval so far and `d` the mean
displayed level, both as `Observation-v2` has them; `slog x` is sign(x) log(1 + |x|):

| entries | |
|---|---|
| future_move_1, _3, _10, _horizon | M(d + h) - M(d), towards the order's side, in s sqrt(h), slog |
| future_best_move | the least of M(t) - M(d) over all later decisions, in s sqrt(D - d), slog |
| future_volume_against_1, _3, _10 | lots that aggressors trade against the own side until d + h, log(1 + lots / d) |

Own orders move the market, and from then on its future is not quite the twin's. On tape it is.

A teacher acts in a :class:`PrivilegedVec`, whose observation ends in these entries; a student acts in the
:class:`ForesightMixedVec` itself, sees what every policy sees, and is drawn towards what the teacher would do
(`native.distil`; Fang et al. 2021, "Universal Trading for Order Execution with Oracle Policy Distillation").
"""

from typing import Any, Final

import numpy as np

from tercel.core.arrays import Float32, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.execution import columns as c
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.sampling import Sampler
from tercel.lab.learning.appended import AppendedVec
from tercel.lab.learning.hindsight import undisturbed
from tercel.lab.learning.mixed import DrawnOrdersVec, MixedVec
from tercel.lab.learning.port import ForesightVecEnv, State
from tercel.market.simulator.source import Source

SPANS: Final = (1, 3, 10)
"""Decision intervals that are looked ahead."""
FORESIGHT: Final = (
    *(f"future_move_{span}" for span in SPANS),
    "future_move_horizon",
    "future_best_move",
    *(f"future_volume_against_{span}" for span in SPANS),
)
"""Names of the entries, in order."""


class ForesightOrdersVec(DrawnOrdersVec):
    """A :class:`DrawnOrdersVec` that knows its episodes' futures; the episodes themselves are the same bytes.

    Parameters
    ----------
    source, task, sampler, n
        As of :class:`DrawnOrdersVec`, and so are further arguments.
    """

    def __init__(self, source: Source, task: Task, sampler: Sampler, n: int = 64, **more: Any) -> None:
        self._ahead = Episodes(source, task, n)
        self._mids = np.zeros((n, task.decisions + 1), np.int64)
        self._lots = np.zeros((n, task.decisions + 1), np.int64)
        self.until: float = np.inf
        """Frames after which nobody asks any more: episodes that start later have no twin."""
        super().__init__(source, task, sampler, n, **more)

    def progress(self, frames: int) -> None:
        super().progress(frames)
        if self.ranges is not None:
            self._ahead.vary(*self.now.worlds(self.task, len(self._ahead.source.worlds_k)))

    def restart(self, which: Ints) -> Float32:
        """As :meth:`DrawnOrdersVec.restart`; the twins of the new episodes run first."""
        if self.at_frames < self.until:
            self._look_ahead(self.sampler(self.seed, self.started, len(which)), which)
        return super().restart(which)

    def _look_ahead(self, plan: Plan, which: Ints) -> None:
        """Keep the mid at every decision of the twins, and the lots against the own side up to it."""
        paths = undisturbed(self._ahead, plan, which)
        more = paths.mids.shape[1] - self._mids.shape[1]
        if more > 0:  # horizons may be drawn longer than the task's
            self._mids, self._lots = (np.pad(a, ((0, 0), (0, more)), "edge") for a in (self._mids, self._lots))
        short = ((0, 0), (0, self._mids.shape[1] - paths.mids.shape[1]))
        self._mids[which], self._lots[which] = (np.pad(a, short, "edge") for a in (paths.mids, paths.lots))

    def foresight(self) -> Float32:
        """float32 (n, len(FORESIGHT)): see the module's table."""
        view, rows, last = self.episodes.view, np.arange(self.n), self._mids.shape[1] - 1
        now, end = np.minimum(view.decision, last), np.minimum(view.decisions, last)
        left = np.maximum(end - now, 0)
        mid, lots = self._mids[rows, now], self._lots[rows, now]
        s = np.sqrt(np.maximum(view.rv_long, 1))
        depth = np.maximum(view.m[:, c.OWN1 : c.OWN1 + 2 * c.LEVELS].mean(axis=1), 1.0)
        out = np.empty((self.n, len(FORESIGHT)), np.float32)
        for j, span in enumerate((*SPANS, last + 1)):
            reach = np.minimum(span, left)
            moved = view.side * (self._mids[rows, now + reach] - mid)
            out[:, j] = _slog(moved / (s * np.sqrt(np.maximum(reach, 1))))
            if j < len(SPANS):
                volume = self._lots[rows, now + reach] - lots
                out[:, len(SPANS) + 2 + j] = np.log1p(volume / depth)
        moves = view.side[:, None] * (self._mids - mid[:, None])
        best = np.where(np.arange(last + 1) > now[:, None], moves, np.iinfo(np.int64).max).min(axis=1)
        out[:, len(SPANS) + 1] = _slog(np.where(left > 0, best, 0) / (s * np.sqrt(np.maximum(left, 1))))
        return out

    def state(self) -> State:
        return {**super().state(), "ahead_mids": self._mids.copy(), "ahead_lots": self._lots.copy()}

    def restore(self, state: State) -> Float32:
        self._mids, self._lots = np.array(state["ahead_mids"]), np.array(state["ahead_lots"])
        return super().restore(state)


def _slog(x: Floats) -> Floats:
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)))


class ForesightMixedVec(MixedVec):
    """A :class:`MixedVec` of :class:`ForesightOrdersVec`: to whoever acts in it the same, to whoever asks a teacher's
    source."""

    foresight_size = len(FORESIGHT)
    parts: tuple[ForesightOrdersVec, ...]

    def foresight(self) -> Float32:
        """float32 (n, foresight_size): what lies ahead of every slot's decision."""
        return np.concatenate([part.foresight() for part in self.parts])

    def foresee_until(self, frames: float) -> None:
        """Run no twins of episodes that start after so many frames."""
        for part in self.parts:
            part.until = frames


class PrivilegedVec(AppendedVec):
    """`env` with its foresight appended to the observation: for teachers, and for them alone.

    Parameters
    ----------
    env : VecEnv that :class:`ForesightVecEnv`
        Of actions that are numbers.

    Raises
    ------
    ConfigError
        If it has no foresight.
    """

    def __init__(self, env: Any) -> None:
        if not isinstance(env, ForesightVecEnv):
            raise ConfigError("an environment with foresight", type(env).__name__, "build it with ForeseenVec")
        super().__init__(env, env.foresight, env.foresight_size)
