"""The trainings of an ablation: an ordinary run folder for each variant and seed, side by side, gone on with.

trained/NAME-SEED/   as `tercel agent train` leaves it, and
    cpu.json         processor seconds, all sessions together
    failed.txt       why a training ended before its time; it is tried again the next time
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from studies.ablation.variants import WHOLE, Variant
from tercel import TercelError
from tercel.core import Pool, should_stop, write_atomic
from tercel.execution.policies import CARD_FILE as CARD
from tercel.lab.learning.agent import AgentConfig, run_training
from tercel.lab.learning.agent.report import write_page
from tercel.lab.learning.agent.run_folder import LAST, RESULT, claim_folder, refuse_other_training

TRAINED: Final = "trained"
CPU: Final = "cpu.json"
FAILED: Final = "failed.txt"


@dataclass(frozen=True)
class Run:
    """One training."""

    config: AgentConfig
    seed: int
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether its last policy is there."""
        return (
            bool(_read(self.folder / RESULT).get("done")) and (self.folder / LAST / CARD).is_file()
        )

    @property
    def cpu_s(self) -> float:
        """Processor seconds that it took."""
        return float(_read(self.folder / CPU).get("cpu_s", 0.0))

    @property
    def failure(self) -> str:
        """Why it ended before its time; empty where it did not."""
        path = self.folder / FAILED
        return path.read_text().strip() if path.is_file() else ""

    @property
    def frames(self) -> int:
        """Decisions taken so far, by the last whole row of its metrics."""
        if self.finished:
            return self.config.learner.frames
        try:
            with (self.folder / "metrics.csv").open("rb") as file:
                heads = file.readline().decode().strip().split(",")
                file.seek(max(file.seek(0, 2) - 4_096, 0))
                last = file.read().decode().strip().splitlines()[-1].split(",")
            return int(float(last[heads.index("frames")]))
        except (OSError, ValueError, IndexError):
            return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def runs_of(variants: Sequence[Variant], seeds: Sequence[int], out: Path) -> dict[str, list[Run]]:
    """Name of a variant -> its trainings, seed by seed; one that trains as the recipe does has the recipe's."""
    plain = next(one for one in variants if one.name == WHOLE)
    found: dict[str, list[Run]] = {}
    for one in variants:
        same = one.config.model_dump(exclude={"name"}) == plain.config.model_dump(exclude={"name"})
        name, config = (WHOLE, plain.config) if same else (one.name, one.config)
        found[one.name] = [Run(config, seed, out / TRAINED / f"{name}-{seed}") for seed in seeds]
    return found


def refuse_others(runs: Sequence[Run]) -> None:
    """Refuse folders that hold another training, before anything is trained.

    Raises
    ------
    ConfigError
        With the first key that differs.
    """
    for run in runs:
        refuse_other_training(run.folder, run.config, run.seed)


def train_all(runs: Sequence[Run], workers: int, tick: Callable[[int], None]) -> None:
    """Train what is not finished, one process a training; `tick(frames)` hears the decisions taken so far, of all.

    Runs go seed by seed, so that what an interrupted ablation has finished is a whole table of fewer seeds.
    """
    each = {run.folder: run for run in sorted(runs, key=lambda run: run.seed)}
    todo = [run for run in each.values() if not run.finished]
    before = sum(run.frames for run in each.values() if run.finished)
    tick(before + sum(run.frames for run in todo))
    if not todo:
        return
    for run in todo:
        run.folder.mkdir(parents=True, exist_ok=True)
        claim_folder(run.folder, run.config, run.seed)
    jobs = [(run.config.model_dump_json(), run.folder, run.seed) for run in todo]
    with Pool(min(len(todo), workers)) as pool:
        pool.run(train_one, jobs, lambda _: tick(before + sum(run.frames for run in todo)))


def train_one(text: str, folder: Path, seed: int) -> bool:
    """Train in a worker; a training that cannot go on says why in its folder, and the others go on."""
    if should_stop():
        return False
    config = AgentConfig.model_validate_json(text)
    began = time.process_time()
    (folder / FAILED).unlink(missing_ok=True)
    try:
        result = run_training(config, folder, seed, stop=should_stop)
    except TercelError as error:
        write_atomic(folder / FAILED, f"{error}\n")
        return False
    finally:
        spent = _read(folder / CPU).get("cpu_s", 0.0) + time.process_time() - began
        write_atomic(folder / CPU, json.dumps({"cpu_s": spent}) + "\n")
    if result.done:
        write_page(folder, config, result)
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return result.done
