"""Cases that both roles play: one script, two stages."""

from collections.abc import Callable

from certify.fix.case import Bench, case, expect, holds
from certify.fix.stage import ADMIN, AcceptorStage, InitiatorStage, Stage
from certify.fix.wire import Heard, Pairs, Peer

Script = Callable[[Stage], str]


def both(id_: str, title: str, outside: bool = True) -> Callable[[Script], Script]:
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


def covered(heard: list[Heard], first: int, last: int) -> list[Heard]:
    """See that messages cover numbers without a hole; those of the application among them.

    Raises
    ------
    MissedError
        When they do not, or one is not marked.
    """
    due, found = first, []
    for one in heard:
        expect(
            (one.number, one.again), (due, True), "MsgSeqNum and PossDupFlag of what was repeated"
        )
        holds(bool(one.get(122)), f"OrigSendingTime (122) in {one}")
        if one.kind == "4":
            expect(one.get(123), "Y", "GapFillFlag of what fills a gap")
            due = int(one.get(36))
        else:
            found.append(one)
            due += 1
    expect(due, last + 1, "the number after what was repeated")
    return found


def lost(stage: Stage, count: int = 1) -> int:
    """Messages of the peer that never arrive; the number of the first."""
    first = stage.log.number
    stage.log.number += count
    return first


def asked(peer: Peer, first: int) -> Heard:
    """The ResendRequest that must come, from this number on.

    Raises
    ------
    MissedError
        When something else comes.
    """
    request = peer.find("2")
    expect(int(request.get(7)), first, "BeginSeqNo of the ResendRequest")
    return request


def rejected(said: Heard, number: int, reason: int | None) -> None:
    """See that a Reject is of this message, for this reason (where the version has it).

    Raises
    ------
    MissedError
        When it is not.
    """
    expect(said.kind, "3", "MsgType of the answer")
    expect(said.get(45), str(number), "RefSeqNum of the Reject")
    if reason is not None:
        expect(said.get(373), str(reason), "SessionRejectReason")


def logout(said: list[Heard]) -> Heard:
    """The Logout that must be the last thing said.

    Raises
    ------
    MissedError
        When it is not.
    """
    expect(
        [one.kind for one in said][-1:], ["5"], "the last message before the end of the connection"
    )
    return said[-1]


def back(stage: Stage, more: Pairs = ()) -> tuple[Peer, list[Heard]]:
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
    log.lenient, log.missed = True, None
    peer = stage.log_on(more=more)
    log.lenient = False
    said = stage.settle(peer)
    if log.missed is not None:
        first, last = log.missed
        peer.say("2", [(7, str(first)), (16, str(last))])
        said = covered([one for one in peer.sync() if one.again], first, last) + said
    return peer, [one for one in said if one.kind not in ADMIN]


def resumed(stage: Stage) -> Peer:
    """Log on after a break, as :func:`back` does; nothing was lost, and nothing had two effects.

    Raises
    ------
    MissedError
        When something was.
    """
    peer, _ = back(stage)
    stage.audit(peer)
    return peer
