"""Rows of a tick file that set levels or orders, snapshots among them, as typed columns, by its map."""

import polars as pl

from tercel.core.errors import FeedError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds.csv_map import FileMap, LevelMap, OrderMap
from tercel.feeds.csv_read import (
    NS,
    ROW,
    FilePrices,
    TextRows,
    TypedColumn,
    one_of,
    stripped,
    telling_columns,
)
from tercel.market.tape import schema


def levels_of(text: TextRows, m: LevelMap, prices: FilePrices) -> pl.DataFrame:
    """Rows that set a level's total, as those of `orders_of`."""
    return _direct(text, m, prices, pl.lit(schema.LEVEL_SET, pl.Int64), pl.lit(""))


def orders_of(text: TextRows, m: OrderMap, prices: FilePrices) -> pl.DataFrame:
    """Events of single orders: `kind`, `order_id` as text, `side` int64, `price` and `size` float64 as the file has
    them, and whether a row is of a `snapshot`, which begins with a CLEAR.
    """
    table = {
        word: kind
        for kind, words in {
            schema.ADD: m.add,
            schema.REDUCE: m.reduce,
            schema.DELETE: m.delete,
            schema.EXECUTE: m.execute,
            schema.MODIFY: m.modify,
            schema.TRADE_HIDDEN: m.hidden,
            schema.CROSS: m.cross,
        }.items()
        for word in words
    }
    return _direct(
        text, m, prices, one_of(m.action, table, "an action that the map knows"), text.ids([m.id])
    )


def _direct(
    text: TextRows,
    m: LevelMap,
    prices: FilePrices,
    kind: TypedColumn | pl.Expr,
    order_id: TypedColumn | pl.Expr,
) -> pl.DataFrame:
    side = one_of(m.side, {**dict.fromkeys(m.bid, 1), **dict.fromkeys(m.ask, -1)}, "a side")
    _refuse_unnamed_snapshots(text, m)
    _refuse_unknown_words(text, m, m.snapshot or "")
    rows = text.typed(
        {
            "side": side,
            "kind": kind,
            "order_id": order_id,
            "price": prices.column(
                text,
                m.price,
                may_lack=(kind.made if isinstance(kind, TypedColumn) else kind) == schema.CROSS,
            ),
            "size": text.number(m.size, m.size_unit * prices.lots),
            "snapshot": _marks(m, m.snapshot) if m.snapshot else pl.lit(0, pl.Int64),
        }
    )
    begins = _first_of_snapshots(rows)
    cleared = begins.with_columns(
        pl.lit(schema.CLEAR, pl.Int64).alias("kind"),
        pl.lit(0, pl.Int64).alias("side"),
        pl.lit(0.0).alias("price"),
        pl.lit(0.0).alias("size"),
        pl.lit("").alias("order_id"),
    )
    return pl.concat([cleared, rows])


def _marks(m: LevelMap, column: str) -> TypedColumn:
    """1 in rows of a snapshot, by a column's words, in letters of any case."""
    cases = {
        case: mark
        for mark, words in enumerate((m.update, m.full))
        for word in words
        for case in (word, word.upper(), word.title())
    }
    return one_of(column, cases, "a word for a snapshot or an update (`full`, `update` of the map)")


def _refuse_unknown_words(text: TextRows, m: LevelMap, column: str) -> None:
    """Refuse a column of several words of which none is known as that of a snapshot: one may be."""
    if not column or m.model_fields_set & {"full", "update"}:
        return
    written = text.frame.select(stripped(column)).to_series()
    words = [word for word in written.unique(maintain_order=True) if word]
    if len(words) > 1 and not {word.lower() for word in words} & set(m.full):
        quoted = ", ".join(f'"{word}"' for word in words[:9])
        text.refuse(
            written != "",
            _marks(m, column),
            "a word for a snapshot that `full` of the map has, among the words",
            f'write `full = ["{words[0]}"]` under '
            f"[file.{'order' if isinstance(m, OrderMap) else 'level'}] in the map if rows of that word are a snapshot, "
            f"or `update = [{quoted}]` if no row is",
        )


def _first_of_snapshots(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that begin a snapshot: behind one of none, or a second later, or at a later time with a level again.

    Where all rows are of snapshots, each time that shows both sides is one.
    """
    marked = pl.col("snapshot") == 1
    apart = (marked & ~marked.shift(fill_value=False)) | (
        pl.col(NS).diff().abs() > NS_PER_SECOND
    ).fill_null(False)
    again = pl.col("shown").max().over("moment").cum_max().over("run").diff() > 0
    return (
        rows.with_columns(
            run=apart.cum_sum(),
            moment=((pl.col(NS).diff() != 0).fill_null(True) | apart).cum_sum(),
            whole=marked.all(),
        )
        .filter(marked)
        .with_columns(
            shown=pl.col("side").cum_count().over("run", "side", "price", "order_id"),
            whole=pl.col("whole") & (pl.col("side").n_unique().over("moment") > 1),
        )
        .filter(
            (pl.col("run").diff() != 0).fill_null(True)
            | (
                (pl.col("moment").diff() != 0)
                & (again | (pl.col("whole") & pl.col("whole").shift()))
            )
        )
        .select(rows.columns)
    )


def _refuse_unnamed_snapshots(text: TextRows, m: LevelMap) -> None:
    """Refuse snapshots within the day that only a column shows that the map does not name."""
    for name in telling_columns(FileMap.model_construct(level=m), text.frame.columns):
        cells = text.frame.select(
            NS,
            ROW,
            text=stripped(name),
            snapshot=_marks(m, name).made,
            side=stripped(m.side),
            price=stripped(m.price),
            order_id=stripped(m.id if isinstance(m, OrderMap) else m.price),
        )
        later = _first_of_snapshots(cells).filter(pl.col(ROW) > cells[ROW].min())[ROW]
        if (
            len(later)
            and not cells["snapshot"].null_count()
            and ("snap" in name.lower() or cells["text"].str.contains("(?i)snap|partial").any())
        ):
            raise FeedError(
                "to know which rows are of a snapshot, which replaces the book",
                f"a column {name} that the map does not name, and a snapshot in row {later[0]} of {text.where}",
                f'write `snapshot = "{name}"` under [file.{"order" if isinstance(m, OrderMap) else "level"}] in the map, '
                'or `snapshot = ""` if rows only change levels',
            )
