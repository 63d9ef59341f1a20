"""Words for the two sides of a trade."""

from typing import Final

import polars as pl

from tercel.core.tables.table import Table
from tercel.core.vocabulary import BUY, SELL

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
    remedy = f"correct the row, or say what the word means: {how} ([sides] in a map), {how.replace('buy', 'sell', 1)}"
    table.refuse(found.is_null(), name, "a side: buy or sell", remedy)
    return found.alias(name)
