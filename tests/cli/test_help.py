"""Every command's `--help`: an example that its options accept, a panel, maintainers' commands apart."""

import ast
import re
import shlex
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import typer
from guards.program import commands
from typer.testing import CliRunner

import tercel
from tercel.cli.plugins import elsewhere
from tercel.cli.root import app

TOP: Any = typer.main.get_command(app)
TREE = dict(commands())
HELP: dict[str, Any] = tomllib.loads(
    (files("tercel.cli") / "help.toml").read_text(encoding="utf-8")
)
BESIDE = set(TREE) - set(HELP["examples"]) - set(elsewhere())
"""Commands of other packages, such as those of a clone: `tercel` has an example of each of its own, and those that
`elsewhere.toml` names answer in an installation without their distribution."""


def example(words: str) -> str:
    told = str(TREE[words].epilog)
    assert told.startswith("Example: ")
    return told.removeprefix("Example: ")


def test_no_example_is_of_another_command() -> None:
    assert set(HELP["examples"]) <= set(TREE)
    assert {words: example(words) for words in HELP["examples"]} == HELP["examples"]


@pytest.mark.parametrize("words", TREE)
def test_every_command_has_an_example_of_its_own_whose_options_are_known(words: str) -> None:
    typed = shlex.split(example(words).split(" > ")[0])
    assert typed[: 1 + len(words.split())] == ["tercel", *words.split()]
    TREE[words].make_context(words, typed[1 + len(words.split()) :])


def test_help_is_in_panels_and_names_completion() -> None:
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    top: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    panels = {one.rich_help_panel for one in top.values() if not one.hidden}
    assert panels <= set(HELP["panels"])
    assert all(name in said for name in panels)
    assert "--install-completion" in said
    said = CliRunner().invoke(app, ["agent", "--help"], env={"COLUMNS": "120"}).output
    assert said.index("For maintainers") < said.index("ablate")
    assert said.index("evaluate") < said.index("For maintainers")


def not_there(text: str) -> list[str]:
    """Commands that a text names and that a wheel has not: in backticks, or a group's name and a word not in it."""
    found = []
    for mark, typed in re.findall(r"(`?)\btercel((?: [a-z][a-z0-9-]*)+)", text):
        place, said, words = TOP, list[str](), typed.split()
        while (
            words
            and getattr(place, "commands", None)
            and (mark or said or words[0] in place.commands)
        ):
            place = place.commands.get(words[0])
            said.append(words.pop(0))
            if place is None or " ".join(said) in BESIDE:
                found.append(" ".join(said))
                break
    return found


def test_every_command_that_a_text_names_is_there() -> None:
    assert not_there(
        "run `tercel signals compete` or tercel signals train, tercel agents, `tercel agents`"
    ) == [
        "signals compete",
        "agents",
    ]
    assert (
        not_there("`tercel console users add ann`, `tercel trade day desks`, import tercel as tc")
        == []
    )
    missing = {
        f"{path.name}: {wrong}"
        for path in Path(tercel.__file__).parent.rglob("*.py")
        if "tercel " in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "tercel " in node.value
        for wrong in not_there(node.value)
    }
    assert missing == set()
