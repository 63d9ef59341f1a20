"""The configuration of a desk: one TOML file, read whole or refused.

[desk]        name, stage, seed, rounds, round_s, decision_s, pace, speed
[data]        lake, date, venue, queue, fees: a recorded day to replay or shadow; totals: orders that are made of totals
[[instrument]] name, market
[[agent]]     name, strategy; alpha and posture: whether it takes them; challenger: another strategy, on paper;
              alternatives: further ones on paper, which cannot be promoted
[[experiment]] name, agent, strategies, shares, unit, strata, seed, planned, end, guardrails: its orders assigned at random
[order_arrivals] side, share: the orders that come in
[signals]     model, names, date, flow; orders, targets, targets_days, capital: positions to reach
[risk]        posture
[loop]        feedback, expert_weights, sizing
[limits]      file
[alerts]      webhook; email: SMTP server, mailboxes, levels
[scenario]    (the simulated exchange) synthetic drift, news and changes of its markets

`live_checks` refuses a stage that contradicts venue or data, and live trading without its evidence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    HttpUrl,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from tercel.core.errors import refuse_if, suggest_name
from tercel.core.validation import CURRENCY, DATE, TomlTable
from tercel.desk.trading.email_alerts import EmailSection
from tercel.execution.market import Market
from tercel.market.simulator.queue_models import DEFAULT

CLOSING_S: Final = 5.0
"""Before the end of a round, when its parents' horizons end: the next round finds them over."""
_FOLDER: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
# What a listing or an account may be called: it travels in FIX fields, file names, labels of metrics.
_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.:/^=&+-]*$"
REPLAY = "replay"
SHADOW = "shadow"
PAPER = "paper"
LIVE = "live"
STAGES: Final = (REPLAY, SHADOW, PAPER, LIVE)
OFF: Final = "off"
EVERYBODY: Final = "all"
"""Reserved name of all agents, which a kill without an agent's name stops."""


def _preset(value: object) -> object:
    """The preset market of a name or of a ``.json`` file, of resampled days too: a desk reads its card. A `Market` as given."""
    if not isinstance(value, str | Market):
        raise ValueError("the name of a preset market")
    return Market(value) if isinstance(value, str) else value


PresetMarket = Annotated[
    Market,
    BeforeValidator(_preset),
    PlainSerializer(lambda market: market.preset),
    WithJsonSchema({"type": "string"}),
]


class DeskSection(TomlTable):
    """Section [desk]: name, stage, venue, rounds, times, pace."""

    name: str = Field(default="desk", pattern=_FOLDER, max_length=64)
    stage: str = ""
    """`replay` or `shadow` of recorded days, `shadow` of a venue's live data, `paper` at its testnet, `live`; empty:
    as the venue is."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    rounds: int = Field(default=12, ge=1, le=10_000)
    round_s: float = Field(default=600.0, gt=CLOSING_S, le=86_400)
    decision_s: float = Field(default=30.0, ge=0.01)
    warmup_s: float = Field(default=900.0, ge=1, le=86_400)
    pace: Literal["stepped", "accelerated", "real"] = "stepped"
    speed: float = Field(default=60.0, gt=0)
    """Venue seconds a second, where the pace is accelerated."""
    latency_ms: float = Field(default=1.0, ge=0, le=10_000)
    """Order-entry latency of the simulated exchange."""
    journal: str = ""
    """A postgresql:// URL; empty: a file in the desk's folder."""
    venue: str = "simulated"
    """`simulated`, in this process; `fix://[COMPID@]host:port[?profile=NAME]`; `fix:PROFILE.toml`, a profile or a
    settings file of QuickFIX; `binance[:NET or FILE.toml]`, Binance Spot; `ccxt:EXCHANGE[:FILE.toml]`; `gate:PATH`, a
    gate before one."""
    dealers: tuple[Annotated[str, Field(pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=64)], ...] = (
        Field(default=(), max_length=100)
    )
    """Dealers of requests for quotes: of orders by `rfq` or `routed`, and of manual requests without dealers."""
    experiments: bool = True
    """False: no [[experiment]] is run."""
    panel: str = ""
    """Prior model of these dealers before they have quoted, for orders by `routed`: equity, eurusd, gbpusd, or a panel.toml
    fitted to the desk's own requests."""

    @field_validator("stage")
    @classmethod
    def _known_stage(cls, stage: str) -> str:
        """Refuse a stage that is not one of `STAGES`; "" is allowed."""
        if stage and stage not in STAGES:
            raise ValueError(
                f"a stage: {', '.join(STAGES)}; {suggest_name(stage, STAGES, 'name one of them')}"
            )
        return stage


