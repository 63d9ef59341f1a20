"""Learning curves: what TensorBoard's own reader finds is what the CSV files have, also after a training resumed."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tercel as tc

TRAIN = """
import sys
sys.path.append(sys.argv[1])
import tercel as tc
settings = {"learner.markets": 8, "learner.steps": 8, "learner.minibatch": 32, "market.worlds": 1, "validation.episodes": 4}
task = tc.Task(horizon="2min", decisions=4)
terms = {"frames": 256, "settings": settings, "out": "run"}
tc.train(tc.load_market("csco-santa-fe"), task, **terms, tensorboard="live", progress=True)
tc.write_tensorboard("run", "later")
"""
READ = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
found.Reload()
print(json.dumps({tag: [[one.step, one.value] for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}))
"""


def read_by(python: Path, folder: Path) -> dict[str, list[list[float]]]:
    """Curves in a folder by TensorBoard's reader: step and value of each row, by tag."""
    done = subprocess.run(
        [python, "-c", READ, folder], capture_output=True, text=True, check=True, timeout=120
    )
    curves: dict[str, list[list[float]]] = json.loads(done.stdout)
    return curves


def in_csv(folder: Path) -> dict[str, list[list[float]]]:
    """The same of the CSV files of a run folder."""
    curves: dict[str, list[list[float]]] = {}
    for group, name in (("training", "metrics.csv"), ("validation", "validation.csv")):
        with (folder / name).open(newline="") as file:
            for row in csv.DictReader(file):
                for key, value in row.items():
                    step = int(float(row["frames"]))
                    curves.setdefault(f"{group}/{key}", []).append([step, float(value)])
    return curves


def same(found: Any, wanted: Any) -> bool:
    """Whether two lists of curves are the same to float32."""
    return len(found) == len(wanted) and all(
        step == other and (math.isclose(a, b, rel_tol=1e-6) or (math.isnan(a) and math.isnan(b)))
        for (step, a), (other, b) in zip(found, wanted, strict=True)
    )


@pytest.mark.long  # a training in a process of its own, and TensorBoard's
def test_tensorboard_reads_what_the_csv_files_have(tensorboard: Path, tmp_path: Path) -> None:
    packages = next(tensorboard.parent.parent.glob("lib/python3*/site-packages"))
    subprocess.run(
        [sys.executable, "-c", TRAIN, packages],
        cwd=tmp_path,
        check=True,
        timeout=300,
        capture_output=True,
    )
    wanted = in_csv(tmp_path / "run")
    assert {"training/return_mean", "validation/is_bps"} <= set(wanted)
    for folder in ("live", "later"):
        found = read_by(tensorboard, tmp_path / folder)
        assert set(found) == set(wanted)
        for tag, rows in found.items():
            assert same(rows, wanted[tag]), tag
    again = TRAIN.split("settings =", maxsplit=1)[0] + 'tc.write_tensorboard("run", "later")'
    subprocess.run([sys.executable, "-c", again, packages], cwd=tmp_path, check=True, timeout=120)
    rows = read_by(tensorboard, tmp_path / "later")["training/return_mean"]
    assert same(rows, wanted["training/return_mean"]), "an earlier event file no longer counts"


def test_without_tensorboard_or_a_run_it_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(tc.TercelError, match=r"metrics\.csv"):
        tc.write_tensorboard(tmp_path, tmp_path / "curves")
    if "tensorboard" not in sys.modules:
        with pytest.raises(tc.TercelError, match=r"tercel\[tensorboard\]"):
            tc.train(tc.load_market("csco-santa-fe"), tensorboard=tmp_path, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "curves").exists()
