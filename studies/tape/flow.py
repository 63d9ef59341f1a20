"""What a forecast saves on tape, leaving one symbol out: forecaster and thresholds are of other names."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tercel import Task, View
from tercel.core import NS_PER_SECOND, Estimate, Floats, Ints
from tercel.core.stats import clustered_se, t_quantile
from tercel.execution import (
    E_WORLD,
    TAKE,
    Costs,
    Intents,
    OnFlow,
    Strategy,
    Thresholds,
    Wrapper,
    against,
    settle,
)
from tercel.execution import columns as c
from tercel.execution.foresight import HORIZONS, Forecaster, load, save
from tercel.execution.policies import OnSchedule, policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.execution.strategies import WRITTEN, build
from tercel.lab.evaluation import (
    Episodes,
    Plan,
    Scores,
    batches,
    curve_lots,
    markets_of,
    run_strategies,
    tape_plan,
)
from tercel.market.impact import tape_law
from tercel.market.simulator import NOW, Source, TapeDay
from tercel.market.simulator import replay_source as replay
from tercel.market.tape import Lake
from tercel.signals.flow import STEP_NS, FlowDay
from tercel.signals.flow.recalibrate import NO_DAYS, after, day_sums, words
from tercel.signals.flow.train import calibration, fitted, forecaster_of, halves, told

TASK = Task(share=0.1, horizon_s=1800.0)
HORIZON_S = 30
HIDE, SLACK, TAKES = (0.1, 0.2, 0.3, 0.4, 0.6), (0.5, 1.0), (0.5,)
PLACEBOS = 3
NEVER = 1e9
"""A threshold that no forecast passes."""
LEAST_DAYS = 5
"""A symbol of fewer is learned from and not judged."""
Days = Mapping[str, Sequence[FlowDay]]


@dataclass(frozen=True)
class Ground:
    """Half-hour orders of a symbol, both sides, under a bound of replay."""

    source: Source
    plan: Plan
    placed: Sequence[TapeDay]

    def scores(
        self,
        strategies: Mapping[str, Strategy],
        recipes: Mapping[str, Sequence[str]] | None = None,
        days: Sequence[FlowDay] = (),
        slopes: Mapping[str, float] | None = None,
    ) -> Scores:
        """Cost of each order, bps, where no strategy ran out of room for its own orders; `oracle` is the one called
        `flow`, told of what `days` bring, `recalibrated` the same, told of its forecasts times the slope of its day."""
        costs = dict(
            zip(
                strategies,
                run_strategies(self.source, TASK, self.plan, list(strategies.values())),
                strict=True,
            )
        )
        if days:
            costs["oracle"] = self.foreknown(strategies["flow"], days)
        if slopes:
            costs["recalibrated"] = self.rescaled(strategies["flow"], slopes)
        complete = np.logical_and.reduce([one.overflow == 0 for one in costs.values()])
        return Scores.of({name: one.select(complete) for name, one in costs.items()}, recipes or {})

    def foreknown(self, strategy: Strategy, days: Sequence[FlowDay]) -> Costs:
        """Costs of a strategy that is told where the tape's mid will be in 30 s."""
        truth = {day.date: day for day in days}

        def told_of(where: Iterable[str], markets: Episodes) -> Ints:
            view, times = markets.view, markets.states[:, NOW].tolist()
            came = [moved(truth[day], now) for day, now in zip(where, times, strict=True)]
            told_ = view.told.copy()
            told_[:, c.FORECAST_30] = (
                1e7 * view.side * np.array(came) / np.maximum(np.abs(view.mid2), 1)
            )
            told_[:, c.FORECAST_30_SD] = 1
            return told_

        return self.walked(strategy, told_of)

    def rescaled(self, strategy: Strategy, slopes: Mapping[str, float]) -> Costs:
        """Costs of a strategy that is told of its forecasts times the slope of the day; of nothing where that is 0."""

        def told_of(where: Iterable[str], markets: Episodes) -> Ints:
            told_, slope = markets.view.told.copy(), np.array([slopes[day] for day in where])
            told_[:, c.FORECAST_30] = np.rint(slope * told_[:, c.FORECAST_30])
            told_[slope == 0.0, c.FORECAST_30_SD] = 0
            return told_

        return self.walked(strategy, told_of)

    def walked(
        self, strategy: Strategy, told_of: Callable[[Iterable[str], Episodes], Ints]
    ) -> Costs:
        """Costs of a strategy that is told of something else, given the day of each market and the markets."""
        date = np.empty(len(self.source.worlds_k), object)
        for day in self.placed:
            date[day.world] = day.instrument.date
        costs = []
        for part in batches(self.plan):
            markets, where = (
                markets_of(strategy, self.source, TASK, part, 0),
                date[part.rows[:, E_WORLD]],
            )
            while markets.working.any():
                view = replace(markets.view, outlook=told_of(where, markets))
                markets.step(strategy.decide(view))
            costs.append(markets.costs())
        return Costs.concat(costs)


