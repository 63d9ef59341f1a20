"""``tercel run``: build the market, train, judge, print the table, write the report and the policies."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from tercel.cli.commands.agent_evaluate import evaluate, tell
from tercel.core.errors import ConfigError
from tercel.core.locks import alone
from tercel.core.pool import Pool, stopping
from tercel.evaluation.contest.asked import Asked, judged, notes_of
from tercel.evaluation.contest.contenders import (
    Contender,
    baselines_of,
    own_of,
    policies_of,
    recipes_of,
    refuse_namesakes,
)
from tercel.evaluation.contest.families import Field
from tercel.evaluation.contest.leaks import refuse_leaks
from tercel.evaluation.market import JobMarket, build_market, preset_of, split_dates
from tercel.evaluation.metrics import FILE as METRICS
from tercel.evaluation.metrics import rows_so_far
from tercel.evaluation.order_files import task_of
from tercel.evaluation.settings import EPISODES, FILE, QUICK_EPISODES, QUICK_FRAMES, RunSettings, load_settings
from tercel.evaluation.venue import fees_of, latency_of
from tercel.evaluation.venue import in_words as venue_words
from tercel.execution.own import findable
from tercel.execution.task import Task
from tercel.learning.agent.config import AgentConfig
from tercel.learning.agent.recipe import configured, learnable
from tercel.learning.agent.training import POLICY, claim, is_done, run_training
from tercel.market.flow.preset import DEFAULT, load
from tercel.market.impact.law import LAWS
from tercel.market.impact.propagator import TAPE_LAWS
from tercel.market.regimes.choice import chosen
from tercel.market.simulator.queue_models import queue_model
from tercel.market.simulator.terms import NO_FEES
from tercel.market.tape import Lake
from tercel.report.terminal import print_json, progress_console, say

LEARNERS: Final = ("ppo", "dqn")
SHIPPED: Final = "default"
"""The packaged policy that is judged beside them."""
PPO_FRAMES: Final = 400_000
DQN_FRAMES: Final = 160_000
LOOKS: Final = 2
"""At which a training's policy is validated, besides its start."""
LOOKED_ON: Final = 250
"""Episodes of each look."""
CHOSEN_ON: Final = 500
"""Episodes at most on which the best written strategy is chosen."""
QUICK_WORLDS: Final = 8
TAPE_IMPACT: Final = "square_root"
RUNS = Path("runs")
DEFAULT_SEED = 1
RESULT = "result.json"
REPORT = "report.html"
PRESET = "market.json"


class Job(NamedTuple):
    """A training of a run."""

    config: AgentConfig
    folder: Path
    seed: int


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
            print_json(result)
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
        print_json({"symbols": found})
    return 0


def _run(asked: tuple[RunSettings, Path], out: Path | None, resume: bool, as_json: bool) -> dict[str, Any]:
    """One run, from its market to its page."""
    settings, folder = asked
    try:
        by_lots = settings.on_tape and settings.task.share is None
        market = build_market(settings) if by_lots or not resume else None  # refuses before anything is begun
        trainings(settings, folder, market)
        if not resume:
            folder = settings.claim(folder, named=out is not None)
        if settings.on_tape and not (folder / PRESET).exists():
            preset = preset_of(settings)
            if preset is not None:
                preset.save(folder / PRESET)
        with alone(folder, "run"):
            train(settings, trainings(settings, folder, market))
            result = _judge(settings, folder)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(folder)) from None
    if not as_json:
        tell(result, folder / RESULT, folder / REPORT)
        say(f"policies  {folder / 'policies'}")
        say("next      make demo, from a clone; or tercel trade run --demo, which wants the extra [trade]")
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
        received = f"--orders with {', '.join(beside)}"
        raise ConfigError(
            "a list of orders without what a run of agents has", received, f"leave {', '.join(beside)} out"
        )
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
        allow_seen_days=False,
        impact=asked.impact,
        against="all",
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
            learned = [Contender(name) for name in (SHIPPED, *LEARNERS)]
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
            impact=self.impact or (TAPE_IMPACT if settings.on_tape else ""),
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
        ppo_frames=PPO_FRAMES,
        dqn_frames=DQN_FRAMES,
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


