"""`tercel console DESKS...`: the page where people monitor and overrule desks; `... users`: their accounts."""

import getpass
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tercel.cli.operator import PORT, ROOT, Desk, find_desk
from tercel.cli.shared import (
    AsJson,
    add as add_commands,
    command_of,
    hand_over,
    on_interrupt,
    print_table,
    say,
)
from tercel.core.errors import ConfigError
from tercel.core.extras import needed
from tercel.core.system import user_name

if TYPE_CHECKING:
    from tercel.api.console.people import People

PASSWORD = "TERCEL_CONSOLE_PASSWORD"
PEOPLE = "TERCEL_PEOPLE"
TOKEN = "TERCEL_METRICS_TOKEN"
FIRST = "admin"
"""The first user, where a file has none."""
USERS = "users"
File = Annotated[
    Path | None,
    typer.Option(
        "--people",
        help=f"The file of people (default: {PEOPLE}, or desks/people.json).",
        metavar="FILE",
    ),
]
Name = Annotated[str, typer.Argument(help="A person's name at the console.", metavar="NAME")]
Role = Annotated[str, typer.Option(help="viewer, trader, risk or admin.", metavar="ROLE")]


class ConsoleGroup(TyperGroup):
    """Desks are arguments of `tercel console`, `users` is a group below it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave words after `users` to that group."""
        below = args[:1] == [USERS]
        ctx.meta[USERS] = args[1:] if below else None
        ctx.allow_interspersed_args = True  # options may follow the desks
        return super().parse_args(ctx, [] if below else args)

    def invoke(self, ctx: Any) -> Any:
        """Serve the page, or run the subcommand."""
        words = ctx.meta[USERS]
        if words is None:
            return ctx.invoke(self.callback, **ctx.params)
        below = self.commands[USERS]
        with below.make_context(USERS, words, parent=ctx) as inner:
            return below.invoke(inner)


@on_interrupt("the desks go on without the page")
def console(
    desks: Annotated[
        list[Path] | None, typer.Argument(help="Folders of desks.", metavar="DESKS...")
    ] = None,
    desk: Desk = None,
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535, metavar="P")
    ] = PORT,
    people: File = None,
    metrics_token: Annotated[
        str | None,
        typer.Option(
            help=f"A client that sends it as a bearer token may read /metrics (default: {TOKEN}).",
            metavar="TOKEN",
        ),
    ] = None,
    oidc: Annotated[
        Path | None,
        typer.Option(
            help="An identity provider: issuer, client_id, secret_file.", metavar="FILE.toml"
        ),
    ] = None,
) -> None:
    """Serve the page where people monitor and overrule desks; loopback only, each person by name."""
    needed("fastapi", "trade")
    from tercel.api.console.web import LOOPBACK, bind, create_app, served, server_of

    given = [*(desks or []), *([desk] if desk else [])]
    folders = [find_desk(folder) for folder in given] or [find_desk(None)]
    users = people_of(people)
    listening = bind(port)
    first = _first(users)
    token = metrics_token or os.environ.get(TOKEN)
    provider = None
    if oidc is not None:
        from tercel.api.console.oidc import provider_of

        provider = provider_of(oidc, time.monotonic)
    serving = served(folders, time.time_ns, time.monotonic)
    app = create_app(serving, users, time.monotonic, token=token, provider=provider)
    named = ", ".join(map(str, folders))
    say(f"console of {named}: http://{LOOPBACK}:{listening.getsockname()[1]}/  (Ctrl-C ends it)")
    say(first)
    if provider is not None:
        say(f"or by {provider.issuer}: /oidc")
    server_of(app).run(sockets=[listening])


def _first(people: "People") -> str:
    """Create `admin` in an empty file, or with the password of the environment; returns the line to print."""
    from tercel.api.console.people import made_password

    given, by = os.environ.get(PASSWORD), f"{user_name()} (tercel console)"
    if given is not None and people.get(FIRST) is not None:
        if people.verify(FIRST, given) is None:
            people.set_password(FIRST, given, by)
        return f"log in as {FIRST}, with the password of {PASSWORD}, or as any of {people.path}"
    if given is None and people.all():
        return f"people: {people.path}"
    people.add(FIRST, "admin", password := made_password() if given is None else given, by)
    if given is not None:
        return f"log in as {FIRST}, with the password of {PASSWORD}"
    return f"{people.path} had no user: log in as {FIRST}, password {password} (printed this once)"


