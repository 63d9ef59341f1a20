"""Search for parameters of a user's own strategy within bounds, and its gain on the start on other episodes.

Every trial runs on the same tuning episodes, so trials differ by their parameters alone. The first has the start, a third
of them are spread evenly over the bounds (a Latin hypercube), and CMA-ES goes on from the cheapest. The best of many
trials is cheaper on the tuning episodes than it is: only episodes that no trial saw tell its gain.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercel.core.errors import refuse_if
from tercel.core.jit import Floats
from tercel.core.stats import Estimate, mean_interval
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.tuning.cma import CmaEs
from tercel.lab.tuning.parameter_search import (
    Arena,
    TuningScore,
    score_costs,
    score_strategies,
)

# Tuning episodes of every trial: one batch of markets.
EPISODES = 256
# One in so many trials is spread over the bounds; first steps from the best of them, as a share of the bounds.
SPREAD = 3
STEP = 0.15

Parameters = Mapping[str, Any]
Bounds = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Trial:
    """A set of parameters and its cost on the tuning episodes."""

    parameters: Parameters
    score: TuningScore


def check_bounds(params: Any) -> Bounds:
    """The bounds (low, high) of parameters by name, as given, whole numbers or floats.

    Raises
    ------
    ConfigError
        No parameter, or one without two finite numbers in rising order.
    """
    given = params if isinstance(params, Mapping) and params else {"every parameter": params}
    for name, pair in given.items():
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2 and all(map(is_number, pair))
        refuse_if(
            not isinstance(name, str) or not is_pair or not pair[0] < pair[1],
            f"bounds (low, high) of {name}, finite, the low one first",
            repr(pair),
            'such as params={"slack": (0, 0.3), "wait": (1, 9)}; a choice is a range of whole numbers',
        )
    return given


def is_number(value: object) -> bool:
    """Whether a value is a finite number, up to 1e300 either way; a bool is none."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return False
    return bool(-1e300 < value < 1e300)


def search_bounds(
    arena: Arena,
    make: Callable[[Parameters], Strategy],
    bounds: Bounds,
    start: Parameters,
    trials: int,
    episodes: int,
    seed: int,
) -> Iterator[list[Trial]]:
    """Try sets of parameters within bounds; yields the trials of each generation.

    Parameters
    ----------
    arena : Arena
    make : callable
        Parameters -> a strategy.
    bounds : mapping of name to (low, high)
        Of a parameter with whole bounds whole numbers are tried, of others floats of six digits.
    start : mapping of name to value
        The first set, which may lie outside.
    trials : int
        Number of sets, 2 or more.
    episodes : int
        Number of tuning episodes; 0: `EPISODES`.
    seed : int
    """
    plan = arena.sample(0, episodes or EPISODES)
    low, high = np.array(list(bounds.values()), np.float64).T

    def try_points(points: Floats, first: Sequence[Parameters] = ()) -> list[Trial]:
        """Trials of the sets `first`, then of those at points, float64 (n, d)."""
        sets = [
            *first,
            *(
                {
                    name: value_between(bounds[name], at)
                    for name, at in zip(bounds, row, strict=True)
                }
                for row in points.tolist()
            ),
        ]
        scores = score_strategies(arena, plan, [make(parameters) for parameters in sets])
        return [Trial(*pair) for pair in zip(sets, scores, strict=True)]

    rng = np.random.default_rng((seed, len(bounds)))
    count = min(max(trials // SPREAD, 1), trials - 1)
    strata = rng.permuted(np.tile(np.arange(count), (len(bounds), 1)), axis=1).T
    found = try_points(low + (high - low) * (strata + rng.random(strata.shape)) / count, [start])
    yield found
    best = min(found, key=lambda trial: trial.score.bps).parameters
    tuner = CmaEs(np.clip([*best.values()], low, high), STEP * (high - low), rng)
    for tried in range(len(found), trials, tuner.population):
        candidates = np.clip(tuner.ask(), low, high)
        found = try_points(candidates[: trials - tried])
        yield found
        if len(found) == tuner.population:
            tuner.tell(candidates, [trial.score.bps for trial in found])


def value_between(pair: tuple[float, float], at: float) -> float:
    """Value to try at a point between bounds: the nearest whole number between whole ones, else six digits."""
    if isinstance(pair[0], int) and isinstance(pair[1], int):
        return round(at)
    return min(max(float(f"{at:.6g}"), pair[0]), pair[1])


def gain_on_start(
    arena: Arena, found: Strategy, start: Strategy
) -> tuple[TuningScore, TuningScore, Estimate]:
    """Costs of a strategy and of the start on the validation episodes, and what it saves, bps, with a 95 % interval."""
    plan = arena.validation
    costs = run_strategies(arena.source, arena.task, plan, [found, start], run_out=False)
    own, others = (score_costs(strategy_costs, plan) for strategy_costs in costs)
    rng = np.random.default_rng(len(plan))
    return own[1], others[1], mean_interval(others[0] - own[0], plan.cluster, rng)
