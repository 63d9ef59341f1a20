"""Weights of the policy of costs, chosen on some symbols and judged on one that none of them was chosen or learned on.

In usual half spreads, with f the move expected in 30 s, h half the spread, w what waiting costs in the name, t the time
that is left and b how far the order is behind::

    take = f - h + w - time_left t + behind b        inside = f - inside        hide = -f - hide w - behind b

Theory says the numbers that a choice starts from. Waiting costs nothing yet at arrival (`time_left` is the usual w, .4),
w at the horizon for an order on schedule, and half a spread, what taking costs, where all is still to do (`behind` is 1 -
.4). An order hides where the move is more than waiting costs. A number leaves that value, one step of its grid at a time,
where this saves significantly over all symbols of the choosing and none of them loses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np

from studies.tape import flow
from tercel.core import Estimate, Float32, Floats
from tercel.execution import Strategy
from tercel.execution.policies import MlpPolicy, PolicyStrategy, ToldElsewhere
from tercel.execution.strategies import build
from tercel.lab.evaluation import JobMarket, Scores, placebo_plan, run_strategies

PASSES = 2


class Rule(NamedTuple):
    """The free numbers, as theory has them; None: never."""

    slices: int = 1
    time_left: float = 0.4
    behind: float = 0.6
    hide: float | None = 1.0
    inside: float | None = None


GRID: Final[Mapping[str, tuple[Any, ...]]] = {
    "slices": (1, 2, 3, 4),
    "time_left": (0.0, 0.2, 0.4, 0.6, 0.8),
    "behind": (0.2, 0.6, 1.0),
    "hide": (0.5, 1.0, 2.0, None),
    "inside": (None, 0.0),
}
"""Values of each number, in order."""
ABSENT: Final[Mapping[str, Any]] = {
    "slices": 1,
    "time_left": 0.0,
    "behind": 0.0,
    "hide": None,
    "inside": None,
}
"""What each number is where it is left out."""
THEORY, CHOSEN, SHIPS = "theory", "chosen", "ships"
Named = Rule | str | tuple[str, Rule]
"""A rule, a strategy by name, or the placebo of a rule."""


def layer(rule: Rule) -> tuple[Float32, Float32]:
    """Weights float32 (6, 3) and constants (3,) of the scores; a score that never acts is 0."""
    take = (0.0, 1.0, -1.0, 1.0, rule.behind, -rule.time_left, 0.0)
    inside = (0.0, 1.0, *[0.0] * 4, -(rule.inside or 0.0))
    hide = (0.0, -1.0, 0.0, -(rule.hide or 0.0), -rule.behind, 0.0, 0.0)
    acts = np.array([1.0, rule.inside is not None, rule.hide is not None])
    table = (np.array([take, inside, hide]) * acts[:, None]).T.astype(np.float32)
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
        return ToldElsewhere(told(what[1], model))
    return flow.policy_of(model) if what == SHIPS else build(what)


@dataclass(frozen=True)
class Bench:
    """Costs of rules on the days of some symbols, each run once.

    Parameters
    ----------
    ground : callable
        A symbol and a bound -> its market.
    model : callable
        Symbols -> the folder of a forecaster of their days.
    symbols, bounds : sequence of str
    """

    ground: Callable[[str, str], JobMarket]
    model: Callable[[Sequence[str]], str]
    symbols: Sequence[str]
    bounds: Sequence[str]
    known: dict[Any, Floats] = field(default_factory=dict)

    def costs(self, what: Named, symbol: str, bound: str, but: Sequence[str]) -> Floats:
        """Cost of each order, bps, float64 (n,), forecasts learned on the symbols that are neither this one nor in `but`;
        NaN where a strategy ran out of room for its own orders."""
        others = tuple(one for one in self.symbols if one != symbol and one not in but)
        key = what, symbol, bound, () if what == flow.BASE else others
        if key not in self.known:
            market = self.ground(symbol, bound)
            (done,) = run_strategies(
                market.judged,
                market.task,
                market.plan,
                [strategy_of(what, self.model(others))],
                run_out=False,
                elsewhere=placebo_plan(market.plan),
            )
            bps = 1e4 * done.shortfall / done.denominator
            self.known[key] = np.where(done.overflow == 0, bps, np.nan)
        return self.known[key]

    def scores(
        self,
        rows: Mapping[str, Named],
        symbol: str,
        bounds: Sequence[str],
        but: Sequence[str] = (),
        relative: bool = False,
    ) -> Scores:
        """Costs of several on the orders of a symbol, mean of some bounds, in bps or in shares of what `guarded` pays."""
        costs = {
            name: np.mean([self.costs(what, symbol, bound, but) for bound in bounds], axis=0)
            for name, what in rows.items()
        }
        complete = np.isfinite(np.stack(list(costs.values()))).all(axis=0)
        unit = costs[flow.BASE][complete].mean() if relative else 1.0
        cluster = self.ground(symbol, bounds[0]).plan.cluster[complete]
        return Scores({name: one[None, complete] / unit for name, one in costs.items()}, cluster)


class Step(NamedTuple):
    """A step that was tried, and what it saves in shares of what `guarded` pays."""

    to: Rule
    saves: Estimate
    least: float
    """Of the symbol on which it saves least."""

    @property
    def holds(self) -> bool:
        """Whether it is taken."""
        return self.least >= 0.0 and (self.saves.ci_low or 0.0) > 0.0


def chosen(
    bench: Bench, symbols: Sequence[str], but: Sequence[str] = ()
) -> tuple[Rule, list[Step]]:
    """The rule that some symbols choose, and what was tried; nothing was learned on those in `but`."""
    rule, tried = Rule(), []
    for name, values in list(GRID.items()) * PASSES:
        for way in (1, -1):
            while 0 <= (at := values.index(getattr(rule, name)) + way) < len(values):
                step = _step(bench, rule, rule._replace(**{name: values[at]}), symbols, but)
                tried.append(step)
                if not step.holds:
                    break
                rule = step.to
    return rule, tried


def _step(bench: Bench, here: Rule, to: Rule, symbols: Sequence[str], but: Sequence[str]) -> Step:
    rows: dict[str, Named] = {flow.BASE: flow.BASE, "here": here, "to": to}
    parts = [bench.scores(rows, one, bench.bounds, but, relative=True) for one in symbols]
    least = min(flow.saved(part, "to", "here").mean for part in parts)
    return Step(to, flow.saved(flow.joined(parts), "to", "here"), least)


def judged(rule: Rule) -> dict[str, Named]:
    """What is run on the symbol that is left out, by name."""
    lacking = {f"without {name}": rule._replace(**{name: value}) for name, value in ABSENT.items()}
    rows: dict[str, Named] = {flow.BASE: flow.BASE, CHOSEN: rule, THEORY: Rule(), SHIPS: SHIPS}
    return {**rows, flow.PLACEBO: (flow.PLACEBO, rule), **lacking}
