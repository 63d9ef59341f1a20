"""The body of `tercel gate`."""

from tercel.cli.gate import OpenGate
from tercel.cli.machine import Until
from tercel.core.machine import person
from tercel.gate.config import read_config
from tercel.gate.opening import hold, left_open
from tercel.gate.server import Gate
from tercel.report.terminal import print_json, say


def gate(request: OpenGate) -> int:
    """Open a gate and serve until Ctrl-C or SIGTERM; 1 where orders are not known to be over then."""
    config, gates = read_config(request.config), list[Gate]()
    accounts = config.gate.accounts

    def listens(gate: Gate) -> None:
        gates.append(gate)
        say(f'a gate to {gate.gateway.venue.name} for {", ".join(accounts)}: venue = "gate:{gate.path}"')

    hold(config, request.config.resolve(), person(), Until(None).stopping, listens, request.acknowledge)
    (held,) = gates
    left = left_open(held)
    say("every order is over" if not left else f"{len(left)} orders are NOT known to be over")
    if request.as_json:
        print_json({"venue": held.gateway.venue.name, "accounts": accounts, "listen": held.path, "open": left})
    return 1 if left else 0