def trainings(settings: RunSettings, out: Path, market: JobMarket | None = None) -> list[Job]:
    """What a run trains: every learner with every seed; an order of lots on tape wants the built market."""
    plain, _ = learnable(settings)
    share = None
    if market is not None and settings.on_tape and settings.task.share is None:
        share = settings.task.quantity / max(market.estimates.expected_volume, 1.0)
    frames = {"ppo": settings.ppo_frames, "dqn": settings.dqn_frames}
    told = {
        "validation.episodes": QUICK_EPISODES if settings.quick else LOOKED_ON,
        "guards.variants": 1,
        **({"market.worlds": QUICK_WORLDS} if settings.quick and not settings.on_tape else {}),
    }
    made = []
    for learner in LEARNERS:
        looks = {"validation.every": max(frames[learner] // LOOKS, 1)}
        config = configured(plain, learner, frames[learner], learner, told | looks, share)
        made += [Job(config, policy_folder(out, learner, seed), seed) for seed in settings.training_seeds]
    return made


def policy_folder(out: Path, learner: str, seed: int) -> Path:
    """The folder of a training, as `tercel agent train` leaves one: metrics, checkpoints, the policy."""
    return out / "policies" / f"{learner}-{seed}"


def train(settings: RunSettings, jobs: Sequence[Job]) -> None:
    """Train what has not come to its end, side by side."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    jobs = [job for job in jobs if not is_done(job.folder)]
    if not jobs:
        return
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
        claim(job.folder, job.config, job.seed)
    decisions = sum(job.config.learner.frames for job in jobs)
    if settings.on_tape and not settings.quick:
        say(f"{len(jobs)} trainings of {decisions:,} decisions in all come first: minutes (--quick: less than one)")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with (
        Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=progress_console()) as progress,
        Pool(len(jobs)) as pool,
    ):
        bars = {
            job.folder: progress.add_task(
                f"train {job.config.name} seed {job.seed}", total=job.config.learner.frames, told=""
            )
            for job in jobs
        }

        def tick(_done: int) -> None:
            for folder, bar in bars.items():
                for last in rows_so_far(folder / METRICS)[-1:]:
                    progress.update(bar, completed=last["frames"], told=f"{last['is_bps']:7.2f} bps")

        pool.run(train_task, [(job.config, job.folder, job.seed) for job in jobs], tick)


def train_task(config: AgentConfig, folder: Path, seed: int) -> bool:
    """Train one policy in a worker."""
    return bool(run_training(config, folder, seed, stop=stopping)["done"])


# -- judging ----------------------------------------------------------------------------------------------------------


def candidates(settings: RunSettings, place: RunSettings, name: str, out: Path) -> Field:
    """Who is judged besides the written strategies: the policy that ships, those of the run, the user's own."""
    seeds, said = settings.training_seeds, list[str]()
    shipped = policies_of([SHIPPED])
    try:
        refuse_leaks(shipped, [place])
    except ConfigError:
        said.append(f"The policy that ships, {SHIPPED}, is left out: it learned from days that are judged here.")
        shipped = []
    folders = {(learner, seed): policy_folder(out, learner, seed) for learner in LEARNERS for seed in seeds}
    mine = [
        Contender(learner if len(seeds) == 1 else folder.name, str(folder / POLICY))
        for (learner, _), folder in folders.items()
    ]
    unknown = learnable(settings)[1]
    if unknown:
        said.append(f"PPO and DQN were trained without {' and '.join(unknown)}; everybody is judged with it.")
    if settings.quick:
        said.append("--quick: too few frames and episodes to judge an agent by.")
    everyone = [*shipped, *mine, *own_of(settings.strategies)]
    return Field(everyone, recipes_of(mine), {name: tuple(everyone)}, said)


def _judge(settings: RunSettings, out: Path) -> dict[str, Any]:
    """Judge everybody on the episodes of `tercel agent evaluate`."""
    place = replace(settings, quick=False, strategies=(), seeds=1, episodes=1, ppo_frames=0, dqn_frames=0)
    name = f"{settings.symbol} tape" if settings.on_tape else load(settings.market).name
    field = candidates(settings, place, name, out)
    asked = Asked(
        field,
        baselines_of("all"),
        {name: place},
        settings.episodes,
        (settings.seed,),
        "",
        False,
        False,
        {},
        chosen_on=CHOSEN_ON,
    )
    footer = f"reprint: tercel run --resume --out {out}"
    return judged(asked, out, notes_of(asked), out / RESULT, out / REPORT, footer)
