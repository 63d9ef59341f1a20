"""`tercel trade ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.people import Desk
from tercel.cli.shared import AsJson, Seed, told
from tercel.core.errors import ConfigError

trade_app = typer.Typer(
    name="trade",
    help="A desk of agents: run, look, replay, reconcile.",
    no_args_is_help=True,
)

Parent = Annotated[str, typer.Argument(help="A parent order's id; `tercel trade orders` names them.", metavar="PARENT")]
Reason = Annotated[str, typer.Option(help="Why: it is journaled.", metavar="TEXT")]
WAIT_S = 10.0
Wait = Annotated[
    float,
    typer.Option("--wait", help="Seconds to wait for the desk's answer; 0: none.", min=0.0, max=3600.0, metavar="S"),
]


@trade_app.command()
def run(
    config: Annotated[Path | None, typer.Argument(help="The desk's file.", metavar="CONFIG.toml")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="The packaged desk, on the simulated exchange.")] = False,
    show_demo: Annotated[
        bool, typer.Option("--show-demo", help="Print the packaged desk's file, to start one's own from.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything that is drawn (default: the file's).", min=0, max=2**31 - 1)
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="So many rounds (default: the file's).", min=1, max=10_000, metavar="N")
    ] = None,
    desk: Annotated[
        Path | None, typer.Option(help="Folder of the desk (default: a new one under desks/).", metavar="DIR")
    ] = None,
    venue: Annotated[
        str | None, typer.Option(help="simulated, wire://host:port or fix://[ID@]host:port.", metavar="WHERE")
    ] = None,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Then run it without each arrow of the loop, over seeds (minutes).")
    ] = False,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Then run it with each agent alone, over seeds (minutes).")
    ] = False,
    seeds: Annotated[int, typer.Option(help="Seeds of --ablate and --freeze.", min=2, max=10_000)] = 32,
    acknowledge: Annotated[
        str, typer.Option(help="Go on with the sound part of a damaged journal; why, journaled.", metavar="REASON")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Run a desk: signals, posture, sized parents, agents, limits, venue, cost, and back."""
    with told(as_json, "the journal keeps what was done"):
        from tercel.cli.commands import trade as command

        if show_demo:
            command.show_demo()
            return
        many = seeds if ablate else 0, seeds if freeze else 0
        command.run(command.Request(config, demo, seed, rounds, desk, venue, *many, acknowledge, as_json))


