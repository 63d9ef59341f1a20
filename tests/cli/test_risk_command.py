"""`tercel risk ...`: one JSON object, a page with figures, errors without a traceback."""

import json
import math
from collections.abc import Iterable
from csv import reader
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.command import done, refused, tercel

from studies.risk.synthetic import gjr_series
from tercel.cli.risk import PostureRequest
from tercel.core.errors import ConfigError

pytest.importorskip("arch")


def ran(*words: object) -> dict[str, Any]:
    return done("risk", *words)


def test_volatility_on_a_synthetic_market_and_its_page(tmp_path: Path) -> None:
    found = ran("volatility", "--out", tmp_path)
    assert found["synthetic"] is True
    assert "SYNTHETIC" in str(found["notes"])
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure id") >= 3
    assert "SYNTHETIC" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_correlation_and_regimes_on_synthetic_markets(tmp_path: Path) -> None:
    assert "Ledoit-Wolf linear" in str(ran("correlation", "--names", 20, "--out", tmp_path))
    assert "HMM, 0.8 on, 0.2 off" in tercel("risk", "regimes").stdout


@pytest.mark.long
def test_anomaly_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    words = ("anomaly", "--days", 1, "--withdrawals", 2, "--seed", 5)
    assert ran(*words, "--out", tmp_path) == ran(*words)
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_posture_says_what_changed_and_why(tmp_path: Path) -> None:
    changes = ran("posture", "--seed", 3, "--out", tmp_path / "new")["changes"]
    assert "<svg" in (tmp_path / "new" / "posture.html").read_text()
    said = " ".join(change["what"] for change in changes)
    assert max(change["urgency"] for change in changes) == 0.9
    assert "in force: depth thin: depth against its usual level is" in said
    assert "lifted" in said
    assert "cautious: volatility against its usual level is no number" in said
    with pytest.raises(ConfigError, match="a FILE of daily prices"):
        PostureRequest().story()


def csv(folder: Path, days: int, column: str = "") -> Path:
    """A series of closes, with realised variances where a column of them is named."""
    series = gjr_series(days, 2).series
    closes = 100 * np.cumprod(1 + np.asarray(series.returns))
    columns = [series.days, [f"{close:.8f}" for close in closes]]
    if column:
        columns.append([f"{one:.12f}" for one in series.columns[column]])
    rows = [["date", "close", *[column] * bool(column)], *zip(*columns, strict=True)]
    return rows_in(folder / "days.csv", rows)


def rows_in(path: Path, rows: Iterable[Iterable[object]]) -> Path:
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def daily(path: Path, closes: Iterable[float]) -> Path:
    """Closes of days one after another from 2020 on."""
    first = date(2020, 1, 1)
    days = ((first + timedelta(days=t), close) for t, close in enumerate(closes))
    return rows_in(path, [("date", "close"), *days])


def test_own_files_are_read(tmp_path: Path) -> None:
    assert "log-HAR" in str(ran("volatility", "--data", csv(tmp_path, 1300, "rv")))
    long = csv(tmp_path, 2200)
    assert "historical 250 d" in str(ran("tail", "--data", long))
    assert "HMM" in str(ran("regimes", "--data", long))


