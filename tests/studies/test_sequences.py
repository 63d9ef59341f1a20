"""Families on books: sequences that look one way, days apart, paired differences, claims that decide either way."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel
from typer.testing import CliRunner

from studies.__main__ import app
from studies.families import book_rows
from studies.families.book_rows import ODD, PACE, SWAPPED, BookDay, BookRows, every, turned
from studies.families.sequence_claims import best, verdicts
from studies.families.sequences import (
    HORIZONS,
    LAID,
    MEAN,
    MINUTE_NS,
    SINGLE,
    BookCell,
    compared,
    covered,
    fit,
    scored,
)
from studies.families.sequences_command import LIMITS, planned
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.foresight.forecaster import FEATURES, NAMES
from tercel.signals.flow.days import FlowDay

pytestmark = pytest.mark.release

STEPS = 3
SHORT = (1, 2)
QUEUE = NAMES.index("queue")


def day(number: int, seconds: int = 400, effect: float = 0.0) -> FlowDay:
    """A day whose mid moves by the queue's feature of the second before, by `effect` of its deviation; a hole in it."""
    rng = np.random.default_rng(number)
    quotes = seconds * PACE
    at = np.delete(np.arange(quotes), np.arange(200, 210))
    x = rng.standard_normal((len(at), FEATURES))
    sign = rng.choice([-1.0, 1.0], len(at))
    step = rng.integers(-2, 3, quotes)
    step[at] += np.round(effect * sign * x[:, QUEUE]).astype(np.int64)
    bid = 100_000 + np.cumsum(np.roll(step, 1))
    first = 34_200 * NS_PER_SECOND
    return FlowDay(
        "AAA", f"2020-01-{number:02d}", 0.01, first, bid, bid + 1, at, x, sign, np.ones(len(at))
    )


def book(number: int, **how: Any) -> BookDay:
    return BookDay(day(number, **how), STEPS, SHORT)


def test_a_row_in_the_mirror_changes_signs_and_sides_and_back() -> None:
    x = np.random.default_rng(0).standard_normal((5, FEATURES))
    way = np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    found = turned(x, way)
    np.testing.assert_array_equal(found[way > 0], x[way > 0])
    np.testing.assert_array_equal(found[1, ODD], -x[1, ODD])
    np.testing.assert_array_equal(found[1, SWAPPED], x[1, SWAPPED[::-1]])
    np.testing.assert_array_equal(turned(found, way), x)
    even = {name for name, odd in zip(NAMES, ODD, strict=True) if not odd}
    assert even == {
        "heavy", "thin", "gap_heavy", "gap_thin", "spread", "wide", "pace_10", "unrest", "bounce",
    }  # fmt: skip


def test_a_sequence_is_the_seconds_before_turned_the_way_of_its_last() -> None:
    one = book(1)
    rows = one.rows
    x = one.sequences(rows[:50], STEPS).reshape(50, STEPS, FEATURES)
    place = {int(at): row for row, at in enumerate(one.day.at)}
    for n, row in enumerate(rows[:50]):
        for back in range(STEPS):
            there = place[int(one.day.at[row]) - PACE * back]
            way = np.array([one.day.sign[there] * one.day.sign[row]])
            np.testing.assert_allclose(
                x[n, STEPS - 1 - back], turned(one.day.x[[there]], way)[0], rtol=1e-6
            )
    assert one.sequences(rows[:50], 1).shape == (50, FEATURES)
    # none reaches before the first row, over the hole, or beyond the last outcome
    assert one.day.at[rows].min() == PACE * (STEPS - 1)
    assert not set(range(200, 210)) & {
        int(at) - PACE * back for at in one.day.at[rows] for back in range(STEPS)
    }
    assert one.day.at[rows].max() + PACE * max(SHORT) < len(one.day.bid)


def split(effect: float = 0.0) -> BookRows:
    days = [book(n, effect=effect) for n in range(1, 9)]
    return BookRows(tuple(days[:4]), tuple(days[4:5]), tuple(days[5:]))


