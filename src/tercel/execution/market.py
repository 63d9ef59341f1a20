"""`Market`: the choice of a market for an order: synthetic, calibrated or recorded, with its impact, fees and
latencies; it reads and runs nothing. `make_market` reads a market's files first. Also fees and latencies from text."""

import math
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known, refuse_if, split_commas
from tercel.core.vocabulary import TAPE_LAWS
from tercel.execution.task import Latency, Task
from tercel.market.dealers.panel import DRAWN, resolve_panel
from tercel.market.flow import registry as presets
from tercel.market.flow.resampled import ResampledPreset
from tercel.market.impact.law import LAWS, ImpactLaw
from tercel.market.simulator.bounds import ALL_BOUNDS, UNDERCUT
from tercel.market.simulator.queue_models import DEFAULT, queue_model
from tercel.market.simulator.terms import NO_FEES, Fees, receive_delays
from tercel.market.tape import Lake

MOST_MS = 60_000.0
# Law of impact on a tape, if none is named.
TAPE_LAW = "square_root"
TAPE = "tape"
AT_ONCE: Final = Latency()


@dataclass(frozen=True)
class Market:
    """A choice of market; :func:`tercel.load_market`, :func:`tercel.replay` and :func:`tercel.calibrate` make one.

    It only checks its fields: that its files exist and read, `make_market` and every use find out.

    Parameters
    ----------
    preset : str
        A simulated market, by name or as a ``.json`` file; empty on tape.
    lake, symbol : str
        Recorded days, and whose (several with commas, none for a list of orders); empty in a simulated market.
    days : tuple of str
        Days to judge on, YYYY-MM-DD; none: the later third. Days before them are for training and estimates.
    impact : str
        Law of impact. Of a preset: none, translation, weights, or "" for what it carries. On tape: none, square_root
        (also ""), propagator.
    fees : Fees
        Of the venue: price units a share, or bps of the value.
    latency, feed_latency : Latency
        Delays of orders and of market data; none: as in the task.
    regimes : str
        Regimes of a simulated market (chain, season, a name, a file); "": none.
    queue : str
        Queue model of tapes that show level totals alone.
    dealers : str
        Dealers that answer requests for quote beside the book of a simulated market, and a crossing session: a panel's
        name or file (`market.dealers`), `drawn` (other dealers for each seed of episodes); "": no dealers.
    bound : str
        Fill assumption on recorded days: at an equal price the own order fills first (kind), the tape's fills first
        (strict), or the tape's fills first and an own order alone inside the spread is undercut (undercut; also ""). On
        level totals: the queue model, every cancel ahead of the own order (optimistic), or all that is shown at its price,
        now and later (pessimistic).
    passive_impact : float
        From 0 to 1: a lot that a resting order fills moves the price as so many that are taken. Nobody has measured it
        (docs/concepts/impact.md): look at both ends.
    impact_scale : float
        Factor of the law's displacements.

    Raises
    ------
    ConfigError, UnknownNameError
        A ratio or factor out of range, a law or queue model that does not exist, a market on tape and not.

    >>> Market(lake="days", symbol="AMZN").impact
    'square_root'
    """

    preset: str = ""
    lake: str = ""
    symbol: str = ""
    days: tuple[str, ...] = ()
    impact: str = ""
    fees: Fees = NO_FEES
    latency: Latency = AT_ONCE
    feed_latency: Latency = AT_ONCE
    regimes: str = ""
    queue: str = DEFAULT
    bound: str = ""
    dealers: str = ""
    passive_impact: float = 1.0
    impact_scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the fields (ConfigError), fill in defaults and absolute paths."""
        for is_wrong, expected, received, remedy in (
            (
                bool(self.preset) == bool(self.lake) or (self.symbol and not self.lake),
                "a preset, or a lake and a symbol",
                f"preset {self.preset!r}, lake {self.lake!r}, symbol {self.symbol!r}",
                "call load_market(name) or replay(lake, symbol)",
            ),
            (
                self.lake and self.regimes,
                "regimes in a simulated market",
                "`regimes=` with `tape=`",
                "a tape has its own",
            ),
            (
                self.queue != DEFAULT and not self.lake,
                "`queue=` with `tape=`",
                "`queue=` alone",
                "a simulated market has a queue of its own",
            ),
            (
                self.bound and not self.lake,
                "`bound=` with `tape=`",
                "`bound=` alone",
                "a simulated market answers by itself",
            ),
            (
                self.lake and self.dealers,
                "`dealers=` in a simulated market",
                "`dealers=` with `tape=`",
                "a tape does not answer: dealers' trades would move nothing",
            ),
            (
                not (isinstance(self.passive_impact, Real) and 0.0 <= self.passive_impact <= 1.0),
                "a ratio from 0 to 1: impact of a resting fill to that of a take",
                f"`passive_impact={self.passive_impact}`",
                "such as `passive_impact=0.5`",
            ),
            (
                not (isinstance(self.impact_scale, Real) and 0.0 < self.impact_scale < math.inf),
                "a factor of impact above 0",
                f"`impact_scale={self.impact_scale}`",
                "such as `impact_scale=2`; without impact: `impact=none`",
            ),
        ):
            refuse_if(is_wrong, expected, received, remedy)
        if self.lake:
            object.__setattr__(self, "bound", self.bound or UNDERCUT)
            check_known(
                self.bound, ALL_BOUNDS, "a bound on fills:", f"`bound={self.bound}`", ConfigError
            )
        queue_model(self.queue)
        laws, market_kind = (TAPE_LAWS, "a tape") if self.on_tape else (LAWS, "a preset's market")
        if self.impact:
            check_known(
                self.impact,
                laws,
                f"an impact law of {market_kind}:",
                f"`impact={self.impact}`",
                ConfigError,
            )
        elif self.on_tape:
            object.__setattr__(self, "impact", TAPE_LAW)
        if self.on_tape or self.preset.endswith(".json"):
            name = "lake" if self.on_tape else "preset"
            object.__setattr__(self, name, str(Path(getattr(self, name)).resolve()))

    @property
    def name(self) -> str:
        """Name of the market in tables."""
        return ", ".join(self.by_symbol())

    @property
    def on_tape(self) -> bool:
        """Whether recorded days are replayed."""
        return bool(self.lake)

    @property
    def answers(self) -> bool:
        """Whether the market reacts to own trades: always if simulated (also with impact none), on a tape by its impact law."""
        return not self.on_tape or self.impact != "none"

    @property
    def impact_terms(self) -> dict[str, float]:
        """`passive_impact` and `impact_scale`, those that are not 1."""
        terms = {"passive_impact": self.passive_impact, "impact_scale": self.impact_scale}
        return {name: value for name, value in terms.items() if value != 1.0}

    def describe_impact(self) -> str:
        """Name of the law of impact, and what is assumed of it."""
        scale = f", times {self.impact_scale:g}" * (self.impact_scale != 1.0)
        resting = f", a resting fill counts {self.passive_impact:g} of a take"
        return self.impact + (scale + resting) * (self.impact != "none")

    def scaled(self, law: ImpactLaw | None) -> ImpactLaw | None:
        """The law of impact that own fills have in this market, of the one that its days or preset give."""
        return law and law.scaled(self.impact_scale, self.passive_impact)

    def by_symbol(self) -> dict[str, "Market"]:
        """A market for each single symbol of a tape, by "SYMBOL tape"; a simulated market alone, by its preset's name."""
        if self.on_tape:
            return {
                f"{symbol} tape": replace(self, symbol=symbol)
                for symbol in split_commas(self.symbol)
            }
        return {presets.load(self.preset).name: self}

    def lots(self, task: Task) -> int:
        """Lots of the task's order in a simulated market, by the preset's volume per second; ConfigError on a tape.

        Raises
        ------
        ConfigError
            On tape, where the size goes by the time of day.
        """
        refuse_if(
            self.on_tape,
            "a simulated market",
            self.name,
            "ask result.episode(i) for the lots of an order",
        )
        return task.lots(presets.load(self.preset).volume_per_s)


