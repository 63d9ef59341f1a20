"""`tercel run`: train on a market, evaluate beside packaged agents and rules, print the table."""

import shlex
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli.agent_evaluate import EvaluatePolicies, evaluate
from tercel.cli.options import JsonRequest, Seed
from tercel.cli.order import JudgedOptions
from tercel.cli.output import ALL_IN, print_json, print_sentences, result_console, say
from tercel.core.errors import ConfigError, refuse_if, split_commas

if TYPE_CHECKING:
    from tercel.api.runs import Run
    from tercel.execution.task import Task
    from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord

RUNS = Path("runs")
DEFAULT_SEED = 1
TERMS = ("regimes", "impact", "passive_impact", "impact_scale", "fees", "queue")
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
    """Train from a tuned rule, evaluate beside the packaged agent and rules, print the table and a verdict."""
    if request.order.orders is not None:
        _run_order_list(request)
    else:
        _run_symbols(request)


def _run_symbols(request: RunRequest) -> None:
    """Run each symbol in turn, several each in its own folder."""
    from tercel.api.runs import FILE

    symbols = split_commas(request.symbol or "")
    if len(symbols) < 2:
        result = _run(request, *_plan_run(request))
        if request.as_json:
            print_json(result)
        return
    refuse_if(
        request.resume and request.out is None,
        "--out with --resume of several symbols",
        f"--symbol {request.symbol}",
        "name their folder",
    )
    request.markets()  # refused before the first of them is begun
    folder = request.out or _new_run_folder()
    requests = [replace(request, symbol=symbol, out=folder / symbol) for symbol in symbols]
    requests = [
        replace(
            symbol_request,
            resume=request.resume and (folder / str(symbol_request.symbol) / FILE).exists(),
        )
        for symbol_request in requests
    ]
    runs = [(symbol_request, *_plan_run(symbol_request)) for symbol_request in requests]
    results = {symbol: _run(*plan) for symbol, plan in zip(symbols, runs, strict=True)}
    if request.as_json:
        print_json({"symbols": results})


def _run(request: RunRequest, planned: "Run", folder: Path) -> "EvaluationRecord":
    """Train and evaluate in one market, write page and desk file, and print the table unless `as_json`; return the result."""
    from tercel.api.runs import REPORT, RESULT
    from tercel.lab.evaluation.pipeline.judged_tables import run_table

    try:
        active_run = planned.begin(
            folder, resume=request.resume, user_named=request.out is not None
        )
        folder = active_run.folder
        result = active_run.finish(footer=f"reprint: tercel run --resume --out {folder}")
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_resume_text(folder)) from None
    if not request.as_json:
        result_console().print(replace(run_table(result), all_in=ALL_IN))
        say(
            f"report    {folder / REPORT} (beside it {RESULT}, policies, and desk.toml, which trades what was trained)"
        )
        print_sentences([active_run.write_desk_file()])
    return result


def _run_order_list(request: RunRequest) -> None:
    """Evaluate rules and the user's strategies on a file of orders, without training."""
    from tercel.lab.evaluation.scenario import EPISODES

    options = {
        "--regimes": request.regimes,
        "--feed-latency-ms": request.feed_latency_ms,
        "--queue": request.queue,
        "--quick": request.quick or None,
        "--resume": request.resume or None,
    }
    if run_options := ", ".join(name for name, value in options.items() if value is not None):
        raise ConfigError(
            "a list of orders without what a run of agents has",
            f"--orders with {run_options}",
            f"leave {run_options} out",
        )
    say("orders of a list are worked by rules; for agents: tercel agent evaluate POLICY --orders")
    evaluation = EvaluatePolicies(
        strategy=request.strategy,
        market=request.market,
        tape=request.tape,
        impact=request.impact,
        passive_impact=request.passive_impact,
        impact_scale=request.impact_scale,
        episodes=EPISODES,
        seeds=str(request.seed),
        fees=request.fees,
        order=request.order,
        out=request.out or _new_run_folder(),
        as_json=request.as_json,
    )
    evaluate(evaluation)


def _new_run_folder() -> Path:
    """Path of a folder for a new run, named by the local time; it is not made."""
    return RUNS / datetime.now().strftime("%Y%m%d-%H%M%S")


def _apply_options(request: RunRequest, planned: "Run") -> "Run":
    """The run with the options of market, venue and order.

    Raises
    ------
    ConfigError
        For words that mean nothing, before anything is begun.
    """
    from tercel.api.runs import SHIPPED, TRAINED
    from tercel.execution.market import fees_of
    from tercel.lab.evaluation.market import resolve_markets
    from tercel.lab.evaluation.pipeline.candidates import (
        Candidate,
        load_user_strategies,
        refuse_same_names,
    )

    strategies = _own_strategies(request)
    if strategies:
        learned = [Candidate(name) for name in (SHIPPED, TRAINED)]
        own_candidates = load_user_strategies(strategies)
        refuse_same_names([*learned, *own_candidates])
        for candidate in own_candidates:
            candidate.check()
    terms = {name: value for name in TERMS if (value := getattr(request, name)) is not None}
    if request.fees is not None:
        terms["fees"] = fees_of(request.fees)
    if request.regimes:
        regime_names = split_commas(
            request.regimes
        )  # files by their whole path, so that a run resumes from any folder
        terms["regimes"] = ",".join(
            str(Path(regime).resolve()) if regime.endswith(".toml") else regime
            for regime in regime_names
        )
        refuse_if(
            not terms["regimes"],
            "names of regimes, or a script",
            f"--regimes {request.regimes!r}",
            "such as calm,volatile",
        )
    market = replace(planned.scenario.market, **terms)
    resolve_markets(market)
    task = request.order.task(planned.scenario.task, market, request.feed_latency_ms)
    scenario = replace(planned.scenario, market=market, task=task)
    return replace(planned, scenario=scenario, strategies=strategies or planned.strategies)


