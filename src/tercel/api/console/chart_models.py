"""Charts, books, forecasts, explanations and models' cards, as types."""

from typing import Literal

from tercel.api.console.models import Interval
from tercel.api.console.page_models import StrictModel


class ChartFill(StrictModel):
    """An own execution; `passive`: it rested."""

    ns: int
    price: float
    qty: float
    side: int
    agent: str
    parent: str
    passive: bool


class ChartOrder(StrictModel):
    """An own order from when to when it was open (null: still); a market order has no price."""

    from_ns: int
    to_ns: int | None
    price: float | None
    qty: float
    side: int
    agent: str


class ChartSchedule(StrictModel):
    """A parent against an even schedule: time, done, planned."""

    parent: str
    points: list[tuple[int, float, float]]


class Chart(StrictModel):
    """Price (time, bid, ask) with what the desk did."""

    currency: str
    mid: list[tuple[int, float | None, float | None]]
    fills: list[ChartFill]
    orders: list[ChartOrder]
    schedule: list[ChartSchedule]


class Heat(StrictModel):
    """Quantities of a book: a row a time, a column a price; buys positive."""

    ns: list[int]
    price: list[float]
    qty: list[list[float]]


class Trade(StrictModel):
    """A trade of the public's; `side` of who took, 0 where it was not told."""

    ns: int
    price: float
    qty: float
    side: int


class BookPart(StrictModel):
    """The book that the last decision saw: price, quantity, own quantity, best first; `why` there is none."""

    ns: int | None
    bids: list[tuple[float, float, float]]
    asks: list[tuple[float, float, float]]
    heat: Heat
    tape: list[Trade]
    why: str = ""


class ForecastRow(StrictModel):
    """A forecast with two standard deviations about it, and what came; null: not known, or not yet."""

    instrument: str
    source: str
    ns: int
    horizon_s: float | None
    forecast_bps: float | None
    low: float | None
    high: float | None
    came_bps: float | None


class Why(StrictModel):
    """A decision, explained."""

    title: str
    sentences: list[str]
    tables: dict[str, dict[str, float | str | bool | None]]


class JudgedFigure(StrictModel):
    """A figure of a judgement, and where it was taken."""

    where: str
    what: str
    figure: Interval


class ModelCard(StrictModel):
    """What a model knows, by its card; `why` there is none. `seen_until` is the last day of its data, "" where it saw
    none of a market or the card does not tell."""

    kind: Literal["policy", "forecast"]
    name: str
    used_by: list[str]
    hash: str
    version: str
    markets: list[str]
    trained_on: dict[str, str]
    seen_until: str
    judged_on: str
    judged: list[JudgedFigure]
    why: str
