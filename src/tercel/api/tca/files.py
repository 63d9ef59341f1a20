"""Files of somebody's own executions: fills, and the orders that they belong to.

`fills.csv` has the columns time, symbol, side, quantity, price, and may have parent, venue, agent, fee, arrival (when
the fill's parent was ordered). `orders.csv` has parent, symbol, side, quantity, start, end, and may have limit,
refused. A :class:`FillsMap` says what else they are called, and how signs are meant; those of brokers are shipped by
name (`MAPS`). Other columns are passed over and named, but for one that seems to be a missing one under another name:
that is refused. Prices and fees are read as decimals, whole: nothing is rounded here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from tercel.core.errors import ConfigError, DataError
from tercel.core.names import check_known
from tercel.core.rows import SYMBOLS, FileRow, fraction, parse_time, rows, unread
from tercel.core.tables.table_map import MapTable, Words
from tercel.core.toml import read_toml
from tercel.core.validated import validated

_PARENT = ("parent", "parent id", "parent_id", "parentid")
FILLS: Final = ("time", "symbol", "side", "quantity", "price")
MAY_FILLS: Final = (_PARENT, ("venue",), ("agent",), ("fee",), ("arrival",))
ORDERS: Final = ("symbol", "side", "quantity", "start", "end")
MAY_ORDERS: Final = (_PARENT, ("limit",), ("refused",))
_TIME: Final = (
    "a time as 2012-06-21T10:30:00.123-04:00, 06/21/2012 10:30:00 (month first), 20120621-14:30:00.123 (FIX, UTC), "
    "20120621;103000 or seconds (ms, us, ns) since 1970"
)
_USUAL_BOTH: Final = {
    "symbol": SYMBOLS,
    "side": ("buysell", "bs", "direction", "action", "ordside", "orderside", "verb"),
    "parent": (
        "orderid", "clordid", "clientorderid", "parentorderid", "parentorder", "parentclordid", "order", "ordid",
        "rootorderid", "orderref", "ordernumber", "orderno", "iborderid",
    ),
}  # fmt: skip
USUAL_FILLS: Final = _USUAL_BOTH | {
    "time": (
        "transacttime", "timestamp", "datetime", "ts", "exectime", "executiontime", "tradetime", "filltime",
        "transactiontime", "timeutc", "utctime", "timens", "timems",
    ),
    "quantity": (
        "lastqty", "lastshares", "qty", "shares", "size", "volume", "fillqty", "filledqty", "execqty", "tradeqty",
        "lots", "contracts", "amount", "execquantity", "fillquantity", "tradequantity", "lastquantity",
    ),
    "price": ("lastpx", "px", "fillprice", "execprice", "executionprice", "tradeprice", "lastprice", "fillpx"),
    "fee": (
        "fees", "commission", "commissions", "comm", "charges", "totalfees", "totalfee", "brokerage", "execfee",
        "ibcommission",
    ),
    "arrival": (
        "ordertime", "orderdatetime", "ordertimestamp", "arrivaltime", "decisiontime", "submittime", "submittedtime",
        "timesubmitted", "submitted", "submittedat", "placedtime", "timeplaced", "placed", "orderplaced", "placedat",
        "orderentrytime", "ordercreated", "ordercreatedtime",
    ),
}  # fmt: skip
"""What the field calls columns of fills, as `core.rows.plain_name`."""
USUAL_ORDERS: Final = _USUAL_BOTH | {
    "quantity": ("orderqty", "qty", "shares", "size", "ordqty", "orderquantity", "lots", "contracts"),
    "start": ("starttime", "effectivetime", "arrival", "arrivaltime", "transacttime", "begin", "begintime"),
    "end": ("endtime", "expiretime", "finish", "finishtime", "stop", "stoptime", "until"),
    "limit": ("limitprice", "limitpx", "price", "px", "lmt"),
    "refused": ("rejected", "rejectedqty", "refusedqty", "rejects"),
}
"""The same of orders."""


class FillColumns(MapTable):
    """Names of the columns in the files; the first of several that a file has, "" leaves one out."""

    time: Words = ()
    symbol: Words = ()
    side: Words = ()
    quantity: Words = ()
    price: Words = ()
    parent: Words = ()
    venue: Words = ()
    agent: Words = ()
    fee: Words = ()
    arrival: Words = ()
    start: Words = ()
    end: Words = ()
    limit: Words = ()
    refused: Words = ()


class FillsMap(MapTable):
    """Map of files of fills and orders: columns, time zone, signs.

    Parameters
    ----------
    columns : FillColumns
        Ours to theirs, ``{"parent": "ClOrdID"}``.
    timezone : str
        IANA zone of times that do not say theirs; "": such times are refused.
    fees : str
        How a fee that was paid is written: "positive", "negative"; "": positive, but refused where most are below 0.
    signed : bool
        Whether the quantity of a sell is written below 0.
    only : mapping of str to sequence of str
        Rows that are fills, by what stands in a column of theirs; a file without that column is fills alone.

    >>> FillsMap(columns={"fee": "commission"}, timezone="America/New_York").called["fee"]
    ('commission',)
    """

    columns: FillColumns = FillColumns()
    timezone: str = ""
    fees: Literal["", "positive", "negative"] = ""
    signed: bool = False
    only: dict[str, Words] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        try:
            self.zone  # noqa: B018
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("an IANA time zone, such as America/New_York") from error
        return self

    @property
    def zone(self) -> ZoneInfo | None:
        """Time zone of times that do not say theirs."""
        return ZoneInfo(self.timezone) if self.timezone else None

    @property
    def called(self) -> dict[str, tuple[str, ...]]:
        """Our names of columns to theirs."""
        return {name: words for name, words in self.columns if words}


MAPS: Final = ("ib-flex",)
"""Brokers whose files are read as they are."""
# Columns by which a broker's file is known, as `core.rows.plain_name`.
_MAPPED: Final = {"`map=ib-flex`": ("ibcommission", "iborderid", "tradeprice", "levelofdetail", "buysell")}
AS_NAMED: Final = FillsMap()
"""Columns under their names here, and times with their zones."""


def fills_map(
    file: Path | str | None = None, columns: Sequence[str] = (), timezone: str = "", fees: str = ""
) -> FillsMap:
    """A map from its file and what was typed, which goes first.

    Parameters
    ----------
    file : Path, str or None
        A shipped map's name (`MAPS`), or TOML: ``timezone = "America/New_York"`` and a table ``[columns]`` with rows
        such as ``parent = "ClOrdID"``.
    columns : sequence of str
        ``"parent=ClOrdID"``; one of ours may come several times.
    timezone : str
    fees : str
        "positive" or "negative".

    Raises
    ------
    ConfigError
        Unknown columns or zones, text without "=".

    >>> fills_map(columns=["quantity=LastQty", "quantity=OrderQty"]).called
    {'quantity': ('LastQty', 'OrderQty')}
    """
    found = FillsMap() if file is None else _map_of(file)
    typed: dict[str, list[str]] = {}
    for text in columns:
        ours, equals, theirs = text.partition("=")
        if not equals:
            raise ConfigError("a column as OURS=THEIRS", f"`column={text}`", "such as `column=parent=ClOrdID`")
        check_known(ours.strip(), FillColumns.model_fields, "a column of", f"`column={text}`", ConfigError)
        typed.setdefault(ours.strip(), []).append(theirs.strip())
    raw = found.model_dump() | {"columns": found.called | typed}
    raw |= {"timezone": timezone or found.timezone, "fees": fees or found.fees}
    said = ", ".join(f"`{name}={word}`" for name, word in (("tz", timezone), ("fees", fees)) if word)
    return validated(FillsMap, raw, said or "`column=`", "a map of fills")


def _map_of(file: Path | str) -> FillsMap:
    shipped = Path(__file__).with_name("maps") / f"{file}.toml"
    path = shipped if str(file) in MAPS else Path(file)
    remedy = f"name a file of TOML with [columns], or a broker's map: {', '.join(MAPS)}"
    return validated(FillsMap, read_toml(path, remedy, "a map of fills"), str(file), "a map of fills")


def columns_not_read(path: Path, map: FillsMap, orders: bool = False) -> list[str]:
    """Columns of a file of fills, or of orders, that nothing is read from."""
    needed, may_be = (ORDERS, MAY_ORDERS) if orders else (FILLS, MAY_FILLS)
    found = next((unread(cells, needed, may_be) for _, cells in rows(path, needed, may_be, called=map.called)), [])
    return [name for name in found if orders or name not in map.only]


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
    arrival_ns : int
        When its parent was ordered; 0 where the file does not say.
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
    arrival_ns: int = 0


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


def read_fills(path: Path, map: FillsMap = AS_NAMED) -> list[FileFill]:
    """The fills of a file, in its order; a map says what its columns are called, the zone of its times, its signs.

    Raises
    ------
    DataError
        A column is missing or misspelt, or a row says something that cannot be; file and row are named. Most fees are
        below 0 and the map does not say what that means.
    """
    found = []
    mapped = {} if map.only else _MAPPED
    for row, cells in rows(path, FILLS, MAY_FILLS, called=map.called, usual=USUAL_FILLS, mapped=mapped):
        if any(cells.get(column, words[0]) not in words for column, words in map.only.items()):
            continue
        at = FileRow(path, row, cells)
        side = at.side()
        fee = at.read("fee", fraction, "a fee in price units, such as 0.35") if cells.get("fee") else Fraction(0)
        found.append(
            FileFill(
                row,
                _time(at, "time", map.zone),
                at.word("symbol"),
                side,
                _quantity(at, side, map.signed),
                at.positive("price"),
                -fee if map.fees == "negative" else fee,
                next((cells[name] for name in _PARENT if cells.get(name)), ""),
                cells.get("venue", ""),
                cells.get("agent", ""),
                _time(at, "arrival", map.zone) if cells.get("arrival") else 0,
            )
        )
    if not found:
        raise DataError("a file with fills", f"{path} with a header alone", "write a row a fill")
    paid = [fill.fee for fill in found if fill.fee]
    below = sum(fee < 0 for fee in paid)
    if not map.fees and 2 * below > len(paid):
        received = f"{below:,} of {len(paid):,} below 0 in {path}"
        remedy = "`fees=negative` where that is what you paid (brokers' cash amounts), `fees=positive` for rebates"
        raise DataError("fees whose sign is known: above 0 paid, below 0 a rebate", received, remedy)
    return found


def _quantity(at: FileRow, side: int, signed: bool) -> int:
    """Above 0, or with the sign of its side."""
    if not signed and side < 0 and at.cells["quantity"].startswith("-"):
        remedy = "name a map with signed = true where quantities of sells are below 0, such as `map=ib-flex`"
        raise at.wrong("a quantity above 0", repr(at.cells["quantity"]), remedy)
    return at.whole("quantity", 1, side if signed else 1)


def _time(at: FileRow, name: str, zone: ZoneInfo | None) -> Any:
    """A time of a row; one that lacks its zone says so."""
    try:
        return parse_time(at.cells[name], zone)
    except (ValueError, OverflowError):
        pass
    try:
        parse_time(at.cells[name], ZoneInfo("UTC"))
    except (ValueError, OverflowError):
        return at.read(name, parse_time, _TIME)
    remedy = "say whose clock it is, such as `tz=America/New_York` (timezone in a map), or write the zone: -04:00"
    raise at.wrong("a time with its zone", f"{name} {at.cells[name]!r}", remedy)


def read_orders(path: Path, map: FillsMap = AS_NAMED) -> dict[str, FileOrder]:
    """The parent orders of a file, by id; a map as in :func:`read_fills`.

    Raises
    ------
    DataError
        As :func:`read_fills`; an id that comes twice; an end before its start.
    """
    found: dict[str, FileOrder] = {}
    for row, cells in rows(path, ORDERS, MAY_ORDERS, called=map.called, usual=USUAL_ORDERS):
        at = FileRow(path, row, cells)
        name = next((cells[one] for one in _PARENT if cells.get(one)), "")
        order = FileOrder(
            row, name, at.word("symbol"), at.side(), at.whole("quantity", 1),
            _time(at, "start", map.zone), _time(at, "end", map.zone),
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
