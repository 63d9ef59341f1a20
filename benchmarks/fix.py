"""``benchmarks fix``: an order's way over FIX and back on this machine's loopback, the venue in a process of its own.

The reference is the same exchange in this process: what is beyond it is the session's cost, both engines, both stores
and both interpreters included.
"""

import multiprocessing
import socket
from importlib.util import find_spec
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import measured
from tercel.core.orders import NewOrder, Report, Tif
from tercel.core.ports import Venue
from tercel.market.flow.preset import DEFAULT, load
from tercel.market.simulator.source import reactive
from tercel.report.terminal import say
from tercel.venues.exchange import MarketSpec, SimulatedExchange

ORDERS = 2000
BURST = 100
INSIDE = "exchange, in process"
SOON_NS = 1_000_000


def bench(orders: int = ORDERS) -> list[dict[str, Any]]:
    """Latency of an order to its acknowledgement, and orders a second; nothing where QuickFIX is absent."""
    if find_spec("quickfix") is None:
        say("skipped: no module quickfix; pip install 'tercel[fix]'")
        return []
    from tercel.venues.fix.client import FixVenue

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(port, theirs), daemon=True)
    process.start()
    try:
        ours.recv()
        with FixVenue("127.0.0.1", port, "BENCH") as venue:
            over, burst = _one_by_one(venue, orders), _bursts(venue, orders)
        bare = SimulatedExchange({"X": MarketSpec(reactive(load(DEFAULT)))})
        inside, inside_burst = _one_by_one(bare, orders), _bursts(bare, orders)
    finally:
        ours.send("end")
        process.join(20)
    lines = [
        measured(
            f"fix.ack_p{share}_us",
            float(np.percentile(over, share)),
            "us",
            INSIDE,
            float(np.percentile(inside, share)),
            less=True,
        )
        for share in (50, 99)
    ]
    return [*lines, measured("fix.orders_per_s", burst, "orders/s, bursts of 100", INSIDE, inside_burst)]


def _serve(port: int, done: Connection) -> None:
    from tercel.venues.fix.server import serve_fix

    venue = SimulatedExchange({"X": MarketSpec(reactive(load(DEFAULT)))})
    with serve_fix(venue, port, ["BENCH"]):
        done.send("ready")
        done.recv()


def _order(venue: Venue, name: str, odd: bool) -> NewOrder:
    """An order that takes nothing and rests nowhere: the exchange's own ledger must not fill up."""
    price = 1 if odd else 2
    return NewOrder(name, "X", 1, 1, price, Tif.IOC, "BENCH", "", venue.now_ns)


def _one_by_one(venue: Venue, orders: int) -> list[float]:
    """Microseconds from an order's sending to its acknowledgement, each alone."""
    took = []
    for n in range(orders):
        start = perf_counter()
        venue.send(_order(venue, f"one-{n}", n % 2 == 1))
        while not any(isinstance(event, Report) for event in venue.step(venue.now_ns + SOON_NS)):
            pass
        took.append(1e6 * (perf_counter() - start))
    return took[orders // 10 :]


def _bursts(venue: Venue, orders: int) -> float:
    """Orders a second that are sent and acknowledged, a hundred in the air at a time."""
    start = perf_counter()
    bursts = max(orders // BURST, 1)
    for n in range(bursts):
        for k in range(BURST):
            venue.send(_order(venue, f"burst-{n}-{k}", k % 2 == 1))
        ended = 0
        while ended < BURST:
            events = venue.step(venue.now_ns + SOON_NS)
            ended += sum(isinstance(event, Report) and event.leaves == 0 for event in events)
    return bursts * BURST / (perf_counter() - start)
