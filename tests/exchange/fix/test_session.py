"""Orders over a session: what goes right, what is refused, and who may log on."""

import socket
from contextlib import suppress
from functools import partial

import pytest
from tests.parts import whole
from tests.waiting import until

from certify.tiny import STAYS, WAY_NS, TinyVenue
from exchange.fix.counterparties import Login
from exchange.fix.server import serve_fix
from tercel.core.errors import ConfigError, VenueError
from tercel.core.link.connection import WaitLimits
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType,
    LinkStatus,
    MarketRows,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
)
from tercel.core.pace import Pace
from tercel.fix.store import holds_session

T0 = 10**18
LONGEST_NS = 100 * 86_400 * 10**9


def buy(name, lots=2, price=97, side=1, tif=Tif.DAY, account="A"):
    return NewOrder(name, "TINY", side, lots, price, tif, account, "p", T0)


def said(venue, until_ns=None, steps=1):
    """What came of some steps, market data left out."""
    events = [
        event for _ in range(steps) for event in venue.step(until_ns or venue.now_ns + 10 * WAY_NS)
    ]
    return [event for event in events if not isinstance(event, MarketRows)]


def gathered(venue, count):
    """What came until there were so many words: sessions are not in step with each other."""
    events = []
    for _ in range(200):
        if len(events) >= count:
            return events
        events += said(venue)
    raise AssertionError(f"{len(events)} words of {count}: {events}")


def kinds(events):
    return [getattr(event, "exec_type", type(event)) for event in events]


class TestOverASession:
    def test_the_same_words_come_as_from_the_venue_itself(self, serve, connect):
        """The oracle: a twin of the venue, asked directly."""
        serve()
        over, twin = connect(), TinyVenue()
        assert list(over.listings()) == list(twin.listings())
        commands = [
            buy("a", 7, 101),
            buy("b", 3, 100),
            buy("c", 9, 98, side=-1, tif=Tif.IOC),
            buy("d", 99, None),
            ReplaceOrder("b2", "b", "TINY", 1, 5, 99, "A", "p", T0),
            CancelOrder("x", "a", "TINY", 1, "A", T0),
            CancelOrder("y", "nobody", "TINY", 1, "A", T0),
            StatusRequest("c", "A", T0),
            StatusRequest("", "A", T0),
            MassCancel("m", "A", "", T0),
        ]
        for venue in (over, twin):
            venue.subscribe("TINY")
            for command in commands:
                venue.send(command)
        for n in range(14):
            here, there = over.step(T0 + n * WAY_NS), twin.step(T0 + n * WAY_NS)
            assert over.now_ns == twin.now_ns
            assert [repr(event) for event in here] == [
                repr(event).replace("A/", "") for event in there
            ]

    def test_an_account_belongs_to_the_login_that_named_it_first(self, serve, connect):
        serve()
        first, second = connect("A"), connect("B", follow=True)
        first.send(buy("a", account="desk"))
        said(first)
        second.send(buy("b", account="desk"))
        second.send(buy("c", account="A"))
        refused = gathered(second, 2)
        assert [(r.cl_ord_id, r.status) for r in refused if isinstance(r, Report)] == [
            ("b", OrdStatus.REJECTED),
            ("c", OrdStatus.REJECTED),
        ]
        assert "which another login named first" in refused[0].text

    def test_what_the_server_refuses_comes_as_a_report_and_costs_no_time(self, serve, connect):
        serve()
        venue = connect()
        venue.send(NewOrder("a", "ELSE", 1, 2, 97, Tif.DAY, "A", "", T0))
        venue.send(buy("b", 0))
        venue.send(MassCancel("m", "A", "ELSE", T0))
        events = venue.step(T0 + 100 * WAY_NS)
        assert [(e.cl_ord_id, e.status) for e in events] == [
            ("a", OrdStatus.REJECTED),
            ("b", OrdStatus.REJECTED),
            ("m", OrdStatus.REJECTED),
        ]
        assert "ELSE" in events[0].text
        assert events[1].lots == 0
        assert isinstance(events[2], CancelReject)
        assert venue.now_ns == T0

    def test_one_counterparty_alone_moves_the_clock(self, serve, connect):
        serve()
        first, second = connect("A"), connect("B")
        first.step(T0 + 5)
        with pytest.raises(VenueError, match="moved by A"):
            second.step(T0 + 9)
        first.close()
        while second.now_ns < T0 + 9:  # until the server has heard the goodbye
            with suppress(VenueError):
                second.step(T0 + 9)

    def test_a_step_is_no_longer_than_a_hundred_days(self, serve, connect):
        serve()
        venue = connect()
        with pytest.raises(VenueError, match="a step of at most 100 days"):
            venue.step(T0 + LONGEST_NS + 1)
        assert [venue.step(T0 + LONGEST_NS) for _ in range(2)] == [[], []]
        assert venue.now_ns == T0 + LONGEST_NS

    def test_market_data_of_what_is_not_listed_is_an_error_at_home(self, serve, connect):
        serve()
        with pytest.raises(VenueError, match="choose one of TINY"):
            connect().subscribe("ELSE")


class _HandClock:
    """A clock that somebody moves."""

    def __init__(self):
        self.ns = 5

    def now_ns(self):
        return self.ns

    def sleep_ns(self, ns):
        raise AssertionError


