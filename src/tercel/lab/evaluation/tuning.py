"""Tuning the numbers of a rule on training episodes, and the cost of the result on others.

Every generation of the search (`cma`) tries its candidates on the same fresh training episodes, a row of parameters a
market; nothing is tried twice on one episode, so nothing is learned by heart. The answer is the mean of the search's
last means. It is accepted only if it beats the values that the search began from on validation episodes, which are neither
trained nor judged on.

Tuning jobs for a pool: one strategy a job, results as small files until all are there.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.files import write_atomic
from tercel.core.jit import Floats, Longs
from tercel.core.pool import Pool
from tercel.core.progress import progress, say
from tercel.core.serialization import Record, json_text
from tercel.core.stats import clustered_se
from tercel.execution import step as kernels
from tercel.execution.costs import Costs, attribute
from tercel.execution.strategies import TUNABLE, MarketEstimates, build, tuned_values, wrap
from tercel.execution.strategies.tunable import Tunable
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import Task
from tercel.lab.evaluation.cma import CmaEs
from tercel.lab.evaluation.episodes import Backgrounds, Episodes, Plan, seeded_plan, sides_of
from tercel.lab.evaluation.market import BuiltMarket, build_market
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.simulator.source import Source

BATCH = 256
# Episodes that each candidate of a generation is tried on.
TRIED_ON = 32
# Steps of the last generation over those of the first, at most.
SHORTEST = 0.2
# Training episodes that places to begin are compared on, and the number of the first of them.
SIGHT, SIGHT_FROM = 256, 2**40
# What an episode costs more in which own orders were too many to keep: no result with one is judged.
OVERFLOWED_BPS = 1000.0
# The means of this last part of the search are averaged.
LATE = 0.3
# Numbers from which on the search learns variances alone: it has too few generations for how they go together.
MANY = 40


@dataclass(frozen=True, eq=False)
class Arena:
    """Market, plans and estimates with which a strategy is tuned and validated.

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
    """Mean arrival shortfall and its standard error, bps; over how many episodes, and how many lost orders."""

    bps: float
    se: float
    episodes: int
    overflowed: int = 0


@dataclass(frozen=True, eq=False)
class CandidateCosts:
    """Costs of rows of parameters over a plan.

    Parameters
    ----------
    bps : float64 (rows,)
        Mean shortfall; dear where orders were lost.
    overflowed : int64 (rows,)
        Episodes in which they were: own orders, commands or the market's found no place.
    """

    bps: Floats
    overflowed: Longs


