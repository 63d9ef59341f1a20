"""The policy part of ``tercel bench decide``: one observation through a 24-64-64-5 tanh network, called from Python.

The reference is the same weights in torch eager, in inference mode, on a ready tensor. Calls of both take turns in
blocks; without torch the reference is null.
"""

from collections.abc import Callable
from itertools import pairwise
from time import perf_counter_ns
from typing import Any

import numpy as np

from tercel.execution.policies.mlp import MlpPolicy, mlp_forward
from tercel.learning import sb3

SIZES = (24, 64, 64, 5)


def policy_bench(calls: int = 20_000, blocks: int = 10) -> list[dict[str, Any]]:
    """``policy.p50_us``: median microseconds of one call, over `calls` calls in `blocks` blocks."""
    rng = np.random.default_rng(0)
    policy = _network(rng)
    w, layout = policy.packed
    x, out, scratch = rng.normal(size=SIZES[0]).astype(np.float32), np.empty(SIZES[-1], np.float32), policy.scratch
    runs: list[Callable[[], object]] = [lambda: mlp_forward(w, layout, x, scratch, out)]
    if sb3.available():
        sb3.one_thread()
        runs.append(sb3.torch_call(policy, x))
    times = np.empty((len(runs), blocks, calls // blocks), np.int64)
    for run in runs:
        run()  # compiles
    for block in range(blocks):
        for which, run in enumerate(runs):
            times[which, block] = _time(run, calls // blocks)
    micro = np.median(times.reshape(len(runs), -1), axis=1) / 1e3
    reference = float(micro[1]) if len(runs) > 1 else None
    return [
        {
            "name": "policy.p50_us",
            "value": float(micro[0]),
            "unit": "us",
            "reference": "torch eager" if reference else None,
            "reference_value": reference,
            "ratio": reference / float(micro[0]) if reference else None,
        }
    ]


def _time(run: Callable[[], object], calls: int) -> list[int]:
    """Nanoseconds of each of `calls` calls."""
    times = []
    for _ in range(calls):
        start = perf_counter_ns()
        run()
        times.append(perf_counter_ns() - start)
    return times


def _network(rng: np.random.Generator) -> MlpPolicy:
    layers = tuple(
        (rng.normal(size=(a, b)).astype(np.float32) / np.sqrt(a, dtype=np.float32), np.zeros(b, np.float32))
        for a, b in pairwise(SIZES)
    )
    return MlpPolicy(layers, np.zeros(SIZES[0], np.float32), np.ones(SIZES[0], np.float32))
