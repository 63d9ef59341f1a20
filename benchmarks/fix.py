"""``benchmarks fix``: an order's way over FIX and back on this machine's loopback, the venue in a process of its own.

Two ways are measured. A bare socket that knows the codec sends orders to our acceptor, and in turns to a QuickFIX
acceptor that echoes them: the reference is that echo and one durable append to a file, which an acceptor that forgets
nothing owes besides. And a desk's :class:`FixVenue` trades at our acceptor in stepped time; the reference is the same
exchange in this process: what is beyond it is the session's cost, both engines, both stores and both interpreters
included.
"""

import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from benchmarks import measured
from tercel.cli import say
from tercel.core import Command, NewOrder, Report, Tif, VenueEvent
from tercel.fix import Decoder, encode, utc_text
from tercel.market.flow import DEFAULT, load
from tercel.market.simulator import reactive
from tercel.venues.exchange import MarketSpec, SimulatedExchange

ORDERS = 2000
BURST = 100
ROUNDS = 10
INSIDE = "exchange, in process"
APPEND = "one durable append"
ECHO = f"QuickFIX echo and {APPEND}"
SOON_NS = 1_000_000
_APPENDED = 300
"""Bytes of the durable append: an order with its header."""


def bench(orders: int = ORDERS) -> list[dict[str, Any]]:
    """Latency of an order to its acknowledgement at the acceptor and through the desk's client, orders a second."""
    from tercel.fix import open_fix_venue

    with _Served(_serve) as port, open_fix_venue("127.0.0.1", port, "BENCH") as venue:
        over, burst = _one_by_one(venue, orders), _bursts(venue, orders)
    bare = SimulatedExchange({"X": MarketSpec(reactive(load(DEFAULT)))})
    inside, inside_burst = _one_by_one(bare, orders), _bursts(bare, orders)
    lines = [
        measured(
            f"fix.ack_p{share}_us",
            _share(over, share),
            "us",
            INSIDE,
            _share(inside, share),
            less=True,
        )
        for share in (50, 99)
    ]
    lines.append(
        measured("fix.orders_per_s", burst, "orders/s, bursts of 100", INSIDE, inside_burst)
    )
    return [*_accepted(orders), *lines]


def _share(took: list[float], percent: int) -> float:
    return float(np.percentile(took, percent))


