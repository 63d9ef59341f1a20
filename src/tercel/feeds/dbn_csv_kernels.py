"""Kernel that reads the fields of CSV rows into words, as Databento's records have them."""

from typing import Final

from tercel.core.jit import Bytes, Longs, kernel

SKIP, WHOLE, DECIMAL, LETTER, TIME, SPAN = range(6)
"""Kinds of fields: not read; a whole number; a decimal in 1e-9; one letter; ns since 1970 or an ISO time; where its text is."""
PLACES: Final = 9
POWERS: Final = (
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
)
COMMA, LINE_END, RETURN, POINT, MINUS, COLON, ZERO = (ord(c) for c in ",\n\r.-:0")
CAPITAL_A, SMALL_A = (ord(c) for c in "Aa")
TEXTS: Final = 2**53
"""Numbers by which texts are told apart."""
CENTURIES: Final = 146_097
"""Days of 400 years."""
TO_1970: Final = 719_468
"""Days from 0000-03-01 to 1970-01-01."""


@kernel
def read_number(data: Bytes, start: int, decimal: bool) -> tuple[int, int]:
    """Number of the text from `start` on, in 1e-9 if it is a decimal (further places are cut off), and where it ends.

    Whole numbers above 2**63 are negative ones of their bits.
    """
    number = 0
    places = -1
    i = start + (data[start] == MINUS)
    while i < data.shape[0]:
        digit = int(data[i]) - ZERO
        if 0 <= digit <= 9:
            if places < PLACES:
                number = number * 10 + digit
                places += places >= 0
        elif decimal and places < 0 and data[i] == POINT:
            places = 0
        else:
            break
        i += 1
    if decimal:
        number *= POWERS[PLACES - max(places, 0)]
    return -number if data[start] == MINUS else number, i


@kernel
def days_of(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, chrono-compatible low-level date algorithms)."""
    year -= month <= 2
    in_era = year % 400
    in_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return year // 400 * CENTURIES + in_era * 365 + in_era // 4 - in_era // 100 + in_year - TO_1970


@kernel
def read_time(data: Bytes, start: int, stop: int) -> tuple[int, int]:
    """Time of the text `data[start:stop]`, that number or an ISO time of UTC, ns since 1970; and 1, or 0 if it is none."""
    if stop - start < 19 or data[start + 4] != MINUS:
        number, end = read_number(data, start, False)
        return number, int(end == stop)
    parts = (
        read_number(data, start, False)[0],
        read_number(data, start + 5, False)[0],
        read_number(data, start + 8, False)[0],
    )
    good = int(data[start + 7] == MINUS and data[start + 13] == COLON and data[start + 16] == COLON)
    seconds = days_of(parts[0], parts[1], parts[2]) * 86_400
    for place, unit in ((11, 3600), (14, 60)):
        number, end = read_number(data, start + place, False)
        good &= end == start + place + 2
        seconds += number * unit
    ns, end = read_number(data, start + 17, True)
    good &= end == start + 19 or (end > start + 19 and data[start + 19] == POINT)
    for j in range(end, stop):  # a zone: Z, +00:00, UTC; any other offset is refused
        good &= not (ZERO < data[j] <= ZERO + 9)
    return seconds * 10**9 + ns, good


@kernel
def read_rows(
    data: Bytes, start: int, fields: Longs, empty: Longs, words: Longs, spans: Longs, fault: Longs
) -> int:
    """Read the rows of `data` from `start` on into `words` int64[rows, n]; returns the number of rows.

    `fields` int64[columns, 4]: kind, word, shift and bits (0: all) of each column; an empty field leaves its word as it is in
    `empty` int64[n]. `spans` int64[rows, 2] takes where the text of kind SPAN begins with its length in the 16 lower bits, and
    a number of the text. At the first field that is not of its kind, or a row of another number of fields, it stops: `fault`
    int64[4] takes row, column (-1 for the number of fields), and where the text begins and ends.
    """
    row = 0
    n = data.shape[0]
    i = start
    while i < n:
        if data[i] == LINE_END or data[i] == RETURN:  # a blank line
            i += 1
            continue
        for x in range(empty.shape[0]):
            words[row, x] = empty[x]
        column = 0
        while True:
            first = i
            kind = fields[column, 0] if column < fields.shape[0] else SKIP
            value = 0
            good = 1
            if kind == WHOLE or kind == DECIMAL:
                value, i = read_number(data, i, kind == DECIMAL)
                good = int(i == n or data[i] == COMMA or data[i] == LINE_END or data[i] == RETURN)
            while i < n and data[i] != COMMA and data[i] != LINE_END:
                i += 1
            stop = i - (i > first and data[i - 1] == RETURN)
            if kind != SKIP and stop > first:
                if kind == TIME:
                    value, good = read_time(data, first, stop)
                elif kind == LETTER:
                    value = int(data[first])
                    value -= (value >= SMALL_A) * (SMALL_A - CAPITAL_A)
                    good = int(stop - first == 1)
                elif kind == SPAN:
                    spans[row, 0] = first << 16 | stop - first
                    for j in range(first, stop):
                        spans[row, 1] = (spans[row, 1] * 131 + data[j]) % TEXTS
                if good == 0:
                    fault[:] = row, column, first, stop
                    return row
                word = fields[column, 1]
                shift = fields[column, 2]
                if fields[column, 3] > 0:
                    mask = (1 << fields[column, 3]) - 1
                    words[row, word] = words[row, word] & ~(mask << shift) | (value & mask) << shift
                elif kind != SPAN:
                    words[row, word] = value
            column += 1
            if i >= n or data[i] == LINE_END:
                break
            i += 1
        if column != fields.shape[0]:
            fault[:] = row, -1, column, stop
            return row
        row += 1
        i += 1
    return row
