"""S20 to S26: what is wrong with a message, and what only looks so."""

from certify.fix.case import LeftOutError, expect
from certify.fix.plays import both_roles, expect_reject, expect_resend_request, lose_messages
from certify.fix.stage import NS_PER_S, InitiatorStage, Stage
from certify.fix.wire import Pairs, Peer
from tercel.fix import SessionEventKind

_INVALID = 0
_MISSING = 1
_NOT_HERE = 2
_EMPTY = 4
_VALUE = 5
_FORMAT = 6
_TIME = 10
_TYPE = 11
_TWICE = 13
_ORDER = 14
_COUNT = 16


def _expect_reject_of(stage: Stage, peer: Peer, number: int, reason: int) -> None:
    reject = peer.find("3")
    expect_reject(reject, number, reason if stage.reason(reason) else None)


@both_roles(
    "S20", "OrigSendingTime after SendingTime ends the session; a repetition without it is rejected"
)
def s20(stage: Stage) -> str:
    """PossDupFlag with a wrong 122, and with none."""
    peer = stage.log_on(reset=stage.outside)
    for number in (
        (1,) if stage.outside else (1, lose_messages(stage))
    ):  # one that was taken, one that is next
        peer.say("0", (), number, head=[(43, "Y")])
        _expect_reject_of(stage, peer, number, _MISSING)
    peer.repeat("0", 1, (), first_ns=stage.now_ns() + 60 * NS_PER_S)
    _expect_reject_of(stage, peer, 1, _TIME)
    peer.find("5")
    peer.say("5")
    peer.end()
    stage.audit(stage.log_on())
    return "122 missing: 373=1; 122 after 52: 373=10, then Logout"


@both_roles(
    "S21", "SequenceReset in reset mode: higher moves the number, equal is taken, lower is rejected"
)
def s21(stage: Stage) -> str:
    """Whatever number the message itself has."""
    peer = stage.log_on(reset=stage.outside)
    for more in (5, 0):
        new = stage.log.number + more
        peer.say("4", [(123, "N"), (36, str(new))], 1)
        stage.log.number = new
        expect(
            [message.kind for message in peer.sync() if message.kind in "235"],
            [],
            f"answers to a reset to {new}",
        )
    low = stage.log.number - 3
    number = stage.log.number
    peer.say("4", [(123, "N"), (36, str(low))], number)
    reject = peer.find("3")
    expect(
        (reject.get(45), reject.get(373)),
        (str(number), str(_VALUE)),
        "RefSeqNum and reason of the Reject",
    )
    name = stage.tell(peer)
    peer.sync()
    stage.expect_given([name], "what the application was given after the reset")
    stage.audit(peer)
    return "higher and equal taken, lower rejected with 373=5"


@both_roles("S22", "garbled messages are passed over and take no number; the session finds back")
def s22(stage: Stage) -> str:
    """A wrong sum, a wrong length, bytes that are nothing."""
    peer = stage.log_on(reset=stage.outside)
    kind, body = stage.act("garbled")
    wrong_sum = _with_wrong_sum(peer.encode_message(kind, body))
    short = peer.encode_message(kind, body, length=20)
    for raw in (wrong_sum, short, b"8=FIX.9\x019=abc\x01nothing\x01"):
        peer.raw(raw)
        before = peer.sync()
        before += peer.sync(
            after=raw
        )  # in one write: what follows a garbled message is often read together with it
        expect([message.kind for message in before], [], f"answers to {raw[:24]!r}")
    stage.expect_given([], "what the application was given of garbled messages")
    if getattr(stage, "asks", True):
        number = stage.log.number
        name = stage.name()
        peer.raw(_with_wrong_sum(peer.encode_message(*stage.act(name))))
        stage.log.number += 1
        last = stage.tell(peer)
        expect_resend_request(peer, number)
        peer.repeat(*_in_front(stage.act(name), number))
        peer.sync()
        stage.expect_given([name, last], "what the application was given, in order")
    stage.audit(peer)
    return (
        "three garbled messages: no answer, no number; one that was garbled was asked for and came"
    )


def _with_wrong_sum(raw: bytes) -> bytes:
    # of the bytes themselves: encoded twice, a later SendingTime may make the sum right
    return raw[:-4] + b"%03d\x01" % ((int(raw[-4:-1]) + 1) % 256)


def _in_front(act: tuple[str, Pairs], number: int) -> tuple[str, int, Pairs]:
    return act[0], number, act[1]


def _with(body: Pairs, tag: int, value: str) -> Pairs:
    return [(body_tag, value if body_tag == tag else old) for body_tag, old in body]


def _without(body: Pairs, tag: int) -> Pairs:
    return [field for field in body if field[0] != tag]


def _faults(stage: Stage) -> list[tuple[str, str, Pairs, int]]:
    """What is wrong, the message, and SessionRejectReason."""
    (kind, body), (_, other_body) = stage.act(stage.name()), stage.act(stage.name())
    group = [(78, "2"), (79, "a")] if kind == "D" else [(382, "2"), (375, "a")]
    if group[0][0] not in stage.rules.messages[kind].block.members:
        group = [(136, "2"), (137, "1"), (138, "USD"), (139, "4")]
    head = (50, "me") if 50 in stage.rules.header.members else (stage.rules.header.tags[-1], "1")
    test = (112, "x")
    return [
        ("a required tag is missing", "1", [], _MISSING),
        ("a required tag of an order or a report is missing", kind, _without(body, 54), _MISSING),
        ("a tag that is undefined", "1", [test, (4999, "1")], _INVALID),
        ("a tag without a value", "1", [(112, "")], _EMPTY),
        ("a value that the tag cannot have", kind, _with(body, 54, "Z"), _VALUE),
        ("a value in the wrong format", kind, _with(body, 38, "ten"), _FORMAT),
        ("a tag that stands twice", "1", [test, (112, "y")], _TWICE),
        ("a group with another number of entries", kind, [*other_body, *group], _COUNT),
        ("a tag of another type", "1", [test, (54, "1")], _NOT_HERE),
        ("a field of the header after the body", "1", [test, head], _ORDER),
    ]


