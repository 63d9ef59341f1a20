"""Positions over FIX: the standard's words by a dictionary of others, what our server answers, and all that can be
wrong with an answer, at our initiator and in a session that trades."""

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings, strategies as st
from tests.desk.trading.desk_of_two import Flaky, S, asked, exchange_of, session_of
from tests.fix.plain import parse
from tests.fix.relay import Relay
from tests.waiting import until

from certify.tiny import TinyVenue
from exchange.fix import positions as answering, service
from exchange.fix.counterparties import Login
from tercel.core.capabilities import Capabilities
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.core.link.connection import WaitLimits
from tercel.core.link.price_scale import PriceScale
from tercel.core.orders import Holdings, NewOrder, Unread
from tercel.core.ports import Entry
from tercel.desk.trading.inbox import carry_out
from tercel.desk.trading.journal import kinds
from tercel.fix import positions, tags as t
from tercel.fix.opening import open_fix_venue
from tercel.fix.own_dialect import own_dictionary
from tercel.fix.profiles import load
from tercel.fix.protocol.codec import decode, encode
from tercel.fix.protocol.dictionary import standard
from tercel.fix.protocol.message import Message
from tercel.fix.protocol.quickfix_xml import read_xml
from tercel.fix.protocol.validate import first_fault

NOW = 1_750_000_000 * 10**9
HEAD = [(49, "B"), (56, "A"), (34, "7"), (52, "20250615-15:06:40.250")]
SCALES = {"XYZ": PriceScale(0.01, 10), "ABC": PriceScale(0.05, 1)}


class Holder(TinyVenue):
    """A venue that says what accounts hold."""

    def __init__(self, **held):
        super().__init__()
        self.held = {account: in_parts(lots) for account, lots in held.items()}

    def positions(self, account):
        return dict(self.held.get(account, {}))


def in_parts(lots):
    return {name: int(many * ONE) for name, many in lots.items()}


class Silent(TinyVenue):
    """A venue that tells no positions."""

    positions = None
    capabilities = Capabilities()


class Elsewhere(Flaky):
    """An exchange at which accounts have other lots than it reported: a bust that got lost, or another's trade."""

    def __init__(self, venue):
        super().__init__(venue)
        self.moved = Counter()

    @property
    def capabilities(self):
        return replace(self._venue.capabilities, positions=self)

    def positions(self, account):
        lots = Counter(self._venue.positions(account))
        lots.update({"X": self.moved[account] * ONE})
        return dict(lots)


def questions():
    left = []

    def send(ready):
        left.extend(ready)
        return 40 + len(left)

    words = load("tercel"), SCALES, lambda: "P1", send, lambda: NOW, 5.0
    asks = positions.PositionRequests(*words, clock=lambda: 0.0)
    asks.ask_positions("ann")
    return asks, left[0]


def message(kind, **fields):
    return Message(
        "FIX.4.4", [(35, kind), *HEAD, *((int(tag[1:]), value) for tag, value in fields.items())]
    )


WHOSE = {"_1": "ann", "_581": "1"}


def ack(**changed):
    said = {"_721": "R0", "_710": "P1", "_727": "1", "_728": "0", "_729": "0", **WHOSE, **changed}
    return message("AO", **{tag: value for tag, value in said.items() if value})


def report(symbol="XYZ", name="R1", **changed):
    said = {
        "_721": name,
        "_710": "P1",
        "_727": "1",
        "_728": "0",
        "_715": "20250615",
        **WHOSE,
        "_55": symbol,
    }
    said |= {
        "_730": "0",
        "_731": "1",
        "_734": "0",
        "_702": "1",
        "_703": "TQ",
        "_704": "30",
        **changed,
    }
    return message("AP", **{tag: value for tag, value in said.items() if value})


def heard(asks, *messages):
    return [one for each in messages for one in asks.read(each, NOW)]


# -- a dictionary of others -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def others(foreign_engines):
    """FIX 4.4 as the reference engine has it, here as jspurefix brings it along."""
    return read_xml(foreign_engines / "node_modules" / "jspurefix" / "data" / "FIX44.xml")


def by(dictionary, kind, fields):
    made = decode(encode("FIX.4.4", [(35, kind), *HEAD, *fields]), dictionary.data_fields)
    assert first_fault(made, dictionary) is None, (first_fault(made, dictionary), fields)
    assert made.kind in dictionary.messages
    return made


