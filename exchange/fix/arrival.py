"""Incoming connections at an acceptor: which session each is for, and that none is connected twice."""

from collections.abc import Mapping
from typing import Final

from tercel.fix import Decoder, FixSession, GarbledMessage, Outcome, SessionEvent, SessionEventKind

MOST_BYTES: Final = 1 << 14
"""Longest Logon, and whatever comes in its place."""
FREE_TRIES: Final = 5
"""Wrong passwords before a name has to wait."""
LONGEST_WAIT_S: Final = 8
"""Between two looks at a password, where the last ones were wrong."""
_FORGOTTEN_S: Final = 60
SessionName = tuple[str, str, str]
"""BeginString, SenderCompID and TargetCompID of what the session sends."""


def index_sessions(*sessions: FixSession) -> dict[SessionName, FixSession]:
    """Sessions by name (CompIDs), as an acceptor keeps them."""
    return {
        (session.settings.begin, session.settings.sender, session.settings.target): session
        for session in sessions
    }


class LogonThrottle:
    """Slows guesses: after some wrong passwords for a name from an address, no more is looked at for a while.

    Other names and other addresses do not wait, and a refusal that looked at nothing prolongs nothing.

    >>> throttle = LogonThrottle()
    >>> for _ in range(FREE_TRIES + 1):
    ...     throttle.record_attempt("DESK", "10.0.0.1", 0, wrong=True)
    >>> throttle.wait_s("DESK", "10.0.0.1", 0), throttle.wait_s("DESK", "10.0.0.2", 0)
    (2.0, 0.0)
    """

    def __init__(self) -> None:
        self._wrong: dict[tuple[str, str], tuple[int, int]] = {}

    def wait_s(self, name: str, address: str, now_ns: int) -> float:
        """How long a name has to wait, s."""
        tries, last_ns = self._wrong.get((name, address), (0, 0))
        wait_s = min(2 ** max(tries - FREE_TRIES, 0), LONGEST_WAIT_S) if tries >= FREE_TRIES else 0
        return max(last_ns + wait_s * 1_000_000_000 - now_ns, 0) / 1e9

    def record_attempt(self, name: str, address: str, now_ns: int, wrong: bool) -> None:
        """A password was looked at."""
        tries, last_ns = self._wrong.pop((name, address), (0, now_ns))
        if wrong:
            tries = tries if now_ns - last_ns < _FORGOTTEN_S * 1_000_000_000 else 0
            self._wrong[name, address] = tries + 1, now_ns


class IncomingConnection:
    """One connection at an acceptor's port. It is refused without a word unless its first message is the Logon of a
    session that is not connected; then it is that session.

    Parameters
    ----------
    sessions : mapping of SessionName to FixSession
    now_ns : int
    answer_s : float
        How long it may take to say who it is, s.

    >>> from tercel.fix.protocol.settings import SessionSettings
    >>> venue = index_sessions(FixSession(SessionSettings("VENUE", "DESK")))
    >>> desk, other = (FixSession(SessionSettings(name, "VENUE", initiates=True)) for name in ("DESK", "OTHER"))
    >>> now = 1_700_000_000 * 10**9
    >>> [IncomingConnection(venue, now).receive(one.connect(now).data, now).close for one in (desk, other)]
    [False, True]
    """

    def __init__(
        self, sessions: Mapping[SessionName, FixSession], now_ns: int, answer_s: float = 10.0
    ) -> None:
        self._sessions = sessions
        self._until_ns = now_ns + round(answer_s * 1e9)
        self._data = b""
        self.session: FixSession | None = None
        """Whose connection it is, once that is known."""

    def receive(self, data: bytes, now_ns: int) -> Outcome:
        """Process received bytes."""
        if self.session is not None:
            return self.session.receive(data, now_ns)
        self._data += data
        messages = Decoder().feed(self._data)
        if not messages:
            return self._refuse("no message") if len(self._data) > MOST_BYTES else Outcome()
        first = messages[0]
        if isinstance(first, GarbledMessage) or first.kind != "A":
            return self._refuse("the first message is no Logon")
        session = self._sessions.get((first.begin, first.get(56), first.get(49)))
        if session is None:
            return self._refuse(f"no session from {first.get(56)[:40]!r} to {first.get(49)[:40]!r}")
        if session.connected:
            return self._refuse(f"{first.get(49)} is connected already")
        self.session = session
        session.connect(now_ns)
        return session.receive(self._data, now_ns)

    def on_time(self, now_ns: int) -> Outcome:
        """Advance time."""
        if self.session is not None:
            return self.session.on_time(now_ns)
        return self._refuse("no logon came in time") if now_ns >= self._until_ns else Outcome()

    def disconnect(self, now_ns: int) -> Outcome:
        """The connection was lost."""
        return self.session.disconnect(now_ns) if self.session is not None else Outcome()

    @staticmethod
    def _refuse(text: str) -> Outcome:
        return Outcome(events=[SessionEvent(SessionEventKind.REFUSED, text)], close=True)
