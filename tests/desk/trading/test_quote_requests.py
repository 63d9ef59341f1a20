"""Requests for quotes at a desk: what comes is checked, lots are asked for once, nothing is taken twice or lost."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import example, given, settings, strategies as st
from tests.desk.trading.desk_of_two import WIDE, S, asked, codes
from tests.desk.trading.quoting import (
    DEALERS,
    Quoting,
    asking,
    quoting_session,
    steps,
    told,
)
from tests.desk.trading.word import Word

from certify.tiny import TinyVenue
from tercel.core.errors import OrderError, VenueError
from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, OrdStatus, Unread, refusal_report
from tercel.core.quotes import QuoteCancel, QuoteReject, QuoteState, QuoteStatus
from tercel.desk.limits import LimitGate, parse
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.trading.archive import ArchiveIndex
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.parent import ParentStatus
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.reconciliation.snapshot import canonical_lines, restore
from tercel.desk.trading.risk.kill_switch import KillLatch

DORA = "dora (password)"


def parent_of(session, name="p1"):
    return session.ledger.parents.require(name)


def order_of(lots=20, **other):
    return asked(**{"lots": lots, "instrument": "TINY", "strategy": "twap_passive", **other})


def at_work(seconds=0.05, options=None, limit_price=None, **order):
    """A session with a parent that is worked a while."""
    session = quoting_session(**options or {})
    session.manager.accept(replace(order_of(**order), limit_price=limit_price))
    steps(session, seconds)
    return session


def by_strategy(lots=5, options=None, **order):
    """A session with a parent whose strategy has asked dealers."""
    return at_work(lots=lots, options=options, strategy="rfq", **order)


def paused(**options):
    """A session with a parent of 20 lots that waits for a person."""
    session = quoting_session(**options)
    session.manager.accept(order_of())
    session.manager.pause("p1", "to ask dealers")
    steps(session)
    return session


def asks(session, lots=5, **words):
    """A person's request for 30 s."""
    return session.quotes.request("p1", lots, **{"seconds": 30, "by": DORA} | words)


def by_person(**options):
    """A session with a parent that is paused, and a request of a person for some of its lots."""
    session = paused(**options)
    return session, asks(session)


def quoted(**options):
    """The same after one quote."""
    session, name = by_person(**options)
    quote = session.venue.quote()
    steps(session)
    return session, name, quote


def refusal(call, *words, **named):
    """Why it was refused."""
    with pytest.raises(OrderError) as error:
        call(*words, **named)
    return str(error.value)


def sound(session):
    """Nothing lost, nothing twice; the journal says what is in memory."""
    assert session.ledger.faults() == []
    hits = session.venue.hits
    assert len(hits) == len({*hits})
    for parent in session.ledger.parents:
        open_ = session.ledger.open_of(parent.id)
        held = session.quotes.withheld_lots(parent.id, with_in_flight=False)
        assert parent.filled_qty + open_ + held * ONE <= parent.lots * ONE
    booked = {fill.exec_id for fill in session.ledger.orders.fills}
    assert booked == {one.exec_id for one in session.venue.executions("ann")}
    again = Ledger.of(session.journal)
    assert list(again.parents) == list(session.ledger.parents)
    assert again.quote_requests == session.ledger.quote_requests


# -- a request from its beginning to its end --------------------------------------------------------------------------


def test_a_person_asks_and_takes_the_best():
    session, name = by_person()
    dear, good = session.venue.quote("D1", 102), session.venue.quote("D2", 101)
    steps(session)
    order = session.quotes.accept(name, good.id, DORA)
    steps(session)
    assert [one.event for one in told(session)][:4] == ["requested", "quoted", "quoted", "accepted"]
    requested, *_ = told(session, "requested")
    assert (requested.side, requested.want, requested.lots, requested.mid2) == (1, 1, 5, 200)
    assert (requested.dealers, requested.by) == ([*DEALERS], DORA)
    assert told(session, "ended")[-1].outcome == "traded"
    assert session.ledger.orders.get(order).status is OrdStatus.FILLED
    assert parent_of(session).filled == 5
    assert session.venue.passed == [(name, (dear.id,))]
    sound(session)
    assert "request for quotes that is open" in refusal(session.quotes.accept, name, dear.id, DORA)


