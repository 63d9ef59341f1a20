"""Networks of policies: MLPs in one flat float32 array, run by Numba row by row, and ONNX files.

A batch is a loop over rows of the same kernel, so a row's result does not depend on the number of rows:
the event-by-event driver and the batch give the same bytes. :func:`mlp_forward` takes plain arrays and can be called
from inside other kernels.

Layout of the flat array `w` for D inputs, layers of sizes s_0 = D, s_1 .. s_L::

    mean[D]  scale[D]  clip  W_1[D, s_1] b_1[s_1]  W_2[s_1, s_2] b_2[s_2]  ...

and of the int32 array `layout`: ``[L, activation, output, s_0, s_1, .. s_L]``. An observation x enters the first layer
as ``clip((x - mean) * scale, -clip, clip)``; the activation is applied between layers, never after the last. The
function after the last layer is `output`: nothing, a softmax, or the mean of a Dirichlet law with concentrations
softplus(z) + 1.

ONNX files: the graph is Sub(mean), Mul(scale), Clip, then Gemm and Tanh or Relu in turn, and for shares Softmax behind,
or Softplus, Add(1), Log and Softmax: the mean of a Dirichlet law. It puts out what `Greedy.logits` returns. Opset 13 and
IR version 8 are read by every ONNX Runtime since 1.10 (2021). A graph of this form is read back into arrays, any other
of bounded work runs in ONNX Runtime (:func:`read_graph`). A policy with a memory is a network whose state goes in with
one observation and comes out for the next.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Bools, Float32, Int32, Ints
from tercel.core.errors import PolicyError, refuse_if
from tercel.core.jit import kernel
from tercel.core.pool import stopped_by

if TYPE_CHECKING:
    import onnx


Activation = Literal["tanh", "relu"]
# What a policy puts out: values of discrete actions (logits, q), a vector, or shares that add up to 1 (the others).
Head = Literal["logits", "q", "vector", "simplex", "dirichlet"]

TANH, RELU = 0, 1
ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu")
HEADS: tuple[Head, ...] = ("logits", "q", "vector", "simplex", "dirichlet")
DISCRETE: tuple[Head, ...] = ("logits", "q")
PLAIN, SOFTMAX, DIRICHLET_MEAN = 0, 1, 2
_OUTPUTS: dict[Head, int] = {"simplex": SOFTMAX, "dirichlet": DIRICHLET_MEAN}

# Rational minimax tanh of degree 13/6 in float32: coefficients of Eigen's `ptanh_float` (Eigen 3.4,
# MathFunctionsImpl.h). Some 4 x as fast as the C library's, absolute error under 3.1e-7, and its loops vectorise.
_LIMIT = np.float32(7.90531110763549805)
_A1, _A3 = np.float32(4.89352455891786e-03), np.float32(6.37261928875436e-04)
_A5, _A7 = np.float32(1.48572235717979e-05), np.float32(5.12229709037114e-08)
_A9, _A11 = np.float32(-8.60467152213735e-11), np.float32(2.00018790482477e-13)
_A13 = np.float32(-2.76076847742355e-16)
_B0, _B2 = np.float32(4.89352518554385e-03), np.float32(2.26843463243900e-03)
_B4, _B6 = np.float32(1.18534705686654e-04), np.float32(1.19825839466702e-06)


@kernel
def fast_tanh(x: np.float32) -> np.float32:
    """tanh of a float32, absolute error under 3.1e-7."""
    x = min(max(np.float32(x), -_LIMIT), _LIMIT)
    s = x * x
    p = x * (_A1 + s * (_A3 + s * (_A5 + s * (_A7 + s * (_A9 + s * (_A11 + s * _A13))))))
    return p / (_B0 + s * (_B2 + s * (_B4 + s * _B6)))


@kernel
def _dense(w: Float32, at: int, x: Float32, y: Float32) -> None:
    """y = b + x @ W, with W at `at` in `w` and b behind it; four inputs at a time.

    Views with loops from 0 let the compiler vectorise: a computed index could be negative, which Numba would check.
    """
    n_in, n_out = x.shape[0], y.shape[0]
    bias = w[at + n_in * n_out : at + n_in * n_out + n_out]
    for j in range(n_out):
        y[j] = bias[j]
    whole = n_in - n_in % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        row = at + i * n_out
        w0, w1 = w[row : row + n_out], w[row + n_out : row + 2 * n_out]
        w2, w3 = w[row + 2 * n_out : row + 3 * n_out], w[row + 3 * n_out : row + 4 * n_out]
        for j in range(n_out):
            y[j] += (x0 * w0[j] + x1 * w1[j]) + (x2 * w2[j] + x3 * w3[j])
    for i in range(whole, n_in):
        x0 = x[i]
        w0 = w[at + i * n_out : at + (i + 1) * n_out]
        for j in range(n_out):
            y[j] += x0 * w0[j]


@kernel
def softmax_row(z: Float32) -> None:
    """z = softmax(z) in place."""
    top, total = z[0], np.float32(0)
    for j in range(z.shape[0]):
        top = max(top, z[j])
    for j in range(z.shape[0]):
        z[j] = np.exp(z[j] - top)
        total += z[j]
    for j in range(z.shape[0]):
        z[j] /= total


@kernel
def softplus(z: np.float32) -> np.float32:
    """log(1 + exp(z)) without overflow."""
    x = np.float32(z)
    result: np.float32 = max(x, np.float32(0)) + np.log1p(np.exp(-abs(x)))
    return result


@kernel
def dirichlet_mean_row(z: Float32) -> None:
    """z = (softplus(z) + 1) / its sum, in place."""
    total = np.float32(0)
    for j in range(z.shape[0]):
        z[j] = softplus(z[j]) + np.float32(1)
        total += z[j]
    for j in range(z.shape[0]):
        z[j] /= total


@kernel
def mlp_forward(w: Float32, layout: Int32, x: Float32, scratch: Float32, out: Float32) -> None:
    """Write what the policy puts out for one raw observation `x[D]` into `out[s_L]`.

    `scratch` is float32 with at least ``2 * max(layout[3:])`` entries ; nothing is allocated.
    """
    layers, relu = layout[0], layout[1] == RELU
    n_in = int(layout[3])
    half = scratch.shape[0] // 2
    clip = w[2 * n_in]
    source = scratch[:n_in]
    mean, scale = w[:n_in], w[n_in : 2 * n_in]
    for i in range(n_in):
        source[i] = min(max((x[i] - mean[i]) * scale[i], -clip), clip)
    at = 2 * n_in + 1
    for layer in range(layers):
        n_out = int(layout[4 + layer])
        if layer == layers - 1:
            target = out
        elif layer % 2 == 0:
            target = scratch[half : half + n_out]
        else:
            target = scratch[:n_out]
        _dense(w, at, source, target)
        if layer < layers - 1:
            if relu:
                for j in range(n_out):
                    target[j] = max(target[j], np.float32(0))
            else:
                for j in range(n_out):
                    target[j] = fast_tanh(target[j])
        at += n_in * n_out + n_out
        n_in = n_out
        source = target
    if layout[2] == SOFTMAX:
        softmax_row(out)
    elif layout[2] == DIRICHLET_MEAN:
        dirichlet_mean_row(out)


@kernel
def mlp_forward_rows(w: Float32, layout: Int32, x: Float32, scratch: Float32, out: Float32) -> None:
    """:func:`mlp_forward` for each row of `x[n, D]` into `out[n, s_L]`."""
    for row in range(x.shape[0]):
        mlp_forward(w, layout, x[row], scratch, out[row])


@kernel
def argmax_rows(values: Float32, out: Ints) -> None:
    """Index of the largest value of each row; the first of equals."""
    for row in range(values.shape[0]):
        best = 0
        for j in range(1, values.shape[1]):
            if values[row, j] > values[row, best]:
                best = j
        out[row] = best


class Greedy:
    """Greedy actions of a network's outputs, however these are computed."""

    head: Head

    @property
    def continuous(self) -> bool:
        """Whether an action is a vector (or shares) and not a number."""
        return self.head not in DISCRETE

    def logits(self, obs: Float32) -> Float32:
        """Values of the actions, or the mean action itself, float32[n, A], for raw observations float32[n, D]."""
        raise NotImplementedError

    def act(self, obs: Float32) -> AnyArray:
        """Greedy actions: int64[n], or of a continuous head the mean action, float32[n, A]."""
        return self.greedy(self.logits(obs))

    def greedy(self, values: Float32) -> AnyArray:
        """Greedy actions of given outputs of the head."""
        if self.continuous:
            return values
        actions = np.empty(values.shape[0], np.int64)
        argmax_rows(values, actions)
        return actions


