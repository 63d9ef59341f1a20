"""What a configuration says of the policy: its actions, the rule beside it, a policy with its eyes and hands."""

from typing import Any, Final

from tercel.execution.actions import ActionSet, action_set
from tercel.execution.policies.policy import PolicyPort
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import TUNABLE, build
from tercel.execution.strategies.baselines import Peg, PegTouch
from tercel.execution.strategies.tuned import tuned_parameters
from tercel.execution.strategy import Strategy
from tercel.learning.agent.config import AgentConfig
from tercel.learning.agent.own import eyes_of

BASED: Final = ("levers", "override", "residual")
"""Actions that start from a written rule."""


def action_parameters(config: AgentConfig) -> dict[str, Any]:
    """Parameters of the policy's actions, whole: what is tuned for the (first) market is written out."""
    told = config.policy
    if told.actions not in BASED:
        return {}
    values: dict[str, float] = dict(told.parameters)
    if told.base in TUNABLE and not config.on_tape:
        values = {**tuned_parameters(config.market.presets[0], told.base), **values}
    more: dict[str, Any] = {"levers": told.levers} if told.actions == "levers" and told.levers else {}
    if told.actions == "residual" and told.dead is not None:
        more["dead"] = told.dead
    return {"base": told.base, "parameters": values, **more}


def actions_of(config: AgentConfig) -> ActionSet:
    """The policy's set of actions."""
    return action_set(config.policy.actions, action_parameters(config))


def rule_of(config: AgentConfig) -> Strategy:
    """The written strategy that stands beside the policy: `validation.rule`, else its base, else peg_behind."""
    told = action_parameters(config)
    name = config.validation.rule or told.get("base", "peg_behind")
    return build(name, None, told["parameters"] if name == told.get("base") else None)


def rule_said(config: AgentConfig) -> str:
    """Name of :func:`rule_of` in messages: that of the tables, else with the parameters that it was told.

    >>> from tercel.learning.agent.config import parse
    >>> [rule_said(parse({"policy": {"base": "peg_behind", "parameters": {"level": k}}}, "")) for k in (0, 2)]
    ['peg_touch', 'peg_behind level 2']
    """
    rule, told = rule_of(config), config.policy
    if rule == Peg(level=0):
        return PegTouch.name
    based = told.actions in BASED and config.validation.rule in ("", told.base)
    return " ".join([rule.name, *(f"{key} {value:g}" for key, value in (told.parameters if based else {}).items())])


def strategy_of(config: AgentConfig, policy: PolicyPort) -> PolicyStrategy:
    """A policy with the configuration's eyes and hands."""
    told = config.policy
    return PolicyStrategy(
        config.name,
        policy,
        told.actions,
        action_parameters=action_parameters(config),
        observation=eyes_of(config),
        stack=told.stack,
    )
