"""`tercel risk ...`: one JSON object, a page with figures, errors without a traceback."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercel.cli.root import app

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


def test_anomaly_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    words = ("anomaly", "--days", "1", "--withdrawals", "2", "--seed", "5")
    assert ran(*words, "--out", str(tmp_path)) == ran(*words)
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_posture_says_what_changed_and_why() -> None:
    changes = ran("posture")["changes"]
    assert isinstance(changes, list)
    said = " ".join(change["what"] for change in changes)
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
    code, printed, err = run(*(word.format(tmp=tmp_path) for word in words), "--out", str(out), "--json")
    assert code == 2
    assert told.format(tmp=tmp_path) in err
    assert "Traceback" not in err
    assert set(json.loads(printed)) == {"error"}
    assert not out.exists()
