"""Kernels that are compiled when compiled code first calls them, through a pointer that is null until then.

Each has two symbols, named after its module and function: the pointer, and a function that compiles the kernel and sets
the pointer. Cached machine code refers to these names, so it works in every process. One of many kernels is called by
its number, the last argument: there are as many pointers, in a row.
"""

# mypy: disable-error-code="no-untyped-call, misc, import-untyped"
import ctypes
from pkgutil import resolve_name
from typing import Any

from llvmlite import binding as ll
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import Signature, make_concrete_template
from numba.np import arrayobj

_held: list[Any] = []
"""What compiled code has the address of."""


class NotCompiledError(Exception):
    """What a kernel raises that called one which could not be compiled: not this, but what went wrong there."""

    why: BaseException

    def __new__(cls, *_: Any) -> Any:
        """What went wrong, when compiled code raises this."""
        return cls.why


def call_by_pointer(
    entry: Any,
    arguments: tuple[Any, ...],
    result: Any,
    numbered: str = "",
    room: int = 1,
) -> None:
    """Let kernels that call `entry` do so through a pointer, which is 0 until the first of them needs it.

    With `numbered`, `entry` stands for `room` kernels: its last argument is the number of the one that is called, with
    the other arguments, and `numbered` names the function that gives it (``module:name``).
    """
    function = entry.py_func
    addresses = (ctypes.c_void_p * room)()
    given = arguments[:-1] if numbered else arguments

    def find(number: int) -> None:
        try:
            kernel = resolve_name(numbered)(number) if numbered else entry
            kernel.compile(given)
            compiled = kernel.overloads[given]
            if numbered and compiled.signature.return_type != result:
                raise TypeError(f"{kernel.py_func.__qualname__} does not return {result}")
            addresses[number] = compiled.library.get_pointer_to_function(
                compiled.fndesc.llvm_func_name
            )
        except BaseException as error:  # the kernel raises it
            NotCompiledError.why = error

    def call(context: Any, builder: Any, kind: Any, args: Any) -> Any:
        whole = [_plain(context, builder, *each) for each in zip(kind.args, args, strict=True)]
        jump = builder.module.globals.get(f"{name}.call") or _jump(
            context, builder.module, kind, name, bool(numbered)
        )
        status, value = context.call_conv.call_function(
            builder, jump, kind.return_type, kind.args, whole
        )
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value

    name = f"{function.__module__}.{function.__qualname__}"
    stub = ctypes.CFUNCTYPE(None, ctypes.c_int64)(find)
    _held.extend((addresses, stub))
    ll.add_symbol(name, ctypes.addressof(addresses))
    ll.add_symbol(f"{name}.find", ctypes.cast(stub, ctypes.c_void_p).value)
    defined = set[tuple[Any, ...]]()

    def template(args: Any, kws: Any) -> Any:
        folded = entry._compiler.fold_argument_types(args, kws)
        # Arrays that others share are read-only (Ray's): what is compiled here may read them, too.
        pairs = zip(folded[1], arguments, strict=False)
        taken = tuple(one if _writable(one) == wanted else wanted for one, wanted in pairs)
        if taken not in defined:
            defined.add(taken)
            entry.targetctx.insert_func_defn([(call, name, taken)])
        return (
            make_concrete_template(name, key=name, signatures=[Signature(result, taken, None)]),
            *folded,
            {},
        )

    entry.get_call_template = template
    entry.get_overload = lambda _: name


def _writable(kind: Any) -> Any:
    return kind.copy(readonly=False) if isinstance(kind, types.Array) else kind


def _plain(context: Any, builder: Any, kind: Any, arg: Any) -> Any:
    """An argument; of an array only its pointer and lengths, the rest made of them.

    Numba passes seven words for an array. Those that no callee reads are dropped by the optimiser where it sees the
    callee; it does not see this one, and would pass them through every kernel on the way here (a sixth of Santa Fe's
    rate).
    """
    if not isinstance(kind, types.Array):
        return arg
    array, made = (
        context.make_array(kind)(context, builder, arg),
        context.make_array(kind)(context, builder),
    )
    size = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
    lengths = cgutils.unpack_tuple(builder, array.shape)
    steps = [builder.mul(size, length) for length in lengths[1:]] + [size]
    arrayobj.populate_array(made, array.data, lengths, steps, size, None)
    return made._getvalue()


def _jump(context: Any, module: Any, kind: Any, name: str, numbered: bool) -> Any:
    """A function that calls what the address points to, so that its callers are optimised as for any other call."""
    jump = ir.Function(
        module, context.call_conv.get_function_type(kind.return_type, kind.args), f"{name}.call"
    )
    jump.linkage = "linkonce_odr"
    jump.attributes.add("noinline")
    builder = ir.IRBuilder(jump.append_basic_block())
    word = ir.IntType(64)
    find = ir.Function(module, ir.FunctionType(ir.VoidType(), [word]), f"{name}.find")
    number = jump.args[-1] if numbered else word(0)
    end = -1 if numbered else None
    called = context.call_conv.get_function_type(kind.return_type, kind.args[:end])
    address = builder.gep(ir.GlobalVariable(module, called.as_pointer(), name), [number])
    with cgutils.if_unlikely(builder, cgutils.is_null(builder, builder.load(address))):
        builder.call(find, [number])
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, builder.load(address))):
            context.call_conv.return_user_exc(builder, NotCompiledError)
    builder.ret(builder.call(builder.load(address), jump.args[:end], tail=True))
    return jump
