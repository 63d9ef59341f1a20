"""`tercel market response`: one object on stdout, tables, a page, clear refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercel.cli import app

RUNNER = CliRunner()


@pytest.mark.long
def test_a_response_as_json_and_as_a_page(tmp_path: Path) -> None:
    out = tmp_path / "response"
    options = ["--size", "0.1", "--pairs", "8", "--seed", "2", "--out", str(out), "--json"]
    result = RUNNER.invoke(app, ["market", "response", "ibm", *options])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    one = found["styles"]["twap_take"]["0.1"]
    assert {"displacement_ticks", "law_ticks", "at_2T", "cost_bps", "unfilled_share"} <= set(one)
    assert {"mean", "ci_low", "ci_high", "se"} <= set(one["displacement_ticks"])
    assert {"iceberg", "blocks", "default-1", "peg_touch"} <= set(found["styles"])
    assert set(found["attraction"]["peg_touch"]) == {"60", "180", "300"}
    assert json.loads((out / "response.json").read_text()) == found
    assert (out / "response.html").read_text().count("<table") == 3


def test_a_response_as_tables() -> None:
    result = RUNNER.invoke(
        app, ["market", "response", "csco-santa-fe", "--size", "0.1", "--pairs", "8"]
    )
    assert result.exit_code == 0, result.output
    assert "nothing done before the horizon" in result.output
    assert "bars are m" in result.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["nothing"], "preset market"),
        (["csco", "--impact", "root"], "impact law"),
        (["csco", "--pairs", "1"], "8 pairs"),
    ],
)
def test_what_is_refused(options: list[str], says: str) -> None:
    result = RUNNER.invoke(app, ["market", "response", *options, "--json"])
    assert result.exit_code == 2, result.output
    assert says in json.loads(result.stdout)["error"]["expected"]
