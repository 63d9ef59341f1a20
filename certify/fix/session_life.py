"""S27 to S30: how a session ends, its hours, a peer that does not read, and a process that is killed."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from certify.fix.case import Bench, case, expect, holds
from certify.fix.plays import both_roles, resume
from certify.fix.stage import NS_PER_S, AcceptorStage, InitiatorStage, Stage
from certify.fix.wire import Peer, WireLog
from tercel.fix import MOST_WAITING, SessionTimes, TimesTable

_ZONE = "America/New_York"
_DAYS = (6, 0, 1, 2, 3)
_TIMES = SessionTimes(time(18), time(17), _ZONE, _DAYS)
_TABLE = TimesTable(
    start="18:00",
    end="17:00",
    zone=_ZONE,
    days=("sunday", "monday", "tuesday", "wednesday", "thursday"),
)
_ANSWER_S = 15.0
"""Longer than either side waits for the answer to a Logout, s."""
_PIECE = 900_000
"""Bytes of a TestReqID."""


def _new_york_ns(day: int, hour: int, minute: int = 0) -> int:
    """ns since 1970 of a time in New York, in March 2026; summer time begins on the 8th."""
    return (
        round(
            datetime(2026, 3, day, hour, minute, tzinfo=ZoneInfo(_ZONE)).astimezone(UTC).timestamp()
        )
        * NS_PER_S
    )


def _stage_with_times(bench: Bench, role: str) -> Stage:
    if role == "initiator":
        return InitiatorStage(bench, times=_TABLE)
    return AcceptorStage(bench, times=_TIMES)


def _roles(id_: str, title: str) -> Callable[[Callable[[Stage], str]], Callable[[Stage], str]]:
    """Register a script of a session with hours as a case of both roles."""

    def register(script: Callable[[Stage], str]) -> Callable[[Stage], str]:
        def as_acceptor(bench: Bench) -> str:
            with _stage_with_times(bench, "acceptor") as stage:
                return script(stage)

        def as_initiator(bench: Bench) -> str:
            with _stage_with_times(bench, "initiator") as stage:
                return script(stage)

        case(id_, title, "acceptor")(as_acceptor)
        case(id_, title, "initiator")(as_initiator)
        return script

    return register


def _end_of_day(stage: Stage, peer: Peer) -> None:
    """The session's hours end; a Logout comes."""
    stage.pass_s(120, peer.over)
    peer.find("5")


@_roles("S27", "logout by either side is answered; one that is not answered ends all the same")
def s27(stage: Stage) -> str:
    """By the peer, twice; by the system under test at the end of its hours, answered and not."""
    stage.clock.ns = _new_york_ns(4, 16, 50)
    for _ in range(2):
        peer = stage.log_on()
        peer.sync()
        peer.say("5")
        expect([message.kind for message in peer.end()], ["5"], "what is said after a Logout")
    for answers, day in ((True, 4), (False, 5)):
        peer = stage.log_on()
        stage.speak(peer)
        peer.sync()
        stage.clock.ns = (
            _new_york_ns(day, 16, 59) + 55 * NS_PER_S
        )  # so late that no TestRequest stays unanswered
        _end_of_day(stage, peer)
        if answers:
            peer.say("5")
        else:
            stage.pass_s(_ANSWER_S, lambda bound_peer=peer: bound_peer.ended)  # type: ignore[misc]
        peer.end()
        stage.compare()
        stage.clock.ns = _new_york_ns(day + 1, 16, 50)
        stage.log.begin()
    expect(stage.log_on().ended, False, "the connection of the next day is over")
    return "two Logouts of the peer answered; ours ended with the answer, and without one"


def _expect_closed(stage: Stage) -> None:
    """Nobody can log on now."""
    if isinstance(stage, InitiatorStage):
        expect(stage.no_connection(), True, "the initiator stays away while the session is closed")
        return
    assert isinstance(stage, AcceptorStage)
    peer = stage.connect(log=WireLog())
    peer.strict = False
    peer.say("A", stage.logon(None, False, 0, ()), stage.log.number)
    peer.end()
    holds(
        not any(message.kind == "A" for message in peer.heard),
        "no logon while the session is closed",
    )


def _opened_anew(stage: Stage) -> None:
    """A logon that begins at 1 on both sides."""
    stage.log.begin()
    peer = stage.log_on()
    expect(
        stage.answer.number if stage.answer else 0,
        1,
        "MsgSeqNum of the first Logon of a new session",
    )
    stage.speak(peer, 2)
    stage.audit(peer)
    peer.say("5")
    peer.end()


@_roles("S28", "the session's hours: its end, a weekend, and the day that summer time begins")
def s28(stage: Stage) -> str:
    """18:00 to 17:00 in New York, Sunday to Thursday."""
    stage.clock.ns = _new_york_ns(5, 17, 30)
    _expect_closed(stage)
    stage.clock.ns = _new_york_ns(5, 18, 1)
    _opened_anew(stage)
    stage.clock.ns = _new_york_ns(6, 16, 59)
    stage.audit(peer := stage.log_on())
    stage.clock.ns = _new_york_ns(6, 16, 59) + 55 * NS_PER_S
    _end_of_day(stage, peer)
    peer.say("5")
    peer.end()
    for day, hour in ((6, 18), (7, 12), (8, 17)):
        stage.clock.ns = _new_york_ns(day, hour, 30)
        _expect_closed(stage)
    expect(
        _new_york_ns(8, 18) - _new_york_ns(5, 18),
        (3 * 24 - 1) * 3600 * NS_PER_S,
        "ns from Thursday's opening to Sunday's",
    )
    stage.clock.ns = _new_york_ns(8, 18, 1)
    _opened_anew(stage)
    return "closed on Thursday 17:30, on Saturday and before Sunday 18:00 of summer time; anew at 1 after each"


@both_roles(
    "S29",
    "a peer that does not read is dropped at a bound; nobody else waits for it",
    outside=False,
)
def s29(stage: Stage) -> str:
    """Echoes of large TestRequests pile up until the bound."""
    peer = stage.log_on()
    other_peer = None
    if isinstance(stage, AcceptorStage):
        other_peer = stage.connect(("OTHER", stage.names[1]), WireLog())
        other_peer.say("A", stage.logon(None, False, 0, ()))
        other_peer.hear("A")
    big = "x" * _PIECE
    sent = 0
    while sent < 2 * MOST_WAITING and stage.logged_on():
        peer.say("1", [(112, big)])
        stage.turn()
        sent += _PIECE
    holds(not stage.logged_on(), f"dropped after {sent >> 20} MiB")
    holds(sent >= MOST_WAITING // 2, f"not dropped before {sent >> 20} MiB")
    if other_peer is not None:
        expect(other_peer.sync(), [], "what the other counterparty hears")
        other_peer.close()
    peer.socket.close()
    resume(stage)
    return (
        f"dropped after {sent >> 20} MiB that it did not read; numbers go on after the next logon"
    )
