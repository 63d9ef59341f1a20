"""One optimisation for a whole call tree: how kernels are linked into the kernel that Python calls.

Numba optimises and emits machine code for every function on its own, each with all that it calls linked in: code at
the bottom of ten layers is optimised ten times. Here a kernel that is called from a kernel is only translated; the
one that Python calls links the whole tree, makes it private, and is optimised once. Measured on the simulator: two
thirds of the time to compile, a third more messages per second, and only entry kernels to load from disk.
"""

# mypy: disable-error-code="import-untyped, misc, no-untyped-call"
import ctypes
from pkgutil import resolve_name
from typing import Any

from llvmlite import binding as ll, ir as llvm
from numba.core import cgutils, ir, sigutils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, Flags
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import AnnotateTypes, NopythonRewrites
from numba.core.typing.templates import Signature, make_concrete_template
from numba.core.untyped_passes import InlineClosureLikes, WithLifting
from numba.np import arrayobj

from tercel.core.kernel_cache import PlainCompiler
from tercel.core.kernel_keys import listeners

# -- late -----------------------------------------------------------------------------------------
# Kernels that are compiled when compiled code first calls them, through a pointer that is null until then.
#
# Each has two symbols, named after its module and function: the pointer, and a function that compiles the kernel and sets
# the pointer. Cached machine code refers to these names, so it works in every process. One of many kernels is called by
# its number, the last argument: there are as many pointers, in a row.

_held: list[Any] = []
"""Objects whose address compiled code has: they must not be freed."""


class NotCompiledError(Exception):
    """Raised by a kernel whose callee could not be compiled; it is replaced by that compilation's error (`why`)."""

    why: BaseException

    def __new__(cls, *_: Any) -> Any:
        """Return the compilation's error when compiled code raises this."""
        return cls.why


def call_by_pointer(
    entry: Any,
    arguments: tuple[Any, ...],
    result: Any,
    numbered: str = "",
    room: int = 1,
) -> None:
    """Let kernels that call `entry` do so through a pointer, which is 0 until the first of them needs it.

    With `numbered`, `entry` represents `room` kernels: its last argument is the number of the one that is called, with
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
        # Arrays shared between processes are read-only (Ray's): kernels compiled here accept them, too.
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
    called = context.call_conv.get_function_type(kind.return_type, kind.args[:end])
    address = builder.gep(llvm.GlobalVariable(module, called.as_pointer(), name), [number])
    with cgutils.if_unlikely(builder, cgutils.is_null(builder, builder.load(address))):
        builder.call(find, [number])
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, builder.load(address))):
            context.call_conv.return_user_exc(builder, NotCompiledError)
    builder.ret(builder.call(builder.load(address), jump.args[:end], tail=True))
    return jump


# -- linking --------------------------------------------------------------------------------------


class Translated(JITCodeLibrary):
    """A function's intermediate code, to be linked into others; it has no machine code of its own."""

    attributes: tuple[str, ...] = ()
    """Of LLVM, for the functions in it."""

    def finalize(self) -> None:
        """Nothing: code that is linked into others is optimised and emitted there."""
        self._raise_if_finalized()
        self._finalized = True

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def tree(self) -> "dict[Any, None]":
        """This library and all that it needs, in order, each once."""
        found: dict[Any, None] = {self: None}
        for library in self._linking_libraries:
            found |= library.tree() if isinstance(library, Translated) else {library: None}
        return found

    def alone(self) -> Any:
        """The module of this function by itself, in a form that may be linked many times."""
        if self._shared_module is None:
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage == ll.Linkage.external:
                    function.linkage = "linkonce_odr"
                    for attribute in self.attributes:
                        function.add_function_attribute(attribute)
            self._shared_module = self._final_module
        return self._shared_module

    def _get_module_for_linking(self) -> Any:
        """With all that it calls, for a kernel that Numba compiles in its own way (`parallel_kernel`)."""
        module = self.alone().clone()
        mine = {function.name for function in module.functions if not function.is_declaration}
        for library in self.tree():
            if library is not self:
                part = (
                    library.alone()
                    if isinstance(library, Translated)
                    else library._get_module_for_linking()
                )
                module.link_in(part, preserve=True)
        _make_private(module, mine)
        return module


class Linked(JITCodeLibrary):
    """The code of a kernel that Python calls, with all that it calls."""

    def finalize(self) -> None:
        """Link the tree, make it private, optimise, emit."""
        mine = {
            function.name
            for function in self._final_module.functions
            if not function.is_declaration
        }
        libraries: dict[Any, None] = {}
        for library in self._linking_libraries:
            libraries |= library.tree() if isinstance(library, Translated) else {library: None}
        for library in libraries:
            self._reload_init.update(library._reload_init)
            part = (
                library.alone()
                if isinstance(library, Translated)
                else library._get_module_for_linking()
            )
            self._final_module.link_in(part, preserve=True)
        _make_private(self._final_module, mine)
        self._linking_libraries = []
        super().finalize()

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager()
        with self._recorded_timings.record("Module passes", builder):
            passes.run(self._final_module, builder)


