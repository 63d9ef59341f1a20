"""Tuning jobs for a pool: one strategy a job, results as small files until all are there."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.files import write_atomic
from tercel.core.pool import Pool
from tercel.core.progress import progress, say
from tercel.core.serialization import json_text
from tercel.execution import step as kernels
from tercel.execution.strategies import TUNABLE, build
from tercel.lab.evaluation.episodes import Plan, seeded_plan
from tercel.lab.evaluation.market import BuiltMarket, build_market
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.tuning import Arena, episodes_for, scores, tune

TUNING_SEED = -(2**33)
# Streams of tuning and of validation: apart from each other, from every training's and from every judged one.
VALIDATION_SEED = -(2**34)
VALIDATION_EPISODES = 1024
# Of the recorded training days (or of the blocks of a single one); validation has the rest.
TRAINING_SHARE = 2 / 3
DRAWN = 512
FINAL_FILE = ".final.json"
FINALISTS = 3
# Times the validation episodes that the finalists see, new ones.
FINAL = 4


@dataclass(frozen=True)
class TuningSettings:
    """What decides the result of a tuning, besides the strategy.

    Parameters
    ----------
    run : Scenario
        The market and the task.
    episodes : int
        Training episodes of each search; 0: by the number of parameters.
    validation_episodes : int
    seed : int
    """

    run: Scenario
    episodes: int = 0
    validation_episodes: int = VALIDATION_EPISODES
    seed: int = 1


@lru_cache(maxsize=1)
def arena_of(settings: TuningSettings) -> Arena:
    """Arena of the market of `settings`."""
    task, seed = settings.run.task, settings.seed
    # a small bank, which tuning does not start from
    market = build_market(replace(settings.run, seeds=(seed,)), quick=True)
    if settings.run.market.on_tape:
        return _on_tape(settings, market)
    quantity = int(market.plan.rows[0, kernels.E_QUANTITY])
    return Arena(
        market.judged,
        task,
        lambda first, n: seeded_plan(task, quantity, TUNING_SEED - seed, first, n),
        seeded_plan(task, quantity, VALIDATION_SEED - seed, 0, settings.validation_episodes),
        seeded_plan(
            task,
            quantity,
            VALIDATION_SEED - seed,
            settings.validation_episodes,
            FINAL * settings.validation_episodes,
        ),
        market.estimates,
    )


def _on_tape(settings: TuningSettings, market: BuiltMarket) -> Arena:
    """Windows of the training days: of the earlier ones to tune, of the later ones to validate, a cluster between."""
    drawn = market.sampler(settings.seed, 0, 4 * DRAWN)
    clusters = np.unique(drawn.cluster)
    cut = round(TRAINING_SHARE * len(clusters))
    gap = 1 if settings.run.market.lake and len(clusters) > 2 else 0
    early, late = clusters[:cut], clusters[cut + gap :]
    refuse_if(
        not len(early) or not len(late),
        "training days, or half hours of one, to tune on and others to validate on",
        f"{len(clusters)} of them",
        "import more days",
    )

    def part(plan: Plan, which: Any) -> Plan:
        return plan.take(np.flatnonzero(np.isin(plan.cluster, which)))

    known = part(drawn, early)

    def sample(first: int, n: int) -> Plan:
        rng = np.random.default_rng((settings.seed, first))
        return known.take(rng.integers(0, len(known), n))

    held_out = part(drawn, late)
    first = min(settings.validation_episodes, len(held_out) // 2)
    return Arena(
        market.training,
        settings.run.task,
        sample,
        held_out.take(slice(0, first)),
        held_out.take(slice(first, len(held_out))),
        market.estimates,
    )


def tune_task(settings: TuningSettings, name: str, folder: Path) -> bool:
    """Tune a strategy in a worker; what is there already stays."""
    path = folder / f"{name}.json"
    if not path.exists():
        # Read by the progress display, in another process.
        counted, done = folder / f".{name}.count", 0

        def count(episodes: int) -> None:
            nonlocal done
            done += episodes
            counted.write_text(str(done))

        found = tune(arena_of(settings), name, settings.episodes or None, settings.seed, count)
        write_json(path, asdict(found))
    return True


def validate_task(
    settings: TuningSettings, names: Sequence[str], folder: Path, final: bool
) -> bool:
    """Validate strategies as they are, in a worker: on the validation episodes, or on those reserved for finalists."""
    ending = FINAL_FILE if final else ".json"
    todo = [name for name in names if not (folder / f"{name}{ending}").exists()]
    if not todo:
        return True
    arena = arena_of(settings)
    known = read_results(folder, names) if final else {}
    strategies = [
        build(name, arena.estimates, known.get(name, {}).get("parameters")) for name in todo
    ]
    for name, one in zip(
        todo, scores(arena, arena.final if final else arena.validation, strategies), strict=True
    ):
        write_json(
            folder / f"{name}{ending}", asdict(one) if final else {"validation": asdict(one)}
        )
    return True


def progress_of(folder: Path, name: str) -> int:
    """Episodes that the search for a strategy's parameters has used."""
    try:
        return int((folder / f".{name}.count").read_text())
    except (OSError, ValueError):
        return 0


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_atomic(path, json_text(value) + "\n")


