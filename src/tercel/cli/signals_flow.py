"""`tercel signals flow ...`: forecasts of the next seconds, learned from recorded days."""

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import tercel as tc
from tercel.cli.commands import add
from tercel.cli.options import IN_LAKE, AsJson, Seed, check_date
from tercel.cli.output import check_folder, hand_over, print_rows, print_sentences, say
from tercel.core.errors import split_commas

flow_app = typer.Typer(
    name="flow",
    help="Forecasts of the next seconds, learned from recorded days.",
    no_args_is_help=True,
)
ForecasterFolder = Annotated[Path, typer.Option(help="Folder of the forecaster.", metavar="DIR")]
Tape = Annotated[Path, typer.Argument(help="Folder of the tape lake.", metavar="LAKE")]
ForecasterModel = Annotated[
    str,
    typer.Argument(
        help="A forecaster's folder, or the name of a pre-trained one.", metavar="MODEL"
    ),
]
Names = Annotated[
    str, typer.Option(help="Symbols of the lake, with commas.", metavar="SYM"), IN_LAKE
]


def train_(
    lake: Tape,
    symbol: Names,
    out: ForecasterFolder,
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
    """Train a forecaster of the next 10 and 30 seconds on some symbols; score it on later days and on other symbols."""
    check_folder(out)
    from tercel.signals.flow.carry import describe_carry
    from tercel.signals.flow.score_page import trained_table
    from tercel.signals.flow.train import train as trained

    dates = split_commas(days) if days else ()
    training = trained(tc.Lake(lake), split_commas(symbol), out, seed, kind, dates)

    def show() -> None:
        """Print scores of the forecaster as a table, and the next command."""
        print_rows(*trained_table(training))
        say(f"model     {out}, {training.trees} trees, {training.model}")
        folder = shlex.quote(str(out))
        tape = shlex.quote(str(lake))
        for name, waiting_cost in training.simulated.items():
            say(
                f"note      {name} was simulated by {waiting_cost.market}, {describe_carry(waiting_cost)}"
            )
        say(
            f"next      tercel signals flow score {folder} {tape} --symbol SYM, of days that it was not trained on"
        )

    hand_over(training, as_json, show)


def score(
    model: ForecasterModel,
    lake: Tape,
    symbol: Names,
    out: Annotated[
        Path | None, typer.Option(help="Also write a page there.", metavar="DIR")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a forecaster on days that it was not trained on: R², AUC, calibration, and its value."""
    check_folder(out)
    from tercel.execution.foresight.forecaster import find_forecaster
    from tercel.signals.flow.score_page import flow_page, score as scored, scored_table, sentences

    scores = scored(find_forecaster(model), tc.Lake(lake), split_commas(symbol))

    def show() -> None:
        """Print scores as a table and in sentences."""
        print_rows(*scored_table(scores))
        print_sentences(sentences(scores))

    hand_over(scores, as_json, show, out, "flow", lambda: flow_page(scores))


def recalibrate(
    model: ForecasterModel,
    lake: Tape,
    symbol: Names,
    out: ForecasterFolder,
    until: Annotated[
        str, typer.Option(help="Take later days back, and read none.", metavar="DATE")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Update a forecaster's slope, and the cost of waiting, of some symbols by the days of a lake."""
    check_folder(out)
    check_date(until or None, "--until")
    from tercel.execution.foresight.forecaster import find_forecaster
    from tercel.lab.evaluation.market import waiting_cost_on
    from tercel.signals.flow.recalibrate import recalibrate as recalibrated

    tape = tc.Lake(lake)
    recalibration = recalibrated(
        find_forecaster(model),
        tape,
        split_commas(symbol),
        out,
        until,
        partial(waiting_cost_on, tape),
    )
    hand_over(recalibration, as_json, lambda: print_rows(*recalibration.table()))


add(flow_app, train_, score, recalibrate)
