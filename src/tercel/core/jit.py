"""How kernels are compiled: Numba with a disk cache keyed on the sources, or plain Python for debugging.

A kernel is a module-level function of arrays and scalars, decorated with :func:`kernel`. Numba's own disk cache does
not notice a change in a function that is called from another file, so the cache folder is named after a hash of every
source file of the package: any edit starts a fresh one. ``TERCEL_JIT=0`` runs the same source interpreted.

Kernels are linked in a way of our own (`core.linking`), which leans on parts of Numba that are not public.
``TERCEL_LINK=0`` compiles them by Numba's own pipeline, as any Numba does whose parts are not known: slower to compile
and to run, the same results.
"""

# mypy: disable-error-code="no-untyped-call, attr-defined, call-overload, no-any-return"
import gc
import hashlib
import os
import shutil
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

from tercel.core.locks import locked

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
    """Hex digest of all Python sources of a package, by default ours, of Python's version and the way to link."""
    digest = hashlib.sha256(f"{sys.version} {LINK}".encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# -- where compiled kernels are kept ----------------------------------------------------------------------------------

_PREFIX = "kernels-"
_KEPT = 4
_USED = ".used"


def cache_root() -> Path:
    """Folder of all compiled-kernel caches.

    ``$TERCEL_CACHE``, else ``$NUMBA_CACHE_DIR``, else ``$XDG_CACHE_HOME/tercel``, else ``~/.cache/tercel``.
    """
    if "TERCEL_CACHE" in os.environ:
        return Path(os.environ["TERCEL_CACHE"])
    if "NUMBA_CACHE_DIR" in os.environ:
        folder = Path(os.environ["NUMBA_CACHE_DIR"])
        return folder.parent if folder.name.startswith(_PREFIX) else folder  # set by a parent process of ours
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


def hold(folder: Path) -> int:
    """Note that a cache is used now, and keep it from being pruned for as long as this process lives.

    Returns the descriptor that holds it; -1 where no lock can be had, as on Windows.
    """
    try:
        import fcntl  # a lock that several hold, which `filelock` does not know

        file = os.open(folder / _USED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.utime(file)
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return -1
    return file


def prune(root: Path, keep: int = _KEPT) -> None:
    """Remove the caches that were used longest ago, all but the newest few; never one that a living process uses."""
    found = []
    for folder in root.glob(_PREFIX + "*"):
        with suppress(OSError):  # another process prunes too
            used = folder / _USED
            found.append(((used if used.exists() else folder).stat().st_mtime, folder))
    for _, folder in sorted(found, reverse=True)[keep:]:
        with suppress(OSError), locked(folder / _USED, wait=False):
            shutil.rmtree(folder, ignore_errors=True)


# Numba asks the terminal about colours for every candidate that it tries, whether an error is shown or not
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")

_folder: Path | None = None
_held = -1
if JIT:
    _folder = writable_folder(cache_root(), _PREFIX + source_hash())
    if _folder is not None:
        _held = hold(_folder)
        os.environ["NUMBA_CACHE_DIR"] = str(_folder)
        if "numba" in sys.modules:  # imported before us: its settings are already read
            sys.modules["numba"].config.CACHE_DIR = str(_folder)


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
    if _folder is not None:
        prune(_folder.parent)
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


def _compiled(function: F, kept: Path | None = None, **options: Any) -> Any:
    from numba import config, njit

    if kept is not None:
        config.CACHE_DIR = str(kept)
    common = {"cache": kept is not None, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    return _one_signature(njit(**common, **options)(function))


def _kept_in(function: F) -> Path | None:
    """Where a function's machine code is kept: that of another package under a hash of its sources too.

    None for a function defined outside a file (a doctest, a notebook): there is nothing to key a disk cache on.
    """
    file, (package, inside, _) = Path(function.__code__.co_filename), function.__module__.partition(".")
    if _folder is None or not file.is_file():
        return None
    root = next((folder for folder in file.parents if folder.name == package), None)
    return _folder if package == "tercel" or not inside or root is None else _folder / source_hash(root)


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

    entry = _compiled(function, _kept_in(function), _nrt=False, pipeline_class=linking.LinkingCompiler)
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
    from tercel.core.announced import PlainCompiler

    return _compiled(function, _kept_in(function), pipeline_class=PlainCompiler, **options)
