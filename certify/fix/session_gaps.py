"""S09 to S19: what was missed, and what is said again."""

from certify.fix.case import Bench, case, expect, holds
from certify.fix.plays import (
    acceptor,
    both_roles,
    expect_covered,
    expect_resend_request,
    lose_messages,
)
from certify.fix.stage import InitiatorStage, Stage
from certify.fix.wire import Heard, Peer
from tercel.core import orders as o
from tercel.fix import SessionEventKind, StandardDialect

_PATIENCE_S = 60
"""After so long a session has given up what is not answered, s."""


_ITS_OWN = frozenset({8, 9, 10, 43, 52, 122})


def _repeat_message(stage: Stage, peer: Peer, number: int, name: str) -> None:
    """The peer says once more what the application acts on."""
    kind, body = stage.act(name)
    peer.repeat(kind, number, body)


def _expect_acted(stage: Stage, peer: Peer, *names: str) -> None:
    """The application acted on these, in this order, and on nothing else lately."""
    peer.sync()
    stage.expect_given(list(names), "what the application was given, in order", last=len(names))


@both_roles("S09", "of two messages the first is missing: it is asked for, the second is kept")
def s09(stage: Stage) -> str:
    """One is lost; those after it wait for it."""
    peer = stage.log_on(reset=stage.outside)
    number = lose_messages(stage)
    first = stage.name()
    second = stage.tell(peer)
    third = stage.tell(peer)
    if isinstance(stage, InitiatorStage) and not stage.asks:
        logout = peer.hear("5")
        peer.say("5")
        peer.end()
        stage.expect_given([], "what the application was given of a session with a gap")
        peer = stage.log_on()
        expect(
            stage.answer.get(141) if stage.answer else "", "Y", "ResetSeqNumFlag of the next Logon"
        )
        stage.audit(peer)
        return f"Logout ({logout.get(58)}), and a Logon that begins anew"
    expect_resend_request(peer, number)
    expect(
        [message.kind for message in peer.waiting() if message.kind == "2"],
        [],
        "further ResendRequests",
    )
    for n, name in enumerate((first, second, third)):
        _repeat_message(stage, peer, number + n, name)
    _expect_acted(stage, peer, first, second, third)
    stage.audit(peer)
    return "asked for once; three messages were acted on, in order, once each"


@both_roles(
    "S10", "a ResendRequest up to a number, and one without an end, are answered to the letter"
)
def s10(stage: Stage) -> str:
    """EndSeqNo as a number, as 0 and, in 4.2, as 999999."""
    peer = stage.log_on(reset=stage.outside)
    first, second, third = stage.speak(peer, 3)
    peer.say("2", [(7, str(first.number)), (16, str(first.number))])
    repeated = expect_covered(peer.sync(), first.number, first.number)
    expect(len(repeated), 1, "messages that one number brings")
    for end in ("0", "999999") if stage.old else ("0",):
        last = stage.log.expects - 1
        peer.say("2", [(7, str(second.number)), (16, end)])
        repeated = expect_covered(peer.sync(), second.number, last)
        expect(
            [message.number for message in repeated],
            [second.number, third.number],
            f"messages that 16={end} brings",
        )
    stage.audit(peer)
    return "16=n brings n, 16=0 all up to the last"


@both_roles("S11", "a gap that is filled without messages is closed")
def s11(stage: Stage) -> str:
    """The peer has nothing but its own admin messages to repeat."""
    peer = stage.log_on(reset=stage.outside)
    number = lose_messages(stage, 3)
    name = stage.tell(peer)
    expect_resend_request(peer, number)
    peer.fill(number, number + 3)
    _expect_acted(stage, peer, name)
    stage.audit(peer)
    return "three numbers filled; the message behind them was acted on"


@both_roles("S12", "fills and repeated messages, mixed, are taken in order")
def s12(stage: Stage) -> str:
    """A message, two admin ones, a message, and the one that showed the gap."""
    peer = stage.log_on(reset=stage.outside)
    number = lose_messages(stage, 4)
    first = stage.name()
    second = stage.name()
    third = stage.tell(peer)
    expect_resend_request(peer, number)
    _repeat_message(stage, peer, number, first)
    peer.fill(number + 1, number + 3)
    _repeat_message(stage, peer, number + 3, second)
    _repeat_message(stage, peer, number + 4, third)
    _expect_acted(stage, peer, first, second, third)
    stage.audit(peer)
    return "three messages around a filled gap, in order, once each"


