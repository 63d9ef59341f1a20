"""Policies as ONNX files: an MLP written as ONNX and read back, other networks and recurrent ones run by ONNX Runtime.

The graph of an MLP is Sub(mean), Mul(scale), Clip, then Gemm and Tanh or Relu in turn, and for shares Softmax behind,
or Softplus, Add(1), Log and Softmax: the mean of a Dirichlet law. Its output is `Greedy.logits`. Opset 13 and
IR version 8 are read by every ONNX Runtime since 1.10 (2021). A graph of this form is read back into arrays, any other
of bounded work (`policies.graph`) runs in ONNX Runtime. A policy with a memory is a network whose state goes in with
one observation and comes out for the next.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Float32
from tercel.core.errors import PolicyError, refuse_if
from tercel.core.pool import stop_at_deadline
from tercel.execution.policies.graph import read_graph
from tercel.execution.policies.mlp import HEADS, Greedy, Head, MlpPolicy

if TYPE_CHECKING:
    import onnx

OPSET = 13
IR_VERSION = 8
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
    last = len(policy.layers) - 1
    tail = _TAILS.get(policy.head, ())
    for i, (weight, bias) in enumerate(policy.layers):
        constants |= {f"W{i}": weight, f"b{i}": bias}
        target = policy.head if i == last and not tail else f"z{i}"
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"W{i}", f"b{i}"], [target]))
        if i != last:
            nodes.append(helper.make_node(operator, [target], [f"h{i + 1}"]))
    for i, name in enumerate(tail):
        entry = f"z{last}" if i == 0 else f"t{i}"
        target = policy.head if i == len(tail) - 1 else f"t{i + 1}"
        constants |= {"one": np.float32(1)} if name == "Add" else {}
        nodes.append(helper.make_node(name, [entry, "one"] if name == "Add" else [entry], [target]))
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
        entry = self.session.get_inputs()[0]
        first = self.session.get_outputs()[0]
        self.input_name = entry.name
        self.output_name = first.name
        refuse_if(
            not all(
                len(tensor.shape) == 2 and isinstance(tensor.shape[1], int)
                for tensor in (entry, first)
            ),
            "an input [n, D] and an output [n, A], D and A numbers",
            f"{entry.name} {entry.shape} and {first.name} {first.shape}",
            "export it with the number of columns fixed, and the number of rows open",
            PolicyError,
        )
        self.observation_size = entry.shape[1]
        self.n_actions = first.shape[1]

    def logits(self, obs: Float32) -> Float32:
        """The head's values (first output), float32[n, A], for raw observations float32[n, D]; PolicyError unless finite.

        Raises
        ------
        PolicyError
            When the network gives NaN or infinity.
        """
        return self.check_finite(
            self.run([self.output_name], {self.input_name: np.asarray(obs, np.float32)})[0]
        )

    def run(self, names: list[str] | None, entries: dict[str, Float32]) -> Any:
        """Run the network and return the outputs called `names` (None: all); PolicyError if it fails, or is stopped at
        the running call's deadline."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        try:
            with stop_at_deadline(lambda: setattr(options, "terminate", True)):
                return self.session.run(names, entries, options)
        except Exception as error:  # the runtime's exceptions share no base class of their own
            raise PolicyError(
                f"a network that takes float32 (n, {self.observation_size})",
                str(error).strip()[:300],
                "export it with one float32 input (n, D), n left open",
            ) from error

    def check_finite(self, values: Float32) -> Float32:
        """`values` as contiguous float32; PolicyError if any is NaN or infinite."""
        if not np.isfinite(values).all():
            kind = "NaN" if np.isnan(values).any() else "infinity"
            raise PolicyError(
                "outputs that are numbers",
                f"{kind} from ONNX Runtime",
                "train or export the policy again",
            )
        return np.ascontiguousarray(values, np.float32)


def from_onnx(data: bytes, head: Head = "logits") -> MlpPolicy | OnnxPolicy:
    """Read a policy from ONNX bytes: an MlpPolicy if :func:`to_onnx` wrote it, a RecurrentPolicy by its inputs, else OnnxPolicy.

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
    """The MLP in an ONNX model, or None if its graph is not one that :func:`to_onnx` writes."""
    import onnx

    graph = model.graph
    operators = [node.op_type for node in graph.node]
    try:
        constants = {
            tensor.name: onnx.numpy_helper.to_array(tensor).copy() for tensor in graph.initializer
        }
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
        memory = [tensor.shape[1:] for tensor in self.session.get_inputs()[1:]]
        refuse_if(
            memory != [tensor.shape[1:] for tensor in self.session.get_outputs()[1:]]
            or memory[0] != memory[1]
            or not isinstance(memory[0][0], int),
            "two inputs of a memory, [n, H], and as many outputs",
            f"{memory}, and outputs of {[tensor.shape for tensor in self.session.get_outputs()]}",
            "export the policy again",
            PolicyError,
        )
        self.width = int(memory[0][0])
        self._h = self._c = np.zeros((0, self.width), np.float32)

    def advance(self, obs: Float32, h: Float32, c: Float32) -> tuple[Float32, Float32, Float32]:
        """Outputs float32[n, A] for observations and a memory, and the memory for the next decision, float32[n, H] twice."""
        entries = {"observation": np.asarray(obs, np.float32), "h": h, "c": c}
        values, h, c = self.run(None, entries)
        return np.ascontiguousarray(values, np.float32), h, c

    def logits(self, obs: Float32) -> Float32:
        """Outputs for raw observations float32[n, D] with empty memory, as at the start of an episode; the kept memory stays."""
        empty = np.zeros((len(obs), self.width), np.float32)
        return self.check_finite(self.advance(obs, empty, empty)[0])

    def proceed(self, obs: Float32, starts: Bools) -> NDArray[np.generic]:
        """Greedy actions of the next decision of a batch, with the memory of the last call; cleared in rows where `starts`.

        Another number of rows than before is another batch.
        """
        if len(self._h) != len(obs):
            self._h = self._c = np.zeros((len(obs), self.width), np.float32)
        keep = ~starts[:, None]
        values, self._h, self._c = self.advance(obs, self._h * keep, self._c * keep)
        return self.greedy(self.check_finite(values))
