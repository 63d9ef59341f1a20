"""A desk assembled from its configuration over a venue and a journal: market estimates, limits, agents, session, loop."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError, LimitsError, check_known
from tercel.core.instrument_rules import load_rules
from tercel.core.ports import Journal, Venue
from tercel.core.venue_rules import NO_RULES, VenueRules
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.agent_slot import AgentSlot
from tercel.desk.engine.card_warnings import (
    assumed_markets_warning,
    find_agents_out_of_card,
    find_unwatched_agents,
    is_guarded,
    market_name_of,
)
from tercel.desk.engine.config import OFF, DeskConfig, InstrumentSection
from tercel.desk.engine.configured_agents import refuse_fast, slot_of, strategy_of
from tercel.desk.engine.experiment import RunningExperiment
from tercel.desk.engine.forecasts import DeskForecasts, NewsPort, check_signals
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.engine.order_arrivals import TargetOrders, read_desk_targets
from tercel.desk.limits import LimitGate, Limits, check_names, read, read_packaged, with_changes
from tercel.desk.trading.heartbeat import journal_failed_opening
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.execution.foresight.forecaster import readable_forecaster
from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategies.guarded import WAITING
from tercel.market.dealers.panel import load_panel
from tercel.market.flow import Preset, load
from tercel.signals.risk.anomaly import AnomalyBaseline
from tercel.venues.address import SIMULATED


@dataclass(frozen=True)
class DeskDependencies:
    """A desk's venue, news source, anomaly baselines and gate.

    Parameters
    ----------
    venue : Venue
        The caller that makes it closes it.
    news : NewsPort, optional
        A model's feature `news`; without it the feature is missing.
    calm : mapping of instrument to AnomalyBaseline
        Baseline of a simulated market; the desk learns a missing one (`engine.monitor`).
    gate : Path, optional
        Folder of the journal of the gate before its venue, whose alerts are for the same people.
    """

    venue: Venue
    news: NewsPort | None = None
    calm: Mapping[str, AnomalyBaseline] = field(default_factory=dict)
    gate: Path | None = None


DependencyFactory = Callable[[Path, Path, ExitStack], DeskDependencies]
"""Factory of the parts of a desk whose folder (first) is locked, and has this latch (second); resources to close go onto the
exit stack. It raises `TercelError` for a venue out of reach."""


def estimates(config: DeskConfig, preset: Preset, has_waiting_cost: bool = True) -> MarketEstimates:
    """Market estimates for written schedules from a preset's card: volume of a round, sd over a decision, impact,
    spread, and the cost of waiting (0 unless `has_waiting_cost`)."""
    return MarketEstimates(
        expected_volume=preset.volume_per_s * config.desk.round_s,
        sigma=preset.sd60_ticks / 60**0.5 * config.desk.decision_s**0.5,
        eta=preset.eta_ticks_per_lot,
        spread=preset.mean_spread_ticks,
        waiting=WAITING.get(preset.name, 0.0) if has_waiting_cost else 0.0,
    )


def estimates_by_instrument(config: DeskConfig) -> dict[str, MarketEstimates]:
    """Market estimates by instrument; instruments of the same preset market share one object.

    What waiting costs is known of markets that the desk's file names alone.
    """
    named = {
        instrument.name: (
            instrument.market,
            market_name_of(config, instrument) == instrument.market.preset,
        )
        for instrument in config.instrument
    }
    figures = {
        (market, has_waiting_cost): estimates(config, load(market.preset), has_waiting_cost)
        for market, has_waiting_cost in dict.fromkeys(named.values())
    }
    return {name: figures[key] for name, key in named.items()}


def slots_of(
    config: DeskConfig, market_estimates: Mapping[str, MarketEstimates]
) -> list[AgentSlot]:
    """The slots of a desk's agents, with the strategies of their experiments."""
    return [
        slot_of(agent, market_estimates, config.signals.flow, config.strategies_of(agent)[1:])
        for agent in config.agent
    ]


def limits_of(config: DeskConfig, base_folder: Path | None = None) -> Limits:
    """The desk's hard limits: its limits file, or the packaged one, with the single changes of its own file.

    Raises
    ------
    LimitsError, ConfigError
        For a file, or a single limit of the desk's own, that cannot be.
    """
    section = config.limits
    limits = read((base_folder or Path()) / section.file) if section.file else read_packaged()
    try:
        return with_changes(limits, section.changed) if section.changed else limits
    except LimitsError as error:
        raise _as_config_error(error) from error


def _as_config_error(error: LimitsError) -> ConfigError:
    """A limits error as an error of the section [limits.changed] of the desk's file."""
    return ConfigError(error.expected, f"{error.received} under [limits.changed]", error.remedy)


def check_config(config: DeskConfig, base_folder: Path | None = None) -> None:
    """Validate a desk's configuration before anything is created for it.

    Raises
    ------
    TercelError
        For a market, a strategy, targets or a limits file that does not exist or does not read, and limits of
        agents and instruments that are not the desk's.
    """
    market_estimates = estimates_by_instrument(config)
    slots = slots_of(config, market_estimates)
    check_signals(config)
    if config.signals.flow != OFF:
        readable_forecaster(config.signals.flow)
    read_desk_targets(config)
    if config.desk.panel:
        load_panel(config.desk.panel)
    limits = limits_of(config, base_folder)
    names = [instrument.name for instrument in config.instrument]
    try:
        check_names(
            config.limits.changed,
            {"agents": [agent.name for agent in config.agent], "instruments": names},
        )
    except LimitsError as error:
        raise _as_config_error(error) from error
    for slot in slots:
        refuse_fast(slot, limits)


