"""Commands of other packages, found by the entry point group ``tercel.commands``.

A package names a list of :class:`PluginCommands` in its ``pyproject.toml``::

    [project.entry-points."tercel.commands"]
    mine = "mine.commands:COMMANDS"

and has it in ``mine/commands.py``::

    COMMANDS = [PluginCommands("market", (Volatility,))]

Every start of `tercel` imports that module, so it holds requests alone, whose ``body`` names the module that does the
work (:mod:`tercel.cli.shared`). A ``help.toml`` beside it holds examples and panels as `tercel`'s own does.

A request that inherits a command's own request extends that command: it adds options, or does what a method of the
request says in another way. The command keeps its name, its place and its help.

``elsewhere.toml`` lists the commands of this repository's other distributions: where one is not installed, its commands
answer with the package to install; commands that were removed (`tercel.core.removed`) with a commit.
"""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any, Final, TypeAlias

import typer
from typer.models import CommandInfo, TyperInfo

from tercel.cli.shared import add, reported, request_of
from tercel.core.errors import ConfigError
from tercel.core.removed import REMOVED, refuse_removed

HelpTexts: TypeAlias = dict[str, dict[str, str]]
"""``panels`` and ``examples``: the words of a command -> its panel, its example."""


def help_texts(package: str) -> HelpTexts:
    """The `help.toml` of a package; empty where it has none."""
    file = files(package) / "help.toml" if package else None
    if file is None or not file.is_file():
        return {}
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    panels = {
        words: name for name, commands in found.get("panels", {}).items() for words in commands
    }
    return {"panels": panels, "examples": found.get("examples", {})}


def name_of(one: CommandInfo | TyperInfo) -> str:
    """Word by which a command or group is typed.

    >>> app = typer.Typer()
    >>> app.add_typer(typer.Typer(name="inner"))
    >>> name_of(app.registered_groups[0])
    'inner'
    """
    inner = getattr(one, "typer_instance", None)
    for name in (one.name, inner and inner.info.name, getattr(one.callback, "__name__", "")):
        if name and isinstance(name, str):
            return name
    return ""


def tree(app: typer.Typer, above: str = "") -> Iterator[tuple[str, CommandInfo | TyperInfo]]:
    """Words of every command and group below `app`, and what it is."""
    below: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for one in below:
        words = f"{above} {name_of(one)}".strip()
        yield words, one
        if isinstance(one, TyperInfo) and one.typer_instance is not None:
            yield from tree(one.typer_instance, words)


def add_help(app: typer.Typer, texts: Sequence[HelpTexts]) -> None:
    """Give every command of a tree its example and its panel; of several texts the first that has one counts."""

    def text_of(kind: str, words: str) -> str | None:
        return next((one[kind][words] for one in texts if words in one.get(kind, {})), None)

    for words, one in tree(app):
        one.rich_help_panel = text_of("panels", words) or one.rich_help_panel
        if example := text_of("examples", words):
            one.epilog = f"Example: {example}"


GROUP: Final = "tercel.commands"


@dataclass(frozen=True)
class PluginCommands:
    """Commands that a package adds to one group.

    Attributes
    ----------
    group : str
        Words of the group: ``"market"``, ``"data import"``, or none for `tercel` itself. A new group is made.
    bodies : tuple
        Requests, or functions of one, as :func:`tercel.cli.shared.add` takes them.
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
            found, its_texts = (
                list(_offers(entry, package)),
                help_texts(entry.module.rpartition(".")[0]),
            )
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {error}".replace("\n", " ")
            left_out.append(
                f"warning: no commands of {package}: {what}; to go on, install it again or take it away"
            )
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
            left_out.append(
                f"warning: `tercel {words}` is given by {' and '.join(who)}; to go on, take one away"
            )
        elif old is not None and new.callback is not None:
            new.callback.__doc__ = old.callback.__doc__
            old.callback = new.callback
        else:
            _group(app, given[0].to).registered_commands.append(new)
    add_help(app, texts)
    absent = elsewhere() | dict.fromkeys(REMOVED["commands"], "")
    for words, distribution in absent.items():
        answer_for_absent(app, words, distribution)
    return left_out


def elsewhere() -> dict[str, str]:
    """Commands of other distributions, and the name of each distribution.

    >>> elsewhere()["venue serve"]
    'tercel-exchange'
    """
    return tomllib.loads(files("tercel.cli").joinpath("elsewhere.toml").read_text(encoding="utf-8"))


def answer_for_absent(app: typer.Typer, words: str, distribution: str) -> None:
    """Add a hidden command in place of an absent one, which names the distribution to install; of one that was removed,
    the last commit that has it.

    It replaces the first missing word, a group or a command, and answers for everything below it.
    """
    known = _commands(app)
    group = ""
    for name in words.split():
        here = f"{group} {name}".strip()
        if here not in known:
            break
        if known[here] is not None:
            return
        group = here
    else:
        return

    def absent(context: typer.Context) -> None:
        with reported("--json" in context.args):
            refuse_removed("commands", words, f"`{words}`")
            raise ConfigError(
                f"the distribution {distribution}, which gives `tercel {words}`",
                "no such command in this installation",
                f"pip install {distribution}",
            )

    _group(app, PluginCommands(group, ())).command(
        name,
        hidden=True,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )(absent)


def _offers(entry: EntryPoint, package: str) -> Iterator[_Offer]:
    """Commands of an entry point, each one tested: Typer reads its options here, not at the first `--help`."""
    for one in entry.load():
        if not isinstance(one, PluginCommands):
            raise ConfigError(
                "a list of tercel.cli.plugins.PluginCommands", repr(one), "see that module"
            )
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
            app.add_typer(
                typer.Typer(name=word, help=commands.about, no_args_is_help=True), name=word
            )
            inner = [app.registered_groups[-1].typer_instance]
        app = inner[0] or app
    return app
