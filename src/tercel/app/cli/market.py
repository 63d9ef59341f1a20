"""`tercel market ...`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli import (
    market_facts,
    market_fills,
    market_impact,
    market_predict,
)
from tercel.app.cli.shared import (
    PRESET,
    AsJson,
    Lake,
    PresetsSymbol,
    Seed,
    Symbol,
    Venue,
    check_date,
    listed_dates,
    told,
)
from tercel.core.errors import ConfigError, UnknownNameError

market_app = typer.Typer(
    name="market", help="Simulated markets: calibrate one from tape, score it, simulate days.", no_args_is_help=True
)
From = Annotated[str, typer.Option("--from", help="Begin at this local time of the exchange.", metavar="HH:MM")]
To = Annotated[str, typer.Option("--to", help="End at this local time of the exchange.", metavar="HH:MM")]


@market_app.command("calibrate")
def calibrate_market(
    lake: Lake,
    symbol: Symbol,
    dates: Annotated[
        str, typer.Option("--date", "--days", help="Days to calibrate on, separated by commas.", metavar="D[,D...]")
    ],
    out: Annotated[Path, typer.Option(help="File to write (.json); run on it with `tercel run --market FILE`.")],
    model: Annotated[str, typer.Option(help="santa_fe, queue_reactive or hawkes.", metavar="MODEL")] = "queue_reactive",
    name: Annotated[str, typer.Option(help="Name of the market. Default: that of the file.", metavar="NAME")] = "",
    held_out: Annotated[
        str, typer.Option(help="Days to judge the fit on, separated by commas.", metavar="D[,D...]")
    ] = "",
    start: From = "",
    end: To = "",
    stamp: Annotated[
        str, typer.Option(help="Date of this calibration, for the card. Default: today.", metavar="YYYY-MM-DD")
    ] = "",
    venue: Venue = "",
    levels: Annotated[
        int | None, typer.Option(help="Read the tape as a feed of so many levels. Default: all it shows.", min=5)
    ] = None,
    lot: Annotated[
        int | None, typer.Option(help="Units of a simulated lot. Default: the coarsest that keeps the sizes.", min=1)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate a market from days of tape, or from a stretch of one."""
    with told(as_json):
        check_date(stamp or None)
        from tercel.app.commands import market_calibrate

        market_calibrate.run(
            lake, symbol, model=model, dates=listed_dates(dates), held_out=listed_dates(held_out), start=start, end=end,
            name=name or out.stem, out=out, stamp=stamp or datetime.now().date().isoformat(), venue=venue,
            lot=lot, levels=levels, as_json=as_json,
        )  # fmt: skip