def test_the_entry_and_the_order_are_one_write_and_before_the_venue():
    session, name, quote = quoted()
    writes, journal = [], session.journal
    journal.append, before = (
        lambda entries, sync=True: (
            writes.append([(one.kind, one.body.get("event"), sync) for one in entries]),
            before(entries, sync=sync),
        )[1],
        journal.append,
    )
    session.venue._take = lambda order: writes.append(order.quote)
    session.quotes.accept(name, quote.id, DORA)
    assert writes[:2] == [[("quote", "accepted", True), ("order_out", None, True)], quote.id]


def test_the_mid_is_noted_after_a_request():
    session, name = by_person()
    steps(session, 65)
    assert [one.after_s for one in told(session, "drift", name)] == [1.0, 10.0, 60.0]
    asked_ns = next(one.ns for _, one in session.journal.read(kinds=(kinds.QUOTE,)))
    found = [one for _, one in session.journal.read(kinds=(kinds.QUOTE,))]
    at = [one.ns - asked_ns for one in found if one.body["event"] == "drift"]
    assert at == [1 * S, 10 * S, 60 * S]
    assert told(session, "ended")[-1].outcome == "unanswered"


@pytest.mark.parametrize("hidden", [False, True])
def test_a_hidden_side_is_not_shown(hidden):
    session = at_work(side=-1)
    session.manager.pause("p1", "to ask dealers")
    name = asks(session, hidden=hidden)
    assert session.venue.requests[-1].side == (0 if hidden else -1)
    assert told(session, "requested")[-1].want == -1
    quote = session.venue.quote(price=101 if hidden else 99)
    steps(session)
    session.quotes.accept(name, quote.id, DORA)
    steps(session)
    (fill,) = session.ledger.orders.fills
    assert (fill.side, fill.px) == (-1, 99 * ONE)


def test_it_ends_at_its_time_and_when_nobody_is_left():
    session, name = by_person()
    session.venue.quote("D1", until_ns=session.now_ns + 60 * S)
    steps(session, 31)
    assert told(session, "ended", name)[-1].outcome == "expired"
    name = asks(session)
    where = "TINY", "ann", session.now_ns
    for dealer in DEALERS:
        session.venue.say(QuoteReject(name, dealer, *where, "no inventory"))
    steps(session)
    assert [one.text for one in told(session, "declined", name)] == ["no inventory"] * 3
    assert told(session, "ended", name)[-1].outcome == "unanswered"


def test_what_dealers_and_venue_say_of_quotes():
    session, name = by_person()
    one, two, first, three = (session.venue.quote(dealer) for dealer in (*DEALERS, "D3"))
    session.venue.say(QuoteCancel(one.id, name, "D1", "TINY", "ann", session.now_ns, "too late"))
    session.venue.say(QuoteStatus(two.id, "", QuoteState.EXPIRED, "TINY", "ann", session.now_ns))
    steps(session)
    assert told(session, "withdrawn")[-1].text == "too late"
    status = told(session, "status")[-1]
    assert (status.id, status.state) == (two.id, "expired")
    for gone, why in ((one, one.id), (two, two.id), (first, "replaced")):
        assert why in refusal(session.quotes.accept, name, gone.id, DORA)
    session.quotes.accept(name, three.id, DORA)
    assert session.venue.hits == [three.id]


