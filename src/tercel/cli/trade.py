"""`tercel trade ...`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from tercel.cli.request import add
from tercel.cli.shared import AsJson
from tercel.cli.trade_limits import limits_app
from tercel.cli.trade_look import orders, positions, reconcile, replay, tca, verify
from tercel.cli.trade_orders import amend, cancel, pause, promote, resume, settle, submit

trade_app = typer.Typer(
    name="trade",
    help="A desk of agents: run, look, replay, reconcile.",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class RunDesk:
    """What is asked of `tercel trade run`."""

    interrupted: ClassVar[str] = "the journal keeps what was done"

    config: Annotated[Path | None, typer.Argument(help="The desk's file.", metavar="CONFIG.toml")] = None
    demo: Annotated[bool, typer.Option("--demo", help="The packaged desk, on the simulated exchange.")] = False
    show_demo: Annotated[
        bool, typer.Option("--show-demo", help="Print the packaged desk's file, to start one's own from.")
    ] = False
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything that is drawn (default: the file's).", min=0, max=2**31 - 1)
    ] = None
    rounds: Annotated[
        int | None, typer.Option(help="So many rounds (default: the file's).", min=1, max=10_000, metavar="N")
    ] = None
    desk: Annotated[
        Path | None,
        typer.Option(help="Folder of the desk (default: TERCEL_DESK, or a new one under desks/).", metavar="DIR"),
    ] = None
    venue: Annotated[str | None, typer.Option(help="simulated or fix://[ID@]host:port.", metavar="WHERE")] = None
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Then run it without each arrow of the loop, over seeds (minutes).")
    ] = False
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Then run it with each agent alone, over seeds (minutes).")
    ] = False
    seeds: Annotated[int, typer.Option(help="Seeds of --ablate and --freeze.", min=2, max=10_000)] = 32
    acknowledge: Annotated[
        str, typer.Option(help="Go on with the sound part of a damaged journal; why, journaled.", metavar="REASON")
    ] = ""
    as_json: AsJson = False


def run(request: RunDesk) -> None:
    """Run a desk: signals, posture, sized parents, agents, limits, venue, cost, and back."""
    from tercel.cli.commands import trade as command

    if request.show_demo:
        command.show_demo()
    else:
        command.run(request)


add(
    trade_app, run, submit, pause, resume, cancel, amend, promote, settle, orders, positions, replay, reconcile, verify,
    tca,
)  # fmt: skip
trade_app.add_typer(limits_app)
