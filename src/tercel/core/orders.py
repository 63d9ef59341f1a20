"""Messages between a desk and a venue: commands, execution reports, market data rows, listings; in the terms of FIX 4.4.

Orders are in ticks and lots; executions in 10^-8 of them (`core.fixed_point`). Times are ns, sides +1 and -1.
`cl_ord_id` is ours and unique for ever; `order_id` and `exec_id` are the venue's. `account` is the agent on whose
behalf an order is sent. A field that a kind of message does not have is "" in its class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from tercel.core.errors import VenueError
from tercel.core.fixed_point import to_number
from tercel.core.quotes import QuoteEvent
from tercel.core.venue_rules import NO_RULES, VenueRules
from tercel.core.vocabulary import LEAST_TICK, MOST_LOTS, MOST_TICK

if TYPE_CHECKING:
    from tercel.core.arrays import Ints


M_NS: Final = 0
M_KIND: Final = 1
"""A tape kind: ADD, REDUCE, DELETE, EXECUTE, CLEAR, STATUS, TRADE_HIDDEN ..."""
M_ID: Final = 2
"""The resting order; below `Listing.dense_ids` and reused once it is gone, where the listing says so."""
M_SIDE: Final = 3
M_PRICE: Final = 4
M_LOTS: Final = 5
M_AGGRESSOR: Final = 6
"""EXECUTE: the venue's number of the client order that took, -1 where no client order did."""
MARKET_COLUMNS: Final = 7


class Tif(StrEnum):
    """Time in force."""

    DAY = "day"
    IOC = "ioc"
    """The rest that cannot match at once is cancelled."""


class OrdStatus(StrEnum):
    """Status of an order. UNKNOWN: the venue may or may not have it; it keeps its lots until the venue says."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    """A price is guaranteed; it has not traded yet."""
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"
    """Over for the day or for good: the venue reckons its fees and has not said which."""
    UNKNOWN = "unknown"


TERMINAL: Final = frozenset(
    {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED}
)
HELD: Final = frozenset(
    {OrdStatus.SUSPENDED, OrdStatus.STOPPED, OrdStatus.DONE_FOR_DAY, OrdStatus.CALCULATED}
)
"""It lives and does not trade as others do: its lots stay reserved."""


def working_status(cum_qty: int, full: bool = False) -> OrdStatus:
    """NEW, PARTIALLY_FILLED or FILLED, by the filled quantity and whether that is the whole order.

    >>> working_status(0), working_status(3), working_status(5, full=True)
    (<OrdStatus.NEW: 'new'>, <OrdStatus.PARTIALLY_FILLED: 'partially_filled'>, <OrdStatus.FILLED: 'filled'>)
    """
    if full:
        return OrdStatus.FILLED
    return OrdStatus.PARTIALLY_FILLED if cum_qty else OrdStatus.NEW


class ExecType(StrEnum):
    """Type of an execution report (150)."""

    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    REPLACED = "replaced"
    REJECTED = "rejected"
    EXPIRED = "expired"
    """The rest of an immediate order died."""
    STATUS = "status"
    """The answer to a question; changes nothing."""
    BUSTED = "busted"
    """The execution that `Report.ref` names never was."""
    CORRECTED = "corrected"
    """The execution that `Report.ref` names, or an earlier correction of it, was of these lots at this price."""
    RESTATED = "restated"
    """The venue changed the order's size or price by itself."""
    PENDING_NEW = "pending_new"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"


