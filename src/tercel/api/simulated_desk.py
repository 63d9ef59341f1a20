"""A desk on its own simulated exchange: scenario, warmed-up markets, synthetic news, anomaly baselines; the packaged demo.

The table `[scenario]` of a desk's file, which the demo has, adds informed flow, regime changes, and a news score that is
correlated with the flow. The desk itself reads only the news score, which is known at the start of its round.

[scenario]                        news, news_flips: correlation of the synthetic score, round from which its sign is reversed
[scenario.instrument.NAME]        drift: synthetic informed flow
[[scenario.instrument.NAME.change]]  a synthetic change of regime: at_round, depth, activity, buy_share
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.resources import files
from typing import Final

import numpy as np
from pydantic import Field

from tercel.core.arrays import Floats
from tercel.core.errors import check_known
from tercel.core.pace import Pace
from tercel.core.ports import Clock, Journal
from tercel.core.validation import TomlTable, validate_model
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk, declared_rules
from tercel.desk.engine.config import OFF, DeskConfig
from tercel.desk.engine.forecasts import DeskForecasts
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.execution.market import Market
from tercel.market.flow import Preset, load
from tercel.market.flow.santa_fe import SantaFePreset
from tercel.market.regimes.flow_scaling import scale_flow
from tercel.market.regimes.named import Factors
from tercel.market.simulator.source import Source, reactive
from tercel.signals.risk.anomaly import AnomalyBaseline, fit_baseline
from tercel.signals.risk.seconds import simulate
from tercel.venues.exchange import EntryLatency, MarketSpec, RegimeChange, SimulatedExchange

DEMO: Final = "demo.toml"


CALM_S = 3600
CALM_HOURS = 8
CALM_SEED = 2**31 - 11
WORLDS: Final = 8
"""Warmed-up order books of each preset from which a simulated market starts; the seed selects one."""


class PlantedChange(TomlTable):
    """A synthetic regime change of one instrument's market."""

    at_round: float = Field(ge=0)
    depth: float = Field(default=1.0, gt=0, le=10)
    """Factor on the rate of limit orders; the displayed depth follows it."""
    activity: float = Field(default=1.0, gt=0, le=10)
    """Factor on the rate of market orders."""
    buy_share: float = Field(default=0.5, ge=0.05, le=0.95)
    """Share of market orders that buy; 0.5 is no drift."""


class PlantedMarket(TomlTable):
    """Synthetic effects in one instrument's market."""

    drift: float = Field(default=0.0, ge=0, le=0.45)
    """Synthetic informed flow: random imbalance of buyers and sellers in each round, at most this much."""
    change: tuple[PlantedChange, ...] = ()


class MarketScenario(TomlTable):
    """Synthetic effects in a desk's simulated markets."""

    news: float = Field(default=0.6, ge=-1, le=1)
    """Correlation of the synthetic news score with the synthetic drift; an instrument without drift has no score."""
    news_flips: int = Field(default=0, ge=0)
    """Round from which on the score's sign is reversed; 0: never."""
    instrument: dict[str, PlantedMarket] = Field(default_factory=dict)


def scenario_of(config: DeskConfig, name: str = "the desk's file") -> MarketScenario:
    """Parse the scenario of a desk's configuration; `name` is the file's name in errors.

    Raises
    ------
    ConfigError
        An invalid table, or one with an instrument that the desk does not have.
    """
    scenario = validate_model(MarketScenario, config.scenario, f"{name}, [scenario]", "a scenario")
    instrument_names = [instrument.name for instrument in config.instrument]
    for instrument_name in scenario.instrument:
        check_known(
            instrument_name,
            instrument_names,
            "an instrument of the desk, under [scenario.instrument]:",
        )
    return scenario


def demo_text() -> str:
    """Text of the packaged desk's file, as a template."""
    return (files("tercel.api") / DEMO).read_text(encoding="utf-8")


@dataclass(frozen=True)
class FlowRegime:
    """Order flow of one instrument from a time on.

    Parameters
    ----------
    after_s : float
        Seconds after the first round began.
    depth, activity : float
        Factors on the rates of limit and of market orders.
    buy_share : float
        Share of market orders that buy.
    """

    after_s: float
    depth: float
    activity: float
    buy_share: float


@dataclass(frozen=True)
class GroundTruth:
    """One instrument's ground truth and its news.

    Parameters
    ----------
    regimes : tuple of FlowRegime
        In order of time.
    news : float64 (rounds,), or None
        Score known at the start of each round: unit variance, correlated with the drift as the configuration says. None
        for an instrument without drift: there is nothing to predict.
    """

    regimes: tuple[FlowRegime, ...]
    news: Floats | None


def draw_ground_truth(config: DeskConfig) -> dict[str, GroundTruth]:
    """Draw the ground truth of every instrument (flow regimes and news) from the desk's seed."""
    scenario = scenario_of(config)
    return {
        instrument.name: _draw_instrument_truth(
            config, scenario, instrument.name, np.random.default_rng([config.desk.seed, 13, number])
        )
        for number, instrument in enumerate(config.instrument)
    }


