"""What is learned while served, when things go wrong: lines cut short, other bytes, two processes, other prices."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from tests.desk.rounds.forecast_material import prices, weekdays
from tests.signals.command.material import done, refused, signals
from tests.signals.online.test_since import (
    CLOSES,
    CONFIG,
    DAYS,
    caught,
    journal,
    kept,
    lines_of,
    near,
    project,
    since,
    two_sources,
)

from tercel.signals.models.model_folder import load
from tercel.signals.models.online import as_of, states_at
from tercel.signals.models.predict import predict
from tercel.signals.models.signal_model import ParameterMove, SignalModel
from tercel.signals.models.since_training import END_OF_TIME
from tercel.signals.runs.config import read_config
from tercel.signals.runs.train import train

pytest.importorskip("sklearn")


def served(model: SignalModel) -> Path:
    return model.folder / "served.jsonl"


def said(found: dict[str, object]) -> str:
    return " ".join(str(found["note"]).split())


# -- lines of the file ------------------------------------------------------------------------------------------------


def test_a_line_that_was_cut_short_is_told_and_learned_again() -> None:
    """A crash while it was written: all but its last brace is there, then its begin alone."""
    model, whole = project("recursive", 500, prices(560)), project("recursive", 500, prices(560))
    expected = done("predict", whole.folder)
    predict(model, weekdays(DAYS)[540])
    lines = journal(whole).splitlines()
    served(model).write_text("\n".join(lines[:9]) + "\n" + lines[9][:-1])
    assert model.updates() == [
        *load(kept("recursive", 500) / "o" / "model").updates(),
        *map(moved, lines[:9]),
    ]
    found = done("predict", model.folder)
    assert f"row 10 of {served(model)} was cut short" in said(found)
    assert found["rows"] == expected["rows"]
    assert journal(model) == journal(whole)
    assert "cut short" not in said(done("predict", model.folder))
    served(model).write_text(journal(whole) + '{"at": "2')  # nothing is learned this time
    found = done("predict", model.folder)
    assert f"row {len(journal(whole).splitlines()) + 1} of {served(model)} was cut short" in said(
        found
    )
    assert journal(model) == journal(whole)


def test_a_source_whose_line_of_a_date_was_cut_short_learns_that_date(tmp_path: Path) -> None:
    """Two sources learn of one date; the crash took the second one's line."""

    def grow(folder: Path, days: int) -> None:
        prices(days).write_parquet(folder / "prices.parquet")
        prices(days, seed=4).write_parquet(folder / "other.parquet")

    model = two_sources(tmp_path, 500, grow, "recursive")
    grow(model.folder.parents[1], 560)
    predict(model)
    whole = journal(model)
    lines = whole.splitlines(keepends=True)
    assert json.loads(lines[-1])["at"] == json.loads(lines[-2])["at"]
    served(model).write_text("".join([*lines[:-1], lines[-1][:50]]))
    predict(model)
    assert journal(model) == whole
    # a source that was away when the other learned is caught up in, though the other knows later dates
    served(model).write_text(
        "".join(line for line in lines if json.loads(line)["source"] == "daily")
    )
    predict(model)
    near(states_at(model.updates(), END_OF_TIME), states_at(of_lines(model, lines), END_OF_TIME))
    model.updates()


def moved(line: str) -> ParameterMove:
    return msgspec.json.decode(line, type=ParameterMove)


def of_lines(model: SignalModel, lines: list[str]) -> list[ParameterMove]:
    trained = [one for one in model.updates() if not one.model]
    return [*trained, *map(moved, lines)]


def test_a_last_line_without_its_end_is_whole_and_none_is_glued_to_it() -> None:
    model, whole = project("recursive", 500, prices(560)), project("recursive", 500, prices(560))
    predict(whole)
    lines = journal(whole).splitlines()
    served(model).write_text("\n".join(lines[:9]))
    assert "cut short" not in said(done("predict", model.folder))
    assert journal(model) == journal(whole)


@pytest.mark.parametrize(
    ("row", "bad"),
    [
        (1, b"\xff\xfe\x00\n"),
        (4, b'{"at": "2\n'),
        (4, b"[1, 2]\n"),
        (4, b'{"at": 3}\n'),
        (1, b""),
        (5, b""),
        (5, b"another model's"),
        (0, b"\xff\n"),
    ],
)
def test_a_line_that_does_not_go_on_is_refused_by_its_row(row: int, bad: bytes) -> None:
    """Row 0 is one after the last, which ends, so that it is none that was cut short."""
    model = caught("recursive", 500, 560)
    lines = [*journal(model).encode().splitlines(keepends=True), b""]
    if bad == b"another model's":
        bad = lines[row - 1].replace(model.id.encode(), b"another")
    lines[row - 1] = bad
    served(model).write_bytes(b"".join(lines))
    told = refused("predict", model.folder)
    assert f"row{row or len(lines)}of{served(model)}" in told.replace(" ", "")
    assert "learns them again" in told


# -- two processes ----------------------------------------------------------------------------------------------------

SERVE = """
import sys
from pathlib import Path
from tercel.signals.models.model_folder import load
from tercel.signals.models.predict import predict
print("ready", flush=True)
sys.stdin.readline()
predict(load(Path(sys.argv[1])))
"""