def test_drawn_rows_are_of_training_days_once_each_and_repeat() -> None:
    data = split()
    drawn = data.drawn(700, 3)
    assert sum(len(part) for part in drawn) == 700
    for one, part in zip(data.train, drawn, strict=True):
        assert len(np.unique(part)) == len(part)
        assert set(part.tolist()) <= set(one.rows.tolist())
    assert all((a == b).all() for a, b in zip(drawn, data.drawn(700, 3), strict=True))
    whole = data.drawn(data.most, 1)
    assert all((a == b.rows).all() for a, b in zip(whole, data.train, strict=True))
    assert set(np.diff(every(data.test[0], 2) // (2 * PACE)).tolist()) <= {1, 2, 3, 4}


def plain_meter(action: Any, memory: bool = False) -> Any:
    from studies.families.cells import Measurement

    return Measurement(action(), 1.0, 1.0 if memory else None)


def test_a_planted_effect_is_found_and_noise_is_not() -> None:
    found = {}
    for effect in (0.0, 2.0):
        data = split(effect)
        cell = BookCell(1000, 1, "linear", 1)
        took, told = fit(cell, data, STEPS, plain_meter)
        found[effect] = scored(cell, data, told)
        assert took["seen"] == 1000
    assert found[2.0]["r2"] > 0.05
    assert found[2.0]["auc"] > 0.65
    assert found[0.0]["r2"] < 0.03
    assert abs(found[0.0]["auc"] - 0.5) < 0.08
    assert [one["date"] for one in found[0.0]["by_day"]] == [
        "2020-01-06",
        "2020-01-07",
        "2020-01-08",
    ]


def test_differences_are_paired_by_day() -> None:
    rng = np.random.default_rng(2)
    mine, line = rng.standard_normal((2, 9))
    cells = [
        {"rows": 10, "horizon": 1, "family": name, "by_day": [{"r2": value} for value in values]}
        for name, values in (("forest", mine), ("linear", line))
    ]
    (found,) = compared(cells)
    oracle = ttest_rel(mine, line)
    assert found["p"] == pytest.approx(oracle.pvalue)
    low, high = oracle.confidence_interval(0.95)
    assert (found["ci_low"], found["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert compared(cells[:1]) == []


def test_an_interval_that_moves_holds_where_a_fixed_one_does_not() -> None:
    rng = np.random.default_rng(3)
    scale = np.repeat([1.0, 1.0, 3.0], 6_000)
    ns = np.arange(len(scale)) * MINUTE_NS // 12
    found = covered(
        np.abs(rng.standard_normal(len(scale)) * scale), ns, 10, np.arange(len(scale)) >= 6_000
    )
    late = slice(12_000, None)
    assert found["coverage_fixed"][6_000:12_000].mean() == pytest.approx(0.9, abs=0.015)
    assert found["coverage_fixed"][late].mean() < 0.6
    assert found["coverage"][late].mean() == pytest.approx(0.9, abs=0.015)


def made_cells(r2: dict[str, float]) -> list[dict[str, Any]]:
    """Cells of all families: an R² by family, 0.01 where none is given, a little other each day."""
    return [
        {
            "rows": rows, "horizon": horizon, "family": name, "fit_s": 1.0 if name == "linear" else 8.0 * rows / 1e5,
            "r2": r2.get(name, 0.01), "auc": 0.6,
            "by_day": [
                {"r2": r2.get(name, 0.01) + 1e-4 * d * len(name), "auc": 0.6 + 1e-4 * d * len(name), "ece": 0.01}
                for d in range(4)
            ],
        }
        for rows in (1_000, 10_000, 100_000) for horizon in HORIZONS for name in (*SINGLE, MEAN)
    ]  # fmt: skip


def test_claims_decide_either_way_and_all_can_be_computed() -> None:
    for boosting, said in ((0.05, "confirmed"), (0.001, "refuted")):
        cells = made_cells({"boosting": boosting})
        found = {(one.family, one.text): one for one in verdicts(cells, 100_000)}
        assert all(one.verdict != "absent" for one in found.values())
        assert found["boosting", "sees what a line does not"].verdict == said
        assert found["boosting", "best on tabular data"].verdict == said
        assert found["lstm", "slow to train"].mean == pytest.approx(-1.0)
    assert best(made_cells({"lstm": 0.1}), 100_000, SINGLE) == "lstm"
    few = [one for one in made_cells({}) if one["family"] == "linear"]
    assert {one.verdict for one in verdicts(few, 100_000)} == {"absent"}


def test_what_cannot_be_trained_is_left_out_and_said() -> None:
    cells, notes = planned([1_000, 10**6], SINGLE, 400_000, 1)
    assert any("1,000,000 rows are not there: all 400,000 are taken" in note for note in notes)
    assert {name for name in LIMITS if any(note.startswith(name) for note in notes)} == set(LIMITS)
    assert not any(cell.family in LAID for cell in cells if cell.rows == 400_000)
    assert len(set(cells)) == len(cells)


def test_the_command_measures_once_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    days = {f"2020-01-{n:02d}": n for n in range(1, 9)}
    monkeypatch.setattr(
        book_rows, "read_day", lambda lake, symbol, date, step: day(days[date], effect=2.0)
    )
    monkeypatch.setattr("tercel.market.tape.Lake.days", lambda self, symbol: list(days))
    real = fit
    monkeypatch.setattr(
        "studies.families.sequences_command.fit",
        lambda cell, *rest: seen.append(cell.key) or real(cell, *rest),
    )
    (tmp_path / "lake").mkdir()
    words = [
        "families",
        "sequences",
        "--lake",
        str(tmp_path / "lake"),
        "--symbol",
        "AAA",
        "--rows",
        "1000",
    ]
    words += ["--family", "linear,gated_linear", "--steps", "3", "--out", str(tmp_path / "o")]
    first = CliRunner().invoke(app, [*words, "--json"])
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert {(one["family"], one["horizon"]) for one in found["cells"]} == {
        (name, horizon) for name in ("linear", "gated_linear") for horizon in HORIZONS
    }
    assert {one["family"] for one in found["against_linear"]["r2"]} == {"gated_linear"}
    assert found["rows_to_train_on"] > 1000
    assert Path(found["report"]).read_text().startswith("<!")
    assert len(seen) == 6
    again = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(again.stdout)["cells"] == found["cells"]
    assert len(seen) == 6
    (tmp_path / "o" / "cells" / "linear-1s-1000-1.npz").write_bytes(b"PK")
    printed = CliRunner().invoke(app, words)
    assert printed.exit_code == 0, printed.output
    assert len(seen) == 7
    assert "gated_linear" in printed.stdout
    other = CliRunner().invoke(app, [*words[:-3], "5", *words[-2:]])
    assert other.exit_code == 2
    assert "another" in " ".join(other.stderr.split())
