"""Where a module went: an import of an old deep name fails with an error that says the new one."""

import sys
from collections.abc import Mapping
from typing import Any


def now(old: str, rows: Mapping[str, str]) -> str:
    """A dotted name as it is now, by the longest old name of a table that begins it.

    >>> now("tercel.stats.iqm", {"tercel.stats": "tercel.core.stats"})
    'tercel.core.stats.iqm'
    """
    words = old.split(".")
    heads = (".".join(words[:end]) for end in range(len(words), 0, -1))
    head = next((one for one in heads if one in rows), "")
    return rows[head] + old.removeprefix(head) if head else old


class MovedNames:
    """Last of the finders of modules: asked only for what nobody has found.

    Parameters
    ----------
    table : str
        TOML file, old dotted name = new dotted name, each with all below it.

    Examples
    --------
    >>> MovedNames(TABLE).told("tercel.stats.iqm")
    'tercel.stats.iqm is tercel.core.stats.iqm now'
    """

    def __init__(self, table: str) -> None:
        self._table = table

    def told(self, old: str) -> str:
        """Where a name and what was below it are today; nothing for a name that never moved."""
        import tomllib  # whoever imports a name that is there pays for none of this

        with open(self._table, "rb") as file:  # noqa: PTH123 - as above
            rows = tomllib.load(file)
        moved = {old: now(old, rows)} if now(old, rows) != old else {}
        moved |= {one: new for one, new in rows.items() if one.startswith(f"{old}.")}
        return ", ".join(f"{one} is {new} now" for one, new in sorted(moved.items()))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Nothing is ever found here.

        Raises
        ------
        ModuleNotFoundError
            The module moved. Its `name` is the new one: an error that carries the name asked for is silenced by
            `from PACKAGE import MODULE`.
        """
        if not name.startswith("tercel."):
            return
        from pathlib import Path

        # Who asks every finder, as pytest does, asks for packages that are there too, and what was below them moved.
        there = Path(self._table).parents[1].joinpath(*name.split(".")[1:]).exists()
        told = "" if there else self.told(name)
        if told:
            raise ModuleNotFoundError(
                f"{told}; tools/move.py of a clone mends the imports of files", name=told.split()[2]
            )


TABLE = __file__.removesuffix(".py") + ".toml"


def tell_moved() -> None:
    """Let imports of old names fail with the new one."""
    if not any(isinstance(one, MovedNames) for one in sys.meta_path):
        sys.meta_path.append(MovedNames(TABLE))  # a finder by its method, without importlib.abc
