"""Search for a rule's parameters on training episodes, by CMA-ES on the mean arrival shortfall.

Every generation of the search (`cma`) tries its candidates on the same fresh training episodes, a row of parameters a
market; nothing is tried twice on one episode, so nothing is learned by heart. The answer is the mean of the search's
last means.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs
from tercel.core.stats import clustered_se
from tercel.execution.costs import Costs
from tercel.execution.strategies import MarketEstimates, tuned_values, wrap
from tercel.execution.strategies.tunable import Tunable
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.backgrounds import Backgrounds
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, sides_of
from tercel.lab.evaluation.runs import BATCH, run_strategies
from tercel.lab.tuning.cma import CmaEs
from tercel.market.simulator.source import Source

# Training episodes on which each candidate of a generation runs.
EPISODES_PER_CANDIDATE = 32
# Largest ratio of the step size in the last generation to that in the first.
FINAL_SIGMA = 0.2
# Number of training episodes on which starts of the search are compared, and the first of them.
START_EPISODES = 256
START_FIRST = 2**40
# Penalty, bps, for an episode in which own orders did not fit into the market's arrays.
OVERFLOWED_BPS = 1000.0
# Last part of the search whose means are averaged into the result.
AVERAGED_SHARE = 0.3
# Number of parameters from which on the search adapts variances alone, without covariances: it has too few generations.
DIAGONAL_FROM = 40


@dataclass(frozen=True, eq=False)
class Arena:
    """Source, plans and estimates that a strategy is tuned and validated on.

    Parameters
    ----------
    source : Source
        Source of the markets' events; episodes warm up as judged ones do.
    task : Task
    sample : callable
        (first, n) -> training episodes `first` .. `first + n - 1`.
    validation : Plan
        Episodes that are neither trained nor judged on.
    final : Plan
        More of them, for those that were among the best.
    estimates : MarketEstimates
        From training episodes alone.
    """

    source: Source
    task: Task
    sample: Callable[[int, int], Plan]
    validation: Plan
    final: Plan
    estimates: MarketEstimates


@dataclass(frozen=True)
class TuningScore:
    """Mean arrival shortfall and standard error, bps, over a number of episodes, and the number of lost orders."""

    bps: float
    se: float
    episodes: int
    overflowed: int = 0


@dataclass(frozen=True)
class SearchResult:
    """Result of a search: the parameters found, their training cost, and the episodes used.

    Parameters
    ----------
    parameters : dict of str to float
    training_bps : float
        Mean shortfall of the last generations' candidates.
    episodes : int
        Training episodes used.
    overflowed : int
        Those of them in which orders were lost.
    """

    parameters: dict[str, float]
    training_bps: float
    episodes: int
    overflowed: int


def episodes_for(kind: type[Tunable]) -> int:
    """Default number of training episodes of a search: 2,000, and 1,200 more for each parameter that is searched."""
    return 2_000 + 1_200 * int((kind.layout.scales > 0).sum())


def population_of(dimensions: int) -> int:
    """Number of candidates in a generation for a number of parameters, a multiple of eight."""
    return 8 * max(round((4 + 3 * math.log(dimensions)) / 5), 1)


def _shortfalls(costs: Costs) -> Floats:
    """Arrival shortfall of every episode, bps, float64 (n,); a large penalty where orders were lost."""
    return costs.shortfall_bps + OVERFLOWED_BPS * (costs.overflow > 0)


def score_costs(costs: Costs, plan: Plan) -> tuple[Floats, TuningScore]:
    """Shortfall of every episode of a plan, bps, float64 (n,), and their mean with its standard error.

    Errors are those of independent markets, both sides of each together; days are the judge's business.
    """
    values = _shortfalls(costs)
    error = clustered_se(values, np.arange(len(values)) // sides_of(plan))
    lost = int((costs.overflow > 0).sum())
    return values, TuningScore(float(values.mean()), error, len(values), lost)


def score_strategies(arena: Arena, plan: Plan, strategies: Sequence[Strategy]) -> list[TuningScore]:
    """Mean shortfall and standard error of each strategy over a plan; the markets warm up once for all."""
    return [
        score_costs(costs, plan)[1]
        for costs in run_strategies(arena.source, arena.task, plan, strategies, run_out=False)
    ]


def run_side_by_side(
    make_markets: Callable[[int], Episodes],
    plan: Plan,
    count: int,
    make_strategy: Callable[[slice], Strategy],
) -> Iterator[tuple[Costs, int]]:
    """Run `count` candidates on all episodes of a plan, several candidates at once; yields costs and decisions of each group.

    The markets warm up once and are copied; their public events are simulated once.

    Parameters
    ----------
    make_markets : callable
        So many markets, not begun.
    plan : Plan
    count : int
        Candidates.
    make_strategy : callable
        Some of them as one strategy of one row per episode: the first one's episodes, the second one's, and so on.

    Yields
    ------
    (Costs, int)
        Of as many candidates as run together: their episodes in that order, and how many decisions they took.
    """
    warm_markets = make_markets(len(plan))
    backgrounds = Backgrounds()
    warm_markets.share_backgrounds(backgrounds)
    warm_markets.start(plan)
    snapshot = warm_markets.snapshot()
    per_run = max(BATCH // len(plan), 1)
    for start in range(0, count, per_run):
        chunk = slice(start, min(start + per_run, count))
        copies = chunk.stop - chunk.start
        episodes = make_markets(copies * len(plan))
        decisions = 0
        episodes.share_backgrounds(backgrounds)
        episodes.restore(tuple(np.concatenate([array] * copies) for array in snapshot))
        strategy = make_strategy(chunk)
        episodes.follow(strategy)
        while episodes.working.any():
            decisions += int(episodes.working.sum())
            episodes.work(strategy)
        yield episodes.costs(), decisions


def cost_candidates(
    arena: Arena, plan: Plan, kind: type[Tunable], rows: Floats, wrappers: Sequence[str] = ()
) -> tuple[Floats, Longs]:
    """Mean shortfall of each row of parameters, float64 (rows, P), on all episodes of a plan, bps, float64 (rows,), and
    in how many episodes orders were lost, int64 (rows,); those are dear.

    Candidates run side by side, in the wrappers named.
    """

    def markets(n: int) -> Episodes:
        """Batch of `n` markets of the arena."""
        return Episodes(arena.source, arena.task, n, run_out=False)

    def candidates(chunk: slice) -> Strategy:
        """Strategy that acts with the parameters of the rows `chunk`, each on all episodes of the plan."""
        return wrap(kind(np.repeat(rows[chunk], len(plan), axis=0), arena.estimates), wrappers)

    mean_bps = []
    overflowed = []
    for costs, _ in run_side_by_side(markets, plan, len(rows), candidates):
        mean_bps.append(_shortfalls(costs).reshape(-1, len(plan)).mean(axis=1))
        overflowed.append((costs.overflow > 0).reshape(-1, len(plan)).sum(axis=1))
    return np.concatenate(mean_bps), np.concatenate(overflowed)


def _best_start(arena: Arena, kind: type[Tunable], wrappers: Sequence[str]) -> Floats:
    """Start of the search, float64 (P,): the tuned values, or a start of the layout if that costs less on a few
    episodes.
    """
    layout = kind.layout
    options = [
        tuned_values("+".join((layout.rule, *wrappers)), arena.estimates.market),
        *layout.starts,
    ]
    rows = np.array([layout.vector(option) for option in options])
    if len(rows) == 1:
        return np.asarray(rows[0], np.float64)
    plan = arena.sample(START_FIRST, START_EPISODES)
    return np.asarray(
        rows[int(np.argmin(cost_candidates(arena, plan, kind, rows, wrappers)[0]))], np.float64
    )


def search(
    arena: Arena,
    kind: type[Tunable],
    episodes: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    wrappers: Sequence[str] = (),
) -> SearchResult:
    """Search for a rule's parameters with a budget of training episodes; candidates that lose orders get a large cost;
    ConfigError if the budget is below three generations.

    Candidates run in the wrappers named, such as the clock of events.

    Raises
    ------
    ConfigError
        Too few episodes for three generations.
    """
    layout = kind.layout
    free = np.flatnonzero(layout.scales > 0)
    start = _best_start(arena, kind, wrappers)
    rng = np.random.default_rng((seed, len(free)))
    population = population_of(len(free))
    generations = episodes // (population * EPISODES_PER_CANDIDATE)
    if generations < 3:
        fewest = 3 * population * EPISODES_PER_CANDIDATE
        raise ConfigError(
            f"at least {fewest} episodes for {layout.rule}", f"{episodes}", f"`episodes={fewest}`"
        )
    tuner = CmaEs(
        start[free], layout.scales[free], rng, population, diagonal=len(free) >= DIAGONAL_FROM
    )
    means = []
    values = []
    overflowed = 0
    for generation in range(generations):
        # where differences are mostly noise, step sizes would grow by chance: they are forced to shrink
        tuner.sigma = min(tuner.sigma, FINAL_SIGMA ** (generation / generations))
        plan = arena.sample(generation * EPISODES_PER_CANDIDATE, EPISODES_PER_CANDIDATE)
        candidates = tuner.ask()
        rows = np.tile(start, (population, 1))
        rows[:, free] = candidates
        bps, lost = cost_candidates(arena, plan, kind, rows, wrappers)
        tuner.tell(candidates, bps)
        means.append(tuner.mean)
        values.append(float(bps.mean()))
        overflowed += int(lost.sum())
        if progress is not None:
            progress(population * EPISODES_PER_CANDIDATE)
    averaged = max(int(AVERAGED_SHARE * generations), 1)
    vector = start.copy()
    vector[free] = np.mean(means[-averaged:], axis=0)
    parameters = {
        name: round(float(value), 4) for name, value in zip(layout.names, vector, strict=True)
    }
    return SearchResult(
        parameters,
        float(np.mean(values[-averaged:])),
        generations * population * EPISODES_PER_CANDIDATE,
        overflowed,
    )
