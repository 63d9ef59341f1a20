"""Tuning jobs for a pool of processes: one strategy a job, results in small files until all are there."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from tercel.core.errors import ConfigError
from tercel.core.files import write_atomic
from tercel.core.pool import Pool
from tercel.core.progress import progress, say
from tercel.core.serialization import json_text
from tercel.execution.strategies import TUNABLE, build
from tercel.lab.tuning.parameter_search import TuningScore, episodes_for, score_strategies
from tercel.lab.tuning.tune import TuningOutcome, TuningResult, TuningSettings, arena_of, tune

FINAL_FILE = ".final.json"
FINALISTS = 3


def tune_task(settings: TuningSettings, name: str, folder: Path) -> bool:
    """Tune one strategy in a worker and write its result file. Always True."""
    # Read by the progress display, in another process.
    count_file = folder / f".{name}.count"
    done = 0

    def record_progress(episodes: int) -> None:
        """Add episodes to the count on disk, which the progress bar reads."""
        nonlocal done
        done += episodes
        count_file.write_text(str(done))

    outcome = tune(
        arena_of(settings), name, settings.episodes or None, settings.seed, record_progress
    )
    write_json(folder / f"{name}.json", outcome)
    return True


def validate_task(
    settings: TuningSettings, names: Sequence[str], folder: Path, final: bool
) -> bool:
    """Score strategies in a worker and write files: on validation episodes as they are, in the final with tuned
    parameters. Always True.
    """
    arena = arena_of(settings)
    tuned = read_results(folder, names) if final else {}
    strategies = [
        build(name, arena.estimates, tuned[name].parameters if final else None) for name in names
    ]
    plan = arena.final if final else arena.validation
    for name, score in zip(names, score_strategies(arena, plan, strategies), strict=True):
        if final:
            write_json(folder / f"{name}{FINAL_FILE}", score)
        else:
            write_json(folder / f"{name}.json", TuningOutcome(validation=score))
    return True


def read_progress(folder: Path, name: str) -> int:
    """Number of episodes that a running search for a strategy's parameters has used, from its file; 0 without the file."""
    try:
        return int((folder / f".{name}.count").read_text())
    except (OSError, ValueError):
        return 0


def write_json(path: Path, value: Any) -> None:
    """Write a value to a JSON file atomically."""
    write_atomic(path, json_text(value) + "\n")


def read_results(folder: Path, names: Sequence[str]) -> dict[str, TuningOutcome]:
    """Results that :func:`tune_task` wrote, by strategy, with the scores of finals.

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


def tune_all(settings: TuningSettings, names: list[str], untuned: list[str], parts: Path) -> None:
    """Tune all strategies `names` without results in the folder `parts` in a pool, longest searches first; those
    `untuned` are only validated.
    """
    todo = sorted(
        (name for name in names if not (parts / f"{name}.json").exists()),
        key=_search_length,
        reverse=True,
    )
    missing = [name for name in untuned if not (parts / f"{name}.json").exists()]
    if not todo and not missing:
        return
    total = {name: settings.episodes or _search_length(name) for name in todo}
    with progress() as display, Pool(len(todo) + 1) as pool:
        bars = {name: display.add_task(f"tune {name}", total=total[name]) for name in todo}

        def tick(_done: int) -> None:
            """Update the progress bars from the files of all searches."""
            for name, bar in bars.items():
                is_done = (parts / f"{name}.json").exists()
                display.update(
                    bar, completed=total[name] if is_done else read_progress(parts, name)
                )

        pool.run(
            _tune_or_validate,
            [
                *((settings, [name], True, parts) for name in todo),
                *([(settings, missing, False, parts)] if missing else []),
            ],
            tick,
        )


def _tune_or_validate(
    settings: TuningSettings, names: Sequence[str], tunes: bool, parts: Path
) -> bool:
    """Job of a worker: tune the one strategy in `names`, or validate all of them; always True."""
    if tunes:
        return tune_task(settings, names[0], parts)
    return validate_task(settings, names, parts, final=False)


def run_finals(settings: TuningSettings, names: list[str], parts: Path) -> None:
    """Score the best `FINALISTS` strategies again, on validation episodes that were not used before, into files in
    `parts`.
    """
    results = read_results(parts, names)
    best = sorted(names, key=lambda name: results[name].validation.bps)[:FINALISTS]
    missing = [name for name in best if not (parts / f"{name}{FINAL_FILE}").exists()]
    if not missing:
        return
    say(f"finalists  {', '.join(best)}")
    with Pool(1) as pool:
        pool.run(validate_task, [(settings, missing, parts, True)], lambda _done: None)


def _search_length(name: str) -> int:
    """Default number of training episodes of the search for a strategy's parameters."""
    return episodes_for(TUNABLE[name.partition("+")[0]])


def tuning_result(
    label: str, settings: TuningSettings, results: dict[str, TuningOutcome]
) -> TuningResult:
    """Result of a tuning in a market, from the outcomes of all strategies."""
    return TuningResult(
        market=label,
        task=settings.scenario.task.to_dict(),
        seed=settings.seed,
        best=min(results, key=lambda name: results[name].rank),
        strategies={name: outcome for name, outcome in results.items() if outcome.parameters},
        untuned={name: outcome for name, outcome in results.items() if not outcome.parameters},
    )
