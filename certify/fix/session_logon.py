"""S01 to S08: how a session begins, and how it stays alive."""

from typing import Any

from certify.fix.case import Bench, case, expect, holds
from certify.fix.plays import acceptor, both_roles, expect_covered, expect_logout
from certify.fix.stage import NS_PER_S, AcceptorStage, InitiatorStage, Stage
from certify.fix.wire import Heard, Pairs, Peer, WireLog
from exchange.fix.counterparties import Login
from tercel.fix import SessionEventKind

_FAR_S = 600
"""Out of every tolerance, s."""


_EXPECTED = "NextExpectedMsgSeqNum (789) is told, and what is missing comes by itself"


@both_roles("S01", "logon is taken, the heartbeat interval is agreed")
def s01(stage: Stage) -> str:
    """Both sides log on; the interval is the one that was asked for."""
    interval = 17
    peer = stage.log_on(reset=stage.outside, heartbeat=interval)
    before = peer.sync()
    expect(
        [message.kind for message in before if message.kind in "35"],
        [],
        "rejects and logouts after the logon",
    )
    stage.audit(peer)
    return f"HeartBtInt {interval if not isinstance(stage, InitiatorStage) else stage.heartbeat_s} on both sides"


@both_roles("S02", "a logon whose number is too high is taken, and the gap asked for")
def s02(stage: Stage) -> str:
    """Two messages before the peer's Logon are missing."""
    if stage.outside:
        stage.lose_peer(stage.log_on(reset=True))
    number = stage.log.number
    peer = stage.log_on(number + 2)
    request = peer.find("2")
    expect(int(request.get(7)), number, "BeginSeqNo of the ResendRequest")
    peer.fill(number, number + 3)
    stage.log.number = number + 3
    stage.audit(peer)
    return f"logged on, and asked for what is missing: 7={request.get(7)} 16={request.get(16)}"


def _too_low(stage: Stage, peer: Peer) -> Heard:
    """Mid-session, a number that was taken and is not marked as a repetition."""
    peer.say("0", number=1)
    return expect_logout(peer.end())


