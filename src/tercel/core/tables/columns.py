"""Columns of a table under our names: by its map, by the field's usual names, or refused with the words to say so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

import polars as pl

from tercel.core.errors import ConfigError, DataError, check_known, nearest
from tercel.core.tables.table import OURS, ROW, USUAL, Table, plain_name
from tercel.core.tables.table_map import SETTINGS, UNNAMED, Words
from tercel.core.tables.text import EITHER, SCALED, plain_text, with_point
from tercel.core.vocabulary import BUY, SELL

# -- numbers --------------------------------------------------------------------------------------
# Numbers of a table: their decimal sign is said or shown by the file, never guessed.

LARGEST: Final = 15
"""Power of ten that an exact number may have, and its reciprocal."""
PRICES: Final = frozenset({"price", "limit", "open", "high", "low", "close", "adj_close"})
"""Columns that a map's `price_scale` is of."""


def _decimal(table: Table) -> str:
    """Decimal sign of a table's text, "" where nothing shows it.

    In a file of commas, and in JSON, it is a point.
    """
    if table.map.point or table.separator in ("", ","):
        return table.map.point or "."
    comma, point = table.signs
    if comma and point:
        return ""
    return "," if comma else "." if point else ""


def _cells(table: Table, name: str, units: bool) -> pl.Series:
    """Cells of a column as :func:`tercel.core.tables.text.plain_text` has them."""
    return table.frame.select(plain_text(pl.col(name).cast(pl.String), units))[name]


def _pointed(table: Table, cells: pl.Series) -> pl.Series:
    """Cells with a decimal point, null where they are no number by the table's decimal sign."""
    return cells.to_frame().select(with_point(pl.col(cells.name), _decimal(table) or "."))[
        cells.name
    ]


def texts(table: Table, name: str, expected: str = "a number", remedy: str = "") -> pl.Series:
    """A column of numbers as text with a decimal point; null for empty cells.

    Raises
    ------
    DataError
        A cell that is not a number, or an ambiguous decimal sign, with file and row.
    """
    cells = _cells(table, name, table.map.units_in_cells)
    decimal = _decimal(table)
    signs = [table.how.column.format("decimal", sign) for sign in (",", ".")]
    if not decimal:
        comma, point = table.signs
        why = (
            f": a comma in row {comma}, a point in row {point}"
            if comma
            else " (10.000: ten or ten thousand)"
        )
        unknown = cells.str.contains(r"[.,]") if comma else cells.str.contains(EITHER)
        table.refuse(
            unknown,
            name,
            f"numbers whose decimal sign the file shows{why}",
            f"say it: {' or '.join(signs)}",
        )
    found = _pointed(table, cells)
    wrong = cells.is_not_null() & found.is_null()
    remedy = remedy or "correct the cell, or leave it empty if it has no value"
    unit = wrong & cells.str.contains(r"^[-+]?[\d.,]+\s*[A-Za-z]+$") & ~cells.str.contains(SCALED)
    table.refuse(
        unit,
        name,
        f"{expected} without a unit",
        f"say that cells carry their units: {table.how.column.format('units_in_cells', 'true')}; or {remedy}",
    )
    signed = wrong & cells.str.contains(r"^[-+]?[\d.,]+$")
    table.refuse(
        signed,
        name,
        f"{expected} with the decimal sign {decimal!r}",
        f"say the decimal sign: {signs[decimal == ',']}; or {remedy}",
    )
    table.refuse(wrong, name, expected, remedy)
    return found


def numbers(table: Table, name: str, expected: str = "a number") -> pl.Series:
    """A column as Float64, null where a cell says nothing; text in a number is refused with its row."""
    cells = table.frame[name]
    if cells.dtype.is_numeric() or cells.dtype in (pl.Null, pl.Boolean):
        values = cells.cast(pl.Float64).fill_nan(None)
    else:
        remedy = "correct the cell, or leave it empty if it has no value"
        if name in ("open", "high", "low", "volume"):
            remedy += f"; or go on without the column: {table.how.column.format(name, '')}"
        values = texts(table, name, expected, remedy).cast(pl.Float64)
    table.refuse(
        values.is_infinite(),
        name,
        f"{expected} that is finite",
        "correct the cell, or leave it empty",
    )
    return (values * table.map.price_scale if name in PRICES else values).alias(name)


