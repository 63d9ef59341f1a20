"""`tercel market ...`: calibrate a market from tape, simulate days of one, list the built-in ones."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tercel.cli.market_dealers import dealers
from tercel.cli.market_score import TAUGHT, cell, passed, predicted, score, taught
from tercel.cli.shared import (
    PRESET,
    From,
    JsonRequest,
    Lake,
    Replace,
    Seed,
    Symbol,
    To,
    Venue,
    add,
    check_date,
    hand_over,
    listed_dates,
    print_table,
    say,
)
from tercel.core.errors import ConfigError, refuse_if

if TYPE_CHECKING:
    from tercel.market.flow.port import Preset
    from tercel.market.tape import Events, Instrument

market_app = typer.Typer(
    name="market",
    help="Simulated markets: calibrate one from tape, score it, simulate days.",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class Calibrate(JsonRequest):
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
        str, typer.Option(help="Days to judge the fit on, separated by commas.", metavar="D[,D...]")
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
    """Calibrate a market from days of tape, or from a stretch of one."""
    check_date(request.stamp or None)
    dates, held_out, out = listed_dates(request.dates), listed_dates(request.held_out), request.out
    from tercel.market.flow.queue_reactive.calibrate import touch_alone
    from tercel.market.score.calibrated import LEAST_SESSION_S, calibrated, make, read_days
    from tercel.market.score.card import ScoreDraw, StoredScores, keep, score
    from tercel.market.tape import Lake as Store

    began = time.perf_counter()
    if (
        out.suffix != ".json" or out.is_dir() or not out.parent.is_dir()
    ):  # refused before minutes of work
        raise ConfigError(
            "a file to write (.json) in a folder that exists", f"--out {out}", "name another --out"
        )
    symbol, venue, levels, windowed = (
        request.symbol,
        request.venue,
        request.levels,
        bool(request.start or request.end),
    )
    name, stamp = request.name or out.stem, request.stamp or datetime.now().date().isoformat()
    days = read_days(request.lake, symbol, dates, request.start, request.end, venue, levels)
    if request.model == "queue_reactive" and all(day.instrument.levels == 1 for day in days):
        raise touch_alone(1)
    labels = ", ".join(day.label for day in days)
    say(f"{labels} read; fitting {request.model}, about a minute for a few days")
    refuse_if(
        request.model == "resampled" and (request.start or levels or request.lot),
        "days from their opening",
        "--from, --levels or --lot",
        "leave them out with resampled",
    )
    halves = (
        len(dates) == 1 and days[0].session_s >= LEAST_SESSION_S
    )  # odd half hours against even ones
    if request.model == "santa_fe" and not (windowed or levels) and (held_out or halves):
        made = make(
            request.lake,
            symbol,
            days=dates,
            held_out=held_out,
            name=name,
            out=out,
            date=stamp,
            lot_shares=request.lot,
            venue=venue or None,
        )
        show_fit(made, out, request.as_json)
        return
    if both := ", ".join(sorted(set(dates) & set(held_out))):
        raise ConfigError(
            "days either calibrated on or held out", f"{both} in both", "name each day once"
        )
    made = calibrated(
        request.model,
        days,
        name=name,
        stamp=stamp,
        windowed=windowed,
        lot=request.lot,
        tell=say,
        lake=str(request.lake.resolve()),
    )
    if levels:
        made = made.model_copy(update={"card": {**made.card, "levels_read": levels}})
    scores = None
    if held_out:
        drawn = ScoreDraw(
            made, read_days(request.lake, symbol, held_out, venue=venue, levels=levels), days
        )
        made = keep(made, drawn.tape, score(drawn, classifier=False))
        scores = StoredScores.of(made)
        made = made.model_copy(update={"card": {**made.card, "held_out_days": held_out}})
    made.save(out)
    seconds = time.perf_counter() - began

    def show() -> None:
        say(f"{made.name}: {made.model} from {labels} in {seconds:.1f} s")
        if scores:
            say(
                f"mean L1 {scores.mean_l1:.3f} on the days held out "
                f"(real against real: {scores.floor_mean_l1:.3f})"
            )
        say(f"written  {out}")
        hours = (
            f" --from {request.end}"
            if request.end
            else f" --to {request.start}"
            if request.start
            else ""
        )
        unseen = set(Store(request.lake).days(symbol, venue or None)) - {*dates, *held_out}
        left, session = (
            ",".join(dates if hours else sorted(unseen)),
            days[0].instrument.session(days[0].events.exch_ns),
        )
        middle = f"{datetime.fromtimestamp(sum(session) / 2e9, ZoneInfo(days[0].instrument.timezone)):%H:%M}"
        say(
            f"score it on what it has not seen: tercel market score {out} --lake {request.lake} --date {left}{hours}"
            if left
            else f"no day is left to score it on: calibrate again with --to {middle}, then score with --from {middle}"
        )

    found = {"name": made.name, "model": made.model, "out": out, "calibrated_on": dates}
    found |= {
        "window_s": made.card.get("window_s"),
        "seconds": seconds,
        "scores": made.card.get("scores"),
    }
    hand_over(found, request.as_json, show)


def show_fit(preset: "Preset", path: Path, as_json: bool) -> None:
    """The fit table of a card: the tape calibrated on, the days held out, the simulated market."""
    card = preset.card

    def show() -> None:
        keys = ("train", "held_out", "simulated", "simulated_over_held_out")
        rows = [
            [name, *("" if row[key] is None else f"{row[key]:.4g}" for key in keys)]
            for name, row in card["fit"].items()
        ]
        headings = ("", "calibrated on", "held out", "simulated", "simulated / held out")
        print_table(f"{preset.name}: how the simulated market fits", headings, rows)
        say(f"written  {path}")

    found = {
        "name": preset.name,
        "out": path,
        "fit": card["fit"],
        "held_out_days": card["held_out_days"],
    }
    hand_over(found, as_json, show)


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

    def beside(self, instrument: "Instrument", events: "Events") -> dict[str, Any]:
        """Write further files of a day: their paths, by their key in the day's row."""
        return {}


