"""What the shipped policy saves on tape, leaving one symbol out: its forecaster was learned on other symbols alone.

Each row is the policy, or the same without a part, told of another day, or told of the truth; all on the same orders,
paired with `guarded`, which it is where it knows nothing. What waiting costs in a symbol is measured on its first days,
which are not judged.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import numpy as np

from tercel import Latency, Market, Task
from tercel.core import NS_PER_SECOND, Estimate, Float32, Floats, Ints
from tercel.core.stats import clustered_se, t_quantile
from tercel.execution import Costs, Strategy, columns as c, step
from tercel.execution.foresight import HORIZONS, load, save
from tercel.execution.policies import (
    PlaceboForecast,
    PolicyPort,
    PolicyStrategy,
    policy_strategy,
    with_forecaster,
)
from tercel.execution.policies_packaged import folder_of
from tercel.execution.strategies import build
from tercel.lab.evaluation import (
    BuiltMarket,
    Episodes,
    Scenario,
    Scores,
    batches,
    build_market,
    markets_of,
    placebo_plan,
    run_strategies,
)
from tercel.lab.evaluation.assumptions import changes
from tercel.market.simulator import NOW
from tercel.market.tape import Lake
from tercel.signals.flow import STEP_NS, FlowDay
from tercel.signals.flow.train import (
    build_forecaster,
    calibrate,
    fit_symbols,
    forecasts_and_moves,
    split_days,
)

NO_TERMS: Final[Mapping[str, float]] = MappingProxyType({})
"""No `passive_impact`, no `impact_scale`: both are 1."""
FIRST = 5
"""Days of a symbol that are not judged."""
LEAST_DAYS = FIRST + 2
"""A symbol of fewer is learned from and not judged."""
HORIZON_S = 30
LATE_S = (1, 2, 5)
"""Seconds that an order is late by, for which what is left of a forecast is told."""
TAIL = 0.05
DAY_NS = 86_400 * NS_PER_SECOND
BASE, POLICY, PLACEBO, TRUTH = "guarded", "default", "placebo", "truth"
ACTIONS = ("take", "wait")
SCHEDULES = ("twap_take", "twap_repeg")
LARGE = "rest_and_take"
LATE = Latency("constant", 5_000_000)
Days = Mapping[str, Sequence[FlowDay]]


@dataclass(frozen=True, eq=False)
class Around:
    """A policy around another.

    Parameters
    ----------
    own : PolicyPort
    """

    own: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


@dataclass(frozen=True, eq=False)
class Muted(Around):
    """A policy some of whose scores never act.

    Parameters
    ----------
    silent : tuple of int
        Columns of its scores.
    """

    silent: tuple[int, ...]

    def act(self, obs: Float32) -> Float32:
        """Scores, those that are silent below 0."""
        scores = np.array(self.own.act(obs))
        scores[:, list(self.silent)] = -1.0
        return scores


def policy_of(model: str) -> PolicyStrategy:
    """The packaged policy, told by a forecaster."""
    packaged = policy_strategy(folder_of("default-1"), POLICY)
    return cast(PolicyStrategy, with_forecaster(packaged, model))


def strategies_of(model: str, market: BuiltMarket) -> dict[str, Strategy]:
    """`guarded`, the policy, the same without each action, its placebo, and two schedules."""
    whole = policy_of(model)
    return {
        BASE: build(BASE),
        POLICY: whole,
        **{
            f"without {action}": replace(whole, policy=cast(PolicyPort, Muted(whole.policy, (at,))))
            for at, action in enumerate(ACTIONS)
        },
        PLACEBO: PlaceboForecast(whole),
        **{name: build(name, market.estimates) for name in SCHEDULES},
    }


def learned(days: Days, out: Path, seed: int) -> str:
    """Folder of a forecaster of some days, calibrated on the later of them, or in sample where none has a later day."""
    kept = {name: found for name, found in days.items() if found}
    parts = [split_days(found) for found in kept.values()]
    early = fit_symbols("boosting", [first for first, _ in parts], HORIZON_S, seed)
    calibrated = [later for _, later in parts if later] or [first for first, _ in parts]
    later = [forecasts_and_moves(early, found, HORIZON_S) for found in calibrated]
    whole = fit_symbols("boosting", list(kept.values()), HORIZON_S, seed)
    scale, widths = calibrate(later)
    n = len(HORIZONS)
    card = {"kind": "boosting", "seed": seed, "levels": [], "widths": [widths] * n}
    save(out, build_forecaster([whole] * n, np.array([scale] * n), card))
    return str(out)


def ground(
    lake: Lake,
    symbol: str,
    bound: str,
    assumption: Mapping[str, Any] = NO_TERMS,
    left_out: Sequence[str] = (),
    task: Task | None = None,
    terms: Mapping[str, float] = NO_TERMS,
) -> BuiltMarket:
    """Half-hour orders of 10 %, or others, both sides, on all days of a symbol but its first; `terms` of impact, and fields
    of the market that an assumption changes."""
    days = tuple(day for day in sorted(lake.days(symbol))[FIRST:] if day not in left_out)
    market = Market(lake=str(lake.root), symbol=symbol, days=days, bound=bound)
    changed: Any = {**terms, **assumption}
    return build_market(Scenario(market, task or Task()).in_market(**changed))


def conditions_of(
    bounds: Sequence[str], assumptions: Collection[str], terms: Mapping[str, float] = NO_TERMS
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Bound and changed fields of a market by label: each bound as assumed, with `terms` of impact, then with one assumption
    changed."""
    assumed = Scenario(Market(lake="lake", symbol="any"), Task()).in_market(**terms)
    changed = {"": {}, **changes(assumptions, [assumed])}
    return {
        ", ".join(filter(None, (bound, label))): (bound, fields)
        for bound in bounds
        for label, fields in changed.items()
    }