# -- own prices -------------------------------------------------------------------------------------------------------


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Closes of three names, a column each, as a spreadsheet saves them."""
    made = [gjr_series(320, seed).series for seed in (1, 2, 3)]
    closes = np.array([100.0, 50.0, 20.0])[:, None] * np.cumprod(
        1 + np.array([one.returns for one in made]), axis=1
    )
    lines = ["\ufeffDate;AAA;BBB;CCC"]
    for day, row in zip(made[0].days, closes.T, strict=True):
        lines.append(";".join([f"{day:%d.%m.%Y}", *(f"{close:.6f}" for close in row)]))
    path = tmp_path / "wide.csv"
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


def test_forecast_var_and_covariance_of_a_file(wide: Path, tmp_path: Path) -> None:
    found = ran("forecast", wide, "--out", tmp_path / "o")
    expected = {"names": ["AAA", "BBB", "CCC"], "at": "2001-03-23", "horizon_days": 1}
    assert found == found | expected
    assert json.loads((tmp_path / "o" / "forecast.json").read_text()) == found
    assert "<svg" in (tmp_path / "o" / "forecast.html").read_text()
    about = ("--level", 0.95, "--since", "2001-03-01", "--out", tmp_path / "v")
    var = ran("var", wide, *about)
    assert var["level"] == 0.95
    assert {"kupiec_p", "christoffersen_p", "pinball"} <= set(var["backtest"])
    assert (tmp_path / "v" / "var.html").is_file()
    words = ("covariance", wide, "--covariance", "ledoit-wolf")
    shown = tercel("risk", *words).stdout
    rows = [line.split(",") for line in shown.splitlines()]
    assert rows[0] == ["name", "AAA", "BBB", "CCC"]
    matrix = ran(*words, "--out", tmp_path / "m.csv")
    assert [[float(cell) for cell in row[1:]] for row in rows[1:]] == matrix["covariance"]
    assert (tmp_path / "m.csv").read_text() == shown
    assert "var_99" not in matrix
    wide.write_text(wide.read_text(encoding="utf-8-sig").replace("AAA;BBB;CCC", "-9;=1+1;a,b", 1))
    ran(*words, "--out", tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as file:
        strange = list(reader(file))
    assert (
        strange[0] == ["name", "'-9", "'=1+1", "a,b"] == ["name", *(row[0] for row in strange[1:])]
    )
    assert [[float(cell) for cell in row[1:]] for row in strange[1:]] == matrix["covariance"]
    assert tercel("risk", *words).stdout == (tmp_path / "m.csv").read_text()


def test_weights_and_a_map_of_columns(wide: Path, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("Ticker,Weight\nAAA,0.6\nBBB,-0.4\n")
    shown = tercel("risk", "forecast", wide, "--weights", tmp_path / "w.csv").stdout
    assert "gross 1.00, net 0.20" in " ".join(shown.split())
    assert "CCC" not in shown
    rows = [line.split(";")[:2] for line in wide.read_text(encoding="utf-8-sig").splitlines()]
    single = rows_in(tmp_path / "MINE.csv", [("When", "Px"), *rows[1:]])
    (tmp_path / "map.toml").write_text('[columns]\ndate = "When"\nclose = "Px"\n')
    by_map = ran("forecast", single, "--map", tmp_path / "map.toml")
    assert by_map["names"] == ["MINE"]
    assert ran("forecast", single, "--column", "date=When", "--column", "close=Px") == by_map
    posture = ran("posture", wide)
    assert posture["changes"] == []
    assert "3 names is" in str(posture["notes"])


def test_posture_of_a_file_marks_what_was_measured_on_seconds(tmp_path: Path) -> None:
    """Calm days, then days of four times their moves: the ratio is EWMA's of today over its own median."""
    moves = np.where(np.arange(400) % 2, 0.01, -0.01) * np.where(np.arange(400) < 380, 1, 4)
    path = daily(tmp_path / "A.csv", 100 * np.exp(np.cumsum(moves)))
    found = ran("posture", path, "--out", tmp_path / "new")
    assert found["median_volatility"] == pytest.approx(0.01)
    assert found["volatility_ratio"] == pytest.approx(math.sqrt(1 + 15 * (1 - 0.94**20)))
    assert found["days_as_volatile"] == pytest.approx(1 / 300, rel=0.01)
    assert found["thresholds"] == "measured on seconds, not on days"
    assert (found["posture"]["urgency"], found["posture"]["size"]) == (0.9, 0.5)
    assert [one["minute"] for one in found["changes"]] == [0.0] * 3
    assert json.loads((tmp_path / "new" / "posture.json").read_text()) == found
    assert "measured on seconds, not on days" in (tmp_path / "new" / "posture.html").read_text()
    assert "not on days" in " ".join(tercel("risk", "posture", path).stdout.split())


