"""`tercel gate`: the wall between desks and a venue."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from tercel.cli.shared import AsJson


@dataclass(frozen=True)
class OpenGate:
    """Hold a venue's session, the limits and the kill latch in a process of their own; desks trade through its socket.

    What leaves is checked, counted and journaled here. A desk that is silent or gone has its orders cancelled.
    """

    body: ClassVar[str] = "tercel.cli.commands.gate:gate"
    interrupted: ClassVar[str] = "the gate is closed"

    config: Annotated[Path, typer.Argument(help="The gate's file.", metavar="CONFIG.toml")]
    acknowledge: Annotated[
        str, typer.Option(help="Go on with the sound part of a damaged journal; say why.", metavar="TEXT")
    ] = ""
    as_json: AsJson = False
