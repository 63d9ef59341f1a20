"""Numba's cache of our kernels: one folder, file names made of what each kernel depends on.

The same kernel has the same name in every checkout and after every change elsewhere; one that changed has another.
"""

# mypy: disable-error-code="no-untyped-call, misc, import-untyped"
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.compiler import Compiler

from tercel.core.files import locked
from tercel.core.kernel_keys import compiling, kernels_folder, reached_key


class Locator(_CacheLocator):
    """Folder and file name of a function's machine code, as Numba asks for them."""

    def __init__(self, function: Any) -> None:
        """Of a function defined in a file."""
        self._key = reached_key(function)

    def get_cache_path(self) -> str:
        """The folder of all kernels."""
        return str(kernels_folder())

    def get_source_stamp(self) -> str:
        """Stamp of the sources; the same key as in the name."""
        return self._key

    def get_disambiguator(self) -> str:
        """Key that distinguishes functions of the same name."""
        return self._key

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Self:
        """See Numba's own locators."""
        return cls(py_func)


class _Impl(CompileResultCacheImpl):
    _locator_classes: Any = [Locator]  # noqa: RUF012 - as Numba has it


class KernelCache(FunctionCache):
    """Numba's cache of a function, in our place."""

    _impl_class = _Impl

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._held = ExitStack()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """As Numba does; what was found is noted as used now."""
        found = super().load_overload(sig, target_context)
        if found is None:
            self._hold()
            found = super().load_overload(sig, target_context)
        if found is not None:
            folder = kernels_folder()
            for path in folder.glob(f"{self._impl.filename_base}.*") if folder is not None else ():
                with suppress(OSError):  # another process prunes
                    os.utime(path)
        return found

    def _hold(self) -> None:
        """Keep other processes from compiling the same, or wait for the one that does, until :meth:`release`."""
        lock = Path(self._cache_path, f"{self._impl.filename_base}.lock")
        with suppress(OSError):
            self._held.enter_context(locked(lock))
            self._held.callback(lock.unlink, missing_ok=True)

    def release(self) -> None:
        """Let others load what was compiled here, or compile what could not be."""
        self._held.close()


class PlainCompiler(Compiler):
    """Numba's own pipeline."""

    def compile_extra(self, func: Any) -> Any:
        """Compile, and say so if it takes long."""
        with compiling(func.__module__):
            return super().compile_extra(func)
