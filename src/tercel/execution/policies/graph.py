"""Check an ONNX file before it runs: operators, sizes, memory and work.

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
FILE_BYTES = 2**25
GRAPH_BYTES = 2**19
# Observations at once for which a network is measured; the most nodes, and numbers that they then put out, and read or
# multiply.
ROWS = 1_024
NODES = 1_000
NUMBERS = 2**26
WORK = 2**33
_SMALLER: Final = (
    "export a smaller network, or evaluate it as a function: tercel.model_strategy(function, name)"
)


def read_network(path: Path) -> bytes:
    """Bytes of an ONNX file; PolicyError if it cannot be read or is larger than `FILE_BYTES`.

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
    """The model in the bytes of an ONNX file, checked and not run; PolicyError for foreign operators, too much work or memory.

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
    """Bytes of a serialised message without weights, those of tensors at the field numbers `path`; stops above `GRAPH_BYTES`."""
    position = total = 0
    while position < len(data) and total <= GRAPH_BYTES:
        key, start = _varint(data, position)
        size, body = _varint(data, start) if key & 7 in (0, 2) else ({1: 8, 5: 4}[key & 7], start)
        end = body + (size if key & 7 else 0)
        total += body - position
        if key & 7 == 2 and path and key >> 3 == path[0]:
            total += _graph_bytes(data[body:end], path[1:])
        elif path or key >> 3 not in (4, 9):  # float_data, raw_data of a tensor
            total += end - body
        position = end
    return total


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Decode a Protocol Buffers integer at `position`; return it and the position after it."""
    size = next((n for n in range(1, 11) if data[position + n - 1] < 128), 0)
    refuse_if(
        not size, "numbers of 10 bytes at most", "a longer one", "export it again", PolicyError
    )
    return sum((data[position + n] & 127) << 7 * n for n in range(size)), position + size


def _refuse_foreign(model: "onnx.ModelProto") -> None:
    """Raise PolicyError for a model of too many nodes, or other content than numeric tensors and known operators."""
    from onnx import AttributeProto as Kind, numpy_helper

    graph = model.graph
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    plain = (Kind.INT, Kind.INTS, Kind.FLOAT, Kind.FLOATS, Kind.STRING, Kind.TENSOR)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    tensors |= {
        name: attribute.t
        for node in graph.node
        for attribute in node.attribute
        for name in node.output
    }
    foreign = [
        *(
            node.domain + node.op_type
            for node in graph.node
            if node.op_type not in OPERATORS.split(", ") or node.domain
        ),
        *(f"attribute {attribute.name}" for attribute in attributes if attribute.type not in plain),
        # an axis, a padding or a size is none of these numbers
        *(
            f"{attribute.name} = {number}"
            for attribute in attributes
            for number in (attribute.i, *attribute.ints)
            if abs(number) > 2**16
        ),
        # shape inference takes a rounded number for what it was: nothing whole may come from others
        *(
            "Cast to whole numbers"
            for attribute in attributes
            if attribute.name == "to" and attribute.i in (6, 7)
        ),
        *(
            f"{name} of shape {list(tensor.dims)}"
            for name, tensor in tensors.items()
            if tensor.data_location
            or tensor.external_data
            or not 0 <= math.prod(tensor.dims) <= FILE_BYTES
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
        or not all(step is not None and (numpy_helper.to_array(step) > 0).all() for step in steps),
        f"a network of {NODES:,} nodes at most, with these operators: {OPERATORS}; its weights in the file",
        (foreign or [f"{size:,} nodes with their inputs and outputs, or a Slice backwards"])[0],
        _SMALLER,
        PolicyError,
    )


def _refuse_work(model: "onnx.ModelProto") -> None:
    """Raise PolicyError for a network whose memory or work for `ROWS` observations is too large or unknown.

    Its shapes are inferred from those of the observation alone: what the file says of others may be wrong.
    """
    from onnx import TensorProto, helper, shape_inference

    graph = model.graph
    inputs = [
        helper.make_tensor_value_info(
            entry.name,
            entry.type.tensor_type.elem_type,
            [ROWS, *(dimension.dim_value for dimension in entry.type.tensor_type.shape.dim[1:])],
        )
        for entry in graph.input
    ]
    # shapes may depend on the values of whole numbers alone
    integer_tensors = [
        tensor for tensor in graph.initializer if tensor.data_type == TensorProto.INT64
    ]
    inputs += [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in graph.initializer
        if tensor.data_type != TensorProto.INT64
    ]
    outputs = [
        helper.make_tensor_value_info(result.name, result.type.tensor_type.elem_type, None)
        for result in graph.output
    ]
    bare = helper.make_model(
        helper.make_graph(graph.node, "measured", inputs, outputs, integer_tensors),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    inferred = shape_inference.infer_shapes(bare, True, True, True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in integer_tensors} | {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
        if value.type.tensor_type.elem_type in (1, 6, 7, 9, 11)  # float, int32, int64, bool, double
        and value.type.tensor_type.HasField("shape")
        and all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
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
        output_size = sum(math.prod(shapes[name]) for name in node.output if name)
        numbers += output_size
        work += sum(math.prod(size) for size in sizes)
        if node.op_type in ("LSTM", "GRU"):  # every step goes through all weights
            work += math.prod(sizes[0][:2]) * (math.prod(sizes[1]) + math.prod(sizes[2]))
        elif len(node.input) > 1:
            work += output_size * max(sizes[1][-2:], default=1)
    refuse_if(
        numbers > NUMBERS or work > WORK,
        f"a network of {NUMBERS // ROWS:,} numbers and {WORK // ROWS:,} products for an observation at most",
        f"{numbers // ROWS:,} and {work // ROWS:,}",
        _SMALLER,
        PolicyError,
    )
