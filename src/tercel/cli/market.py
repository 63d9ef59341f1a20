"""`tercel market ...`: calibrate a market from tape, simulate days of a market, list the built-in ones."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.commands import add
from tercel.cli.market_dealers import dealers
from tercel.cli.market_score import FillsRequest, score
from tercel.cli.market_score_page import show as show_card
from tercel.cli.market_score_tables import (
    LESSON_COLUMNS,
    cell,
    lesson_cells,
    passed_text,
    prediction_text,
)
from tercel.cli.options import (
    PRESET,
    From,
    JsonRequest,
    Lake,
    Replace,
    Seed,
    Symbol,
    To,
    Venue,
    check_date,
    parse_dates,
)
from tercel.cli.output import hand_over, print_table, say
from tercel.core.errors import refuse_if

if TYPE_CHECKING:
    from tercel.market.flow.port import Preset
    from tercel.market.tape import Events, Instrument

market_app = typer.Typer(
    name="market",
    help="Simulated markets: calibrate one from tape, score it, simulate days.",
    no_args_is_help=True,
)


NOTHING_HELD_OUT = "none"
PRESET_HEADINGS = (
    "preset",
    "model",
    "Spearman",
    "symbol",
    "calibrated on",
    "MEAN14",
    "ceiling",
    "pooled",
    "AUC",
    "gates",
    "dynamics",
    "judged",
)


@dataclass(frozen=True)
class Calibrate(FillsRequest):
    """Options of `tercel market calibrate`."""

    lake: Lake
    symbol: Symbol
    dates: Annotated[
        str,
        typer.Option(
            "--date",
            "--days",
            help="Days to calibrate on, separated by commas.",
            metavar="D[,D...]",
        ),
    ]
    out: Annotated[Path, typer.Option(help="File to write (.json), which --market takes.")]
    model: Annotated[
        str,
        typer.Option(
            help="queue_reactive (of two levels a side or more), santa_fe (of the touch alone too), or resampled (days "
            "made of blocks of these, order by order; of five levels a side or more; `tercel run` trains in it if it is "
            "made of two days or more). Or one of an installed package: hawkes comes with tercel-studies.",
            metavar="MODEL",
        ),
    ] = "queue_reactive"
    name: Annotated[
        str, typer.Option(help="Name of the market. Default: that of the file.", metavar="NAME")
    ] = ""
    held_out: Annotated[
        str,
        typer.Option(
            help="Days that judge it, separated by commas; none: not judged. Default, of queue_reactive: the rest of the days "
            "with --from or --to; else the lake's next days, as many as --date names; else the last of --date, or of one day "
            "every other half hour.",
            metavar="D[,D...]|none",
        ),
    ] = ""
    start: From = ""
    end: To = ""
    stamp: Annotated[
        str,
        typer.Option(
            help="Date of this calibration, for the card. Default: today.", metavar="YYYY-MM-DD"
        ),
    ] = ""
    venue: Venue = ""
    levels: Annotated[
        int | None,
        typer.Option(
            help="Read the tape as a feed of so many levels. Default: all it shows.", min=5
        ),
    ] = None
    lot: Annotated[
        int | None,
        typer.Option(
            help="Units of a simulated lot. Default: the coarsest that keeps the sizes.", min=1
        ),
    ] = None


def calibrate(request: Calibrate) -> None:
    """Calibrate a market from days of tape, or from a stretch of one, and print its card on what it has not seen."""
    check_date(request.stamp or None, "--stamp")
    dates = parse_dates(request.dates)
    held_out = (
        parse_dates(request.held_out.removeprefix(NOTHING_HELD_OUT), "--held-out")
        if request.held_out
        else None
    )
    path = request.out
    from tercel.api.market import write_calibrated
    from tercel.market.score.card import calibrated_on

    began_s = time.perf_counter()
    preset, card = write_calibrated(
        path,
        request.lake,
        request.symbol,
        dates,
        held_out,
        model=request.model,
        name=request.name,
        stamp=request.stamp,
        hours=(request.start, request.end),
        venue=request.venue,
        levels=request.levels,
        lot=request.lot,
        fills=request.fill_rows,
    )
    if "fit" in preset.card:
        show_fit(preset, path, request.as_json)
        return
    seconds = time.perf_counter() - began_s

    def show() -> None:
        """Print where the preset is, and how to score it."""
        say(f"{preset.name}: {preset.model} from {', '.join(trained_on)} in {seconds:.1f} s")
        say(f"written  {path}")
        if card is None:
            say(_how_to_score(request, dates))
        else:
            show_card(card)

    trained_on = calibrated_on(preset)
    result = {
        "name": preset.name,
        "model": preset.model,
        "out": path,
        "calibrated_on": trained_on,
        "limits": preset.card.get("limits", []),
        "held_out": preset.card.get("held_out_days", []),
        "window_s": preset.card.get("window_s"),
        "seconds": seconds,
        "scores": preset.card.get("scores"),
    }
    hand_over(result, request.as_json, show)


def _how_to_score(request: Calibrate, dates: list[str]) -> str:
    """Line with the command that scores a market on what it has not seen, or how to leave something unseen."""
    from tercel.market.tape import Lake as Store

    hours = f" --from {request.end}" if request.end else f" --to {request.start}"
    hours *= bool(request.start or request.end)
    unseen = {*Store(request.lake).days(request.symbol, request.venue or None)} - {*dates}
    unseen_dates = ",".join(dates if hours else sorted(unseen))
    return (
        f"score it on what it has not seen: tercel market score {request.out} --lake {request.lake} "
        f"--date {unseen_dates}{hours}"
        if unseen_dates
        else "no day is left to score it on: calibrate again with --to HH:MM, then score with --from HH:MM"
    )


def show_fit(preset: "Preset", path: Path, as_json: bool) -> None:
    """Print how a preset's card fits: the tape calibrated on, the days held out, the simulated market."""
    card = preset.card

    def show() -> None:
        """Print the fit as a table."""
        keys = ("train", "held_out", "simulated", "simulated_over_held_out")
        rows = [
            [name, *("" if row[key] is None else f"{row[key]:.4g}" for key in keys)]
            for name, row in card["fit"].items()
        ]
        headings = ("", "calibrated on", "held out", "simulated", "simulated / held out")
        print_table(f"{preset.name}: how the simulated market fits", headings, rows)
        say(f"written  {path}")

    result = {
        "name": preset.name,
        "out": path,
        "fit": card["fit"],
        "held_out_days": card["held_out_days"],
    }
    hand_over(result, as_json, show)


