"""What kernels tell the compiler about memory: words that never change, and what will be read soon."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, import-untyped"
from typing import TYPE_CHECKING, Any

from tercel.core.jit import JIT, Packed

if TYPE_CHECKING or not JIT:

    def fixed(array: Packed, at: int) -> int:
        """The word `array[at]`, which nobody changes while a kernel runs."""
        return int(array[at])

    def prefetch(array: Any, at: int) -> None:
        """Have the processor fetch the cache line of `array[at]`: interpreted, nothing."""

    def record_at(dtype: Any) -> Any:
        """A function of an array and a place: the record of `dtype` that lies there, in the array itself."""
        return lambda array, place: array[place : place + dtype.itemsize // array.itemsize].view(
            dtype
        )[0]

else:
    from llvmlite import ir
    from numba.core import types
    from numba.core.cgutils import get_or_insert_function
    from numba.extending import intrinsic

    def _address(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
        return builder.gep(context.make_array(array_type)(context, builder, array).data, [at])

    @intrinsic
    def fixed(typing, array, at):
        """The word `array[at]`, which nobody changes while a kernel runs: it is read once, not after every store."""

        def read(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = builder.load(_address(context, builder, signature.args[0], *args))
            word.set_metadata("invariant.load", builder.module.add_metadata([]))
            return word

        return array.dtype(array, types.intp), read

    @intrinsic
    def prefetch(typing, array, at):
        """Have the processor fetch the cache line of `array[at]`."""

        def hint(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            byte = ir.IntType(8).as_pointer()
            number = ir.IntType(32)
            line = builder.bitcast(_address(context, builder, signature.args[0], *args), byte)
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            call = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            builder.call(
                call, [line, number(0), number(3), number(1)]
            )  # to be read, kept in all levels, data
            return context.get_dummy_value()

        return types.void(array, types.intp), hint

    def record_at(dtype: Any) -> Any:
        """A function of an array and a place: the record of `dtype` that lies there, in the array itself."""
        from numba import from_dtype

        record = from_dtype(dtype)

        @intrinsic
        def at(typing, array, place):
            def lies(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                there = _address(context, builder, signature.args[0], *args)
                return builder.bitcast(there, context.get_value_type(record))

            return record(array, types.intp), lies

        return at
