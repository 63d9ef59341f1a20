"""Types of an agent in a desk's report: strategy, challenger, figures, posture, manual risk state, capital."""

from dataclasses import dataclass
from typing import NotRequired

from tercel.desk.console.report_base import Body, CostFigures, ReportPart, Total


class Seat(Body):
    """Challenger on paper beside an agent: its savings in basis points over trials; empty without a challenger."""

    challenger: NotRequired[str]
    strategy: NotRequired[str]
    trials: NotRequired[int]
    mean_bps: NotRequired[float | None]
    low_bps: NotRequired[float | None]
    high_bps: NotRequired[float | None]
    verdict: NotRequired[str]


class PosturePart(Body):
    """Risk's posture in an instrument: urgency, participation, size, allowed styles, and the reasons."""

    ns: int
    urgency: float
    max_participation: float
    size_multiplier: float
    styles: int | str
    reasons: list[str]


class StancePart(Body):
    """Manual risk state with its end; `instead`: it replaces risk's own state. `words`: the posture's fields."""

    until_ns: int
    by: str
    reason: str
    instead: bool
    words: dict[str, float]


class NamedStance(StancePart):
    """Manual risk state with the agent that it is of; "": the whole desk."""

    agent: str


@dataclass(kw_only=True)
class Action(ReportPart):
    """Number of times that an agent took an action, of its last decisions."""

    what: str
    n: int


@dataclass(kw_only=True)
class Budget(ReportPart):
    """Usage of one limit: `used` of `of`, in the limit file's units."""

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
