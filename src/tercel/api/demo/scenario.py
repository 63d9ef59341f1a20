"""What is planted in the markets of a simulated exchange: informed flow, changes of regime, news that hints at the former.

It is the table `[scenario]` of a desk's file, which the demo has. The desk itself reads the news score alone, which is
known at the start of its round.

[scenario]                        news, news_flips: how good the planted score is, and from which round on it misleads
[scenario.instrument.NAME]        drift: planted informed flow
[[scenario.instrument.NAME.change]]  a planted change of regime: at_round, depth, activity, buy_share
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np
from pydantic import Field

from tercel.core.arrays import Floats
from tercel.core.names import check_known
from tercel.core.validated import TomlTable, validated
from tercel.desk.rounds.config import DeskConfig

DEMO: Final = "demo.toml"


class PlantedChange(TomlTable):
    """A change planted in an instrument's market."""

    at_round: float = Field(ge=0)
    depth: float = Field(default=1.0, gt=0, le=10)
    """Factor on the rate of limit orders: what rests follows it."""
    activity: float = Field(default=1.0, gt=0, le=10)
    """Factor on the rate of market orders."""
    buy_share: float = Field(default=0.5, ge=0.05, le=0.95)
    """Share of market orders that buy; 0.5 is no drift."""


class PlantedMarket(TomlTable):
    """What is planted in one instrument's market."""

    drift: float = Field(default=0.0, ge=0, le=0.45)
    """Planted informed flow: each round buyers and sellers are out of balance by up to this, at random."""
    change: tuple[PlantedChange, ...] = ()


class MarketScenario(TomlTable):
    """What is planted in a desk's simulated markets."""

    news: float = Field(default=0.6, ge=-1, le=1)
    """Correlation of the synthetic news score with the planted drift; where none is planted there is no score."""
    news_flips: int = Field(default=0, ge=0)
    """Round from which on the score says the opposite; 0: never."""
    instrument: dict[str, PlantedMarket] = Field(default_factory=dict)


def scenario_of(config: DeskConfig, name: str = "the desk's file") -> MarketScenario:
    """The scenario in a desk's configuration; `name` is how errors call the file.

    Raises
    ------
    ConfigError
        A table that is none, or that names an instrument which the desk has not.
    """
    found = validated(MarketScenario, config.scenario, f"{name}, [scenario]", "a scenario")
    known = [one.name for one in config.instrument]
    for planted_in in found.instrument:
        check_known(planted_in, known, "an instrument of the desk, under [scenario.instrument]:")
    return found


def demo_text() -> str:
    """The packaged desk's file, to start one's own from."""
    return (files("tercel.api.demo") / DEMO).read_text(encoding="utf-8")


@dataclass(frozen=True)
class FlowRegime:
    """Flow of one instrument from one moment on.

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
        where no drift is planted: there is nothing that it could predict.
    """

    regimes: tuple[FlowRegime, ...]
    news: Floats | None


def planted(config: DeskConfig) -> dict[str, GroundTruth]:
    """Ground truth of every instrument, drawn from the desk's seed."""
    scenario = scenario_of(config)
    return {
        instrument.name: _of(
            config, scenario, instrument.name, np.random.default_rng([config.desk.seed, 13, number])
        )
        for number, instrument in enumerate(config.instrument)
    }


def _of(
    config: DeskConfig, scenario: MarketScenario, name: str, rng: np.random.Generator
) -> GroundTruth:
    rounds, round_s, rho = config.desk.rounds, config.desk.round_s, scenario.news
    market = scenario.instrument.get(name, PlantedMarket())
    direction = rng.choice([-1.0, 0.0, 1.0], rounds)
    noise = rng.normal(size=rounds)
    # a fair draw of -1, 0, 1 has variance 2/3: the score is made of unit variance before it is mixed
    told = np.where(np.arange(rounds) < (scenario.news_flips or rounds), direction, -direction)
    news = rho * told / np.sqrt(2 / 3) + np.sqrt(1 - rho**2) * noise
    moments = {number * round_s: 0.5 + market.drift * direction[number] for number in range(rounds)}
    changes = {change.at_round * round_s: change for change in market.change}
    regimes, buy_share, change = [], 0.5, PlantedChange(at_round=0)  # which changes nothing
    for after in sorted(moments.keys() | changes.keys()):
        buy_share = moments.get(after, buy_share)
        change = changes.get(after, change)
        tilted = float(np.clip(buy_share + (change.buy_share - 0.5), 0.05, 0.95))
        regimes.append(FlowRegime(after, change.depth, change.activity, tilted))
    return GroundTruth(tuple(regimes), news if market.drift else None)
