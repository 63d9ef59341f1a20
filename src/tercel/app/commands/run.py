"""``tercel run``: build the market, train, judge, print the table, write the report and the policies."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tercel.app.commands.agent_evaluate import evaluate
from tercel.app.job.contest.contenders import Contender, own_of, refuse_namesakes
from tercel.app.job.contest.leaks import judged_days
from tercel.app.job.judging import Candidate, candidates, entries, strategy_of, twins, yardstick_notes
from tercel.app.job.market import JobMarket, build_market, judged_words, split_dates
from tercel.app.job.needed import needed_words, pilot_costs
from tercel.app.job.orders import task_of
from tercel.app.job.pool import Pool, judge_task, train_task
from tercel.app.job.settings import EPISODES, FILE, QUICK_EPISODES, QUICK_FRAMES, RunSettings, load_settings
from tercel.app.job.training import LEARNERS, frames_of, is_trained, training_folder
from tercel.app.job.venue import fees_of, latency_of
from tercel.app.job.venue import in_words as venue_words
from tercel.app.output import json_text, print_json, progress_console, result_console, say
from tercel.core.errors import ConfigError
from tercel.core.written import write_whole
from tercel.evaluation.by_regime import by_regime
from tercel.evaluation.by_regime import in_words as regimes_in_words
from tercel.evaluation.episodes import regimes_of
from tercel.evaluation.judge import judge
from tercel.evaluation.report import BookExample, write_report
from tercel.evaluation.result import JudgedRun
from tercel.evaluation.task import Task
from tercel.execution.own import findable
from tercel.execution.strategies import NAMES
from tercel.learning import defaults
from tercel.learning.metrics import read_metrics
from tercel.market.flow.preset import DEFAULT, load
from tercel.market.impact.law import LAWS
from tercel.market.impact.propagator import TAPE_LAWS
from tercel.market.regimes.choice import chosen
from tercel.market.simulator.queue_models import queue_model
from tercel.market.simulator.terms import NO_FEES
from tercel.market.tape import Lake

RUNS = Path("runs")
DEFAULT_SEED = 1
RESULT = "result.json"
REPORT = "report.html"
PRESET = "market.json"
TOLD_BY_REGIME = ("pov", "twap_passive", "submit_and_leave", *LEARNERS)
"""Strategies whose shortfall by regime is said below the table; the result has all."""


def run(
    *,
    market: str | None,
    tape: Path | None,
    symbol: str | None,
    quick: bool,
    seed: int,
    out: Path | None,
    resume: bool,
    regimes: str | None,
    fees: str | None,
    latency_ms: str | None,
    feed_latency_ms: str | None,
    queue: str | None,
    as_json: bool,
    impact: str | None = None,
    strategies: Sequence[str] | None = None,
    order: Mapping[str, Any] | None = None,
    orders: Path | None = None,
) -> int:
    """Do the main job; see the module. Several symbols are as many runs, each in a folder of `out` of its own."""
    asked = _Venue(
        regimes, fees, latency_ms, feed_latency_ms, queue, impact, tuple(map(findable, strategies or ())), order or {}
    )
    if orders is not None:
        return _list(asked, tape, orders, quick, seed, out, resume, as_json)
    symbols = [part.strip() for part in (symbol or "").split(",") if part.strip()]
    if len(symbols) < 2:
        result = _run(_settings(market, tape, symbol, quick, seed, out, resume, asked), out, resume, as_json)
        if as_json:
            print_json(result.to_json())
        return 0
    if resume and out is None:
        raise ConfigError("--out with --resume of several symbols", f"--symbol {symbol}", "name their folder")
    if tape is not None:
        for one in symbols:
            split_dates(Lake(tape), one)
    folder = out or _fresh()
    runs = []
    for one in symbols:
        mine = folder / one
        going = resume and (mine / FILE).exists()
        runs.append((_settings(market, tape, one, quick, seed, mine, going, asked), mine, going))
    found = {one: _run(*each, as_json) for one, each in zip(symbols, runs, strict=True)}
    if as_json:
        print_json({"symbols": {one: result.to_json() for one, result in found.items()}})
    return 0


def _run(asked: tuple[RunSettings, Path], out: Path | None, resume: bool, as_json: bool) -> JudgedRun:
    """One run, from its market to its page."""
    settings, folder = asked
    try:
        built = build_market(settings)
        if not resume:
            folder = settings.claim(folder, named=out is not None)
        if settings.on_tape and built.preset is not None:
            built.preset.save(folder / PRESET)
        if settings.on_tape:
            say(judged_words(built.name, len(built.plan)))
        if not resume:
            a_day = len(built.plan) / len(judged_days(settings).days) if settings.on_tape else 0.0
            say(needed_words(pilot_costs(built, settings.task), round(a_day, 1)))
        train(settings, folder)
        _judge(settings, folder)
        result = _result(settings, built, folder)
        if not as_json:
            result_console().print(result.shown())
        _report(settings, built, result, folder)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(folder)) from None
    if not as_json:
        say(f"report    {folder / REPORT}")
        say(f"policies  {folder / 'policies'}")
        say("next      tercel trade run --demo   (from a clone: make demo)")
    return result


def _list(
    asked: "_Venue",
    tape: Path | None,
    orders: Path,
    quick: bool,
    seed: int,
    out: Path | None,
    resume: bool,
    as_json: bool,
) -> int:
    """A list of orders: by written strategies and the user's, since agents of a run learn one order in one market."""
    settings = {
        "--regimes": asked.regimes,
        "--feed-latency-ms": asked.feed_latency_ms,
        "--queue": asked.queue,
        "--quick": quick or None,
        "--resume": resume or None,
    }
    if beside := [name for name, value in settings.items() if value is not None]:
        raise ConfigError("--orders without them", ", ".join(beside), "leave them out")
    say("orders of a list are worked by written strategies; for agents: tercel agent evaluate POLICY --orders")
    return evaluate(
        policies=(),
        strategies=asked.strategies,
        observations=(),
        family="",
        markets=(),
        lake=tape,
        symbol=None,
        dates=(),
        impact=asked.impact,
        against=",".join(NAMES),
        episodes=EPISODES,
        seeds=(seed,),
        regimes="",
        fees=asked.fees,
        latency_ms=asked.latency_ms,
        order=asked.order,
        orders=orders,
        sensitivity=False,
        adaptation=False,
        trained_for=(),
        trust=False,
        ray=None,
        out=out or _fresh(),
        as_json=as_json,
    )


