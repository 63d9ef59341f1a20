"""Settings agreed between the sides of a session, and the events a session reports.

Persistent state of a session: both sequence numbers, and sent messages.

One call to the session makes one :class:`Commit`, with the numbers, the messages sent, those that came in, and what
else happened: one durable write covers them all. The session hands out bytes and messages after the store has taken the
commit, never before.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tercel.core.errors import ConfigError
from tercel.fix.protocol.dictionary import Dictionary, standard
from tercel.fix.protocol.message import Fields, Message, MessageFault

_WEEK = range(7)


@dataclass(frozen=True)
class SessionTimes:
    """Opening times of a session in a time zone, daylight saving included.

    Parameters
    ----------
    start, end : datetime.time
        An end that is not after the start is on a later day.
    zone : str
        IANA name of the place's time zone.
    days : collection of int
        Days on which it starts, Monday is 0.
    ends_on : int, optional
        Day on which it ends, for a session that lasts longer than a day.

    >>> times = SessionTimes(time(18), time(17), "America/New_York", days=(6, 0, 1, 2, 3))
    >>> open_, close = times.window(1_700_010_000 * 10**9)
    >>> datetime.fromtimestamp(open_ / 1e9, UTC), datetime.fromtimestamp(close / 1e9, UTC).hour
    (datetime.datetime(2023, 11, 14, 23, 0, tzinfo=datetime.timezone.utc), 22)
    """

    start: time
    end: time
    zone: str = "UTC"
    days: tuple[int, ...] = tuple(_WEEK)
    ends_on: int | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(
                "the IANA name of a time zone", repr(self.zone), "name one like Europe/Zurich"
            ) from None
        if not self.days or not {*self.days, self.ends_on or 0} <= set(_WEEK):
            raise ConfigError(
                "days from 0, Monday, to 6",
                f"{self.days}, {self.ends_on}",
                "mend the session's days",
            )

    def window(self, now_ns: int) -> tuple[int, int] | None:
        """Start and end of the session open at a time, ns since 1970; None when none is."""
        today = datetime.fromtimestamp(now_ns // 1_000_000_000, ZoneInfo(self.zone)).date()
        for back in range(9):
            day = today - timedelta(days=back)
            if day.weekday() in self.days:
                over_night = self.end <= self.start
                days = int(over_night)
                if self.ends_on is not None:
                    days = (self.ends_on - day.weekday()) % 7 or 7 * over_night
                start = self._ns(day, self.start)
                end = self._ns(day + timedelta(days=days), self.end)
                if start <= now_ns < end:
                    return start, end
        return None

    def _ns(self, day: date, at: time) -> int:
        return (
            int(datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC).timestamp())
            * 1_000_000_000
        )


NEVER_REPEATED: Final = frozenset({"D", "E", "G", "s", "t", "AB", "AC"})
"""Messages that put orders into a market: stale when requested again, so a gap fill replaces them."""

NOT_STORED: Final = frozenset({"W", "X"})
"""Market data: there is much of it, and another one says more."""


@dataclass(frozen=True)
class SessionSettings:
    """Settings of one session.

    Parameters
    ----------
    sender, target : str
        SenderCompID and TargetCompID of outgoing messages.
    begin : str
        BeginString.
    initiates : bool
        Whether this side connects and logs on first.
    heartbeat_s : int
        HeartBtInt, s, that an initiator requests; 0: no heartbeats. An acceptor uses the requested one.
    dictionary : Dictionary, optional
        Default: the standard's.
    header : sequence of (tag, value)
        Further fields of every header (50, 57).
    logon_fields : callable, optional
        Further fields of a logon from its SendingTime and MsgSeqNum: user name and password (553, 554), a signature
        (95, 96). They are never stored, nor shown.
    admit : callable, optional
        Returns the reason to refuse a logon, "" to accept it. The text is sent and stored.
    takes : set of str, optional
        MsgTypes that the application takes; others are answered with a BusinessMessageReject. Default: all.
    examine : callable, optional
        Returns a further fault of a message that the dictionary allows, answered with a Reject; None if valid.
    never_repeated : set of str
        MsgTypes that are never sent again; a ResendRequest for them is answered by filling the gap.
    not_stored : set of str
        MsgTypes that are not stored: they are repeated on the connection that they were sent on, as far as memory goes,
        and never on a later one.
    reset : set of {"logon", "logout", "disconnect"}
        Events after which both sequence numbers begin at 1 again.
    next_expected : bool
        Whether logons have NextExpectedMsgSeqNum (789), after which each side resends missing messages by itself.
    on_gap : {"request", "logout"}
        Action when messages are missing.
    accuracy_s : float
        How far SendingTime may be from the time here, s.
    answer_s : float
        How long a logon, a logout or a ResendRequest waits for its answer, s; a logout no longer than two heartbeats.
    digits : int
        Decimal digits of a second in SendingTime.
    user_tags : bool
        Whether tags from 5000 on that the dictionary does not have in a message may come in.
    unchecked : set of int
        Reasons of a Reject (373) for which nothing that comes in is rejected.
    times : SessionTimes, optional
        When the session is open; it is logged out at its end, and its numbers begin at 1 with its start.
    most_queued : int
        Largest number of queued messages that came too early.

    >>> SessionSettings("DESK", "VENUE").rules.version
    'FIX.4.4'
    """

    sender: str
    target: str
    begin: str = "FIX.4.4"
    initiates: bool = False
    heartbeat_s: int = 30
    dictionary: Dictionary | None = None
    header: Fields = ()
    logon_fields: Callable[[str, int], Fields] | None = field(default=None, repr=False)
    admit: Callable[[Message], str] | None = None
    takes: frozenset[str] | None = None
    examine: Callable[[Message], MessageFault | None] | None = None
    never_repeated: frozenset[str] = NEVER_REPEATED
    not_stored: frozenset[str] = NOT_STORED
    reset: frozenset[Literal["logon", "logout", "disconnect"]] = frozenset()
    next_expected: bool = False
    on_gap: Literal["request", "logout"] = "request"
    accuracy_s: float = 120.0
    answer_s: float = 10.0
    digits: int = 3
    user_tags: bool = False
    unchecked: frozenset[int] = frozenset()
    times: SessionTimes | None = None
    most_queued: int = 10_000

    def __post_init__(self) -> None:
        for what, name in (("SenderCompID", self.sender), ("TargetCompID", self.target)):
            if not name or not name.isprintable():
                raise ConfigError(
                    f"a {what} of printable characters", repr(name), "choose another name"
                )
        if self.heartbeat_s < 0 or self.digits not in (0, 3, 6, 9):
            raise ConfigError(
                "a heartbeat of at least 0 s and 0, 3, 6 or 9 digits",
                f"{self.heartbeat_s} s and {self.digits} digits",
                "mend the settings",
            )
        if self.rules.version != self.begin:
            raise ConfigError(
                f"a dictionary of {self.begin}", f"one of {self.rules.version}", "name another one"
            )

    @property
    def rules(self) -> Dictionary:
        """The dictionary in force."""
        return self.dictionary or standard(self.begin)


class SessionEventKind(StrEnum):
    """Kinds of session events."""

    UP = "up"
    """Both sides are logged on."""
    DOWN = "down"
    """They are not any more."""
    REFUSED = "refused"
    """A logon was not accepted, by either side."""
    RESET = "reset"
    """Both sequence numbers begin at 1."""
    GARBLED = "garbled"
    """Bytes came that are no message."""
    GAP = "gap"
    """Messages from the other side are missing."""
    REJECTED = "rejected"
    """A message from the other side was answered with a reject; it comes with the event."""
    NOT_REPEATED = "not repeated"
    """A message of ours that the other side never had, and will not have; it comes with the event."""


@dataclass(frozen=True)
class SessionEvent:
    """One event of a session.

    Parameters
    ----------
    what : SessionEventKind
    text : str
    message : Message, optional
    raw : bytes
        What was garbled.
    fault : MessageFault, optional
        For which the message was rejected.
    """

    what: SessionEventKind
    text: str = ""
    message: Message | None = None
    raw: bytes = field(default=b"", repr=False)
    fault: MessageFault | None = None


@dataclass
class Outcome:
    """Result of a call to a session: output, messages, events; the store has it already.

    Parameters
    ----------
    out : bytes
        To be written to the connection.
    messages : list of Message
        For the application: its own kind, and rejects (35=3) of what it sent. Each comes once, in order.
    events : list of SessionEvent
    close : bool
        Whether the connection is to be closed once `out` is written.
    """

    out: bytes = b""
    messages: list[Message] = field(default_factory=list)
    events: list[SessionEvent] = field(default_factory=list)
    close: bool = False


@dataclass(frozen=True)
class SequenceNumbers:
    """Sequence numbers of a session.

    Parameters
    ----------
    next_out, next_in : int
        MsgSeqNum of the next message sent, and of the next one expected.
    since_ns : int
        When both were 1, ns since 1970; 0: unknown.
    """

    next_out: int = 1
    next_in: int = 1
    since_ns: int = 0


@dataclass(frozen=True)
class Commit:
    """State changes of one call to a session.

    Parameters
    ----------
    numbers : SequenceNumbers
        From now on.
    sent : tuple of (number, bytes)
        Application messages as they went out. Messages of the session itself are not stored: they are never repeated,
        and a logon may have a password in it.
    received : tuple of Message
        What the application is about to be given.
    events : tuple of SessionEvent
        What else happened, rejected messages among it.
    reset : bool
        Forget all that was sent before.
    """

    numbers: SequenceNumbers
    sent: tuple[tuple[int, bytes], ...] = ()
    received: tuple[Message, ...] = ()
    events: tuple[SessionEvent, ...] = ()
    reset: bool = False


class SessionStore(Protocol):
    """Port of session storage. An implementation writes each commit whole or not at all."""

    def load(self) -> SequenceNumbers:
        """Sequence numbers of the last commit."""

    def commit(self, change: Commit) -> None:
        """Write a commit; it survives a crash once this returns."""

    def sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """Application messages sent with numbers from `first` to `last`, in order."""


class MemoryStore:
    """Session storage in memory.

    >>> store = MemoryStore()
    >>> store.commit(Commit(SequenceNumbers(3, 2), sent=((2, b"8=FIX..."),)))
    >>> store.load().next_out, list(store.sent(1, 9))
    (3, [(2, b'8=FIX...')])
    """

    def __init__(self) -> None:
        self._numbers = SequenceNumbers()
        self._sent: dict[int, bytes] = {}

    def load(self) -> SequenceNumbers:
        """See :class:`SessionStore`."""
        return self._numbers

    def commit(self, change: Commit) -> None:
        """See :class:`SessionStore`."""
        if change.reset:
            self._sent.clear()
        self._numbers = change.numbers
        self._sent.update(change.sent)

    def sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """See :class:`SessionStore`."""
        return [(number, raw) for number, raw in self._sent.items() if first <= number <= last]
