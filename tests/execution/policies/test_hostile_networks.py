"""ONNX files that would not end, or take all memory, are refused before anything of them runs.

Each is loaded in a process of its own, forked from one that has the libraries, under a limit of 5 CPU seconds and of 1 GB
beyond what the libraries take: an error of ours within both is the only outcome that passes.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    StringStringEntryProto,
    TensorProto,
    helper,
    numpy_helper,
)

from tercel.core.errors import PolicyError
from tercel.execution.policies.onnx_policy import from_onnx

GB = 2**30
D = 50


def bytes_of(nodes, tensors=(), inputs=None, outputs=None, told=(), **more) -> bytes:
    """A model of these nodes from `x` [n, 50] to `y` [n, 8], unchecked."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", D])],
        outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [*tensors, floats("W", np.ones((D, 8)))],
        value_info=told,
    )
    given = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8} | more
    data: bytes = helper.make_model(graph, **given).SerializeToString()
    return data


def floats(name, value):
    return numpy_helper.from_array(np.asarray(value, np.float32), name)


def whole(name, *value):
    return numpy_helper.from_array(np.array(value, np.int64), name)


def ending(extra: str, *nodes):
    """Nodes that end in the product of `x` and weights, to which the first number of `extra` is added."""
    return [
        *nodes,
        helper.make_node("ReduceMean", [extra], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["x", "W"], ["plain"]),
        helper.make_node("Add", ["plain", "mean"], ["y"]),
    ]


def of_size(*shape, **more):
    """ConstantOfShape."""
    node = helper.make_node("ConstantOfShape", ["shape"], ["big"])
    return bytes_of(ending("big", node), [whole("shape", *shape)], **more)


def function():
    big = helper.make_node("ConstantOfShape", ["shape"], ["big"])
    opsets = [helper.make_opsetid("", 17)]
    made = helper.make_function("mine", "Relu", ["shape"], ["big"], [big], opsets)
    opsets = [*opsets, helper.make_opsetid("mine", 1)]
    node = helper.make_node("Relu", ["shape"], ["big"], domain="mine")
    return bytes_of(
        ending("big", node), [whole("shape", 10**10)], functions=[made], opset_imports=opsets
    )


def crowd(field, kind) -> bytes:
    """A graph with 300,000 empty messages in one field."""
    model = ModelProto()
    field(model.graph).extend([kind()] * 300_000)
    data: bytes = model.SerializeToString()
    return data


def slow_layer():
    """Constants whose products take hours, in a file of 16 MB."""
    square = floats("s", np.zeros((2_000, 2_000)))
    nodes = [helper.make_node("MatMul", ["s", "s"], ["p0"])]
    nodes += [helper.make_node("MatMul", [f"p{i}", "s"], [f"p{i + 1}"]) for i in range(900)]
    return bytes_of(ending("p900", *nodes), [square])


def long_memory():
    """An LSTM of 1,000 units over a million steps."""
    rows = {"W": (1, 4_000, 1), "R": (1, 4_000, 1_000)}
    tensors = [floats(f"l{name}", np.zeros(shape)) for name, shape in rows.items()]
    tensors += [floats("steps", np.zeros((1_000_000, 1, 1)))]
    node = helper.make_node("LSTM", ["steps", "lW", "lR"], ["", "big"], hidden_size=1_000)
    return bytes_of(ending("big", node), tensors)