# -- bad input --------------------------------------------------------------------------------------------------------
NAN = float("nan")
BAD = {
    "a price that is none": ({"offer": NAN}, "whole ticks"),
    "a price between two ticks": ({"offer": 101.5}, "whole ticks"),
    "a price of nothing": ({"offer": 0}, "from the mid"),
    "a price below nothing": ({"offer": -101}, "from the mid"),
    "through the book": ({"offer": 90}, "more than 500 bps from the mid"),
    "far away": ({"offer": 110}, "more than 500 bps from the mid"),
    "another side": ({"bid": 99, "offer": None}, "to buy at"),
    "bid above offer": ({"bid": 103, "offer": 101}, "above the offer"),
    "more lots than asked for": ({"lots": 6}, "1 to 5"),
    "no lots": ({"lots": 0}, "1 to 5"),
    "lots that are none": ({"lots": NAN}, "whole ticks"),
    "another name": ({"instrument": "ELSE"}, "requested 'TINY'"),
    "another account": ({"account": "bob"}, "not 'ann'"),
    "a dealer never asked": ({"dealer": "D9"}, "not in the request"),
    "a request never made": ({"request": "r0"}, "no request"),
    "one that had expired": ({"until_ns": 10**18}, "had expired"),
    "one of tomorrow": ({"until_ns": 2 * 10**18}, "ahead of the clock"),
    "a clock that is off": ({"ns": 2 * 10**18}, "ahead of the clock"),
    "a long name": ({"id": "q" * 201}, "not printable, or longer than 200 characters"),
    "a name of two lines": ({"id": "q\n1"}, "not printable, or longer than 200 characters"),
    "a name of no text": ({"id": "q\udcff"}, "not printable, or longer than 200 characters"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_quote_that_cannot_be_is_noted_and_not_taken(case):
    words, why = BAD[case]
    session, name = by_person()
    quote = session.venue.quote(**words)
    steps(session)
    (noted,) = told(session, "unusable")
    assert why in noted.text
    assert not told(session, "quoted")
    assert refusal(session.quotes.accept, name, quote.id, DORA)
    good = session.venue.quote("D3")
    steps(session)
    session.quotes.accept(name, good.id, DORA)
    steps(session)
    assert parent_of(session).filled == 5
    sound(session)


def test_a_message_about_quotes_that_cannot_be_read_disturbs_no_market():
    session, _ = by_person()
    session.manager.resume("p1", "go on")
    steps(session)
    executor = session.manager.executors["p1"]
    now = session.now_ns
    session.venue.say(Unread("35=S|...", "a price above zero", now, "", "ann", "TINY"))
    session.venue.say(Unread("35=S|...", "no request was made", now))
    steps(session)
    assert session.manager.executors["p1"] is executor
    assert not executor.detach_reason


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"lots": 0}, "1 to 20 lots"),
        ({"lots": 21}, "1 to 20 lots"),
        ({"lots": 2.0}, "1 to 20 lots"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": NAN}, "seconds"),
        ({"seconds": 10**6}, "seconds"),
        ({"seconds": "soon"}, "seconds"),
        ({"dealers": ["D1", "D1"]}, "each once"),
        ({"dealers": ["D\x001"]}, "names of dealers"),
        ({"parent": "p9"}, "p9"),
    ],
)
def test_a_request_that_cannot_be_made(words, why):
    session = paused()
    said = {"parent": "p1", "lots": 5, "dealers": (), "seconds": 10, **words}
    assert why in refusal(session.quotes.request, *said.values(), by=DORA)
    assert not told(session)
    assert not session.venue.requests
    assert session.quotes.withheld_lots("p1") == 0


# -- what limits and people allow -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"value": 0}, "RFQ_VALUE"),
        ({"dealers": 2}, "DEALERS"),
        (None, "RFQ_VALUE"),
    ],
)
def test_limits_refuse_before_anybody_is_asked(limits, why):
    # None: a file of before.
    session = paused(limits=WIDE if limits is None else asking(**limits))
    assert why in refusal(asks, session)
    assert not session.venue.requests
    assert not told(session)
    assert session.manager.free_lots(parent_of(session)) == 20


def test_a_quote_passes_the_collar_of_the_moment_in_which_it_is_taken():
    session, name, quote = quoted(limits=asking(collar=150))
    session.limits.mark("TINY", BestQuotes(95, 97), session.now_ns)
    assert "COLLAR" in refusal(session.quotes.accept, name, quote.id, DORA)
    assert session.venue.hits == []


def test_a_quote_beyond_the_parents_limit_price_is_not_taken():
    session = at_work(limit_price=100 * 0.05)
    session.manager.pause("p1", "to ask dealers")
    name = asks(session)
    quote = session.venue.quote(price=101)
    steps(session)
    assert "limit price" in refusal(session.quotes.accept, name, quote.id, DORA)


