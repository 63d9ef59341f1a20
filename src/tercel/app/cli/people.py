"""What people do to a desk from the command line: `tercel console`, `tercel kill`, `tercel rearm`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, told
from tercel.core.errors import ConfigError

Desk = Annotated[
    Path | None,
    typer.Option(help="The desk's folder (default: TERCEL_DESK, or the newest under desks/).", metavar="DIR"),
]
Reason = Annotated[str, typer.Option(help="Why: it is journaled.", metavar="TEXT")]
Agents = Annotated[list[str] | None, typer.Option("--agent", help="One agent; may be repeated.", metavar="A")]


def console(
    desk: Desk = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535, metavar="P")] = 8321,
) -> None:
    """Serve the page where people watch and overrule a desk; loopback only, with a password."""
    with told(on_interrupt="the desk goes on without the page"):
        from tercel.app.commands import console as command

        command.console(desk, port)


def kill(
    reason: Reason,
    agent: Agents = None,
    every: Annotated[bool, typer.Option("--all", help="Every agent (the default without --agent).")] = False,
    desk: Desk = None,
    as_json: AsJson = False,
) -> None:
    """Cancel every order of a desk or of some agents and refuse new ones, across restarts, until `tercel rearm`."""
    with told(as_json):
        if every and agent:
            raise ConfigError("--all or --agent", "both", "leave one of the two out")
        from tercel.app.commands import console as command

        command.kill(desk, agent or [], reason, as_json)


def rearm(reason: Reason, agent: Agents = None, desk: Desk = None, as_json: AsJson = False) -> None:
    """Let a killed desk trade again; a person's word, with a reason."""
    with told(as_json):
        from tercel.app.commands import console as command

        command.rearm(desk, agent or [], reason, as_json)


def add_to(app: typer.Typer) -> None:
    """Hang the commands under the root."""
    for command in (console, kill, rearm):
        app.command()(command)
