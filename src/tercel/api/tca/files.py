"""Files of somebody's own executions: fills, and the orders that they belong to.

`fills.csv` has the columns time, symbol, side, quantity, price, and may have parent, venue, agent, fee, arrival (when
the fill's parent was ordered), currency, asset, fee_currency (of price, quantity and fee), amount (the money of the
fill), and `EXECUTIONS`. `orders.csv` has parent, symbol, side, quantity, start, end, and may have limit, refused. A map
(:mod:`tercel.core.tables`) says what else they are called, and how they are written; those of brokers are shipped by
name. Other columns are passed over and named, but for one that seems to be a missing one under another name: that is
refused. Prices, quantities and fees are read as decimals, whole: nothing is rounded here.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import polars as pl

from tercel.core.errors import DataError, refuse_if
from tercel.core.tables.columns import exact, not_money, renamed, sides, units, unread
from tercel.core.tables.table import ROW, USUAL_FILLS, USUAL_ORDERS, Table, plain_name, read_table
from tercel.core.tables.table_map import AS_NAMED, TableMap, shipped, table_map
from tercel.core.tables.text import MONEY
from tercel.core.tables.times import dates_alone, days, moments
from tercel.core.vocabulary import MOST_LOTS

FILLS: Final = ("time", "symbol", "side", "quantity", "price")
MAY_FILLS: Final = (
    "parent",
    "venue",
    "agent",
    "fee",
    "arrival",
    "currency",
    "asset",
    "fee_currency",
    "amount",
)
EXECUTIONS: Final = ("execution", "execution_type", "execution_action", "execution_ref")
"""Columns of reports: an execution's id, what the report is, and the id that a bust or a correction refers to."""
ORDERS: Final = ("symbol", "side", "quantity", "start", "end")
MAY_ORDERS: Final = ("parent", "limit", "refused")
PLACES: Final = 8
"""Decimals of a quantity."""
_TAKE_OUT: Final = "correct the row, or take it out"


def fills_map(
    map: TableMap | Path | str | None = None,
    columns: Sequence[str] = (),
    timezone: str = "",
    fees: str = "",
) -> TableMap:
    """A map from its file and what was typed, which goes first.

    Parameters
    ----------
    map : TableMap, Path, str or None
        A map, a shipped one's name, or its file.
    columns : sequence of str
        ``"parent=ClOrdID"``; one of ours may come several times.
    timezone : str
    fees : str
        "positive" or "negative".

    Raises
    ------
    ConfigError
        Unknown columns or zones, text without "=".

    >>> fills_map(columns=["quantity=LastQty", "quantity=OrderQty"]).columns
    {'quantity': ('LastQty', 'OrderQty')}
    """
    known = (*FILLS, *MAY_FILLS, *EXECUTIONS, *ORDERS, *MAY_ORDERS)
    found = table_map(map, columns, known=tuple(dict.fromkeys(known)))
    typed = {name: word for name, word in (("timezone", timezone), ("fees", fees)) if word}
    said = " ".join(f"`{name.replace('timezone', 'tz')}={word}`" for name, word in typed.items())
    return table_map(found, typed, said=said) if typed else found


@dataclass(frozen=True, slots=True)
class FileFill:
    """A fill as its file has it.

    Parameters
    ----------
    row : int
        Line of the file, from 1 with the header.
    ns : int
        Nanoseconds since 1970-01-01 UTC.
    symbol : str
    side : int
        +1 or -1.
    quantity : Fraction
        Shares, contracts or coins; lots, where the map says so.
    price, fee : Fraction
        Price units; of the whole fill, below 0 a rebate.
    parent, venue, agent : str
        Empty where the file does not say.
    arrival_ns : int
        When its parent was ordered; 0 where the file does not say.
    currency, asset, fee_currency : str
        Of its price, of its quantity, of its fee; empty where the file does not say. A fee is in the price's then.
    withheld : Fraction
        Coins of the quantity that the venue withheld as its fee.
    """

    row: int
    ns: int
    symbol: str
    side: int
    quantity: Fraction
    price: Fraction
    fee: Fraction
    parent: str
    venue: str
    agent: str
    arrival_ns: int = 0
    currency: str = ""
    asset: str = ""
    fee_currency: str = ""
    withheld: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class FileOrder:
    """A parent order as its file has it; `refused` of its `quantity` limits or the venue refused."""

    row: int
    parent: str
    symbol: str
    side: int
    quantity: Fraction
    start_ns: int
    end_ns: int
    limit: Fraction | None
    refused: Fraction


