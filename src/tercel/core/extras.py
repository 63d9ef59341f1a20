"""Libraries that come with an extra, imported when they are first needed."""

import re
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
        raise ConfigError(
            f"the extra [{extra}]", f"no module {missing}", f"pip install 'tercel[{extra}]'"
        ) from error


def how_to_install(remedy: str) -> str:
    """Advice to install an extra or a distribution, for a clone as well: there pip knows the package as `.`.

    >>> how_to_install("pip install 'tercel[risk]'")
    "in a clone `make setup` or pip install -e '.[risk]', otherwise pip install 'tercel[risk]'"
    >>> how_to_install("pip install tercel-exchange")
    'in a clone `make setup` or pip install -e ./exchange, otherwise pip install tercel-exchange'
    """
    told = re.sub(
        r"pip install 'tercel\[(\w+)\]'",
        r"in a clone `make setup` or pip install -e '.[\1]', otherwise pip install 'tercel[\1]'",
        remedy,
    )
    return re.sub(
        r"pip install tercel-(\w+)",
        r"in a clone `make setup` or pip install -e ./\1, otherwise pip install tercel-\1",
        told,
    )
