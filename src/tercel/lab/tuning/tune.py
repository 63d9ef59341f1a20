"""Tune the parameters of a rule on training episodes, and compare the result with the start on validation episodes.

The parameters found are accepted only if they beat the values that the search began from on validation episodes, which
are neither trained nor judged on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from tercel.core.errors import refuse_if
from tercel.core.records import Record
from tercel.execution import step as kernels
from tercel.execution.strategies import TUNABLE, tuned_values, wrap
from tercel.lab.evaluation.market import BuiltMarket, build_market
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.tuning.parameter_search import (
    Arena,
    TuningScore,
    episodes_for,
    score_strategies,
    search,
)

TUNING_SEED = -(2**33)
# Seeds of the episodes of tuning and of validation, which no training or evaluation uses.
VALIDATION_SEED = -(2**34)
VALIDATION_EPISODES = 1024
# Share of the recorded training days (or of the blocks of a single day) to tune on; the rest validates.
TRAINING_SHARE = 2 / 3
SAMPLED_WINDOWS = 512
# Number of new episodes in the final, as a multiple of the validation episodes.
FINAL_MULTIPLE = 4


@dataclass(frozen=True)
class TuningOutcome(Record):
    """Outcome of a tuning: the parameters found, with validation scores of these and of the start.

    A strategy that has nothing to tune has its validation alone.

    Parameters
    ----------
    parameters : dict of str to float
        The better ones on validation episodes: those found, or those begun from; empty without any.
    training_bps : float
        Mean shortfall of the last generations' candidates.
    training_episodes : int
    validation, begun_from : TuningScore
        Of `parameters`, and of the values that the search began from.
    training_overflowed : int
        Training episodes in which orders were lost.
    final : TuningScore
        Of finalists, on episodes of their own.
    """

    optional = (
        "parameters",
        "training_bps",
        "training_episodes",
        "begun_from",
        "training_overflowed",
        "final",
    )

    parameters: dict[str, float] = field(default_factory=dict)
    training_bps: float | None = None
    training_episodes: int | None = None
    validation: TuningScore = field(kw_only=True)
    begun_from: TuningScore | None = None
    training_overflowed: int | None = None
    final: TuningScore | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        """Sort key: finalists first, by their cost in the final."""
        return self.final is None, (self.final or self.validation).bps


@dataclass(frozen=True)
class TuningResult:
    """Content of a tuning's result file: parameters by strategy, and strategies without parameters."""

    market: str
    task: dict[str, Any]
    seed: int
    best: str
    strategies: dict[str, TuningOutcome]
    untuned: dict[str, TuningOutcome]


def tune(
    arena: Arena,
    name: str,
    episodes: int | None,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> TuningOutcome:
    """Search for a strategy's parameters; keeps them if no worse than the start in validation. `name` may end in +events."""
    rule, *wrappers = name.split("+")
    kind = TUNABLE[rule]
    result = search(arena, kind, episodes or episodes_for(kind), seed, progress, wrappers)
    start = {**kind.layout.generic, **tuned_values(name, arena.estimates.market)}
    strategies = [
        wrap(kind(values, arena.estimates), wrappers) for values in (result.parameters, start)
    ]
    found_score, start_score = score_strategies(arena, arena.validation, strategies)
    parameters, score = (
        (result.parameters, found_score)
        if (found_score.bps <= start_score.bps)
        else (start, start_score)
    )
    return TuningOutcome(
        parameters,
        result.training_bps,
        result.episodes,
        validation=score,
        begun_from=start_score,
        training_overflowed=result.overflowed,
    )


@dataclass(frozen=True)
class TuningSettings:
    """Settings that, with the strategy's name, determine the result of a tuning.

    Parameters
    ----------
    scenario : Scenario
        The market and the task.
    episodes : int
        Training episodes of each search; 0: by the number of parameters.
    validation_episodes : int
    seed : int
    """

    scenario: Scenario
    episodes: int = 0
    validation_episodes: int = VALIDATION_EPISODES
    seed: int = 1


@lru_cache(maxsize=1)
def arena_of(settings: TuningSettings) -> Arena:
    """Arena of the market that `settings` name (cached)."""
    task = settings.scenario.task
    seed = settings.seed
    # a small bank, which tuning does not start from
    market = build_market(replace(settings.scenario, seeds=(seed,)), quick=True)
    if settings.scenario.market.on_tape:
        return _arena_on_tape(settings, market)
    quantity = int(market.plan.rows[0, kernels.E_QUANTITY])
    return Arena(
        market.judged,
        task,
        lambda first, n: seeded_plan(task, quantity, TUNING_SEED - seed, first, n),
        seeded_plan(task, quantity, VALIDATION_SEED - seed, 0, settings.validation_episodes),
        seeded_plan(
            task,
            quantity,
            VALIDATION_SEED - seed,
            settings.validation_episodes,
            FINAL_MULTIPLE * settings.validation_episodes,
        ),
        market.estimates,
    )


def _arena_on_tape(settings: TuningSettings, market: BuiltMarket) -> Arena:
    """Arena of a tape: windows of earlier training days to tune on, of later ones to validate on, a gap between."""
    windows = market.sampler(settings.seed, 0, 4 * SAMPLED_WINDOWS)
    clusters = np.unique(windows.cluster)
    cut = round(TRAINING_SHARE * len(clusters))
    gap = 1 if settings.scenario.market.lake and len(clusters) > 2 else 0
    early = clusters[:cut]
    late = clusters[cut + gap :]
    refuse_if(
        not len(early) or not len(late),
        "training days, or half hours of one, to tune on and others to validate on",
        f"{len(clusters)} of them",
        "import more days",
    )

    def part(plan: Plan, selected: Any) -> Plan:
        """Episodes of a plan that lie in the selected clusters."""
        return plan.take(np.flatnonzero(np.isin(plan.cluster, selected)))

    training_windows = part(windows, early)

    def sample(first: int, n: int) -> Plan:
        """Draw `n` training windows, by a seed of (settings.seed, first)."""
        rng = np.random.default_rng((settings.seed, first))
        return training_windows.take(rng.integers(0, len(training_windows), n))

    held_out = part(windows, late)
    first = min(settings.validation_episodes, len(held_out) // 2)
    return Arena(
        market.training,
        settings.scenario.task,
        sample,
        held_out.take(slice(0, first)),
        held_out.take(slice(first, len(held_out))),
        market.estimates,
    )