@dataclass(frozen=True)
class FillFile:
    """Fills of a file, in the file's order, with notes on how it was read.

    Parameters
    ----------
    fills : list of FileFill
    in_lots : bool
        Whether quantities are lots of the tape.
    dated : bool
        Whether times are dates alone; a fill's `ns` is noon of its day, UTC, then.
    not_read : list of str
        Columns that were not read.
    notes : list of str
        Notes on reading: the detected encoding, skipped lines and sections.
    """

    fills: list[FileFill]
    in_lots: bool = False
    dated: bool = False
    not_read: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_fill_file(path: Path, map: TableMap = AS_NAMED, below_zero: bool = False) -> FillFile:
    """Read a file of fills; a map gives its column names, time zone and signs.

    Prices at or below zero are refused unless `below_zero`.

    Raises
    ------
    DataError
        A column is missing or misspelt, or a row has an impossible value; file and row are named. Most fees are
        negative and the map does not define their sign.
    """
    whole = _table(path, map, FILLS, (*MAY_FILLS, *EXECUTIONS), USUAL_FILLS)
    not_read = unread(whole, (*FILLS, *MAY_FILLS, *EXECUTIONS))
    kinds = _kinds(whole, not_read)
    table = replace(whole, frame=whole.frame.filter(pl.Series(kinds).is_in(["fill", "correction"])))
    bare = replace(table, frame=table.frame.select(ROW, "price", "quantity", *not_read))
    if not not_money(bare, "quantity", ["quantity"]):
        column = table.theirs["quantity"]
        raise DataError(
            "a quantity",
            f"{column} of {path}, which is the price times another column: money",
            "name the column of shares, contracts or coins",
        )
    _refuse_signs(table)
    side = sides(table).to_list()
    dated = dates_alone(table, "time")
    noon = days(table, "time").cast(pl.Datetime("ns")).dt.offset_by("12h") if dated else None
    ns = _moments(table, "time") if noon is None else noon.to_physical().to_list()
    fees = _fees(table)
    currencies = [said or table.map.currency for said in _words(table, "currency", "amount")]
    columns = (
        table.frame[ROW],
        ns,
        _symbols(table),
        side,
        _quantities(table, "quantity", side),
        _prices(table, "price", below_zero),
        fees,
        _words(table, "parent"),
        _words(table, "venue"),
        _words(table, "agent"),
        _moments(table, "arrival"),
        currencies,
        _words(table, "asset", "quantity"),
        _words(table, "fee_currency", "fee"),
    )
    fills = _counted(whole, kinds, [FileFill(*row) for row in zip(*columns, strict=True)])
    return FillFile(fills, table.map.unit == "lots", dated, not_read, table.notes)


def _refuse_signs(table: Table) -> None:
    """Refuse money of several currencies by its signs: nothing says what one is worth in the other."""
    cells = [
        table.frame[name].cast(pl.String)
        for name in ("price", "fee")
        if name in table.frame.columns
    ]
    signs = sorted({sign for one in cells for sign in one.str.extract(rf"({MONEY})").drop_nulls()})
    if len(signs) > 1:
        raise DataError(
            "prices and fees with one currency sign",
            f"{' and '.join(signs)} in {table.where}",
            "leave the signs out, and name the fee's currency in a column of its own: fee_currency",
        )