def test_only_a_person_takes_quotes_where_the_desk_says_so():
    session = by_strategy(options={"limits": asking(person=True)})
    (request,) = session.venue.requests
    good = session.venue.quote("D1", 101)
    for dealer in DEALERS[1:]:
        session.venue.quote(dealer, 102)
    steps(session, 10)
    assert session.venue.hits == []
    assert "PERSON_ACCEPTS" in refusal(session.quotes.accept, request.id, good.id)
    session.quotes.accept(request.id, good.id, DORA)
    steps(session)
    assert session.venue.hits == [good.id]
    assert parent_of(session).status is ParentStatus.DONE


def test_a_killed_agent_takes_nothing_and_its_requests_are_passed(tmp_path):
    latch = KillLatch(tmp_path / "kill.json")
    session, name, quote = quoted(latch=latch)
    latch.kill("runaway", "bob", 1, ["ann"])
    assert "KILLED" in refusal(session.quotes.accept, name, quote.id, DORA)
    steps(session)
    assert told(session, "ended", name)[-1].outcome == "passed"
    assert session.venue.hits == []


def test_people_say_it_through_the_inbox(tmp_path):
    session = quoting_session(journal=SqlJournal(tmp_path))
    word = Word(session, tmp_path)
    session.manager.accept(order_of())
    word("take_over", parent="p1")
    (entry,) = word("request_quotes", parent="p1", lots=5, dealers=["D1", "D2"], seconds=20)
    name = entry.body["request"]
    assert session.venue.requests[-1].dealers == ("D1", "D2")
    assert "1 to 15" in word.refused("order", parent="p1", lots=16)
    good, other = session.venue.quote("D1"), session.venue.quote("D2", 102)
    steps(session)
    assert "q77" in word.refused("accept_quote", request=name, quote="q77")
    (entry,) = word("pass_quotes", request=name, quotes=[other.id])
    assert entry.body["ids"] == [other.id]
    (entry,) = word("accept_quote", request=name, quote=good.id)
    assert (entry.body["id"], entry.body["by"], entry.order) == (good.id, DORA, "p1.01")
    steps(session)
    assert parent_of(session).filled == 5
    assert name in word.refused("pass_quotes", request=name)
    sound(session)


# -- orders whose strategy asks dealers -------------------------------------------------------------------------------


def test_an_order_by_rfq_asks_all_and_takes_the_best():
    session = by_strategy(5)
    (request,) = session.venue.requests
    assert (request.lots, request.dealers, request.side) == (5, DEALERS, 1)
    assert "p1" not in session.manager.executors
    session.venue.quote("D1", 102)
    steps(session)
    session.venue.quote("D2", 101)
    steps(session)
    assert session.venue.hits == []
    best = session.venue.quote("D3", 101)
    steps(session)
    assert session.venue.hits == [told(session, "quoted")[1].id] != [best.id]
    assert parent_of(session).status is ParentStatus.DONE
    kinds_of = [one.body["event"] for _, one in session.journal.read(kinds=(kinds.PARENT,))]
    assert kinds_of == ["accepted", "arrived", "done"]
    sound(session)


def test_a_part_is_traded_and_the_rest_is_worked():
    session = by_strategy(8, horizon_s=60)
    for dealer in DEALERS:
        session.venue.quote(dealer, 101 + (dealer != "D1"), lots=3)
    steps(session, 16)
    assert len(session.venue.hits) == 3  # 3, 3 and 2 of 8 lots
    assert parent_of(session).status is ParentStatus.DONE


def test_a_last_look_lets_the_next_best_be_taken():
    session = by_strategy(5)
    best = session.venue.quote("D1", 100)
    second = session.venue.quote("D2", 101)
    session.venue.say(QuoteReject(second.request, "D3", "TINY", "ann", session.now_ns))
    hits = session.venue.hits
    while not hits:
        session.step(session.now_ns + 10**6)
    session.venue.mid += 1.0
    steps(session)
    assert hits == [best.id, second.id]
    assert parent_of(session).filled == 5
    rejected = session.ledger.orders.get("p1.01")
    assert rejected.status is OrdStatus.REJECTED
    assert told(session, "ended")[-1].outcome == "traded"
    sound(session)