@dataclass(frozen=True, eq=False)
class MlpPolicy(Greedy):
    """A multilayer perceptron over a normalised observation.

    Parameters
    ----------
    layers : tuple of (weight float32[in, out], bias float32[out])
        In the order of evaluation; the last is the head.
    mean, scale : float32[D]
        The observation enters as ``clip((x - mean) * scale, -clip, clip)``.
    head : {"logits", "q", "vector", "simplex", "dirichlet"}
        Meaning of the last layer: log probabilities up to a constant, action values, the action itself, its softmax as
        shares, or the concentrations (softplus + 1) of a Dirichlet law whose mean is the shares.

    Raises
    ------
    PolicyError
        If the shapes do not chain or a number is not finite.

    >>> eye = np.eye(2, dtype=np.float32)
    >>> policy = MlpPolicy(((eye, np.zeros(2, np.float32)),), np.zeros(2, np.float32), np.ones(2, np.float32))
    >>> policy.act(np.array([[0.5, 1.0], [3.0, -1.0]], np.float32)).tolist()
    [1, 0]
    """

    layers: tuple[tuple[Float32, Float32], ...]
    mean: Float32
    scale: Float32
    clip: float = 10.0
    activation: Activation = "tanh"
    head: Head = "logits"

    def __post_init__(self) -> None:
        width = self.mean.shape[0]
        refuse_if(
            self.scale.shape != (width,) or not self.layers,
            "at least one layer and one scale per input",
            f"{self.scale.shape}",
            "train it again",
            PolicyError,
        )
        for number, (weight, bias) in enumerate(self.layers):
            if weight.shape != (width, bias.shape[0]):
                raise PolicyError(
                    f"layer {number} of shape ({width}, {bias.shape[0]})",
                    f"{weight.shape}",
                    "train it again",
                )
            width = bias.shape[0]
        refuse_if(
            not np.isfinite(self.packed[0]).all(),
            "finite weights",
            "a policy with NaN or infinite numbers",
            "train it again",
            PolicyError,
        )

    @property
    def observation_size(self) -> int:
        return int(self.mean.shape[0])

    @property
    def n_actions(self) -> int:
        return int(self.layers[-1][1].shape[0])

    @cached_property
    def packed(self) -> tuple[Float32, Int32]:
        """`w` and `layout` for :func:`mlp_forward`."""
        parts = [self.mean, self.scale, np.array([self.clip], np.float32)]
        for weight, bias in self.layers:
            parts += [weight.ravel(), bias]
        sizes = [self.mean.shape[0]] + [bias.shape[0] for _, bias in self.layers]
        kinds = (ACTIVATIONS.index(self.activation), _OUTPUTS.get(self.head, PLAIN))
        layout = np.array([len(self.layers), *kinds, *sizes], np.int32)
        return np.concatenate([np.asarray(p, np.float32) for p in parts]), layout

    @cached_property
    def scratch(self) -> Float32:
        """Work array of this policy's own calls (one thread at a time)."""
        return np.empty(2 * int(self.packed[1][3:].max()), np.float32)

    def logits(self, obs: Float32) -> Float32:
        """Outputs of the network, float32[n, A], for raw observations float32[n, D]."""
        if obs.ndim != 2 or obs.shape[1] != self.observation_size:
            raise PolicyError(
                f"observations of shape (n, {self.observation_size})",
                f"{obs.shape}",
                "use the policy's own task",
            )
        out = np.empty((obs.shape[0], self.n_actions), np.float32)
        w, layout = self.packed
        mlp_forward_rows(w, layout, np.ascontiguousarray(obs, np.float32), self.scratch, out)
        return out


