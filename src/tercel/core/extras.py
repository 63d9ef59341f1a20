"""Libraries that come with an extra, imported when they are first needed."""

from importlib import import_module
from typing import Any

from tercel.core.errors import ConfigError


def needed(module: str, extra: str = "signals") -> Any:
    """A module of an optional library.

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
        raise ConfigError(f"the extra [{extra}]", f"no module {missing}", f"pip install 'tercel[{extra}]'") from error
