"""Variants of a desk over seeds, side by side in worker processes; what is finished is stored and not run again."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from studies.desk.experiment import DeskRun, run_variant
from studies.side_by_side import as_they_end
from tercel.desk.engine import DeskConfig


def _task(variant: str, config: dict[str, Any], seed: int) -> DeskRun:
    return run_variant(variant, DeskConfig.model_validate(config), seed)


def run_variants(
    variants: Mapping[str, DeskConfig], seeds: range, path: Path, what: str
) -> list[DeskRun]:
    """Every variant on every seed, in order.

    Parameters
    ----------
    variants : mapping of name to DeskConfig
    seeds : range
    path : Path
        File of what is finished, a JSON line each; a later call with the same desks goes on from there.
    what : str
        Shown beside the progress bar.
    """
    keys = {
        name: sha256(config.model_dump_json().encode()).hexdigest()[:16]
        for name, config in variants.items()
    }
    done = _read(path, keys)
    missing = [(name, seed) for seed in seeds for name in variants if (name, seed) not in done]
    for run in as_they_end(
        _task,
        [(name, variants[name].model_dump(exclude_unset=True), seed) for name, seed in missing],
        what,
        len(done),
    ):
        done[run.variant, run.seed] = run
        _keep(path, keys[run.variant], run)
    return [done[name, seed] for seed in seeds for name in variants]


def _keep(path: Path, key: str, run: DeskRun) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, **asdict(run)}) + "\n")


def _read(path: Path, keys: Mapping[str, str]) -> dict[tuple[str, int], DeskRun]:
    found: dict[tuple[str, int], DeskRun] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a run that was stopped while writing it
        if keys.get(row["variant"]) == row.pop("key"):
            shares = {name: tuple(path) for name, path in row["shares"].items()}
            found[row["variant"], row["seed"]] = DeskRun(
                **row
                | {
                    "cost_path": tuple(row["cost_path"]),
                    "shares": shares,
                }
            )
    return found
