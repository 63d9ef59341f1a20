"""`tercel certify ...`: hold a FIX session against the certification list."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from tercel.cli.request import add
from tercel.cli.shared import AsJson

certify_app = typer.Typer(
    name="certify", help="Certification: sessions, orders and controls, case by case.", no_args_is_help=True
)


@dataclass(frozen=True)
class CertifyFix:
    """Run the certification cases of a profile: sessions (S), orders (O) and controls (K), in both roles over sockets.

    Without --host the system under test is ours. With --host and --port it is somebody else's acceptor: the profile
    says who logs on there and names a symbol. Exit 1 when a case fails. Beside these cases the tests run the 59
    session scripts of the reference engine, QuickFIX, for each version; docs/certification.md has the figures.
    """

    body: ClassVar[str] = "tercel.cli.commands.certify:fix"
    interrupted: ClassVar[str] = "cases that had not ended are not counted"

    host: Annotated[str, typer.Option(help="Somebody else's acceptor.", metavar="HOST")] = ""
    port: Annotated[int, typer.Option(help="Its port.", min=0, max=65535, metavar="PORT")] = 0
    profile: Annotated[str, typer.Option(help="A shipped profile, or its file.", metavar="NAME|FILE")] = "generic-44"
    case: Annotated[str, typer.Option(help="These cases alone, with commas: S13,S30.", metavar="ID[,ID...]")] = ""
    as_json: AsJson = False


add(certify_app, CertifyFix)
