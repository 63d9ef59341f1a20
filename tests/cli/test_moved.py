"""A command that is run from a clone now says so, whatever follows it."""

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tercel.cli import app
from tercel.cli.moved import MOVED

runner = CliRunner()


@pytest.mark.parametrize("old", MOVED)
def test_an_old_command_names_the_new_one(old: str) -> None:
    result = runner.invoke(app, [*old.split(), "--data", "a b"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{MOVED[old]} --data 'a b'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("old", MOVED)
def test_it_is_one_json_object_too(old: str) -> None:
    result = runner.invoke(app, [*old.split(), "--data", "x", "--json"])
    assert result.exit_code == 2
    assert f"{MOVED[old]} --data x --json" in json.loads(result.stdout)["error"]["remedy"]


@pytest.mark.parametrize("old", ["bench", "replicate", "market transfer", "trade worth"])
def test_it_is_not_in_the_help_and_asked_for_help_it_says_where_to_go(old: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in old.split():
        command = command.commands[word]
    assert command.hidden
    result = runner.invoke(app, [*old.split(), "--help"])
    assert result.exit_code == 2
    assert f"{MOVED[old]} --help" in result.stderr
