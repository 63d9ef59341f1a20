"""Stable-Baselines3 in a training's configuration.

    [learner]
    algo = "sb3_recurrent_ppo"      # sb3_ppo, sb3_maskable_ppo, sb3_recurrent_ppo, sb3_dqn, sb3_qrdqn
    device = "auto"                 # a GPU if torch finds one
    n_steps = 128                   # and whatever else the algorithm takes, under its own names
    network = { net_arch = [64], lstm_hidden_size = 64 }

Without `network` the layers are those of `policy.hidden`.
"""

from typing import Any, Final

from tercel.core.errors import ConfigError
from tercel.execution.actions import ActionSet
from tercel.learning.agent.config import AgentConfig
from tercel.learning.port import Learner
from tercel.learning.sb3.settings import VALUES, Sb3Settings

SB3: Final = "sb3_"
OWN: Final = ("device", "head", "normalise_observations", "scale_rewards", "threads", "network")
"""Keys that are ours; all others are the algorithm's parameters."""


def sb3_settings(config: AgentConfig, actions: ActionSet) -> Sb3Settings:
    """What the learner is told.

    Raises
    ------
    ConfigError
        Values of vectors are asked for.
    """
    told = config.learner
    given: dict[str, Any] = dict(told.settings)
    if config.reward.risk_aversion:
        raise ConfigError("reward.risk_aversion with the native ppo", told.algo, "set it to 0, or use --algo ppo")
    algorithm = told.algo.removeprefix(SB3)
    if algorithm in VALUES and actions.continuous:
        raise ConfigError(f"discrete actions for {told.algo}", config.policy.actions, "use actions such as sized")
    own = {key: given.pop(key) for key in OWN if key in given}
    own.setdefault("network", {"net_arch": list(config.policy.hidden)})
    own.setdefault("head", "simplex" if actions.name == "allocation" else "vector")
    return Sb3Settings(algorithm, told.frames, given, **own)


def sb3_learner(settings: Sb3Settings, env: Any, seed: int) -> Learner:
    """The learner at its start."""
    from tercel.learning.sb3 import Sb3Learner

    return Sb3Learner(env, settings, seed)
