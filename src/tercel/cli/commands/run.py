"""``tercel run``: build the market, train, judge, print the table, write the report and the policies."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from tercel.cli.agent_evaluate import EvaluatePolicies, evaluate, show
from tercel.cli.run import RunRequest
from tercel.core.errors import ConfigError
from tercel.core.locks import alone
from tercel.core.names import listed
from tercel.core.pool import Pool, stopping
from tercel.evaluation.market import JobMarket, build_market, preset_of, split_dates
from tercel.evaluation.metrics import FILE as METRICS
from tercel.evaluation.metrics import rows_so_far
from tercel.evaluation.order_files import task_of
from tercel.evaluation.pipeline.candidates import (
    Candidate,
    baselines_of,
    own_of,
    policies_of,
    recipes_of,
    refuse_same_names,
)
from tercel.evaluation.pipeline.families import Participants
from tercel.evaluation.pipeline.leaks import refuse_leaks
from tercel.evaluation.pipeline.request import EvaluationRequest, notes_of, write_evaluation
from tercel.evaluation.pipeline.terminal import QUICK as QUICK_NOTE
from tercel.evaluation.settings import EPISODES, FILE, QUICK_EPISODES, QUICK_FRAMES, RunSettings, load_settings
from tercel.evaluation.venue import fees_of, latency_of, law_of
from tercel.evaluation.venue import in_words as venue_words
from tercel.execution.own import findable
from tercel.execution.policies.card import read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.task import SIDES, Task
from tercel.learning.agent.config import AgentConfig
from tercel.learning.agent.recipe import configured, learnable
from tercel.learning.agent.run_folder import POLICY, claim, is_done
from tercel.learning.agent.training import run_training
from tercel.market.flow.preset import DEFAULT, load
from tercel.market.regimes.choice import chosen
from tercel.market.simulator.queue_models import queue_model
from tercel.market.simulator.terms import NO_FEES
from tercel.market.tape import Lake
from tercel.report.terminal import print_json, progress, say

TRAINED: Final = "trained"
"""What the trainings of a run are called."""
RECIPE: Final = "from_rule"
"""The shipped configuration that they begin from."""
SHIPPED: Final = "default"
"""The packaged policy that is judged beside them."""
FRAMES: Final = 600_000
CHECKED_ON: Final = 1_000
"""Episodes of each look at a training's policy: at its start and its end."""
CHOSEN_ON: Final = 500
"""Episodes at most on which the best written strategy is chosen."""
QUICK: Final = {"validation.episodes": QUICK_EPISODES, "learner.hindsight": 64}
QUICK_LOOKS: Final = 4
"""Times that a quick training is looked at: four points of a curve."""
QUICK_WORLDS: Final = {"market.worlds": 8}
"""Where the market is simulated."""
RUNS = Path("runs")
DEFAULT_SEED = 1
RESULT = "result.json"
REPORT = "report.html"
PRESET = "market.json"


class TrainingJob(NamedTuple):
    """A training of a run."""

    config: AgentConfig
    folder: Path
    seed: int


def run(request: RunRequest) -> None:
    """Do the main job; see the module. Several symbols are as many runs, each in a folder of `out` of its own."""
    if request.order.orders is not None:
        _list(request)
        return
    symbols = listed(request.symbol or "")
    if len(symbols) < 2:
        result = _run(request, *_settings(request))
        if request.as_json:
            print_json(result)
        return
    if request.resume and request.out is None:
        received = f"--symbol {request.symbol}"
        raise ConfigError("--out with --resume of several symbols", received, "name their folder")
    if request.tape is not None:
        for one in symbols:
            split_dates(Lake(request.tape), one)
    folder = request.out or _fresh()
    each = [replace(request, symbol=one, out=folder / one) for one in symbols]
    each = [replace(one, resume=request.resume and (folder / str(one.symbol) / FILE).exists()) for one in each]
    runs = [(one, *_settings(one)) for one in each]
    found = {one: _run(*its) for one, its in zip(symbols, runs, strict=True)}
    if request.as_json:
        print_json({"symbols": found})


