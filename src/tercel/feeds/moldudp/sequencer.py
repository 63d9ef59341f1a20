"""Which messages come next: order restored, duplicates dropped, gaps known. No socket and no clock of its own.

A packet of MoldUDP64 1.00 has a header of session (10), sequence number of the first message (8), message count (2).
A count of 0 is a heartbeat, 0xFFFF the end of the session; both carry the next sequence number. Message blocks follow,
each with its length (2) before it: the framing of ITCH files. A request is a header too: session, first sequence
number, number of messages wanted. Source: NASDAQ MoldUDP64 protocol specification.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

HEAD: Final = struct.Struct(">10sQH")
HEARTBEAT: Final = 0
END: Final = 0xFFFF
MOST_REQUESTED: Final = 0xFFFE


class Header(NamedTuple):
    """Session, sequence number, message count."""

    session: bytes
    sequence: int
    messages: int


def read_header(data: bytes) -> Header | None:
    """The header of a packet; None for what is too short to have one.

    >>> read_header(packet(b"S1", 7, []))
    Header(session=b'S1        ', sequence=7, messages=0)
    """
    return Header(*HEAD.unpack_from(data)) if len(data) >= HEAD.size else None


def session_of(name: bytes) -> bytes:
    """A session as it lies in a header: ten bytes, filled with blanks."""
    return name.ljust(10)


def packet(session: bytes, sequence: int, messages: Sequence[bytes]) -> bytes:
    """A packet of messages; of none, a heartbeat."""
    blocks = b"".join(len(m).to_bytes(2, "big") + m for m in messages)
    return HEAD.pack(session_of(session), sequence, len(messages)) + blocks


def request(session: bytes, sequence: int, count: int) -> bytes:
    """Ask for messages again."""
    return HEAD.pack(session_of(session), sequence, min(count, MOST_REQUESTED))


def blocks_of(data: bytes, count: int) -> list[bytes] | None:
    """The message blocks of a packet, lengths included; None when they are not `count` whole, non-empty messages.

    >>> blocks_of(packet(b"S", 1, [b"ab", b"c"]), 2)
    [b'\\x00\\x02ab', b'\\x00\\x01c']
    """
    found = []
    at = HEAD.size
    for _ in range(count):
        stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if stop > len(data) or stop <= at + 2:
            return None
        found.append(data[at:stop])
        at = stop
    return found if at == len(data) else None


MOST_HELD: Final = 1 << 20
"""Messages that wait for earlier ones; what comes beyond is dropped and asked for again."""
PATIENCE_NS: Final = 2_000_000
"""A gap is given this long to be filled by a packet that was only late, before it is asked for."""
RETRY_NS: Final = 50_000_000


@dataclass
class SequencerCounts:
    """What came in.

    Parameters
    ----------
    packets, heartbeats : int
        All packets of the session; those without messages.
    messages : int
        Messages passed on, each once and in order.
    duplicates : int
        Messages that had come before.
    early : int
        Messages that had to wait for others.
    gaps : int
        Times that messages were found missing.
    requests : int
        Requests sent.
    foreign, malformed, dropped : int
        Packets of other sessions; that are no packets; messages dropped because too many waited.
    """

    packets: int = 0
    heartbeats: int = 0
    messages: int = 0
    duplicates: int = 0
    early: int = 0
    gaps: int = 0
    requests: int = 0
    foreign: int = 0
    malformed: int = 0
    dropped: int = 0


class Sequencer:
    """Order of one session.

    Parameters
    ----------
    session : bytes or None
        Ten bytes; None takes the session of the first packet.
    expected : int
        Number of the next message, from 1.

    Examples
    --------
    >>> from tercel.feeds.moldudp.sequencer import packet
    >>> s = Sequencer()
    >>> s.take(packet(b"A", 2, [b"b"]), 0), s.take(packet(b"A", 1, [b"a"]), 0)
    (b'', b'\\x00\\x01a\\x00\\x01b')
    """

    def __init__(
        self, session: bytes | None = None, expected: int = 1, most_held: int = MOST_HELD
    ) -> None:
        self.session = session
        self.expected = expected
        self.counts = SequencerCounts()
        self.last_known = expected - 1
        """Largest number that is known to exist."""
        self._ends = False
        self._held: dict[int, bytes] = {}
        self._most_held = most_held
        self._ask_at = 0
        self._in_gap = False

    @property
    def missing(self) -> bool:
        """Whether a message is known to exist that has not been passed on."""
        return self.expected <= self.last_known

    @property
    def ended(self) -> bool:
        """Whether the session is over and all of it was passed on."""
        return self._ends and not self.missing

    def take(self, data: bytes, now_ns: int) -> bytes:
        """Take a packet; returns the message blocks that are next, in order (they may come from earlier packets)."""
        head = read_header(data)
        if head is None:
            self.counts.malformed += 1
            return b""
        if self.session is None:
            self.session = head.session
        if head.session != self.session:
            self.counts.foreign += 1
            return b""
        self.counts.packets += 1
        if head.messages in (HEARTBEAT, END):
            self.counts.heartbeats += head.messages == HEARTBEAT
            self._ends |= head.messages == END
            self.last_known = max(self.last_known, head.sequence - 1)
            self._mind_the_gap(now_ns)
            return b""
        blocks = blocks_of(data, head.messages)
        if blocks is None or head.sequence == 0:
            self.counts.malformed += 1
            return b""
        self.last_known = max(self.last_known, head.sequence + head.messages - 1)
        out = self._order(head.sequence, blocks)
        self._mind_the_gap(now_ns)
        return out

    def _order(self, sequence: int, blocks: list[bytes]) -> bytes:
        if sequence > self.expected:
            for number, block in enumerate(blocks, start=sequence):
                if number in self._held:
                    self.counts.duplicates += 1
                elif len(self._held) >= self._most_held:
                    self.counts.dropped += 1
                else:
                    self._held[number] = block
                    self.counts.early += 1
            return b""
        known = min(self.expected - sequence, len(blocks))
        self.counts.duplicates += known
        ready = blocks[known:]
        for number in range(self.expected, self.expected + len(ready)):
            if number in self._held:
                del self._held[number]
                self.counts.duplicates += 1
        self.expected += len(ready)
        while self.expected in self._held:
            ready.append(self._held.pop(self.expected))
            self.expected += 1
        self.counts.messages += len(ready)
        return b"".join(ready)

    def _mind_the_gap(self, now_ns: int) -> None:
        if self.missing and not self._in_gap:
            self.counts.gaps += 1
            self._ask_at = now_ns + PATIENCE_NS
        self._in_gap = self.missing

    def wanted(self, now_ns: int) -> list[tuple[int, int]]:
        """What to ask for now, as (first number, how many); nothing while the last request is fresh."""
        if not self.missing or now_ns < self._ask_at:
            return []
        self._ask_at = now_ns + RETRY_NS
        ranges: list[tuple[int, int]] = []
        first = self.expected
        for number in [*sorted(self._held), self.last_known + 1]:
            while first < number and len(ranges) < 16:
                count = min(number - first, MOST_REQUESTED)
                ranges.append((first, count))
                first += count
            first = number + 1
        self.counts.requests += len(ranges)
        return ranges

    def progressed(self, now_ns: int) -> None:
        """A request was answered in part: the rest may be asked for at once."""
        self._ask_at = min(self._ask_at, now_ns)
