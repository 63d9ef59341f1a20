"""Tear sheets of a run's sources: their scores and outcomes are those of the run, also at weight 0; the command's page."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.signals.command.material import (
    SERIES,
    configured,
    daily_model,
    done,
    refused,
    signals,
    trend,
)

from tercel.signals.models.skill import rank_ic_by_date
from tercel.signals.panel.build import load
from tercel.signals.runs.source_sheets import tear_sheets
from tercel.signals.runs.train import forecasts_in


def test_sheets_of_a_daily_run_measure_its_forecasts_by_its_outcomes(tmp_path: Path) -> None:
    folder = daily_model(tmp_path)
    data, _ = load(folder)
    forecasts, columns = forecasts_in(folder, data.n)
    sheets = tear_sheets(folder)
    assert [*sheets] == [*columns] == ["daily:linear"]
    sheet = sheets["daily:linear"]
    assert sheet.horizons == (1, 5, 21)
    assert sheet.lag == 1
    by_date = rank_ic_by_date(forecasts[:, 0], data.outcome, data.dates)
    ic = sheet.ic.filter(pl.col("horizon") == 5).drop_nulls().get_column("ic")
    assert ic.to_list() == pytest.approx(by_date[np.isfinite(by_date)], abs=1e-12)


@pytest.mark.usefixtures("quick_pictures")
def test_evaluate_writes_a_sheet_of_every_source_also_without_weight(tmp_path: Path) -> None:
    trend(tmp_path)
    config = configured(tmp_path, SERIES, "changes = false\n")
    out = tmp_path / "o"
    weights = done("train", config, "--out", out)["weights"]
    assert weights["noise:linear"] == 0
    sectors = tmp_path / "sectors.csv"
    sectors.write_text("symbol,sector\n" + "".join(f"S{n:03d},{'ab'[n % 2]}\n" for n in range(20)))
    told = signals("evaluate", config, "--out", out, "--sectors", sectors).output
    assert f"sheets    {out / 'tear_sheets.html'}" in told
    sheets = json.loads((out / "tear_sheets.json").read_text())
    # a source with one column has a sheet of that column; the series is the same of every name
    assert [*sheets] == ["linear", "linear:linear", "interaction:linear", "noise:linear"]
    assert sheets["linear"]["by_sector"]["sector"] == ["a", "a", "b", "b"]
    page = (out / "tear_sheets.html").read_text()
    assert "noise:linear" in page
    assert "series has no tear sheet" in page
    sectors.write_text("symbol,sector\nS001,a\nS001,b\n")
    before = (out / "result.json").stat().st_mtime_ns
    assert "one row of a name without dates" in refused(
        "evaluate", config, "--out", out, "--sectors", sectors
    )
    assert (out / "result.json").stat().st_mtime_ns == before
