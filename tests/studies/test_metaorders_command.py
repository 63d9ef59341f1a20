"""`python -m studies metaorders` as typed: one object on stdout, a table, clear refusals."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studies.__main__ import app
from tercel.market.simulator.days import simulated_lake

pytestmark = pytest.mark.release

DATES = tuple(f"2003-01-{day}" for day in (13, 14, 15, 16, 17))


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, ["metaorders", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metaorders") / "lake"
    simulated_lake(folder, 2.0, DATES)
    return folder


def test_one_object(lake: Path) -> None:
    result = tercel("--lake", lake, "--symbol", "SIM", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["days"] == list(DATES)
    assert [(fit["traders"], fit["participation"]) for fit in found["fits"]] == [
        (4, "even"), (10, "even"), (40, "even"), (10, "power"),
    ]  # fmt: skip
    for fit in found["fits"]:
        for name in ("y_half", "delta", "y", "at_share"):
            assert fit[name]["ci_low"] <= fit[name]["mean"] <= fit[name]["ci_high"]


def test_a_table(lake: Path) -> None:
    result = tercel("--lake", lake, "--symbol", "SIM")
    assert result.exit_code == 0, result.output
    assert "Y sigma (Q / V)^delta" in result.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--date", DATES[0]], "at least 5 days"), (["--date", "2003-02-03"], "import it first")],
)
def test_refusals(lake: Path, options: list[str], says: str) -> None:
    result = tercel("--lake", lake, "--symbol", "SIM", *options)
    assert result.exit_code == 2
    assert says in result.stderr
