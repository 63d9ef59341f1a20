"""Bytes that no counterparty should send, orders that no venue takes: each has its answer, nobody else is harmed."""

import socket
import time

import pytest
from tests.fix.plain import SOH, PlainClient, frame, order

from certify.tiny import WAY_NS, TinyVenue
from exchange.fix.arrival import FREE_TRIES, LogonThrottle
from exchange.fix.counterparties import Login
from exchange.fix.server import TURN_MESSAGES, FixServer, ListenerSettings
from tercel.core.orders import NewOrder, Report, Tif

T0 = 10**18


@pytest.mark.parametrize(
    ("kind", "fields", "answer"),
    [
        ("F", [(41, "x"), (11, "c"), (55, "ZZZ"), (54, 1), (60, "20200101-00:00:00")], "9"),
        ("G", [*order("c", t44="4.96"), (41, "x")], "9"),
        ("q", [(11, "c"), (530, 1), (55, "ZZZ"), (60, "20200101-00:00:00")], "r"),
        ("q", [(11, "c"), (530, 3), (60, "20200101-00:00:00")], "r"),
        ("AF", [(584, "c"), (585, 1)], "j"),
        ("U1", [(20007, "soon"), (20008, "x")], "j"),
        ("V", [(262, "m"), (263, 1), (264, 0), (267, 1), (269, 0), (146, 1), (55, "ZZZ")], "Y"),
    ],
)
def test_other_requests_are_refused_in_the_way_of_their_kind(serve, plain, kind, fields, answer):
    serve()
    client = plain("A")
    client.say(kind, fields)
    said = client.hear("8", "9", "r", "j", "3", "Y")
    assert said[35] == answer
    assert said[58]
    if answer == "9":
        assert (said[434], said[11], said[41]) == ("2" if kind == "G" else "1", "c", "x")
    if answer == "r":
        assert said[531] == "0"


GARBAGE = [
    b"\x00" * 300,
    b"GET / HTTP/1.1\r\n\r\n",
    bytes(range(256)) * 40,
    b"8=FIX.4.4" + SOH + b"9=99999999" + SOH + b"35=A" + SOH,
    b"8=FIX.4.4" + SOH + b"9=-5" + SOH + b"35=A" + SOH + b"10=000" + SOH,
    b"8=FIX.4.4" + SOH + b"9=abc" + SOH + b"35=A" + SOH + b"10=000" + SOH,
    frame([(35, "A")]),
    frame([(35, "A"), (49, "A"), (56, "TERCEL"), (34, "x"), (52, "never"), (98, 0), (108, 30)]),
    frame(
        [
            (35, "A"),
            (49, "A"),
            (56, "TERCEL"),
            (34, 1),
            (52, "20000101-00:00:00"),
            (98, 0),
            (108, 30),
        ]
    ),
    frame([(35, "D"), (49, "B"), (56, "TERCEL"), (34, 1), *order("a")]),
    frame([(35, "0"), (49, "B"), (56, "TERCEL"), (34, 1), (52, "20000101-00:00:00")]),
    frame(
        [(35, "A"), (49, "B"), (56, "TERCEL"), (34, 1), (52, "20000101-00:00:00")], begin=b"FIX.4.2"
    ),
    frame(
        [
            (35, "A"),
            (49, "B"),
            (56, "TERCEL"),
            (34, 1),
            (52, "20000101-00:00:00"),
            (98, 0),
            (108, 30),
        ],
        checksum=7,
    ),
    frame(
        [
            (35, "A"),
            (49, "B"),
            (56, "TERCEL"),
            (34, 1),
            (52, "20000101-00:00:00"),
            (98, 0),
            (108, 30),
        ],
        length=3,
    ),
    b"\x01" * 5000,
    b"=" * 5000,
]


def test_garbage_at_the_door_harms_nobody(serve, connect, plain, port):
    server = serve()
    holder = connect("A")
    sockets = []
    for n, garbage in enumerate(GARBAGE):
        rude = socket.create_connection(("127.0.0.1", port), 5)
        rude.sendall(garbage)
        sockets.append(rude)
        holder.send(NewOrder(f"o{n}", "TINY", 1, 1, 90, Tif.DAY, "A", "", T0))
        (ack,) = holder.step(holder.now_ns + 10 * WAY_NS)
        assert isinstance(ack, Report)
    for rude in sockets:
        rude.close()
    assert server.error is None
    assert plain("B").logon[35] == "A", "and the door is open"


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\x02b", b"\x7f", b"\xed\xa0\x80"])
def test_names_that_nobody_can_read_are_rejected_by_the_session(serve, plain, name):
    server = serve()
    client = plain("A")
    whole = frame([*client.head("D"), *order("@@")])
    inner = whole[whole.index(b"35=") : whole.rindex(b"10=")].replace(b"@@", name)
    head = b"8=FIX.4.4" + SOH + f"9={len(inner)}".encode() + SOH
    client.raw(head + inner + f"10={sum(head + inner) % 256:03d}".encode() + SOH)
    client.number += 1
    said = client.hear("8", "3", "j")
    assert (said[35], said[371], said[373]) == ("3", "11", "5")
    client.say("1", [(112, "there?")])
    assert client.hear("0")[112] == "there?"
    assert server.error is None


