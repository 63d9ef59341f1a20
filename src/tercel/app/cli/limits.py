"""`tercel limits ...`."""

import typer

limits_app = typer.Typer(
    name="limits", help="Hard pre-trade limits: check a file, stress the gate.", no_args_is_help=True
)