def _fresh() -> Path:
    return RUNS / datetime.now().strftime("%Y%m%d-%H%M%S")


@dataclass(frozen=True)
class _Venue:
    """What was asked of market and venue, as it was typed; None: not."""

    regimes: str | None
    fees: str | None
    latency_ms: str | None
    feed_latency_ms: str | None
    queue: str | None
    impact: str | None = None
    strategies: tuple[str, ...] = ()
    order: Mapping[str, Any] = field(default_factory=dict)

    def applied(self, settings: RunSettings) -> RunSettings:
        """Settings with what was asked.

        Raises
        ------
        ConfigError
            For words that mean nothing, before anything is begun.
        """
        if self.regimes is not None and settings.on_tape:
            raise ConfigError("regimes in a preset's market", "--regimes with --tape", "a tape has those that it had")
        if self.queue is not None:
            queue_model(self.queue)
            if not settings.on_tape:
                raise ConfigError("--queue with --tape", "--queue alone", "a simulated market has a queue of its own")
        laws = TAPE_LAWS if settings.on_tape else tuple(LAWS)
        if self.impact is not None and self.impact not in laws:
            market = "a tape" if settings.on_tape else "a preset's market"
            raise ConfigError(f"an impact law of {market}: {', '.join(laws)}", f"--impact {self.impact}", "name one")
        if self.strategies:
            learned = [Contender(name) for name in (*LEARNERS, *(f"{name}_untrained" for name in LEARNERS))]
            refuse_namesakes([*learned, *own_of(self.strategies)])
        task, where = task_of(settings.task, self.order), (settings.lake, settings.symbol)
        if self.latency_ms is not None:
            task = replace(task, latency=latency_of(self.latency_ms, "--latency", *where))
        if self.feed_latency_ms is not None:
            task = replace(task, feed_latency=latency_of(self.feed_latency_ms, "--feed-latency-ms", *where))
        regimes = ",".join(_findable_as(word.strip(), ".toml") for word in (self.regimes or "").split(",") if word)
        if self.regimes and not regimes:
            raise ConfigError("names of regimes, or a script", f"--regimes {self.regimes!r}", "such as calm,volatile")
        if regimes:
            chosen(regimes, load(settings.market))
        return replace(
            settings,
            task=task,
            regimes=regimes,
            queue=self.queue or settings.queue,
            strategies=self.strategies or settings.strategies,
            impact=self.impact or "",
            fees=NO_FEES if self.fees is None else fees_of(self.fees),
        )


