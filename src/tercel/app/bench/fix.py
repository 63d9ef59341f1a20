"""``tercel bench fix``: from an order to its acknowledgement over FIX 4.4, beside the same venue in process.

A stepped FIX server on a free port of 127.0.0.1 serves the simulated exchange without latency; a client sends an order
that rests and asks for the next step, until the acknowledgement is there. Both engines, their logs and the step that
is asked for run in this process, so this is the whole way there and back. Skipped where QuickFIX is absent.
"""

import gc
import socket
from contextlib import closing
from importlib.util import find_spec
from time import perf_counter, perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.app.output import say
from tercel.core.errors import VenueError
from tercel.core.orders import CancelOrder, NewOrder, Report, Tif
from tercel.core.ports import Venue
from tercel.market.flow.preset import DEFAULT, load
from tercel.market.simulator.source import Source, reactive
from tercel.venues.exchange import MarketSpec, SimulatedExchange

LOGIN = "BENCH"
BATCH = 50
"""Orders in flight at once where orders a second are counted."""
PATIENCE = 1000


def bench(orders: int = 500) -> list[dict[str, Any]]:
    """``fix.ack_p50_us``, ``fix.ack_p99_us`` and ``fix.orders_per_s``; nothing where QuickFIX is absent."""
    if find_spec("quickfix") is None:
        say("skipped: no module quickfix; pip install 'tercel[fix]'")
        return []
    from tercel.venues.fix.client import FixVenue
    from tercel.venues.fix.server import serve_fix

    source, port = reactive(load(DEFAULT), settle_s=300.0), _free_port()
    inside = _exchange(source)
    with closing(serve_fix(_exchange(source), port, [LOGIN])), closing(
        FixVenue("127.0.0.1", port, LOGIN)
    ) as outside:  # fmt: skip
        measured = [(_latencies(venue, orders), _rate(venue, orders)) for venue in (outside, inside)]
    (over, rate), (bare, bare_rate) = measured
    lines = [
        _line(f"fix.ack_p{p}_us", float(np.percentile(over, p)) / 1e3, "us", float(np.percentile(bare, p)) / 1e3)
        for p in (50, 99)
    ]
    for line in lines:
        line["ratio"] = line["reference_value"] / line["value"]
    return [*lines, _line("fix.orders_per_s", rate, f"orders/s acknowledged, {BATCH} at once", bare_rate)]


def _exchange(source: Source) -> SimulatedExchange:
    return SimulatedExchange({"X": MarketSpec(source)})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _line(name: str, value: float, unit: str, reference: float) -> dict[str, Any]:
    return {
        "name": name, "value": value, "unit": unit, "reference": "the same exchange in process",
        "reference_value": reference, "ratio": value / reference,
    }  # fmt: skip


def _acknowledged(venue: Venue, names: set[str]) -> None:
    """Step until every one of these was answered."""
    for _ in range(PATIENCE):
        for event in venue.step(venue.now_ns):
            if isinstance(event, Report):
                names.discard(event.cl_ord_id)
        if not names:
            return
    raise VenueError("an answer to every order", f"none to {len(names)}", "see the FIX logs of both sides")


def _order(venue: Venue, name: str) -> NewOrder:
    return NewOrder(name, "X", 1, 1, 1, Tif.DAY, LOGIN, "", venue.now_ns)


def _clear(venue: Venue, names: list[str]) -> None:
    """Take orders back: an exchange has so many places for them."""
    for name in names:
        venue.send(CancelOrder(f"c{name}", name, "X", 1, LOGIN, venue.now_ns))
    _acknowledged(venue, {f"c{name}" for name in names})


def _latencies(venue: Venue, orders: int) -> NDArray[np.int64]:
    """Nanoseconds from sending to the acknowledgement, one order at a time."""
    spent = np.zeros(orders, np.int64)
    gc.collect()
    gc.disable()
    try:
        for n in range(-5, orders):
            start = perf_counter_ns()
            venue.send(_order(venue, f"l{n}"))
            _acknowledged(venue, {f"l{n}"})
            if n >= 0:
                spent[n] = perf_counter_ns() - start
            _clear(venue, [f"l{n}"])
    finally:
        gc.enable()
    return spent


def _rate(venue: Venue, orders: int) -> float:
    """Orders a second, many at once."""
    spent, sent = 0.0, 0
    for batch in range(max(orders // BATCH, 1)):
        names = [f"r{batch}-{n}" for n in range(BATCH)]
        start = perf_counter()
        for name in names:
            venue.send(_order(venue, name))
        _acknowledged(venue, set(names))
        spent += perf_counter() - start
        sent += BATCH
        _clear(venue, names)
    return sent / spent