def exact(table: Table, name: str, expected: str = "a number") -> list[Fraction | None]:
    """A column as exact fractions; None for empty cells.

    Raises
    ------
    DataError
        A cell that is no number from 1e-15 to 1e15, with file and row.
    """
    found = texts(table, name, expected, "correct the row, or take it out")
    decimals = [None if text is None else Decimal(text) for text in found]
    beyond = [one is not None and bool(one) and abs(one.adjusted()) > LARGEST for one in decimals]
    table.refuse(
        pl.Series(beyond, dtype=pl.Boolean),
        name,
        f"{expected} from 1e-15 to 1e15",
        "correct the row, or take it out",
    )
    scale = Decimal(str(table.map.price_scale if name in PRICES else 1))
    return [None if one is None else Fraction(one) * Fraction(scale) for one in decimals]


def units(table: Table, name: str) -> pl.Series:
    """Units before or after the numbers of a column, "" if missing.

    >>> import polars as pl
    >>> units(Table(pl.DataFrame({"row": [1], "fee": ["0.00001300BNB"]}), "fills"), "fee").item()
    'BNB'
    """
    text = table.frame[name].cast(pl.String).str.strip_chars()
    after = text.str.extract(
        r"^[-+]?[\d.,' ]*\d[.]?\s*((?:[A-DF-Za-df-z]|[eE][A-Za-z])[A-Za-z0-9]*)$"
    )
    return (
        after.fill_null(text.str.extract(r"^([A-Za-z]+)\s*[-+]?[\d.,]+$")).fill_null("").alias(name)
    )


def is_number(table: Table, name: str) -> tuple[int, int]:
    """Numbers of numeric and of non-empty cells in a column."""
    if table.frame[name].dtype.is_numeric():
        return table.frame[name].count(), table.frame[name].count()
    cells = _cells(table, name, table.map.units_in_cells)
    return _pointed(table, cells).count(), cells.count()


def not_money(table: Table, ours: str, names: Sequence[str]) -> list[str]:
    """Of columns that may be a quantity, those that are not the price times another column in most rows."""
    if ours != "quantity":
        return list(names)
    there = [name for name in table.frame.columns if name != ROW]
    floats = {name: _pointed(table, _cells(table, name, True)).cast(pl.Float64) for name in there}
    prices = [name for name in floats if plain_name(name).endswith(("price", "px"))]
    return [
        name
        for name in names
        if not any(
            _mostly((floats[price] * floats[other] / floats[name]).abs(), floats[price])
            for price in prices
            for other in floats
            if other not in (price, name)
        )
    ]


def _mostly(ratio: pl.Series, price: pl.Series) -> bool:
    """Whether most ratios are 1, but not because the price is."""
    ratio = ratio.filter((price - 1).abs() > 1e-2)
    near = (ratio - 1).abs() < 1e-3
    return bool(ratio.count() and 2 * int(near.sum()) > ratio.count())


# -- sides ----------------------------------------------------------------------------------------
# Words for the two sides of a trade.

SIDES: Final = {
    **dict.fromkeys(("buy", "b", "1", "+1", "bot", "bought"), BUY),
    **dict.fromkeys(("sell", "s", "-1", "2", "5", "6", "sld", "sold", "ss", "sell short"), SELL),
}
"""Words of people, and FIX's: 1 buy, 2 sell, 5 sell short, 6 sell short exempt."""


def sides(table: Table, name: str = "side") -> pl.Series:
    """A column of words as +1 for a buy and -1 for a sell, int64 (n,).

    Raises
    ------
    DataError
        A word that neither we nor the table's map know, with its row.

    >>> sides(Table(pl.DataFrame({"row": [2], "side": ["BOT"]}), "fills.csv")).to_list()
    [1]
    """
    said = table.map.sides
    known = (
        SIDES
        | {word.lower(): BUY for word in said.buy}
        | {word.lower(): SELL for word in said.sell}
    )
    text = table.frame[name].cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    found = text.replace_strict(known, default=None, return_dtype=pl.Int64)
    how = table.how.column.format("buy", "WORD")
    table.refuse(
        found.is_null(),
        name,
        "a side: buy or sell",
        f"correct the row, or say what the word means: {how} ([sides] in a map), {how.replace('buy', 'sell', 1)}",
    )
    return found.alias(name)


