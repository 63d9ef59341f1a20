"""Parts of the policy of a training configuration: observation, reward, actions, and the rule to compare with."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import refuse_if
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.observation import COSTS, ObservationFunction, is_user_name
from tercel.execution.policies.folder import PolicyPort
from tercel.execution.policies.strategy import PolicyStrategy, base_of
from tercel.execution.strategies import TUNABLE
from tercel.execution.strategies.baselines import Peg, PegTouch
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.strategies.tuned_values import tuned_parameters
from tercel.execution.strategy import Strategy
from tercel.execution.user_strategy import import_object
from tercel.lab.learning.agent.config import BEST, AgentConfig
from tercel.lab.learning.reward_terms import TERMS, RewardWeights
from tercel.lab.learning.rewards import Reward

# Actions that start from a rule.
RULE_BASED: Final = ("levers", "override", "residual")


def observation_of(config: AgentConfig) -> str | ObservationFunction:
    """Observation of the configured policy: name of a built-in one, or the user's function.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    name = config.policy.observation
    return _load_function(config, name, "observation") if is_user_name(name) else name


def reward_of(config: AgentConfig) -> RewardWeights | Reward:
    """Reward of the configured training: weighted costs, or the user's function or weights.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    section = config.reward
    if section.own:
        reward: Reward | RewardWeights = _load_function(config, section.own, "reward")
        return reward
    return RewardWeights(**{term.name: getattr(section, term.name) for term in TERMS})


def functions_of(config: AgentConfig) -> dict[str, Any]:
    """The user's functions that a configuration names, by name.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    kinds = {config.reward.own: "reward", config.policy.observation: "observation"}
    return {name: _load_function(config, name, kinds[name]) for name in config.own_code}


def _load_function(config: AgentConfig, name: str, kind: str) -> Any:
    """The user's function of a name: attached to the configuration, or imported."""
    function = config.find_function(name)
    return _locate_function(name, kind, _modified_ns(name)) if function is None else function


def _modified_ns(name: str) -> int:
    """Modification time, ns, of the file that a name refers to, so that edited files are imported again."""
    path = Path(name.rpartition(":")[0])
    return path.stat().st_mtime_ns if path.suffix == ".py" and path.is_file() else 0


@lru_cache(maxsize=32)
def _locate_function(name: str, kind: str, modified_ns: int) -> Any:
    """Import a user's function, or weights with own reward terms, by name, cached by the modification time of its file."""
    function = import_object(name, kind)
    refuse_if(
        isinstance(function, type)
        or not (callable(function) or (kind == "reward" and isinstance(function, RewardWeights))),
        f"a function for the {kind}",
        f"{name}: {function!r}",
        "name a function",
    )
    return function


def action_parameters(config: AgentConfig) -> dict[str, Any]:
    """Parameters of the policy's actions, with those tuned for the first market."""
    section = config.policy
    common: dict[str, Any] = {"guard": list(section.guard)} if section.guard else {}
    if section.flow:
        common["flow"] = {"model": section.flow}
    if section.events:
        common["events"] = True
    if section.actions == COSTS:
        return common if section.slices is None else {"slices": section.slices, **common}
    if section.actions not in RULE_BASED:
        return common
    base = Guarded.name if section.base == BEST else section.base  # until it is found
    values: dict[str, float] = dict(section.parameters)
    if section.base in TUNABLE and not config.on_tape:
        values = {**tuned_parameters(config.market.presets[0], section.base), **values}
    specific: dict[str, Any] = (
        {"levers": section.levers} if section.actions == "levers" and section.levers else {}
    )
    if section.actions == "residual":
        specific |= {
            key: value
            for key in ("dead", "scale", "grains")
            if (value := getattr(section, key)) is not None
        }
    return {"base": base, "parameters": values, **specific, **common}


def actions_of(config: AgentConfig) -> ActionSet:
    """Action set of the configured policy."""
    return action_set(config.policy.actions, action_parameters(config), base_of)


def rule_of(config: AgentConfig) -> Strategy:
    """Rule to compare the policy with: `validation.rule`, else its base rule, else peg_behind (`guarded` for `costs`)."""
    parameters = action_parameters(config)
    default = Guarded.name if config.policy.actions == COSTS else "peg_behind"
    rule = config.validation.rule
    name = parameters.get("base", default) if rule in ("", BEST) else rule
    own = parameters["parameters"] if name == parameters.get("base") else {}
    return base_of({"base": name, "parameters": own})


def rule_name(config: AgentConfig) -> str:
    """Name of :func:`rule_of` for messages, with its parameters if the configuration sets them.

    >>> from tercel.lab.learning.agent.config import parse
    >>> [rule_name(parse({"policy": {"base": "peg_behind", "parameters": {"level": k}}}, "")) for k in (0, 2)]
    ['peg_touch', 'peg_behind level 2']
    """
    if config.from_best and config.validation.rule in ("", BEST):
        return "the best strategy of the markets"
    rule = rule_of(config)
    section = config.policy
    if rule == Peg(level=0):
        return PegTouch.name
    is_based = section.actions in RULE_BASED and config.validation.rule in ("", section.base)
    return " ".join(
        [
            rule.name,
            *(
                f"{key} {value:g}"
                for key, value in (section.parameters if is_based else {}).items()
            ),
        ]
    )


def strategy_of(config: AgentConfig, policy: PolicyPort) -> PolicyStrategy:
    """Strategy that acts by a policy, with the configuration's observation and actions."""
    section = config.policy
    return PolicyStrategy(
        config.name,
        policy,
        section.actions,
        action_parameters=action_parameters(config),
        observation=observation_of(config),
        stack=section.stack,
    )
