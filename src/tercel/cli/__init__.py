"""The command line: a file for every room's commands, joined in `root`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tercel.cli.shared import reported

if TYPE_CHECKING:
    from tercel.cli.root import app, main

__all__ = ["app", "main", "reported"]


def __getattr__(name: str) -> Any:
    # `root` imports the modules of other packages' commands, which import this package: it comes when it is asked for.
    if name not in __all__:
        raise AttributeError(f"module 'tercel.cli' has no attribute {name!r}")
    return getattr(import_module("tercel.cli.root"), name)
