"""`python -m studies`: every command explains itself and refuses what makes no sense."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from studies.__main__ import app

pytestmark = pytest.mark.release

runner = CliRunner()
COMMANDS = (
    "event-study", "metaorders", "replenishment", "queues", "undercut", "orders", "flow", "learners", "transfer", "regimes",
    "worth alpha", "worth posture", "signals", "costs", "families sequences",
)  # fmt: skip


def refused(*words: object) -> str:
    result = runner.invoke(app, [str(word) for word in words])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_every_command_explains_itself(words: str) -> None:
    result = runner.invoke(app, [*words.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_bad_calls_are_named(tmp_path: Path) -> None:
    assert "try 'text'" in refused("signals", "txt")
    assert "--data" in refused("signals", "ofi")
    assert "nothing at" in refused("signals", "ofi", "--data", tmp_path / "none")
    assert "csco-1999" in refused("regimes", "--market", "csco-1999")
