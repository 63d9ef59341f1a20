"""`tercel market twins`: one object on stdout, a table, clear refusals."""

import json

import pytest
from typer.testing import CliRunner

from tercel.app.cli import app

RUNNER = CliRunner()


@pytest.mark.parametrize("name", ["csco-santa-fe", "csco-hawkes"])
def test_figures_as_json(name: str) -> None:
    options = ["--pairs", "20", "--length", "30", "--seed", "3", "--json"]
    result = RUNNER.invoke(app, ["market", "twins", name, *options])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["scheme"] for row in found["schemes"]] == ["one stream", "coupled"]
    for row in found["schemes"]:
        assert row["se_ticks"]["end"] == pytest.approx(row["sd_ticks"]["end"] / 20**0.5)
        assert row["ms_a_pair"] > 0.0
    assert set(found["schemes"][1]["worth_per_cpu_second"]) == {"end", "twice", "thrice"}


def test_a_table_with_a_verdict() -> None:
    result = RUNNER.invoke(app, ["market", "twins", "csco-santa-fe", "--pairs", "50", "--length", "60"])
    assert result.exit_code == 0, result.output
    assert "coupled" in result.output
    assert "A CPU second of coupled twins" in result.output


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--share", "0"], "share"), (["--length", "-1"], "length"), (["--impact", "cubic"], "impact law")],
)
def test_refusals(options: list[str], says: str) -> None:
    result = RUNNER.invoke(app, ["market", "twins", "csco-santa-fe", "--pairs", "2", *options])
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output