@dataclass(frozen=True)
class SearchResult:
    """Result of a search: parameters and its course.

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


@dataclass(frozen=True)
class TuningOutcome(Record):
    """Outcome of a tuning: parameters found, with their validation beside what it began from.

    A strategy that has nothing to tune has its validation alone.

    Parameters
    ----------
    parameters : dict of str to float
        The better ones on validation episodes: those found, or those begun from; empty without any.
    training_bps : float
        Mean shortfall of the last generations' candidates.
    training_episodes : int
    validation, begun_from : TuningScore
        Of `parameters`, and of the values that the search began from.
    training_overflowed : int
        Training episodes in which orders were lost.
    final : TuningScore
        Of finalists, on episodes of their own.
    """

    optional = (
        "parameters",
        "training_bps",
        "training_episodes",
        "begun_from",
        "training_overflowed",
        "final",
    )

    parameters: dict[str, float] = field(default_factory=dict)
    training_bps: float | None = None
    training_episodes: int | None = None
    validation: TuningScore = field(kw_only=True)
    begun_from: TuningScore | None = None
    training_overflowed: int | None = None
    final: TuningScore | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        """Sort key: finalists first, by their cost in the final."""
        return self.final is None, (self.final or self.validation).bps


@dataclass(frozen=True)
class TuningResult:
    """The file of a tuning: strategies with the values found, and those that have nothing to tune."""

    market: str
    task: dict[str, Any]
    seed: int
    best: str
    strategies: dict[str, TuningOutcome]
    untuned: dict[str, TuningOutcome]


def episodes_for(kind: type[Tunable]) -> int:
    """Training episodes of a search by default: 2,000 and 1,200 more for each number searched for."""
    return 2_000 + 1_200 * int((kind.layout.scales > 0).sum())


def population_of(dimensions: int) -> int:
    """Candidates a generation, a multiple of eight: noisy values want more of them than CMA-ES does by itself."""
    return 8 * max(round((4 + 3 * math.log(dimensions)) / 5), 1)


def _shortfalls(costs: Costs) -> Floats:
    """Arrival shortfall of every episode, bps, float64 (n,); dear where orders were lost."""
    return np.asarray(
        attribute(costs, None)["is_bps"] + OVERFLOWED_BPS * (costs.overflow > 0), np.float64
    )


def scores(arena: Arena, plan: Plan, strategies: Sequence[Strategy]) -> list[TuningScore]:
    """Mean and standard error of the shortfall of strategies over a plan, whose markets warm up once for all.

    Errors are those of independent markets, both sides of each together; days are the judge's business.
    """
    found = []
    for costs in run_strategies(arena.source, arena.task, plan, strategies, run_out=False):
        values = _shortfalls(costs)
        error = clustered_se(values, np.arange(len(values)) // sides_of(plan))
        found.append(
            TuningScore(float(values.mean()), error, len(values), int((costs.overflow > 0).sum()))
        )
    return found


def side_by_side(
    markets: Callable[[int], Episodes],
    plan: Plan,
    count: int,
    candidates: Callable[[slice], Strategy],
) -> Iterator[tuple[Costs, int]]:
    """Run candidates on all episodes of a plan; the markets warm up once and are copied, their public acts once.

    Parameters
    ----------
    markets : callable
        So many markets, not begun.
    plan : Plan
    count : int
        Candidates.
    candidates : callable
        Some of them as one strategy of one row per episode: the first one's episodes, the second one's, and so on.

    Yields
    ------
    (Costs, int)
        Of as many candidates as run together: their episodes in that order, and how many decisions they took.
    """
    first, backgrounds = markets(len(plan)), Backgrounds()
    first.share(backgrounds)
    first.start(plan)
    warm, together = first.snapshot(), max(BATCH // len(plan), 1)
    for start in range(0, count, together):
        some = slice(start, min(start + together, count))
        copies = some.stop - some.start
        episodes, decisions = markets(copies * len(plan)), 0
        episodes.share(backgrounds)
        episodes.restore(tuple(np.concatenate([array] * copies) for array in warm))
        strategy = candidates(some)
        episodes.pace(gap_of(strategy))
        episodes.foresee(forecaster_of(strategy))
        while episodes.working.any():
            decisions += int(episodes.working.sum())
            episodes.work(strategy)
        yield episodes.costs(), decisions


def try_all(
    arena: Arena, plan: Plan, kind: type[Tunable], rows: Floats, wrappers: Sequence[str] = ()
) -> CandidateCosts:
    """Try each row of parameters, float64 (rows, P), on all episodes of a plan.

    Candidates run side by side, in the wrappers named.
    """

    def markets(n: int) -> Episodes:
        return Episodes(arena.source, arena.task, n, run_out=False)

    def candidates(some: slice) -> Strategy:
        return wrap(kind(np.repeat(rows[some], len(plan), axis=0), arena.estimates), wrappers)

    found, lost = [], []
    for costs, _ in side_by_side(markets, plan, len(rows), candidates):
        found.append(_shortfalls(costs).reshape(-1, len(plan)).mean(axis=1))
        lost.append((costs.overflow > 0).reshape(-1, len(plan)).sum(axis=1))
    return CandidateCosts(np.concatenate(found), np.concatenate(lost))


def _best_start(arena: Arena, kind: type[Tunable], wrappers: Sequence[str]) -> Floats:
    """Start of the search, float64 (P,): the tuned values, or a start of the layout if it costs less on a few
    episodes."""
    layout = kind.layout
    offered = [
        tuned_values("+".join((layout.rule, *wrappers)), arena.estimates.market),
        *layout.starts,
    ]
    rows = np.array([layout.vector(one) for one in offered])
    if len(rows) == 1:
        return np.asarray(rows[0], np.float64)
    sight = arena.sample(SIGHT_FROM, SIGHT)
    return np.asarray(
        rows[int(np.argmin(try_all(arena, sight, kind, rows, wrappers).bps))], np.float64
    )


def search(
    arena: Arena,
    kind: type[Tunable],
    episodes: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    wrappers: Sequence[str] = (),
) -> SearchResult:
    """Search for parameters on training episodes; a candidate that loses orders is expensive, not an error.

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
    generations = episodes // (population * TRIED_ON)
    if generations < 3:
        least = 3 * population * TRIED_ON
        raise ConfigError(
            f"at least {least} episodes for {layout.rule}", f"{episodes}", f"`episodes={least}`"
        )
    tuner = CmaEs(start[free], layout.scales[free], rng, population, diagonal=len(free) >= MANY)
    means, values, overflowed = [], [], 0
    for generation in range(generations):
        # where differences are mostly noise, step sizes would grow by chance: they are forced to shrink
        tuner.sigma = min(tuner.sigma, SHORTEST ** (generation / generations))
        plan = arena.sample(generation * TRIED_ON, TRIED_ON)
        tried = tuner.ask()
        rows = np.tile(start, (population, 1))
        rows[:, free] = tried
        cost = try_all(arena, plan, kind, rows, wrappers)
        tuner.tell(tried, cost.bps)
        means.append(tuner.mean)
        values.append(float(cost.bps.mean()))
        overflowed += int(cost.overflowed.sum())
        if progress is not None:
            progress(population * TRIED_ON)
    late = max(int(LATE * generations), 1)
    found = start.copy()
    found[free] = np.mean(means[-late:], axis=0)
    parameters = {
        name: round(float(value), 4) for name, value in zip(layout.names, found, strict=True)
    }
    return SearchResult(
        parameters, float(np.mean(values[-late:])), generations * population * TRIED_ON, overflowed
    )


