"""`tercel market predict` as typed: a market predicts its own days, one object on stdout, a page, clear refusals."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tercel.cli import app
from tercel.market.flow import registry as presets
from tercel.market.flow.registry import load
from tercel.market.simulator.days import DAYS, simulated_lake

HERE = "csco-santa-fe"
STRATEGIES = "immediate,almgren_chriss,twap_take,twap_passive,peg_touch"


def tercel(preset: str, *words: object) -> Result:
    return CliRunner().invoke(app, ["market", "predict", preset, *(str(word) for word in words)])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated days of two hours; nobody writes into it."""
    return simulated_lake(tmp_path_factory.mktemp("lake"), 2).root


@pytest.mark.long
def test_a_market_predicts_its_own_days(tmp_path: Path) -> None:
    """What it simulated is recorded and replayed: nothing is nearer to a market than that."""
    lake, out = tmp_path / "lake", tmp_path / "page"
    simulated_lake(lake, 6, market="sh600961")
    options = [
        "--symbol",
        "SIM",
        "--date",
        DAYS[1],
        "--date",
        DAYS[2],
        "--strategy",
        STRATEGIES,
        "--episodes",
        256,
    ]
    result = tercel("sh600961", "--lake", lake, *options, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["dates"] == list(DAYS[1:])
    assert set(found["spearman"]) == {"mean", "ci_low", "ci_high", "ceiling", "halves"}
    assert found["spearman"]["mean"] >= found["spearman"]["ceiling"] - 0.15
    assert found["shares"]["near"] == 5
    assert found["signs"]["agree"] in (None, 1.0)
    row = found["strategies"]["twap_take"]
    assert row["passive_share"] == {"simulated": 0.0, "tape": 0.0, "theirs": 0.0}
    assert row["theirs_bps"] == row["tape_bps"], "who takes has no double fills"
    resting = found["strategies"]["peg_touch"]
    assert resting["passive_share"]["theirs"] <= resting["passive_share"]["tape"]
    assert found["bounds"]["ours"]["double_share"] > found["bounds"]["theirs"]["double_share"]
    assert json.loads((out / "prediction.json").read_text())["strategies"] == found["strategies"]
    assert (out / "prediction.html").read_text().count("<figure id") == 2


@pytest.mark.long
def test_a_table_few_sentences_and_what_the_card_keeps(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{HERE}.json"
    load(HERE).save(file)
    options = [
        "--symbol",
        "SIM",
        "--date",
        DAYS[2],
        "--strategy",
        "twap_take,twap_passive,default-1",
    ]
    result = tercel(str(file), "--lake", lake, *options, "--episodes", 8, "--write")
    assert result.exit_code == 0, result.output
    assert "default-1" in result.stdout
    assert "Spearman" in result.stderr
    assert "pairs differ significantly" in result.stderr
    kept = load(file).card["prediction"]
    assert (kept["days"], kept["strategies"], set(kept["spearman"])) == (
        [DAYS[2]], 3, {"mean", "ci_low", "ci_high", "ceiling"},
    )  # fmt: skip
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    listed = CliRunner().invoke(app, ["market", "list"])
    assert f"{kept['spearman']['mean']:.2f}" in listed.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--date", "2003-02-30"], "calendar"),
        (["--date", "2003-02-03"], "name some of those"),
        (["--date", DAYS[0]], "judge on later days"),
        (["--date", DAYS[2], "--strategy", "twap_take,pov"], "3 strategies"),
        (["--date", DAYS[2], "--strategy", "twap_take,pov,nobody"], "nobody"),
        (["--date", DAYS[2], "--impact", "root"], "impact law of a tape"),
        (["--date", DAYS[2], "--write"], "give its path"),
    ],
)
def test_refusals(lake: Path, options: list[str], says: str) -> None:
    result = tercel(HERE, "--lake", lake, "--symbol", "SIM", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_days_that_the_market_was_calibrated_on_are_refused(lake: Path, tmp_path: Path) -> None:
    preset, file = load(HERE), tmp_path / "here.json"
    preset.model_copy(update={"symbol": "SIM", "card": {**preset.card, "days": [DAYS[2]]}}).save(
        file
    )
    result = tercel(str(file), "--lake", lake, "--date", DAYS[2])
    assert result.exit_code == 2
    assert "was not calibrated on" in result.stderr
