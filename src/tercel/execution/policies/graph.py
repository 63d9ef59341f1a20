"""Checks of ONNX files before anything of them runs: operators, sizes, memory and work.

A file may be anybody's: what its network computes, and how much, is known from its graph alone. :func:`read_network`
reads the bytes of a file, :func:`read_graph` the model in them.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tercel.core.errors import PolicyError, refuse_if

if TYPE_CHECKING:
    import onnx

# Operators that networks are exported with. None runs a graph inside a graph, and of each the shapes of the outputs
# follow from those of the inputs, so that work and memory are known.
OPERATORS: Final = (
    "Abs, Add, And, BatchNormalization, Cast, Celu, Clip, Concat, Constant, ConstantOfShape, Div, "
    "Dropout, Elu, Equal, Erf, Exp, Expand, Flatten, GRU, Gather, Gelu, Gemm, Greater, GreaterOrEqual, "
    "HardSigmoid, HardSwish, Identity, LSTM, LayerNormalization, LeakyRelu, Less, LessOrEqual, Log, "
    "LogSoftmax, MatMul, Max, Mean, Min, Mish, Mul, Neg, Not, Or, PRelu, Pow, Reciprocal, ReduceL2, "
    "ReduceMax, ReduceMean, ReduceMin, ReduceSum, Relu, Reshape, Selu, Shape, Sigmoid, Sign, Slice, Softmax, "
    "Softplus, Softsign, Split, Sqrt, Squeeze, Sub, Sum, Tanh, Transpose, Unsqueeze, Where"
)
# Bytes of a file, and of all in it but weights: parsed, the latter take 250 times their size.
FILE_BYTES, GRAPH_BYTES = 2**25, 2**19
# Observations at once for which a network is measured; the most nodes, and numbers that they then put out, and read or
# multiply.
ROWS, NODES, NUMBERS, WORK = 1_024, 1_000, 2**26, 2**33
_SMALLER: Final = (
    "export a smaller network, or evaluate it as a function: tercel.model_strategy(function, name)"
)


def read_network(path: Path) -> bytes:
    """Bytes of an ONNX file.

    Raises
    ------
    PolicyError
        If it cannot be read, or is larger than `FILE_BYTES`.
    """
    try:
        size = path.stat().st_size
        refuse_if(
            not path.is_file() or size > FILE_BYTES,
            f"an ONNX file of {FILE_BYTES:,} bytes at most",
            f"{path} of {size:,}",
            "export a smaller network",
            PolicyError,
        )
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(
            "an ONNX file", f"{path}: {error.strerror}", "save or export the policy again"
        ) from error


def read_graph(data: bytes) -> "onnx.ModelProto":
    """The model in the bytes of an ONNX file, whose work and memory are bounded; nothing of it has run.

    Raises
    ------
    PolicyError
        If the bytes are no ONNX model, or one that computes something else than networks do, or too much.
    """
    import onnx

    try:
        size = _graph_bytes(
            memoryview(data), (7, 5)
        )  # the graph of the model, and its initializers
        refuse_if(
            size > GRAPH_BYTES or len(data) > FILE_BYTES,
            f"a network of {FILE_BYTES:,} bytes at most, and {GRAPH_BYTES:,} without weights",
            f"{len(data):,} bytes, and {size:,} or more without weights",
            _SMALLER,
            PolicyError,
        )
        model = onnx.load_model_from_string(data)
        _refuse_foreign(model)
        onnx.checker.check_model(model)
        _refuse_work(model)
    except PolicyError:
        raise
    except Exception as error:  # protobuf, the checker and shape inference raise their own kinds
        raise PolicyError(
            "an ONNX model", f"bytes that are none ({error})"[:400], "copy or export the file again"
        ) from error
    return model


def _graph_bytes(data: memoryview, path: tuple[int, ...]) -> int:
    """Bytes of a serialised message without the weights, which lie behind the fields of `path`."""
    at = total = 0
    while at < len(data) and total <= GRAPH_BYTES:
        key, start = _varint(data, at)
        size, body = _varint(data, start) if key & 7 in (0, 2) else ({1: 8, 5: 4}[key & 7], start)
        end = body + (size if key & 7 else 0)
        total += body - at
        if key & 7 == 2 and path and key >> 3 == path[0]:
            total += _graph_bytes(data[body:end], path[1:])
        elif path or key >> 3 not in (4, 9):  # float_data, raw_data of a tensor
            total += end - body
        at = end
    return total


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of Protocol Buffers, and the place behind it."""
    size = next((n for n in range(1, 11) if data[at + n - 1] < 128), 0)
    refuse_if(
        not size, "numbers of 10 bytes at most", "a longer one", "export it again", PolicyError
    )
    return sum((data[at + n] & 127) << 7 * n for n in range(size)), at + size


