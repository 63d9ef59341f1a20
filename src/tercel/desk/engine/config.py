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

`check_stage` and `check_live` refuse a stage that contradicts venue or data, and live trading without its evidence.
"""

import datetime as dt
import math
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
)

from tercel.core.errors import ConfigError, JournalError, TercelError, offer
from tercel.core.ports import Venue
from tercel.core.toml import TomlTable
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.limits import Limits, check_own, hash_of
from tercel.desk.limits.file import MONEY
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import (
    KillEntry,
    LimitsEntry,
    OperatorEntry,
    RearmEntry,
    SessionEntry,
)
from tercel.desk.trading.journal.store import JournalReader, verify
from tercel.execution.market import Market
from tercel.market.simulator.levels import DEFAULT
from tercel.venues.address import SIMULATED, money_at

CLOSING_S: Final = 5.0
"""Before the end of a round, when its parents' horizons end: the next round finds them over."""
_FOLDER: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
# What a listing or an account may be called: it travels in FIX fields, file names, labels of metrics.
_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.:/^=&+-]*$"


REPLAY, SHADOW, PAPER, LIVE = "replay", "shadow", "paper", "live"
STAGES: Final = (REPLAY, SHADOW, PAPER, LIVE)
OFF: Final = "off"
EVERYBODY: Final = "all"
"""Reserved name of all agents, which a kill without an agent's name stops."""


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
    """(a venue's data) True: the venue shows totals by price level, and `queue` estimates queue positions."""


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
    """A rule, a strategy's name of an installed package, `packaged:NAME`, `policy:FOLDER`, or `policy:NAME@champion` of the
    registry."""
    alpha: bool = True
    posture: bool = True
    challenger: str = ""


class OrderArrivalsSection(TomlTable):
    """Orders that arrive at the desk, drawn at random."""

    side: Literal["random", "buy", "sell"] = "random"
    share: float = Field(default=0.10, gt=0, le=1)
    """An order's share of the expected volume of a round."""


class SignalsSection(TomlTable):
    """Forecasts and target positions."""

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
    """Column names of the file of targets, ours to the file's, and its number format: {decimal = ","}."""
    """A CSV with name and one of lots, shares, weight, and maybe date; relative to the desk's file."""
    targets_days: float = Field(default=7.0, ge=0)
    """Days after its date for which such a file is traded."""
    capital: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In money: what weights are shares of."""


class RiskSection(TomlTable):
    """How much and how fast."""

    posture: Literal["on", "off"] = "on"


@dataclass(frozen=True)
class SizingRule:
    """Parameters of the sizing.

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
        if not (shares and scales and 0 <= self.confidence < math.inf):
            raise ConfigError(
                "least in [0, 1], confidence >= 0, scale_bps and prior_bps > 0",
                f"{self}",
                "correct [loop.sizing]",
            )


@dataclass(frozen=True)
class WeightsRule:
    """Parameters of the aggregation.

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
        if not (fits and 0 < self.drift_penalty <= 1):
            raise ConfigError(
                "rate >= 0, share and floor in [0, 1), range_bps > 0, drift_penalty in (0, 1]",
                f"{self}",
                "leave the section out for the defaults",
            )


class LoopSection(TomlTable):
    """Feedback of realised trading costs into agents' shares and order sizes."""

    feedback: bool = True
    hedge: WeightsRule = WeightsRule()
    sizing: SizingRule = SizingRule()


class LimitsSection(TomlTable):
    """Hard limits."""

    file: str = ""
    """A limits file; empty: the packaged one."""
    changed: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Single limits that replace the file's: `"agents.*.long_lots" = 500_000`."""


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
    """Synthetic effects in the markets of the simulated exchange, which reads them; the desk does not."""

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


CLOCK_S: Final = 0.1