def walked_slopes(model: str, days: Sequence[FlowDay]) -> dict[str, float]:
    """Of each day the slope that its earlier days give a forecaster; 0 where they close its gate."""
    slopes, known, forecaster = {}, NO_DAYS, load(Path(model))
    for day in days:
        said = words(known)
        slopes[day.date] = said["slope"] if said["speaks"] else 0.0
        known = after(known, *day_sums(forecaster, day, HORIZON_S))
    return slopes


def opened(model: str, days: Sequence[FlowDay], seed: int, times: int = 100) -> float:
    """Share of forecasts of other hours of the same day, as prices go, that are told of after all days."""
    forecaster, rng, parts = load(Path(model)), np.random.default_rng(seed), []
    for day in days:
        came = day.sign * day.scaled(HORIZON_S)
        known = np.isfinite(came)
        parts.append((day.sign[known] * forecaster.predict(day.x[known], HORIZON_S), came[known]))
    told_ = 0
    for _ in range(times):
        shifted = [
            (np.roll(said, rng.integers(len(said) // 4, 3 * len(said) // 4 + 1)), came)
            for said, came in parts
        ]
        known_ = NO_DAYS
        for said, came in shifted:
            known_ = after(known_, float((said * said).sum()), float((said * came).sum()))
        told_ += words(known_)["speaks"]
    return told_ / times


def ground(lake: Lake, symbol: str, bound: str, dates: Sequence[str]) -> Ground:
    """The ground of some days; sizes and the law of impact are those of all days of the lake."""
    days = [lake.read(symbol, date) for date in lake.days(symbol)]
    curve = np.mean([curve_lots(instrument, events) for instrument, events in days], axis=0)
    source, placed = replay(lake, symbol, dates, impact=tape_law(days, "square_root"), bound=bound)
    return Ground(source, tape_plan(placed, TASK, [float(lots) for lots in curve], seed=1), placed)


def moved(day: FlowDay, now: int) -> float:
    """Half-ticks that the tape's mid moves in the 30 s from `now` on; 0 where it is not known."""
    at = (now - day.first_ns) // STEP_NS
    then = at + HORIZON_S * NS_PER_SECOND // STEP_NS
    known = at >= 0 and then < len(day.bid)
    return float(np.nan_to_num(day.mid2[then] - day.mid2[at])) if known else 0.0


def learned(days: Days, out: Path, seed: int) -> str:
    """Folder of a forecaster of some days, calibrated on the later of them."""
    kept = {name: found for name, found in days.items() if found}
    early = fitted("boosting", [halves(found)[0] for found in kept.values()], HORIZON_S, seed)
    later = [
        told(early, halves(found)[1], HORIZON_S) for found in kept.values() if halves(found)[1]
    ]
    whole = fitted("boosting", list(kept.values()), HORIZON_S, seed)
    scale, widths = calibration(later)
    n = len(HORIZONS)
    card = {"kind": "boosting", "seed": seed, "levels": [], "widths": [widths] * n}
    save(out, forecaster_of([whole] * n, np.array([scale] * n), card))
    return str(out)


def without_days(days: Days, symbol: str, dates: Sequence[str], strangers: Sequence[str]) -> Days:
    """The days of `strangers`, and those of a symbol that are not among `dates`."""
    own = [day for day in days[symbol] if day.date not in dates]
    return {name: days[name] for name in strangers} | {symbol: own}


def base_of(name: str) -> Strategy:
    """A written strategy, or a packaged policy that is told of no forecast."""
    if name in WRITTEN:
        return build(name)
    policy = policy_strategy(folder_of(name), name)
    return replace(
        policy, action_parameters={k: v for k, v in policy.action_parameters.items() if k != "flow"}
    )


@dataclass(frozen=True)
class ToldOtherwise(Wrapper):
    """A strategy that is told something else than what is forecast."""

    inner: Strategy
    change: Callable[[Ints], Ints]
    name: str = "told otherwise"

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy, given the changed words."""
        return self.inner.decide(replace(view, outlook=self.change(view.told)))


def flipped(told_: Ints) -> Ints:
    """The opposite of every forecast."""
    other = told_.copy()
    other[:, [c.FORECAST_10, c.FORECAST_30]] *= -1
    return other


def of_another_order(seed: int) -> Callable[[Ints], Ints]:
    """Every order is told all the time what is forecast for one other order."""
    return lambda told_: told_[np.random.default_rng(seed).permutation(len(told_))]


@dataclass(frozen=True)
class Taking(Wrapper):
    """What the packaged wrapper does not do: three slices are taken at once where the price will run."""

    inner: Strategy
    model: str
    take: float
    part: float = 3.0
    name: str = "taking"

    @property
    def forecaster(self) -> Forecaster | None:
        """As of `OnFlow`."""
        return OnFlow(self.inner, self.model).forecaster

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy, and a part ahead of the schedule at most."""
        intents = self.inner.decide(view).astype(np.int32, casting="same_kind")
        slices = view.qty0 / view.decisions
        ahead = np.ceil((view.decision + 1 + self.part) * slices) - view.done - view.inflight
        lots = np.minimum(np.minimum(np.ceil(self.part * slices), ahead), view.far_depth[:, 0])
        intents[:, TAKE] = np.maximum(
            intents[:, TAKE], np.where(against(view) > self.take, lots, 0.0)
        )
        return settle(intents, view)


def cells(model: str) -> dict[str, Strategy]:
    """The base and all that thresholds are chosen from, by name."""
    base = base_of("guarded")
    hiding = {
        f"hide {hide:g}, slack {slack:g}": OnFlow(base, model, Thresholds(hide, slack))
        for hide in HIDE
        for slack in SLACK
    }
    return {"base": base} | hiding | {f"take {take:g}": Taking(base, model, take) for take in TAKES}


def thresholds_of(cell: str) -> Thresholds:
    """The thresholds that a name of a cell says."""
    hide, slack = (float(words.split()[1]) for words in cell.split(", "))
    return Thresholds(hide, slack)


def rows(
    name: str, model: str, at: Thresholds, against: Sequence[str] = ()
) -> tuple[dict[str, Strategy], dict[str, Sequence[str]]]:
    """A base, the same with its forecast, with both controls, on the schedule's clock alone, and written strategies."""
    flow = OnFlow(base_of(name), model, at)
    others = {f"placebo {n}": ToldOtherwise(flow, of_another_order(n)) for n in range(PLACEBOS)}
    made = {"base": base_of(name), "flow": flow, "flipped": ToldOtherwise(flow, flipped)} | others
    made["schedule"] = OnSchedule(base_of(name))
    return made | {one: build(one) for one in against}, {"placebo": list(others)}


def joined(parts: Sequence[Scores]) -> Scores:
    """Orders of several symbols or days; no cluster is in two of them."""
    names = set.intersection(*(set(part.bps) for part in parts))
    labels = [np.unique(part.cluster, return_inverse=True)[1] for part in parts]
    first = np.cumsum([0, *(int(label.max()) + 1 for label in labels[:-1])])
    cluster = np.concatenate([label + n for label, n in zip(labels, first, strict=True)])
    return Scores(
        {name: np.concatenate([part.bps[name] for part in parts], axis=1) for name in names},
        cluster,
    )


def saved(scores: Scores, row: str, on: str = "base") -> Estimate:
    """What a row saves on another, bps, with a 95 % interval over days."""
    gain: Floats = scores.mean(on) - scores.mean(row)
    mean, days = float(gain.mean()), len(np.unique(scores.cluster))
    if days < 2:
        return Estimate(mean, None, None)
    half = t_quantile(0.975, days - 1) * clustered_se(gain, scores.cluster)
    return Estimate(mean, mean - half, mean + half)


def chosen(*bounds: Scores) -> str:
    """The hiding cell whose interval begins highest, under the bound where it begins lowest."""
    hiding = [name for name in cells("") if name.startswith("hide")]
    return max(
        hiding, key=lambda name: min(saved(scores, name).ci_low or -NEVER for scores in bounds)
    )
