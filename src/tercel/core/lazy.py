"""Import public names of a package on first use (PEP 562); its stub lists the names and their modules.

A package re-exports names of the modules below it without importing them, and so without import cycles::

    from tercel.core.lazy import attach

    __getattr__, __dir__ = attach(__name__)

and in `__init__.pyi`, which type checkers read too, `from tercel.market.book.book import Book as Book` for each and
`__all__`. Code inside the package imports a name from its own module: the layering contracts see such imports alone.
"""

import re
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_LINE = re.compile(r"^from (\S+) import (?:\(\s+)?(\w+) as (\w+)", re.MULTILINE)


def attach(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package: its stub lists the public names and the modules that they come from."""

    @cache
    def homes() -> dict[str, tuple[str, str]]:
        """Public name -> (module, attribute), read from the stub."""
        stub = Path(str(sys.modules[package].__file__)).with_suffix(".pyi").read_text("utf-8")
        return {public: (module, name) for module, name, public in _LINE.findall(stub)}

    def find(name: str) -> Any:
        """Import a public name or submodule on first use; ImportError for a renamed name, AttributeError for others."""
        if name == "__all__":
            return sorted(homes())
        if name not in homes():
            from tercel.core.renamed import new_name  # a table that only an error needs

            if new := new_name(package, name):  # `from package import name` hides an AttributeError
                raise ImportError(f"{name!r} of {package!r} is called {new!r} now", name=package)
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, attribute = homes()[name]
        if module == package:
            return import_module(f"{package}.{attribute}")
        value = getattr(import_module(module), attribute)
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: sorted(homes())
