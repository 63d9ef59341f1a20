"""`tercel gate`: the wall between desks and a venue.

`tercel limits ...`: show how a limit file is read.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli.shared import (
    AsJson,
    BoundedClock,
    add,
    hand_over,
    on_interrupt,
    print_json,
    print_table,
    result_console,
    say,
)
from tercel.core.system import user_name


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
    from tercel.desk.gate.opening import hold, left_open
    from tercel.desk.gate.server import Gate

    settings, gates = read_config(config), list[Gate]()
    accounts = settings.gate.accounts

    def listens(gate: Gate) -> None:
        gates.append(gate)
        asks = f"; sessions show all that live asks: {gate.money}" if gate.money else ""
        say(
            f'a gate to {gate.gateway.venue.name} for {", ".join(accounts)}: venue = "gate:{gate.path}"{asks}'
        )

    file, stop = config.resolve(), BoundedClock(None).stopping
    hold(
        settings,
        file,
        user_name(),
        stop,
        listens,
        acknowledge,
        prove=proof_of(file, settings.gate.people),
    )
    (held,) = gates
    left = left_open(held)
    say("every order is over" if not left else f"{len(left)} orders are NOT known to be over")
    if as_json:
        print_json(
            {
                "venue": held.gateway.venue.name,
                "accounts": accounts,
                "listen": held.path,
                "open": left,
            }
        )
    return 1 if left else 0


def proof_of(file: Path, named: str) -> Callable[[Mapping[str, Any], int], str]:
    """Looks at the second person of a session, among the people whom the gate's file or the installation's names."""
    from tercel.api.console.people import SecondPerson
    from tercel.core.installation import installation

    def proved(shown: Mapping[str, Any], uid: int) -> str:
        people = file.parent / named if named else installation().people
        return SecondPerson(str(shown.get("second")), str(shown.get("password"))).proved(
            people, uid
        )

    return proved


limits_app = typer.Typer(
    name="limits",
    help="Hard pre-trade limits: check a file, show the packaged one.",
    no_args_is_help=True,
)


def check(
    file: Annotated[Path, typer.Argument(help="Limit file (TOML).", metavar="FILE.toml")],
    as_json: AsJson = False,
) -> None:
    """Print the limits as they are understood; exit 2 where the file cannot be obeyed to the letter."""
    from tercel.desk.limits import read
    from tercel.desk.limits.file import understood

    limits = understood(read(file))

    def show() -> None:
        scopes = {"desk": limits["desk"]}
        for room in ("instruments", "agents"):
            scopes |= {
                f"{room[:-1]} {'(any other)' if name == '*' else name}": each
                for name, each in limits[room].items()
            }
        keys = dict.fromkeys(key for each in scopes.values() for key in each)
        rows = [[key, *(_shown(each.get(key)) for each in scopes.values())] for key in keys]
        print_table(limits["source"], ("limit", *scopes), rows)

    hand_over(limits, as_json, show)


def _shown(value: Any) -> str:
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

    from tercel.desk.limits import default_file

    result_console().print(Text(default_file().read_text(encoding="utf-8")), soft_wrap=True, end="")


add(limits_app, check, show_default)
