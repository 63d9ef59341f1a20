"""The value of a posture: tail and mean cost with and without it, in calm and when the market turns in mid-order.

Every episode is run four times with the same seed: calm or turned, posture or none. The posture's inputs are measured
from each market's public view alone and against what is usual in calm training episodes: lots on five levels a side,
and the squared moves of the mid, both smoothed over some decisions. Each market has a `risk.posture.PosturePolicy` of
its own, fed at every decision; what it says is seen at that very decision.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from studies.risk.rules import finish_early
from studies.value.alpha import is_bps
from studies.value.stress import Turn
from tercel import Task, View
from tercel.core import Posture, Style
from tercel.core.stats import Estimate
from tercel.execution import Costs, Guidance, Strategy, empty_intents as empty
from tercel.lab.evaluation import Episodes, Plan, batches, without_orders
from tercel.market.simulator import Source, layout as sim
from tercel.signals.risk import PostureConfig, PostureDemand, PosturePolicy, PostureRule, RiskState

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TAIL = 0.95


def step_aside(cap: float = 0.1, volatility: float = 2.5, depth: float = 0.55) -> PostureConfig:
    """Rest only, and slowly, until it is over."""
    asks = PostureDemand(max_participation=cap, styles=Style.JOIN | Style.IMPROVE)
    return PostureConfig(
        rules=(
            PostureRule("volatility high", "volatility_ratio", volatility, 0.6 * volatility, asks),
            PostureRule("depth going", "depth_ratio", depth, 1.5 * depth, asks),
        ),
        required=("volatility_ratio", "depth_ratio"),
    )


def capped() -> PostureConfig:
    """Haste when volatility is up, but caps on what is at work when depth goes."""
    resting = Style.JOIN | Style.IMPROVE
    return PostureConfig(
        rules=(
            PostureRule(
                "volatility raised", "volatility_ratio", 1.5, 1.25, PostureDemand(urgency=0.3)
            ),
            PostureRule(
                "volatility high", "volatility_ratio", 2.5, 1.75, PostureDemand(urgency=0.6)
            ),
            PostureRule(
                "depth thin", "depth_ratio", 0.6, 0.8, PostureDemand(max_participation=0.2)
            ),
            PostureRule(
                "depth gone",
                "depth_ratio",
                0.4,
                0.55,
                PostureDemand(max_participation=0.1, styles=resting),
            ),
        ),
        required=("volatility_ratio", "depth_ratio"),
    )


DESIGNS: Mapping[str, Callable[[], PostureConfig]] = MappingProxyType(
    {"finish early": finish_early, "caps": capped, "step aside": step_aside}
)


@dataclass(frozen=True)
class Usual:
    """A calm market: mean lots on five levels a side, mean squared move of the mid between decisions (half-ticks^2)."""

    depth: float
    variance: float


def usual(source: Source, task: Task, plan: Plan) -> Usual:
    """Measured on calm episodes without own orders."""
    episodes = Episodes(source, task, len(plan))
    episodes.start(without_orders(plan))
    depth, variance = [], []
    while episodes.working.any():
        view = episodes.view
        depth.append(float((view.own_depth + view.far_depth)[view.tradable].sum(axis=1).mean()))
        episodes.step(empty(len(plan)))
        variance.append(float(episodes.view.rv.mean()))
    return Usual(float(np.mean(depth)), float(np.mean(variance)))


@dataclass(eq=False)
class Watch:
    """Postures of n markets through their decisions.

    Parameters
    ----------
    usual : Usual
    config : PostureConfig
    n : int
    memory : float
        Weight of the past in the smoothed depth and variance, a decision.
    """

    usual: Usual
    config: PostureConfig
    n: int
    memory: float = 0.6
    _depth: Floats = field(init=False, repr=False)
    _variance: Floats = field(init=False, repr=False)
    _policies: list[PosturePolicy] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._depth = np.full(self.n, self.usual.depth)
        self._variance = np.full(self.n, self.usual.variance)
        self._policies = [PosturePolicy(str(i), self.config) for i in range(self.n)]

    def look(self, view: View, now_ns: Ints) -> list[Posture]:
        """The posture of each market at this decision; its first decision is seen against the warm-up."""
        keep = self.memory
        self._depth = keep * self._depth + (1 - keep) * (view.own_depth + view.far_depth).sum(
            axis=1
        )
        self._variance = keep * self._variance + (1 - keep) * view.rv
        depth = self._depth / self.usual.depth
        volatility = np.sqrt(self._variance / self.usual.variance)
        return [
            policy.update(RiskState(policy.instrument, int(ns), float(v), float(d)), int(ns))
            for policy, ns, v, d in zip(self._policies, now_ns, volatility, depth, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Run:
    """Costs of one strategy on every episode, and how often a posture was in force.

    Parameters
    ----------
    costs : Costs
    in_force : float
        Share of working decisions at which the posture asked for something.
    """

    costs: Costs
    in_force: float


def run_watched(
    source: Source,
    task: Task,
    plan: Plan,
    strategy: Strategy,
    *,
    turn: Turn | None,
    onset: Callable[[Plan], int],
    watch: Callable[[int], Watch] | None,
) -> Run:
    """Run episodes that turn at a decision (None: they stay calm), watched or not.

    Parameters
    ----------
    onset : callable
        Decision from which a batch is turned.
    watch : callable, optional
        Makes the postures of a batch of n markets.
    """
    parts, acted, decided = [], 0, 0
    for part in plan_batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        watching = None if watch is None else watch(len(part))
        at, decision = onset(part), 0
        while episodes.working.any():
            if turn is not None and decision == at:
                turn.befall(episodes)
            if watching is not None:
                postures = watching.look(episodes.view, episodes.states[:, sim.NOW])
                live = episodes.working & (episodes.view.left > 0)
                acted += sum(
                    bool(posture.reasons) for posture, on in zip(postures, live, strict=True) if on
                )
                decided += int(live.sum())
                episodes.set_guidance(Guidance.of([None] * len(postures), postures))
            episodes.step(strategy.decide(episodes.view))
            decision += 1
        parts.append(episodes.costs())
    return Run(Costs.concat(parts), acted / max(decided, 1))


BATCH = 100
"""Episodes that turn at the same decision."""


def plan_batches(plan: Plan) -> list[Plan]:
    """Batches small enough for several onsets."""
    return list(batches(plan, BATCH))


def onset_of(first: int = 10, step: int = 10, kinds: int = 3) -> Callable[[Plan], int]:
    """Onsets by batch: decisions `first`, `first + step`, ... in turn."""

    def onset(part: Plan) -> int:
        return first + step * int(part.cluster[0] // BATCH % kinds)

    return onset


@dataclass(frozen=True)
class Figures:
    """Cost with and without a posture, bps, paired by episode.

    Parameters
    ----------
    strategy, design : str
    stressed : bool
    mean, mean_with, tail, tail_with, cvar, cvar_with : float
        Mean, 95 % quantile, and mean beyond it.
    mean_change, tail_cut, cvar_cut : Estimate
        Mean with over mean without, less 1 (positive: dearer); 1 less the tail with over the tail without (positive:
        better); shares.
    mean_change_bps : Estimate
        The same in bps.
    in_force : float
        Share of decisions at which the posture asked for something.
    """

    strategy: str
    design: str
    stressed: bool
    mean: float
    mean_with: float
    tail: float
    tail_with: float
    cvar: float
    cvar_with: float
    mean_change: Estimate
    mean_change_bps: Estimate
    tail_cut: Estimate
    cvar_cut: Estimate
    in_force: float


def figures(
    strategy: str,
    design: str,
    stressed: bool,
    without: Costs,
    run: Run,
    *,
    seed: int,
    resamples: int = 2000,
) -> Figures:
    """Means and tails with intervals by bootstrap of episodes, both costs of an episode together."""
    a, b = is_bps(without), is_bps(run.costs)
    point = _statistics(a[None], b[None])[0]
    rng = np.random.default_rng((seed, 5))
    draws = []
    for _ in range(max(resamples // 100, 1)):
        rows = rng.integers(len(a), size=(100, len(a)))
        draws.append(_statistics(a[rows], b[rows]))
    low, high = np.quantile(np.concatenate(draws), [0.025, 0.975], axis=0)
    cells = [
        Estimate(float(p), float(lo), float(hi))
        for p, lo, hi in zip(point[6:], low[6:], high[6:], strict=True)
    ]
    mean, mean_with, tail, tail_with, cvar, cvar_with = (float(v) for v in point[:6])
    change, change_bps, tail_cut, cvar_cut = cells
    return Figures(
        strategy, design, stressed, mean, mean_with, tail, tail_with, cvar, cvar_with,
        change, change_bps, tail_cut, cvar_cut, run.in_force,
    )  # fmt: skip


def _statistics(a: Floats, b: Floats) -> Floats:
    """Columns of `Figures` of costs float64 (B, n): float64 (B, 10)."""
    both = []
    for cost in (a, b):
        ordered = np.sort(cost, axis=1)
        at = int(np.ceil(TAIL * cost.shape[1])) - 1
        both.append((cost.mean(axis=1), ordered[:, at], ordered[:, at:].mean(axis=1)))
    (m0, q0, c0), (m1, q1, c1) = both
    return np.stack(
        [m0, m1, q0, q1, c0, c1, (m1 - m0) / np.abs(m0), m1 - m0, 1 - q1 / q0, 1 - c1 / c0], axis=1
    )  # fmt: skip
