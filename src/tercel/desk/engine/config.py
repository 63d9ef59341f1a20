"""The configuration of a desk: one TOML file, read whole or refused.

[desk]        name, stage, seed, rounds, round_s, decision_s, pace, speed
[data]        lake, date, venue, queue, fees: a recorded day to replay or shadow; totals: orders that are made of totals
[[instrument]] name, market
[[agent]]     name, strategy; alpha and posture: whether it takes them; challenger: another strategy, on paper;
              alternatives: further ones on paper, which cannot be promoted
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
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    HttpUrl,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
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

    @field_validator("instrument", "agent")
    @classmethod
    def _names_once(cls, sections: tuple[Any, ...]) -> tuple[Any, ...]:
        """Refuse a name that occurs twice, and the reserved name `all`."""
        names = [section.name for section in sections]
        if EVERYBODY in names:
            raise ValueError(f"another name than {EVERYBODY}, which means every agent")
        if len(set(names)) != len(names):
            raise ValueError(f"names that differ, not {', '.join(names)}")
        return sections