def _fees(table: Table) -> list[Fraction]:
    """Fees of fills, above 0 paid."""
    if "fee" not in table.frame.columns:
        return [Fraction(0)] * table.frame.height
    fees = [fee or Fraction(0) for fee in exact(table, "fee", "a fee")]
    paid = [fee for fee in fees if fee]
    below = sum(fee < 0 for fee in paid)
    if not table.map.fees and 2 * below > len(paid):
        raise DataError(
            "fees whose sign is known: above 0 paid, below 0 a rebate",
            f"{below:,} of {len(paid):,} below 0 in {table.where}",
            "`fees=negative` where that is what you paid (brokers' cash amounts), `fees=positive` for rebates",
        )
    return [-fee for fee in fees] if table.map.fees == "negative" else fees


def read_orders(
    path: Path, map: TableMap = AS_NAMED, below_zero: bool = False
) -> dict[str, FileOrder]:
    """The parent orders of a file, by id; a map and prices as in :func:`read_fill_file`.

    Raises
    ------
    DataError
        As :func:`read_fill_file`; an id that comes twice; an end before its start.
    """
    table = _table(path, map, ORDERS, MAY_ORDERS, USUAL_ORDERS)
    names = pl.Series("parent", _words(table, "parent"), pl.String)
    table = replace(table, frame=table.frame.with_columns(names))
    again = (names == "") | ~names.is_first_distinct()
    table.refuse(again, "parent", "an id of its own for every parent", "name each order once")
    side = sides(table).to_list()
    columns = (
        table.frame[ROW],
        names,
        _symbols(table),
        side,
        _quantities(table, "quantity", side),
        _moments(table, "start"),
        _moments(table, "end"),
        _prices(table, "limit", below_zero),
        _quantities(table, "refused"),
    )
    found = [FileOrder(*row) for row in zip(*columns, strict=True)]
    for name, expected, wrong in (
        ("end", "an end after its start", [one.end_ns < one.start_ns for one in found]),
        ("refused", "at most the quantity refused", [one.refused > one.quantity for one in found]),
    ):
        table.refuse(pl.Series(wrong, dtype=pl.Boolean), name, expected, "correct the row")
    return {order.parent: order for order in found}


# -- executions -------------------------------------------------------------------------------------------------------

_BUSTED: Final = ("bust", "busted", "tradebust", "tradecancel", "tradecancelled", "tradecanceled")
_CORRECTED: Final = (
    *("correct", "correction", "corrected", "tradecorrect", "tradecorrection"),
    *("amend", "amended", "amendment"),
)
_CHANGES: Final = ("bust", "correction")
_KINDS: Final = {
    "execution_type": {"": ""}
    | dict.fromkeys(("f", "1", "2", "trade", "fill", "filled", "partialfill"), "fill")
    | dict.fromkeys(("partial", "partiallyfilled", "execution", "executed"), "fill")
    | dict.fromkeys(("exchtrade", "booktrade", "fracshare", "dvptrade"), "fill")
    | dict.fromkeys(("h", "cancel", *_BUSTED), "bust")
    | dict.fromkeys(("g", *_CORRECTED), "correction")
    | dict.fromkeys(("4", "canceled", "cancelled"), "ended")
    | dict.fromkeys((*"0356789abcdei", "new", "acknowledged", "accepted", "doneforday"), "none")
    | dict.fromkeys(("replaced", "replace", "pendingcancel", "stopped", "rejected"), "none")
    | dict.fromkeys(("suspended", "pendingnew", "calculated", "expired", "restated"), "none")
    | dict.fromkeys(("pendingreplace", "orderstatus", "status", "triggered", "working"), "none"),
    "execution_action": {"": "", "0": "", "new": "", "3": "none", "status": "none"}
    | dict.fromkeys(("1", "4", "cancel", "canceled", "cancelled", "reverse", *_BUSTED), "bust")
    | dict.fromkeys(("2", "replace", "replaced", *_CORRECTED), "correction"),
}
"""Words of a report's type (FIX's ExecType, IB's TransactionType) and action (FIX 4.2's ExecTransType) -> its kind.

"ended" is an order that was cancelled, or a bust where it names an execution.
"""


