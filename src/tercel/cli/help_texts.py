"""Examples and panels of `--help`, from `help.toml`."""

import tomllib
from collections.abc import Iterable
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
    panels = {words: name for name, commands in found.get("panels", {}).items() for words in commands}
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


def add_help(app: typer.Typer, texts: Iterable[HelpTexts], above: str = "") -> None:
    """Give every command of a tree its example and its panel; of several texts the first that has one counts."""
    texts = list(texts)

    def told(kind: str, words: str) -> str | None:
        return next((one[kind][words] for one in texts if words in one.get(kind, {})), None)

    for command in app.registered_commands:
        words = f"{above} {name_of(command)}".strip()
        command.rich_help_panel = told("panels", words) or command.rich_help_panel
        if example := told("examples", words):
            command.epilog = f"Example: {example}"
    for group in app.registered_groups:
        words = f"{above} {name_of(group)}".strip()
        group.rich_help_panel = told("panels", words) or group.rich_help_panel
        if group.typer_instance is not None:
            add_help(group.typer_instance, texts, words)
