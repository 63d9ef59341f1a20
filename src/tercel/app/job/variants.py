"""Variants of a desk over seeds, side by side in worker processes; what is finished is kept and not run again."""

import json
import signal
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tercel.app.output import progress_console
from tercel.trading.desk.config import DeskConfig
from tercel.trading.desk.experiment import DeskRun, run_variant

WORKERS = 2


def _task(variant: str, config: dict[str, Any], seed: int) -> DeskRun:
    return run_variant(variant, DeskConfig.model_validate(config), seed)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_variants(variants: Mapping[str, DeskConfig], seeds: range, kept: Path, what: str) -> list[DeskRun]:
    """Every variant on every seed, in order.

    Parameters
    ----------
    variants : mapping of name to DeskConfig
    seeds : range
    kept : Path
        File of what is finished, a JSON line each; a later call with the same desks goes on from there.
    what : str
        Shown beside the progress bar.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    keys = {name: sha256(config.model_dump_json().encode()).hexdigest()[:16] for name, config in variants.items()}
    done = _read(kept, keys)
    missing = [(name, seed) for seed in seeds for name in variants if (name, seed) not in done]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=progress_console(), transient=True) as bar,
        ProcessPoolExecutor(WORKERS, get_context("spawn"), _begin) as pool,
    ):
        task = bar.add_task(what, total=len(missing) + len(done), completed=len(done))
        futures = {pool.submit(_task, name, variants[name].model_dump(), seed): (name, seed) for name, seed in missing}
        try:
            for future in as_completed(futures):
                run = future.result()
                done[futures[future]] = run
                _keep(kept, keys[run.variant], run)
                bar.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done[name, seed] for seed in seeds for name in variants]


def _keep(kept: Path, key: str, run: DeskRun) -> None:
    with kept.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, **asdict(run)}) + "\n")


def _read(kept: Path, keys: Mapping[str, str]) -> dict[tuple[str, int], DeskRun]:
    found: dict[tuple[str, int], DeskRun] = {}
    if not kept.is_file():
        return found
    for line in kept.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a run that was stopped while writing it
        if keys.get(row["variant"]) == row.pop("key"):
            shares = {name: tuple(path) for name, path in row["shares"].items()}
            found[row["variant"], row["seed"]] = DeskRun(
                **row | {"cost_path": tuple(row["cost_path"]), "shares": shares}
            )
    return found