def _draw_instrument_truth(
    config: DeskConfig, scenario: MarketScenario, name: str, rng: np.random.Generator
) -> GroundTruth:
    """Draw the ground truth of one instrument: its flow regimes and its news."""
    rounds = config.desk.rounds
    round_s = config.desk.round_s
    rho = scenario.news
    market = scenario.instrument.get(name, PlantedMarket())
    direction = rng.choice([-1.0, 0.0, 1.0], rounds)
    noise = rng.normal(size=rounds)
    # a fair draw of -1, 0, 1 has variance 2/3: the score is made of unit variance before it is mixed
    signal = np.where(np.arange(rounds) < (scenario.news_flips or rounds), direction, -direction)
    news = rho * signal / np.sqrt(2 / 3) + np.sqrt(1 - rho**2) * noise
    moments = {number * round_s: 0.5 + market.drift * direction[number] for number in range(rounds)}
    changes = {change.at_round * round_s: change for change in market.change}
    # which changes nothing
    regimes = []
    buy_share = 0.5
    change = PlantedChange(at_round=0)
    for after_s in sorted(moments.keys() | changes.keys()):
        buy_share = moments.get(after_s, buy_share)
        change = changes.get(after_s, change)
        clipped_share = float(np.clip(buy_share + (change.buy_share - 0.5), 0.05, 0.95))
        regimes.append(FlowRegime(after_s, change.depth, change.activity, clipped_share))
    return GroundTruth(tuple(regimes), news if market.drift else None)


class PlantedNews:
    """Synthetic news score of each round, correlated with its drift (`NewsPort`).

    Parameters
    ----------
    truth : mapping of instrument to GroundTruth
    """

    def __init__(self, truth: Mapping[str, GroundTruth]) -> None:
        self._truth = truth

    def score(self, instrument: str, number: int, at_ns: int) -> float | None:
        """News score of an instrument in round `number` (`NewsPort`); None for an instrument without synthetic drift."""
        news = self._truth[instrument].news
        return None if news is None else float(news[number])


class SimulatedMarkets:
    """Warmed-up markets of simulated desks, built once and shared by several desks.

    Settling a market takes seconds; an ablation runs hundreds of desks on a few of them.
    """

    def __init__(self) -> None:
        self._sources: dict[Market, tuple[Preset, Source]] = {}
        self._baselines: dict[Market, AnomalyBaseline] = {}

    def market(self, market: Market) -> tuple[Preset, Source]:
        """Preset and warmed-up market of an instrument; made at the first call and kept."""
        if market not in self._sources:
            preset = load(market.preset)
            self._sources[market] = preset, reactive(preset, worlds=WORLDS)
        return self._sources[market]

    def anomaly_baselines(self, config: DeskConfig) -> dict[str, AnomalyBaseline]:
        """Anomaly baseline of each instrument's market, fitted on simulated hours without a desk; {} if risk is off."""
        if config.risk.posture != "on":
            return {}
        for market in dict.fromkeys(instrument.market for instrument in config.instrument):
            if market not in self._baselines:
                _, source = self.market(market)
                hours = [
                    simulate(source, np.ones((CALM_S, 3)), CALM_SEED, index)
                    for index in range(CALM_HOURS)
                ]
                self._baselines[market] = fit_baseline(hours, false_alarms_per_day=0.0)
        return {
            instrument.name: self._baselines[instrument.market] for instrument in config.instrument
        }

    def exchange(self, config: DeskConfig, clock: Clock | None = None) -> SimulatedExchange:
        """Simulated exchange of a desk, with its scenario's synthetic effects; a `clock` sets its pace."""
        seed = config.desk.seed
        truth = draw_ground_truth(config)
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
                rules=declared_rules(instrument, source.tick, source.lot),
            )
            coins = Fraction(str(preset.card.get("lot_size", 1)))
            specs[instrument.name] = spec.by_lot(coins) if coins < 1 else spec
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

    def dependencies(self, config: DeskConfig, clock: Clock | None = None) -> DeskDependencies:
        """Simulated exchange, synthetic news and anomaly baselines of a desk."""
        return DeskDependencies(
            self.exchange(config, clock),
            PlantedNews(draw_ground_truth(config)),
            self.anomaly_baselines(config),
        )


def pace_of(config: DeskConfig, clock: Clock) -> Pace | None:
    """Pace of a desk's simulated exchange; None: as fast as possible."""
    if config.desk.pace == "stepped":
        return None
    return Pace(clock, 1.0 if config.desk.pace == "real" else config.desk.speed)


def open_demo(
    config: DeskConfig, journal: Journal, markets: SimulatedMarkets | None = None
) -> DeskLoop:
    """Open a desk on its own simulated exchange.

    Parameters
    ----------
    config : DeskConfig
    journal : Journal
    markets : SimulatedMarkets, optional
        Shared with other desks.
    """
    return assemble_desk(config, journal, (markets or SimulatedMarkets()).dependencies(config))


def warm_up(config: DeskConfig, markets: SimulatedMarkets) -> None:
    """Compile the kernels that a desk calls, by a short round of its first instrument.

    Forecasts are read once too: their libraries take longer to load than a gate lets a desk be silent.
    """
    short = config.with_desk(rounds=1, round_s=70.0, warmup_s=10.0)
    signals = config.signals.model_copy(update={"model": OFF, "orders": "drawn"})
    updates = {"instrument": config.instrument[:1], "signals": signals, "scenario": {}}
    short = short.model_copy(update=updates)
    open_demo(short, MemoryJournal(chained=False), markets).run()
    if config.signals.model != OFF:
        DeskForecasts(config).refresh(0)


def regime_of(preset: Preset, regime: FlowRegime, at_ns: int) -> RegimeChange:
    """Regime change of the exchange for a synthetic regime: scaled rates for Santa Fe presets, factors for others."""
    if isinstance(preset, SantaFePreset):
        return RegimeChange(
            at_ns,
            scale_flow(preset, regime.depth, trades=regime.activity, buy_share=regime.buy_share),
        )
    return RegimeChange(
        at_ns, factors=Factors(regime.depth, regime.activity, lean=2 * regime.buy_share - 1)
    )
