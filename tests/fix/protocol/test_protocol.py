"""The cases of a session's certification (S01 to S30), with the other side written by hand."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.fix.protocol.pair import START, S, Script, Side, Wire, kinds, order, report

from exchange.fix.arrival import IncomingConnection, named
from tercel.core.errors import ConfigError, VenueError
from tercel.fix.protocol import outbox
from tercel.fix.protocol.dictionary import read_xml, standard
from tercel.fix.protocol.message import encode, utc_text
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.settings import MemoryStore, SessionEventKind, SessionSettings
from tercel.fix.protocol.validate import check

EACH = [(begin, initiates) for begin in ("FIX.4.2", "FIX.4.4") for initiates in (False, True)]
each = pytest.mark.parametrize(("begin", "initiates"), EACH)


def down(script: Script) -> str:
    """Why the session ended."""
    assert script.side.closed
    return script.side.told(SessionEventKind.DOWN)[-1]


@each
def test_logon_and_logout(begin: str, initiates: bool) -> None:
    script = Script(begin=begin, initiates=initiates, heartbeat_s=30)
    assert kinds(script.sent) == ["A"]
    assert (script.sent[0].get(108), script.sent[0].get(98)) == ("30", "0")
    assert script.side.told(SessionEventKind.UP) == [""]
    assert kinds(script.say("5", (58, "bye"))) == ["5"]
    assert down(script) == "bye"


@each
def test_our_logout_waits_for_its_answer_and_not_for_ever(begin: str, initiates: bool) -> None:
    script = Script(begin=begin, initiates=initiates)
    sent = script.side.take(script.side.session.log_out(script.now, "enough"))
    assert [(one.kind, one.get(58)) for one in sent] == [("5", "enough")]
    assert kinds(script.say("1", (112, "x"))) == ["0"]
    assert not script.side.closed
    assert script.say("5") == []
    assert down(script) == "the other side logged out"
    silent = Script(begin=begin, initiates=initiates)
    silent.side.take(silent.side.session.log_out(silent.now))
    assert silent.wait(11) == []
    assert "no answer" in down(silent)


@each
def test_a_logon_that_is_too_high_is_taken_and_the_rest_asked_for(
    begin: str, initiates: bool
) -> None:
    script = Script(False, begin=begin, initiates=initiates)
    script.number = 4
    sent = script.sent + script.say("A", (98, "0"), (108, "30"))
    assert kinds(sent) == ["A", "2"]
    assert (sent[1].get(7), sent[1].get(16)) == ("1", "0")
    assert script.side.told(SessionEventKind.GAP) == ["1 to 4"]
    script.say("4", (43, "Y"), (122, utc_text(script.now)), (123, "Y"), (36, "5"), number=1)
    assert script.side.session.numbers.next_in == 6  # the logon itself was held


@each
def test_a_number_that_is_too_low_ends_the_session_and_resets_nothing(
    begin: str, initiates: bool
) -> None:
    script = Script(begin=begin, initiates=initiates)
    script.say("0")
    sent = script.say("0", number=2)
    assert kinds(sent) == ["5"]
    assert "3 is expected, 2 came" in sent[0].get(58)
    assert "too low" in down(script)
    script.again()
    script.number = 0
    if initiates:
        assert kinds(script.say("A", (98, "0"), (108, "30"))) == ["5"]
    else:
        assert "3 is expected, 1 came" in script.say("A", (98, "0"), (108, "30"))[0].get(58)
    assert script.side.session.numbers.next_in == 3


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


def test_what_the_other_side_says_to_our_logon_is_told() -> None:
    script = Script(False, initiates=True)
    script.say("5", (58, "unknown user"))
    assert script.side.told(SessionEventKind.REFUSED) == ["the other side says: unknown user"]
    assert script.side.session.numbers.next_in == 2


def test_passwords_are_sent_checked_and_never_kept() -> None:
    store = MemoryStore()
    desk = Side(
        SessionSettings(
            "DESK",
            "VENUE",
            initiates=True,
            logon_fields=lambda at, number: [(553, "me"), (554, f"secret{number}")],
        ),
        store,
    )
    for expected in ("", "wrong password"):
        venue = Side(SessionSettings("VENUE", "DESK", admit=lambda logon, why=expected: why))
        venue.take(venue.session.connect(START))
        assert desk.take(desk.session.connect(START))[-1].get(554).startswith("secret")
        answer = venue.take(venue.session.receive(desk.out, START))
        assert kinds(answer) == (["5"] if expected else ["A"])
        assert venue.closed is bool(expected)
        desk.take(desk.session.disconnect(START))
        desk.out = b""
    assert list(store.sent(1, 99)) == []
    assert "secret" not in repr((desk.events, desk.settings, desk.messages, venue.events))


def test_a_name_that_is_connected_is_refused_and_the_first_is_unharmed() -> None:
    venue = FixSession(SessionSettings("VENUE", "DESK"))
    desks = [FixSession(SessionSettings("DESK", "VENUE", initiates=True)) for _ in range(2)]
    first, second = IncomingConnection(named(venue), START), IncomingConnection(named(venue), START)
    raw = desks[0].connect(START).out
    assert [bool(first.receive(raw[n : n + 1], START).out) for n in range(len(raw))][-1]
    assert second.receive(desks[1].connect(START).out, START).close
    assert second.session is None
    assert venue.up
    second.disconnect(START)
    assert venue.up
    first.disconnect(START)
    assert not venue.connected


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", encode("FIX.4.4", [(35, "0"), (49, "DESK"), (56, "VENUE")])]
)
def test_a_stranger_is_shown_the_door(data: bytes) -> None:
    arrival = IncomingConnection(named(FixSession(SessionSettings("VENUE", "DESK"))), START)
    assert arrival.receive(data, START).close
    silent = IncomingConnection(named(), START)
    assert not silent.on_time(START).close
    assert silent.on_time(START + 11 * S).close


@each
def test_both_begin_at_one_again(begin: str, initiates: bool) -> None:
    script = Script(begin=begin, initiates=initiates)
    script.say("0")
    script.say("0")
    script.side.take(script.side.session.disconnect(script.now))
    script.side.closed = False
    script.side.take(script.side.session.connect(script.now))
    if initiates:
        return
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
    assert [(one.kind, one.number, one.says(43)) for one in sent] == [
        ("A", 4, False),
        ("8", 3, True),
    ]
    assert sent[0].get(789) == "3"
    script.again()
    assert "too high" in script.say("A", (98, "0"), (108, "30"), (789, "99"))[0].get(58)


@each
def test_heartbeats_and_test_requests(begin: str, initiates: bool) -> None:
    script = Script(begin=begin, initiates=initiates, heartbeat_s=30)
    assert kinds(script.wait(30)) == ["0"]
    sent = script.wait(6.5)
    assert [(one.kind, one.get(112)) for one in sent] == [("1", "TEST")]
    script.say("0", (112, "TEST"))
    assert kinds(script.wait(36)) == ["0", "1"]
    assert script.wait(31) == []
    assert down(script) == "no answer to a TestRequest"


def test_no_heartbeats_where_none_were_agreed() -> None:
    script = Script(False)
    script.say("A", (98, "0"), (108, "0"))
    assert script.wait(100) == []
    assert script.side.session.up


@each
def test_what_is_missing_is_asked_for_and_what_came_early_is_not_lost(
    begin: str, initiates: bool
) -> None:
    script = Script(begin=begin, initiates=initiates)
    body = [*report("x"), (20, "0")] if begin == "FIX.4.2" else report("x")
    assert [(one.kind, one.get(7), one.get(16)) for one in script.say("8", *body, number=4)] == [
        ("2", "2", "0")
    ]
    assert script.say("8", *body, number=5) == []
    assert script.side.messages == []
    script.repeat("8", 2, *body)
    assert [one.number for one in script.side.messages] == [2]
    script.repeat("4", 3, (123, "Y"), (36, "4"))
    assert [one.number for one in script.side.messages] == [2, 4, 5]
    script.repeat("8", 4, *body)  # what was held comes again, and is not taken twice
    script.repeat("8", 5, *body)
    assert [one.number for one in script.side.messages] == [2, 4, 5]
    assert script.side.session.numbers.next_in == 6


def test_a_gap_inside_a_gap_is_asked_for_too() -> None:
    script = Script()
    script.say("8", *report("9"), number=9)
    script.repeat("8", 2, *report("2"))
    sent = script.repeat("8", 4, *report("4"))  # 3 was lost on its way
    assert [(one.kind, one.get(7)) for one in sent] == [("2", "3")]
    script.repeat("4", 3, (123, "Y"), (36, "4"))
    assert [one.number for one in script.side.messages] == [2, 4]
    script.repeat("4", 5, (123, "Y"), (36, "9"))
    assert [one.number for one in script.side.messages] == [2, 4, 9]
    assert script.say("0", number=12)[0].get(7) == "10"


def test_a_gap_is_asked_for_again_in_the_next_connection() -> None:
    script = Script()
    script.say("8", *report("9"), number=9)
    script.again()
    sent = script.say("A", (98, "0"), (108, "30"), number=10)
    assert [(one.kind, one.get(7)) for one in sent] == [("A", ""), ("2", "2")]


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


def test_where_a_gap_means_logout() -> None:
    sent = Script(on_gap="logout").say("0", number=5)
    assert [(one.kind, one.get(58)) for one in sent] == [("5", "messages 2 to 4 are missing")]


def test_both_sides_ask_at_once() -> None:
    script = Script()
    for name in ("a", "b"):
        script.side.take(script.side.session.send("8", report(name), script.now))
    script.say("0", number=7)
    sent = script.say("2", (7, "2"), (16, "3"), number=8)
    assert [(one.kind, one.number, one.says(43)) for one in sent] == [
        ("8", 2, True),
        ("8", 3, True),
    ]
    for number in (2, 3, 4, 5, 6):
        assert script.repeat("0", number) == []  # the request that was held is not answered again
    assert script.side.session.numbers.next_in == 9


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
    told = [(one.kind, one.number, one.get(36), one.says(43), one.says(123)) for one in sent]
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
        if one.what == SessionEventKind.NOT_REPEATED and one.message
    ]
    assert lost == ["o", "p"]
    after = script.side.take(script.side.session.send("D", order("q"), script.now))
    assert [(one.number, one.says(43)) for one in after] == [(7, False)]


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
    assert session.send("8", report("late"), script.now).out == b""
    numbers = session.numbers
    with pytest.raises(VenueError, match="may not wait"):
        session.send("D", order("late"), script.now)
    assert session.numbers == numbers
    session.connect(script.now)
    sent = script.say("A", (98, "0"), (108, "30"))
    assert sent[0].number == 3
    assert [(one.kind, one.get(17)) for one in script.say("2", (7, "2"), (16, "0"))] == [
        ("8", "late"),
        ("4", ""),
    ]


@pytest.mark.parametrize(
    ("number", "dated", "sent"),
    [
        (2, (), ["3"]),
        (2, ((122, utc_text(START)),), []),
        (2, ((122, utc_text(START + 9 * S)),), ["3", "5"]),
    ],
)
def test_a_repetition_of_what_is_here_is_dropped(
    number: int, dated: tuple[tuple[int, str], ...], sent: list[str]
) -> None:
    script = Script()
    script.say("8", *report("a"))
    assert kinds(script.say("8", (43, "Y"), *dated, *report("a"), number=number)) == sent
    assert len(script.side.messages) == 1


def test_a_repetition_of_what_is_not_here_is_taken_once() -> None:
    script = Script()
    script.repeat("8", 2, *report("a"))
    script.repeat("8", 2, *report("a"))
    assert [one.get(17) for one in script.side.messages] == ["a"]
    assert kinds(script.say("D", (43, "Y"), *order("b"), number=3)) == [
        "3"
    ]  # without its OrigSendingTime
    assert script.side.session.numbers.next_in == 4


def test_a_possible_resend_is_for_the_application_to_judge() -> None:
    script = Script()
    script.say("D", (97, "Y"), *order("a"))
    assert script.side.messages[0].says(97)


@pytest.mark.parametrize(("new", "sent", "expects"), [(20, [], 20), (2, [], 2), (1, ["3"], 2)])
def test_a_sequence_reset_moves_forward_alone(new: int, sent: list[str], expects: int) -> None:
    script = Script()
    assert kinds(script.say("4", (36, str(new)), number=99)) == sent
    assert script.side.session.numbers.next_in == expects


def test_a_gap_fill_backwards_is_rejected() -> None:
    script = Script()
    sent = script.say("4", (123, "Y"), (36, "2"))
    assert [(one.kind, one.get(371), one.get(373)) for one in sent] == [("3", "36", "5")]


def test_garbled_bytes_take_no_number() -> None:
    script = Script()
    raw = script.wire("0", number=2)
    script.side.take(script.side.session.receive(raw[:-2] + b"x\x01", script.now))
    assert script.side.told(SessionEventKind.GARBLED) == ["BodyLength does not point at CheckSum"]
    assert script.side.session.numbers.next_in == 2
    assert script.say("0", number=3)[0].kind == "2"


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


def test_types_that_are_unknown_and_types_that_are_not_taken() -> None:
    script = Script(takes=frozenset({"8"}))
    sent = script.say("~~")[0]
    assert (sent.kind, sent.get(373)) == ("3", "11")
    for kind, body in (("E", ()), ("D", order("a"))):
        sent = script.say(kind, *body)[0]
        assert [sent.get(tag) for tag in (35, 45, 372, 380)] == ["j", str(script.number), kind, "3"]
    assert script.side.messages == []


def test_rejects_of_what_we_sent_are_handed_on() -> None:
    script = Script()
    script.say("3", (45, "7"), (58, "no"))
    script.say("j", (372, "D"), (380, "0"))
    assert kinds(script.side.messages) == ["3", "j"]


@pytest.mark.parametrize("words", [{"t49": "X"}, {"t56": "X"}, {"t52": "20010101-00:00:00"}])
def test_a_message_from_elsewhere_or_another_time_ends_the_session(words: dict[str, str]) -> None:
    script = Script()
    assert kinds(script.say("0", **words)) == ["3", "5"]  # type: ignore[arg-type]
    assert script.say("0", **words) == []  # type: ignore[arg-type]
    script.say("5")
    assert script.side.closed


def test_another_version_ends_the_session() -> None:
    assert kinds(Script().say("0", t8="FIX.4.2")) == ["5"]
    assert kinds(Script().say("0", t34="x")) == ["5"]


def test_raw_data_comes_through() -> None:
    script = Script()
    script.say("D", *order("a"), (354, "9"), (355, "\x0110=123\x01x"))
    assert script.side.messages[0].get(355) == "\x0110=123\x01x"


def test_a_killed_session_goes_on_where_it_was() -> None:
    """With a new session on the same store, on either side, at every state."""
    common = {"never_repeated": frozenset[str]()}
    settings = (
        SessionSettings("DESK", "VENUE", initiates=True, **common),
        SessionSettings("VENUE", "DESK", **common),
    )
    for cut in range(0, 700, 23):
        for which in (0, 1):
            net = Wire(Side(settings[0]), Side(settings[1]))
            net.connect()
            for source in (0, 1):
                net.move(source, 1 << 20)
            for one in net.sides:
                one.take(one.session.send("8", report("a"), net.now))
                one.take(one.session.send("8", report("b"), net.now))
            net.move(0, cut)
            net.move(1, 2 * cut)
            killed = net.sides[which]
            killed.session, killed.out = FixSession(killed.settings, killed.store), b""
            net.settle()
            assert [[m.get(17) for m in one.messages] for one in net.sides] == [["a", "b"]] * 2


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
    assert list(script.side.store.sent(1, 9)) == []
    again = script.say("2", (7, "2"), (16, "0"))
    assert [(one.kind, one.says(43)) for one in again] == [("W", True)], (
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
    assert [one.what for one in events] == [
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
    assert check(script.sent[0], rules) is None
    assert script.sent[0].get(96) == "a\x01b="
    script.say("A", (98, "0"), (108, "30"), (141, "Y"))
    body = [(11, "a"), (38, "1"), (40, "1"), (54, "1"), (55, "BTCUSDT")]
    sent = script.side.take(script.side.session.send("D", body, script.now))
    assert sent[0].get(25000) == "5000"
    assert kinds(script.say("2", (7, "1"), (16, "0"))) == ["3"]
    assert kinds(script.say("0", number=9)) == ["5"]


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
