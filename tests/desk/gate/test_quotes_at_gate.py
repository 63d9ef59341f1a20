"""Requests for quotes through a gate: counted and limited there, answered, taken and passed by the session whose they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from tests.desk.gate.wall import (  # noqa: F401
    ConnectedDesk,
    exchange,
    exchange_served,
    gate_of,
    heard_until,
)
from tests.desk.trading.desk_of_two import S, asked, session_of
from tests.desk.trading.quoting import asking, routing, steps, told
from tests.waiting import until

from certify.fix.quotes_acceptor import panel
from exchange.dealers import DealerVenue, mid_of
from exchange.fix.server import FixServer, serve_fix
from tercel.core.capabilities import check_capabilities
from tercel.core.errors import VenueError
from tercel.core.quotes import Quote, QuoteReject, QuoteRequest
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.session import Session
from tercel.venues.address import TRADER
from tercel.venues.wire import RemoteVenue, frames

ALLOWED = {
    "desk.rfq_value_per_hour": 10_000_000,
    "agents.*.rfq_value_per_hour": 1_000_000,
    "instruments.*.dealers_per_day": 3,
    "instruments.*.quote_collar_bps": 200,
}


@contextmanager
def dealers_served() -> Iterator[FixServer]:
    """An exchange with three dealers over FIX, stepped by its clients."""
    inside = exchange()
    quick = replace(panel(), answer_s=panel().answer_s.clip(0.0, 0.05))
    venue = DealerVenue(inside, quick, mid_of(inside), unit_lots=100.0, life_s=20.0)
    with serve_fix(venue, 0, [TRADER]) as server:
        yield server


def open_at(server: FixServer) -> int:
    """Open quotes at the dealers, of all requests."""
    book = server.venue.book  # type: ignore[attr-defined]
    return sum(len(book.open(name)) for name in book.requests)


def desk_at(path: str, accounts: tuple[str, ...] = ("ann",)) -> Session:
    venue = RemoteVenue(path, accounts)
    check_capabilities(venue)
    return session_of(venue, strategies=routing, limits=asking(), warm_s=2, dealers=("D1", "D2"))


def test_a_desk_behind_a_gate_asks_and_takes(gate_of: ConnectedDesk) -> None:  # noqa: F811
    with dealers_served() as server:
        gate = gate_of(server, changed=ALLOWED)
        session = desk_at(gate.path)
        session.manager.accept(asked(lots=20, strategy="rfq"))
        until(lambda: steps(session, 0.2) or not session.quotes.open, what="the end of a request")
        assert told(session, "ended")[-1].outcome == "traded"
        assert session.ledger.parents.require("p1").filled == 20
        assert len(told(session, "quoted")) == 2
        assert told(session, "passed")
        # What is too much for the gate alone is answered, and the desk works on.
        session.manager.accept(asked("p2", lots=5000, strategy="twap_passive"))
        session.manager.pause("p2", "to ask dealers")
        steps(session, 0.2)
        name = session.quotes.request("p2", 5000, seconds=30, by="dora")
        until(lambda: steps(session, 0.2) or told(session, "ended", name), what="a refusal")
        assert "RFQ_VALUE" in told(session, "declined", name)[-1].text
        assert told(session, "ended", name)[-1].outcome == "unanswered"
        session.close()
        entries = [one for _, one in gate.gateway.journal.read(kinds=(kinds.QUOTE,))]
        assert [one.body["event"] for one in entries] == ["requested"]
        assert gate.gateway.limits.desk.requests
        assert gate.gateway.ledger.faults() == []


def test_dealers_answer_whom_they_were_asked_by_and_nobody_else_passes(
    gate_of: ConnectedDesk,  # noqa: F811
) -> None:
    with dealers_served() as server:
        gate = gate_of(server, changed=ALLOWED)
        ann, bob = RemoteVenue(gate.path, ("ann",)), RemoteVenue(gate.path, ("bob",))
        ann.subscribe("X")
        heard_until(ann, bool)
        terms = "X", 1, 10, ann.now_ns + 60 * S, "ann", ann.now_ns, ("D1", "D2")
        asker, other = ann.capabilities.quotes, bob.capabilities.quotes
        assert asker is not None
        assert other is not None
        asker.request_quotes(QuoteRequest("r1", *terms))
        heard = heard_until(ann, lambda heard: sum(isinstance(e, Quote) for e in heard) == 2)
        other.pass_quotes("r1")
        assert not any(isinstance(one, Quote) for one in bob.step(bob.now_ns + 1))
        assert open_at(server) == 2
        asker.pass_quotes("r1", [next(one.id for one in heard if isinstance(one, Quote))])
        heard_until(ann, lambda _: open_at(server) == 1)
        ann._send(frames.pack({"do": "pass", "request": "r1", "quotes": 7}))
        heard_until(ann, lambda _: open_at(server) == 0)
        other.request_quotes(QuoteRequest("r2", *terms))
        heard = heard_until(bob, lambda heard: any(isinstance(e, QuoteReject) for e in heard))
        assert "may trade" in next(one.text for one in heard if isinstance(one, QuoteReject))
        asker.request_quotes(QuoteRequest("r3", *terms[:-1], ("D1", "D2", "D3", "D4")))
        heard = heard_until(ann, lambda heard: any(isinstance(e, QuoteReject) for e in heard))
        assert "DEALERS" in next(one.text for one in heard if isinstance(one, QuoteReject))
        ann.close()
        bob.close()


def test_a_request_that_is_none_ends_no_gate(gate_of: ConnectedDesk) -> None:  # noqa: F811
    with dealers_served() as server:
        gate = gate_of(server, changed=ALLOWED)
        venue = RemoteVenue(gate.path, ("ann",))
        for request in (None, 7, {"id": "r"}, {"id": "r", "side": "buy"}):
            venue._send(frames.pack({"do": "quotes", "request": request}))
            with pytest.raises(VenueError, match="a request for quotes"):
                heard_until(venue, lambda _: False)
        venue._send(frames.pack({"do": "pass", "request": ["r"], "quotes": 7}))
        venue.subscribe("X")
        assert heard_until(venue, bool)
        venue.close()
