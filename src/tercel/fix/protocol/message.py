"""A FIX message as tags and values, and FIX timestamps."""

import re
from collections.abc import KeysView, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

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
        Its faults, where it is read all the same (`salvage`).

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
        return self.integer(34)

    @property
    def tags(self) -> KeysView[int]:
        """Distinct tags."""
        return self._first.keys()

    def __contains__(self, tag: int) -> bool:
        """Whether there is a field with a tag."""
        return tag in self._first

    def get(self, tag: int, default: str = "") -> str:
        """Value of the first field with a tag."""
        return self._first.get(tag, default)

    def integer(self, tag: int, default: int = -1) -> int:
        """Value of a field as a non-negative integer; `default` if it is not one."""
        text = self._first.get(tag, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default

    def is_yes(self, tag: int) -> bool:
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
        groups: list[list[tuple[int, str]]] = []
        start = next(
            (n for n, field in enumerate(self.fields) if field[0] == counter), len(self.fields)
        )
        for field in self.fields[start + 1 :]:
            if field[0] == members[0]:
                groups.append([])
            elif not groups or (field[0] not in members and field[0] < USER_TAGS):
                break
            groups[-1].append(field)
        return [Message(self.begin, fields) for fields in groups]

    def __repr__(self) -> str:
        """Such as `Message(FIX.4.4, D, 7)`: BeginString, MsgType and MsgSeqNum, never a value."""
        return f"Message({self.begin}, {self.kind}, {self.number})"  # never a value: a logon has a password in it


@lru_cache(maxsize=256)
def _format_second(seconds: int) -> str:
    """A second since 1970 as a UTCTimestamp without fraction."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H:%M:%S")


def utc_text(ns: int, digits: int = 3) -> str:
    """A UTCTimestamp, cut to so many decimal digits of a second (0, 3, 6 or 9).

    >>> utc_text(1_700_000_000_123_456_789), utc_text(1_700_000_000_123_456_789, 6)
    ('20231114-22:13:20.123', '20231114-22:13:20.123456')
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    return (
        f"{_format_second(seconds)}.{rest:09d}"[: 18 + digits]
        if digits
        else _format_second(seconds)
    )


def utc_ns(text: str) -> int | None:
    """Nanoseconds since 1970 of a UTCTimestamp; None if it is not one, or none of 64 bits.

    >>> utc_ns("20231114-22:13:20.123456789"), utc_ns("yesterday")
    (1700000000123456789, None)
    >>> utc_ns("99991231-23:59:59")
    """
    match = _TIME.fullmatch(text)
    seconds = _parse_seconds(match[1]) if match else None
    if match is None or seconds is None or abs(seconds) >= 2**63 // 1_000_000_000:
        return None
    return seconds * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))


@lru_cache(maxsize=256)
def _parse_seconds(text: str) -> int | None:
    """Seconds since 1970 of a UTCTimestamp without fraction, leap seconds included; None if it is none."""
    leap = text.endswith(":60")
    try:
        moment = datetime.strptime(text[:-2] + "59" if leap else text, "%Y%m%d-%H:%M:%S")
    except ValueError:
        return None
    return int(moment.replace(tzinfo=UTC).timestamp()) + leap
