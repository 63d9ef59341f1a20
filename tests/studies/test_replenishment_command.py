"""`python -m studies replenishment` as typed: one object on stdout, a table, days that are missing."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studies.__main__ import app
from tercel.market.flow import load
from tercel.market.simulator.days import DAYS, simulated_lake

pytestmark = pytest.mark.release


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, ["replenishment", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A lake, and a preset that says it was calibrated on its second half hours."""
    folder = tmp_path_factory.mktemp("replenishment")
    simulated_lake(folder / "lake", 1.0)
    plain = load("csco-santa-fe")
    card = {**plain.card, "days": list(DAYS), "from_s": 1800.0, "to_s": 3600.0}
    plain.model_copy(update={"name": "sim", "symbol": "SIM", "venue": "TEST", "card": card}).save(
        folder / "sim.json"
    )
    return folder / "lake", folder / "sim.json"


def test_one_object_of_the_hours_calibrated_on(made: tuple[Path, Path]) -> None:
    lake, preset = made
    result = tercel(preset, "--lake", lake, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["days"] == [f"{day} [1800 to 3600 s]" for day in DAYS]
    assert len(found["quantiles_s"]) == 32
    assert found["quantiles_s"] == sorted(found["quantiles_s"])
    assert found["censored"] == pytest.approx(found["late"] + found["cut"])


def test_hours_without_an_end_run_to_the_close(made: tuple[Path, Path], tmp_path: Path) -> None:
    preset = load(made[1])
    open_ended = tmp_path / "open.json"
    preset.model_copy(update={"card": {**preset.card, "to_s": None}}).save(open_ended)
    found = [
        json.loads(tercel(which, "--lake", made[0], "--json").stdout)
        for which in (made[1], open_ended)
    ]
    assert found[0] == found[1]


def test_a_table(made: tuple[Path, Path]) -> None:
    result = tercel(made[1], "--lake", made[0])
    assert result.exit_code == 0, result.output
    assert "added again" in result.stdout


def test_days_that_are_not_there(made: tuple[Path, Path], tmp_path: Path) -> None:
    result = tercel("csco", "--lake", made[0])
    assert result.exit_code == 2
    assert "2003-01-17" in result.stderr
