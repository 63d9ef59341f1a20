"""The wall: what passes it, what it denies, and what it does when a session falls silent, goes or is killed."""

import grp
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.desk.gate.wall import (
    Announcing,
    ConnectedDesk,
    at_gate,
    exchange,
    exchange_served,
    gate_of,
    given,
    heard_until,
    section,
    session_at,
    turning,
)
from tests.desk.trading.desk_of_two import WIDE, S, asked, by_name
from tests.waiting import DEADLINE_S, until

from certify.kits.venue import PublicBook, Trader, VenueConformance
from exchange.fix.counterparties import Login
from exchange.fix.server import FixServer, ListenerSettings
from tercel.core.errors import ConfigError, VenueError
from tercel.core.orders import (
    LinkStatus,
    MarketRows,
    NewOrder,
    OrdStatus,
    Report,
    Tif,
)
from tercel.core.ports import Entry, Journal, Venue
from tercel.core.version import code_mark
from tercel.desk.console.metrics import Metrics
from tercel.desk.console.state import DeskState
from tercel.desk.gate.config import GateConfig, read_config
from tercel.desk.gate.opening import open_gate
from tercel.desk.gate.process import gate_text
from tercel.desk.gate.server import Gate
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.heartbeat import heartbeat_entries
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.session import Session
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.fix.opening import open_fix_venue
from tercel.venues.address import TRADER
from tercel.venues.wire import RemoteVenue

__all__ = ["gate_of"]


class TestAGateIsAVenue(VenueConformance):
    @pytest.fixture
    def venue(self, gate_of: ConnectedDesk) -> Iterator[RemoteVenue]:
        with exchange_served() as server:
            venue = session_at(gate_of(server, accounts=("kit",)), ("kit",))
            yield venue
            venue.close()


class TestAGateToAVenueThatRunsFreely(VenueConformance):
    @pytest.fixture
    def venue(self, gate_of: ConnectedDesk) -> Iterator[RemoteVenue]:
        with exchange_served(speed=15.0) as server:
            venue = session_at(gate_of(server, accounts=("kit",)), ("kit",))
            yield venue
            venue.close()

    def test_market_data_is_the_book(self, trader: Trader) -> None:
        """Orders come and go between the last row and the next snapshot: who was there before it stands as it stood."""
        trader.rest()
        trader.run(30 * S)
        before, heard = (
            {who: tuple(order[:2]) for who, order in trader.book.orders.items()},
            len(trader.events),
        )
        trader.follow()
        again = [
            one for one in trader.events[heard:] if isinstance(one, MarketRows) and one.snapshot
        ]
        told = PublicBook()
        told.apply(again[-1])
        stood = {who: tuple(order[:2]) for who, order in told.orders.items() if who in before}
        assert stood
        assert stood == {who: before[who] for who in stood}
        trader.run(30 * S)
        assert trader.book.best(1) < trader.book.best(-1)


def session_over(venue: Venue) -> Session:
    gate = LimitGate(parse(WIDE), venue.listings(), ["ann", "bob"])
    session = open_session(venue, MemoryJournal(), gate, by_name, SessionTerms(warmup_s=60.0))
    session.follow("X")
    session.run_until(venue.now_ns + 70 * S)
    return session


def test_a_session_behind_a_gate_trades_as_one_without(gate_of: ConnectedDesk) -> None:
    def traded(venue: Venue) -> list[object]:
        session = session_over(venue)
        session.manager.accept(asked(lots=120))
        session.run()
        fills = session.ledger.orders.fills
        session.close()
        return [(fill.order, fill.qty, fill.px, fill.ns) for fill in fills]

    with exchange_served() as server:
        alone = traded(open_fix_venue("127.0.0.1", server.port, TRADER))
    with exchange_served() as server:
        gate = gate_of(server)
        behind = traded(RemoteVenue(gate.path, ["ann", "bob"]))
        assert behind == alone
        assert len(behind) > 5
        fills = Ledger.of(JournalReader(Path(gate.path).parent)).orders.fills
        assert [(fill.order, fill.qty, fill.px, fill.ns) for fill in fills] == alone


