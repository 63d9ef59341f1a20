"""`tercel market arbitrage`: one object on stdout, a table, a tape, clear refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercel.cli import app

RUNNER = CliRunner()


@pytest.mark.long
def test_trips_as_json_and_as_a_table() -> None:
    options = ["--size", "0.1", "--latency", "0", "--budget", "1", "--pairs", "8", "--minutes", "0"]
    found = json.loads(
        RUNNER.invoke(app, ["market", "arbitrage", "cw-noise", *options, "--json"]).stdout
    )
    assert found["searched"] > 0
    assert found["profitable"] == sum(one["profitable"] for one in found["proved"])
    assert {"size", "legs", "profit_bps", "p_adjusted"} <= set(found["proved"][0])
    result = RUNNER.invoke(app, ["market", "arbitrage", "cw-noise", *options])
    assert result.exit_code == 0, result.output
    assert "pay for certain" in result.output


@pytest.mark.long
def test_trips_on_a_tape(lake: Path) -> None:
    options = [
        "--tape",
        str(lake),
        "--symbol",
        "SIM",
        "--impact",
        "square_root",
        "--size",
        "0.1",
        "--latency",
        "5",
    ]
    result = RUNNER.invoke(
        app,
        [
            "market",
            "arbitrage",
            *options,
            "--budget",
            "1",
            "--pairs",
            "8",
            "--minutes",
            "0",
            "--json",
        ],
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["impact"]["law"] == "translation"
    assert 0 < len(found["proved"]) <= 20


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "a preset, or --tape"),
        (["csco", "--tape", "lake", "--symbol", "A"], "a preset, or --tape"),
        (["csco", "--impact", "square_root"], "impact law"),
        (["csco", "--size", "0"], "sizes above 0"),
        (["csco", "--latency", "soon"], "milliseconds"),
    ],
)
def test_what_is_refused(options: list[str], says: str) -> None:
    result = RUNNER.invoke(app, ["market", "arbitrage", *options, "--json"])
    assert result.exit_code == 2, result.output
    assert says in json.loads(result.stdout)["error"]["expected"]
