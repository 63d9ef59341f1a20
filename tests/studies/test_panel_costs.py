"""What a family is told to take and to lose: labels exchanged within dates, calibration, one line a family."""

from pathlib import Path

import numpy as np
import pytest
from tests.signals.command.material import configured, done

from studies.families import panel
from studies.families.panel import calibration, exchanged
from tercel.signals.panel.panel import Dataset
from tercel.signals.sources.registry import synthetic_market

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic_market(2, instruments=20, days=120, strength=0.3).data


@pytest.mark.parametrize("level", [0.0, 0.2, 0.5])
def test_labels_stay_in_their_date(data: Dataset, level: float) -> None:
    y = exchanged(data, level, 1)
    for date in np.unique(data.dates):
        rows = data.dates == date
        np.testing.assert_array_equal(np.sort(y[rows]), np.sort(data.y[rows]))
    moved = np.mean(y != data.y)
    assert moved == 0 if level == 0 else 0.7 * level < moved <= level * 1.1


def test_calibration_knows_a_true_forecast(data: Dataset) -> None:
    rng = np.random.default_rng(0)
    true = calibration(data.y, data, rng)
    assert true["slope"] == pytest.approx(1)
    assert true["accuracy"]["mean"] > 0.97
    assert calibration(2 * data.y, data, rng)["slope"] == pytest.approx(0.5)
    coin = calibration(rng.standard_normal(data.n), data, rng)
    assert coin["accuracy"]["ci_low"] < 0.5 < coin["accuracy"]["ci_high"]


def test_compare_on_a_panel_says_what_families_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    section = '[compare]\nfamilies = ["linear"]\nproblems = ["linear"]\nrows = 200\ntest_rows = 200\nseeds = 1\n'
    config.write_text(config.read_text() + section + 'noise = [0.4]\npanel = "on"\n')
    out = tmp_path / "out"
    line = done("compare", config, "--out", out)["panel"]["table"][0]
    assert line["name"] == "linear"
    assert line["fit_s"] > 0
    assert line["row_us"] > 0
    assert line["accuracy"]["mean"] > 0.5
    assert line["noise"]["0"]["mean"] >= line["noise"]["0.4"]["mean"] - 0.02
    monkeypatch.setattr(panel, "out_of_fold", None)  # levels that are measured are not run again
    again = done("compare", config, "--out", out)["panel"]["table"][0]
    assert again["noise"] == line["noise"]
