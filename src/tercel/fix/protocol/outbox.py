"""Outgoing messages of a session: numbered, dated, stored for resend, and resent on request."""

from collections.abc import Sequence
from typing import Final

from tercel.core.errors import VenueError
from tercel.fix.protocol.codec import decode, encode
from tercel.fix.protocol.message import Fields, Message, utc_text
from tercel.fix.protocol.session_store import SessionStore
from tercel.fix.protocol.settings import SessionSettings
from tercel.fix.protocol.validate import first_fault

REPEATS_PER_S: Final = 5_000
"""Numbers that are repeated in a second: a request for more waits, and is answered once for all of it."""
_SECOND: Final = 1_000_000_000
MOST_RECENT: Final = 4096
"""Messages of types that are not stored which can be repeated on the connection that they were sent on."""


class Outbox:
    """Outgoing side of one session.

    Parameters
    ----------
    settings : SessionSettings
    store : SessionStore
        Where messages are that were sent before; this class reads it alone.

    >>> from tercel.fix.protocol.session_store import MemoryStore
    >>> box = Outbox(SessionSettings("DESK", "VENUE"), MemoryStore())
    >>> box.emit("0", [])
    >>> decode(box.take()[0]).number, box.next
    (1, 2)
    """

    def __init__(self, settings: SessionSettings, store: SessionStore) -> None:
        self._settings = settings
        self._store = store
        self._data_fields = settings.rules.data_fields
        self.next = 1
        """MsgSeqNum of the next message."""
        self.now_ns = 0
        """The time that messages are dated with, ns since 1970; the session moves it."""
        self.sent_ns = 0
        """When something last left."""
        self._outgoing: list[bytes] = []
        self._unsaved: list[tuple[int, bytes]] = []
        self._recent: dict[
            int, bytes
        ] = {}  # of this connection alone, of types that are not stored
        self._stale: set[int] = set()  # reported once as not repeated
        self._requested_range: tuple[int, int] | None = (
            None  # first and last number that the other side wants again
        )
        self._resend_free_ns = 0  # when all that was repeated would have left at `REPEATS_PER_S`

    @property
    def now_text(self) -> str:
        """Current SendingTime."""
        return utc_text(self.now_ns, self._settings.digits)

    def add_header(self, kind: str, fields: Fields, number: int = 0) -> list[tuple[int, str]]:
        """Fields of a message with its header before them, under `number` (0: the next one, which stays free)."""
        number = number or self.next
        return [
            (35, kind),
            (49, self._settings.sender),
            (56, self._settings.target),
            (34, str(number)),
            (52, self.now_text),
            *self._settings.header,
            *fields,
        ]

    def add_valid_header(self, kind: str, fields: Fields, number: int) -> Fields:
        """Add the header to an application message, and check its fields against the dictionary.

        Raises
        ------
        VenueError
            For a type, or fields, that the dictionary does not have so.
        """
        rules = self._settings.rules
        rule = rules.messages.get(kind)
        if rule is None or (rule.admin and kind != "3"):
            raise VenueError(
                "an application message that the dictionary has", f"35={kind}", "name another type"
            )
        headed = self.add_header(kind, fields, number)
        if (fault := first_fault(Message(self._settings.begin, headed), rules)) is not None:
            raise VenueError(
                "a message that the dictionary allows",
                f"35={kind} with field {fault.tag}: {fault.text}",
                "mend the message or the dictionary",
            )
        return headed

    def emit(self, kind: str, fields: Fields) -> None:
        """Append a session-level message, under the next number, to the bytes to send; it is not stored."""
        self._write(self.add_header(kind, fields))
        self.next += 1

    def emit_stored(self, messages: Sequence[Fields], store_only: bool = False) -> None:
        """Encode application messages whose headers number them from `next` on, store those of stored types, and send
        all unless `store_only`."""
        raws = [encode(self._settings.begin, headed, self._data_fields) for headed in messages]
        for number, (headed, raw) in enumerate(zip(messages, raws, strict=True), self.next):
            if headed[0][1] not in self._settings.not_stored:
                self._unsaved.append((number, raw))
            elif not store_only:
                self._recent[number] = raw
                if len(self._recent) > MOST_RECENT:
                    del self._recent[next(iter(self._recent))]
        self.next += len(raws)
        if not store_only:
            self._outgoing += raws
            self.sent_ns = self.now_ns

    def _write(self, headed: Fields) -> None:
        """Append an encoded message to the bytes to send."""
        self._outgoing.append(encode(self._settings.begin, headed, self._data_fields))
        self.sent_ns = self.now_ns

    def resend(self, first: int = 0, last: int = 0) -> list[tuple[int, Message]]:
        """Answer a ResendRequest for `first` to `last`, both at least 1, or by default what earlier requests still wait for:
        resend stored messages as PossDup, gap-fill the others; returns those whose type is never resent.

        After more than a second's worth, resends pause, and requests of that time are answered together: repeated
        requests do not delay other messages.

        Parameters
        ----------
        first, last : int
            Requested range, with a request's EndSeqNo 0 resolved; `first` 0: the part of earlier requests that has not been sent.

        Returns
        -------
        list of (number, message)
            Messages that were not resent because their type never is; each once.
        """
        if first:
            before = self._requested_range or (first, last)
            self._requested_range = min(before[0], first), max(before[1], last)
        if self._requested_range is None or self._resend_free_ns > self.now_ns + _SECOND:
            return []
        (first, last) = self._requested_range
        self._requested_range = None
        numbers = min(max(last - first + 1, 1), REPEATS_PER_S)
        self._resend_free_ns = (
            max(self._resend_free_ns, self.now_ns) + numbers * _SECOND // REPEATS_PER_S
        )
        return self._resend_stored(first, last)

    def _resend_stored(self, first: int, last: int) -> list[tuple[int, Message]]:
        """Resend stored messages, gap-filling the rest; number and message of those that are never repeated."""
        stale = []
        new = [*self._recent.items(), *self._unsaved]
        stored = dict(self._store.load_sent(first, last)) | {
            n: raw for n, raw in new if first <= n <= last
        }
        dropped = {34, 35, 43, 49, 52, 56, 122, *(tag for tag, _ in self._settings.header)}
        for number, raw in sorted(stored.items()):
            if number in self._stale:
                continue
            old = decode(raw, self._data_fields)
            if old.kind in self._settings.never_repeated:
                self._stale.add(number)
                stale.append((number, old))
                continue
            self._fill(first, number)
            rest = [(tag, value) for tag, value in old.fields if tag not in dropped]
            self._write(self.add_header(old.kind, [(43, "Y"), (122, old.get(52)), *rest], number))
            first = number + 1
        self._fill(first, last + 1)
        return stale

    def _fill(self, first: int, new: int) -> None:
        """Send a gap fill for numbers from `first` up to but not including `new`."""
        if first < new:
            self._write(
                self.add_header(
                    "4", [(43, "Y"), (122, self.now_text), (123, "Y"), (36, str(new))], first
                )
            )

    def reset_numbers(self) -> None:
        """Set the next number to 1, and forget messages of this connection and those not in the store yet; the store is
        left."""
        self.next = 1
        self._unsaved = []
        self._stale.clear()
        self.begin_connection()

    def begin_connection(self) -> None:
        """Start a new connection: forget sent messages of types that are not stored, and open resend requests."""
        self._recent.clear()
        self._requested_range = None
        self._resend_free_ns = 0

    def take(self) -> tuple[bytes, tuple[tuple[int, bytes], ...]]:
        """Empty the outbox: bytes to write to the connection, and messages to store."""
        data = b"".join(self._outgoing)
        stored = tuple(self._unsaved)
        self._outgoing = []
        self._unsaved = []
        return data, stored