@pytest.mark.parametrize("held", [{}, {"XYZ": 3}, {"XYZ": -3, "ABC": 7}])
@pytest.mark.parametrize("whose", ["ours", "others"])
def test_every_word_is_as_the_dictionaries_have_it(request, whose, held):
    dictionary = request.getfixturevalue("others") if whose == "others" else standard("FIX.4.4")
    asks, ready = questions()
    question = by(dictionary, ready.kind, ready.fields)
    wanted = {
        710: "P1",
        724: "0",
        263: "0",
        1: "ann",
        581: "1",
        715: "20250615",
        60: "20250615-15:06:40.000",
    }
    assert {tag: question.get(tag) for tag in wanted} == wanted
    numbers = count(1)
    told = answering.answers(question, Holder(ann=held), SCALES, lambda: f"R{next(numbers)}", NOW)
    (found,) = heard(asks, *(by(dictionary, kind, fields) for kind, fields in told))
    assert found == Holdings("ann", in_parts(held), NOW)
    refused = answering.refusal(
        question, answering.PositionsRefusedError("this", "that", positions.UNSUPPORTED), "R9"
    )
    by(dictionary, *refused)


@settings(deadline=None)
@given(
    held=st.dictionaries(st.sampled_from(["XYZ", "ABC", "NOT LISTED"]), st.integers(-9999, 9999)),
    data=st.data(),
)
def test_what_a_server_says_is_what_an_initiator_hears_in_any_order(held, data):
    asks, ready = questions()
    question = Message("FIX.4.4", [(35, ready.kind), *HEAD, *ready.fields])
    numbers = count(1)
    told = answering.answers(question, Holder(ann=held), SCALES, lambda: f"R{next(numbers)}", NOW)
    said = [by(standard("FIX.4.4"), kind, fields) for kind, fields in told]
    again = [one for one in said for _ in range(data.draw(st.integers(1, 2)))]
    found = heard(asks, *data.draw(st.permutations(again)))
    whole = [one for one in found if one.asked]
    assert [one.qty for one in whole] == [
        in_parts({name: lots for name, lots in held.items() if lots})
    ]


# -- what can be wrong with an answer ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            [ack(_728="3", _729="2", _58="not you")],
            "not authorized to request positions (728=3) not you",
        ),
        ([ack(_728="99", _58="tomorrow")], "a reason of its own (728=99) tomorrow"),
        ([ack(_729="2", _727="")], "728=0"),
        ([ack(_727="2"), report(_727="1")], "727=2, as before; received 727=1"),
        ([ack(), report(_1="bob")], "account ann; received 1=bob"),
        ([ack(), report(_55="")], "a symbol (55)"),
        ([ack(), report(_703="SOD")], "703=TQ; received 55=XYZ, 703=SOD"),
        (
            [ack(), report(_704="35.000000001")],
            "8 decimals at most, in whole 10^-8 of 10; received 704=35.0",
        ),
        ([ack(), report(_728="1")], "728=0 in a report; received 728=1"),
        ([message("3", _45="41", _58="Required tag missing")], "refused: Required tag missing"),
        ([message("j", _45="41", _372="AN", _380="6", _58="no")], "refused: no"),
    ],
)
def test_what_cannot_be_used_is_said(said, why):
    asks, _ = questions()
    (found,) = heard(asks, *said)
    assert why in found.why
    assert (found.account, dict(found.qty), found.never) == ("ann", {}, False)
    assert asks.overdue(99.0, NOW) == [], "it is over"


@pytest.mark.parametrize(
    "said", [ack(_728="4", _729="2"), message("j", _45="41", _372="AN", _380="3", _58="what?")]
)
def test_a_venue_that_tells_nobody_is_told_apart(said):
    asks, _ = questions()
    (found,) = heard(asks, said)
    assert found.never


@pytest.mark.parametrize(
    ("said", "lots"),
    [
        ([ack(_728="2", _727="")], {}),
        ([ack(_727="0")], {}),
        ([ack(_727=""), report(_704="", _705="50")], {"XYZ": -5}),
        ([report()], {"XYZ": 3}),
        ([report(_704="35")], {"XYZ": 3.5}),
        ([report(_710="")], {"XYZ": 3}),
        ([report(_728="2", _55="", _702="0", _703="", _704="")], {}),
        (
            [ack(_727="2"), report(_727=""), report("XYZ", "R2", _727="", _704="", _705="10")],
            {"XYZ": 2},
        ),
        (
            [ack(_727="2"), report(_727=""), report(_727=""), report("NEW", "R2", _727="")],
            {"XYZ": 3, "NEW": 30},
        ),
    ],
)
def test_answers_as_venues_may_give_them(said, lots):
    asks, _ = questions()
    assert heard(asks, *said) == [Holdings("ann", in_parts(lots), NOW)]


