"""Which code runs: the version, a hash of the sources, and fingerprints of functions."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, partial
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

# -- version --------------------------------------------------------------------------------------
# Which code runs: the version, and a hash of the sources that no version number forgets.

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
    whole = sha256()
    for path in sorted(one for one in folder.rglob("*") if one.suffix in (".py", ".toml")):
        data = path.read_bytes()
        whole.update(f"{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()[:_DIGITS]


# -- source ---------------------------------------------------------------------------------------
# Fingerprints of functions: what they do, without how it is laid out.

_PLAIN: Final = (int, float, complex, str, bytes, bool, type(None))
# Of a class: where it stands, not what it does.
_WHERE: Final = frozenset({"__doc__", "__module__", "__qualname__", "__firstlineno__"})


def fingerprint(function: Any) -> str:
    """16 hex digits that change when a function does something else, and not with comments or a docstring.

    It goes by the compiled code, the defaults, what the function closes over and the names of its module that it uses:
    functions and classes of that module in turn, numbers, text and arrays by value, anything else by its type. A
    callable object is its class and its attributes. Another version of Python compiles otherwise.

    >>> def one(x): return x + 1
    >>> def two(x):  # the same
    ...     return x + 1
    >>> fingerprint(one) == fingerprint(two), fingerprint(one) == fingerprint(lambda x: x + 2)
    (True, False)
    """
    home = (
        getattr(getattr(function, "func", function), "__module__", None)
        or type(function).__module__
    )
    digest = hashlib.sha256()
    for part in _parts(function, home, set()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _parts(found: Any, home: str, seen: set[int]) -> Iterator[str]:
    """What there is to say of a value; what another module than `home` made is told by its name."""
    if isinstance(found, _PLAIN):
        yield repr(found)
        return
    if id(found) in seen:
        return
    seen.add(id(found))
    if isinstance(found, MethodType):
        yield from _each((found.__func__, found.__self__), home, seen)
    elif isinstance(found, partial):
        yield from _each((found.func, found.args, found.keywords), home, seen)
    elif isinstance(found, list | tuple):
        yield from _each(found, home, seen)
    elif isinstance(found, dict):
        yield from _each([part for pair in found.items() for part in pair], home, seen)
    elif hasattr(found, "tobytes") and hasattr(found, "dtype"):
        yield from (str(found.dtype), str(found.shape), hashlib.sha256(found.tobytes()).hexdigest())
    elif getattr(found, "__module__", None) != home:
        yield (
            getattr(found, "__qualname__", None)
            or getattr(found, "__name__", None)
            or type(found).__qualname__
        )
    elif isinstance(found, FunctionType):
        yield from _function(found, home, seen)
    elif isinstance(found, type):
        told = {name: value for name, value in vars(found).items() if name not in _WHERE}
        kept = {
            name: value
            for name, value in told.items()
            if isinstance(value, (FunctionType, *_PLAIN))
        }
        yield from _parts(kept, home, seen)
    else:
        yield from _each((type(found), getattr(found, "__dict__", None)), home, seen)


def _each(found: Iterable[Any], home: str, seen: set[int]) -> Iterator[str]:
    for one in found:
        yield from _parts(one, home, seen)


def _function(found: FunctionType, home: str, seen: set[int]) -> Iterator[str]:
    yield from _code(found.__code__, found.__doc__)
    yield from _each((found.__defaults__, found.__kwdefaults__), home, seen)
    for cell in found.__closure__ or ():
        try:
            yield from _parts(cell.cell_contents, home, seen)
        except ValueError:  # a name that is bound later
            yield "unbound"
    for name in _names(found.__code__):
        yield name
        yield from _parts(found.__globals__.get(name), home, seen)


def _code(code: CodeType, doc: str | None = None) -> Iterator[str]:
    """Instructions and constants, of functions within too. A docstring takes the place of None among the constants."""
    yield code.co_code.hex()
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _code(one)
        elif one is not None and one != doc:
            yield repr(one)


def _names(code: CodeType) -> list[str]:
    """Global names of a function and of those within."""
    inner = [name for one in code.co_consts if isinstance(one, CodeType) for name in _names(one)]
    return list(dict.fromkeys([*code.co_names, *inner]))
