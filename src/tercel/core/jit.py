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


if JIT and "numba" not in sys.modules and "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = str(cache_root() / f"kernels-{source_hash()}")


def kernel(function: F) -> F:
    """Compile `function` with Numba on first call: cached on disk, releasing the GIL, IEEE arithmetic.

    >>> @kernel
    ... def double(x):
    ...     return 2 * x
    >>> double(21)
    42
    """
    if not JIT:
        return function
    from numba import njit

    # A function defined outside a file (a doctest, a notebook) has nothing to key a disk cache on.
    in_file = Path(function.__code__.co_filename).is_file()
    return njit(cache=in_file, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def parallel_kernel(function: F) -> F:
    """As :func:`kernel`, with `numba.prange` loops spread over threads."""
    if not JIT:
        return function
    from numba import njit

    return njit(cache=True, nogil=True, parallel=True, error_model="numpy")(function)  # type: ignore[no-any-return]
