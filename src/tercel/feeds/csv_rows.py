"""Quotes and trades of a tick file by its map, in shares and prices as the file has them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import polars as pl

from tercel.core.errors import FeedError
from tercel.core.progress import say
from tercel.core.tables.usual_names import plain_name
from tercel.feeds.csv_columns import ROW, TIMES, FilePrices, TextRows, TypedColumn, strip_text
from tercel.feeds.csv_map import QuoteMap, TradeMap
from tercel.feeds.csv_read import TRADE_IDS

ROUNDED: Final = "rows of sizes rounded to whole lots"
RuleCounts = Counter[str]
"""Rows that each rule took, in the order in which they were counted (0: the rule was in force)."""


def side_columns(levels: int) -> list[list[str]]:
    """Column names of quotes: bids' prices and sizes, then asks', best first."""
    return [
        [f"{field}_{n}" for n in range(1, levels + 1)]
        for field in ("bid", "bid_size", "ask", "ask_size")
    ]


def quotes_of(text: TextRows, m: QuoteMap, prices: FilePrices, report: RuleCounts) -> pl.DataFrame:
    """Quotes as typed rows: `side_columns` float64 (0: none) and `exchange`; `report` counts those left out.

    Those of other exchanges and suspicious ones are left out and counted.
    """
    text = _keep_only(text, m.suspicious, ("0", ""), "quotes marked suspicious", report)
    text = _keep_only(text, m.exchange, m.exchanges, "quotes of other exchanges", report)
    never = m.zero_side == "none" or (
        m.zero_side == "keep" and not prices.zero
    )  # a price of 0 is one
    unit = m.size_unit * prices.lots
    fields: dict[str, TypedColumn | pl.Expr] = {
        "exchange": strip_text(m.exchange) if m.exchange else pl.lit("")
    }
    for side, price, size in (("bid", m.bid, m.bid_size), ("ask", m.ask, m.ask_size)):
        sizes = m.columns(size)
        for n, column in enumerate(m.columns(price), start=1):
            sized = text.number(sizes[n - 1], unit) if size else None
            unsized = sized.value <= 0 if sized and not never else never or not prices.zero
            price_column = fields[f"{side}_{n}"] = prices.column(text, column, unsized)
            fields[f"{side}_size_{n}"] = sized or (price_column.value > 0) * float(prices.lots)
    return text.to_typed(fields)


def trades_of(text: TextRows, m: TradeMap, prices: FilePrices, report: RuleCounts) -> pl.DataFrame:
    """Trades as typed rows: price, size, `sign` of the aggressor (0 unknown), `cross`, `id`; `report` counts those left out.

    `price` and `size` float64, `sign` (+1 buyer active, -1 seller, 0 not said), `cross` of an auction, `hidden`, `id`.

    Corrected, suspicious and irregular ones are left out and counted.
    """
    text = _keep_only(text, m.suspicious, ("0", ""), "trades marked suspicious", report)
    text = _keep_only(text, m.exchange, m.exchanges, "trades of other exchanges", report)
    text = _keep_only(text, m.correction, m.good, "trades corrected", report)
    cross: pl.Expr = pl.lit(False)
    if m.condition:
        kinds = _conditions(text, m)
        regular = text.of(m.condition, list(kinds))
        report["trades of irregular conditions"] += text.frame.height - regular.frame.height
        text = regular
        cross = strip_text(m.condition).is_in([name for name, auction in kinds.items() if auction])
    sign: pl.Expr = pl.lit(0, pl.Int64)
    hidden: pl.Expr = pl.lit(False)
    if m.aggressor:
        active = strip_text(m.aggressor)
        sign = active.is_in(m.buy).cast(pl.Int64) - active.is_in(m.sell).cast(pl.Int64)
        hidden = active.is_in(m.hidden)
    likely = [name for name in text.frame.columns if m.id is None and plain_name(name) in TRADE_IDS]
    names = [name for name in m.id or likely[:1] if name]
    trade_id = text.ids(names) if names else pl.lit("")
    rows = text.to_typed(
        {
            "price": prices.column(text, m.price),
            "size": text.number(m.size, m.size_unit * prices.lots),
            "sign": sign,
            "cross": cross,
            "hidden": hidden,
            "id": trade_id,
        }
    )
    if m.in_quotes:
        rows = rows.filter(pl.col("size") > 0)
    return _drop_repeated_ids(text, rows, names, m, report) if names else rows


def _drop_repeated_ids(
    text: TextRows, rows: pl.DataFrame, names: Sequence[str], m: TradeMap, report: RuleCounts
) -> pl.DataFrame:
    """Trades without repetitions of an id; FeedError if two contents share an id, or the map names no column of ids that
    repeat."""
    numbers = rows["id"].cast(pl.Int64, strict=False).fill_null(0)
    if (numbers.diff() > 0).all():
        return rows if m.id else rows.with_columns(id=pl.lit(""))
    repeated = rows.filter((pl.col("id") != "") & pl.col("id").is_duplicated())
    content = [name for name in rows.columns if name not in TIMES[1:]]
    distinct = repeated.unique(content, keep="first", maintain_order=True)
    differ = distinct.filter(pl.col("id").is_duplicated())
    wrong = differ if m.id else repeated[: 0 if differ.height else None]
    if wrong.height:
        first, second = wrong.filter(pl.col("id") == wrong["id"][0])[ROW][:2]
        raise FeedError(
            "one content for each id of a trade"
            if m.id
            else "each trade once, or the column of its id",
            f"{'two contents' if m.id else 'equal rows'} of {' '.join(names)} {wrong['id'][0]}, "
            f"{first} and {second} of {text.location}",
            f"correct one; or, where an id holds for one exchange alone, write "
            f"`id = {[*names, m.exchange or 'EXCHANGE']}`"
            if m.id
            else f'write `id = "{names[0]}"` under [file.trade] in the map, and they count once; '
            'or `id = ""`, and each counts, but rows of a part of the file that comes again count once',
        )
    if not m.id:
        return rows.with_columns(id=pl.lit(""))
    report["trades that come again"] += repeated.height - distinct.height
    return rows.filter((pl.col("id") == "") | pl.col("id").is_first_distinct())


def _conditions(text: TextRows, m: TradeMap) -> dict[str, bool]:
    """Sale conditions, as in the file, that pass the map's rules, each with whether it marks an auction print; warns of
    dropped conditions that do not occur."""
    kinds: dict[str, bool] = {}
    unmet = set(m.drop)
    names = text.frame.select(strip_text(m.condition)).to_series().unique(maintain_order=True)
    apart = (
        m.condition_code == "numbers"
        or any(len(word) > 1 for word in (*m.cross, *m.drop, *m.keep))
        or (
            names.str.contains(r"\d\d|\d\.0").any()
            and not names.str.contains(r"[^\d\s.,;|/\[\]{}()'\"]").any()
        )
    )
    for name in names:
        if m.condition_code == "bits":
            try:
                bits = int(name or "0", 16)
            except ValueError:
                row = text.of(m.condition, [name]).frame[ROW][0]
                raise FeedError(
                    f"hexadecimal flags as {m.condition}",
                    f"{name!r} in row {row} of {text.location}",
                    "correct the map",
                ) from None
            parts = {f"{1 << b:x}" for b in range(64) if bits >> b & 1}
        else:
            # a number that pandas wrote as a float is the number
            codes = re.split(
                r"[\s,;|/\[\]{}()'\"]+", re.sub(r"(?<![\d.])(\d+)\.0+(?![\d.])", r"\1", name)
            )
            parts = set(codes if apart else "".join(codes)) - {""}
        unmet -= parts
        cross = bool(parts & set(m.cross))
        if not parts & set(m.drop) and (cross or not m.keep or parts <= set(m.keep)):
            kinds[name] = cross
    if unmet and m.condition_code != "bits" and text.frame.height:
        say(
            f"warning: no row of {text.location} has the condition {', '.join(sorted(unmet))} "
            "that `drop` of the map names"
        )
    return kinds


def _keep_only(
    text: TextRows, column: str, allowed: Sequence[str], rule: str, report: RuleCounts
) -> TextRows:
    """Rows whose column holds one of `allowed`, all rows if either is empty; the others are counted under `rule`."""
    if not column or not allowed:
        return text
    matching = text.of(column, allowed)
    report[rule] += text.frame.height - matching.frame.height
    return matching
