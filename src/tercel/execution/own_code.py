"""Files of a user's own code: their hash, the place of an error in them, the folders that they import from."""

import ast
import hashlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

INSTALLED: Final = (
    *(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
)
"""Folders of Python's library, of installed packages and of this one."""
SOURCES: Final = (".py", "/__init__.py")
LONGEST_NAME: Final = 200
"""Letters of a text that may name a file."""
LARGE: Final = 2**24
"""Bytes of a file of which size and time are hashed in place of what it holds."""


def mark_of(code: Any) -> str:
    """Hash of the source files of a user's function, class or object; empty where it has none.

    Its file, the modules of a user's own that it imports, theirs in turn, and the files beside them that a text in them
    names. What else it reads is not known.
    """
    code = code if inspect.isclass(code) or inspect.isfunction(code) else type(code)
    try:
        file = inspect.getsourcefile(code)
    except TypeError:
        file = None
    if not file or not Path(file).is_file():
        return ""
    digest = hashlib.sha256()
    for one in sorted(_written_in(Path(file).resolve())):
        digest.update(_read(one, *_written(one))[0])
    return digest.hexdigest()[:16]


def _written_in(file: Path) -> set[Path]:
    """A source file, those of a user's own that it imports, and files that texts in them name."""
    found, todo = set[Path](), [file]
    while todo:
        one = todo.pop()
        if one in found or (is_installed(str(one)) and one != file):
            continue
        found.add(one)
        names = _read(one, *_written(one))[1]
        places = [place / name for name in names for place in (one.parent, Path.cwd())]
        todo += [place.resolve() for place in places if place.is_file()]
    return found


def _written(file: Path) -> tuple[int, int]:
    """Size of a file, and when it was written, ns."""
    read = file.stat()
    return read.st_size, read.st_mtime_ns


@lru_cache(maxsize=1024)
def _read(file: Path, size: int, written_ns: int) -> tuple[bytes, tuple[str, ...]]:
    """The hash of a file as it was written then, and names in its code that may be modules or files."""
    what = f"{size} {written_ns}".encode() if size > LARGE else file.read_bytes()
    names: tuple[str, ...] = ()
    if file.suffix == ".py":
        with suppress(SyntaxError, ValueError):
            names = _named_in(ast.parse(what))
    return hashlib.sha256(what).digest(), names


def _named_in(code: ast.AST) -> tuple[str, ...]:
    """Modules and files that a piece of code names."""
    names: list[str] = []
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            names += [f"{one.name.replace('.', '/')}{end}" for one in node.names for end in SOURCES]
        elif isinstance(node, ast.ImportFrom):
            within = (node.module or "").replace(".", "/")
            inside = [f"{within}/{one.name}".lstrip("/") for one in node.names]
            up = "../" * max(node.level - 1, 0)
            names += [f"{up}{one}{end}" for one in (within, *inside) if one for end in SOURCES]
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and 0 < len(node.value) < LONGEST_NAME
        ):
            names.append(node.value)
    return tuple(name for name in dict.fromkeys(names) if "\0" not in name)


def place_of(error: BaseException) -> str:
    """The last line of a user's own that an error came through, as `` at FILE:LINE``; "" where there is none."""
    frames = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [(file, line) for file, line in frames if not is_installed(file)]
    return " at {}:{}".format(*own[-1]) if own else ""


def remedy_of(error: Exception) -> str:
    """Likely remedy for an error of a user's code on arrays of a row a market; "" where none is known."""
    if "truth value of an array" in str(error):
        return "there is a row a market: numpy.where(condition, this, that) in place of if"
    return ""


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python, to an installed package or to this one."""
    path = Path(file)
    return file.startswith("<") or any(path.is_relative_to(where) for where in INSTALLED)


@contextmanager
def searched(folder: Path) -> Iterator[None]:
    """A folder in which modules are looked for first; later it is the last, for what is imported when it is used."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
