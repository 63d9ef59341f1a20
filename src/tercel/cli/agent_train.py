"""`tercel agent train` and `tune`: train networks, and tune the parameters of rules."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli.interrupts import catch_interrupt, on_interrupt
from tercel.cli.options import AsJson, Seed
from tercel.cli.order import MarketOptions
from tercel.cli.output import hand_over, print_table, say
from tercel.core.errors import ConfigError, UnknownNameError, nearest_names, refuse_if, suggest_name

if TYPE_CHECKING:
    from tercel.api.learn import TrainingRun
    from tercel.lab.learning.agent.run_folder import TrainingResult
    from tercel.lab.tuning.tune import TuningOutcome, TuningSettings

HEADINGS = (
    "strategy",
    "validation, bps",
    "s.e.",
    "final, bps",
    "final s.e.",
    "before",
    "training, bps",
    "episodes",
)


@on_interrupt("finished results are saved; the same command continues")
def tune(
    market_options: MarketOptions,
    strategies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Strategies to tune, NAME or NAME+events; all rules that can be when none is named."
        ),
    ] = None,
    episodes: Annotated[
        int,
        typer.Option(
            help="Training episodes of each search; by the number of parameters when 0.", min=0
        ),
    ] = 0,
    validation: Annotated[int, typer.Option(help="Validation episodes; 1,024 when 0.", min=0)] = 0,
    seed: Seed = 1,
    out: Annotated[
        Path | None, typer.Option(help="File of the values found.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tune rules on training episodes; name the best on validation episodes: the benchmark."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE
    from tercel.lab.tuning.jobs import (
        read_results,
        run_finals,
        tune_all,
        tuning_result,
        write_json,
    )

    names = _strategies_to_tune(strategies or ())
    settings = _settings(market_options, episodes, validation, seed)
    market = settings.scenario.market
    label = market.symbol or Path(market.preset).stem
    out = out or Path("runs/tuned") / f"{label}-{seed}.json"
    refuse_if(out.exists(), "a new file", f"{out} exists", "name another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:10]
    parts_folder = out.with_name(f".{out.stem}-{digest}.parts")
    parts_folder.mkdir(exist_ok=True)
    untuned_names = [name for name in ALL_BASELINES if name not in TUNABLE]
    tune_all(settings, names, untuned_names, parts_folder)
    run_finals(settings, [*names, *untuned_names], parts_folder)
    result = tuning_result(label, settings, read_results(parts_folder, [*names, *untuned_names]))
    write_json(out, result)
    shutil.rmtree(parts_folder)

    def show() -> None:
        """Print the tuned strategies as a table, and the best one."""
        rows = sorted(
            {**result.strategies, **result.untuned}.items(), key=lambda item: item[1].rank
        )
        print_table(
            f"Tuned in {label}, cheapest first",
            HEADINGS,
            [_cells(name, outcome) for name, outcome in rows],
        )
        for name, outcome in rows:
            if overflow_text := _overflow_text(outcome):
                say(f"{name}: {overflow_text}")
        say(
            f"the benchmark: {result.best}, the best on validation episodes that chose nothing else"
        )
        say(f"values    {out}")

    hand_over({**vars(result), "out": str(out)}, as_json, show)


def _strategies_to_tune(requested: Sequence[str]) -> list[str]:
    """The requested strategies, each once, or all tunable ones if none is named; UnknownNameError for one that cannot be
    tuned."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE

    for name in requested:
        rule, _, clock = name.partition("+")
        if rule not in TUNABLE or clock not in ("", "events"):
            tunable = f"{', '.join(TUNABLE)}, any of them with +events"
            raise UnknownNameError(
                f"a strategy to tune: {tunable}", repr(name), _untunable_remedy(rule)
            )
    return list(dict.fromkeys(requested)) or [name for name in ALL_BASELINES if name in TUNABLE]


def _untunable_remedy(name: str) -> str:
    """Remedy for a name that cannot be tuned: some strategies exist but have no parameters."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE

    for near in (name, *nearest_names(name, ALL_BASELINES)):
        if near in ALL_BASELINES and near not in TUNABLE:
            return f"leave it out: {near} exists, but has nothing to tune, and is validated beside the others anyway"
    return suggest_name(name, TUNABLE)


def _settings(
    market_options: MarketOptions, episodes: int, validation: int, seed: int
) -> "TuningSettings":
    """Settings that determine the result of a tuning: market, seed, numbers of episodes; raises where the market is
    unknown."""
    from tercel.lab.evaluation.scenario import Scenario
    from tercel.lab.tuning.tune import VALIDATION_EPISODES, TuningSettings

    refuse_if(
        validation == 1, "two validation episodes or more", "1", "leave --validation out for 1,024"
    )
    market = market_options.markets()[0]
    return TuningSettings(Scenario(market), episodes, validation or VALIDATION_EPISODES, seed)


def _overflow_text(outcome: "TuningOutcome") -> str:
    """Text of the episodes in which orders exceeded the simulator's capacity, by kind; "" without any."""
    from tercel.lab.tuning.parameter_search import OVERFLOWED_BPS

    counts = [(outcome.training_overflowed or 0, outcome.training_episodes or 0, "training")]
    counts += [(outcome.validation.overflowed, outcome.validation.episodes, "validation")]
    counts += [(outcome.final.overflowed, outcome.final.episodes, "final")] if outcome.final else []
    counted = ", ".join(
        f"{overflowed:,} of {episodes:,} {kind}"
        for overflowed, episodes, kind in counts
        if overflowed
    )
    return (
        f"capacity overflow in {counted} episodes, {OVERFLOWED_BPS:g} bps added to each"
        if counted
        else ""
    )