def started(code: str, folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.long  # two processes that import what they train with; two desks of one process are in test_since.py
def test_processes_that_learn_the_same_dates_write_each_line_once() -> None:
    model, alone = project("recursive", 500, prices(560)), project("recursive", 500, prices(560))
    predict(alone)
    both = [started(SERVE, model.folder) for _ in range(2)]
    for one in both:
        one.communicate("go\n", timeout=120)
    assert [one.returncode for one in both] == [0, 0]
    assert journal(model) == journal(alone)


def test_a_reader_never_sees_a_part_of_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the file changes, it is whole: what is there before it changes is read by a second process."""
    model, seen = project("recursive", 500, prices(560)), list[int]()
    predict(model, weekdays(DAYS)[530])
    before, written = model.updates(), Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append(len(load(model.folder).updates()))
        return written(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    predict(model)
    assert seen == [len(before)]
    assert len(model.updates()) > len(before)


def test_what_another_wrote_meanwhile_is_gone_on_from() -> None:
    """A second process has learned a part of it, and died in its last line, between our reading and our writing."""
    model, whole = project("recursive", 500, prices(560)), project("recursive", 500, prices(560))
    learned = since(whole)
    lines = journal(whole).splitlines(keepends=True)
    served(model).write_text("".join(lines[:7]) + lines[7][:30])
    assert "row 8" in replace(learned, model=replace(learned.model, folder=model.folder)).save()
    assert journal(model) == journal(whole)


# -- other prices, other days -----------------------------------------------------------------------------------------


def corrected(days: int, at: int, factor: float = 1.05) -> pl.DataFrame:
    """Prices of one name on one day were wrong, and are put right."""
    wrong = (pl.col("date") == weekdays(DAYS)[at]) & (pl.col("ticker") == "CCC")
    return prices(days).with_columns(
        pl.when(wrong).then(pl.col(c) * factor).otherwise(pl.col(c)).alias(c) for c in CLOSES
    )


def test_prices_corrected_since_training_are_told() -> None:
    model = project("blend", 500, corrected(560, 470))
    found = done("predict", model.folder)
    first = str(weekdays(DAYS)[470])
    assert "other prices than training" in said(found)
    told = found["corrected"]
    assert told["source"] == "daily"
    assert first <= told["from"][:10] <= str(weekdays(DAYS)[480])
    assert told["apart"] > 0.001
    assert told["from"][:10] in said(found)
    assert "train" in said(found)
    shown = " ".join(signals("predict", model.folder).output.split())
    assert "other prices than training" in shown
    later = project("blend", 500, corrected(560, 530))
    assert done("predict", later.folder)["corrected"] is None


def test_prices_corrected_are_served_as_a_training_on_them_would(tmp_path: Path) -> None:
    model = project("recursive", 500, corrected(560, 470))
    anew = project("recursive", 500, corrected(560, 470))
    train(read_config(anew.folder.parents[1] / "s.toml"), 1, anew.folder.parent)
    ours, oracle = since(model), since(load(anew.folder))
    np.testing.assert_allclose(lines_of(ours.model), lines_of(oracle.model), rtol=0, atol=1e-12)
    # and once they were told, what goes on from there is the same walk
    np.testing.assert_allclose(
        lines_of(as_of(model, END_OF_TIME)), lines_of(ours.model), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("update", ["static", "refit"])
def test_a_model_that_does_not_learn_says_nothing_of_learning(update: str) -> None:
    model = project(update, 500, corrected(560, 470))
    found = done("predict", model.folder)
    assert found["corrected"] is None
    assert found["learned"] == []
    assert not any("learned" in line for line in found["sentences"])
    assert "learned" not in said(found)
    assert not journal(model)
    if update == "static":
        assert (
            lines_of(since(model).model).tobytes()
            == lines_of(load(kept("static", 500) / "o" / "model")).tobytes()
        )


def between(update: str, days: int, folder: Path, then: int) -> SignalModel:
    """Cross-sections of every third day whose labels end on days between them; files that have grown since."""
    early = folder.with_name(f"trained{days}")
    if not early.exists():
        early.mkdir()
        prices(days).write_parquet(early / "prices.parquet")
        (early / "s.toml").write_text(
            CONFIG.format(update).replace("every = 3", "every = 3\nhorizon = 4")
        )
        train(read_config(early / "s.toml"), 1, early / "o")
    shutil.copytree(early, folder)
    prices(then).write_parquet(folder / "prices.parquet")
    return load(folder / "o" / "model")


@pytest.mark.long
def test_a_day_between_cross_sections_is_the_same_whatever_was_served_before(
    tmp_path: Path,
) -> None:
    """Whether later days were served, or training went on beyond it, changes nothing: nor does it change them."""
    after, late = (
        between("blend", 500, tmp_path / "after", 560),
        between("blend", 560, tmp_path / "late", 560),
    )
    predict(after)
    predict(late)
    assert predict(late, weekdays(DAYS)[401]).since.corrected is None  # type: ignore[union-attr]
    for at in (510, 511, 540):
        fresh = between("blend", 500, tmp_path / f"fresh{at}", at + 1)
        expected, *found = (predict(one, weekdays(DAYS)[at]) for one in (fresh, after, late))
        assert expected.since is not None
        for one in found:
            assert one.since is not None
            np.testing.assert_allclose(
                lines_of(one.since.model), lines_of(expected.since.model), rtol=0, atol=1e-12
            )
            assert one.since.corrected is None
        assert found[0].rows() == expected.rows()
    near(states_at(after.updates(), END_OF_TIME), states_at(late.updates(), END_OF_TIME))
    assert predict(after).rows() == predict(between("blend", 500, tmp_path / "once", 560)).rows()
