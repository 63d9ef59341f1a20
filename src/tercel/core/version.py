"""Version of the running code, with a hash of its sources."""

from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Final

_SOURCES: Final = Path(__file__).parents[1]
_DIGITS: Final = 12


@cache
def code_mark() -> str:
    """The package's version, "+", and twelve hex digits of the hash of all its Python and TOML files and their names.

    Two machines with the same mark run the same code, whatever was installed or edited there.

    >>> code_mark() == code_mark(), len(code_mark().rpartition("+")[2])
    (True, 12)
    """
    return f"{metadata.version('tercel')}+{mark_of(_SOURCES)}"


def mark_of(folder: Path) -> str:
    """Twelve hex digits of the hash of a folder's Python and TOML files and their names."""
    digest = sha256()
    for path in sorted(file for file in folder.rglob("*") if file.suffix in (".py", ".toml")):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:_DIGITS]
