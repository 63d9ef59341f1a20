"""Port of a FIX session's storage (sequence numbers, sent messages), and a store in memory; `fix.sqlite_store` has files.

One call to the session makes one :class:`Commit`, with the numbers, the messages sent, those that came in, and what
else happened: one durable write covers them all. The session hands out bytes and messages after the store has taken the
commit, never before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tercel.fix.protocol.events import SessionEvent
from tercel.fix.protocol.message import Message


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

    def load_sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """Application messages sent with numbers from `first` to `last`, both included, in order."""


class MemoryStore:
    """Session storage in memory.

    >>> store = MemoryStore()
    >>> store.commit(Commit(SequenceNumbers(3, 2), sent=((2, b"8=FIX..."),)))
    >>> store.load().next_out, list(store.load_sent(1, 9))
    (3, [(2, b'8=FIX...')])
    """

    def __init__(self) -> None:
        self._numbers = SequenceNumbers()
        self._sent: dict[int, bytes] = {}

    def load(self) -> SequenceNumbers:
        """Sequence numbers of the last commit; both 1 before any."""
        return self._numbers

    def commit(self, change: Commit) -> None:
        """Keep a commit's numbers and sent messages; one with `reset` drops those sent before."""
        if change.reset:
            self._sent.clear()
        self._numbers = change.numbers
        self._sent.update(change.sent)

    def load_sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """Application messages sent with numbers from `first` to `last`, both included."""
        return [(number, raw) for number, raw in self._sent.items() if first <= number <= last]
