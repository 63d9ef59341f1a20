"""Impact card: price impact of metaorders in a market, measured with paired twins.

Metaorders, in children of at most a mean trade, buy in one world and sell in its twin; half the difference of the mids
is the impact.
Sizes are shares of the public volume expected in the time, on top of it. Exponents are slopes of log impact, weighted
by its precision; intervals are bootstrapped over pairs, the same draws at every size and length.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from studies.impact.metaorder import displacement, paired
from studies.impact.round_trips import trips_on_the_law
from tercel.core import ConfigError, Floats
from tercel.market import RESPONSE_LAGS, finite_or_none
from tercel.market.flow import Preset
from tercel.market.impact import WORLDS, ImpactLaw, law_for, mean_trade
from tercel.market.score import sample
from tercel.market.simulator import Source, observed_day, reactive

SHARES: Final = (0.05, 0.1, 0.2, 0.4)
"""Sizes at one length: shares of the public volume expected in it."""
LENGTH_S: Final = 600.0
PARTICIPATION: Final = 0.3
LENGTHS_S: Final = (150.0, 300.0, 600.0, 1200.0)
"""Lengths at one participation."""
AFTER: Final = 3
"""Lengths that a decay is followed for, the execution included."""
CHILDREN: Final = 8
"""At least, where there are as many lots; and none larger than the mean trade."""
STEP_S: Final = 30.0
FIRST_S: Final = 60.0
"""Where the path inside an execution begins to count: before it the first children and their payment are all."""
DECAY: Final = (1.25, 1.5, 2.0, 3.0)
RESAMPLES: Final = 1000
Y_OF_MARKETS: Final = (0.5, 1.5)
BARS: Final = {
    "exponent_size": (0.45, 0.65),
    "exponent_participation": (0.4, 0.65),
    "exponent_time": (0.4, 0.7),
    "level_2T": (0.5, 0.9),
    "level_3T": (0.5, 0.75),
}
"""Where markets stand: what each figure is held against."""
TWIN_PAIRS: Final = 1000
PAIRS: Final = 400
TWIN_SHARE: Final = 0.1


@dataclass(frozen=True, eq=False)
class Metaorders:
    """Displacements of one size and length: share of volume, seconds, float64 (pairs, points) every STEP_S."""

    share: float
    length_s: float
    moved: Floats

    @property
    def end(self) -> int:
        """Point at which the execution ends."""
        return round(self.length_s / STEP_S)


class ResampledPairs:
    """Bootstrap draws of pairs, shared by every metaorder."""

    def __init__(self, pairs: int, seed: int) -> None:
        counts = np.random.default_rng((seed, 29)).multinomial(
            pairs, np.full(pairs, 1.0 / pairs), RESAMPLES
        )
        self.weights = np.vstack((np.full(pairs, 1.0 / pairs), counts / pairs))

    def estimate(
        self, figure: Callable[[list[Floats]], float], parts: Sequence[Floats]
    ) -> dict[str, float | None]:
        """A statistic of mean displacements with its 95 % interval; None where undefined.

        `parts`: arrays (pairs, points); `figure` sees their means, each (points,).
        """
        means = [self.weights @ part for part in parts]
        values = np.array([figure([m[n] for m in means]) for n in range(len(self.weights))])
        drawn = values[1:][np.isfinite(values[1:])]
        low, high = (
            np.quantile(drawn, [0.025, 0.975]) if len(drawn) > RESAMPLES // 2 else (np.nan, np.nan)
        )
        return {
            "mean": finite_or_none(values[0]),
            "ci_low": finite_or_none(low),
            "ci_high": finite_or_none(high),
        }


def impact_card(
    preset: Preset, *, pairs: int = PAIRS, seed: int = 0, impact: "str | ImpactLaw | None" = None
) -> dict[str, Any]:
    """Measure the card of a preset.

    Parameters
    ----------
    pairs : int
        Twins of each size and length.
    seed : int
        Of their streams.
    impact : str or ImpactLaw, optional
        As `pilot.law_for` takes it: none, translation, weights, a law; the preset's own by default.

    Returns
    -------
    dict
        `exponent_size`, `exponent_participation`, `exponent_time`, `level_2T`, `level_3T` as {"mean", "ci_low",
        "ci_high"}; `bars` and `passed` by name; `law`, `prior` (None: none); `sizes`, `lengths`, `decay`,
        `inside` (curves with standard errors), `response`, `twin`, `round_trips` (on the law alone).

    Raises
    ------
    ConfigError
        Fewer than ten pairs.
    """
    if pairs < 10:
        raise ConfigError("at least 10 pairs", f"{pairs}", "400 give exponents within about 0.05")
    market = reactive(preset, worlds=WORLDS, seed=seed, impact=law_for(preset, impact) or "none")
    law = market.impact
    trade = law.mean_trade_lots if law is not None else mean_trade(market, seed)
    began = time.process_time()
    sizes = [_metaorders(market, preset, trade, s, LENGTH_S, AFTER, pairs, seed) for s in SHARES]
    seconds = (time.process_time() - began) / (len(sizes) * pairs)
    lengths = [
        _metaorders(market, preset, trade, PARTICIPATION, t, 1, pairs, seed) for t in LENGTHS_S
    ]
    draws = ResampledPairs(pairs, seed)
    figures = _figures(draws, sizes, lengths)
    return {
        "preset": preset.name,
        "model": preset.model,
        "pairs": pairs,
        **figures,
        "bars": BARS,
        "passed": {name: _within(figures[name]["mean"], *bar) for name, bar in BARS.items()},
        "law": None if law is None else law.card(),
        "prior": None if law is None else _prior(law),
        "sizes": [_peak(one) for one in sizes],
        "lengths": [_peak(one) for one in lengths],
        "inside": _curve(sizes[-1], 1, sizes[-1].end + 1),
        "decay": _decay(draws, sizes),
        "path": {f"{one.share:g}": _curve(one, 0, one.moved.shape[1]) for one in sizes},
        "response": _response(preset, seed),
        "twin": _twin(sizes, seconds),
        "round_trips": None if law is None else trips_on_the_law(law),
    }


def _metaorders(
    market: Source,
    preset: Preset,
    trade: float,
    share: float,
    length_s: float,
    after: int,
    pairs: int,
    seed: int,
) -> Metaorders:
    lots = share * preset.volume_per_s * length_s
    child = min(max(lots / CHILDREN, 1.0), trade)
    points = round(after * length_s / STEP_S) + 1
    paths = paired(
        market, lots, length_s, child, pairs=pairs, seed=seed, step_s=STEP_S, points=points
    )
    return Metaorders(share, length_s, displacement(paths))


# -- figures ----------------------------------------------------------------------------------------------------------


def _figures(
    draws: ResampledPairs, sizes: Sequence[Metaorders], lengths: Sequence[Metaorders]
) -> dict[str, dict[str, float | None]]:
    """The five figures with their intervals."""
    ends = [one.moved[:, [one.end]] for one in sizes]
    long = [one.moved[:, [one.end]] for one in lengths]
    first = round(FIRST_S / STEP_S)
    big = sizes[1:]
    inside = _together([one.moved[:, first : one.end + 1] for one in sizes[2:]])
    levels = _together([one.moved[:, [one.end, 2 * one.end, 3 * one.end]] for one in big])
    seconds = STEP_S * np.arange(first, sizes[0].end + 1, dtype=np.float64)
    volumes = np.array([one.share * one.length_s for one in lengths])
    by_size, by_length = [np.array([_error(part)[0] for part in parts]) for parts in (ends, long)]
    of_inside = _error(inside)
    return {
        "exponent_size": draws.estimate(
            lambda m: slope(np.array(SHARES), np.concatenate(m), by_size), ends
        ),
        "exponent_participation": draws.estimate(
            lambda m: slope(volumes, np.concatenate(m), by_length), long
        ),
        "exponent_time": draws.estimate(lambda m: slope(seconds, m[0], of_inside), [inside]),
        "level_2T": draws.estimate(lambda m: _ratio(m[0], 1), [levels]),
        "level_3T": draws.estimate(lambda m: _ratio(m[0], 2), [levels]),
    }


def slope(x: Floats, y: Floats, error: Floats) -> float:
    """Slope of log y on log x, points weighted by (y / error)^2; NaN with fewer than two above zero.

    >>> round(slope(np.array([1.0, 4.0, 9.0]), np.array([2.0, 4.0, 6.0]), np.ones(3)), 6)
    0.5
    """
    fine = y > 0.0
    if fine.sum() < 2:
        return float("nan")
    lx, ly = np.log(x[fine]), np.log(y[fine])
    weight = (y[fine] / np.maximum(error[fine], 1e-12)) ** 2
    weight = weight / weight.sum()
    away = lx - weight @ lx
    return float((weight * away) @ ly / ((weight * away) @ away))


def _together(parts: Sequence[Floats]) -> Floats:
    """Displacements of several sizes added up, pair by pair."""
    return np.asarray(np.sum(np.stack(parts), axis=0))


def _ratio(levels: Floats, at: int) -> float:
    return float(levels[at] / levels[0]) if levels[0] > 0.0 else float("nan")


def _error(moved: Floats) -> Floats:
    return np.asarray(moved.std(axis=0, ddof=1) / np.sqrt(len(moved)))


def _within(value: float | None, low: float, high: float) -> bool:
    return value is not None and low <= value <= high


# -- curves -----------------------------------------------------------------------------------------------------------


def _prior(law: ImpactLaw) -> dict[str, Any]:
    """What the law wants at the end of each size, at its own Y and where markets have been found."""
    left = law.trades * LENGTH_S / law.horizon_s * law.remaining_share(LENGTH_S)
    sizes = {f"{share:g}": float(law.target(share * left)) for share in SHARES}
    if law.law != "translation":
        sizes = {}
    return {"y": law.y, "y_of_markets": Y_OF_MARKETS, "ticks": sizes}


def _peak(one: Metaorders) -> dict[str, float]:
    end = one.moved[:, one.end]
    return {
        "share": one.share,
        "seconds": one.length_s,
        "ticks": float(end.mean()),
        "se": float(_error(end)),
    }


def _curve(one: Metaorders, first: int, last: int) -> dict[str, list[float]]:
    part = one.moved[:, first:last]
    seconds = STEP_S * np.arange(first, last)
    return {
        "seconds": seconds.tolist(),
        "ticks": part.mean(0).tolist(),
        "se": _error(part).tolist(),
    }


def _decay(
    draws: ResampledPairs, sizes: Sequence[Metaorders]
) -> dict[str, dict[str, float | None]]:
    """Level relative to the end at multiples of the length, the larger sizes together."""
    big = sizes[1:]
    found = {}
    for multiple in DECAY:
        at = _together([one.moved[:, [one.end, round(multiple * one.end)]] for one in big])
        found[f"{multiple:g}"] = draws.estimate(lambda m: _ratio(m[0], 1), [at])
    return found


def _twin(sizes: Sequence[Metaorders], seconds: float) -> dict[str, float]:
    """Standard error of an impact measured with 1,000 pairs, and what a pair costs."""
    one = next(s for s in sizes if s.share == TWIN_SHARE)
    sd = float(one.moved[:, one.end].std(ddof=1))
    return {
        "share": one.share,
        "pairs": TWIN_PAIRS,
        "se_ticks": sd / TWIN_PAIRS**0.5,
        "seconds_a_pair": seconds,
    }


def _response(
    preset: Preset, seed: int, seconds: float = 3600.0, warmup_s: float = 600.0
) -> dict[str, list[float]]:
    """Mean signed move of the mid so many trades after a public trade, ticks, without orders of ours."""
    seen = observed_day(preset, seed, seconds, warmup_s)
    try:
        response = sample(seen).response
    except ConfigError:  # too few trades in an hour
        return {"lags": [], "ticks": []}
    fine = [
        (lag, float(r)) for lag, r in zip(RESPONSE_LAGS, response, strict=True) if np.isfinite(r)
    ]
    return {"lags": [float(lag) for lag, _ in fine], "ticks": [r for _, r in fine]}
