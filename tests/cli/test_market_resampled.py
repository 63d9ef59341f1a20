"""A market of resampled days as typed: made of a lake, scored by every market's gates, worked in, judged for leaks."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result
from tests.policies import PPO
from typer.testing import CliRunner

from studies.fills.lobster_write import as_shown
from tercel.cli import app
from tercel.execution.foresight.forecaster import shipped
from tercel.execution.market import Market
from tercel.execution.policies.policy import load_policy, save_policy
from tercel.execution.task import Task
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.pipeline.leaks import SeenDays, judged_days
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.market import acting_in, markets_of
from tercel.lab.learning.agent.training import Training
from tercel.market.flow import resampled
from tercel.market.flow.preset import load
from tercel.market.simulator.days import simulated_lake
from tercel.market.simulator.layout import REPLAY
from tercel.market.tape import Lake
from tercel.market.tape.schema import ROLL_IN, ROLL_OUT

DAYS = ("2003-01-13", "2003-01-14", "2003-01-15")


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_lake(tmp_path_factory.mktemp("lake"), 0.6, DAYS).root


@pytest.fixture(scope="module")
def preset(lake: Path) -> Path:
    out = lake.parent / "mine.json"
    words = (
        "--lake",
        lake,
        "--symbol",
        "SIM",
        "--date",
        ",".join(DAYS[:2]),
        "--model",
        "resampled",
    )
    result = tercel("market", "calibrate", *words, "--out", out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resampled, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(resampled.ResampledPreset.written, "__defaults__", (3,))


def test_its_days_are_tape_like_any_other(preset: Path, tmp_path: Path) -> None:
    words = ("market", "simulate", preset, "--out", tmp_path, "--days", 2, "--seed", 4, "--json")
    found = json.loads(tercel(*words).stdout)
    assert found["model"] == "resampled"
    assert [row["outcome"] for row in found["days"]] == ["written", "written"]
    instrument, events = Lake(tmp_path).read("SIM", found["days"][0]["date"])
    again = load(preset).recorded(found["days"][0]["date"], 4)
    assert again[1] == events
    assert instrument.extra["resampled_of"] == list(DAYS[:2])
    refused = tercel(*words[:5], "--days", 1, "--regimes", "chain")
    assert refused.exit_code == 2
    assert "leave them out" in refused.output


@pytest.mark.long
def test_it_is_scored_by_the_gates_of_every_market(preset: Path, lake: Path) -> None:
    about = ("--lake", lake, "--symbol", "SIM", "--venue", "TEST")
    scored = tercel(
        "market", "score", preset, *about, "--date", DAYS[2], "--no-classifier", "--json"
    )
    assert scored.exit_code == 0, scored.output
    gates = json.loads(scored.stdout)["gates"]
    assert gates["mean_spread"]["passed"]
    filled = tercel("market", "fills", preset, *about, "--date", DAYS[2], "--days", 2, "--json")
    assert filled.exit_code == 0, filled.output
    assert json.loads(filled.stdout)["preset"] == "mine"
    seen = tercel("market", "score", preset, *about, "--date", DAYS[0])
    assert seen.exit_code == 2, "days that it is made of"


@pytest.mark.long
@pytest.mark.usefixtures("few")
def test_orders_are_worked_on_days_that_are_written_once(preset: Path) -> None:
    market = Market(str(preset))
    assert (market.preset, market.symbol, market.on_tape) == ("", "SIM", True)
    days = Lake(Path(market.lake)).days("SIM")
    assert len(days) == 3
    before = {path: path.stat().st_mtime_ns for path in Path(market.lake).rglob("*.parquet")}
    assert Market(str(preset)) == market
    assert {
        path: path.stat().st_mtime_ns for path in Path(market.lake).rglob("*.parquet")
    } == before
    result = tercel(
        "agent",
        "evaluate",
        "twap_repeg",
        "--market",
        preset,
        "--against",
        "twap_take",
        "--horizon",
        "5min",
        "--json",
    )
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("few")
def test_who_learned_from_the_days_that_it_is_made_of_has_seen_them(preset: Path) -> None:
    settings = Scenario(Market(str(preset)), Task(horizon_s=300.0))
    judged = judged_days(settings)
    assert judged.made_of == DAYS[1:2], "the earlier days are learned on"
    assert str(judged) == f"SIM, {judged.days[0]}, simulated days made of {DAYS[1]} to {DAYS[1]}"
    assert judged.overlaps(
        SeenDays("SIM", DAYS[0], DAYS[1], float("inf"), 1.0, "was trained on these")
    )
    assert not judged.overlaps(
        SeenDays("SIM", DAYS[2], DAYS[2], float("inf"), 1.0, "was trained on another")
    )
    built = build_market(settings, quick=True)
    assert str(built.facts["trained on"]).endswith(f"made of {DAYS[0]} to {DAYS[0]}"), (
        "cards say it, and are read"
    )
    assert (
        built.notes[1]
        == f"Days are simulated, made of {DAYS[1]} to {DAYS[1]}, 1 in all: no word on others."
    )


@pytest.mark.usefixtures("few")
def test_no_hour_is_learned_on_and_judged_and_other_days_are_written_anew(
    preset: Path, tmp_path: Path
) -> None:
    made = load(preset)
    three = made.model_copy(update={"card": {**made.card, "days": list(DAYS)}})
    assert three.mark == made.mark
    assert three.written() != made.written(), "the same market of other days is another"
    three.save(tmp_path / "three.json")
    turned = made.model_copy(update={"card": {**made.card, "days": list(reversed(DAYS))}})
    assert turned.written() == three.written(), (
        "the earlier days are learned on, however they were named"
    )
    settings = Scenario(Market(str(tmp_path / "three.json")), Task(horizon_s=300.0))
    assert judged_days(settings).made_of == DAYS[2:]
    built = build_market(settings, quick=True)
    assert str(built.facts["trained on"]).endswith(f"made of {DAYS[0]} to {DAYS[1]}")
    (tmp_path / "none.json").write_text(
        (tmp_path / "three.json").read_text().replace('"days": [', '"no_days": [', 1)
    )
    assert (
        "at least one day to resample"
        in tercel("market", "simulate", tmp_path / "none.json", "--out", tmp_path).output
    )


def test_whoever_reads_its_days_reads_the_days_behind_them(preset: Path, tmp_path: Path) -> None:
    words = ("market", "simulate", preset, "--out", tmp_path / "lake", "--days", 1)
    assert tercel(*words).exit_code == 0
    lake = Lake(tmp_path / "lake")
    (date,) = lake.days("SIM")
    assert lake.behind("SIM", [date]) == list(DAYS[:2])
    one = Market(lake=str(lake.root), symbol="SIM")
    for task in (Task(horizon_s=300.0), Task(horizon_s=300.0, start="09:50")):
        judged = judged_days(Scenario(one, task))
        assert judged.overlaps(
            SeenDays("SIM", DAYS[0], DAYS[0], float("inf"), 1.0, "was trained on it")
        )
    again = ("market", "calibrate", "--lake", lake.root, "--symbol", "SIM", "--date", date)
    flow = tercel(*again, "--model", "santa_fe", "--to", "10:05", "--out", tmp_path / "flow.json")
    assert flow.exit_code == 0, flow.output
    assert load(tmp_path / "flow.json").card["days"] == [date, *DAYS[:2]]
    refused = tercel(*again, "--model", "resampled", "--out", tmp_path / "twice.json")
    assert refused.exit_code == 2
    assert "which is made of others" in refused.output


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", "--symbol", "FOO"),
        ("simulate", "--seconds", "600"),
        ("calibrate", "--lot", "10"),
        ("calibrate", "--from", "10:00"),
    ],
)
def test_what_would_have_no_effect_is_refused(
    words: tuple[str, ...], preset: Path, lake: Path, tmp_path: Path
) -> None:
    about = (preset, "--out", tmp_path / "lake")
    if words[0] == "calibrate":
        about = (
            "--lake",
            lake,
            "--symbol",
            "SIM",
            "--date",
            DAYS[0],
            "--model",
            "resampled",
            "--out",
            tmp_path / "x.json",
        )
    result = tercel("market", words[0], *about, *words[1:])
    assert result.exit_code == 2
    assert "leave" in result.output
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def near_the_touch(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One day of five levels a side, and one of four."""
    folder = tmp_path_factory.mktemp("levels")
    for date, levels in zip(DAYS, (5, 4), strict=False):
        Lake(folder).write(*as_shown(*Lake(lake).read("SIM", date), levels))
    return folder


