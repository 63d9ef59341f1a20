"""Reports of executions in somebody's file: which of them are fills, joined by the ids of executions.

A repeated report counts once, a bust takes its execution out, a correction replaces it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import polars as pl

from tercel.core.errors import DataError, refuse_if
from tercel.core.tables.numbers import cell_units
from tercel.core.tables.table import ROW, Table
from tercel.core.tables.usual_names import plain_name

FILLS: Final = ("time", "symbol", "side", "quantity", "price")
EXECUTIONS: Final = ("execution", "execution_type", "execution_action", "execution_ref")
"""Columns of reports: an execution's id, what the report is, and the id that a bust or a correction refers to."""


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


@dataclass(frozen=True, slots=True)
class FileFill:
    """One fill of a file of own executions.

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


def report_kinds(table: Table, not_read: Sequence[str]) -> list[str]:
    """Kind of execution report of each row: "fill", "bust", "correction", "ended", or "none"."""
    ids = zip(cell_texts(table, "execution"), cell_texts(table, "execution_ref"), strict=True)
    refers = pl.Series(
        [bool(ref.strip("0")) and ref != execution_id for execution_id, ref in ids],
        dtype=pl.Boolean,
    )
    for name in not_read if not set(_KINDS) & {*table.frame.columns, *table.map.columns} else ():
        cells = _plain(table, name)
        vocabulary = _vocabulary("execution_type", cells)
        is_change = cells.is_in([word for word, kind in vocabulary.items() if kind in _CHANGES])
        table.refuse(
            is_change & (refers | (cells.str.len_chars() > 1)),
            name,
            "rows that are fills, or the column that says which are not",
            f"name it: {table.how_to_map.column.format('execution_type', name)}; where it is about something else, take it out "
            "of the file",
        )
    kinds = ["fill"] * table.frame.height
    for name in _KINDS:
        cells = _plain(table, name)
        read_kinds = cells.replace_strict(
            _vocabulary(name, cells), default=None, return_dtype=pl.String
        )
        table.refuse(
            read_kinds.is_null(),
            name,
            "a kind of report: a trade, its cancel or correction, or a state of its order, in FIX's words",
            "correct the row"
            if read_kinds.is_in(_CHANGES).any()
            else f"correct the row, or go on without: {table.how_to_map.column.format(name, '')}",
        )
        kinds = [read_kind or kind for read_kind, kind in zip(read_kinds, kinds, strict=True)]
    table.refuse(
        refers & (pl.Series(kinds) == "fill"),
        "execution_ref",
        "fills that refer to no other execution, or the column that says which rows are busts and corrections",
        f"name it: {table.how_to_map.column.format('execution_type', 'THEIRS')}, or where it has 0, 1 and 2 "
        f"{table.how_to_map.column.format('execution_action', 'THEIRS')}; without one, take out the rows that are no fills, and "
        "this column",
    )
    return kinds


def _vocabulary(name: str, cells: pl.Series) -> dict[str, str]:
    """Kind of execution report for each cell text of a column; `new` is a fill only in files of cancels or corrections."""
    types, actions = _KINDS.values()
    is_changed = any(len(word) > 1 and actions.get(word) in _CHANGES for word in cells)
    is_filled = any(types.get(word) == "fill" for word in cells)
    return types | actions if is_changed and "new" in cells and not is_filled else _KINDS[name]


def _plain(table: Table, name: str) -> pl.Series:
    """Cells of a column in lower case, letters and digits only."""
    return pl.Series([plain_name(cell) for cell in cell_texts(table, name)], dtype=pl.String)


def standing_fills(table: Table, kinds: Sequence[str], fills: Sequence[FileFill]) -> list[FileFill]:
    """Fills after busts, corrections and repeated reports have been applied, joined by execution ids.

    A correction or a bust refers to an execution or to a correction of it, by its id of a symbol, or has that id itself.
    A corrected fill keeps the time of the first report.
    """
    fills_by_row = {fill.row: fill for fill in fills}
    reports: dict[tuple[str, str], list[tuple[str, str, int]]] = defaultdict(list)
    for row, kind, symbol, name, ref in zip(
        table.frame[ROW],
        kinds,
        cell_texts(table, "symbol"),
        cell_texts(table, "execution"),
        cell_texts(table, "execution_ref"),
        strict=True,
    ):
        execution_id = name or f"row {row}"
        target_id = (ref.strip("0") and ref) or execution_id
        reports[symbol, execution_id if kind == "fill" else target_id].append(
            ("bust" if kind == "ended" and target_id != execution_id else kind, execution_id, row)
        )
    standing: list[FileFill] = []
    for symbol, first_id in [
        key for key, group in reports.items() if "fill" in {report[0] for report in group}
    ]:
        ids = [first_id]
        for known_id in ids:
            ids += {execution_id for _, execution_id, _ in reports.get((symbol, known_id), ())} - {
                *ids
            }
        reports_of = {known_id: reports.pop((symbol, known_id), []) for known_id in ids}
        family = [report for group in reports_of.values() for report in group]
        first_fills = [fills_by_row[row] for kind, _, row in family if kind == "fill"]
        corrections = [
            fills_by_row[row]
            for kind, execution_id, row in family
            if kind == "correction"
            and {other_id for _, other_id, _ in reports_of[execution_id]} <= {execution_id}
        ]
        corrections = [
            fill
            for fill in corrections
            if fill.ns == max(correction.ns for correction in corrections)
        ] or first_fills
        for several in (first_fills, corrections):
            for fill in several:
                if replace(fill, row=several[0].row) != several[0]:
                    raise DataError(
                        "one content of an execution, or its corrections in order of their times",
                        f"two of {first_id}, {symbol}, in rows {several[0].row} and {fill.row} of {table.source}",
                        f"correct the rows; or go on without ids: {table.how_to_map.column.format('execution', '')}",
                    )
        if not {"bust", "ended"} & {kind for kind, _, _ in family}:
            standing += [replace(fill, ns=first_fills[0].ns) for fill in corrections[:1]]
    unmatched = [
        f"{row}"
        for group in reports.values()
        for kind, _, row in group
        if kind not in ("none", "ended")
    ]
    cells = {
        name: cell_texts(table, name) for name in table.frame.columns if name not in (ROW, *FILLS)
    }
    their_columns = next(
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
        unmatched,
        "busts and corrections of executions that the file has, by their ids",
        f"others in rows {', '.join(unmatched[:3])} of {table.source}",
        "add those executions, or take the rows out; where the ids have a column of another name, say it: "
        f"{table.how_to_map.column.format('execution', their_columns[0])} "
        f"{table.how_to_map.column.format('execution_ref', their_columns[1])}",
        DataError,
    )
    refuse_if(
        not standing,
        "a file with fills",
        f"{table.source} with reports of no fill, or of busted ones alone",
        "name another file",
        DataError,
    )
    equal = table.frame.drop(ROW).is_duplicated() & ("execution" not in table.frame.columns)
    table.notes.extend(
        f"rows that {description}: {count:,}"
        for count, description in (
            (
                len(kinds) - len(standing),
                "repeat an execution, bust or correct one, or report none",
            ),
            (
                int(equal.sum()),
                "equal others and all count, without ids (`column=execution=THEIRS`)",
            ),
        )
        if count
    )
    return standing


def cell_texts(table: Table, name: str, of: str = "") -> list[str]:
    """Cell texts of a column, "" for empty cells; without the column, the units in the cells of column `of`."""
    if name in table.frame.columns:
        return table.frame[name].cast(pl.String).fill_null("").to_list()
    if table.map.units_in_cells and of in table.frame.columns:
        return cell_units(table, of).to_list()
    return [""] * table.frame.height
