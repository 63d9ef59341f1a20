"""Numbers in cells of text: which decimal sign they show, and how they are written with a point."""

from typing import Final

import polars as pl

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
    """Cells without signs of currencies, blanks and apostrophes between digits; null where they say nothing.

    ``(1.5)`` and ``1.5-`` are below 0. With `units` a word before or behind the number is taken off.

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
        # in 1e5 there is none, and in 5k, 1.5M the letter is a part of the number
        bare = text.str.replace(r"\s*(?:[A-DF-Za-df-z]|[eE][A-Za-z])[A-Za-z0-9]*$", "").str.replace(
            r"^([-+]?)[A-Za-z]+\s*", "${1}"
        )
        text = pl.when(text.str.contains(SCALED)).then(text).otherwise(bare)
    grouped = text.str.contains(_GROUPS)
    text = pl.when(grouped).then(text.str.replace_all(_BETWEEN, "")).otherwise(text)
    return pl.when(~text.str.to_lowercase().is_in(NOTHING)).then(text)


def with_point(text: pl.Expr, decimal: str) -> pl.Expr:
    """Numbers with a point as their decimal sign and nothing between groups of digits; null where they are none.

    >>> pl.select(with_point(pl.lit("1.000,5"), ",")).item(), pl.select(with_point(pl.lit("1.5"), ",")).item()
    ('1000.5', None)
    """
    mark = {".": ",", ",": "."}[decimal]
    group, sign = f"\\{mark}", f"\\{decimal}"
    grouped = text.str.contains(rf"^{_SIGN}\d{{1,3}}({group}\d{{3}})+({sign}\d*)?$")
    text = pl.when(grouped).then(text.str.replace_all(mark, "", literal=True)).otherwise(text)
    if decimal == ",":
        text = (
            pl.when(~text.str.contains(".", literal=True))
            .then(text)
            .str.replace(",", ".", literal=True)
        )
    return pl.when(text.str.contains(_NUMBER)).then(text)


def shown_signs(frame: pl.DataFrame) -> tuple[int | None, int | None]:
    """Places of the first rows of which a cell shows a decimal comma, and a decimal point."""
    first = list[int | None]()
    names = [name for name, kind in frame.schema.items() if kind == pl.String]
    for decimal, mark in (("[,]", "[.]"), ("[.]", "[,]")):
        pattern = _SHOWS.format(d=decimal, t=mark)
        shows = pl.any_horizontal(
            False, *(plain_text(pl.col(name)).str.contains(pattern) for name in names)
        )
        first.append(next(iter(frame.select(shows.fill_null(False).arg_true()).to_series()), None))
    return first[0], first[1]
