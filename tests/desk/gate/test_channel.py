"""The channel between a gate and its sessions: what is no frame, who holds an account, who comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.desk.gate.wall import (
    ConnectedDesk,
    at_gate,
    exchange_served,
    gate_of,
    heard_until,
    session_at,
)
from tests.desk.trading.desk_of_two import S, asked, session_of
from tests.parts import whole
from tests.waiting import until

from certify.kits.venue import Trader
from tercel.core.errors import TercelError, UnknownNameError, VenueError
from tercel.core.orders import (
    CancelReject,
    ExecType,
    LinkStatus,
    MarketRows,
    MassCancel,
    OrdStatus,
    Report,
    StatusRequest,
    Tif,
    VenueEvent,
)
from tercel.desk.gate.server import Gate
from tercel.desk.trading.journal import kinds
from tercel.venues.wire import RemoteVenue, frames
from tercel.venues.wire.client import rows_of

__all__ = ["gate_of"]


@pytest.fixture
def gate(gate_of: ConnectedDesk) -> Iterator[Gate]:
    """Before an exchange that is stepped."""
    with exchange_served() as server:
        yield gate_of(server)


def trades(events: list[VenueEvent]) -> list[Report]:
    return [
        event for event in events if isinstance(event, Report) and event.exec_type is ExecType.TRADE
    ]


def test_a_session_that_comes_back_finds_what_became_of_its_orders(gate: Gate) -> None:
    trader = Trader(session_at(gate), "ann")
    name, _ = trader.rest(lots=7)
    trader.new(1, 5, None, Tif.IOC)
    trader.run(S)
    traded = trades(trader.events)
    assert sum(whole(trade.last_qty) for trade in traded) == 5
    trader.venue.close()
    with pytest.raises(VenueError, match="reconnect"):
        trader.venue.step(0)
    until(lambda: not gate.open_orders, what="nothing open")
    trader.venue.reconnect()
    events = trader.venue.step(0)
    assert isinstance(events[-1], LinkStatus)
    trader.venue.send(StatusRequest(name, "ann", 0))
    told = heard_until(trader.venue, lambda heard: [e for e in heard if isinstance(e, Report)])
    assert [(e.exec_type, e.status) for e in told if isinstance(e, Report)] == [
        (ExecType.STATUS, OrdStatus.CANCELED)
    ]
    assert trader.venue.executions("ann") == traded
    assert trader.venue.executions("ann", traded[0].exec_id) == traded[1:]
    assert any(isinstance(event, MarketRows) and event.snapshot for event in told)
    trader.venue.close()


def test_a_session_whose_link_breaks_goes_on(gate_of: ConnectedDesk) -> None:
    with exchange_served() as server:
        gate = gate_of(server)
        session = session_of(RemoteVenue(gate.path, ["ann", "bob"]), warm_s=70)
        session.manager.accept(asked())
        session.run_until(session.now_ns + 40 * S)
        session.venue._socket.shutdown(2)

        def there_again() -> bool:
            try:
                session.step(session.now_ns + S)
            except VenueError:  # the account is held until the gate has noticed
                return False
            return session.gateway.states.standing("").code != "LINK_DOWN"

        until(there_again, what="the link")
        session.run(session.now_ns + 400 * S)
        assert session.ledger.parents.require("p1").status == "done"
        assert session.ledger.faults() == []
        assert session.ledger.orders.unknown() == []
        assert (
            session.ledger.positions.of("ann", "X").qty
            == server.venue._orders.positions["ann"]["X"]
        )
        alerts = {entry.body["code"] for _, entry in session.journal.read(kinds=(kinds.ALERT,))}
        assert kinds.LINK_DOWN in alerts
        session.close()


def test_positions_are_those_of_the_executions_that_were_handed_over(
    gate_of: ConnectedDesk,
) -> None:
    """What the gate has booked and a session has not taken yet is no difference: a desk would halt itself over it."""
    with at_gate(gate_of, 10.0) as (_, gate, _, trader):
        name = trader.new(1, 5, None, Tif.IOC)
        until(
            lambda: not gate.gateway.ledger.orders.live() and gate.gateway.ledger.orders.get(name),
            what="its end",
        )
        assert whole(gate.gateway.ledger.positions.of("ann", "X").qty) == 5
        assert sum(trader.venue.positions("ann").values()) == 0
        assert sum(whole(trade.last_qty) for trade in trader.venue.executions("ann")) == 5
        assert (
            whole(trader.venue.positions("ann")["X"]) == 5
        )  # they were asked for, and come once more
        heard = heard_until(
            trader.venue, lambda heard: sum(whole(one.last_qty) for one in trades(heard)) == 5
        )
        assert (
            whole(trader.venue.positions("ann")["X"])
            == 5
            == sum(whole(trade.last_qty) for trade in trades(heard))
        )


def test_one_session_holds_an_account_at_a_time(gate: Gate) -> None:
    first = session_at(gate)
    with pytest.raises(VenueError, match="another connection holds it"):
        session_at(gate)
    first.close()

    def free() -> bool:
        try:
            session_at(gate).close()
        except VenueError:
            return False
        return True

    until(free, what="an account that is free again")


def test_what_is_not_there_is_said_in_words(gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(VenueError, match="another file"):
        frames.listen(gate.path)
    with pytest.raises(VenueError, match="tercel gate"):
        RemoteVenue(str(tmp_path / "nobody"))
    venue = session_at(gate)
    with pytest.raises(UnknownNameError, match="use one of X"):
        venue.subscribe("Z")
    with pytest.raises(VenueError, match="never"):
        venue.executions("ann", "never")
    venue.close()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "frames of this protocol"),
        ((frames.LONGEST_REQUEST + 1).to_bytes(4, "little") + b"J", "frames of this protocol"),
        (frames.pack({"do": "dance"}), "dance"),
        (b'\x0e\x00\x00\x00M["NewOrder",3]', "fields"),
        (frames.pack({"do": "step", "until": "soon"}), "whole number"),
        (frames.pack({"do": "step", "until": 2**62}), "100 days"),
        (frames._HEAD.pack(200_000, frames.JSON) + b"[" * 200_000, "recursion"),
    ],
)
def test_what_is_not_the_protocol_is_answered_and_harms_nobody(
    gate: Gate, sent: bytes, said: str
) -> None:
    with frames.connect(gate.path, 5.0) as raw:
        raw.sendall(sent)
        assert said in raw.recv(4096).decode(errors="replace")
        assert said != "frames of this protocol" or raw.recv(4096) == b"", (
            "who sends none is let go"
        )
    venue = session_at(gate)
    assert venue.step(venue.now_ns + S) == []
    venue.close()


def test_a_session_cancels_its_own_orders_and_nobody_elses(gate: Gate) -> None:
    ann, bob = (Trader(session_at(gate, (name,)), name) for name in ("ann", "bob"))
    for trader in (ann, bob):
        trader.rest()
    bob.venue.send(MassCancel("m", "", "", bob.venue.now_ns))
    bob.wait(Report, lambda report: report.exec_type is ExecType.CANCELED)
    for trader, said in ((ann, [ExecType.NEW]), (bob, [ExecType.NEW, ExecType.CANCELED])):
        trader.run(S)
        assert [event.exec_type for event in trader.events if isinstance(event, Report)] == said
        trader.venue.close()


TEXT = st.text(max_size=12)
WHOLE = st.integers(-(2**62), 2**62)


@given(
    st.builds(
        Report, TEXT, st.sampled_from(ExecType), st.sampled_from(OrdStatus), TEXT, TEXT, TEXT, TEXT, TEXT, WHOLE, WHOLE,
        st.none() | WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, st.booleans(), TEXT,
    )
    | st.builds(CancelReject, TEXT, TEXT, TEXT, st.sampled_from(OrdStatus), WHOLE, TEXT)
)  # fmt: skip
def test_messages_survive_the_channel(message: Report | CancelReject) -> None:
    ((_, body),) = frames.FrameReader().feed(frames.pack_message(message))
    assert frames.message_of(body, commands=False) == message


@given(st.binary(max_size=60))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    try:
        for kind, body in frames.FrameReader().feed(data):
            if kind == frames.ROWS:
                rows_of(body)
            else:
                frames.message_of(body, commands=True)
    except TercelError:
        pass
