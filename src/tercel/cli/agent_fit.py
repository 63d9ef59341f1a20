"""`tercel agent fit`: an agent fitted to one's own days, and what each stage of the fit adds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.interrupts import on_interrupt
from tercel.cli.options import IN_LAKE, JsonRequest, Lake, Seed
from tercel.cli.output import check_folder, hand_over, print_table, result_console, say

DROP_ORDER = ("smallest gain to show", "forecast is worth", "adds")
"""Columns that leave a narrow terminal, first to last."""


@dataclass(frozen=True)
class FitAgent(JsonRequest):
    """Options of `tercel agent fit`."""

    lake: Lake
    symbol: Annotated[str, typer.Option(help="Symbol on the tape.", metavar="SYM"), IN_LAKE]
    out: Annotated[
        Path, typer.Option(help="Folder of the fit; one that was stopped continues.", metavar="DIR")
    ]
    share: Annotated[
        float, typer.Option(help="Orders, a share of the volume.", min=0.0001, max=1.0)
    ] = 0.1
    horizon: Annotated[
        str, typer.Option(help="Time to execute one: 30min, 2h, seconds.", metavar="SPAN")
    ] = "30min"
    latency: Annotated[
        float, typer.Option(help="Latency of orders, ms.", min=0.0, metavar="MS")
    ] = 5.0
    frames: Annotated[
        int, typer.Option(help="Decisions that a policy is trained on.", min=1, metavar="N")
    ] = 300_000
    seed: Seed = 1


@on_interrupt("finished steps are saved; the same command continues")
def fit(request: FitAgent) -> None:
    """Fit an agent to your own days: forecasts, costs, weights, a policy; keep the simplest whose gain is shown."""
    check_folder(request.out)
    import tercel as tc
    from tercel.execution.market import latency_of

    task = tc.Task(
        share=request.share,
        horizon=request.horizon,
        latency=latency_of(request.latency, "latency"),
    )
    found = tc.fit(
        request.symbol,
        lake=request.lake,
        out=request.out,
        task=task,
        frames=request.frames,
        seed=request.seed,
        progress=True,
    )

    def show() -> None:
        """Print the table, its sentences and what is in the folder."""
        print_table(found.title, list(found.headings), found.rows(), DROP_ORDER)
        for sentence in found.sentences():
            result_console().print(sentence, soft_wrap=True, markup=False)
        say(f"policy   {request.out / 'policy'}")
        say(f"report   {request.out / 'report.html'}")
        say(f"trade it: {found.command}")

    hand_over(found.to_json(), request.as_json, show)