@dataclass(frozen=True)
class Simulate(JsonRequest):
    """Options of `tercel market simulate`."""

    preset: Annotated[str, PRESET]
    out: Annotated[Path, typer.Option(help="Lake to write into.", metavar="LAKE")]
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1, max=10_000)] = 1
    seed: Seed = 1
    seconds: Annotated[float, typer.Option(help="Length of each session.", metavar="S")] = 23_400.0
    symbol: Annotated[
        str, typer.Option(help="Symbol to write. Default: the preset's.", metavar="SYM")
    ] = ""
    first: Annotated[
        str, typer.Option(help="First day; weekends are left out.", metavar="YYYY-MM-DD")
    ] = "2030-01-02"
    replace: Replace = False
    regimes: Annotated[
        str,
        typer.Option(
            help="Regimes of each day, as in `tercel run`: chain, season, a name, a .toml file."
        ),
    ] = ""

    def write_extra_files(self, instrument: "Instrument", events: "Events") -> dict[str, Any]:
        """Hook for other packages: write further files of a day, and return their paths by key; by default none."""
        return {}


def simulate(request: Simulate) -> None:
    """Write simulated days into a lake, as tape like any other."""
    check_date(request.first)
    from tercel.market.flow.registry import load
    from tercel.market.simulator.synthetic_days import (
        LONGEST_S,
        parse_law,
        regime_truth,
        synthetic_day,
    )
    from tercel.market.tape import Lake as Store
    from tercel.market.tape.local_times import working_days

    preset = load(request.preset)
    seconds = request.seconds
    refuse_if(
        not 60.0 <= seconds <= LONGEST_S,
        f"60 to {LONGEST_S:g} seconds a day",
        f"{seconds:g}",
        "simulate several days instead",
    )
    refuse_if(
        preset.model == "resampled"
        and (request.symbol not in ("", preset.symbol) or seconds != Simulate.seconds),
        f"{preset.symbol} for whole sessions",
        f"{request.symbol or preset.symbol} for {seconds:g} s",
        "leave --symbol and --seconds out",
    )
    law, names = parse_law(request.regimes, preset, seconds)
    lake = Store(request.out)
    rows = []
    for seed, date in enumerate(working_days(request.first, request.days), request.seed):
        instrument, events = synthetic_day(
            preset, seed, date, seconds, request.symbol or preset.symbol, law
        )
        outcome = lake.write(instrument, events, replace=request.replace)
        regimes = {} if law is None else {"regimes": regime_truth(law, names, seed, seconds)}
        row = {
            "symbol": instrument.symbol,
            "date": date,
            "rows": events.n,
            "seed": seed,
            "outcome": outcome,
        }
        rows.append(row | request.write_extra_files(instrument, events) | regimes)
        say(f"{instrument.symbol} {date}: {events.n:,} events, {outcome}")
    result = {"lake": request.out, "preset": preset.name, "model": preset.model, "days": rows}
    hand_over(
        result, request.as_json, lambda: say(f"look at it: tercel data list --lake {request.out}")
    )


