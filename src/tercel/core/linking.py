"""Link all kernels that a kernel calls into one LLVM module, which is optimised once.

Numba optimises and emits machine code for every function on its own, each with all that it calls linked in: code at
the bottom of ten layers is optimised ten times. Here a kernel that is called from a kernel is only translated; the
one that Python calls links the whole tree, makes it private, and is optimised once. Measured on the simulator: two
thirds of the time to compile, a third more messages per second, and only entry kernels to load from disk.
"""

# mypy: disable-error-code="import-untyped, misc, no-untyped-call"
from typing import Any

from llvmlite import binding as ll
from numba.core import ir, sigutils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, Flags
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import AnnotateTypes, NopythonRewrites
from numba.core.untyped_passes import InlineClosureLikes, WithLifting

from tercel.core.kernel_cache import PlainCompiler
from tercel.core.kernel_keys import listeners

NOT_NEEDED = (InlineClosureLikes, WithLifting, NopythonRewrites)
"""Passes for closures, contexts and expressions of whole arrays: a fifteenth of the time to compile."""


class Translated(JITCodeLibrary):
    """A function's LLVM code without machine code, to be linked into the kernels that call it."""

    attributes: tuple[str, ...] = ()
    """Of LLVM, for the functions in it."""

    def finalize(self) -> None:
        """Mark the library as finalized, no more: code that is linked into others is optimised and emitted there."""
        self._raise_if_finalized()
        self._finalized = True

    def _optimize_functions(self, ll_module: Any) -> None:
        """Set the data layout alone: the kernel that links this code optimises it."""
        ll_module.data_layout = self._codegen._data_layout

    def tree(self) -> "dict[Any, None]":
        """This library and all libraries that it needs, each once, in order."""
        libraries: dict[Any, None] = {self: None}
        for library in self._linking_libraries:
            libraries |= library.tree() if isinstance(library, Translated) else {library: None}
        return libraries

    def standalone_module(self) -> Any:
        """The LLVM module of this function alone, its symbols changed in place so that it may be linked many times."""
        if self._shared_module is None:
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage == ll.Linkage.external:
                    function.linkage = "linkonce_odr"
                    for attribute in self.attributes:
                        function.add_function_attribute(attribute)
            self._shared_module = self._final_module
        return self._shared_module

    def _get_module_for_linking(self) -> Any:
        """The LLVM module with everything it calls, for a kernel compiled by Numba itself (`allocating_kernel`)."""
        module = self.standalone_module().clone()
        own_functions = {
            function.name for function in module.functions if not function.is_declaration
        }
        for library in self.tree():
            if library is not self:
                part = (
                    library.standalone_module()
                    if isinstance(library, Translated)
                    else library._get_module_for_linking()
                )
                module.link_in(part, preserve=True)
        _make_private(module, own_functions)
        return module


class Linked(JITCodeLibrary):
    """Machine code of a kernel that Python calls, with all kernels that it calls linked in."""

    def finalize(self) -> None:
        """Link all needed modules, make their functions private, optimise and emit machine code."""
        own_functions = {
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
                library.standalone_module()
                if isinstance(library, Translated)
                else library._get_module_for_linking()
            )
            self._final_module.link_in(part, preserve=True)
        _make_private(self._final_module, own_functions)
        self._linking_libraries = []
        super().finalize()

    def _optimize_functions(self, ll_module: Any) -> None:
        """Set the data layout alone: the linked module is optimised as a whole."""
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        """Optimise the linked module as a whole."""
        passes, builder = self._codegen._module_pass_manager()
        with self._recorded_timings.record("Module passes", builder):
            passes.run(self._final_module, builder)


def _make_private(module: Any, public_names: set[str]) -> None:
    """Give a module's functions private linkage except `public_names`, so that LLVM may inline and drop them."""
    for function in module.functions:
        if not function.is_declaration and function.name not in public_names:
            # private, not internal: the linker would take internal names for other modules' weak ones
            function.linkage = "private"


