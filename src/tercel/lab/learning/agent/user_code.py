"""Code of the user's in a training: the observation and the reward that its configuration names."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError
from tercel.execution.observations import ObservationFunction, is_own_name
from tercel.execution.user_strategy import located
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.envs import RewardWeights
from tercel.lab.learning.own_reward import Reward


def eyes_of(config: AgentConfig) -> str | ObservationFunction:
    """Observation of the policy: the name of one that ships, or the user's function.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    name = config.policy.observation
    return _function(config, name, "observation") if is_own_name(name) else name


def reward_of(config: AgentConfig) -> RewardWeights | Reward:
    """Reward of the training: three weighted costs, or the user's function.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    section = config.reward
    if section.own:
        rewarded: Reward = _function(config, section.own, "reward")
        return rewarded
    return RewardWeights(section.execution, section.impact, section.left)


def functions_of(config: AgentConfig) -> dict[str, Any]:
    """The user's functions that it names, by name.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    known = {config.reward.own: "reward", config.policy.observation: "observation"}
    return {name: _function(config, name, known[name]) for name in config.own_code}


def _function(config: AgentConfig, name: str, what: str) -> Any:
    given = config.given(name)
    return _found(name, what, _written(name)) if given is None else given


def _written(name: str) -> int:
    """When the file that a name says was written: one that was edited since is read again."""
    path = Path(name.rpartition(":")[0])
    return path.stat().st_mtime_ns if path.suffix == ".py" and path.is_file() else 0


@lru_cache(maxsize=32)
def _found(name: str, what: str, written: int) -> Any:
    found = located(name, what)
    if not callable(found):
        raise ConfigError(f"a function for the {what}", f"{name}: {found!r}", "name a function")
    return found
