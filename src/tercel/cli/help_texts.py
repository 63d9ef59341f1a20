"""What `--help` shows beside the commands: `help.toml` has an example of each, and the panel that it stands in."""

import tomllib
from importlib.resources import files

import typer


def add_help(app: typer.Typer) -> None:
    """Give every command of a tree its example and its panel."""
    texts = tomllib.loads((files("tercel.cli") / "help.toml").read_text(encoding="utf-8"))
    panel = {command_path: name for name, commands in texts["panels"].items() for command_path in commands}
    _add(app, "", panel, texts["examples"])


def _add(app: typer.Typer, above: str, panel: dict[str, str], examples: dict[str, str]) -> None:
    for command in app.registered_commands:
        command_path = f"{above} {command.name or getattr(command.callback, '__name__', '')}".strip()
        command.rich_help_panel = panel.get(command_path, command.rich_help_panel)
        if command_path in examples:
            command.epilog = f"Example: {examples[command_path]}"
    for group in app.registered_groups:
        command_path = f"{above} {group.name}".strip()
        group.rich_help_panel = panel.get(command_path, group.rich_help_panel)
        if group.typer_instance is not None:
            _add(group.typer_instance, command_path, panel, examples)
