"""Command-line options for the market and the order, shared by several commands."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from tercel.cli.options import StrategyOption, Symbols, share_of
from tercel.core.errors import ConfigError, refuse_if, split_commas

if TYPE_CHECKING:
    from tercel.execution.market import Market
    from tercel.execution.task import Task

Impact = Annotated[
    str | None,
    typer.Option(
        help="Law of impact: of a tape square_root (default), propagator, none; of presets none, translation, weights "
        "(default: what they have).",
        metavar="LAW",
    ),
]


PassiveImpact = Annotated[
    float | None,
    typer.Option(
        help="Impact of a resting fill to that of a take, 0 to 1 (default: 1; not known, look at both ends).",
        metavar="X",
    ),
]
ImpactScale = Annotated[
    float | None,
    typer.Option(help="Factor of the law's impact, above 0 (default: 1).", metavar="X"),
]
Assume = Annotated[
    str | None,
    typer.Option(
        help="Gains under other assumptions, one at a time: both ends of the impact of resting fills, 100 ms and 1 s of "
        "latency, 1 bps of taker fees. Default: all, from 100 orders on.",
        metavar="none|impact,latency,fees",
    ),
]
Bound = Annotated[
    str | None,
    typer.Option(
        help="(--tape) Fill assumption: kind (recorded trades fill own orders at their price once nothing is ahead), strict "
        "(only trades through it do), undercut (as strict; an own order alone inside the spread may be undercut; default). "
        "On level totals: optimistic (every cancel ahead of own orders), pessimistic (all shown at their price ahead), else "
        "the queue model.",
        metavar="kind|strict|undercut",
    ),
]


def impact_terms(passive_impact: float | None, impact_scale: float | None) -> dict[str, float]:
    """What was typed of `--passive-impact` and `--impact-scale`, as fields of a market."""
    typed = {"passive_impact": passive_impact, "impact_scale": impact_scale}
    return {name: value for name, value in typed.items() if value is not None}


@dataclass(frozen=True)
class MarketOptions:
    """Options for the market, as typed; None: not given."""

    several: ClassVar[bool] = False
    """Whether the command takes more than one market."""

    market: Annotated[
        list[str] | None,
        typer.Option(
            "--market",
            help="Preset market, by name or as a .json file (default: goog; an unknown name lists them); of several, "
            "where a command takes them, the first one's table is printed.",
            metavar="NAME",
        ),
    ] = None
    tape: Annotated[
        Path | None,
        typer.Option(
            help="This lake's real days: learn on the earlier ones, judge on the later.",
            metavar="LAKE",
        ),
    ] = None
    symbol: Symbols = None
    impact: Impact = None
    passive_impact: PassiveImpact = None
    impact_scale: ImpactScale = None
    bound: Bound = None

    def __post_init__(self) -> None:
        """Refuse empty names, half a tape, and several markets where a command takes one.

        Raises
        ------
        ConfigError
        """
        for option, value in (
            ("--market", self.market and ",".join(self.market)),
            ("--impact", self.impact),
            ("--bound", self.bound),
        ):
            refuse_if(
                value == "",
                f"a name with {option}",
                "an empty one",
                f"leave {option} out for the default",
            )
        if not self.by_list and (self.tape is None) != (self.symbol is None):
            typed_option, missing = (
                ("--tape", "--symbol") if self.symbol is None else ("--symbol", "--tape")
            )
            raise ConfigError(
                "--tape and --symbol together",
                f"{typed_option} alone",
                f"add {missing}; `tercel data list --lake LAKE` names what a lake holds",
            )
        refuse_if(
            self.bound is not None and self.tape is None,
            "--bound with --tape",
            "--bound alone",
            "add --tape and --symbol, or leave --bound out",
        )
        refuse_if(
            not self.several and len(self.presets) + (self.tape is not None) > 1,
            "one market, of --market or --tape",
            " and ".join([*self.presets, *([f"--tape {self.tape}"] if self.tape else [])]),
            "leave all but one out",
        )

    @property
    def presets(self) -> list[str]:
        """Names of the typed presets."""
        return split_commas(",".join(self.market or ()))

    @property
    def by_list(self) -> bool:
        """Whether the symbols come from a file of orders; False here, `JudgedOptions` overrides it."""
        return False

    def markets(
        self, regimes: str = "", days: tuple[str, ...] = (), **terms: Any
    ) -> "list[Market]":
        """Markets of the typed presets (the default one without a tape), then that of the tape; `days` is for the tape,
        `regimes` for presets (for the tape if there is none). Raises for what does not exist."""
        from tercel.execution.market import Market, make_market
        from tercel.lab.evaluation.market import resolve_markets
        from tercel.market.flow.registry import DEFAULT

        names = self.presets
        law = self.impact or ""
        terms |= impact_terms(self.passive_impact, self.impact_scale)
        if self.tape is None:
            terms["impact"] = law
            names = names or [DEFAULT]
        markets = [make_market(name, regimes=regimes, **terms) for name in names]
        if self.tape is not None:
            tape = Market(
                "",
                str(self.tape),
                self.symbol or "",
                days,
                law,
                regimes="" if names else regimes,
                bound=self.bound or "",
                **terms,
            )
            markets.append(tape)
        for market in markets:
            resolve_markets(market)
        return markets


@dataclass(frozen=True)
class TypedOrder:
    """Options for the order, as typed; None: not given."""

    side: Annotated[
        str | None, typer.Option(help="buy, sell or both (default).", metavar="SIDE")
    ] = None
    share: Annotated[
        float | None,
        typer.Option(
            help="The order, as a share of the volume expected in its time: 0.1 (default) or 10%.",
            metavar="X",
            parser=share_of,
        ),
    ] = None
    quantity: Annotated[
        int | None,
        typer.Option(
            help="The order in lots, instead of a share; of US equities shares.", metavar="N"
        ),
    ] = None
    horizon: Annotated[
        str | None,
        typer.Option(help="Time to execute it: 30min (default), 2h, seconds.", metavar="SPAN"),
    ] = None
    start: Annotated[
        str | None,
        typer.Option(
            help="(--tape) It arrives at this local time of the exchange, on every day of the lake; agents learn from "
            "other hours.",
            metavar="HH:MM",
        ),
    ] = None
    end: Annotated[
        str | None,
        typer.Option(
            help="(--start) Its horizon by the clock, instead of --horizon.", metavar="HH:MM"
        ),
    ] = None
    decisions: Annotated[
        int | None, typer.Option(help="Decisions at most (default: 60).", metavar="N")
    ] = None
    limit_price: Annotated[
        str | None,
        typer.Option(
            help="Limit price: a price (--tape, one side), or 25bps beyond the mid at arrival.",
            metavar="PRICE",
        ),
    ] = None
    orders: Annotated[
        Path | None,
        typer.Option(
            help="(--tape) A CSV of orders instead of one: time, symbol, side, quantity, horizon, limit.",
            metavar="FILE",
        ),
    ] = None
    orders_column: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a column in the file of orders, such as symbol=Ticker; map=MAP.toml and decimal=, too.",
            metavar="OURS=THEIRS",
        ),
    ] = None
    latency: Annotated[
        str | None,
        typer.Option(
            "--latency",
            "--latency-ms",
            help="Order-entry latency in ms: X, evenly on A,B, or tape (with --tape).",
            metavar="X",
        ),
    ] = None

    @property
    def values(self) -> dict[str, Any]:
        """Typed options of one order, without those not given."""
        excluded = ("orders", "orders_column", "latency")
        typed = {
            option.name: getattr(self, option.name)
            for option in fields(self)
            if option.name not in excluded
        }
        return {name: value for name, value in typed.items() if value is not None}

    def task(self, task: "Task", market: "Market", feed_latency_ms: str | None = None) -> "Task":
        """The task with the typed options applied; a feed latency may come from the market's tape."""
        from tercel.api.orders import task_of
        from tercel.execution.market import latency_of
        from tercel.execution.orders import horizon_until
        from tercel.market.tape import Lake

        words = {
            word.partition("=")[0] for word in sys.argv
        }  # an option's value does not say by which name
        late = {
            "latency": (self.latency, "latency_ms" if "--latency-ms" in words else "latency"),
            "feed_latency": (feed_latency_ms, "feed_latency_ms"),
        }
        laws = {
            field: latency_of(text, name, market.lake, market.symbol)
            for field, (text, name) in late.items()
            if text is not None
        }
        typed = self.values | laws
        if market.on_tape and self.start and self.end and not self.horizon:
            horizon_s = horizon_until(Lake(market.lake), market.symbol, self.start, self.end)
            if horizon_s is not None:  # the end is by the clock, a horizon in trading time
                typed |= {"end": None, "horizon": str(horizon_s)}
        return task_of(task, typed)


