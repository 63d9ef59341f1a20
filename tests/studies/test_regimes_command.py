"""`python -m studies regimes` as typed: a line for each named regime."""

import json

import pytest
from typer.testing import CliRunner

from studies.__main__ import app
from studies.regimes import command


def test_each_named_regime_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "EPISODES", 4)
    result = CliRunner().invoke(app, ["regimes", "--market", "csco-santa-fe", "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["market"], found["episodes"]) == ("csco-santa-fe", 4)
    assert {"volatile", "thin", "flash_crash"} <= {row["name"] for row in found["regimes"]}
