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


@dataclass(frozen=True)
class Console:
    """What is asked of `tercel console`."""

    interrupted: ClassVar[str] = "the desk goes on without the page"

    desk: Desk = None
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535, metavar="P")] = 8321


def console(request: Console) -> None:
    """Serve the page where people watch and overrule a desk; loopback only, with a password."""
    from tercel.cli.commands.console import console as body

    body(request)


@dataclass(frozen=True)
class Kill:
    """What is asked of `tercel kill`."""

    reason: Reason = ""
    agent: Agents = None
    every: Annotated[bool, typer.Option("--all", help="Every agent (the default without --agent).")] = False
    desk: Desk = None
    as_json: AsJson = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.every and self.agent:
            raise ConfigError("--all or --agent", "both", "leave one of the two out")


def kill(request: Kill) -> None:
    """Cancel every order of a desk or of some agents and refuse new ones, across restarts, until `tercel rearm`."""
    from tercel.cli.commands.console import kill as body

    body(request)


@dataclass(frozen=True)
class Rearm:
    """What is asked of `tercel rearm`."""

    reason: Reason
    agent: Agents = None
    desk: Desk = None
    as_json: AsJson = False


def rearm(request: Rearm) -> None:
    """Let a killed desk trade again; a person's word, with a reason."""
    from tercel.cli.commands.console import rearm as body

    body(request)
