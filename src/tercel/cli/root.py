"""The command line: its groups and commands, without their implementation.

A command's file imports what it needs when it is called, so that
``tercel --help`` loads no numerical library. Commands of other packages join by entry point: :mod:`tercel.cli.plugins`.

Exit codes: 0 done; 1 a requested check failed (``data verify``); 2 a usage error or a
:class:`~tercel.core.errors.TercelError`; 130 stopped by Ctrl-C.
"""

from typing import Annotated

import typer

from tercel import __version__
from tercel.cli import plugins
from tercel.cli.agent import agent_app
from tercel.cli.commands import add, command_line
from tercel.cli.config import config_app
from tercel.cli.console import console_app
from tercel.cli.data import data_app
from tercel.cli.estimate import estimate
from tercel.cli.gate import gate, limits_app
from tercel.cli.interrupts import run_app
from tercel.cli.market import market_app
from tercel.cli.operator import kill, rearm
from tercel.cli.output import say
from tercel.cli.risk import portfolio_app, risk_app
from tercel.cli.run import run
from tercel.cli.signals import signals_app
from tercel.cli.tca import tca
from tercel.cli.trade import trade_app

app = command_line("tercel", "From tick data to an execution agent that is judged.")
_GROUPS = (
    data_app,
    market_app,
    agent_app,
    signals_app,
    portfolio_app,
    risk_app,
    limits_app,
    trade_app,
    config_app,
    console_app,
)
for _group in _GROUPS:
    app.add_typer(_group, name=str(_group.info.name))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"tercel {__version__}")
        raise typer.Exit


add(app, run, estimate, tca, gate, kill, rearm)
LEFT_OUT = plugins.join(app)
"""A line for each installed package whose commands are not there, and why."""


def main() -> None:
    """Run the command line as the `tercel` script does."""
    for line in LEFT_OUT:
        say(line)
    run_app(app)
