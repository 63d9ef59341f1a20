"""The exchange in another thread or process, over its own socket."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import DEADLINE_S, until

from tercel.core.errors import TercelError, UnknownNameError, VenueError
from tercel.core.orders import (
    CancelReject,
    ExecType,
    LinkStatus,
    MarketRows,
    MassCancel,
    NewOrder,
    OrdStatus,
    Report,
    StatusRequest,
    Tif,
)
from tercel.market.flow.preset import load
from tercel.market.simulator.source import Source, reactive
from tercel.testing.venue import Trader, VenueConformance
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.pace import Pace
from tercel.venues.wire import RemoteVenue, WireServer, frames

S = 10**9


@pytest.fixture(scope="session")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


class RealTime:
    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_ns(self, ns: int) -> None:
        time.sleep(ns / 1e9)


@contextmanager
def served(csco: Source, host: str = "127.0.0.1", speed: float = 0.0) -> Iterator[WireServer]:
    exchange = SimulatedExchange({"A": MarketSpec(csco, 1)}, latency=EntryLatency("constant", 1_000_000))
    server = WireServer(exchange, host, 0, pace=Pace(RealTime(), speed) if speed else None)
    over = threading.Event()
    thread = threading.Thread(target=server.run, args=(over.is_set,), daemon=True)
    thread.start()
    yield server
    over.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    server.close()


class TestRemote(VenueConformance):
    @pytest.fixture
    def venue(self, csco: Source) -> Iterator[RemoteVenue]:
        with served(csco) as server:
            venue = RemoteVenue(*server.address, ["kit"])
            yield venue
            venue.close()


class TestFreeRunning(VenueConformance):
    @pytest.fixture
    def venue(self, csco: Source, tmp_path: Path) -> Iterator[RemoteVenue]:
        with served(csco, f"unix:{tmp_path}/x", speed=300.0) as server:
            venue = RemoteVenue(*server.address, ["kit"])
            yield venue
            venue.close()


def test_over_the_wire_is_as_in_process(csco: Source) -> None:
    def session(venue: RemoteVenue | SimulatedExchange) -> list[object]:
        trader = Trader(venue)
        trader.rest()
        trader.new(1, 30, None, Tif.IOC)
        trader.run(60 * S)
        return [e.rows.tolist() if isinstance(e, MarketRows) else e for e in trader.events]

    alone = SimulatedExchange({"A": MarketSpec(csco, 1)}, latency=EntryLatency("constant", 1_000_000))
    with served(csco) as server:
        venue = RemoteVenue(*server.address)
        assert session(venue) == session(alone)
        venue.close()


def test_a_client_that_comes_back_finds_its_orders_and_what_it_missed(csco: Source) -> None:
    with served(csco) as server:
        trader = Trader(RemoteVenue(*server.address, ["kit"]))
        name, _ = trader.rest(lots=7)
        trader.new(1, 5, None, Tif.IOC)
        trader.run(S)
        trader.venue.close()
        with pytest.raises(VenueError, match="reconnect"):
            trader.venue.step(0)
        trader.venue.reconnect()
        events = trader.venue.step(0)
        assert isinstance(events[-1], LinkStatus)
        trader.venue.send(StatusRequest("", "kit", 0))
        heard = trader.run(S)
        told = {e.cl_ord_id: e for e in heard if isinstance(e, Report) and e.exec_type is ExecType.STATUS}
        assert (told[name].status, told[name].leaves) == (OrdStatus.NEW, 7)
        assert trader.venue.executions("kit") == [e for e in heard if isinstance(e, Report) and e.last_lots]
        assert any(isinstance(e, MarketRows) and e.snapshot for e in [*events, *heard])
        trader.venue.close()


@pytest.mark.parametrize("cancels", [True, False])
def test_orders_of_a_client_that_vanishes(csco: Source, cancels: bool) -> None:
    with served(csco) as server:
        trader = Trader(RemoteVenue(*server.address, ["kit"], cancel_on_disconnect=cancels))
        name, _ = trader.rest()
        trader.venue.close()
        venue = _retry(lambda: RemoteVenue(*server.address, ["kit"]))
        venue.send(StatusRequest(name, "kit", 0))
        assert _until_told(venue)[-1].status is (OrdStatus.CANCELED if cancels else OrdStatus.NEW)
        venue.close()


def _retry(make: Callable[[], RemoteVenue]) -> RemoteVenue:
    """The server hears of a closed connection a moment later."""
    made: list[RemoteVenue] = []

    def there() -> bool:
        with suppress(VenueError):
            made.append(make())
        return bool(made)

    until(there, what="an account that is free again")
    return made[0]


def _until_told(venue: RemoteVenue) -> list[Report]:
    for _ in range(50):
        events = venue.step(venue.now_ns + S)
        if found := [e for e in events if isinstance(e, Report) and e.exec_type is ExecType.STATUS]:
            return found
    raise AssertionError("nothing was told")


KILLED = """
import sys
from tercel.core.orders import NewOrder, Tif
from tercel.venues.wire import RemoteVenue
venue = RemoteVenue("127.0.0.1", int(sys.argv[1]), ["kit"])
venue.send(NewOrder("k1", "A", 1, 5, 100, Tif.DAY, "kit", "", 0))
venue.step(venue.now_ns + 10**9)
print("sent", flush=True)
import time
time.sleep(60)
"""


def test_a_killed_client_leaves_the_exchange_running(csco: Source) -> None:
    with served(csco) as server:
        client = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(server.address[1])], stdout=subprocess.PIPE, text=True
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "sent\n"
        with pytest.raises(VenueError, match="another connection holds it"):
            RemoteVenue(*server.address, ["kit"])
        os.kill(client.pid, signal.SIGKILL)
        client.wait(DEADLINE_S)
        venue = _retry(lambda: RemoteVenue(*server.address, ["kit"]))
        venue.send(StatusRequest("k1", "kit", 0))
        assert _until_told(venue)[-1].leaves == 5
        venue.close()


def test_an_exchange_that_goes_away_is_an_event_and_then_an_error(csco: Source) -> None:
    with served(csco) as server:
        venue = RemoteVenue(*server.address)
    events = venue.step(venue.now_ns + S)
    assert [type(event) for event in events] == [LinkStatus]
    with pytest.raises(VenueError, match="reconnect"):
        venue.send(NewOrder("1", "A", 1, 1, 1, Tif.DAY, "me", "", 0))


def test_ports_and_names_are_refused_in_words(csco: Source) -> None:
    with served(csco) as server:
        with pytest.raises(VenueError, match="another port"):
            WireServer(SimulatedExchange({"A": MarketSpec(csco)}), *server.address)
        venue = RemoteVenue(*server.address)
        with pytest.raises(UnknownNameError, match="use one of A"):
            venue.subscribe("Z")
        with pytest.raises(VenueError, match="never"):
            venue.executions("me", "never")
        venue.close()
    with pytest.raises(VenueError, match="venue serve"):
        RemoteVenue("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "frames of this protocol"),
        (frames.pack({"do": "dance"}), "dance"),
        (b'\x0e\x00\x00\x00M["NewOrder",3]', "fields"),
        (frames.pack({"do": "step", "until": "soon"}), "whole number"),
        (frames.pack({"do": "step", "until": 2**62}), "100 days"),
        (frames._HEAD.pack(200_000, frames.JSON) + b"[" * 200_000, "recursion"),
    ],
)
def test_what_is_not_the_protocol_is_answered_and_harms_nobody(csco: Source, sent: bytes, said: str) -> None:
    with served(csco) as server:
        with socket.create_connection(server.address) as raw:
            raw.sendall(sent)
            raw.settimeout(5)
            assert said in raw.recv(4096).decode(errors="replace")
        venue = RemoteVenue(*server.address)
        assert venue.step(venue.now_ns + S) == []
        venue.close()


def test_who_sends_no_frames_is_let_go(csco: Source) -> None:
    with served(csco) as server, socket.create_connection(server.address) as raw:
        raw.settimeout(5)
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while raw.recv(4096):
            pass


def test_a_client_cancels_its_own_orders_and_nobody_elses(csco: Source) -> None:
    with served(csco) as server:
        ann, bob = (RemoteVenue(*server.address, [name]) for name in ("ann", "bob"))
        for venue, name in ((ann, "ann"), (bob, "bob")):
            venue.send(NewOrder("o", "A", 1, 5, 1, Tif.DAY, name, "", venue.now_ns))
        bob.send(MassCancel("m", "", "", bob.now_ns))
        said = {"ann": [], "bob": []}
        for _ in range(8):
            for venue, name in ((bob, "bob"), (ann, "ann")):
                said[name] += [e.exec_type for e in venue.step(ann.now_ns + S) if isinstance(e, Report)]
        assert said == {"ann": [ExecType.NEW], "bob": [ExecType.NEW, ExecType.CANCELED]}
        ann.close()
        bob.close()


TEXT = st.text(max_size=12)
WHOLE = st.integers(-(2**62), 2**62)


@given(
    st.builds(
        Report, TEXT, st.sampled_from(ExecType), st.sampled_from(OrdStatus), TEXT, TEXT, TEXT, TEXT, TEXT, WHOLE, WHOLE,
        st.none() | WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, st.booleans(), TEXT,
    )
    | st.builds(CancelReject, TEXT, TEXT, TEXT, st.sampled_from(OrdStatus), WHOLE, TEXT)
)  # fmt: skip
def test_messages_survive_the_wire(message: Report | CancelReject) -> None:
    ((_, body),) = frames.FrameReader().feed(frames.pack_message(message))
    assert frames.message_of(body, commands=False) == message


@given(st.binary(max_size=60))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    try:
        for kind, body in frames.FrameReader().feed(data):
            if kind == frames.ROWS:
                frames.rows_of(body)
            else:
                frames.message_of(body, commands=True)
    except TercelError:
        pass
