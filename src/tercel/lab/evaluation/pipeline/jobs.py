"""The jobs of an evaluation: some episodes of a scenario through all candidates, stored on disk and never run twice.

The fills of each are checked against what their market showed.
"""

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Floats, Indices, Ints
from tercel.core.errors import ConfigError, TercelError
from tercel.core.files import atomic_path
from tercel.core.pool import Pool, stopping
from tercel.core.progress import progress, say
from tercel.execution.costs import Costs
from tercel.execution.policies.strategy import PlaceboForecast
from tercel.execution.strategy import Strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.arrivals import Arrivals, run_arrivals
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.market import BuiltMarket, cached_market
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.leaks import refuse_trained_seeds
from tercel.lab.evaluation.routing import WaysExplained, informed
from tercel.lab.evaluation.runs import (
    BATCH,
    Recording,
    Response,
    markets_of,
    respond,
    run_strategies,
)
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.windows import placebo_plan
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

# -- array files ----------------------------------------------------------------------------------
# Arrays of judged episodes on disk, whole or not at all.


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Arrays of a result on disk.

    Raises
    ------
    ConfigError
        When the file is damaged.
    """
    try:
        with np.load(path) as data:
            yield data
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise ConfigError(
            "a judged result",
            f"{path}: {error}",
            "delete the file; the same command computes missing results again",
        ) from error


def write_arrays(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write the arrays of a result, whole or not at all.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_arrays(Path(folder) / "new" / "one.npz", {"bps": np.array([1.0, 2.0])})
    ...     with reading(Path(folder) / "new" / "one.npz") as data:
    ...         float(data["bps"].sum())
    3.0
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


# -- guards ---------------------------------------------------------------------------------------
# Checks of fills: none at mid, none beyond what was displayed.

LOG_ROWS = 2048
NS, PRICE, LOTS, MID2, TOUCH2, PASSIVE, FORCED = range(7)


@dataclass(frozen=True)
class Guard:
    """Counts of a strategy's checked and odd fills.

    Parameters
    ----------
    takes : int
        Fills of orders that took, before the horizon.
    at_mid : int
        Of these, how many at the mid that they met, or better.
    decisions : int
        Decisions that took at the touch they saw, without latency.
    beyond : int
        Of these, how many got more lots there than were displayed.
    """

    takes: int
    at_mid: int
    decisions: int
    beyond: int

    def __add__(self, other: "Guard") -> "Guard":
        """Both together."""
        return Guard(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def to_array(self) -> Ints:
        """The four counts."""
        return np.array(astuple(self), np.int64)


def guard(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Guard:
    """Run a strategy with its fills on record, and check each."""
    episodes = markets_of(strategy, source, task, plan, LOG_ROWS)
    seen: list[tuple[Ints, Ints, Ints]] = []
    while episodes.working.any():
        view = episodes.view
        seen.append(
            (episodes.states[:, sim.NOW].copy(), view.far.copy(), view.far_depth[:, 0].copy())
        )
        episodes.work(strategy)
    prompt = task.latency == Latency() and task.feed_latency == Latency()
    total = Guard(0, 0, 0, 0)
    for number in range(len(plan)):
        fills = episodes.fills(number)
        taken = fills[(fills[:, PASSIVE] == 0) & (fills[:, FORCED] == 0)]
        decisions, beyond = (
            _displayed(taken, [(w[number], f[number], d[number]) for w, f, d in seen])
            if prompt
            else (0, 0)
        )
        total += Guard(
            len(taken), _at_mid(taken, int(episodes.states[number, sim.SIDE])), decisions, beyond
        )
    return total


def _at_mid(taken: Ints, side: int) -> int:
    """Number of takes at the mid or better."""
    return int((side * (2 * taken[:, PRICE] - taken[:, MID2]) <= 0).sum())


def _displayed(taken: Ints, seen: list[tuple[np.int64, np.int64, np.int64]]) -> tuple[int, int]:
    """Number of decisions that took at the touch that they saw, and of those filled beyond the displayed lots."""
    decisions = beyond = 0
    for when, far, depth in {
        int(when): (int(when), int(far), int(depth)) for when, far, depth in seen
    }.values():
        lots = int(taken[(taken[:, NS] == when) & (taken[:, PRICE] == far), LOTS].sum())
        decisions += lots > 0
        beyond += lots > depth
    return decisions, beyond


# -- fill checks ----------------------------------------------------------------------------------

WATCHED = 32
"""Episodes whose fills are looked at one by one."""


def check_fills(built: BuiltMarket, scenario: Scenario, candidate: Candidate, folder: Path) -> None:
    """Check the fills of a candidate once, and keep the counts on disk."""
    path = _path(folder, candidate, scenario)
    if path.exists():
        return
    found = guard(
        built.judged,
        scenario.task,
        built.plan.take(slice(0, WATCHED)),
        informed(candidate.strategy(built), built, built.plan),
    )
    write_arrays(path, {"guard": found.to_array()})


def checked_fills(scenario: Scenario, candidates: Sequence[Candidate], folder: Path) -> Guard:
    """Counts of checked fills of all candidates together.

    Raises
    ------
    TercelError
        A fill at mid, or beyond what was displayed.
    """
    total = Guard(0, 0, 0, 0)
    for one in candidates:
        with reading(_path(folder, one, scenario)) as data:
            found = Guard(*(int(count) for count in np.asarray(data["guard"])))
        if found.at_mid or found.beyond:
            raise TercelError(
                "fills at quoted prices and displayed sizes",
                f"{one.key}: {found.at_mid} of {found.takes} takes at mid, {found.beyond} beyond the display",
                "look for crossed states with `tercel data verify`; without any this is a defect: report it",
            )
        total += found
    return total


def _path(folder: Path, candidate: Candidate, scenario: Scenario) -> Path:
    return folder / candidate.fingerprint(scenario.preset) / "guard.npz"


# -- jobs -----------------------------------------------------------------------------------------

RECORDED = 200
"""Episodes of a scenario whose decisions are recorded, for adaptability."""
TWINS = "twins"
HINDSIGHT = "hindsight"
JOBS = "cells"
THINNED_FROM = 512
"""Episodes of a scenario from which on only a quarter of the pairs runs to its horizon, for displacement; the others
end with their order."""
SHARE = 0.25


@dataclass(frozen=True)
class Job:
    """A piece of work: episodes from `first` on, :data:`BATCH` at most, of a scenario, through some candidates.

    Parameters
    ----------
    scenario : Scenario
    first : int
    candidates : tuple of Candidate
    recorded : bool
        Whether everything is wanted: twins, the whole course of mids (:func:`run_to_the_end`), and in the first job
        decisions and fills. Otherwise costs alone, and an episode ends with its order.
    """

    scenario: Scenario
    first: int
    candidates: tuple[Candidate, ...]
    recorded: bool

    def folder(self, out: Path) -> Path:
        """Folder of the job's results."""
        return _folder(self.scenario, self.recorded, out)

    @property
    def known(self) -> tuple[str, ...]:
        """Results of the episodes themselves, besides the candidates' costs."""
        return (TWINS, HINDSIGHT) if self.recorded else ()


