"""Episodes in which an order found no room: left out for everybody, or the strategy that keeps getting there left out.

A market holds a fixed number of orders; an episode in which one found no place, the strategy's own or somebody else's,
is not that market any more and cannot be judged. Such episodes are few (a market that runs away, a rule that spreads
over many queues on tape): up to `MOST` of a scenario's they are left out for everybody alike, so that all are judged
on the same ones, and counted in a note. A written strategy with more is left out of every scenario instead: leaving
out that many would judge everybody on episodes chosen by what one of them did. A policy with more is an error.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from tercel.core.errors import CapacityError
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.jobs import Results
from tercel.lab.evaluation.pipeline.results import Evaluation

MOST: Final = 0.02
"""Share of a scenario's episodes that may be left out."""


def without_overflow(evaluation: Evaluation) -> Evaluation:
    """An evaluation without episodes in which an order found no room, and notes that count them.

    Raises
    ------
    CapacityError
        A policy to which that happens in more than `MOST` of a scenario's episodes.
    ConfigError
        None is left that could be the best written strategy.
    """
    gone = overflowing(evaluation.scenarios, evaluation.baselines)
    if gone:
        evaluation = evaluation.without(gone, list(gone.values()))
    notes: list[str] = []

    def change(judged: Results) -> Results:
        complete, notes_here = without_overflowed(judged)
        notes.extend(notes_here)
        return complete

    evaluation = evaluation.changed(change)
    evaluation.notes.extend(notes)
    return evaluation


def overflowing(scenarios: Iterable[Results], baselines: Sequence[Candidate]) -> dict[str, str]:
    """Written strategies that are left out, each with a sentence that says where their orders found no room."""
    found: dict[str, str] = {}
    for judged in scenarios:
        for one in baselines:
            costs = judged.costs.get(one.key)
            if one.key in found or costs is None or (costs.overflow > 0).mean() <= MOST:
                continue
            where = f"{int((costs.overflow > 0).sum())} of {len(costs)} episodes of {judged.scenario.name}"
            found[one.key] = f"{one.key} is left out: capacity overflow in {where}"
    return found


def without_overflowed(judged: Results) -> tuple[Results, list[str]]:
    """A scenario without the episodes in which an order found no room, and a note for it if there were any.

    Raises
    ------
    CapacityError
        Somebody to whom that happens in more than `MOST` of them.
    """
    full = {key: costs.overflow > 0 for key, costs in judged.costs.items() if costs.overflow.any()}
    if not full:
        return judged, []
    for key, rows in full.items():
        if rows.mean() > MOST:
            raise CapacityError(
                "episodes without capacity overflow",
                f"{int(rows.sum())} of {len(rows)} for {key} in {judged.scenario.name}",
                "a strategy that keeps so many orders alive cannot be judged here",
            )
    out = np.logical_or.reduce(list(full.values()))
    note = (
        f"{judged.scenario.name}: {int(out.sum())} of {len(out)} episodes are left out for everybody: capacity "
        f"overflow ({', '.join(full)})"
    )
    return judged.select(~out), [note]