def _settings(
    market: str | None,
    tape: Path | None,
    symbol: str | None,
    quick: bool,
    seed: int,
    out: Path | None,
    resume: bool,
    venue: _Venue,
) -> tuple[RunSettings, Path]:
    """Settings and folder of this run: new ones, or those of the run that is resumed."""
    if resume:
        folder = out or _newest()
        kept = load_settings(folder)
        asked = {
            "--market": (market and _findable(market), kept.market),
            "--tape": (tape and str(tape.resolve()), kept.lake),
            "--symbol": (symbol, kept.symbol),
            "--quick": (quick, kept.quick),
            "--strategy": (venue.strategies, kept.strategies),
            "--seed": (seed != DEFAULT_SEED and seed, kept.seed),
            **_venue_asked(venue, kept),
        }
        for option, (given, started) in asked.items():
            if given and given != started:
                raise ConfigError(
                    f"the options that {folder} was started with: {_in_words(kept)}",
                    f"{option} {given}",
                    f"leave {option} out, or start a new run without --resume",
                )
        say(f"resuming {folder}, as it was started: {_in_words(kept)}")
        return kept, folder
    folder = out or _fresh()
    if (folder / FILE).exists():
        raise ConfigError(
            "a new run folder", f"{folder} holds a run", "add --resume to go on with it, or name another --out"
        )
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("an empty or new run folder", f"{folder} holds other files", "name another --out")
    settings = RunSettings(
        market="" if tape else _findable(market or DEFAULT),
        lake=str(tape.resolve()) if tape else "",
        symbol=symbol or "",
        quick=quick,
        seed=seed,
        task=Task(),
        ppo_frames=defaults.PPO_FRAMES,
        dqn_frames=defaults.DQN_FRAMES,
    )
    settings = venue.applied(settings)
    if quick:
        settings = replace(settings, episodes=QUICK_EPISODES, seeds=1, ppo_frames=QUICK_FRAMES, dqn_frames=QUICK_FRAMES)
    return settings, folder


def _venue_asked(venue: _Venue, kept: RunSettings) -> dict[str, tuple[object, object]]:
    """Option -> what is asked now, and the same if the run was started with it; only options that are given."""
    now = venue.applied(replace(kept, regimes="", fees=NO_FEES, impact=""))
    told = {
        "--regimes": (venue.regimes, now.regimes, kept.regimes),
        "--impact": (venue.impact, now.impact, kept.impact),
        "--fees": (venue.fees, now.fees, kept.fees),
        **{f"--{name.replace('_', '-')}": (value, now.task, kept.task) for name, value in venue.order.items()},
        "--latency": (venue.latency_ms, now.task.latency, kept.task.latency),
        "--feed-latency-ms": (venue.feed_latency_ms, now.task.feed_latency, kept.task.feed_latency),
        "--queue": (venue.queue, now.queue, kept.queue),
    }
    return {
        option: (said, said if asked == started else started)
        for option, (said, asked, started) in told.items()
        if said is not None
    }


def _in_words(settings: RunSettings) -> str:
    """What a run was asked for, in one line."""
    market = f"{settings.symbol} in {settings.lake}" if settings.on_tape else settings.market
    words = [market, f"seed {settings.seed}"] + ["--quick"] * settings.quick
    words += [f"--regimes {settings.regimes}"] if settings.regimes else []
    words += [f"--impact {settings.impact}"] if settings.impact else []
    words += settings.task.words
    words += [f"--strategy {name}" for name in settings.strategies]
    return ", ".join([*words, *venue_words(settings.fees, settings.task.latency, settings.task.feed_latency)])


def _findable(market: str) -> str:
    """A preset's name as it is, a preset file with its whole path, so that a run resumes from any folder."""
    return _findable_as(market, ".json")


def _findable_as(name: str, ending: str) -> str:
    return str(Path(name).resolve()) if name.endswith(ending) else name


def _how_to_go_on(folder: Path) -> str:
    if not (folder / FILE).exists():
        return "nothing was begun; start it again"
    return f"what is finished is kept; to go on: {shlex.join(['tercel', 'run', '--resume', '--out', str(folder)])}"


def _newest() -> Path:
    found = sorted(path.parent for path in RUNS.glob(f"*/{FILE}"))
    if not found:
        raise ConfigError("a run to resume", f"none under {RUNS}/", "name its folder with --out")
    return found[-1]


# -- training ---------------------------------------------------------------------------------------------------------


