"""`tercel market ...`: calibrate on a stretch, score on another, simulate a lake, list; and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.command import done, refused, tercel

from tercel.cli.market import show_fit
from tercel.cli.market_score_tables import lesson_cells
from tercel.core.report.cells import NOTHING
from tercel.feeds.verify import verify_alone
from tercel.market.flow import load
from tercel.market.score import calibrated
from tercel.market.score.stored_scores import FigurePair, StoredLessons
from tercel.market.tape import Lake, schema

LESSONS = StoredLessons(
    filled={"30": FigurePair(0.25, 0.5), "900": FigurePair(None, 0.75)},
    markouts_bps={"60": FigurePair(-1.0, 2.0)},
)
SIMULATE = ("market", "simulate", "csco-santa-fe", "--out")
DATES = ("2030-01-02", "2030-01-03", "2030-01-04")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic days of two hours."""
    root = tmp_path_factory.mktemp("markets") / "lake"
    days = done(*SIMULATE, root, "--days", 3, "--seconds", 7200)["days"]
    assert [day["date"] for day in days] == list(DATES)
    return root


@pytest.fixture(scope="module")
def preset(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibrated on the first two days."""
    path = tmp_path_factory.mktemp("presets") / "two.json"
    words = ("--symbol", "CSCO", "--date", ",".join(DATES[:2]), "--stamp", "2026-01-01")
    made = done("market", "calibrate", "--lake", lake, *words, "--model", "santa_fe", "--out", path)
    assert made["model"] == "santa_fe"
    card = load(path).card
    assert (card["days"], card["calibrated"]) == (list(DATES[:2]), "2026-01-01")
    assert "window_s" not in card
    return path


@pytest.mark.parametrize(
    ("lessons", "cells"),
    [
        (StoredLessons(), [""] * 7),
        (LESSONS, ["0.250 / 0.500", "", f"{NOTHING} / 0.750", "", "-1.000 / 2.000", "", ""]),
    ],
)
def test_lessons_stand_under_their_columns(lessons: StoredLessons, cells: list[str]) -> None:
    assert lesson_cells(lessons) == cells


def test_simulated_days_of_regimes_tell_the_truth_beside_the_tape(tmp_path: Path) -> None:
    words = (*SIMULATE, tmp_path / "lake", "--seconds", 1200, "--regimes")
    [day] = done(*words, "chain,season")["days"]
    times = [one["from_s"] for one in day["regimes"]]
    assert times[0] == 0
    assert times == sorted(times)
    assert verify_alone(Lake(tmp_path / "lake").check("CSCO", DATES[0])[1])["crossed"] == 0
    [day] = done(*words, "flash_crash", "--replace")["days"]
    assert [one["regime"] for one in day["regimes"]] == ["plain", "flash_crash", "plain"]
    refused(tercel(*words, "wild"))


def score(preset: object, lake: Path, *words: object) -> Result:
    return tercel("market", "score", preset, "--lake", lake, "--seeds", 1, *words)


def test_synthetic_days_are_tape_like_any_other(lake: Path) -> None:
    instrument, events = Lake(lake).check("CSCO", DATES[0])
    assert (instrument.extra["synthetic"], instrument.extra["preset"]) == (True, "csco-santa-fe")
    opening = (events.flags & schema.OPENING) != 0
    assert opening[0]
    assert set(events.exch_ns[opening]) == {instrument.session_open_ns}
    assert events.exch_ns[-1] < instrument.session_close_ns
    found = verify_alone(events)
    assert (found["unknown_ids"], found["crossed"], found["locked"]) == (0, 0, 0)
    again = done(*SIMULATE, lake, "--seconds", 7200)
    assert again["days"][0]["outcome"] == "unchanged"
    refused(tercel(*SIMULATE, lake, "--seconds", 7200, "--seed", 9))


@pytest.mark.long
def test_a_score_has_its_shape(preset: Path, lake: Path, tmp_path: Path) -> None:
    about = ("--date", DATES[2], "--out", tmp_path / "report", "--write")
    card = done("market", "score", preset, "--lake", lake, "--seeds", 1, *about)
    assert (card["model"], card["calibrated_on"], card["scored_on"]) == (
        "santa_fe",
        list(DATES[:2]),
        [DATES[2]],
    )
    assert card["mean_l1"] < 0.12  # calibrated on its own kind
    assert card["mean_l1"] < 1.6 * card["floor_mean_l1"]
    assert card["classifier_auc"] == pytest.approx(0.5, abs=0.2)
    assert not card["judged"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure id") == 5
    assert "ofi r2 10s" in page
    assert card["interleaved_mean_l1"] < 1.6 * card["interleaved_floor_mean_l1"]
    kept = load(preset).card["scores"]
    assert kept["mean_l1"] == pytest.approx(card["mean_l1"], rel=1e-3)
    assert len(json.dumps(kept)) < 18_000


def test_a_preset_with_its_tape_is_scored_without_a_lake(
    preset: Path, lake: Path, tmp_path: Path
) -> None:
    file = tmp_path / "travels.json"
    file.write_text(preset.read_text(encoding="utf-8"), encoding="utf-8")
    there = score(file, lake, "--date", DATES[2], "--no-classifier", "--write")
    assert there.exit_code == 0, there.stderr
    assert "mean of 14" in there.stdout
    again = done("market", "score", file, "--seeds", 1)
    assert "the classifier need the days" in tercel("market", "score", file, "--seeds", 1).stderr
    assert load(file).card["scores"]["mean_l1"] == pytest.approx(again["mean_l1"], rel=1e-3)
    assert again["classifier_auc"] is None
    assert again["scored_on"] == [DATES[2]]
    for words, says in (
        (("csco-santa-fe",), "no tape on the card"),
        ((file, "--date", DATES[2]), "without it"),
        ((file, "--lake", lake), "name the days"),
        ((file, "--write"), "without it"),
        ((file, "--by", "lob-bench", "--peers", tmp_path), "LOB-Bench's own code"),
    ):
        refused(tercel("market", "score", *words), says)


def test_a_stretch_is_calibrated_and_the_next_one_scored(lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    common = ("--lake", lake, "--symbol", "CSCO", "--date", DATES[0], "--model", "santa_fe")
    done("market", "calibrate", *common, "--to", "10:45", "--out", path)
    assert load(path).card["window_s"] == [900.0, 4500.0]
    words = ("market", "score", path, "--lake", lake, "--seeds", 1, "--date", DATES[0])
    refused(tercel(*words, "--no-classifier"), "was not calibrated on")
    card = done(*words, "--from", "10:45", "--no-classifier")
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
    refused(score(preset, lake, "--no-classifier", *words), told)


def test_files_of_another_version_or_model_are_told(
    preset: Path, lake: Path, tmp_path: Path
) -> None:
    raw = json.loads(preset.read_text(encoding="utf-8"))
    path = tmp_path / "other.json"
    for change in ({"model": "of_the_future"}, {"a_field_of_the_future": 1}, {"market_rate": -1.0}):
        path.write_text(json.dumps({**raw, **change}), encoding="utf-8")
        refused(score(path, lake, "--date", DATES[2]))
    refused(score("csco-santa-fe", lake, "--date", DATES[2], "--write"))
    words = ("--lake", lake, "--symbol", "CSCO", "--date", DATES[0], "--out", path)
    refused(tercel("market", "calibrate", *words, "--model", "crystal_ball"))


def test_a_fit_is_shown(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made.json"
    made = calibrated.make_preset(
        lake,
        "CSCO",
        days=DATES[:1],
        held_out=DATES[1:2],
        name="made",
        date="2026-01-01",
        simulated_days=1,
    )
    show_fit(made, out, as_json=True)
    assert json.loads(capsys.readouterr().out)["held_out_days"] == [DATES[1]]
    show_fit(made, out, as_json=False)
    told = capsys.readouterr()
    assert "held out" in told.out
    assert "made.json" in told.err.replace("\n", "")
    words = ("--lake", lake, "--symbol", "CSCO", "--days", DATES[0], "--held-out", DATES[0])
    more = ("--name", "x", "--model", "santa_fe", "--out", tmp_path / "x.json")
    refused(tercel("market", "calibrate", *words, *more), "in both")


def test_the_list_of_markets() -> None:
    rows = done("market", "list")["presets"]
    assert {"csco-santa-fe", "amzn-santa-fe"} <= {row["name"] for row in rows}
    assert "csco-santa-fe" in tercel("market", "list").stdout


def test_a_short_session_is_calibrated_whole_and_venues_are_told_apart(tmp_path: Path) -> None:
    lake, path = tmp_path / "lake", tmp_path / "short.json"
    done(*SIMULATE, lake, "--seconds", 3600)
    instrument, events = Lake(lake).read("CSCO", DATES[0])
    Lake(lake).write(replace(instrument, venue="OTHER"), events)
    common = ("--lake", lake, "--symbol", "CSCO", "--date", DATES[0], "--model", "santa_fe")
    words = ("market", "calibrate", *common, "--out", path)
    refused(tercel(*words))
    done(*words, "--venue", "OTHER", "--to", "10:00")
    done(*words, "--venue", "OTHER")
    assert load(path).venue == "OTHER"
    told = score(path, lake, "--date", DATES[0], "--seen", "--no-classifier", "--json")
    assert told.exit_code == 0, told.stderr
