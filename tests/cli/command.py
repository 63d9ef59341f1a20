"""The command line in this process: what it did, what it found, how it refused."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tercel.cli import app


def tercel(*words: object) -> Result:
    """What a command did."""
    return CliRunner().invoke(app, [str(word) for word in words])


def shown(*words: object) -> str:
    """What a command that went well said on stdout."""
    result = tercel(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def done(*words: object) -> dict[str, Any]:
    """The one JSON object of a command that went well; NaN and infinity are no JSON."""
    found: dict[str, Any] = json.loads(shown(*words, "--json"), parse_constant=pytest.fail)
    return found


def refused(result: Result, *said: str) -> str:
    """What a command that was refused told on stderr, with these parts in it: exit code 2, no traceback."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    told = " ".join(result.stderr.split())
    for part in said:
        assert part in told, told
    return told
