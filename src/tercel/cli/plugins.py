"""Commands of other packages, found by the entry point group ``tercel.commands``.

A package names a list of :class:`PluginCommands` in its ``pyproject.toml``::

    [project.entry-points."tercel.commands"]
    mine = "mine.commands:COMMANDS"

and has it in ``mine/commands.py``::

    COMMANDS = [PluginCommands("market", (Volatility,))]

Every start of `tercel` imports that module, so it holds requests alone, whose ``body`` names the module that does the
work (:mod:`tercel.cli.request`). A ``help.toml`` beside it holds examples and panels as `tercel`'s own does.

A request that inherits a command's own request extends that command: it adds options, or does what a method of the
request says in another way. The command keeps its name, its place and its help.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NoReturn

import typer
from typer.models import CommandInfo

from tercel.cli.help_texts import add_help, help_texts, name_of, tree
from tercel.cli.request import Command, add, request_of
from tercel.cli.terminal import print_error
from tercel.core.errors import ConfigError

GROUP: Final = "tercel.commands"
BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "certify": ("certify", "limits stress", "market simulate --itch", "trade faults"),
    "studies": (
        "agent ablate", "agent package", "agent table", "market arbitrage", "market facts", "market response",
        "market sanity", "market table", "risk anomaly", "risk correlation", "risk posture --market", "risk precursors",
        "risk regimes", "risk tail", "risk volatility", "signals compare", "trade run --ablate", "trade run --freeze",
        "trade run --seeds",
    ),
}  # fmt: skip
"""Folder of a clone -> commands, groups of commands, and options of commands that are there once it is installed."""
ANYTHING: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that takes whatever follows it."""


@dataclass(frozen=True)
class PluginCommands:
    """Commands that a package adds to one group.

    Attributes
    ----------
    group : str
        Words of the group: ``"market"``, ``"data import"``, or none for `tercel` itself. A new group is made.
    bodies : tuple
        Requests, or functions of one, as :func:`tercel.cli.request.add` takes them.
    about : str
        Help text of a new group.
    """

    group: str
    bodies: tuple[Callable[[Any], int | None] | type, ...]
    about: str = ""


@dataclass(frozen=True)
class _Offer:
    """A command that a package gives."""

    package: str
    to: PluginCommands
    command: CommandInfo

    @property
    def words(self) -> str:
        return f"{self.to.group} {self.command.name}".strip()

    def extends(self, old: CommandInfo | None) -> bool:
        """Whether its request inherits that of a command."""
        own, kind = request_of(old and old.callback), request_of(self.command.callback)
        return own is not None and kind is not None and own is not kind and issubclass(kind, own)


def join(app: typer.Typer) -> list[str]:
    """Add every installed package's commands and the help texts of all; a line for each that has to be left out.

    A package that cannot be imported gives no command. A command that two packages give or extend, or that is
    `tercel`'s own, is taken from neither.
    """
    own, left_out = _commands(app), list[str]()
    offers: dict[str, list[_Offer]] = {}
    texts = [help_texts("tercel.cli")]
    for entry in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        package = f"{entry.dist.name if entry.dist else entry.name} ({entry.value})"
        try:
            found, its_texts = list(_offers(entry, package)), help_texts(entry.module.rpartition(".")[0])
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {error}".replace("\n", " ")
            left_out.append(f"warning: no commands of {package}: {what}; to go on, install it again or take it away")
            continue
        texts.append(its_texts)
        for one in found:
            offers.setdefault(one.words, []).append(one)
    for words, given in offers.items():
        who, old, new = [one.package for one in given], own.get(words), given[0].command
        extended = all(one.extends(old) for one in given)
        if (words in own and not extended) or own.get(given[0].to.group) is not None:
            who.insert(0, "tercel")
        if len(who) > 1:
            left_out.append(f"warning: `tercel {words}` is given by {' and '.join(who)}; to go on, take one away")
        elif old is not None and new.callback is not None:
            new.callback.__doc__, old.callback = old.callback.__doc__, new.callback
        else:
            _group(app, given[0].to).registered_commands.append(new)
    _name_absent(app)
    add_help(app, texts)
    return left_out


def _offers(entry: EntryPoint, package: str) -> Iterator[_Offer]:
    """What an entry point gives, each command tried: Typer reads its options here and not at the first `--help`."""
    for one in entry.load():
        if not isinstance(one, PluginCommands):
            raise ConfigError("a list of tercel.cli.plugins.PluginCommands", repr(one), "see that module")
        scratch = typer.Typer()
        add(scratch, *one.bodies)
        typer.main.get_command(scratch)
        yield from (_Offer(package, one, command) for command in scratch.registered_commands)


def _commands(app: typer.Typer) -> dict[str, CommandInfo | None]:
    """Words of every command and group below `app`, and the command; None for a group."""
    return {words: one if isinstance(one, CommandInfo) else None for words, one in tree(app)}


def _group(app: typer.Typer, commands: PluginCommands) -> typer.Typer:
    """The group that commands are added to, made where it is new."""
    for word in commands.group.split():
        inner = [one.typer_instance for one in app.registered_groups if name_of(one) == word]
        if not inner:
            app.add_typer(typer.Typer(name=word, help=commands.about, no_args_is_help=True), name=word)
            inner = [app.registered_groups[-1].typer_instance]
        app = inner[0] or app
    return app


def _name_absent(app: typer.Typer) -> None:
    """Answer commands and options of a clone's folders that are not installed with how to install them."""
    known = _commands(app)
    for folder, names in BESIDE.items():
        for words in names:
            above, _, name = words.rpartition(" ")
            command = known.get(above)
            if name.startswith("--") and command is not None:
                command.cls = _WithOptionsBeside
            elif words not in known and command is None and above in ("", *known):
                absent = _group(app, PluginCommands(above, ()))
                absent.command(name, hidden=True, add_help_option=False, context_settings=ANYTHING)(
                    _absent(words, folder)
                )


class _WithOptionsBeside(Command):
    """A command that has more options once a folder of a clone is installed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed; of options that are not there, say what to install."""
        known = {name for one in self.params for name in one.opts}
        for option in (one.partition("=")[0] for one in args):
            words = f"{ctx.command_path} {option}"
            for folder, names in BESIDE.items():
                if option not in known and words.endswith(tuple(f" {name}" for name in names)):
                    _refuse(folder, f"{ctx.command_path} {' '.join(args)}", "--json" in args)
        return super().parse_args(ctx, args)


def _absent(words: str, folder: str) -> Callable[[typer.Context], None]:
    def answer(context: typer.Context) -> None:
        _refuse(folder, " ".join(["tercel", words, *context.args]), "--json" in context.args)

    return answer


def _refuse(folder: str, typed: str, as_json: bool) -> NoReturn:
    remedy = f"pip install ./{folder}, from a clone of the repository"
    print_error(ConfigError(f"the commands of {folder} to be installed", typed, remedy), as_json)
    raise typer.Exit(2)
