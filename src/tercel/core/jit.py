"""`kernel` and its variants: compile functions with Numba, cached on disk by dependencies, or run them as plain Python.

A kernel is a module-level function of arrays and scalars, decorated with :func:`kernel`. Numba's own disk cache does
not notice a change in a function that is called from another file. Ours names each kernel after the statements that it
reaches by name, in any file (`core.kernel_keys`): a change that it cannot feel keeps it. ``TERCEL_JIT=0`` runs the
same source interpreted.

Kernels are linked in a way of our own (`core.linking`), which leans on parts of Numba that are not public.
``TERCEL_LINK=0`` compiles them by Numba's own pipeline, as any Numba does whose parts are not known: slower to compile
and to run, the same results.
"""

# mypy: disable-error-code="no-untyped-call, attr-defined, call-overload, no-any-return, no-untyped-def, misc, import-untyped"
import gc
import os
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercel.core.kernel_keys import LINK, kernels_folder

F = TypeVar("F", bound=Callable[..., Any])

Packed = NDArray[np.int32]
"""One world's integers in one array."""
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
PackedRows = Annotated[Packed, 2]
Rows = Annotated[Longs, 2]
FloatRows = Annotated[Floats, 2]
SingleRows = Annotated[Singles, 2]
"""Of two dimensions, where annotations are the signature (`late_kernel`, `core.ahead`)."""
Bytes = NDArray[np.uint8] | NDArray[np.int8]

JIT = os.environ.get("TERCEL_JIT", "1") != "0"


def _widen_type(kind: Any) -> Any:
    """The type that an argument is compiled for: signed integers as int64, floats as float64, other types as they are.

    Without this a helper is compiled again for every mix of int32 and int64 arguments.
    """
    from numba.core import types

    if isinstance(kind, types.IntegerLiteral) or (isinstance(kind, types.Integer) and kind.signed):
        return types.int64
    if isinstance(kind, types.BooleanLiteral):
        return types.boolean
    return types.float64 if isinstance(kind, types.Float) else kind


def _widen_signatures(dispatcher: Any) -> Any:
    """Make a dispatcher compile one version for all widths of integers and floats, and return it."""
    from numba.core import sigutils

    compile_exact = dispatcher.compile

    def compile_wide(signature: Any) -> Any:
        """Compile for the widened types of a signature, then release the lock of the kernel's cache."""
        kinds, _ = sigutils.normalize_signature(signature)
        collects = gc.isenabled()
        gc.disable()  # a twelfth of the time to compile goes into looking for garbage among objects that stay
        try:
            return compile_exact(tuple(_widen_type(kind) for kind in kinds))
        finally:
            getattr(dispatcher._cache, "release", bool)()
            if collects:
                gc.enable()

    dispatcher.compile = compile_wide
    return dispatcher


def _compile(function: F, cached: bool = False, **options: Any) -> Any:
    """A Numba dispatcher of a function with our settings, compiled on first call; `cached`: code kept in Tercel's disk cache."""
    from numba import njit

    dispatcher = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    if cached:
        from tercel.core.kernel_cache import KernelCache

        dispatcher._cache = KernelCache(function)
    return _widen_signatures(dispatcher)


def _is_cacheable(function: F) -> bool:
    """Whether machine code of a function is cached on disk: it is in a file (not a doctest, a notebook), and the cache
    can be written."""
    return kernels_folder() is not None and Path(function.__code__.co_filename).is_file()


def kernel(function: F) -> F:
    """Compile `function` with Numba on first call: cached on disk, releasing the GIL, IEEE arithmetic; it cannot create
    arrays.

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
    return _link_kernel(function, "TranslatingCompiler")


def rare_kernel(function: F) -> F:
    """As :func:`kernel`, for a function that hot kernels seldom call: it is called, never inlined."""
    return _link_kernel(function, "RareCompiler")


def inlined_kernel(function: F) -> F:
    """As :func:`kernel`, for a few lines in the middle of hot loops: it is inlined wherever a kernel calls it."""
    return _link_kernel(function, "InlinedCompiler")


def late_kernel(function: F) -> F:
    """As :func:`kernel`, but compiled separately when a compiled kernel first calls it: for code that few markets need.

    It is called through a pointer, which costs some nanoseconds. Its annotations say the one signature that it has:
    `int`, `float`, `bool`, `Packed`, `Longs`, `Floats`, arrays of one dimension.
    """
    if not (JIT and LINK):
        return kernel(function)
    from tercel.core import linking, pointer_calls

    entry = _compile(
        function, _is_cacheable(function), _nrt=False, pipeline_class=linking.LinkingCompiler
    )
    pointer_calls.call_by_pointer(entry, *_signature_types(function))
    return entry


def numbered_kernel(kernel_finder: str, room: int) -> Callable[[F], F]:
    """As :func:`late_kernel`, for up to `room` kernels of other packages, chosen at run time by number, the last
    argument.

    Parameters
    ----------
    kernel_finder : str
        ``module:name`` of the function that returns the kernel of a number. A text, so that cached machine code of a
        caller does not depend on it (`core.kernel_keys`).
    room : int
        Numbers are 0 to `room` - 1.
    """

    def decorate(function: F) -> Any:
        """Make calls of `function` call the kernel of the last argument's number instead; its own body never runs."""
        if not JIT:
            return lambda *arguments: resolve_name(kernel_finder)(arguments[-1])(*arguments[:-1])
        from tercel.core import pointer_calls

        entry = _compile(function, _nrt=False)
        pointer_calls.call_by_pointer(entry, *_signature_types(function), kernel_finder, room)
        return entry

    return decorate