def _cells(name: str, outcome: "TuningOutcome") -> tuple[str, ...]:
    """Cells of a tuned strategy's row."""
    cells = [name, f"{outcome.validation.bps:.2f}", f"{outcome.validation.se:.2f}"]
    cells += [f"{outcome.final.bps:.2f}", f"{outcome.final.se:.2f}"] if outcome.final else ["", ""]
    if outcome.begun_from is None:
        return (*cells, "", "", "")
    return (
        *cells,
        f"{outcome.begun_from.bps:.2f}",
        f"{outcome.training_bps:.2f}",
        f"{outcome.training_episodes:,}",
    )


@on_interrupt("training so far is saved; --resume RUN continues")
def train(
    config: Annotated[
        Path | None, typer.Argument(help="TOML file of the training.", metavar="CONFIG")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="A shipped configuration in its place.", metavar="NAME")
    ] = None,
    algo: Annotated[
        str | None,
        typer.Option(help="Another learner: ppo, dqn, or sb3_ppo and its like.", metavar="ALGO"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of everything that is drawn (default: 1).", min=0, max=2**31 - 1, metavar="S"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder; runs/agents/NAME-SEED if not given.", metavar="DIR"),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run folder.", metavar="RUN")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Act on a Ray cluster: its address, auto, or local. From tercel-studies.",
            metavar="ADDRESS",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Workers on it; one a core if not given.", min=1, metavar="N")
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="(--resume) Run the own reward and observation that the run's folder names.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train an agent: from a configuration to a policy with its card."""
    from tercel.api.learn import TrainingRun
    from tercel.lab.learning.agent.config import preset_names

    refuse_if(
        workers is not None and ray is None,
        "--workers with --ray",
        "--workers alone",
        "add --ray local, or the address of a cluster",
    )
    if resume is not None:
        refuse_if(
            any(option is not None for option in (config, preset, out, algo)),
            "--resume alone: the run knows the rest",
            "more beside it",
            "leave it out",
        )
        run = TrainingRun.resume(resume, trust=trust, seed=seed)
        refuse_if(
            ray is not None and not run.config.learner.shards,
            "a run with learner.shards to go on with on a cluster",
            f"{resume} was begun without: its results would change",
            "go on without --ray",
        )
    elif (config is None) == (preset is None):
        raise ConfigError(
            "a configuration file or --preset NAME",
            "neither" if config is None else "both",
            f"presets: {', '.join(preset_names())}",
        )
    else:
        run = TrainingRun.of_file(
            config or str(preset),
            algorithm=algo or "",
            seed=1 if seed is None else seed,
            run_folder=out,
            sharded=ray is not None,
            workers=workers,
        )
    with catch_interrupt() as stop:
        result = run.train(progress=True, stop=lambda: bool(stop), cluster=ray, workers=workers)
    if not result.done:
        trusted = " --trust" if run.config.own_code else ""
        raise KeyboardInterrupt(
            f"`tercel agent train --resume {run.folder}{trusted}` continues at {result.frames:,} decisions"
        )
    report = str(run.report(result))
    result_fields = {**result.json_fields(), "folder": str(run.folder), "report": report}
    hand_over(result_fields, as_json, lambda: _show(run, result, report))


def _show(run: "TrainingRun", result: "TrainingResult", report: str) -> None:
    """Print the result of a training; write a desk file that trades its policy, and print how to run that."""
    from tercel.lab.learning.agent.report import outcome_sentence

    best = result.look("best")
    outcome_text = outcome_sentence(result)
    gain_text = (
        ""
        if best is None
        else (
            f"{best.is_bps:.2f} bps, {result.rule} {best.rule_bps:.2f}, gain {best.gain:+.2f} +- "
            f"{best.se:.2f} (one s.e., validation, best of {result.looks} validation checks)"
        )
    )
    say(f"{run.config.name}: {outcome_text or gain_text}")
    say(f"policy   {result.policy}")
    say(f"report   {report}")
    if best is not None and best.frames:
        say(f"judge it with `tercel agent evaluate {run.folder}`")
    say("trade it:")
    say(run.write_desk_file())