SLIP: Final = 0.75
"""Similarity from which a column is a slip of the pen for one that is missing."""
_BARS: Final = ("date", "open", "high", "low", "close", "volume")
"""Order of columns in files of bars without a header."""
JOINED: Final = ("time", "date", "arrival", "start", "end", "known", "event")
"""Columns of which several are joined by a blank, such as a date and its time."""


def renamed(
    table: Table,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    usual: Mapping[str, Sequence[str]] = USUAL,
    *,
    asked: Collection[str] = (),
) -> Table:
    """The table under our names of columns: those of its map first, then the field's usual ones; others as they are.

    Parameters
    ----------
    table : Table
    needed, optional : sequence of str
        Columns that have to be there, and that may be. Others stay under their names; one that is spelt almost like a
        missing one is refused.
    usual : mapping of str to sequence of str
        What the field calls a column, as :func:`plain_name`.
    asked : collection of str
        Columns of which a usual name is not taken for ours, but refused with the words that say what it is.

    Raises
    ------
    ConfigError
        A map that names a column that is none of ours.
    DataError
        A column is missing, misspelt, or named by the map and not there.
    """
    if f"{UNNAMED} 0" in table.frame.columns:
        values = [f"{cell}" for cell in table.frame.row(0)[1:]]
        dated = values[0][:1].isdigit() or "symbol" in needed
        order = _BARS if "close" in needed and len(values) >= len(_BARS) else needed
        raise DataError(
            "names of columns in the first row",
            f"{', '.join(values)[:120]} in {table.where}",
            "name the columns in their order: "
            + table.how.column.format("header", ",".join(order if dated else ("symbol", *order))),
        )
    refusals: list[DataError] = []
    found: list[Table] = []
    for frame in (table.frame, *table.others):
        try:
            found.append(
                _only(
                    _renamed(replace(table, frame=frame, others=()), needed, optional, usual, asked)
                )
            )
        except DataError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    # below another header may be the same rows again, orders beside executions: neither added nor passed over
    if len(rows := [str(one.frame[ROW][0]) for one in found if one.frame.height]) > 1:
        raise DataError(
            f"one table with {', '.join(needed)}",
            f"several in {table.where}, from rows {' and '.join(rows)}",
            "write each as a file of its own",
        )
    return max(found, key=lambda one: one.frame.height)


def _only(table: Table) -> Table:
    """The rows that the map says are read."""
    frame, ours = table.frame, list(table.theirs)
    for column, words in table.map.only.items():
        if (place := _place(column, list(table.theirs.values()))) is not None:
            frame = frame.filter(pl.col(ours[place]).cast(pl.String).is_in(words))
    return replace(table, frame=frame)


def _renamed(
    table: Table,
    needed: Sequence[str],
    optional: Sequence[str],
    usual: Mapping[str, Sequence[str]],
    asked: Collection[str],
) -> Table:
    known = (*needed, *optional)
    for name in set(table.map.columns) - OURS:
        check_known(name, known, "a column of", f"{name!r} in {table.how.whole}", ConfigError)
    called = {name: words for name, words in table.map.columns.items() if name in known}
    table = _joined(table, called)
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours, words in called.items():
        places = [place for word in words if (place := _place(word, theirs)) is not None]
        if not places and all(words):
            without = (
                "" if ours in needed else f", or go on without: {table.how.column.format(ours, '')}"
            )
            raise DataError(
                f"the column that is called {ours}",
                f"no {' or '.join(words)} in {table.where}: {', '.join(theirs)}",
                f"correct {table.how.whole}{without}",
            )
        called[ours] = (theirs[places[0]],) if places else () if any(words) else words
    named = {name for words in called.values() for name in words}
    low = {name.lower() for name in theirs}
    alike: dict[str, list[str]] = {}
    for ours in known:
        there = [
            name for word in usual.get(ours, ()) for name in theirs if plain_name(name) == word
        ]
        free = [name for name in there if name not in named]
        if ours in called or ours in low or not free:
            continue
        if ours not in asked:
            called[ours] = (free[0],)
            named.add(free[0])
        else:
            alike[ours] = free
    header = _header(table, theirs, known, called)
    _refuse_missing(table, header, needed, alike)
    possible = [name for name in asked or known if name not in header and name not in called]
    for name in header:
        # an account is no slip for amount
        may_be_slip = name and name not in known and name.lower() != "account"
        if may_be_slip and (near := nearest(name, possible, like=SLIP)):
            raise DataError(
                f"the columns {', '.join(known)}",
                f"{name!r} in the first row of {table.where}",
                f"try {near[0]!r}: {table.how.column.format(near[0], name)}; or go on without: "
                f"{table.how.column.format(near[0], '')}",
            )
    frame = table.frame.rename(dict(zip(theirs, header, strict=True)))
    return replace(table, frame=frame, theirs=dict(zip(header, theirs, strict=True)))