class Turns:
    """A server whose turns are counted, with two counterparties, by a clock that a test moves."""

    def __init__(self, *logins):
        self.ahead_ns, self.count = 0, 0
        self.server = FixServer(TinyVenue(), ListenerSettings(), logins, wall_ns=self.wall_ns)
        self.server.listen()

    def wall_ns(self):
        return time.time_ns() + self.ahead_ns

    def come(self, name, *more):
        """A counterparty's connection, and the answer to its Logon."""
        client = PlainClient(self.server.port, name, logon=False)
        client.say("A", [(98, 0), (108, 30), (141, "Y"), *more])
        return client, self.answer(client)

    def answer(self, client):
        """What comes first, turn by turn."""
        client.socket.setblocking(False)
        self.count = 0
        while True:
            self.server.turn(0.0)
            self.count += 1
            try:
                heard = client.hear()
            except BlockingIOError:
                assert self.count < 10_000
            else:
                client.socket.setblocking(True)
                return heard


FLOODS = {
    "2": [(7, 1), (16, 0)],
    "1": [(112, "me")],
    "V": [(262, "m"), (263, 0), (264, 0), (267, 1), (269, 0), (146, 1), (55, "TINY")],
    "D": order("a"),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_who_floods_waits_for_the_others(kind):
    turns = Turns(Login("A"), Login("B"))
    many, (rude, _), (calm, _) = 600, turns.come("A"), turns.come("B")
    session = turns.server._session_of["A"]
    rude.raw(b"".join(frame([*rude.head(kind, 2 + n), *FLOODS[kind]]) for n in range(many)))
    for n in range(3):
        calm.say("1", [(112, f"t{n}")])
        assert turns.answer(calm)[112] == f"t{n}"
        assert turns.count <= 3, "a turn to read it, one to answer"
        assert session.numbers.next_in <= 2 + 3 * (n + 1) * TURN_MESSAGES
    while session.numbers.next_in < 2 + many:
        turns.server.turn(0.0)
    turns.server.close()


def test_who_sends_a_message_of_ten_thousand_symbols_is_dropped():
    turns = Turns(Login("A"), Login("B"))
    (rude, _), (calm, _) = turns.come("A"), turns.come("B")
    symbols = [(146, 10_000), *((55, f"S{n}") for n in range(10_000))]
    rude.say("V", [(262, "m"), (263, 0), (264, 0), (267, 1), (269, 0), *symbols])
    calm.say("1", [(112, "t")])
    assert turns.answer(calm)[112] == "t"
    assert turns.count <= 3
    assert turns.answer(rude) == {}
    assert turns.come("A")[1][35] == "A", "it may come again"
    turns.server.close()


def test_wrong_passwords_are_slowed_and_nobody_else_waits():
    turns = Turns(Login("A", password="right"), Login("B", password="other"))
    texts = [turns.come("A", (554, f"guess {n}"))[1][58] for n in range(12)]
    assert sum("wrong password for A" in text for text in texts) == FREE_TRIES
    assert all(
        "too many wrong passwords for A: wait 1.0 s" in text or "wrong" in text for text in texts
    )
    assert turns.come("B", (554, "other"))[1][35] == "A", "another name"
    assert turns.come("A", (554, "right"))[1][35] == "5"
    turns.ahead_ns = 1_000_000_000
    assert turns.come("A", (554, "right"))[1][35] == "A"
    turns.server.close()


def test_the_wait_grows_with_wrong_passwords_and_ends():
    throttle, now_ns, waits = LogonThrottle(), 0, []
    for _ in range(12):
        throttle.record_attempt("A", "here", now_ns, wrong=True)
        waits.append(throttle.wait_s("A", "here", now_ns))
        now_ns += round(waits[-1] * 1e9)
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 8, 8, 8, 8]
    throttle.record_attempt("A", "here", now_ns, wrong=False)
    throttle.record_attempt("A", "here", now_ns, wrong=True)
    assert throttle.wait_s("A", "here", now_ns) == 0
