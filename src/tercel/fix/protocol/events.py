"""Events of a FIX session, and the outcome of one call to it: bytes to send, messages, events."""

from dataclasses import dataclass, field
from enum import StrEnum

from tercel.fix.protocol.faults import MessageFault
from tercel.fix.protocol.message import Message


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
    kind : SessionEventKind
    text : str
    message : Message, optional
    raw : bytes
        What was garbled.
    fault : MessageFault, optional
        For which the message was rejected.
    """

    kind: SessionEventKind
    text: str = ""
    message: Message | None = None
    raw: bytes = field(default=b"", repr=False)
    fault: MessageFault | None = None


@dataclass
class Outcome:
    """Result of one call to a session: bytes to send, messages and events; the store has them already.

    Parameters
    ----------
    data : bytes
        To be written to the connection.
    messages : list of Message
        For the application: its own kind, and rejects (35=3) of what it sent. Each comes once, in order.
    events : list of SessionEvent
    close : bool
        Whether the connection is to be closed once `data` is written.
    """

    data: bytes = b""
    messages: list[Message] = field(default_factory=list)
    events: list[SessionEvent] = field(default_factory=list)
    close: bool = False