def simulate(request: Simulate) -> None:
    """Write simulated days into a lake, as tape like any other."""
    check_date(request.first)
    from tercel.market.flow.preset import load
    from tercel.market.simulator.days import LONGEST_S, law_of, synthetic, truth
    from tercel.market.tape import Lake as Store
    from tercel.market.tape.events import working_days

    preset, seconds = load(request.preset), request.seconds
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
    law, names = law_of(request.regimes, preset, seconds)
    lake, rows = Store(request.out), []
    for seed, date in enumerate(working_days(request.first, request.days), request.seed):
        instrument, events = synthetic(
            preset, seed, date, seconds, request.symbol or preset.symbol, law
        )
        outcome = lake.write(instrument, events, replace=request.replace)
        regimes = {} if law is None else {"regimes": truth(law, names, seed, seconds)}
        row = {
            "symbol": instrument.symbol,
            "date": date,
            "rows": events.n,
            "seed": seed,
            "outcome": outcome,
        }
        rows.append(row | request.beside(instrument, events) | regimes)
        say(f"{instrument.symbol} {date}: {events.n:,} events, {outcome}")
    found = {"lake": request.out, "preset": preset.name, "model": preset.model, "days": rows}
    hand_over(
        found, request.as_json, lambda: say(f"look at it: tercel data list --lake {request.out}")
    )


SHIPPED = (
    "preset",
    "model",
    "Spearman",
    "symbol",
    "calibrated on",
    "MEAN14",
    "floor",
    "pooled",
    "AUC",
    "gates",
    "dynamics",
    "judged",
)


@dataclass(frozen=True)
class ListMarkets(JsonRequest):
    """Options of `tercel market list`."""


def list_(request: ListMarkets) -> None:
    """List the built-in markets, with their scores."""
    from tercel.market.flow import preset as presets
    from tercel.market.score.card import StoredScores, calibrated_on, stored_lessons

    found, cells, teach = [], [], []
    for preset in map(presets.load, presets.names()):
        scores, days, prediction = (
            StoredScores.of(preset),
            calibrated_on(preset),
            preset.card.get("prediction"),
        )
        lessons = stored_lessons(preset.card.get("teaches"))
        about = {
            "name": preset.name,
            "model": preset.model,
            "symbol": preset.symbol,
            "calibrated_on": days,
        }
        found.append(
            about
            | {
                "judged": scores.judged,
                "prediction": prediction,
                "teaches": preset.card.get("teaches"),
                "scores": preset.card.get("scores") or {},
            }
        )
        teach.append(
            [
                preset.name,
                *taught(lessons),
                cell(lessons.carry, 2) if lessons else "none: no tape",
            ]
        )
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
                predicted(prediction),
                preset.symbol,
                span,
                *("" if figure is None else f"{figure:.4f}" for figure in figures),
                passed(scores.gates),
                passed(scores.dynamics),
                "yes" if scores.judged else "no",
            ]
        )

    def show() -> None:
        leaves = [
            "pooled",
            "symbol",
            "judged",
            "gates",
            "dynamics",
            "AUC",
            "calibrated on",
            "floor",
            "MEAN14",
        ]
        print_table(
            "presets and their scores on held-out tape",
            SHIPPED,
            cells,
            leaves,
            left=["model", "calibrated on"],
        )
        print_table(
            "what they teach, simulated / tape: fills at the touch, mark-outs in bps, R² of forecasts on tape",
            ["preset", *TAUGHT, "R² ratio"],
            teach,
            TAUGHT[::2],
        )

    hand_over({"presets": found}, request.as_json, show)


add(market_app, calibrate, score, simulate, list_, dealers)
