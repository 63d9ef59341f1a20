"""Parse the dates and times of a table's columns; their order and clock are told by the file or the map, never guessed."""

import re
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from tercel.core.errors import ConfigError, DataError
from tercel.core.tables.local_times import resolve_local_times
from tercel.core.tables.table import ROW, Table
from tercel.core.vocabulary import FIRST_DAY, LAST_DAY, NS_PER_SECOND

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
    """Nanoseconds since 1970-01-01 of a time as text, and whether they are UTC (an offset is applied); else by the
    clock as written.

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
    """Nanoseconds of a text that counts seconds, milli-, micro- or nanoseconds since 1970, by its size; else ValueError."""
    number = Fraction(text)
    unit = next((unit for below, unit in _UNITS if number < below), 0)
    ns = number * unit
    if not unit or ns < _FIRST_S * NS_PER_SECOND or ns.denominator != 1:
        raise ValueError(text)
    return int(ns)


def date_readings(text: pl.Series, order: str = "") -> list[pl.Series]:
    """Texts with numeric dates rewritten as 2024-01-31, once for each order of day, month and year that fits most of
    them.

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

    >>> [one[0] for one in date_readings(pl.Series(["3/4/2024"]))]
    ['2024-04-03', '2024-03-04']
    >>> [one[0] for one in date_readings(pl.Series(["3/4/2024 10:30", "13/4/2024"]))], date_readings(pl.Series(["4.3.24"]))[0][0]
    (['2024-04-03 10:30'], '2024-03-04')
    """
    parts = text.str.extract_groups(_PARTS).struct.unnest()
    if ((parts["a"].str.len_chars() == 4) & (parts["sign"] == "-")).fill_null(True).all():
        return [text]
    candidates = [
        (_read_dates(parts, date_order, stated=bool(order)), date_order)
        for date_order in ([order] if order else PLACES)
    ]
    most = max(dates.count() for dates, _ in candidates)
    distinct = list[pl.Series]()
    for dates, _ in candidates:
        reading = dates.fill_null(text)
        if dates.count() == most and not any(
            reading.equals(earlier, null_equal=True) for earlier in distinct
        ):
            distinct.append(reading)
    return distinct


def _read_dates(parts: pl.DataFrame, order: str, stated: bool) -> pl.Series:
    """Dates in a given order of their parts, with the text after them; null for other cells."""
    full = pl.col("a").str.len_chars() == 4
    year, month, day = (
        pl.when(full).then(b).otherwise(a)
        for a, b in zip(PLACES[order], PLACES["ymd"], strict=True)
    )
    digits = year.str.len_chars()
    century = pl.when(year.str.slice(0, 1) < "7").then(pl.lit("20")).otherwise(pl.lit("19"))
    full_year = pl.when(digits == 4).then(year).when(digits == 2).then(century + year)
    date = (full_year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)).str.to_date(
        "%Y-%m-%d", strict=False
    )
    usual = full | (pl.col("sign") != ".") | pl.lit(stated or order == "dmy")
    dated = pl.when(usual).then(date).dt.to_string("%Y-%m-%d") + pl.col("rest").fill_null("")
    return parts.select(dated.alias("date"))["date"]


def parse_days(table: Table, name: str) -> pl.Series:
    """A column as dates: as written, or for moments with a zone the date in the map's `timezone`.

    Refused are none, text that is no date, mixed zones, and moments by which a market trades on Sundays for Fridays.
    """
    cells = table.frame[name]
    utc = cells.dt.convert_time_zone("UTC") if getattr(cells.dtype, "time_zone", None) else None
    if cells.dtype in (pl.Date, pl.Datetime):
        dates = cells.dt.date()
    else:
        text = _time_texts(table, name)
        _refuse_mixed_zones(table, text, name)
        day = normalize_dates(table, text.str.replace(_CLOCK, ""), name)
        forms = (table.map.time_format,) if table.map.time_format else _DAYS
        attempts = [day.str.to_date(form, strict=False) for form in forms]
        dates = min(attempts, key=lambda attempt: attempt.null_count())
        is_number = text.str.contains(r"^\d{9,19}(?:\.0*)?$")
        if (is_number | (text.str.contains(_CLOCK) & text.str.contains(_OFFSET))).any():
            utc = _parse_clock_times(table, name)[0].dt.replace_time_zone("UTC")
            dates = dates.fill_null(utc.dt.date())
    if utc is not None and table.map.timezone and (utc.dt.time() != time()).any():
        dates = utc.dt.convert_time_zone(table.map.timezone).dt.date()  # midnights of UTC are dates
    weekdays = dates.unique().dt.weekday().to_list()
    if (
        weekdays.count(7) > max(weekdays.count(6), len(weekdays) / 20)
        and weekdays.count(5) <= weekdays.count(4) - weekdays.count(7) / 2
    ):
        hours = [0] if utc is None else utc.filter(dates.dt.weekday() == 7).dt.hour()
        zone = [zone for first, zone in _MIDNIGHTS if first <= min(hours)][-1]
        table.refuse(
            (dates.dt.weekday() == 7) & (utc is not None and not table.map.timezone),
            name,
            "days by the calendar of their market: there are Sundays, and Fridays are missing",
            f"say whose days they are, such as {table.how_to_map.column.format('timezone', zone)}",
        )
        table.notes.append(
            f"{weekdays.count(7):,} of {len(weekdays):,} days are Sundays, and Fridays are missing: "
            f"each is a day early where they are "
            "days of UTC"
        )
    table.refuse(
        dates.is_null(),
        name,
        "a date such as 2024-01-31, written alike in every row",
        f"say since when Excel counted these days: {table.how_to_map.column.format('excel', '1900')} (44564 is 2022-01-03), "
        "or 1904 (2026-01-04)"
        if cells.cast(pl.String).str.contains(r"^\d{5}(?:[.,]\d+)?$").any()
        else "correct the row, or take it out",
    )
    table.refuse(
        ~dates.is_between(FIRST_DAY, LAST_DAY),
        name,
        f"a date from {FIRST_DAY} to {LAST_DAY}",
        "correct the row, or take it out",
    )
    return dates.alias(name)


def _time_texts(table: Table, name: str) -> pl.Series:
    """Cells of a time column as text; of '01/02/2024 as of 12/29/2023' the date after 'as of', Excel's day numbers as
    times."""
    text = table.frame[name].cast(pl.String).str.strip_chars().str.replace(r"^.* as of ", "")
    if table.map.excel:
        epoch_day = 25_569 if table.map.excel == 1900 else 24_107  # 1970-01-01
        text = (
            ((text.str.replace(",", ".").cast(float, strict=False) - epoch_day) * 86_400_000)
            .round()
            .cast(pl.Int64)
            .cast(pl.Datetime("ms"))
            .dt.to_string("%Y-%m-%d %H:%M:%S%.3f")
            .str.replace(" 00:00:00.000", "")
        )
    return text


def normalize_dates(table: Table, text: pl.Series, name: str) -> pl.Series:
    """Texts with numeric dates rewritten as 2024-01-31, unchanged with a `time_format`; DataError if their order is not
    shown."""
    if table.map.time_format:
        return text
    reading, *alternatives = date_readings(text, table.map.date_order)
    for alternative in alternatives:
        key = table.how_to_map.column.format("date_order", "dmy")
        remedy = (f"say it: {key} (mdy, ymd); or " if key else "") + "write 2024-01-31"
        table.refuse(
            reading != alternative,
            name,
            "dates whose order is said, or shown by a day after the 12th",
            remedy,
        )
    return reading


def _refuse_mixed_zones(table: Table, text: pl.Series, name: str) -> None:
    """Raise a DataError for offsets further apart than summer time, and for rows with a zone beside rows without."""
    clocked = text.str.contains(_CLOCK)
    zone = (
        text.filter(clocked).str.extract(_OFFSET).str.replace("Z|UTC", "+00:00").fill_null("none")
    )
    if zone.n_unique() < 2:
        return
    hours = zone.str.extract(r"^([+-]\d\d)").cast(pl.Float64)
    differs = ((hours - hours[0]).abs() > 1).fill_null((zone == "none") != (zone[0] == "none"))
    index = differs.arg_max()
    rows = table.frame[ROW].filter(clocked)
    if index is not None and differs[index]:
        raise DataError(
            "times of one zone",
            f"zone {zone[0]} in row {rows[0]} and {zone[index]} in row {rows[index]} of {table.source}, column {name}",
            "write all rows by one clock",
        )


def has_dates_alone(table: Table, name: str) -> bool:
    """Whether a column has dates without times of day."""
    cells = table.frame[name]
    if cells.dtype == pl.Date or isinstance(cells.dtype, pl.Datetime) or cells.dtype != pl.String:
        return cells.dtype == pl.Date
    text = _time_texts(table, name)
    clocked = (
        text.str.contains(_CLOCK) | text.str.contains(_SINCE) | text.str.contains(r"^\d{8}[-;T ]\d")
    )
    if table.map.time_format:
        clocked |= re.search(r"%[HIMSTRXcfspk+]", table.map.time_format) is not None
    return bool((~clocked | text.is_null()).all())


def parse_moments(table: Table, name: str, timezone: str = "") -> pl.Series:
    """A column as moments, Datetime in ns UTC.

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
        utc_times = (
            cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            if cells.dtype.time_zone
            else cells
        )
        naive = utc_times.cast(pl.Datetime("ns"))
    else:
        naive, in_utc = _parse_clock_times(table, name)
        table.refuse(
            cells.is_not_null() & naive.is_null(),
            name,
            "a time such as 2024-01-31T15:30:00-05:00",
            "correct the row, or take it out",
        )
    local = naive.is_not_null() & ~in_utc
    if not zone:
        key = table.how_to_map.column.format("timezone", "America/New_York")
        table.refuse(
            local,
            name,
            "a time with its zone",
            f"say whose clock it is: {key}; or write the zone, such as -04:00",
        )
    instants = naive.dt.replace_time_zone("UTC")
    if local.any():
        rows = naive.filter(local)
        resolved, unshown = resolve_local_times(rows, zone, table.map.repeated_hour)
        if (
            unshown.any() and "symbol" in table.frame.columns
        ):  # a file may be in order symbol by symbol
            resolved, unshown = resolve_local_times(
                rows, zone, by=table.frame["symbol"].filter(local)
            )
        places = local.arg_true()
        instants = instants.scatter(places, resolved)
        table.refuse(
            instants.is_null() & local,
            name,
            f"a time of {zone}",
            "correct the row: the clock skipped this hour",
        )
        is_ambiguous = pl.repeat(False, len(instants), eager=True).scatter(places, unshown)
        say = table.how_to_map.column.format("repeated_hour", "first")
        table.refuse(
            is_ambiguous,
            name,
            f"a time that the clock of {zone} shows once, or rows in order of time",
            f"write the zone, such as -04:00, or say which is meant: {say} (or second)",
        )
    table.refuse(
        instants.is_null(),
        name,
        "a time such as 2024-01-31T15:30:00-05:00",
        "correct the row, or take it out",
    )
    return instants.cast(pl.Datetime("ns", "UTC")).alias(name)


def _parse_clock_times(table: Table, name: str) -> tuple[pl.Series, pl.Series]:
    """Times as the text shows them, without zone, and whether each is in UTC (offsets applied); null for unreadable cells."""
    text = normalize_dates(table, _time_texts(table, name), name)
    if form := table.map.time_format:
        zoned = bool(re.search(r"%(:*|#)z|%\+", form))
        parsed = text.str.to_datetime(form, time_unit="ns", strict=False)
        naive = parsed.dt.replace_time_zone(None) if zoned else parsed
        return naive, pl.Series([zoned] * len(text), dtype=pl.Boolean)
    text = text.str.replace(r"\s*(UTC|GMT)$", "Z")

    def read(cell: str) -> dict[str, int | bool] | None:
        """Fields of one cell; None if unreadable."""
        try:
            ns, in_utc = parse_time(cell)
        except (ValueError, OverflowError):
            return None
        return {"ns": ns, "in_utc": in_utc}

    kind = pl.Struct({"ns": pl.Int64, "in_utc": pl.Boolean})
    cells = text.map_elements(read, kind, skip_nulls=True).struct.unnest()
    return cells["ns"].cast(pl.Datetime("ns")), cells["in_utc"].fill_null(False)
