"""What neither the acceptance scripts nor the cases S01 to S30 say of a session, the other side written by hand."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.fix.protocol.pair import START, S, Script, kinds, order, report

from exchange.fix.arrival import IncomingConnection, index_sessions
from tercel.core.errors import ConfigError, VenueError
from tercel.fix.protocol import outbox
from tercel.fix.protocol.codec import encode
from tercel.fix.protocol.dictionary import standard
from tercel.fix.protocol.events import SessionEventKind
from tercel.fix.protocol.message import utc_text
from tercel.fix.protocol.quickfix_xml import read_xml
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.settings import SessionSettings
from tercel.fix.protocol.validate import first_fault


def down(script: Script) -> str:
    """Why the session ended."""
    assert script.side.closed
    return script.side.told(SessionEventKind.DOWN)[-1]


@pytest.mark.parametrize("initiates", [False, True])
def test_our_logout_waits_for_its_answer_and_not_for_ever(initiates: bool) -> None:
    script = Script(initiates=initiates)
    sent = script.side.take(script.side.session.log_out(script.now, "enough"))
    assert [(one.kind, one.get(58)) for one in sent] == [("5", "enough")]
    assert kinds(script.say("1", (112, "x"))) == ["0"]
    assert not script.side.closed
    assert script.say("5") == []
    assert down(script) == "the other side logged out"
    silent = Script(initiates=initiates)
    silent.side.take(silent.side.session.log_out(silent.now))
    assert silent.wait(11) == []
    assert "no answer" in down(silent)


@pytest.mark.parametrize(
    "words",
    [
        {"kind": "A", "t49": "OTHER"},
        {"kind": "A", "t56": "OTHER"},
        {"kind": "A", "t8": "FIX.4.1"},
        {"kind": "A", "t52": "20010101-00:00:00"},
        {"kind": "A", "t52": "soon"},
        {"kind": "A", "t34": "x"},
        {"kind": "0"},
        {"kind": "A", "body": ((98, "1"), (108, "30"))},
        {"kind": "A", "body": ((98, "0"), (108, "-5"))},
        {"kind": "A", "body": ((98, "0"),)},
    ],
)
@pytest.mark.parametrize("initiates", [False, True])
def test_a_wrong_logon_is_dropped_without_a_word(words: dict[str, object], initiates: bool) -> None:
    script = Script(False, initiates=initiates)
    words = dict(words)
    kind, body = words.pop("kind"), words.pop("body", ((98, "0"), (108, "30")))
    assert script.say(str(kind), *(body if kind == "A" else ()), **words) == []  # type: ignore[arg-type, misc]
    assert script.side.closed
    assert len(script.side.told(SessionEventKind.REFUSED)) == 1
    assert not script.side.session.up


def test_nobody_waits_for_a_logon_for_ever() -> None:
    for initiates in (False, True):
        script = Script(False, initiates=initiates)
        script.wait(11)
        assert script.side.closed
        assert script.side.told(SessionEventKind.REFUSED) == ["no logon came in time"]


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", encode("FIX.4.4", [(35, "0"), (49, "DESK"), (56, "VENUE")])]
)
def test_a_stranger_is_shown_the_door(data: bytes) -> None:
    arrival = IncomingConnection(
        index_sessions(FixSession(SessionSettings("VENUE", "DESK"))), START
    )
    assert arrival.receive(data, START).close
    silent = IncomingConnection(index_sessions(), START)
    assert not silent.on_time(START).close
    assert silent.on_time(START + 11 * S).close


def test_both_begin_at_one_again() -> None:
    script = Script()
    script.say("0")
    script.say("0")
    script.again()
    sent = script.say("A", (98, "0"), (108, "30"), (141, "Y"), number=1)
    assert [(one.kind, one.number, one.get(141)) for one in sent] == [("A", 1, "Y")]
    sent = script.say("A", (98, "0"), (108, "10"), (141, "Y"), number=1)  # and while logged on
    assert [(one.kind, one.number, one.get(141)) for one in sent] == [("A", 1, "Y")]
    assert script.say("1", (112, "x"), number=2)[0].number == 2
    assert len(script.side.told(SessionEventKind.RESET)) == 2


def test_an_initiator_asks_for_one_and_is_not_surprised_by_it() -> None:
    script = Script(False, initiates=True, reset=frozenset({"logon"}))
    assert (script.sent[0].number, script.sent[0].get(141)) == (1, "Y")
    script.say("A", (98, "0"), (108, "30"), (141, "Y"))
    assert script.side.session.up
    other = Script(initiates=True)
    other.again()
    other.say("A", (98, "0"), (108, "30"), (141, "Y"), number=1)
    assert "was not asked to" in other.side.told(SessionEventKind.REFUSED)[0]


def test_each_side_repeats_by_itself_what_the_other_expects_next() -> None:
    script = Script(next_expected=True)
    for name in ("a", "b"):
        script.side.take(script.side.session.send("8", report(name), script.now))
    script.again()
    sent = script.say("A", (98, "0"), (108, "30"), (789, "3"))
    assert [(one.kind, one.number, one.is_yes(43)) for one in sent] == [
        ("A", 4, False),
        ("8", 3, True),
    ]
    assert sent[0].get(789) == "3"
    script.again()
    assert "too high" in script.say("A", (98, "0"), (108, "30"), (789, "99"))[0].get(58)


def test_a_request_that_comes_to_nothing_is_made_again_and_then_given_up() -> None:
    script = Script(False)
    script.say("A", (98, "0"), (108, "0"))
    script.say("0", number=9)
    assert kinds(script.wait(31)) == ["2", "2", "5"]
    assert script.side.told(SessionEventKind.GAP) == ["2 to 8"] * 3


def test_a_request_that_is_rejected_ends_the_session() -> None:
    script = Script()
    request = script.say("0", number=5)[0]
    sent = script.repeat("3", 2, (45, str(request.number)))
    assert [(one.kind, one.get(58)) for one in sent] == [("5", "the ResendRequest was rejected")]


def test_orders_are_not_repeated_reports_are() -> None:
    script = Script()
    for kind, body in (
        ("8", report("a")),
        ("D", order("o")),
        ("8", report("b")),
        ("9", None),
        ("D", order("p")),
    ):
        reject = [(37, "O"), (11, "c"), (41, "o"), (39, "0"), (434, "1")]
        script.side.take(script.side.session.send(kind, body or reject, script.now))
    script.now += S
    sent = script.say("2", (7, "1"), (16, "0"))
    told = [(one.kind, one.number, one.get(36), one.is_yes(43), one.is_yes(123)) for one in sent]
    assert told == [
        ("4", 1, "2", True, True),
        ("8", 2, "", True, False),
        ("4", 3, "4", True, True),
        ("8", 4, "", True, False),
        ("9", 5, "", True, False),
        ("4", 6, "7", True, True),
    ]
    assert sent[1].get(122) == utc_text(START)
    assert sent[1].get(52) == utc_text(START + S)
    lost = [
        one.message.get(11)
        for one in script.side.events
        if one.kind == SessionEventKind.NOT_REPEATED and one.message
    ]
    assert lost == ["o", "p"]
    after = script.side.take(script.side.session.send("D", order("q"), script.now))
    assert [(one.number, one.is_yes(43)) for one in after] == [(7, False)]


def test_what_is_asked_for_too_often_is_repeated_once_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So much may leave at once as leaves in a second; what is asked for beyond waits, and leaves together."""
    monkeypatch.setattr(outbox, "REPEATS_PER_S", 100)
    script = Script()
    for name in "abcdefghij":
        script.side.take(script.side.session.send("8", report(name), script.now))
    script.side.take(script.side.session.send("D", order("o"), script.now))
    sent = [one for _ in range(500) for one in script.say("2", (7, "2"), (16, "0"))]
    assert len([one for one in sent if one.kind == "8"]) == 10 * (100 // 11 + 1)
    assert script.side.told(SessionEventKind.NOT_REPEATED) == ["35=D, 12"], (
        "once, however often it is asked for"
    )
    after = script.side.take(script.side.session.send("D", order("p"), script.now))
    assert [one.get(11) for one in after] == ["p"], "an order waits for nothing"
    script.now += S
    later = script.side.take(script.side.session.on_time(script.now))
    assert [one.get(17) for one in later if one.kind == "8"] == list("abcdefghij")
    assert script.side.take(script.side.session.on_time(script.now + S)) == []


def test_a_report_waits_for_the_next_connection_and_an_order_does_not() -> None:
    script = Script()
    session = script.side.session
    script.side.take(session.disconnect(script.now))
    assert session.send("8", report("late"), script.now).data == b""
    numbers = session.numbers
    with pytest.raises(VenueError, match="may not wait"):
        session.send("D", order("late"), script.now)
    assert session.numbers == numbers
    session.connect(script.now)
    sent = script.say("A", (98, "0"), (108, "30"))
    assert [(one.kind, one.number) for one in sent] == [("A", 3)]
    assert [(one.kind, one.get(17)) for one in script.say("2", (7, "2"), (16, "0"))] == [
        ("8", "late"),
        ("4", ""),
    ]


def test_a_gap_fill_backwards_is_rejected() -> None:
    script = Script()
    sent = script.say("4", (123, "Y"), (36, "2"))
    assert [(one.kind, one.get(371), one.get(373)) for one in sent] == [("3", "36", "5")]


def test_what_is_lost_of_a_repetition_is_asked_for_too() -> None:
    script = Script()
    script.say("8", *report("9"), number=9)
    script.repeat("8", 2, *report("2"))
    sent = script.repeat("8", 4, *report("4"))  # 3 was lost on its way
    assert [(one.kind, one.get(7)) for one in sent] == [("2", "3")]


def test_another_version_ends_the_session() -> None:
    assert kinds(Script().say("0", t8="FIX.4.2")) == ["5"]
    assert kinds(Script().say("0", t34="x")) == ["5"]


def test_rejects_go_back_where_the_message_came_from() -> None:
    script = Script()
    sent = script.say("D", (115, "FUND"), (116, "ME"), *order("a"), (44, "x"))[0]
    assert [sent.get(tag) for tag in (128, 129, 45, 371, 372, 373)] == [
        "FUND",
        "ME",
        "2",
        "44",
        "D",
        "6",
    ]


def test_reasons_that_a_version_does_not_have_are_left_out() -> None:
    script = Script(begin="FIX.4.2")
    sent = script.say("H", (11, "a"), (11, "a"), (55, "X"), (54, "1"))[0]
    assert (sent.get(371), 373 in sent) == ("11", False)


def test_too_many_early_messages_are_not_held_and_come_again() -> None:
    script = Script(most_queued=2)
    for number in range(5, 10):
        script.say("8", *report(str(number)), number=number)
    for number in range(2, 10):
        script.repeat("8", number, *report(str(number)))
    assert [one.number for one in script.side.messages] == list(range(2, 10))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("0", []),
        ("zz", []),
        ("8", report("a")[1:]),
        ("8", [*report("a"), (6001, "x")]),
        ("8", [*report("a"), (44, "")]),
    ],
)
def test_what_the_dictionary_does_not_have_is_not_sent(
    kind: str, body: list[tuple[int, str]]
) -> None:
    script = Script()
    with pytest.raises(VenueError):
        script.side.session.send(kind, body, script.now)
    assert script.side.session.numbers.next_out == 2


