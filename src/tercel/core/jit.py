"""How kernels are compiled: Numba with a disk cache keyed on the sources, or plain Python for debugging.

A kernel is a module-level function of arrays and scalars, decorated with :func:`kernel`. Numba's own disk cache does
not notice a change in a function that is called from another file, so the cache folder is named after a hash of every
source file of the package: any edit starts a fresh one. ``TERCEL_JIT=0`` runs the same source interpreted.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

Packed = NDArray[np.int32]
"""One world's integers in one array."""
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]

JIT = os.environ.get("TERCEL_JIT", "1") != "0"


def source_hash() -> str:
    """Hex digest of all Python sources of the package, the interpreter's version and the machine's name of itself."""
    digest = hashlib.sha256(sys.version.encode())
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Folder of all compiled-kernel caches: ``$TERCEL_CACHE``, else ``$XDG_CACHE_HOME/tercel``, else ``~/.cache/tercel``."""
    if "TERCEL_CACHE" in os.environ:
        return Path(os.environ["TERCEL_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tercel"


if JIT and "NUMBA_CACHE_DIR" not in os.environ:
    _folder = str(cache_root() / f"kernels-{source_hash()}")
    os.environ["NUMBA_CACHE_DIR"] = _folder
    if "numba" in sys.modules:  # imported before us: its settings are already read
        sys.modules["numba"].config.CACHE_DIR = _folder


if JIT:

    def __getattr__(name: str) -> Any:
        """`prange` is Numba's, imported when a parallel kernel's module asks for it."""
        if name == "prange":
            from numba import prange

            return prange
        raise AttributeError(name)
else:
    prange = range


def _one_signature(dispatcher: Any) -> Any:
    """Make a kernel compile for one width of integer: int32 loads, literals and int64 share one version.

    Without this a helper is compiled again for every mix of int32 and int64 arguments, which doubles cold start.
    """
    from numba.core import sigutils, types

    compile_exact = dispatcher.compile

    def widen(kind: Any) -> Any:
        if isinstance(kind, types.IntegerLiteral) or (isinstance(kind, types.Integer) and kind.signed):
            return types.int64
        if isinstance(kind, types.BooleanLiteral):
            return types.boolean
        return types.float64 if isinstance(kind, types.Float) else kind

    def compile_wide(signature: Any) -> Any:
        kinds, _ = sigutils.normalize_signature(signature)
        return compile_exact(tuple(widen(kind) for kind in kinds))

    dispatcher.compile = compile_wide
    return dispatcher


def _compiled(function: F, **options: Any) -> F:
    if not JIT:
        return function
    from numba import njit

    # A function defined outside a file (a doctest, a notebook) has nothing to key a disk cache on.
    in_file = Path(function.__code__.co_filename).is_file()
    common = {"cache": in_file, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    return _one_signature(njit(**common, **options)(function))  # type: ignore[no-any-return]


def kernel(function: F) -> F:
    """Compile `function` with Numba on first call: cached on disk, releasing the GIL, IEEE arithmetic.

    The kernel cannot allocate: it is compiled without Numba's run-time memory manager, whose reference counts of array
    arguments cost two thirds of the time of small kernels (measured: 267 of them in the book's loop, 3 x slower).

    >>> @kernel
    ... def double(x):
    ...     return 2 * x
    >>> double(21)
    42
    """
    return _compiled(function, _nrt=False)


def allocating_kernel(function: F) -> F:
    """As :func:`kernel`, for functions that create arrays."""
    return _compiled(function)


def parallel_kernel(function: F) -> F:
    """As :func:`allocating_kernel`, with `prange` loops spread over threads."""
    return _compiled(function, parallel=True)
