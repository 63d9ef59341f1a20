"""`tercel agent list|show|export|explain|promote`."""

import typer


def add_to(app: typer.Typer) -> None:
    """Hang the commands under `tercel agent`."""
