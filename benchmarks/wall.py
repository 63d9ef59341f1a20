"""``benchmarks wall``: what a gate adds to an order's way, and how soon a kill is on the wire.

An exchange over FIX and a gate before it are processes of their own. Orders go to their acknowledgement through the
gate; in turns with it to another such exchange, through the same limits and the same journal in the session's own
process: what is beyond that is what a process of its own costs; and straight to a third one, with neither: what is
beyond that is all that stands before the wire, a durable append included, which is measured beside it. Then the kill
switch engages, while a thousand orders rest at a venue that has no mass cancel and while more are sent: the time until the
last cancel, and until the last new order, was read off the wire there.
"""

import multiprocessing
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np

from benchmarks import measured, packaged_limits
from benchmarks.fix import SOON_NS, _appends, _one_by_one, _serve, _Served, _share
from certify.fix.scripted import ScriptedVenue
from tercel.core import Command, MarketRows, NewOrder, OrdStatus, Report, Tif, VenueEvent
from tercel.desk.gate import Gate, GateConfig, open_gate as opened
from tercel.desk.limits import BestQuotes
from tercel.desk.trading import KillLatch, ParentRequest, acceptance_entry
from tercel.fix import open_fix_venue
from tercel.venues.wire import RemoteVenue

ORDERS = 2_000
ROUNDS = 10
RESTING = 1_000
"""Orders that stand when the kill switch engages, each cancelled by a message of its own."""
MORE_S = 0.5
"""Orders go on being sent so long after it fell."""
WARM_NS = 60_000_000_000
QUOTES: Final = (990, 1010)
"""Ticks that limits hold orders against where nobody follows the market: the collar is wide."""
_ADDRESS: Final = "fix://BENCH@127.0.0.1:{}"
BRAKES: Final = {"messages": "1_000_000", "collar_bps": "9_999"}
"""Packaged limits that would stop a bench, and what they are here."""


class _Session(RemoteVenue):
    """A session of a single parent."""

    def send(self, command: Command) -> None:
        if isinstance(command, NewOrder):
            command = replace(command, parent="p")
        super().send(command)


