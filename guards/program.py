"""The command line as a guard runs it: in this process, in an empty folder, one object of JSON."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from tercel.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("TERCEL_DESK", "TERCEL_REGISTRY")
"""Variables that would lead a command out of its folder."""


@cache
def application() -> typer.Typer:
    """The program that `pyproject.toml` installs as `tercel`: `app` of its module."""
    script = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "scripts"
    ]["tercel"]
    found: typer.Typer = import_module(script.split(":")[0]).app
    return found


def tercel(*words: str) -> Any:
    """The object that a command prints with `--json`.

    Raises
    ------
    ConfigError
        It printed an error, or no object.
    """
    result = CliRunner().invoke(application(), [*words, "--json"], env=dict.fromkeys(PLACES))
    try:
        found = json.loads(result.stdout)
    except ValueError:
        found = {"error": result.output[-500:]}
    if "error" in found:
        came = f"exit {result.exit_code}: {found['error']}"
        raise ConfigError(
            f"`tercel {' '.join(words)}` to go well", came, "run it by hand in an empty folder"
        )
    return found


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something and is shown, by its words, with its options."""

    def below(command: Any, words: Sequence[str]) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if command.hidden:
            return
        if inner is None or (words and command.invoke_without_command):
            yield " ".join(words), command
        for word, one in (inner or {}).items():
            yield from below(one, [*words, word])

    return below(typer.main.get_command(application()), [])


def command_of(words: Sequence[str]) -> str:
    """The command among words as typed.

    >>> command_of(["data", "list", "--lake", "lake"])
    'data list'
    """
    known = {name for name, _ in commands()}
    for end in range(len(words), 0, -1):
        if " ".join(words[:end]) in known:
            return " ".join(words[:end])
    raise ConfigError("a command of tercel", " ".join(words), "change the line in guards/shapes.py")
