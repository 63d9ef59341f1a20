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
of bounded work (`policies.graph`) runs in ONNX Runtime. A policy with a memory is a network whose state goes in with
one observation and comes out for the next.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Bools, Float32, Int32, Ints
from tercel.core.errors import PolicyError, refuse_if
from tercel.core.jit import kernel
from tercel.core.pool import stopped_by
from tercel.execution.policies.graph import read_graph

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