def test_what_no_dealer_may_be_asked_for_is_worked_in_the_book_and_it_is_said_once():
    """A venue without dealers; limits that refuse."""
    tiny = TinyVenue()
    tiny._listings = [replace(one, dense_ids=1 << 14) for one in tiny._listings]
    for code, venue, value in (("no_quotes", tiny, 10**7), ("not_asked", Quoting(), 0)):
        session = quoting_session(venue, limits=asking(value=value))
        for name in ("p1", "p2"):
            session.manager.accept(order_of(2, id_=name, strategy="rfq", horizon_s=30))
        steps(session, 31)
        assert parent_of(session).filled + parent_of(session, "p2").filled == 4
        assert codes(session).count(code) == (1 if venue is tiny else 2)


# -- lots -------------------------------------------------------------------------------------------------------------


def test_an_executor_that_is_done_with_its_part_ends_no_parent():
    session = quoting_session()
    session.manager.accept(order_of(3, horizon_s=50, strategy="immediate"))
    name = asks(session, 2)
    steps(session, 28)
    assert parent_of(session).filled == 1
    assert "p1" not in session.manager.executors
    assert parent_of(session).status is ParentStatus.WORKING
    steps(session, 3)
    assert told(session, "ended", name)[-1].outcome == "unanswered"
    assert session.manager.executors["p1"].order.quantity == 2
    steps(session, 25)
    assert parent_of(session).status is ParentStatus.DONE
    assert parent_of(session).filled == 3
    sound(session)


OPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.integers(1, 12), st.integers(1, 20)),
        st.tuples(st.just("quote"), st.sampled_from(("D1", "D2", "D3")), st.integers(99, 103)),
        st.tuples(st.just("part"), st.sampled_from(("D1", "D2", "D3")), st.integers(1, 5)),
        st.tuples(st.just("accept"), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("pass"), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("move"), st.integers(-2, 2), st.none()),
        st.tuples(st.just("steps"), st.sampled_from((0.001, 0.02, 1.0, 7.0, 40.0)), st.none()),
        st.tuples(
            st.just("manage"),
            st.sampled_from(("pause", "resume", "amend", "shrink", "cancel", "detach")),
            st.none(),
        ),
    ),
    min_size=3,
    max_size=30,
)


def hostile(strategy, lots, ops):
    """A session through anything that people, dealers and the market may do, then to the end of its parent."""
    session = quoting_session()
    venue = session.venue
    session.manager.accept(order_of(lots, strategy=strategy, horizon_s=120))
    steps(session)
    for what, one, two in ops:
        names = [*session.quotes._open] or ["r0"]
        quotes = [*session.quotes.book.quotes] or ["q0"]
        try:
            if what == "request":
                session.quotes.request("p1", one, DEALERS[: 1 + one % 3], two, by=DORA)
            elif what in ("quote", "part") and venue.requests:
                venue.quote(one, two) if what == "quote" else venue.quote(one, lots=two)
            elif what == "accept":
                session.quotes.accept(names[one % len(names)], quotes[one % len(quotes)], DORA)
            elif what == "pass":
                session.quotes.pass_quotes(
                    names[one % len(names)], quotes[-1:] if two else (), DORA
                )
            elif what == "move":
                venue.mid += one
            elif what == "steps":
                steps(session, one)
            elif what == "manage" and one in ("amend", "shrink"):
                session.manager.amend("p1", "a person", lots=lots + (5 if one == "amend" else -3))
            elif what == "manage" and one == "detach":
                if (executor := session.manager.executors.get("p1")) is not None:
                    session.manager.detach(executor, "a test")
            elif what == "manage":
                getattr(session.manager, one)("p1", "a person")
        except (OrderError, VenueError):
            pass
        sound(session)
    parent = parent_of(session)
    if parent.status is ParentStatus.PAUSED and parent.ends_ns > session.now_ns:
        with suppress(OrderError):  # its agent was killed: no venue gave a reference for a minute
            session.manager.resume("p1", "go on")
    steps(session, 130)
    assert parent_of(session).over
    assert not session.quotes.open
    assert not session.ledger.quote_requests
    assert not session.ledger.orders.live()
    sound(session)
    ended = [one.request for one in told(session, "ended")]
    assert sorted(ended) == sorted(one.request for one in told(session, "requested"))
    return session


