"""An ablation judged: the policies of all variants and the written rule on the very same fresh episodes.

Differences are variant minus recipe, in bps of the order's value: above 0 the variant is more expensive: what it takes away
has paid, what it adds has cost. Their intervals draw training seeds and clusters of episodes, both
(`evaluation.comparisons`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from studies.ablation.trainings import Run
from studies.ablation.variants import WHOLE, Variant
from tercel.core.stats import PairedGain, Replicates, average_over_seeds, intervals, moments_of_cvar
from tercel.execution import Strategy, attribute
from tercel.execution.strategies import build
from tercel.lab.evaluation import (
    BuiltMarket,
    ComparisonLedger,
    ResampledScores,
    Scenario,
    Scores,
    detectable,
)
from tercel.lab.evaluation.pipeline import Candidate, ScenarioCosts, refuse_leaks, run_jobs
from tercel.lab.learning.agent import AgentConfig
from tercel.lab.learning.agent.policy_parts import action_parameters, rule_name

RULE: Final = "the rule"
SEED: Final = 20_260_801
FALSE_SHARE: Final = 0.05
"""Adjusted p below which a difference is called."""
TAIL: Final = 0.05
LONGEST: Final = 200
"""Letters of a name on disk that spells out a rule's parameters."""
ROUNDING: Final = 1e-9
"""Differences in bps that are none: the same fills, their costs added up in another order."""


@dataclass(frozen=True)
class AblationRule(Candidate):
    """The written rule that a recipe stands beside, with the parameters that it has there."""

    base: str = ""
    parameters: tuple[tuple[str, float], ...] = ()

    def strategy(self, market: BuiltMarket) -> Strategy:
        """The rule, with what it may know of this market."""
        return build(self.base, market.estimates, dict(self.parameters) or None)

    def fingerprint(self, market: str) -> str:
        """Name of its results on disk; of many parameters their hash, since a file name holds 255 bytes."""
        plain = Candidate(self.base).fingerprint(market)
        spelt = plain + "".join(f"-{name}-{value:g}" for name, value in self.parameters)
        if len(spelt) <= LONGEST:
            return spelt
        return f"{plain}-{hashlib.sha256(repr(self.parameters).encode()).hexdigest()[:12]}"


def rule_candidate(recipe: AgentConfig) -> AblationRule:
    """The written strategy that stands beside a recipe's policy; see `agent_policy.rule_of`."""
    values = action_parameters(recipe)
    base = recipe.validation.rule or values.get("base", "peg_behind")
    parameters = tuple(sorted(values["parameters"].items())) if base == values.get("base") else ()
    return AblationRule(RULE, "", base, parameters)


def scenarios_of(recipe: AgentConfig, seeds: Sequence[int], episodes: int) -> list[Scenario]:
    """Where a recipe's variants are judged: its own markets and regimes, at its plain task."""
    task = recipe.task.task
    return [
        Scenario(
            one,
            task,
            name=f"{one.name} {one.regimes}".strip(),
            seeds=tuple(seeds),
            episodes=episodes,
        )
        for one in recipe.market.markets
    ]


