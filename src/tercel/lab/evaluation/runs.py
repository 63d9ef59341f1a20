"""Paired experiments: the same episodes for every strategy, their twins, and what each decision saw.

Adaptability: the share of a strategy's decisions that the market explains.

With x = (time, inventory, own orders), m = the market features and a(x, m) the expected intent (take and
rungs, as shares of the remaining lots, no prices):

    A = E_x Var_m' a(x, m') / Var a(x, m')

m' is drawn at the same decision from other episodes, independently of x; variances of the components are
added. A schedule fixed in advance has A = 0; a rule that ignores time, inventory and own orders has A = 1;
of a = f(x) + g(m) it is Var g / (Var f + Var g): the total-effect index of Sobol' of the market block, whose
estimator over redrawn blocks this is.

Only decisions with lots left count. The two variances are estimated over J redraws for each x: the numerator
with J - 1, the total uncorrected, since the mean over x of the variance over redraws plus the variance of
their means is already free of J. Everything is a function of sums by episode, so intervals come from the same
cluster bootstrap as those of the costs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Floats, Indices, Ints
from tercel.core.errors import PolicyError, TercelError
from tercel.core.stats import Moments, cluster_index, cluster_sums
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import columns as c, step as kernels
from tercel.execution.costs import Costs
from tercel.execution.features import features_of
from tercel.execution.foresight.forecaster import Forecaster
from tercel.execution.intent import View, empty
from tercel.execution.market import Market
from tercel.execution.policies.policy import CalmObservations, Card
from tercel.execution.policies.strategy import PlaceboForecast
from tercel.execution.strategies import MarketEstimates, eta_of_depth
from tercel.execution.strategies.baselines import TwapTake
from tercel.execution.strategies.event_clock import Guarded
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import (
    Backgrounds,
    Episodes,
    Plan,
    Sampler,
    seeded_plan,
    sides_of,
    streams_plan,
)
from tercel.lab.evaluation.windows import DAY_NS, outlooks
from tercel.market.flow import Preset, load
from tercel.market.impact.fitted import law_for
from tercel.market.impact.law import ImpactLaw
from tercel.market.regimes.choice import with_chosen
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive, settled_bank, with_impact
from tercel.market.simulator.terms import NO_FEES

Expected = Callable[[View], Floats]
"""View of n decisions -> expected (take, rungs) as shares of the remaining lots, float64 (n, V)."""

REDRAWS = 8
"""J: markets that every recorded x is paired with."""
# Summed variance below which decisions do not vary: shares are of order 1, rounding of order 1e-16.
_NO_VARIANCE = 1e-24


@dataclass(frozen=True, eq=False)
class Decisions:
    """Recorded decisions: what a strategy saw at each of T decisions of E episodes.

    Parameters
    ----------
    x : int64 (E, T, PX)
        Private columns.
    m : int64 (E, T, MX)
        Market columns, recorded whether or not lots were left.
    draw : float64 (E, T)
        The strategy's own uniform random number.
    live : bool (E, T)
        True where lots were left, so that there was something to decide.
    cluster : int64 (E,)
        Cluster label of each episode.
    """

    x: Ints
    m: Ints
    draw: Floats
    live: Bools
    cluster: Ints

    def __post_init__(self) -> None:
        """Refuse arrays that do not describe the same decisions."""
        grid = self.live.shape
        shapes = [a.shape[:2] for a in (self.x, self.m, self.draw)]
        if any(shape != grid for shape in shapes) or self.cluster.shape != grid[:1]:
            raise TercelError(
                f"recorded decisions of shape {grid}",
                f"x, m, draw of {shapes}, clusters of {self.cluster.shape}",
                "record every column at every decision",
            )


@dataclass(frozen=True, eq=False)
class Response:
    """Sums by episode from which adaptability A follows.

    Parameters
    ----------
    cluster : int64 (E,)
        Cluster label of each episode.
    rows : float64 (E,)
        Decisions with lots left that could be paired with other markets.
    within : float64 (E,)
        Sum over them of the variance over redraws, J - 1 in the denominator.
    first : float64 (E, V)
        Sum of the mean intent over redraws, less the overall mean.
    second : float64 (E,)
        Sum of the mean squared length of the same.
    """

    cluster: Ints
    rows: Floats
    within: Floats
    first: Floats
    second: Floats

    def moments(self) -> Moments:
        """Moments whose one statistic is A."""
        index, count = cluster_index(self.cluster)
        columns = np.column_stack([self.within, self.second, self.first])
        return Moments(
            cluster_sums(columns, index, count), cluster_sums(self.rows, index, count), _share
        )


def respond(
    decisions: Decisions, expected: Expected, rng: np.random.Generator, redraws: int = REDRAWS
) -> Response:
    """Response of a strategy: each recorded x paired with markets of other episodes at the same decision.

    Markets are drawn without replacement among the other episodes of the same side (market columns are
    oriented by it), whether or not those still had lots left. Decisions that have fewer than two such
    episodes do not count.

    Parameters
    ----------
    decisions : Decisions
    expected : callable
        `Strategy.expected`: a pure function of a view of any length.
    rng : numpy Generator
    redraws : int
        J, at least 2; fewer if there are fewer other episodes.

    Returns
    -------
    Response
    """
    if redraws < 2:
        raise TercelError("at least 2 redraws of the market", f"{redraws}", "ask for 8 or 16")
    episodes, steps = decisions.live.shape
    rows, within, second = np.zeros(episodes), np.zeros(episodes), np.zeros(episodes)
    wanted: list[tuple[Indices, Floats]] = []
    for t in range(steps):
        for side in (1, -1):
            peers = np.flatnonzero(decisions.x[:, t, c.SIDE] == side)
            count = min(redraws, len(peers) - 1)
            if count < 2:
                continue
            partner = _partners(len(peers), count, rng)
            deciding = decisions.live[peers, t]
            if deciding.any():
                who = peers[deciding]
                wanted.append(
                    (who, _intents(decisions, expected, t, who, peers[partner[deciding]]))
                )
    if not wanted:
        return Response(decisions.cluster, rows, within, np.zeros((episodes, 1)), second)
    centre = np.concatenate([intents.mean(axis=1) for _, intents in wanted]).mean(axis=0)
    first = np.zeros((episodes, len(centre)))
    for who, intents in wanted:  # no array of indices has an episode twice
        away = intents - centre
        rows[who] += 1.0
        # from the first redraw, so that a market without influence leaves exactly nothing
        within[who] += (intents - intents[:, :1]).var(axis=1, ddof=1).sum(axis=1)
        first[who] += away.mean(axis=1)
        second[who] += (away**2).sum(axis=2).mean(axis=1)
    return Response(decisions.cluster, rows, within, first, second)


def _partners(count: int, redraws: int, rng: np.random.Generator) -> Indices:
    """For each of `count` episodes, `redraws` different others in random order, intp (count, redraws).

    One random circle, and the neighbours at `redraws` random distances around it: every episode serves as
    often as any other, and none meets itself.
    """
    circle = rng.permutation(count)
    distances = 1 + rng.permutation(count - 1)[:redraws]
    partner = np.empty((count, redraws), np.intp)
    partner[circle] = circle[(np.arange(count)[:, None] + distances) % count]
    return partner


def _intents(
    decisions: Decisions, expected: Expected, t: int, who: Indices, markets: Indices
) -> Floats:
    """Expected intents at decision t of w episodes, each in J `markets` (w, J): float64 (w, J, V)."""
    redraws = markets.shape[1]
    own, other = np.repeat(who, redraws), markets.ravel()
    view = View(
        decisions.x[own, t],
        decisions.m[other, t],
        decisions.draw[own, t],
    )
    return np.asarray(expected(view), np.float64).reshape(len(who), redraws, -1)


def _share(means: Floats) -> Floats:
    """A from the means of (within, second, first...), float64 (B, 2 + V) -> (B, 1), clipped to [0, 1]."""
    within, second, first = means[:, 0], means[:, 1], means[:, 2:]
    total = second - (first**2).sum(axis=1)
    varies = total > _NO_VARIANCE
    share = np.divide(within, total, out=np.zeros_like(total), where=varies)
    return np.asarray(np.clip(share, 0.0, 1.0)[:, None])


EPISODES: Final = 256
"""Episodes in all that are looked at."""
SEED: Final = 2_026


def observed_in(
    plans: Sequence[tuple[Source, Task, Plan]], strategy: Strategy, market: str, command: str
) -> CalmObservations:
    """Figures of what a strategy observes in episodes of plans, at most :data:`EPISODES` of all.

    Parameters
    ----------
    plans : sequence of (Source, Task, Plan)
        Market, order and episodes.
    strategy : Strategy
    market, command : str
        Market of the figures, and the command that printed them.
    """
    each = max(EPISODES // len(plans), 1)
    parts = []
    episodes = 0
    for source, task, plan in plans:
        part = plan.take(slice(each))
        recording = Recording(len(part))
        run_strategies(source, task, part, [strategy], recording=recording)
        seen = recording.decisions[0]
        parts.append(features_of(seen.x[seen.live], seen.m[seen.live]).astype(np.float64))
        episodes += len(part)
    return CalmObservations.of(np.concatenate(parts), episodes, market, command)


def observed_in_preset(task: Task, strategy: Strategy, market: str) -> CalmObservations:
    """Figures of what a strategy observes in a preset market, working orders of a task."""
    preset = load(market)
    plan = seeded_plan(task, task.lots(preset.volume_per_s), SEED, 0, EPISODES)
    plans = [(reactive(preset, 1), task, plan)]
    return observed_in(plans, strategy, preset.name, f"Policy.observe({market!r})")


def task_of(card: Card) -> Task:
    """Task of a card, as far as it holds one.

    Raises
    ------
    PolicyError
        For a task that is none.
    """
    known = {name: card.task[name] for name in Task.__dataclass_fields__ if name in card.task}
    try:
        for name in ("latency", "feed_latency"):
            if name in known:
                values = dict(known[name])
                known[name] = Latency(**{**values, "values_ns": tuple(values.get("values_ns", ()))})
        return Task(**known)
    except (TypeError, ValueError) as error:
        raise PolicyError("a card with a task", str(error), "save the policy again") from error


# -- experiment -----------------------------------------------------------------------------------

BATCH = 256
"""Markets at once: their state stays inside the cache."""
Progress = Callable[[int], None]


def batches(plan: Plan, size: int = BATCH) -> Iterator[Plan]:
    """The plan in pieces of at most `size` episodes, in order."""
    for start in range(0, len(plan), size):
        yield plan.take(slice(start, start + size))


def without_orders(plan: Plan) -> Plan:
    """Plan of the twins: the same episodes with nothing to execute."""
    rows = plan.rows.copy()
    rows[:, kernels.E_QUANTITY] = 0
    return Plan(rows, plan.cluster)


def streams_of(plan: Plan) -> tuple[Indices, Indices]:
    """Rows of a plan whose markets, without orders, are all that there are, and for each row which of them is its own.

    A market that is bought and sold in is one: without orders both are the same.
    """
    oriented = [kernels.E_SIDE, kernels.E_QUANTITY, kernels.E_LIMIT, kernels.E_LIMIT_OF_MID]
    markets = np.delete(plan.rows, oriented, axis=1)
    _, first, which = np.unique(markets, axis=0, return_index=True, return_inverse=True)
    return first, which.ravel()


def run_strategy(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Costs:
    """Costs of a strategy over all episodes of a plan, in the plan's order."""
    return run_strategies(source, task, plan, [strategy])[0]