def _kinds(table: Table, not_read: Sequence[str]) -> list[str]:
    """Of each row "fill", "bust", "correction", "ended", or "none": it reports no execution."""
    ids = zip(_words(table, "execution"), _words(table, "execution_ref"), strict=True)
    refers = pl.Series([bool(ref.strip("0")) and ref != own for own, ref in ids], dtype=pl.Boolean)
    for name in not_read if not set(_KINDS) & {*table.frame.columns, *table.map.columns} else ():
        cells = _plain(table, name)
        words = _vocabulary("execution_type", cells)
        is_change = cells.is_in([word for word, kind in words.items() if kind in _CHANGES])
        table.refuse(
            is_change & (refers | (cells.str.len_chars() > 1)),
            name,
            "rows that are fills, or the column that says which are not",
            f"name it: {table.how.column.format('execution_type', name)}; where it is about something else, take it out "
            "of the file",
        )
    kinds = ["fill"] * table.frame.height
    for name in _KINDS:
        cells = _plain(table, name)
        found = cells.replace_strict(_vocabulary(name, cells), default=None, return_dtype=pl.String)
        table.refuse(
            found.is_null(),
            name,
            "a kind of report: a trade, its cancel or correction, or a state of its order, in FIX's words",
            "correct the row"
            if found.is_in(_CHANGES).any()
            else f"correct the row, or go on without: {table.how.column.format(name, '')}",
        )
        kinds = [said or kind for said, kind in zip(found, kinds, strict=True)]
    table.refuse(
        refers & (pl.Series(kinds) == "fill"),
        "execution_ref",
        "fills that refer to no other execution, or the column that says which rows are busts and corrections",
        f"name it: {table.how.column.format('execution_type', 'THEIRS')}, or where it has 0, 1 and 2 "
        f"{table.how.column.format('execution_action', 'THEIRS')}; without one, take out the rows that are no fills, and "
        "this column",
    )
    return kinds


def _vocabulary(name: str, cells: pl.Series) -> dict[str, str]:
    """A column's words -> kinds: of ExecTransType, where `new` comes with cancels or corrections and without fills."""
    types, actions = _KINDS.values()
    is_changed = any(len(word) > 1 and actions.get(word) in _CHANGES for word in cells)
    is_filled = any(types.get(word) == "fill" for word in cells)
    return types | actions if is_changed and "new" in cells and not is_filled else _KINDS[name]


def _plain(table: Table, name: str) -> pl.Series:
    """Cells of a column in small letters and digits alone."""
    return pl.Series([plain_name(cell) for cell in _words(table, name)], dtype=pl.String)


