"""The configuration of a desk: one TOML file, read whole or refused.

[desk]        name, stage, seed, rounds, round_s, decision_s, pace, speed
[data]        lake, date, venue, queue, fees: a recorded day to replay or shadow; totals: orders that are made of totals
[[instrument]] name, market
[[agent]]     name, strategy; alpha and posture: whether it takes them; challenger: another strategy, on paper
[order_arrivals] side, share: the orders that come in
[signals]     model, names, date, flow; orders, targets, targets_days, capital: positions to reach
[risk]        posture
[loop]        feedback, hedge, sizing
[limits]      file
[alerts]      webhook
[scenario]    (the simulated exchange) synthetic drift, news and changes of its markets
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
)

from tercel.core.errors import offer
from tercel.core.toml import TomlTable
from tercel.desk.rounds.sizing import SizingRule, WeightsRule
from tercel.execution.market import Market
from tercel.market.simulator.levels import DEFAULT

CLOSING_S: Final = 5.0
"""Before the end of a round, when its parents' horizons end: the next round finds them over."""
_FOLDER: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
# What a listing or an account may be called: it travels in FIX fields, file names, labels of metrics.
_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.:/^=&+-]*$"


REPLAY, SHADOW, PAPER, LIVE = "replay", "shadow", "paper", "live"
STAGES: Final = (REPLAY, SHADOW, PAPER, LIVE)
OFF: Final = "off"
EVERYBODY: Final = "all"
"""Who a kill of no agent by name stops."""


def _preset(said: object) -> object:
    """A market that is simulated as its preset has it, by name or as a ``.json`` file."""
    if not isinstance(said, str | Market):
        raise ValueError("the name of a preset market")
    return Market(said) if isinstance(said, str) else said


PresetMarket = Annotated[
    Market,
    BeforeValidator(_preset),
    PlainSerializer(lambda market: market.preset),
    WithJsonSchema({"type": "string"}),
]


class DeskSection(TomlTable):
    """The desk itself."""

    name: str = Field(default="desk", pattern=_FOLDER, max_length=64)
    stage: str = ""
    """`replay` or `shadow` of recorded days, `shadow` of a venue's public data, `paper` at its testnet, `live`; empty:
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
    settings file of QuickFIX; `binance[:NET or FILE.toml]`, Binance Spot; `gate:PATH`, a gate before one."""

    @field_validator("stage")
    @classmethod
    def _known_stage(cls, said: str) -> str:
        if said and said not in STAGES:
            raise ValueError(
                f"a stage: {', '.join(STAGES)}; {offer(said, STAGES, 'name one of them')}"
            )
        return said


class DataSection(TomlTable):
    """Recorded market data."""

    lake: str = ""
    """A lake of tapes, from the desk's file; each instrument is a symbol in it."""
    date: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$")
    """Empty: the longest day, by its events; of equal ones the last."""
    venue: str = ""
    """Of the lake, where it has the symbol of several."""
    queue: str = DEFAULT
    """Model of queues where totals alone are shown."""
    maker_bps: float = Field(default=0.0, ge=-1000, le=1000)
    taker_bps: float = Field(default=0.0, ge=-1000, le=1000)
    """Fees of the venue that the day is of."""
    totals: bool = False
    """(a venue's data) What it shows as orders is made of level totals, and queues are guessed by the model."""


class InstrumentSection(TomlTable):
    """An instrument of the simulated exchange, or a listing of another venue."""

    name: str = Field(pattern=_NAME, max_length=16)
    market: PresetMarket = Market("csco-santa-fe")
    currency: str = Field(default="", pattern=r"^[A-Z]{0,8}$")
    """Of its prices where the exchange is simulated or a recorded day: "USD"; another venue tells its own."""


class AgentSection(TomlTable):
    """An agent of the desk."""

    name: str = Field(pattern=_NAME, max_length=24)
    strategy: str
    """A written strategy, or `packaged:NAME`, or `policy:FOLDER`, or `policy:NAME@champion` of the registry."""
    alpha: bool = True
    posture: bool = True
    challenger: str = ""


class OrderArrivalsSection(TomlTable):
    """The orders that come in."""

    side: Literal["random", "buy", "sell"] = "random"
    share: float = Field(default=0.10, gt=0, le=1)
    """Of the volume expected in a round."""


class SignalsSection(TomlTable):
    """Which way."""

    model: str = OFF
    """`off`, `packaged:NAME`, or the model folder of `tercel signals train`, from the desk's file."""
    names: dict[str, str] = Field(default_factory=dict)
    """An instrument's name in the model and the targets, where it is another: {AAA = "AAPL"}."""
    date: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$")
    """The day of a session at a venue whose clock has no dates; empty: the weekday after the forecast's."""
    flow: str = OFF
    """A forecaster of the next seconds, by name or folder, of all agents that use one (whether they take alpha or not)."""
    orders: Literal["drawn", "targets", "none"] = "drawn"
    """`drawn`: by [order_arrivals], at random, where no money is; `targets`: from a file of positions to reach; `none`: those
    that people send alone."""
    targets: str = ""
    columns: dict[str, str | list[str]] = Field(default_factory=dict)
    """What columns of the file of targets are called, ours to theirs, and how it is written: {decimal = ","}."""
    """A CSV with name and one of lots, shares, weight, and maybe date; from the desk's file."""
    targets_days: float = Field(default=7.0, ge=0)
    """Days after its date for which such a file is traded."""
    capital: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In money: what weights are shares of."""


class RiskSection(TomlTable):
    """How much and how fast."""

    posture: Literal["on", "off"] = "on"


class LoopSection(TomlTable):
    """What trading really cost, and what is made of it."""

    feedback: bool = True
    hedge: WeightsRule = WeightsRule()
    sizing: SizingRule = SizingRule()


class LimitsSection(TomlTable):
    """Hard limits."""

    file: str = ""
    """A limits file; empty: the packaged one."""
    changed: dict[str, int | float | str] = Field(default_factory=dict)
    """Single limits in the place of the file's: `"agents.*.long_lots" = 500_000`."""


class AlertsSection(TomlTable):
    """Where alerts go, beside the log and the journal."""

    webhook: str = ""


class DeskConfig(TomlTable):
    """A whole desk."""

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
    """What is planted in the markets of the simulated exchange, which reads it; the desk does not."""

    def with_desk(self, **changes: Any) -> Self:
        """The same with other values in its `[desk]`."""
        return self.model_copy(update={"desk": self.desk.model_copy(update=changes)})

    @field_validator("instrument", "agent")
    @classmethod
    def _names_once(cls, sections: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [section.name for section in sections]
        if EVERYBODY in names:
            raise ValueError(f"another name than {EVERYBODY}, which means every agent")
        if len(set(names)) != len(names):
            raise ValueError(f"names that differ, not {', '.join(names)}")
        return sections
