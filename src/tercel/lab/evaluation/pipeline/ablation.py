"""Ablation: how much cost each part of a strategy saves, by runs of the strategy without that part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.stats import Estimate
from tercel.execution.costs import Costs
from tercel.execution.policies.parts import LEARNED, PARTS, PLACEBO
from tercel.lab.evaluation.comparisons import ResampledScores, Scores
from tercel.lab.evaluation.market import BuiltMarket, cached_market
from tercel.lab.evaluation.pipeline.analysis_tables import KNOWS
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.participants import Participants
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts, Work, run_jobs
from tercel.lab.evaluation.windows import placebo_plan

ABLATION_SEED = 20_232
WorkRunner = Callable[[Mapping[str, Work], Path, str], dict[str, ScenarioCosts]]
"""Runs missing jobs in a folder, with a label for the bar, and reads all costs."""


def members_to_ablate(participants: Participants) -> list[Candidate]:
    """Policies of the one row that is ablated (a policy, the members of a family, or a single rule); ConfigError unless
    there is exactly one.

    Raises
    ------
    ConfigError
        Several rows, or none.
    """
    policies = participants.policies
    recipes = participants.recipes
    recipe_members = {member for members in recipes.values() for member in members}
    rows = {
        name: [policy for policy in policies if policy.key in members]
        for name, members in recipes.items()
    } | {policy.key: [policy] for policy in policies if policy.key not in recipe_members}
    groups = list(rows.values()) or [[rule] for rule in participants.baselines]
    if len(groups) != 1:
        raise ConfigError(
            "one policy, family or strategy to take apart",
            ", ".join(row[0].key for row in groups) or "none",
            "name one alone",
        )
    return groups[0]


def _without_part(members: Sequence[Candidate], part: str, market: BuiltMarket) -> list[Candidate]:
    """Members of a row without a part of their strategy; empty if one of them does not have the part."""
    if any(member.without(part, market) is None for member in members):
        return []
    return [replace(member, key=f"{member.key} without {part}", lacks=part) for member in members]


def ablation_savings(
    members: Sequence[Candidate],
    judged: ScenarioCosts,
    out_dir: Path,
    run_work: WorkRunner = run_jobs,
) -> Mapping[str, Estimate | None]:
    """Run a judged scenario without each part of a strategy: cost that the part saves, bps, the placebo's too; None for
    a part that the strategy lacks.

    A strategy that reads forecasts is also run with those of other episodes (`placebo`): the placebo's saving is against
    the strategy without anything learned, and the last row is the saving of the learned parts less that.

    Parameters
    ----------
    members : sequence of Candidate
        Those of one row.
    judged : ScenarioCosts
        With the costs of all of them.
    out_dir : Path
        Folder of the evaluation.
    run_work : callable
        Runs jobs as :func:`scenario_costs.run_jobs` does.
    """
    built = cached_market(judged.scenario)
    members = [member for member in members if member.key in judged.costs]
    reduced = {part: _without_part(members, part, built) for part in PARTS}
    if placebo_plan(built.plan) is None:
        reduced[PLACEBO] = []
    work = {part: (judged.scenario, row, False) for part, row in reduced.items() if row}
    job_results = run_work(work, out_dir, "take it apart")
    rng = np.random.default_rng(ABLATION_SEED)
    full_costs = {member.key: judged.costs[member.key] for member in members}
    rows = judged.plan_rows  # episodes in which all orders found room
    costs = {
        part: {
            key: cost if rows is None else cost.select(rows) for key, cost in results.costs.items()
        }
        for part, results in job_results.items()
    }
    parts = [part for part in PARTS if part != PLACEBO]
    savings = {
        part: _saving(costs[part], full_costs, rng) if part in costs else None for part in parts
    }
    placebo = costs.get(PLACEBO)
    return savings | {
        PLACEBO: None if placebo is None else _saving(costs[LEARNED], placebo, rng),
        KNOWS: None if placebo is None else _saving(placebo, full_costs, rng),
    }


def _saving(
    without_part: Mapping[str, Costs], with_part: Mapping[str, Costs], rng: np.random.Generator
) -> Estimate:
    """Mean cost of runs without a part less that of the runs with the part, bps, paired by episode."""
    runs = {**without_part, **with_part}
    complete = np.logical_and.reduce([costs.overflow == 0 for costs in runs.values()])
    scores = Scores.of(
        {key: costs.select(complete) for key, costs in runs.items()},
        {"with": list(with_part), "without": list(without_part)},
    )
    gain = Scores({"gain": scores.bps["without"] - scores.bps["with"]}, scores.cluster)
    return ResampledScores.of(gain, rng).replicates(rng)["gain"].estimate()