@dataclass(eq=False)
class Recording:
    """Recorder of the decisions of each strategy's first episodes, for :func:`run_strategies`.

    Parameters
    ----------
    episodes : int
        At most so many, of the first batch.
    decisions : list of Decisions
        One a strategy, in order.
    """

    episodes: int
    decisions: list[Decisions] = field(default_factory=list)


class _Seen:
    """Observations of the first markets of a batch, by decision of the schedule."""

    def __init__(self, most: int, task: Task, gap_ns: int) -> None:
        self.most = most
        self.task = task
        self.gap_ns = gap_ns
        self.steps = 0
        self.arrays: list[AnyArray] = []

    def observe(self, episodes: Episodes) -> None:
        view = episodes.view
        live = episodes.working & (view.left > 0)
        shown = [array[: self.most] for array in (view.x, view.m, view.draw, live)]
        if not self.arrays:
            self.arrays = [
                np.zeros((len(one), self.task.decisions, *one.shape[1:]), one.dtype)
                for one in shown
            ]
        at = view.decision[: self.most] if self.gap_ns else np.full(len(shown[0]), self.steps)
        inside = at < self.task.decisions
        if self.gap_ns:
            inside &= (view.on_schedule & episodes.working)[: self.most]
        for array, one in zip(self.arrays, shown, strict=True):
            array[inside, at[inside]] = one[inside]
        self.steps += 1

    def decisions(self, plan: Plan) -> Decisions:
        x, m, draw, live = self.arrays
        return Decisions(x, m, draw, live, plan.cluster[: self.most])


