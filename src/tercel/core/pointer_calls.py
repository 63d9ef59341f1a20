"""Calls of a compiled kernel through a pointer, so that it is compiled only when compiled code first calls it."""

# mypy: disable-error-code="import-untyped, misc, no-untyped-call"
import ctypes
from pkgutil import resolve_name
from typing import Any

from llvmlite import binding as ll, ir as llvm
from numba.core import cgutils, types
from numba.core.typing.templates import Signature, make_concrete_template
from numba.np import arrayobj

# Kernels that are compiled when compiled code first calls them, through a pointer that is null until then.
#
# Each has two symbols, named after its module and function: the pointer, and a function that compiles the kernel and sets
# the pointer. Cached machine code refers to these names, so it works in every process. One of many kernels is called by
# its number, the last argument: there are as many pointers, in a row.
_kept_alive: list[Any] = []
"""Objects whose address compiled code has: they must not be freed."""


class NotCompiledError(Exception):
    """Raised by a kernel whose callee could not be compiled; Python sees the error of that compilation (`cause`)."""

    cause: BaseException

    def __new__(cls, *_: Any) -> Any:
        """Return the error of the failed compilation instead of an instance of this class."""
        return cls.cause


def call_by_pointer(
    entry: Any,
    arguments: tuple[Any, ...],
    result: Any,
    kernel_finder: str = "",
    room: int = 1,
) -> None:
    """Make kernels call `entry` through a pointer, which is null until a kernel first calls it and it is compiled.

    With `kernel_finder`, `entry` represents `room` kernels: its last argument is the number of the one that is called, with
    the other arguments, and `kernel_finder` names the function that gives it (``module:name``).
    """
    function = entry.py_func
    addresses = (ctypes.c_void_p * room)()
    kernel_arguments = arguments[:-1] if kernel_finder else arguments

    def find(number: int) -> None:
        """Compile the kernel of a number and store its address."""
        try:
            kernel = resolve_name(kernel_finder)(number) if kernel_finder else entry
            kernel.compile(kernel_arguments)
            compiled = kernel.overloads[kernel_arguments]
            if kernel_finder and compiled.signature.return_type != result:
                raise TypeError(f"{kernel.py_func.__qualname__} does not return {result}")
            addresses[number] = compiled.library.get_pointer_to_function(
                compiled.fndesc.llvm_func_name
            )
        except BaseException as error:  # the kernel raises it
            NotCompiledError.cause = error

    def call(context: Any, builder: Any, kind: Any, args: Any) -> Any:
        """Emit the LLVM code of a call through the pointer."""
        values = [
            _strip_array(context, builder, *argument)
            for argument in zip(kind.args, args, strict=True)
        ]
        jump = builder.module.globals.get(f"{name}.call") or _build_jump(
            context, builder.module, kind, name, bool(kernel_finder)
        )
        status, value = context.call_conv.call_function(
            builder, jump, kind.return_type, kind.args, values
        )
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value

    name = f"{function.__module__}.{function.__qualname__}"
    stub = ctypes.CFUNCTYPE(None, ctypes.c_int64)(find)
    _kept_alive.extend((addresses, stub))
    ll.add_symbol(name, ctypes.addressof(addresses))
    ll.add_symbol(f"{name}.find", ctypes.cast(stub, ctypes.c_void_p).value)
    defined = set[tuple[Any, ...]]()

    def template(args: Any, kws: Any) -> Any:
        """Type of a call, for Numba's type inference: the declared signature, also for read-only arrays."""
        folded = entry._compiler.fold_argument_types(args, kws)
        # Arrays shared between processes are read-only (Ray's): kernels compiled here accept them, too.
        pairs = zip(folded[1], arguments, strict=False)
        accepted = tuple(
            kind if _writable(kind) == declared else declared for kind, declared in pairs
        )
        if accepted not in defined:
            defined.add(accepted)
            entry.targetctx.insert_func_defn([(call, name, accepted)])
        return (
            make_concrete_template(name, key=name, signatures=[Signature(result, accepted, None)]),
            *folded,
            {},
        )

    entry.get_call_template = template
    entry.get_overload = lambda _: name


def _writable(kind: Any) -> Any:
    """An array type without its read-only flag; other types unchanged."""
    return kind.copy(readonly=False) if isinstance(kind, types.Array) else kind


def _strip_array(context: Any, builder: Any, kind: Any, arg: Any) -> Any:
    """An argument for the call; an array as pointer and lengths alone, from which its other fields follow.

    Numba passes seven words for an array. Those that no callee reads are dropped by the optimiser where it sees the
    callee; it does not see this one, and would pass them through every kernel on the way here (a sixth of Santa Fe's
    rate).
    """
    if not isinstance(kind, types.Array):
        return arg
    array = context.make_array(kind)(context, builder, arg)
    stripped = context.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
    lengths = cgutils.unpack_tuple(builder, array.shape)
    steps = [builder.mul(size, length) for length in lengths[1:]] + [size]
    arrayobj.populate_array(stripped, array.data, lengths, steps, size, None)
    return stripped._getvalue()


def _build_jump(context: Any, module: Any, kind: Any, name: str, numbered: bool) -> Any:
    """An LLVM function that calls through the pointer, and first has the kernel compiled if the pointer is null."""
    jump = llvm.Function(
        module, context.call_conv.get_function_type(kind.return_type, kind.args), f"{name}.call"
    )
    jump.linkage = "linkonce_odr"
    jump.attributes.add("noinline")
    builder = llvm.IRBuilder(jump.append_basic_block())
    word = llvm.IntType(64)
    find = llvm.Function(module, llvm.FunctionType(llvm.VoidType(), [word]), f"{name}.find")
    number = jump.args[-1] if numbered else word(0)
    end = -1 if numbered else None
    callee_type = context.call_conv.get_function_type(kind.return_type, kind.args[:end])
    address = builder.gep(llvm.GlobalVariable(module, callee_type.as_pointer(), name), [number])
    with cgutils.if_unlikely(builder, cgutils.is_null(builder, builder.load(address))):
        builder.call(find, [number])
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, builder.load(address))):
            context.call_conv.return_user_exc(builder, NotCompiledError)
    builder.ret(builder.call(builder.load(address), jump.args[:end], tail=True))
    return jump
