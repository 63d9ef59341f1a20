"""`python -m replications cheridito-weiss`: six tasks, three policies each, beside what was published."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from replications.cheridito_weiss import learned, study, train
from replications.cheridito_weiss.cells import CELLS
from tercel.cli import print_json, print_table, say
from tercel.core import Pool, should_stop

HEADINGS: Final = [
    "task", "ours", "95 %", "published", "best rule", "which", "gain on it", "95 % of it", "sl", "published sl", "twap",
    "published twap",
]  # fmt: skip


def replicate(
    *,
    again: bool,
    episodes: int,
    seeds: Sequence[int],
    out: Path,
    quick: bool,
    figures: Path | None,
    as_json: bool,
) -> int:
    """Tune and learn if requested, judge, print."""
    folder = learned.SHIPPED
    if again:
        folder = out
        make(folder, quick)
    with tempfile.TemporaryDirectory() as scratch:
        jobs = [(name, str(folder), list(seeds), episodes, scratch) for name in CELLS]
        with Pool(len(jobs)) as pool:
            pool.run(judge_task, jobs, _counter("judged", len(jobs)))
        found = {name: json.loads((Path(scratch) / f"{name}.json").read_text()) for name in CELLS}
    if figures is not None:
        from replications.cheridito_weiss.figure import beside_published

        say(f"drawn: {beside_published(found).save(figures)}")
    if as_json:
        print_json(
            {
                "markets": found,
                "episodes": episodes,
                "seeds": list(seeds),
                "training_seeds": list(train.SEEDS),
            }
        )
        return 0
    cells = [_cells(name, row) for name, row in found.items()]
    leaves = ["published twap", "published sl", "twap", "sl", "which", "95 %"]
    title = f"Cheridito & Weiss 2025: ticks a lot over the arrival bid, {episodes:,} episodes"
    print_table(title, HEADINGS, cells, leaves, left_aligned=["which"])
    return 0


def make(folder: Path, quick: bool) -> None:
    """Tune and learn all that is not in `folder` yet."""
    folder.mkdir(parents=True, exist_ok=True)
    tunings = [(str(folder), name, quick) for name in CELLS]
    trainings = [(str(folder), name, seed, quick) for name in CELLS for seed in train.SEEDS]
    with Pool(len(trainings)) as pool:
        pool.run(tune_task, tunings, _counter("tuned", len(tunings)))
        pool.run(learn_task, trainings, _counter("learned", len(trainings)))


def tune_task(folder: str, name: str, quick: bool) -> bool:
    """In a worker: the rules of a cell."""
    return train.tune_into(Path(folder), name, quick, should_stop)


def learn_task(folder: str, name: str, seed: int, quick: bool) -> bool:
    """In a worker: a policy of a cell."""
    return train.learn_into(Path(folder), name, seed, quick, should_stop)


def judge_task(name: str, folder: str, seeds: list[int], episodes: int, scratch: str) -> bool:
    """In a worker: a cell's figures, into a file."""
    cell = CELLS[name]
    found = study.judge(cell, learned.known(cell, train.SEEDS, Path(folder)), seeds, episodes)
    (Path(scratch) / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    return True


def _counter(word: str, of: int) -> Any:
    """Says how many are done, once each."""
    printed = [0]

    def tick(done: int) -> None:
        if done > printed[0]:
            printed[0] = done
            say(f"{word}: {done} of {of}")

    return tick


def _cells(name: str, row: dict[str, Any]) -> list[str]:
    gain = row["paired_vs_rule"]
    return [
        name, f"{row['ours']:.3f}", f"[{row['ci_low']:.3f}, {row['ci_high']:.3f}]", f"{row['published_best']:.2f}",
        f"{row['best_rule']:.3f}", row["best_rule_name"], f"{gain['mean']:+.3f}",
        f"[{gain['ci_low']:+.3f}, {gain['ci_high']:+.3f}]", f"{row['sl']:.3f}", f"{row['published_sl']:.2f}",
        f"{row['twap']:.3f}", f"{row['published_twap']:.2f}",
    ]  # fmt: skip