@pytest.mark.usefixtures("few")
def test_a_part_of_one_day_of_five_levels_is_a_market(near_the_touch: Path, tmp_path: Path) -> None:
    out, about = (
        tmp_path / "five.json",
        ("--lake", near_the_touch, "--symbol", "SIM", "--model", "resampled"),
    )
    result = tercel("market", "calibrate", *about, "--date", DAYS[0], "--to", "10:05", "--out", out)
    assert result.exit_code == 0, result.output
    proposed = f"tercel market score {out} --lake {near_the_touch} --date {DAYS[0]} --from 10:05"
    assert proposed in " ".join(result.output.split())
    day, made = load(out).recorded("2030-01-02", 1)
    assert (day.levels, day.session_close_ns - day.session_open_ns) == (0, round(0.6 * 3600e9))
    assert not set(made.kind.tolist()) & {ROLL_IN, ROLL_OUT}
    judged = judged_days(Scenario(Market(str(out)), Task(horizon_s=300.0)))
    assert judged.made_of == DAYS[:1]
    built = build_market(Scenario(Market(str(out)), Task(horizon_s=300.0)), quick=True)
    assert (
        built.notes[1]
        == f"Days are simulated, made of {DAYS[0]} to {DAYS[0]}, 1 in all, trained on too: no word on others."
    )
    run = tercel("run", "--market", out, "--quick", "--out", tmp_path / "run")
    assert run.exit_code == 2
    assert f"simulated days of SIM that are all resampled from {DAYS[0]} to go on" in " ".join(
        run.output.split()
    )
    assert not (tmp_path / "run").exists(), "before anything is trained"
    assert "or evaluate rule-based strategies in it: docs/tutorials/first_run.md" in " ".join(
        run.output.split()
    )
    longer = load(out).model_copy(update={"card": {**load(out).card, "window_s": [900.0, 2130.0]}})
    assert longer.written() != load(out).written(), "the same day to another hour is another market"
    about = (*about[:-1], "santa_fe", "--out", out)
    told = tercel("market", "calibrate", *about, "--date", DAYS[0]).output
    assert f"--date {DAYS[1]}" in " ".join(told.split()), "the day that is left"
    told = " ".join(
        tercel("market", "calibrate", *about, "--date", ",".join(DAYS[:2])).output.split()
    )
    assert (
        "no day is left to score it on: calibrate again with --to 09:48, then score with --from 09:48"
        in told
    )
    about = (*about[:-3], "resampled", "--out", tmp_path / "four.json")
    refused = tercel("market", "calibrate", *about, "--date", DAYS[1])
    assert refused.exit_code == 2
    assert "--model queue_reactive" in refused.output


