"""Warnings for agents whose policies' cards do not cover the desk's markets, or have no statistics for drift."""

from tercel.desk.engine.agent_slot import AgentSlot
from tercel.desk.engine.config import DeskConfig, InstrumentSection
from tercel.desk.engine.configured_agents import bare_name, detector_of, policy_folder
from tercel.execution.policies.calm_observations import OBSERVATIONS, how_to_observe
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.policies.parts import goes_by_costs
from tercel.execution.strategy import forecaster_of
from tercel.venues.address import SIMULATED


def is_guarded(slot: AgentSlot, instrument: str) -> bool:
    """Whether a policy that weighs costs works as `guarded` in an instrument: it has no cost of waiting or no open
    forecast there.

    The policy goes by the cost of waiting, which is unknown there, or its forecasts have a closed gate and say nothing.
    """
    strategy = slot.by_instrument.get(instrument, (slot.strategy,))[0]
    forecaster = forecaster_of(strategy)
    own_forecaster = None if forecaster is None else forecaster.of(instrument)
    return goes_by_costs(strategy) and (
        own_forecaster is None or not (own_forecaster.waiting and own_forecaster.scale[-1, 1])
    )


def find_unwatched_agents(config: DeskConfig) -> list[tuple[str, str]]:
    """Agents with a policy without reference statistics of its inputs, so without drift detection: (agent, warning text)."""
    warnings = []
    for agent in config.agent:
        for strategy in filter(None, (*config.strategies_of(agent), agent.challenger)):
            folder = policy_folder(strategy)
            if folder is not None and detector_of(strategy) is None:
                text = f"no shift of its inputs is noticed: {folder} has no {OBSERVATIONS}; "
                warnings.append((agent.name, f"{text}write it by {how_to_observe(folder)}"))
    return warnings


def market_name_of(config: DeskConfig, instrument: InstrumentSection) -> str:
    """Name of an instrument's market: its preset's if the exchange is simulated or the file names the market, else `at VENUE`."""
    return (
        instrument.market.preset
        if config.desk.venue == SIMULATED or "market" in instrument.model_fields_set
        else f"at {config.desk.venue}"
    )


def assumed_markets_warning(config: DeskConfig) -> str:
    """Warning that a venue's instruments are sized by the volume of markets that were not named; "" where all are."""
    others = ", ".join(
        f"{instrument.name} as in {instrument.market.preset}"
        for instrument in config.instrument
        if market_name_of(config, instrument) != instrument.market.preset
    )
    return (
        "strategies that go by volume, and a policy's largest order, take that of a market which the desk's file does "
        f"not name: {others}; say "
        'market = "NAME or FILE.json" under its [[instrument]]'
        if others
        else ""
    )


def find_agents_out_of_card(config: DeskConfig) -> list[tuple[str, str]]:
    """Agents that trade a market their policy was not trained for: (agent, warning text)."""
    warnings = []
    named = [(agent, name) for agent in config.agent for name in config.strategies_of(agent)]
    for agent, strategy in named:
        folder = policy_folder(strategy)
        homes = () if folder is None else read_card(folder / CARD).markets
        if not homes:
            continue
        others = [
            f"{instrument.name} is {market_name_of(config, instrument)}"
            for instrument in config.instrument
            if market_name_of(config, instrument) not in homes and instrument.name not in homes
        ]
        if others:
            text = "trades in a market that its card does not name: "
            warnings.append((agent.name, f"{bare_name(strategy)} {text}{', '.join(others)}"))
    return warnings
