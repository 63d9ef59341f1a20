"""Parse a column of words for buys and sells."""

from typing import Final

import polars as pl

from tercel.core.tables.table import Table
from tercel.core.vocabulary import BUY, SELL

# Words for the two sides of a trade.
SIDES: Final = {
    **dict.fromkeys(("buy", "b", "1", "+1", "bot", "bought"), BUY),
    **dict.fromkeys(("sell", "s", "-1", "2", "5", "6", "sld", "sold", "ss", "sell short"), SELL),
}
"""Words of people, and FIX's: 1 buy, 2 sell, 5 sell short, 6 sell short exempt."""


def parse_sides(table: Table, name: str = "side") -> pl.Series:
    """A column of words as +1 for a buy and -1 for a sell, int64 (n,).

    Raises
    ------
    DataError
        A word that neither we nor the table's map know, with its row.

    >>> parse_sides(Table(pl.DataFrame({"row": [2], "side": ["BOT"]}), "fills.csv")).to_list()
    [1]
    """
    side_words = table.map.sides
    side_by_word = (
        SIDES
        | {word.lower(): BUY for word in side_words.buy}
        | {word.lower(): SELL for word in side_words.sell}
    )
    text = table.frame[name].cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    parsed = text.replace_strict(side_by_word, default=None, return_dtype=pl.Int64)
    example = table.how_to_map.column.format("buy", "WORD")
    table.refuse(
        parsed.is_null(),
        name,
        "a side: buy or sell",
        f"correct the row, or say what the word means: {example} ([sides] in a map), {example.replace('buy', 'sell', 1)}",
    )
    return parsed.alias(name)
