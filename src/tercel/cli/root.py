"""The command line: what can be typed, and nothing of what it does.

A command's file (or its body in :mod:`tercel.cli.commands`) imports what it needs when it is called, so that
``tercel --help`` loads no numerical library.

Exit codes: 0 done; 1 the check that was asked for failed (``data verify``); 2 a usage error or a
:class:`~tercel.core.errors.TercelError`; 130 stopped by Ctrl-C.
"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tercel import __version__
from tercel.cli import moved
from tercel.cli.agent import agent_app
from tercel.cli.config import config_app
from tercel.cli.data import data_app
from tercel.cli.helped import add_help
from tercel.cli.limits import limits_app
from tercel.cli.market import market_app
from tercel.cli.order import NOT_TYPED, Symbols, TypedOrder, check_tape, with_order
from tercel.cli.people import console, kill, rearm
from tercel.cli.request import add
from tercel.cli.risk import risk_app
from tercel.cli.shared import AsJson, Own, command_line, run_app, told
from tercel.cli.signals import signals_app
from tercel.cli.tca import tca
from tercel.cli.trade import trade_app
from tercel.cli.venue import venue_app
from tercel.core.errors import ConfigError

app = command_line("tercel", "From tick data to an execution agent that is judged.")
for _room in (
    data_app, market_app, agent_app, signals_app, risk_app, limits_app, venue_app, trade_app, config_app,
):  # fmt: skip
    app.add_typer(_room, name=str(_room.info.name))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"tercel {__version__}")
        raise typer.Exit


@app.command()
@with_order
def run(
    market: Annotated[
        str | None,
        typer.Option(
            help="Preset market, by name or as a .json file (default: csco; an unknown name lists them).",
            metavar="NAME",
        ),
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(help="Run on this lake's real days instead of a preset.", metavar="LAKE")
    ] = None,
    symbol: Symbols = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run under a minute: proves the road, not the agent.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0, max=2**31 - 1, metavar="S")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Run folder (default: a new one under runs/).", metavar="DIR")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the stopped run in --out (default: the newest), with the options it had."
        ),
    ] = False,
    regimes: Annotated[
        str | None,
        typer.Option(
            help="Regimes that switch in every episode: chain, season, a name (volatile, thin, flash_crash, ...), "
            "a .toml file; several with commas.",
            metavar="WHAT",
        ),
    ] = None,
    fees: Annotated[
        str | None,
        typer.Option(help="Fees in price units a share, or as 1,5bps; below 0: a rebate.", metavar="MAKER,TAKER"),
    ] = None,
    order: TypedOrder = NOT_TYPED,
    feed_latency_ms: Annotated[
        str | None, typer.Option(help="How late the market is seen: X, A,B or tape.", metavar="X")
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(
            help="(--tape) Queue model where a tape shows level totals alone: risk_averse, power_prob[:N], log_prob "
            "and others (default: power_prob).",
            metavar="NAME",
        ),
    ] = None,
    impact: Annotated[
        str | None,
        typer.Option(
            help="What own trades do to prices: of a preset none, translation, weights (default: what it carries); "
            "of a tape square_root (default), propagator, none.",
            metavar="LAW",
        ),
    ] = None,
    strategy: Own = None,
    as_json: AsJson = False,
) -> None:
    """Train PPO and DQN on a market, judge them against every baseline on unseen episodes, print the table."""
    with told(as_json, _resume_hint(market, tape, symbol, quick, seed, out)):
        if market == "":
            raise ConfigError("the name of a market", "an empty one", "leave --market out for the default")
        if market is not None and tape is not None:
            raise ConfigError("one market", f"--market {market} and --tape {tape}", "leave one of the two out")
        check_tape(tape, symbol, order)
        from tercel.cli.commands import run as command

        code = command.run(
            market=market,
            tape=tape,
            symbol=symbol,
            quick=quick,
            seed=seed,
            out=out,
            resume=resume,
            regimes=regimes,
            fees=fees,
            latency_ms=order.latency,
            order=order.said or None,
            orders=order.orders,
            feed_latency_ms=feed_latency_ms,
            queue=queue,
            impact=impact,
            strategies=strategy,
            as_json=as_json,
        )
        raise typer.Exit(code)


def _resume_hint(
    market: str | None, tape: Path | None, symbol: str | None, quick: bool, seed: int, out: Path | None
) -> str:
    options: list[object] = ["tercel", "run", "--resume"]
    for name, value in (("--market", market), ("--tape", tape), ("--symbol", symbol)):
        options += [name, value] if value is not None else []
    options += ["--quick"] if quick else []
    options += ["--seed", seed] + (["--out", out] if out is not None else [])
    return "what is finished is kept; to go on: " + shlex.join(str(option) for option in options)


add(app, tca, console, kill, rearm)
moved.add_to(app)
add_help(app)


def main() -> None:
    """Run the command line as the `tercel` script does."""
    run_app(app)
