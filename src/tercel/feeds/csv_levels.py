"""Level updates and order events of a tick file as typed columns, by its map; snapshots begin with CLEAR rows."""

from dataclasses import replace

import polars as pl

from tercel.core.errors import FeedError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds.csv_columns import (
    NS,
    RECEIVED,
    ROW,
    FilePrices,
    TextRows,
    TypedColumn,
    one_of,
    strip_text,
)
from tercel.feeds.csv_map import FileMap, LevelMap, OrderMap
from tercel.feeds.csv_read import telling_columns
from tercel.market.tape import schema


def levels_of(text: TextRows, m: LevelMap, prices: FilePrices) -> pl.DataFrame:
    """Rows that set a level's total (kind LEVEL_SET), with the columns of `orders_of`; CLEAR rows before snapshots."""
    return _direct(text, m, prices, pl.lit(schema.LEVEL_SET, pl.Int64), pl.lit(""))


def orders_of(text: TextRows, m: OrderMap, prices: FilePrices) -> pl.DataFrame:
    """Order events as typed columns, not yet in order, a CLEAR row for each snapshot first; FeedError for unknown actions.

    `kind`, `order_id` as text, `side` int64, `price` and `size` float64 as the file has them, and whether a row is of a
    `snapshot`.
    """
    table = {
        value: kind
        for kind, values in {
            schema.ADD: m.add,
            schema.REDUCE: m.reduce,
            schema.DELETE: m.delete,
            schema.EXECUTE: m.execute,
            schema.MODIFY: m.modify,
            schema.TRADE_HIDDEN: m.hidden,
            schema.CROSS: m.cross,
        }.items()
        for value in values
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
    """Typed rows of level updates or order events, not yet in order, a CLEAR row for each snapshot first."""
    side = one_of(m.side, {**dict.fromkeys(m.bid, 1), **dict.fromkeys(m.ask, -1)}, "a side")
    size = text.number(m.size, m.size_unit * prices.lots)
    if not isinstance(m, OrderMap):
        known = pl.when(~text.is_empty(m.size)).then(size.value)
        size = replace(size, value=known, expected="a size (0: the level goes)")
    _refuse_unnamed_snapshots(text, m)
    _refuse_unknown_words(text, m, m.snapshot or "")
    rows = text.to_typed(
        {
            "side": side,
            "kind": kind,
            "order_id": order_id,
            "price": prices.column(
                text,
                m.price,
                may_lack=(kind.value if isinstance(kind, TypedColumn) else kind) == schema.CROSS,
            ),
            "size": size,
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
    """Typed column that is 1 in rows of a snapshot and 0 in updates, by the map's words in any case; null for other words."""
    cases = {
        case: mark
        for mark, values in enumerate((m.update, m.full))
        for value in values
        for case in (value, value.upper(), value.title())
    }
    return one_of(column, cases, "a word for a snapshot or an update (`full`, `update` of the map)")


def _refuse_unknown_words(text: TextRows, m: LevelMap, column: str) -> None:
    """FeedError for a snapshot column of several words none of which the map's `full` has; none if the map itself lists words."""
    if not column or m.model_fields_set & {"full", "update"}:
        return
    cells = text.frame[[column]].unique(maintain_order=True).select(strip_text(column)).to_series()
    values = [value for value in cells.unique(maintain_order=True) if value]
    if len(values) > 1 and not {value.lower() for value in values} & set(m.full):
        quoted = ", ".join(f'"{value}"' for value in values[:9])
        text.refuse(
            text.frame.select(strip_text(column) != "").to_series(),
            _marks(m, column),
            "a word for a snapshot that `full` of the map has, among the words",
            f'write `full = ["{values[0]}"]` under '
            f"[file.{'order' if isinstance(m, OrderMap) else 'level'}] in the map if rows of that word are a snapshot, "
            f"or `update = [{quoted}]` if no row is",
        )


def _first_of_snapshots(rows: pl.DataFrame) -> pl.DataFrame:
    """First row of each snapshot among typed rows, by their marks, times, and levels shown again.

    A snapshot begins behind a row that is of none, a second after the row before, or at a later time, or receipt, when a
    level comes again.

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
            moment=(
                pl.any_horizontal(pl.col(NS, RECEIVED).diff() != 0).fill_null(True) | apart
            ).cum_sum(),
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
    """FeedError for snapshots within the day that only a column outside of the map shows."""
    for name in telling_columns(FileMap.model_construct(level=m), text.frame.columns):
        cells = text.frame.select(
            NS,
            RECEIVED,
            ROW,
            text=strip_text(name),
            snapshot=_marks(m, name).value,
            side=strip_text(m.side),
            price=strip_text(m.price),
            order_id=strip_text(m.id if isinstance(m, OrderMap) else m.price),
        )
        later = _first_of_snapshots(cells).filter(pl.col(ROW) > cells[ROW].min())[ROW]
        if (
            len(later)
            and not cells["snapshot"].null_count()
            and ("snap" in name.lower() or cells["text"].str.contains("(?i)snap|partial").any())
        ):
            raise FeedError(
                "to know which rows are of a snapshot, which replaces the book",
                f"a column {name} that the map does not name, and a snapshot in row {later[0]} of {text.location}",
                f'write `snapshot = "{name}"` under [file.{"order" if isinstance(m, OrderMap) else "level"}] in the map, '
                'or `snapshot = ""` if rows only change levels',
            )