class DataSection(TomlTable):
    """Section [data]: a recorded day to replay or shadow, its queue model and fees."""

    lake: str = ""
    """A lake of tapes, from the desk's file; each instrument is a symbol in it."""
    date: str = Field(default="", pattern=DATE)
    """Empty: the longest day, by its events; of equal ones the last."""
    venue: str = ""
    """Of the lake, where it has the symbol of several."""
    queue: str = DEFAULT
    """Model of queues where totals alone are shown."""
    maker_bps: float = Field(default=0.0, ge=-1000, le=1000)
    taker_bps: float = Field(default=0.0, ge=-1000, le=1000)
    """Fees of the venue that the day is of."""
    totals: bool = False
    """(a venue's data) True: the venue shows totals by price level, and `queue` estimates queue positions."""


class InstrumentSection(TomlTable):
    """Section [[instrument]]: an instrument of the simulated exchange, or a listing of another venue."""

    name: str = Field(pattern=_NAME, max_length=16)
    market: PresetMarket = Market("csco-santa-fe")
    currency: str = Field(default="", pattern=CURRENCY)
    """Of its prices where the exchange is simulated or a recorded day: "USD"; another venue tells its own."""
    rules: str = ""
    """Its market's hours, lots, ticks and daily limits: a shipped name (XNAS, XSHG, XSHG-STAR, XSHE, XSHE-ChiNext, SHFE,
    SHFE-0100, SHFE-0230, SHFE-day, CCFX, XASX, always), or a file.toml of them. Empty: those of a recorded day's symbol and
    venue, else none. A simulated market has no dates, and so no hours."""
    previous_close: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Price that daily limits are of; 0: they are not kept."""


class AgentSection(TomlTable):
    """Section [[agent]]: an agent's name, strategy, guidance and challenger."""

    name: str = Field(pattern=_NAME, max_length=24)
    strategy: str
    """A rule, a strategy's name of an installed package, `packaged:NAME`, `policy:FOLDER`, or `policy:NAME@champion` of the
    registry."""
    alpha: bool = True
    posture: bool = True
    challenger: str = ""
    alternatives: tuple[str, ...] = ()
    """Strategies that work its orders on paper too, to say in money what the agent's own saves on them."""


LEAST_SHARE: Final = 0.02
"""Least share of an arm: rarer orders would each weigh too much."""


def are_shares(shares: Sequence[float]) -> bool:
    """Whether shares of arms are each at least `LEAST_SHARE` and sum to 1.

    >>> are_shares((0.5, 0.5)), are_shares((0.5, 0.6))
    (True, False)
    """
    return all(share >= LEAST_SHARE for share in shares) and abs(sum(shares) - 1.0) < 1e-9


class ExperimentEnd(TomlTable):
    """When an experiment ends by itself: after a date, at a number of orders, or once every arm is told from the baseline."""

    date: str = Field(default="", pattern=DATE)
    orders: int = Field(default=0, ge=0, le=10_000_000)
    decision: bool = False

    @field_validator("date")
    @classmethod
    def _real_date(cls, text: str) -> str:
        """Refuse a date that no calendar has."""
        if text:
            date.fromisoformat(text)
        return text


class Guardrails(TomlTable):
    """What stops an arm; 0: not kept. A stopped arm gets no order, also after the end."""

    unfilled: float = Field(default=0.0, ge=0, le=1)
    """Mean share of an order's lots, from 20 orders of the arm on."""
    costliest_bps: float = Field(default=0.0, ge=0)
    """Mean cost of the costliest 5 % of its orders, from 100 on."""
    daily_loss: float = Field(default=0.0, ge=0)
    """Cost of its fills of a day, in money."""


