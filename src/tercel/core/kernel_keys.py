"""Cache of compiled kernels: its folder, the key of each kernel, and the message when compiling takes long.

Numba is not imported here: the help texts, and a run whose kernels are all cached, need not wait for it.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from multiprocessing import parent_process
from pathlib import Path
from threading import Timer
from typing import Any, Final

from tercel.core.files import write_atomic
from tercel.core.progress import say
from tercel.core.source_graph import Place, Sources

LINKED = ("0.66", "0.67", "0.68")
"""Versions of Numba that :mod:`tercel.core.linking` is known to work with."""
LINK = (
    os.environ.get("TERCEL_LINK", "1") != "0"
    and ".".join(version("numba").split(".")[:2]) in LINKED
)
"""Whether kernels are linked in our way."""
PACKAGE = Path(__file__).resolve().parents[1]


# A whole set of kernels takes some 30 MB.
_MOST_BYTES = 1 << 30
_KERNELS = re.compile(r"^@(?:\w+_)?kernel\b[^\n]*\ndef (\w+)", re.MULTILINE)
_LATE = re.compile(r"^@(?:late|numbered)_kernel\b[^\n]*\ndef (\w+)", re.MULTILINE)
listeners: Final[list[Callable[[], object]]] = []
"""Callbacks before each function of Tercel is compiled: long compilations count them."""
ANNOUNCED: Final = "announced"
"""File in the kernel folder once this machine's user was told that compiling takes long."""
LONG_S = 3.0
"""Seconds of compiling from which it is said: most commands compile a few kernels of their own, which takes less."""
_spent = [0.0]
"""CPU seconds in which this process has compiled."""


@cache
def source_hash(root: Path = PACKAGE) -> str:
    """16 hex digits of a hash of all Python sources below a folder (by default the package), or of one file."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Folder of all compiled-kernel caches.

    ``$TERCEL_CACHE``, else ``$NUMBA_CACHE_DIR``, else ``$XDG_CACHE_HOME/tercel``, else ``~/.cache/tercel``.
    """
    if "TERCEL_CACHE" in os.environ:
        return Path(os.environ["TERCEL_CACHE"])
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tercel"


def writable_folder(root: Path, name: str) -> Path | None:
    """`root / name`, created if missing; if it cannot be written, this user's folder below the temporary folder; None
    if neither.

    None when neither can be had: every process then compiles its kernels. A folder that others could write is
    not used, since files loaded from it are run.
    """
    user_folder = (
        Path(tempfile.gettempdir()) / f"tercel-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    )
    for folder in (root / name, user_folder / name):
        try:
            if folder.parent == user_folder:
                user_folder.mkdir(mode=0o700, exist_ok=True)
                status = user_folder.lstat()
                if hasattr(os, "getuid") and (
                    status.st_uid != os.getuid() or status.st_mode & 0o022
                ):
                    continue
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


@cache
def prune(root: Path, keep_bytes: int = _MOST_BYTES) -> None:
    """Delete the cache files below `root` that were used longest ago until at most `keep_bytes` remain; once a process."""
    files = []
    for path in [*root.glob("kernels-*/**/*"), *root.glob("keys-*.json")]:
        with suppress(OSError):  # another process prunes too
            if path.is_file():
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
    for _, size, path in sorted(files, reverse=True):
        keep_bytes -= size
        if keep_bytes < 0:
            with suppress(OSError):
                path.unlink()


# Numba asks the terminal about colours for every candidate that it tries, whether an error is shown or not
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")


@cache
def kernels_folder() -> Path | None:
    """Cache folder of kernels for this Python, Numba and linking mode; None if none is writable."""
    build = hashlib.sha256(f"{sys.version} {version('numba')} {LINK}".encode()).hexdigest()[:16]
    return writable_folder(cache_root(), f"kernels-{build}")


def _locate(function: Any) -> tuple[str, Path, str, str]:
    """A function's package, that package's folder or one file, its module there and its name."""
    package, _, inside = function.__module__.partition(".")
    file = Path(function.__code__.co_filename)
    root = (
        next((folder for folder in file.parents if folder.name == package), file)
        if inside
        else file
    )
    module = package if root == file else function.__module__
    return package, root, module, function.__qualname__.partition(".")[0]


def dependency_key(function: Any) -> str:
    """Hash of all statements that a kernel reaches, in the sources of its package and of Tercel (`core.source_graph`)."""
    package, root, module, name = _locate(function)
    if (key := _keys(package, root).get(f"{module}.{name}")) is None:
        key = _sources(package, root).key(module, name)
    return key


@cache
def _sources(package: str, root: Path) -> Any:
    """The sources of a package and of Tercel, read once."""
    return Sources({"tercel": PACKAGE, package: root})


@cache
def _keys(package: str, root: Path) -> dict[str, str]:
    """Dependency keys of a package's kernels by name: from a file made for the same sources, else computed."""
    file = cache_root() / f"keys-{package}-{source_hash(root)}-{source_hash(PACKAGE)}.json"
    with suppress(OSError, ValueError):
        keys: dict[str, str] = json.loads(file.read_text())
        return keys
    keys = {}
    sources = _sources(package, root)
    for module, name in _find_functions(package, root, _KERNELS):
        keys[f"{module}.{name}"] = sources.key(module, name)
    with suppress(OSError):
        write_atomic(file, json.dumps(keys))
    return keys


def _find_functions(package: str, root: Path, pattern: re.Pattern[str]) -> Iterator[Place]:
    """Functions in the files of a package whose decorator and `def` match a pattern."""
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        inside = path.with_suffix("").relative_to(root.with_suffix(""))
        module = ".".join([package, *inside.parts])
        yield from ((module, name) for name in pattern.findall(path.read_text(encoding="utf-8")))


def count_functions(kernels: Iterable[Any]) -> int:
    """Number of functions that one process compiles for some kernels: these and all that they call, late kernels aside."""
    functions: set[Place] = set()
    for kernel in kernels:
        package, root, module, name = _locate(kernel.py_func)
        late, every = (
            set(_find_functions(package, root, pattern)) for pattern in (_LATE, _KERNELS)
        )
        functions |= every & _sources(package, root).reachable_places(module, name, late)
    return len(functions)


@cache
def _announce_once(folder: Path | None) -> None:
    """Log that kernels are compiled, once per process and per kernel folder, in which a mark remembers it."""
    try:
        if folder is not None:
            (folder / ANNOUNCED).touch(exist_ok=False)
    except FileExistsError:
        return
    except OSError:
        pass  # the next process says it again
    say(
        "compiling kernels: the first use of a command takes up to half a minute; they are stored in "
        f"{cache_root()}"
    )


@contextmanager
def announce_compilation() -> Iterator[None]:
    """Context around a compilation: prunes the cache; logs a message when a process (not a worker) has compiled for
    `LONG_S` seconds, the first time on a machine."""
    if (folder := kernels_folder()) is not None:
        prune(folder.parent)
    began_s = time.thread_time()
    timer = Timer(LONG_S - _spent[0], _announce_once, [folder])
    if _spent[0] < LONG_S and parent_process() is None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _spent[0] += time.thread_time() - began_s
