"""Objects that installed packages provide by entry points: their names, and loading one by name."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError, suggest_name

# What installed packages give by entry points: a name within a group, such as a family of models or a kind of source.
#
# [project.entry-points."tercel.families"]
# mine = "mine.models:CARD"
INSTALL: Final = "take one of these, or install the package that gives it"
STUDIES: Final = {
    "tercel.judges": ("lob-bench",),
    "tercel.sources": ("fundamentals", "statements"),
}
"""Names by group that the distribution `tercel-studies` gives."""


def load_entry_point(entry: EntryPoint) -> Any:
    """Load the object that an entry point of an installed package names.

    Raises
    ------
    ConfigError
        It cannot be imported.
    """
    try:
        return entry.load()
    except Exception as error:
        raise ConfigError(
            f"{entry.value} of the entry point {entry.name}",
            f"{type(error).__name__}: {error}",
            "install its package again",
        ) from error


def load_from_distribution(group: str, name: str, distribution: str, extra: str) -> Any:
    """Load the object under `name` in an entry point group; `distribution` and `extra` only say in the error what to install.

    >>> load_from_distribution("nobodys.group", "mine", "tercel-studies", "scale")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    tercel.core.errors.ConfigError: expected the distribution tercel-studies, which gives mine in nobodys.group; ...

    Raises
    ------
    ConfigError
        It is not installed, or cannot be imported.
    """
    for entry in entry_points(group=group, name=name):
        return load_entry_point(entry)
    raise ConfigError(
        f"the distribution {distribution}, which gives {name} in {group}",
        "no such package in this installation",
        f"pip install '{distribution}[{extra}]'",
    )


def entry_point_names(group: str) -> tuple[str, ...]:
    """Sorted names that installed packages provide in an entry point group.

    >>> entry_point_names("nobodys.group")
    ()
    """
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def resolve_entry_point(
    group: str, name: str, builtin_names: Iterable[str], expected: str, received: str = ""
) -> Any:
    """Load what an installed package provides under `name` in a group; UnknownNameError if none does. `builtin_names`
    are for the error alone.

    Parameters
    ----------
    group, name : str
    builtin_names : iterable of str
        Names of `tercel`'s own, for the error.
    expected, received : str
        Texts of the error: the expected kind, before the known names; the received value, if not the name alone.

    Raises
    ------
    UnknownNameError
        No installed package gives it; `tercel-studies` if it would, else the nearest name.
    ConfigError
        The object cannot be imported.

    >>> resolve_entry_point("nobodys.group", "linaer", ["linear"], "one of")
    Traceback (most recent call last):
    ...
    tercel.core.errors.UnknownNameError: expected one of linear; received 'linaer'. To go on: try 'linear'.
    """
    for entry in entry_points(group=group, name=name):
        return load_entry_point(entry)
    known = (*builtin_names, *entry_point_names(group))
    raise UnknownNameError(
        f"{expected} {', '.join(known)}",
        received or repr(name),
        "pip install tercel-studies"
        if name in STUDIES.get(group, ())
        else suggest_name(name, known, INSTALL),
    )
