"""Import optional libraries, or say which extra of the distribution to install."""

import re
from importlib import import_module
from typing import Any, Final

from tercel.core.errors import ConfigError


# Libraries that come with an extra, imported when they are first needed.
def import_optional(module: str, extra: str = "signals", distribution: str = "tercel") -> Any:
    """Import a module of an optional library; if it is missing, the error names the extra to install.

    >>> import_optional("no_such_library", "fix")  # doctest: +ELLIPSIS
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
            f"the extra [{extra}]", f"no module {missing}", f"pip install '{distribution}[{extra}]'"
        ) from error


NOT_SET_UP: Final = ("nautilus", "tensorboard")
"""Extras that `make setup` leaves out."""


def how_to_install(remedy: str) -> str:
    """A remedy with `pip install ...` of an extra or distribution of ours, and the command in a clone before it; else unchanged.

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
            lambda found: (
                f"in a clone {'' if found[1] in NOT_SET_UP else '`make setup` or '}"
                f"pip install -e '.[{found[1]}]', otherwise {found[0]}"
            ),
            remedy,
        ),
    )