def test_reports_that_are_missing_are_counted_when_the_time_is_over_or_the_link_is():
    for end in (lambda asks: asks.overdue(5.1, NOW), lambda asks: asks.forget(NOW)):
        asks, _ = questions()
        assert heard(asks, ack(_727="2"), report(_727="2")) == []
        assert asks.overdue(4.9, NOW) == []
        (found,) = end(asks)
        assert "1 of 2 position reports" in found.why
        assert end(asks) == []


def test_what_nobody_asked_for_is_news_or_unread():
    asks, _ = questions()
    news = report(_710="", _325="Y", _727="")
    assert heard(asks, news) == [Holdings("ann", {"XYZ": 3 * ONE}, NOW, asked=False)]
    (unread,) = heard(asks, report(_710="", _325="Y", _703="IAS"))
    assert isinstance(unread, Unread)
    assert "703=TQ" in unread.why
    heard(asks, ack(), report())
    assert heard(asks, report("ABC", "R2"))[0].asked is False, "one more than there were"
    late = Message("FIX.4.4", [*report("ABC", "R3").fields, (43, "Y")])
    assert heard(asks, ack(), late) == [], "about a question that is over, and repeated"
    assert asks.read(message("8"), NOW) is None
    assert asks.read(message("3", _45="9"), NOW) is None


# -- profiles ---------------------------------------------------------------------------------------------------------


# -- our server -------------------------------------------------------------------------------------------------------
def question(**changed):
    said = {"_710": "q", "_724": "0", "_263": "0", "_1": "ann", "_581": "1", "_715": "20250615"}
    said |= {"_60": "20250615-15:06:40", **changed}
    return [(int(tag[1:]), value) for tag, value in said.items() if value]


def told_to(client, kinds="AO AP j 3"):
    raw = client.hear_raw()
    fields = parse(raw)
    assert first_fault(decode(raw), own_dictionary("FIX.4.4")) is None, fields
    assert not [tag for tag, _ in fields if tag >= 5000], fields
    assert dict(fields)[35] in kinds.split()
    return dict(fields)


@pytest.fixture
def stranger(serve, plain):
    def make(venue, name="A", *logins):
        if not make.served:
            make.served.append(serve(["A", "B", *logins], venue=venue))
        return plain(name, own=False)

    make.served = []
    return make


def test_a_stranger_is_told_in_the_words_of_the_standard(stranger):
    client = stranger(Holder(ann={"TINY": -4, "GONE": 0}))
    client.say("AN", question())
    said = told_to(client)
    assert [said[tag] for tag in (35, 710, 727, 728, 729, 1)] == ["AO", "q", "1", "0", "0", "ann"]
    said = told_to(client)
    assert [said[tag] for tag in (35, 710, 727, 728, 55, 703, 705)] == [
        "AP",
        "q",
        "1",
        "0",
        "TINY",
        "TQ",
        "40",
    ]
    assert 704 not in said
    client.say("AN", question(_1="A", _710="none"))
    said = told_to(client)
    assert [said[tag] for tag in (35, 710, 727, 728, 729)] == ["AO", "none", "0", "2", "0"]
    client.say("1", [(112, "over")])
    assert client.hear()[112] == "over", "no report of nothing"


@pytest.mark.parametrize(
    ("changed", "result"),
    [({"_724": "1"}, "1"), ({"_263": "1"}, "1"), ({"_55": "ELSE"}, "1"), ({"_1": "of B"}, "3")],
)
def test_what_is_not_told_is_refused_with_its_code(stranger, changed, result):
    other = stranger(Holder(ann={"TINY": 1}), "B")
    other.say("AN", question(_1="of B"))
    assert told_to(other)[728] == "2"
    client = stranger(None)
    client.say("AN", question(**changed))
    said = told_to(client)
    assert [said[tag] for tag in (35, 728, 729)] == ["AO", result, "2"]
    assert said[58]


