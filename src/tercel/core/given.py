"""What installed packages give by entry points: a name within a group, such as a family of models or a kind of source.

[project.entry-points."tercel.families"]
mine = "mine.models:CARD"
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer

INSTALL: Final = "take one of these, or install the package that gives it"


def loaded(entry: EntryPoint) -> Any:
    """Object that an entry point of another package names.

    Raises
    ------
    ConfigError
        It cannot be imported.
    """
    try:
        return entry.load()
    except Exception as error:
        expected = f"{entry.value} of the entry point {entry.name}"
        raise ConfigError(
            expected, f"{type(error).__name__}: {error}", "install its package again"
        ) from error


def names_given(group: str) -> tuple[str, ...]:
    """Names that installed packages give within a group, sorted.

    >>> names_given("nobodys.group")
    ()
    """
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def given(group: str, name: str, own: Iterable[str], what: str, said: str = "") -> Any:
    """What an installed package gives under a name.

    Parameters
    ----------
    group, name : str
    own : iterable of str
        Names of `tercel`'s own, for the error.
    what, said : str
        What is expected, before the known names; what was received, if not the name alone.

    Raises
    ------
    UnknownNameError
        No installed package gives it; the nearest name is offered.
    ConfigError
        What is given cannot be imported.

    >>> given("nobodys.group", "linaer", ["linear"], "one of")
    Traceback (most recent call last):
    ...
    tercel.core.errors.UnknownNameError: expected one of linear; received 'linaer'. To go on: try 'linear'.
    """
    for entry in entry_points(group=group, name=name):
        return loaded(entry)
    known = (*own, *names_given(group))
    raise UnknownNameError(
        f"{what} {', '.join(known)}", said or repr(name), offer(name, known, INSTALL)
    )