@trade_app.command()
def submit(
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT")],
    side: Annotated[str, typer.Argument(help="buy or sell.", metavar="SIDE")],
    lots: Annotated[int, typer.Argument(min=1, max=2**30, metavar="LOTS")],
    agent: Annotated[str, typer.Option(help="Who works it.", metavar="A")],
    name: Annotated[str, typer.Option("--id", help="A new id for it.", metavar="ID")],
    strategy: Annotated[str, typer.Option(help="What works it (default: the agent's own).", metavar="NAME")] = "",
    horizon_s: Annotated[float, typer.Option(help="Seconds from acceptance to its horizon.", min=1.0, max=1e7)] = 600.0,
    decisions: Annotated[
        int | None,
        typer.Option(help="Decisions within it (default: as often as the desk's).", min=1, max=10**6, metavar="N"),
    ] = None,
    limit_price: Annotated[
        str | None,
        typer.Option(help="It never trades beyond: a price, or 25bps beyond the mid at arrival.", metavar="PRICE"),
    ] = None,
    reason: Reason = "submit",
    desk: Desk = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Ask a running desk to work one more parent order."""
    with told(as_json):
        if side not in ("buy", "sell"):
            raise ConfigError("buy or sell", repr(side), "such as: tercel trade submit AAA buy 100 ...")
        from tercel.cli.commands import trade_look as command

        body: dict[str, object] = {"id": name, "instrument": instrument, "lots": lots, **command.limit_of(limit_price)}
        body |= {
            "side": 1 if side == "buy" else -1,
            "horizon_ns": round(horizon_s * 1e9),
            "agent": agent,
        }
        body |= {} if decisions is None else {"decisions": decisions}
        body |= {"strategy": strategy} if strategy else {}
        command.ask(desk, "submit", body, reason, wait, as_json)


@trade_app.command()
def pause(
    parent: Parent, reason: Reason = "pause", desk: Desk = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Cancel a parent's orders and let it wait."""
    _ask_parent("pause", parent, reason, desk, wait, as_json)


@trade_app.command()
def resume(
    parent: Parent, reason: Reason = "resume", desk: Desk = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Go on with a parent that was paused."""
    _ask_parent("resume", parent, reason, desk, wait, as_json)


@trade_app.command()
def cancel(
    parent: Parent, reason: Reason = "cancel", desk: Desk = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Call a parent off."""
    _ask_parent("cancel", parent, reason, desk, wait, as_json)


@trade_app.command()
def amend(
    parent: Parent,
    lots: Annotated[int | None, typer.Option(help="The new total, filled lots included.", min=1, metavar="N")] = None,
    horizon_s: Annotated[
        float | None, typer.Option(help="The new horizon, seconds from its acceptance.", min=1.0, max=1e7, metavar="S")
    ] = None,
    limit_price: Annotated[
        str | None,
        typer.Option(help="Another limit: a price, 25bps beyond the mid at arrival, or none.", metavar="PRICE"),
    ] = None,
    reason: Reason = "amend",
    desk: Desk = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Change a parent's lots, its horizon or its limit price."""
    with told(as_json):
        if lots is None and horizon_s is None and limit_price is None:
            raise ConfigError("--lots, --horizon-s or --limit-price", "none of them", "say what is to change")
        from tercel.cli.commands import trade_look as command

        body: dict[str, object] = {"parent": parent}
        body |= {"lots": lots} if lots is not None else {}
        body |= {"horizon_ns": round(horizon_s * 1e9)} if horizon_s is not None else {}
        body |= command.limit_of(limit_price)
        command.ask(desk, "amend", body, reason, wait, as_json)


def _ask_parent(command: str, parent: str, reason: str, desk: Path | None, wait: float, as_json: bool) -> None:
    with told(as_json):
        from tercel.cli.commands import trade_look

        trade_look.ask(desk, command, {"parent": parent}, reason, wait, as_json)


@trade_app.command()
def promote(
    agent: Annotated[str, typer.Argument(help="Whose challenger takes its champion's place.", metavar="AGENT")],
    reason: Annotated[str, typer.Option(help="Why: it is journaled.", metavar="TEXT")],
    desk: Desk = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Put an agent's challenger in its champion's place, from the next parent on; done again, it is undone."""
    with told(as_json):
        from tercel.cli.commands import trade_look as command

        command.ask(desk, "promote", {"agent": agent}, reason, wait, as_json)


@trade_app.command()
def orders(
    desk: Desk = None,
    every: Annotated[bool, typer.Option("--all", help="Orders that are over too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a desk's parents and open orders."""
    with told(as_json):
        from tercel.cli.commands import trade_look as command

        command.orders(desk, every, as_json)


@trade_app.command()
def positions(desk: Desk = None, as_json: AsJson = False) -> None:
    """List what a desk holds."""
    with told(as_json):
        from tercel.cli.commands import trade_look as command

        command.positions(desk, as_json)


@trade_app.command()
def replay(
    parent: Annotated[str | None, typer.Option(help="Of this parent (default: any).", metavar="PARENT")] = None,
    at: Annotated[
        float | None,
        typer.Option(help="Venue time in seconds: the last decision by then (default: the end).", min=0, max=9e9),
    ] = None,
    entry: Annotated[
        int | None, typer.Option(help="The decision with this number in the journal.", min=1, max=2**62)
    ] = None,
    desk: Desk = None,
    as_json: AsJson = False,
) -> None:
    """Show what a strategy saw, wanted and did at a decision, and why."""
    with told(as_json):
        from tercel.cli.commands import trade_look as command

        command.replay(desk, parent, at, entry, as_json)


@trade_app.command()
def reconcile(
    desk: Desk = None,
    venue: Annotated[
        str | None, typer.Option(help="Ask this venue now and cancel what still stands there.", metavar="WHERE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a desk's orders with the venue's word."""
    with told(as_json):
        from tercel.cli.commands import trade_look as command

        command.reconcile(desk, venue, as_json)


@trade_app.command()
def tca(
    parent: Annotated[str | None, typer.Option(help="One parent (default: all).", metavar="PARENT")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The page with plots (default: tca.html in the desk's folder).", metavar="FILE")
    ] = None,
    desk: Desk = None,
    as_json: AsJson = False,
) -> None:
    """Analyse what finished parents cost: arrival, VWAP, TWAP, the split, mark-outs."""
    with told(as_json):
        from tercel.cli.commands import trade_look as command

        command.tca(desk, parent, out, as_json)


@trade_app.command()
def crashtest(
    points: Annotated[int, typer.Option(help="Points at which a session is killed.", min=1, max=1000)] = 24,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Kill a session at named points beside an exchange that lives on, start it again, and count what is wrong."""
    with told(as_json):
        from tercel.cli.commands import trade_crash as command

        raise typer.Exit(command.crash_table(points, seed, as_json))
