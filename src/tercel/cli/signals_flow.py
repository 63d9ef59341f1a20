"""`tercel signals flow ...`: forecasts of the next seconds, learned from recorded days."""

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli.request import add
from tercel.cli.shared import (
    IN_LAKE,
    AsJson,
    Seed,
    check_date,
    check_folder,
    hand_over,
    print_rows,
    print_sentences,
    say,
)
from tercel.core.errors import listed

flow_app = typer.Typer(
    name="flow",
    help="Forecasts of the next seconds, learned from recorded days.",
    no_args_is_help=True,
)

Out = Annotated[Path, typer.Option(help="Folder of the forecaster.", metavar="DIR")]
Tape = Annotated[Path, typer.Argument(help="Folder of the tape lake.", metavar="LAKE")]
Model = Annotated[
    str,
    typer.Argument(help="A forecaster's folder, or the name of one that ships.", metavar="MODEL"),
]
Names = Annotated[
    str, typer.Option(help="Symbols of the lake, with commas.", metavar="SYM"), IN_LAKE
]


def train(
    lake: Tape,
    symbol: Names,
    out: Out,
    kind: Annotated[
        str, typer.Option(help="boosting (LightGBM) or linear.", metavar="KIND")
    ] = "boosting",
    days: Annotated[
        str | None,
        typer.Option(help="Days to train on, with commas (default: all).", metavar="DATES"),
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Learn the next 10 and 30 seconds from all days of some symbols; how it does on later days and on strangers."""
    check_folder(out)
    from tercel.market.tape.lake import Lake
    from tercel.signals.flow.recalibrate import in_words
    from tercel.signals.flow.train import train as trained
    from tercel.signals.flow.train import trained_table

    dates = listed(days) if days else ()
    found = trained(Lake(lake), listed(symbol), out, seed, kind, dates)

    def show() -> None:
        print_rows(*trained_table(found))
        say(f"model     {out}, {found['trees']} trees, {found['model']}")
        folder, tape = shlex.quote(str(out)), shlex.quote(str(lake))
        for name, one in found.get("simulated", {}).items():
            say(f"note      {name} was simulated by {one['market']}, {in_words(one)}")
        say(
            f"next      tercel signals flow score {folder} {tape} --symbol SYM, of days that it was not trained on"
        )

    hand_over(found, as_json, show)


def score(
    model: Model,
    lake: Tape,
    symbol: Names,
    out: Annotated[
        Path | None, typer.Option(help="Also write a page there.", metavar="DIR")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a forecaster on days that it was not trained on: R², AUC, calibration, and what it is worth."""
    check_folder(out)
    from tercel.execution.foresight.forecaster import resolve
    from tercel.market.tape.lake import Lake
    from tercel.signals.flow.train import flow_page
    from tercel.signals.flow.train import score as scored

    found = scored(resolve(model), Lake(lake), listed(symbol))
    hand_over(found, as_json, lambda: _show(found), out, "flow", lambda: flow_page(found))


def recalibrate(
    model: Model,
    lake: Tape,
    symbol: Names,
    out: Out,
    until: Annotated[
        str, typer.Option(help="Take later days back, and read none.", metavar="DATE")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Update a forecaster's slope, and the cost of waiting, of some symbols by the days of a lake."""
    check_folder(out)
    check_date(until or None, "--until")
    from tercel.execution.foresight.forecaster import resolve
    from tercel.lab.evaluation.market import waiting_on
    from tercel.market.tape.lake import Lake
    from tercel.signals.flow.recalibrate import recalibrate as recalibrated
    from tercel.signals.flow.train import slopes_table

    tape = Lake(lake)
    found = recalibrated(
        resolve(model), tape, listed(symbol), out, until, partial(waiting_on, tape)
    )
    hand_over(found, as_json, lambda: print_rows(*slopes_table(found)))


def _show(found: dict[str, Any]) -> None:
    from tercel.signals.flow.train import scored_table, sentences

    print_rows(*scored_table(found))
    print_sentences(sentences(found))


add(flow_app, train, score, recalibrate)
