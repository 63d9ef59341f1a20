"""Numba's own pipeline, which says so before it compiles."""

# mypy: disable-error-code="no-untyped-call, misc, import-untyped"
from typing import Any

from numba.core.compiler import Compiler

from tercel.core.jit import announce


class PlainCompiler(Compiler):
    """Numba's own pipeline."""

    def compile_extra(self, func: Any) -> Any:
        """Compile, after saying so."""
        announce()
        return super().compile_extra(func)
