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
            Tags that stand in an entry, those of groups inside it too; the first opens an entry.

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
    """Nanoseconds since 1970 of a UTCTimestamp; None if it is not one.

    >>> utc_ns("20231114-22:13:20.123456789"), utc_ns("yesterday")
    (1700000000123456789, None)
    """
    found = _TIME.fullmatch(text)
    seconds = _seconds(found[1]) if found else None
    return (
        None
        if found is None or seconds is None
        else seconds * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))
    )


@lru_cache(maxsize=256)
def _seconds(text: str) -> int | None:
    leap = text.endswith(":60")
    try:
        at = datetime.strptime(text[:-2] + "59" if leap else text, "%Y%m%d-%H:%M:%S")
    except ValueError:
        return None
    return int(at.replace(tzinfo=UTC).timestamp()) + leap
