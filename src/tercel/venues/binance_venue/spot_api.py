"""Port of a spot exchange's requests, with typed requests and answers: `SpotApi`.

Amounts are in 1e-8 of their asset, prices in 1e-8 of the quote asset, times in ns. `BinanceApi` and `CcxtApi` have them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from tercel.core.errors import VenueError
from tercel.venues.binance_venue.api import TradedSymbol
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A new order.

    Parameters
    ----------
    symbol, name : str
        `name`: ours, as the venue gets it.
    side : int
        1 buys, -1 sells.
    quantity : int
    price : int or None
        None: a market order.
    is_ioc, post_only : bool
        What does not trade at once is cancelled; what would trade at once is refused.
    self_trade : str
        Self-trade prevention.
    """

    symbol: str
    name: str
    side: int
    quantity: int
    price: int | None
    is_ioc: bool
    post_only: bool
    self_trade: str


@dataclass(frozen=True, slots=True)
class OrderKey:
    """An order at the venue: by its number or, where that is 0, by our name of it."""

    symbol: str
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class SpotTrade:
    """An execution of an own order.

    Parameters
    ----------
    number, order : int
        The venue's, of the trade and of its order.
    price, quantity, fee : int
        A `fee` below 0 is a rebate.
    fee_asset : str
    ns : int
    passive : bool
    """

    number: int
    order: int
    price: int
    quantity: int
    fee: int
    fee_asset: str
    ns: int
    passive: bool


@dataclass(frozen=True, slots=True)
class SpotOrder:
    """State of an own order.

    Parameters
    ----------
    number : int
    name : str
        Ours as the venue has it; "": it did not say.
    status : str
        A `Status`.
    executed : int
    ns : int
    quantity : int or None
        None: the venue did not say.
    price, side : int
        0: a market order; the venue did not say.
    fills : tuple of SpotTrade
        Where the answer has them.
    text : str
        Why it ended.
    """

    number: int
    name: str
    status: str
    executed: int
    ns: int
    quantity: int | None = None
    price: int = 0
    side: int = 0
    fills: tuple[SpotTrade, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class SpotSwap:
    """Both halves of a cancel and new order; None for one that the answer lacks, or that was refused.

    Parameters
    ----------
    placed, canceled : SpotOrder or None
    code, text : int, str
        Of the half that was refused; 0 and "" without one.
    """

    placed: SpotOrder | None = None
    canceled: SpotOrder | None = None
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class SpotAccount:
    """Balances, free and locked together, by asset, and fee rates in 1e-8 of the traded value."""

    balances: Mapping[str, int]
    maker_rate: int
    taker_rate: int
    can_trade: bool


@dataclass(frozen=True, slots=True)
class SpotMarkets:
    """Symbols by name, the errors of those that cannot be read, and the request weight of a minute (0: not said)."""

    symbols: Mapping[str, TradedSymbol]
    unreadable: Mapping[str, VenueError] = field(default_factory=dict)
    weight_limit: int = 0


@dataclass(frozen=True, slots=True)
class KeyPermissions:
    """Whether an API key may withdraw and trade; what the venue does not say is the cautious answer."""

    withdraws: bool
    trades: bool


@dataclass(frozen=True, slots=True)
class Call(Generic[Row]):
    """A request that `SpotApi.send` or `wait` carries out.

    Parameters
    ----------
    method : str
        As Binance's WebSocket API names it.
    weight : int
    work : object
        How the API carries it out: parameters, or a function.
    read : callable
        Reads the venue's answer.
    is_order, is_signed : bool
        Whether it places, changes or cancels an order; whether it needs a key.
    """

    method: str
    weight: int
    work: Any
    read: Callable[[Any], Row]
    is_order: bool = False
    is_signed: bool = True


class SpotApi(Protocol):
    """Requests to a spot exchange, and how they are carried out."""

    channel: ApiChannel
    """Requests that wait for an answer, their weight, and the venue's time."""
    swaps: bool
    """Whether `swap` is there: one request cancels an order and sends another in its place."""

    def place(self, request: OrderRequest) -> Call[SpotOrder]:
        """Place a new order."""

    def cancel(self, order: OrderKey, name: str) -> Call[SpotOrder]:
        """Cancel an order under a name of ours ("": none)."""

    def amend(self, order: OrderKey, name: str, quantity: int) -> Call[SpotOrder]:
        """Reduce an order in its place, under a new name; the answer has its number and time alone."""

    def swap(self, order: OrderKey, request: OrderRequest) -> Call[SpotSwap]:
        """Cancel an order that has not traded, and place another; the answer has its halves also where it refuses."""

    def order(self, order: OrderKey) -> Call[SpotOrder]:
        """State of an order."""

    def orders(self, symbol: str, since_ms: int, first: int) -> Call[Sequence[SpotOrder]]:
        """A page of orders since a time or, where `first` is above 0, from that number on."""

    def trades(
        self, symbol: str, since_ms: int, first: int, order: int = 0
    ) -> Call[Sequence[SpotTrade]]:
        """A page of own executions, likewise; of one order, by its number: the latest, or from `first` at or above 0 on."""

    def account(self) -> Call[SpotAccount]:
        """Balances and fee rates."""

    def permissions(self) -> Call[KeyPermissions]:
        """Permissions of the API key."""

    def markets(self, symbols: Sequence[str]) -> Call[SpotMarkets]:
        """Status and filters of symbols; of all where none is named."""

    def time(self) -> Call[object]:
        """The venue's time, ms; whatever it says."""

    def send(
        self, call: Call[Row], reply: Callable[[ApiAnswer[Row]], object], urgent: bool = False
    ) -> None:
        """Send a request: `reply` is called once, later, with its answer or the reason of a failure; `urgent`: in spite
        of a block.

        Raises
        ------
        VenueError
            Nothing was sent, and `reply` is not called.
        """

    def wait(self, call: Call[Row]) -> Row:
        """Send a query and wait for its answer, as at logon.

        Raises
        ------
        VenueError
            No answer, or (RequestRefusedError) a refusal.
        """
