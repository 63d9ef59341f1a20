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
from tercel.core.tables.columns import units
from tercel.core.tables.table import ROW, Table, plain_name

FILLS: Final = ("time", "symbol", "side", "quantity", "price")
EXECUTIONS: Final = ("execution", "execution_type", "execution_action", "execution_ref")
"""Columns of reports: an execution's id, what the report is, and the id that a bust or a correction refers to."""


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


def report_kinds(table: Table, not_read: Sequence[str]) -> list[str]:
    """Of each row "fill", "bust", "correction", "ended", or "none": it reports no execution."""
    ids = zip(cell_texts(table, "execution"), cell_texts(table, "execution_ref"), strict=True)
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
    return pl.Series([plain_name(cell) for cell in cell_texts(table, name)], dtype=pl.String)


def standing_fills(table: Table, kinds: Sequence[str], fills: Sequence[FileFill]) -> list[FileFill]:
    """Fills that stand, each once: without repeated and busted ones, corrected ones as their last correction has them.

    A correction or a bust refers to an execution or to a correction of it, by its id of a symbol, or has that id itself.
    A corrected fill keeps the time of the first report.
    """
    made = {fill.row: fill for fill in fills}
    reports: dict[tuple[str, str], list[tuple[str, str, int]]] = defaultdict(list)
    for row, kind, symbol, name, ref in zip(
        table.frame[ROW],
        kinds,
        cell_texts(table, "symbol"),
        cell_texts(table, "execution"),
        cell_texts(table, "execution_ref"),
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
    cells = {
        name: cell_texts(table, name) for name in table.frame.columns if name not in (ROW, *FILLS)
    }
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


def cell_texts(table: Table, name: str, of: str = "") -> list[str]:
    """Text of a column, "" for empty cells; without the column, the units in the cells of `of` if the map has them there."""
    if name in table.frame.columns:
        return table.frame[name].cast(pl.String).fill_null("").to_list()
    if table.map.units_in_cells and of in table.frame.columns:
        return units(table, of).to_list()
    return [""] * table.frame.height