def _run(request: RunRequest, settings: RunSettings, folder: Path) -> dict[str, Any]:
    """One run, from its market to its page."""
    try:
        by_lots = settings.on_tape and settings.task.share is None
        market = build_market(settings) if by_lots or not request.resume else None  # refuses before anything is begun
        trainings(settings, folder, market)
        if not request.resume:
            folder = settings.claim(folder, named=request.out is not None)
        if settings.on_tape and not (folder / PRESET).exists():
            preset = preset_of(settings)
            if preset is not None:
                preset.save(folder / PRESET)
        with alone(folder, "run"):
            train(settings, trainings(settings, folder, market))
            result = _judge(settings, folder)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(folder)) from None
    if not request.as_json:
        show(result, folder / RESULT, folder / REPORT)
        say(f"policies  {folder / 'policies'}")
        say("next      make demo, from a clone; or tercel trade run --demo, which wants the extra [trade]")
    return result


def _list(request: RunRequest) -> None:
    """A list of orders: by written strategies and the user's, since agents of a run learn one order in one market."""
    options = {
        "--regimes": request.regimes,
        "--feed-latency-ms": request.feed_latency_ms,
        "--queue": request.queue,
        "--quick": request.quick or None,
        "--resume": request.resume or None,
    }
    if beside := ", ".join(name for name, value in options.items() if value is not None):
        remedy = f"leave {beside} out"
        raise ConfigError("a list of orders without what a run of agents has", f"--orders with {beside}", remedy)
    say("orders of a list are worked by written strategies; for agents: tercel agent evaluate POLICY --orders")
    evaluation = EvaluatePolicies(
        strategy=request.strategy,
        tape=request.tape,
        impact=request.impact,
        episodes=EPISODES,
        seeds=str(request.seed),
        fees=request.fees,
        order=request.order,
        out=request.out or _fresh(),
        as_json=request.as_json,
    )
    evaluate(evaluation)


def _fresh() -> Path:
    return RUNS / datetime.now().strftime("%Y%m%d-%H%M%S")


def _applied(request: RunRequest, settings: RunSettings) -> RunSettings:
    """Settings with what was asked of market, venue and order.

    Raises
    ------
    ConfigError
        For words that mean nothing, before anything is begun.
    """
    if request.regimes is not None and settings.on_tape:
        raise ConfigError("regimes in a preset's market", "--regimes with --tape", "a tape has those that it had")
    if request.queue is not None:
        queue_model(request.queue)
        if not settings.on_tape:
            raise ConfigError("--queue with --tape", "--queue alone", "a simulated market has a queue of its own")
    law = law_of(request.impact, settings.on_tape)
    strategies = _own(request)
    if strategies:
        learned = [Candidate(name) for name in (SHIPPED, TRAINED)]
        refuse_same_names([*learned, *own_of(strategies)])
    task, where, late = (
        task_of(settings.task, request.order.values),
        (settings.lake, settings.symbol),
        request.order.latency,
    )
    if late is not None:
        task = replace(task, latency=latency_of(late, "latency", *where))
    if request.feed_latency_ms is not None:
        task = replace(task, feed_latency=latency_of(request.feed_latency_ms, "feed_latency_ms", *where))
    regimes = ",".join(_findable_as(word, ".toml") for word in listed(request.regimes or ""))
    if request.regimes and not regimes:
        raise ConfigError("names of regimes, or a script", f"--regimes {request.regimes!r}", "such as calm,volatile")
    if regimes:
        chosen(regimes, load(settings.market))
    return replace(
        settings,
        task=task,
        regimes=regimes,
        queue=request.queue or settings.queue,
        strategies=strategies or settings.strategies,
        impact=law,
        fees=NO_FEES if request.fees is None else fees_of(request.fees),
    )


def _own(request: RunRequest) -> tuple[str, ...]:
    """The user's strategies, as they are found from any folder."""
    return tuple(map(findable, request.strategy or ()))