@both_roles("S13", "a second gap while the first is open; a break in the middle of a resend")
def s13(stage: Stage) -> str:
    """What is still missing is asked for again, after the next logon too."""
    peer = stage.log_on(reset=stage.outside)
    number = lose_messages(stage)
    names = [stage.name() for _ in range(4)]
    stage.tell(peer, names[1])
    expect_resend_request(peer, number)
    lose_messages(stage)
    stage.tell(peer, names[3])
    _repeat_message(stage, peer, number, names[0])
    _repeat_message(stage, peer, number + 1, names[1])
    expect_resend_request(peer, number + 2)
    _repeat_message(stage, peer, number + 2, names[2])
    _repeat_message(stage, peer, number + 3, names[3])
    _expect_acted(stage, peer, *names)
    number = lose_messages(stage, 2)
    more = [stage.name() for _ in range(2)]
    last = stage.tell(peer)
    expect_resend_request(peer, number)
    _repeat_message(stage, peer, number, more[0])
    stage.lose_peer(peer)
    peer = stage.log_on()
    expect_resend_request(peer, number + 1)
    _repeat_message(stage, peer, number + 1, more[1])
    _repeat_message(stage, peer, number + 2, last)
    peer.fill(number + 3, stage.log.number)
    _expect_acted(stage, peer, *more, last)
    stage.audit(peer)
    return "seven messages over two gaps and a break, in order, once each"


@both_roles(
    "S14", "a ResendRequest that is rejected ends the session, not in a loop", outside=False
)
def s14(stage: Stage) -> str:
    """The peer does not give what it is asked for."""
    peer = stage.log_on(reset=stage.outside)
    number = lose_messages(stage)
    stage.tell(peer)
    request = expect_resend_request(peer, number)
    peer.say("3", [(45, str(request.number)), (372, "2"), (58, "no such thing")])
    stage.pass_s(_PATIENCE_S, peer.over)
    heard = [peer.find("5", patience_s=stage.patience(_PATIENCE_S))]
    holds(bool(heard[0].get(58)), "the Logout says why")
    peer.say("5")
    peer.end()
    requests = sum(message.kind == "2" for message in peer.heard)
    holds(requests <= 3, f"at most three ResendRequests, not {requests}")
    stage.expect_given([], "what the application was given out of order")
    peer = stage.log_on()
    expect_resend_request(peer, number)
    peer.fill(number, stage.log.number)
    stage.audit(peer)
    return f"Logout after {requests} request(s): {heard[0].get(58)}"


@both_roles("S15", "both sides ask for messages at the same time, and both get them")
def s15(stage: Stage) -> str:
    """The peer's own ResendRequest stands behind a gap of its own."""
    peer = stage.log_on(reset=stage.outside)
    first = stage.speak(peer, 2)[0]
    last = stage.log.expects - 1
    number = lose_messages(stage)
    name = stage.name()
    peer.say("2", [(7, str(first.number)), (16, str(last))])
    peer.say("1", [(112, "both")])
    asks = peer.waiting(
        lambda heard: any(message.kind == "2" for message in heard) and len(heard) >= 3
    )
    repeated = expect_covered([message for message in asks if message.again], first.number, last)
    expect(len(repeated), 2, "messages that came again")
    expect(
        [message.get(7) for message in asks if message.kind == "2"],
        [str(number)],
        "what is asked for meanwhile",
    )
    _repeat_message(stage, peer, number, name)
    peer.fill(number + 1, stage.log.number)
    _expect_acted(stage, peer, name)
    stage.audit(peer)
    return "both had what they asked for"


def _body(message: Heard) -> list[tuple[int, str]]:
    return sorted(field for field in message.fields if field[0] not in _ITS_OWN)


def _same(again: Heard, first: Heard) -> None:
    """A repetition is its first, marked and dated."""
    expect(_body(again), _body(first), "fields of what is repeated")
    expect(again.get(122), first.get(52), "OrigSendingTime of what is repeated")


