"""`tercel trade ...`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from tercel.cli.operator import Desk
from tercel.cli.request import add
from tercel.cli.shared import AsJson, Seed
from tercel.cli.trade_limits import limits_app
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


HorizonS = Annotated[
    float | None, typer.Option(help="The same in seconds.", min=1.0, max=1e7, metavar="S", hidden=True)
]
HORIZON_NS = 600 * 10**9
LONGEST_S = 1e7


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


@dataclass(frozen=True)
class Submit:
    """What is asked of `tercel trade submit`."""

    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT")]
    side: Annotated[str, typer.Argument(help="buy or sell.", metavar="SIDE")]
    lots: Annotated[int, typer.Argument(min=1, max=2**30, metavar="LOTS")]
    agent: Annotated[str, typer.Option(help="Who works it.", metavar="A")]
    name: Annotated[str, typer.Option("--id", help="A new id for it.", metavar="ID")]
    strategy: Annotated[str, typer.Option(help="What works it (default: the agent's own).", metavar="NAME")] = ""
    horizon: Annotated[
        str | None,
        typer.Option(help="From acceptance to its horizon: 15min, 2h, 90s (default: 10min).", metavar="SPAN"),
    ] = None
    horizon_s: HorizonS = None
    decisions: Annotated[
        int | None,
        typer.Option(help="Decisions within it (default: as often as the desk's).", min=1, max=10**6, metavar="N"),
    ] = None
    limit_price: Annotated[
        str | None,
        typer.Option(help="It never trades beyond: a price, or 25bps beyond the mid at arrival.", metavar="PRICE"),
    ] = None
    reason: Reason = "submit"
    desk: Desk = None
    wait: Wait = WAIT_S
    as_json: AsJson = False


def submit(request: Submit) -> None:
    """Ask a running desk to work one more parent order."""
    if request.side not in ("buy", "sell"):
        raise ConfigError("buy or sell", repr(request.side), "such as: tercel trade submit AAA buy 100 ...")
    from tercel.cli.commands.trade_look import limit_of

    body: dict[str, object] = {
        "id": request.name,
        "instrument": request.instrument,
        "lots": request.lots,
        **limit_of(request.limit_price),
        "side": 1 if request.side == "buy" else -1,
        "horizon_ns": _horizon_ns(request) or HORIZON_NS,
        "agent": request.agent,
    }
    body |= {} if request.decisions is None else {"decisions": request.decisions}
    _ask(request, "submit", body | ({"strategy": request.strategy} if request.strategy else {}))


@dataclass(frozen=True)
class Settle:
    """What is asked of `tercel trade settle`."""

    reason: Annotated[str, typer.Option(help="Why: it is journaled with your name.", metavar="TEXT")]
    order: Annotated[
        list[str] | None,
        typer.Option(
            help="An order of which the venue will never speak again: it is over with what was filled, by your word. "
            "A gate or desk that runs obeys. May be repeated.",
            metavar="ORDER",
        ),
    ] = None
    desk: Desk = None
    wait: Wait = WAIT_S
    as_json: AsJson = False


def settle(request: Settle) -> None:
    """Say why positions differ from the venue's, or that orders are over, so that trading goes on."""
    if request.order:
        from tercel.cli.commands.trade_settle import settle_orders

        settle_orders(request)
    else:
        _ask(request, "settle", {})


@dataclass(frozen=True)
class Pause:
    """What is asked of `tercel trade pause`."""

    parent: Parent
    reason: Reason = "pause"
    desk: Desk = None
    wait: Wait = WAIT_S
    as_json: AsJson = False


def pause(request: Pause) -> None:
    """Cancel a parent's orders and let it wait."""
    _ask(request, "pause", {"parent": request.parent})


@dataclass(frozen=True)
class Resume(Pause):
    """What is asked of `tercel trade resume`."""

    reason: Reason = "resume"


def resume(request: Resume) -> None:
    """Go on with a parent that was paused."""
    _ask(request, "resume", {"parent": request.parent})


@dataclass(frozen=True)
class Cancel(Pause):
    """What is asked of `tercel trade cancel`."""

    reason: Reason = "cancel"


def cancel(request: Cancel) -> None:
    """Call a parent off."""
    _ask(request, "cancel", {"parent": request.parent})


@dataclass(frozen=True)
class Amend:
    """What is asked of `tercel trade amend`."""

    parent: Parent
    lots: Annotated[int | None, typer.Option(help="The new total, filled lots included.", min=1, metavar="N")] = None
    horizon: Annotated[
        str | None, typer.Option(help="The new horizon, from its acceptance: 15min, 2h, 90s.", metavar="SPAN")
    ] = None
    horizon_s: HorizonS = None
    limit_price: Annotated[
        str | None,
        typer.Option(help="Another limit: a price, 25bps beyond the mid at arrival, or none.", metavar="PRICE"),
    ] = None
    reason: Reason = "amend"
    desk: Desk = None
    wait: Wait = WAIT_S
    as_json: AsJson = False


