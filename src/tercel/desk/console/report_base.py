"""Types that the console's pages, tables and charts build on: base classes, and figures of money, cost, orders and alerts.

The console's HTTP API serves these objects, and the page's TypeScript types are generated from them. `ns` is the
venue's clock, money and prices are in the units of the market, costs in basis points; None: not known.
"""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import TypedDict


@dataclass(kw_only=True)
class ReportPart:
    """Part of a report: these fields and no others."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


class Body(TypedDict):
    """Body of a journal entry as a dict type; keys that are not declared are allowed."""


Body.__pydantic_config__ = {"extra": "allow"}  # type: ignore[attr-defined]


@dataclass(kw_only=True)
class Numbered(ReportPart):
    """Part with the number and the time, ns, of a journal entry that it describes, or up to which it is folded."""

    seq: int
    ns: int


@dataclass(kw_only=True)
class Profit(ReportPart):
    """Realised and open profit, and fees, in one currency."""

    currency: str
    realised: float | None
    open: float | None
    fees: float | None


@dataclass(kw_only=True)
class CostFigures(ReportPart):
    """Fills and their cost; `low_bps` to `high_bps`: the 95 % interval of the mean, `open`: orders."""

    is_bps: float | None
    low_bps: float | None
    high_bps: float | None
    fills: int
    lots: float
    open: int


@dataclass(kw_only=True)
class OpenAlerts(ReportPart):
    """Alerts without an owner; `of_gate`: of them, those that the gate wrote."""

    unowned: int
    of_gate: int
    gate: str


@dataclass(kw_only=True)
class DeskStanding(ReportPart):
    """State of a desk; `unbooked`: executions that only the gate's journal has, since no session of the desk runs."""

    desk: str
    running: str | None
    silent_s: float
    fault: str
    unbooked: int


@dataclass(kw_only=True)
class OrderFigures(ReportPart):
    """Figures common to a parent order and its child orders."""

    instrument: str
    agent: str
    filled: float
    status: str


@dataclass(kw_only=True)
class ParentFigures(OrderFigures):
    """Figures of a parent order in its desk's page and in tables.

    `schedule` is the share that an even schedule would have filled, `hand` the person who took the parent over last,
    `by_hand` the quantity filled by manual orders, `limit_price` as requested.
    """

    limit_price: float | str | None
    reason: str
    hand: str
    by_hand: float
    schedule: float
    left_s: float | None
    is_bps: float | None
    arrival_price: float | None


@dataclass(kw_only=True)
class Total(Profit):
    """Money of one currency; `var95`: value at risk in a day, `var_used`: its share of the daily loss limit."""

    total: float | None
    gross: float | None
    net: float | None
    var95: float | None
    var_used: float | None
    var_returns: int


@dataclass(kw_only=True)
class LatchPart:
    """State of the kill latch: scope (`all`, or agents), operator and reason."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "allow"}

    scope: str
    by: str
    reason: str
