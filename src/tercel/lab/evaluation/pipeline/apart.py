"""What each part of a strategy is worth: the same episodes with and without it (`execution.policies.strategy`)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.report.tables import spelt
from tercel.core.stats import Estimate
from tercel.execution.costs import Costs
from tercel.execution.policies.strategy import LEARNED, PARTS, PLACEBO
from tercel.lab.evaluation.comparisons import ResampledScores, Scores
from tercel.lab.evaluation.market import JobMarket
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.families import Participants
from tercel.lab.evaluation.pipeline.jobs import JobRunner, Results, run_jobs
from tercel.lab.evaluation.pipeline.scenarios import build_scenario
from tercel.lab.evaluation.placebo import placebo_plan

Worth = Mapping[str, Estimate | None]
"""Part -> what it saves, bps; None where the strategy has none."""
HEADINGS = ("part", "what it is", "saves, bps")
KNOWS = "learned_less_placebo"
"""What is learned less its placebo: what strategies save by what forecasts know."""
SAID = {**PARTS, KNOWS: "what network and forecast save beyond that"}
SEED = 20_232


def members_apart(participants: Participants, baselines: Sequence[Candidate]) -> list[Candidate]:
    """The policies behind the one row that is taken apart: a policy, a family, or a single written strategy.

    Raises
    ------
    ConfigError
        Several rows, or none.
    """
    rows = list(_rows(participants).values()) or [[one] for one in baselines]
    if len(rows) != 1:
        raise ConfigError(
            "one policy, family or strategy to take apart",
            ", ".join(row[0].key for row in rows) or "none",
            "name one alone",
        )
    return rows[0]


def _rows(participants: Participants) -> dict[str, list[Candidate]]:
    """Row -> the policies behind it: training seeds of a recipe, or one that belongs to none."""
    inside = {member for recipe in participants.recipes for member in recipe.members}
    return {
        recipe.key: [one for one in participants.policies if one.key in recipe.members]
        for recipe in participants.recipes
    } | {one.key: [one] for one in participants.policies if one.key not in inside}


def _lacking(members: Sequence[Candidate], part: str, market: JobMarket) -> list[Candidate]:
    """The members without a part; none where one of them has none."""
    if any(one.without(part, market) is None for one in members):
        return []
    return [replace(one, key=f"{one.key} without {part}", lacks=part) for one in members]


def taken_apart(
    members: Sequence[Candidate],
    judged: Results,
    out: Path,
    elsewhere: JobRunner | None = None,
    here: bool = False,
) -> Worth:
    """What each part of a strategy, mean over its training seeds, saves in a scenario that was judged.

    What listens to forecasts is told those of other episodes too (`placebo`): the placebo saves so much of a strategy
    that has nothing learned, and the last row is what is learned less that.

    Parameters
    ----------
    members : sequence of Candidate
        Those of one row.
    judged : Results
        With the costs of all of them.
    out : Path
        Folder of the evaluation.
    elsewhere, here
        As of :func:`run.run_jobs`.
    """
    built = build_scenario(judged.scenario)
    members = [one for one in members if one.key in judged.costs]
    reduced = {part: _lacking(members, part, built.market) for part in PARTS}
    if placebo_plan(built.plan) is None:
        reduced[PLACEBO] = []
    work = {part: (judged.scenario, row, False) for part, row in reduced.items() if row}
    found = run_jobs(work, out, "take it apart", elsewhere, here)
    rng = np.random.default_rng(SEED)
    whole = {one.key: judged.costs[one.key] for one in members}
    costs = {part: _kept(one, judged) for part, one in found.items()}
    alone = [part for part in PARTS if part != PLACEBO]
    worth = {part: _saved(costs[part], whole, rng) if part in costs else None for part in alone}
    told = costs.get(PLACEBO)
    return worth | {
        PLACEBO: None if told is None else _saved(costs[LEARNED], told, rng),
        KNOWS: None if told is None else _saved(told, whole, rng),
    }


def _kept(found: Results, judged: Results) -> dict[str, Costs]:
    """Costs of the episodes that were judged: of the plan's those in which all orders found room."""
    if judged.plan_rows is None:
        return found.costs
    return {key: one.select(judged.plan_rows) for key, one in found.costs.items()}


def _saved(
    without: Mapping[str, Costs], those: Mapping[str, Costs], rng: np.random.Generator
) -> Estimate:
    """Costs of some less costs of others, pair by pair, over the episodes in which all orders found room."""
    everyone = {**without, **those}
    complete = np.logical_and.reduce([costs.overflow == 0 for costs in everyone.values()])
    scores = Scores.of(
        {key: costs.select(complete) for key, costs in everyone.items()},
        {"with": list(those), "without": list(without)},
    )
    gain = Scores({"gain": scores.bps["without"] - scores.bps["with"]}, scores.cluster)
    return ResampledScores.of(gain, rng).replicates(rng)["gain"].estimate()


def rows(worth: Worth) -> list[tuple[str, str, str]]:
    """Rows of the table; see `HEADINGS`."""
    return [
        (part, SAID[part], "it has none" if saves is None else spelt(saves, "+"))
        for part, saves in worth.items()
    ]
