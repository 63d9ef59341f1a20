"""Examples and panels of `--help`, from `help.toml`."""

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TypeAlias

import typer
from typer.models import CommandInfo, TyperInfo

HelpTexts: TypeAlias = dict[str, dict[str, str]]
"""``panels`` and ``examples``: the words of a command -> its panel, its example."""


def help_texts(package: str) -> HelpTexts:
    """The `help.toml` of a package; empty where it has none."""
    file = files(package) / "help.toml" if package else None
    if file is None or not file.is_file():
        return {}
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    panels = {
        words: name for name, commands in found.get("panels", {}).items() for words in commands
    }
    return {"panels": panels, "examples": found.get("examples", {})}


def name_of(one: CommandInfo | TyperInfo) -> str:
    """Word by which a command or group is typed.

    >>> app = typer.Typer()
    >>> app.add_typer(typer.Typer(name="inner"))
    >>> name_of(app.registered_groups[0])
    'inner'
    """
    inner = getattr(one, "typer_instance", None)
    for name in (one.name, inner and inner.info.name, getattr(one.callback, "__name__", "")):
        if name and isinstance(name, str):
            return name
    return ""


def tree(app: typer.Typer, above: str = "") -> Iterator[tuple[str, CommandInfo | TyperInfo]]:
    """Words of every command and group below `app`, and what it is."""
    below: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for one in below:
        words = f"{above} {name_of(one)}".strip()
        yield words, one
        if isinstance(one, TyperInfo) and one.typer_instance is not None:
            yield from tree(one.typer_instance, words)


def add_help(app: typer.Typer, texts: Sequence[HelpTexts]) -> None:
    """Give every command of a tree its example and its panel; of several texts the first that has one counts."""

    def told(kind: str, words: str) -> str | None:
        return next((one[kind][words] for one in texts if words in one.get(kind, {})), None)

    for words, one in tree(app):
        one.rich_help_panel = told("panels", words) or one.rich_help_panel
        if example := told("examples", words):
            one.epilog = f"Example: {example}"
