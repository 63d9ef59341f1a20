"""Dates of three numbers, such as 3/4/2024, whose order a file does not say."""

from typing import Final

import polars as pl

ORDER: Final = "date_order"
"""What a map of columns calls the order, beside the columns."""
PLACES: Final = {"dmy": ("c", "b", "a"), "mdy": ("c", "a", "b"), "ymd": ("a", "b", "c")}
"""Order -> where year, month and day stand."""
_PARTS: Final = r"^(?<a>\d{1,4})(?<sign>[/.-])(?<b>\d{1,2})[/.-](?<c>\d{1,4})(?<rest>\D.*)?$"


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
    found = [(_read(parts, one, told=bool(order)), one) for one in ([order] if order else PLACES)]
    most = max(one.count() for one, _ in found)
    ways = list[pl.Series]()
    for one, _ in found:
        way = one.fill_null(text)
        if one.count() == most and not any(way.equals(other, null_equal=True) for other in ways):
            ways.append(way)
    return ways


def _read(parts: pl.DataFrame, order: str, told: bool) -> pl.Series:
    """Dates by an order, with what stands behind them; null where there is none."""
    full = pl.col("a").str.len_chars() == 4
    year, month, day = (pl.when(full).then(b).otherwise(a) for a, b in zip(PLACES[order], PLACES["ymd"], strict=True))
    digits = year.str.len_chars()
    century = pl.when(year.str.slice(0, 1) < "7").then(pl.lit("20")).otherwise(pl.lit("19"))
    whole = pl.when(digits == 4).then(year).when(digits == 2).then(century + year)
    date = (whole + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)).str.to_date("%Y-%m-%d", strict=False)
    usual = full | (pl.col("sign") != ".") | pl.lit(told or order == "dmy")
    dated = pl.when(usual).then(date).dt.to_string("%Y-%m-%d") + pl.col("rest").fill_null("")
    return parts.select(dated.alias("date"))["date"]
