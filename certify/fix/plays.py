"""Cases that both roles play: one script, two stages."""

from collections.abc import Callable

from certify.fix.case import Bench, case, expect, holds
from certify.fix.stage import ADMIN, AcceptorStage, InitiatorStage, Stage
from certify.fix.wire import Heard, Pairs, Peer

Script = Callable[[Stage], str]


def both_roles(id_: str, title: str, outside: bool = True) -> Callable[[Script], Script]:
    """Register a script as a case of both roles; see :func:`~certify.fix.case.case`."""

    def register(script: Script) -> Script:
        def as_acceptor(bench: Bench) -> str:
            with acceptor(bench) as stage:
                return script(stage)

        def as_initiator(bench: Bench) -> str:
            with InitiatorStage(bench) as stage:
                return script(stage)

        case(id_, title, "acceptor", outside=outside)(as_acceptor)
        case(id_, title, "initiator")(as_initiator)
        return script

    return register


def acceptor(bench: Bench) -> AcceptorStage:
    """The acceptor that is certified: ours, or somebody else's where an address is given."""
    if bench.address is None:
        return AcceptorStage(bench)
    from certify.fix.outside import OutsideStage

    return OutsideStage(bench)


def expect_covered(heard: list[Heard], first: int, last: int) -> list[Heard]:
    """See that messages cover numbers without a hole; those of the application among them.

    Raises
    ------
    MissedError
        When they do not, or one is not marked.
    """
    due = first
    application = []
    for message in heard:
        expect(
            (message.number, message.again),
            (due, True),
            "MsgSeqNum and PossDupFlag of what was repeated",
        )
        holds(bool(message.get(122)), f"OrigSendingTime (122) in {message}")
        if message.kind == "4":
            expect(message.get(123), "Y", "GapFillFlag of what fills a gap")
            due = int(message.get(36))
        else:
            application.append(message)
            due += 1
    expect(due, last + 1, "the number after what was repeated")
    return application


def lose_messages(stage: Stage, count: int = 1) -> int:
    """Messages of the peer that never arrive; the number of the first."""
    first = stage.log.number
    stage.log.number += count
    return first


def expect_resend_request(peer: Peer, first: int) -> Heard:
    """The ResendRequest that must come, from this number on.

    Raises
    ------
    MissedError
        When something else comes.
    """
    request = peer.find("2")
    expect(int(request.get(7)), first, "BeginSeqNo of the ResendRequest")
    return request


def expect_reject(message: Heard, number: int, reason: int | None) -> None:
    """See that a Reject is of this message, for this reason (where the version has it).

    Raises
    ------
    MissedError
        When it is not.
    """
    expect(message.kind, "3", "MsgType of the answer")
    expect(message.get(45), str(number), "RefSeqNum of the Reject")
    if reason is not None:
        expect(message.get(373), str(reason), "SessionRejectReason")


def expect_logout(messages: list[Heard]) -> Heard:
    """The Logout that must be the last thing said.

    Raises
    ------
    MissedError
        When it is not.
    """
    expect(
        [message.kind for message in messages][-1:],
        ["5"],
        "the last message before the end of the connection",
    )
    return messages[-1]


def reconnect(stage: Stage, more: Pairs = ()) -> tuple[Peer, list[Heard]]:
    """Log on after a break in which both may have missed something; each asks for it, and has it.

    `more` is what the Logon says beside.

    Returns
    -------
    Peer, list of Heard
        What the application of the system under test said meanwhile and since, in order.

    Raises
    ------
    MissedError
        When a number is used twice, or something is not there.
    """
    log = stage.log
    log.lenient = True
    log.missed = None
    peer = stage.log_on(more=more)
    log.lenient = False
    messages = stage.settle(peer)
    if log.missed is not None:
        first, last = log.missed
        peer.say("2", [(7, str(first)), (16, str(last))])
        messages = (
            expect_covered([message for message in peer.sync() if message.again], first, last)
            + messages
        )
    return peer, [message for message in messages if message.kind not in ADMIN]


def resume(stage: Stage) -> Peer:
    """Log on after a break, as :func:`reconnect` does; nothing was lost, and nothing had two effects.

    Raises
    ------
    MissedError
        When something was.
    """
    peer, _ = reconnect(stage)
    stage.audit(peer)
    return peer