def _counted(table: Table, kinds: Sequence[str], fills: Sequence[FileFill]) -> list[FileFill]:
    """Fills that stand, each once: without repeated and busted ones, corrected ones as their last correction has them.

    A correction or a bust refers to an execution or to a correction of it, by its id of a symbol, or has that id itself.
    A corrected fill keeps the time of the first report.
    """
    made = {fill.row: fill for fill in fills}
    reports: dict[tuple[str, str], list[tuple[str, str, int]]] = defaultdict(list)
    for row, kind, symbol, name, ref in zip(
        table.frame[ROW],
        kinds,
        _words(table, "symbol"),
        _words(table, "execution"),
        _words(table, "execution_ref"),
        strict=True,
    ):
        own = name or f"row {row}"
        of = (ref.strip("0") and ref) or own
        reports[symbol, own if kind == "fill" else of].append(
            ("bust" if kind == "ended" and of != own else kind, own, row)
        )
    stand: list[FileFill] = []
    for symbol, first in [
        key for key, some in reports.items() if "fill" in {one[0] for one in some}
    ]:
        ids = [first]
        for one in ids:
            ids += {own for _, own, _ in reports.get((symbol, one), ())} - {*ids}
        under = {one: reports.pop((symbol, one), []) for one in ids}
        family = [report for some in under.values() for report in some]
        firsts = [made[row] for kind, _, row in family if kind == "fill"]
        last = [
            made[row]
            for kind, own, row in family
            if kind == "correction" and {other for _, other, _ in under[own]} <= {own}
        ]
        last = [fill for fill in last if fill.ns == max(one.ns for one in last)] or firsts
        for several in (firsts, last):
            for fill in several:
                if replace(fill, row=several[0].row) != several[0]:
                    raise DataError(
                        "one content of an execution, or its corrections in order of their times",
                        f"two of {first}, {symbol}, in rows {several[0].row} and {fill.row} of {table.where}",
                        f"correct the rows; or go on without ids: {table.how.column.format('execution', '')}",
                    )
        if not {"bust", "ended"} & {kind for kind, _, _ in family}:
            stand += [replace(fill, ns=firsts[0].ns) for fill in last[:1]]
    lost = [
        f"{row}"
        for some in reports.values()
        for kind, _, row in some
        if kind not in ("none", "ended")
    ]
    cells = {name: _words(table, name) for name in table.frame.columns if name not in (ROW, *FILLS)}
    theirs = next(
        (
            (table.theirs[ids], table.theirs[refs])
            for refs, referred in cells.items()
            for ids in cells
            if ids != refs and any(referred) and {*referred} <= {"", *cells[ids]}
            if [bool(ref) for ref in referred] == [kind in _CHANGES for kind in kinds]
        ),
        ("THEIRS", "THEIRS"),
    )
    refuse_if(
        lost,
        "busts and corrections of executions that the file has, by their ids",
        f"others in rows {', '.join(lost[:3])} of {table.where}",
        "add those executions, or take the rows out; where the ids have a column of another name, say it: "
        f"{table.how.column.format('execution', theirs[0])} {table.how.column.format('execution_ref', theirs[1])}",
        DataError,
    )
    refuse_if(
        not stand,
        "a file with fills",
        f"{table.where} with reports of no fill, or of busted ones alone",
        "name another file",
        DataError,
    )
    equal = table.frame.drop(ROW).is_duplicated() & ("execution" not in table.frame.columns)
    table.notes.extend(
        f"rows that {what}: {count:,}"
        for count, what in (
            (len(kinds) - len(stand), "repeat an execution, bust or correct one, or report none"),
            (
                int(equal.sum()),
                "equal others and all count, without ids (`column=execution=THEIRS`)",
            ),
        )
        if count
    )
    return stand


# -- columns ----------------------------------------------------------------------------------------------------------


def _table(
    path: Path,
    map: TableMap,
    needed: Sequence[str],
    may_be: Sequence[str],
    usual: Mapping[str, Sequence[str]],
) -> Table:
    table = read_table(path, map)
    low = {name.lower() for name in table.frame.columns}
    ids = tuple(name for name in low if plain_name(name) == "parentid")
    called = ({"parent": ids} if ids else {}) | map.columns
    if (
        needed == ORDERS
    ):  # one map is of both files: orders may have our names where fills have theirs
        there = {
            ours for ours, words in called.items() if low & {word.strip().lower() for word in words}
        }
        called = {ours: words for ours, words in called.items() if ours in there or ours not in low}
    table = replace(table, map=map.model_copy(update={"columns": called}))
    try:
        found = renamed(
            table,
            needed,
            may_be,
            usual,
            asked=[name for name in (*needed, *may_be) if name not in EXECUTIONS],
        )
    except DataError as error:
        fits = [] if map.only or needed != FILLS else _fitting(table)
        raise DataError(
            error.expected,
            error.received,
            "; or ".join(
                [*(f"`map={name}`, which reads such files" for name in fits), error.remedy]
            ),
        ) from error
    if not found.frame.height:
        raise DataError(
            "a file with rows",
            f"{path} with a header alone",
            "write one row per fill, or one row per order",
        )
    return found


