"""Files of somebody's own executions: fills, and the orders that they belong to.

`fills.csv` has the columns time, symbol, side, quantity, price, and may have parent, venue, agent, fee. `orders.csv`
has parent, symbol, side, quantity, start, end, and may have limit, refused. Other columns are passed over, but for one
that is spelt almost like a missing one. Prices and fees are read as decimals, whole: nothing is rounded here.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tercel.core.errors import DataError
from tercel.core.rows import FileRow, fraction, parse_time, rows

_PARENT = ("parent", "parent id", "parent_id", "parentid")


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
    side, quantity : int
        +1 or -1; shares or contracts.
    price, fee : Fraction
        Price units; of the whole fill, below 0 a rebate.
    parent, venue, agent : str
        Empty where the file does not say.
    """

    row: int
    ns: int
    symbol: str
    side: int
    quantity: int
    price: Fraction
    fee: Fraction
    parent: str
    venue: str
    agent: str


@dataclass(frozen=True, slots=True)
class FileOrder:
    """A parent order as its file has it; `refused` of its `quantity` limits or the venue refused."""

    row: int
    parent: str
    symbol: str
    side: int
    quantity: int
    start_ns: int
    end_ns: int
    limit: Fraction | None
    refused: int


def read_fills(path: Path) -> list[FileFill]:
    """The fills of a file, in its order.

    Raises
    ------
    DataError
        A column is missing or misspelt, or a row says something that cannot be; file and row are named.
    """
    found = []
    may_be = _PARENT, ("venue",), ("agent",), ("fee",)
    for row, cells in rows(path, ("time", "symbol", "side", "quantity", "price"), may_be, others=True):
        at = FileRow(path, row, cells)
        found.append(
            FileFill(
                row,
                at.read("time", parse_time, "a time as 2012-06-21T10:30:00.123-04:00, or whole nanoseconds since 1970"),
                at.word("symbol"),
                at.side(),
                at.whole("quantity", 1),
                at.positive("price"),
                at.read("fee", fraction, "a fee in price units, such as 0.35") if cells.get("fee") else Fraction(0),
                next((cells[name] for name in _PARENT if cells.get(name)), ""),
                cells.get("venue", ""),
                cells.get("agent", ""),
            )
        )
    if not found:
        raise DataError("a file with fills", f"{path} with a header alone", "write a row a fill")
    return found


def read_orders(path: Path) -> dict[str, FileOrder]:
    """The parent orders of a file, by id.

    Raises
    ------
    DataError
        As :func:`read_fills`; an id that comes twice; an end before its start.
    """
    found: dict[str, FileOrder] = {}
    may_be = _PARENT, ("limit",), ("refused",)
    for row, cells in rows(path, ("symbol", "side", "quantity", "start", "end"), may_be, others=True):
        at = FileRow(path, row, cells)
        name = next((cells[one] for one in _PARENT if cells.get(one)), "")
        stamp = "a time as 2012-06-21T10:30:00-04:00, or whole nanoseconds since 1970"
        order = FileOrder(
            row, name, at.word("symbol"), at.side(), at.whole("quantity", 1),
            at.read("start", parse_time, stamp), at.read("end", parse_time, stamp),
            at.positive("limit") if cells.get("limit") else None,
            at.whole("refused", 0) if cells.get("refused") else 0,
        )  # fmt: skip
        if not name or name in found:
            raise at.wrong("an id of its own for every parent", name or "none", "name each order once")
        if order.end_ns < order.start_ns:
            raise at.wrong("an end after its start", f"{cells['start']} to {cells['end']}", "correct the row")
        if order.refused > order.quantity:
            raise at.wrong(f"at most {order.quantity} refused", f"{order.refused}", "correct the row")
        found[name] = order
    return found
