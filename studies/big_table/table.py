"""The big table: every strategy in every market and regime, comparisons corrected over all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

import tercel as tc
from tercel.core import Record, check_known, split_commas
from tercel.lab.evaluation import (
    SCHEDULES,
    Claim,
    Compared,
    ComparisonLedger,
    Scenario,
    ScheduleRatios,
    claim,
    ratios,
)
from tercel.lab.evaluation.pipeline import (
    PLAIN,
    Candidate,
    CostStore,
    Participants,
    ScenarioCell,
    ScenarioCosts,
    without_overflow,
)
from tercel.lab.evaluation.pipeline.analyses import SEED
from tercel.lab.evaluation.pipeline.experiment import scenarios_of as plain_scenarios
from tercel.market.flow import registry as presets
from tercel.market.regimes import NAMED


def regimes_of(text: str) -> list[str]:
    if text == "all":
        return list(NAMED)
    names = [] if text == "none" else split_commas(text)
    for name in names:
        check_known(name, NAMED, "all, none, or regimes among")
    return [PLAIN, *(name for name in names if name != PLAIN)]


def scenarios_of(
    markets: Sequence[str], regimes: Sequence[str], episodes: int, seeds: tuple[int, ...]
) -> dict[str, dict[str, Scenario]]:
    """Regime -> market -> scenario."""
    names = split_commas(",".join(markets)) or _all_markets()
    found = {
        regime: plain_scenarios(
            [tc.Market(name, regimes="" if regime == PLAIN else regime) for name in names],
            tc.Task(),
            seeds=seeds,
            episodes=episodes,
        )
        for regime in regimes
    }
    return {
        regime: {
            name: one if regime == PLAIN else replace(one, name=f"{name} {regime}")
            for name, one in row.items()
        }
        for regime, row in found.items()
    }


def _all_markets() -> list[str]:
    """Every shipped market that a day's order is traded in: those of published studies have tasks of their own."""
    return [name for name in presets.names() if presets.load(name).model != "cheridito_weiss"]


@dataclass(frozen=True)
class BigTable(Record):
    """Regime -> market -> cell, what is claimed of each row, and what a reader must know."""

    cells: Mapping[str, Mapping[str, ScenarioCell]]
    policies: list[str]
    recipes: Mapping[str, list[str]]
    baselines: list[str]
    claims: Mapping[str, Claim]
    schedules: Mapping[str, Mapping[str, ScheduleRatios]]
    comparisons: int
    notes: list[str]
    episodes: int
    seeds: list[int]


def result_of(
    results: Mapping[tuple[str, str], ScenarioCosts],
    field: Participants,
    baselines: Sequence[Candidate],
    episodes: int,
    seeds: Sequence[int],
) -> BigTable:
    """The table's figures from results by regime and market; comparisons are corrected over all of it."""
    ledger, rng = ComparisonLedger(), np.random.default_rng(SEED)
    by_regime = dict[str, dict[str, ScenarioCosts]]()
    for (regime, market), judged in results.items():
        by_regime.setdefault(regime, {})[market] = judged
    plain = by_regime.pop(PLAIN)
    regimes = {
        market: {regime: row[market] for regime, row in by_regime.items()} for market in plain
    }
    main = next(iter(plain.values()))
    evaluation = CostStore(
        field.policies, baselines, field.recipes, {"": main}, plain, regimes, (), list(field.notes)
    )
    evaluation = without_overflow(evaluation)
    found, schedules = (
        dict[str, dict[str, Compared]](),
        dict[str, dict[str, ScheduleRatios]](),
    )
    names = evaluation.reported_rows
    for market, judged in evaluation.markets.items():
        found.setdefault(PLAIN, {})[market] = evaluation.compare(judged, ledger, rng)
        wanted = [one for one in evaluation.entries_in(judged) if one.name in {*names, *SCHEDULES}]
        schedules[market] = ratios(wanted, None, rng)
    for regime in by_regime:
        row = {market: evaluation.regimes[market][regime] for market in plain}
        found[regime] = {
            market: evaluation.compare(judged, ledger, rng) for market, judged in row.items()
        }
    claims = {name: claim(name, found, evaluation.teams(name), ledger, rng) for name in names}
    comparisons = ledger.adjust() if ledger.exploratory else 0
    written = [one.key for one in evaluation.baselines if one.kind == "baseline"]
    return BigTable(
        {
            regime: {market: cell.with_cheapest(written) for market, (cell, _) in row.items()}
            for regime, row in found.items()
        },
        names,
        {name: list(members) for name, members in field.recipes.items()},
        [one.key for one in evaluation.baselines],
        claims,
        schedules,
        comparisons,
        list(dict.fromkeys(evaluation.notes)),
        episodes,
        list(seeds),
    )
