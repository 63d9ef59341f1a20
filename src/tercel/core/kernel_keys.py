"""Where compiled kernels are kept and under which key, and who is told when one is compiled.

Numba is not imported for it: whoever asks for help, or finds every kernel in the cache, does not wait for that.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from multiprocessing import parent_process
from pathlib import Path
from threading import Timer
from typing import Any

from tercel.core.progress import say
from tercel.core.written import write_whole

LINKED = ("0.66", "0.67", "0.68")
"""Versions of Numba that :mod:`tercel.core.linking` is known to work with."""
LINK = (
    os.environ.get("TERCEL_LINK", "1") != "0"
    and ".".join(version("numba").split(".")[:2]) in LINKED
)
"""Whether kernels are linked in our way."""

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def source_hash(root: Path = PACKAGE) -> str:
    """Hex digest of all Python sources of a package, by default ours, or of one file."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# A whole set of kernels takes some 30 MB.
_KEPT_BYTES = 1 << 30
_KERNELS = re.compile(r"^@(?:\w+_)?kernel\b[^\n]*\ndef (\w+)", re.MULTILINE)


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
    """`root / name`, made if need be; where it cannot be written, a folder of this user's own under the temporary one.

    None when neither can be had: kernels are then compiled anew by every process. A folder that others could write is
    not taken, since what is loaded from it is run.
    """
    own = Path(tempfile.gettempdir()) / f"tercel-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    for folder in (root / name, own / name):
        try:
            if folder.parent == own:
                own.mkdir(mode=0o700, exist_ok=True)
                about = own.lstat()
                if hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & 0o022):
                    continue
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


@cache
def prune(root: Path, keep_bytes: int = _KEPT_BYTES) -> None:
    """Remove what was used longest ago, until no more than so many bytes are left; once a process."""
    found = []
    for path in [*root.glob("kernels-*/**/*"), *root.glob("keys-*.json")]:
        with suppress(OSError):  # another process prunes too
            if path.is_file():
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
    for _, size, path in sorted(found, reverse=True):
        keep_bytes -= size
        if keep_bytes < 0:
            with suppress(OSError):
                path.unlink()


# Numba asks the terminal about colours for every candidate that it tries, whether an error is shown or not
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")


@cache
def kernels_folder() -> Path | None:
    """Folder of the kernels of this Python, Numba and way to link; None where there is none to be had."""
    build = hashlib.sha256(f"{sys.version} {version('numba')} {LINK}".encode()).hexdigest()[:16]
    return writable_folder(cache_root(), f"kernels-{build}")


def reached_key(function: Any) -> str:
    """What a kernel rests on (`core.dependencies`), among the sources of its package and of ours."""
    package, _, inside = function.__module__.partition(".")
    file = Path(function.__code__.co_filename)
    root = (
        next((folder for folder in file.parents if folder.name == package), file)
        if inside
        else file
    )
    name = function.__qualname__.partition(".")[0]
    module = package if root == file else function.__module__
    if (known := _keys(package, root).get(f"{module}.{name}")) is None:
        known = _sources(package, root).key(module, name)
    return known


@cache
def _sources(package: str, root: Path) -> Any:
    from tercel.core.dependencies import Sources

    return Sources({"tercel": PACKAGE, package: root})


@cache
def _keys(package: str, root: Path) -> dict[str, str]:
    """Keys of a package's kernels by name: read where some process made them of the same sources, else made."""
    kept = cache_root() / f"keys-{package}-{source_hash(root)}-{source_hash(PACKAGE)}.json"
    with suppress(OSError, ValueError):
        found: dict[str, str] = json.loads(kept.read_text())
        return found
    found, sources = {}, _sources(package, root)
    for path in sorted(root.rglob("*.py")) if root.is_dir() else []:
        module = ".".join([package, *path.relative_to(root).with_suffix("").parts])
        for name in _KERNELS.findall(path.read_text(encoding="utf-8")):
            found[f"{module}.{name}"] = sources.key(module, name)
    with suppress(OSError):
        write_whole(kept, json.dumps(found))
    return found


# -- the first compilation --------------------------------------------------------------------------------------------


LONG_S = 3.0
"""Seconds of compiling from which it is said: most commands compile a few kernels of their own, which takes less."""
_spent = [0.0]


@cache
def _once(text: str) -> None:
    say(text)


@contextmanager
def compiling(module: str) -> Iterator[None]:
    """Compile a kernel of a module; said once this process has compiled for `LONG_S`, by a worker's parent if any."""
    if (folder := kernels_folder()) is not None:
        prune(folder.parent)
    package, began = module.rpartition(".")[0] or module, time.monotonic()
    told = f"compiling kernels of {package}: its first use takes up to half a minute; they are kept in {cache_root()}"
    waits = Timer(LONG_S - _spent[0], _once, [told])
    if _spent[0] < LONG_S and parent_process() is None:
        waits.start()
    try:
        yield
    finally:
        waits.cancel()
        _spent[0] += time.monotonic() - began