def _refuse_foreign(model: "onnx.ModelProto") -> None:
    """Refuse a model with anything but tensors of numbers and the operators of networks."""
    from onnx import AttributeProto as Kind, numpy_helper

    graph = model.graph
    attributes = [one for node in graph.node for one in node.attribute]
    plain = (Kind.INT, Kind.INTS, Kind.FLOAT, Kind.FLOATS, Kind.STRING, Kind.TENSOR)
    tensors = {one.name: one for one in graph.initializer}
    tensors |= {
        name: one.t for node in graph.node for one in node.attribute for name in node.output
    }
    foreign = [
        *(
            one.domain + one.op_type
            for one in graph.node
            if one.op_type not in OPERATORS.split(", ") or one.domain
        ),
        *(f"attribute {one.name}" for one in attributes if one.type not in plain),
        # an axis, a padding or a size is none of these numbers
        *(
            f"{one.name} = {number}"
            for one in attributes
            for number in (one.i, *one.ints)
            if abs(number) > 2**16
        ),
        # shape inference takes a rounded number for what it was: nothing whole may come from others
        *("Cast to whole numbers" for one in attributes if one.name == "to" and one.i in (6, 7)),
        *(
            f"{name} of shape {list(one.dims)}"
            for name, one in tensors.items()
            if one.data_location or one.external_data or not 0 <= math.prod(one.dims) <= FILE_BYTES
        ),
        *("a function" for _ in model.functions),
        *("a sparse tensor" for _ in graph.sparse_initializer),
    ]
    size = len(graph.node) + sum(len(node.input) + len(node.output) for node in graph.node) // 10
    # nor does it know what a step backwards gives
    steps = [
        tensors.get(node.input[4])
        for node in graph.node
        if node.op_type == "Slice" and node.input[4:]
    ]
    refuse_if(
        foreign
        or size > NODES
        or not all(one is not None and (numpy_helper.to_array(one) > 0).all() for one in steps),
        f"a network of {NODES:,} nodes at most, with these operators: {OPERATORS}; its weights in the file",
        (foreign or [f"{size:,} nodes with their inputs and outputs, or a Slice backwards"])[0],
        _SMALLER,
        PolicyError,
    )


def _refuse_work(model: "onnx.ModelProto") -> None:
    """Refuse a network that takes too much memory or time for `ROWS` observations, or an amount that is not known.

    Its shapes are inferred from those of the observation alone: what the file says of others may be wrong.
    """
    from onnx import TensorProto, helper, shape_inference

    graph = model.graph
    inputs = [
        helper.make_tensor_value_info(
            entry.name,
            entry.type.tensor_type.elem_type,
            [ROWS, *(one.dim_value for one in entry.type.tensor_type.shape.dim[1:])],
        )
        for entry in graph.input
    ]
    # shapes may depend on the values of whole numbers alone
    whole = [one for one in graph.initializer if one.data_type == TensorProto.INT64]
    inputs += [
        helper.make_tensor_value_info(one.name, one.data_type, one.dims)
        for one in graph.initializer
        if one.data_type != TensorProto.INT64
    ]
    outputs = [
        helper.make_tensor_value_info(one.name, one.type.tensor_type.elem_type, None)
        for one in graph.output
    ]
    bare = helper.make_model(
        helper.make_graph(graph.node, "measured", inputs, outputs, whole),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    inferred = shape_inference.infer_shapes(bare, True, True, True).graph
    shapes = {one.name: tuple(one.dims) for one in whole} | {
        one.name: tuple(dim.dim_value for dim in one.type.tensor_type.shape.dim)
        for one in (*inferred.input, *inferred.value_info, *inferred.output)
        if one.type.tensor_type.elem_type in (1, 6, 7, 9, 11)  # float, int32, int64, bool, double
        and one.type.tensor_type.HasField("shape")
        and all(dim.HasField("dim_value") for dim in one.type.tensor_type.shape.dim)
    }
    names = [name for node in graph.node for name in (*node.input, *node.output) if name]
    unknown = [name for name in names if name not in shapes]
    refuse_if(
        unknown,
        "a network whose shapes follow from that of its observation",
        f"{unknown[:1]} of any shape",
        "export it with the number of columns fixed, and the number of rows open",
        PolicyError,
    )
    work = numbers = 0
    for node in graph.node:
        sizes = [shapes[name] for name in (*node.input, *node.output) if name]
        out = sum(math.prod(shapes[name]) for name in node.output if name)
        numbers += out
        work += sum(math.prod(size) for size in sizes)
        if node.op_type in ("LSTM", "GRU"):  # every step goes through all weights
            work += math.prod(sizes[0][:2]) * (math.prod(sizes[1]) + math.prod(sizes[2]))
        elif len(node.input) > 1:
            work += out * max(sizes[1][-2:], default=1)
    refuse_if(
        numbers > NUMBERS or work > WORK,
        f"a network of {NUMBERS // ROWS:,} numbers and {WORK // ROWS:,} products for an observation at most",
        f"{numbers // ROWS:,} and {work // ROWS:,}",
        _SMALLER,
        PolicyError,
    )
