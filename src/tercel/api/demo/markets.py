"""The simulated exchange of a desk: settled markets, what is planted in them, what is calm there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from tercel.api.demo.scenario import FlowRegime, GroundTruth, planted
from tercel.core.pace import Pace
from tercel.core.ports import Clock, Journal
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.rounds.build import BuiltDesk, open_desk
from tercel.desk.rounds.config import OFF, DeskConfig
from tercel.desk.rounds.dependencies import DeskDependencies
from tercel.desk.rounds.forecasts import DeskForecasts
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.execution.market import Market
from tercel.market.flow import Preset, load
from tercel.market.flow.santa_fe_preset import SantaFePreset
from tercel.market.flow.scenario import scaled
from tercel.market.regimes.named import Factors
from tercel.market.simulator.source import Source, reactive
from tercel.signals.risk.anomaly import AnomalyBaseline, learn_calm, simulate
from tercel.venues.exchange import EntryLatency, MarketSpec, RegimeChange, SimulatedExchange

CALM_S, CALM_HOURS, CALM_SEED = 3600, 8, 2**31 - 11
WORLDS: Final = 8
"""Books to start from, of each preset: one is drawn by the seed."""


class PlantedNews:
    """The score that is planted beside the drift of each round (`NewsPort`).

    Parameters
    ----------
    truth : mapping of instrument to GroundTruth
    """

    def __init__(self, truth: Mapping[str, GroundTruth]) -> None:
        self._truth = truth

    def score(self, instrument: str, number: int, at_ns: int) -> float | None:
        """See `NewsPort`."""
        news = self._truth[instrument].news
        return None if news is None else float(news[number])


class SimulatedMarkets:
    """Markets of simulated desks, settled once and shared by several desks.

    Settling a market takes seconds; an ablation runs hundreds of desks on a few of them.
    """

    def __init__(self) -> None:
        self._sources: dict[Market, tuple[Preset, Source]] = {}
        self._calms: dict[Market, AnomalyBaseline] = {}

    def market(self, market: Market) -> tuple[Preset, Source]:
        """Preset and settled market of an instrument."""
        if market not in self._sources:
            preset = load(market.preset)
            self._sources[market] = preset, reactive(preset, worlds=WORLDS)
        return self._sources[market]

    def calm(self, config: DeskConfig) -> dict[str, AnomalyBaseline]:
        """What is ordinary in each instrument's market, from hours that no desk trades in; {} where no risk is read."""
        if config.risk.posture != "on":
            return {}
        for market in dict.fromkeys(instrument.market for instrument in config.instrument):
            if market not in self._calms:
                _, source = self.market(market)
                hours = [
                    simulate(source, np.ones((CALM_S, 3)), CALM_SEED, index)
                    for index in range(CALM_HOURS)
                ]
                self._calms[market] = learn_calm(hours, false_alarms_per_day=0.0)
        return {instrument.name: self._calms[instrument.market] for instrument in config.instrument}

    def exchange(self, config: DeskConfig, clock: Clock | None = None) -> SimulatedExchange:
        """The exchange of a desk, with what is planted in its markets, at its pace by a clock."""
        seed, truth = config.desk.seed, planted(config)
        specs = {}
        for number, instrument in enumerate(config.instrument):
            preset, source = self.market(instrument.market)
            spec = MarketSpec(
                source,
                seed,
                number,
                seed % WORLDS,
                volume_per_s=preset.volume_per_s,
                currency=instrument.currency,
            )
            specs[instrument.name] = spec
        start = SimulatedExchange(specs).now_ns + round(config.desk.warmup_s * NS_PER_SECOND)
        for instrument in config.instrument:
            preset, _ = self.market(instrument.market)
            regimes = [
                regime_of(preset, regime, start + round(regime.after_s * NS_PER_SECOND))
                for regime in truth[instrument.name].regimes
            ]
            specs[instrument.name] = replace(specs[instrument.name], regimes=regimes)
        pace = None if clock is None else pace_of(config, clock)
        latency = EntryLatency("constant", round(config.desk.latency_ms * 1e6))
        return SimulatedExchange(specs, latency=latency, pace=pace)

    def parts(self, config: DeskConfig, clock: Clock | None = None) -> DeskDependencies:
        """Exchange, planted news and calm baselines of a desk."""
        return DeskDependencies(
            self.exchange(config, clock), PlantedNews(planted(config)), self.calm(config)
        )


def pace_of(config: DeskConfig, clock: Clock) -> Pace | None:
    """How fast a desk's own exchange goes; None: as fast as it can."""
    if config.desk.pace == "stepped":
        return None
    return Pace(clock, 1.0 if config.desk.pace == "real" else config.desk.speed)


def open_demo(
    config: DeskConfig, journal: Journal, markets: SimulatedMarkets | None = None
) -> BuiltDesk:
    """A desk on its own simulated exchange, with nothing beside it.

    Parameters
    ----------
    config : DeskConfig
    journal : Journal
    markets : SimulatedMarkets, optional
        Shared with other desks.
    """
    return open_desk(config, journal, (markets or SimulatedMarkets()).parts(config))


def warm_up(config: DeskConfig, markets: SimulatedMarkets) -> None:
    """Compile what a desk calls, by a short round of its first instrument, before anybody waits for a decision.

    Forecasts are read once too: their libraries take longer to load than a gate lets a desk be silent.
    """
    short = config.with_desk(rounds=1, round_s=70.0, warmup_s=10.0)
    alone = config.signals.model_copy(update={"model": OFF, "orders": "drawn"})
    more = {"instrument": config.instrument[:1], "signals": alone, "scenario": {}}
    short = short.model_copy(update=more)
    open_demo(short, MemoryJournal(chained=False), markets).desk.run()
    if config.signals.model != OFF:
        DeskForecasts(config).look(0)


def regime_of(preset: Preset, regime: FlowRegime, at_ns: int) -> RegimeChange:
    """A planted regime as the exchange changes to it: scaled rates, or factors where rates are of another kind."""
    if isinstance(preset, SantaFePreset):
        return RegimeChange(
            at_ns, scaled(preset, regime.depth, trades=regime.activity, buy_share=regime.buy_share)
        )
    return RegimeChange(
        at_ns, factors=Factors(regime.depth, regime.activity, lean=2 * regime.buy_share - 1)
    )
