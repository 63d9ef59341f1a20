"""``benchmarks journal``: what a durable append costs, beside a journal in memory.

An append of one entry, as an order leaves, and one of a decision with its observation and two orders, as a desk writes
them. The journal on disk (SQLite, synchronous=FULL) has synced before `append` returns: its time is mostly the disk's.
The folder is a temporary one: set TMPDIR to measure another disk.
"""

import gc
import tempfile
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured
from tercel.core import Entry, Journal, NewOrder, Tif
from tercel.desk.trading.journal import MemoryJournal, SqlJournal, entry_out, kinds
from tercel.desk.trading.journal.blobs import pack
from tercel.execution import N_FEATURES


def bench(appends: int = 1_000) -> list[dict[str, Any]]:
    """p50 and p99 of so many appends of each kind."""
    order, decision = [_order(0)], _decision()
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as folder:
        disk, memory = SqlJournal(folder, "bench"), MemoryJournal()
        try:
            orders = [_times(journal, order, appends) for journal in (disk, memory)]
            decisions = [_times(journal, decision, appends // 4) for journal in (disk, memory)]
        finally:
            disk.close()
    return [
        *_lines("journal.order", *orders),
        *_lines("journal.decision", *decisions),
    ]


def _order(number: int) -> Entry:
    return entry_out(
        NewOrder(f"1-{number}", "AAA", 1, 10, 1499, Tif.DAY, "ppo", "AAA-000-ppo", 10**9),
        "AAA-000-ppo",
    )


def _decision() -> list[Entry]:
    """A decision with what it saw, and the two orders that follow from it."""
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {
        "obs": rng.random((1, N_FEATURES), np.float32),
        "rows": rng.integers(0, 2000, (60, 8)),
    }
    body = {
        "n": 3,
        "strategy": "ppo",
        "obs_hash": "0" * 16,
        "intent": [0] * 10,
        "commands": ["1-1", "1-2"],
    }
    entry = Entry(kinds.DECISION, 10**9, "AAA", "ppo", "AAA-000-ppo", "", body, pack(arrays))
    return [entry, _order(1), _order(2)]


def _times(journal: Journal, entries: Sequence[Entry], appends: int) -> NDArray[np.int64]:
    """Nanoseconds of each append."""
    for _ in range(10):
        journal.append(entries)
    spent = np.zeros(appends, np.int64)
    gc.collect()
    gc.disable()
    try:
        for n in range(appends):
            start = perf_counter_ns()
            journal.append(entries)
            spent[n] = perf_counter_ns() - start
    finally:
        gc.enable()
    return spent


def _lines(name: str, disk: NDArray[np.int64], memory: NDArray[np.int64]) -> list[dict[str, Any]]:
    return [
        measured(
            f"{name}.p{percent}_us",
            float(np.percentile(disk, percent)) / 1e3,
            "us, durable",
            "journal in memory, same chain",
            float(np.percentile(memory, percent)) / 1e3,
            less=True,
        )
        for percent in (50, 99)
    ]
