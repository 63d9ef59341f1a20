"""A FIX message as tags and values, and FIX timestamps.

Faults of messages: SessionRejectReason (373) of FIX 4.4, each with its text.

Codec of FIX messages: from a byte stream, in any pieces, and back.

A message is garbled when its first three fields are not BeginString, BodyLength and MsgType, when BodyLength does not
point at CheckSum, when the sum is wrong, or when something in it is no tag and value. It is left out, with everything
up to the CheckSum that follows; the sequence number that is then missing brings it back. An ExecutionReport comes with
malformed parts as tag 0, and with a data field up to the next SOH if its length is wrong: its reader decides
whether it is usable.
Source: FIX 4.4, volume 2, "Session Protocol", on garbled messages, BodyLength and CheckSum.
"""

import re
from collections.abc import KeysView, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from zlib import adler32

from tercel.core.errors import VenueError

INVALID_TAG: Final = 0
MISSING_TAG: Final = 1
NOT_IN_MESSAGE: Final = 2
COMP_ID_PROBLEM: Final = 9
SENDING_TIME_PROBLEM: Final = 10
NO_VALUE: Final = 4
INCORRECT_VALUE: Final = 5
INCORRECT_FORMAT: Final = 6
INVALID_TYPE: Final = 11
REPEATED_TAG: Final = 13
OUT_OF_ORDER: Final = 14
GROUP_OUT_OF_ORDER: Final = 15
WRONG_COUNT: Final = 16
REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        INVALID_TAG: "no such tag",
        MISSING_TAG: "a required tag is missing",
        NOT_IN_MESSAGE: "this message has no such tag",
        NO_VALUE: "a tag without a value",
        INCORRECT_VALUE: "a value that this tag cannot have",
        INCORRECT_FORMAT: "a value in the wrong format",
        COMP_ID_PROBLEM: "SenderCompID or TargetCompID is another's",
        SENDING_TIME_PROBLEM: "SendingTime is too far from the time here",
        INVALID_TYPE: "no such MsgType",
        REPEATED_TAG: "a tag occurs twice",
        OUT_OF_ORDER: "a field of the header, body or trailer is out of place",
        GROUP_OUT_OF_ORDER: "a repeating group does not begin with its first field",
        WRONG_COUNT: "a repeating group has another number of entries",
    }
)


@dataclass(frozen=True)
class MessageFault:
    """Fault of a message: reject reason and tag.

    Parameters
    ----------
    reason : int
        SessionRejectReason (373).
    tag : int, optional
        RefTagID (371).
    """

    reason: int
    tag: int | None = None

    @property
    def text(self) -> str:
        """The reason in words."""
        return REASONS[self.reason]


Fields = Sequence[tuple[int, str]]
"""Tags and values in the order of the wire; BeginString, BodyLength and CheckSum are not among them."""

USER_TAGS: Final = 5000
"""Tags from here on belong to no version of the standard."""
_TIME: Final = re.compile(r"([0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?")