class _Gated:
    """A gate in a process of its own, before a venue; entered, it is a session behind it."""

    def __init__(self, venue: str, instrument: str, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._folder, self._socket, self._instrument = folder, folder / "gate.sock", instrument
        self._process = context.Process(target=_gate, args=(venue, folder, theirs), daemon=True)

    def __enter__(self) -> _Session:
        self._process.start()
        self._ours.recv()
        session = _Session(str(self._socket), ["BENCH"])
        session.announce("p", self._instrument, "BENCH", 1, 2**20)
        session.subscribe(self._instrument)
        ahead = WARM_NS if session.capabilities.stepped else SOON_NS
        while not any(
            isinstance(event, MarketRows) for event in session.step(session.now_ns + ahead)
        ):
            pass
        return session

    def __exit__(self, *_: object) -> None:
        self._ours.send("end")
        self._process.join(20)


def _opened(venue: str, folder: Path) -> AbstractContextManager[Gate]:
    (folder / "limits.toml").write_text(packaged_limits(BRAKES))
    section = {"venue": venue, "accounts": ("BENCH",), "limits": "limits.toml"}
    return opened(
        GateConfig.model_validate({"gate": {**section, "silence_s": 60.0}}), folder, "bench"
    )


def _gate(venue: str, folder: Path, done: Connection) -> None:
    with _opened(venue, folder) as gate:
        done.send("ready")
        gate.run(done.poll)


class _Beside:
    """The limits and the journal of a gate, in the process of whoever trades."""

    def __init__(self, gate: Gate, instrument: str) -> None:
        self._gateway, self._venue = gate.gateway, gate.gateway.venue
        self._gateway.limits.register_parent("p", instrument, "BENCH", 1, 2**20)
        self._gateway.write(
            [
                acceptance_entry(
                    ParentRequest("p", instrument, 1, 2**20, WARM_NS, 1, "bench", "BENCH"), 1
                )
            ]
        )
        self._venue.subscribe(instrument)
        self._gateway.limits.mark(instrument, BestQuotes(*QUOTES), self.now_ns)

    @property
    def now_ns(self) -> int:
        return self._venue.now_ns

    def send(self, command: Command) -> None:
        assert isinstance(command, NewOrder)
        denied = self._gateway.submit([replace(command, parent="p")]).denied
        assert not denied, denied

    def step(self, until_ns: int) -> list[VenueEvent]:
        events = list(self._venue.step(until_ns))
        self._gateway.receive(events)
        return events


def bench(orders: int = ORDERS) -> list[dict[str, Any]]:
    """An order's way with a gate and without, a durable append; the last cancel and the last order after a kill."""
    each = max(orders // ROUNDS, 1)
    gated, within, straight, append = list[float](), list[float](), list[float](), list[float]()
    with ExitStack() as stack:
        one, other = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        first, second, third = (stack.enter_context(_Served(_serve)) for _ in range(3))
        session = stack.enter_context(_Gated(_ADDRESS.format(first), "X", one))
        beside = _Beside(stack.enter_context(_opened(_ADDRESS.format(second), other)), "X")
        plain = stack.enter_context(open_fix_venue("127.0.0.1", third, "BENCH"))
        for n in range(ROUNDS):
            gated += _one_by_one(session, each, f"gate-{n}-")
            within += _one_by_one(beside, each, f"beside-{n}-")
            straight += _one_by_one(plain, each, f"plain-{n}-")
            append += _appends(each // 4)
    lines = []
    for share in (50, 99):
        way, same, alone, disk = (_share(took, share) for took in (gated, within, straight, append))
        lines.append(
            measured(
                f"wall.ack_p{share}_us", way, "us", "limits and journal in process", same, less=True
            )
        )
        lines.append(measured(f"wall.process_adds_p{share}_us", way - same, "us"))
        lines.append(
            measured(
                f"wall.adds_p{share}_us", way - alone, "us", "one durable append", disk, less=True
            )
        )
    blocked, cancelled = _killed()
    lines.append(measured("wall.kill_blocks_ms", blocked, "ms"))
    return [*lines, measured(f"wall.kill_cancels_{RESTING}_ms", cancelled, "ms")]


# -- a kill -----------------------------------------------------------------------------------------------------------
_PROFILE: Final = """
base = "generic-44"
[session]
sender = "DESK"
target = "VENUE"
host = "127.0.0.1"
port = {port}
[orders]
mass_cancel = "none"
[[symbol]]
name = "XYZ"
tick = 0.01
lot = 1
currency = "USD"
"""


def _scripted(done: Connection) -> None:
    """A venue that acknowledges; asked, it says when it read the last order and the last cancel, s."""
    with ScriptedVenue("FIX.4.4") as venue:
        venue.by_hand.clear()
        done.send(venue.port)
        seen, last = 0, {"D": 0.0, "F": 0.0}
        while not done.poll(0.0005):
            heard = venue.heard[seen:]
            seen += len(heard)
            last.update((message.kind, perf_counter()) for message in heard if message.kind in last)
        done.send((last["D"], last["F"], len(venue.of_kind("F"))))


def _killed() -> tuple[float, float]:
    """Milliseconds from the fall of the latch to the last new order and to the last cancel, as the venue read them."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_scripted, args=(theirs,), daemon=True
    )
    process.start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "venue.toml").write_text(_PROFILE.format(port=ours.recv()))
        with _Gated(f"fix:{folder / 'venue.toml'}", "XYZ", folder) as session:
            for n in range(RESTING):
                session.send(_resting(session, f"rest-{n}"))
            _until(session, OrdStatus.NEW, RESTING)
            fell = perf_counter()
            KillLatch(folder / "kill.json").kill("a bench", by="benchmarks", at_ns=1)
            n = 0
            while perf_counter() - fell < MORE_S:
                session.send(_resting(session, f"more-{n}"))
                session.step(session.now_ns)
                n += 1
            _until(session, OrdStatus.CANCELED, RESTING)
            ours.send("when?")
            order, cancel, cancels = ours.recv()
    process.join(20)
    return 1e3 * max(0.0, order - fell), 1e3 * (cancel - fell) if cancels >= RESTING else float(
        np.nan
    )


def _resting(session: _Session, name: str) -> NewOrder:
    return NewOrder(name, "XYZ", 1, 1, 900, Tif.DAY, "BENCH", "p", session.now_ns)


def _until(session: _Session, status: OrdStatus, count: int) -> None:
    """Hear until so many orders have a status."""
    found, until = set[str](), time.monotonic() + 60.0
    while len(found) < count and time.monotonic() < until:
        for event in session.step(session.now_ns + 10_000_000):
            if isinstance(event, Report) and event.status is status:
                found.add(event.orig or event.cl_ord_id)
