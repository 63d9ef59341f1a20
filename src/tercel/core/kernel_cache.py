"""Numba's disk cache for Tercel's kernels: one folder, file names by the hash of what a kernel depends on.

The same kernel has the same name in every checkout and after every change elsewhere; one that changed has another.
"""

# mypy: disable-error-code="no-untyped-call, misc, import-untyped"
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.compiler import Compiler

from tercel.core.kernel_keys import announce_compilation, dependency_key, kernels_folder
from tercel.core.locks import file_lock


class Locator(_CacheLocator):
    """Tells Numba the cache folder and the file name of a function's machine code."""

    def __init__(self, function: Any) -> None:
        """Compute the dependency key of a function that is defined in a file."""
        self._key = dependency_key(function)

    def get_cache_path(self) -> str:
        """The folder of all kernels."""
        return str(kernels_folder())

    def get_source_stamp(self) -> str:
        """Stamp of the sources: the same dependency key as in the file name."""
        return self._key

    def get_disambiguator(self) -> str:
        """Key that distinguishes functions of the same name."""
        return self._key

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Self:
        """A locator for a function defined in a file, as Numba constructs it."""
        return cls(py_func)


class _Impl(CompileResultCacheImpl):
    """Numba's cache implementation with our locator."""

    _locator_classes: Any = [Locator]  # noqa: RUF012 - as Numba has it


class KernelCache(FunctionCache):
    """Numba's disk cache of one function, in Tercel's kernel folder; a lock keeps two processes from compiling the
    same."""

    _impl_class = _Impl

    def __init__(self, function: Any) -> None:
        """Make the cache of a function; the lock is not held."""
        super().__init__(function)
        self._lock_stack = ExitStack()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load machine code from disk and mark its files as used. If there is none, lock the compilation and look again;
        None if there is still none: the caller compiles, and releases the lock.
        """
        overload = super().load_overload(sig, target_context)
        if overload is None:
            self._acquire_lock()
            overload = super().load_overload(sig, target_context)
        if overload is not None:
            folder = kernels_folder()
            for path in folder.glob(f"{self._impl.filename_base}.*") if folder is not None else ():
                with suppress(OSError):  # another process prunes
                    os.utime(path)
        return overload

    def _acquire_lock(self) -> None:
        """Lock the compilation of this function, or wait for the process that holds the lock, until :meth:`release`."""
        lock = Path(self._cache_path, f"{self._impl.filename_base}.lock")
        with suppress(OSError):
            self._lock_stack.enter_context(file_lock(lock))
            self._lock_stack.callback(lock.unlink, missing_ok=True)

    def release(self) -> None:
        """Release the lock, so that other processes load or compile the function."""
        self._lock_stack.close()


class PlainCompiler(Compiler):
    """Numba's own pipeline."""

    def compile_extra(self, func: Any) -> Any:
        """Compile a function, and print a message if compiling takes long."""
        with announce_compilation():
            return super().compile_extra(func)