class ExperimentSection(TomlTable):
    """Section [[experiment]]: strategies of one agent, of which each of its orders draws one at random."""

    name: str = Field(pattern=_NAME, max_length=40)
    """For ever: other terms need another name."""
    agent: str
    strategies: tuple[str, ...] = Field(min_length=2, max_length=8)
    """The first is the baseline."""
    shares: tuple[float, ...] = ()
    """Of orders, by strategy; empty: equal ones."""
    unit: Literal["order", "symbol", "day"] = "order"
    """What draws: an order; all orders of a symbol on a day; all of a day."""
    strata: tuple[Literal["symbol", "side", "size", "hour"], ...] = ("symbol", "side", "size")
    """Classes of orders whose mean costs the analysis takes out."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    """Of the draws: keep it secret."""
    planned: int = Field(default=1000, ge=40, le=10_000_000)
    """Orders at which the interval is about the narrowest."""
    end: ExperimentEnd = ExperimentEnd()
    guardrails: Guardrails = Guardrails()

    @property
    def share_of_arms(self) -> dict[str, float]:
        """Share of assignment by strategy."""
        n = len(self.strategies)
        return dict(zip(self.strategies, self.shares or (1.0 / n,) * n, strict=True))

    @field_validator("strategies")
    @classmethod
    def _strategies_once(cls, strategies: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a strategy that is there twice."""
        if len(set(strategies)) != len(strategies):
            raise ValueError(f"strategies that differ, not {', '.join(strategies)}")
        return strategies

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        """Refuse shares that are not one a strategy, or do not sum to 1."""
        if self.shares and (
            len(self.shares) != len(self.strategies) or not are_shares(self.shares)
        ):
            raise ValueError(
                f"a share of at least {LEAST_SHARE:g} for each of {len(self.strategies)} strategies, 1 in all, "
                f"not {list(self.shares)}, which sum to {sum(self.shares):g}"
            )
        return self


class OrderArrivalsSection(TomlTable):
    """Orders that arrive at the desk, drawn at random."""

    side: Literal["random", "buy", "sell"] = "random"
    share: float = Field(default=0.10, gt=0, le=1)
    """An order's share of the expected volume of a round."""


class SignalsSection(TomlTable):
    """Section [signals]: forecast model, names, and target positions to reach."""

    model: str = OFF
    """`off`, `packaged:NAME`, or the model folder of `tercel signals train`, from the desk's file."""
    names: dict[str, str] = Field(default_factory=dict)
    """An instrument's name in the model and the targets, where it is another: {AAA = "AAPL"}."""
    date: str = Field(default="", pattern=DATE)
    """The day of a session at a venue whose clock has no dates; empty: the weekday after the forecast's."""
    flow: str = OFF
    """A forecaster of the next seconds, by name or folder, of all agents that use one (whether they take alpha or not)."""
    orders: Literal["drawn", "targets", "none"] = "drawn"
    """`drawn`: by [order_arrivals], at random, where no money is; `targets`: from a file of positions to reach; `none`: those
    that people send alone."""
    targets: str = ""
    columns: dict[str, str | list[str]] = Field(default_factory=dict)
    """Column names of the file of targets, ours to the file's, and its number format: {decimal = ","}."""
    """A CSV with name and one of lots, shares, weight, and maybe date; relative to the desk's file."""
    targets_days: float = Field(default=7.0, ge=0)
    """Days after its date for which such a file is traded."""
    capital: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In money: what weights are shares of."""


class RiskSection(TomlTable):
    """Section [risk]: whether risk's posture limits how much and how fast agents trade."""

    posture: Literal["on", "off"] = "on"


@dataclass(frozen=True)
class SizingRule:
    """Parameters of the sizing of a round's parent orders by forecast and posture.

    Parameters
    ----------
    least : float
        Share of the open quantity that is always worked (unless the posture's multiplier is 0).
    confidence : float
        An alpha is acted on beyond so many of its standard deviations.
    scale_bps : float
        A favourable move of so many bps (beyond what confidence asks) defers everything that may be deferred.
    prior_bps : float
        Forecasts are believed at first as if they had held over so many bps (root sum of squares) of forecast moves.
    """

    least: float = 0.25
    confidence: float = 0.1
    scale_bps: float = 12.0
    prior_bps: float = 60.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        shares = 0 <= self.least <= 1
        scales = 0 < self.scale_bps < math.inf and 0 < self.prior_bps < math.inf
        refuse_if(
            not (shares and scales and 0 <= self.confidence < math.inf),
            "least in [0, 1], confidence >= 0, scale_bps and prior_bps > 0",
            f"{self}",
            "correct [loop.sizing]",
        )