def check_stage(config: DeskConfig) -> None:
    """Refuse a stage that contradicts its venue or its data.

    Raises
    ------
    ConfigError
    """
    stage, recorded, simulated = (
        config.desk.stage,
        bool(config.data.lake),
        config.desk.venue == SIMULATED,
    )
    said = f'stage = "{stage}"' if stage else "no stage"
    where = f'venue = "{config.desk.venue}"'
    nothing, stays = (
        f"{said}, {where} and no [data]",
        f'say stage = "{SHADOW}" for orders that stay here',
    )
    rules = (
        (
            stage in ("", PAPER, LIVE) and recorded,
            'stage = "replay" or "shadow" with recorded data',
            f"{said} and a lake under [data]",
            "say it in [desk]",
        ),
        (
            recorded and not simulated,
            "recorded data or a venue's",
            f"both [data] and {where}",
            "leave one out",
        ),
        (
            stage == REPLAY and not recorded,
            'stage = "replay" over a recorded day',
            nothing,
            "name a lake under [data]; a market that is made needs no stage",
        ),
        (
            stage == SHADOW and not recorded and simulated,
            'stage = "shadow" over market data',
            nothing,
            "name a lake under [data], or the venue whose public data are to be watched",
        ),
        (
            stage in (PAPER, LIVE) and simulated,
            f'stage = "{stage}" at a venue',
            f"{said} and {where}",
            f"name the venue, or {stays}",
        ),
        (
            bool(config.scenario) and (recorded or not simulated),
            "[scenario] where markets are simulated, which it plants drift, changes and news in",
            f"[scenario] and {'[data]' if recorded else where}",
            "delete [scenario] and the tables under it",
        ),
    )
    for wrong, *words in rules:
        if wrong:
            raise ConfigError(*words)


def asks_live(config: DeskConfig, beside: Path | None = None) -> str:
    """Why a desk must meet the requirements of live trading; "" if its orders stay here or move no money.

    Raises
    ------
    TercelError
        The venue does not answer (`venues.address.money_at`), or the stage is `paper` at a venue that moves money.
    """
    if config.desk.stage in (REPLAY, SHADOW):
        return ""
    why = f'stage = "{LIVE}"' if config.desk.stage == LIVE else money_at(config.desk.venue, beside)
    _refuse_paper(config, why)
    return why


def _refuse_paper(config: DeskConfig, why: str) -> None:
    if why and config.desk.stage == PAPER:
        raise ConfigError(
            f'stage = "{PAPER}" at a venue that is provably a test',
            why,
            f'name its test network, or say stage = "{LIVE}" and show what it asks: docs/howto/gate.md',
        )


# -- live -------------------------------------------------------------------------------------------------------------


def largest_loss(limits: Limits) -> str:
    """The most that the limits let a desk lose before it is killed, in money.

    >>> from tercel.desk.limits import default_file, read
    >>> largest_loss(read(default_file()))
    '250,000'
    """
    return f"{min(limits.desk.daily_loss, limits.desk.drawdown) / MONEY:,.8g}"


def sentence(config: DeskConfig, limits: Limits) -> str:
    """Confirmation text that a person types before a desk trades live."""
    accounts = ", ".join(agent.name for agent in config.agent)
    return f"trade live at {config.desk.venue} as {accounts}, lose {largest_loss(limits)} at most"


def check_live(
    config: DeskConfig, limits: Limits, typed: str, tried: Path, now_ns: int, why: str
) -> None:
    """Refuse to trade live unless every precondition holds.

    Parameters
    ----------
    config : DeskConfig
    limits : Limits
        In force.
    typed : str
        A person's word: :func:`sentence`.
    tried : Path
        Folder of the desk in whose journal the kill switch was tried today.
    now_ns : int
        The wall's time, ns since 1970.
    why : str
        Why live trading is checked: :func:`asks_live`.

    Raises
    ------
    ConfigError
    """
    _refuse_paper(config, why)  # of a gate's venue it is not known before
    check_own(
        config.limits.file,
        config.limits.changed,
        "no stage in the desk's file, at " * (not config.desk.stage)
        + f"{why}; every requirement of live trading applies: docs/howto/crypto.md#what-live-asks",
    )
    if config.signals.orders == "drawn":
        raise ConfigError(
            "orders of people or of a file",
            f'signals.orders = "drawn", at random by a seed ({why})',
            'say orders = "none" under [signals] for those that people send, or "targets"',
        )
    today = dt.datetime.fromtimestamp(now_ns / NS_PER_SECOND, dt.UTC).date()
    if today not in kills_tried(tried, config, limits):
        wanted = f"a kill switch that was tried on {today} by this desk in shadow or on paper, with these limits"
        raise ConfigError(
            wanted,
            f"none confirmed in {tried} ({why})",
            f'run this desk\'s file with stage = "{SHADOW}" or "{PAPER}", tercel kill and tercel rearm there, and '
            "name its folder with `tried=DIR`; what else it asks: docs/howto/crypto.md#what-live-asks",
        )
    if typed.strip() != (wanted := sentence(config, limits)):
        said = repr(typed.strip()) if typed.strip() else "none"
        raise ConfigError(f'the words "{wanted}"', f"{said} ({why})", f'`confirm="{wanted}"`')


