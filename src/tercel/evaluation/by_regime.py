"""Costs by the regime that was in force: the ground truth of each episode beside the judged table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tercel.evaluation.judge import Entry
from tercel.execution.costs import BPS
from tercel.market.regimes.truth import InForce
from tercel.stats import mean_interval

FEW = 10
"""Episodes below which a regime's row is not given."""


def by_regime(entries: Sequence[Entry], truth: InForce, rng: np.random.Generator) -> dict[str, Any]:
    """Episodes grouped by the regime that was in force longest between arrival and horizon.

    Returns
    -------
    dict
        Regime -> `episodes`, `share_of_time` (over all episodes), `is_bps` (strategy -> interval, over the regime's
        episodes; None under 10 of them). Runs of several training seeds are averaged by episode.
    """
    share = truth.seconds.sum(axis=0) / truth.seconds.sum()
    found: dict[str, Any] = {}
    for number in np.flatnonzero(share > 0).tolist():
        rows = np.flatnonzero(truth.most == number)
        said: dict[str, Any] | None = None
        if len(rows) >= FEW:
            said = {}
            for entry in entries:
                costs = np.mean([run.shortfall / run.denominator * BPS for run in entry.runs], axis=0)
                said[entry.name] = mean_interval(costs[rows], entry.runs[0].cluster[rows], rng).to_json()
        found[truth.names[number]] = {"episodes": len(rows), "share_of_time": float(share[number]), "is_bps": said}
    return found


def in_words(found: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """A sentence for each regime: how often, and what some strategies cost in it."""
    said, total = [], sum(row["episodes"] for row in found.values())
    for regime, row in found.items():
        line = (
            f"Regime {regime}: {row['share_of_time']:.0%} of the time, longest in {row['episodes']} of {total} episodes"
        )
        if row["is_bps"] is not None:
            told = [f"{name} {row['is_bps'][name]['mean']:.2f}" for name in names if name in row["is_bps"]]
            line += f"; shortfall there, bps: {', '.join(told)}"
        said.append(line + ".")
    return said
