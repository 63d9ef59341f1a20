"""Leave out episodes in which an order found no room in the market's arrays, and rule-based strategies with too many.

A market holds a fixed number of orders. An episode in which an order, own or public, found no place is not that
market any more and cannot be judged. Up to `MAX_OVERFLOW_SHARE` of a scenario's episodes are left out for all
candidates alike, so that all are judged on the same ones, and counted in a note. A rule with more is left out of
every scenario instead: leaving out that many would select episodes by what one rule did. A policy with more is an
error.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from tercel.core.errors import CapacityError
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.cost_store import CostStore
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts

MAX_OVERFLOW_SHARE: Final = 0.02
"""Share of a scenario's episodes that may be left out."""


def without_overflow(store: CostStore) -> CostStore:
    """The evaluation without rules that overflow too often and without overflowed episodes; notes that count them may
    be appended to the argument's own list. CapacityError for such a policy.

    Raises
    ------
    CapacityError
        A policy to which that happens in more than `MAX_OVERFLOW_SHARE` of a scenario's episodes.
    ConfigError
        None is left that could be the best rule.
    """
    excluded = overflowing_rules(store.scenarios, store.baselines)
    if excluded:
        store = store.without(excluded, list(excluded.values()))
    notes: list[str] = []

    def change(judged: ScenarioCosts) -> ScenarioCosts:
        """Remove overflowed episodes from a scenario and collect its notes."""
        complete, notes_here = without_overflowed_episodes(judged)
        notes.extend(notes_here)
        return complete

    store = store.map_scenarios(change)
    store.notes.extend(notes)
    return store


def overflowing_rules(
    scenarios: Iterable[ScenarioCosts], baselines: Sequence[Candidate]
) -> dict[str, str]:
    """Rules with too many overflowed episodes, each with a sentence that says in which scenario."""
    sentences: dict[str, str] = {}
    for judged in scenarios:
        for rule in baselines:
            costs = judged.costs.get(rule.key)
            if (
                rule.key in sentences
                or costs is None
                or (costs.overflow > 0).mean() <= MAX_OVERFLOW_SHARE
            ):
                continue
            extent = f"{int((costs.overflow > 0).sum())} of {len(costs)} episodes of {judged.scenario.name}"
            sentences[rule.key] = f"{rule.key} is left out: capacity overflow in {extent}"
    return sentences


def without_overflowed_episodes(judged: ScenarioCosts) -> tuple[ScenarioCosts, list[str]]:
    """Results of a scenario without the episodes in which any order overflowed, and notes that count them;
    CapacityError above `MAX_OVERFLOW_SHARE`.

    Raises
    ------
    CapacityError
        Somebody to whom that happens in more than `MAX_OVERFLOW_SHARE` of them.
    """
    overflowed_by_key = {
        key: costs.overflow > 0 for key, costs in judged.costs.items() if costs.overflow.any()
    }
    if not overflowed_by_key:
        return judged, []
    for key, rows in overflowed_by_key.items():
        if rows.mean() > MAX_OVERFLOW_SHARE:
            raise CapacityError(
                "episodes without capacity overflow",
                f"{int(rows.sum())} of {len(rows)} for {key} in {judged.scenario.name}",
                "a strategy that keeps so many orders alive cannot be judged here",
            )
    overflowed = np.logical_or.reduce(list(overflowed_by_key.values()))
    note = (
        f"{judged.scenario.name}: {int(overflowed.sum())} of {len(overflowed)} episodes are left out for everybody: capacity "
        f"overflow ({', '.join(overflowed_by_key)})"
    )
    return judged.select(~overflowed), [note]
