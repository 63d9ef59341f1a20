"""Settings of a FIX session that its two sides agree on: CompIDs, heartbeat, tolerances, opening times."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tercel.core.errors import ConfigError
from tercel.fix.protocol.dictionary import Dictionary, standard
from tercel.fix.protocol.faults import MessageFault
from tercel.fix.protocol.message import Fields, Message

_WEEK = range(7)


NEVER_REPEATED: Final = frozenset({"D", "E", "G", "s", "t", "AB", "AC"})
"""Messages that put orders into a market: stale when requested again, so a gap fill replaces them."""
NOT_STORED: Final = frozenset({"W", "X"})
"""Market data: there is much of it, and another one says more."""


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
        """Refuse an unknown time zone, no days, and days that are not 0 to 6."""
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
        for days_back in range(9):
            day = today - timedelta(days=days_back)
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

    def _ns(self, day: date, time_of_day: time) -> int:
        """Nanoseconds since 1970 of a time of day in the session's zone."""
        return (
            int(datetime.combine(day, time_of_day, ZoneInfo(self.zone)).astimezone(UTC).timestamp())
            * 1_000_000_000
        )


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
        """Refuse invalid CompIDs, heartbeat or digits, and a dictionary of another version than `begin`."""
        for field_name, name in (("SenderCompID", self.sender), ("TargetCompID", self.target)):
            if not name or not name.isprintable():
                raise ConfigError(
                    f"a {field_name} of printable characters", repr(name), "choose another name"
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
