"""What a policy observes, which features its decisions depend on, and how.

Episodes step by step: the book, what the policy wanted and why, what came of it.

Why: each feature in turn is replaced by what other decisions saw of it; what that changes in the mean is what the
feature contributed to this decision against an ordinary one (the one-feature term of a Shapley value, Strumbelj &
Kononenko 2014, without the interactions).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tercel import Task, View
from tercel.core import NS_PER_SECOND, Bools, ConfigError, Float32, Floats, Ints
from tercel.core.stats import Estimate, mean_interval
from tercel.execution import ANCHOR, BPS, Costs, Intents, attribute, intent as i, shares
from tercel.lab.evaluation import Episodes, Plan, batches
from tercel.market.simulator import Source, layout as sim

# -- observed -------------------------------------------------------------------------------------
# Observed decisions of a policy over many episodes, laid flat: the material of every explanation.

GROUPS: Final = (
    ("time and lots left", ("time_left", "lots_left", "seconds_left")),
    ("size and urgency", ("order", "left_in", "slice", "horizon", "urgency", "side")),
    ("forecast", ("forecast",)),
    ("own orders", ("own_lots",)),
    ("queue ahead", ("queue",)),
    ("spread", ("spread",)),
    ("own-side depth", ("own_depth",)),
    ("far-side depth", ("far_depth",)),
    ("depth", ("depth",)),
    ("imbalance of the book", ("imbalance", "microprice")),
    ("volatility", ("volatility",)),
    ("price moves", ("drift",)),
    ("flow", ("order_flow", "volume", "events", "flow", "limit_", "trade")),
)
"""Families of entries by how their names begin, the longest beginning first; the rest is `OTHER`."""
OTHER: Final = "other"
PARTS: Final = ("take", "touch", "behind", "hold")
"""Of what is left: taken now, shown at the touch or inside it, shown behind it, held back."""


class ExplainableStrategy(Protocol):
    """Port of a strategy that answers to an observation, such as `PolicyStrategy`."""

    @property
    def name(self) -> str: ...

    def observe(self, view: View) -> Float32:
        """Observation of a view, float32 (n, D)."""

    def answer(self, obs: Float32, view: View) -> Intents:
        """Intents on the observations `obs`, int32 (n, 10)."""


@dataclass(frozen=True, eq=False)
class ObservedDecisions:
    """Decisions with lots left, one a row.

    Parameters
    ----------
    view : View
        Of N decisions.
    obs : float32 (N, D)
    episode : int64 (N,)
        Row of the plan.
    """

    view: View
    obs: Float32
    episode: Ints

    def __len__(self) -> int:
        return len(self.obs)

    def take(self, rows: Ints) -> "ObservedDecisions":
        """Some of the decisions."""
        return ObservedDecisions(rows_of(self.view, rows), self.obs[rows], self.episode[rows])

    def some(self, most: int, rng: np.random.Generator) -> "ObservedDecisions":
        """At most `most` decisions, drawn without replacement."""
        return (
            self
            if len(self) <= most
            else self.take(np.sort(rng.choice(len(self), most, replace=False)))
        )


def rows_of(view: View, rows: Ints) -> View:
    """A view of some of its rows, which may come again."""
    return View(view.x[rows], view.m[rows], view.draw[rows])


def watch(
    source: Source, task: Task, plan: Plan, strategy: ExplainableStrategy
) -> tuple[ObservedDecisions, Costs]:
    """Run a policy through all episodes of a plan; its observed decisions and their costs.

    Raises
    ------
    ConfigError
        When no decision was taken with lots left.
    """
    columns: list[tuple[NDArray[np.generic], ...]] = []
    costs, first = [], 0
    for part in batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        while episodes.working.any():
            view = episodes.view
            obs = strategy.observe(view)
            live = np.flatnonzero(episodes.working & (view.left > 0) & view.tradable)
            columns.append(
                (
                    view.x[live],
                    view.m[live],
                    view.draw[live],
                    obs[live],
                    first + live,
                )
            )
            episodes.step(strategy.answer(obs, view))
        costs.append(episodes.costs())
        first += len(part)
    x, m, draw, obs, episode = (np.concatenate(column) for column in zip(*columns, strict=True))
    if not len(x):
        raise ConfigError(
            "decisions with lots left", "none", "look at more episodes, or at another market"
        )
    return ObservedDecisions(View(x, m, draw), obs, episode), Costs.concat(costs)


def parts(intents: Intents, view: View) -> Floats:
    """Shares of what is left in each of `PARTS`, float64 (n, 4); they add up to 1."""
    all_ = shares(intents, view)
    behind = np.where(behind_touch(intents, view) > 0, all_[:, 1:], 0.0).sum(axis=1)
    return np.stack(
        [all_[:, 0], all_[:, 1:].sum(axis=1) - behind, behind, 1.0 - all_.sum(axis=1)], axis=1
    )


def behind_touch(intents: Intents, view: View) -> Ints:
    """Ticks of each rung behind the own touch, int64 (n, K); negative inside the spread."""
    steps = intents[:, [i.STEP]].astype(np.int64) * np.arange(i.K)
    return (view.touch - intents[:, ANCHOR])[:, None] * view.side[:, None] + steps


def places(intents: Intents, view: View) -> Floats:
    """Shares of what is left at each place, float64 (n, 7): take, the five rungs, held; they add up to 1."""
    all_ = shares(intents, view)
    return np.concatenate([all_, 1.0 - all_.sum(axis=1, keepdims=True)], axis=1)


def grouped(names: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
    """Columns by family, in the order of `GROUPS`.

    >>> grouped(["time_left", "imbalance_1", "imbalance_3", "moon"])
    {'time and lots left': (0,), 'imbalance of the book': (1, 2), 'other': (3,)}
    """
    heads = {head: group for group, heads in GROUPS for head in heads}
    found: dict[str, list[int]] = {group: [] for group in (*(group for group, _ in GROUPS), OTHER)}
    for column, name in enumerate(names):
        fitting = [head for head in heads if name.startswith(head)]
        found[heads[max(fitting, key=len)] if fitting else OTHER].append(column)
    return {group: tuple(columns) for group, columns in found.items() if columns}


# -- importance -----------------------------------------------------------------------------------
# Permutation importance (Breiman 2001, "Random forests", section 10), of actions and of costs.
#
# A feature's column is shuffled among decisions, so that it keeps its distribution and loses its meaning. How far that
# moves the action is measured as a total variation distance of where the lots go; what it costs is measured by letting the
# policy act on the shuffled feature in the same episodes. Columns that say the same share their importance, so families
# of them are shuffled as one too (`seen.grouped`).

Columns = Mapping[str, tuple[int, ...]]
REPEATS = 4
"""Shufflings of each feature."""


@dataclass(frozen=True)
class PermutationImportance:
    """Importance of a feature or family: change of the action when it is shuffled.

    Parameters
    ----------
    name : str
    distance : Estimate
        Share of what is left that goes to another place, mean over decisions; clusters are episodes.
    change : tuple of float
        Mean absolute change of each share, in the order of `PARTS`.
    """

    name: str
    distance: Estimate
    change: tuple[float, ...]


def moves_action(
    strategy: ExplainableStrategy,
    seen: ObservedDecisions,
    columns: Columns,
    rng: np.random.Generator,
) -> list[PermutationImportance]:
    """Importances of every feature (or family) for the action, largest first."""
    before_places, before_parts = _both(strategy, seen)
    found = []
    for name, which in columns.items():
        distance, change = np.zeros(len(seen)), np.zeros((len(seen), before_parts.shape[1]))
        for _ in range(REPEATS):
            obs = seen.obs.copy()
            obs[:, which] = seen.obs[rng.permutation(len(seen))][:, which]
            after_places, after_parts = _both(
                strategy, ObservedDecisions(seen.view, obs, seen.episode)
            )
            distance += 0.5 * np.abs(after_places - before_places).sum(axis=1) / REPEATS
            change += np.abs(after_parts - before_parts) / REPEATS
        found.append(
            PermutationImportance(
                name,
                mean_interval(distance, seen.episode, rng),
                tuple(change.mean(axis=0).tolist()),
            )
        )
    return sorted(found, key=lambda moved: -moved.distance.mean)


def away_from(
    intents: Intents,
    strategy: ExplainableStrategy,
    seen: ObservedDecisions,
    rng: np.random.Generator,
) -> Estimate:
    """Share of what is left that a strategy sends elsewhere than `intents` of the same decisions would."""
    own = places(strategy.answer(seen.obs, seen.view), seen.view)
    distance = 0.5 * np.abs(own - places(intents, seen.view)).sum(axis=1)
    return mean_interval(distance, seen.episode, rng)


def _both(strategy: ExplainableStrategy, seen: ObservedDecisions) -> tuple[Floats, Floats]:
    intents = strategy.answer(seen.obs, seen.view)
    return places(intents, seen.view), parts(intents, seen.view)


def moves_cost(
    source: Source,
    task: Task,
    plan: Plan,
    strategy: ExplainableStrategy,
    plain: Costs,
    columns: Columns,
    rng: np.random.Generator,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Estimate]:
    """Extra cost of acting on a shuffled feature, bps, on the same episodes.

    At each decision the column is shuffled among the episodes that run side by side, so it comes from the same moment
    of another episode: what is lost is what the feature says of *this* episode beyond the time.
    """
    before = attribute(plain, None)["is_bps"]
    found = {}
    for name, which in columns.items():
        after = attribute(_run_shuffled(source, task, plan, strategy, which, rng), None)["is_bps"]
        found[name] = mean_interval(after - before, plain.cluster, rng)
        if progress is not None:
            progress(name)
    return found


def _run_shuffled(
    source: Source,
    task: Task,
    plan: Plan,
    strategy: ExplainableStrategy,
    which: tuple[int, ...],
    rng: np.random.Generator,
) -> Costs:
    done = []
    for part in batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        while episodes.working.any():
            view = episodes.view
            obs = strategy.observe(view).copy()
            live = np.flatnonzero(episodes.working & (view.left > 0))
            columns = np.array(which)
            obs[live[:, None], columns] = obs[rng.permutation(live)[:, None], columns]
            episodes.step(strategy.answer(obs, view))
        done.append(episodes.costs())
    return Costs.concat(done)


# -- dependence -----------------------------------------------------------------------------------
# Partial dependence (Friedman 2001, "Greedy function approximation", section 8.2): the mean action by one feature.

POINTS: Final = 13
_LEVELS: Final = (0.02, 0.98)


@dataclass(frozen=True, eq=False)
class Dependence:
    """The mean shares of what is left that go to each of `PARTS` while one feature is set to each value of a grid.

    Parameters
    ----------
    name : str
    grid : float64 (G,)
        Quantiles of what was seen, from 2 to 98 %.
    mean : float64 (G, 4)
        In the order of `PARTS`.
    """

    name: str
    grid: Floats
    mean: Floats


def partial_dependence(
    strategy: ExplainableStrategy, seen: ObservedDecisions, names: Sequence[str], column: int
) -> Dependence:
    """Set `column` to each value of a grid in all decisions, everything else as it was seen.

    Where features go together some of these decisions never happen; read it beside the importance.
    """
    grid = np.unique(
        np.quantile(seen.obs[:, column], np.linspace(*_LEVELS, POINTS)).astype(np.float32)
    )
    rows = np.tile(np.arange(len(seen)), len(grid))
    obs = seen.obs[rows]
    obs[:, column] = np.repeat(grid, len(seen))
    view = rows_of(seen.view, rows)
    all_ = parts(strategy.answer(obs, view), view)
    return Dependence(
        names[column], grid.astype(np.float64), all_.reshape(len(grid), len(seen), -1).mean(axis=1)
    )


BACKGROUND: Final = 32
"""Decisions of other episodes that a feature is drawn from."""
REASONS: Final = 3
LEAST: Final = 0.01
"""Contributions below a hundredth of what is left are not listed."""
LOG_ROWS: Final = 4096


@dataclass(frozen=True)
class Reason:
    """What one feature did to one decision, against ordinary values of it: changes of the shares of what is left."""

    name: str
    value: float
    rank: float
    """Share of all decisions that saw less of it, 0 to 1."""
    change: tuple[float, ...]
    """In the order of `seen.PARTS`."""


@dataclass(frozen=True, eq=False)
class EpisodeStep:
    """One decision of a traced episode; prices in ticks, quantities in lots."""

    time_s: float
    left: int
    bid: int
    ask: int
    own_depth: int
    far_depth: int
    take: int
    rest: tuple[tuple[int, int], ...]
    """Lots wanted on the ladder: (ticks behind the own touch, lots)."""
    reasons: tuple[Reason, ...]
    filled: int
    """Lots filled since the decision before."""
    passive: int
    """Of these, while resting."""
    cost_bps: float
    """Of all fills so far, in bps of the whole order."""

    @property
    def wants(self) -> str:
        """The intent as a phrase."""
        wanted = [f"take {self.take}"] if self.take else []
        wanted += [
            f"show {lots} at touch{-ticks:+d}" if ticks else f"show {lots} at touch"
            for ticks, lots in self.rest
        ]
        return ", ".join(wanted + ([f"hold {self.held}"] if self.held > 0 else []))

    @property
    def shown(self) -> int:
        """Lots on the ladder of the intent."""
        return sum(lots for _, lots in self.rest)

    @property
    def held(self) -> int:
        """Lots held back by the intent."""
        return self.left - self.take - self.shown


@dataclass(frozen=True, eq=False)
class EpisodeTrace:
    """Trace of one episode, decision by decision.

    Parameters
    ----------
    title : str
    episode : int
        Row of the plan.
    side, lots : int
    cost_bps : float
        Implementation shortfall.
    steps : tuple of EpisodeStep
    fill_s, fill_ticks, fill_lots : float64, int64, int64 (f,)
    fill_passive, fill_forced : bool (f,)
    """

    title: str
    episode: int
    side: int
    lots: int
    cost_bps: float
    steps: tuple[EpisodeStep, ...]
    fill_s: Floats
    fill_ticks: Ints
    fill_lots: Ints
    fill_passive: Bools
    fill_forced: Bools


def chosen(cost_bps: Floats, each: int) -> list[tuple[str, int]]:
    """The `each` cheapest, middle and most expensive episodes: (title, row).

    >>> chosen(np.array([3.0, 1.0, 2.0]), 1)
    [('cheapest', 1), ('median', 2), ('most expensive', 0)]
    """
    order = np.argsort(cost_bps, kind="stable").tolist()
    middle = max((len(order) - each) // 2, 0)
    picks = (
        ("cheapest", order[:each]),
        ("median", order[middle : middle + each]),
        ("most expensive", order[::-1][:each]),
    )
    return [(title, row) for title, rows in picks for row in rows]


def trace_episodes(
    source: Source,
    task: Task,
    plan: Plan,
    strategy: ExplainableStrategy,
    seen: ObservedDecisions,
    names: Sequence[str],
    picks: Sequence[tuple[str, int]],
    rng: np.random.Generator,
) -> list[EpisodeTrace]:
    """Run the episodes `picks` (title, row of the plan) again, with every step recorded."""
    rows = np.array([row for _, row in picks], np.int64)
    episodes = Episodes(source, task, len(rows), log_rows=LOG_ROWS)
    episodes.start(plan.take(rows))
    start = episodes.states[:, sim.START_NS].copy()
    background, ranks = seen.some(BACKGROUND, rng).obs, np.sort(seen.obs, axis=0)
    moments: list[list[tuple[View, Float32, Intents, int]]] = [[] for _ in picks]
    while episodes.working.any():
        view = episodes.view
        obs = strategy.observe(view).copy()
        intents = strategy.answer(obs, view)
        for market in np.flatnonzero(episodes.working & (view.left > 0)).tolist():
            one = np.array([market])
            now = int(episodes.states[market, sim.NOW])
            moments[market].append((rows_of(view, one), obs[one], intents[one].copy(), now))
        episodes.step(intents)
    costs = episodes.costs()
    found = []
    for market, (title, row) in enumerate(picks):
        fills = episodes.fills(market).copy()
        reasons = [
            why(strategy, view, obs, background, ranks, names)
            for view, obs, _, _ in moments[market]
        ]
        order = int(costs.side[market]), int(costs.qty[market]), int(costs.arrival_mid2[market])
        steps = _steps(moments[market], reasons, fills, order, int(start[market]))
        cost = float(costs.shortfall[market] / costs.denominator[market] * BPS)
        found.append(
            EpisodeTrace(
                title,
                row,
                order[0],
                order[1],
                cost,
                steps,
                (fills[:, 0] - start[market]) / NS_PER_SECOND,
                fills[:, 1],
                fills[:, 2],
                fills[:, 5] != 0,
                fills[:, 6] != 0,
            )
        )
    return found


def why(
    strategy: ExplainableStrategy,
    view: View,
    obs: Float32,
    background: Float32,
    ranks: Float32,
    names: Sequence[str],
) -> tuple[Reason, ...]:
    """Features that moved one decision most, with their effects.

    Parameters
    ----------
    view, obs : View, float32 (1, D)
        Of the decision.
    background : float32 (B, D)
        Of other decisions.
    ranks : float32 (N, D)
        All that was seen, each column sorted.
    """
    features, drawn = obs.shape[1], len(background)
    swapped = np.repeat(obs, features * drawn, axis=0)
    column = np.repeat(np.arange(features), drawn)
    swapped[np.arange(len(swapped)), column] = background.T.ravel()
    many = rows_of(view, np.zeros(len(swapped), np.int64))
    here, there = strategy.answer(obs, view), strategy.answer(swapped, many)
    gone = places(there, many).reshape(features, drawn, -1).mean(axis=1)
    size = 0.5 * np.abs(places(here, view) - gone).sum(axis=1)
    change = parts(here, view) - parts(there, many).reshape(features, drawn, -1).mean(axis=1)
    best = [int(j) for j in np.argsort(-size, kind="stable")[:REASONS] if size[j] >= LEAST]
    return tuple(
        Reason(
            names[j],
            float(obs[0, j]),
            float(np.mean(ranks[:, j] < obs[0, j])),
            tuple(change[j].tolist()),
        )
        for j in best
    )


def _ladder(intents: Intents, view: View) -> tuple[tuple[int, int], ...]:
    """Lots wanted by how far behind the touch, of one decision."""
    ticks, lots = behind_touch(intents, view)[0].tolist(), intents[0, i.REST0 :].tolist()
    return tuple((tick, lot) for tick, lot in zip(ticks, lots, strict=True) if lot)


def _steps(
    moments: Sequence[tuple[View, Float32, Intents, int]],
    reasons: Sequence[tuple[Reason, ...]],
    fills: Ints,
    order: tuple[int, int, int],
    start: int,
) -> tuple[EpisodeStep, ...]:
    side, lots, arrival = order
    paid = side * (2 * fills[:, 1] - arrival) * fills[:, 2]
    steps, before, filled = [], 0, np.cumsum(fills[:, 2])
    for (view, _, intents, now), why_ in zip(moments, reasons, strict=True):
        known = int(
            np.searchsorted(filled, lots - int(view.left[0]), "right")
        )  # takes bear their decision's own time
        new = fills[before:known]
        touch, far = int(view.touch[0]), int(view.far[0])
        steps.append(
            EpisodeStep(
                (now - start) / NS_PER_SECOND,
                int(view.left[0]),
                min(touch, far),
                max(touch, far),
                int(view.own_depth[0, 0]),
                int(view.far_depth[0, 0]),
                int(intents[0, i.TAKE]),
                _ladder(intents, view),
                why_,
                int(new[:, 2].sum()),
                int(new[new[:, 5] != 0, 2].sum()),
                float(paid[:known].sum() / (arrival * lots) * BPS),
            )
        )
        before = known
    return tuple(steps)
