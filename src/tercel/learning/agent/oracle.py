"""The first half of a training with `[oracle]`: the teacher, in a folder of its own within the run's.

    oracle/metrics.csv   a row an update
    oracle/checkpoint/   its state: what the policy's training takes the teacher from

It leaves no policy: nothing that sees the future can be judged, packaged or traded.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError
from tercel.learning.agent.config import AgentConfig
from tercel.learning.agent.env import env_of
from tercel.learning.agent.learner import learner_settings
from tercel.learning.agent.market import TrainingMarket
from tercel.learning.checkpoint import load_checkpoint, save_checkpoint
from tercel.learning.metrics import MetricsLog
from tercel.learning.native.oracle import Oracle
from tercel.learning.native.ppo import PpoSettings
from tercel.learning.port import Metrics, State, train
from tercel.learning.privileged import PrivilegedVec

FOLDER: Final = "oracle"
UPDATES_A_CHECKPOINT: Final = 10


def oracle_of(config: AgentConfig, markets: list[TrainingMarket], seed: int) -> Oracle:
    """The oracle at its start, with the policy's settings, annealed over its own frames."""
    settings = learner_settings(config)
    assert isinstance(settings, PpoSettings)  # the settings have refused everything else
    settings = replace(settings, anneal_frames=config.oracle.frames)
    return Oracle(PrivilegedVec(env_of(config, markets)), settings, seed)


def train_oracle(
    config: AgentConfig,
    markets: list[TrainingMarket],
    folder: Path,
    seed: int,
    on_row: Callable[[Metrics], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Train the oracle of a run, or go on training it; False when `stop` said so before it was done.

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
        Asked between updates.
    """
    home, learner = folder / FOLDER, oracle_of(config, markets, seed)
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


def oracle_state(folder: Path) -> State:
    """State of the run's oracle, for its teacher.

    Raises
    ------
    ConfigError
        If the oracle was never trained.
    """
    state = load_checkpoint(folder / FOLDER / "checkpoint")
    if state is None:
        raise ConfigError("an oracle that is trained", f"nothing in {folder / FOLDER}", "start the training elsewhere")
    return state