def _settings(request: RunRequest) -> tuple[RunSettings, Path]:
    """Settings and folder of this run: new ones, or those of the run that is resumed."""
    if request.resume:
        return _started(request, request.out or _newest())
    folder = request.out or _fresh()
    if (folder / FILE).exists():
        raise ConfigError(
            "a new run folder", f"{folder} holds a run", "add --resume to go on with it, or name another --out"
        )
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("an empty or new run folder", f"{folder} holds other files", "name another --out")
    settings = RunSettings(
        market="" if request.tape else _findable_as(request.market or DEFAULT, ".json"),
        lake=str(request.tape.resolve()) if request.tape else "",
        symbol=request.symbol or "",
        quick=request.quick,
        seed=request.seed,
        frames=FRAMES,
    )
    settings = _applied(request, settings)
    if request.quick:
        settings = replace(settings, episodes=QUICK_EPISODES, seeds=1, frames=QUICK_FRAMES)
    return settings, folder


def _started(request: RunRequest, folder: Path) -> tuple[RunSettings, Path]:
    """Settings of the run in a folder; refuses options other than those that it was started with."""
    started = load_settings(folder)
    now = _applied(request, replace(started, regimes="", fees=NO_FEES, impact=""))
    order = request.order
    options = {
        "--market": (request.market, request.market and _findable_as(request.market, ".json"), started.market),
        "--tape": (request.tape, request.tape and str(request.tape.resolve()), started.lake),
        "--symbol": (request.symbol, request.symbol, started.symbol),
        "--quick": (request.quick or None, request.quick, started.quick),
        "--strategy": (_own(request) or None, _own(request), started.strategies),
        "--seed": (None if request.seed == DEFAULT_SEED else request.seed, request.seed, started.seed),
        "--regimes": (request.regimes, now.regimes, started.regimes),
        "--impact": (request.impact, now.impact, started.impact),
        "--fees": (request.fees, now.fees, started.fees),
        **{f"--{name.replace('_', '-')}": (value, now.task, started.task) for name, value in order.values.items()},
        "--latency": (order.latency, now.task.latency, started.task.latency),
        "--feed-latency-ms": (request.feed_latency_ms, now.task.feed_latency, started.task.feed_latency),
        "--queue": (request.queue, now.queue, started.queue),
    }
    for option, (typed, wanted, was) in options.items():
        if typed is not None and wanted != was:
            expected = f"the options that {folder} was started with: {_in_words(started)}"
            remedy = f"leave {option} out, or start a new run without --resume"
            raise ConfigError(expected, f"{option} {typed}", remedy)
    say(f"resuming {folder}, as it was started: {_in_words(started)}")
    return started, folder


def _in_words(settings: RunSettings) -> str:
    """What a run was asked for, in one line."""
    market = f"{settings.symbol} in {settings.lake}" if settings.on_tape else settings.market
    words = [market, f"seed {settings.seed}"] + ["--quick"] * settings.quick
    words += [f"--regimes {settings.regimes}"] if settings.regimes else []
    words += [f"--impact {settings.impact}"] if settings.impact else []
    words += _ordered(settings.task)
    words += [f"--strategy {name}" for name in settings.strategies]
    return ", ".join([*words, *venue_words(settings.fees, settings.task.latency, settings.task.feed_latency)])


def _ordered(task: Task) -> list[str]:
    """What of the order is not as it is by itself: side, size, time and limit."""
    plain, size = Task(), f"--quantity {task.quantity}" if task.share is None else f"--share {task.share:g}"
    side = next(name for name, number in SIDES.items() if number == task.side)
    given = {
        f"--side {side}": task.side == plain.side,
        size: task.share == plain.share,
        f"--start {task.start}": not task.start,
        f"--horizon {task.horizon_s:g}": task.horizon_s == plain.horizon_s,
        f"--decisions {task.decisions}": task.decisions == plain.decisions,
        f"--limit-price {task.limit_price}": task.limit_price is None,
    }
    return [words for words, usual in given.items() if not usual]


def _findable_as(name: str, ending: str) -> str:
    """A name as it is, a file with its whole path, so that a run resumes from any folder."""
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


