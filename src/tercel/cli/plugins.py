"""Commands of other packages, found by the entry point group ``tercel.commands``.

A package names a list of :class:`PluginCommands` in its ``pyproject.toml``::

    [project.entry-points."tercel.commands"]
    mine = "mine.commands:COMMANDS"

and has it in ``mine/commands.py``::

    COMMANDS = [PluginCommands("market", (Volatility,))]

Every start of `tercel` imports that module, so it holds requests alone, whose ``body`` names the module that does the
work (:mod:`tercel.cli.commands`). A ``help.toml`` beside it holds examples and panels as `tercel`'s own does.

A request that inherits a command's own request extends that command: it adds options, or does what a method of the
request says in another way. The command keeps its name, its place and its help.

``elsewhere.toml`` lists the commands of this repository's other distributions: where one is not installed, its commands
answer with the package to install.
"""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any, Final, TypeAlias

import typer
from typer.models import CommandInfo, TyperInfo

from tercel.cli.commands import add, request_of
from tercel.cli.interrupts import report_errors
from tercel.core.errors import ConfigError

HelpTexts: TypeAlias = dict[str, dict[str, str]]
"""Tables ``panels`` and ``examples`` of a `help.toml`: command path to the command's panel or example."""


GROUP: Final = "tercel.commands"


def help_texts(package: str) -> HelpTexts:
    """The `help.toml` of a package; empty where it has none."""
    file = files(package) / "help.toml" if package else None
    if file is None or not file.is_file():
        return {}
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    panels = {
        command: name
        for name, commands in document.get("panels", {}).items()
        for command in commands
    }
    return {"panels": panels, "examples": document.get("examples", {})}


def name_of(info: CommandInfo | TyperInfo) -> str:
    """Name under which a command or a group is typed.

    >>> app = typer.Typer()
    >>> app.add_typer(typer.Typer(name="inner"))
    >>> name_of(app.registered_groups[0])
    'inner'
    """
    inner = getattr(info, "typer_instance", None)
    for name in (info.name, inner and inner.info.name, getattr(info.callback, "__name__", "")):
        if name and isinstance(name, str):
            return name
    return ""


def tree(app: typer.Typer, parent_path: str = "") -> Iterator[tuple[str, CommandInfo | TyperInfo]]:
    """Command path and Typer info of every command and group below `app`."""
    children: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for info in children:
        path = f"{parent_path} {name_of(info)}".strip()
        yield path, info
        if isinstance(info, TyperInfo) and info.typer_instance is not None:
            yield from tree(info.typer_instance, path)


def add_help(app: typer.Typer, texts: Sequence[HelpTexts]) -> None:
    """Add an example and a help panel to every command of a tree; the first of several texts counts."""

    def text_of(kind: str, path: str) -> str | None:
        """The first text of a kind for a command path; None without one."""
        return next(
            (
                package_texts[kind][path]
                for package_texts in texts
                if path in package_texts.get(kind, {})
            ),
            None,
        )

    for path, info in tree(app):
        info.rich_help_panel = text_of("panels", path) or info.rich_help_panel
        if example := text_of("examples", path):
            info.epilog = f"Example: {example}"


@dataclass(frozen=True)
class PluginCommands:
    """Commands that a package adds to one group.

    Attributes
    ----------
    group : str
        Words of the group: ``"market"``, ``"data import"``, or none for `tercel` itself. A new group is made.
    bodies : tuple
        Requests, or functions of one, as :func:`tercel.cli.commands.add` takes them.
    about : str
        Help text of a new group.
    """

    group: str
    bodies: tuple[Callable[[Any], int | None] | type, ...]
    about: str = ""


@dataclass(frozen=True)
class _Offer:
    """A command that another package offers: its request, group and name."""

    package: str
    to: PluginCommands
    command: CommandInfo

    @property
    def path(self) -> str:
        """Path of the offered command, such as "market score"."""
        return f"{self.to.group} {self.command.name}".strip()

    def extends(self, existing: CommandInfo | None) -> bool:
        """Whether the offered request inherits the existing command's request, and so may replace the command."""
        own_request = request_of(existing and existing.callback)
        kind = request_of(self.command.callback)
        return (
            own_request is not None
            and kind is not None
            and own_request is not kind
            and issubclass(kind, own_request)
        )