def of_size(
    lake: Lake, symbol: str, bound: str, model: str, share: float, terms: Mapping[str, float]
) -> dict[str, Any]:
    """The policy beside `rest_and_take` on orders of a share of the volume, 5 ms late: costs, what it saves, what was left."""
    market = ground(lake, symbol, bound, task=Task(share=share, latency=LATE), terms=terms)
    made = {POLICY: policy_of(model), LARGE: build(LARGE, market.estimates)}
    done = run_strategies(
        market.judged, market.task, market.plan, list(made.values()), run_out=False
    )
    costs = complete(dict(zip(made, done, strict=True)))
    scores = Scores.of(costs, {})
    filled = np.logical_and.reduce([one.unfilled_lots == 0 for one in costs.values()])
    whole = Scores(
        {name: row[:, filled] for name, row in scores.bps.items()}, scores.cluster[filled]
    )
    return {
        "share": share, "symbol": symbol, "orders": len(scores), "filled": len(whole),
        "bps": scores.means(), "saves": saved(scores, POLICY, LARGE), "saves_filled": saved(whole, POLICY, LARGE),
        "unfilled": {name: float(one.unfilled_lots.sum() / one.qty.sum()) for name, one in costs.items()},
    }  # fmt: skip


def costs_of(
    market: BuiltMarket, strategies: Mapping[str, Strategy], days: Sequence[FlowDay] = ()
) -> dict[str, Costs]:
    """Costs of the orders in which no strategy ran out of room for its own; with `days` also of the policy that is told the
    truth."""
    done = run_strategies(
        market.judged,
        market.task,
        market.plan,
        list(strategies.values()),
        run_out=False,
        placebo=placebo_plan(market.plan),
    )
    costs = dict(zip(strategies, done, strict=True))
    if days:
        costs[TRUTH] = told_truth(market, strategies[POLICY], days)
    return complete(costs)


def complete(costs: Mapping[str, Costs]) -> dict[str, Costs]:
    """Costs of the orders in which no strategy ran out of room for its own orders."""
    room = np.logical_and.reduce([one.overflow == 0 for one in costs.values()])
    return {name: one.select(room) for name, one in costs.items()}


def taken(costs: Mapping[str, Costs]) -> Scores:
    """Share of each order's lots that each strategy takes."""
    shares = {name: one.lots_filled - one.passive_lots for name, one in costs.items()}
    of = next(iter(costs.values()))
    return Scores({name: (lots / of.qty)[None] for name, lots in shares.items()}, of.cluster)


