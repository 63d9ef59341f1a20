"""Sessions that mean harm: what they say is refused, the gate goes on, and nobody else is held up."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from tests.desk.gate.test_gate import an_order
from tests.desk.gate.wall import ConnectedDesk, exchange_served, gate_of, session_at
from tests.waiting import DEADLINE_S, until

from certify.kits.venue import Trader
from tercel.core.errors import OrderError
from tercel.core.orders import CancelOrder, Command, MassCancel, Report, StatusRequest
from tercel.desk.gate.server import Gate
from tercel.venues.wire import frames
from tercel.venues.wire.server import MOST_CLIENTS

__all__ = ["gate_of"]


@pytest.fixture
def gate(gate_of: ConnectedDesk) -> Iterator[Gate]:
    """Before an exchange that runs ten times as fast as the clock."""
    with exchange_served(10.0) as server:
        yield gate_of(server)


ANSWER_S, TURN_S = 0.01, 0.4
"""How long a question, and a turn, are made to take."""


def told(link: socket.socket, *sent: bytes) -> list[object]:
    """What a gate says, up to its word that it is alive."""
    link.settimeout(DEADLINE_S)
    link.sendall(b"".join([*sent, frames.pack({"do": "alive"})]))
    reader, said = frames.FrameReader(), list[object]()
    while not any(isinstance(one, dict) and one.get("said") == "alive" for one in said):
        said += [
            json.loads(body)
            for kind, body in reader.feed(link.recv(1 << 16))
            if kind != frames.ROWS
        ]
    return said


def reached(gate: Gate, *sent: bytes) -> list[object]:
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.connect(gate.path)
        return told(link, *sent)


@pytest.mark.parametrize("name", ["o\ud800", "o\0", "o\x0138=2000", "o" * 201])
def test_names_that_nobody_can_be_told_are_refused_and_the_gate_goes_on(
    gate: Gate, name: str
) -> None:
    for command in (
        an_order(name),
        CancelOrder("c", name, "X", 1, "ann", 0),
        MassCancel("m", "ann", name, 0),
    ):
        said = reached(gate, frames.pack_message(command))
        assert any(
            isinstance(one, dict) and "printable names" in str(one.get("parts")) for one in said
        )
    assert not list(gate.gateway.journal.read(kinds=["denied"]))


def test_a_command_that_the_venue_cannot_be_told_is_handed_over_once(
    gate: Gate,
) -> None:
    send = gate.gateway.venue.send

    def refuse(command: Command) -> None:
        if command.cl_ord_id == "bad":
            raise OrderError("a name that the venue takes", "bad", "choose another")
        send(command)

    gate.gateway.venue.send = refuse  # type: ignore[method-assign]
    bad, good = (CancelOrder(name, "o", "X", 1, "ann", 0) for name in ("bad", "good"))
    reached(gate, frames.pack_message(bad), frames.pack_message(good), frames.pack({"do": "beat"}))
    until(lambda: [*gate.gateway.journal.read(kinds=["report_in"])], what="an answer of the venue")
    left = [
        e.order
        for _, e in gate.gateway.journal.read(kinds=["order_out"])
        if not e.order.startswith("~")
    ]
    assert left == ["bad", "good"]
    alerts = [e.body["code"] for _, e in gate.gateway.journal.read(kinds=["alert"])]
    assert "send_failed" in alerts


def test_names_of_the_gate_and_orders_of_others_are_not_a_sessions(gate: Gate) -> None:
    bob = session_at(gate, ("bob",))
    name, _ = Trader(bob, "bob").rest()
    hostile = [
        MassCancel("~g1", "ann", "", 0),
        CancelOrder("~w1", "o", "X", 1, "ann", 0),
        CancelOrder(name, "o", "X", 1, "ann", 0),
        CancelOrder("c", name, "X", 1, "ann", 0),
        StatusRequest(name, "ann", 0),
        CancelOrder("c", name, "X", 1, "", 0),
        StatusRequest(name, "", 0),
    ]
    said = reached(gate, *(frames.pack_message(command) for command in hostile))
    assert sum(isinstance(one, dict) and one.get("said") == "error" for one in said) == len(hostile)
    order = gate.gateway.ledger.orders.get(name)
    assert (order is not None, len(gate.open_orders)) == (True, 1)
    bob.close()


def test_who_asks_much_holds_up_nobody(
    gate_of: ConnectedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session asks a thousand questions at once that take a while each; another one is answered between them."""
    with exchange_served(10.0) as server:
        gate, asked = gate_of(server), list[str]()

        def slow(account: str, after: str) -> list[Report]:
            asked.append(account)
            time.sleep(ANSWER_S)
            return []

        monkeypatch.setattr(gate, "on_executions", slow)
        with closing(socket.socket(socket.AF_UNIX)) as greedy:
            greedy.connect(gate.path)
            greedy.sendall(frames.pack({"do": "executions", "account": "ann"}) * 1000)
            until(lambda: asked, what="a question")
            reached(gate)
            assert len(asked) < 1000


def test_a_session_is_silent_whatever_another_one_does(gate_of: ConnectedDesk) -> None:
    """Turns that take half of the silence are counted whole."""
    with exchange_served(10.0) as server:
        gate, turns = gate_of(server, silence_s=0.8), list[float]()

        def held_up() -> None:
            turns.append(time.monotonic())
            time.sleep(TURN_S)

        with closing(socket.socket(socket.AF_UNIX)) as link:
            link.connect(gate.path)
            link.settimeout(DEADLINE_S)
            gate.keeper.watch = held_up  # type: ignore[method-assign]
            while link.recv(1 << 16):
                pass
            assert len(turns) <= 5


def test_more_connections_than_any_are_closed(gate_of: ConnectedDesk) -> None:
    with exchange_served(10.0) as server, ExitStack() as stack:
        gate = gate_of(server)
        links = [
            stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
            for _ in range(MOST_CLIENTS + 1)
        ]
        for link in links:
            link.settimeout(DEADLINE_S)
            link.connect(gate.path)
        assert links[-1].recv(1) == b""
