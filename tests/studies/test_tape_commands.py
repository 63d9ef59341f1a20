"""Studies of a lake as typed: one object on stdout, a page, tables, clear refusals."""

import json
from pathlib import Path

import pytest
from tests.studies.typed import printed, refused
from typer.testing import CliRunner

from studies.__main__ import app
from studies.fills.causes import AS_IT_IS, states
from studies.tape.event_study_command import WORDS
from studies.tape.ingredients_command import FIGURES, TAPE, WHOLE
from tercel.market.flow import load
from tercel.market.flow.queue_reactive.calibrate import PARTS
from tercel.market.simulator.days import DAYS, simulated_lake

pytestmark = pytest.mark.release

DATES = (*DAYS, "2003-01-20", "2003-01-21")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_lake(tmp_path_factory.mktemp("studies") / "lake", 2.5, DATES).root


def test_an_event_study_and_its_page(lake: Path, tmp_path: Path) -> None:
    days = ["--date", ",".join(DAYS), "--leave-out", DAYS[1]]
    study = printed("event-study", "--lake", lake, "--symbol", "SIM", *days, "--out", tmp_path)
    assert study["days"] == [DAYS[0], DAYS[2]]
    assert study["clusters"] == "half hours"
    assert study["events"]["join"]["3"] > 20
    for kind in ("join", "improve"):
        for k in ("3", "5", "10"):
            assert set(study["effects"][kind][k]) == {*WORDS, "mid_drift_ticks"}
    cell = study["effects"]["join"]["3"]["opposite_orders"]["60"]
    assert {"ratio", "ci_low", "ci_high", "placebo", "after_over_placebo", "tells"} <= set(cell)
    assert cell["after_over_placebo"] == pytest.approx(cell["ratio"] / cell["placebo"])
    assert set(study["lots_per_lot_shown"]) == {"10", "60", "180", "300"}
    assert json.loads((tmp_path / "event_study.json").read_text()) == study
    assert (tmp_path / "event_study.html").read_text().count("<figure id") == 3


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (["event-study", "--date", DAYS[0]], "extra opposite lots"),
        (["metaorders"], "Y sigma (Q / V)^delta"),
    ],
)
def test_tables(lake: Path, words: list[str], shows: str) -> None:
    result = CliRunner().invoke(app, [*words, "--lake", str(lake), "--symbol", "SIM"])
    assert result.exit_code == 0, result.output
    assert shows in result.stdout


def test_impact_of_metaorders(lake: Path) -> None:
    found = printed("metaorders", "--lake", lake, "--symbol", "SIM")
    assert found["days"] == list(DATES)
    assert [(fit["traders"], fit["participation"]) for fit in found["fits"]] == [
        (4, "even"), (10, "even"), (40, "even"), (10, "power"),
    ]  # fmt: skip
    for fit in found["fits"]:
        for name in ("y_half", "delta", "y", "at_share"):
            assert fit[name]["ci_low"] <= fit[name]["mean"] <= fit[name]["ci_high"]


def test_replenishment_of_the_hours_calibrated_on(lake: Path, tmp_path: Path) -> None:
    plain, preset = load("csco-santa-fe"), tmp_path / "sim.json"
    card = {**plain.card, "days": list(DAYS), "from_s": 1800.0, "to_s": 3600.0}
    changes = {"name": "sim", "symbol": "SIM", "venue": "TEST", "card": card}
    plain.model_copy(update=changes).save(preset)
    found = printed("replenishment", preset, "--lake", lake)
    assert found["days"] == [f"{day} [1800 to 3600 s]" for day in DAYS]
    assert len(found["quantiles_s"]) == 32
    assert found["quantiles_s"] == sorted(found["quantiles_s"])
    assert found["censored"] == pytest.approx(found["late"] + found["cut"])


def test_every_ingredient_has_a_row(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {WHOLE: (), "young touches": ("young touches",)}
    monkeypatch.setattr("studies.tape.ingredients_command.WITHOUT", few)
    day = ["--date", DAYS[0], "--days", 1]
    found = printed("ingredients", "--lake", lake, "--symbol", "SIM", *day)
    assert list(found["rows"]) == [TAPE, *few]
    assert all(set(row) == set(FIGURES) for row in found["rows"].values())
    assert found["rows"][TAPE]["filled_300s"] > 0
    assert "young touches" in PARTS


def test_every_cause_has_a_row_and_every_state_what_it_gives_back(lake: Path) -> None:
    day = ["--date", ",".join(DAYS[:2]), "--days", 1, "--preset", "csco-santa-fe"]
    found = printed("causes", "--lake", lake, "--symbol", "SIM", *day)
    rows = found["rows"]
    assert next(iter(rows)) == AS_IT_IS
    assert set(found["shares"]) == set(rows) - {AS_IT_IS} == set(found["share_intervals"])
    assert rows[AS_IT_IS]["recorded"]["value"] == pytest.approx(
        rows["hidden executions"]["recorded"]["value"]
    )
    assert set(found["given_back"]) == set(states())
    words = ["causes", "--lake", str(lake), "--symbol", "SIM", *map(str, day)]
    told = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
    assert told.exit_code == 0
    assert all(name in told.stdout for name in (*rows, *found["given_back"], "gap of mid, both"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["event-study", "--symbol", "SIM", "--date", "2003-02-30"], "calendar"),
        (["event-study", "--symbol", "SIM", "--date", "2003-02-03"], "import it first"),
        (["event-study", "--symbol", "SIM", "--leave-out", "2003-02-03"], "correct --leave-out"),
        (["event-study", "--symbol", "SIM", "--leave-out", ",".join(DATES)], "book through most"),
        (["metaorders", "--symbol", "SIM", "--date", DATES[0]], "at least 5 days"),
        (["replenishment", "ibm"], "2003-02-14"),
    ],
)
def test_refusals(lake: Path, words: list[str], says: str) -> None:
    assert says in refused(*words, "--lake", lake)
