"""`tercel run`: train on a market, evaluate beside pre-trained agents and rules, print the table."""

import shlex
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli.agent_evaluate import EvaluatePolicies, evaluate
from tercel.cli.order import JudgedOptions
from tercel.cli.shared import ALL_IN, JsonRequest, Seed, print_json, result_console, say
from tercel.core.errors import ConfigError, listed

if TYPE_CHECKING:
    from tercel.api.runs import Run
    from tercel.execution.task import Task
    from tercel.lab.evaluation.pipeline.evaluation import EvaluationResult

RUNS = Path("runs")
DEFAULT_SEED = 1
TERMS = ("regimes", "impact", "fees", "queue")
"""Options that are the fields of a market."""


@dataclass(frozen=True)
class RunRequest(JudgedOptions, JsonRequest):
    """Options of `tercel run`."""

    interrupted: ClassVar[str] = "finished results are saved; continue with: tercel run --resume"

    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="A smoke run under a minute: tests the pipeline, not the agent."
        ),
    ] = False
    seed: Seed = 1
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder (default: a new one under runs/).", metavar="DIR"),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume the stopped run in --out (default: the newest), with its options.",
        ),
    ] = False
    feed_latency_ms: Annotated[
        str | None, typer.Option(help="Latency of market data in ms: X, A,B or tape.", metavar="X")
    ] = None
    queue: Annotated[
        str | None,
        typer.Option(
            help="(--tape) Queue model of a tape with level totals only: risk_averse, power_prob[:N], log_prob "
            "and others (default: power_prob).",
            metavar="NAME",
        ),
    ] = None


def run(request: RunRequest) -> None:
    """Train from a tuned rule, evaluate beside the pre-trained agent and rules, print the table and a verdict."""
    if request.order.orders is not None:
        _list(request)
    else:
        _symbols(request)


def _symbols(request: RunRequest) -> None:
    """A run of each symbol, several in a folder of their own each."""
    from tercel.api.runs import FILE
    from tercel.lab.evaluation.market import looked_up

    symbols = listed(request.symbol or "")
    if len(symbols) < 2:
        result = _run(request, *_planned(request))
        if request.as_json:
            print_json(result)
        return
    if request.resume and request.out is None:
        raise ConfigError(
            "--out with --resume of several symbols",
            f"--symbol {request.symbol}",
            "name their folder",
        )
    for market in request.markets():
        looked_up(market)  # refused before the first of them is begun
    folder = request.out or _fresh()
    each = [replace(request, symbol=one, out=folder / one) for one in symbols]
    each = [
        replace(one, resume=request.resume and (folder / str(one.symbol) / FILE).exists())
        for one in each
    ]
    runs = [(one, *_planned(one)) for one in each]
    found = {one: _run(*its) for one, its in zip(symbols, runs, strict=True)}
    if request.as_json:
        print_json({"symbols": found})


def _run(request: RunRequest, planned: "Run", folder: Path) -> "EvaluationResult":
    """One run, from its market to its page."""
    from tercel.api.runs import REPORT, RESULT
    from tercel.lab.evaluation.pipeline.views import run_table

    try:
        begun = planned.begin(folder, resume=request.resume, named=request.out is not None)
        folder = begun.folder
        result = begun.finish(footer=f"reprint: tercel run --resume --out {folder}")
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(folder)) from None
    if not request.as_json:
        result_console().print(replace(run_table(result), all_in=ALL_IN))
        say(
            f"report    {folder / REPORT} (beside it {RESULT}, policies, and desk.toml, which trades what was trained)"
        )
        typer.echo(begun.how_to_trade())
    return result


