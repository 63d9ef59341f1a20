"""A gate at a venue that answers no questions, as Binance's order entry is: what becomes of orders of unknown fate.

Its document has no H and no AF. An order is asked about by its cancel: the report of its end says what it had filled
(CumQty), and OrderCancelReject that it does not stand there. Then nobody knows, and nothing is inferred.
"""

import pytest
from tests.desk.gate.wall import turning
from tests.desk.trading.desk_of_two import WIDE, by_name
from tests.parts import whole

from certify.fix.case import Bench
from certify.fix.wall import Wall
from tercel.core.orders import OrdStatus, StatusRequest
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.risk.cancels import AGAIN_NS
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.fix import tags as t
from tercel.fix.profiles import load
from tercel.venues.wire import RemoteVenue


@pytest.fixture
def wall(tmp_path):
    with Wall(Bench(load("binance"), tmp_path)) as made:
        yield made


def away(wall):
    """The link breaks, and comes back."""
    wall.venue.cut()
    wall.until(lambda: not wall.fix.up, "the broken link")
    wall.until(lambda: wall.fix.up, "the link")


def cancel_of(wall, name):
    """The cancel of an order that the venue has had since."""

    def heard():
        return [one for one in wall.venue.of_kind(t.CANCEL) if one.get(t.ORIG_CL_ORD_ID) == name]

    return wall.until(heard, f"a cancel of {name}")[-1]


def test_after_an_outage_an_order_is_cancelled_and_its_end_says_what_it_had_filled(wall):
    name = wall.live()
    wall.say(name, "F", "1", last=4, px=10)
    away(wall)
    request = cancel_of(wall, name)
    assert wall.state(name).status is OrdStatus.UNKNOWN
    assert whole(wall.holding().buys) == 6, "reserved until the venue says"
    wall.venue.report(request.get(t.CL_ORD_ID), "4", "4", orig=name)
    wall.until(lambda: wall.state(name).done, "the report of its end")
    wall.expect_order(name, "canceled", 4, 0, 1000)
    assert wall.venue.of_kind(t.STATUS, t.MASS_STATUS) == []


def test_what_was_filled_meanwhile_is_missed_and_seen_to_be(wall):
    name = wall.live()
    away(wall)
    request = cancel_of(wall, name)
    wall.venue.report(request.get(t.CL_ORD_ID), "4", "4", orig=name, cum=3)
    wall.until(lambda: wall.state(name).done, "the report of its end")
    order = wall.state(name)
    assert (whole(order.cum_qty), whole(order.venue_qty), order.settled) == (0, 3, False)
    assert [one.root for one in wall.gateway.ledger.orders.live()] == [name]
    wall.say(name, "F", "4", last=3, px=10, cum=3)
    assert wall.state(name).settled


def test_an_order_that_the_venue_does_not_have_stays_unknown_and_is_not_asked_about_again(wall):
    name = wall.live()
    away(wall)
    wall.venue.refuse(cancel_of(wall, name), t.NOT_KNOWN)
    wall.until(lambda: wall.state(name).gone, "the refusal")
    before = len(wall.venue.of_kind(t.CANCEL))
    began = wall.fix.now_ns
    wall.until(lambda: wall.fix.now_ns > began + 2 * AGAIN_NS, "two rounds of questions")
    assert len(wall.venue.of_kind(t.CANCEL)) == before
    assert wall.state(name).status is OrdStatus.UNKNOWN
    assert whole(wall.holding().buys) == 10, "its lots stay reserved"
    wall.say(name, "F", "2", last=10, px=10)
    wall.expect_order(name, "filled", 10, 0, 1000)


def test_an_order_without_a_word_is_cancelled(wall):
    name = wall.order()
    wall.gate.inquiry.acks.seconds = 0.0
    request = cancel_of(wall, name)
    wall.gate.inquiry.acks.seconds = 60.0
    wall.say(name, "0", "0")
    wall.venue.report(request.get(t.CL_ORD_ID), "4", "4", orig=name)
    wall.until(lambda: wall.state(name).done, "the report of its end")


def test_a_word_of_the_venue_is_no_link_that_came_back(wall):
    """Each up was a question, each question a note, and each note an up."""
    name = wall.live()
    wall.submit(StatusRequest(name, "ann", wall.fix.now_ns))
    began = wall.fix.now_ns
    wall.until(lambda: wall.fix.now_ns > began + AGAIN_NS // 4, "some turns")
    assert wall.state(name).status is OrdStatus.NEW
    notes = [entry for entry in wall.entries(kinds.REPORT_IN) if entry.body["what"] == "link"]
    assert len(notes) == 1


def test_a_gate_that_begins_upon_what_nobody_knows_lets_its_account_reduce_alone(tmp_path):
    with Wall(Bench(load("binance"), tmp_path)) as wall:
        name = wall.live()
        wall.venue.orders.clear()  # it refuses every cancel
        wall.restart()
        assert list(wall.gateway.states.causes(StateReason.ORDERS_OPEN, "ann")) == [name]
        assert f"{name} (unknown)" in wall.gateway.states.standing("ann").reason
        assert whole(wall.holding().buys) == 10, "its lots stay reserved"
        assert [denied.code for _, denied in wall.submit(wall.new(1)).denied] == ["REDUCING"]


def test_a_session_behind_it_asks_as_the_gate_does(tmp_path):
    with Wall(Bench(load("binance"), tmp_path), accounts=("ann", "bob")) as wall:
        wall.venue.by_hand = set()
        with turning(wall.gate.run):
            venue = RemoteVenue(str(wall.gate.path), ["ann", "bob"])
            assert venue.capabilities.answers_questions is False
            limits = LimitGate(parse(WIDE), venue.listings(), ["ann", "bob"])
            session = open_session(
                venue, MemoryJournal(), limits, by_name, SessionTerms(warmup_s=0.0)
            )
            assert session.recovered == []
            session.close()
        assert wall.venue.of_kind(t.STATUS, t.MASS_STATUS) == []
