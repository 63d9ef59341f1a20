"""`tercel trade limits ...`: limits of a running desk: look, tighten alone, loosen with a second person."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from tercel.cli.operator import Desk
from tercel.cli.request import add
from tercel.cli.shared import AsJson

WAIT_S = 10.0
limits_app = typer.Typer(
    name="limits", help="Limits of a running desk: one person tightens, two loosen.", no_args_is_help=True
)
Changes = Annotated[
    list[str],
    typer.Argument(
        help="desk.KEY=VALUE, agents.NAME.KEY=VALUE or instruments.NAME.KEY=VALUE, as in a limit file.",
        metavar="PATH=VALUE...",
    ),
]
Why = Annotated[str, typer.Option("--reason", help="Why: it is journaled.", metavar="TEXT")]
Wait = Annotated[
    float,
    typer.Option("--wait", help="Seconds to wait for the desk's answer; 0: none.", min=0.0, max=3600.0, metavar="S"),
]


@dataclass(frozen=True)
class ShowLimits:
    """Show what limits are in force, how much of each is used, who waits for a second person, orders without them."""

    body: ClassVar[str] = "tercel.cli.commands.trade_limits:show"

    desk: Desk = None
    as_json: AsJson = False


@dataclass(frozen=True)
class TightenLimits:
    """Make limits of a running desk tighter, at once and alone."""

    body: ClassVar[str] = "tercel.cli.commands.trade_limits:tighten"

    changes: Changes
    reason: Why
    desk: Desk = None
    wait: Wait = WAIT_S
    as_json: AsJson = False


@dataclass(frozen=True)
class RequestLimits(TightenLimits):
    """Ask for looser limits; another person approves them within a quarter of an hour."""

    body: ClassVar[str] = "tercel.cli.commands.trade_limits:request"


@dataclass(frozen=True)
class ApproveLimits:
    """Approve the limits that another person asked for."""

    body: ClassVar[str] = "tercel.cli.commands.trade_limits:approve"

    number: Annotated[int, typer.Argument(help="The request; `tercel trade limits show` names it.", min=1)]
    reason: Why
    desk: Desk = None
    wait: Wait = WAIT_S
    as_json: AsJson = False


add(limits_app, ShowLimits, TightenLimits, RequestLimits, ApproveLimits)
