"""`tercel market fills` as typed: one object on stdout in its shape, a page, a table, clear refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studies.commands.market_fills import head, sentences, table
from studies.fills import fill_comparison
from studies.fills.fill_comparison import SIMULATED_DAYS, WORDS, card, measured_rows, study
from studies.fills.lobster_write import as_shown
from tercel.cli import app
from tercel.core.serialization import json_text
from tercel.market.flow.registry import load
from tercel.market.score.scored_days import Day
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.schema import ROLL_IN

SYMBOL = ("--symbol", "SIM", "--venue", "TEST", "--days", "2")


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, ["market", "fills", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fills") / "lake"
    simulated_lake(folder, 1.0, DAYS[:2])
    return folder


@pytest.mark.long
def test_one_object_and_a_page(lake: Path, tmp_path: Path) -> None:
    words = (
        "csco-santa-fe",
        "--lake",
        lake,
        *SYMBOL,
        "--date",
        DAYS[0],
        "--date",
        DAYS[1],
        "--out",
        tmp_path / "page",
    )
    result = tercel(*words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["waits_s"] == [10, 30, 100, 300, 900]
    assert [set(one) for one in found["real"]] == [{"share", "ci_low", "ci_high"}] * 5
    for key in ("real_floor", "simulated"):
        assert [type(one) for one in found[key]] == [float] * 5
    assert set(found["mark_outs"]) == {"1", "10", "60", "300"}
    assert set(found["ofi_r2"]) == {"10", "60"}
    for one in (*found["mark_outs"].values(), *found["ofi_r2"].values(), *found["moves"].values()):
        assert set(one) == {"real", "simulated"}
    assert found["hidden_share"] == {"real": 0.0, "simulated": 0.0}
    assert (found["days"], found["clusters"], found["simulated_days"]) == (
        list(DAYS[:2]),
        "days",
        2,
    )
    assert {gate["name"] for gate in found["gates"]} == set(WORDS)
    assert {"name", "real", "simulated", "floor", "passed"} <= set(found["gates"][0])
    for key, share in zip(found["waits_s"], found["real"], strict=True):
        assert found["figures"][f"filled_{key}s"]["real"] == share["share"]
    assert json.loads((tmp_path / "page" / "fills.json").read_text()) == found
    assert (tmp_path / "page" / "fills.html").read_text().count("<figure id") == 4
    assert found["carried"] is None or found["carried"]["judged_on"] == [DAYS[1]]


@pytest.mark.long
def test_the_tape_is_told_by_month(lake: Path) -> None:
    days = [Day(*Lake(lake).read("SIM", date)) for date in DAYS[:2]]
    later = Day(replace(days[1].instrument, date="2031-02-03"), days[1].events)
    both, alone = (
        study(load("csco-santa-fe"), some, 1, 9) for some in ([days[0], later], days[:1])
    )
    assert alone.months == {}
    assert set(both.months) == set(both.figures) | set(both.moves)
    for name, one in both.months.items():
        if "place" in name or "size" in name:  # by the queues of all days
            continue
        mine = alone.figures[name].real if name in alone.figures else alone.moves[name]["real"]
        assert list(one) == [days[0].instrument.date[:7], "2031-02"]
        assert one[days[0].instrument.date[:7]] == pytest.approx(mine, nan_ok=True)
    assert {len(row) for row in table(both)} == {len(head(both))} == {7}
    assert {len(row) for row in table(alone)} == {len(head(alone))} == {6}


def test_the_market_that_made_the_tape_fills_as_the_tape_does(lake: Path) -> None:
    days = [Day(*Lake(lake).read("SIM", date)) for date in DAYS[:2]]
    found = study(load("csco-santa-fe"), days, 3, 9)
    assert json_text(card(found)) == json_text(card(study(load("csco-santa-fe"), days, 3, 9)))
    gates = {gate.name: gate for gate in found.gates}
    for wait in (10, 30, 100):
        assert abs(gates[f"filled_{wait}s"].simulated - gates[f"filled_{wait}s"].real) < 0.05
    assert len(sentences(found)) <= 5
    assert found.units == "interleaved half hours (fewer than 5 days: 2)"
    assert set(found.ceilings) == set(gates)
    checks = found.rows[0]
    assert (checks.simulated, checks.recorded) == (sum(gate.passed for gate in found.gates), 19)
    assert checks.ceiling == pytest.approx(sum(one.passed for one in found.ceilings.values()))
    assert len(found.rows) == 20
    assert [row[-2] for row in table(found)][:19] == [
        "yes" if gate.passed else "NO" for gate in found.gates
    ]


def test_a_card_keeps_what_its_market_teaches(lake: Path, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    file = tmp_path / "mine.json"
    made = load("csco-santa-fe")
    made.model_copy(update={"card": {**made.card, "teaches": None}}).save(file)
    result = tercel(
        file, "--lake", lake, *SYMBOL, "--date", f"{DAYS[0]},{DAYS[1]}", "--write", "--json"
    )
    assert result.exit_code == 0, result.output
    found, kept = json.loads(result.stdout), load(file).card["teaches"]
    assert load(file).fingerprint == made.fingerprint
    assert (kept["symbol"], kept["days"], kept["simulated_days"], kept["seed"]) == (
        "SIM",
        list(DAYS[:2]),
        2,
        1,
    )
    assert kept["filled"]["30"]["tape"] == pytest.approx(found["real"][1]["share"], rel=1e-3)
    assert kept["filled"]["900"]["simulated"] == pytest.approx(found["simulated"][4], rel=1e-3)
    assert kept["markouts_bps"]["60"]["tape"] == pytest.approx(
        found["mark_outs"]["60"]["real"], rel=1e-3
    )
    assert set(found["carried"]) == {"carry", "learned_on", "judged_on", "horizons"}
    assert set(found["carried"]["horizons"]["30"]) == {
        "tape",
        "simulated",
        "carry",
        "ci_low",
        "ci_high",
    }
    assert [row["measure"] for row in kept["rows"]][:2] == [
        "fills: checks passed",
        "fills: filled in 10 s",
    ]
    assert (kept["carry"], kept["judged_on"]) == (found["carry"], [DAYS[1]])
    assert (
        tercel("csco-santa-fe", "--lake", lake, *SYMBOL, "--date", DAYS[0], "--write").exit_code
        == 2
    )


@pytest.mark.long
def test_cards_print_fills_markouts_and_carry() -> None:
    listed = {
        one["name"]: one
        for one in json.loads(CliRunner().invoke(app, ["market", "list", "--json"]).stdout)[
            "presets"
        ]
    }
    assert listed["cw-flow"]["teaches"] is None
    assert listed["clx5"]["teaches"] is None
    assert listed["amzn"]["teaches"]["horizons"]["10"]["ci_low"] is None, "one day has no interval"
    for name in ("ibm", "amzn", "goog"):
        assert 0.4 < listed[name]["scores"]["impact"]["exponent_size"]["mean"] < 0.7
        assert listed[name]["scores"]["impact"]["level_3T"]["mean"] < 1.0, "it decays"
    assert listed["ibm"]["teaches"]["carry"] >= 0.5 > listed["ibm-santa-fe"]["teaches"]["carry"]
    printed = CliRunner().invoke(app, ["market", "list"]).stdout
    assert "what they teach" in printed
    taught = printed.split("what they teach")[1]
    assert "ibm-hawkes" in taught
    assert "clx5" not in taught, "no row without a figure"
    scored = CliRunner().invoke(app, ["market", "score", "ibm-hawkes", "--seeds", "1"])
    assert "fills: filled in 30 s" in scored.stdout
    assert "below 0.5: no policy reads forecasts that are learned in it" in scored.stderr.replace(
        "\n", " "
    )


def test_a_score_has_the_fills_of_the_days_scored_on(lake: Path) -> None:
    """As `market fills` finds them; of a stretch its half hours."""
    preset = load("csco-santa-fe")
    days = [Day(*Lake(lake).read("SIM", date)) for date in DAYS[:2]]
    rows = measured_rows(preset, days[:1], days)
    found = study(preset, days[:1], SIMULATED_DAYS, 1)
    assert [(row.simulated, row.recorded) for row in rows] == [
        (row.simulated, row.recorded) for row in found.rows
    ]
    assert rows[0].ceiling != found.rows[0].ceiling, "that is of both days"
    part = measured_rows(preset, [replace(days[0], from_s=1800.0)], [])
    assert len(part) == len(rows)
    assert part[1].recorded != rows[1].recorded
    assert {row.ceiling for row in part} == {None}, "one half hour has no other"
    assert measured_rows(preset, [replace(days[0], from_s=1900.0)], []) == []
    words = (
        "score",
        preset.name,
        "--symbol",
        "SIM",
        "--venue",
        "TEST",
        "--lake",
        lake,
        "--seeds",
        1,
    )
    typed = (*words, "--date", DAYS[0], "--no-classifier", "--json")
    result = CliRunner().invoke(app, ["market", *(str(word) for word in typed)])
    assert result.exit_code == 0, result.output
    card = {row["measure"]: row for row in json.loads(result.stdout)["rows"]}
    assert card["fills: checks passed"]["simulated"] == rows[0].simulated


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--date", "2003-02-30"], "calendar"),
        (["--date", "2003-02-03"], "import it first"),
        (["--date", DAYS[0], "--date", DAYS[0]], "each day once"),
        (["--date", ""], "at least one day"),
    ],
)
def test_refusals(lake: Path, options: list[str], says: str) -> None:
    result = tercel("csco-santa-fe", "--lake", lake, *SYMBOL, *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_simulated_day_is_read_with_the_levels_of_the_tape(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = [Lake(lake).read("SIM", date) for date in DAYS[:2]]
    seen: list[int] = []

    def noted(instrument: Instrument, events: Events, levels: int) -> tuple[Instrument, Events]:
        cut = as_shown(instrument, events, levels)
        assert (cut[1].kind == ROLL_IN).any()
        seen.append(levels)
        return cut

    monkeypatch.setattr(fill_comparison, "as_shown", noted)
    study(load("csco-santa-fe"), [Day(*day) for day in tape], 1, 9)
    assert seen == [], "the tape shows all"
    study(
        load("csco-santa-fe"),
        [Day(*as_shown(*day, levels)) for day, levels in zip(tape, (3, 2), strict=True)],
        1,
        9,
    )
    assert seen == [2]