@dataclass(frozen=True)
class WeightsRule:
    """Parameters of the multiplicative weights by which agents share the flow.

    Parameters
    ----------
    rate : float
        Learning rate on losses in [0, 1].
    share : float
        Handed round each time: about the rate of changes that is expected.
    floor : float
        Least share of an agent, so that its cost stays measured.
    range_bps : float
        Cost differences within a round beyond this count as this.
    drift_penalty : float
        Factor on the weight of an agent whose observations have drifted away from its card.
    """

    rate: float = 1.0
    share: float = 0.04
    floor: float = 0.04
    range_bps: float = 20.0
    drift_penalty: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        fits = self.rate >= 0 and 0 <= self.share < 1 and 0 <= self.floor < 1 and self.range_bps > 0
        refuse_if(
            not (fits and 0 < self.drift_penalty <= 1),
            "rate >= 0, share and floor in [0, 1), range_bps > 0, drift_penalty in (0, 1]",
            f"{self}",
            "leave the section out for the defaults",
        )


class LoopSection(TomlTable):
    """Feedback of realised trading costs into agents' shares and order sizes."""

    feedback: bool = True
    expert_weights: WeightsRule = WeightsRule()
    sizing: SizingRule = SizingRule()


class LimitsSection(TomlTable):
    """Section [limits]: the limits file, and single limits that replace the file's."""

    file: str = ""
    """A limits file; empty: the packaged one."""
    changed: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Single limits that replace the file's: `"agents.*.long_lots" = 500_000`."""


class AlertsSection(TomlTable):
    """Section [alerts]: webhook and mailboxes that receive alerts, beside log and journal."""

    webhook: Annotated[HttpUrl | None, BeforeValidator(lambda url: url or None)] = None
    """An http(s) URL; empty: none."""
    email: EmailSection | None = None


class DeskConfig(TomlTable):
    """Configuration of a whole desk: all sections of its file."""

    desk: DeskSection = DeskSection()
    data: DataSection = DataSection()
    instrument: tuple[InstrumentSection, ...] = Field(min_length=1)
    agent: tuple[AgentSection, ...] = Field(min_length=1)
    experiment: tuple[ExperimentSection, ...] = ()
    order_arrivals: OrderArrivalsSection = OrderArrivalsSection()
    signals: SignalsSection = SignalsSection()
    risk: RiskSection = RiskSection()
    loop: LoopSection = LoopSection()
    limits: LimitsSection = LimitsSection()
    alerts: AlertsSection = AlertsSection()
    scenario: dict[str, Any] = Field(default_factory=dict)
    """Synthetic effects in the markets of the simulated exchange, which reads them; the desk does not."""

    def with_desk(self, **changes: Any) -> Self:
        """Copy of the configuration with other values in its section [desk]."""
        return self.model_copy(update={"desk": self.desk.model_copy(update=changes)})

    @property
    def experiments(self) -> dict[str, ExperimentSection]:
        """Experiments that are run, by agent."""
        return {section.agent: section for section in self.experiment if self.desk.experiments}

    def strategies_of(self, agent: AgentSection) -> list[str]:
        """Strategies that may send an agent's orders: its own, and those of its experiment."""
        arms = self.experiments[agent.name].strategies if agent.name in self.experiments else ()
        return [*dict.fromkeys((agent.strategy, *arms))]

    @model_validator(mode="after")
    def _experiments_fit(self) -> Self:
        """Refuse an experiment of no agent, and two experiments of one agent."""
        agents = [section.agent for section in self.experiment if self.desk.experiments]
        if unknown := set(agents) - {agent.name for agent in self.agent}:
            raise ValueError(
                f"experiments of agents that exist, not of {', '.join(sorted(unknown))}"
            )
        if twice := {agent for agent in agents if agents.count(agent) > 1}:
            raise ValueError(
                f"one experiment an agent, not two of {', '.join(sorted(twice))}: an order draws one arm"
            )
        return self

    @field_validator("instrument", "agent", "experiment")
    @classmethod
    def _names_once(cls, sections: tuple[Any, ...]) -> tuple[Any, ...]:
        """Refuse a name that occurs twice, and the reserved name `all`."""
        names = [section.name for section in sections]
        if EVERYBODY in names:
            raise ValueError(f"another name than {EVERYBODY}, which means every agent")
        if len(set(names)) != len(names):
            raise ValueError(f"names that differ, not {', '.join(names)}")
        return sections
