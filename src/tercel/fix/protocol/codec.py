"""Codec of FIX messages: from a byte stream, in any pieces, and back.

A message is garbled when its first three fields are not BeginString, BodyLength and MsgType, when BodyLength does not
point at CheckSum, when the sum is wrong, or when something in it is no tag and value. It is left out, with everything
up to the CheckSum that follows; the sequence number that is then missing brings it back. An ExecutionReport comes with
malformed parts as tag 0, and with a data field up to the next SOH if its length is wrong: its reader decides
whether it is usable.
Source: FIX 4.4, volume 2, "Session Protocol", on garbled messages, BodyLength and CheckSum.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from zlib import adler32

from tercel.core.errors import VenueError
from tercel.fix.protocol.message import Fields, Message

SOH: Final = "\x01"
DATA_FIELDS: Final[Mapping[int, int]] = MappingProxyType(
    {
        90: 91,
        93: 89,
        95: 96,
        212: 213,
        348: 349,
        350: 351,
        354: 355,
        362: 363,
        364: 365,
        445: 446,
        618: 619,
        621: 622,
    }
)
"""Fields of the standard that count the bytes of the next one, which may then hold any byte."""
MOST_BYTES: Final = 1 << 20
"""Largest BodyLength that is believed."""
_START: Final = b"8=FIX"
_HEAD: Final = re.compile(rb"8=(FIX[\x21-\x7e]{1,13})\x019=([0-9]{1,9})\x01")
_HEAD_MOST: Final = 32
_TAIL: Final = 7  # 10=123|
_MOST_TAGS: Final = 20_000
_EXECUTION: Final = b"35=8\x01"
_FIELD: Final = re.compile(r"([1-9][0-9]{0,8})=(.*)", re.DOTALL)


@dataclass(frozen=True)
class GarbledMessage:
    """Bytes that are no valid message, and why.

    Parameters
    ----------
    raw : bytes
    reason : str
    """

    raw: bytes
    reason: str


class _Tags(dict[str, int]):
    """Cache of tags by their text; raises ValueError unless the text is a whole number without a leading zero."""

    def __missing__(self, text: str) -> int:
        """Parse a tag's text and remember it; ValueError unless it is a whole number without a leading zero."""
        tag = int(text)
        if str(tag) != text:
            raise ValueError(text)
        if len(self) < _MOST_TAGS:
            self[text] = tag
        return tag


_TAGS: Final = _Tags()


def checksum(data: bytes) -> int:
    """CheckSum: sum of the bytes modulo 256.

    Adler-32 adds bytes up, modulo 65521, in its lower half: exact for 256 bytes, and far quicker than a loop.

    >>> checksum(bytes(range(256)) * 3) == sum(bytes(range(256)) * 3) % 256
    True
    """
    if len(data) <= 256:
        return ((adler32(data) & 0xFFFF) - 1) & 0xFF
    return (
        sum((adler32(data[start : start + 256]) & 0xFFFF) - 1 for start in range(0, len(data), 256))
        & 0xFF
    )


def encode(begin: str, fields: Fields, data_fields: Mapping[int, int] = DATA_FIELDS) -> bytes:
    """Encode a message's fields with BeginString, BodyLength and CheckSum.

    Parameters
    ----------
    begin : str
    fields : sequence of (tag, value)
        MsgType first, the header before the body.
    data_fields : mapping of int to int
        Which field counts the bytes of which.

    Raises
    ------
    VenueError
        For a value with SOH in it that is no data field of that length: it would smuggle a field in; and for one that
        is no text.

    >>> encode("FIX.4.4", [(35, "0"), (34, "2")])
    b'8=FIX.4.4\\x019=10\\x0135=0\\x0134=2\\x0110=166\\x01'
    """
    text = "".join([f"{tag}={value}\x01" for tag, value in fields])
    try:
        body = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise VenueError(
            "values that are text", "one with half a character in it", "take it out"
        ) from None
    if text.count(SOH) != len(fields):
        data_indices = data_field_indices(fields, data_fields)
        if bad := [
            tag for n, (tag, value) in enumerate(fields) if SOH in value and n not in data_indices
        ]:
            raise VenueError(
                "values without SOH, but in data fields after their length",
                f"SOH in field {bad[0]}",
                "take it out",
            )
    content = b"8=%b\x019=%d\x01%b" % (begin.encode("ascii"), len(body), body)
    return b"%b10=%03d\x01" % (content, checksum(content))


def data_field_indices(fields: Fields, data_fields: Mapping[int, int]) -> set[int]:
    """Indices of data fields that directly follow a correct length.

    >>> data_field_indices([(35, "8"), (354, "3"), (355, "a=b"), (58, "x")], DATA_FIELDS)
    {2}
    """
    return {
        n
        for n, ((tag, value), (after, data)) in enumerate(pairwise(fields), 1)
        if (data_fields.get(tag), value)
        == (after, str(len(data.encode("utf-8", "surrogateescape"))))
    }


def decode(raw: bytes, data_fields: Mapping[int, int] = DATA_FIELDS) -> Message:
    """Decode the bytes of one whole message.

    Raises
    ------
    VenueError
        When the bytes are not one message.

    >>> decode(encode("FIX.4.2", [(35, "1"), (112, "there?")])).fields
    [(35, '1'), (112, 'there?')]
    """
    messages = Decoder(data_fields).feed(raw)
    if len(messages) != 1 or isinstance(messages[0], GarbledMessage):
        raise VenueError(
            "the bytes of one FIX message", f"{len(raw)} bytes that are none", "report this"
        )
    return messages[0]