def read_results(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Results that :func:`tune_task` wrote.

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
            results[name] = json.loads(path.read_text(encoding="utf-8"))
            if last.exists():
                results[name]["final"] = json.loads(last.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(
                "a tuned result", f"{path}: {error}", "delete it; the same command resumes"
            ) from error
    return results


def tune_all(settings: TuningSettings, names: list[str], plain: list[str], parts: Path) -> None:
    """Tune all strategies without results, side by side, the longest first."""
    todo = sorted(
        (name for name in names if not (parts / f"{name}.json").exists()), key=_length, reverse=True
    )
    missing = [name for name in plain if not (parts / f"{name}.json").exists()]
    if not todo and not missing:
        return
    total = {name: settings.episodes or _length(name) for name in todo}
    with progress() as shown, Pool(len(todo) + 1) as pool:
        bars = {name: shown.add_task(f"tune {name}", total=total[name]) for name in todo}

        def tick(_done: int) -> None:
            for name, bar in bars.items():
                over = (parts / f"{name}.json").exists()
                shown.update(bar, completed=total[name] if over else progress_of(parts, name))

        pool.run(
            _piece,
            [(settings, name, plain, parts) for name in [*todo, *([""] if missing else [])]],
            tick,
        )


def _piece(settings: TuningSettings, name: str, plain: list[str], parts: Path) -> bool:
    """In a worker: tune one, or (without a name) validate all that have nothing to tune."""
    return (
        tune_task(settings, name, parts)
        if name
        else validate_task(settings, plain, parts, final=False)
    )


def finals(settings: TuningSettings, names: list[str], parts: Path) -> None:
    """Run the best few again on validation episodes that chose nothing yet."""
    results = read_results(parts, names)
    best = sorted(names, key=lambda name: float(results[name]["validation"]["bps"]))[:FINALISTS]
    if all((parts / f"{name}{FINAL_FILE}").exists() for name in best):
        return
    say(f"finalists  {', '.join(best)}")
    with Pool(1) as pool:
        pool.run(validate_task, [(settings, best, parts, True)], lambda _done: None)


def rank(one: dict[str, Any]) -> tuple[bool, float]:
    """Sort key of a strategy's result: finalists first, by their cost in the final."""
    return "final" not in one, float(one.get("final", one["validation"])["bps"])


def _length(name: str) -> int:
    return episodes_for(TUNABLE[name.partition("+")[0]])


def result_of(
    label: str, settings: TuningSettings, results: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    tuned = {name: one for name, one in results.items() if "parameters" in one}
    untuned = {name: one for name, one in results.items() if "parameters" not in one}
    best = min(results, key=lambda name: rank(results[name]))
    return {
        "market": label,
        "task": settings.run.task.to_dict(),
        "seed": settings.seed,
        "best": best,
        "strategies": tuned,
        "untuned": untuned,
    }
