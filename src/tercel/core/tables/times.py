"""Dates and times of a table: their order and their clock are said or shown by the file, never guessed."""

import re
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Ints
from tercel.core.errors import ConfigError, DataError
from tercel.core.tables.table import ROW, Table
from tercel.core.vocabulary import FIRST_DAY, LAST_DAY, NS_PER_SECOND

# -- clock ----------------------------------------------------------------------------------------
# Local times of a file as moments: an hour that a clock change repeats is ordered by the file's own sequence.

DAY_NS: Final = 86_400 * 10**9
LEAST_STEP_NS: Final = 10**9
"""A step back in time of less than this is never taken for the change of the clocks."""
NOISE: Final = 4
"""The step back at a clock change must exceed this many times the largest disorder elsewhere in the file."""


def utc_of_local(
    local: pl.Series, zone: str, repeated: str = "", by: pl.Series | None = None
) -> tuple[pl.Series, pl.Series]:
    """Moments of local times, and which rows' moments the file does not show.

    A change of clocks from summer time repeats a stretch of local time (an hour; half an hour at Lord Howe). Rows in
    it belong to the first pass until the one step back of the file's clock that is far larger than the disorder
    elsewhere in the file (`NOISE`, `LEAST_STEP_NS`), and to the second from there on. Without such a step, with several
    or in a file without order, the pass is not shown. A file may be in descending order.

    Parameters
    ----------
    local : polars.Series
        Naive ``Datetime("ns")`` (n,), in the order of the file; null where a cell was no time.
    zone : str
        IANA name of the time zone.
    repeated : str
        Pass of the rows that the file does not show: "first", "second", or "" for none.
    by : polars.Series, optional
        (n,) What each row belongs to (a symbol), where each has its own sequence in the file.

    Returns
    -------
    moments : polars.Series
        ``Datetime("ns", "UTC")`` (n,); null for null, and for times that the clocks passed over in spring.
    unshown : polars.Series
        Booleans (n,): rows of which neither the file nor `repeated` shows the pass (`moments` has the first).

    >>> from datetime import datetime
    >>> clock = ["00:59", "01:20", "01:50", "01:10", "01:40", "02:00"]
    >>> local = [datetime.fromisoformat(f"2024-11-03 {at}") for at in clock]
    >>> moments, unshown = utc_of_local(pl.Series(local, dtype=pl.Datetime("ns")), "America/Chicago")
    >>> [f"{moment:%H:%M}" for moment in moments], unshown.any()
    (['05:59', '06:20', '06:50', '07:10', '07:40', '08:00'], False)
    """
    first, second = (
        local.dt.replace_time_zone(zone, ambiguous=which, non_existent="null").dt.convert_time_zone(
            "UTC"
        )
        for which in ("earliest", "latest")
    )
    twice = (first != second).fill_null(False)
    if not twice.any():
        return first, twice
    early, late = (one.to_physical().fill_null(0).to_numpy() for one in (first, second))
    doubled = twice.to_numpy()
    moments, unshown = early.copy(), doubled.copy()
    night = (
        (local.to_physical() - DAY_NS // 2) // DAY_NS
    ).to_numpy()  # from noon to noon: clocks change at night
    whose = (
        np.zeros(len(local), np.int64) if by is None else by.rank("dense").fill_null(0).to_numpy()
    )
    there = np.flatnonzero(first.is_not_null().to_numpy())
    sorted_rows = there[np.argsort(whose[there], kind="stable")]
    for rows in np.split(sorted_rows, np.flatnonzero(np.diff(whose[sorted_rows])) + 1):
        for change in np.unique(night[rows][doubled[rows]]):
            mine = rows[
                ~doubled[rows] | (night[rows] == change)
            ]  # each change is looked at for itself
            walks = [
                (way, _in_order(early[way], late[way], doubled[way])) for way in (mine, mine[::-1])
            ]
            sound = [(way, *found) for way, found in walks if found is not None]
            if len(sound) == 1 and sound[0][2]:
                way, moved, _ = sound[0]
                moments[way], unshown[way] = moved, False
    if repeated:
        moments = np.where(unshown & (repeated == "second"), late, moments)
        unshown[:] = False
    made = pl.Series(local.name, moments, pl.Int64).set(first.is_null(), None)
    return made.cast(pl.Datetime("ns", "UTC")), pl.Series(unshown)


def _in_order(early: Ints, late: Ints, twice: Bools) -> tuple[Ints, bool] | None:
    """Times of chronological rows through a repeated hour, and whether a step back within it shows both passes.

    `early` and `late` (n,) are the moments of either pass, the same outside the stretch (`twice` is false). None where
    no choice of passes puts the rows in order, but for the disorder that they have elsewhere.
    """
    allowed = max(NOISE * _furthest_back(early[~twice]), LEAST_STEP_NS)
    if allowed >= (late - early).max():
        return None
    moments = early.copy()
    around = np.maximum.accumulate(np.where(twice, early.min(), early))
    passed, shown = [int(early.min())] * 2, False  # the latest moment of each pass
    for row in np.flatnonzero(twice).tolist():
        second = int(early[row]) < max(*passed, int(around[row])) - allowed
        shown |= int(early[row]) < passed[0] - allowed
        moments[row] = late[row] if second else early[row]
        passed[second] = max(passed[second], int(moments[row]))
    return (moments, shown) if _furthest_back(moments) <= allowed else None


def _furthest_back(moments: Ints) -> int:
    """The furthest that a moment lies behind one before it, ns."""
    return int((np.maximum.accumulate(moments) - moments).max()) if len(moments) else 0


# -- times ----------------------------------------------------------------------------------------

PLACES: Final = {"dmy": ("c", "b", "a"), "mdy": ("c", "a", "b"), "ymd": ("a", "b", "c")}
"""Order of a date of three numbers -> groups of year, month and day."""
_PARTS: Final = r"^(?<a>\d{1,4})(?<sign>[/.-])(?<b>\d{1,2})[/.-](?<c>\d{1,4})(?<rest>\D.*)?$"
_DAYS: Final = ("%Y-%m-%d", "%Y%m%d", "%b %d, %Y", "%d-%b-%Y", "%d %b %Y")
_CLOCK: Final = r"[T ;,]\s*\d\d?:\d\d.*$"
_OFFSET: Final = r"\d\s*(Z|UTC|[+-]\d\d:?\d\d)$"
_SINCE: Final = r"^\d{9,19}(?:\.\d+)?$"
_STAMP: Final = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ;,-]\s*(\d\d?):?(\d\d)(?::?(\d\d))?(?:[.,](\d{1,9}))?"
    r"\s*([AaPp]\.?[Mm]\.?)?\s*(Z|[+-]\d\d:?\d\d)?"
)
_FIX: Final = re.compile(r"\d{8}-\d\d")
# Numbers below each are in so many nanoseconds: seconds, milliseconds, microseconds, nanoseconds since 1970.
# 7,258,118,400 is the first second behind LAST_DAY.
_UNITS: Final = tuple((7_258_118_400 * 10**places, 10 ** (9 - places)) for places in (0, 3, 6, 9))
# Seconds since 1970 from which a number is a time.
_FIRST_S: Final = 10**8
_EPOCH: Final = datetime(1970, 1, 1)
# Earliest hour of UTC at which a day begins in each zone; the first is of a market that trades on Sundays.
_MIDNIGHTS: Final = (
    (0, "Asia/Riyadh"),
    (13, "Australia/Sydney"),
    (15, "Asia/Tokyo"),
    (16, "Asia/Shanghai"),
    (17, "Asia/Kolkata"),
    (20, "Europe/Berlin"),
)


