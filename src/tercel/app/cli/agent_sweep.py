"""`tercel agent sweep`."""

import typer


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel agent`."""
