"""Captured messages read from lines `RECEIVED_NS JSON` (`capture_writer` writes them), and their decimals as exact
integers.

A line is what came in, whole: the local time in ns since 1970, a space, and the message as it was sent. It may be a message
alone, or a list of them. Capture files
of one feed may follow one another (a recorder starts a new one at each start); the last line of a file may be cut,
since a killed recorder cannot finish it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import FeedError
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.members import Member

Message = dict[str, Any]
"""A JSON object that a venue sent."""
SCALE: Final = 10
"""Decimal places of prices and quantities."""
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
    location : str
        File and row, for people.
    """

    recv_ns: int
    message: Any
    location: str


@dataclass
class CaptureWarnings:
    """Oddities of a capture as a whole, counted."""

    messages: int = 0
    cut_lines: int = 0
    recv_back: int = 0
    """Lines received before the line above, by the local clock."""


def lines_of(files: Sequence[Member], reading: CaptureWarnings) -> Iterator[CaptureLine]:
    """Every message in the files, files in the order of their first line's time; a cut last line is counted in `reading`.

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
            location = f"row {number} of {member.location}"
            try:
                line = _parse_line(row, location)
            except ValueError as error:
                if number == len(rows):
                    reading.cut_lines += 1
                    break
                raise FeedError(
                    "a line of local ns and JSON",
                    f"{row[:60]!r} in {location} ({error})",
                    "cut the file there, or record again",
                ) from error
            reading.recv_back += 0 < line.recv_ns < last
            last = line.recv_ns or last
            listed = line.message if isinstance(line.message, list) else [line.message]
            reading.messages += len(listed)
            for place, message in enumerate(listed, start=1):
                of_list = f"message {place} in {location}" if listed is line.message else location
                yield CaptureLine(line.recv_ns, message, of_list)


def _first_time(rows: Sequence[str]) -> int:
    """Local time of the first line, ns; 0 if the line has none."""
    head = rows[0].split(" ", 1)[0] if rows else ""
    return int(head) if head.isdigit() else 0


def _parse_line(row: str, location: str) -> CaptureLine:
    """A capture line from its text, local time in ns and JSON (time 0 with JSON alone); ValueError without the place."""
    head, _, rest = row.partition(" ")
    if head.isdigit() and rest:
        return CaptureLine(int(head), parse_json(rest), location)
    return CaptureLine(0, parse_json(row), location)


class ScaledCapture:
    """Converts decimal strings to whole numbers of 1e-10, exactly; repeated strings are cached."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, text: Any, location: str) -> int:
        """A decimal number as a whole number of 1e-10, by `exact`; `location` is for its errors.

        Raises
        ------
        FeedError
            When it is no decimal number at or above zero, or has more than ten places.
        """
        if type(text) is str:
            number = self._seen.get(text)
            if number is None:
                number = self._seen[text] = exact(text, location)
            return number
        return exact(str(text), location)


def exact(text: str, location: str) -> int:
    """A decimal string at or above zero as a whole number of 1e-10; FeedError for others, and for more than 10 places.

    >>> exact("61837.63000000", "here"), exact("1e-5", "here")
    (618376300000000, 100000)
    """
    try:
        number = Decimal(text).scaleb(SCALE)
        scaled = int(number)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise FeedError(
            "a decimal number", f"{text!r} in {location}", "correct it, or record again"
        ) from error
    if scaled != number or scaled < 0:
        raise FeedError(
            f"a number at or above zero of at most {SCALE} places",
            f"{text!r} in {location}",
            "report the feed",
        )
    return scaled


def unit_of(
    numbers: Ints, stated: int, unit_name: str, location: str, exchange_unit: int = 0
) -> int:
    """The tick or lot: the stated one (0: none), else the greatest common divisor of all numbers above zero, all in
    1e-10; FeedError for a number off it or too large.

    `exchange_unit`, the exchange's own unit, counts among those numbers: it holds unless the data are finer (old dust is).

    Raises
    ------
    FeedError
        A number that is not a multiple of the stated unit, or is 2**30 of it or more.
    """
    positive = np.unique(numbers[numbers > 0])
    unit = stated or int(np.gcd.reduce(positive, initial=exchange_unit)) or ONE
    off = positive[positive % unit != 0]
    if len(off):
        raise FeedError(
            f"a {unit_name} that all values are on",
            f"{format_decimal(unit)}, which {format_decimal(int(off[0]))} in {location} is not a multiple of",
            f"give a finer `{unit_name}=`, or leave it out",
        )
    if len(positive) and int(positive[-1]) // unit >= MOST_LOTS:
        raise FeedError(
            f"values below 2**30 of a {unit_name}",
            f"{format_decimal(int(positive[-1]))} with a {unit_name} of {format_decimal(unit)} in {location}",
            f"give a larger `{unit_name}=`",
        )
    return unit


def format_decimal(number: int) -> str:
    """A whole number of 1e-10 as a decimal string.

    >>> format_decimal(100_000), format_decimal(10**10)
    ('0.00001', '1')
    """
    text = f"{Decimal(number).scaleb(-SCALE):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stated_unit(value: str | float | None, unit_name: str) -> int:
    """A tick or lot that a person gave, as a whole number of 1e-10; 0 for None, FeedError unless above zero.

    Raises
    ------
    FeedError
        When it is not above zero.
    """
    if value is None:
        return 0
    unit = exact(repr(value) if isinstance(value, float) else value, f"`{unit_name}=`")
    if unit == 0:
        raise FeedError(f"a {unit_name} above zero", f"`{unit_name}={value}`", "as in 0.01")
    return unit
