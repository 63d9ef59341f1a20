"""Captured messages of a venue: one line each, `RECEIVED_NS JSON`, as a recorder writes them.

A line is what came in, whole: the local time in ns since 1970, a space, and the message as it was sent. Capture files
of one feed may follow one another (a recorder starts a new one at each start); the last line of a file may be cut,
since a killed recorder cannot finish it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError
from tercel.core.parsed import parse_json
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.members import Member

SCALE: Final = 10
"""Decimal places kept of prices and quantities."""
ONE: Final = 10**SCALE


@dataclass(frozen=True)
class CaptureLine:
    """One captured message with its time of receipt, ns.

    Parameters
    ----------
    recv_ns : int
        Local time of receipt; 0 where the file does not say.
    message : Any
        The parsed JSON.
    where : str
        File and row, for people.
    """

    recv_ns: int
    message: Any
    where: str


@dataclass
class CaptureWarnings:
    """Oddities of a capture as a whole, counted."""

    messages: int = 0
    cut_lines: int = 0
    recv_back: int = 0
    """Lines received before the line above, by the local clock."""


def lines_of(files: Sequence[Member], reading: CaptureWarnings) -> Iterator[CaptureLine]:
    """Every message in the files, files in the order of their first line's time.

    Raises
    ------
    FeedError
        When a line is none; the last of a file may be cut and is counted.
    """
    contents = [
        (member, member.content().decode("utf-8", errors="replace").splitlines())
        for member in files
    ]
    contents.sort(key=lambda item: _first_time(item[1]))
    for member, rows in contents:
        last = 0
        for number, row in enumerate(rows, start=1):
            if not row.strip():
                continue
            where = f"row {number} of {member.where}"
            try:
                line = _parsed(row, where)
            except ValueError as error:
                if number == len(rows):
                    reading.cut_lines += 1
                    break
                raise FeedError(
                    "a line of local ns and JSON",
                    f"{row[:60]!r} in {where} ({error})",
                    "cut the file there, or record again",
                ) from error
            reading.messages += 1
            reading.recv_back += 0 < line.recv_ns < last
            last = line.recv_ns or last
            yield line


def _first_time(rows: Sequence[str]) -> int:
    head = rows[0].split(" ", 1)[0] if rows else ""
    return int(head) if head.isdigit() else 0


def _parsed(row: str, where: str) -> CaptureLine:
    head, _, rest = row.partition(" ")
    if head.isdigit() and rest:
        return CaptureLine(int(head), parse_json(rest), where)
    return CaptureLine(0, parse_json(row), where)


class ScaledCapture:
    """Decimal strings as whole numbers of 1e-10, exactly; what is seen often is kept."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, text: Any, where: str) -> int:
        """The number.

        Raises
        ------
        FeedError
            When it is no decimal number at or above zero, or has more than ten places.
        """
        if type(text) is str:
            found = self._seen.get(text)
            if found is None:
                found = self._seen[text] = exact(text, where)
            return found
        return exact(str(text), where)


def exact(text: str, where: str) -> int:
    """A decimal string at or above zero as a whole number of 1e-10.

    >>> exact("61837.63000000", "here"), exact("1e-5", "here")
    (618376300000000, 100000)
    """
    try:
        number = Decimal(text).scaleb(SCALE)
        whole = int(number)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise FeedError(
            "a decimal number", f"{text!r} in {where}", "correct it, or record again"
        ) from error
    if whole != number or whole < 0:
        raise FeedError(
            f"a number at or above zero of at most {SCALE} places",
            f"{text!r} in {where}",
            "report the feed",
        )
    return whole


def unit_of(numbers: Ints, stated: int, what: str, where: str, known: int = 0) -> int:
    """The tick or lot: what is stated, or the greatest common divisor of all numbers above zero.

    `known`, what the exchange says, counts among those numbers: it holds unless the data are finer (old dust is).

    Raises
    ------
    FeedError
        When a number is not on what is stated, or makes 2**30 of it or more.
    """
    positive = np.unique(numbers[numbers > 0])
    unit = stated or int(np.gcd.reduce(positive, initial=known)) or ONE
    off = positive[positive % unit != 0]
    if len(off):
        raise FeedError(
            f"a {what} that all values are on",
            f"{shown(unit)}, which {shown(int(off[0]))} in {where} is not a multiple of",
            f"give a finer `{what}=`, or leave it out",
        )
    if len(positive) and int(positive[-1]) // unit >= MOST_LOTS:
        raise FeedError(
            f"values below 2**30 of a {what}",
            f"{shown(int(positive[-1]))} with a {what} of {shown(unit)} in {where}",
            f"give a larger `{what}=`",
        )
    return unit


def shown(number: int) -> str:
    """A whole number of 1e-10 as a decimal string.

    >>> shown(100_000), shown(10**10)
    ('0.00001', '1')
    """
    text = f"{Decimal(number).scaleb(-SCALE):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stated_unit(value: str | float | None, what: str) -> int:
    """A tick or lot that a person gave, as a whole number of 1e-10; 0 for none.

    Raises
    ------
    FeedError
        When it is not above zero.
    """
    if value is None:
        return 0
    unit = exact(repr(value) if isinstance(value, float) else value, f"`{what}=`")
    if unit == 0:
        raise FeedError(f"a {what} above zero", f"`{what}={value}`", "as in 0.01")
    return unit
