"""Other packages: optional libraries, and what installed packages give by entry points."""

import re
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError, offer
from tercel.core.removed import refuse_removed

# -- extras ---------------------------------------------------------------------------------------
# Libraries that come with an extra, imported when they are first needed.


def needed(module: str, extra: str = "signals", of: str = "tercel") -> Any:
    """A module of an optional library, which an extra of the distribution `of` brings.

    >>> needed("no_such_library", "fix")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    tercel.core.errors.ConfigError: expected the extra [fix]; received no module no_such_library. To go on: pip ...

    Raises
    ------
    ConfigError
        When it is not installed, with the extra that brings it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise ConfigError(
            f"the extra [{extra}]", f"no module {missing}", f"pip install '{of}[{extra}]'"
        ) from error


def how_to_install(remedy: str) -> str:
    """Advice to install an extra or a distribution, for a clone as well: there pip knows the package as `.`.

    >>> how_to_install("pip install 'tercel[risk]'")
    "in a clone `make setup` or pip install -e '.[risk]', otherwise pip install 'tercel[risk]'"
    >>> how_to_install("pip install tercel-exchange")
    'in a clone `make setup` or pip install -e ./exchange, otherwise pip install tercel-exchange'
    >>> how_to_install("pip install 'tercel-studies[scale]'")
    "in a clone `make setup` or pip install -e './studies[scale]', otherwise pip install 'tercel-studies[scale]'"
    """
    return re.sub(
        r"pip install ('?)tercel-(\w+)((?:\[\w+\])?)\1",
        r"in a clone `make setup` or pip install -e \1./\2\3\1, otherwise \g<0>",
        re.sub(
            r"pip install 'tercel\[(\w+)\]'",
            r"in a clone `make setup` or pip install -e '.[\1]', otherwise \g<0>",
            remedy,
        ),
    )


# -- given ----------------------------------------------------------------------------------------
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
    """Object that an entry point of another package names.

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


def given(group: str, name: str, distribution: str, extra: str) -> Any:
    """Object that another distribution provides under a name.

    >>> given("nobodys.group", "mine", "tercel-studies", "scale")  # doctest: +ELLIPSIS
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
    """Names that installed packages give within a group, sorted.

    >>> entry_point_names("nobodys.group")
    ()
    """
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def entry_point(group: str, name: str, own: Iterable[str], what: str, said: str = "") -> Any:
    """Object that an installed package provides under a name.

    Parameters
    ----------
    group, name : str
    own : iterable of str
        Names of `tercel`'s own, for the error.
    what, said : str
        Texts of the error: the expected kind, before the known names; the received value, if not the name alone.

    Raises
    ------
    UnknownNameError
        No installed package gives it; `tercel-studies` if it would, the last commit of one that was removed, else the
        nearest name.
    ConfigError
        The object cannot be imported.

    >>> entry_point("nobodys.group", "linaer", ["linear"], "one of")
    Traceback (most recent call last):
    ...
    tercel.core.errors.UnknownNameError: expected one of linear; received 'linaer'. To go on: try 'linear'.
    """
    for entry in entry_points(group=group, name=name):
        return load_entry_point(entry)
    refuse_removed(group.removeprefix("tercel."), name, said)
    known = (*own, *entry_point_names(group))
    raise UnknownNameError(
        f"{what} {', '.join(known)}",
        said or repr(name),
        "pip install tercel-studies"
        if name in STUDIES.get(group, ())
        else offer(name, known, INSTALL),
    )
