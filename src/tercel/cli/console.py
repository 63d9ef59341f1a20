"""`tercel console DESKS...` (the page where people monitor and overrule desks) and `tercel console users` (accounts)."""

import getpass
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tercel.cli.commands import add as add_commands, command_of
from tercel.cli.interrupts import on_interrupt
from tercel.cli.operator import PORT, ROOT, Desk, find_desk
from tercel.cli.options import AsJson
from tercel.cli.output import hand_over, print_table, say
from tercel.core.errors import refuse_if
from tercel.core.extras import import_optional
from tercel.core.system import user_name

if TYPE_CHECKING:
    from tercel.api.console.people import People

PASSWORD = "TERCEL_CONSOLE_PASSWORD"
PEOPLE = "TERCEL_PEOPLE"
TOKEN = "TERCEL_METRICS_TOKEN"
FIRST_USER = "admin"
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


users_app = typer.Typer(
    name=USERS, help="People who may log in at the console, and their roles.", no_args_is_help=True
)


class ConsoleGroup(TyperGroup):
    """Click group of `tercel console`: desks are its arguments, `users` is its subgroup."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, options also behind the desks; those after `users` are kept unparsed for that group."""
        is_users = args[:1] == [USERS]
        ctx.meta[USERS] = args[1:] if is_users else None
        ctx.allow_interspersed_args = True  # options may follow the desks
        return super().parse_args(ctx, [] if is_users else args)

    def invoke(self, ctx: Any) -> Any:
        """Serve the page, or run the subcommand."""
        arguments = ctx.meta[USERS]
        if arguments is None:
            return ctx.invoke(self.callback, **ctx.params)
        group = self.commands[USERS]
        with group.make_context(USERS, arguments, parent=ctx) as inner:
            return group.invoke(inner)


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
    lake: Annotated[
        Path | None,
        typer.Option(help="Recorded days from which orders are estimated.", metavar="DIR"),
    ] = None,
) -> None:
    """Serve the page where people monitor and overrule desks; loopback only, each person by name."""
    import_optional("fastapi", "trade")
    from tercel.api.console.web import LOOPBACK, bind, connect_desks, create_app, server_of

    desk_paths = [*(desks or []), *([desk] if desk else [])]
    folders = [find_desk(folder) for folder in desk_paths] or [find_desk(None)]
    users = people_of(people)
    listening = bind(port)
    login_line = _prepare_first_user(users)
    token = metrics_token or os.environ.get(TOKEN)
    provider = None
    if oidc is not None:
        from tercel.api.console.oidc import load_provider

        provider = load_provider(oidc, time.monotonic)
    connected = connect_desks(folders, time.time_ns, time.monotonic)
    app = create_app(connected, users, time.monotonic, token=token, provider=provider, lake=lake)
    folder_names = ", ".join(map(str, folders))
    say(
        f"console of {folder_names}: http://{LOOPBACK}:{listening.getsockname()[1]}/  (Ctrl-C ends it)"
    )
    say(login_line)
    if provider is not None:
        say(f"or by {provider.issuer}: /oidc")
    server_of(app).run(sockets=[listening])


def _prepare_first_user(people: "People") -> str:
    """Make a first login possible: give `admin` the environment's password, or create it in an empty file; return the
    line to print."""
    from tercel.api.console.people import generate_password

    env_password = os.environ.get(PASSWORD)
    by = f"{user_name()} (tercel console)"
    if env_password is not None and people.get(FIRST_USER) is not None:
        if people.verify(FIRST_USER, env_password) is None:
            people.set_password(FIRST_USER, env_password, by)
        return (
            f"log in as {FIRST_USER}, with the password of {PASSWORD}, or as any of {people.path}"
        )
    if env_password is None and people.all():
        return f"people: {people.path}"
    people.add(
        FIRST_USER,
        "admin",
        password := generate_password() if env_password is None else env_password,
        by,
    )
    if env_password is not None:
        return f"log in as {FIRST_USER}, with the password of {PASSWORD}"
    return f"{people.path} had no user: log in as {FIRST_USER}, password {password} (printed this once)"


def people_of(path: Path | None) -> "People":
    """The people file of a command: the one given, that of `TERCEL_PEOPLE`, or `desks/people.json`."""
    from tercel.api.console.people import People

    return People(path or Path(os.environ.get(PEOPLE) or ROOT / "people.json"))


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
    from tercel.api.console.people import check_name, generate_password
    from tercel.api.console.roles import check_role

    check_name(name)
    check_role(role)
    typed = "" if oidc else _ask_password(name)
    password = None if oidc else typed or generate_password()
    users = people_of(people)
    users.add(name, role, password, f"{user_name()} (tercel console users)")
    printed = password if not (typed or oidc) else None
    row = {
        "name": name,
        "role": role,
        "people": str(users.path),
        "password": printed,
    }
    password_note = f"; password {printed} (printed this once)" if printed else ""
    hand_over(
        row,
        as_json,
        lambda: say(f"{name} is {role} in {users.path}{password_note}"),
    )


def _ask_password(name: str) -> str:
    """Password typed twice at a terminal (ConfigError if they differ) or read from a line of stdin; "" for none."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed = getpass.getpass(f"password of {name} (empty: one is made): ")
    refuse_if(
        typed and getpass.getpass("again: ") != typed,
        "the same password twice",
        "two different ones",
        "type it again",
    )
    return typed


def password(
    name: Name,
    *,
    as_json: AsJson = False,
    people: File = None,
) -> None:
    """Set a person's password, prompted for as in `add`; the person's open sessions end."""
    from tercel.api.console.people import generate_password

    users = people_of(people)
    typed = _ask_password(name)
    generated = "" if typed else generate_password()
    users.set_password(name, typed or generated, f"{user_name()} (tercel console users)")
    row = {"name": name, "people": str(users.path), "password": generated or None}
    text = f": {generated} (printed this once)" if generated else ""
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
    everybody = users.all()
    headings = ("name", "role", "password", "by")
    cells = [
        [person.name, person.role, "yes" if person.hash else "", person.by] for person in everybody
    ]
    rows = [
        {"name": person.name, "role": person.role, "password": bool(person.hash), "by": person.by}
        for person in everybody
    ]
    hand_over(
        {"people": str(users.path), "users": rows},
        as_json,
        lambda: print_table(str(users.path), headings, cells, left_aligned=headings),
    )


console_app = typer.Typer(name="console", cls=ConsoleGroup, invoke_without_command=True)
console_app.callback()(command_of(console))
add_commands(users_app, add, role, password, remove, list_)
console_app.add_typer(users_app)
