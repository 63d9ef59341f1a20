"""``python -m studies ways``: the router beside its oracle, each way alone and a placebo, by regime and size of the order.

The oracle knows the dealers of a seed, from requests that cost nothing. The placebo is the router with what it knows of
one dealer said of another. What is finished is kept, a file for each regime, size and seed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel import Market, Task
from tercel.cli import print_json, print_table, say
from tercel.core.stats import clustered_se
from tercel.execution.outside import WAITS_S, Terms
from tercel.execution.routing import BLOCK, BOOK, RFQ, SPLIT, Knowledge, Routed
from tercel.lab.evaluation import seeded_plan
from tercel.lab.evaluation.market import BuiltMarket, build_market
from tercel.lab.evaluation.routing import (
    book_rule,
    learn_knowledge,
    prior_knowledge,
    run_strategies_outside,
    units_of,
)
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.dealers.requests import State, request

ONE_WAY = (BOOK, RFQ, BLOCK)
BATCH = 256
REQUESTS = 4_096
"""From which the oracle knows dealers."""
MOST_ABOVE = 0.05
"""Of the oracle's cost."""
HEADINGS = (
    "regime", "size", "units", "routed", "oracle", "beyond the oracle", "of it", "best way", "its cost", "beyond the best",
    "placebo beyond", "way taken", "holds",
)  # fmt: skip


def informed_by_dealers(built: BuiltMarket, seed: int) -> Knowledge:
    """Knowledge of the true dealers of a seed, from requests of the order's sizes: the oracle of a router."""
    terms: Terms = built.judged.outside
    panel = terms.dealers(seed)
    base = prior_knowledge(built)
    known = replace(
        Knowledge.prior(replace(terms, panel=panel), base.base),
        crosses=base.crosses,
        usual=base.usual,
        rests=base.rests,
        follows=base.follows,
    )
    rng = np.random.default_rng((seed, 19))
    asked = rng.random((REQUESTS, len(panel))).argsort(axis=1) < 5
    size = rng.choice([SPLIT, 1.0], REQUESTS) * units_of(built)
    state = State.draw(panel, REQUESTS, rng)
    found = request(panel, state, rng.choice([-1, 1], REQUESTS), size, asked, rng)
    known = known.update_quotes(size, asked, found.answers.distance)
    in_time = -np.expm1(-WAITS_S / panel.answer_s)
    return replace(known, replies=panel.answers * in_time * known.requests)


@dataclass(frozen=True)
class WaysCell:
    """Orders of one size in one regime, over the dealers of all seeds: costs, bps, and paired differences with standard errors.

    The errors are those of pairs of orders; `by_seed` are the differences to the oracle that each seed's dealers made.
    """

    regime: str
    share: float
    units: float
    costs: dict[str, float]
    more_than_oracle: tuple[float, float]
    more_than_best: tuple[float, float]
    placebo_more: tuple[float, float]
    by_seed: dict[str, float]
    ways: dict[str, str]

    @property
    def best(self) -> str:
        """The cheapest of the ways alone."""
        return min(ONE_WAY, key=lambda name: self.costs[name])

    @property
    def above(self) -> float:
        """Cost beyond the oracle's, as a share of it."""
        return self.more_than_oracle[0] / self.costs["oracle"]

    @property
    def holds(self) -> tuple[bool, bool]:
        """Whether it is within 5 % of the oracle, and not more expensive than the best way by more than two standard errors."""
        dearer, error = self.more_than_best
        return self.above <= MOST_ABOVE, dearer <= 2.0 * error


def run(
    market: str,
    regimes: Sequence[str],
    shares: Sequence[float],
    seeds: Sequence[int],
    episodes: int,
    out: Path,
    as_json: bool,
) -> None:
    """Print a row a regime and size."""
    cells = []
    for regime in regimes:
        for share in shares:
            scenario = Scenario(
                Market(market, regimes=regime, dealers="drawn"),
                Task(share=share),
                name="ways",
                seeds=tuple(seeds),
                episodes=len(seeds),
            )
            built: BuiltMarket | None = None
            for seed in seeds:
                file = out / f"{market}-{regime}-{share:g}-{seed}-{episodes}.json"
                if not file.exists():
                    built = built or build_market(scenario)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    part = file.with_suffix(".part")
                    part.write_text(json.dumps(judged(built, seed, episodes)), encoding="utf-8")
                    part.replace(file)
                    say(f"{regime}, {100 * share:g} %, seed {seed}: done")
            found = {
                str(seed): json.loads(
                    (out / f"{market}-{regime}-{share:g}-{seed}-{episodes}.json").read_text("utf-8")
                )
                for seed in seeds
            }
            cells.append(cell(regime, share, found))
    if as_json:
        print_json(
            {"cells": [asdict(one) | {"best": one.best, "holds": one.holds} for one in cells]}
        )
        return
    print_table(f"the router in {market}, bps (s.e.)", HEADINGS, [_row(one) for one in cells])
    within, not_above = (sum(one.holds[part] for one in cells) for part in (0, 1))
    say(
        f"within 5 % of the oracle: {within} of {len(cells)}; not more expensive than the best way: {not_above}"
    )


