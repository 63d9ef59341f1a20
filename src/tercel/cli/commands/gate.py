"""The body of `tercel gate`."""

from tercel.cli.gate import Gate
from tercel.cli.machine import Until, person
from tercel.gate.config import read_config
from tercel.gate.opening import hide, opened, serve
from tercel.report.terminal import say


def gate(request: Gate) -> None:
    """Open a gate and serve until Ctrl-C or SIGTERM."""
    config, beside = read_config(request.config), request.config.resolve().parent
    until = Until(None)
    hide()
    with opened(config, beside, person(), request.acknowledge) as gate:
        section = config.gate
        say(f'a gate to {gate.gateway.venue.name} for {", ".join(section.accounts)}: venue = "gate:{gate.path}"')
        serve(gate, until.stopping)
        say("every order is over" if not gate.open else f"{gate.open} orders are NOT known to be over")
