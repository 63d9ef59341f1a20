"""The FIX front of the fault matrix: its exchange is in another process, and its time passes there."""

import threading
from contextlib import closing

import pytest
from tests.fix.plain import PlainClient

from certify.faults.market import MarketServer
from exchange.fix.server import serve_fix
from tercel.core.pace import Pace
from tercel.market.flow.registry import load
from tercel.market.simulator.source import reactive
from tercel.venues.exchange import MarketSpec, SimulatedExchange
from tercel.venues.wire import RemoteVenue
from tercel.venues.wire.server import open_listener


class Clock:
    """A clock that somebody moves."""

    ns = 5

    def now_ns(self):
        return self.ns

    def sleep_ns(self, ns):
        raise AssertionError


@pytest.fixture(scope="module")
def csco():
    return reactive(load("csco-santa-fe"), settle_s=300.0)


@pytest.fixture
def front(csco, tmp_path):
    """Both servers on one clock, which went on for a second while the first was up and the second was not."""
    clock, over = Clock(), threading.Event()
    exchange, path = SimulatedExchange({"X": MarketSpec(csco)}), str(tmp_path / "market")
    with open_listener(path) as selector:
        market = MarketServer(exchange, path, selector, Pace(clock))
        first = threading.Thread(target=market.run, args=(over.is_set,), daemon=True)
        first.start()
        venue = RemoteVenue(market.path)
        over.set()
        first.join()
        clock.ns += 10**9
        over.clear()
        thread = threading.Thread(target=market.run, args=(over.is_set,), daemon=True)
        thread.start()
        with closing(venue), serve_fix(venue, 0, ["A"], pace=Pace(clock)) as fix:
            yield clock, fix
        over.set()
        thread.join()
        market.close()


def order(name):
    return [
        (11, name),
        (55, "X"),
        (54, 1),
        (60, "20200101-00:00:00"),
        (38, 100),
        (40, 2),
        (44, "0.01"),
        (59, 0),
    ]


def test_an_answer_waits_for_no_clock(front):
    """The exchange answers at once; what its FIX side takes for the time of the exchange must not matter."""
    _clock, fix = front
    client = PlainClient(fix.port, "A", own=False)
    for name in ("a", "b"):
        client.say("D", order(name))
        said = client.hear("8")
        assert (said[11], said[150]) == (name, "0"), said
    client.close()
