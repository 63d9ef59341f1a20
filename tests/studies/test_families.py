"""The comparison: laws whose truth is known, rules that decide either way, cells that repeat."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from certify.kits.signal_model import SignalModelConformance
from studies.families.cells import (
    PROBLEMS,
    FittedCell,
    Measurement,
    StackedEnsemble,
    candidates,
    lacking,
    plan,
    run,
)
from studies.families.claims import CLAIMS, Cells, Claim, judge, summary
from studies.families.scores import auc
from tercel.core.errors import ConfigError

pytestmark = pytest.mark.release


def still(action: Callable[[], Any], memory: bool = False) -> Measurement[Any]:
    """A meter for which no time passes."""
    return Measurement(action(), 1.0, None)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_oracle_is_calibrated_and_cannot_be_beaten(name: str) -> None:
    sample = PROBLEMS[name].draw(100, 20_000, 0.0, 1)
    bins = np.array_split(np.argsort(sample.chance_test), 10)
    for rows in bins:
        assert abs(sample.chance_test[rows].mean() - sample.up_test[rows].mean()) < 0.04
    assert 0.75 < auc(sample.up_test, sample.chance_test) < 0.9


def test_noise_flips_labels_of_the_training_alone() -> None:
    clean, noisy = (PROBLEMS["mixed"].draw(4000, 500, noise, 3) for noise in (0.0, 0.2))
    np.testing.assert_array_equal(clean.X, noisy.X)
    np.testing.assert_array_equal(clean.up_test, noisy.up_test)
    assert np.mean(clean.up != noisy.up) == pytest.approx(0.2, abs=0.02)
    with pytest.raises(ConfigError, match="flipped"):
        PROBLEMS["mixed"].draw(10, 10, 0.5, 0)


def test_no_column_of_interaction_tells_anything_alone() -> None:
    sample = PROBLEMS["interaction"].draw(20_000, 10, 0.0, 0)
    for column in sample.X.T:
        assert abs(auc(sample.up, column) - 0.5) < 0.015


def test_cells_repeat_and_measure() -> None:
    cell = FittedCell("linear", "linear", 400, 0.0, 7)
    first, second = run(cell, 500, still), run(cell, 500, still)
    assert first == second
    assert 0.8 < first["share"] <= 1.1
    assert first["fit_s"] == 1.0
    assert first["row_us"] == pytest.approx(2000.0)
    assert run(FittedCell("interaction", "linear", 400, 0.0, 7), 500, still)["share"] < 0.2


def test_the_plan_names_every_cell_once() -> None:
    cells = plan(("linear", "hmm"), ("mixed", "filter"), 100, (0.0, 0.2), (1, 2))
    assert len(set(cells)) == len(cells)
    assert FittedCell("mixed", "linear", 100, 0.2, 2) in cells
    assert FittedCell("filter", "linear", 25, 0.0, 1) in cells
    assert not any(cell.noise for cell in cells if cell.family == "hmm")
    assert len({cell.key for cell in cells}) == len(cells)


def rows_of(values: list[float]) -> list[dict[str, Any]]:
    """A cell of linear on `interaction` per seed."""
    base = {"problem": "interaction", "family": "linear", "rows": 100, "noise": 0.0, "fit_s": 1.0}
    return [{**base, "share": value, "seed": seed} for seed, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.0, 0.01, 0.02], "confirmed"),
        ([0.9, 0.91, 0.92], "refuted"),
        ([0.0, 0.2, 0.4], "open"),
        ([0.0], "open"),
    ],
)
def test_the_rule_decides_either_way(values: list[float], verdict: str) -> None:
    claim = next(c for c in CLAIMS if c.text == "misses interactions")
    (found,) = judge(rows_of(values), 100, [claim])
    assert found.verdict == verdict
    assert found.mean == pytest.approx(0.2 - np.mean(values))


def test_claims_of_families_that_were_not_run_are_absent() -> None:
    verdicts = judge(rows_of([0.0, 0.1]), 100)
    assert {v.verdict for v in verdicts if v.family == "lstm"} == {"absent"}
    assert len(verdicts) == len(CLAIMS)
    assert judge([], 100)[0].verdict in {"absent", "open"}


def test_every_claim_is_sourced_and_can_be_computed_from_the_plan() -> None:
    names = tuple(n for n in candidates())
    cells = plan(names, tuple(PROBLEMS), 100, (0.0, 0.1, 0.2, 0.4), (0, 1))
    made = [
        {
            **{
                "problem": c.problem,
                "family": c.family,
                "rows": c.rows,
                "noise": c.noise,
                "seed": c.seed,
            },
            **dict.fromkeys(
                ("accuracy", "auc", "share", "brier", "ece", "fit_s", "row_us", "one_us"), 0.5
            ),
            **{"peak_mib": None, "state_accuracy": 0.9},
        }
        for c in cells
    ]
    verdicts = judge(made, 100)
    assert all(v.verdict != "absent" for v in verdicts)
    assert all(v.source and v.rule for v in verdicts)
    lines = summary(made, 100)
    assert {line["family"] for line in lines} == set(names)
    assert next(x for x in lines if x["problem"] == "mixed" and x["family"] == "linear")["share_by_noise"].keys() == {
        "0", "0.1", "0.2", "0.4",
    }  # fmt: skip


def test_a_claim_sees_one_seed_at_a_time() -> None:
    seen: list[int] = []
    claim = Claim("x", "", "", "", lambda c: seen.append(len(c.found)) or 1.0)
    judge(rows_of([0.1, 0.2]), 100, [claim])
    assert seen == [1, 1]
    assert Cells({}, 10).have(["linear"], "mixed") == []


@pytest.mark.skipif(lacking("stacked") is not None, reason="no lightgbm")
class TestStacked(SignalModelConformance):
    def model(self) -> Any:
        return StackedEnsemble(parts=("linear", "svm_linear"))

    def test_rows_of_weight_zero_teach_nothing(self) -> None:
        """Folds and fusion count rows: weights go to the parts."""