def join(app: typer.Typer) -> list[str]:
    """Add all installed packages' commands and help texts; return a message for each package that is left out.

    A package that cannot be imported gives no command. A command that two packages give or extend, or that is
    `tercel`'s own, is taken from neither.
    """
    own_commands = _commands(app)
    left_out = list[str]()
    offers: dict[str, list[_Offer]] = {}
    texts = [help_texts("tercel.cli")]
    for entry in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        package = f"{entry.dist.name if entry.dist else entry.name} ({entry.value})"
        try:
            offered = list(_offers(entry, package))
            its_texts = help_texts(entry.module.rpartition(".")[0])
        except (Exception, SystemExit) as error:
            fault = f"{type(error).__name__}: {error}".replace("\n", " ")
            left_out.append(
                f"warning: no commands of {package}: {fault}; to go on, install it again or take it away"
            )
            continue
        texts.append(its_texts)
        for offer in offered:
            offers.setdefault(offer.path, []).append(offer)
    for path, competing in offers.items():
        packages = [offer.package for offer in competing]
        existing = own_commands.get(path)
        command = competing[0].command
        extended = all(offer.extends(existing) for offer in competing)
        if (path in own_commands and not extended) or own_commands.get(
            competing[0].to.group
        ) is not None:
            packages.insert(0, "tercel")
        if len(packages) > 1:
            left_out.append(
                f"warning: `tercel {path}` is given by {' and '.join(packages)}; to go on, take one away"
            )
        elif existing is not None and command.callback is not None:
            command.callback.__doc__ = existing.callback.__doc__
            existing.callback = command.callback
        else:
            _group(app, competing[0].to).registered_commands.append(command)
    add_help(app, texts)
    for path, distribution in elsewhere().items():
        answer_for_absent(app, path, distribution)
    return left_out


def elsewhere() -> dict[str, str]:
    """Commands of other distributions: command path to the distribution's name.

    >>> elsewhere()["venue serve"]
    'tercel-exchange'
    """
    return tomllib.loads(files("tercel.cli").joinpath("elsewhere.toml").read_text(encoding="utf-8"))


def answer_for_absent(app: typer.Typer, path: str, distribution: str) -> None:
    """Where a command is absent, add a hidden one in its place, which fails and names the distribution to install.

    It replaces the first missing word, a group or a command, and answers for everything below it.
    """
    commands = _commands(app)
    group = ""
    for name in path.split():
        candidate = f"{group} {name}".strip()
        if candidate not in commands:
            break
        if commands[candidate] is not None:
            return
        group = candidate
    else:
        return

    def absent(context: typer.Context) -> None:
        """Fail with the distribution to install."""
        with report_errors("--json" in context.args):
            raise ConfigError(
                f"the distribution {distribution}, which gives `tercel {path}`",
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
    """Commands of an entry point, each tested by letting Typer read its options."""
    for plugin in entry.load():
        if not isinstance(plugin, PluginCommands):
            raise ConfigError(
                "a list of tercel.cli.plugins.PluginCommands", repr(plugin), "see that module"
            )
        scratch = typer.Typer()
        add(scratch, *plugin.bodies)
        typer.main.get_command(scratch)
        yield from (_Offer(package, plugin, command) for command in scratch.registered_commands)


def _commands(app: typer.Typer) -> dict[str, CommandInfo | None]:
    """Words of every command and group below `app`, and the command; None for a group."""
    return {path: info if isinstance(info, CommandInfo) else None for path, info in tree(app)}


def _group(app: typer.Typer, commands: PluginCommands) -> typer.Typer:
    """The group that commands are added to; a new one is made if needed."""
    for name in commands.group.split():
        inner = [info.typer_instance for info in app.registered_groups if name_of(info) == name]
        if not inner:
            app.add_typer(
                typer.Typer(name=name, help=commands.about, no_args_is_help=True), name=name
            )
            inner = [app.registered_groups[-1].typer_instance]
        app = inner[0] or app
    return app
