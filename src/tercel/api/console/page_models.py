"""What the console shows of a desk, as types: `/openapi.json` tells them, the page's own are made from it.

`ns` is the venue's clock, money and prices are in the units of the trade, costs are basis points; null: not known.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A part of a page: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class OpenModel(BaseModel):
    """Of an entry of a journal, which may say more."""

    model_config = ConfigDict(extra="allow")


class Numbered(StrictModel):
    """Of an entry of a journal, or up to it."""

    seq: int
    ns: int


class Profit(StrictModel):
    """Money of one currency."""

    currency: str
    realised: float | None
    open: float | None
    fees: float | None


class CostFigures(StrictModel):
    """What was filled and what it cost; `low_bps` to `high_bps`: the 95 % interval of the mean, `open`: orders."""

    is_bps: float | None
    low_bps: float | None
    high_bps: float | None
    fills: int
    lots: float
    open: int


class OpenAlerts(StrictModel):
    """Alerts without an owner; `of_gate`: of them, those that the gate wrote."""

    unowned: int
    of_gate: int
    gate: str


class DeskStanding(StrictModel):
    """State of a desk; `unbooked`: executions that only the gate's journal has, since no session of the desk runs."""

    desk: str
    running: str | None
    silent_s: float
    fault: str
    unbooked: int


class OrderFigures(StrictModel):
    """Of a parent, or an order of it."""

    instrument: str
    agent: str
    filled: float
    status: str


class ParentFigures(OrderFigures):
    """Of a parent: `schedule` is the share that an even one would have filled, `hand` who took it over last, `by_hand`
    what was filled by hand, `limit_price` as it was asked for.
    """

    limit_price: float | str | None
    reason: str
    hand: str
    by_hand: float
    schedule: float
    left_s: float | None
    is_bps: float | None
    arrival_price: float | None


class Total(Profit):
    """Money of one currency; `var95` at risk in a day, `var_used` its share of what a day may lose."""

    total: float | None
    gross: float | None
    net: float | None
    var95: float | None
    var_used: float | None
    var_returns: int


class LatchPart(OpenModel):
    """The kill latch: whom it holds (`all`, or agents), by whom, and why."""

    scope: str
    by: str
    reason: str


class AlertCounts(OpenAlerts):
    """How many alerts are critical, warnings, without an owner; `of_gate`: of the last, those about no agent that a
    gate of several desks wrote, which each of them counts; `gate`: that gate, by the folder of its journal.
    """

    critical: int
    warning: int


class DeskRow(DeskStanding, Numbered):
    """A desk in a line."""

    stage: str
    venue: str
    killed: LatchPart | None
    alerts: AlertCounts
    money: list[Total]


class Seat(OpenModel):
    """The challenger beside an agent, on paper: what it saves, basis points, over trials."""

    challenger: str = ""
    strategy: str = ""
    trials: int = 0
    mean_bps: float | None = None
    low_bps: float | None = None
    high_bps: float | None = None
    verdict: str = ""


class PosturePart(OpenModel):
    """What risk allows of an instrument, and why."""

    ns: int
    urgency: float
    max_participation: float
    size_multiplier: float
    styles: int | str
    reasons: list[str]


class StancePart(OpenModel):
    """A posture that a person set by hand, until a time; `instead`: in the place of what risk says."""

    until_ns: int
    by: str
    reason: str
    instead: bool
    words: dict[str, float]


class NamedStance(StancePart):
    """Whose it is; "": the whole desk's."""

    agent: str


class Action(StrictModel):
    """How often an agent did something, of its last decisions."""

    what: str
    n: int


class Budget(StrictModel):
    """How much of a limit is used."""

    used: float | None
    of: float | None


class AgentFigures(CostFigures):
    """An agent's figures; `share` of each instrument's flow, `low_bps` to `high_bps` the 95 % interval of its cost.

    `parts`, basis points that add up to the cost of its analysed parents: half the `spread`, to `walk` the book,
    `timing` (the price moved meanwhile), `forced` at the horizon, `fees`. `parents` it finished alone, `by_hand` with
    a person's help; `filled_share` of what its finished parents asked for; `promoted`: whose place it took in this
    session.
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


class AgentPart(AgentFigures):
    """An agent on its desk's page."""

    name: str
    state_reason: str
    half_bps: float | None
    seat: Seat


