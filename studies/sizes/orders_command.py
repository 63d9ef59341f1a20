"""``python -m studies orders``: an agent on orders of any size, beside the cheapest of three plain rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

import tercel as tc
from tercel.cli import print_json, print_table, say
from tercel.core.stats import clustered_se, holm

RULES = ("twap_take", "popv", "twap_repeg")
SHARES = (0.005, 0.05, 0.2, 0.5, 1.0)
MOST_DEARER = 0.5
"""Bps beyond the cheapest rule that are allowed, two standard errors besides."""
WIDE = 0.02
"""A standard error above this part of the cost, and above `MOST_DEARER`, tells nothing."""
LEVEL = 0.05
HELD, MISSED, OPEN = "held", "missed", "too few episodes"
MARKS = {HELD: "", MISSED: " *", OPEN: " ?"}


@dataclass(frozen=True)
class Cell:
    """Orders of one size and length in a market: cost of the agent and of the cheapest rule, bps."""

    market: str
    horizon: str
    share: float
    cost: float
    rule: str
    rule_cost: float
    dearer: float
    se: float
    without_room: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What the cell says of the bar."""
        if not self.se <= max(MOST_DEARER, WIDE * self.cost):
            return OPEN
        return HELD if self.dearer <= MOST_DEARER + 2 * self.se else MISSED


def run(
    agent: str, markets: Sequence[str], horizons: Sequence[str], episodes: int, out: Path | None, seed: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Print a row a length and market, and how many cells hold."""
    rows: dict[tuple[str, str], list[Cell]] = {}
    for market in markets:
        for horizon in horizons:
            rows[market, horizon] = list(_row(agent, market, horizon, episodes, out, seed))
            say(f"{market}, {horizon}: done")
    cells = [one for row in rows.values() for one in row]
    p = dearer(cells)
    if as_json:
        told = [
            asdict(one) | {"verdict": one.verdict, "p_holm": value}
            for one, value in zip(cells, p, strict=True)
        ]
        print_json({"cells": told})
        return
    title = f"{agent} less the cheapest of {', '.join(RULES)}, bps (s.e.), by share of the volume to come"
    shown = [
        (*key, *(f"{one.dearer:+.2f} ({one.se:.2f}){MARKS[one.verdict]}" for one in row))
        for key, row in rows.items()
    ]
    print_table(title, ("market", "length", *(f"{100 * share:g} %" for share in SHARES)), shown)
    for line in sentences(cells, p):
        say(line)


def _row(
    agent: str, market: str, horizon: str, episodes: int, out: Path | None, seed: int
) -> Iterator[Cell]:
    """Every share of one length; `out` keeps what is finished."""
    arena = tc.load_market(market)
    for share in SHARES:
        folder = None if out is None else out / f"{market}-{horizon}-{share:g}"
        task = tc.Task(share=share, horizon=horizon)
        found = tc.evaluate(
            [agent, *RULES], arena, task, episodes=episodes, seed=seed, out=folder
        ).store
        assert found is not None
        scores = found.scores(found.main)
        yield cell(market, horizon, share, agent, scores.bps, scores.cluster)


def cell(
    market: str,
    horizon: str,
    share: float,
    agent: str,
    bps: Mapping[str, ArrayLike],
    clusters: ArrayLike,
) -> Cell:
    """The agent beside the rule that is cheapest on the same episodes, which flatters the rule."""
    means = {name: float(np.asarray(bps[name], float).mean()) for name in RULES if name in bps}
    rule = min(means, key=lambda name: means[name])
    more = np.atleast_2d(np.subtract(bps[agent], bps[rule])).mean(axis=0)
    se = clustered_se(more, clusters)
    without_room = tuple(name for name in RULES if name not in bps)
    own = float(np.asarray(bps[agent], float).mean())
    return Cell(
        market, horizon, share, own, rule, means[rule], float(more.mean()), float(se), without_room
    )


def dearer(cells: Sequence[Cell]) -> list[float]:
    """p that the agent is dearer by no more than is allowed, one-sided, Holm over all cells."""
    z = [(one.dearer - MOST_DEARER) / one.se if one.se > 0 else -np.inf for one in cells]
    return [float(p) for p in holm([1.0 - NormalDist().cdf(value) for value in z])]


def sentences(cells: Sequence[Cell], p: Sequence[float]) -> list[str]:
    """What the table says."""
    count = {verdict: sum(one.verdict == verdict for one in cells) for verdict in MARKS}
    said = [
        f"{count[HELD]} of {len(cells)} cells hold: at most {MOST_DEARER} bps and two standard errors more.",
        f"{count[MISSED]} do not (*); {count[OPEN]} have a standard error too wide to say (?).",
    ]
    if worse := [one for one, value in zip(cells, p, strict=True) if value < LEVEL]:
        named = ", ".join(f"{one.market} {one.horizon} {100 * one.share:g} %" for one in worse)
        said.append(
            f"More expensive by over {MOST_DEARER} bps after the correction (Holm): {named}."
        )
    if no_room := sorted({f"{name} in {one.market}" for one in cells for name in one.without_room}):
        said.append(
            f"Left out where it sends more orders at once than there is room for: {', '.join(no_room)}."
        )
    return said