def people_of(given: Path | None) -> "People":
    """The people of a file: the one given, that of `TERCEL_PEOPLE`, or `desks/people.json`."""
    from tercel.api.console.people import People

    return People(given or Path(os.environ.get(PEOPLE) or ROOT / "people.json"))


def add(
    name: Name,
    *,
    as_json: AsJson = False,
    people: File = None,
    role: Role = "viewer",
    oidc: Annotated[
        bool, typer.Option("--oidc", help="No password: login by the identity provider.")
    ] = False,
) -> None:
    """Add a person; the password is prompted for or read from stdin; if empty, one is generated and printed once."""
    from tercel.api.console.people import check_name, check_role, made_password

    check_name(name)
    check_role(role)
    typed = "" if oidc else _asked(name)
    password = None if oidc else typed or made_password()
    users = people_of(people)
    users.add(name, role, password, f"{user_name()} (tercel console users)")
    printed = password if not (typed or oidc) else None
    row = {
        "name": name,
        "role": role,
        "people": str(users.path),
        "password": printed,
    }
    made = f"; password {printed} (printed this once)" if printed else ""
    hand_over(
        row,
        as_json,
        lambda: say(f"{name} is {role} in {users.path}{made}"),
    )


def _asked(name: str) -> str:
    """The password that a terminal or stdin gives; "" for none."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed = getpass.getpass(f"password of {name} (empty: one is made): ")
    if typed and getpass.getpass("again: ") != typed:
        raise ConfigError("the same password twice", "two different ones", "type it again")
    return typed


def password(
    name: Name,
    *,
    as_json: AsJson = False,
    people: File = None,
) -> None:
    """Set a person's password, prompted for as in `add`; the person's open sessions end."""
    from tercel.api.console.people import made_password

    users, typed = people_of(people), _asked(name)
    made = "" if typed else made_password()
    users.set_password(name, typed or made, f"{user_name()} (tercel console users)")
    row = {"name": name, "people": str(users.path), "password": made or None}
    text = f": {made} (printed this once)" if made else ""
    hand_over(
        row,
        as_json,
        lambda: say(f"{name} has another password in {users.path}{text}"),
    )


def role(
    name: Name,
    *,
    as_json: AsJson = False,
    people: File = None,
    role: Annotated[str, typer.Argument(help="viewer, trader, risk or admin.", metavar="ROLE")],
) -> None:
    """Give a person another role; it counts at once, in open sessions too."""
    users = people_of(people)
    users.set_role(name, role, f"{user_name()} (tercel console users)")
    row = {"name": name, "role": role, "people": str(users.path)}
    hand_over(row, as_json, lambda: say(f"{name} is {role} in {users.path}"))


def remove(
    name: Name,
    *,
    as_json: AsJson = False,
    people: File = None,
) -> None:
    """Remove a person; open sessions end at once."""
    users = people_of(people)
    users.remove(name)
    row = {"removed": name, "people": str(users.path)}
    hand_over(row, as_json, lambda: say(f"{name} is out of {users.path}"))


def list_(
    as_json: AsJson = False,
    people: File = None,
) -> None:
    """List people who may log in, their roles, and who added them."""
    users = people_of(people)
    everybody, heads = users.all(), ("name", "role", "password", "by")
    cells = [[one.name, one.role, "yes" if one.hash else "", one.by] for one in everybody]
    rows = [
        {"name": one.name, "role": one.role, "password": bool(one.hash), "by": one.by}
        for one in everybody
    ]
    hand_over(
        {"people": str(users.path), "users": rows},
        as_json,
        lambda: print_table(str(users.path), heads, cells, left=heads),
    )


console_app = typer.Typer(name="console", cls=ConsoleGroup, invoke_without_command=True)
console_app.callback()(command_of(console))
users_app = typer.Typer(
    name=USERS, help="People who may log in at the console, and their roles.", no_args_is_help=True
)
add_commands(users_app, add, role, password, remove, list_)
console_app.add_typer(users_app)
