"""Types of an instrument's chart and of its public book."""

from dataclasses import dataclass

from tercel.desk.console.report_base import ReportPart


@dataclass(kw_only=True)
class ChartFill(ReportPart):
    """An own execution; `passive`: it rested."""

    ns: int
    price: float
    qty: float
    side: int
    agent: str
    parent: str
    passive: bool


@dataclass(kw_only=True)
class ChartOrder(ReportPart):
    """An own order from when to when it was open (null: still); a market order has no price."""

    from_ns: int
    to_ns: int | None
    price: float | None
    qty: float
    side: int
    agent: str


@dataclass(kw_only=True)
class ChartSchedule(ReportPart):
    """Progress of a parent order against an even schedule: time, filled, planned."""

    parent: str
    points: list[tuple[int, float, float]]


@dataclass(kw_only=True)
class Chart(ReportPart):
    """Bid and ask over time in an instrument, with own fills, own orders and the progress of parents."""

    currency: str
    mid: list[tuple[int, float | None, float | None]]
    fills: list[ChartFill]
    orders: list[ChartOrder]
    schedule: list[ChartSchedule]


@dataclass(kw_only=True)
class Heat(ReportPart):
    """Quantities of a book: one row per time, one column per price; buys positive."""

    ns: list[int]
    price: list[float]
    qty: list[list[float]]


@dataclass(kw_only=True)
class Trade(ReportPart):
    """A public trade; `side` of the aggressor, 0 if unknown."""

    ns: int
    price: float
    qty: float
    side: int


@dataclass(kw_only=True)
class BookPart(ReportPart):
    """The book at the last decision: price, quantity, own quantity, best first; `why`: the reason if it is missing."""

    ns: int | None
    bids: list[tuple[float, float, float]]
    asks: list[tuple[float, float, float]]
    heat: Heat
    tape: list[Trade]
    why: str = ""