def judged(
    recipe: AgentConfig,
    variants: Sequence[Variant],
    runs: Mapping[str, Sequence[Run]],
    seeds: Sequence[int],
    episodes: int,
    out: Path,
) -> dict[str, Any]:
    """Judge what is not judged yet, and compare.

    Parameters
    ----------
    recipe : AgentConfig
    variants : sequence of Variant
        The recipe itself first; all of them trained.
    runs : mapping of name to the variant's trainings
    seeds : sequence of int
        Base seeds of the judged episodes.
    episodes : int
        In each of the recipe's markets.
    out : Path
        Cells lie in `cells` in it.

    Returns
    -------
    dict
        `rows`: for the rule, the recipe and each variant, what :func:`_row` says.
    """
    scenarios, rule = scenarios_of(recipe, seeds, episodes), rule_candidate(recipe)
    members = {
        one.name: [
            Candidate(f"{one.name}-{run.seed}", str(run.folder / one.judge))
            for run in runs[one.name]
        ]
        for one in variants
    }
    policies = [policy for row in members.values() for policy in row]
    notes = refuse_leaks(policies, scenarios)
    work = {scenario.name: (scenario, [rule, *policies], False) for scenario in scenarios}
    results = run_jobs(work, out, "judge on fresh episodes")
    scores = _scores(list(results.values()), {RULE: [rule], **members})
    resampled = ResampledScores.of(scores, np.random.default_rng(SEED))
    means = resampled.replicates(np.random.default_rng((SEED, 1)))
    ledger, alone, rows = ComparisonLedger(), ComparisonLedger(), [_row(RULE, scores, means)]
    rows[0] |= {
        "says": f"The rule, {rule_name(recipe)}.",
        **_against(means[RULE] - means[WHOLE], alone),
    }
    for one in variants:
        row = {
            **_row(one.name, scores, means),
            "says": one.says,
            "changes": dict(one.changes),
            "judged": one.judge,
        }
        row |= {
            "cpu_s": float(np.mean([run.cpu_s for run in runs[one.name]])),
            "frames": one.config.learner.frames,
        }
        if one.name != WHOLE:
            shared = runs[one.name][0].folder == runs[WHOLE][0].folder
            row |= _against(
                _beside(resampled, one.name) if shared else means[one.name] - means[WHOLE], ledger
            )
        rows.append(row)
    alone.adjust()
    compared = ledger.adjust() if ledger.exploratory else 0
    for row in rows:
        gain = row.get("difference_bps")
        row["called"] = _called(gain)
        if gain is not None:
            row["difference_bps"] = {**gain.to_json(), "p": row.pop("p")}
    return {
        "rows": rows,
        "compared": compared,
        "markets": list(work),
        "episodes": len(scores),
        "notes": notes,
    }


def _scores(results: Sequence[ScenarioCosts], members: Mapping[str, Sequence[Candidate]]) -> Scores:
    """Shortfalls over the episodes of all scenarios, a row for each training seed."""
    found, clusters, offset = [], [], 0
    for costs in (one.costs for one in results):
        found.append({key: attribute(one, None)["is_bps"] for key, one in costs.items()})
        clusters.append(costs[RULE].cluster + offset)
        offset = int(clusters[-1].max()) + 1
    bps = {
        name: np.stack([np.concatenate([part[one.key] for part in found]) for one in row])
        for name, row in members.items()
    }
    return Scores(bps, np.concatenate(clusters))


def _row(name: str, scores: Scores, means: Mapping[str, Replicates]) -> dict[str, Any]:
    """Mean shortfall with its interval, seed by seed, and the mean of the most expensive twentieth of the episodes."""
    table = scores.bps[name]
    tail = moments_of_cvar(table.ravel(), np.tile(scores.cluster, len(table)), TAIL)
    return {
        "name": name,
        "is_bps": means[name].estimate().to_json(),
        "by_seed_bps": [float(row.mean()) for row in table],
        "cvar95_bps": intervals(tail, np.random.default_rng((SEED, 2)))[0].to_json(),
    }


def _against(difference: Replicates, ledger: ComparisonLedger) -> dict[str, Any]:
    """The difference to the recipe, with what could have been told from none."""
    if max(abs(difference.point), float(np.abs(difference.draws).max())) < ROUNDING:
        difference = replace(difference, point=0.0, draws=np.zeros_like(difference.draws))
    gain = ledger.enter(difference)
    return {
        "difference_bps": gain,
        "detectable_bps": detectable(difference),
        "p": difference.p_value(),
    }


def _beside(resampled: ResampledScores, name: str) -> Replicates:
    """The difference to the recipe of another policy of the very same trainings: seeds are drawn for both at once."""
    points = resampled.points[name] - resampled.points[WHOLE]
    draws = resampled.draws[name] - resampled.draws[WHOLE]
    return average_over_seeds(points, draws, resampled.clusters, np.random.default_rng((SEED, 3)))


def _called(difference: PairedGain | None) -> str:
    """ "more expensive", "cheaper" or "open", after the correction; empty for the recipe itself."""
    if difference is None:
        return ""
    if difference.p_adjusted is None or difference.p_adjusted >= FALSE_SHARE:
        return "open"
    return "more expensive" if difference.mean > 0 else "cheaper"