def test_a_posture_of_moves_that_are_true_says_so_by_an_option(tmp_path: Path) -> None:
    path = daily(tmp_path / "A.csv", [(100 + t % 7) / (1 + (t > 99)) for t in range(200)])
    refused(tercel("risk", "posture", path), "--adjusted")
    assert ran("posture", path, "--adjusted")["changes"] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["forecast", "{tmp}/none.csv"], "nothing at {tmp}/none.csv"),
        (["forecast", "{tmp}/empty.csv"], "an empty file"),
        (["forecast", "{tmp}/short.csv"], "at least 100 days"),
        (["forecast", "{tmp}/flat.csv"], "the same close for 200 days"),
        (["forecast", "{tmp}/twice.csv"], "rows 3 and 4"),
        (["var", "{tmp}/split.csv"], "row 102"),
        (["forecast", "{tmp}/halved.csv"], "row 102"),
        (["covariance", "{tmp}/halved.csv"], "--adjusted"),
        (["posture", "{tmp}/halved.csv"], "as in a split of 2:1"),
        (["forecast", "{tmp}/good.csv", "--weights", "{tmp}/w.csv"], "'ZZZ'"),
        (["forecast", "{tmp}/good.csv", "--weights", "{tmp}/bad.csv"], "row 2"),
        (["forecast", "{tmp}/good.csv", "--column", "close"], "OURS=THEIRS"),
        (["forecast", "{tmp}/good.csv", "--column", "adj_close=Last"], "Last"),
        (
            ["forecast", "{tmp}/good.csv", "--map", "{tmp}/map.toml"],
            "keys that a map of columns knows",
        ),
        (["forecast", "{tmp}/good.csv", "--volatility", "grach"], "'grach'"),
        (["forecast", "{tmp}/good.csv", "--volatility", "har"], "no column rv"),
        (["covariance", "{tmp}/good.csv", "--covariance", "moon"], "'moon'"),
        (["var", "{tmp}/good.csv", "--level", "1.5"], "1.5"),
        (["var", "{tmp}/good.csv", "--model", "fhs-gjr"], "days"),
        (["posture", "{tmp}/short.csv"], "at least 100 days"),
        (["posture", "--market", "moon"], "'moon'"),
        # trials
        (["volatility", "--data", "{tmp}/none"], "no {tmp}/none"),
        (["correlation", "--data", "{tmp}/none"], "no {tmp}/none"),
        (["tail", "--data", "{tmp}/three.csv"], "days"),
        (["regimes", "--data", "{tmp}/three.csv"], "days"),
        (["volatility", "--data", "{tmp}/letter.csv"], "row 3, column close"),
        (["volatility", "--data", "{tmp}/latin.csv"], "UTF-8"),
        (["correlation", "--names", "1"], "--names 1"),
        (["anomaly", "--market", "moon"], "'moon'"),
        (["anomaly", "--days", "0"], "0"),
    ],
)
def test_what_cannot_be_used_ends_with_2(tmp_path: Path, words: list[str], told: str) -> None:
    days = [f"{2000 + n // 300}-{n // 25 % 12 + 1:02}-{n % 25 + 1:02}" for n in range(200)]
    good = [100.0 + 3 * ((7 * n) % 11) for n in range(200)]
    for name, closes in {
        "good.csv": good,
        "flat.csv": [100.0] * 200,
        "split.csv": good[:100] + [close / 10 for close in good[100:]],
        "halved.csv": good[:100] + [close / 2 for close in good[99:-1]],
        "short.csv": good[:3],
    }.items():
        rows_in(tmp_path / name, [("date", "close"), *zip(days, closes, strict=False)])
    for name, text in {
        "twice.csv": "date,close\n2020-01-02,3\n2020-01-03,4\n2020-01-03,5\n",
        "empty.csv": "",
        "w.csv": "name,weight\nZZZ,1\n",
        "bad.csv": "name,weight\ngood,much\n",
        "map.toml": 'close = "Last"\n',
        "three.csv": "date,close\n2020-01-02,3\n2020-01-03,4\n2020-01-06,3.5\n",
        "letter.csv": "date,close\n2020-01-02,3\n2020-01-03,x\n",
        "latin.csv": "date,close\n2020-01-02,3\u00e9\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    out = tmp_path / "out"
    result = tercel("risk", *(word.format(tmp=tmp_path) for word in words), "--out", out, "--json")
    assert told.format(tmp=tmp_path) in result.stderr
    refused(result)
    assert set(json.loads(result.stdout)) == {"error"}
    assert not out.exists()