def _list(request: RunRequest) -> None:
    """A list of orders: by rules and the user's, since agents of a run learn one order in one market."""
    from tercel.lab.evaluation.scenario import EPISODES

    options = {
        "--regimes": request.regimes,
        "--feed-latency-ms": request.feed_latency_ms,
        "--queue": request.queue,
        "--quick": request.quick or None,
        "--resume": request.resume or None,
    }
    if beside := ", ".join(name for name, value in options.items() if value is not None):
        raise ConfigError(
            "a list of orders without what a run of agents has",
            f"--orders with {beside}",
            f"leave {beside} out",
        )
    say("orders of a list are worked by rules; for agents: tercel agent evaluate POLICY --orders")
    evaluation = EvaluatePolicies(
        strategy=request.strategy,
        market=request.market,
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


def _applied(request: RunRequest, planned: "Run") -> "Run":
    """The run with the options of market, venue and order.

    Raises
    ------
    ConfigError
        For words that mean nothing, before anything is begun.
    """
    from tercel.api.runs import SHIPPED, TRAINED
    from tercel.execution.market import fees_of
    from tercel.lab.evaluation.market import looked_up
    from tercel.lab.evaluation.pipeline.candidates import Candidate, own_of, refuse_same_names

    strategies = _own(request)
    if strategies:
        learned = [Candidate(name) for name in (SHIPPED, TRAINED)]
        refuse_same_names([*learned, *own_of(strategies)])
    terms = {name: value for name in TERMS if (value := getattr(request, name)) is not None}
    if request.fees is not None:
        terms["fees"] = fees_of(request.fees)
    if request.regimes:
        words = listed(
            request.regimes
        )  # files by their whole path, so that a run resumes from any folder
        terms["regimes"] = ",".join(
            str(Path(word).resolve()) if word.endswith(".toml") else word for word in words
        )
        if not terms["regimes"]:
            raise ConfigError(
                "names of regimes, or a script",
                f"--regimes {request.regimes!r}",
                "such as calm,volatile",
            )
    market = replace(planned.scenario.market, **terms)
    looked_up(market)
    task = request.order.task(planned.scenario.task, market, request.feed_latency_ms)
    scenario = replace(planned.scenario, market=market, task=task)
    return replace(planned, scenario=scenario, strategies=strategies or planned.strategies)


def _own(request: RunRequest) -> tuple[str, ...]:
    """The user's strategies, as they are found from any folder."""
    from tercel.execution.user_strategy import findable

    return tuple(map(findable, request.strategy or ()))


def _planned(request: RunRequest) -> "tuple[Run, Path]":
    """This run and its folder: new, or the one that is resumed."""
    from tercel.api.runs import FILE, FRAMES, QUICK_EPISODES, QUICK_FRAMES, Run
    from tercel.lab.evaluation.scenario import Scenario

    if request.resume:
        return _started(request, request.out or _newest())
    folder = request.out or _fresh()
    if (folder / FILE).exists():
        raise ConfigError(
            "a new run folder",
            f"{folder} holds a run",
            "add --resume to go on with it, or name another --out",
        )
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            "an empty or new run folder", f"{folder} holds other files", "name another --out"
        )
    scenario = Scenario(request.markets()[0])
    planned = _applied(
        request, Run(scenario, quick=request.quick, seed=request.seed, frames=FRAMES)
    )
    if request.quick:
        planned = replace(planned, episodes=QUICK_EPISODES, seeds=1, frames=QUICK_FRAMES)
    return planned, folder


def _started(request: RunRequest, folder: Path) -> "tuple[Run, Path]":
    """The run in a folder; refuses options other than those that it was started with."""
    from tercel.api.runs import Run

    started = Run.load(folder)
    before, now = started.scenario, _applied(request, started).scenario
    order, was, place = request.order, before.market, now.market
    options = {
        "--market": (
            ",".join(request.presets) or None,
            request.presets and request.markets()[0].preset,
            was.preset,
        ),
        "--tape": (request.tape, request.tape and str(request.tape.resolve()), was.lake),
        "--symbol": (request.symbol, request.symbol, was.symbol),
        "--quick": (request.quick or None, request.quick, started.quick),
        "--strategy": (_own(request) or None, _own(request), started.strategies),
        "--seed": (
            None if request.seed == DEFAULT_SEED else request.seed,
            request.seed,
            started.seed,
        ),
        **{
            f"--{name}": (getattr(request, name), getattr(place, name), getattr(was, name))
            for name in TERMS
        },
        **{
            f"--{name.replace('_', '-')}": (value, now.task, before.task)
            for name, value in order.values.items()
        },
        "--latency": (order.latency, now.task.latency, before.task.latency),
        "--feed-latency-ms": (
            request.feed_latency_ms,
            now.task.feed_latency,
            before.task.feed_latency,
        ),
    }
    for option, (typed, wanted, had) in options.items():
        if typed is not None and wanted != had:
            raise ConfigError(
                f"the options that {folder} was started with: {_in_words(started)}",
                f"{option} {typed}",
                f"leave {option} out, or start a new run without --resume",
            )
    say(f"resuming {folder}, as it was started: {_in_words(started)}")
    return started, folder


def _in_words(run: "Run") -> str:
    """The options of a run, in one line."""
    from tercel.execution.market import in_words as venue_words

    market, task = run.scenario.market, run.scenario.task
    words = [
        f"{market.symbol} in {market.lake}" if market.on_tape else market.preset,
        f"seed {run.seed}",
    ]
    words += ["--quick"] * run.quick
    words += [
        f"--{name} {value}" for name in ("regimes", "impact") if (value := getattr(market, name))
    ]
    words += _ordered(task)
    words += [f"--strategy {name}" for name in run.strategies]
    return ", ".join([*words, *venue_words(market.fees, task.latency, task.feed_latency)])


def _ordered(task: "Task") -> list[str]:
    """Options of the order that differ from the defaults: side, size, time and limit."""
    from tercel.execution.task import SIDES, Task

    plain, size = (
        Task(),
        f"--quantity {task.quantity}" if task.share is None else f"--share {task.share:g}",
    )
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


def _how_to_go_on(folder: Path) -> str:
    from tercel.api.runs import FILE

    if not (folder / FILE).exists():
        return "nothing was begun; start it again"
    return f"finished results are saved; continue with: {shlex.join(['tercel', 'run', '--resume', '--out', str(folder)])}"


def _newest() -> Path:
    from tercel.api.runs import FILE

    found = sorted(path.parent for path in RUNS.glob(f"*/{FILE}"))
    if not found:
        raise ConfigError("a run to resume", f"none under {RUNS}/", "name its folder with --out")
    return found[-1]