def parse_time(text: str) -> tuple[int, bool]:
    """Nanoseconds since 1970-01-01 of a time as files have it, and whether that is in UTC; else by a clock not named.

    Parameters
    ----------
    text : str
        ISO; FIX's ``20120621-14:00:00.123``, in UTC; ``20120621;100000``; with AM or PM; or a number since 1970, in
        seconds, milli-, micro- or nanoseconds by its size. Clocks go without colons and without seconds too.

    >>> parse_time("1970-01-02T00:00:00.5Z"), parse_time("1970-01-01 8:00:01 PM")
    ((86400500000000, True), (72001000000000, False))
    >>> {parse_time("20120621-14:00:00.123")[0], parse_time("1340287200.123")[0], parse_time("1340287200123")[0]}
    {1340287200123000000}

    Raises
    ------
    ValueError
        Anything else; a date before FIRST_DAY or after LAST_DAY.
    """
    if not text.isascii():  # `\\d` takes the digits of every script
        raise ValueError(text)
    # 202404031000, 20240403100000: as milliseconds since 1970 a day of 1976, or one of the year 2611
    text = re.sub(
        r"^((?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d)([0-2]\d[0-5]\d(?:[0-5]\d)?)$", r"\1T\2", text
    )
    if re.fullmatch(r"\d+(\.\d{1,9})?", text):
        return _since_1970(text), True
    if (match := _STAMP.fullmatch(text)) is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, part, half, offset = match.groups()
    hours = int(hour)
    if half and not 1 <= hours <= 12:
        raise ValueError(text)
    if half:
        hours = hours % 12 + 12 * (half[0] in "Pp")
    moment = datetime(int(year), int(month), int(day), hours, int(minute), int(second or 0))
    if not FIRST_DAY <= moment.date() <= LAST_DAY:
        raise ValueError(text)
    in_utc = offset is not None or _FIX.match(text) is not None
    if offset not in (None, "Z"):
        ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
        moment -= ahead if offset[0] == "+" else -ahead
    return (moment - _EPOCH) // timedelta(seconds=1) * NS_PER_SECOND + int(
        (part or "0").ljust(9, "0")
    ), in_utc


