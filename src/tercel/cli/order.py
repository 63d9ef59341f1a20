"""The order that a command judges: its options, told once for every command that has them."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli.shared import share_of
from tercel.core.errors import ConfigError

Impact = Annotated[
    str | None,
    typer.Option(
        help="Law of impact: of a tape square_root (default), propagator, none; of presets none, translation, weights "
        "(default: what they carry).",
        metavar="LAW",
    ),
]
Fees = Annotated[
    str | None,
    typer.Option(help="Fees in price units a share, or as 1,5bps; below 0: a rebate.", metavar="MAKER,TAKER"),
]


@dataclass(frozen=True)
class TypedOrder:
    """What was typed of an order; None: not."""

    side: Annotated[str | None, typer.Option(help="buy, sell or both (default).", metavar="SIDE")] = None
    share: Annotated[
        float | None,
        typer.Option(
            help="The order, as a share of the volume expected in its time: 0.1 (default) or 10%.",
            metavar="X",
            parser=share_of,
        ),
    ] = None
    quantity: Annotated[
        int | None, typer.Option(help="The order in lots, in the place of a share; of US equities shares.", metavar="N")
    ] = None
    horizon: Annotated[
        str | None, typer.Option(help="Time to execute it: 30min (default), 2h, seconds.", metavar="SPAN")
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
        str | None, typer.Option(help="(--start) Its horizon by the clock, in the place of --horizon.", metavar="HH:MM")
    ] = None
    decisions: Annotated[int | None, typer.Option(help="Decisions at most (default: 60).", metavar="N")] = None
    limit_price: Annotated[
        str | None,
        typer.Option(
            help="It never trades beyond: a price (--tape, one side), or 25bps beyond the mid at arrival.",
            metavar="PRICE",
        ),
    ] = None
    orders: Annotated[
        Path | None,
        typer.Option(
            help="(--tape) A CSV of orders in the place of one: time, symbol, side, quantity, horizon, limit.",
            metavar="FILE",
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
        """Options of one order that were given."""
        apart = ("orders", "latency")
        typed = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in apart}
        return {name: value for name, value in typed.items() if value is not None}


NOT_TYPED = TypedOrder()


def check_tape(tape: Path | None, symbol: str | None, order: TypedOrder) -> None:
    """Refuse half a tape, and a list of orders beside one of them.

    Raises
    ------
    ConfigError
    """
    if order.orders is not None:
        beside = ["--symbol"] * (symbol is not None) + [f"--{name.replace('_', '-')}" for name in order.values]
        if tape is None:
            raise ConfigError("--orders with --tape", "--orders alone", "add --tape with the lake of their days")
        if set(beside) - {"--decisions"}:
            remedy = "leave one out: each order of the list says its own"
            raise ConfigError("a list of orders, or one", f"--orders with {', '.join(beside)}", remedy)
    elif (tape is None) != (symbol is None):
        given, missing = ("--tape", "--symbol") if symbol is None else ("--symbol", "--tape")
        remedy = f"add {missing}; `tercel data list --lake LAKE` names what a lake holds"
        raise ConfigError("--tape and --symbol together", f"{given} alone", remedy)