@settings(max_examples=10, deadline=None)
# Fewer lots than dealers hold and the agent has at work: refused.
@example(
    ops=[("request", 3, 1), ("request", 12, 1), ("manage", "shrink", None)],
    strategy="twap_passive",
    lots=18,
)
@given(ops=OPS, strategy=st.sampled_from(["rfq", "twap_passive"]), lots=st.integers(4, 20))
def test_no_lot_is_asked_for_twice_whatever_happens(ops, strategy, lots):
    hostile(strategy, lots, ops)


@pytest.mark.release
@settings(max_examples=600, deadline=None)
@given(ops=OPS, strategy=st.sampled_from(["rfq", "twap_passive"]), lots=st.integers(4, 20))
def test_no_lot_is_asked_for_twice_in_many_sequences(ops, strategy, lots):
    hostile(strategy, lots, ops)


# -- dealers that mean no good ----------------------------------------------------------------------------------------


def answered(session, *prices, **words):
    """All dealers answer the last request."""
    found = [
        session.venue.quote(dealer, price, **words)
        for dealer, price in zip(DEALERS, prices, strict=True)
    ]
    while not session.venue.hits and not told(session, "ended"):
        session.step(session.now_ns + 10**6)
    return found


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("limit", [None, 100 * 0.05])
@pytest.mark.parametrize("within", [0.0, 50.0, 10_000.0, 20_000.0])
def test_the_best_quote_within_the_bound_is_taken_on_either_side(side, limit, within):
    """Against a plain rule: no worse than the limit price, nor than so many bps from the mid of 100 ticks."""
    session = by_strategy(side=side, limit_price=limit)
    for one in session.quotes._open.values():
        one.within = within
    prices = [100 + side * far for far in (2, 0, 1)]
    quotes = answered(session, *prices)
    bound = 100 + side * 100 * within / 10_000
    good = [
        quote.id
        for price, quote in sorted(zip(prices, quotes, strict=True), key=lambda one: side * one[0])
        if side * (price - bound) <= 0 and (limit is None or side * (price - 100) <= 0)
    ]
    steps(session)
    assert session.venue.hits == good[:1]


@pytest.mark.parametrize("side", [1, -1])
def test_without_a_mid_no_strategy_takes_a_quote_and_none_ends_the_desk(side):
    session = quoting_session()
    session.manager.accept(order_of(5, side=side, strategy="rfq"))
    steps(session)
    session.limits.instruments["TINY"].sane = False
    session.quotes._mid2 = lambda instrument: None
    answered(session, 100, 100, 100)
    steps(session, 20)
    assert session.venue.hits == []


def test_an_order_that_was_accepted_is_the_last_of_its_request():
    """The venue accepts it, and then says that it was rejected: it may still trade."""
    session = by_strategy(20)
    session.venue._take = session.venue.hits.append
    quotes = answered(session, 100, 100, 101)
    (take,) = session.venue.hits
    for n, (kind, status) in enumerate(
        ((ExecType.NEW, OrdStatus.NEW), (ExecType.REJECTED, OrdStatus.REJECTED))
    ):
        session.venue.say(refusal_report(take, f"E{n}", session.now_ns, "", kind, status))
    steps(session, 5)
    assert session.venue.hits == [take]
    assert [one.outcome for one in told(session, "ended")] == ["rejected"]
    assert take.quote in {quote.id for quote in quotes}
    late = replace(
        refusal_report(take, "E9", session.now_ns, "", ExecType.TRADE, OrdStatus.FILLED),
        last_qty=20 * ONE,
        last_px=100 * ONE,
        cum_qty=20 * ONE,
    )
    session.venue.say(late)
    steps(session, 1)
    assert parent_of(session).filled == 20, "and no lot of it was traded elsewhere meanwhile"


@pytest.mark.parametrize("error", [ValueError("odd"), TypeError("odd"), OverflowError("odd")])
def test_whatever_a_take_raises_on_its_way_ends_no_desk(error):
    session, name, quote = quoted()

    def fails(order):
        raise error

    session.venue._take = fails
    order = session.quotes.accept(name, quote.id, DORA)
    assert session.ledger.orders.get(order).status is OrdStatus.UNKNOWN
    steps(session, 8)
    assert "send_failed" in codes(session)
    assert session.quotes.withheld_lots("p1") == 5, "no other order may have its lots"