def make_market(preset: str = "", *, dealers: str = "", **terms: Any) -> Market:
    """A `Market` whose files were read: a preset of resampled days becomes the tape that its days are written to.

    Parameters
    ----------
    preset, dealers
        See `Market`; a panel of dealers is read once to check it.
    **terms
        The other fields of `Market`.

    Raises
    ------
    ConfigError, UnknownNameError
        As `Market`, and a file that is missing or does not read.
    TapeError
        Resampled days of a lake that does not hold them any more.

    >>> make_market("csco-santa-fe", dealers="equity").name
    'csco-santa-fe'
    """
    loaded = presets.load(preset) if preset.endswith(".json") else None
    if isinstance(loaded, ResampledPreset):
        preset = ""
        terms |= {"lake": str(loaded.write_days()), "symbol": loaded.symbol}
    if dealers and dealers != DRAWN:
        dealers = resolve_panel(dealers)
    return Market(preset, dealers=dealers, **terms)


def fees_of(fees: Fees | str | None) -> Fees:
    """Fees from text: MAKER,TAKER in price units per share, or MAKER,TAKERbps of the value; no fees for None, `Fees` as given.

    >>> fees_of("-0.002,0.003"), fees_of("1,5bps").unit
    (Fees(maker=-0.002, taker=0.003, unit='share'), 'bps')
    """
    if not isinstance(fees, str):
        return fees or NO_FEES
    unit = "bps" if fees.endswith("bps") else "share"
    try:
        maker, taker = (float(part) for part in fees.removesuffix("bps").split(","))
    except ValueError as error:
        raise ConfigError(
            "fees as MAKER,TAKER",
            f"`fees={fees}`",
            "such as `fees=-0.002,0.003` (price units a share) or `fees=1,5bps`; below 0 is a rebate",
        ) from error
    return Fees(maker, taker, unit)


