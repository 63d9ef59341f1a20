"""`tercel agent train` and `tune`: networks, the numbers of rules."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli.order import MarketOptions
from tercel.cli.shared import (
    AsJson,
    Seed,
    hand_over,
    on_interrupt,
    print_table,
    say,
    stopped,
)
from tercel.core.errors import ConfigError, UnknownNameError, nearest, offer, refuse_if

if TYPE_CHECKING:
    from tercel.api.learn import TrainingRun
    from tercel.lab.evaluation.tuning import TuningOutcome, TuningSettings
    from tercel.lab.learning.agent.training import TrainingResult

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


@on_interrupt("what is finished is kept; the same command continues")
def tune(
    where: MarketOptions,
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
    from tercel.lab.evaluation.tuning import (
        finals,
        read_results,
        result_of,
        tune_all,
        write_json,
    )

    names, settings = _names(strategies or ()), _settings(where, episodes, validation, seed)
    market = settings.run.market
    label = market.symbol or Path(market.preset).stem
    out = out or Path("runs/tuned") / f"{label}-{seed}.json"
    refuse_if(out.exists(), "a new file", f"{out} exists", "name another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:10]
    parts = out.with_name(f".{out.stem}-{digest}.parts")
    parts.mkdir(exist_ok=True)
    plain = [name for name in ALL_BASELINES if name not in TUNABLE]
    tune_all(settings, names, plain, parts)
    finals(settings, [*names, *plain], parts)
    result = result_of(label, settings, read_results(parts, [*names, *plain]))
    write_json(out, result)
    shutil.rmtree(parts)

    def show() -> None:
        rows = sorted(
            {**result.strategies, **result.untuned}.items(), key=lambda item: item[1].rank
        )
        print_table(
            f"Tuned in {label}, cheapest first", HEADINGS, [_cells(name, one) for name, one in rows]
        )
        for name, one in rows:
            if lost := _lost(one):
                say(f"{name}: {lost}")
        say(
            f"the benchmark: {result.best}, the best on validation episodes that chose nothing else"
        )
        say(f"values    {out}")

    hand_over({**vars(result), "out": str(out)}, as_json, show)


def _names(request: Sequence[str]) -> list[str]:
    """Strategies to tune; if none is named, all but the best response, whose search takes as long as theirs."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE

    for name in request:
        rule, _, clock = name.partition("+")
        if rule not in TUNABLE or clock not in ("", "events"):
            known = f"{', '.join(TUNABLE)}, any of them with +events"
            raise UnknownNameError(f"a strategy to tune: {known}", repr(name), _instead(rule))
    return list(dict.fromkeys(request)) or [name for name in ALL_BASELINES if name in TUNABLE]


def _instead(name: str) -> str:
    """What to do about a name that cannot be tuned: some strategies exist and have no numbers."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE

    for near in (name, *nearest(name, ALL_BASELINES)):
        if near in ALL_BASELINES and near not in TUNABLE:
            return f"leave it out: {near} exists, but has nothing to tune, and is validated beside the others anyway"
    return offer(name, TUNABLE)


def _settings(where: MarketOptions, episodes: int, validation: int, seed: int) -> "TuningSettings":
    """What decides the result."""
    from tercel.lab.evaluation.market import looked_up
    from tercel.lab.evaluation.scenario import Scenario
    from tercel.lab.evaluation.tuning import VALIDATION_EPISODES, TuningSettings

    refuse_if(
        validation == 1, "two validation episodes or more", "1", "leave --validation out for 1,024"
    )
    market = where.markets()[0]
    looked_up(market)
    return TuningSettings(Scenario(market), episodes, validation or VALIDATION_EPISODES, seed)


def _lost(one: "TuningOutcome") -> str:
    """Episodes in which orders found no place, by kind; empty where none did."""
    from tercel.lab.evaluation.tuning import OVERFLOWED_BPS

    counts = [(one.training_overflowed or 0, one.training_episodes or 0, "training")]
    counts += [(one.validation.overflowed, one.validation.episodes, "validation")]
    counts += [(one.final.overflowed, one.final.episodes, "final")] if one.final else []
    counted = ", ".join(f"{lost:,} of {of:,} {kind}" for lost, of, kind in counts if lost)
    return (
        f"capacity overflow in {counted} episodes, {OVERFLOWED_BPS:g} bps added to each"
        if counted
        else ""
    )


def _cells(name: str, one: "TuningOutcome") -> tuple[str, ...]:
    cells = [name, f"{one.validation.bps:.2f}", f"{one.validation.se:.2f}"]
    cells += [f"{one.final.bps:.2f}", f"{one.final.se:.2f}"] if one.final else ["", ""]
    if one.begun_from is None:
        return (*cells, "", "", "")
    return (
        *cells,
        f"{one.begun_from.bps:.2f}",
        f"{one.training_bps:.2f}",
        f"{one.training_episodes:,}",
    )


@on_interrupt("what is trained so far is kept; --resume RUN continues")
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

    if workers is not None and ray is None:
        raise ConfigError(
            "--workers with --ray",
            "--workers alone",
            "add --ray local, or the address of a cluster",
        )
    if resume is not None:
        if any(one is not None for one in (config, preset, out, algo)):
            raise ConfigError(
                "--resume alone: the run knows the rest", "more beside it", "leave it out"
            )
        run = TrainingRun.resumed(resume, trust=trust, seed=seed)
        if ray is not None and not run.config.learner.shards:
            raise ConfigError(
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
            out=out,
            sharded=ray is not None,
            workers=workers,
        )
    with stopped() as stop:
        result = run.train(progress=True, stop=lambda: bool(stop), cluster=ray, workers=workers)
    if not result.done:
        trusted = " --trust" if run.config.own_code else ""
        raise KeyboardInterrupt(
            f"`tercel agent train --resume {run.folder}{trusted}` continues at {result.frames:,} decisions"
        )
    report = str(run.report(result))
    found = {**result.json_fields(), "folder": str(run.folder), "report": report}
    hand_over(found, as_json, lambda: _show(run, result, report))


def _show(run: "TrainingRun", result: "TrainingResult", report: str) -> None:
    """Say what came of it."""
    from tercel.lab.learning.agent.report import unlearned

    best, nothing = result.look("best"), unlearned(result)
    gained = (
        ""
        if best is None
        else (
            f"{best.is_bps:.2f} bps, {result.rule} {best.rule_bps:.2f}, gain {best.gain:+.2f} +- "
            f"{best.se:.2f} (one s.e., validation, best of {result.looks} validation checks)"
        )
    )
    say(f"{run.config.name}: {nothing or gained}")
    say(f"policy   {result.policy}")
    say(f"report   {report}")
    if not nothing:
        say(f"judge it with `tercel agent evaluate {run.folder}`")
    say("trade it:")
    say(run.how_to_trade())
