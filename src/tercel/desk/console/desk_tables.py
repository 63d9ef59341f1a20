"""Types of the rows in tables over several desks: desks, agents, parent orders, open orders."""

from dataclasses import dataclass

from tercel.desk.console.agent_report import AgentFigures, Seat
from tercel.desk.console.report import OrderPart
from tercel.desk.console.report_base import (
    DeskStanding,
    LatchPart,
    Numbered,
    OpenAlerts,
    ParentFigures,
    ReportPart,
    Total,
)


@dataclass(kw_only=True)
class AlertCounts(OpenAlerts):
    """Numbers of critical alerts, of warnings, and of alerts without an owner.

    `of_gate`: of the last, those about no agent that a gate of several desks wrote, which each of these desks counts;
    `gate`: that gate, by the folder of its journal.
    """

    critical: int
    warning: int


@dataclass(kw_only=True)
class DeskRow(DeskStanding, Numbered):
    """A desk in a table."""

    stage: str
    venue: str
    killed: LatchPart | None
    alerts: AlertCounts
    money: list[Total]


@dataclass(kw_only=True)
class AgentRow(AgentFigures):
    """An agent in a table."""

    desk: str
    agent: str
    challenger: Seat | None


@dataclass(kw_only=True)
class OrderRow(OrderPart):
    """An open order in a table."""

    desk: str
    reason: str


@dataclass(kw_only=True)
class ParentRow(ParentFigures):
    """A parent order in a table; quantities in shares or coins, `schedule` the share that an even schedule would have filled.

    `hand`: the person who took it over last; `by_hand`: the quantity filled by manual orders.
    """

    desk: str
    id: str
    side: str
    qty: float
    strategy: str


@dataclass(kw_only=True)
class DeskOrders(ReportPart):
    """Parents and open orders of desks."""

    parents: list[ParentRow]
    orders: list[OrderRow]