def assemble_desk(
    config: DeskConfig,
    journal: Journal,
    parts: DeskDependencies,
    *,
    latch: Latch | None = None,
    base_folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
    terms: SessionTerms | None = None,
) -> DeskLoop:
    """Assemble a desk over an open venue and journal: agents, limit gate, session, loop, with warnings alerted.

    Parameters
    ----------
    config : DeskConfig
    journal : Journal
        Held by this desk alone.
    parts : DeskDependencies
        Its venue, news source and baselines.
    latch : Latch, optional
        The kill latch.
    base_folder : Path, optional
        Folder that relative files of the configuration lie in.
    progress : callable, optional
        Called after every round with the number of rounds that are over.
    terms : SessionTerms, optional
        Its seed and warm-up are the desk's.

    Raises
    ------
    TercelError
        For anything in the configuration that does not exist.
    """
    venue = parts.venue
    listed = sorted(listing.instrument for listing in venue.listings())
    for instrument in config.instrument:
        check_known(instrument.name, listed, f"an instrument of {venue.name}:")
    market_estimates = estimates_by_instrument(config)
    slots = slots_of(config, market_estimates)

    def request(body: Mapping[str, Any]) -> ParentRequest:
        """Parent request of a person's command body, with defaults from the desk; alerts a size beyond what the agent's
        card covers."""
        agent = str(body["agent"])
        check_known(agent, [slot.name for slot in slots], "an agent of the desk:")
        slot = next(slot for slot in slots if slot.name == agent)
        every_ns = config.desk.decision_s * NS_PER_SECOND
        decisions = (
            body["decisions"]
            if "decisions" in body
            else max(round(body["horizon_ns"] / every_ns), 1)
        )
        parent_request = ParentRequest(
            **{
                **body,
                "strategy": body.get("strategy") or slot.strategy_name,
                "decisions": decisions,
            }
        )
        a_round = ceil(
            parent_request.lots * config.desk.round_s * NS_PER_SECOND / parent_request.horizon_ns
        )
        warning = (
            "" if body.get("strategy") else slot.size_warning(parent_request.instrument, a_round)
        )
        if warning and desks:
            desks[0].alert("warning", "BEYOND_SIZE", warning, parent_request.instrument, agent)
        return parent_request

    experiments = {
        agent.name: RunningExperiment(
            config.experiments[agent.name], agent, config, market_estimates, journal
        )
        for agent in config.agent
        if agent.name in config.experiments
    }
    killed = None if latch is None else latch.kill_reason
    limits = limits_of(config, base_folder)
    for slot in slots:
        refuse_fast(slot, limits)
    sections = {section.name: section for section in config.instrument}
    listings = [
        replace(
            listing,
            rules=declared_rules(
                sections[listing.instrument], listing.tick, listing.lot, venue.now_ns
            ),
        )
        if listing.instrument in sections and listing.rules is NO_RULES
        else listing
        for listing in venue.listings()
    ]
    gate = LimitGate(limits, listings, [slot.name for slot in slots], killed)
    desks: list[DeskLoop] = []
    terms = replace(
        terms or SessionTerms(),
        seed=config.desk.seed,
        warmup_s=config.desk.warmup_s,
        dealers=config.desk.dealers,
        panel=config.desk.panel,
    )
    flow = config.signals.flow
    with ExitStack() as opening:
        session = opening.enter_context(
            open_session(
                venue,
                journal,
                gate,
                lambda name, instrument: strategy_of(name, market_estimates.get(instrument), flow),
                terms,
                latch=latch,
                on_operator=lambda entry: bool(desks) and desks[0].on_operator(entry),
                request=request,
            )
        )
        with journal_failed_opening(session.gateway):
            targets = read_desk_targets(config)
            forecasts = None if config.signals.model == OFF else DeskForecasts(config, parts.news)
            orders = (
                None
                if targets is None
                else TargetOrders(targets, session, config.signals, forecasts)
            )
            desks.append(
                DeskLoop(
                    config, session, slots, forecasts, orders, parts.calm, progress, experiments
                )
            )
            _alert_assumptions(config, desks[0], slots, market_estimates)
        opening.pop_all()
    return desks[0]


def declared_rules(
    section: InstrumentSection, tick: float, lot: int, now_ns: int | None = None
) -> VenueRules:
    """The rules that an instrument's section declares, for a listing of this tick and lot; without a time without hours."""
    if not section.rules:
        return NO_RULES
    return load_rules(section.rules).resolve(
        tick, lot, from_ns=now_ns, previous_close=section.previous_close
    )


def _alert_assumptions(
    config: DeskConfig,
    desk: DeskLoop,
    slots: Sequence[AgentSlot],
    market_estimates: Mapping[str, MarketEstimates],
) -> None:
    """Alert what agents were not trained for, what is assumed of markets, and what is not watched."""
    for agent, text in find_agents_out_of_card(config):
        desk.alert("warning", "OUT_OF_CARD", text, agent=agent)
    if assumed := assumed_markets_warning(config):
        desk.alert("warning", "MARKET_ASSUMED", assumed)
    for slot in slots:
        if unknown := ", ".join(name for name in market_estimates if is_guarded(slot, name)):
            text = f"what waiting costs, or the next 30 s, is not known in {unknown}: it works as `guarded` there"
            desk.alert("warning", "WORKS_AS_GUARDED", text, agent=slot.name)
    free = ", ".join(
        listing.instrument for listing in desk.session.listings.values() if not any(listing.fees)
    )
    if free and (config.desk.venue != SIMULATED or config.data.lake):
        desk.alert(
            "warning",
            "NO_FEES",
            f"no fees are known of {free}: costs of taking and of resting are compared without them; of recorded days they "
            "are maker_bps and taker_bps under [data]",
        )
    for agent, text in find_unwatched_agents(config):
        desk.alert("warning", "NO_DRIFT_DETECTION", text, agent=agent)
