"""`python -m studies`: every command explains itself and refuses what makes no sense."""

from pathlib import Path

import pytest
from tests.studies.typed import refused
from typer.testing import CliRunner

from studies.__main__ import app

pytestmark = pytest.mark.release

runner = CliRunner()
COMMANDS = (
    "event-study", "metaorders", "replenishment", "queues", "undercut", "orders", "flow", "markets", "regimes",
    "worth alpha", "worth posture", "signals", "costs",
)  # fmt: skip


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_every_command_explains_itself(words: str) -> None:
    result = runner.invoke(app, [*words.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_bad_calls_are_named(tmp_path: Path) -> None:
    assert "try 'ofi'" in refused("signals", "ofy")
    assert "--data" in refused("signals", "ofi")
    assert "nothing at" in refused("signals", "ofi", "--data", tmp_path / "none")
    assert "csco-1999" in refused("regimes", "--market", "csco-1999")
