"""Types of a desk's report, which `state` makes: what its journal, folded once, shows.

The console's HTTP API serves these objects, the page's TypeScript types are generated from them, and the terminal, the
report of a run and that of a day are made of them. `ns` is the venue's clock, money and prices are in the units of the
market, costs in basis points; None: not known.
"""

from dataclasses import dataclass
from typing import Any, NotRequired

from tercel.desk.console.agent_report import AgentPart, NamedStance, PosturePart
from tercel.desk.console.experiment_report import ExperimentPart
from tercel.desk.console.report_base import (
    Body,
    CostFigures,
    DeskStanding,
    LatchPart,
    Numbered,
    OpenAlerts,
    OrderFigures,
    ParentFigures,
    Profit,
    ReportPart,
    Total,
)
from tercel.desk.trading.tca.rfq import QuotedRequest


@dataclass(kw_only=True)
class OrderPart(OrderFigures):
    """An open order; quantities in shares or coins; `by_hand`: the person who sent it, "" for a strategy's order."""

    id: str
    parent: str
    side: str
    qty: float
    limit_price: float | None
    by_hand: str


@dataclass(kw_only=True)
class ParentPart(ParentFigures):
    """A parent order on its desk's page; `lots`, `filled` and `by_hand` in lots, `limit_price` as requested."""

    parent: str
    side: int
    lots: float
    limit: float | None
    avg_price: float | None
    cost: float | None
    live: bool
    progress: float
    last_decision: int
    opportunity_bps: float | None
    unfilled: float
    refused: float


@dataclass(kw_only=True)
class ListingPart(ReportPart):
    """Tick, lot and currency of an instrument; without them in the journal null, and prices are in ticks."""

    tick: float | None
    lot: float | None
    currency: str


@dataclass(kw_only=True)
class PositionPart(Profit):
    """An agent's position in an instrument."""

    agent: str
    instrument: str
    qty: float
    lots: float
    average: float | None
    mark: float | None
    mark_ns: int | None
    value: float | None


@dataclass(kw_only=True)
class PnlPoint(Profit):
    """Realised and open profit, and fees, at a time, ns."""

    ns: int


@dataclass(kw_only=True)
class ExposurePart(ReportPart):
    """Position in an instrument, over all agents."""

    instrument: str
    currency: str
    net: float | None
    gross: float | None


@dataclass(kw_only=True)
class CorrelationPart(ReportPart):
    """Correlation of agents' signed lots by the minute."""

    agents: list[str]
    matrix: list[list[float | None]]


class MarketPart(Body):
    """Last bid and ask of an instrument, ticks, with their time."""

    ns: int
    bid: NotRequired[int | None]
    ask: NotRequired[int | None]
    unit: NotRequired[float | None]


class AlphaPart(Body):
    """The last forecast of an instrument."""

    ns: int
    expected_bps: float
    sd_bps: float


@dataclass(kw_only=True)
class Limit(ReportPart):
    """A limit and its usage; `label`: what people call it."""

    scope: str
    name: str
    limit: str
    label: str
    used: float
    of: float
    warned_at: float | None
    share: float


@dataclass(kw_only=True)
class Alert(Numbered):
    """An alert and its owner; `seq` is its number in the journal that holds it: the desk's, or its gate's."""

    gate: bool = False
    severity: str
    code: str
    text: str
    agent: str
    instrument: str
    owner: str = ""
    note: str = ""


@dataclass(kw_only=True)
class Decision(Numbered):
    """A decision of a parent order in brief: number, agent, how many commands it sent."""

    parent: str
    agent: str
    n: int | None
    commands: int


@dataclass(kw_only=True)
class Deed(Numbered):
    """An action of a person: command or journal kind, person, text, reason."""

    kind: str
    by: str
    what: str
    reason: str


@dataclass(kw_only=True)
class SharePoint(ReportPart):
    """Agents' shares of an instrument's flow from a time on."""

    ns: int
    instrument: str
    shares: dict[str, float]


@dataclass(kw_only=True)
class CostPoint(ReportPart):
    """Cost of a parent order, with its weight."""

    ns: int
    agent: str
    is_bps: float
    weight: float


@dataclass(kw_only=True)
class Reading(ReportPart):
    """Progress of reading a long journal."""

    share: float
    text: str


class Heartbeat(Body):
    """The desk's last heartbeat; none yet: empty. `limits`: scope, name, limit to use, size and share that warns."""

    limits: NotRequired[dict[str, Any]]
    clock_s: NotRequired[float]

    ns: NotRequired[int | None]


class SessionPart(Body):
    """The desk's session; none yet: empty. `listings`: tick, lot and currency of instruments."""

    listings: NotRequired[dict[str, Any]]

    venue: NotRequired[str]
    stage: NotRequired[str]


@dataclass(kw_only=True)
class Summary(CostFigures, OpenAlerts):
    """Figures over all agents and the whole journal."""

    half_bps: float | None
    unfilled: float
    refused: int
    live: int
    over: int
    denied: int
    alerts: dict[str, int]
    unknown: int


@dataclass(kw_only=True)
class Freshness(ReportPart):
    """Seconds since each mark, forecast and risk state of an instrument."""

    marks: dict[str, float]
    forecasts: dict[str, float]
    postures: dict[str, float]


@dataclass(kw_only=True)
class DeskReport(Numbered):
    """A desk at a time; `gate_fault`: why the journal of its gate cannot be read now."""

    session: SessionPart
    summary: Summary
    agents: list[AgentPart]
    parents: list[ParentPart]
    orders: list[OrderPart]
    quote_requests: list[QuotedRequest]
    experiments: list[ExperimentPart]
    instruments: dict[str, ListingPart]
    markets: dict[str, MarketPart]
    money: list[Total]
    positions: list[PositionPart]
    pnl_points: list[PnlPoint]
    exposure: list[ExposurePart]
    correlation: CorrelationPart
    postures: dict[str, PosturePart]
    stances: list[NamedStance]
    alphas: dict[str, AlphaPart]
    freshness: Freshness
    heartbeat: Heartbeat
    limits: list[Limit]
    denials: dict[str, int]
    kills: dict[str, dict[str, Any]]
    alerts: list[Alert]
    decisions: list[Decision]
    operator: list[Deed]
    share_points: list[SharePoint]
    cost_points: list[CostPoint]
    gate_fault: str


@dataclass(kw_only=True)
class LiveDeskReport(DeskReport, DeskStanding):
    """A desk now: its report with the process, latch and journal state; a stream's events hold changed parts."""

    latch: LatchPart | None
    reading: Reading | None