def amend(request: Amend) -> None:
    """Change a parent's lots, its horizon or its limit price."""
    lots, horizon_ns = request.lots, _horizon_ns(request)
    if lots is None and horizon_ns is None and request.limit_price is None:
        raise ConfigError("--lots, --horizon or --limit-price", "none of them", "say what is to change")
    from tercel.cli.commands.trade_look import limit_of

    body: dict[str, object] = {"parent": request.parent}
    body |= {"lots": lots} if lots is not None else {}
    body |= {"horizon_ns": horizon_ns} if horizon_ns is not None else {}
    _ask(request, "amend", body | limit_of(request.limit_price))


@dataclass(frozen=True)
class PromoteChallenger:
    """What is asked of `tercel trade promote`."""

    agent: Annotated[str, typer.Argument(help="Whose challenger takes its champion's place.", metavar="AGENT")]
    reason: Reason
    desk: Desk = None
    wait: Wait = WAIT_S
    as_json: AsJson = False


def promote(request: PromoteChallenger) -> None:
    """Put an agent's challenger in its champion's place, from the next parent on; done again, it is undone."""
    _ask(request, "promote", {"agent": request.agent})


def _horizon_ns(request: Submit | Amend) -> int | None:
    """The horizon that was typed, with a unit or in seconds; None where none was."""
    from tercel.execution.task import seconds_of

    if request.horizon is not None and request.horizon_s is not None:
        raise ConfigError("--horizon or --horizon-s", "both", "leave one of the two out")
    if request.horizon is None:
        return None if request.horizon_s is None else round(request.horizon_s * 1e9)
    try:
        seconds = float(request.horizon)
    except ValueError:
        seconds = seconds_of(request.horizon)
    if not 1.0 <= seconds <= LONGEST_S:
        received = f"--horizon {request.horizon}"
        raise ConfigError(f"a horizon from a second to {LONGEST_S:,.0f} seconds", received, "write it as 15min")
    return round(seconds * 1e9)


def _ask(request: Submit | Settle | Pause | Amend | PromoteChallenger, command: str, body: dict[str, object]) -> None:
    from tercel.cli.commands.trade_look import ask

    ask(request, command, body)


@dataclass(frozen=True)
class ListOrders:
    """List a desk's parents and open orders."""

    body: ClassVar[str] = "tercel.cli.commands.trade_look:orders"

    desk: Desk = None
    every: Annotated[bool, typer.Option("--all", help="Orders that are over too.")] = False
    as_json: AsJson = False


@dataclass(frozen=True)
class ListPositions:
    """List what a desk holds."""

    body: ClassVar[str] = "tercel.cli.commands.trade_look:positions"

    desk: Desk = None
    as_json: AsJson = False


@dataclass(frozen=True)
class ReplayDecision:
    """Show what a strategy saw, wanted and did at a decision, and why."""

    body: ClassVar[str] = "tercel.cli.commands.trade_look:replay"

    parent: Annotated[str | None, typer.Option(help="Of this parent (default: any).", metavar="PARENT")] = None
    at: Annotated[
        float | None,
        typer.Option(help="Venue time in seconds: the last decision by then (default: the end).", min=0, max=9e9),
    ] = None
    entry: Annotated[
        int | None, typer.Option(help="The decision with this number in the journal.", min=1, max=2**62)
    ] = None
    desk: Desk = None
    as_json: AsJson = False


@dataclass(frozen=True)
class Reconcile:
    """Compare a desk's orders with the venue's word."""

    body: ClassVar[str] = "tercel.cli.commands.trade_look:reconcile"

    desk: Desk = None
    venue: Annotated[
        str | None, typer.Option(help="Ask this venue now and cancel what still stands there.", metavar="WHERE")
    ] = None
    as_json: AsJson = False


@dataclass(frozen=True)
class VerifyJournal:
    """Read a desk's whole journal: every entry against its hash, with the key of TERCEL_JOURNAL_KEY_FILE."""

    body: ClassVar[str] = "tercel.cli.commands.trade_verify:verify"

    desk: Desk = None
    as_json: AsJson = False


@dataclass(frozen=True)
class DeskTca:
    """Analyse what finished parents cost: arrival, VWAP, TWAP, the split, mark-outs."""

    body: ClassVar[str] = "tercel.cli.commands.trade_look:tca"

    parent: Annotated[str | None, typer.Option(help="One parent (default: all).", metavar="PARENT")] = None
    out: Annotated[
        Path | None, typer.Option(help="The page with plots (default: tca.html in the desk's folder).", metavar="FILE")
    ] = None
    desk: Desk = None
    as_json: AsJson = False


@dataclass(frozen=True)
class Faults:
    """Break what can break between a desk, its gate and a venue, go on, and count what is lost, doubled or unwatched.

    Desk, gate and exchange are killed and stopped, links cut and messages garbled, disks full, journals locked.
    """

    body: ClassVar[str] = "tercel.cli.commands.trade_faults:faults"

    points: Annotated[int, typer.Option(help="Faults, one after another.", min=1, max=10_000)] = 20
    seed: Seed = 1
    as_json: AsJson = False


add(
    trade_app, run, submit, pause, resume, cancel, amend, promote, settle,
    ListOrders, ListPositions, ReplayDecision, Reconcile, VerifyJournal, DeskTca, Faults,
)  # fmt: skip
trade_app.add_typer(limits_app)
