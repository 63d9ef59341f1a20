"""The body of `tercel gate`."""

import os
import select
import sys

import typer

from tercel.cli.gate import OpenGate
from tercel.cli.machine import Until, person
from tercel.gate.config import read_config
from tercel.gate.opening import hide, opened, serve
from tercel.report.terminal import say


def gate(request: OpenGate) -> None:
    """Open a gate and serve until Ctrl-C or SIGTERM."""
    config, beside = read_config(request.config), request.config.resolve().parent
    until = Until(None)

    def stopping() -> bool:
        return until.stopping() or (request.with_parent and _ended())

    hide()
    with opened(config, beside, person(), request.acknowledge) as gate:
        accounts = ", ".join(config.gate.accounts)
        say(f'a gate to {gate.gateway.venue.name} for {accounts}: venue = "gate:{gate.path}"')
        if request.with_parent:
            typer.echo(gate.path)
        serve(gate, stopping)
        say("every order is over" if not gate.open else f"{gate.open} orders are NOT known to be over")


def _ended() -> bool:
    """Whether whoever started this process is gone: nothing else closes its pipe."""
    ready, _, _ = select.select([sys.stdin], [], [], 0.0)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1024)