def test_who_may_ask_for_whom(stranger):
    venue = Holder(ann={"TINY": 1}, bob={"TINY": 2})
    owner = stranger(venue, "A", Login("COPY", copies=("ann",)), Login("RISK", risk=True))
    copy, risk = stranger(venue, "COPY"), stranger(venue, "RISK")
    for client, account, result in ((copy, "bob", "3"), (risk, "ann", "3"), (copy, "ann", "0")):
        client.say("AN", question(_1=account))
        assert told_to(client)[728] == result, (client.comp_id, account)
    assert told_to(copy)[35] == "AP"
    owner.say("AN", question(_1="bob"))
    assert told_to(owner)[728] == "0", "who was refused has claimed nothing"


class Dumb(Holder):
    """A venue that does not answer just now."""

    def positions(self, account):
        raise VenueError("a link", "none", "wait")


@pytest.mark.parametrize(("venue", "result"), [(Dumb, "99"), (Silent, "4")])
def test_a_venue_that_cannot_say_or_tells_none_says_so(stranger, venue, result):
    client = stranger(venue())
    client.say("AN", question())
    said = told_to(client)
    assert (said[728], said[729]) == (result, "2")


# -- a session that trades --------------------------------------------------------------------------------------------
def alerts(session):
    return [entry.body["code"] for _, entry in session.journal.read(kinds=[kinds.ALERT])]


def position_alerts(session):
    return [code for code in alerts(session) if code.startswith("POSITIONS")]


