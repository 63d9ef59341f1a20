"""What people do to a desk from the command line: `tercel console`, `tercel kill`, `tercel rearm`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from tercel.cli.shared import AsJson
from tercel.core.errors import ConfigError

Desk = Annotated[
    Path | None,
    typer.Option(help="The desk's folder (default: TERCEL_DESK, or the newest under desks/).", metavar="DIR"),
]
Reason = Annotated[str, typer.Option(help="Why: it is journaled.", metavar="TEXT")]
Agents = Annotated[list[str] | None, typer.Option("--agent", help="One agent; may be repeated.", metavar="A")]

PORT = 8321
"""Where the console is, unless asked otherwise."""


@dataclass(frozen=True)
class Console:
    """Serve the page where people watch and overrule a desk; loopback only, with a password."""

    body: ClassVar[str] = "tercel.cli.commands.console:console"
    interrupted: ClassVar[str] = "the desk goes on without the page"

    desk: Desk = None
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535, metavar="P")] = PORT


@dataclass(frozen=True)
class Kill:
    """Cancel every order of a desk or of some agents and refuse new ones, across restarts, until `tercel rearm`."""

    body: ClassVar[str] = "tercel.cli.commands.console:kill"

    reason: Reason = ""
    agent: Agents = None
    every: Annotated[bool, typer.Option("--all", help="Every agent (the default without --agent).")] = False
    desk: Desk = None
    as_json: AsJson = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.every and self.agent:
            raise ConfigError("--all or --agent", "both", "leave one of the two out")


@dataclass(frozen=True)
class Rearm:
    """Let a killed desk trade again; a person's word, with a reason."""

    body: ClassVar[str] = "tercel.cli.commands.console:rearm"

    reason: Reason
    agent: Agents = None
    desk: Desk = None
    as_json: AsJson = False