class SharedFlags(Flags):
    """Compiler flags of kernels: kernels with equal flags share one object.

    Numba looks up how to compile each operation under its flags and compares some thirty of them in Python every time:
    a tenth of the time to compile, saved where they are the same object.
    """

    def copy(self) -> "SharedFlags":
        """Return this object itself: shared flags are not copied."""
        return self

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Whether two flags are the same object; values are not compared."""
        return self is other


_shared_flags: dict[Any, SharedFlags] = {}


def _share_flags(flags: Any) -> SharedFlags:
    """The shared object for compiler flags equal to `flags`."""
    if flags not in _shared_flags:
        _shared_flags[flags.copy()] = SharedFlags(flags)
    return _shared_flags[flags]


def _unsigned_index(kind: Any) -> Any:
    """The unsigned version of an integer index type; other types unchanged."""
    if isinstance(kind, types.UniTuple):
        return types.UniTuple(_unsigned_index(kind.dtype), kind.count)
    return types.uintp if kind == types.intp or kind == types.int32 else kind


@register_pass(mutates_CFG=False, analysis_only=False)
class FromFront(LoweringPass):
    """Compiler pass that makes array indices unsigned, so that no code is emitted for Python's negative indices.

    Numba adds the length of the array to every index below 0, which takes a comparison for each access by a computed
    index. Measured on the simulator: a sixth of its time.
    """

    _name = "indices_from_the_front"

    def __init__(self) -> None:
        """Initialise the pass without state."""
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """Make the types of array indices unsigned in a function's call signatures, in place, before lowering; returns True."""
        unsigned = {}
        for node, signature in state.calltypes.items():
            if isinstance(node, ir.SetItem) or (isinstance(node, ir.Expr) and node.op == "getitem"):
                if signature is not None and isinstance(signature.args[0], types.Array):
                    array, index, *rest = signature.args
                    unsigned[node] = signature.replace(args=(array, _unsigned_index(index), *rest))
        state.calltypes.update(unsigned)
        return True


class KernelCompiler(Compiler):
    """Numba's pipeline for kernels."""

    def define_pipelines(self) -> list[Any]:
        """Numba's pipeline with unsigned indices, without passes that kernels do not need."""
        pipelines: list[Any] = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes = [
                pass_entry for pass_entry in pipeline.passes if pass_entry[0] not in NOT_NEEDED
            ]
            pipeline.add_pass_after(FromFront, AnnotateTypes)
            pipeline.finalize()
        return pipelines


def _notify_listeners() -> None:
    """Call the listeners: one more function is compiled."""
    for listener in listeners:
        listener()


class TranslatingCompiler(KernelCompiler):
    """Numba's pipeline for a kernel that kernels call: no wrapper, no machine code."""

    attributes: tuple[str, ...] = ()

    def compile_extra(self, func: Any) -> Any:
        """Compile a function into LLVM code that is only linked into others."""
        _notify_listeners()
        self.state.flags.no_compile = True
        self.state.flags = _share_flags(self.state.flags)
        self.state.library = Translated(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.attributes = self.attributes
        return super().compile_extra(func)


class RareCompiler(TranslatingCompiler):
    """Numba's pipeline for a kernel that is seldom called: callers do not inline it."""

    attributes = ("noinline", "cold")


class InlinedCompiler(TranslatingCompiler):
    """Numba's pipeline for a small kernel of hot loops: every caller inlines it."""

    attributes = ("alwaysinline",)


class LinkingCompiler(KernelCompiler, PlainCompiler):
    """Numba's pipeline for a kernel that Python calls."""

    def compile_extra(self, func: Any) -> Any:
        """Compile a function together with everything that it calls."""
        _notify_listeners()
        self.state.flags = _share_flags(self.state.flags)
        self.state.library = Linked(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(func)


def link_as_callee(entry: Any, part: Any) -> None:
    """Make kernels that call `entry` link in `part`, the same function without machine code."""

    def add_overload(result: Any) -> None:
        """Store a translated version, whose LLVM code callers link."""
        # the translated function has no address: its descriptor takes that role
        part.targetctx.insert_user_function(result.fndesc, result.fndesc, [result.library])
        part.overloads[tuple(result.signature.args)] = result

    def get_overload(signature: Any) -> Any:
        """Descriptor of the translated version for a signature."""
        kinds, _ = sigutils.normalize_signature(signature)
        return part.overloads[tuple(kinds)].fndesc

    part.add_overload = add_overload
    entry.get_call_template = part.get_call_template
    entry.get_overload = get_overload