REBOOKS: Final = frozenset({ExecType.BUSTED, ExecType.CORRECTED})
"""They change an execution that was reported before."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A new order; `price` None is a market order."""

    cl_ord_id: str
    instrument: str
    side: int
    lots: int
    price: int | None
    tif: Tif
    account: str
    parent: str
    sent_ns: int
    orig: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class QuotedOrder(NewOrder):
    """An order that takes a dealer's quote (`core.quotes`) at its price: it is filled at once, or over."""

    quote: str


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel the rest of an order. `orig` is its latest accepted cl_ord_id."""

    cl_ord_id: str
    orig: str
    instrument: str
    side: int
    account: str
    sent_ns: int
    parent: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class ReplaceOrder:
    """Change an order: `lots` is the new total, filled lots included. Fewer lots at the same price keep priority."""

    cl_ord_id: str
    orig: str
    instrument: str
    side: int
    lots: int
    price: int
    account: str
    parent: str
    sent_ns: int


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """Ask what became of an order; an empty `cl_ord_id` asks for all of the account."""

    cl_ord_id: str
    account: str
    sent_ns: int
    orig: ClassVar[str] = ""
    instrument: ClassVar[str] = ""
    parent: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class MassCancel:
    """Cancel every order of an account ("": of the whole session) in an instrument ("": in all)."""

    cl_ord_id: str
    account: str
    instrument: str
    sent_ns: int
    orig: ClassVar[str] = ""
    parent: ClassVar[str] = ""


Command = NewOrder | CancelOrder | ReplaceOrder | StatusRequest | MassCancel


@dataclass(frozen=True, slots=True)
class Report:
    """An execution report: what became of an order.

    Parameters
    ----------
    exec_id : str
        Unique at the venue; the same execution always has the same.
    exec_type, status : ExecType, OrdStatus
    cl_ord_id, orig : str
        The order's current name, and the one before a replace or cancel ("" otherwise).
    order_id : str
        The venue's name, unique while it lives; a simulated exchange's is `N.S`, and N names the resting order in its
        market data.
    account, instrument, side, lots, price
        As ordered; lots are the order's total, price None for a market order.
    last_qty, last_px : int
        Of this trade, or of the corrected one, 10^-8 of a lot and of a tick; 0 otherwise.
    cum_qty, leaves_qty : int
        Filled so far and open, 10^-8 of a lot.
    ns : int
        Exchange time.
    passive : bool
        The order was resting when it traded.
    text : str
        Why it was refused.
    ref : str
        The execution that is busted or corrected, by its own `exec_id` or by that of a correction of it.
    fault : str
        What was wrong with the message that said it, and did not keep it from being read.
    """

    exec_id: str
    exec_type: ExecType
    status: OrdStatus
    cl_ord_id: str
    orig: str
    order_id: str
    account: str
    instrument: str
    side: int
    lots: int
    price: int | None
    last_qty: int
    last_px: int
    cum_qty: int
    leaves_qty: int
    ns: int
    passive: bool = False
    text: str = ""
    ref: str = ""
    fault: str = ""

    def __str__(self) -> str:
        """The text `Report(exec_id=..., ...)`, last, filled and open quantities and prices in lots and ticks, without
        empty fields."""
        values = {field.name: getattr(self, field.name) for field in fields(self)} | {
            name: to_number(getattr(self, name))
            for name in ("last_qty", "last_px", "cum_qty", "leaves_qty")
        }
        return f"Report({', '.join(f'{name}={value!s}' for name, value in values.items() if value != '')})"


def refusal_report(
    new: NewOrder,
    exec_id: str,
    ns: int,
    text: str,
    kind: ExecType = ExecType.REJECTED,
    status: OrdStatus = OrdStatus.REJECTED,
) -> Report:
    """The execution report of an order that was not accepted, or is not known: nothing filled, nothing open.

    >>> new = NewOrder("c1", "X", 1, 10, 100, Tif.DAY, "ann", "p", 0)
    >>> refusal_report(new, "e1", 5, "too many lots").leaves_qty
    0
    """
    return Report(
        exec_id=exec_id,
        exec_type=kind,
        status=status,
        cl_ord_id=new.cl_ord_id,
        orig="",
        order_id="",
        account=new.account,
        instrument=new.instrument,
        side=new.side,
        lots=new.lots,
        price=new.price,
        last_qty=0,
        last_px=0,
        cum_qty=0,
        leaves_qty=0,
        ns=ns,
        text=text,
    )


@dataclass(frozen=True, slots=True)
class CancelReject:
    """A refused cancel or replace; `status` is the state of the order `orig`."""

    cl_ord_id: str
    orig: str
    account: str
    status: OrdStatus
    ns: int
    text: str = ""
    instrument: ClassVar[str] = ""


@dataclass(frozen=True, slots=True, eq=False)
class MarketRows:
    """Changes of one instrument's public book in order, int64 (n, 7); orders of all participants are in it.

    A `snapshot` starts a new book: an optional STATUS row, then ADD rows in order of priority. Where the last row's time says
    too much, as of a change by an own order in a book that was heard of long ago, `as_of_ns` says when that was.
    """

    instrument: str
    rows: "Ints"
    snapshot: bool = False
    as_of_ns: int = 0

    @property
    def dated_ns(self) -> int:
        """Time of the book after these rows, ns; 0 if unknown."""
        return self.as_of_ns or (int(self.rows[-1, M_NS]) if len(self.rows) else 0)


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link to the venue came up or went down."""

    up: bool
    ns: int
    text: str = ""
    cl_ord_id: ClassVar[str] = ""
    orig: ClassVar[str] = ""
    account: ClassVar[str] = ""
    instrument: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """A message of the venue that cannot be read: the raw message, and the reason.

    `cl_ord_id`, `account` and `instrument` are those that it names, "" where it names none that can be read.
    """

    raw: str
    why: str
    ns: int
    cl_ord_id: str = ""
    account: str = ""
    instrument: str = ""
    orig: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Holdings:
    """Position report of an account: includes all reports that came before it, and no later ones.

    Parameters
    ----------
    account : str
    qty : mapping of str to int
        Signed, 10^-8 of a lot, by instrument; an instrument that is not there has none.
    ns : int
    asked : bool
        Whether it answers a request; False: unsolicited, and only about the instruments in `qty`.
    why : str
        Reason why a request has no answer.
    never : bool
        The venue never answers: it does not report positions.
    """

    account: str
    qty: Mapping[str, int]
    ns: int
    asked: bool = True
    why: str = ""
    never: bool = False


