"""What installed packages give by entry points: a name within a group, such as a family of models or a kind of source.

[project.entry-points."tercel.families"]
mine = "mine.models:CARD"
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer

STUDIES: Final = {
    "tercel.families": ("lstm", "svm_linear", "svm_rbf", "transformer"),
    "tercel.judges": ("lob-bench",),
    "tercel.panels": ("stocknet",),
    "tercel.sources": ("tweets",),
}
"""Group -> names that are there once the folder `studies` of a clone is installed."""
INSTALL: Final = "pip install ./studies, from a clone of the repository"


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
        raise ConfigError(expected, f"{type(error).__name__}: {error}", "install its package again") from error


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
        No installed package gives it; the folder of a clone that does, or the nearest name, is offered.
    ConfigError
        What is given cannot be imported.

    >>> given("tercel.families", "lstn", ["linear"], "one of")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    tercel.core.errors.UnknownNameError: expected one of linear...; received 'lstn'. To go on: try 'lstm'.
    """
    for entry in entry_points(group=group, name=name):
        return loaded(entry)
    known, beside = (*own, *names_given(group)), STUDIES.get(group, ())
    remedy = INSTALL if name in beside else offer(name, (*known, *beside))
    raise UnknownNameError(f"{what} {', '.join(known)}", said or repr(name), remedy)
