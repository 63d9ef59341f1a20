"""`python -m studies event-study` as typed: one object on stdout, a page, tables, clear refusals."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studies.__main__ import app
from studies.tape.event_study_command import WORDS, cell_text
from tercel.core.report.cells import NOTHING
from tercel.market.simulator.days import DAYS, simulated_lake

pytestmark = pytest.mark.release


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, ["event-study", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "lake"
    simulated_lake(folder, 2.5)
    return folder


def test_one_object_and_a_page(lake: Path, tmp_path: Path) -> None:
    result = tercel(
        "--lake",
        lake,
        "--symbol",
        "SIM",
        "--leave-out",
        DAYS[1],
        "--out",
        tmp_path / "page",
        "--json",
    )
    assert result.exit_code == 0, result.output
    study = json.loads(result.stdout)
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
    assert json.loads((tmp_path / "page" / "event_study.json").read_text()) == study
    assert (tmp_path / "page" / "event_study.html").read_text().count("<svg") == 3


def test_tables(lake: Path) -> None:
    result = tercel("--lake", lake, "--symbol", "SIM", "--date", DAYS[0])
    assert result.exit_code == 0, result.output
    assert "after / placebo" in result.stdout
    assert "extra opposite lots" in result.stdout


def test_cells_say_when_they_cannot_tell() -> None:
    cell = {"after_over_placebo": 1.5, "ci_low": 0.9, "ci_high": 2.5, "tells": False}
    assert cell_text(cell) == "1.50 [0.90, 2.50] ?"
    assert cell_text(cell | {"tells": True}) == "1.50 [0.90, 2.50]"
    assert cell_text(None) == NOTHING


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--date", "2003-02-30"], "calendar"),
        (["--date", "2003-02-03"], "import it first"),
        (["--leave-out", "2003-02-03"], "correct --leave-out"),
        (["--leave-out", ",".join(DAYS)], "book through most of it"),
    ],
)
def test_refusals(lake: Path, options: list[str], says: str) -> None:
    result = tercel("--lake", lake, "--symbol", "SIM", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_out_that_is_a_file(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = tercel("--lake", lake, "--symbol", "SIM", "--out", tmp_path / "file")
    assert result.exit_code == 2
    assert "name another --out" in result.stderr