@case(
    "S16", "reports are repeated, marked; what the session said is filled", "acceptor", outside=True
)
def s16_acceptor(bench: Bench) -> str:
    """8 and 9 come again; logon and heartbeats do not."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        first = stage.speak(peer)
        peer.sync()
        first += [stage.unknown_cancel(peer)]
        peer.sync()
        last = stage.log.expects - 1
        peer.say("2", [(7, "1"), (16, "0")])
        repeated = expect_covered(peer.sync(), 1, last)
        expect(
            [message.kind for message in repeated],
            [message.kind for message in first],
            "types that come again",
        )
        for again, before in zip(repeated, first, strict=True):
            _same(again, before)
        stage.audit(peer)
        return "8 and 9 again with 43=Y and 122; the rest filled"


@case("S16", "orders are never sent again, nor what the session said: gaps are filled", "initiator")
def s16_initiator(bench: Bench) -> str:
    """A stale order stays where it is; the desk is told."""
    with InitiatorStage(bench) as stage:
        peer = stage.log_on()
        stage.send(stage.order("D1"))
        first = [peer.hear("D")]
        first += stage.speak(peer)
        peer.sync()
        last = stage.log.expects - 1
        peer.say("2", [(7, "1"), (16, "0")])
        repeated = expect_covered(peer.sync(), 1, last)
        expect([message.kind for message in repeated], ["j"], "types that come again")
        _same(repeated[0], first[1])
        expect(
            len(stage.event_texts(SessionEventKind.NOT_REPEATED)),
            1,
            "orders that the desk is told of",
        )
        stage.audit(peer)
        return (
            "the order's number was filled, and the desk told; the other message came again, marked"
        )


@both_roles("S17", "what is new while old messages are repeated is sent once, unmarked")
def s17(stage: Stage) -> str:
    """A ResendRequest and something new in one piece."""
    peer = stage.log_on(reset=stage.outside)
    stage.speak(peer, 2)
    last = stage.log.expects - 1
    name = stage.name()
    request = peer.encode_message("2", [(7, "1"), (16, "0")])
    stage.log.number += 1
    if isinstance(stage, InitiatorStage):
        peer.raw(request)
        stage.send(stage.order(name))
        stage.send(stage.order(name + "b"))
        kind = "D"
        count = 2
    else:
        kind_in, body = stage.act(name)
        peer.raw(request + peer.encode_message(kind_in, body))
        stage.log.number += 1
        kind = "8"
        count = 1
    heard = peer.waiting(
        lambda messages: (
            sum(message.kind == kind and not message.again for message in messages) >= count
        )
    )
    heard += peer.sync()
    new = [message for message in heard if message.kind == kind and not message.again]
    expect(len(new), count, "new messages")
    repeated = [message for message in heard if message.again]
    expect_covered([message for message in repeated if message.number <= last], 1, last)
    kinds = {message.kind for message in repeated}
    holds(not isinstance(stage, InitiatorStage) or "D" not in kinds, "an order that is repeated")
    stage.audit(peer)
    return f"{len(repeated)} repeated with 43=Y, {count} new without"


@both_roles("S18", "a repetition of what is known is passed over; of what is not, taken once")
def s18(stage: Stage) -> str:
    """PossDupFlag on a number that was taken, and on one that is next."""
    peer = stage.log_on(reset=stage.outside)
    number = stage.log.number
    first = stage.tell(peer)
    if not isinstance(stage, InitiatorStage):
        peer.find("8")  # it may come after the answer to a TestRequest
    peer.sync()
    _repeat_message(stage, peer, number, first)
    before = [message.kind for message in peer.sync()]
    expect(before, [], "answers to a repetition of what is known")
    second = stage.name()
    _repeat_message(stage, peer, lose_messages(stage), second)
    _expect_acted(stage, peer, first, second)
    stage.audit(peer)
    return "one passed over in silence, one acted on once"


@case(
    "S19",
    "a possible resend of a known order is no second order, of an unknown one is one",
    "acceptor",
    outside=True,
)
def s19_acceptor(bench: Bench) -> str:
    """PossResend (97=Y) under numbers of their own."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        name = stage.tell(peer)
        peer.find("8")
        stage.tell(peer, name, head=[(97, "Y")])
        known = peer.find("8", "9", "j")
        holds(
            known.get(150) not in ("", "F", "1", "2") or known.get(20) == "3",
            "a report that is no trade",
        )
        unknown = stage.tell(peer, head=[(97, "Y")])
        taken = peer.find("8")
        expect(
            (taken.get(11), taken.get(150)),
            (unknown, "0"),
            "ClOrdID and ExecType of the unknown order",
        )
        stage.audit(peer)
        return f"the known order was answered by 35={known.kind} 150={known.get(150)}, the unknown one taken"


@case(
    "S19",
    "a possible resend of a known execution is booked once; of an unknown one, too",
    "initiator",
)
def s19_initiator(bench: Bench) -> str:
    """PossResend (97=Y) with an ExecID that is known, and one that is not, through what the desk reads with."""
    with InitiatorStage(bench) as stage:
        reader = StandardDialect(stage.terms, stage.now_ns, None)
        peer = stage.log_on()
        first = stage.tell(peer)
        peer.sync()
        peer.say(*stage.act(first), head=[(97, "Y")])
        second = stage.tell(peer, head=[(97, "Y")])
        peer.sync()
        read = [
            item for message in stage.delivered for _, item in reader.read(message, stage.now_ns())
        ]
        names = [item.exec_id for item in read if isinstance(item, o.Report)]
        expect(names, [first, second], "executions that the desk reads")
        stage.given = names
        stage.audit(peer)
        return "two executions of three messages"