def jobs_of(scenario: Scenario, candidates: Sequence[Candidate], recorded: bool) -> list[Job]:
    """The work of a scenario."""
    return [Job(scenario, first, tuple(candidates), recorded) for first in firsts_of(scenario)]


def firsts_of(scenario: Scenario) -> list[int]:
    """First episode of each job; in markets with dealers each job has episodes of one seed."""
    episodes = episodes_of(scenario)
    seeds = len(scenario.seeds) if scenario.market.dealers else 1
    parts = np.array_split(np.arange(episodes), seeds)
    return [first for part in parts if len(part) for first in range(part[0], part[-1] + 1, BATCH)]


def episodes_of(scenario: Scenario) -> int:
    """Number of episodes of a scenario; on tape this builds the market."""
    if scenario.orders and not scenario.validation:
        return len(scenario.orders)
    return len(cached_market(scenario).plan) if scenario.market.on_tape else scenario.episodes


def run_to_the_end(first: int, n: int, episodes: int) -> Bools:
    """Which of `n` episodes from `first` on run to their horizon, of `episodes` in all: pairs of a buy and a sell.

    Which pairs, follows from their numbers alone, without a period: on tape every so many rows lie at one hour.

    >>> chosen = run_to_the_end(256, 256, 1000)
    >>> bool((chosen[::2] == chosen[1::2]).all()), 40 < int(chosen.sum()) < 90, bool(run_to_the_end(0, 10, 100).all())
    (True, True, True)
    """
    if episodes < THINNED_FROM:
        return np.ones(n, np.bool_)
    drawn = np.random.default_rng(7).random((first + n + 1) // 2) < SHARE
    return np.repeat(drawn, 2)[first : first + n]


def is_done(job: Job, out: Path) -> bool:
    """Whether all results of a job are on disk."""
    folder, market = job.folder(out), job.scenario.preset
    fingerprints = [one.fingerprint(market) for one in job.candidates]
    needed = [_file(folder, name, job.first) for name in (*job.known, *fingerprints)]
    if job.recorded and job.first == 0:
        needed += [folder / name / "guard.npz" for name in fingerprints]
    return all(path.exists() for path in needed)


def is_stored(job: Job, candidate: Candidate, out: Path) -> bool:
    """Whether a candidate's costs in a job are on disk."""
    return _file(job.folder(out), candidate.fingerprint(job.scenario.preset), job.first).exists()


def store(job: Job, candidate: Candidate, costs: Costs, out: Path) -> None:
    """Keep a candidate's costs in a job, run elsewhere."""
    _write_run(
        _file(job.folder(out), candidate.fingerprint(job.scenario.preset), job.first), costs, None
    )


def run_job(job: Job, out: Path) -> bool:
    """Run the missing results of a job, in a worker."""
    built = cached_market(job.scenario)
    folder = job.folder(out)
    ends = [*firsts_of(job.scenario), len(built.plan)]
    span = slice(job.first, ends[ends.index(job.first) + 1])
    plan = built.plan.take(span)
    task = job.scenario.task
    refuse_trained_seeds(job.scenario, plan)
    if stopping():
        return False
    if not all(_file(folder, name, job.first).exists() for name in job.known):
        arrivals, bps = run_arrivals(built.judged, task, plan)
        write_arrays(_file(folder, TWINS, job.first), _arrays("twins", arrivals))
        write_arrays(_file(folder, HINDSIGHT, job.first), {"bps": bps})
    missing: list[tuple[str, Strategy]] = []
    for one in job.candidates:
        name = one.fingerprint(job.scenario.preset)
        if not _file(folder, name, job.first).exists():
            missing.append((name, informed(one.strategy(built), built, plan)))
    record = RECORDED if job.recorded and job.first == 0 else 0
    recording = Recording(record) if record else None
    run_out = run_to_the_end(job.first, len(plan), len(built.plan)) & job.recorded
    strategies = [one for _, one in missing]
    placebo = (
        placebo_plan(built.plan)
        if any(isinstance(one, PlaceboForecast) for one in strategies)
        else None
    )
    met = None if placebo is None else placebo.take(span)
    done = run_strategies(built.judged, task, plan, strategies, stopping, recording, run_out, met)
    for (name, strategy), costs in zip(missing, done, strict=False):
        costs.check()
        response = None
        if recording is not None:
            response = respond(
                recording.decisions.pop(0), strategy.expected, np.random.default_rng((7, 7))
            )
        ways = WaysExplained.of(strategy, built)
        _write_run(_file(folder, name, job.first), costs, response, ways)
    if record:
        for one in job.candidates:
            if not stopping():
                check_fills(built, job.scenario, one, folder)
    return not stopping()


@dataclass(frozen=True, eq=False)
class Results:
    """Results of a scenario on disk.

    Parameters
    ----------
    scenario : Scenario
    costs : dict of key to Costs
    responses : dict of key to Response
        Where decisions were recorded.
    arrivals : Arrivals or None
        The markets at arrival, and their course without own orders; this and the rest where everything was wanted.
    guard : Guard or None
        Statistics of the fills.
    hindsight_bps : float64 (n,) or None
        Cost of each order with perfect foresight of the path.
    parts : tuple of Results
        The scenarios that this one joins, in order; `scenario` is the first.
    plan_rows : intp (n,) or None
        Rows of the scenario's plan, where some were left out.
    ways : dict of key to WaysExplained
        Of routers: why they took their way, for the dealers of the first seed.
    """

    scenario: Scenario
    costs: dict[str, Costs]
    responses: dict[str, Response]
    arrivals: Arrivals | None = None
    guard: Guard | None = None
    hindsight_bps: Floats | None = None
    parts: tuple["Results", ...] = ()
    plan_rows: Indices | None = None
    ways: dict[str, WaysExplained] = field(default_factory=dict)

    def without(self, gone: Collection[str]) -> "Results":
        """Results without some candidates."""
        costs = {key: one for key, one in self.costs.items() if key not in gone}
        responses = {key: one for key, one in self.responses.items() if key not in gone}
        return replace(self, costs=costs, responses=responses)

    def select(self, rows: Bools) -> "Results":
        """The same scenario with some of its episodes; `responses` are of all that were recorded."""
        plan_rows = np.flatnonzero(rows)
        return replace(
            self,
            plan_rows=plan_rows if self.plan_rows is None else self.plan_rows[plan_rows],
            costs={key: one.select(rows) for key, one in self.costs.items()},
            arrivals=None if self.arrivals is None else self.arrivals.select(rows),
            hindsight_bps=None if self.hindsight_bps is None else self.hindsight_bps[rows],
        )


def read_results(
    scenario: Scenario, candidates: Sequence[Candidate], out: Path, recorded: bool = False
) -> Results:
    """Results of a scenario's jobs; where not everything was recorded, costs without their course in time.

    Raises
    ------
    ConfigError
        A file is damaged.
    """
    folder, market = _folder(scenario, recorded, out), scenario.preset
    firsts = firsts_of(scenario)
    costs: dict[str, Costs] = {}
    responses: dict[str, Response] = {}
    ways: dict[str, WaysExplained] = {}
    for one in candidates:
        name, parts = one.fingerprint(market), []
        for first in firsts:
            with reading(_file(folder, name, first)) as data:
                costs_here: Costs = _object(Costs, "costs", data)
                parts.append(costs_here if recorded else costs_here.totals())
                if "ways.mean" in data and first == 0:
                    ways[one.key] = _object(WaysExplained, "ways", data)
                if "response.rows" in data:
                    responses[one.key] = _object(Response, "response", data)
        costs[one.key] = Costs.concat(parts)
    if not recorded:
        return Results(scenario, costs, responses)
    twins, bound = [], []
    for first in firsts:
        with reading(_file(folder, TWINS, first)) as data:
            twins.append(_object(Arrivals, "twins", data))
        with reading(_file(folder, HINDSIGHT, first)) as data:
            bound.append(np.asarray(data["bps"]))
    seen = checked_fills(scenario, candidates, folder)
    arrivals = Arrivals.concat(twins)
    least = np.concatenate(bound)
    return Results(scenario, costs, responses, arrivals, seen, least, ways=ways)


def _folder(scenario: Scenario, recorded: bool, out: Path) -> Path:
    return out / JOBS / f"{scenario.id}{'' if recorded else '-costs'}"


def _file(folder: Path, name: str, first: int) -> Path:
    return folder / name / f"{first}.npz"


def _write_run(
    path: Path, costs: Costs, response: Response | None, ways: WaysExplained | None = None
) -> None:
    arrays = _arrays("costs", costs)
    if response is not None:
        arrays |= _arrays("response", response)
    if ways is not None:
        arrays |= _arrays("ways", ways)
    write_arrays(path, arrays)


def _arrays(prefix: str, record: Any) -> dict[str, AnyArray]:
    return {f"{prefix}.{one.name}": _narrow(getattr(record, one.name)) for one in fields(record)}


def _narrow(array: AnyArray) -> AnyArray:
    """The same whole numbers in as few bytes as hold them: most lots and mids need two or four of eight."""
    if array.dtype != np.int64 or not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array


def _object(kind: Any, prefix: str, data: Any) -> Any:
    """The record, its whole numbers as wide as they were (a side stays one byte)."""
    read = {one.name: data[f"{prefix}.{one.name}"] for one in fields(kind)}
    wide = {
        name: array.astype(np.int64) if array.dtype.kind == "i" and name != "side" else array
        for name, array in read.items()
    }
    return kind(**wide)


# -- run ------------------------------------------------------------------------------------------
# Jobs of an evaluation run side by side, stopped politely and resumed; and their results read.

JobRunner = Callable[[Sequence[Job], Path], None]
"""Runs the missing results of jobs and stores them in a folder."""
Work = tuple[Scenario, Sequence[Candidate], bool]
"""A scenario, its candidates, and whether everything is recorded (:class:`Job`)."""
Key = TypeVar("Key")


def run_jobs(
    work: Mapping[Key, Work],
    out: Path,
    what: str = "judge on unseen episodes",
    elsewhere: JobRunner | None = None,
    here: bool = False,
) -> dict[Key, Results]:
    """Run missing jobs, in processes of this machine or on a cluster, and read all results.

    Parameters
    ----------
    work : mapping of key to Work
    out : Path
        Folder of the evaluation; jobs lie in `jobs` in it.
    what : str
        Shown beside the bar.
    elsewhere : callable, optional
        Runs the costs of jobs on other machines (`studies.ray.on_cluster`).
    here : bool
        In this process, one job after the other, without a bar: for strategies that are objects of it.
    """
    jobs = [job for its in work.values() for job in jobs_of(*its)]
    done = {job: is_done(job, out) for job in jobs}
    # what own code reads beside its modules and the files it names is not known: nothing is run again
    own = dict.fromkeys(
        one.key
        for job in jobs
        for one in (job.candidates if done[job] else ())
        if isinstance(one.own, str)
    )
    if own:
        say(
            f"results of {', '.join(own)} that are stored in {out} are used again; another `out=` runs them again"
        )
    missing = [job for job in jobs if not done[job]]
    if elsewhere is not None:
        elsewhere(missing, out)
        missing = [job for job in missing if not is_done(job, out)]
    todo: list[tuple[Job, Path]] = [(job, out) for job in missing]
    if here:
        for job, _ in todo:
            run_job(job, out)
    elif todo:
        with progress(counted=True) as shown, Pool(len(todo)) as pool:
            before = len(jobs) - len(todo)
            bar = shown.add_task(what, total=len(jobs), completed=before)
            pool.run(run_job, todo, lambda done: shown.update(bar, completed=before + done))
    return {
        key: read_results(scenario, candidates, out, recorded)
        for key, (scenario, candidates, recorded) in work.items()
    }
