"""Read model of a desk: what its journal, folded once, shows, as types.

The console's HTTP API serves these objects, the page's TypeScript types are generated from them, and the terminal, the
report of a run and that of a day are made of them. `ns` is the venue's clock, money and prices are in the units of the
market, costs in basis points; None: not known.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NotRequired

from typing_extensions import TypedDict

from tercel.desk.trading.tca.rfq import QuotedRequest


@dataclass(kw_only=True)
class ReportPart:
    """Part of a report: these fields and no others."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


class Body(TypedDict):
    """Body of a journal entry, which may hold more than is named."""


Body.__pydantic_config__ = {"extra": "allow"}  # type: ignore[attr-defined]


@dataclass(kw_only=True)
class Numbered(ReportPart):
    """Part with the number and the time, ns, of a journal entry that it describes, or up to which it is folded."""

    seq: int
    ns: int


@dataclass(kw_only=True)
class Profit(ReportPart):
    """Money of one currency."""

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
    """Figures of a parent order: `schedule` is the share that an even schedule would have filled, `hand` the person who took it
    over last, `by_hand` the quantity filled by manual orders, `limit_price` as requested.
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
    """Money of one currency; `var95` at risk in a day, `var_used` its share of what a day may lose."""

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


@dataclass(kw_only=True)
class AlertCounts(OpenAlerts):
    """How many alerts are critical, warnings, without an owner; `of_gate`: of the last, those about no agent that a
    gate of several desks wrote, which each of them counts; `gate`: that gate, by the folder of its journal.
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


class Seat(Body):
    """The challenger beside an agent, on paper: what it saves, basis points, over trials; no challenger: empty."""

    challenger: NotRequired[str]
    strategy: NotRequired[str]
    trials: NotRequired[int]
    mean_bps: NotRequired[float | None]
    low_bps: NotRequired[float | None]
    high_bps: NotRequired[float | None]
    verdict: NotRequired[str]


class PosturePart(Body):
    """What risk allows of an instrument, and why."""

    ns: int
    urgency: float
    max_participation: float
    size_multiplier: float
    styles: int | str
    reasons: list[str]


class StancePart(Body):
    """A manual risk state, until a time; `instead`: instead of risk's."""

    until_ns: int
    by: str
    reason: str
    instead: bool
    words: dict[str, float]


class NamedStance(StancePart):
    """Whose it is; "": the whole desk's."""

    agent: str


@dataclass(kw_only=True)
class Action(ReportPart):
    """Number of times that an agent took an action, of its last decisions."""

    what: str
    n: int


@dataclass(kw_only=True)
class Budget(ReportPart):
    """Usage of a limit."""

    used: float | None
    of: float | None


@dataclass(kw_only=True)
class AgentFigures(CostFigures):
    """An agent's figures; `share` of each instrument's flow, `low_bps` to `high_bps` the 95 % interval of its cost.

    `parts`, basis points that add up to the cost of its analysed parents: half the `spread`, to `walk` the book,
    `timing` (the price moved meanwhile), `forced` at the horizon, `fees`. `parents` finished without, `by_hand` with
    a person's manual orders; `filled_share` of the lots of its finished parents; `promoted`: the strategy that it replaced in
    this session.
    """

    strategy: str
    state: str
    state_code: str
    reason: str
    fallback: str
    share: dict[str, float]
    held: dict[str, float]
    orders: int
    denials: int
    parents: int
    filled_share: float | None
    by_hand: int
    promoted: str
    parts: dict[str, float]
    drift: str
    drifting: bool
    actions: list[Action]
    model: str
    posture: dict[str, PosturePart]
    stance: StancePart | None
    capital: Budget
    money: list[Total]


@dataclass(kw_only=True)
class AgentPart(AgentFigures):
    """An agent on its desk's page."""

    name: str
    state_reason: str
    half_bps: float | None
    seat: Seat


@dataclass(kw_only=True)
class AgentRow(AgentFigures):
    """An agent in a table."""

    desk: str
    agent: str
    challenger: Seat | None


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
    """Units of an instrument; null where the journal does not tell them: prices are then in ticks."""

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
    """Profit at a time."""

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
    """The last mark, ticks."""

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
    """A limit and its usage."""

    scope: str
    name: str
    limit: str
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
class AlertPage(ReportPart):
    """Alerts of a desk and of its gate, newest first; `next`: what to give as `before` for those that came earlier."""

    alerts: list[Alert]
    next: int | None


@dataclass(kw_only=True)
class Decision(Numbered):
    """A decision, in brief."""

    parent: str
    agent: str
    n: int | None
    commands: int


@dataclass(kw_only=True)
class Deed(Numbered):
    """An action of a person."""

    kind: str
    by: str
    what: str
    reason: str


@dataclass(kw_only=True)
class SharePoint(ReportPart):
    """Shares of an instrument's flow from a time on."""

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
    """A desk now; events of a stream hold the parts that have changed."""

    latch: LatchPart | None
    reading: Reading | None


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
    """Price (time, bid, ask) with what the desk did."""

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


@dataclass(kw_only=True)
class ForecastRow(ReportPart):
    """A forecast with a band of two standard deviations, and the realised move; null: unknown, or not yet known."""

    instrument: str
    source: str
    ns: int
    horizon_s: float | None
    forecast_bps: float | None
    low: float | None
    high: float | None
    came_bps: float | None


@dataclass(kw_only=True)
class Why(ReportPart):
    """A decision, explained."""

    title: str
    sentences: list[str]
    tables: dict[str, dict[str, float | str | bool | None]]


@dataclass(kw_only=True)
class Interval(ReportPart):
    """A mean and its 95 % interval; null: not known."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(kw_only=True)
class JudgedFigure(ReportPart):
    """A figure of a model's evaluation: market or sample, name, mean with its 95 % interval."""

    where: str
    what: str
    figure: Interval


@dataclass(kw_only=True)
class ModelCard(ReportPart):
    """Facts of a model from its card; `why`: the reason if the card is missing. `seen_until` is the last day of its data, "" if
    it saw no market data or the card does not say."""

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


@dataclass(kw_only=True)
class JournalLine(Numbered):
    """An entry of a journal."""

    kind: str
    instrument: str
    agent: str
    parent: str
    order: str
    body: dict[str, Any]


@dataclass(kw_only=True)
class JournalPage(ReportPart):
    """Entries of a journal; `next` is the `after` of the next page, null where this was the last."""

    entries: list[JournalLine]
    next: int | None
