"""What an executor works, and what it asks for: instrument, parent order, orders to place, cancel and amend."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from tercel.core.errors import ConfigError, OrderError, refuse_if
from tercel.core.link.shown_book import IDS
from tercel.core.price_limit import limit_of
from tercel.desk.trading.parent_orders.follower import WIDTH
from tercel.execution.task import Task

Number = float | int | str | Decimal
"""A price or a size in the venue's units."""
SIDES: Final = {1: "buy", -1: "sell"}


def decimal_of(value: Number, description: str) -> Decimal:
    """A number of the caller's as an exact decimal, a float by its shortest text; OrderError for what is none."""
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        exact = Decimal("nan")
    refuse_if(not exact.is_finite(), description, repr(value), "give a finite number", OrderError)
    return exact


@dataclass(frozen=True)
class VenueInstrument:
    """An instrument as a venue lists it.

    Parameters
    ----------
    symbol : str
    tick, lot : number or str
        Step of prices, and of sizes: ``"0.01"``, ``"0.00001"``. Text is exact.
    levels : int
        Levels a side that the feed shows; 0: all. What lies beyond the last shown one is then not known to be gone.
    orders : int
        Most orders, or levels, in the book at a time.
    window : int
        Prices around the touch whose depth is kept, a power of two.

    Raises
    ------
    ConfigError
        A tick or a lot that is not above 0.

    >>> VenueInstrument("BTC/USDT", "0.01", "0.00001").tick
    Decimal('0.01')
    """

    symbol: str
    tick: Number
    lot: Number = 1
    levels: int = 0
    orders: int = IDS
    window: int = WIDTH

    def __post_init__(self) -> None:
        for name in ("tick", "lot"):
            exact = decimal_of(getattr(self, name), f"the {name} of {self.symbol}")
            refuse_if(exact <= 0, f"a {name} above 0", f"{exact} of {self.symbol}", "such as 0.01")
            object.__setattr__(self, name, exact)


@dataclass(frozen=True)
class Parent:
    """A parent order for an executor.

    Parameters
    ----------
    side : str
        ``"buy"`` or ``"sell"``.
    quantity : number or str
        In the venue's sizes: a multiple of the lot.
    horizon : float or str
        Seconds from arrival, or text such as ``"30min"``; what is left then is taken.
    limit_price : number or str, optional
        Worst price; or text such as ``"25bps"`` beyond the mid at arrival.
    start_ns : int
        When it arrives, ns by the caller's clock; 0: as soon as the executor is ready.
    decisions : int
        Decisions on an even grid of time.
    name : str
        Its orders are called ``name-1``, ``name-2``, ...

    >>> Parent("buy", "0.5", "10min").horizon
    '10min'
    """

    side: str
    quantity: Number
    horizon: float | str
    limit_price: Number | None = None
    start_ns: int = 0
    decisions: int = 60
    name: str = "parent"

    def task(self, instrument: VenueInstrument, **terms: object) -> tuple[Task, int]:
        """Task of the order in an instrument, in lots, and its limit price in ticks (0: none, or relative to the mid).

        Raises
        ------
        ConfigError
            A quantity that is no multiple of the lot, a side that is none, a price that is none.
        """
        exact = decimal_of(self.quantity, "a quantity")
        lots = exact / Decimal(str(instrument.lot))
        if lots != lots.to_integral_value() or lots < 1:
            raise ConfigError(
                f"a quantity in whole lots of {instrument.lot} {instrument.symbol}, at least one",
                f"{exact}",
                "round it to the lot",
            )
        relative = isinstance(self.limit_price, str) and self.limit_price.strip().endswith("bps")
        limit_price = self.limit_price
        if limit_price is not None and not relative:
            limit_price = float(decimal_of(limit_price, "a limit price"))
        task = Task(
            side=self.side,  # type: ignore[arg-type]  # words are turned into numbers there
            quantity=int(lots),
            horizon=self.horizon,
            decisions=self.decisions,
            limit_price=limit_price if relative else None,  # type: ignore[arg-type]
            **terms,  # type: ignore[arg-type]
        )
        refuse_if(task.side == 0, "buy or sell", repr(self.side), "name one side")
        price = None if relative else limit_price
        ticks, _ = limit_of(price, task.side, float(instrument.tick))  # type: ignore[arg-type]
        return task, ticks


@dataclass(frozen=True, slots=True)
class Place:
    """Place an order; `price` None: at the market, `immediate`: what does not trade at once is cancelled.

    >>> Place("parent-1", "buy", Decimal("9.99"), Decimal("300"), immediate=False).side
    'buy'
    """

    name: str
    side: str
    price: Decimal | None
    size: Decimal
    immediate: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel what is left of the order of a name.

    >>> Cancel("parent-1").name
    'parent-1'
    """

    name: str


@dataclass(frozen=True, slots=True)
class Amend:
    """Change an order's total size, filled lots included; fewer lots at the same price keep their priority.

    >>> Amend("parent-1", Decimal("200"), Decimal("9.99")).size
    Decimal('200')
    """

    name: str
    size: Decimal
    price: Decimal


ExecutorCommand = Place | Cancel | Amend