def _since_1970(text: str) -> int:
    number = Fraction(text)
    unit = next((unit for below, unit in _UNITS if number < below), 0)
    ns = number * unit
    if not unit or ns < _FIRST_S * NS_PER_SECOND or ns.denominator != 1:
        raise ValueError(text)
    return int(ns)


def readings(text: pl.Series, order: str = "") -> list[pl.Series]:
    """Texts with dates of three numbers as 2024-01-31, by each order in which most of them are dates.

    Parameters
    ----------
    text : Series of str
        A clock may follow; what begins with no such date stays as it is.
    order : str
        Of `PLACES`; empty: as the rows tell. Four digits first are a year in any case; points without an order have the
        day first.

    Returns
    -------
    list of Series
        One where the rows decide, else each that differs.

    >>> [one[0] for one in readings(pl.Series(["3/4/2024"]))]
    ['2024-04-03', '2024-03-04']
    >>> [one[0] for one in readings(pl.Series(["3/4/2024 10:30", "13/4/2024"]))], readings(pl.Series(["4.3.24"]))[0][0]
    (['2024-04-03 10:30'], '2024-03-04')
    """
    parts = text.str.extract_groups(_PARTS).struct.unnest()
    if ((parts["a"].str.len_chars() == 4) & (parts["sign"] == "-")).fill_null(True).all():
        return [text]
    found = [(_read(parts, one, stated=bool(order)), one) for one in ([order] if order else PLACES)]
    most = max(one.count() for one, _ in found)
    ways = list[pl.Series]()
    for one, _ in found:
        way = one.fill_null(text)
        if one.count() == most and not any(way.equals(other, null_equal=True) for other in ways):
            ways.append(way)
    return ways


def _read(parts: pl.DataFrame, order: str, stated: bool) -> pl.Series:
    """Dates in a given order of parts, with the text after them; null for other cells."""
    full = pl.col("a").str.len_chars() == 4
    year, month, day = (
        pl.when(full).then(b).otherwise(a)
        for a, b in zip(PLACES[order], PLACES["ymd"], strict=True)
    )
    digits = year.str.len_chars()
    century = pl.when(year.str.slice(0, 1) < "7").then(pl.lit("20")).otherwise(pl.lit("19"))
    whole = pl.when(digits == 4).then(year).when(digits == 2).then(century + year)
    date = (whole + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)).str.to_date(
        "%Y-%m-%d", strict=False
    )
    usual = full | (pl.col("sign") != ".") | pl.lit(stated or order == "dmy")
    dated = pl.when(usual).then(date).dt.to_string("%Y-%m-%d") + pl.col("rest").fill_null("")
    return parts.select(dated.alias("date"))["date"]