class AgentRow(AgentFigures):
    """An agent in a line."""

    desk: str
    agent: str
    challenger: Seat | None


class OrderPart(OrderFigures):
    """An order that is open; quantities in shares or coins; `by_hand`: who gave it, "" for a strategy."""

    id: str
    parent: str
    side: str
    qty: float
    limit_price: float | None
    by_hand: str


class OrderRow(OrderPart):
    """An open order in a line."""

    desk: str
    reason: str


class ParentRow(ParentFigures):
    """A parent in a line; quantities in shares or coins, `schedule` the share that an even one would have filled.

    `hand`: who took it over last; `by_hand`: what was filled by hand.
    """

    desk: str
    id: str
    side: str
    qty: float
    strategy: str


class DeskOrders(StrictModel):
    """Parents and open orders of desks."""

    parents: list[ParentRow]
    orders: list[OrderRow]


class ParentPart(ParentFigures):
    """A parent on its desk's page; `lots`, `filled` and `by_hand` in lots, `limit_price` as it was asked for."""

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


class ListingPart(StrictModel):
    """Units of an instrument; null where the journal does not tell them: prices are then in ticks."""

    tick: float | None
    lot: float | None
    currency: str


class PositionPart(Profit):
    """What an agent holds of an instrument."""

    agent: str
    instrument: str
    qty: float
    lots: float
    average: float | None
    mark: float | None
    mark_ns: int | None
    value: float | None


class PnlPoint(Profit):
    """Profit at a time."""

    ns: int


class ExposurePart(StrictModel):
    """What is held of an instrument, over agents."""

    instrument: str
    currency: str
    net: float | None
    gross: float | None


class CorrelationPart(StrictModel):
    """Of agents' signed lots by the minute."""

    agents: list[str]
    matrix: list[list[float | None]]


class MarketPart(OpenModel):
    """The last mark, ticks."""

    ns: int
    bid: int | None = None
    ask: int | None = None
    unit: float | None = None


class AlphaPart(OpenModel):
    """The last forecast of an instrument."""

    ns: int
    expected_bps: float
    sd_bps: float


class Limit(StrictModel):
    """A limit and how much of it is used."""

    scope: str
    name: str
    limit: str
    used: float
    of: float
    warned_at: float | None
    share: float


class Alert(Numbered):
    """An alert, and who owns it; `seq` is of the journal that it stands in: the desk's, or its gate's."""

    gate: bool = False
    severity: str
    code: str
    text: str
    agent: str
    instrument: str
    owner: str = ""
    note: str = ""


class AlertPage(StrictModel):
    """Alerts of a desk and of its gate, newest first; `next`: what to give as `before` for those that came earlier."""

    alerts: list[Alert]
    next: int | None


class Decision(Numbered):
    """A decision, in brief."""

    parent: str
    agent: str
    n: int | None
    commands: int


class Deed(Numbered):
    """What a person did."""

    kind: str
    by: str
    what: str
    reason: str


class SharePoint(StrictModel):
    """Shares of an instrument's flow from a time on."""

    ns: int
    instrument: str
    shares: dict[str, float]


class CostPoint(StrictModel):
    """What a parent cost, with its weight."""

    ns: int
    agent: str
    is_bps: float
    weight: float


class Reading(StrictModel):
    """How much of a long journal has been read."""

    share: float
    text: str


class Heartbeat(OpenModel):
    """The desk's last heartbeat; none yet: empty."""

    ns: int | None = None


class SessionPart(OpenModel):
    """The desk's session; none yet: empty."""

    venue: str = ""
    stage: str = ""


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


class DeskThen(Numbered):
    """The page of a desk as it was; `freshness`: seconds since each mark, forecast and posture of an instrument;
    `gate_fault`: why the journal of its gate cannot be read now.
    """

    session: SessionPart
    summary: Summary
    agents: list[AgentPart]
    parents: list[ParentPart]
    orders: list[OrderPart]
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
    freshness: dict[Literal["marks", "forecasts", "postures"], dict[str, float]]
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


class DeskPage(DeskThen, DeskStanding):
    """The page of a desk now; a stream's events hold the parts that have changed. `unbooked`: executions that stand in
    the gate's journal alone, as no session runs.
    """

    latch: LatchPart | None
    reading: Reading | None