def judged(built: BuiltMarket, seed: int, episodes: int) -> dict[str, Any]:
    """What each costs on the same orders with the dealers of a seed, and the way that each takes."""
    known, oracle = learn_knowledge(built, seed), informed_by_dealers(built, seed)
    rule = book_rule(built)
    routers = {
        "routed": Routed(rule, known),
        "oracle": Routed(rule, oracle),
        "placebo": Routed(rule, shuffled(known, seed)),
        **{name: Routed(rule, known, name) for name in ONE_WAY},
    }
    plan = seeded_plan(built.task, int(built.plan.rows[0, 3]), seed, 0, episodes)
    parts = [
        [
            bps
            for bps, _ in run_strategies_outside(
                built.judged, built, plan.take(slice(first, first + BATCH)), list(routers.values())
            )
        ]
        for first in range(0, episodes, BATCH)
    ]
    units = units_of(built)
    return {
        "units": units,
        "cluster": plan.cluster.tolist(),
        "costs": {
            name: np.concatenate([part[number] for part in parts]).round(4).tolist()
            for number, name in enumerate(routers)
        },
        "ways": {name: asdict(one.routes(units)[0]) | {"name": one.routes(units)[0].route.name} for name, one in routers.items()},
    }  # fmt: skip


def shuffled(known: Knowledge, seed: int) -> Knowledge:
    """The same said of other dealers."""
    count = len(known.weight)
    to = (np.arange(count) + np.random.default_rng((seed, 23)).integers(1, count)) % count
    names = ("weight", "shift", "noise", "asked", "answered")
    return replace(known, **{name: getattr(known, name)[to] for name in names})


def cell(regime: str, share: float, found: Mapping[str, Mapping[str, Any]]) -> WaysCell:
    """The seeds of a regime and size together."""
    names = next(iter(found.values()))["costs"]
    costs = {name: np.concatenate([one["costs"][name] for one in found.values()]) for name in names}
    clusters = np.concatenate(
        [1_000_000 * number + np.array(one["cluster"]) for number, one in enumerate(found.values())]
    )
    means = {name: float(one.mean()) for name, one in costs.items()}
    best = min(ONE_WAY, key=lambda name: means[name])

    def more(name: str, than: str) -> tuple[float, float]:
        difference: NDArray[np.float64] = costs[name] - costs[than]
        return float(difference.mean()), float(clustered_se(difference, clusters))

    return WaysCell(
        regime,
        share,
        next(iter(found.values()))["units"],
        means,
        more("routed", "oracle"),
        more("routed", best),
        more("placebo", "routed"),
        {
            seed: float(np.mean(one["costs"]["routed"]) - np.mean(one["costs"]["oracle"]))
            for seed, one in found.items()
        },
        {seed: one["ways"]["routed"]["name"] for seed, one in found.items()},
    )


def _row(one: WaysCell) -> tuple[str, ...]:
    def spelt(figure: tuple[float, float]) -> str:
        return f"{figure[0]:+.2f} ({figure[1]:.2f})"

    taken = max(set(one.ways.values()), key=list(one.ways.values()).count)
    return (
        one.regime,
        f"{100 * one.share:g} %",
        f"{one.units:.1f}",
        f"{one.costs['routed']:.2f}",
        f"{one.costs['oracle']:.2f}",
        spelt(one.more_than_oracle),
        f"{one.above:+.1%}",
        one.best,
        f"{one.costs[one.best]:.2f}",
        spelt(one.more_than_best),
        spelt(one.placebo_more),
        taken,
        "yes" if all(one.holds) else "no",
    )
