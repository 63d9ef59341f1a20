"""`tercel agent tune`: the numbers of written strategies, found on training episodes, held out on validation."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercel.app.job.pool import Pool
from tercel.app.job.settings import RunSettings
from tercel.app.job.tuning import (
    FINAL_FILE,
    VALIDATION_EPISODES,
    TuningSettings,
    progress_of,
    read_results,
    tune_task,
    validate_task,
    write_json,
)
from tercel.app.output import print_json, print_table, progress_console, say
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import nearest, offer
from tercel.evaluation.task import Task
from tercel.evaluation.tuning import OVERFLOWED_BPS, episodes_for
from tercel.execution.strategies import ALL_BASELINES, TUNABLE
from tercel.market.flow.preset import DEFAULT, load
from tercel.market.impact.propagator import TAPE_LAWS

RESULTS = Path("runs/tuned")
HEADINGS = ("strategy", "validation, bps", "s.e.", "final, bps", "final s.e.", "before", "training, bps", "episodes")
FINALISTS = 3


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line; see `tercel.app.cli.agent_tune`."""

    strategies: Sequence[str]
    market: str | None
    tape: Path | None
    symbol: str | None
    impact: str
    episodes: int
    validation: int
    seed: int
    out: Path | None
    as_json: bool


def tune(asked: Asked) -> int:
    """Tune, validate beside all that has nothing to tune, name the best; see the module."""
    names = _names(asked.strategies)
    settings = _settings(asked)
    label = asked.symbol or Path(asked.market or DEFAULT).stem
    out = asked.out or RESULTS / f"{label}-{asked.seed}.json"
    if out.exists():
        raise ConfigError("a new file", f"{out} exists", "name another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:10]
    parts = out.with_name(f".{out.stem}-{digest}.parts")
    parts.mkdir(exist_ok=True)
    plain = [name for name in ALL_BASELINES if name not in TUNABLE]
    _work(settings, names, plain, parts)
    _finals(settings, [*names, *plain], parts)
    result = _result(label, settings, read_results(parts, [*names, *plain]))
    write_json(out, result)
    shutil.rmtree(parts)
    if asked.as_json:
        print_json({**result, "out": str(out)})
        return 0
    rows = sorted({**result["strategies"], **result["untuned"]}.items(), key=lambda item: _rank(item[1]))
    print_table(f"Tuned in {label}, cheapest first", HEADINGS, [_cells(name, one) for name, one in rows])
    for name, one in rows:
        if lost := _lost(one):
            say(f"{name}: {lost}")
    say(f"the baseline: {result['best']}, the best on validation episodes that chose nothing else")
    say(f"values    {out}")
    return 0


def _names(asked: Sequence[str]) -> list[str]:
    """Strategies to tune, all of them if none is named."""
    for name in asked:
        if name not in TUNABLE:
            raise UnknownNameError(f"a strategy to tune: {', '.join(TUNABLE)}", repr(name), _instead(name))
    return list(dict.fromkeys(asked)) or list(TUNABLE)


def _instead(name: str) -> str:
    """What to do about a name that cannot be tuned: some strategies exist and have no numbers."""
    for near in nearest(name, ALL_BASELINES):
        if near not in TUNABLE:
            return f"leave it out: {near} exists, but has nothing to tune, and is validated beside the others anyway"
    return offer(name, TUNABLE)


def _settings(asked: Asked) -> TuningSettings:
    if asked.tape is not None:
        if asked.market is not None:
            raise ConfigError("--market or --tape", "both", "give one")
        if asked.impact not in TAPE_LAWS:
            expected = f"an impact law on tape: {', '.join(TAPE_LAWS)}"
            raise ConfigError(expected, f"--impact {asked.impact}", "such as --impact square_root")
        run = RunSettings(
            lake=str(asked.tape.resolve()),
            symbol=asked.symbol or "",
            impact=asked.impact,
            seed=asked.seed,
            task=Task(),
            quick=True,  # a pilot of 64 episodes and a small bank, which tuning does not start from, will do
        )
    else:
        market = asked.market or DEFAULT
        load(market)
        if market.endswith(".json"):
            market = str(Path(market).resolve())
        run = RunSettings(market=market, seed=asked.seed, task=Task(), quick=True)
    return TuningSettings(run, asked.episodes, asked.validation or VALIDATION_EPISODES, asked.seed)


def _work(settings: TuningSettings, names: list[str], plain: list[str], parts: Path) -> None:
    """Everything that is not there yet, side by side, the longest first."""
    from rich.progress import Progress

    todo = sorted((name for name in names if not (parts / f"{name}.json").exists()), key=_length, reverse=True)
    missing = [name for name in plain if not (parts / f"{name}.json").exists()]
    if not todo and not missing:
        return
    total = {name: settings.episodes or _length(name) for name in todo}
    with Progress(console=progress_console()) as progress, Pool(len(todo) + 1) as pool:
        bars = {name: progress.add_task(f"tune {name}", total=total[name]) for name in todo}

        def tick(_done: int) -> None:
            for name, bar in bars.items():
                over = (parts / f"{name}.json").exists()
                progress.update(bar, completed=total[name] if over else progress_of(parts, name))

        pool.run(_piece, [(settings, name, plain, parts) for name in [*todo, *([""] if missing else [])]], tick)


def _piece(settings: TuningSettings, name: str, plain: list[str], parts: Path) -> bool:
    """In a worker: tune one, or (without a name) validate all that have nothing to tune."""
    return tune_task(settings, name, parts) if name else validate_task(settings, plain, parts, final=False)


def _finals(settings: TuningSettings, names: list[str], parts: Path) -> None:
    """The best few once more, on validation episodes that chose nothing yet."""
    results = read_results(parts, names)
    best = sorted(names, key=lambda name: float(results[name]["validation"]["bps"]))[:FINALISTS]
    if all((parts / f"{name}{FINAL_FILE}").exists() for name in best):
        return
    say(f"finalists  {', '.join(best)}")
    with Pool(1) as pool:
        pool.run(validate_task, [(settings, best, parts, True)], lambda _done: None)


def _rank(one: dict[str, Any]) -> tuple[bool, float]:
    """Finalists first, by what they cost in the final."""
    return "final" not in one, float(one.get("final", one["validation"])["bps"])


def _lost(one: dict[str, Any]) -> str:
    """Episodes in which orders found no place, by kind; empty where none did."""
    counts = [(one.get("training_overflowed", 0), one.get("training_episodes", 0), "training")]
    held_out = [(one[kind], kind) for kind in ("validation", "final") if kind in one]
    counts += [(score.get("overflowed", 0), score["episodes"], kind) for score, kind in held_out]
    told = ", ".join(f"{lost:,} of {of:,} {kind}" for lost, of, kind in counts if lost)
    return f"orders lost for want of room in {told} episodes, {OVERFLOWED_BPS:g} bps dearer each" if told else ""


def _length(name: str) -> int:
    return episodes_for(TUNABLE[name])


def _result(label: str, settings: TuningSettings, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    tuned = {name: one for name, one in results.items() if name in TUNABLE}
    untuned = {name: one for name, one in results.items() if name not in TUNABLE}
    best = min(results, key=lambda name: _rank(results[name]))
    return {
        "market": label,
        "task": settings.run.task.to_dict(),
        "seed": settings.seed,
        "best": best,
        "strategies": tuned,
        "untuned": untuned,
    }


def _cells(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    held_out = one["validation"]
    last = one.get("final")
    cells = [name, f"{held_out['bps']:.2f}", f"{held_out['se']:.2f}"]
    cells += [f"{last['bps']:.2f}", f"{last['se']:.2f}"] if last else ["", ""]
    if "parameters" not in one:
        return (*cells, "", "", "")
    before, training = one["begun_from"]["bps"], one["training_bps"]
    return (*cells, f"{before:.2f}", f"{training:.2f}", f"{one['training_episodes']:,}")
