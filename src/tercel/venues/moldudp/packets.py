"""Packets of MoldUDP64 1.00: header of session (10), sequence number of the first message (8), message count (2).

A count of 0 is a heartbeat, 0xFFFF the end of the session; both carry the next sequence number. Message blocks follow,
each with its length (2) before it: the framing of ITCH files. A request is a header too: session, first sequence
number, number of messages wanted. Source: NASDAQ MoldUDP64 protocol specification.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

HEAD: Final = struct.Struct(">10sQH")
HEARTBEAT: Final = 0
END: Final = 0xFFFF
MOST_BYTES: Final = 1_400
"""Payload that fits an Ethernet frame with room for its headers."""
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


def end_of_session(session: bytes, sequence: int) -> bytes:
    """The packet that ends a session; `sequence` is the number after the last."""
    return HEAD.pack(session_of(session), sequence, END)


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