def latency_of(
    latency: Latency | float | str, name: str, lake: Path | str = "", symbols: str | None = ""
) -> Latency:
    """Latency from a number or text in milliseconds: X, A,B for uniform, or `tape` for receive delays of the first
    recorded day of `lake`; `name` is the option's, for errors.

    >>> latency_of("2.5", "latency").a_ns, latency_of("1,3", "latency").kind
    (2500000, 'uniform')
    """
    if isinstance(latency, Latency):
        return latency
    text = str(latency)
    if text == TAPE:
        if not lake or not symbols:
            raise ConfigError(
                "a recorded day to take the latency from",
                f"`{name}=tape`",
                "add `tape=` and `symbol=`",
            )
        days = Lake(lake)
        symbol = split_commas(symbols)[0]
        _, events = days.read(symbol, next(iter(days.days(symbol))))
        return Latency("empirical", values_ns=receive_delays(events))
    try:
        bounds = [float(part) for part in text.split(",")]
    except ValueError:
        bounds = []
    refuse_if(
        not 1 <= len(bounds) <= 2
        or any(not (math.isfinite(ms) and 0 <= ms <= MOST_MS) for ms in bounds),
        f"milliseconds from 0 to {MOST_MS:,.0f}, or two bounds",
        f"`{name}={text}`",
        f"such as `{name}=5`, `{name}=2,10` or, with `tape=`, `{name}=tape`",
    )
    low, *high = (round(ms * 1e6) for ms in bounds)
    return Latency("uniform", low, high[0]) if high else Latency("constant", low)


def describe_terms(fees: Fees, entry: Latency, feed: Latency) -> list[str]:
    """Sentences on fees and latencies for readers of a table; none for what is free or immediate."""
    sentences = []
    if not fees.free:
        unit = "bps of the value" if fees.unit == "bps" else "a share"
        sentences.append(
            f"Fees: {fees.maker:g} {unit} for resting orders, {fees.taker:g} for taking."
        )
    late = [
        f"{name} {_describe_latency(latency)}"
        for name, latency in (("order entry", entry), ("feed", feed))
        if latency != Latency()
    ]
    return [*sentences, *([f"Latency: {', '.join(late)}."] if late else [])]


def _describe_latency(latency: Latency) -> str:
    """A latency as text."""
    a = latency.a_ns / 1e6
    b = latency.b_ns / 1e6
    if latency.kind == "empirical":
        return f"as the tape's receipt, {latency.mean_ns / 1e6:.3g} ms on average"
    if latency.kind == "uniform":
        return f"{a:g} to {b:g} ms"
    return f"{a:g} ms" + (f" and {b:g} ms more on average" if latency.kind == "exponential" else "")