@case(
    "S03", "a number that is too low ends the session; nothing is reset", "acceptor", outside=True
)
def s03_acceptor(bench: Bench) -> str:
    """Too low in the Logon, then too low in between."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        stage.speak(peer)
        logout_message = _too_low(stage, peer)
        if isinstance(stage, AcceptorStage):
            expect(bool(logout_message.get(58)), True, "the Logout says why")
            low = stage.connect()
            low.say("A", stage.logon(None, False, 0, ()), 1)
            reason = expect_logout(low.end()).get(58)
            holds(bool(reason), "the Logout says why")
        stage.audit(stage.log_on())
        return f"Logout and disconnect: {logout_message.get(58)}"


@case("S03", "a number that is too low ends the session; nothing is reset", "initiator")
def s03_initiator(bench: Bench) -> str:
    """Too low in between, then, where numbers go on, too low in the answer to the Logon."""
    with InitiatorStage(bench) as stage:
        peer = stage.log_on()
        stage.speak(peer)
        logout_message = _too_low(stage, peer)
        if not stage.resets:
            low = stage.accept()
            low.hear("A")
            low.say("A", stage.logon(None, False, 0, ()), 1)
            logout_message = expect_logout(low.end())
        holds(bool(logout_message.get(58)), "the Logout says why")
        stage.audit(stage.log_on())
        return f"Logout and disconnect: {logout_message.get(58)}"


def _bad_logons(stage: Stage) -> dict[str, dict[str, Any]]:
    """Logons that must not be taken: how each differs."""
    return {
        "another CompID": {"names": ("NOBODY", stage.names[1])},  # type: ignore[attr-defined]
        "another BeginString": {"begin": "FIX.4.2" if not stage.old else "FIX.4.4"},
        "SendingTime 10 minutes off": {"when": stage.now_ns() - _FAR_S * NS_PER_S},
        "no Logon": {"kind": "0"},
    }


def _expect_no_logon(stage: Stage, peer: Peer, how: dict[str, Any]) -> None:
    """Say one of them; the connection ends without a logon."""
    kind = str(how.pop("kind", "A"))
    body: Pairs = stage.logon(None, False, 0, ()) if kind == "A" else ()
    peer.say(kind, body, stage.log.number, **how)
    peer.end()


def _in_between(stage: Stage, peer: Peer, reason: int, **how: Any) -> None:
    """Mid-session: a message that is not from where or when it should be is rejected, and the session ends."""
    number = peer.say("0", (), **how)
    reject = peer.find("3")
    expect(
        (reject.get(45), reject.get(373)),
        (str(number), stage.reason(reason)),
        "RefSeqNum and reason of the Reject",
    )
    peer.find("5")
    peer.say("5")
    peer.end()


@case(
    "S04",
    "wrong CompID, BeginString or SendingTime, and a first message that is no Logon",
    "acceptor",
    outside=True,
)
def s04_acceptor(bench: Bench) -> str:
    """None of them is logged on; the right one is."""
    with acceptor(bench) as stage:
        assert isinstance(stage, AcceptorStage)
        for label, how in _bad_logons(stage).items():
            peer = stage.connect(log=WireLog())
            peer.strict = False
            _expect_no_logon(stage, peer, how)
            holds(not any(message.kind == "A" for message in peer.heard), f"no logon for {label}")
        peer = stage.log_on(reset=stage.outside)
        _in_between(stage, peer, 10, when=stage.now_ns() - _FAR_S * NS_PER_S)
        peer = stage.log_on()
        _in_between(stage, peer, 9, names=("NOBODY", stage.names[1]))
        stage.audit(stage.log_on())
        return "4 refused before the logon, 2 rejected and logged out after it"


@case(
    "S04",
    "wrong CompID, BeginString or SendingTime, and a first message that is no Logon",
    "initiator",
)
def s04_initiator(bench: Bench) -> str:
    """None of them is an answer; the right one is."""
    with InitiatorStage(bench) as stage:
        for label, how in _bad_logons(stage).items():
            peer = stage.accept()
            peer.hear("A")
            _expect_no_logon(stage, peer, how)
            expect(stage.link.up, False, f"logged on after {label}")
        peer = stage.log_on()
        _in_between(stage, peer, 10, when=stage.now_ns() - _FAR_S * NS_PER_S)
        peer = stage.log_on()
        _in_between(stage, peer, 9, names=("NOBODY", stage.names[1]))
        stage.audit(stage.log_on())
        return "4 answers refused, 2 rejected and logged out after the logon"


@case(
    "S05",
    "a second connection of the same name is dropped, the first unharmed",
    "acceptor",
    outside=True,
)
def s05(bench: Bench) -> str:
    """The same identity connects twice."""
    with acceptor(bench) as stage:
        assert isinstance(stage, AcceptorStage)
        first = stage.log_on(reset=stage.outside)
        second = stage.connect(log=WireLog())
        second.strict = False
        second.say("A", stage.logon(None, False, 0, ()), stage.log.number)
        second.end()
        holds(not any(message.kind == "A" for message in second.heard), "no logon for the second")
        stage.tell(first)
        stage.audit(first)
        return "the second connection ended, the first goes on"


def _again_midway(stage: Stage, peer: Peer) -> None:
    """The peer has both begin at 1 while logged on."""
    peer.say("A", stage.logon(None, True, 0, ()))
    answer = peer.find("A")
    expect((answer.get(141), answer.number), ("Y", 1), "ResetSeqNumFlag and number of the answer")


@case(
    "S06",
    "ResetSeqNumFlag: numbers begin at 1 on both sides, at a logon and in between",
    "acceptor",
    outside=True,
)
def s06_acceptor(bench: Bench) -> str:
    """141=Y at the logon, then mid-session."""
    with acceptor(bench) as stage:
        peer = stage.log_on(reset=stage.outside)
        stage.speak(peer, 2)
        stage.lose_peer(peer)
        peer = stage.log_on(reset=True)
        expect(stage.log.expects, 2, "the next number after the logon")
        stage.speak(peer)
        if _midway(bench):
            _again_midway(stage, peer)
        stage.speak(peer)
        stage.audit(peer)
        return "reset at the logon" + (" and in between" if _midway(bench) else "")


@case(
    "S06",
    "ResetSeqNumFlag: numbers begin at 1 on both sides, at a logon and in between",
    "initiator",
)
def s06_initiator(bench: Bench) -> str:
    """141=Y asked for here; one that was not asked for is refused."""
    with InitiatorStage(bench) as stage:
        peer = stage.log_on()
        stage.speak(peer, 2)
        if not stage.resets:
            stage.lose_peer(peer)
            peer = stage.accept()
            peer.hear("A")
            number = stage.log.number
            expects = stage.log.expects
            peer.say("A", stage.logon(None, True, 0, ()))
            peer.end()
            expect(stage.link.up, False, "logged on after a reset that was not asked for")
            stage.log.number = number
            stage.log.expects = expects + 1
        else:
            stage.lose_peer(peer)
        stage.end_link()
        stage.begin_link(reset=True)
        peer = stage.log_on()
        expect(stage.log.expects, 2, "the next number after the logon")
        if _midway(bench):
            _again_midway(stage, peer)
        stage.speak(peer)
        stage.audit(peer)
        return "reset at the logon" + (
            " and in between; refused where not asked for" if _midway(bench) else ""
        )


def _midway(bench: Bench) -> bool:
    """Whether the venue may reset in between: not where every logon does."""
    return "logon" not in bench.terms.profile.session.reset


@case("S07", _EXPECTED, "acceptor")
def s07_acceptor(bench: Bench) -> str:
    """The peer lost two reports, and says so in its Logon."""
    with AcceptorStage(bench, login=Login("DESK", begin=bench.begin, next_expected=True)) as stage:
        peer = stage.log_on()
        first = stage.speak(peer, 2)[0]
        stage.lose_peer(peer)
        due = stage.log.number + 1
        peer = stage.log_on(more=[(789, str(first.number))])
        return _expect_resent(stage, peer, first, due, first.number + 1)


@case("S07", _EXPECTED, "initiator")
def s07_initiator(bench: Bench) -> str:
    """The peer lost two messages, and says so in its answer."""
    with InitiatorStage(bench, next_expected=True) as stage:
        peer = stage.log_on()
        first = stage.speak(peer, 2)[0]
        stage.lose_peer(peer)
        due = stage.log.number
        peer = stage.log_on(more=[(789, str(first.number))])
        return _expect_resent(stage, peer, first, due, first.number + 2)


def _expect_resent(stage: Stage, peer: Peer, first: Heard, due: int, last: int) -> str:
    logon = stage.answer
    expect(
        logon.get(789) if logon else "", str(due), "NextExpectedMsgSeqNum of the system under test"
    )
    repeated = expect_covered(
        [message for message in peer.sync() if message.again], first.number, last
    )
    expect(len(repeated), 2, "messages that came again")
    stage.audit(peer)
    return "two messages came again, without a ResendRequest"


@both_roles(
    "S08", "silence is met with heartbeats and a TestRequest; no answer ends the connection"
)
def s08(stage: Stage) -> str:
    """The peer is silent, answers once, and then no more."""
    interval = stage.quick_s
    peer = stage.log_on(reset=stage.outside, heartbeat=interval)
    peer.sync()
    stage.pass_s(interval + 1)
    peer.find("0", patience_s=stage.patience(interval))
    stage.pass_s(interval)
    test = peer.find("1", patience_s=stage.patience(interval))
    peer.say("0", [(112, test.get(112))])
    holds(bool(test.get(112)), "a TestRequest has a TestReqID")
    peer.sync()
    stage.pass_s(interval * 1.4)
    peer.find("1", patience_s=stage.patience(interval))
    stage.pass_s(interval * 1.4, peer.over)
    peer.end(stage.patience(interval))
    if isinstance(stage, InitiatorStage):
        holds(
            any("TestRequest" in text for text in stage.event_texts(SessionEventKind.DOWN)),
            "the link says why it went down",
        )
    stage.audit(stage.log_on())
    return f"a heartbeat and a TestRequest after {interval} s; the connection ended when nobody answered"