def tune(
    arena: Arena,
    name: str,
    episodes: int | None,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> TuningOutcome:
    """Search, then validate what was found beside what was begun from; a name may end in +events."""
    rule, *wrappers = name.split("+")
    kind = TUNABLE[rule]
    end = search(arena, kind, episodes or episodes_for(kind), seed, progress, wrappers)
    start = {**kind.layout.generic, **tuned_values(name, arena.estimates.market)}
    both = [wrap(kind(values, arena.estimates), wrappers) for values in (end.parameters, start)]
    found, begun = scores(arena, arena.validation, both)
    chosen, score = (end.parameters, found) if (found.bps <= begun.bps) else (start, begun)
    return TuningOutcome(
        chosen,
        end.training_bps,
        end.episodes,
        validation=score,
        begun_from=begun,
        training_overflowed=end.overflowed,
    )


TUNING_SEED = -(2**33)
# Streams of tuning and of validation: apart from each other, from every training's and from every judged one.
VALIDATION_SEED = -(2**34)
VALIDATION_EPISODES = 1024
# Of the recorded training days (or of the blocks of a single one); validation has the rest.
TRAINING_SHARE = 2 / 3
DRAWN = 512
FINAL_FILE = ".final.json"
FINALISTS = 3
# Times the validation episodes that the finalists see, new ones.
FINAL = 4


@dataclass(frozen=True)
class TuningSettings:
    """Settings that determine the result of a tuning, besides the strategy.

    Parameters
    ----------
    run : Scenario
        The market and the task.
    episodes : int
        Training episodes of each search; 0: by the number of parameters.
    validation_episodes : int
    seed : int
    """

    run: Scenario
    episodes: int = 0
    validation_episodes: int = VALIDATION_EPISODES
    seed: int = 1


@lru_cache(maxsize=1)
def arena_of(settings: TuningSettings) -> Arena:
    """Arena of the market of `settings`."""
    task, seed = settings.run.task, settings.seed
    # a small bank, which tuning does not start from
    market = build_market(replace(settings.run, seeds=(seed,)), quick=True)
    if settings.run.market.on_tape:
        return _on_tape(settings, market)
    quantity = int(market.plan.rows[0, kernels.E_QUANTITY])
    return Arena(
        market.judged,
        task,
        lambda first, n: seeded_plan(task, quantity, TUNING_SEED - seed, first, n),
        seeded_plan(task, quantity, VALIDATION_SEED - seed, 0, settings.validation_episodes),
        seeded_plan(
            task,
            quantity,
            VALIDATION_SEED - seed,
            settings.validation_episodes,
            FINAL * settings.validation_episodes,
        ),
        market.estimates,
    )


def _on_tape(settings: TuningSettings, market: BuiltMarket) -> Arena:
    """Windows of the training days: of the earlier ones to tune, of the later ones to validate, a cluster between."""
    drawn = market.sampler(settings.seed, 0, 4 * DRAWN)
    clusters = np.unique(drawn.cluster)
    cut = round(TRAINING_SHARE * len(clusters))
    gap = 1 if settings.run.market.lake and len(clusters) > 2 else 0
    early, late = clusters[:cut], clusters[cut + gap :]
    refuse_if(
        not len(early) or not len(late),
        "training days, or half hours of one, to tune on and others to validate on",
        f"{len(clusters)} of them",
        "import more days",
    )

    def part(plan: Plan, which: Any) -> Plan:
        return plan.take(np.flatnonzero(np.isin(plan.cluster, which)))

    known = part(drawn, early)

    def sample(first: int, n: int) -> Plan:
        rng = np.random.default_rng((settings.seed, first))
        return known.take(rng.integers(0, len(known), n))

    held_out = part(drawn, late)
    first = min(settings.validation_episodes, len(held_out) // 2)
    return Arena(
        market.training,
        settings.run.task,
        sample,
        held_out.take(slice(0, first)),
        held_out.take(slice(first, len(held_out))),
        market.estimates,
    )


def tune_task(settings: TuningSettings, name: str, folder: Path) -> bool:
    """Tune a strategy in a worker; an existing result stays."""
    path = folder / f"{name}.json"
    if not path.exists():
        # Read by the progress display, in another process.
        counted, done = folder / f".{name}.count", 0

        def count(episodes: int) -> None:
            nonlocal done
            done += episodes
            counted.write_text(str(done))

        found = tune(arena_of(settings), name, settings.episodes or None, settings.seed, count)
        write_json(path, found)
    return True


def validate_task(
    settings: TuningSettings, names: Sequence[str], folder: Path, final: bool
) -> bool:
    """Validate strategies as they are, in a worker: on the validation episodes, or on those reserved for finalists."""
    ending = FINAL_FILE if final else ".json"
    todo = [name for name in names if not (folder / f"{name}{ending}").exists()]
    if not todo:
        return True
    arena = arena_of(settings)
    known = read_results(folder, names) if final else {}
    strategies = [
        build(name, arena.estimates, known[name].parameters if name in known else None)
        for name in todo
    ]
    for name, one in zip(
        todo, scores(arena, arena.final if final else arena.validation, strategies), strict=True
    ):
        write_json(folder / f"{name}{ending}", one if final else TuningOutcome(validation=one))
    return True


def progress_of(folder: Path, name: str) -> int:
    """Episodes that the search for a strategy's parameters has used."""
    try:
        return int((folder / f".{name}.count").read_text())
    except (OSError, ValueError):
        return 0


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_atomic(path, json_text(value) + "\n")


def read_results(folder: Path, names: Sequence[str]) -> dict[str, TuningOutcome]:
    """Results that :func:`tune_task` wrote.

    Raises
    ------
    ConfigError
        A damaged file.
    """
    results = {}
    for name in names:
        path = folder / f"{name}.json"
        last = folder / f"{name}{FINAL_FILE}"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            results[name] = msgspec.convert(raw, TuningOutcome)
            if last.exists():
                final = json.loads(last.read_text(encoding="utf-8"))
                results[name] = replace(results[name], final=msgspec.convert(final, TuningScore))
        except ValueError as error:
            raise ConfigError(
                "a tuned result", f"{path}: {error}", "delete it; the same command resumes"
            ) from error
    return results


def tune_all(settings: TuningSettings, names: list[str], plain: list[str], parts: Path) -> None:
    """Tune all strategies without results, side by side, the longest first."""
    todo = sorted(
        (name for name in names if not (parts / f"{name}.json").exists()), key=_length, reverse=True
    )
    missing = [name for name in plain if not (parts / f"{name}.json").exists()]
    if not todo and not missing:
        return
    total = {name: settings.episodes or _length(name) for name in todo}
    with progress() as shown, Pool(len(todo) + 1) as pool:
        bars = {name: shown.add_task(f"tune {name}", total=total[name]) for name in todo}

        def tick(_done: int) -> None:
            for name, bar in bars.items():
                over = (parts / f"{name}.json").exists()
                shown.update(bar, completed=total[name] if over else progress_of(parts, name))

        pool.run(
            _piece,
            [(settings, name, plain, parts) for name in [*todo, *([""] if missing else [])]],
            tick,
        )


def _piece(settings: TuningSettings, name: str, plain: list[str], parts: Path) -> bool:
    """In a worker: tune one, or (without a name) validate all that have nothing to tune."""
    return (
        tune_task(settings, name, parts)
        if name
        else validate_task(settings, plain, parts, final=False)
    )


def finals(settings: TuningSettings, names: list[str], parts: Path) -> None:
    """Run the best few again on validation episodes that chose nothing yet."""
    results = read_results(parts, names)
    best = sorted(names, key=lambda name: results[name].validation.bps)[:FINALISTS]
    if all((parts / f"{name}{FINAL_FILE}").exists() for name in best):
        return
    say(f"finalists  {', '.join(best)}")
    with Pool(1) as pool:
        pool.run(validate_task, [(settings, best, parts, True)], lambda _done: None)


def _length(name: str) -> int:
    return episodes_for(TUNABLE[name.partition("+")[0]])


def result_of(
    label: str, settings: TuningSettings, results: dict[str, TuningOutcome]
) -> TuningResult:
    """The file of a tuning in a market."""
    return TuningResult(
        market=label,
        task=settings.run.task.to_dict(),
        seed=settings.seed,
        best=min(results, key=lambda name: results[name].rank),
        strategies={name: one for name, one in results.items() if one.parameters},
        untuned={name: one for name, one in results.items() if not one.parameters},
    )
