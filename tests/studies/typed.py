"""`python -m studies` as typed: the object that a command prints, or what it says where it refuses."""

import json
from typing import Any

from typer.testing import CliRunner

from studies.__main__ import app


def printed(*words: object) -> Any:
    """The one object of a command that went well."""
    result = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*words: object) -> str:
    """What a command that was refused said, without a traceback, on one line."""
    result = CliRunner().invoke(app, [*map(str, words)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())