# -- at the acceptor --------------------------------------------------------------------------------------------------
def _accepted(orders: int) -> list[dict[str, Any]]:
    """Order to acknowledgement at our acceptor, beside the reference taken in turns with it."""
    echoes = find_spec("quickfix") is not None
    if not echoes:
        say("no module quickfix: the acceptor's reference is the append alone")
    ours: list[float] = []
    echo: list[float] = []
    append: list[float] = []
    each = max(orders // ROUNDS, 1)
    with _Served(_serve) as port, _Served(_echo if echoes else _serve) as other:
        plain, reference = _Plain(port), _Plain(other)
        for _ in range(ROUNDS):
            ours += plain.orders(each)
            echo += reference.orders(each, rest=False) if echoes else []
            append += _appends(each // 10 + 1)
    kept, reference_name = _share(append, 50), ECHO if echoes else APPEND
    return [
        measured(
            f"fix.accept_p{share}_us",
            _share(ours, share),
            "us",
            reference_name,
            kept + (_share(echo, share) if echoes else 0.0),
            less=True,
        )
        for share in (50, 99)
    ]


class _Plain:
    """An initiator that is nothing but a socket and the codec."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._decoder, self._number = Decoder(), 0
        self._say("A", [(98, "0"), (108, "30"), (141, "Y")])
        self._hear("A", "")

    def _say(self, kind: str, fields: list[tuple[int, str]]) -> None:
        self._number += 1
        head = [
            (35, kind),
            (49, "BENCH"),
            (56, "TERCEL"),
            (34, str(self._number)),
            (52, utc_text(time.time_ns())),
        ]
        self._socket.sendall(encode("FIX.4.4", [*head, *fields]))

    def _hear(self, kind: str, name: str) -> None:
        while True:
            found = self._decoder.feed(self._socket.recv(1 << 16))
            if any(
                getattr(one, "kind", "") == kind and (not name or one.get(11) == name)  # type: ignore[union-attr]
                for one in found
            ):
                return

    def orders(self, count: int, rest: bool = True) -> list[float]:
        """Microseconds from an order's sending to its acknowledgement, each alone; what rests is then cancelled."""
        took = []
        for _ in range(count):
            name = f"o{self._number}"
            fields = [
                (11, name),
                (55, "X"),
                (54, "1"),
                (60, utc_text(time.time_ns())),
                (38, "100"),
                (40, "2"),
            ]
            start = perf_counter()
            self._say("D", [*fields, (44, "0.01"), (59, "0")])
            self._hear("8", name)
            took.append(1e6 * (perf_counter() - start))
            if rest:
                self._say("F", [(11, f"c{name}"), (41, name), *fields[1:5]])
                self._hear("8", f"c{name}")
        return took


def _appends(count: int) -> list[float]:
    """Microseconds of an append that is on the disk when it returns."""
    took = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(count):
            start = perf_counter()
            os.write(file.fileno(), bytes(_APPENDED))
            os.fsync(file.fileno())
            took.append(1e6 * (perf_counter() - start))
    return took


class _Served:
    """A server in a process of its own; entered, it is the server's port."""

    def __init__(self, serve: Callable[[int, Connection], None]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(self._port, theirs), daemon=True)

    def __enter__(self) -> int:
        self._process.start()
        self._ours.recv()
        return self._port

    def __exit__(self, *_: object) -> None:
        self._ours.send("end")
        self._process.join(20)


def _serve(port: int, done: Connection) -> None:
    from exchange.fix.server import serve_fix

    venue = SimulatedExchange({"X": MarketSpec(reactive(load(DEFAULT)))})
    with (
        tempfile.TemporaryDirectory() as store,
        serve_fix(venue, port, ["BENCH"], store=Path(store)),
    ):
        done.send("ready")
        done.recv()


def _echo(port: int, done: Connection) -> None:
    """A QuickFIX acceptor that answers an order with its acknowledgement, and does nothing else."""
    fix: Any = import_module("quickfix")
    shipped = next(path for path in metadata.files("quickfix") or [] if path.name == "FIX44.xml")

    count = 0

    def echo(_self: Any, message: Any, session: Any) -> None:
        nonlocal count
        count += 1
        answer = fix.Message()
        answer.getHeader().setField(35, "8")
        said = [(tag, message.getField(tag)) for tag in (11, 38, 54, 55)]
        codes = [(6, "0"), (14, "0"), (17, str(count)), (37, str(count)), (39, "0"), (150, "0")]
        for tag, value in (*said, *codes, (151, message.getField(38))):
            answer.setField(tag, value)
        fix.Session.sendToTarget(answer, session)

    silent = dict.fromkeys(
        ("onCreate", "onLogon", "onLogout", "toAdmin", "fromAdmin", "toApp"), lambda *_: None
    )
    application = type("Echo", (fix.Application,), {**silent, "fromApp": echo})()
    with tempfile.TemporaryDirectory() as store:
        settings = fix.SessionSettings()
        settings.setFromString(
            "[DEFAULT]\nConnectionType=acceptor\nStartTime=00:00:00\nEndTime=00:00:00\nNonStopSession=Y\n"
            f"SocketNodelay=Y\nUseDataDictionary=Y\nSocketAcceptPort={port}\nFileStorePath={store}\n"
            f"DataDictionary={Path(str(shipped.locate())).resolve()}\n"
            "[SESSION]\nBeginString=FIX.4.4\nSenderCompID=TERCEL\nTargetCompID=BENCH\n"
        )
        acceptor = fix.SocketAcceptor(application, fix.FileStoreFactory(settings), settings)
        acceptor.start()
        done.send("ready")
        done.recv()
        acceptor.stop(True)


# -- through the desk's client ----------------------------------------------------------------------------------------
class _Way(Protocol):
    """Where orders go, and what is said of them."""

    @property
    def now_ns(self) -> int: ...

    def send(self, command: Command) -> None: ...

    def step(self, until_ns: int) -> Sequence[VenueEvent]: ...


def _order(venue: _Way, name: str, odd: bool) -> NewOrder:
    """An order that takes nothing and rests nowhere: the exchange's own ledger must not fill up."""
    price = 1 if odd else 2
    return NewOrder(name, "X", 1, 1, price, Tif.IOC, "BENCH", "", venue.now_ns)


def _one_by_one(venue: _Way, orders: int, stem: str = "one-") -> list[float]:
    """Microseconds from an order's sending to its acknowledgement, each alone."""
    took = []
    for n in range(orders):
        start = perf_counter()
        venue.send(_order(venue, f"{stem}{n}", n % 2 == 1))
        while not any(isinstance(event, Report) for event in venue.step(venue.now_ns + SOON_NS)):
            pass
        took.append(1e6 * (perf_counter() - start))
    return took[orders // 10 :]


def _bursts(venue: _Way, orders: int) -> float:
    """Orders a second that are sent and acknowledged, a hundred in the air at a time."""
    start = perf_counter()
    bursts = max(orders // BURST, 1)
    for n in range(bursts):
        for k in range(BURST):
            venue.send(_order(venue, f"burst-{n}-{k}", k % 2 == 1))
        ended = 0
        while ended < BURST:
            events = venue.step(venue.now_ns + SOON_NS)
            ended += sum(isinstance(event, Report) and event.leaves_qty == 0 for event in events)
    return bursts * BURST / (perf_counter() - start)