def days(table: Table, name: str) -> pl.Series:
    """A column as dates: by the calendar that the file writes, or for moments with a zone by that of the map's `timezone`.

    Refused are none, text that is no date, mixed zones, and moments by which a market trades on Sundays for Fridays.
    """
    cells = table.frame[name]
    utc = cells.dt.convert_time_zone("UTC") if getattr(cells.dtype, "time_zone", None) else None
    if cells.dtype in (pl.Date, pl.Datetime):
        found = cells.dt.date()
    else:
        text = _text(table, name)
        _refuse_mixed_zones(table, text, name)
        day = ordered(table, text.str.replace(_CLOCK, ""), name)
        forms = (table.map.time_format,) if table.map.time_format else _DAYS
        tries = [day.str.to_date(form, strict=False) for form in forms]
        found = min(tries, key=lambda one: one.null_count())
        since = text.str.contains(r"^\d{9,19}(?:\.0*)?$")
        if (since | (text.str.contains(_CLOCK) & text.str.contains(_OFFSET))).any():
            utc = _clocked(table, name)[0].dt.replace_time_zone("UTC")
            found = found.fill_null(utc.dt.date())
    if utc is not None and table.map.timezone and (utc.dt.time() != time()).any():
        found = utc.dt.convert_time_zone(table.map.timezone).dt.date()  # midnights of UTC are dates
    on = found.unique().dt.weekday().to_list()
    if (
        on.count(7) > max(on.count(6), len(on) / 20)
        and on.count(5) <= on.count(4) - on.count(7) / 2
    ):
        hours = [0] if utc is None else utc.filter(found.dt.weekday() == 7).dt.hour()
        zone = [zone for first, zone in _MIDNIGHTS if first <= min(hours)][-1]
        table.refuse(
            (found.dt.weekday() == 7) & (utc is not None and not table.map.timezone),
            name,
            "days by the calendar of their market: there are Sundays, and Fridays are missing",
            f"say whose days they are, such as {table.how.column.format('timezone', zone)}",
        )
        table.notes.append(
            f"{on.count(7):,} of {len(on):,} days are Sundays, and Fridays are missing: each is a day early where they are "
            "days of UTC"
        )
    table.refuse(
        found.is_null(),
        name,
        "a date such as 2024-01-31, written alike in every row",
        f"say since when Excel counted these days: {table.how.column.format('excel', '1900')} (44564 is 2022-01-03), "
        "or 1904 (2026-01-04)"
        if cells.cast(pl.String).str.contains(r"^\d{5}(?:[.,]\d+)?$").any()
        else "correct the row, or take it out",
    )
    table.refuse(
        ~found.is_between(FIRST_DAY, LAST_DAY),
        name,
        f"a date from {FIRST_DAY} to {LAST_DAY}",
        "correct the row, or take it out",
    )
    return found.alias(name)


def _text(table: Table, name: str) -> pl.Series:
    """Cells of times; of '01/02/2024 as of 12/29/2023' the date after 'as of'; Excel's days, to the millisecond."""
    text = table.frame[name].cast(pl.String).str.strip_chars().str.replace(r"^.* as of ", "")
    if table.map.excel:
        first = 25_569 if table.map.excel == 1900 else 24_107  # 1970-01-01
        text = (
            ((text.str.replace(",", ".").cast(float, strict=False) - first) * 86_400_000)
            .round()
            .cast(pl.Int64)
            .cast(pl.Datetime("ms"))
            .dt.to_string("%Y-%m-%d %H:%M:%S%.3f")
            .str.replace(" 00:00:00.000", "")
        )
    return text


def ordered(table: Table, text: pl.Series, name: str) -> pl.Series:
    """Texts with dates of three numbers as 2024-01-31; refused where no row tells their order."""
    if table.map.time_format:
        return text
    first, *others = readings(text, table.map.date_order)
    for other in others:
        key = table.how.column.format("date_order", "dmy")
        remedy = (f"say it: {key} (mdy, ymd); or " if key else "") + "write 2024-01-31"
        table.refuse(
            first != other,
            name,
            "dates whose order is said, or shown by a day after the 12th",
            remedy,
        )
    return first


def _refuse_mixed_zones(table: Table, text: pl.Series, name: str) -> None:
    """Offsets further apart than summer time, or rows with a zone beside rows without."""
    clocked = text.str.contains(_CLOCK)
    zone = (
        text.filter(clocked).str.extract(_OFFSET).str.replace("Z|UTC", "+00:00").fill_null("none")
    )
    if zone.n_unique() < 2:
        return
    hours = zone.str.extract(r"^([+-]\d\d)").cast(pl.Float64)
    strange = ((hours - hours[0]).abs() > 1).fill_null((zone == "none") != (zone[0] == "none"))
    at, rows = strange.arg_max(), table.frame[ROW].filter(clocked)
    if at is not None and strange[at]:
        raise DataError(
            "times of one zone",
            f"zone {zone[0]} in row {rows[0]} and {zone[at]} in row {rows[at]} of {table.where}, column {name}",
            "write all rows by one clock",
        )


