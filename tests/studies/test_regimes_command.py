"""`python -m studies regimes` as typed: a line for each named regime."""

import json

import pytest
from typer.testing import CliRunner

from studies.__main__ import app
from studies.regimes import command

pytestmark = pytest.mark.release


def test_each_named_regime_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "EPISODES", 4)
    result = CliRunner().invoke(app, ["regimes", "--market", "csco-santa-fe", "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["market"], found["episodes"]) == ("csco-santa-fe", 4)
    assert {"volatile", "thin", "flash_crash"} <= {row["name"] for row in found["regimes"]}


def test_choices_are_told_by_regime() -> None:
    words = [
        "choices",
        "--market",
        "csco-santa-fe",
        "--regime",
        "trending",
        "--regime",
        "plain",
        "--episodes",
        "4",
    ]
    result = CliRunner().invoke(app, [*words, "--agent", "peg_touch", "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    trending, plain = found["regimes"]
    assert (trending["regime"], plain["regime"], found["episodes"]) == ("trending", "plain", 4)
    assert set(trending["less_twap_repeg"]) == {"twap_repeg+trend", "filter", "oracle", "peg_touch"}
    assert "oracle" not in plain["less_twap_repeg"]
    assert CliRunner().invoke(app, ["choices", "--regime", "trendy"]).exit_code == 2
