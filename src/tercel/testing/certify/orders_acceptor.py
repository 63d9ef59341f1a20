"""Orders at an acceptor, ours or somebody else's: the words that any venue answers. The peer plays the desk."""

from tercel.testing.certify.case import Bench, case, expect, holds
from tercel.testing.certify.plays import acceptor
from tercel.testing.certify.stage import AcceptorStage, order_fields
from tercel.testing.certify.wire import Heard, Pairs, Peer

_REQUIRED = (37, 17, 150, 39, 55, 54, 151, 14, 6)


def _report(peer: Peer, stage: AcceptorStage) -> Heard:
    """The next ExecutionReport, with what its version requires, and quantities that add up."""
    said = peer.find("8", "9", "3", "j")
    expect(said.kind, "8", f"MsgType of the answer ({said.get(58)})")
    required = (*_REQUIRED, 20) if stage.old else _REQUIRED
    expect([tag for tag in required if not said.get(tag)], [], "required fields that the report lacks")
    total, done, left = (float(said.get(tag) or 0) for tag in (38, 14, 151))
    over = said.get(39) in ("2", "4", "8", "C")
    if total and said.get(39) != "8":
        expect(left, 0.0 if over else total - done, "LeavesQty")
    return said


def _new(stage: AcceptorStage, peer: Peer) -> Heard:
    name = stage.tell(peer)
    said = _report(peer, stage)
    expect((said.get(11), said.get(150), said.get(39)), (name, "0", "0"), "ClOrdID, ExecType and OrdStatus")
    return said


def _about(stage: AcceptorStage, name: str, *dropped: int) -> Pairs:
    body = order_fields(*stage.asks_for, stage.now_ns())
    return [(11, name), *[field for field in body if field[0] not in dropped]]


@case("O01", "a new order is acknowledged", "acceptor", outside=True)
def new(bench: Bench) -> str:
    """It rests."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        said = _new(stage, peer)
        stage.audit(peer)
        return f"OrderID {said.get(37)}, LeavesQty {said.get(151)}"


@case("O06", "a cancel is taken", "acceptor", outside=True)
def cancel(bench: Bench) -> str:
    """With or without pending cancel before."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        order, name = _new(stage, peer), stage.name()
        peer.say("F", [(41, order.get(11)), *_about(stage, name, 40, 44, 59)])
        said = _report(peer, stage)
        if said.get(150) == "6":
            said = _report(peer, stage)
        got = said.get(150), said.get(39), said.get(41), said.get(11), float(said.get(151))
        expect(got, ("4", "4", order.get(11), name, 0.0), "ExecType, OrdStatus, OrigClOrdID, ClOrdID and LeavesQty")
        expect(said.get(37), order.get(37), "OrderID")
        stage.audit(peer)
        return "cancelled, with the names of both"


@case("O09", "a cancel of an order that nobody knows is rejected", "acceptor", outside=True)
def cancel_unknown(bench: Bench) -> str:
    """CxlRejReason (102) is 1."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        said = stage.unknown_cancel(peer)
        expect((said.get(434), said.get(102)), ("1", "1"), "CxlRejResponseTo and CxlRejReason")
        stage.audit(peer)
        return "OrderCancelReject 434=1 102=1"


@case("O12", "a replace is taken", "acceptor", outside=True)
def replace(bench: Bench) -> str:
    """Twice the quantity."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        order, name = _new(stage, peer), stage.name()
        twice = format(2 * float(stage.asks_for[1]), "g")
        peer.say("G", [(41, order.get(11)), (21, "1"), (38, twice), *_about(stage, name, 38)])
        said = _report(peer, stage)
        if said.get(150) == "E":
            said = _report(peer, stage)
        got = said.get(150), said.get(41), said.get(11), float(said.get(38)), float(said.get(151))
        wanted = "5", order.get(11), name, float(twice), float(twice)
        expect(got, wanted, "ExecType, OrigClOrdID, ClOrdID, OrderQty and LeavesQty")
        stage.audit(peer)
        return f"replaced, {twice} left"


@case("O26", "the status of an order is told, also of one that nobody knows", "acceptor", outside=True)
def status(bench: Bench) -> str:
    """35=H."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        order = _new(stage, peer)
        symbol = stage.asks_for[0]
        for name, wanted in ((order.get(11), "0"), ("nobody", "8")):
            peer.say("H", [(11, name), (55, symbol), (54, "1")])
            said = peer.find("8")
            expect((said.get(11), said.get(39)), (name, wanted), "ClOrdID and OrdStatus")
            holds(said.get(20) == "3" if stage.old else said.get(150) == "I", "the report says that it is a status")
        stage.audit(peer)
        return "known: 39=0, unknown: 39=8"
