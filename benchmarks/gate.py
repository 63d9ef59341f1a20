"""``benchmarks gate``: what a hard pre-trade check costs, with every limit set and a desk in full swing.

Four agents on three instruments hold sixty open orders under the packaged limits, parents and marks among them. Each
check asks of a new order, a replace or a cancel whether it may leave; nothing is counted in between, so that every
check meets the same state. The reference is a call of a function with the same arguments that does nothing.
"""

import gc
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured
from tercel import TercelError
from tercel.core import CancelOrder, Command, Listing, NewOrder, ReplaceOrder, Tif
from tercel.desk.limits import BestQuotes, LimitGate, read_packaged

AGENTS = ("twap", "pov", "ppo", "dqn")
INSTRUMENTS = ("AAA", "BBB", "CCC")
SIDES = (1, -1, 1)
BID, ASK = 1499, 1501
RESTING = 5
"""Open orders of every agent in every instrument."""
NOW_NS = 10**9
PARENT_LOTS = 10**6
EMPTY = "an empty function call"


def bench(checks: int = 50_000) -> list[dict[str, Any]]:
    """``gate.p50_us`` and ``gate.p99_us`` over so many checks of each kind, and the median of each kind."""
    gate = busy_gate()
    kinds = {"new": _news(), "replace": _replaces(), "cancel": _cancels()}
    for commands in kinds.values():
        _refuse_denials(gate, commands)
    times = {name: _times(gate.check, commands, checks) for name, commands in kinds.items()}
    empty = np.percentile(_times(_nothing, kinds["new"], checks), [50, 99]) / 1e3
    everything = np.percentile(np.concatenate(list(times.values())), [50, 99]) / 1e3
    results = [
        measured(f"gate.{name}_us", float(value), "us", EMPTY, float(reference), less=True)
        for name, value, reference in zip(("p50", "p99"), everything, empty, strict=True)
    ]
    return results + [
        measured(
            f"gate.{name}.p50_us",
            float(np.median(one)) / 1e3,
            "us",
            EMPTY,
            float(empty[0]),
            less=True,
        )
        for name, one in times.items()
    ]


def busy_gate() -> LimitGate:
    """A gate with the packaged limits and a desk's open orders."""
    listings = [Listing(name, 0.01, 100) for name in INSTRUMENTS]
    gate = LimitGate(read_packaged(), listings, list(AGENTS), killed=lambda _agent: None)
    for instrument in INSTRUMENTS:
        gate.mark(instrument, BestQuotes(BID, ASK), 0)
    for agent in AGENTS:
        for instrument, side in zip(INSTRUMENTS, SIDES, strict=True):
            gate.register_parent(f"{agent}-{instrument}", instrument, agent, side, PARENT_LOTS)
            for n in range(RESTING):
                gate.count_sent(_new(f"{agent}-{instrument}-{n}", agent, instrument, side, n), 0)
    return gate


def _new(name: str, agent: str, instrument: str, side: int, behind: int) -> NewOrder:
    price = BID - behind if side > 0 else ASK + behind
    return NewOrder(
        name, instrument, side, 10, price, Tif.DAY, agent, f"{agent}-{instrument}", NOW_NS
    )


def _places() -> list[tuple[str, str, int]]:
    return [
        (agent, name, side)
        for agent in AGENTS
        for name, side in zip(INSTRUMENTS, SIDES, strict=True)
    ]


def _news() -> list[Command]:
    return [_new(f"new-{agent}-{name}", agent, name, side, 1) for agent, name, side in _places()]


def _replaces() -> list[Command]:
    return [
        ReplaceOrder(
            f"r-{agent}-{name}",
            f"{agent}-{name}-0",
            name,
            side,
            12,
            BID if side > 0 else ASK,
            agent,
            f"{agent}-{name}",
            NOW_NS,
        )
        for agent, name, side in _places()
    ]


def _cancels() -> list[Command]:
    return [
        CancelOrder(f"c-{agent}-{name}", f"{agent}-{name}-1", name, side, agent, NOW_NS)
        for agent, name, side in _places()
    ]


def _refuse_denials(gate: LimitGate, commands: Sequence[Command]) -> None:
    """A command that is denied early would make the gate look faster than it is."""
    for command in commands:
        if (denial := gate.check(command, NOW_NS)) is not None:
            raise TercelError(
                "commands that pass every limit",
                f"{denial.code}: {denial.text}",
                "report this as a bug of this bench",
            )


def _nothing(_command: Command, _now_ns: int) -> None:
    """The reference."""


def _times(
    call: Callable[[Any, int], object], commands: Sequence[Command], checks: int
) -> NDArray[np.int64]:
    """Nanoseconds of each call, the commands in turn; reading the clock is part of it, for the reference too."""
    for n in range(1000):  # fills the caches
        call(commands[n % len(commands)], NOW_NS)
    spent = np.zeros(checks, np.int64)
    gc.collect()
    gc.disable()
    try:
        for n in range(checks):
            command = commands[n % len(commands)]
            start = perf_counter_ns()
            call(command, NOW_NS)
            spent[n] = perf_counter_ns() - start
    finally:
        gc.enable()
    return spent
