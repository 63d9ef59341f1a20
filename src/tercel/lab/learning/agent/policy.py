"""Policy section of a configuration: actions, the rule beside it, a policy with its eyes and hands."""

from dataclasses import asdict
from typing import Any, Final

from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.policies.policy import PolicyPort
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import TUNABLE, build
from tercel.execution.strategies.baselines import Peg, PegTouch
from tercel.execution.strategies.flow import shipped_thresholds
from tercel.execution.strategies.tuned import tuned_parameters
from tercel.execution.strategy import Strategy
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.user_code import eyes_of

BASED: Final = ("levers", "override", "residual")
"""Actions that start from a written rule."""


def action_parameters(config: AgentConfig) -> dict[str, Any]:
    """Parameters of the policy's actions, whole: what is tuned for the (first) market is written out."""
    section = config.policy
    behind: dict[str, Any] = {"guard": list(section.guard)} if section.guard else {}
    if section.flow:
        behind["flow"] = {"model": section.flow, **asdict(shipped_thresholds())}
    if section.events:
        behind["events"] = True
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
    name = config.validation.rule or parameters.get("base", "peg_behind")
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