def trainings(settings: RunSettings, out: Path, market: JobMarket | None = None) -> list[TrainingJob]:
    """What a run trains: the recipe with every seed; an order of lots on tape wants the built market."""
    plain, _ = learnable(settings)
    share = None
    if market is not None and settings.on_tape and settings.task.share is None:
        share = settings.task.quantity / max(market.estimates.expected_volume, 1.0)
    values = {"validation.episodes": CHECKED_ON, "guards.variants": 1}
    if settings.quick:
        values |= QUICK if settings.on_tape else QUICK | QUICK_WORLDS
    values["validation.every"] = settings.frames // QUICK_LOOKS if settings.quick else settings.frames
    config = configured(plain, "ppo", settings.frames, TRAINED, values, share, RECIPE)
    return [TrainingJob(config, policy_folder(out, seed), seed) for seed in settings.training_seeds]


def policy_folder(out: Path, seed: int) -> Path:
    """The folder of a training, as `tercel agent train` leaves one: metrics, checkpoints, the policy."""
    return out / "policies" / f"{TRAINED}-{seed}"


def train(settings: RunSettings, jobs: Sequence[TrainingJob]) -> None:
    """Train what has not come to its end, side by side."""
    jobs = [job for job in jobs if not is_done(job.folder)]
    if not jobs:
        return
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
        claim(job.folder, job.config, job.seed)
    decisions = sum(job.config.learner.frames for job in jobs)
    if settings.on_tape and not settings.quick:
        say(f"{len(jobs)} trainings of {decisions:,} decisions in all come first: minutes (--quick: less than one)")
    if settings.quick:
        base = jobs[0].config.policy.base
        say(f"--quick: {decisions:,} decisions show the road; they begin as {base}, and are too few to beat it")
    with progress(now=True) as shown, Pool(len(jobs)) as pool:
        bars = {
            job.folder: shown.add_task(
                f"train {job.config.name} seed {job.seed}", total=job.config.learner.frames, now=""
            )
            for job in jobs
        }

        def tick(_done: int) -> None:
            for folder, bar in bars.items():
                for last in rows_so_far(folder / METRICS)[-1:]:
                    shown.update(bar, completed=last["frames"], now=f"{last['is_bps']:7.2f} bps")

        pool.run(train_task, [(job.config, job.folder, job.seed) for job in jobs], tick)
    for job in jobs:
        if is_done(job.folder) and not (card := read_card(job.folder / POLICY / CARD)).kept_start and card.kept:
            say(f"{job.folder.name}: {card.kept}")


def train_task(config: AgentConfig, folder: Path, seed: int) -> bool:
    """Train one policy in a worker."""
    return bool(run_training(config, folder, seed, stop=stopping)["done"])


# -- judging ----------------------------------------------------------------------------------------------------------


def candidates(settings: RunSettings, scenario: RunSettings, name: str, out: Path) -> Participants:
    """Who is judged besides the written strategies: the policy that ships, those of the run, the user's own."""
    seeds, notes = settings.training_seeds, list[str]()
    shipped = policies_of([SHIPPED])
    try:
        refuse_leaks(shipped, [scenario])
    except ConfigError:
        notes.append(f"The policy that ships, {SHIPPED}, is left out: it learned from days that are judged here.")
        shipped = []
    folders = [policy_folder(out, seed) for seed in seeds]
    mine = [Candidate(TRAINED if len(seeds) == 1 else folder.name, str(folder / POLICY)) for folder in folders]
    unknown = learnable(settings)[1]
    if unknown:
        notes.append(f"Training knew no {' and no '.join(unknown)}; everybody is judged with it.")
    if settings.quick:
        notes.append(QUICK_NOTE)
    everyone = [*mine, *shipped, *own_of(settings.strategies)]
    return Participants(everyone, recipes_of(mine), {name: tuple(everyone)}, notes)


def _judge(settings: RunSettings, out: Path) -> dict[str, Any]:
    """Judge everybody on the episodes of `tercel agent evaluate`."""
    scenario = replace(settings, quick=False, strategies=(), seeds=1, episodes=1, frames=0)
    name = f"{settings.symbol} tape" if settings.on_tape else load(settings.market).name
    request = EvaluationRequest(
        candidates(settings, scenario, name, out),
        baselines_of("all"),
        {name: scenario},
        settings.episodes,
        (settings.seed,),
        chosen_on=CHOSEN_ON,
    )
    footer = f"reprint: tercel run --resume --out {out}"
    return write_evaluation(request, out, notes_of(request), out / RESULT, out / REPORT, footer)