ClientEvent = Report | CancelReject | MarketRows | LinkStatus | Unread
"""Events that are forwarded to clients of an account or a market."""
VenueEvent = ClientEvent | Holdings | QuoteEvent


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument as a venue lists it.

    Parameters
    ----------
    instrument : str
    tick : float
        Price units of a tick.
    lot : int
        Shares of a lot.
    volume_per_s : float
        Lots that trade in a second on average; 0 where the venue does not say.
    dense_ids : int
        Ids in market data lie below it and are reused; 0: they are arbitrary.
    began_ns : int
        When the market data on offer begins.
    answers : bool
        Whether the market reacts to own orders.
    maker_fee, taker_fee, maker_rate, taker_rate : int
        Fees of passive and aggressive fills (below 0: a rebate): per lot, in 10^-8 of a half tick; of the
        value, in 10^-8.
    currency : str
        Of its prices; "" where the venue does not say.
    part : float
        Share that one lot is, if a lot of less than one share counts as one (`tick` is then of the lot).
    rules : VenueRules
        When it is traded, and which prices and quantities are taken.
    """

    instrument: str
    tick: float
    lot: int
    volume_per_s: float = 0.0
    dense_ids: int = 0
    began_ns: int = 0
    answers: bool = True
    maker_fee: int = 0
    taker_fee: int = 0
    maker_rate: int = 0
    taker_rate: int = 0
    currency: str = ""
    part: float = 1.0
    rules: VenueRules = NO_RULES

    def __post_init__(self) -> None:
        """Refuse a tick or a lot out of bounds."""
        if not LEAST_TICK <= self.tick <= MOST_TICK or not 1 <= self.lot < MOST_LOTS:
            raise VenueError(
                f"a tick of {LEAST_TICK:g} to {MOST_TICK:g}, a lot of 1 to {MOST_LOTS - 1}",
                f"{self.instrument}: tick {self.tick}, lot {self.lot}",
                "correct the listing, or leave the instrument out",
            )

    @property
    def fees(self) -> tuple[int, int, int, int]:
        """Maker and taker fee per lot (10^-8 of a half tick), then maker and taker rate of the value (10^-8); below 0:
        a rebate."""
        return self.maker_fee, self.taker_fee, self.maker_rate, self.taker_rate