NOT_TYPED = TypedOrder()


@dataclass(frozen=True)
class JudgedOptions(MarketOptions):
    """Options of an evaluation: market, order, and the user's own strategies."""

    regimes: Annotated[
        str | None,
        typer.Option(
            help="Regimes that switch in every episode: chain, season, a name (volatile, thin, flash_crash, ...), "
            "a .toml file; several with commas. Of tercel agent evaluate also each: every named one by itself.",
            metavar="WHAT",
        ),
    ] = None
    fees: Annotated[
        str | None,
        typer.Option(
            help="Fees in price units a share, or as 1,5bps; below 0: a rebate.",
            metavar="MAKER,TAKER",
        ),
    ] = None
    order: TypedOrder = NOT_TYPED
    strategy: StrategyOption = None

    def __post_init__(self) -> None:
        """Refuse a list of orders without a lake, or beside one of them.

        Raises
        ------
        ConfigError
        """
        super().__post_init__()
        if not self.by_list:
            return
        other_options = ["--symbol"] * (self.symbol is not None) + [
            f"--{name.replace('_', '-')}" for name in self.order.values
        ]
        if self.tape is None:
            raise ConfigError(
                "--orders with --tape", "--orders alone", "add --tape with the lake of their days"
            )
        refuse_if(
            set(other_options) - {"--decisions"},
            "a list of orders, or one",
            f"--orders with {', '.join(other_options)}",
            "leave one out: each order of the list says its own",
        )

    @property
    def by_list(self) -> bool:
        """Whether the symbols come from a file of orders."""
        return self.order.orders is not None