def go_on(session, seconds):
    """In turns, with a heartbeat in every sixth."""
    for _ in range(seconds // 10):
        session.run_until(session.now_ns + 10 * S)


def answered(session):
    """Until nothing that was asked is on its way."""
    until(
        lambda: session.step(session.now_ns) is not None and not session.positions._awaited,
        what="an answer",
    )


def new_orders(venue):
    return sum(isinstance(command, NewOrder) for command in venue.sends)


def settle(session, reason="lots from before"):
    body = {"command": "settle", "body": {}, "id": 1, "by": "eve", "reason": reason}
    carry_out(
        session.gateway, Entry(kinds.OPERATOR, session.now_ns, body=body), session.commands.execute
    )


@pytest.fixture
def trading(serve, connect):
    """A session over FIX that has traded, and the exchange behind it."""
    venue = Elsewhere(exchange_of())
    serve(["TRADER"], venue=venue)
    session = session_of(connect("TRADER"))
    session.manager.accept(asked(lots=400, horizon_s=1200, decisions=120, strategy="twap_passive"))
    go_on(session, 120)
    assert session.ledger.positions.of("ann", "X").qty == venue.positions("ann")["X"] != 0
    assert position_alerts(session) == []
    answered(session)
    yield session, venue
    session.close()


def test_a_session_stops_while_somebody_else_moved_its_lots_and_goes_on_when_they_are_back(trading):
    session, venue = trading
    venue.moved["ann"] = 5
    go_on(session, 130)
    here = session.ledger.positions.of("ann", "X").lots
    assert (
        session.gateway.states.standing("").reason
        == f"ann holds {here} lots of X here and {here + 5} at the venue"
    )
    assert position_alerts(session) == ["POSITIONS_DIFFER"]
    sent = new_orders(venue)
    go_on(session, 120)
    assert new_orders(venue) == sent, "nothing new leaves"
    venue.moved["ann"] = 0
    go_on(session, 120)
    assert session.gateway.states.standing("").code == ""
    said = position_alerts(
        session
    )  # again when an order that stood before was filled: the figures are others
    assert (set(said[:-1]), said[-1]) == ({"POSITIONS_DIFFER"}, "POSITIONS_AGREE")
    assert new_orders(venue) > sent


def test_a_session_knows_at_once_when_the_way_came_back(port, serve, profile):
    venue = Elsewhere(exchange_of())
    serve(["TRADER"], venue=venue)
    relay = Relay(port)
    client = open_fix_venue(
        "127.0.0.1", relay.port, "TRADER", reset=True, patience=WaitLimits(step_s=10.0)
    )
    session = session_of(client, warm_s=0)
    assert session.gateway.states.standing("").code == ""
    venue.moved["ann"] = 2
    relay.cut()
    until(
        lambda: (
            session.step(session.now_ns + S) is not None and "POSITIONS_DIFFER" in alerts(session)
        ),
        what="word",
    )
    assert session.gateway.states.standing("").code == "POSITIONS_DIFFER"
    session.close()
    relay.close()


def test_a_venue_that_tells_none_after_all_is_traded_at(serve, connect):
    venue = Flaky(exchange_of())
    venue.capabilities = replace(venue.capabilities, positions=None)
    serve(["TRADER"], venue=venue)
    session = session_of(connect("TRADER"), warm_s=0)
    assert session.gateway.states.standing("").code == ""
    assert position_alerts(session) == ["POSITIONS_UNKNOWN"]
    session.close()


def wrong(monkeypatch, change):
    """The server's answers are changed on their way."""
    true = answering.answers
    monkeypatch.setattr(service.positions, "answers", lambda *words: change(true(*words)))


def test_a_refused_question_shuts_at_the_beginning_until_it_is_answered_or_somebody_vouches(
    serve, connect, monkeypatch
):
    venue = Elsewhere(exchange_of())
    serve(["TRADER"], venue=venue)
    with monkeypatch.context() as patched:
        wrong(patched, lambda told: [(kind, [(t.POS_RESULT, "99") if tag == t.POS_RESULT else (tag, value)
                                             for tag, value in fields]) for kind, fields in told])  # fmt: skip
        session = session_of(connect("TRADER"), warm_s=0)
        assert session.gateway.states.standing("").code == "POSITIONS_UNKNOWN"
        assert "728=99" in session.gateway.states.standing("").reason
        go_on(session, 130)
        assert position_alerts(session) == ["POSITIONS_UNKNOWN"], "it is said once"
        settle(session, "the broker told me by telephone")
        go_on(session, 130)
        assert session.gateway.states.standing("").code == ""
    venue.moved["bob"] = 1
    go_on(session, 190)
    assert session.gateway.states.standing("").code == "POSITIONS_DIFFER", (
        "it answers again, and is believed"
    )
    session.close()


def test_one_answer_that_is_missing_changes_nothing_and_a_second_in_a_row_shuts(
    trading, monkeypatch
):
    session, _ = trading
    session.venue._position_requests._patience_s = 0.05
    with monkeypatch.context() as patched:
        wrong(patched, lambda told: told[:1])  # an acknowledgement, and nothing after it
        session.positions.check()
        answered(session)
        assert session.gateway.states.standing("").code == ""
        session.positions.check()
        answered(session)
        assert session.gateway.states.standing("").code == "POSITIONS_UNKNOWN"
        assert "0 of 1 position reports" in session.gateway.states.standing("").reason
    session.venue._position_requests._patience_s = 60.0
    session.positions.check()
    until(
        lambda: (
            session.step(session.now_ns) is not None
            and session.gateway.states.standing("").code == ""
        ),
        what="an answer",
    )
    assert position_alerts(session) == ["POSITIONS_UNKNOWN", "POSITIONS_AGREE"]


def test_a_kill_passes_while_a_question_hangs(trading, monkeypatch):
    session, venue = trading
    session.venue._patience = WaitLimits(logon_s=3600.0)
    wrong(monkeypatch, lambda told: [])
    session.positions.check()
    assert session.positions._awaited == {"ann", "bob"}
    session.manager.accept(asked("p2", lots=50, horizon_s=1200, decisions=120, agent="bob"))
    go_on(session, 30)
    assert venue._orders.open_of("bob"), "it trades meanwhile"
    session.stopper._latch.kill("runaway", "eve", session.now_ns)
    go_on(session, 20)
    assert (venue._orders.open_of("ann"), venue._orders.open_of("bob")) == ([], [])
    assert session.positions._awaited == {"ann", "bob"}, "nobody has answered"


def test_news_of_other_lots_make_the_keeper_ask_and_news_of_ours_do_not(trading):
    session, venue = trading
    here = session.ledger.positions.of("ann", "X").lots
    known = [
        Holdings("ann", {"X": here * ONE}, NOW, asked=False),
        Holdings("eve", {"X": 9 * ONE}, NOW, asked=False),
    ]
    session.gateway.receive(known)
    assert not session.positions._awaited
    venue.moved["ann"] = 1
    session.gateway.receive([Holdings("ann", {"X": (here + 1) * ONE}, NOW, asked=False)])
    assert session.positions._awaited == {"ann", "bob"}
    answered(session)
    assert session.gateway.states.standing("").code == "", "once"
    session.positions.check()
    answered(session)
    assert session.gateway.states.standing("").code == "POSITIONS_DIFFER"
