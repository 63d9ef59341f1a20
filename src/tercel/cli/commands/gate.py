"""The body of `tercel gate`."""

import os
import select
import sys

import typer

from tercel.cli.gate import OpenGate
from tercel.cli.machine import Until
from tercel.core.machine import person
from tercel.gate.config import read_config
from tercel.gate.opening import hide, opened, serve
from tercel.gate.watchdog import beside_gate, watch
from tercel.report.terminal import say


def gate(request: OpenGate) -> int:
    """Open a gate and serve until Ctrl-C or SIGTERM; 1 where orders are not known to be over then."""
    config, beside = read_config(request.config), request.config.resolve().parent
    until = Until(None)

    def stopping() -> bool:
        return until.stopping() or (request.with_parent and _ended())

    hide()
    if request.watchdog:
        watch(config, beside, stopping, say)
        return 0
    with (
        opened(config, beside, person(), request.acknowledge) as gate,
        beside_gate(request.config.resolve(), config, lambda: not gate.open),
    ):
        accounts = ", ".join(config.gate.accounts)
        say(f'a gate to {gate.gateway.venue.name} for {accounts}: venue = "gate:{gate.path}"')
        if request.with_parent:
            typer.echo(gate.path)
        serve(gate, stopping)
        left = gate.open
        say("every order is over" if not left else f"{left} orders are NOT known to be over")
    return 1 if left else 0


def _ended() -> bool:
    """Whether whoever started this process is gone: nothing else closes its pipe."""
    ready, _, _ = select.select([sys.stdin], [], [], 0.0)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1024)