OPSET, IR_VERSION = 13, 8
# Operators behind the last layer.
_TAILS: dict[Head, tuple[str, ...]] = {
    "simplex": ("Softmax",),
    "dirichlet": ("Softplus", "Add", "Log", "Softmax"),
}


def to_onnx(policy: MlpPolicy) -> bytes:
    """The policy as a serialised ONNX model: input ``observation`` [n, D], output named after the head [n, A]."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    operator = {"tanh": "Tanh", "relu": "Relu"}[policy.activation]
    limit = np.float32(policy.clip)
    constants = {"mean": policy.mean, "scale": policy.scale, "low": -limit, "high": limit}
    nodes = [
        helper.make_node("Sub", ["observation", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "low", "high"], ["h0"]),
    ]
    last, tail = len(policy.layers) - 1, _TAILS.get(policy.head, ())
    for i, (weight, bias) in enumerate(policy.layers):
        constants |= {f"W{i}": weight, f"b{i}": bias}
        out = policy.head if i == last and not tail else f"z{i}"
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"W{i}", f"b{i}"], [out]))
        if i != last:
            nodes.append(helper.make_node(operator, [out], [f"h{i + 1}"]))
    for i, name in enumerate(tail):
        entry, out = (
            f"z{last}" if i == 0 else f"t{i}",
            policy.head if i == len(tail) - 1 else f"t{i + 1}",
        )
        constants |= {"one": np.float32(1)} if name == "Add" else {}
        nodes.append(helper.make_node(name, [entry, "one"] if name == "Add" else [entry], [out]))
    observation = helper.make_tensor_value_info(
        "observation", TensorProto.FLOAT, ["n", policy.observation_size]
    )
    output = helper.make_tensor_value_info(policy.head, TensorProto.FLOAT, ["n", policy.n_actions])
    tensors = [
        numpy_helper.from_array(np.asarray(value, np.float32, order="C"), name)
        for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "tercel_policy", [observation], [output], tensors)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tercel",
    )
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


# -- files ----------------------------------------------------------------------------------------
# A file may be anybody's: what its network computes, and how much, is known before anything of it runs.

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


class OnnxPolicy(Greedy):
    """Any ONNX network with one float32 input [n, D] and a first output [n, A], run by ONNX Runtime.

    Raises
    ------
    PolicyError
        If ONNX Runtime is not installed or does not take the file.
    """

    def __init__(self, data: bytes, head: Head = "logits") -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise PolicyError(
                "an MLP, or ONNX Runtime for other networks",
                "a network that is no plain MLP, and no onnxruntime",
                "pip install 'tercel[learn]'",
            ) from error
        read_graph(data)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # small networks; the same bytes on any number of cores
        options.inter_op_num_threads = 1
        try:
            self.session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's exceptions share no base class of their own
            raise PolicyError(
                "an ONNX model that ONNX Runtime takes", f"{error}", "export the policy again"
            ) from error
        self.head: Head = head
        self.data = data
        entry, first = self.session.get_inputs()[0], self.session.get_outputs()[0]
        self.input_name = entry.name
        self.output_name = first.name
        refuse_if(
            not all(
                len(one.shape) == 2 and isinstance(one.shape[1], int) for one in (entry, first)
            ),
            "an input [n, D] and an output [n, A], D and A numbers",
            f"{entry.name} {entry.shape} and {first.name} {first.shape}",
            "export it with the number of columns fixed, and the number of rows open",
            PolicyError,
        )
        self.observation_size = entry.shape[1]
        self.n_actions = first.shape[1]

    def logits(self, obs: Float32) -> Float32:
        """The head's values, float32[n, A], for raw observations float32[n, D].

        Raises
        ------
        PolicyError
            When the network gives NaN or infinity.
        """
        return self.checked(
            self.run([self.output_name], {self.input_name: np.asarray(obs, np.float32)})[0]
        )

    def run(self, names: list[str] | None, entries: dict[str, Float32]) -> Any:
        """Outputs of the network; with a deadline, a call that exceeds it is stopped."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        try:
            with stopped_by(lambda: setattr(options, "terminate", True)):
                return self.session.run(names, entries, options)
        except Exception as error:  # the runtime's exceptions share no base class of their own
            raise PolicyError(
                f"a network that takes float32 (n, {self.observation_size})",
                str(error).strip()[:300],
                "export it with one float32 input (n, D), n left open",
            ) from error

    def checked(self, values: Float32) -> Float32:
        """`values`, refused where they hold NaN or infinity."""
        if not np.isfinite(values).all():
            what = "NaN" if np.isnan(values).any() else "infinity"
            raise PolicyError(
                "outputs that are numbers",
                f"{what} from ONNX Runtime",
                "train or export the policy again",
            )
        return np.ascontiguousarray(values, np.float32)


