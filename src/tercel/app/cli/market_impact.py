"""`tercel market impact`, `tercel market response` and `tercel market arbitrage`: what a market answers to us."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import PRESET, AsJson, Seed, page_folder, told
from tercel.app.output import check_folder
from tercel.core.errors import ConfigError

Impact = Annotated[
    str | None, typer.Option(help="none, translation or weights (default: what the preset carries).", metavar="LAW")
]
Sizes = Annotated[
    list[float] | None,
    typer.Option("--size", help="Order as a share of half an hour's volume; may be given again. Default: 0.1, 0.3, 1."),
]
SIZES = (0.1, 0.3, 1.0)


def impact(
    preset: Annotated[str, PRESET],
    pairs: Annotated[
        int, typer.Option(help="Twins of each size and length; 400: exponents within about 0.05.", metavar="N")
    ] = 400,
    seed: Seed = 0,
    impact: Impact = None,
    out: Annotated[Path | None, page_folder("impact")] = None,
    carry: Annotated[
        Path | None,
        typer.Option(help="Only measure the law that a pilot finds, and write the preset with it.", metavar="FILE"),
    ] = None,
    y: Annotated[
        float, typer.Option("--y", help="(--carry) Prefactor of the square-root law; markets show 0.5 to 1.5.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Measure what metaorders do to a market's price: exponents, decay, round trips, twin errors."""
    with told(as_json):
        check_folder(out)
        from tercel.app.commands import market_impact as command

        if carry is not None:
            if impact not in (None, "translation"):
                raise ConfigError("--carry with the law translation", f"--impact {impact}", "leave --impact out")
            if carry.suffix != ".json":
                raise ConfigError("a preset file (.json) to write", f"--carry {carry}", "name it NAME.json")
            command.carry(preset, carry, y=y, seed=seed, as_json=as_json)
        else:
            command.measure(preset, pairs=pairs, seed=seed, impact=impact, out=out, as_json=as_json)


def response(
    preset: Annotated[str, PRESET],
    sizes: Sizes = None,
    pairs: Annotated[
        int, typer.Option(help="Worlds with a twin at most; fewer where the error is small.", metavar="N")
    ] = 1000,
    seed: Seed = 0,
    impact: Impact = None,
    out: Annotated[Path | None, page_folder("response")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a market answers to styles of execution: displacement, cost by size, who comes to resting orders."""
    with told(as_json):
        check_folder(out)
        from tercel.app.commands import market_response as command

        command.run(preset, sizes=sizes or SIZES, pairs=pairs, seed=seed, impact=impact, out=out, as_json=as_json)


def arbitrage(
    preset: Annotated[str | None, PRESET] = None,
    sizes: Sizes = None,
    latencies: Annotated[
        list[str] | None,
        typer.Option(
            "--latency", help="Order entry, ms: X, or evenly on A,B; may be given again. Default: 0, 50.", metavar="X"
        ),
    ] = None,
    seed: Seed = 0,
    budget: Annotated[
        int, typer.Option(help="Round trips that the search plays, over all sizes and latencies.", min=1, metavar="N")
    ] = 80_000,
    minutes: Annotated[
        float | None,
        typer.Option(help="End the search after so many minutes of a core; the result then hangs on the machine."),
    ] = None,
    pairs: Annotated[int, typer.Option(help="Fresh worlds of the proof, both signs in each.", metavar="N")] = 512,
    impact: Annotated[
        str | None,
        typer.Option(
            help="Of a preset none, translation, weights (default: what it carries); of a tape none (default), "
            "square_root, propagator.",
            metavar="LAW",
        ),
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(help="Search on this lake's days instead of a preset.", metavar="LAKE")
    ] = None,
    symbol: Annotated[str, typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")] = "",
    as_json: AsJson = False,
) -> None:
    """Search for round trips that pay, and prove the best on worlds that the search never saw."""
    with told(as_json):
        from tercel.app.commands import market_arbitrage as command

        command.run(
            preset, tape="" if tape is None else str(tape), symbol=symbol, sizes=sizes or SIZES,
            latencies=latencies or ("0", "50"), impact=impact, seed=seed, budget=budget, minutes=minutes, pairs=pairs,
            as_json=as_json,
        )  # fmt: skip


def add_to(market_app: typer.Typer) -> None:
    """Make them commands of `tercel market`."""
    for command in (impact, response, arbitrage):
        market_app.command()(command)