@market_app.command("score")
def score_market(
    preset: Annotated[str, PRESET],
    lake: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the tape lake. Default: the tape of the preset's card; lob-bench: see --data.",
            metavar="DIR",
        ),
    ] = None,
    dates: Annotated[
        str, typer.Option("--date", help="Days to score on, separated by commas.", metavar="D[,D...]")
    ] = "",
    symbol: PresetsSymbol = "",
    venue: Venue = "",
    start: From = "",
    end: To = "",
    seeds: Annotated[
        int | None, typer.Option(help="Simulated paths for each day. Default: 3, by lob-bench 5.", min=1, max=100)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", metavar="DIR")] = None,
    by: Annotated[
        str, typer.Option(help="Whose figures: tercel, or lob-bench (its own code; see --peers).", metavar="JUDGE")
    ] = "tercel",
    peers: Annotated[
        Path | None,
        typer.Option(
            help="(lob-bench) A clone of peernagy/lob_bench, or its folder.", envvar="TERCEL_PEERS", metavar="DIR"
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="(lob-bench, without --lake) Folder of data sets with held-out days of csco, ibm, amzn or goog.",
            envvar="TERCEL_DATA",
            metavar="DIR",
        ),
    ] = None,
    windows: Annotated[int, typer.Option(help="(lob-bench) Windows of 500 messages a side.", min=2, max=10_000)] = 64,
    classifier: Annotated[bool, typer.Option(help="Train the classifier (needs scikit-learn).")] = True,
    impact: Annotated[bool, typer.Option("--impact", help="Measure the impact card too (minutes).")] = False,
    seen: Annotated[bool, typer.Option("--seen", help="Score on days calibrated on all the same.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Keep scores, and the tape that they need, in the preset file's card.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score a market against tape that it has not seen (a lake's, or its card's), real against real beside it."""
    with told(as_json):
        if by not in ("tercel", "lob-bench"):
            raise UnknownNameError("a judge: tercel, lob-bench", f"--by {by}", "name one of them")
        if by == "lob-bench":
            if out is not None or impact or write:
                raise ConfigError(
                    "--by lob-bench alone", "--out, --impact or --write", "leave them out; --json has all"
                )
            from tercel.app.commands import market_lob_bench

            market_lob_bench.run(
                preset, lake, data=data, dates=listed_dates(dates), symbol=symbol, venue=venue, start=start, end=end,
                seeds=seeds or market_lob_bench.SEEDS, windows=windows, peers=peers, seen=seen, as_json=as_json,
            )  # fmt: skip
            return
        from tercel.app.commands import market_score

        market_score.run(
            preset, lake, dates=listed_dates(dates), symbol=symbol, venue=venue, start=start, end=end, seeds=seeds or 3,
            out=out, classifier=classifier, impact=impact, seen=seen, write=write, as_json=as_json,
        )  # fmt: skip


@market_app.command("simulate")
def simulate_market(
    preset: Annotated[str, PRESET],
    out: Annotated[Path, typer.Option(help="Lake to write into.", metavar="LAKE")],
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1, max=10_000)] = 1,
    seed: Seed = 1,
    seconds: Annotated[float, typer.Option(help="Length of each session.", metavar="S")] = 23_400.0,
    symbol: Annotated[str, typer.Option(help="Symbol to write. Default: the preset's.", metavar="SYM")] = "",
    first: Annotated[str, typer.Option(help="First day; weekends are left out.", metavar="YYYY-MM-DD")] = "2030-01-02",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a day that the lake holds with other content.")
    ] = False,
    regimes: Annotated[
        str, typer.Option(help="Regimes of each day, as in `tercel run`: chain, season, a name, a .toml file.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write simulated days into a lake, as tape like any other."""
    with told(as_json):
        check_date(first)
        from tercel.app.commands import market_simulate

        market_simulate.run(
            preset, out, days=days, seed=seed, seconds=seconds, symbol=symbol, first=first, replace=replace,
            regimes=regimes, as_json=as_json,
        )  # fmt: skip


@market_app.command("list")
def list_markets(as_json: AsJson = False) -> None:
    """List the markets that are shipped, with their scores."""
    with told(as_json):
        from tercel.app.commands import market_list

        market_list.run(as_json)


@market_app.command("table")
def table_of_markets(
    lakes: Annotated[list[Path], typer.Option("--lake", help="Lake with the data sets; may be given again.")],
    names: Annotated[str, typer.Option("--set", help="Data sets, separated by commas. Default: all.")] = "",
    models: Annotated[str, typer.Option("--model", help="Models, separated by commas. Default: all.")] = "",
    seeds: Annotated[int, typer.Option(help="Simulated paths for each day.", min=1, max=100)] = 3,
    impact: Annotated[bool, typer.Option("--impact", help="Measure impact cards too (minutes each).")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the scores in the cards of the shipped presets.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="Markdown file whose table is replaced.", metavar="FILE.md")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score every model on every data set: the table of docs/markets.md."""
    with told(as_json):
        from tercel.app.commands import market_table

        market_table.run(
            lakes,
            names=_listed(names),
            models=_listed(models),
            seeds=seeds,
            impact=impact,
            keep=keep,
            write=write,
            as_json=as_json,
        )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


market_facts.add_to(market_app)
market_impact.add_to(market_app)
market_predict.add_to(market_app)
market_fills.add_to(market_app)
