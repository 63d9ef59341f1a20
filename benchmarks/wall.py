"""``benchmarks wall``: what a gate adds to an order's way, and how soon a kill is on the wire.

An exchange over FIX and a gate before it are processes of their own. Orders go to their acknowledgement through the
gate, and in turns straight to another such exchange: what is beyond that is the gate's, its durable append included,
which is measured beside it. Then orders rest, and the kill latch falls: the time until the exchange has ended them all.
"""

import multiprocessing
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import measured
from benchmarks.fix import _appends, _one_by_one, _serve, _Served, _share
from tercel.core.orders import Command, NewOrder, OrdStatus, Report, Tif
from tercel.gate.config import GateConfig
from tercel.gate.opening import opened
from tercel.trading.kill import KillLatch
from tercel.venues.fix.client import FixVenue
from tercel.venues.wire import RemoteVenue

ORDERS = 2_000
ROUNDS = 10
RESTING = 200
"""Orders that stand when the latch falls: the exchange has room for 256."""
WARM_NS = 60_000_000_000
LIMITS = """
[desk]
order_lots = 5000
order_value = 5_000_000
gross_value = 50_000_000
messages = 1_000_000
window_ms = 1000
daily_loss = 250_000
duplicate_ms = 0
[instruments."*"]
order_lots = 5000
order_value = 5_000_000
gross_value = 25_000_000
long_lots = 20_000
short_lots = 20_000
messages = 1_000_000
window_ms = 1000
daily_loss = 150_000
collar_bps = 9_999
reference_age_ms = 60_000
hours = "always"
[agents."*"]
order_lots = 5000
order_value = 5_000_000
gross_value = 25_000_000
long_lots = 20_000
short_lots = 20_000
messages = 1_000_000
window_ms = 1000
daily_loss = 100_000
"""


class _Session(RemoteVenue):
    """A session of a single parent."""

    def send(self, command: Command) -> None:
        if isinstance(command, NewOrder):
            command = replace(command, parent="p")
        super().send(command)


class _Gated:
    """A gate in a process of its own, before the exchange at a port; entered, it is a session behind it."""

    def __init__(self, port: int, folder: Path) -> None:
        (folder / "limits.toml").write_text(LIMITS)
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._folder, self._socket = folder, folder / "gate.sock"
        self._process = context.Process(target=_gate, args=(port, folder, theirs), daemon=True)

    def __enter__(self) -> _Session:
        self._process.start()
        self._ours.recv()
        session = _Session(str(self._socket), ["BENCH"])
        session.announce("p", "X", "BENCH", 1, 2**20)
        session.subscribe("X")
        session.step(session.now_ns + WARM_NS)
        return session

    def __exit__(self, *_: object) -> None:
        self._ours.send("end")
        self._process.join(20)


def _gate(port: int, folder: Path, done: Connection) -> None:
    section = {"venue": f"fix://BENCH@127.0.0.1:{port}", "accounts": ("BENCH",), "limits": "limits.toml"}
    config = GateConfig.model_validate({"gate": {**section, "silence_s": 60.0}})
    with opened(config, folder, "bench") as gate:
        done.send("ready")
        gate.run(done.poll)


def bench(orders: int = ORDERS) -> list[dict[str, Any]]:
    """An order's way with a gate and without, a durable append, and the time from a kill to the end of all orders."""
    each, gated, straight, append = max(orders // ROUNDS, 1), list[float](), list[float](), list[float]()
    with (
        tempfile.TemporaryDirectory() as name,
        _Served(_serve) as behind,
        _Served(_serve) as other,
        _Gated(behind, Path(name)) as session,
        FixVenue("127.0.0.1", other, "BENCH") as plain,
    ):
        for n in range(ROUNDS):
            gated += _one_by_one(session, each, f"gate-{n}-")
            straight += _one_by_one(plain, each, f"plain-{n}-")
            append += _appends(each // 4)
        kill = _killed(session, Path(name))
    lines = []
    for share in (50, 99):
        way, alone, disk = (_share(took, share) for took in (gated, straight, append))
        lines.append(measured(f"wall.ack_p{share}_us", way, "us", "without a gate", alone, less=True))
        lines.append(measured(f"wall.adds_p{share}_us", way - alone, "us", "one durable append", disk, less=True))
    return [*lines, measured(f"wall.kill_{RESTING}_ms", kill, "ms")]


def _killed(session: _Session, folder: Path) -> float:
    """Milliseconds from the fall of the latch to the end of every order at the exchange, as the session hears it."""
    for n in range(RESTING):
        session.send(NewOrder(f"rest-{n}", "X", 1, 1, 2, Tif.DAY, "BENCH", "p", session.now_ns))
    standing: set[str] = set()

    def hear() -> None:
        for event in session.step(session.now_ns + 10_000_000):
            if isinstance(event, Report):
                names = {event.cl_ord_id, event.orig}
                standing.difference_update(names)
                standing.update(names - {""} if event.status is OrdStatus.NEW else ())

    until = time.monotonic() + 60.0
    while len(standing) < RESTING and time.monotonic() < until:
        hear()
    began = perf_counter()
    KillLatch(folder / "kill.json").kill("a bench", by="benchmarks", at_ns=1)
    while standing and time.monotonic() < until:
        hear()
    return 1e3 * (perf_counter() - began) if not standing else float(np.nan)