class Message:
    """One message. Values are text; bytes that are not UTF-8 become surrogates, so that none is lost.

    Parameters
    ----------
    begin : str
        BeginString, "FIX.4.4".
    fields : list of (tag, value)
        MsgType (35) first.
    fault : str
        What was wrong with it where it is read all the same (`validate.salvaged`).

    >>> order = Message("FIX.4.4", [(35, "D"), (11, "A1"), (55, "XYZ")])
    >>> order.kind, order.get(55), order.get(44), 44 in order
    ('D', 'XYZ', '', False)
    """

    __slots__ = ("_first", "begin", "fault", "fields")

    def __init__(self, begin: str, fields: list[tuple[int, str]], fault: str = "") -> None:
        self.begin = begin
        self.fields = fields
        self.fault = fault
        self._first = dict(fields[::-1])

    @property
    def kind(self) -> str:
        """MsgType (35)."""
        return self._first.get(35, "")

    @property
    def number(self) -> int:
        """MsgSeqNum (34); -1 if missing or invalid."""
        return self.whole(34)

    @property
    def tags(self) -> KeysView[int]:
        """Distinct tags."""
        return self._first.keys()

    def __contains__(self, tag: int) -> bool:
        return tag in self._first

    def get(self, tag: int, default: str = "") -> str:
        """Value of the first field with a tag."""
        return self._first.get(tag, default)

    def whole(self, tag: int, default: int = -1) -> int:
        """Value of a field as a non-negative integer; `default` if it is not one."""
        text = self._first.get(tag, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default

    def says(self, tag: int) -> bool:
        """Whether a boolean field is Y."""
        return self._first.get(tag) == "Y"

    def entries(self, counter: int, members: Sequence[int]) -> "list[Message]":
        """Entries of a repeating group, each as a message of its own fields.

        Parameters
        ----------
        counter : int
            Tag of the field that counts them.
        members : sequence of int
            Tags of an entry, including those of groups inside it; the first opens an entry.

        >>> book = Message("FIX.4.4", [(35, "W"), (268, "2"), (269, "0"), (270, "9"), (269, "1"), (58, "x")])
        >>> [one.fields for one in book.entries(268, (269, 270))]
        [[(269, '0'), (270, '9')], [(269, '1')]]
        """
        found: list[list[tuple[int, str]]] = []
        start = next(
            (n for n, field in enumerate(self.fields) if field[0] == counter), len(self.fields)
        )
        for field in self.fields[start + 1 :]:
            if field[0] == members[0]:
                found.append([])
            elif not found or (field[0] not in members and field[0] < USER_TAGS):
                break
            found[-1].append(field)
        return [Message(self.begin, one) for one in found]

    def __repr__(self) -> str:
        return f"Message({self.begin}, {self.kind}, {self.number})"  # never a value: a logon has a password in it


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H:%M:%S")


def utc_text(ns: int, digits: int = 3) -> str:
    """A UTCTimestamp, cut to so many decimal digits of a second (0, 3, 6 or 9).

    >>> utc_text(1_700_000_000_123_456_789), utc_text(1_700_000_000_123_456_789, 6)
    ('20231114-22:13:20.123', '20231114-22:13:20.123456')
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest:09d}"[: 18 + digits] if digits else _second(seconds)


def utc_ns(text: str) -> int | None:
    """Nanoseconds since 1970 of a UTCTimestamp; None if it is not one, or none of 64 bits.

    >>> utc_ns("20231114-22:13:20.123456789"), utc_ns("yesterday")
    (1700000000123456789, None)
    >>> utc_ns("99991231-23:59:59")
    """
    found = _TIME.fullmatch(text)
    seconds = _seconds(found[1]) if found else None
    if found is None or seconds is None or abs(seconds) >= 2**63 // 1_000_000_000:
        return None
    return seconds * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))


@lru_cache(maxsize=256)
def _seconds(text: str) -> int | None:
    leap = text.endswith(":60")
    try:
        at = datetime.strptime(text[:-2] + "59" if leap else text, "%Y%m%d-%H:%M:%S")
    except ValueError:
        return None
    return int(at.replace(tzinfo=UTC).timestamp()) + leap


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
    """Bytes that are not a valid message.

    Parameters
    ----------
    raw : bytes
    why : str
    """

    raw: bytes
    why: str


class _Tags(dict[str, int]):
    """Tags by their text; raises ValueError unless it is a whole number without a leading zero."""

    def __missing__(self, text: str) -> int:
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
        sum((adler32(data[at : at + 256]) & 0xFFFF) - 1 for at in range(0, len(data), 256)) & 0xFF
    )


def encode(begin: str, fields: Fields, data_fields: Mapping[int, int] = DATA_FIELDS) -> bytes:
    """Bytes of a message with BeginString, BodyLength and CheckSum.

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
        fine = counted(fields, data_fields)
        if bad := [tag for n, (tag, value) in enumerate(fields) if SOH in value and n not in fine]:
            raise VenueError(
                "values without SOH, but in data fields after their length",
                f"SOH in field {bad[0]}",
                "take it out",
            )
    whole = b"8=%b\x019=%d\x01%b" % (begin.encode("ascii"), len(body), body)
    return b"%b10=%03d\x01" % (whole, checksum(whole))


def counted(fields: Fields, data_fields: Mapping[int, int]) -> set[int]:
    """Indices of data fields that directly follow a correct length.

    >>> counted([(35, "8"), (354, "3"), (355, "a=b"), (58, "x")], DATA_FIELDS)
    {2}
    """
    return {
        n
        for n, ((tag, value), (after, data)) in enumerate(pairwise(fields), 1)
        if (data_fields.get(tag), value)
        == (after, str(len(data.encode("utf-8", "surrogateescape"))))
    }


def decode(raw: bytes, data_fields: Mapping[int, int] = DATA_FIELDS) -> Message:
    """Parse one whole message.

    Raises
    ------
    VenueError
        When the bytes are not one message.

    >>> decode(encode("FIX.4.2", [(35, "1"), (112, "there?")])).fields
    [(35, '1'), (112, 'there?')]
    """
    found = Decoder(data_fields).feed(raw)
    if len(found) != 1 or isinstance(found[0], GarbledMessage):
        raise VenueError(
            "the bytes of one FIX message", f"{len(raw)} bytes that are none", "report this"
        )
    return found[0]


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
        found: list[Message | GarbledMessage] = []
        at = 0
        while at < len(buffer):
            start = buffer.find(_START, at)
            if start != at:
                at = self._skip(buffer, at, start, found)
                if start < 0:
                    break
            stop = self._one(buffer, at, found)
            if not stop:
                break
            at = stop
        self.waiting = buffer[at:]
        return found

    @staticmethod
    def _skip(buffer: bytes, at: int, start: int, found: list[Message | GarbledMessage]) -> int:
        """Skip bytes before a message; the place where it starts, or may start once more bytes are here."""
        if start < 0:
            partial = next(
                (n for n in range(len(_START) - 1, 0, -1) if buffer.endswith(_START[:n], at)), 0
            )
            start = len(buffer) - partial
        if start > at:
            found.append(GarbledMessage(buffer[at:start], "no BeginString"))
        return start

    def _one(self, buffer: bytes, at: int, found: list[Message | GarbledMessage]) -> int:
        """Take the message that starts here; where the next one starts, 0 when bytes are missing."""
        head = _HEAD.match(buffer, at)
        if head is None:
            if len(buffer) - at < _HEAD_MOST and buffer.count(b"\x01", at) < 2:
                return 0
            found.append(
                GarbledMessage(buffer[at : at + len(_START)], "BodyLength is not the second field")
            )
            return at + len(_START)
        length, first = int(head[2]), head.end()
        end = first + length
        if length > self._most:
            found.append(GarbledMessage(head[0], "BodyLength is too large"))
            return at + len(_START)
        if len(buffer) < end + _TAIL:
            return 0
        tail = buffer[end : end + _TAIL]
        if not (
            tail[:3] == b"10=" and tail[6] == 1 and buffer[end - 1] == 1 and tail[3:6].isdigit()
        ):
            sum_at = buffer.find(b"\x0110=", end - 1)
            stop = buffer.find(b"\x01", sum_at + 1) + 1 if sum_at >= 0 else 0
            if not stop and len(buffer) - end > self._most:
                stop = at + len(_START)
            if stop:
                found.append(
                    GarbledMessage(buffer[at:stop], "BodyLength does not point at CheckSum")
                )
            return stop
        if checksum(buffer[at:end]) != int(tail[3:6]):
            found.append(GarbledMessage(buffer[at : end + _TAIL], "CheckSum is wrong"))
        else:
            found.append(
                self._read(head[1].decode(), buffer[first : end - 1], buffer[at : end + _TAIL])
            )
        return end + _TAIL

    def _read(self, begin: str, body: bytes, raw: bytes) -> Message | GarbledMessage:
        try:
            parts = body.decode("utf-8", "surrogateescape").split(SOH)
            message = Message(
                begin,
                [(_TAGS[tag], value) for tag, value in [part.split("=", 1) for part in parts]],
            )
            if not self._data_fields.keys().isdisjoint(message.tags):
                message = Message(begin, self._with_data(body))
        except ValueError:
            try:  # a data field may hold anything
                message = Message(begin, self._with_data(body))
            except ValueError:
                if not body.startswith(_EXECUTION):
                    return GarbledMessage(raw, "a field that is no tag and value")
                found = [(_FIELD.fullmatch(part), part) for part in parts]
                message = Message(
                    begin, [(int(one[1]), one[2]) if one else (0, part) for one, part in found]
                )
        if message.fields[0][0] != 35 or not message.fields[0][1]:
            return GarbledMessage(raw, "MsgType is not the third field")
        return message

    def _with_data(self, body: bytes) -> list[tuple[int, str]]:
        """Fields of a body whose data fields are as long as the field before them says."""
        fields: list[tuple[int, str]] = []
        at, length = 0, 0
        data_tag: int | None = None
        while at < len(body):
            equals = body.index(b"=", at)
            tag, at = _TAGS[body[at:equals].decode("ascii")], equals + 1
            stop = at + length if tag == data_tag else body.find(b"\x01", at)
            stop = len(body) if stop < 0 else stop
            if stop > len(body) or body[stop : stop + 1] not in (b"\x01", b""):
                raise ValueError(tag)
            value = body[at:stop].decode("utf-8", "surrogateescape")
            data_tag = self._data_fields.get(tag) if value.isascii() and value.isdigit() else None
            length = int(value) if data_tag is not None else 0
            fields.append((tag, value))
            at = stop + 1
        if at == len(body) and body.startswith(_EXECUTION):
            raise ValueError("an empty field at the end")  # passed over elsewhere
        return fields