def from_onnx(data: bytes, head: Head = "logits") -> MlpPolicy | OnnxPolicy:
    """The policy in an ONNX file: our arrays for an MLP as :func:`to_onnx` writes it, else an ONNX Runtime session.

    Raises
    ------
    PolicyError
        If the bytes are no ONNX model.
    """
    model = read_graph(data)
    if [entry.name for entry in model.graph.input] == ["observation", "h", "c"]:
        return RecurrentPolicy(data, head)
    return _read_mlp(model) or OnnxPolicy(data, head)


def _read_mlp(model: "onnx.ModelProto") -> MlpPolicy | None:
    """The MLP in `model`, or None if its graph is not the one that :func:`to_onnx` writes of it."""
    import onnx

    graph = model.graph
    operators = [node.op_type for node in graph.node]
    try:
        constants = {one.name: onnx.numpy_helper.to_array(one).copy() for one in graph.initializer}
        mean, scale, high = map(constants.__getitem__, ("mean", "scale", "high"))
        policy = MlpPolicy(
            tuple((constants[f"W{i}"], constants[f"b{i}"]) for i in range(operators.count("Gemm"))),
            mean,
            scale,
            float(high),
            "relu" if "Relu" in operators else "tanh",
            next(known for known in HEADS if known == graph.output[0].name),
        )
    except (IndexError, KeyError, StopIteration, TypeError, ValueError):
        return None
    return policy if onnx.load_model_from_string(to_onnx(policy)).graph == graph else None


