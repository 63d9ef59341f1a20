"""Fingerprint of a function: a hash of its compiled code, its defaults and what it refers to."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

_PLAIN: Final = (int, float, complex, str, bytes, bool, type(None))
# Attributes of a class that say where it is defined, not what it does.
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


def _parts(obj: Any, home: str, seen: set[int]) -> Iterator[str]:
    """Texts that make up a value's fingerprint; objects that another module than `home` defines count by their name."""
    if isinstance(obj, _PLAIN):
        yield repr(obj)
        return
    if id(obj) in seen:
        return
    seen.add(id(obj))
    if isinstance(obj, MethodType):
        yield from _parts_of_all((obj.__func__, obj.__self__), home, seen)
    elif isinstance(obj, partial):
        yield from _parts_of_all((obj.func, obj.args, obj.keywords), home, seen)
    elif isinstance(obj, list | tuple):
        yield from _parts_of_all(obj, home, seen)
    elif isinstance(obj, dict):
        yield from _parts_of_all([part for pair in obj.items() for part in pair], home, seen)
    elif hasattr(obj, "tobytes") and hasattr(obj, "dtype"):
        yield from (str(obj.dtype), str(obj.shape), hashlib.sha256(obj.tobytes()).hexdigest())
    elif getattr(obj, "__module__", None) != home:
        yield (
            getattr(obj, "__qualname__", None)
            or getattr(obj, "__name__", None)
            or type(obj).__qualname__
        )
    elif isinstance(obj, FunctionType):
        yield from _function_parts(obj, home, seen)
    elif isinstance(obj, type):
        members = {name: value for name, value in vars(obj).items() if name not in _WHERE}
        hashed_members = {
            name: value
            for name, value in members.items()
            if isinstance(value, (FunctionType, *_PLAIN))
        }
        yield from _parts(hashed_members, home, seen)
    else:
        yield from _parts_of_all((type(obj), getattr(obj, "__dict__", None)), home, seen)


def _parts_of_all(values: Iterable[Any], home: str, seen: set[int]) -> Iterator[str]:
    """Fingerprint texts of several values, one after the other."""
    for value in values:
        yield from _parts(value, home, seen)


def _function_parts(function: FunctionType, home: str, seen: set[int]) -> Iterator[str]:
    """Fingerprint texts of a function: its code, defaults, closure and the globals that it uses."""
    yield from _code_parts(function.__code__, function.__doc__)
    yield from _parts_of_all((function.__defaults__, function.__kwdefaults__), home, seen)
    for cell in function.__closure__ or ():
        try:
            yield from _parts(cell.cell_contents, home, seen)
        except ValueError:  # a name that is bound later
            yield "unbound"
    for name in _global_names(function.__code__):
        yield name
        yield from _parts(function.__globals__.get(name), home, seen)


def _code_parts(code: CodeType, doc: str | None = None) -> Iterator[str]:
    """Instructions, names, constants of a code object and of those within; the constant `doc` (and None) is left out."""
    yield code.co_code.hex()
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_parts(constant)
        elif constant is not None and constant != doc:
            yield repr(constant)


def _global_names(code: CodeType) -> list[str]:
    """Names, each once, of the globals and attributes that a function's code and the code within it use."""
    inner = [
        name
        for constant in code.co_consts
        if isinstance(constant, CodeType)
        for name in _global_names(constant)
    ]
    return list(dict.fromkeys([*code.co_names, *inner]))
