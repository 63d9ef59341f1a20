"""``benchmarks cheridito-weiss``: how long the training run of Cheridito and Weiss takes.

They report 5.12 million decisions in about 1 h 45 min on 128 CPUs. Here: PPO as the replication has it, a residual on
the tuned rule of `noise_60`, 320 episodes a batch, the markets on two threads, in one process.
"""

import time
from typing import Any, Final

from replications.cheridito_weiss import learned, train
from replications.cheridito_weiss.cells import CELLS

DECISIONS: Final = 5_120_000
PUBLISHED_S: Final = 6_300.0
WARM: Final = 6_400
"""Decisions of a first run that compiles."""


def bench(decisions: int = DECISIONS, threads: int = 2) -> list[dict[str, Any]]:
    """Wall-clock seconds of one run, and the seconds of CPU in it."""
    cell = CELLS["noise_60"]
    tuned, best, _ = learned.read_rules(learned.SHIPPED, cell)
    base = tuned[best].vector
    train.learn(cell, base, WARM, 1, threads=threads)
    wall, cpu = time.perf_counter(), time.process_time()
    train.learn(cell, base, decisions, 1, threads=threads)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    common = {
        "reference": "published, 128 CPUs",
        "reference_value": PUBLISHED_S,
        "decisions": decisions,
    }
    return [
        {
            "name": "cheridito_weiss.training_s",
            "value": wall,
            "unit": "s",
            "ratio": PUBLISHED_S / wall,
            **common,
        },
        {
            "name": "cheridito_weiss.training_cpu_s",
            "value": cpu,
            "unit": "s",
            "ratio": None,
            **common,
        },
    ]