def _joined(table: Table, called: dict[str, Words]) -> Table:
    """The table with one column for each time that its map has in several."""
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours in [name for name, words in called.items() if name in JOINED and len(words) > 1]:
        places = [_place(word, theirs) for word in called[ours]]
        if None in places:
            continue  # alternatives, or an absent name: refused below, with the others
        names = list(dict.fromkeys(theirs[place] for place in places if place is not None))
        name = " ".join(names)
        table = replace(
            table,
            frame=table.frame.with_columns(
                pl.concat_str(
                    [pl.col(one).cast(pl.String).fill_null("") for one in names], separator=" "
                )
                .str.strip_chars()
                .alias(name)
            ),
        )
        called[ours] = (name,)
    return table


def _place(word: str, theirs: Sequence[str]) -> int | None:
    """Index of the column that a word names, by its letters, else by its letters and digits alone; None if none."""
    low = [name.lower() for name in theirs]
    if word.strip().lower() in low:
        return low.index(word.strip().lower())
    plain = [plain_name(name) for name in theirs]
    return plain.index(plain_name(word)) if plain_name(word) in plain and plain_name(word) else None


def _header(
    table: Table, theirs: Sequence[str], known: Sequence[str], called: Mapping[str, Words]
) -> list[str]:
    header = [name.lower() if name.lower() in known else name for name in theirs]
    for ours, words in ((ours, words) for ours, words in called.items() if words):
        header = [f"{name} (left out)" if name == ours else name for name in header]
        if words[0]:
            header[theirs.index(words[0])] = ours
    if twice := [name for name in dict.fromkeys(header) if name and header.count(name) > 1]:
        raise DataError(
            "columns of different names",
            f"{', '.join(twice)} twice in {table.where}",
            "rename one of them",
        )
    return header


def _refuse_missing(
    table: Table, header: Sequence[str], needed: Sequence[str], alike: Mapping[str, Sequence[str]]
) -> None:
    """Columns that are needed, and those that seem to be there under a name of the field's."""
    column = table.how.column.format
    lacking = [name for name in needed if name not in header]
    alike = {
        ours: found for ours, names in alike.items() if (found := not_money(table, ours, names))
    }
    options = " ".join(column(ours, names[0]) for ours, names in alike.items())
    more = [
        f"{ours} may be {' or '.join(names[1:])} too"
        for ours, names in alike.items()
        if len(names) > 1
    ]
    named = (
        ", ".join(f'{name} = "..."' for name in lacking),
        " ".join(column(name, "THEIRS") for name in lacking),
    )
    said = (
        "; ".join([f"say what they are: {options}", *more])
        if alike
        else table.how.otherwise.format(*named)
    )
    if lacking:
        theirs = [name for name in table.frame.columns if name != ROW]
        received = f"{', '.join(theirs) or 'an empty file'} in {table.where}"
        raise DataError(f"the columns {', '.join(needed)}", received, said)
    if alike:
        received = ", ".join(
            f"{' and '.join(names)}, perhaps {ours}" for ours, names in alike.items()
        )
        without = f"; or go on without: {' '.join(column(ours, '') for ours in alike)}"
        raise DataError(
            f"every column under a name that is known: {', '.join(alike)}",
            f"{received}, in the first row of {table.where}",
            said + without,
        )


def unread(table: Table, known: Sequence[str]) -> list[str]:
    """Columns of a table that nothing is read from."""
    joined = {
        word.lower()
        for ours, words in table.map.columns.items()
        if table.theirs.get(ours, "").lower() == " ".join(words).lower()
        for word in words
    }
    return [
        name
        for name in table.frame.columns
        if name and not name.endswith(" (left out)") and name.lower() not in joined
        if name not in (ROW, *known, *table.map.only, *SETTINGS)
    ]