def dates_alone(table: Table, name: str) -> bool:
    """Whether a column has dates without a clock."""
    cells = table.frame[name]
    if cells.dtype == pl.Date or isinstance(cells.dtype, pl.Datetime) or cells.dtype != pl.String:
        return cells.dtype == pl.Date
    text = _text(table, name)
    clocked = (
        text.str.contains(_CLOCK) | text.str.contains(_SINCE) | text.str.contains(r"^\d{8}[-;T ]\d")
    )
    if table.map.time_format:
        clocked |= re.search(r"%[HIMSTRXcfspk+]", table.map.time_format) is not None
    return bool((~clocked | text.is_null()).all())


def moments(table: Table, name: str, timezone: str = "") -> pl.Series:
    """A column as moments, Datetime ns UTC.

    Local times of a stretch that a clock change repeats are resolved by the order of rows, or by `repeated_hour` of
    the table's map.

    Parameters
    ----------
    table : Table
    name : str
    timezone : str
        IANA zone of times that do not say theirs, where the table's map names none.

    Raises
    ------
    ConfigError
        When there is no such time zone.
    DataError
        With the row: no time, one without its zone where none is named, one that the clock showed twice.
    """
    zone = table.map.timezone or timezone
    try:
        ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            "an IANA time zone", f"timezone = {zone!r}", "write one such as America/New_York"
        ) from error
    cells = table.frame[name]
    if isinstance(cells.dtype, pl.Datetime):
        in_utc = pl.Series([cells.dtype.time_zone is not None] * len(cells), dtype=pl.Boolean)
        whole = (
            cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            if cells.dtype.time_zone
            else cells
        )
        naive = whole.cast(pl.Datetime("ns"))
    else:
        naive, in_utc = _clocked(table, name)
        table.refuse(
            cells.is_not_null() & naive.is_null(),
            name,
            "a time such as 2024-01-31T15:30:00-05:00",
            "correct the row, or take it out",
        )
    local = naive.is_not_null() & ~in_utc
    if not zone:
        key = table.how.column.format("timezone", "America/New_York")
        table.refuse(
            local,
            name,
            "a time with its zone",
            f"say whose clock it is: {key}; or write the zone, such as -04:00",
        )
    found = naive.dt.replace_time_zone("UTC")
    if local.any():
        rows = naive.filter(local)
        resolved, unshown = utc_of_local(rows, zone, table.map.repeated_hour)
        if (
            unshown.any() and "symbol" in table.frame.columns
        ):  # a file may be in order symbol by symbol
            resolved, unshown = utc_of_local(rows, zone, by=table.frame["symbol"].filter(local))
        places = local.arg_true()
        found = found.scatter(places, resolved)
        table.refuse(
            found.is_null() & local,
            name,
            f"a time of {zone}",
            "correct the row: the clock skipped this hour",
        )
        twice = pl.repeat(False, len(found), eager=True).scatter(places, unshown)
        say = table.how.column.format("repeated_hour", "first")
        table.refuse(
            twice,
            name,
            f"a time that the clock of {zone} shows once, or rows in order of time",
            f"write the zone, such as -04:00, or say which is meant: {say} (or second)",
        )
    table.refuse(
        found.is_null(),
        name,
        "a time such as 2024-01-31T15:30:00-05:00",
        "correct the row, or take it out",
    )
    return found.cast(pl.Datetime("ns", "UTC")).alias(name)


def _clocked(table: Table, name: str) -> tuple[pl.Series, pl.Series]:
    """Naive times as in the text, and which of them are in UTC; null for unreadable cells."""
    text = ordered(table, _text(table, name), name)
    if form := table.map.time_format:
        zoned = bool(re.search(r"%(:*|#)z|%\+", form))
        made = text.str.to_datetime(form, time_unit="ns", strict=False)
        naive = made.dt.replace_time_zone(None) if zoned else made
        return naive, pl.Series([zoned] * len(text), dtype=pl.Boolean)
    text = text.str.replace(r"\s*(UTC|GMT)$", "Z")

    def read(cell: str) -> dict[str, int | bool] | None:
        try:
            ns, in_utc = parse_time(cell)
        except (ValueError, OverflowError):
            return None
        return {"ns": ns, "in_utc": in_utc}

    kind = pl.Struct({"ns": pl.Int64, "in_utc": pl.Boolean})
    found = text.map_elements(read, kind, skip_nulls=True).struct.unnest()
    return found["ns"].cast(pl.Datetime("ns")), found["in_utc"].fill_null(False)