@dataclass(frozen=True)
class ListMarkets(JsonRequest):
    """Options of `tercel market list`."""


def list_(request: ListMarkets) -> None:
    """List the built-in markets, with their scores."""
    from tercel.market.flow import registry as presets
    from tercel.market.score.card import calibrated_on
    from tercel.market.score.stored_scores import StoredScores, stored_lessons

    preset_rows = []
    cells = []
    lesson_rows = []
    for preset in map(presets.load, presets.names()):
        scores = StoredScores.of(preset)
        days = calibrated_on(preset)
        prediction = preset.card.get("prediction")
        lessons = stored_lessons(preset.card.get("teaches"))
        about = {
            "name": preset.name,
            "model": preset.model,
            "symbol": preset.symbol,
            "calibrated_on": days,
        }
        preset_rows.append(
            about
            | {
                "judged": scores.judged,
                "prediction": prediction,
                "teaches": preset.card.get("teaches"),
                "scores": preset.card.get("scores") or {},
            }
        )
        if lessons:
            lesson_rows.append([preset.name, *lesson_cells(lessons), cell(lessons.carry, 2)])
        figures = [
            scores.mean_l1,
            scores.floor_mean_l1,
            scores.pooled_floor_mean_l1,
            scores.classifier_auc,
        ]
        span = (
            days[0]
            if len(days) == 1
            else f"{days[0]} .. {days[-1]}, {len(days)} days"
            if days
            else ""
        )
        cells.append(
            [
                preset.name,
                preset.model,
                prediction_text(prediction),
                preset.symbol,
                span,
                *("" if figure is None else f"{figure:.4f}" for figure in figures),
                passed_text(scores.gates),
                passed_text(scores.dynamics),
                "yes" if scores.judged else "no",
            ]
        )

    def show() -> None:
        """Print the markets as a table."""
        leaves = [
            "pooled",
            "symbol",
            "judged",
            "gates",
            "dynamics",
            "AUC",
            "calibrated on",
            "ceiling",
            "MEAN14",
        ]
        print_table(
            "presets and their scores on held-out tape",
            PRESET_HEADINGS,
            cells,
            leaves,
            left_aligned=["model", "calibrated on"],
        )
        print_table(
            "what they teach, simulated / tape: fills at the touch, mark-outs in bps, R² of forecasts on tape",
            ["preset", *LESSON_COLUMNS, "R² ratio"],
            lesson_rows,
            LESSON_COLUMNS[::2],
        )

    hand_over({"presets": preset_rows}, request.as_json, show)


add(market_app, calibrate, score, simulate, list_, dealers)