class TestAClockThatRuns:
    def test_time_passes_by_the_clock_times_speed(self, serve, connect):
        clock, exchange = _HandClock(), TinyVenue()
        serve(venue=exchange, pace=Pace(clock, 4.0))
        venue = connect()
        venue.send(buy("a"))
        until(lambda: exchange.sent == 1, what="the order at the exchange")
        clock.ns += WAY_NS
        assert kinds(venue.step(T0 + 10**15)) == [ExecType.NEW]
        assert venue.step(T0 + 4 * WAY_NS) == []
        assert venue.now_ns == T0 + 4 * WAY_NS


class TestLogon:
    def test_a_name_that_is_taken_leaves_its_holder_unharmed(self, serve, connect, plain):
        serve()
        holder = connect()
        assert plain("A").logon == {}
        with pytest.raises(VenueError, match="no other session uses them"):
            connect()
        holder.send(buy("a"))
        assert kinds(said(holder)) == [ExecType.NEW]

    def test_wrong_password(self, serve, connect, profile, monkeypatch, tmp_path):
        serve([Login("A", password="secret")])
        told = profile('base = "tercel"\n[logon]\npassword = { env = "TERCEL_TEST_PASSWORD" }')
        monkeypatch.setenv("TERCEL_TEST_PASSWORD", "guess")
        with pytest.raises(VenueError, match="wrong password for A") as refused:
            connect(profile=told)
        assert "guess" not in str(refused.value)
        monkeypatch.setenv("TERCEL_TEST_PASSWORD", "secret")
        venue = connect(profile=told, store=tmp_path / "store")
        assert venue.up
        assert "secret" not in repr(vars(venue)) + repr(vars(venue._link)) + repr(venue._terms)
        venue.close()
        kept = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
        assert kept
        assert not any(b"secret" in path.read_bytes() for path in kept)

    def test_sequence_too_low(self, serve, connect, tmp_path):
        serve()
        connect(store=tmp_path / "old").close()
        with pytest.raises(VenueError, match=r"MsgSeqNum (is )?too low") as refused:
            connect(store=tmp_path / "new")
        assert "reset=True" in str(refused.value)
        assert "`desk=`" in str(refused.value)
        assert not holds_session(tmp_path / "new"), "nobody was ever logged on with it"
        assert connect(store=tmp_path / "new", reset=True).up
        assert holds_session(tmp_path / "new")

    def test_a_port_that_is_taken(self, serve, port):
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(VenueError, match=f"port {port} free"),
        ):
            serve()

    def test_a_host_that_is_not_listened_to(self, serve, port):
        serve()
        with socket.create_connection(
            ("127.0.0.1", port), 5, source_address=("127.0.0.2", 0)
        ) as stranger:
            stranger.settimeout(5)
            with suppress(ConnectionError):  # closed before or after the first bytes
                stranger.sendall(b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01")
                assert stranger.recv(100) == b""

    @pytest.mark.parametrize("name", ["", "a b", "x\ny", "[A]", "é"])
    def test_names_that_cannot_stand_in_a_header(self, port, name):
        with pytest.raises(ConfigError, match="CompID"):
            serve_fix(TinyVenue(), port, [name])


class TestLosingEachOther:
    def test_steps_wait_for_a_link_that_is_down_and_then_no_more(self, serve, connect):
        server = serve()
        venue = connect(patience=WaitLimits(outage_s=0.35))
        server.close()
        (event,) = venue.step(T0)
        assert not event.up
        assert "waiting up to 0.35 s" in event.text
        assert [venue.step(T0) for _ in range(4)] == [[]] * 4
        for _ in range(2):
            with pytest.raises(VenueError, match=r"none for 0\.35 s: lost") as lost:
                venue.step(T0)
            assert "start it again" in lost.value.remedy

    def test_who_comes_back_is_waited_for_anew_the_next_time(self, serve, connect, tmp_path):
        server = serve()
        venue = connect(patience=WaitLimits(outage_s=30.0), store=tmp_path / "mine")
        said(venue)
        server.close()
        venue.step(T0)
        serve(venue=server.venue)
        heard = []
        while not any(event.up for event in heard):
            heard += said(venue)
        said(venue)
        assert venue._waited_s == 0.0

    def test_a_venue_that_dies_takes_the_line_down(self, serve, connect):
        server = serve()
        venue = connect()
        server.venue.dies = True
        (event,) = venue.step(T0 + 5)
        assert isinstance(event, LinkStatus)
        assert not event.up
        with pytest.raises(RuntimeError, match="the venue died"):
            server.wait(5)

    @pytest.mark.parametrize("cancels", [False, True])
    def test_orders_of_who_leaves(self, serve, connect, tmp_path, cancels, profile):
        server = serve([Login("A", cancel_on_disconnect=True)])
        connect = partial(connect, profile="tercel" if cancels else profile(STAYS))
        venue = connect(store=tmp_path / "a")
        venue.send(buy("a"))
        venue.send(buy("b", account="agent"))
        said(venue, steps=2)
        venue.close()
        again = connect(store=tmp_path / "a")
        again.send(StatusRequest("b", "agent", T0))
        events = gathered(again, 4 if cancels else 2)
        # the word after which the first never came back is told again, then what happened since
        assert (events[0].cl_ord_id, events[0].exec_type) == ("b", ExecType.NEW)
        gone = sorted(e.cl_ord_id for e in events if e.exec_type is ExecType.CANCELED)
        assert gone == (["a", "b"] if cancels else [])
        (status,) = [e for e in events if e.exec_type is ExecType.STATUS]
        assert whole(status.leaves_qty) == (0 if cancels else 2)
        assert server.error is None