def _make_private(module: Any, but: set[str]) -> None:
    """Hide a module's functions, so that they are inlined, specialised and dropped at will."""
    for function in module.functions:
        if not function.is_declaration and function.name not in but:
            # private, not internal: the linker would take internal names for other modules' weak ones
            function.linkage = "private"


class SharedFlags(Flags):
    """A kernel's compiler flags, one object for all kernels that have the same.

    Numba looks up how to compile each operation under its flags and compares some thirty of them in Python every time:
    a tenth of the time to compile, saved where they are the same object.
    """

    def copy(self) -> "SharedFlags":
        """The same object."""
        return self

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


_shared_flags: dict[Any, SharedFlags] = {}


def _shared(flags: Any) -> SharedFlags:
    if flags not in _shared_flags:
        _shared_flags[flags.copy()] = SharedFlags(flags)
    return _shared_flags[flags]


def _from_front(kind: Any) -> Any:
    """The type of an index, as one that has no sign."""
    if isinstance(kind, types.UniTuple):
        return types.UniTuple(_from_front(kind.dtype), kind.count)
    return types.uintp if kind == types.intp or kind == types.int32 else kind


@register_pass(mutates_CFG=False, analysis_only=False)
class FromFront(LoweringPass):
    """Compiler pass: indices count from the front, without Python's rule for negative ones.

    Numba adds the length of the array to every index below 0, which takes a comparison for each access by a computed
    index. Measured on the simulator: a sixth of its time.
    """

    _name = "indices_from_the_front"

    def __init__(self) -> None:
        """Nothing to set up."""
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """Write indices without a sign into the types that are lowered."""
        unsigned = {}
        for what, signature in state.calltypes.items():
            if isinstance(what, ir.SetItem) or (isinstance(what, ir.Expr) and what.op == "getitem"):
                if signature is not None and isinstance(signature.args[0], types.Array):
                    array, index, *rest = signature.args
                    unsigned[what] = signature.replace(args=(array, _from_front(index), *rest))
        state.calltypes.update(unsigned)
        return True


NOT_NEEDED = (InlineClosureLikes, WithLifting, NopythonRewrites)
"""Passes for closures, contexts and expressions of whole arrays: a fifteenth of the time to compile."""


class KernelCompiler(Compiler):
    """Numba's pipeline for kernels."""

    def define_pipelines(self) -> list[Any]:
        """With indices from the front, without passes for what no kernel has."""
        pipelines: list[Any] = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes = [each for each in pipeline.passes if each[0] not in NOT_NEEDED]
            pipeline.add_pass_after(FromFront, AnnotateTypes)
            pipeline.finalize()
        return pipelines


def _tell() -> None:
    """Another function is translated."""
    for listener in listeners:
        listener()


class TranslatingCompiler(KernelCompiler):
    """Numba's pipeline for a kernel that kernels call: no wrapper, no machine code."""

    attributes: tuple[str, ...] = ()

    def compile_extra(self, func: Any) -> Any:
        """Compile into a library that is only linked."""
        _tell()
        self.state.flags.no_compile = True
        self.state.flags = _shared(self.state.flags)
        self.state.library = Translated(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.attributes = self.attributes
        return super().compile_extra(func)


class RareCompiler(TranslatingCompiler):
    """Numba's pipeline for a kernel that is seldom reached: where it is called, it is not inlined."""

    attributes = ("noinline", "cold")


class InlinedCompiler(TranslatingCompiler):
    """Numba's pipeline for a small kernel of hot loops: it is inlined wherever it is called."""

    attributes = ("alwaysinline",)


class LinkingCompiler(KernelCompiler, PlainCompiler):
    """Numba's pipeline for a kernel that Python calls."""

    def compile_extra(self, func: Any) -> Any:
        """Compile with all that is called."""
        _tell()
        self.state.flags = _shared(self.state.flags)
        self.state.library = Linked(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(func)


def as_callee(entry: Any, part: Any) -> None:
    """Let kernels that call `entry` link `part`, the same function merely translated."""

    def add_overload(result: Any) -> None:
        # the translated function has no address: its descriptor takes that role
        part.targetctx.insert_user_function(result.fndesc, result.fndesc, [result.library])
        part.overloads[tuple(result.signature.args)] = result

    def get_overload(signature: Any) -> Any:
        kinds, _ = sigutils.normalize_signature(signature)
        return part.overloads[tuple(kinds)].fndesc

    part.add_overload = add_overload
    entry.get_call_template = part.get_call_template
    entry.get_overload = get_overload