def _fitting(table: Table) -> list[str]:
    """Shipped maps of fills whose columns a file has."""
    there = {"", *(plain_name(name) for name in table.frame.columns)}
    return [
        name
        for name, called in ((name, table_map(name).columns) for name in shipped())
        if "price" in called and called.items() - table.map.columns.items()
        if all(any(plain_name(word) in there for word in words) for words in called.values())
    ]


def _words(table: Table, name: str, of: str = "") -> list[str]:
    """Text of a column, "" for empty cells; without the column, the units in the cells of `of` if the map has them there."""
    if name in table.frame.columns:
        return table.frame[name].cast(pl.String).fill_null("").to_list()
    if table.map.units_in_cells and of in table.frame.columns:
        return units(table, of).to_list()
    return [""] * table.frame.height


def _symbols(table: Table) -> list[str]:
    found = _words(table, "symbol")
    table.refuse(
        pl.Series(found, dtype=pl.String) == "",
        "symbol",
        "a symbol",
        "write it, or take the row out",
    )
    return found


def _moments(table: Table, name: str) -> list[int]:
    """A column of times as ns since 1970 UTC, 0 where it says nothing or is not there."""
    if name not in table.frame.columns:
        return [0] * table.frame.height
    says = pl.Series(_words(table, name)).str.strip_chars() != ""
    table.refuse(~says & (name in FILLS + ORDERS), name, f"a {name}", _TAKE_OUT)
    return (
        pl.repeat(0, table.frame.height, dtype=pl.Int64, eager=True)
        .scatter(
            says.arg_true(),
            moments(replace(table, frame=table.frame.filter(says)), name).to_physical(),
        )
        .to_list()
    )


def _prices(table: Table, name: str, below_zero: bool) -> list[Fraction | None]:
    """A column of prices; None where it says nothing or is not there."""
    if name not in table.frame.columns:
        return [None] * table.frame.height
    found = exact(table, name, f"a {name} in price units, such as 15.63")
    least = -math.inf if below_zero else 0
    table.refuse(
        pl.Series(
            [value <= least if value is not None else name in FILLS for value in found],
            dtype=pl.Boolean,
        ),
        name,
        f"a {name} above 0",
        "correct the row; where it is right, import its day with `lowest_price` in [instrument] of the map",
    )
    return found


def _quantities(table: Table, name: str, side: Sequence[int] = ()) -> list[Fraction]:
    """A column of quantities without the sign of a sell; 0 where `side` is empty and it says nothing."""
    if name not in table.frame.columns:
        return [Fraction(0)] * table.frame.height
    found = [
        value or Fraction(0)
        for value in exact(table, name, f"a {name} of shares, contracts or coins")
    ]
    signed = table.map.signed and bool(side)
    if side and not signed:
        table.refuse(
            pl.Series(
                [value < 0 and way < 0 for value, way in zip(found, side, strict=True)],
                dtype=pl.Boolean,
            ),
            name,
            "a quantity above 0",
            f"say that sells are written below 0: {table.how.column.format('signed', 'true')}",
        )
    values = [value * way for value, way in zip(found, side, strict=True)] if signed else found
    sign = ", with the sign of its side" if signed else ""
    table.refuse(
        pl.Series(
            [value < 0 or value >= MOST_LOTS or (value == 0 and bool(side)) for value in values],
            dtype=pl.Boolean,
        ),
        name,
        f"a {name} above 0 and below 2**30{sign}",
        _TAKE_OUT,
    )
    table.refuse(
        pl.Series([(value * 10**PLACES).denominator > 1 for value in values], dtype=pl.Boolean),
        name,
        f"a {name} of at most {PLACES} decimals",
        "write fewer digits",
    )
    return values
