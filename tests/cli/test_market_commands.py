"""`tercel market ...`: calibrate on a stretch, score on another, simulate a lake, list; and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tercel.cli import app
from tercel.feeds.verify import verify_alone
from tercel.market.flow import load
from tercel.market.tape import Lake, schema

DATES = ("2030-01-02", "2030-01-03", "2030-01-04")


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic days of two hours."""
    root = tmp_path_factory.mktemp("markets") / "lake"
    result = tercel(
        "market",
        "simulate",
        "csco-santa-fe",
        "--out",
        root,
        "--days",
        3,
        "--seconds",
        7200,
        "--json",
    )
    assert result.exit_code == 0, result.stderr
    assert [day["date"] for day in json.loads(result.stdout)["days"]] == list(DATES)
    return root


@pytest.fixture(scope="module")
def preset(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibrated on the first two days."""
    path = tmp_path_factory.mktemp("presets") / "two.json"
    words = ("--model", "santa_fe", "--stamp", "2026-01-01", "--out", path, "--json")
    result = tercel(
        "market",
        "calibrate",
        "--lake",
        lake,
        "--symbol",
        "CSCO",
        "--date",
        ",".join(DATES[:2]),
        *words,
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["model"] == "santa_fe"
    return path


def test_simulated_days_of_regimes_tell_the_truth_beside_the_tape(tmp_path: Path) -> None:
    words = ("--out", tmp_path / "lake", "--seconds", 1200, "--json", "--regimes")
    result = tercel("market", "simulate", "csco-santa-fe", *words, "chain,season")
    assert result.exit_code == 0, result.stderr
    [day] = json.loads(result.stdout)["days"]
    times = [one["from_s"] for one in day["regimes"]]
    assert times[0] == 0
    assert times == sorted(times)
    assert verify_alone(Lake(tmp_path / "lake").check("CSCO", DATES[0])[1])["crossed"] == 0
    result = tercel("market", "simulate", "csco-santa-fe", *words, "flash_crash", "--replace")
    assert [one["regime"] for one in json.loads(result.stdout)["days"][0]["regimes"]] == [
        "plain",
        "flash_crash",
        "plain",
    ]
    assert tercel("market", "simulate", "csco-santa-fe", *words, "wild").exit_code == 2


def score(preset: object, lake: Path, *words: object) -> Result:
    return tercel("market", "score", preset, "--lake", lake, "--seeds", 1, *words)


def test_synthetic_days_are_tape_like_any_other(lake: Path) -> None:
    instrument, events = Lake(lake).check("CSCO", DATES[0])
    assert instrument.extra["synthetic"] is True
    assert instrument.extra["preset"] == "csco-santa-fe"
    opening = (events.flags & schema.OPENING) != 0
    assert opening[0]
    assert set(events.exch_ns[opening]) == {instrument.session_open_ns}
    assert events.exch_ns[-1] < instrument.session_close_ns
    found = verify_alone(events)
    assert (found["unknown_ids"], found["crossed"], found["locked"]) == (0, 0, 0)
    again = tercel(
        "market", "simulate", "csco-santa-fe", "--out", lake, "--seconds", 7200, "--json"
    )
    assert json.loads(again.stdout)["days"][0]["outcome"] == "unchanged"
    other = tercel(
        "market", "simulate", "csco-santa-fe", "--out", lake, "--seconds", 7200, "--seed", 9
    )
    assert other.exit_code == 2


def test_the_card_says_what_it_was_made_of(preset: Path) -> None:
    made = load(preset)
    assert (made.name, made.card["days"], made.card["calibrated"]) == (
        "two",
        list(DATES[:2]),
        "2026-01-01",
    )
    assert "window_s" not in made.card


@pytest.mark.long
def test_a_score_has_its_shape(preset: Path, lake: Path, tmp_path: Path) -> None:
    result = score(
        preset, lake, "--date", DATES[2], "--out", tmp_path / "report", "--write", "--json"
    )
    assert result.exit_code == 0, result.stderr
    card = json.loads(result.stdout)
    assert {
        "model", "calibrated_on", "scored_on", "distances", "mean_l1", "floor_mean_l1", "pooled_floor_mean_l1", "gates",
        "classifier_auc", "classifier_auc_real", "impact",
    } <= set(card)  # fmt: skip
    assert (card["model"], card["calibrated_on"], card["scored_on"]) == (
        "santa_fe",
        list(DATES[:2]),
        [DATES[2]],
    )
    assert all(
        set(row) == {"l1", "wasserstein", "floor_l1", "pooled_floor_l1"}
        for row in card["distances"].values()
    )
    assert all(set(gate) == {"value", "real", "passed"} for gate in card["gates"].values())
    assert set(card["impact"]) == {
        "exponent_size", "exponent_participation", "exponent_time", "level_2T", "level_3T",
    }  # fmt: skip
    assert card["mean_l1"] < 0.12  # calibrated on its own kind
    assert card["mean_l1"] < 1.6 * card["floor_mean_l1"]
    assert card["classifier_auc"] == pytest.approx(0.5, abs=0.2)
    assert not card["judged"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 5
    assert "ofi r2 10s" in page
    assert all(
        set(row) == {"real", "ci_low", "ci_high", "floor", "train", "bar", "value", "passed"}
        for row in card["dynamics"].values()
    )
    assert card["interleaved_mean_l1"] < 1.6 * card["interleaved_floor_mean_l1"]
    kept = load(preset).card["scores"]
    assert kept["mean_l1"] == pytest.approx(card["mean_l1"], rel=1e-3)
    assert len(json.dumps(kept)) < 6000


def test_a_preset_with_its_tape_is_scored_without_a_lake(
    preset: Path, lake: Path, tmp_path: Path
) -> None:
    file = tmp_path / "travels.json"
    file.write_text(preset.read_text(encoding="utf-8"), encoding="utf-8")
    there = score(file, lake, "--date", DATES[2], "--no-classifier", "--write", "--json")
    here = tercel("market", "score", file, "--seeds", 1, "--json")
    assert here.exit_code == 0, here.stderr
    told, again = json.loads(there.stdout), json.loads(here.stdout)
    assert again["mean_l1"] == told["mean_l1"]
    assert again["classifier_auc"] is None
    assert again["scored_on"] == [DATES[2]]
    assert "the classifier need the days" in tercel("market", "score", file, "--seeds", 1).stderr
    for words, says in (
        (("csco-santa-fe",), "no tape on the card"),
        ((file, "--date", DATES[2]), "without it"),
        ((file, "--lake", lake), "name the days"),
        ((file, "--write"), "without it"),
        ((file, "--by", "lob-bench", "--peers", tmp_path), "LOB-Bench's own code"),
    ):
        refused = tercel("market", "score", *words)
        assert refused.exit_code == 2
        assert says in refused.stderr


def test_a_score_as_tables(preset: Path, lake: Path) -> None:
    result = score(preset, lake, "--date", DATES[2], "--no-classifier")
    assert result.exit_code == 0, result.stderr
    assert "mean of 14" in result.stdout
    assert "gates" in result.stdout


def test_a_stretch_is_calibrated_and_the_next_one_scored(lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    common = ("--lake", lake, "--symbol", "CSCO", "--date", DATES[0])
    result = tercel(
        "market", "calibrate", *common, "--to", "10:45", "--model", "santa_fe", "--out", path
    )
    assert result.exit_code == 0, result.stderr
    assert load(path).card["window_s"] == [900.0, 4500.0]
    seen = score(path, lake, "--date", DATES[0], "--no-classifier", "--json")
    assert seen.exit_code == 2
    assert "was not calibrated on" in json.loads(seen.stdout)["error"]["expected"]
    rest = score(path, lake, "--date", DATES[0], "--from", "10:45", "--no-classifier", "--json")
    assert rest.exit_code == 0, rest.stderr
    card = json.loads(rest.stdout)
    assert card["calibrated_on"] == [f"{DATES[0]} [900 to 4500 s]"]
    assert card["floor_mean_l1"] == pytest.approx(card["pooled_floor_mean_l1"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--date", DATES[0]), "was not calibrated on"),
        (("--date", "2031-01-02"), "2031-01-02"),
        (("--date", DATES[2], "--from", "11:29"), "market orders to score on"),
        (("--date", DATES[2], "--from", "12:29"), "stretch"),
        (("--date", DATES[2], "--from", "noon"), "time of day"),
        (("--date", f"{DATES[2]},{DATES[2]}"), "each day once"),
        (("--date", DATES[2], "--symbol", "NONE"), "NONE"),
    ],
)
def test_what_cannot_be_scored_is_told(preset: Path, lake: Path, words, told: str) -> None:
    result = score(preset, lake, "--no-classifier", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_files_of_another_version_or_model_are_told(
    preset: Path, lake: Path, tmp_path: Path
) -> None:
    raw = json.loads(preset.read_text(encoding="utf-8"))
    path = tmp_path / "other.json"
    for change in ({"model": "of_the_future"}, {"a_field_of_the_future": 1}, {"market_rate": -1.0}):
        path.write_text(json.dumps({**raw, **change}), encoding="utf-8")
        result = score(path, lake, "--date", DATES[2])
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr
    assert score("csco-santa-fe", lake, "--date", DATES[2], "--write").exit_code == 2
    words = ("--lake", lake, "--symbol", "CSCO", "--date", DATES[0], "--out", path)
    assert tercel("market", "calibrate", *words, "--model", "crystal_ball").exit_code == 2


def test_the_list_of_markets(preset: Path) -> None:
    result = tercel("market", "list", "--json")
    rows = json.loads(result.stdout)["presets"]
    assert {"csco-santa-fe", "amzn-santa-fe"} <= {row["name"] for row in rows}
    assert all({"name", "model", "calibrated_on", "judged", "scores"} <= set(row) for row in rows)
    assert "csco-santa-fe" in tercel("market", "list").stdout


def test_a_short_session_is_calibrated_whole_and_venues_are_told_apart(tmp_path: Path) -> None:
    lake, path = tmp_path / "lake", tmp_path / "short.json"
    assert (
        tercel("market", "simulate", "csco-santa-fe", "--out", lake, "--seconds", 3600).exit_code
        == 0
    )
    instrument, events = Lake(lake).read("CSCO", DATES[0])
    Lake(lake).write(replace(instrument, venue="OTHER"), events)
    words = (
        "market",
        "calibrate",
        "--lake",
        lake,
        "--symbol",
        "CSCO",
        "--date",
        DATES[0],
        "--model",
        "santa_fe",
    )
    assert tercel(*words, "--out", path).exit_code == 2
    result = tercel(*words, "--out", path, "--venue", "OTHER", "--to", "10:00")
    assert result.exit_code == 0, result.stderr
    assert tercel(*words, "--out", path, "--venue", "OTHER").exit_code == 0
    assert load(path).venue == "OTHER"
    told = score(path, lake, "--date", DATES[0], "--seen", "--no-classifier", "--json")
    assert told.exit_code == 0, told.stderr