def run_strategies(
    source: Source,
    task: Task,
    plan: Plan,
    strategies: Sequence[Strategy],
    stop: Callable[[], bool] = lambda: False,
    recording: Recording | None = None,
    run_out: bool | Bools = True,
    elsewhere: Plan | None = None,
) -> list[Costs]:
    """Costs of several strategies over all episodes of a plan: as :func:`run_strategy` for each, to the byte.

    Every market warms up once, and what its public does after that is simulated once; each strategy finds it as it was
    at arrival. Where `stop` says so between two strategies, the rest is left out (of a plan of one batch; otherwise
    everything). Without `run_out` (bool (n,), or one for all) an episode ends with its order: the same costs, but mids
    on the grid only as far as it went. A `PlaceboForecast` reads the forecasts of the episodes of `elsewhere`, one
    for each of the plan (`placebo.others`).
    """
    parts: list[list[Costs]] = [[] for _ in strategies]
    for number, part in enumerate(batches(plan)):
        looks_back = any(forecaster_of(one) is not None for one in strategies)
        episodes = Episodes(source, task, len(part), looks_back=looks_back)
        if len(strategies) * sides_of(part) > 1:
            episodes.share(Backgrounds())
        episodes.start(part)
        first = number * BATCH
        episodes.states[:, sim.RUN_OUT] = (
            run_out if isinstance(run_out, bool) else run_out[first : first + len(part)]
        )
        arrived = episodes.snapshot()
        placebos: dict[Forecaster | None, Ints] = {}
        for strategy, done in zip(strategies, parts, strict=True):
            if stop():
                break
            forecaster = forecaster_of(strategy)
            others = elsewhere if isinstance(strategy, PlaceboForecast) else None
            if others is not None and forecaster is not None and forecaster not in placebos:
                met = others.take(slice(first, first + BATCH))
                placebos[forecaster] = outlooks(source, task, met, forecaster)
            episodes.restore(arrived)
            episodes.pace(gap_of(strategy))
            episodes.foresee(forecaster, None if others is None else placebos.get(forecaster))
            seen = (
                _Seen(recording.episodes, task, gap_of(strategy))
                if recording is not None and number == 0
                else None
            )
            while episodes.working.any():
                if seen is not None:
                    seen.observe(episodes)
                episodes.work(strategy)
            if seen is not None and recording is not None:
                recording.decisions.append(seen.decisions(part))
            done.append(episodes.costs())
    batches_in_all = -(-len(plan) // BATCH)
    return [Costs.concat(done) for done in parts if len(done) == batches_in_all]


def markets_of(
    strategy: Strategy, source: Source, task: Task, plan: Plan, log_rows: int, record_rows: int = 0
) -> Episodes:
    """Episodes of a plan, begun, for one strategy: on its own clock, with its forecasts."""
    looks_back = forecaster_of(strategy) is not None
    episodes = Episodes(
        source, task, len(plan), log_rows=log_rows, record_rows=record_rows, looks_back=looks_back
    )
    episodes.start(plan)
    episodes.pace(gap_of(strategy))
    episodes.foresee(forecaster_of(strategy))
    return episodes


def pilot(source: Source, task: Task, plan: Plan) -> MarketEstimates:
    """Estimates of a market for rules, from training episodes without own orders.

    Volume and its course over the horizon; volatility as the standard deviation of the mid's change over the
    horizon (ticks per square root of a second); depth and spread as means over decisions.
    """
    episodes = Episodes(source, task, len(plan))
    episodes.start(without_orders(plan))
    volume: list[Ints] = []
    depth: list[Floats] = []
    spread: list[float] = []
    while episodes.working.any():
        view = episodes.view
        ok = episodes.working & view.tradable
        volume.append(
            np.where(episodes.working, view.v_seen, volume[-1] if volume else np.int64(0))
        )
        if ok.any():
            depth.append(view.far_depth[ok].mean(axis=0))
            spread.append(float(np.abs(view.far[ok] - view.touch[ok]).mean()))
        episodes.step(empty(len(plan)))
    volume.append(
        (episodes.states[:, sim.BOUGHT] + episodes.states[:, sim.SOLD])
        - (episodes.states[:, sim.ARRIVED + 1] + episodes.states[:, sim.ARRIVED + 2])
    )
    seen = np.array([v.mean() for v in volume])
    grid = episodes.costs().mid2_grid
    sd = float(np.std(grid[:, -1] - grid[:, 0]) / 2)
    interval_s = task.horizon_s / task.decisions
    mean_depth = np.maximum(np.mean(depth, axis=0), 1.0) if depth else np.ones(c.LEVELS)
    return MarketEstimates(
        expected_volume=float(seen[-1]),
        volume_curve=np.maximum(seen[-1] - seen, 0.0),
        sigma=max(sd, 1e-6) / np.sqrt(task.horizon_ns / NS_PER_SECOND),
        eta=eta_of_depth(mean_depth, interval_s),
        spread=float(np.mean(spread)) if spread else 1.0,
    )


# -- waiting --------------------------------------------------------------------------------------
# Cost of resting and waiting in a market, measured on training episodes.

USUAL: Final = 0.4
"""Of half a spread: about what it pays in the names that were looked at."""
USUAL_DAYS: Final = 6
"""Days, or other clusters, that this counts for: a name's own days scatter by half of it."""
WAITING_SEED: Final = 1_800_000_000
WAITING_EPISODES: Final = 512
"""Training episodes on which it is measured."""


@dataclass(frozen=True, eq=False)
class Waiting:
    """Cost of `guarded` without own impact and fees, over half the spread as `twap_take` pays it; at least a hundredth.

    Their difference has far less variance than either cost: prices move for both. Fees are seen beside it, as part of what
    taking costs (`View.fees_bps`): measured with them too, they would count twice, and at the weight of waiting.

    Parameters
    ----------
    source : Source
    task : Task
    sampler : Sampler
        Of training episodes.
    """

    source: Source
    task: Task
    sampler: Sampler

    @cached_property
    def value(self) -> float:
        """The ratio, measured at the first access."""
        plan = self.sampler(WAITING_SEED, 0, WAITING_EPISODES)
        rests, takes = run_strategies(
            with_impact(replace(self.source, fees=NO_FEES), None),
            self.task,
            plan,
            [Guarded(), TwapTake()],
            run_out=False,
        )
        saved = takes.shortfall / takes.denominator - rests.shortfall / rests.denominator
        spread = (takes.spread + takes.walk) / takes.denominator
        day = plan.rows[:, kernels.E_START_NS] // DAY_NS
        days = len(np.unique(day if day.any() else plan.cluster))
        own = 1.0 - saved.mean() / spread.mean()
        return max(float((days * own + USUAL_DAYS * USUAL) / (days + USUAL_DAYS)), 0.01)


def waits(source: Source, task: Task, sampler: Sampler) -> Source:
    """The same market, with the cost of waiting for strategies that read a forecast."""
    return replace(source, waiting=Waiting(source, task, sampler))


# -- settled --------------------------------------------------------------------------------------
# What a simulated market is before anything is judged in it: settled books and a pilot, made once for all seeds.

PILOT_EPISODES = 256
PILOT_SEED = -2_000_000_000
"""Of the pilot's streams: apart from every training and judged seed."""
WORLDS = 64
Settled = tuple[Source, Source, MarketEstimates]
"""The judged market, the bank for training, and what the pilot says of them."""


def settled(preset: Preset, market: Market, task: Task, quantity: int, quick: bool) -> Settled:
    """A preset's market under the law and the regimes that `market` names.

    Results are cached by the preset's content, the law and the task; treat them as read-only. With regimes nothing is
    cached, since the file that defines them may have changed.
    """
    law, regimes = law_for(preset, market.impact or None), market.regimes
    make = _settled.__wrapped__ if regimes else _settled
    return make(_KeyedPreset(preset.model_dump_json(), preset), law, task, quantity, quick, regimes)


@dataclass(frozen=True)
class _KeyedPreset:
    """A preset that is the same where its content is."""

    content: str
    preset: Preset = field(compare=False)


@lru_cache(maxsize=2)
def _settled(
    keyed: _KeyedPreset, law: ImpactLaw | None, task: Task, quantity: int, quick: bool, regimes: str
) -> Settled:
    preset = keyed.preset
    judged, training = (
        with_chosen(source, regimes, preset, task.horizon_s / 3)
        for source in (
            reactive(preset, impact=law or "none"),
            settled_bank(preset, 8 if quick else WORLDS, impact=law or "none"),
        )
    )
    plan = streams_plan(task, quantity, PILOT_SEED, 0, 64 if quick else PILOT_EPISODES)
    return judged, training, pilot(judged, task, plan)