@pytest.mark.parametrize(
    "words",
    [
        {"sender": ""},
        {"target": "a\x01b"},
        {"heartbeat_s": -1},
        {"digits": 2},
        {"begin": "FIX.4.2"},
    ],
)
def test_settings_that_make_no_sense(words: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SessionSettings(
            **{"sender": "A", "target": "B", "dictionary": standard("FIX.4.4"), **words}
        )  # type: ignore[arg-type]


def test_messages_sent_together_are_one_commit_or_none() -> None:
    script = Script()
    commits = []
    script.side.store.commit = commits.append  # type: ignore[method-assign]
    session = script.side.session
    sent = script.side.take(session.send_all([("8", report(name)) for name in "abc"], script.now))
    assert [one.number for one in sent] == [2, 3, 4]
    assert [[number for number, _ in one.sent] for one in commits] == [[2, 3, 4]]
    with pytest.raises(VenueError, match="35=8 with field 37"):
        session.send_all([("8", report("d")), ("8", report("e")[1:])], script.now)
    assert session.numbers.next_out == 5
    assert len(commits) == 1


def test_market_data_is_not_kept() -> None:
    script = Script()
    script.side.take(script.side.session.send("W", [(55, "X"), (268, "0")], script.now))
    assert list(script.side.store.load_sent(1, 9)) == []
    again = script.say("2", (7, "2"), (16, "0"))
    assert [(one.kind, one.is_yes(43)) for one in again] == [("W", True)], (
        "on its own connection it is repeated"
    )
    script.again()
    script.say("A", (98, "0"), (108, "30"))
    assert kinds(script.say("2", (7, "2"), (16, "2"))) == ["4"], "and on no other"


def test_what_was_refused_is_in_the_commit_with_all_that_was_in_it() -> None:
    script = Script()
    commits = []
    script.side.store.commit = commits.append  # type: ignore[method-assign]
    raw = script.wire("D", *order("a"), (44, "x"))
    script.side.take(script.side.session.receive(b"8=FIXgarbage\x01\x01" + raw, script.now))
    events = commits[0].events
    assert [one.kind for one in events] == [
        SessionEventKind.GARBLED,
        SessionEventKind.GARBLED,
        SessionEventKind.REJECTED,
    ]
    assert b"".join(one.raw for one in events) == b"8=FIXgarbage\x01\x01"
    assert events[2].message.get(11) == "a"


def test_a_session_by_a_venues_dictionary(shared_peers: Path) -> None:
    """It has neither ResendRequest nor SequenceReset: a gap means logout."""
    rules = read_xml(shared_peers / "binance" / "spot-fix-oe.xml")
    signed = [(95, "4"), (96, "a\x01b="), (553, "key"), (25035, "1")]
    script = Script(
        False,
        initiates=True,
        dictionary=rules,
        header=((25000, "5000"),),
        logon_fields=lambda at, number: signed,
        reset=frozenset({"logon"}),
        on_gap="logout",
        digits=6,
    )
    assert first_fault(script.sent[0], rules) is None
    assert script.sent[0].get(96) == "a\x01b="
    script.say("A", (98, "0"), (108, "30"), (141, "Y"))
    body = [(11, "a"), (38, "1"), (40, "1"), (54, "1"), (55, "BTCUSDT")]
    sent = script.side.take(script.side.session.send("D", body, script.now))
    assert sent[0].get(25000) == "5000"
    assert kinds(script.say("2", (7, "1"), (16, "0"))) == ["3"]
    left = [(one.kind, one.get(58)) for one in script.say("0", number=9)]
    assert left == [("5", "messages 3 to 8 are missing")]


def test_a_second_connection_of_a_session_is_an_error() -> None:
    script = Script()
    with pytest.raises(VenueError, match="second"):
        script.side.session.connect(script.now)


@given(st.data())
def test_whatever_comes_it_never_raises(data: st.DataObject) -> None:
    """Messages of every type with whatever in them, in and out of sequence."""
    script = Script(
        data.draw(st.booleans()), initiates=False, next_expected=data.draw(st.booleans())
    )
    texts = st.sampled_from(
        ["", "0", "1", "2", "3", "9", "-1", "99999999999999999999", "x", "Y", "N", utc_text(START)]
    )
    tags = st.sampled_from(
        [7, 16, 36, 34, 43, 45, 52, 49, 98, 108, 112, 122, 123, 141, 268, 269, 372, 373, 789, 0, -7]
    )
    for _ in range(data.draw(st.integers(1, 8))):
        kind = data.draw(
            st.sampled_from(["0", "1", "2", "3", "4", "5", "A", "8", "W", "j", "E", "?"])
        )
        body = data.draw(st.lists(st.tuples(tags, texts), max_size=5))
        plain = {"7": "1", "16": "0", "36": "5", "98": "0", "108": "30"}
        full = [
            *body,
            *((int(tag), value) for tag, value in plain.items() if data.draw(st.booleans())),
        ]
        script.say(kind, *full, number=data.draw(st.sampled_from([None, 0, 1, 2, 5, 50])))
        script.wait(data.draw(st.sampled_from([0, 0, 1])))