def test_a_desk_of_other_code_than_its_gates_says_so(
    gate_of: ConnectedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(journal: Journal, kind: str) -> list[Mapping[str, object]]:
        return [entry.body for _, entry in journal.read(kinds=(kind,))]

    with exchange_served() as server:
        gate = gate_of(server)
        for ours, alerts in ((code_mark(), 0), ("0.1.0+of-yesterday", 1)):
            for room in ("session_opening", "heartbeat"):
                monkeypatch.setattr(f"tercel.desk.trading.{room}.code_mark", lambda ours=ours: ours)
            session = session_over(RemoteVenue(gate.path, ["ann", "bob"]))
            assert [body["code"] for body in said(session.journal, kinds.SESSION)] == [ours]
            told = [
                body for body in said(session.journal, kinds.ALERT) if body["code"] == "other_code"
            ]
            assert [body["text"] for body in told] == [
                f"the gate runs {code_mark()}, this desk {ours}"
            ] * alerts
            session.close()
        assert {
            body["code"] for body in said(JournalReader(Path(gate.path).parent), kinds.SESSION)
        } == {code_mark()}


def test_a_clock_that_is_not_the_venues_is_measured_and_said_once(tmp_path: Path) -> None:
    def wall() -> int:
        return time.time_ns() + 60 * S

    with (
        FixServer(exchange(), ListenerSettings(), [Login(TRADER)], wall_ns=wall).start() as server,
        open_gate(section(server, tmp_path / "gate"), tmp_path / "gate", "test") as gate,
    ):
        for _ in range(3):
            gate.gateway.write(heartbeat_entries(gate.gateway, {}))
        state, beats, codes = DeskState(), [], []
        for number, entry in JournalReader(tmp_path / "gate").read():
            state.apply(number, entry)
            beats += [entry.body["clock_s"]] if entry.kind == kinds.HEARTBEAT else []
            codes += [entry.body["code"]] if entry.kind == kinds.ALERT else []
    assert len(beats) == 3
    assert all(-60.0 <= beat < -30.0 for beat in beats), beats
    assert codes.count("clock_offset") == 1
    assert (
        f"tercel_clock_offset_seconds {beats[-1]}" in Metrics().render(state, 0.0, False).decode()
    )


def an_order(
    name: str, lots: int = 5, price: int | None = None, account: str = "ann", parent: str = ""
) -> NewOrder:
    return NewOrder(name, "X", 1, lots, price, Tif.DAY if price else Tif.IOC, account, parent, 0)


def test_what_no_parent_asked_for_and_what_is_too_large_is_denied(gate_of: ConnectedDesk) -> None:
    with exchange_served() as server:
        gate = gate_of(server)
        venue = RemoteVenue(gate.path, ["ann"])
        trader = Trader(venue, "ann")
        venue.send(an_order("a"))
        venue.announce("p", "X", "ann", 1, 10)
        venue.send(an_order("b", 11, parent="p"))
        venue.send(an_order("c", 6000, parent="p"))
        venue.send(an_order("d", 10, parent="p"))
        trader.run(S)
        reports = {r.cl_ord_id: r for r in trader.events if isinstance(r, Report)}
        assert {name: reports[name].status for name in "abcd"} == {
            **dict.fromkeys("abc", OrdStatus.REJECTED),
            "d": OrdStatus.FILLED,
        }
        assert "UNKNOWN_PARENT" in reports["a"].text
        assert "the gate: " in reports["c"].text
        venue.send(an_order("e", account="eve"))
        with pytest.raises(VenueError, match="one of the accounts"):
            trader.run(S)
        assert given(server) == {"d"}


def test_a_parent_that_is_over_leaves_the_gates_memory_and_does_not_begin_again(
    gate_of: ConnectedDesk,
) -> None:
    with exchange_served() as server:
        gate = gate_of(server)
        ledger = gate.gateway.ledger
        ledger._keep_ns = 1
        venue = RemoteVenue(gate.path, ["ann"])
        trader = Trader(venue, "ann")
        for name in ("p", "q"):
            venue.announce(name, "X", "ann", 1, 10)
        venue.subscribe("X")
        venue.send(an_order("d", 10, parent="p"))
        trader.run(S)
        venue.send(an_order("r", 5, gate._books["X"].quotes.bid - 50, parent="q"))
        trader.run(S)
        for name in ("p", "q"):
            venue.announce(name, "X", "ann", 1, 0)
        trader.run(S)
        venue.send(an_order("s", 1, parent="q"))
        trader.run(S)
        assert (ledger.parents.get("p"), ledger.parents.require("q").over) == (
            None,
            True,
        )  # an order of q still rests
        venue.send(an_order("e", 1, parent="p"))
        trader.run(S)
        assert [
            r.text
            for r in trader.events
            if isinstance(r, Report) and r.cl_ord_id == "e" and "UNKNOWN" in r.text
        ]
        for name in ("p", "q"):
            venue.announce(name, "X", "ann", 1, 10)
            with pytest.raises(VenueError, match="not over"):
                trader.run(S)
            trader.run(S)  # reads the answer to the step that failed
        of_p = [
            r for r in trader.events if isinstance(r, Report) and r.cl_ord_id == "d" and r.last_qty
        ]
        assert ledger.past is not None
        assert (ledger.past.fills, ledger.fills) == (len(of_p), len(of_p) + 1)


def unwatched(gate: Gate) -> list[tuple[str, str]]:
    told = JournalReader(Path(gate.path).parent).read(kinds=["alert"])
    return [
        (str(e.body["severity"]), str(e.body["text"]))
        for _, e in told
        if e.body["code"] == "unwatched"
    ]


@pytest.mark.parametrize(
    ("speed", "in_order", "severity", "text"),
    [
        *((speed, True, "info", "ann: its session ended; its orders") for speed in (0.0, 10.0)),
        *((speed, False, "critical", "ann: its session is gone") for speed in (0.0, 10.0)),
    ],
)
def test_orders_of_a_session_that_ends_or_is_gone_are_cancelled(
    gate_of: ConnectedDesk, speed: float, in_order: bool, severity: str, text: str
) -> None:
    with at_gate(gate_of, speed) as (server, gate, venue, trader):
        trader.rest()
        if in_order:
            venue.leave()
        venue._socket.close()
        until(lambda: not gate.open_orders, what="nothing open")
        assert given(server, open_alone=True) == set()
        ((told, said),) = unwatched(gate)
        assert (told, said.startswith(text)) == (severity, True), said


def test_what_a_session_leaves_that_no_venue_ends_alarms_after_a_while(
    gate_of: ConnectedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_gate(gate_of, 10.0) as (server, gate, venue, trader):
        trader.rest()
        monkeypatch.setattr(server.venue, "send", lambda command: None)  # it answers no cancel
        venue.leave()
        venue.close()
        until(lambda: len(unwatched(gate)) > 1, what="an alarm")
        (_, (severity, text)) = unwatched(gate)
        assert severity == "critical"
        assert re.fullmatch(r"ann: 1 of its orders open [3-9]\.\d s after its session ended", text)


def test_orders_of_a_session_that_is_silent_are_cancelled(gate_of: ConnectedDesk) -> None:
    with at_gate(gate_of, 10.0, silence_s=0.4) as (_, gate, venue, trader):
        trader.rest()
        until(lambda: not gate.open_orders, what="nothing open")
        heard = heard_until(venue, lambda heard: [e for e in heard if isinstance(e, LinkStatus)])
        assert any(isinstance(event, LinkStatus) and not event.up for event in heard)
        venue.reconnect()
        name, _ = trader.rest()
        assert gate.gateway.ledger.orders.get(name) is not None


def test_a_session_that_begins_may_be_silent_until_it_has_something_open(
    gate_of: ConnectedDesk,
) -> None:
    """A desk reads its journal once it is connected: minutes, where that is long."""
    with at_gate(gate_of, 10.0, silence_s=0.4) as (_, gate, _, trader):
        (client,) = gate._clients
        until(
            lambda: gate._silent.get(client, (0, 0.0))[1] > 1.0, what="more than twice the silence"
        )
        name, _ = trader.rest()
        assert gate.gateway.ledger.orders.get(name) is not None
        until(lambda: not gate.open_orders, what="nothing open: from now on silence counts")
        until(
            lambda: client not in gate._clients, what="the session to be cut off, with nothing open"
        )


def test_a_session_that_waits_is_not_silent(gate_of: ConnectedDesk) -> None:
    with at_gate(gate_of, 10.0, silence_s=0.4) as (_, gate, _, trader):
        trader.rest()
        trader.run(10 * S)
        assert len(gate.open_orders) == 1


def test_a_gate_keeps_its_link_while_nobody_lets_time_pass(gate_of: ConnectedDesk) -> None:
    with exchange_served() as server:
        session = gate_of(server, link_s=1).gateway.venue._link.session
        before = session.numbers.next_out
        until(lambda: session.numbers.next_out >= before + 3, what="three heartbeats")


# -- a process of its own ---------------------------------------------------------------------------------------------
def started(folder: Path) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    command = [sys.executable, "-m", "tercel.cli", "gate", str(folder / "gate.toml")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def said(process: "subprocess.Popen[str]", word: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"ended without {word!r}: {process.wait()}")


HOSTILE = r"""
import socket, sys, struct, json
from datetime import UTC, datetime
from pathlib import Path
path, port = sys.argv[1], int(sys.argv[2])

def frame(kind, body):
    data = json.dumps(body).encode()
    return struct.pack("<IB", len(data), ord(kind)) + data

def attempt(*sent):
    link = socket.socket(socket.AF_UNIX); link.settimeout(5); link.connect(path)
    link.sendall(b"".join(sent))
    try:
        while link.recv(1 << 16): pass
    except OSError: pass
    link.close()

order = ["NewOrder", "h1", "X", 1, 50, None, "ioc", "ann", "", 0]
huge = ["NewOrder", "h2", "X", 1, 4000, None, "ioc", "ann", "p", 0]
login = frame("J", {"do": "login", "accounts": ["ann"]})
parent = frame("J", {"do": "parent", "id": "p", "instrument": "X", "account": "ann", "side": 1, "lots": 3000})
step = frame("J", {"do": "step", "until": 10**12})
attempt(login, frame("M", order), step)
attempt(login, parent, frame("M", huge), step)
attempt(login, frame("M", ["NewOrder", "h3", "X", 1, 50, None, "ioc", "eve", "p", 0]), step)
attempt(login, frame("J", {"do": "parent", "id": "q", "instrument": "X", "account": "bob", "side": 1, "lots": 9}), step)
attempt(login, frame("J", {"do": "rearm"}), frame("J", {"do": "limits"}), step)
attempt(b"\xff" * 64); attempt(frame("R", [1])); attempt(frame("M", {"is": 1}), frame("M", []), frame("M", [[]]))
attempt(frame("J", {"do": "executions", "account": "eve"}), frame("J", {"do": "step", "until": "x"}))
# straight to the venue, past the gate: its login is in use there
def fix(kind, number, *fields):
    time = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S")
    head = (f"35={kind}", "49=TRADER", "56=TERCEL", f"34={number}", f"52={time}")
    body = "".join(f"{one}\x01" for one in (*head, *fields))
    whole = f"8=FIX.4.4\x019={len(body)}\x01{body}".encode()
    return whole + f"10={sum(whole) % 256:03d}\x01".encode()

link = socket.create_connection(("127.0.0.1", port)); link.settimeout(5)
link.sendall(fix("A", 1, "98=0", "108=30", "141=Y"))
link.sendall(fix("D", 2, "11=h4", "1=ann", "55=X", "54=1", "60=20200101-00:00:00", "38=50", "40=1", "59=3"))
heard = b""
try:
    while more := link.recv(1 << 16): heard += more
    print("logged on" if b"35=A" in heard else "no logon")
except OSError as error: print(error)
"""


@pytest.mark.long  # most of it is waiting for words that never come
def test_a_hostile_session_reaches_no_wire(tmp_path: Path) -> None:
    with exchange_served() as server:
        folder = tmp_path / "gate"
        config = section(server, folder, silence_s=4.0)
        (folder / "gate.toml").write_text(gate_text(config.gate.model_dump(mode="json")))
        gate = started(folder)
        try:
            said(gate, "gate:")
            words = [sys.executable, "-c", HOSTILE, str(folder / "gate.sock"), str(server.port)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            assert done.stdout == "no logon\n"
            honest = Announcing(str(folder / "gate.sock"), ["ann"])
            Trader(honest, "ann").rest()  # the gate works on
            honest.close()
        finally:
            gate.send_signal(signal.SIGTERM)
            assert gate.wait(60) == 0
        assert given(server) == {"ann-1"}
        denied = {e.order for _, e in JournalReader(folder).read(kinds=["denied"])}
        assert {"h1", "h2"} <= denied


@pytest.mark.parametrize(
    ("group", "mode"), [({}, 0o600), ({"group": grp.getgrgid(os.getgid()).gr_name}, 0o660)]
)
def test_the_gate_alone_may_use_its_socket_or_a_group_that_is_named(
    gate_of: ConnectedDesk, group: dict[str, str], mode: int
) -> None:
    with exchange_served() as server:
        assert Path(gate_of(server, **group).path).stat().st_mode & 0o777 == mode


def test_a_group_that_nobody_knows_is_refused(gate_of: ConnectedDesk) -> None:
    with exchange_served() as server, pytest.raises(ConfigError, match="a group that"):
        gate_of(server, group="no such group")


# -- when the gate itself stands still --------------------------------------------------------------------------------
def test_a_kill_cancels_while_the_journal_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred orders of two, and a write that does not return: the other thread cancels every one."""
    with exchange_served(speed=1.0) as server:
        folder = tmp_path / "gate"
        with open_gate(section(server, folder), folder, "test") as gate:
            gate.on_subscribe("X")
            until(
                lambda: (gate._take_reports(), gate._books["X"].quotes.bid is not None)[1],
                what="a book",
            )
            bid = gate._books["X"].quotes.bid
            for who in ("ann", "bob"):
                gate.gateway.limits.register_parent(who, "X", who, 1, 5_000)
                gate.gateway.submit(
                    [an_order(f"{who}{n}", 1, bid - 5, who, who) for n in range(100)]
                )
            until(
                lambda: (gate._take_reports(), len(gate.open_orders) == 200)[1], what="all orders"
            )
            hanging, goes_on = threading.Event(), threading.Event()
            append = gate.gateway.journal.append

            def hang(entries: Sequence[Entry], **how: bool) -> int:
                hanging.set()
                assert goes_on.wait(DEADLINE_S)
                return append(entries, **how)

            monkeypatch.setattr(gate.gateway.journal, "append", hang)
            with turning(gate.run):
                gate.heartbeat._last_ns = 0  # a heartbeat is due, and hangs
                assert hanging.wait(DEADLINE_S)
                KillLatch(folder / "kill.json").kill("runaway", by="ann", at_ns=1)
                until(lambda: not given(server, open_alone=True), what="no order at the venue")
                assert len(gate.open_orders) == 200  # nobody here has heard of it yet
                goes_on.set()
                until(lambda: not gate.open_orders, what="nothing open")
            kills = [e.body["event"] for _, e in JournalReader(folder).read(kinds=["kill"])]
            assert sorted(kills) == ["confirmed", "confirmed", "latched", "latched"]


# -- files ------------------------------------------------------------------------------------------------------------
def test_a_gates_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    with exchange_served() as server:
        config = section(server, tmp_path / "gate", silence_s=2.5)
    (tmp_path / "gate.toml").write_text(gate_text(config.gate.model_dump(mode="json")))
    assert read_config(tmp_path / "gate.toml") == config


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("silence = 3", "silence_s"),
        ("accounts = []", "accounts"),
        ('accounts = ["a", "a"]', "differ"),
        ('accounts = ["a", "all"]', "one account each"),
        ('accounts = ["*"]', "one account each"),
        ('accounts = ["a, b"]', "one account each"),
        ("", "accounts"),
    ],
)
def test_a_file_that_is_no_gates_is_refused(tmp_path: Path, line: str, match: str) -> None:
    (tmp_path / "gate.toml").write_text(f'[gate]\nvenue = "fix://127.0.0.1:1"\n{line}\n')
    with pytest.raises(ConfigError, match=match):
        read_config(tmp_path / "gate.toml")


def test_a_gate_before_nothing_says_so(tmp_path: Path) -> None:
    config = GateConfig.model_validate(
        {"gate": {"venue": "fix://127.0.0.1:1", "accounts": ["ann"]}}
    )
    with (
        pytest.raises(VenueError, match="a FIX server at 127"),
        open_gate(config, tmp_path, "test"),
    ):
        pass