def _own_strategies(request: RunRequest) -> tuple[str, ...]:
    """The user's strategies as names that can be imported from any folder."""
    from tercel.execution.user_strategy import absolute_name

    return tuple(map(absolute_name, request.strategy or ()))


def _plan_run(request: RunRequest) -> "tuple[Run, Path]":
    """The run to do and its folder: a new run, or the one to resume."""
    from tercel.api.runs import FILE, FRAMES, QUICK_EPISODES, QUICK_FRAMES, Run
    from tercel.lab.evaluation.scenario import Scenario

    if request.resume:
        return _load_run(request, request.out or _newest_run())
    folder = request.out or _new_run_folder()
    refuse_if(
        (folder / FILE).exists(),
        "a new run folder",
        f"{folder} holds a run",
        "add --resume to go on with it, or name another --out",
    )
    refuse_if(
        folder.exists() and any(folder.iterdir()),
        "an empty or new run folder",
        f"{folder} holds other files",
        "name another --out",
    )
    scenario = Scenario(request.markets()[0])
    planned = _apply_options(
        request, Run(scenario, quick=request.quick, seed=request.seed, frames=FRAMES)
    )
    if request.quick:
        planned = replace(planned, episodes=QUICK_EPISODES, seeds=1, frames=QUICK_FRAMES)
    return planned, folder


def _load_run(request: RunRequest, folder: Path) -> "tuple[Run, Path]":
    """The run saved in a folder, announced on stderr; ConfigError for typed options that differ from the saved ones."""
    from tercel.api.runs import Run

    started = Run.load(folder)
    saved = started.scenario
    requested = _apply_options(request, started).scenario
    order = request.order
    saved_market = saved.market
    requested_market = requested.market
    options = {
        "--market": (
            ",".join(request.presets) or None,
            request.presets and request.markets()[0].preset,
            saved_market.preset,
        ),
        "--tape": (request.tape, request.tape and str(request.tape.resolve()), saved_market.lake),
        "--symbol": (request.symbol, request.symbol, saved_market.symbol),
        "--quick": (request.quick or None, request.quick, started.quick),
        "--strategy": (
            _own_strategies(request) or None,
            _own_strategies(request),
            started.strategies,
        ),
        "--seed": (
            None if request.seed == DEFAULT_SEED else request.seed,
            request.seed,
            started.seed,
        ),
        **{
            f"--{name.replace('_', '-')}": (
                getattr(request, name),
                getattr(requested_market, name),
                getattr(saved_market, name),
            )
            for name in TERMS
        },
        **{
            f"--{name.replace('_', '-')}": (value, requested.task, saved.task)
            for name, value in order.values.items()
        },
        "--latency": (order.latency, requested.task.latency, saved.task.latency),
        "--feed-latency-ms": (
            request.feed_latency_ms,
            requested.task.feed_latency,
            saved.task.feed_latency,
        ),
    }
    for option, (typed, requested_value, saved_value) in options.items():
        refuse_if(
            typed is not None and requested_value != saved_value,
            f"the options that {folder} was started with: {_options_text(started)}",
            f"{option} {typed}",
            f"leave {option} out, or start a new run without --resume",
        )
    say(f"resuming {folder}, as it was started: {_options_text(started)}")
    return started, folder


def _options_text(run: "Run") -> str:
    """The options of a run as text on one line."""
    from tercel.execution.market import describe_terms as venue_words

    market = run.scenario.market
    task = run.scenario.task
    options = [
        f"{market.symbol} in {market.lake}" if market.on_tape else market.preset,
        f"seed {run.seed}",
    ]
    options += ["--quick"] * run.quick
    options += [
        f"--{name} {value}" for name in ("regimes", "impact") if (value := getattr(market, name))
    ]
    options += [
        f"--{name.replace('_', '-')} {value:g}" for name, value in market.impact_terms.items()
    ]
    options += _order_options(task)
    options += [f"--strategy {name}" for name in run.strategies]
    return ", ".join([*options, *venue_words(market.fees, task.latency, task.feed_latency)])


def _order_options(task: "Task") -> list[str]:
    """Options of the order that differ from the defaults: side, size, time and limit."""
    from tercel.execution.task import SIDES, Task

    default_task = Task()
    size = f"--quantity {task.quantity}" if task.share is None else f"--share {task.share:g}"
    side = next(name for name, number in SIDES.items() if number == task.side)
    is_default = {
        f"--side {side}": task.side == default_task.side,
        size: task.share == default_task.share,
        f"--start {task.start}": not task.start,
        f"--horizon {task.horizon_s:g}": task.horizon_s == default_task.horizon_s,
        f"--decisions {task.decisions}": task.decisions == default_task.decisions,
        f"--limit-price {task.limit_price}": task.limit_price is None,
    }
    return [option for option, default in is_default.items() if not default]


def _resume_text(folder: Path) -> str:
    """Text on how to resume the run in a folder after Ctrl-C: its command, or to start again if nothing was begun."""
    from tercel.api.runs import FILE

    if not (folder / FILE).exists():
        return "nothing was begun; start it again"
    return f"finished results are saved; continue with: {shlex.join(['tercel', 'run', '--resume', '--out', str(folder)])}"


def _newest_run() -> Path:
    """Folder of the newest run, the last by name; ConfigError if there is none."""
    from tercel.api.runs import FILE

    folders = sorted(path.parent for path in RUNS.glob(f"*/{FILE}"))
    refuse_if(
        not folders,
        "a run to resume",
        f"none under {RUNS}/",
        "name its folder with --out",
    )
    return folders[-1]
