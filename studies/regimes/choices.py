"""Who chooses best when the regime is not told: rules, a switch, a Bayes filter that knows the law, an oracle.

All but the rules choose between the same three specialists (`studies.regimes.trend`) and differ in what
they believe alone: the switch in what one view shows; the filter in a forward algorithm over {no trend, up, down} that
knows how a trend shifts the market's flow and mid, measured without own orders, and remembers what it has seen; the
oracle in the truth. A specialist is as good as what it does with its belief, so the filter is the ceiling of beliefs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from studies.regimes.trend import SUFFIX, TrendSwitch
from tercel import Task, View
from tercel.execution import Market, Strategy, attribute, empty_intents as empty
from tercel.execution.policies import PolicyStrategy
from tercel.execution.policies_packaged import build_named
from tercel.execution.strategies import build
from tercel.lab.evaluation import (
    Episodes,
    Plan,
    Scenario,
    batches,
    build_market,
    run_strategies,
    streams_plan,
    without_orders,
)
from tercel.market.regimes import LONGEST_S, NAMED, PLAIN, TRENDING, RegimeScript, with_regimes
from tercel.market.simulator import Source

Floats = NDArray[np.float64]

MARKETS = ("sh600961", "ibm", "amzn", "goog")
BASE = "twap_repeg"
SWITCH = f"{BASE}{SUFFIX}"
RULES = (
    "immediate", "twap_take", "almgren_chriss", "peg_touch", "twap_repeg", "twap_cross", "pov_passive", "popv",
    "score_rule",
)  # fmt: skip
LATER_S = 900.0
"""When a regime begins that begins half-way."""
PASSES_S = 600.0
"""When one that passes begins."""
REGIMES = (
    *NAMED,
    *(
        f"{name}, half-way"
        for name, one in NAMED.items()
        if not one.passes_s and name != PLAIN.name
    ),
)
GUARD, WITHOUT = "guard", " without "
"""What stands behind a policy and can be taken away, and how the rest is called."""
LAW_SEED = 77
BLOCK = 10
"""Intervals whose sums are taken as independent."""


def script_of(regime: str) -> tuple[float, str]:
    """When one of `REGIMES` begins, seconds after arrival, and its name.

    >>> script_of("trending, half-way")
    (900.0, 'trending')
    """
    name, *later = regime.split(", ")
    if later:
        return LATER_S, name
    return (PASSES_S if NAMED[name].passes_s else -LONGEST_S), name


@dataclass(frozen=True, eq=False)
class TrendLaw:
    """How flow and mid move in a market without a trend, and what a trend up adds; of the public alone.

    Parameters
    ----------
    shift : float64 (2,)
        Order flow imbalance (lots) and mid (half ticks) that the trend adds an interval.
    covariance : float64 (2, 2)
        Of an interval.
    start : float64 (2,)
        Both at arrival, on average, without a trend.
    """

    shift: Floats
    covariance: Floats
    start: Floats

    @property
    def weights(self) -> Floats:
        """What a lot and a half tick add to the log likelihood ratio, float64 (2,)."""
        return np.asarray(np.linalg.solve(self.covariance, self.shift))


def law_of(source: Source, task: Task, episodes: int) -> TrendLaw:
    """Measure the law without own orders."""
    plain = _courses(source, PLAIN.name, task, episodes)
    trend = _courses(source, TRENDING.name, task, episodes)
    blocks = [np.diff(one[:, ::BLOCK], axis=1).reshape(-1, 2) for one in (plain, trend)]
    shift = (blocks[1].mean(axis=0) - blocks[0].mean(axis=0)) / BLOCK
    covariance = sum(np.cov(one.T) for one in blocks) / (2 * BLOCK)
    return TrendLaw(shift, np.asarray(covariance), plain[:, 0].mean(axis=0))


def _courses(source: Source, regime: str, task: Task, episodes: int) -> Floats:
    """Public imbalance and mid at each decision of orders for nothing, float64 (n, D, 2)."""
    source = with_regimes(source, RegimeScript([(-LONGEST_S, regime)]))
    plan = streams_plan(task, 1, LAW_SEED, 0, episodes)
    parts = []
    for part in batches(without_orders(plan)):
        markets = Episodes(source, task, len(part))
        markets.start(part)
        seen = []
        for _ in range(task.decisions):
            seen.append(_public(markets.view))
            markets.step(empty(len(part)))
        parts.append(np.stack(seen, axis=1))
    return np.concatenate(parts)


def _public(view: View) -> Floats:
    """Imbalance and mid with no side taken, float64 (n, 2)."""
    return np.stack([view.side * view.long_ofi, view.mid2], axis=1).astype(np.float64)


@dataclass(frozen=True)
class BayesSwitch(TrendSwitch):
    """The same specialists, chosen by a filter that knows the law; it remembers, so it runs one batch at a time.

    Its chances are such that a plain market costs it what it costs the switch.

    Parameters
    ----------
    law : TrendLaw
    hazard : float
        Chance, an interval, that a trend begins; `prior` is that of each side at arrival.
    """

    law: TrendLaw = field(kw_only=True)
    hazard: float = 0.0005
    _memory: dict[str, Floats] = field(default_factory=dict, repr=False)

    def trend(self, view: View) -> Floats:
        """Chance of a trend against the order less that of one with it, float64 (n,)."""
        seen, intervals = _public(view), 1.0
        if (view.decision == 0).all():
            intervals = float(np.mean(view.age_ns / (view.horizon_ns / view.decisions)))
            chances = np.tile([self.prior, 1 - 2 * self.prior, self.prior], (view.n, 1))
            before = self.law.start
        else:
            chances, before = self._memory["chances"], self._memory["seen"]
            begins = self.hazard * chances[:, [1]]
            chances = chances + begins * np.array([0.5, -1.0, 0.5])
        ratio = (seen - before) @ self.law.weights
        flat = self.law.shift @ self.law.weights * intervals / 2
        logs = np.log(chances) + np.stack([ratio - flat, np.zeros(view.n), -ratio - flat], axis=1)
        chances = np.exp(logs - logs.max(axis=1, keepdims=True)) + 1e-12
        chances /= chances.sum(axis=1, keepdims=True)
        self._memory.update(chances=chances, seen=seen)
        return np.asarray(view.side * (chances[:, 0] - chances[:, 2]))


@dataclass(frozen=True)
class Oracle(TrendSwitch):
    """The same specialists, chosen by who knows that a trend upwards is in force from `onset` (share of horizon) on."""

    onset: float = 0.0

    def trend(self, view: View) -> Floats:
        """1 where the trend is against the order, -1 where it is with it, 0 before."""
        return np.where(view.decision >= self.onset * view.decisions, view.side, 0).astype(
            np.float64
        )


@dataclass(frozen=True, eq=False)
class Table:
    """Costs in bps by regime and strategy, float64 (markets, pairs): a pair buys and sells in one market."""

    costs: dict[str, dict[str, Floats]]

    def best_rule(self, regime: str) -> str:
        """The cheapest rule of a regime, pooled over markets; in hindsight."""
        return min(RULES, key=lambda rule: float(self.costs[regime][rule].mean()))

    def mean(self, regime: str, strategy: str, less: str = "") -> tuple[float, float]:
        """Mean over markets and its standard error; of the difference from another, where one is named."""
        costs = self.costs[regime][strategy] - (self.costs[regime][less] if less else 0.0)
        variance = (costs.var(axis=1, ddof=1) / costs.shape[1]).sum() / len(costs) ** 2
        return float(costs.mean()), float(np.sqrt(variance))


def choices(
    agents: Sequence[str], regimes: Sequence[str] = REGIMES, markets: Sequence[str] = MARKETS,
    *, episodes: int, seed: int,
) -> Table:  # fmt: skip
    """Run every rule, the switch, the filter, the oracle of a trend and the agents in each regime of each market.

    An agent behind which a guard stands is run without it too; one whose name ends in +trend stands in the switch.
    """
    costs: dict[str, dict[str, list[Floats]]] = {regime: {} for regime in regimes}
    for market in markets:
        scenario = Scenario(Market(market), seeds=(seed,), episodes=episodes)
        built, task = build_market(scenario, quick=True), scenario.task
        rules = {name: build(name, built.estimates) for name in RULES}
        base = rules[BASE]
        switches = {
            SWITCH: TrendSwitch(base),
            "filter": BayesSwitch(base, law=law_of(built.judged, task, episodes)),
        }
        chosen = {**rules, **switches}
        for name in agents:
            agent = build_named(name.removesuffix(SUFFIX), built.estimates)
            chosen |= with_and_without(TrendSwitch(agent) if name.endswith(SUFFIX) else agent)
        for regime in regimes:
            at_s, name = script_of(regime)
            source = with_regimes(built.judged, RegimeScript([(at_s, name)]))
            knows = Oracle(base, onset=max(at_s, 0.0) / task.horizon_s)
            told = {**chosen, "oracle": knows} if name == TRENDING.name else chosen
            for strategy, found in _costs(source, task, built.plan, told).items():
                costs[regime].setdefault(strategy, []).append(found)
    return Table(
        {regime: {k: np.stack(v) for k, v in rows.items()} for regime, rows in costs.items()}
    )


def with_and_without(agent: Strategy) -> dict[str, Strategy]:
    """An agent, and where a guard stands behind it, the same without, by name.

    >>> list(with_and_without(build("peg_touch")))
    ['peg_touch']
    """
    found = {agent.name: agent}
    if isinstance(agent, PolicyStrategy):
        rest = {key: value for key, value in agent.action_parameters.items() if key != GUARD}
        if rest != agent.action_parameters:
            found[f"{agent.name}{WITHOUT}{GUARD}"] = replace(agent, action_parameters=rest)
    return found


def _costs(
    source: Source, task: Task, plan: Plan, strategies: Mapping[str, Strategy]
) -> dict[str, Floats]:
    """Costs in bps by name, float64 (pairs,)."""
    found = run_strategies(source, task, plan, list(strategies.values()), run_out=False)
    pairs = [attribute(costs, None)["is_bps"].reshape(-1, 2).mean(axis=1) for costs in found]
    return dict(zip(strategies, pairs, strict=True))