class RecurrentPolicy(OnnxPolicy):
    """An ONNX network with inputs ``observation`` [n, D], ``h`` and ``c`` [n, H], and as many outputs.

    :meth:`proceed` keeps a memory from decision to decision of a batch that stays together, as judging has it; one object
    remembers one batch. `logits` and `act` answer without a memory and leave it alone.
    """

    def __init__(self, data: bytes, head: Head = "logits") -> None:
        super().__init__(data, head)
        memory = [one.shape[1:] for one in self.session.get_inputs()[1:]]
        refuse_if(
            memory != [one.shape[1:] for one in self.session.get_outputs()[1:]]
            or memory[0] != memory[1]
            or not isinstance(memory[0][0], int),
            "two inputs of a memory, [n, H], and as many outputs",
            f"{memory}, and outputs of {[one.shape for one in self.session.get_outputs()]}",
            "export the policy again",
            PolicyError,
        )
        self.width = int(memory[0][0])
        self._h = self._c = np.zeros((0, self.width), np.float32)

    def advance(self, obs: Float32, h: Float32, c: Float32) -> tuple[Float32, Float32, Float32]:
        """The head's values float32[n, A], and the memory for the next decision, float32[n, H] twice."""
        entries = {"observation": np.asarray(obs, np.float32), "h": h, "c": c}
        values, h, c = self.run(None, entries)
        return np.ascontiguousarray(values, np.float32), h, c

    def logits(self, obs: Float32) -> Float32:
        """The head's values for raw observations float32[n, D], as at the start of an episode."""
        empty = np.zeros((len(obs), self.width), np.float32)
        return self.checked(self.advance(obs, empty, empty)[0])

    def proceed(self, obs: Float32, starts: Bools) -> NDArray[np.generic]:
        """Greedy actions of the batch's next decision; rows whose episode starts here remember nothing.

        Another number of rows than before is another batch.
        """
        if len(self._h) != len(obs):
            self._h = self._c = np.zeros((len(obs), self.width), np.float32)
        keep = ~starts[:, None]
        values, self._h, self._c = self.advance(obs, self._h * keep, self._c * keep)
        return self.greedy(self.checked(values))
