"""`tercel gate` (a process with a venue's session, the limits and the kill latch) and `tercel limits` (limit files).

`tercel limits ...`: show how a limit file is read.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli.commands import add
from tercel.cli.interrupts import BoundedClock, on_interrupt
from tercel.cli.options import AsJson
from tercel.cli.output import hand_over, print_json, print_table, result_console, say
from tercel.core.system import user_name

limits_app = typer.Typer(
    name="limits",
    help="Hard pre-trade limits: check a file, show the packaged one.",
    no_args_is_help=True,
)


@on_interrupt("the gate is closed")
def gate(
    config: Annotated[Path, typer.Argument(help="The gate's file.", metavar="CONFIG.toml")],
    acknowledge: Annotated[
        str,
        typer.Option(
            help="Go on with the sound part of a damaged journal; say why.", metavar="TEXT"
        ),
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Hold a venue's session, the limits and the kill latch in a process of their own; desks trade through its socket.

    What leaves is checked, counted and journaled here. A desk that is silent or gone has its orders cancelled.
    """
    from tercel.desk.gate.config import read_config
    from tercel.desk.gate.opening import run_gate
    from tercel.desk.gate.server import Gate

    settings = read_config(config)
    gates = list[Gate]()
    accounts = settings.gate.accounts

    def listens(gate: Gate) -> None:
        """Store the gate, and print its accounts and its address."""
        gates.append(gate)
        asks = f"; sessions show all that live asks: {gate.money}" if gate.money else ""
        say(
            f'a gate to {gate.gateway.venue.name} for {", ".join(accounts)}: venue = "gate:{gate.path}"{asks}'
        )

    file = config.resolve()
    stop = BoundedClock(None).stopping
    run_gate(
        settings,
        file,
        user_name(),
        stop,
        listens,
        acknowledge,
        prove=second_person_prover(file, settings.gate.people),
    )
    (gate_server,) = gates
    open_orders = gate_server.open_orders
    say(
        "every order is over"
        if not open_orders
        else f"{len(open_orders)} orders are NOT known to be over"
    )
    if as_json:
        print_json(
            {
                "venue": gate_server.gateway.venue.name,
                "accounts": accounts,
                "listen": gate_server.path,
                "open": open_orders,
            }
        )
    return 1 if open_orders else 0


def second_person_prover(file: Path, people_file: str) -> Callable[[Mapping[str, Any], int], str]:
    """Function that verifies a second person, of credentials and the session's Unix user id, and returns name and proof.

    People are those of `people_file` beside the gate's file; if it is empty, those of the installation.
    """
    from tercel.api.console.second_person import SecondPerson
    from tercel.core.installation import read_installation

    def prove_identity(credentials: Mapping[str, Any], uid: int) -> str:
        """Verify the credentials of a second person; return name and proof for the journal."""
        people = file.parent / people_file if people_file else read_installation().people
        return SecondPerson(
            str(credentials.get("second")), str(credentials.get("password"))
        ).prove_identity(people, uid)

    return prove_identity


def check(
    file: Annotated[Path, typer.Argument(help="Limit file (TOML).", metavar="FILE.toml")],
    as_json: AsJson = False,
) -> None:
    """Print the limits as they are understood; exit 2 where the file cannot be obeyed to the letter."""
    from tercel.desk.limits import read
    from tercel.desk.limits.file import in_file_units

    limits = in_file_units(read(file))

    def show() -> None:
        """Print the limits as a table."""
        scopes = {"desk": limits["desk"]}
        for scope_kind in ("instruments", "agents"):
            scopes |= {
                f"{scope_kind[:-1]} {'(any other)' if name == '*' else name}": scope_limits
                for name, scope_limits in limits[scope_kind].items()
            }
        keys = dict.fromkeys(key for scope_limits in scopes.values() for key in scope_limits)
        rows = [
            [key, *(_limit_text(scope_limits.get(key)) for scope_limits in scopes.values())]
            for key in keys
        ]
        print_table(limits["source"], ("limit", *scopes), rows)

    hand_over(limits, as_json, show)


def _limit_text(value: Any) -> str:
    """A limit's value as text; "-" for None."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return " to ".join(value)
    return (
        value
        if isinstance(value, str)
        else f"{value:,.15g}"
        if isinstance(value, float)
        else f"{value:,}"
    )


def show_default() -> None:
    """Print the packaged limit file with every key explained, to start one's own from: > limits.toml."""
    from rich.text import Text

    from tercel.desk.limits import packaged_text

    result_console().print(Text(packaged_text()), soft_wrap=True, end="")


add(limits_app, check, show_default)
