"""``python -m studies learners``: what learners find from the weights that ship, on a symbol that they never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from studies.tape import flow, learners
from studies.tape.flow_command import POOLED, judged_of
from tercel.cli import print_json, print_table, say
from tercel.core import Estimate
from tercel.core.report import format_interval
from tercel.execution import Strategy
from tercel.execution.policies import PlaceboForecast, PolicyPort, PolicyStrategy
from tercel.execution.strategies import build
from tercel.lab.evaluation import BuiltMarket, Scores
from tercel.market.tape import Lake
from tercel.signals.flow.train import progress_steps

EARLIER = 2 / 3
"""Of the days of a symbol that is learned from; what is found must save on the later ones to be kept."""
PLACEBO = "{} placebo"
HEADINGS = ("learner", "left out", "over default", "over guarded", "over its placebo", "kept")


@dataclass(frozen=True, eq=False)
class Grounds:
    """Markets and forecasters, each made once.

    Parameters
    ----------
    days : mapping
        Of each symbol.
    homes : mapping of str to Lake
    folder : Path
        Of forecasters.
    seed : int
    made : dict
        Markets by symbol and bound.
    """

    days: flow.Days
    homes: Mapping[str, Lake]
    folder: Path
    seed: int
    made: dict[tuple[str, str], BuiltMarket] = field(default_factory=dict)

    def market(self, symbol: str, bound: str) -> BuiltMarket:
        """The judged orders of a symbol."""
        if (symbol, bound) not in self.made:
            self.made[symbol, bound] = flow.ground(self.homes[symbol], symbol, bound)
        return self.made[symbol, bound]

    def told_by(self, symbols: Sequence[str]) -> PolicyStrategy:
        """The policy that ships, told by a forecaster of some symbols alone."""
        folder = self.folder / "+".join(sorted(symbols))
        if not folder.exists():
            flow.learned({name: self.days[name] for name in symbols}, folder, self.seed)
        return flow.policy_of(str(folder))

    def part(
        self, symbol: str, bound: str, others: Sequence[str], late: bool
    ) -> tuple[BuiltMarket, PolicyStrategy]:
        """Earlier or later orders of a symbol that is learned from, and the start, told by the others alone."""
        market = self.market(symbol, bound)
        day = np.unique(market.plan.cluster, return_inverse=True)[1]
        which = np.flatnonzero((day + 1 > EARLIER * (day.max() + 1)) == late)
        told = [name for name in others if name != symbol] or others
        return replace(market, plan=market.plan.take(which)), self.told_by(told)

    def domains(self, symbols: Sequence[str], bounds: Sequence[str]) -> list[learners.Domain]:
        """Earlier orders of some symbols, every other window under each bound."""
        found = []
        for symbol in symbols:
            for number, bound in enumerate(bounds):
                market, start = self.part(symbol, bound, symbols, late=False)
                windows = np.arange(len(market.plan)) // 2
                which = np.flatnonzero(windows % len(bounds) == number)
                found.append(learners.Domain(replace(market, plan=market.plan.take(which)), start))
        return found

    def kept(
        self, symbols: Sequence[str], bounds: Sequence[str], found: Mapping[str, PolicyPort]
    ) -> list[str]:
        """Learners that save on their start on later days of these symbols, lower end above 0 under each bound."""
        names = set(found)
        for bound in bounds:
            parts = [self.part(symbol, bound, symbols, late=True) for symbol in symbols]
            scores = flow.joined(
                [scores_of(market, strategies_of(start, found)) for market, start in parts]
            )
            names &= {
                name
                for name in found
                if (flow.saved(scores, name, flow.POLICY).ci_low or -1.0) > 0.0
            }
        return sorted(names)


def run(
    lakes: Sequence[Path], symbols: Sequence[str], bounds: Sequence[str], quick: bool, seed: int, as_json: bool
) -> None:  # fmt: skip
    """Print a table a bound: a row a learner and symbol left out, and one of all together."""
    days, homes, judged = judged_of(lakes, symbols)
    effort = learners.Effort(1, 1, 256, 1) if quick else learners.Effort()
    parts: dict[str, dict[str, Scores]] = {bound: {} for bound in bounds}
    kept: dict[str, list[str]] = {}
    tried: dict[str, learners.Advantages] = {}
    with TemporaryDirectory() as folder, progress_steps("learning", 3 * len(judged)) as step:
        grounds = Grounds(days, homes, Path(folder), seed)
        for symbol in judged:
            others = [name for name in judged if name != symbol]
            of = grounds.domains(others, bounds)
            found, tried[symbol] = learners.learned_by_all(of, effort, seed)
            step()
            kept[symbol] = grounds.kept(others, bounds, found)
            step()
            start = grounds.told_by(others)
            placebos = {
                PLACEBO.format(name): PlaceboForecast(replace(start, policy=found[name]))
                for name in kept[symbol]
            }
            for bound in bounds:
                made = strategies_of(start, found) | placebos
                parts[bound][symbol] = scores_of(grounds.market(symbol, bound), made)
            step()
    rows = {
        bound: [
            row_of(name, symbol, scores, kept)
            for name in learners.ROWS
            for symbol, scores in (of | {POOLED: flow.joined(list(of.values()))}).items()
        ]
        for bound, of in parts.items()
    }
    worth = {symbol: learners.by_band(one) for symbol, one in tried.items()}
    if as_json:
        of_scores = {symbol: [one.to_json() for one in of] for symbol, of in worth.items()}
        print_json(rows | {"take_by_score": of_scores})
        return
    for bound, lines in rows.items():
        title = f"{bound}: half-hour orders of 10 %, both sides; learned on the other symbols"
        print_table(title, HEADINGS, [_line(row) for row in lines])
    say(
        "Saved, bps, on the same orders. Intervals are 95 %, over days. Kept: on later days of the symbols that it learned on"
    )
    say("it saves on default under each bound, lower end above 0; else default would stay.")
    edges = [f"{edge:g}" for edge in learners.BANDS]
    bands = zip(["", *edges], [*edges, ""], strict=True)
    print_table(
        "What it saves to take once, % of what guarded costs, by the score that default has of it (it takes above 0)",
        ("left out", *(f"{low} to {high}".strip() for low, high in bands)),
        [
            (symbol, *(format_interval(one, signed=True) for one in of))
            for symbol, of in worth.items()
        ],
    )


def scores_of(market: BuiltMarket, strategies: Mapping[str, Strategy]) -> Scores:
    """Cost of each order, bps."""
    return Scores.of(flow.costs_of(market, strategies), {})


def strategies_of(start: PolicyStrategy, found: Mapping[str, PolicyPort]) -> dict[str, Any]:
    """`guarded`, the start and what was learned."""
    learned = {name: replace(start, policy=policy) for name, policy in found.items()}
    return {flow.BASE: build(flow.BASE), flow.POLICY: start, **learned}


def row_of(
    name: str, symbol: str, scores: Scores, kept: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The figures of a learner on a symbol, or on all."""
    placebo = PLACEBO.format(name)
    counted = [name in names for left_out, names in kept.items() if symbol in (left_out, POOLED)]
    over = {"default": flow.POLICY, "guarded": flow.BASE, "placebo": placebo}
    return {
        "learner": name,
        "left_out": symbol,
        "orders": len(scores.cluster),
        "kept": sum(counted) / len(counted),
        "saves": {
            what: flow.saved(scores, name, on).to_json()
            for what, on in over.items()
            if on in scores.bps
        },
    }


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    saves = row["saves"]
    cells = [
        format_interval(Estimate.of(saves[on]), signed=True) if on in saves else ""
        for on in ("default", "guarded", "placebo")
    ]
    return (row["learner"], row["left_out"], *cells, f"{row['kept']:.0%}")