class Decoder:
    """Splits a byte stream into messages.

    Parameters
    ----------
    data_fields : mapping of int to int
        Which field counts the bytes of which.
    most_bytes : int
        Largest BodyLength that is believed.

    >>> decoder = Decoder()
    >>> raw = encode("FIX.4.4", [(35, "0"), (34, "7")])
    >>> decoder.feed(raw[:9]), decoder.feed(raw[9:])
    ([], [Message(FIX.4.4, 0, 7)])
    """

    def __init__(
        self, data_fields: Mapping[int, int] = DATA_FIELDS, most_bytes: int = MOST_BYTES
    ) -> None:
        self._data_fields = data_fields
        self._most = most_bytes
        self.waiting = b""
        """Bytes of an incomplete message."""

    def feed(self, data: bytes) -> list[Message | GarbledMessage]:
        """Add bytes; the messages completed by them, and garbled bytes between."""
        buffer = self.waiting + data if self.waiting else data
        messages: list[Message | GarbledMessage] = []
        position = 0
        while position < len(buffer):
            start = buffer.find(_START, position)
            if start != position:
                position = self._skip_garbage(buffer, position, start, messages)
                if start < 0:
                    break
            stop = self._take_message(buffer, position, messages)
            if not stop:
                break
            position = stop
        self.waiting = buffer[position:]
        return messages

    @staticmethod
    def _skip_garbage(
        buffer: bytes, position: int, start: int, messages: list[Message | GarbledMessage]
    ) -> int:
        """Append bytes before a message to `messages` as garbled; the position where one starts, or may start once more
        bytes are here."""
        if start < 0:
            partial = next(
                (n for n in range(len(_START) - 1, 0, -1) if buffer.endswith(_START[:n], position)),
                0,
            )
            start = len(buffer) - partial
        if start > position:
            messages.append(GarbledMessage(buffer[position:start], "no BeginString"))
        return start

    def _take_message(
        self, buffer: bytes, position: int, messages: list[Message | GarbledMessage]
    ) -> int:
        """Append the message at a position, decoded or as garbled, to `messages`; where the next one starts, 0 when
        bytes are missing."""
        head = _HEAD.match(buffer, position)
        if head is None:
            if len(buffer) - position < _HEAD_MOST and buffer.count(b"\x01", position) < 2:
                return 0
            messages.append(
                GarbledMessage(
                    buffer[position : position + len(_START)], "BodyLength is not the second field"
                )
            )
            return position + len(_START)
        length = int(head[2])
        first = head.end()
        end = first + length
        if length > self._most:
            messages.append(GarbledMessage(head[0], "BodyLength is too large"))
            return position + len(_START)
        if len(buffer) < end + _TAIL:
            return 0
        tail = buffer[end : end + _TAIL]
        if not (
            tail[:3] == b"10=" and tail[6] == 1 and buffer[end - 1] == 1 and tail[3:6].isdigit()
        ):
            sum_at = buffer.find(b"\x0110=", end - 1)
            stop = buffer.find(b"\x01", sum_at + 1) + 1 if sum_at >= 0 else 0
            if not stop and len(buffer) - end > self._most:
                stop = position + len(_START)
            if stop:
                messages.append(
                    GarbledMessage(buffer[position:stop], "BodyLength does not point at CheckSum")
                )
            return stop
        if checksum(buffer[position:end]) != int(tail[3:6]):
            messages.append(GarbledMessage(buffer[position : end + _TAIL], "CheckSum is wrong"))
        else:
            messages.append(
                self._parse_body(
                    head[1].decode(), buffer[first : end - 1], buffer[position : end + _TAIL]
                )
            )
        return end + _TAIL

    def _parse_body(self, begin: str, body: bytes, raw: bytes) -> Message | GarbledMessage:
        """Message of a body's fields; a GarbledMessage where a field is no tag and value."""
        try:
            parts = body.decode("utf-8", "surrogateescape").split(SOH)
            message = Message(
                begin,
                [(_TAGS[tag], value) for tag, value in [part.split("=", 1) for part in parts]],
            )
            if not self._data_fields.keys().isdisjoint(message.tags):
                message = Message(begin, self._split_fields(body))
        except ValueError:
            try:  # a data field may hold anything
                message = Message(begin, self._split_fields(body))
            except ValueError:
                if not body.startswith(_EXECUTION):
                    return GarbledMessage(raw, "a field that is no tag and value")
                matches = [(_FIELD.fullmatch(part), part) for part in parts]
                message = Message(
                    begin,
                    [(int(match[1]), match[2]) if match else (0, part) for match, part in matches],
                )
        if message.fields[0][0] != 35 or not message.fields[0][1]:
            return GarbledMessage(raw, "MsgType is not the third field")
        return message

    def _split_fields(self, body: bytes) -> list[tuple[int, str]]:
        """Fields of a body whose data fields are as long as the field before them says; ValueError where one is not."""
        fields: list[tuple[int, str]] = []
        position = 0
        length = 0
        data_tag: int | None = None
        while position < len(body):
            equals = body.index(b"=", position)
            tag = _TAGS[body[position:equals].decode("ascii")]
            position = equals + 1
            stop = position + length if tag == data_tag else body.find(b"\x01", position)
            stop = len(body) if stop < 0 else stop
            if stop > len(body) or body[stop : stop + 1] not in (b"\x01", b""):
                raise ValueError(tag)
            value = body[position:stop].decode("utf-8", "surrogateescape")
            data_tag = self._data_fields.get(tag) if value.isascii() and value.isdigit() else None
            length = int(value) if data_tag is not None else 0
            fields.append((tag, value))
            position = stop + 1
        if position == len(body) and body.startswith(_EXECUTION):
            raise ValueError("an empty field at the end")  # passed over elsewhere
        return fields
