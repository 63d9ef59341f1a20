"""Cells of a table as text: numbers without currency signs and blanks, and which decimal sign the cells show."""

from typing import Final

import polars as pl

# Numbers in cells of text: which decimal sign they show, and how they are written with a point.
NOTHING: Final = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", ".")
"""Cells that say nothing, in small letters."""
MONEY: Final = "[$€£¥]"
_SIGN: Final = "[-+]?"
# An apostrophe, straight or curled, and blanks, also narrow and unbreakable ones.
_BETWEEN: Final = r"['\x{2019} \x{a0}\x{202f}]"
_GROUPS: Final = rf"^[-+]?\d{{1,3}}(?:{_BETWEEN}\d{{3}})+(?:[.,]\d+)?$"
# A sign with other than three digits behind it, with nothing but zero before it, or behind the other sign, is decimal.
_SHOWS: Final = (
    r"^[-+]?(?:(?:0|\d{{4,}}){d}\d+|\d{{1,3}}{d}(?:\d{{1,2}}|\d{{4,}})"
    r"|\d{{1,3}}(?:{t}\d{{3}})+{d}\d+|\d{{1,3}}(?:{t}\d{{3}}){{2,}})$"
)
EITHER: Final = r"^[-+]?(?:[1-9]\d{0,2}|0\d{1,2})[.,]\d{3}$"
"""Numbers with one sign, which may be of decimals or of thousands."""
# Numbers in thousands or millions.
SCALED: Final = r"\d\s*(?i:k|m|b|mn|mm|bn|mio|mrd)$"
# Not `\d`, which takes the digits of every script.
_NUMBER: Final = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"


def plain_text(text: pl.Expr, units: bool = False) -> pl.Expr:
    """Cells without currency signs, blanks and apostrophes between digits; null for cells such as "n/a".
    `units`: a word before or behind the number is removed, too.

    ``(1.5)`` and ``1.5-`` are below 0.

    >>> pl.select(plain_text(pl.lit("-$1'000.5"))).item()
    '-1000.5'
    """
    text = (
        text.str.strip_chars()
        .str.replace(r"^\((.+)\)$", "-${1}")
        .str.replace(r"^([^-]+)-$", "-${1}")
    )
    text = text.str.replace(rf"^({_SIGN})\s*{MONEY}\s*", "${1}").str.replace(rf"\s*{MONEY}$", "")
    if units:
        # 1e5 has no unit, and in 5k, 1.5M the letter is a part of the number
        bare = text.str.replace(r"\s*(?:[A-DF-Za-df-z]|[eE][A-Za-z])[A-Za-z0-9]*$", "").str.replace(
            r"^([-+]?)[A-Za-z]+\s*", "${1}"
        )
        text = pl.when(text.str.contains(SCALED)).then(text).otherwise(bare)
    grouped = text.str.contains(_GROUPS)
    text = pl.when(grouped).then(text.str.replace_all(_BETWEEN, "")).otherwise(text)
    return pl.when(~text.str.to_lowercase().is_in(NOTHING)).then(text)


def with_point(text: pl.Expr, decimal: str) -> pl.Expr:
    """Numbers written with the sign `decimal`, rewritten with a decimal point and without thousands signs;
    null for cells that are no number so written.

    >>> pl.select(with_point(pl.lit("1.000,5"), ",")).item(), pl.select(with_point(pl.lit("1.5"), ",")).item()
    ('1000.5', None)
    """
    mark = {".": ",", ",": "."}[decimal]
    group = f"\\{mark}"
    sign = f"\\{decimal}"
    grouped = text.str.contains(rf"^{_SIGN}\d{{1,3}}({group}\d{{3}})+({sign}\d*)?$")
    text = pl.when(grouped).then(text.str.replace_all(mark, "", literal=True)).otherwise(text)
    if decimal == ",":
        text = (
            pl.when(~text.str.contains(".", literal=True))
            .then(text)
            .str.replace(",", ".", literal=True)
        )
    return pl.when(text.str.contains(_NUMBER)).then(text)


def find_decimal_signs(frame: pl.DataFrame) -> tuple[int | None, int | None]:
    """Indices of the first rows with a cell that shows a decimal comma, and a decimal point; None if none."""
    first_rows = list[int | None]()
    names = [name for name, kind in frame.schema.items() if kind == pl.String]
    for decimal, mark in (("[,]", "[.]"), ("[.]", "[,]")):
        pattern = _SHOWS.format(d=decimal, t=mark)
        shows = pl.any_horizontal(
            False, *(plain_text(pl.col(name)).str.contains(pattern) for name in names)
        )
        first_rows.append(
            next(iter(frame.select(shows.fill_null(False).arg_true()).to_series()), None)
        )
    return first_rows[0], first_rows[1]