def train(settings: RunSettings, out: Path) -> None:
    """Train every learner with every seed that has no policy yet, side by side."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    jobs = [(ln, s) for ln in LEARNERS for s in settings.training_seeds if not is_trained(out, ln, s)]
    if not jobs:
        return
    decisions = sum(frames_of(settings, learner) for learner, _ in jobs)
    if settings.on_tape and not settings.quick:
        say(f"{len(jobs)} trainings of {decisions:,} decisions in all come first: minutes (--quick: less than one)")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with (
        Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=progress_console()) as progress,
        Pool(len(jobs)) as pool,
    ):
        bars = {
            job: progress.add_task(f"train {job[0]} seed {job[1]}", total=frames_of(settings, job[0]), told="")
            for job in jobs
        }

        def tick(_done: int) -> None:
            for job, bar in bars.items():
                last = _last_metrics(training_folder(out, *job) / "metrics.csv")
                if last:
                    progress.update(bar, completed=last["frames"], told=f"{last['is_bps']:7.2f} bps")

        pool.run(train_task, [(settings, out, *job) for job in jobs], tick)


def _last_metrics(path: Path) -> dict[str, float]:
    """The last complete row of a metrics file, empty when there is none yet."""
    try:
        rows = read_metrics(path)
    except (OSError, ValueError, ConfigError):
        return {}
    return rows[-1] if rows else {}


# -- judging ----------------------------------------------------------------------------------------------------------


def _judge(settings: RunSettings, out: Path) -> None:
    """Run every strategy, and the twins, through the judged episodes."""
    from rich.progress import Progress

    todo: list[Candidate | None] = [c for c in candidates(settings) if not (out / "judged" / c.file).exists()]
    if settings.answers and twins(out) is None:
        todo.insert(0, None)
    if not todo:
        return
    with Progress(console=progress_console()) as progress, Pool(len(todo)) as pool:
        bar = progress.add_task("judge on unseen episodes", total=len(todo))
        pool.run(judge_task, [(settings, out, one) for one in todo], lambda done: progress.update(bar, completed=done))


def _result(settings: RunSettings, market: JobMarket, out: Path) -> JudgedRun:
    rows = entries(settings, out)
    rng = np.random.default_rng((settings.seed, 13))
    notes = [*market.notes, *yardstick_notes(rows, out, rng)]
    grouped: dict[str, Any] = {}
    if market.judged.regimes:
        truth = regimes_of(market.judged, settings.task, market.plan)
        grouped = by_regime(rows, truth, np.random.default_rng((settings.seed, 17)))
        notes += regimes_in_words(grouped, TOLD_BY_REGIME)
    if settings.quick:
        notes.append("--quick: too few frames and episodes to judge an agent by.")
    result = judge(
        rows,
        twins(out),
        np.random.default_rng((settings.seed, 11)),
        market=market.name,
        task=settings.task.to_dict(),
        seeds=settings.training_seeds,
        cluster=market.cluster,
        notes=notes,
    )
    result = replace(result, out=str(out), by_regime=grouped)
    write_whole(out / RESULT, json_text(result.to_json()) + "\n")
    return result


# -- the report -------------------------------------------------------------------------------------------------------


def _report(settings: RunSettings, market: JobMarket, result: JudgedRun, out: Path) -> None:
    seed = settings.training_seeds[0]
    examples, missing = _examples(settings, market, [Candidate("ppo", seed), Candidate(result.best_baseline)], out)
    curves = {learner: [_curve(out, learner, s) for s in settings.training_seeds] for learner in LEARNERS}
    grid_s = np.linspace(0.0, settings.task.horizon_s, settings.task.grid_points)
    write_report(
        out / REPORT,
        result,
        {row.name: row.runs for row in entries(settings, out)},
        twin_mid2_grid=twins(out),
        grid_s=grid_s,
        learning_curves=curves,
        book_examples=examples,
        facts={**market.facts, "seed": settings.seed, **missing},
        footer=f"reprint: tercel run --resume --out {out}",
    )


def _examples(
    settings: RunSettings, market: JobMarket, shown: Sequence[Candidate], out: Path
) -> tuple[list[BookExample], dict[str, str]]:
    """Pictures of one episode, and a fact for the report where one could not be drawn: it never costs the page."""
    from tercel.app.job.example import book_example

    examples, missing = [], {}
    for one in shown:
        try:
            example = book_example(settings, market, strategy_of(one, market, out))
            _ = example.figure  # drawn here, where a failure costs the picture alone
            examples.append(example)
        except Exception as error:
            why = f"not drawn for {one.name}: {type(error).__name__}, {error}"
            say(f"report    the picture of an episode is {why}")
            missing[f"picture of {one.name}"] = why
    return examples, missing


def _curve(out: Path, learner: str, seed: int) -> tuple[Any, Any]:
    path = training_folder(out, learner, seed) / "metrics.csv"
    try:
        rows = read_metrics(path)
        curve = np.array([r["frames"] for r in rows]), np.array([r["is_bps"] for r in rows])
    except (OSError, ValueError, KeyError) as error:
        raise _no_metrics(path, str(error)) from error
    if not rows:
        raise _no_metrics(path, "no whole row")
    return curve


def _no_metrics(path: Path, what: str) -> ConfigError:
    remedy = f"put it back, or delete {path.parent} and its policy and train again with --resume"
    return ConfigError("the metrics of a training", f"{path}: {what}", remedy)