@both_roles(
    "S23",
    "a message that is not as the dictionary has it is rejected with its reason, but for a clear execution",
)
def s23(stage: Stage) -> str:
    """Ten faults; each takes its number, none the session. An ExecutionReport that says what is booked is taken."""
    peer = stage.log_on(reset=stage.outside)
    faults = _faults(stage)
    taken = []
    for label, kind, body, reason in faults:
        number = peer.say(kind, body)
        if kind == "8" and reason in (_FORMAT, _COUNT):
            expect(
                [message.kind for message in peer.sync() if message.kind in "35j"],
                [],
                f"rejects for {label}",
            )
            taken.append(dict(body)[17])
            continue
        reject = peer.hear("3")
        expect(reject.get(45), str(number), f"RefSeqNum, for {label}")
        if stage.reason(reason):
            expect(reject.get(373), str(reason), f"SessionRejectReason, for {label}")
        expect(reject.get(372), kind, f"RefMsgType, for {label}")
    stage.expect_given(taken, "what the application was given of messages with a fault")
    stage.audit(peer)
    return (
        f"{len(faults)} faults, {len(taken)} of them taken, each other one rejected with its reason"
    )


def _unknown_type(stage: Stage, peer: Peer) -> None:
    number = peer.say("ZZ", [(58, "what is this")])
    answer = peer.hear("3", "j")
    expect(answer.get(45), str(number), "RefSeqNum of the answer to an unknown type")
    if answer.kind == "3":
        expect(answer.get(373), stage.reason(_TYPE), "SessionRejectReason for an unknown type")


@both_roles("S24", "an unknown MsgType is rejected; one that is known and not offered gets 35=j")
def s24(stage: Stage) -> str:
    """35=ZZ, and a request for the status of a list; an initiator keeps both, raw."""
    peer = stage.log_on(reset=stage.outside)
    _unknown_type(stage, peer)
    number = peer.say("M", [(66, "L1")])
    answer = peer.hear("j", "3")
    expect(
        (answer.get(45), answer.get(372)),
        (str(number), "M"),
        "RefSeqNum and RefMsgType of the answer",
    )
    if answer.kind == "j" or stage.bench.terms.profile.orders.business_reject:
        expect((answer.kind, answer.get(380)), ("j", "3"), "BusinessMessageReject and its reason")
    if isinstance(stage, InitiatorStage):
        kept = [
            event.message.kind
            for event in stage.events
            if event.kind is SessionEventKind.REJECTED and event.message
        ]
        expect(kept, ["ZZ", "M"], "messages that the desk is told of")
    stage.audit(peer)
    return f"35=ZZ: Reject; 35=M: 35={answer.kind}"


@both_roles("S25", "a data field may hold SOH and 10=")
def s25(stage: Stage) -> str:
    """EncodedText (355) that looks like the end of the message."""
    peer = stage.log_on(reset=stage.outside)
    data = "a\x0110=000\x018=FIX.4.4\x019=5\x0135=0\x01b"
    name = stage.name()
    kind, body = stage.act(name)
    if 355 not in stage.rules.messages[kind].block.members:
        raise LeftOutError(f"the venue's dictionary has no data field in 35={kind}")
    peer.say(kind, [*body, (354, str(len(data))), (355, data)])
    rejects = [message.kind for message in peer.sync() if message.kind in "35j"]
    expect(rejects, [], "rejects of a message with such a field")
    stage.expect_given([name], "what the application was given")
    stage.audit(peer)
    return "taken whole, acted on once"


@both_roles("S26", "a message in single bytes, and many messages in one piece")
def s26(stage: Stage) -> str:
    """TCP may cut and join as it likes."""
    peer = stage.log_on(reset=stage.outside)
    name = stage.name()
    last = stage.name()
    names = [name]
    for byte in _next_bytes(stage, peer, name):
        peer.raw(bytes([byte]))
        peer.poll()
    many = b""
    for _ in range(20):
        names.append(stage.name())
        many += _next_bytes(stage, peer, names[-1])
    peer.raw(many)
    peer.sync()
    last_bytes = _next_bytes(stage, peer, last)
    peer.raw(last_bytes[: len(last_bytes) // 2])
    peer.poll()
    test = peer.encode_message("1", [(112, "half")])
    stage.log.number += 1
    peer.raw(last_bytes[len(last_bytes) // 2 :] + test)
    peer.until_beat("half")
    stage.expect_given([*names, last], "what the application was given, in order")
    stage.audit(peer)
    return f"{len(names) + 1} messages, each once"


def _next_bytes(stage: Stage, peer: Peer, name: str) -> bytes:
    """Bytes of the next message that the application acts on."""
    kind, body = stage.act(name)
    raw = peer.encode_message(kind, body)
    stage.log.number += 1
    return raw
