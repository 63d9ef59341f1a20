"""Strategies by the names in a desk's file, and the agent slots that are made from it."""

from collections.abc import Mapping, Sequence
from math import ceil, inf
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError
from tercel.desk.engine.agent_slot import AgentSlot
from tercel.desk.engine.config import OFF, AgentSection
from tercel.desk.engine.drift import DriftDetector
from tercel.desk.engine.forecasts import PACKAGED
from tercel.desk.limits import Limits
from tercel.execution import policies_packaged
from tercel.execution.policies.calm_observations import read_calm_observations
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.policies.parts import with_forecaster
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.registry.resolve import POLICY, pin_version, resolve_policy
from tercel.execution.strategies import WITHOUT_ALPHA, MarketEstimates, wrap
from tercel.execution.strategies.order_size import most_share
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.market.simulator.layout import RUNGS

MESSAGES_PER_DECISION: Final = 2 * (RUNGS + 1)
"""Messages that a decision sends where it moves every place: an order taken back and a new one each."""


def strategy_of(name: str, estimates: MarketEstimates | None, flow: str = OFF) -> Strategy:
    """The strategy of a name in a desk's file: a rule, `packaged:NAME`, `policy:FOLDER` or `policy:NAME@VERSION`.

    Behind it `+alpha` and `+posture`; where the desk names a forecaster, `flow`, strategies that use one use it.

    Raises
    ------
    UnknownNameError, ConfigError, PolicyError, DataError
        For one that does not exist or does not load, or whose forecaster does not.
    """
    base, *wrappers = name.split("+")
    if base.startswith(POLICY):
        strategy = wrap(policy_strategy(resolve_policy(base)).with_estimates(estimates), wrappers)
    else:
        strategy = policies_packaged.build_named(name.removeprefix(PACKAGED), estimates)
    strategy = strategy if flow == OFF else with_forecaster(strategy, flow)
    forecaster_of(strategy)  # one that is missing, or of other features, is refused here
    return strategy


def full_name(agent: AgentSection, strategy: str) -> str:
    """A strategy's name, pinned to its version, with `+alpha` and `+posture` for the guidance that the agent takes.

    Where the file does not say `alpha`, a strategy that gained nothing by it goes without.
    """
    is_tilted = agent.alpha and (strategy != WITHOUT_ALPHA or "alpha" in agent.model_fields_set)
    guided = {"+alpha": is_tilted, "+posture": agent.posture}
    return pin_version(strategy) + "".join(name for name, taken in guided.items() if taken)


def slot_of(
    agent: AgentSection,
    estimates: Mapping[str, MarketEstimates],
    flow: str = OFF,
    arms: Sequence[str] = (),
) -> AgentSlot:
    """The agent slot of a section [[agent]]; `estimates` holds market estimates by instrument, `arms` the strategies of its
    experiment."""
    name = full_name(agent, agent.strategy)
    challenger = full_name(agent, agent.challenger) if agent.challenger else ""
    strategies = {
        market: (
            strategy_of(name, market, flow),
            strategy_of(challenger, market, flow) if challenger else None,
        )
        for market in dict.fromkeys(estimates.values())
    }
    default_market = next(iter(estimates.values()))
    slot = AgentSlot(
        agent.name,
        strategies[default_market][0],
        name,
        strategies[default_market][1],
        challenger,
        detector_of(agent.strategy),
    )
    slot.challenger_drift = detector_of(agent.challenger)
    # On paper for ever: they send no message that a limit counts, and need no watch of their inputs.
    slot.alternatives = {
        instrument: {
            full: strategy_of(full, market, flow)
            for full in (full_name(agent, name) for name in agent.alternatives)
        }
        for instrument, market in estimates.items()
    }
    slot.by_instrument = {
        instrument: strategies[market]
        for instrument, market in estimates.items()
        if market != default_market
    }
    slot.arms = {
        full: strategy_of(full, default_market, flow)
        for full in (full_name(agent, arm) for arm in arms)
    }
    for strategy_name in filter(None, (name, challenger, *slot.arms)):
        if (share := share_of(strategy_name)) < inf:
            slot.most_lots |= {
                (strategy_name, instrument): share * market.expected_volume
                for instrument, market in estimates.items()
            }
    return slot


def refuse_fast(slot: AgentSlot, limits: Limits) -> None:
    """Refuse an agent whose event clock may send more messages than its message limit allows.

    Raises
    ------
    ConfigError
        With what it may want in one window of the limit, for one parent order.
    """
    scope = limits.of_agent(slot.name)
    if scope is None:
        return
    for strategy_name, strategy in (
        (slot.strategy_name, slot.strategy),
        (slot.challenger_name, slot.challenger),
        *slot.arms.items(),
    ):
        if not (gap_ns := gap_of(strategy)):
            continue
        messages = MESSAGES_PER_DECISION * max(1, ceil(scope.window_ns / gap_ns))
        if messages > scope.messages:
            raise ConfigError(
                f"a clock that sends at most {scope.messages} messages in {scope.window_ns / 1e6:g} ms",
                f"agent {slot.name}: {strategy_name} may send {messages} of one order, a look every {gap_ns / 1e9:g} s",
                f"raise agents.{slot.name}.messages, or name a strategy without a clock of events",
            )


def bare_name(strategy: str) -> str:
    """Name of a strategy without the prefix `packaged:` and without its suffix, which begins at "+".

    >>> bare_name("packaged:default+events"), bare_name("peg_touch")
    ('default', 'peg_touch')
    """
    return strategy.removeprefix(PACKAGED).partition("+")[0]


def policy_folder(strategy: str) -> Path | None:
    """Folder of the policy that a strategy name stands for, packaged or not; None for a rule."""
    base = strategy.partition("+")[0]
    if base.startswith(POLICY):
        return resolve_policy(base)
    packaged = policies_packaged.resolve_packaged(bare_name(base))
    return (
        policies_packaged.folder_of(packaged)
        if packaged in policies_packaged.packaged_names()
        else None
    )


def share_of(strategy: str) -> float:
    """Largest parent that a strategy's card covers, as a share of the expected volume; infinite for a rule."""
    folder = policy_folder(strategy)
    return inf if folder is None else most_share(read_card(folder / CARD).limits)


def detector_of(strategy: str) -> DriftDetector | None:
    """Drift detector of a policy, from the statistics beside its card; None without them, and for a rule."""
    folder = policy_folder(strategy)
    if folder is None or not (file := policies_packaged.figures_of(folder)).is_file():
        return None
    observed = read_calm_observations(file)
    return DriftDetector(observed.mean, observed.sd, observed.entries)