def backwards():
    """A shape of which shape inference knows another value: it is turned round."""
    nodes = [
        helper.make_node("Slice", ["many", "last", "none", "axis", "back"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
    ]
    tensors = [whole("many", 100_000, 100_000), whole("last", -1), whole("none", 2**63 - 1)]
    return bytes_of(ending("big", *nodes), [*tensors, whole("axis", 0), whole("back", -1)])


def rounded():
    """A shape of which shape inference knows another value: five for it, ten million in truth."""
    nodes = [
        helper.make_node("Cast", ["nearly"], ["true"], to=TensorProto.BOOL),
        helper.make_node("Cast", ["true"], ["one"], to=TensorProto.INT64),
        helper.make_node("Sub", ["many", "one"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
    ]
    return bytes_of(ending("big", *nodes), [whole("nearly", 10**10 - 5), whole("many", 10**10)])


def declared(*dims, **where):
    """A tensor that says that it is larger than its bytes, or that they lie elsewhere."""
    tensor = floats("e", np.ones(2))
    if dims:
        tensor.ClearField("dims")
        tensor.dims.extend(dims)
    for key, value in where.items():
        tensor.external_data.add(key=key, value=value)
    return bytes_of(ending("e"), [tensor])


def node(kind: str, inputs, tensors, **attributes):
    return bytes_of(ending("big", helper.make_node(kind, inputs, ["big"], **attributes)), tensors)


def memory(h: int, out: int):
    """A recurrent policy whose memory comes out in another width."""
    value = helper.make_tensor_value_info
    names = [("observation", D), ("h", h), ("c", h)]
    nodes = [helper.make_node("Identity", [name], [f"{name}2"]) for name, _ in names]
    return bytes_of(
        nodes,
        inputs=[value(name, TensorProto.FLOAT, ["n", size]) for name, size in names],
        outputs=[value(f"{name}2", TensorProto.FLOAT, ["n", size]) for name, size in names][:out],
    )


HOSTILE: dict[str, Callable[[], bytes]] = {
    "an operator that is not in the list": lambda: node("RandomNormal", [], [], shape=[10, 10]),
    "function": function,
    "other domain": lambda: bytes_of(
        ending("big", helper.make_node("Relu", ["x"], ["big"], domain="com.microsoft"))
    ),
    "a number that is an axis or a size": lambda: bytes_of(
        ending(
            "big",
            helper.make_node("Constant", [], ["many"], value_int=2**17),
            helper.make_node("Cast", ["many"], ["big"], to=TensorProto.FLOAT),
        )
    ),
    "constant of 40 GB": lambda: of_size(10**10),
    "constant of 40 GB that is said to be small": lambda: of_size(
        10**10, told=[helper.make_tensor_value_info("big", TensorProto.FLOAT, [1])]
    ),
    "sum": lambda: bytes_of(
        ending("big", helper.make_node("Add", ["a", "b"], ["big"])),
        [floats("a", np.ones((100_000, 1))), floats("b", np.ones((1, 100_000)))],
    ),
    "rows times rows": lambda: bytes_of(
        ending(
            "z",
            helper.make_node("Concat", ["x"] * 800, ["tall"], axis=0),
            helper.make_node("Transpose", ["tall"], ["flat"]),
            helper.make_node("MatMul", ["tall", "flat"], ["z"]),
        )
    ),
    "constant node": lambda: node(
        "Constant", [], [], value=TensorProto(dims=[10**10], data_type=1, raw_data=b"1234")
    ),
    "sparse": lambda: node(
        "Constant",
        [],
        [],
        sparse_value=helper.make_sparse_tensor(floats("v", [1]), whole("i", 1), [10**10]),
    ),
    "strings": lambda: bytes_of(
        ending(
            "back",
            helper.make_node("Cast", ["many"], ["text"], to=TensorProto.STRING),
            helper.make_node("Cast", ["text"], ["back"], to=TensorProto.FLOAT),
        ),
        [floats("many", np.ones(10**6))],
    ),
    "password file": lambda: declared(location="/etc/passwd"),
    "negative": lambda: declared(-1, -2),
    "larger than it is": lambda: declared(10**12),
    "hours of products": slow_layer,
    "long memory": long_memory,
    "backwards": backwards,
    "rounded": rounded,
    "a memory of any width": lambda: memory("k", 3),
    "a memory that does not come out": lambda: memory(8, 2),
    "60,000 outputs": lambda: bytes_of(
        ending("s0", helper.make_node("Split", ["w"], [f"s{i}" for i in range(60_000)], axis=0)),
        [floats("w", np.ones(60_000))],
    ),
    "circle": lambda: bytes_of(
        ending("a", helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"]))
    ),
    "empty nodes": lambda: crowd(lambda graph: graph.node, NodeProto),
    "empty attributes": lambda: crowd(lambda graph: graph.node.add().attribute, AttributeProto),
    "external data": lambda: crowd(
        lambda graph: graph.initializer.add().external_data, StringStringEntryProto
    ),
    "graphs": lambda: b"\x3a\x00" * 2**23,
    "number without end": lambda: b"\x3a" + b"\x80" * 2**24,
    "group": lambda: b"\x3b" * 2**24,
    "40 MB": lambda: bytes(40 * 10**6),
}


def outcome(data: bytes) -> str:
    """What loading the file ended with, in a fork of this process: an error of ours, or what became of the process."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (size + GB, size + GB))
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        try:
            from_onnx(data).logits(np.zeros((2, D), np.float32))
            told = "it ran"
        except PolicyError as error:
            told = f"PolicyError {error}"
        except BaseException as error:
            told = f"{type(error).__name__} {error}"
        os.write(writer, told.replace("\n", " ").encode()[:2_000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        told = file.read()
    _, status = os.waitpid(child, 0)
    return told or f"ended by {status}"


@pytest.mark.long
def test_hostile_files_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.execution.policies.test_hostile_networks"],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert set(told) == set(HOSTILE)
    assert {name: text for name, text in told.items() if not text.startswith("PolicyError")} == {}


if __name__ == "__main__":
    import onnxruntime  # noqa: F401 - before the forks

    for title, build in HOSTILE.items():
        sys.stdout.write(f"{title}: {outcome(build())}\n")
