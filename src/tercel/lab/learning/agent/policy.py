"""Policy section of a configuration: actions, the rule beside it, a policy with its eyes and hands."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.observation import COSTS, ObservationFunction, is_own_name
from tercel.execution.policies.policy import PolicyPort
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import TUNABLE, build
from tercel.execution.strategies.baselines import Peg, PegTouch
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.strategies.tuned import tuned_parameters
from tercel.execution.strategy import Strategy
from tercel.execution.user_strategy import located
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.envs import RewardWeights
from tercel.lab.learning.rewards import Reward

# -- user code ------------------------------------------------------------------------------------
# Code of the user's in a training: the observation and the reward that its configuration names.


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


# -- policy ---------------------------------------------------------------------------------------

BASED: Final = ("levers", "override", "residual")
"""Actions that start from a written rule."""


def action_parameters(config: AgentConfig) -> dict[str, Any]:
    """Parameters of the policy's actions, whole: what is tuned for the (first) market is written out."""
    section = config.policy
    behind: dict[str, Any] = {"guard": list(section.guard)} if section.guard else {}
    if section.flow:
        behind["flow"] = {"model": section.flow}
    if section.events:
        behind["events"] = True
    if section.actions == COSTS:
        return behind if section.slices is None else {"slices": section.slices, **behind}
    if section.actions not in BASED:
        return behind
    values: dict[str, float] = dict(section.parameters)
    if section.base in TUNABLE and not config.on_tape:
        values = {**tuned_parameters(config.market.presets[0], section.base), **values}
    more: dict[str, Any] = (
        {"levers": section.levers} if section.actions == "levers" and section.levers else {}
    )
    if section.actions == "residual":
        more |= {
            key: value
            for key in ("dead", "scale", "grains")
            if (value := getattr(section, key)) is not None
        }
    return {"base": section.base, "parameters": values, **more, **behind}


def actions_of(config: AgentConfig) -> ActionSet:
    """The policy's set of actions."""
    return action_set(config.policy.actions, action_parameters(config))


def rule_of(config: AgentConfig) -> Strategy:
    """The written strategy that stands beside the policy: `validation.rule`, else its base, else peg_behind."""
    parameters = action_parameters(config)
    usual = Guarded.name if config.policy.actions == COSTS else "peg_behind"
    name = config.validation.rule or parameters.get("base", usual)
    return build(name, None, parameters["parameters"] if name == parameters.get("base") else None)


def rule_name(config: AgentConfig) -> str:
    """Name of :func:`rule_of` in messages: that of the tables, else with the parameters that it was told.

    >>> from tercel.lab.learning.agent.config import parse
    >>> [rule_name(parse({"policy": {"base": "peg_behind", "parameters": {"level": k}}}, "")) for k in (0, 2)]
    ['peg_touch', 'peg_behind level 2']
    """
    rule, section = rule_of(config), config.policy
    if rule == Peg(level=0):
        return PegTouch.name
    based = section.actions in BASED and config.validation.rule in ("", section.base)
    return " ".join(
        [
            rule.name,
            *(f"{key} {value:g}" for key, value in (section.parameters if based else {}).items()),
        ]
    )


def strategy_of(config: AgentConfig, policy: PolicyPort) -> PolicyStrategy:
    """A policy as a strategy, with the configuration's observation and actions."""
    section = config.policy
    return PolicyStrategy(
        config.name,
        policy,
        section.actions,
        action_parameters=action_parameters(config),
        observation=eyes_of(config),
        stack=section.stack,
    )
