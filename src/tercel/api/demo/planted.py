"""Plants of a demo desk's markets: informed flow, changes of regime, and the news that hints at the former.

This is ground truth. The desk reads the news score alone, which is known at the start of its round.
"""

from dataclasses import dataclass

import numpy as np

from tercel.api.demo.config import DemoConfig, PlantedChange, PlantedInstrument
from tercel.core.arrays import Floats


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


def planted(config: DemoConfig) -> dict[str, GroundTruth]:
    """Ground truth of every instrument, drawn from the desk's seed."""
    return {
        instrument.name: _of(
            config, instrument, np.random.default_rng([config.desk.seed, 13, number])
        )
        for number, instrument in enumerate(config.instrument)
    }


def _of(config: DemoConfig, instrument: PlantedInstrument, rng: np.random.Generator) -> GroundTruth:
    rounds, round_s, rho = config.desk.rounds, config.desk.round_s, config.signals.news
    direction = rng.choice([-1.0, 0.0, 1.0], rounds)
    noise = rng.normal(size=rounds)
    # a fair draw of -1, 0, 1 has variance 2/3: the score is made of unit variance before it is mixed
    told = np.where(
        np.arange(rounds) < (config.signals.news_flips or rounds), direction, -direction
    )
    news = rho * told / np.sqrt(2 / 3) + np.sqrt(1 - rho**2) * noise
    moments = {
        number * round_s: 0.5 + instrument.drift * direction[number] for number in range(rounds)
    }
    changes = {change.at_round * round_s: change for change in instrument.change}
    regimes, buy_share, change = [], 0.5, PlantedChange(at_round=0)  # which changes nothing
    for after in sorted(moments.keys() | changes.keys()):
        buy_share = moments.get(after, buy_share)
        change = changes.get(after, change)
        tilted = float(np.clip(buy_share + (change.buy_share - 0.5), 0.05, 0.95))
        regimes.append(FlowRegime(after, change.depth, change.activity, tilted))
    return GroundTruth(tuple(regimes), news if instrument.drift else None)
