"""MLP policies as ONNX files: written with their normalisation, read back into arrays, anything else through a runtime.

The graph is Sub(mean), Mul(scale), Clip, then Gemm and Tanh or Relu in turn, and for shares Softmax behind, or
Softplus, Add(1), Log and Softmax: the mean of a Dirichlet law. It puts out what `Policy.logits` returns. Opset 13 and
IR version 8 are read by every ONNX Runtime since 1.10 (2021).

A policy with a memory is a network whose state goes in with one observation and comes out for the next.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Float32
from tercel.core.errors import PolicyError
from tercel.core.pool import stopped_by
from tercel.execution.policies.mlp import HEADS, Activation, Greedy, Head, MlpPolicy

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 13, 8
_ACTIVATION_OPS: dict[str, Activation] = {"Tanh": "tanh", "Relu": "relu"}
# What stands behind the last layer.
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
        if not all(len(one.shape) == 2 and isinstance(one.shape[1], int) for one in (entry, first)):
            raise PolicyError(
                "an input [n, D] and an output [n, A], D and A numbers",
                f"{entry.name} {entry.shape} and {first.name} {first.shape}",
                "export it with the number of columns fixed, and the number of rows open",
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
        """Outputs of the network; a call that does not end is stopped where there is a deadline."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        with stopped_by(lambda: setattr(options, "terminate", True)):
            return self.session.run(names, entries, options)

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
    import onnx

    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise their own kinds
        raise PolicyError(
            "an ONNX model", f"bytes that are none ({error})", "copy or export the file again"
        ) from error
    if [entry.name for entry in model.graph.input] == ["observation", "h", "c"]:
        return RecurrentPolicy(data, head)
    return _read_mlp(model) or OnnxPolicy(data, head)


def _read_mlp(model: "onnx.ModelProto") -> MlpPolicy | None:
    """The MLP in `model`, or None if its graph is anything else."""
    from onnx import numpy_helper

    graph = model.graph
    constants: dict[str, Any] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    nodes = list(graph.node)
    operators = [node.op_type for node in nodes]
    if operators[:3] != ["Sub", "Mul", "Clip"] or len(graph.output) != 1 or not _is_chain(model):
        return None
    head = next((known for known in HEADS if known == graph.output[0].name), None)
    if head is None:
        return None
    tail = _TAILS.get(head, ())
    end = len(operators) - len(tail)
    body = operators[3:end]
    if tuple(operators[end:]) != tail:
        return None
    between = set(body[1::2])
    if (
        len(body) % 2 == 0
        or set(body[::2]) != {"Gemm"}
        or len(between) > 1
        or not between <= set(_ACTIVATION_OPS)
    ):
        return None
    named = [name for node in nodes for name in node.input[1:]]
    if not all(name in constants for name in named) or constants.get("one", 1) != 1:
        return None
    if any(node.attribute for node in nodes):  # transposed or scaled products
        return None
    low, high = (float(constants[name]) for name in nodes[2].input[1:3])
    if low != -high:
        return None
    layers = tuple(
        (constants[node.input[1]].copy(), constants[node.input[2]].copy())
        for node in nodes[3:]
        if node.op_type == "Gemm"
    )
    activation = _ACTIVATION_OPS[next(iter(between))] if between else "tanh"
    mean, scale = constants[nodes[0].input[1]].copy(), constants[nodes[1].input[1]].copy()
    return MlpPolicy(layers, mean, scale, high, activation, head)


def _is_chain(model: "onnx.ModelProto") -> bool:
    """Whether each node's first input is the output of the one before, from the graph's input to its output."""
    name = model.graph.input[0].name
    for node in model.graph.node:
        if node.input[0] != name or len(node.output) != 1:
            return False
        name = node.output[0]
    return bool(name == model.graph.output[0].name)


class RecurrentPolicy(OnnxPolicy):
    """An ONNX network with inputs ``observation`` [n, D], ``h`` and ``c`` [n, H], and as many outputs.

    :meth:`proceed` goes on from decision to decision of a batch that stays together, as judging has it; one object
    remembers one batch. `logits` and `act` answer without a memory and leave it alone.
    """

    def __init__(self, data: bytes, head: Head = "logits") -> None:
        super().__init__(data, head)
        self.width = int(self.session.get_inputs()[1].shape[-1])
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