# -- restarts ---------------------------------------------------------------------------------------------------------


def again(session):
    """Another session after the first ended without a word."""
    return quoting_session(session.venue, session.journal, warm_s=0)


def test_a_request_ends_with_its_session():
    session, name, quote = quoted(journal=MemoryJournal())
    session = again(session)
    assert [one.outcome for one in told(session, "ended", name)] == ["expired"]
    assert session.quotes.withheld_lots("p1") == 0
    assert "is open" in refusal(session.quotes.accept, name, quote.id, DORA)
    session.venue.quote("D1")
    steps(session)
    assert told(session, "unusable")[-1].text == "no request of that name is open"
    assert session.venue.hits == []
    sound(session)


def test_a_snapshot_has_what_is_asked_and_what_it_counts_for():
    session, name, quote = quoted(journal=MemoryJournal())
    session.quotes.accept(name, quote.id, DORA)
    listings = session.venue.listings()
    one, other = (LimitGate(parse(asking()), listings, ["ann", "bob"]) for _ in range(2))
    lines = list(canonical_lines(refold(session.journal, one), one))
    ledger = Ledger(ArchiveIndex(session.journal), other)
    restore(iter(lines), ledger, other)
    assert list(canonical_lines(ledger, other)) == lines
    assert ledger.quote_requests == session.ledger.quote_requests
    assert [len(told) for told in ledger.quote_requests.values()] == [2]
    assert other.desk.requests == session.limits.desk.requests


@pytest.mark.parametrize(
    "error",
    [VenueError("a link", "none", "wait"), OrderError("another request", "this", "ask otherwise")],
)
def test_a_request_that_does_not_leave_loses_nothing_and_gives_the_executor_nothing(error):
    session = at_work(5, decisions=300)
    session.venue.request_quotes = lambda request: (_ for _ in ()).throw(error)
    with pytest.raises(VenueError):
        asks(session)
    assert [one.event for one in told(session)] == ["requested", "ended"]
    assert session.quotes.withheld_lots("p1") == 0
    assert session.manager.executors["p1"].order.quantity == 20
    sound(session)


# -- lots and quotes that were lost -----------------------------------------------------------------------------------


def test_all_that_is_left_of_a_paused_parent_may_be_asked_for():
    session = at_work(40, decisions=300)
    session.manager.pause("p1", "to ask dealers")
    steps(session, 2)
    assert 0 < parent_of(session).filled < 20
    asks(session, session.manager.free_lots(parent_of(session)), seconds=9)
    steps(session, 2)
    assert parent_of(session).status is ParentStatus.PAUSED
    steps(session, 10)
    session.manager.resume("p1", "on")
    assert session.manager.executors["p1"].left == parent_of(session).left > 0


@pytest.mark.parametrize("seconds", [0, 1])
def test_an_executor_that_begins_beside_a_request_has_all_that_is_left(seconds):
    """With the fill of a quote, or after it; and a later amendment changes what it has by as much."""
    session = at_work(5, decisions=300)
    name = asks(session, 10)
    quote = session.venue.quote(lots=4)
    steps(session, 0.1)
    session.quotes.accept(name, quote.id, DORA)
    steps(session, seconds)
    session.manager.detach(session.manager.executors["p1"], "a gap")
    steps(session, 1)
    assert session.manager.executors["p1"].left == parent_of(session).left - 6
    session.quotes.pass_quotes(name, by=DORA)
    session.manager.amend("p1", "more", lots=30)
    steps(session, 1)
    assert session.manager.executors["p1"].left == parent_of(session).left > 20


def test_a_quote_of_an_unnamed_dealer_is_not_the_last_word_of_all():
    session = by_strategy(20)
    session.venue._take = lambda order: session.venue.hits.append(order.quote)
    session.venue.quote("", 103)
    steps(session, 0.1)
    best = session.venue.quote("", 101)
    steps(session, 16)
    assert session.venue.hits == [best.id]
