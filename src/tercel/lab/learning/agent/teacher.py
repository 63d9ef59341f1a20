"""The privileged teacher of a training: an agent that sees the future of its training episodes, and is never traded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from tercel.core.errors import ConfigError
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.env import env_of
from tercel.lab.learning.agent.learner import learner_settings
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.learning.agent.run_folder import TEACHER, UPDATES_A_CHECKPOINT
from tercel.lab.learning.checkpoint import load_checkpoint, save_checkpoint
from tercel.lab.learning.metrics import MetricsLog
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import LearningError, Metrics, State, train
from tercel.lab.learning.privileged import PrivilegedVec


class PrivilegedTeacher(Ppo):
    """:class:`~tercel.lab.learning.native.ppo.Ppo` in a :class:`~tercel.lab.learning.privileged.PrivilegedVec`.

    Its state teaches (:meth:`tercel.lab.learning.native.distil.Teacher.restore`); a policy it does not give: nothing
    that sees the future can be judged, packaged or traded.
    """

    name = "oracle"

    def policy(self) -> NoReturn:
        """Refused: what sees the future is never a policy.

        Raises
        ------
        LearningError
            Always: nobody who trades sees the future.
        """
        raise LearningError(
            "a policy that observes what can be known",
            "a privileged teacher's, which sees the future of its training episodes",
            "teach a policy with it: [oracle] in `tercel agent train`",
        )


def privileged_teacher(config: AgentConfig, markets: list[TrainingMarket], seed: int) -> PrivilegedTeacher:
    """The teacher at its start, with the policy's settings, annealed over its own frames."""
    settings = learner_settings(config)
    assert isinstance(settings, PpoSettings)  # the settings have refused everything else
    settings = replace(settings, anneal_frames=config.oracle.frames)
    return PrivilegedTeacher(PrivilegedVec(env_of(config, markets)), settings, seed)


def train_teacher(
    config: AgentConfig,
    markets: list[TrainingMarket],
    folder: Path,
    seed: int,
    on_row: Callable[[Metrics], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Train the teacher of a run, or go on training it; False when `stop` said so before it was done.

    Parameters
    ----------
    config : AgentConfig
    markets : list of TrainingMarket
    folder : Path
        The run's.
    seed : int
    on_row : callable, optional
        Receives each row of its metrics.
    stop : callable, optional
        EvaluationRequest between updates.
    """
    home, learner = folder / TEACHER, privileged_teacher(config, markets, seed)
    state = load_checkpoint(home / "checkpoint")
    if state is not None:
        learner.restore(state)
    home.mkdir(parents=True, exist_ok=True)
    log = MetricsLog(home / "metrics.csv", frames=learner.frames)
    env = learner.env
    assert isinstance(env, PrivilegedVec)

    def on_update(metrics: Metrics) -> None:
        log.add({**metrics, **env.take_metrics()})
        env.progress(learner.frames)
        if on_row is not None:
            on_row(log.rows[-1])

    def keep(at: State) -> None:
        save_checkpoint(home / "checkpoint", at)

    return train(learner, config.oracle.frames, on_update, keep, UPDATES_A_CHECKPOINT, stop)


def teacher_state(folder: Path) -> State:
    """State of the run's trained teacher, for its distillation.

    Raises
    ------
    ConfigError
        If the teacher was never trained.
    """
    state = load_checkpoint(folder / TEACHER / "checkpoint")
    if state is None:
        raise ConfigError("a trained teacher", f"nothing in {folder / TEACHER}", "start the training elsewhere")
    return state
