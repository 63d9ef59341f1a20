"""How kernels are compiled: Numba with a disk cache keyed on what each rests on, or plain Python for debugging.

A kernel is a module-level function of arrays and scalars, decorated with :func:`kernel`. Numba's own disk cache does
not notice a change in a function that is called from another file. Ours names each kernel after the statements that it
reaches by name, in any file (`core.reached`): a change that it cannot feel keeps it. ``TERCEL_JIT=0`` runs the same
source interpreted.

Kernels are linked in a way of our own (`core.linking`), which leans on parts of Numba that are not public.
``TERCEL_LINK=0`` compiles them by Numba's own pipeline, as any Numba does whose parts are not known: slower to compile
and to run, the same results.
"""

# mypy: disable-error-code="no-untyped-call, attr-defined, call-overload, no-any-return"
import gc
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercel.core.written import write_whole

F = TypeVar("F", bound=Callable[..., Any])

Packed = NDArray[np.int32]
"""One world's integers in one array."""
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8] | NDArray[np.int8]

JIT = os.environ.get("TERCEL_JIT", "1") != "0"
LINKED = ("0.66", "0.67", "0.68")
"""Versions of Numba that :mod:`tercel.core.linking` is known to work with."""
LINK = os.environ.get("TERCEL_LINK", "1") != "0" and ".".join(version("numba").split(".")[:2]) in LINKED
"""Whether kernels are linked in our way."""


PACKAGE = Path(__file__).resolve().parents[1]


@cache
def source_hash(root: Path = PACKAGE) -> str:
    """Hex digest of all Python sources of a package, by default ours, or of one file."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# -- where compiled kernels are kept ----------------------------------------------------------------------------------

_KEPT_BYTES = 1 << 30
"""A whole set of kernels takes some 30 MB."""
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


def prune(root: Path, keep_bytes: int = _KEPT_BYTES) -> None:
    """Remove what was used longest ago, until no more than so many bytes are left."""
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
    """What a kernel rests on (`core.reached`), among the sources of its package and of ours."""
    package, _, inside = function.__module__.partition(".")
    file = Path(function.__code__.co_filename)
    root = next((folder for folder in file.parents if folder.name == package), file) if inside else file
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

_listeners: list[Callable[[], None]] = []
_announced = False


def on_first_compile(listener: Callable[[], None]) -> None:
    """Have `listener` called before the first kernel of this process is compiled, that is, not found in the cache."""
    _listeners.append(listener)


def announce() -> None:
    """Called whenever a kernel is about to be compiled."""
    global _announced  # noqa: PLW0603 - one process compiles for the first time once
    if _announced:
        return
    _announced = True
    if (folder := kernels_folder()) is not None:
        prune(folder.parent)
    for listener in _listeners:
        listener()


if JIT:

    def __getattr__(name: str) -> Any:
        """`prange` is Numba's, imported when a parallel kernel's module asks for it."""
        if name == "prange":
            from numba import prange

            return prange
        raise AttributeError(name)
else:
    prange = range


def _widened(kind: Any) -> Any:
    """The one type of an argument: int32 loads, literals and int64 share one version of a kernel.

    Without this a helper is compiled again for every mix of int32 and int64 arguments.
    """
    from numba.core import types

    if isinstance(kind, types.IntegerLiteral) or (isinstance(kind, types.Integer) and kind.signed):
        return types.int64
    if isinstance(kind, types.BooleanLiteral):
        return types.boolean
    return types.float64 if isinstance(kind, types.Float) else kind


def _one_signature(dispatcher: Any) -> Any:
    """Make a dispatcher compile for one width of integers."""
    from numba.core import sigutils

    compile_exact = dispatcher.compile

    def compile_wide(signature: Any) -> Any:
        kinds, _ = sigutils.normalize_signature(signature)
        collects = gc.isenabled()
        gc.disable()  # a twelfth of the time to compile goes into looking for garbage among objects that stay
        try:
            return compile_exact(tuple(_widened(kind) for kind in kinds))
        finally:
            if collects:
                gc.enable()

    dispatcher.compile = compile_wide
    return dispatcher


def _compiled(function: F, kept: bool = False, **options: Any) -> Any:
    from numba import njit

    found = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    if kept:
        from tercel.core.kernel_cache import KernelCache

        found._cache = KernelCache(function)
    return _one_signature(found)


def _may_keep(function: F) -> bool:
    """Whether its machine code is kept: not where it stands in no file (a doctest, a notebook)."""
    return kernels_folder() is not None and Path(function.__code__.co_filename).is_file()


def kernel(function: F) -> F:
    """Compile `function` with Numba on first call: cached on disk, releasing the GIL, IEEE arithmetic.

    The kernel cannot allocate: it is compiled without Numba's run-time memory manager, whose reference counts of array
    arguments cost two thirds of the time of small kernels (measured: 267 of them in the book's loop, 3 x slower).
    Computed indices count from the front: one below 0 is out of bounds, and bounds are not checked.

    A kernel called by kernels becomes part of them (`core.linking`); only the one that Python calls is optimised, and
    cached with all that it calls.

    >>> @kernel
    ... def double(x):
    ...     return 2 * x
    >>> double(21)
    42
    """
    return _linked(function, "TranslatingCompiler")


def rare_kernel(function: F) -> F:
    """As :func:`kernel`, for what a hot kernel seldom reaches: it is called there, never inlined."""
    return _linked(function, "RareCompiler")


def inlined_kernel(function: F) -> F:
    """As :func:`kernel`, for a few lines in the middle of hot loops: it is inlined wherever a kernel calls it."""
    return _linked(function, "InlinedCompiler")


def _linked(function: F, translating: str) -> Any:
    """A kernel that is linked in our way; `translating` names the compiler for those that call it."""
    if not JIT:
        return function
    if not LINK:
        return _by_numba(function, _nrt=False)
    from tercel.core import linking

    entry = _compiled(function, _may_keep(function), _nrt=False, pipeline_class=linking.LinkingCompiler)
    compiler = getattr(linking, translating)
    part = _compiled(function, _nrt=False, no_cpython_wrapper=True, pipeline_class=compiler)
    linking.as_callee(entry, part)
    return entry


def allocating_kernel(function: F) -> F:
    """As :func:`kernel`, for functions that create arrays."""
    return _by_numba(function)


def parallel_kernel(function: F) -> F:
    """As :func:`allocating_kernel`, with `prange` loops spread over threads.

    Waiting threads look for work a few microseconds long and then sleep. Those of GNU OpenMP look on for milliseconds
    by default, which on busy cores made two threads 20 x slower than one; sleeping at once made them 1.5 x as fast on
    idle ones instead of 1.9 x. The wish is read when Numba first starts its threads; values already set stay.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    return _by_numba(function, parallel=True)


def _by_numba(function: F, **options: Any) -> F:
    if not JIT:
        return function
    from tercel.core.compile_notice import PlainCompiler

    return _compiled(function, _may_keep(function), pipeline_class=PlainCompiler, **options)