def told_truth(market: BuiltMarket, strategy: Strategy, days: Sequence[FlowDay]) -> Costs:
    """Costs of a strategy that is told where the tape's mid will be in 30 s."""
    by_day = {day.first_ns // DAY_NS: day for day in days}
    costs = []
    for part in batches(market.plan):
        markets = markets_of(strategy, market.judged, market.task, part, 0)
        of = [by_day[start // DAY_NS] for start in part.rows[:, step.E_START_NS].tolist()]
        while markets.working.any():
            markets.step(strategy.decide(replace(markets.view, outlook=_true(markets, of))))
        costs.append(markets.costs())
    return Costs.concat(costs)


def _true(markets: Episodes, days: Sequence[FlowDay]) -> Ints:
    view, times = markets.view, markets.states[:, NOW].tolist()
    came = [moved(day, now) for day, now in zip(days, times, strict=True)]
    forecasts_and_moves = view.outlook_rows.copy()
    forecasts_and_moves[:, c.FORECAST_30] = (
        1e7 * view.side * np.array(came) / np.maximum(np.abs(view.mid2), 1)
    )
    forecasts_and_moves[:, c.FORECAST_10] = forecasts_and_moves[:, c.FORECAST_30]
    forecasts_and_moves[:, c.FORECAST_30_SD] = 1
    return forecasts_and_moves


def moved(day: FlowDay, now: int) -> float:
    """Half-ticks that the tape's mid moves in the 30 s from `now` on; 0 where it is not known."""
    at = (now - day.first_ns) // STEP_NS
    then = at + HORIZON_S * NS_PER_SECOND // STEP_NS
    known = at >= 0 and then < len(day.bid)
    return float(np.nan_to_num(day.mid2[then] - day.mid2[at])) if known else 0.0


def share_left(days: Sequence[FlowDay], model: str, late_s: int) -> float:
    """Share of the move that a 30 s forecast is of which comes after `late_s`: the ratio of two slopes on the forecast.

    A forecaster in the folder `model` says what the days would do.
    """
    forecaster = load(Path(model))
    foreseen, moves, late_moves = [], [], []
    for day in days:
        whole, early = day.scaled_moves(HORIZON_S), day.moves(late_s)
        late = day.sign * (day.moves(HORIZON_S) - early) / (day.unit * HORIZON_S**0.5)
        finite = np.isfinite(whole) & np.isfinite(late)
        foreseen.append(forecaster.raw(day.x[finite], HORIZON_S))
        moves.append(whole[finite])
        late_moves.append(late[finite])
    forecast = np.concatenate(foreseen)
    return float(forecast @ np.concatenate(late_moves) / (forecast @ np.concatenate(moves)))


def joined(parts: Sequence[Scores]) -> Scores:
    """Orders of several symbols; no cluster is in two of them."""
    names = set.intersection(*(set(part.bps) for part in parts))
    labels = [np.unique(part.cluster, return_inverse=True)[1] for part in parts]
    first = np.cumsum([0, *(int(label.max()) + 1 for label in labels[:-1])])
    cluster = np.concatenate([label + n for label, n in zip(labels, first, strict=True)])
    return Scores(
        {name: np.concatenate([part.bps[name] for part in parts], axis=1) for name in names},
        cluster,
    )


def saved(scores: Scores, row: str, on: str = BASE) -> Estimate:
    """What a row saves on another, bps, with a 95 % interval over days."""
    return _over_days(scores.mean(on) - scores.mean(row), scores.cluster)


def saved_in_tail(scores: Scores, row: str, on: str) -> Estimate:
    """The same of the mean of each one's dearest 5 % of orders.

    A mean of the worst is linear in orders once its threshold is held (Rockafellar and Uryasev 2000, J. Risk 2(3)).
    """
    worst = []
    for name in (on, row):
        bps = scores.mean(name)
        least = np.quantile(bps, 1.0 - TAIL, method="inverted_cdf")
        worst.append(least + np.maximum(bps - least, 0.0) / TAIL)
    return _over_days(worst[0] - worst[1], scores.cluster)


def _over_days(gain: Floats, cluster: Ints) -> Estimate:
    mean, days = float(gain.mean()), len(np.unique(cluster))
    if days < 2:
        return Estimate(mean, None, None)
    half = t_quantile(0.975, days - 1) * clustered_se(gain, cluster)
    return Estimate(mean, mean - half, mean + half)
