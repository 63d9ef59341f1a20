"""`tercel risk ...`: one JSON object, a page with figures, errors without a traceback."""

import json
import math
from csv import reader
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tercel.cli.risk import PostureRequest
from tercel.cli.root import app
from tercel.core.errors import ConfigError

pytest.importorskip("arch")


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["risk", *words])
    return done.exit_code, done.stdout, done.stderr


def ran(*words: str) -> dict[str, object]:
    code, out, err = run(*words, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_volatility_on_a_synthetic_market_and_its_page(tmp_path: Path) -> None:
    found = ran("volatility", "--out", str(tmp_path))
    assert found["synthetic"] is True
    assert "SYNTHETIC" in str(found["notes"])
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 3
    assert "SYNTHETIC" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_correlation_tail_and_regimes_on_synthetic_markets(tmp_path: Path) -> None:
    assert "Ledoit-Wolf linear" in str(ran("correlation", "--names", "20", "--out", str(tmp_path)))
    assert "filtered GJR 1000 d" in str(ran("tail", "--out", str(tmp_path)))
    assert "EWMA" in str(ran("regimes", "--out", str(tmp_path)))


@pytest.mark.long
def test_anomaly_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    words = ("anomaly", "--days", "1", "--withdrawals", "2", "--seed", "5")
    assert ran(*words, "--out", str(tmp_path)) == ran(*words)
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_posture_says_what_changed_and_why(tmp_path: Path) -> None:
    found = ran("posture", "--seed", "3", "--out", str(tmp_path / "new"))
    assert "<svg" in (tmp_path / "new" / "posture.html").read_text()
    assert set(found) == {"market", "seed", "changes", "notes", "posture"}
    changes = found["changes"]
    assert isinstance(changes, list)
    assert set(changes[0]) == {"minute", "what", "urgency", "max_participation", "size", "styles"}
    said = " ".join(change["what"] for change in changes)
    assert max(change["urgency"] for change in changes) == 0.9
    assert "in force: depth thin: depth against its usual level is" in said
    assert "lifted" in said
    assert "cautious: volatility against its usual level is no number" in said


def test_tables_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("regimes")
    assert code == 0
    assert "HMM, 0.8 on, 0.2 off" in out


def csv(folder: Path, days: int, column: str = "") -> Path:
    from studies.risk.synthetic import gjr_series

    series = gjr_series(days, 2).series
    price, lines = 100.0, []
    for t, day in enumerate(series.days):
        price *= 1 + series.returns[t]
        lines.append(f"{day},{price:.8f}" + (f",{series.columns['rv'][t]:.12f}" if column else ""))
    path = folder / "days.csv"
    path.write_text("\n".join(["date,close" + (f",{column}" if column else ""), *lines]) + "\n")
    return path


def test_own_files_are_read(tmp_path: Path) -> None:
    assert "log-HAR" in str(ran("volatility", "--data", str(csv(tmp_path, 1300, "rv"))))
    assert "GJR" in str(ran("volatility", "--data", str(csv(tmp_path, 1300))))
    assert "historical 250 d" in str(ran("tail", "--data", str(csv(tmp_path, 2200))))
    assert "HMM" in str(ran("regimes", "--data", str(csv(tmp_path, 2200))))


# -- own prices -------------------------------------------------------------------------------------------------------


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Closes of three names, a column each, as a spreadsheet saves them."""
    from studies.risk.synthetic import gjr_series

    made = [gjr_series(320, seed).series for seed in (1, 2, 3)]
    lines = ["\ufeffDate;AAA;BBB;CCC"]
    closes = [100.0, 50.0, 20.0]
    for t, day in enumerate(made[0].days):
        closes = [close * (1 + one.returns[t]) for close, one in zip(closes, made, strict=True)]
        lines.append(";".join([f"{day:%d.%m.%Y}", *(f"{close:.6f}" for close in closes)]))
    path = tmp_path / "wide.csv"
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


def test_forecast_var_and_covariance_of_a_file(wide: Path, tmp_path: Path) -> None:
    found = ran("forecast", str(wide), "--out", str(tmp_path / "o"))
    assert found["names"] == ["AAA", "BBB", "CCC"]
    assert found["at"] == "2001-03-23"
    assert found["horizon_days"] == 1
    assert len(str(found["covariance"]).split("],")) == 3
    assert json.loads((tmp_path / "o" / "forecast.json").read_text()) == found
    assert "<svg" in (tmp_path / "o" / "forecast.html").read_text()
    var = ran(
        "var", str(wide), "--level", "0.95", "--since", "2001-03-01", "--out", str(tmp_path / "v")
    )
    assert var["level"] == 0.95
    assert set(var["backtest"]) >= {"hits", "kupiec_p", "christoffersen_p", "pinball", "passes"}  # type: ignore[call-overload]
    assert (tmp_path / "v" / "var.html").is_file()
    code, out, _ = run("covariance", str(wide), "--covariance", "ledoit-wolf")
    assert code == 0
    rows = [line.split(",") for line in out.splitlines()]
    assert rows[0] == ["name", "AAA", "BBB", "CCC"]
    matrix = ran(
        "covariance", str(wide), "--covariance", "ledoit-wolf", "--out", str(tmp_path / "m.csv")
    )
    assert [[float(cell) for cell in row[1:]] for row in rows[1:]] == matrix["covariance"]
    assert (tmp_path / "m.csv").read_text() == out
    assert "var_99" not in matrix
    wide.write_text(wide.read_text(encoding="utf-8-sig").replace("AAA;BBB;CCC", "-9;=1+1;a,b", 1))
    code, out, _ = run(
        "covariance", str(wide), "--covariance", "ledoit-wolf", "--out", str(tmp_path / "m.csv")
    )
    assert code == 0
    with (tmp_path / "m.csv").open(newline="") as file:
        strange = list(reader(file))
    assert (
        strange[0] == ["name", "'-9", "'=1+1", "a,b"] == ["name", *(row[0] for row in strange[1:])]
    )
    assert [[float(cell) for cell in row[1:]] for row in strange[1:]] == matrix["covariance"]
    assert (
        run("covariance", str(wide), "--covariance", "ledoit-wolf")[1]
        == (tmp_path / "m.csv").read_text()
    )


def test_weights_and_a_map_of_columns(wide: Path, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("Ticker,Weight\nAAA,60\nBBB,-0.4\n".replace("60", "0.6"))
    code, out, _ = run("forecast", str(wide), "--weights", str(tmp_path / "w.csv"))
    assert code == 0
    assert "gross 1.00, net 0.20" in " ".join(out.split())
    assert "CCC" not in out
    single = tmp_path / "MINE.csv"
    rows = [line.split(";") for line in wide.read_text(encoding="utf-8-sig").splitlines()]
    single.write_text("\n".join(["When,Px", *(f"{row[0]},{row[1]}" for row in rows[1:])]) + "\n")
    (tmp_path / "map.toml").write_text('[columns]\ndate = "When"\nclose = "Px"\n')
    by_map = ran("forecast", str(single), "--map", str(tmp_path / "map.toml"))
    assert by_map["names"] == ["MINE"]
    assert ran("forecast", str(single), "--column", "date=When", "--column", "close=Px") == by_map
    posture = ran("posture", str(wide))
    assert posture["changes"] == []
    assert "3 names is" in str(posture["notes"])


def test_posture_of_a_file_marks_what_was_measured_on_seconds(tmp_path: Path) -> None:
    """Calm days, then days of four times their moves: the ratio is EWMA's of today over its own median."""
    moves = np.where(np.arange(400) % 2, 0.01, -0.01) * np.where(np.arange(400) < 380, 1, 4)
    closes = 100 * np.exp(np.cumsum(moves))
    days = [date(2020, 1, 1) + timedelta(days=t) for t in range(400)]
    path = tmp_path / "A.csv"
    path.write_text(
        "\n".join(["date,close", *(f"{d},{c}" for d, c in zip(days, closes, strict=True))]) + "\n"
    )
    found: Any = ran("posture", str(path), "--out", str(tmp_path / "new"))
    assert found["median_volatility"] == pytest.approx(0.01)
    assert found["volatility_ratio"] == pytest.approx(math.sqrt(1 + 15 * (1 - 0.94**20)))
    assert found["days_as_volatile"] == pytest.approx(1 / 300, rel=0.01)
    assert found["thresholds"] == "measured on seconds, not on days"
    assert (found["posture"]["urgency"], found["posture"]["size"]) == (0.9, 0.5)
    assert [one["minute"] for one in found["changes"]] == [0.0] * 3
    assert json.loads((tmp_path / "new" / "posture.json").read_text()) == found
    assert "measured on seconds, not on days" in (tmp_path / "new" / "posture.html").read_text()
    _, out, _ = run("posture", str(path))
    assert "not on days" in " ".join(out.split())


def test_posture_without_a_file_asks_for_one() -> None:
    with pytest.raises(ConfigError, match="a FILE of daily prices"):
        PostureRequest().story()


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
    ],
)
def test_prices_that_cannot_be_used_end_with_2(tmp_path: Path, words: list[str], told: str) -> None:
    days = [f"{2000 + n // 300}-{n // 25 % 12 + 1:02}-{n % 25 + 1:02}" for n in range(200)]
    good = [100 + 3 * ((7 * n) % 11) for n in range(200)]

    def write(name: str, closes: list[float]) -> None:
        rows = [f"{day},{close}" for day, close in zip(days, closes, strict=False)]
        (tmp_path / name).write_text("\n".join(["date,close", *rows]) + "\n")

    write("good.csv", good)
    write("flat.csv", [100.0] * 200)
    write("split.csv", good[:100] + [close / 10 for close in good[100:]])
    write("halved.csv", good[:100] + [close / 2 for close in good[99:-1]])
    write("short.csv", good[:3])
    (tmp_path / "twice.csv").write_text("date,close\n2020-01-02,3\n2020-01-03,4\n2020-01-03,5\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "w.csv").write_text("name,weight\nZZZ,1\n")
    (tmp_path / "bad.csv").write_text("name,weight\ngood,much\n")
    (tmp_path / "map.toml").write_text('close = "Last"\n')
    out = tmp_path / "out"
    code, printed, err = run(
        *(word.format(tmp=tmp_path) for word in words), "--out", str(out), "--json"
    )
    assert code == 2
    assert told.format(tmp=tmp_path) in err
    assert "Traceback" not in err
    assert set(json.loads(printed)) == {"error"}
    assert not out.exists()


def test_a_posture_of_moves_that_are_true_says_so_by_an_option(tmp_path: Path) -> None:
    days = [date(2020, 1, 1) + timedelta(days=t) for t in range(200)]
    closes = [(100 + t % 7) / (1 + (t > 99)) for t in range(200)]
    path = tmp_path / "A.csv"
    path.write_text(
        "\n".join(["date,close", *(f"{d},{c}" for d, c in zip(days, closes, strict=True))]) + "\n"
    )
    code, _, err = run("posture", str(path))
    assert code == 2
    assert "--adjusted" in err
    assert ran("posture", str(path), "--adjusted")["changes"] == []


# -- trials -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["volatility", "--data", "{tmp}/none"], "no {tmp}/none"),
        (["correlation", "--data", "{tmp}/none"], "no {tmp}/none"),
        (["tail", "--data", "{tmp}/short.csv"], "days"),
        (["regimes", "--data", "{tmp}/short.csv"], "days"),
        (["volatility", "--data", "{tmp}/bad.csv"], "row 3, column close"),
        (["volatility", "--data", "{tmp}/latin.csv"], "UTF-8"),
        (["correlation", "--names", "1"], "--names 1"),
        (["anomaly", "--market", "moon"], "'moon'"),
        (["anomaly", "--days", "0"], "0"),
    ],
)
def test_bad_input_ends_with_2_and_says_what(tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "short.csv").write_text("date,close\n2020-01-02,3\n2020-01-03,4\n2020-01-06,3.5\n")
    (tmp_path / "bad.csv").write_text("date,close\n2020-01-02,3\n2020-01-03,x\n")
    (tmp_path / "latin.csv").write_bytes(b"date,close\n2020-01-02,3\xe9\n")
    out = tmp_path / "out"
    code, printed, err = run(
        *(word.format(tmp=tmp_path) for word in words), "--out", str(out), "--json"
    )
    assert code == 2
    assert told.format(tmp=tmp_path) in err
    assert "Traceback" not in err
    assert set(json.loads(printed)) == {"error"}
    assert not out.exists()
