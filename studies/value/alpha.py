"""The value of a forecast of known strength to an execution strategy, in bps of its shortfall.

A drift is planted in a market that answers: from arrival on, buyers come more often than sellers in a third of the
episodes, less often in another, and as ever in the rest. How far that moves the mid by the horizon is measured on
episodes without own orders. Forecasters of known skill then speak at arrival: with T the drift of an episode, s its
standard deviation over episodes and z an independent normal draw,

    f = rho T + sqrt(1 - rho^2) s z          correlation rho with the drift, as spread out as the drift

Two readers of it: one that trusts it as it is (it pays for noise, and for nothing else at rho 0), one that knows how
good the forecaster is and acts on E[T | f] = rho f (linear). Each strategy meets every episode twice, with and without.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tercel import Task, View
from tercel.core import ConfigError
from tercel.core.stats import Estimate, mean_interval
from tercel.execution import (
    GUIDANCE_WORDS as WORDS,
    TAKE,
    Costs,
    Guidance,
    Parameters,
    Strategy,
    columns as c,
    empty_intents as empty,
    step as kernels,
)
from tercel.lab.evaluation import Episodes, Plan, batches, seeded_plan, streams_plan, without_orders
from tercel.market.regimes import Factors
from tercel.market.simulator import Source, layout as sim

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUPS = (-1, 0, 1)
BPS = 1e4
CONSTANT = 1_000
"""Half-lives, in horizons, of a forecast of a drift that does not fade."""


def drifting(lean: float) -> Factors:
    """Buyers' share of market orders at 1/2 + `lean`.

    Raises
    ------
    ConfigError
        A share that is none.
    """
    if not 0 <= 0.5 + lean <= 1:
        raise ConfigError("a lean within 1/2", f"{lean}", "0.05 makes 55 % of market orders buy")
    return Factors(lean=2 * lean)


@dataclass(frozen=True, eq=False)
class Drifted:
    """Episodes in three groups, and what the mid does in each on its own.

    Parameters
    ----------
    source, task, plan
        The market before the drift, the task, the episodes.
    lean : float
        Of buyers, in the group that drifts up.
    group : int64 (n,)
        -1, 0 or +1 an episode.
    drift_bps : float
        Half the distance of the two outer groups' mean moves over the horizon; measured.
    drift_se_bps, sd_bps : float
        Its standard error, and the standard deviation of one episode's move within a group.
    """

    source: Source
    task: Task
    plan: Plan
    lean: float
    group: Ints
    drift_bps: float
    drift_se_bps: float
    sd_bps: float

    @property
    def truth_bps(self) -> Floats:
        """Drift of each episode, bps over the horizon: float64 (n,)."""
        return np.asarray(self.group * self.drift_bps, np.float64)

    def run(self, strategy: Strategy, forecast_bps: Floats | None = None) -> Costs:
        """Costs of the strategy on every episode, with a forecast at arrival or without."""
        order, parts = [], []
        for group in GROUPS:
            rows = np.flatnonzero(self.group == group)
            for part in np.array_split(rows, max(-(-len(rows) // 256), 1)):
                bps = None if forecast_bps is None else forecast_bps[part]
                parts.append(self._run(strategy, group, part, bps))
                order.append(part)
        return Costs.concat(parts).select(np.argsort(np.concatenate(order)))

    def _run(self, strategy: Strategy, group: int, rows: Ints, forecast: Floats | None) -> Costs:
        episodes = Episodes(self.source, self.task, len(rows))
        episodes.start(self.plan.take(rows))
        episodes.impose(drifting(group * self.lean))
        if forecast is not None:
            episodes.set_guidance(constant_drift(forecast, episodes.states[:, sim.NOW], self.task))
        while episodes.working.any():
            episodes.step(strategy.decide(episodes.view))
        return episodes.costs()


def constant_drift(forecast_bps: Floats, at_ns: Ints, task: Task) -> Guidance:
    """Forecasts of the move over the horizon that do not fade, one a market; 0 is said as a forecast of 0."""
    n = len(forecast_bps)
    return replace(
        Guidance.none(n),
        expected_bps=np.asarray(forecast_bps, np.float64),
        at_ns=np.asarray(at_ns, np.int64).copy(),
        horizon_ns=np.full(n, task.horizon_ns),
        half_life_ns=np.full(n, CONSTANT * task.horizon_ns),
    )


def plant(
    source: Source,
    task: Task,
    quantity: int,
    *,
    lean: float,
    seed: int,
    episodes: int,
    pilot_seed: int = -7,
) -> Drifted:
    """Plant a drift and measure it on `episodes` other episodes of each outer group."""
    moves = []
    for outer in (-1, 1):
        plan = without_orders(streams_plan(task, quantity, pilot_seed, 0, episodes))
        parts = [_moves(source, task, part, outer * lean) for part in batches(plan)]
        moves.append(np.concatenate(parts))
    down, up = moves
    plan = seeded_plan(task, quantity, seed, 0, episodes)
    group: Ints = np.arange(episodes, dtype=np.int64) // 2 % 3 - 1  # buys and sells in each
    sd = float(np.sqrt((down.var(ddof=1) + up.var(ddof=1)) / 2))
    se = float((up - down).std(ddof=1) / 2 / np.sqrt(len(up)))
    return Drifted(source, task, plan, lean, group, float((up.mean() - down.mean()) / 2), se, sd)


def _moves(source: Source, task: Task, plan: Plan, lean: float) -> Floats:
    """Moves of the mid from arrival to the horizon without own orders, bps."""
    episodes = Episodes(source, task, len(plan))
    episodes.start(plan)
    before = episodes.states[:, sim.MID2].copy()
    episodes.impose(drifting(lean))
    while episodes.working.any():
        episodes.step(empty(len(plan)))
    return np.asarray((episodes.states[:, sim.MID2] - before) / before * BPS, np.float64)


def forecasts(truth: Floats, rho: float, rng: np.random.Generator) -> Floats:
    """Forecasts of correlation `rho` with the truth and of its standard deviation: float64 (n,).

    >>> truth = np.repeat([-9.0, 0.0, 9.0], 20_000)
    >>> f = forecasts(truth, 0.5, np.random.default_rng(0))
    >>> round(float(np.corrcoef(f, truth)[0, 1]), 2), round(float(f.std() / truth.std()), 2)
    (0.5, 1.0)
    """
    if not -1 <= rho <= 1:
        raise ConfigError("a correlation", f"{rho}", "from -1 to 1")
    noise = truth.std() * rng.standard_normal(len(truth))
    return np.asarray(rho * truth + np.sqrt(1 - rho**2) * noise, np.float64)


@dataclass(frozen=True)
class AlphaValue:
    """One line of the table.

    Parameters
    ----------
    strategy : str
    rho : float
        Correlation of the forecast with the drift.
    calibrated : bool
        Whether the reader knows it.
    gain_bps : Estimate
        Cost saved by the forecast, paired; positive is better.
    cost_bps : float
        Mean shortfall without it.
    model_bps : float or None
        What the strategy's own model says it should be, where it has one.
    """

    strategy: str
    rho: float
    calibrated: bool
    gain_bps: Estimate
    cost_bps: float
    model_bps: float | None


Model = Callable[[Strategy, Drifted, Floats], float]


def model_gain(strategy: Strategy, drifted: Drifted, forecast_bps: Floats, p: Parameters) -> float:
    """What a schedule that takes would gain in the model of Almgren and Chriss, bps: no spread saved, no chance.

    The strategy meets the drift and its forecast as in the market; a block of n lots pays eta n / tau a lot, nothing
    lasts, and the displayed depth is the one that this eta stands for.
    """
    with_it = _model_cost(strategy, drifted, forecast_bps, p)
    without = _model_cost(strategy, drifted, None, p)
    return float((without - with_it).mean())


def _model_cost(
    strategy: Strategy, drifted: Drifted, forecast_bps: Floats | None, p: Parameters
) -> Floats:
    """Expected cost of each episode in the model beyond the spread, bps: float64 (n,)."""
    task, rows, n = drifted.task, drifted.plan.rows, len(drifted.plan)
    side, quantity = rows[:, kernels.E_SIDE], rows[:, kernels.E_QUANTITY]
    mid2 = int(drifted.source.worlds_k[0, sim.MID2])
    tau = task.horizon_s / task.decisions
    x, m = np.zeros((n, c.PX), np.int64), np.zeros((n, c.MX), np.int64)
    x[:, c.SIDE], x[:, c.QTY0], x[:, c.LEFT] = side, quantity, quantity
    x[:, c.DECISIONS], x[:, c.HORIZON_NS] = task.decisions, task.horizon_ns
    m[:, c.TOUCH], m[:, c.FAR] = (mid2 - side) // 2, (mid2 + side) // 2
    m[:, c.MID2] = m[:, c.ARRIVAL_MID2] = mid2
    m[:, c.FAR1 : c.FAR1 + c.LEVELS] = round(tau / (2 * p.eta))
    bps = Guidance.none(n)
    if forecast_bps is not None:
        bps = constant_drift(forecast_bps, np.zeros(n, np.int64), task)
    total = np.zeros(n)
    for decision in range(task.decisions):
        now = task.horizon_ns * decision // task.decisions
        x[:, c.DECISION], x[:, c.TIME_LEFT_NS] = decision, task.horizon_ns - now
        x[:, c.ALPHA : c.ALPHA + WORDS] = bps.words(now)
        x[:, c.ALPHA] *= side
        lots = strategy.decide(View(x, m, np.zeros(n)))[:, TAKE].astype(np.int64)
        moved = side * drifted.truth_bps * decision / task.decisions
        total += lots * (p.eta * lots / tau / (mid2 / 2) * BPS + moved)
        x[:, c.LEFT] -= lots
    left = x[:, c.LEFT]
    total += left * (p.eta * left / tau / (mid2 / 2) * BPS + side * drifted.truth_bps)
    return np.asarray(total / quantity, np.float64)


def value_of(
    drifted: Drifted,
    strategies: Sequence[Strategy],
    rhos: Sequence[float],
    *,
    seed: int,
    models: dict[str, Model] | None = None,
    resamples: int = 2000,
    progress: Callable[[str], None] | None = None,
) -> list[AlphaValue]:
    """Gain of each strategy at each skill, for both readers; at rho 0 the calibrated one acts on nothing."""
    rows = []
    for strategy in strategies:
        plain = is_bps(drifted.run(strategy))
        for rho in rhos:
            spoken = forecasts(
                drifted.truth_bps, rho, np.random.default_rng((seed, round(1000 * rho)))
            )
            for calibrated in (True, False):
                if calibrated and rho in (0.0, 1.0):
                    continue  # nothing to act on; the same as the other reader
                read = rho * spoken if calibrated else spoken
                gain = plain - is_bps(drifted.run(strategy, read))
                estimate = _interval(gain, seed, resamples)
                model = (models or {}).get(strategy.name)
                expected = None if model is None else model(strategy, drifted, read)
                rows.append(
                    AlphaValue(
                        strategy.name, rho, calibrated, estimate, float(plain.mean()), expected
                    )
                )
                if progress is not None:
                    progress(strategy.name)
    return rows


def is_bps(costs: Costs) -> Floats:
    """Shortfall of each episode, bps: float64 (n,)."""
    return np.asarray(costs.shortfall / costs.denominator * BPS, np.float64)


def _interval(gain: Floats, seed: int, resamples: int) -> Estimate:
    return mean_interval(
        gain, np.arange(len(gain)), np.random.default_rng((seed, 3)), resamples=resamples
    )
