"""Import public names of a package on first use (PEP 562); its stub lists the names and their modules.

A package re-exports names of the modules below it without importing them, and so without import cycles::

    from tercel.core.lazy import attach

    __getattr__, __dir__ = attach(__name__)

and in `__init__.pyi`, which type checkers read too, `from tercel.market.book.book import Book as Book` for each and
`__all__`. Code inside the package imports a name from its own module: the layering contracts see such imports alone.

This module is imported by `import tercel`, and so imports nothing that takes long: no `typing`, `re` or `pathlib`.
The library `lazy_loader` imports as fast, but knows neither `A as B` nor names of other packages.
"""

import sys
from collections.abc import Callable
from importlib import import_module

_LINE = r"^from (\S+) import (?:\(\s+)?(\w+) as (\w+)"


def attach(package: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package: its stub lists the public names and the modules that they come from."""
    homes: dict[str, tuple[str, str]] = {}

    def read_homes() -> dict[str, tuple[str, str]]:
        """Public name -> (module, attribute), read from the stub."""
        if not homes:
            import re
            from pathlib import Path

            stub = Path(str(sys.modules[package].__file__)).with_suffix(".pyi").read_text("utf-8")
            lines = re.findall(_LINE, stub, re.MULTILINE)
            homes.update({public: (module, name) for module, name, public in lines})
        return homes

    def find(name: str) -> object:
        """Import a public name or submodule on first use; AttributeError for others."""
        if name == "__all__":
            return sorted(read_homes())
        if name not in read_homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, attribute = homes[name]
        if module == package:
            return import_module(f"{package}.{attribute}")
        value = getattr(import_module(module), attribute)
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: sorted(read_homes())