def compile_declared(entry: Any) -> None:
    """Compile a kernel, or load its machine code, for the signature of its annotations."""
    entry.compile(_signature_types(entry)[0])


def _signature_types(function: Any) -> tuple[tuple[Any, ...], Any]:
    """Numba's types of the arguments and of the result, by a function's annotations."""
    from numba.core import types

    kinds: dict[Any, Any] = {
        **{int: types.int64, float: types.float64, bool: types.boolean, None: types.none},
        **{Packed: types.int32[::1], Longs: types.int64[::1], Floats: types.float64[::1]},
        **{
            PackedRows: types.int32[:, ::1],
            Rows: types.int64[:, ::1],
            FloatRows: types.float64[:, ::1],
        },
        **{SingleRows: types.float32[:, ::1]},
    }
    declared = signature(function)
    return tuple(kinds[parameter.annotation] for parameter in declared.parameters.values()), kinds[
        declared.return_annotation
    ]


def _link_kernel(function: F, compiler_name: str) -> Any:
    """A kernel that Python calls, and that other kernels link in by the compiler class called `compiler_name`."""
    if not JIT:
        return function
    if not LINK:
        return _by_numba(function, _nrt=False)
    from tercel.core import linking

    entry = _compile(
        function, _is_cacheable(function), _nrt=False, pipeline_class=linking.LinkingCompiler
    )
    compiler = getattr(linking, compiler_name)
    part = _compile(function, _nrt=False, no_cpython_wrapper=True, pipeline_class=compiler)
    linking.link_as_callee(entry, part)
    return entry


def allocating_kernel(function: F) -> F:
    """As :func:`kernel`, for functions that create arrays."""
    return _by_numba(function)


def _by_numba(function: F, **options: Any) -> F:
    """Compile a function by Numba's own pipeline, cached on disk where possible; interpreted with ``TERCEL_JIT=0``."""
    if not JIT:
        return function
    from tercel.core.kernel_cache import PlainCompiler

    return _compile(function, _is_cacheable(function), pipeline_class=PlainCompiler, **options)


if TYPE_CHECKING or not JIT:

    def load_fixed(array: Packed, index: int) -> int:
        """`array[index]`, which never changes while a kernel runs."""
        return int(array[index])

    def prefetch(array: Any, index: int) -> None:
        """Prefetch the cache line of `array[index]`; does nothing when interpreted."""

    def record_at(dtype: Any) -> Any:
        """Function (array, place) -> the record of `dtype` stored from `array[place]` on, as a view."""
        return lambda array, place: array[place : place + dtype.itemsize // array.itemsize].view(
            dtype
        )[0]

else:
    from llvmlite import ir
    from numba.core import types
    from numba.core.cgutils import get_or_insert_function
    from numba.extending import intrinsic

    def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
        """LLVM pointer to `array[index]`; emits the code that computes it."""
        return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])

    @intrinsic
    def load_fixed(typing, array, index):
        """`array[index]`, loaded once: the compiler may assume that it never changes while a kernel runs."""

        def read(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            """Emit the load of `array[index]`, marked as invariant."""
            word = builder.load(_address(context, builder, signature.args[0], *args))
            word.set_metadata("invariant.load", builder.module.add_metadata([]))
            return word

        return array.dtype(array, types.intp), read

    @intrinsic
    def prefetch(typing, array, index):
        """Prefetch the cache line of `array[index]` into the processor."""

        def hint(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            """Emit the prefetch instruction for the cache line of `array[index]`."""
            byte = ir.IntType(8).as_pointer()
            number = ir.IntType(32)
            line = builder.bitcast(_address(context, builder, signature.args[0], *args), byte)
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            call = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            builder.call(
                call, [line, number(0), number(3), number(1)]
            )  # read, all cache levels, data
            return context.get_dummy_value()

        return types.void(array, types.intp), hint

    def record_at(dtype: Any) -> Any:
        """Function (array, place) -> the record of `dtype` stored from `array[place]` on, as a view."""
        from numba import from_dtype

        record = from_dtype(dtype)

        @intrinsic
        def load_record(typing, array, place):
            """Signature and code generator of the view of a record at `array[place]`."""

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                """Emit the cast of the address of `array[place]` to a pointer to the record; nothing is copied."""
                address = _address(context, builder, signature.args[0], *args)
                return builder.bitcast(address, context.get_value_type(record))

            return record(array, types.intp), generate

        return load_record
