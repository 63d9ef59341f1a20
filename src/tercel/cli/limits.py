"""`tercel limits ...`: show how a limit file is read."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli.request import add
from tercel.cli.shared import AsJson, hand_over, print_table, result_console

limits_app = typer.Typer(
    name="limits",
    help="Hard pre-trade limits: check a file, show the packaged one.",
    no_args_is_help=True,
)


def check(
    file: Annotated[Path, typer.Argument(help="Limit file (TOML).", metavar="FILE.toml")],
    as_json: AsJson = False,
) -> None:
    """Print the limits as they are understood; exit 2 where the file cannot be obeyed to the letter."""
    from tercel.desk.limits import read
    from tercel.desk.limits.file import understood

    limits = understood(read(file))

    def show() -> None:
        scopes = {"desk": limits["desk"]}
        for room in ("instruments", "agents"):
            scopes |= {
                f"{room[:-1]} {'(any other)' if name == '*' else name}": each
                for name, each in limits[room].items()
            }
        keys = dict.fromkeys(key for each in scopes.values() for key in each)
        rows = [[key, *(_shown(each.get(key)) for each in scopes.values())] for key in keys]
        print_table(limits["source"], ("limit", *scopes), rows)

    hand_over(limits, as_json, show)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return " to ".join(value)
    return (
        value
        if isinstance(value, str)
        else f"{value:,.15g}"
        if isinstance(value, float)
        else f"{value:,}"
    )


def show_default() -> None:
    """Print the packaged limit file with every key explained, to start one's own from: > limits.toml."""
    from rich.text import Text

    from tercel.desk.limits import default_file

    result_console().print(Text(default_file().read_text(encoding="utf-8")), soft_wrap=True, end="")


add(limits_app, check, show_default)