def test_a_lake_that_is_gone_is_said(preset: Path, lake: Path, tmp_path: Path) -> None:
    moved = load(preset).model_copy(update={"lake": str(tmp_path / "gone")})
    moved.save(tmp_path / "moved.json")
    result = tercel("market", "simulate", tmp_path / "moved.json", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("few")
def test_agents_learn_in_it_beside_others_and_their_card_says_whose_days_they_saw(
    preset: Path, tmp_path: Path
) -> None:
    of_three = load(preset).model_copy(update={"card": {**load(preset).card, "days": list(DAYS)}})
    of_three.save(preset := tmp_path / "three.json")
    raw = {
        "market": {"presets": [str(preset), "csco-santa-fe"]},
        "task": {"horizon_s": 120.0},
        "policy": {"base": "popv"},
    }
    config = parse({**raw, "validation": {"episodes": 16}}, "mine.toml")
    made, other = markets_of(config)
    assert (made.name, other.name) == ("SIM resampled", "csco-santa-fe")
    assert made.training.model == REPLAY
    assert len(made.plan) == 16
    assert acting_in(config)[0].model == REPLAY
    text = str(made.facts["trained on"])
    assert text.endswith(f"made of {DAYS[0]} to {DAYS[1]}")
    policy, card = load_policy(PPO)
    seen = {"markets": [made.name, other.name], "trained on": {"SIM": text}}
    save_policy(tmp_path / "p", policy, replace(card, trained_on=seen))
    about = (
        "agent",
        "evaluate",
        tmp_path / "p",
        "--tape",
        Path(load(preset).lake),
        "--symbol",
        "SIM",
        "--date",
        DAYS[1],
    )
    refused = tercel(*about, "--against", "twap_take")
    assert refused.exit_code == 2
    assert "was trained on" in refused.output


def test_a_forecaster_says_the_days_behind_the_days_that_it_saw() -> None:
    model = shipped()
    about = {"IBM": {"days": ["2030-01-02"], "made_of": ["2003-01-13", "2003-01-14"]}}
    told = replace(model, card={**model.card, "symbols": about})
    assert told.seen == {"IBM": ["2003-01-13", "2003-01-14", "2030-01-02"]}


def test_a_card_says_the_days_of_every_market_of_a_symbol() -> None:
    markets = [
        SimpleNamespace(name="a", facts={"symbol": "IBM", "trained on": one})
        for one in ("first", "second")
    ]
    laws = SimpleNamespace(market=SimpleNamespace(laws=("",)))
    training = SimpleNamespace(markets=markets, config=laws, seed=1, _names=["a"])
    assert Training.trained_on.fget(training)["trained on"] == {"IBM": ["first", "second"]}
