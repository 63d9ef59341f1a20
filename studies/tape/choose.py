"""``python -m studies flow --choose``: weights of the policy of costs, chosen on some symbols and judged on another.

The forecasts, too, are learned on other symbols than the one that is run, and while choosing also than the one that judges.

In usual half spreads, with f the move expected in 30 s, s the standard deviation of its error, h half the spread, w what
waiting costs in the name, t the time that is left and b how far the order is behind::

    take = f - h + w - impact s - time_left t + behind b        wait = -f - wait

Theory says the numbers that a choice starts from. Waiting costs nothing yet at arrival (`time_left` is the usual w, .4),
w at the horizon for an order on schedule, and half a spread, what taking costs, where all is still to do (`behind` is 1 -
.4). Own volume moves the price by multiples of s. How much more it does so when it takes than when it rests, nobody knows:
`impact` begins with 0, a fill is a fill.

A rule is worth what it saves on `guarded` under the assumption under which that is least. A number leaves its value, one
step of its grid at a time, where that rises, significantly under the assumption that was the worst, and no symbol loses there.
Orders are those of every second half hour, to save time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np

from studies.tape import flow
from studies.tape.flow_command import POOLED, judged_of
from tercel.cli import print_json, print_table
from tercel.core import ConfigError, Estimate, Float32, Floats
from tercel.core.report import format_interval
from tercel.execution import Strategy
from tercel.execution.policies import MlpPolicy, PlaceboForecast, PolicyStrategy
from tercel.execution.strategies import build
from tercel.lab.evaluation import BuiltMarket, Scores, placebo_plan, run_strategies
from tercel.lab.evaluation.assumptions import IMPACT, LATENCY
from tercel.signals.flow.train import progress_steps


class Rule(NamedTuple):
    """The free numbers, as theory has them; None: never."""

    slices: int = 1
    impact: float = 0.0
    time_left: float = 0.4
    behind: float = 0.6
    wait: float | None = None


GRID: Final[Mapping[str, tuple[Any, ...]]] = {
    "slices": (1, 2, 3, 4),
    "impact": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    "time_left": (0.2, 0.4, 0.6, 0.8),
    "behind": (0.6, 1.2, 1.8, 2.4),
    "wait": (None, 0.1, 0.0, -0.1, -0.2),
}
"""Values of each number, in order."""
ABSENT: Final[Mapping[str, Any]] = {
    "slices": 1,
    "impact": 0.0,
    "time_left": 0.0,
    "behind": 0.0,
    "wait": None,
}
"""What each number is where it is left out."""
THEORY, CHOSEN, SHIPS = "theory", "chosen", "what ships"
PAIRS: Final[Mapping[str, tuple[str, str]]] = {
    CHOSEN: (CHOSEN, flow.BASE),
    "less placebo": (CHOSEN, flow.PLACEBO),
    THEORY: (THEORY, flow.BASE),
    SHIPS: (SHIPS, flow.BASE),
    "chosen less what ships": (CHOSEN, SHIPS),
    **{f"worth of {name}": (CHOSEN, f"without {name}") for name in ABSENT},
}
"""What is said of each symbol: who saves, and on whom."""
BETWEEN: Final = "100 ms"
"""The latency that no choice examines: its gains lie between those of 5 ms and 1 s."""
Named = Rule | str | tuple[str, Rule]
"""A rule, a strategy by name, or the placebo of a rule."""


def halved(market: BuiltMarket) -> BuiltMarket:
    """A market with the orders of every second half hour, bought and sold."""
    rows = np.arange(len(market.plan)) // 2 % 2 == 0
    return replace(market, plan=market.plan.take(np.flatnonzero(rows)))


def layer(rule: Rule) -> tuple[Float32, Float32]:
    """Weights float32 (6, 2) and constants (2,) of the scores; a score that never acts is 0."""
    take = (1.0, -rule.impact, -1.0, 1.0, rule.behind, -rule.time_left, 0.0)
    wait = (-1.0, *[0.0] * 5, -(rule.wait or 0.0))
    acts = np.array([1.0, rule.wait is not None])
    table = (np.array([take, wait]) * acts[:, None]).T.astype(np.float32)
    return table[:-1], table[-1]


def told(rule: Rule, model: str) -> PolicyStrategy:
    """The policy of a rule, told by a forecaster."""
    like = flow.policy_of(model)
    policy = MlpPolicy(
        (layer(rule),), np.zeros(6, np.float32), np.ones(6, np.float32), head="vector"
    )
    parameters = {**like.action_parameters, "slices": rule.slices}
    return replace(like, policy=policy, action_parameters=parameters)


def strategy_of(what: Named, model: str) -> Strategy:
    """What is run, told by a forecaster if it listens."""
    if isinstance(what, Rule):
        return told(what, model)
    if isinstance(what, tuple):
        return PlaceboForecast(told(what[1], model))
    return flow.policy_of(model) if what == SHIPS else build(what)


@dataclass(frozen=True)
class Bench:
    """Costs of rules on the days of some symbols, each run once.

    Parameters
    ----------
    ground : callable
        A symbol and a condition -> its market.
    model : callable
        Symbols -> the folder of a forecaster of their days.
    symbols, conditions : sequence of str
        A condition is a bound of replay and an assumption.
    """

    ground: Callable[[str, str], BuiltMarket]
    model: Callable[[Sequence[str]], str]
    symbols: Sequence[str]
    conditions: Sequence[str]
    known: dict[Any, Floats] = field(default_factory=dict)

    def costs(self, what: Named, symbol: str, condition: str, but: Sequence[str]) -> Floats:
        """Cost of each order, bps, float64 (n,), forecasts learned on the symbols that are neither this one nor in `but`;
        NaN where a strategy ran out of room for its own orders."""
        others = tuple(one for one in self.symbols if one != symbol and one not in but)
        key = what, symbol, condition, () if what == flow.BASE else others
        if key not in self.known:
            market = self.ground(symbol, condition)
            (done,) = run_strategies(
                market.judged,
                market.task,
                market.plan,
                [strategy_of(what, self.model(others))],
                run_out=False,
                placebo=placebo_plan(market.plan),
            )
            bps = 1e4 * done.shortfall / done.denominator
            self.known[key] = np.where(done.overflow == 0, bps, np.nan)
        return self.known[key]

    def scores(
        self,
        rows: Mapping[str, Named],
        symbol: str,
        condition: str,
        but: Sequence[str] = (),
        of_base: float = 0.0,
    ) -> Scores:
        """Costs of several on the orders of a symbol, in bps, or where `guarded` pays `of_base`."""
        costs = {name: self.costs(what, symbol, condition, but) for name, what in rows.items()}
        complete = np.isfinite(np.stack(list(costs.values()))).all(axis=0)
        scale = of_base / costs[flow.BASE][complete].mean() if of_base else 1.0
        return Scores(
            {name: scale * one[None, complete] for name, one in costs.items()},
            self.ground(symbol, condition).plan.cluster[complete],
        )

    def compare(
        self, rule: Rule, on: Named, symbols: Sequence[str], condition: str, but: Sequence[str]
    ) -> tuple[Estimate, float]:
        """What a rule saves on another under a condition, in percent of what `guarded` pays: pooled, and of the symbol where
        it is least."""
        rows: dict[str, Named] = {flow.BASE: flow.BASE, "on": on, "rule": rule}
        parts = [self.scores(rows, one, condition, but, 100.0) for one in symbols]
        least = min(flow.saved(part, "rule", "on").mean for part in parts)
        return flow.saved(flow.joined(parts), "rule", "on"), least

    def worst(self, rule: Rule, symbols: Sequence[str], but: Sequence[str]) -> tuple[float, str]:
        """The least that a rule saves on `guarded` under any condition, and that condition."""
        return min(
            (self.compare(rule, flow.BASE, symbols, one, but)[0].mean, one)
            for one in self.conditions
        )


def chosen(
    bench: Bench, symbols: Sequence[str], but: Sequence[str] = ()
) -> tuple[Rule, list[dict[str, Any]]]:
    """The rule that some symbols choose, and the steps that were tried: under which condition the rule before it saved
    least, what the step saves there, over all symbols and where it saves least, and whether it was taken. Nothing was
    learned on those in `but`."""
    rule, tried = Rule(), []
    value, condition = bench.worst(rule, symbols, but)
    for name, values in list(GRID.items()) * 2:
        for way in (1, -1):
            while 0 <= (at := values.index(getattr(rule, name)) + way) < len(values):
                to = rule._replace(**{name: values[at]})
                saves, least = bench.compare(to, rule, symbols, condition, but)
                taken = least >= 0.0 and (saves.ci_low or 0.0) > 0.0
                figures = {"worst": condition, "saves": saves.to_json(), "least": least}
                if taken:
                    new_value, new_condition = bench.worst(to, symbols, but)
                    taken = new_value > value
                tried.append({**to._asdict(), **figures, "taken": taken})
                if not taken:
                    break
                rule, value, condition = to, new_value, new_condition
    return rule, tried


def judged(rule: Rule) -> dict[str, Named]:
    """What is run on the symbol that is left out, by name."""
    rows: dict[str, Named] = {flow.BASE: flow.BASE, CHOSEN: rule, THEORY: Rule(), SHIPS: SHIPS}
    lacking = {f"without {name}": rule._replace(**{name: value}) for name, value in ABSENT.items()}
    return {**rows, flow.PLACEBO: (flow.PLACEBO, rule), **lacking}


def found_of(bench: Bench, symbols: Sequence[str], step: Callable[[], None]) -> dict[str, Any]:
    """What the others choose without each symbol, what that saves there, and what all of them choose together."""
    rules, choices, saves = {}, {}, {}
    for out in (*symbols, POOLED):
        others = [one for one in symbols if one != out]
        rules[out], tried = chosen(bench, others, () if out == POOLED else (out,))
        choices[out] = {"rule": rules[out]._asdict(), "tried": tried}
        step()
    for condition in bench.conditions:
        parts = {one: bench.scores(judged(rules[one]), one, condition) for one in symbols}
        parts[POOLED] = flow.joined(list(parts.values()))
        saves[condition] = {
            symbol: {name: flow.saved(part, *pair).to_json() for name, pair in PAIRS.items()}
            for symbol, part in parts.items()
        }
    return {"candidates": len({key[0] for key in bench.known}), "choices": choices, "saves": saves}


def run(
    lakes: Sequence[Path],
    symbols: Sequence[str],
    bounds: Sequence[str],
    seed: int,
    as_json: bool,
    terms: Mapping[str, float] = flow.NO_TERMS,
) -> None:
    """Print what each choice chose, what that saves where it was not chosen, and what each number is worth there.

    Raises
    ------
    ConfigError
        Fewer than three symbols of enough days.
    """
    days, homes, known = judged_of(lakes, symbols)
    if len(known) < 3:
        raise ConfigError(
            f"three symbols of {flow.LEAST_DAYS} days or more: one judges, and of the two that choose one is learned on",
            ", ".join(known),
            "name lakes of more symbols with --lake",
        )
    conditions = {
        label: one
        for label, one in flow.conditions_of(bounds, (IMPACT, LATENCY), terms).items()
        if BETWEEN not in label
    }
    with TemporaryDirectory() as kept, progress_steps("choosing", len(known) + 1) as step:
        ground = cache(
            lambda symbol, condition: halved(
                flow.ground(homes[symbol], symbol, *conditions[condition], terms=terms)
            )
        )
        model = cache(
            lambda of: flow.learned({one: days[one] for one in of}, Path(kept, "-".join(of)), seed)
        )
        found = found_of(Bench(ground, model, tuple(days), tuple(conditions)), known, step)
    if as_json:
        print_json(found)
        return
    print_table(
        f"What the others choose without a symbol, and what all choose; {found['candidates']} strategies were run",
        ("without", *GRID, "steps tried"),
        [
            (out, *map(str, one["rule"].values()), str(len(one["tried"])))
            for out, one in found["choices"].items()
        ],
    )
    for condition, rows in found["saves"].items():
        print_table(
            f"{condition}: saved on the symbol that was left out, bps; intervals are 95 %, over days",
            ("", *rows),
            [
                (
                    name,
                    *(
                        format_interval(Estimate.of(row[name]), signed=True)
                        for row in rows.values()
                    ),
                )
                for name in PAIRS
            ],
        )
