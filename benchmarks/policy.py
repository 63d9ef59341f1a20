"""The policy part of ``benchmarks decide``: one observation through a network, called from Python.

``policy.p50_us`` is the kernel alone on a 24-64-64-5 tanh network; its reference is the same weights in torch eager, in
inference mode, on a ready tensor. ``policy.HEAD_p99_us`` is a whole ``policy.act``, shapes checked and arrays made, on
the 40 entries of an observation, 64-64 and 8 outputs, of values, of a vector and of shares. ``policy.onnx_p99_us`` is
the same through ONNX Runtime for a network that is no MLP, one step of an LSTM of 64. Calls take turns in blocks, and
the 99th percentiles are those of the median block. Without torch the reference is null; without ONNX Runtime its row is
left out.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured, sb3_judge
from tercel.execution.policies import Head, MlpPolicy
from tercel.execution.policies.mlp import mlp_forward

SIZES = (24, 64, 64, 5)
WIDE = (40, 64, 64, 8)
HEADS: tuple[Head, ...] = ("logits", "vector", "simplex")
UNITS = 64


def policy_bench(calls: int = 20_000, blocks: int = 10) -> list[dict[str, Any]]:
    """Microseconds of one call, over `calls` calls in `blocks` blocks."""
    rng = np.random.default_rng(0)
    return [_kernel(rng, calls, blocks), *_acts(rng, calls, blocks)]


def _kernel(rng: np.random.Generator, calls: int, blocks: int) -> dict[str, Any]:
    policy = _network(rng, SIZES)
    w, layout = policy.packed
    x, out, scratch = (
        rng.normal(size=SIZES[0]).astype(np.float32),
        np.empty(SIZES[-1], np.float32),
        policy.scratch,
    )
    runs: list[Callable[[], object]] = [lambda: mlp_forward(w, layout, x, scratch, out)]
    if sb3_judge.available():
        sb3_judge.one_thread()
        runs.append(sb3_judge.torch_call(policy, x))
    micro = np.median(_race(runs, calls, blocks).reshape(len(runs), -1), axis=1) / 1e3
    eager = ("torch eager", float(micro[1])) if len(runs) > 1 else ()
    return measured("policy.p50_us", float(micro[0]), "us", *eager, less=True)


def _acts(rng: np.random.Generator, calls: int, blocks: int) -> list[dict[str, Any]]:
    obs = rng.normal(size=(1, WIDE[0])).astype(np.float32)
    policies: list[Any] = [_network(rng, WIDE, head) for head in HEADS]
    if find_spec("onnxruntime") is not None:
        from tercel.execution.policies import OnnxPolicy

        policies.append(OnnxPolicy(_recurrent(rng), "logits"))
    runs: list[Callable[[], object]] = [partial(policy.act, obs) for policy in policies]
    p99 = np.median(np.percentile(_race(runs, calls, blocks), 99, axis=2), axis=1) / 1e3
    rows = [measured(f"policy.{head}_p99_us", float(p99[i]), "us") for i, head in enumerate(HEADS)]
    if len(policies) > len(HEADS):
        rows.append(measured("policy.onnx_p99_us", float(p99[-1]), "us"))
    return rows


def _race(runs: list[Callable[[], object]], calls: int, blocks: int) -> NDArray[np.int64]:
    """Nanoseconds of every call, int64 (runs, blocks, calls / blocks)."""
    times = np.empty((len(runs), blocks, calls // blocks), np.int64)
    for run in runs:
        run()  # compiles
    for block in range(blocks):
        for which, run in enumerate(runs):
            times[which, block] = _time(run, calls // blocks)
    return times


def _time(run: Callable[[], object], calls: int) -> list[int]:
    """Nanoseconds of each of `calls` calls."""
    times = []
    for _ in range(calls):
        start = perf_counter_ns()
        run()
        times.append(perf_counter_ns() - start)
    return times


def _network(rng: np.random.Generator, sizes: tuple[int, ...], head: Head = "logits") -> MlpPolicy:
    layers = tuple(
        (
            rng.normal(size=(a, b)).astype(np.float32) / np.sqrt(a, dtype=np.float32),
            np.zeros(b, np.float32),
        )
        for a, b in pairwise(sizes)
    )
    return MlpPolicy(
        layers, np.zeros(sizes[0], np.float32), np.ones(sizes[0], np.float32), head=head
    )


def _recurrent(rng: np.random.Generator) -> bytes:
    """One step of an LSTM from nothing and a linear head, as a serialised ONNX model."""
    from onnx import TensorProto, helper, numpy_helper

    def random(*shape: int) -> NDArray[np.float32]:
        return np.asarray(rng.normal(size=shape) / np.sqrt(shape[-1]), np.float32)

    constants: dict[str, NDArray[Any]] = {
        "W": random(1, 4 * UNITS, WIDE[0]),
        "R": random(1, 4 * UNITS, UNITS),
        "head": random(UNITS, WIDE[-1]),
        "bias": np.zeros(WIDE[-1], np.float32),
        "first": np.array([0], np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["observation", "first"], ["sequence"]),
        helper.make_node("LSTM", ["sequence", "W", "R"], ["", "h"], hidden_size=UNITS),
        helper.make_node("Squeeze", ["h", "first"], ["top"]),
        helper.make_node("Gemm", ["top", "head", "bias"], ["logits"]),
    ]
    entry = helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["n", WIDE[0]])
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", WIDE[-1]])
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "recurrent", [entry], [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data