def identity(config: DeskConfig) -> dict[str, Any]:
    """Identity of a desk in its journal's sessions: name, stage, recorded data or not, strategies by agent."""
    desk = config.desk
    return {
        "name": desk.name,
        "stage": desk.stage,
        "recorded": bool(config.data.lake),
        "agents": {one.name: one.strategy for one in config.agent},
    }


def kills_tried(folder: Path, config: DeskConfig, limits: Limits) -> set[dt.date]:
    """Days (UTC) on which a person's kill of an agent was confirmed by the venue and taken back, by the journal of the
    same desk in shadow or on paper, not over recorded data: its name, its agents and the limits in force.

    Raises
    ------
    ConfigError
        A journal that fails verification, or was written with another key.
    """
    # `asked` holds days by person and agent; `kills` the person by event and agent.
    asked, kills, days, fits, same = (
        dict[Any, dt.date](),
        dict[Any, str](),
        set[dt.date](),
        False,
        False,
    )
    known = [identity(config) | {"stage": stage} for stage in (SHADOW, PAPER)]
    with suppress(JournalError), closing(JournalReader(folder)) as journal:
        if fault := verify(folder).fault:
            raise ConfigError(
                "a journal that is as it was written",
                f"{folder}, {fault}",
                "try the kill switch again",
            )
        for _, entry in journal.read(
            0, (kinds.SESSION, kinds.LIMITS, kinds.OPERATOR, kinds.KILL, kinds.REARM)
        ):
            if entry.kind == kinds.SESSION:
                fits, asked, kills = SessionEntry.of(entry).desk in known, {}, {}
            elif entry.kind == kinds.LIMITS and (body := LimitsEntry.of(entry)).hash:
                same = body.hash == hash_of(limits)
            elif (
                entry.kind == kinds.OPERATOR and (said := OperatorEntry.of(entry)).command == "kill"
            ):
                day = dt.datetime.fromtimestamp(said.wall_ns / NS_PER_SECOND, dt.UTC).date()
                whom = said.asked().agents or [one.name for one in config.agent]
                asked |= {(said.by, one): day for one in whom}
            elif entry.kind == kinds.KILL:
                kill = KillEntry.of(entry)
                kills[kill.event, kill.scope] = kill.by
            elif entry.kind == kinds.REARM and (rearm := RearmEntry.of(entry)).ends is None:
                scope = rearm.scope
                key, confirmed = (
                    (kills.pop(("latched", scope), ""), scope),
                    kills.pop(("confirmed", scope), None),
                )
                if confirmed is not None and key in asked and fits and same:
                    days.add(asked.pop(key))
    return days


def check_clock(venue: Venue, folders: Iterable[Path]) -> None:
    """Refuse a venue whose clock is not known, or is off by more than :data:`CLOCK_S`.

    Parameters
    ----------
    venue : Venue
    folders : iterable of Path
        Journals whose heartbeats tell it, where the venue does not: the desk's, its gate's.

    Raises
    ------
    ConfigError
    """
    session = venue.capabilities.session
    ahead = (
        None if session is None or session.ahead_ns is None else session.ahead_ns / NS_PER_SECOND
    )
    for folder in folders if ahead is None else ():
        with suppress(TercelError), closing(JournalReader(folder)) as journal:
            offsets = [
                entry.body.get("clock_s") for _, entry in journal.read(0, (kinds.HEARTBEAT,))
            ]
            ahead = next((float(one) for one in reversed(offsets) if one is not None), ahead)
    if ahead is None or abs(ahead) > CLOCK_S:
        received = (
            "a venue that does not tell its time"
            if ahead is None
            else f"one {ahead:+.3f} s ahead of the venue's"
        )
        remedy = (
            "set this machine's clock by a time server"
            if ahead is not None
            else "ask the venue for dated messages"
        )
        raise ConfigError(
            f'stage = "{LIVE}" with a clock within {CLOCK_S:g} s of the venue\'s', received, remedy
        )
