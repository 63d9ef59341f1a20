"""One BLAS thread while small networks learn.

OpenBLAS spreads a product of 256 x 64 by 64 x 64 over all cores, which costs more than it gives when another process
works beside it, and ties the last bits of a result to the number of cores. NumPy has no switch for it; the library
itself does. Where no OpenBLAS is found (another BLAS, another system) nothing happens.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

# The prefixes and suffixes under which OpenBLAS is built into NumPy's wheels and distributions.
_NAMES = tuple(
    f"{prefix}openblas_{{}}_num_threads{suffix}"
    for prefix in ("scipy_", "")
    for suffix in ("64_", "")
)


@lru_cache(maxsize=1)
def _libraries() -> tuple[tuple[Callable[[], int], Callable[[int], None]], ...]:
    """(get, set) of the number of threads, for each OpenBLAS that this process has loaded."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return ()
    paths = sorted({line.split(maxsplit=5)[5] for line in lines if "openblas" in line})
    found = []
    for path in paths:
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in _NAMES:
            if hasattr(library, name.format("set")):
                found.append(
                    (getattr(library, name.format("get")), getattr(library, name.format("set")))
                )
                break
    return tuple(found)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block with one OpenBLAS thread and put the number back."""
    before = [(put, get()) for get, put in _libraries()]
    for put, _ in before:
        put(1)
    try:
        yield
    finally:
        for put, number in before:
            put(number)
