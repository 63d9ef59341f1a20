"""A market of resampled days as typed: made of a lake, scored by every market's gates, worked in, judged for leaks."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.command import done, refused, tercel
from tests.policies import PPO

from studies.fills.lobster_write import as_shown
from tercel.execution.market import Market, make_market
from tercel.execution.policies.folder import load_policy, save_policy
from tercel.execution.task import Task
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.pipeline.leaks import SeenDays, judged_days
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.market import build_training_markets, first_training_market
from tercel.lab.learning.agent.training import Training
from tercel.market.flow import resampled
from tercel.market.flow.registry import load
from tercel.market.simulator.days import simulated_lake
from tercel.market.simulator.layout import REPLAY
from tercel.market.tape import Lake
from tercel.market.tape.schema import ROLL_IN, ROLL_OUT

DAYS = ("2003-01-13", "2003-01-14", "2003-01-15")
CALIBRATE = ("market", "calibrate", "--symbol", "SIM", "--lake")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_lake(tmp_path_factory.mktemp("lake"), 0.6, DAYS).root


@pytest.fixture(scope="module")
def preset(lake: Path) -> Path:
    out = lake.parent / "mine.json"
    done(*CALIBRATE, lake, "--date", ",".join(DAYS[:2]), "--model", "resampled", "--out", out)
    return out


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resampled, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(resampled.ResampledPreset.write_days, "__defaults__", (3,))


def order_in(preset: Path) -> Scenario:
    return Scenario(make_market(str(preset)), Task(horizon_s=300.0))


def seen(first: str, last: str) -> SeenDays:
    return SeenDays("SIM", first, last, float("inf"), 1.0, "was trained on these")


@pytest.mark.long
def test_it_is_scored_by_the_gates_of_every_market(preset: Path, lake: Path) -> None:
    about = (preset, "--lake", lake, "--symbol", "SIM", "--venue", "TEST", "--date")
    scored = done("market", "score", *about, DAYS[2], "--no-classifier")
    assert scored["gates"]["mean_spread"]["passed"]
    assert done("market", "fills", *about, DAYS[2], "--days", 2)["preset"] == "mine"
    refused(tercel("market", "score", *about, DAYS[0]))  # days that it is made of


@pytest.mark.long
@pytest.mark.usefixtures("few")
def test_orders_are_worked_on_days_that_are_written_once(preset: Path) -> None:
    market = make_market(str(preset))
    assert (market.preset, market.symbol, market.on_tape) == ("", "SIM", True)
    assert len(Lake(Path(market.lake)).days("SIM")) == 3
    files = list(Path(market.lake).rglob("*.parquet"))
    before = [path.stat().st_mtime_ns for path in files]
    assert make_market(str(preset)) == market
    assert [path.stat().st_mtime_ns for path in files] == before
    about = ("--market", preset, "--against", "twap_take", "--horizon", "5min")
    done("agent", "evaluate", "twap_repeg", *about)


@pytest.mark.usefixtures("few")
def test_who_learned_from_the_days_that_it_is_made_of_has_seen_them(preset: Path) -> None:
    settings = order_in(preset)
    judged = judged_days(settings)
    assert judged.made_of == DAYS[1:2], "the earlier days are learned on"
    assert str(judged) == f"SIM, {judged.days[0]}, simulated days made of {DAYS[1]} to {DAYS[1]}"
    assert judged.overlaps(seen(DAYS[0], DAYS[1]))
    assert not judged.overlaps(seen(DAYS[2], DAYS[2]))
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
    three, turned = (
        made.model_copy(update={"card": {**made.card, "days": days}})
        for days in (list(DAYS), list(reversed(DAYS)))
    )
    assert three.fingerprint == made.fingerprint
    assert three.write_days() != made.write_days(), "the same market of other days is another"
    three.save(tmp_path / "three.json")
    assert turned.write_days() == three.write_days(), (
        "the earlier days are learned on, however they were named"
    )
    settings = order_in(tmp_path / "three.json")
    assert judged_days(settings).made_of == DAYS[2:]
    built = build_market(settings, quick=True)
    assert str(built.facts["trained on"]).endswith(f"made of {DAYS[0]} to {DAYS[1]}")
    (tmp_path / "none.json").write_text(
        (tmp_path / "three.json").read_text().replace('"days": [', '"no_days": [', 1)
    )
    made.model_copy(update={"lake": str(tmp_path / "gone")}).save(tmp_path / "moved.json")
    for name, said in (("none", "at least one day to resample"), ("moved", "gone")):
        words = ("market", "simulate", tmp_path / f"{name}.json", "--out", tmp_path / "lake")
        refused(tercel(*words), said)


def test_its_days_are_tape_and_who_reads_them_reads_the_days_behind_them(
    preset: Path, tmp_path: Path
) -> None:
    words = ("market", "simulate", preset, "--out", tmp_path / "lake", "--days", 1)
    found = done(*words, "--seed", 4)
    assert (found["model"], found["days"][0]["outcome"]) == ("resampled", "written")
    lake = Lake(tmp_path / "lake")
    (date,) = lake.days("SIM")
    instrument, events = lake.read("SIM", date)
    assert load(preset).make_tape_day(date, 4)[1] == events
    assert instrument.extra["resampled_of"] == lake.real_dates("SIM", [date]) == list(DAYS[:2])
    refused(tercel(*words, "--regimes", "chain"), "leave them out")
    one = Market(lake=str(lake.root), symbol="SIM")
    for start in ("", "09:50"):
        judged = judged_days(Scenario(one, Task(horizon_s=300.0, start=start)))
        assert judged.overlaps(seen(DAYS[0], DAYS[0]))
    again = (*CALIBRATE, lake.root, "--date", date, "--model")
    done(*again, "santa_fe", "--to", "10:05", "--out", tmp_path / "flow.json")
    assert load(tmp_path / "flow.json").card["days"] == [date, *DAYS[:2]]
    twice = tercel(*again, "resampled", "--out", tmp_path / "twice.json")
    refused(twice, "which is made of others")


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
    about = {
        "simulate": ("market", "simulate", preset),
        "calibrate": (*CALIBRATE, lake, "--date", DAYS[0], "--model", "resampled"),
    }[words[0]]
    refused(tercel(*about, "--out", tmp_path / "x.json", *words[1:]), "leave")
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
    out, about = tmp_path / "five.json", (*CALIBRATE, near_the_touch, "--date")
    five = ("--model", "resampled", "--out", out)
    result = tercel(*about, DAYS[0], "--to", "10:05", *five)
    assert result.exit_code == 0, result.output
    proposed = f"tercel market score {out} --lake {near_the_touch} --date {DAYS[0]} --from 10:05"
    assert proposed in " ".join(result.output.split())
    made = load(out)
    day, events = made.make_tape_day("2030-01-02", 1)
    assert (day.levels, day.session_close_ns - day.session_open_ns) == (0, round(0.6 * 3600e9))
    assert not set(events.kind.tolist()) & {ROLL_IN, ROLL_OUT}
    assert judged_days(order_in(out)).made_of == DAYS[:1]
    assert (
        build_market(order_in(out), quick=True).notes[1]
        == f"Days are simulated, made of {DAYS[0]} to {DAYS[0]}, 1 in all, trained on too: no word on others."
    )
    refused(
        tercel("run", "--market", out, "--quick", "--out", tmp_path / "run"),
        f"simulated days of SIM that are all resampled from {DAYS[0]} to go on",
        "or evaluate rule-based strategies in it: docs/tutorials/first_run.md",
    )
    assert not (tmp_path / "run").exists(), "before anything is trained"
    longer = made.model_copy(update={"card": {**made.card, "window_s": [900.0, 2130.0]}})
    assert longer.write_days() != made.write_days(), (
        "the same day to another hour is another market"
    )
    flow = ("--model", "santa_fe", "--out", out)
    for date, said in (
        (DAYS[0], f"--date {DAYS[1]}"),  # the day that is left
        (
            ",".join(DAYS[:2]),
            "no day is left to score it on: calibrate again with --to HH:MM, then score with --from HH:MM",
        ),
    ):
        assert said in " ".join(tercel(*about, date, *flow).output.split())
    refused(tercel(*about, DAYS[1], *five), "--model queue_reactive")


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
        "validation": {"episodes": 16},
    }
    config = parse(raw, "mine.toml")
    made, other = build_training_markets(config)
    assert (made.name, other.name) == ("SIM resampled", "csco-santa-fe")
    assert made.training.model == first_training_market(config)[0].model == REPLAY
    assert len(made.plan) == 16
    text = str(made.facts["trained on"])
    assert text.endswith(f"made of {DAYS[0]} to {DAYS[1]}")
    policy, card = load_policy(PPO)
    learned_from = {"markets": [made.name, other.name], "trained on": {"SIM": text}}
    save_policy(tmp_path / "p", policy, replace(card, trained_on=learned_from))
    tape = ("--tape", load(preset).lake, "--symbol", "SIM", "--date", DAYS[1])
    result = tercel("agent", "evaluate", tmp_path / "p", *tape, "--against", "twap_take")
    refused(result, "was trained on")


def test_a_card_says_the_days_of_every_market_of_a_symbol() -> None:
    markets = [
        SimpleNamespace(name="a", facts={"symbol": "IBM", "trained on": one})
        for one in ("first", "second")
    ]
    laws = SimpleNamespace(market=SimpleNamespace(laws=("",)))
    training = SimpleNamespace(markets=markets, config=laws, seed=1, _names=["a"])
    assert Training.trained_on.fget(training)["trained on"] == {"IBM": ["first", "second"]}
