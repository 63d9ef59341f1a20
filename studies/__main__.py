"""`python -m studies NAME`: measurements whose figures the docs print."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli import (
    AsJson,
    ImpactScale,
    Lake,
    PassiveImpact,
    Seed,
    Symbol,
    Venue,
    check_date,
    check_folder,
    command_line,
    impact_terms,
    page_folder,
    parse_dates,
    parse_seeds,
    report_errors,
    run_app,
)
from tercel.core import ConfigError, UnknownNameError, split_commas, suggest_name

if TYPE_CHECKING:
    from tercel.market.observed import Observed

app = command_line("studies", "Measurements whose figures the docs print.")
worth_app = typer.Typer(
    help="What an alpha or a risk state is worth in bps of cost, measured.", no_args_is_help=True
)
app.add_typer(worth_app, name="worth")

SIGNALS = ("ofi", "phases", "online")
"""Studies of signals; all but `online` on real data."""
Dates = Annotated[
    str,
    typer.Option(help="Days, separated by commas. Default: all of the lake.", metavar="D[,D...]"),
]
Lakes = Annotated[
    list[Path], typer.Option(help="Lake of tapes of single orders; several.", metavar="DIR")
]
Symbols = Annotated[
    str, typer.Option(help="Symbols, separated by commas. Default: all.", metavar="SYM[,SYM...]")
]
LeaveOut = Annotated[
    str, typer.Option(help="Days to leave out, separated by commas.", metavar="D[,D...]")
]
Bounds = Annotated[str, typer.Option(help="Bounds of replay, with commas.", metavar="B[,B...]")]


@app.command()
def event_study(
    lake: Lake,
    symbol: Symbol,
    date: Dates = "",
    leave_out: LeaveOut = "",
    venue: Venue = "",
    out: Annotated[Path | None, page_folder("event_study")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """What size on show really does: large limit orders beside matched usual ones, and a placebo."""
    with report_errors(as_json):
        check_folder(out)
        from studies.tape import event_study_command as command

        command.run(
            symbol, _days(lake, symbol, date, leave_out, venue), out=out, seed=seed, as_json=as_json
        )


@app.command()
def metaorders(
    lake: Lake,
    symbol: Symbol,
    date: Dates = "",
    leave_out: LeaveOut = "",
    venue: Venue = "",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Impact of metaorders proxied from public trades: Y and delta, with intervals over days."""
    with report_errors(as_json):
        from studies.tape import metaorders_command as command

        command.run(symbol, _days(lake, symbol, date, leave_out, venue), seed=seed, as_json=as_json)


def _days(
    lake: Path, symbol: str, date: str, leave_out: str, venue: str
) -> Mapping[str, "Observed"]:
    dates, without = parse_dates(date), parse_dates(leave_out)
    from studies.tape.days import observed_days

    return observed_days(lake, symbol, dates, without, venue)


@app.command()
def undercut(
    lake: Lakes,
    symbol: Symbols = "",
    leave_out: LeaveOut = "",
    rates: Annotated[
        Path | None, typer.Option(help="Write the bound's rates here.", metavar="FILE")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write the picture here, SVG.", metavar="FILE")
    ] = None,
    seed: Seed = 7,
    as_json: AsJson = False,
) -> None:
    """How often a public order that improves the touch is undercut, and how much of that is a reaction."""
    with report_errors(as_json):
        from studies.tape import undercut_command as command

        command.run(
            lake, split_commas(symbol), parse_dates(leave_out), rates, picture, seed, as_json
        )


@app.command()
def shadow(
    market: Annotated[
        str, typer.Option(help="Presets, separated by commas.", metavar="M[,M...]")
    ] = "amzn,sh600961,ibm",
    parents: Annotated[int, typer.Option(help="Parents in all.", min=1)] = 500,
    horizon: Annotated[float, typer.Option(help="Seconds of a parent.", min=10.0)] = 300.0,
    picture: Annotated[
        Path | None, typer.Option(help="Write the picture here, SVG.", metavar="FILE")
    ] = None,
    seed: Seed = 35,
    as_json: AsJson = False,
) -> None:
    """Bounds of a desk in shadow beside what the same parents cost where they really traded."""
    with report_errors(as_json):
        from studies.shadow import command

        command.run(split_commas(market), parents, horizon, seed, picture, as_json)


@app.command()
def experiments(
    desks: Annotated[int, typer.Option(help="Desks of each cell.", min=2)] = 500,
    seed: Seed = 80,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tenth of orders and desks; writes nothing.")
    ] = False,
) -> None:
    """What experiments of desks find, on orders whose cost under every strategy is known."""
    with report_errors():
        from studies.experiments import command

        command.run(desks, seed, quick)


@app.command()
def engines(
    lake: Lake,
    symbol: Symbols = "",
    orders: Annotated[
        int, typer.Option(help="Orders at the touch, over all symbols.", min=12)
    ] = 5000,
    parents: Annotated[int, typer.Option(help="Parent orders of each symbol.", min=20)] = 200,
    fine: Annotated[
        Path | None,
        typer.Option(help="A lake of ticks so fine that no price is rounded.", metavar="DIR"),
    ] = None,
    hosts: Annotated[
        Path | None,
        typer.Option(help="Environments of the engines. Default: of make hosts.", metavar="DIR"),
    ] = None,
    seed: Seed = 81,
    write: Annotated[bool, typer.Option("--write", help="Write the study's results.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """The same orders on the same days in the replay and in engines that others wrote."""
    with report_errors(as_json):
        from studies.engines import command

        command.run(lake, split_commas(symbol), orders, parents, fine, hosts, seed, write, as_json)


@app.command()
def pairs(
    first: Annotated[str, typer.Option(help="Preset of the quoted leg.", metavar="M")] = "sh600961",
    second: Annotated[str, typer.Option(help="Preset of the hedge leg.", metavar="M")] = "ibm",
    lots: Annotated[int, typer.Option(help="Lots of the first leg.", min=20)] = 1000,
    horizon: Annotated[float, typer.Option(help="Seconds of a pair.", min=10.0)] = 300.0,
    episodes: Annotated[int, typer.Option(help="Pairs for each rule and limit.", min=2)] = 60,
    picture: Annotated[
        Path | None, typer.Option(help="Write the picture here, SVG.", metavar="FILE")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """What a pair costs beside rules that quote or take its legs, both spreads paid, on the same seeds."""
    with report_errors(as_json):
        from studies.pairs import command

        command.run((first, second), lots, horizon, episodes, picture, seed, as_json)


@app.command()
def places(
    market: Annotated[
        str, typer.Option(help="Presets, separated by commas.", metavar="M[,M...]")
    ] = "sh600961,ibm,amzn,goog",
    episodes: Annotated[int, typer.Option(help="Episodes of each place.", min=8)] = 64,
    seed: Seed = 77,
    as_json: AsJson = False,
) -> None:
    """Lots that our side trades beside the twin's, where an order of the whole volume rests."""
    with report_errors(as_json):
        from studies.sizes import places_command as command

        command.run(split_commas(market), episodes, seed, as_json)


@app.command()
def passive_impact(
    market: Annotated[str, typer.Option(help="Preset market.", metavar="NAME")] = "ibm",
    orders: Annotated[
        int, typer.Option(help="Orders of each trial, a third in each arm.", min=60, max=1_000_000)
    ] = 600,
    seeds: Annotated[
        str, typer.Option(help="Seeds of trials, or a range A-B.", metavar="S[,S...]|A-B")
    ] = "0-19",
    as_json: AsJson = False,
) -> None:
    """Ratios of a resting fill's impact to a take's, planted in a market and found by randomized own orders."""
    with report_errors(as_json):
        from studies.impact import passive_trial

        passive_trial.run(market, orders, _seeds(seeds), as_json)


@app.command()
def attacks(
    market: Annotated[
        str, typer.Option(help="Preset markets, separated by commas.", metavar="M[,M...]")
    ] = "ibm,amzn,goog",
    passive_impact: Annotated[
        str, typer.Option(help="Ratios, separated by commas.", metavar="X[,X...]")
    ] = "0,0.5,1",
    impact_scale: ImpactScale = None,
    worlds: Annotated[
        int, typer.Option(help="Worlds, both signs in each.", min=8, max=100_000)
    ] = 256,
    lake: Annotated[
        Path | None,
        typer.Option(
            help="Play the days on the market's card, quarters of an hour, instead.", metavar="DIR"
        ),
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """What layering, pinging, quoting both sides and taking to rest earn without an order to work."""
    with report_errors(as_json):
        from studies.round_trips import attacks_command as command

        ratios = _numbers(passive_impact)
        scale = 1.0 if impact_scale is None else impact_scale
        command.run(split_commas(market), ratios, scale, worlds, seed, as_json, lake)


def _numbers(text: str) -> list[float]:
    """Numbers of a list with commas."""
    try:
        return [float(one) for one in split_commas(text)]
    except ValueError as error:
        raise ConfigError("numbers, separated by commas", repr(text), "such as 0,0.5,1") from error


def _seeds(text: str) -> list[int]:
    """Seeds of a list with commas, or of a range A-B."""
    first, _, last = text.partition("-")
    is_range = first.isdecimal() and last.isdecimal() and int(first) <= int(last)
    return list(range(int(first), int(last) + 1)) if is_range else parse_seeds(text)


@app.command()
def orders(
    agent: Annotated[
        str, typer.Argument(help="Policy that is judged, by name.", metavar="POLICY")
    ] = "default",
    market: Annotated[
        str, typer.Option(help="Presets, separated by commas.")
    ] = "sh600961,ibm,amzn,goog",
    horizon: Annotated[
        str, typer.Option(help="Lengths of the order, separated by commas.")
    ] = "1min,10min,30min,2h",
    episodes: Annotated[
        int, typer.Option(help="Episodes of each cell.", min=16, max=100_000)
    ] = 200,
    out: Annotated[
        Path | None, typer.Option(help="Folder that keeps what is finished.", metavar="DIR")
    ] = None,
    seed: Seed = 77,
    as_json: AsJson = False,
) -> None:
    """What an agent costs on orders of .5 to 100 % of the volume, beside the cheapest of three plain rules."""
    with report_errors(as_json):
        check_folder(out)
        from studies.sizes import orders_command as command

        command.run(
            agent, split_commas(market), split_commas(horizon), episodes, out, seed, as_json
        )


@app.command()
def ways(
    market: Annotated[str, typer.Option(help="Preset market.", metavar="NAME")] = "sh600961",
    regimes: Annotated[
        str, typer.Option(help="Regimes, separated by commas.", metavar="R[,R...]")
    ] = "plain,thin,volatile",
    share: Annotated[
        str, typer.Option(help="Shares of the volume, separated by commas.", metavar="X[,X...]")
    ] = ".02,.05,.1,.2",
    seeds: Annotated[
        str,
        typer.Option(help="Seeds of dealers and orders, or a range A-B.", metavar="S[,S...]|A-B"),
    ] = "11-16",
    episodes: Annotated[int, typer.Option(help="Orders of each seed.", min=4, max=100_000)] = 512,
    out: Annotated[
        Path, typer.Option(help="Folder that keeps what is finished.", metavar="DIR")
    ] = Path("runs/ways"),
    as_json: AsJson = False,
) -> None:
    """The router of orders beside its oracle, each way alone and a placebo, by regime and size of the order."""
    with report_errors(as_json, "what is finished is kept; the same command continues"):
        check_folder(out)
        from studies.sizes import ways_command as command

        command.run(
            market, split_commas(regimes), _numbers(share), _seeds(seeds),
            2 * (episodes // 2), out, as_json,
        )  # fmt: skip


@app.command()
def flow(
    lake: Lakes,
    symbol: Symbols = "",
    bound: Bounds = "strict,undercut",
    choose: Annotated[
        bool,
        typer.Option("--choose", help="Also choose the weights on the other symbols alone."),
    ] = False,
    shares: Annotated[
        str,
        typer.Option(
            help="Orders of these shares of the volume instead, beside rest_and_take.",
            metavar="S,...",
        ),
    ] = "",
    passive_impact: PassiveImpact = None,
    impact_scale: ImpactScale = None,
    assume: Annotated[
        str,
        typer.Option(
            help="Instead, whole strategies with one of these changed at a time: impact, latency, fees.",
            metavar="none|A,...",
        ),
    ] = "none",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """What the shipped policy saves on a symbol that its forecaster never saw, part by part, beside a placebo."""
    with report_errors(as_json):
        from tercel.lab.evaluation.assumptions import parse_assumptions

        terms = impact_terms(passive_impact, impact_scale)
        assumptions = parse_assumptions(assume) or ()
        asked = [
            name
            for name, given in (
                ("--assume", assumptions),
                ("--choose", choose),
                ("--shares", shares),
            )
            if given
        ]
        if len(asked) > 1:
            raise ConfigError(
                "one of --assume, --choose and --shares",
                " and ".join(asked),
                "run them one after the other",
            )
        if shares:
            from studies.tape.flow_command import run_sizes

            sizes = _numbers(shares)
            run_sizes(lake, split_commas(symbol), split_commas(bound), sizes, seed, as_json, terms)
            return
        if choose:
            from studies.tape.choose import run as run_choice

            run_choice(lake, split_commas(symbol), split_commas(bound), seed, as_json, terms)
            return
        from studies.tape.flow_command import run

        run(lake, split_commas(symbol), split_commas(bound), seed, as_json, terms, assumptions)


@app.command()
def markets(
    lake: Lakes,
    symbol: Symbols = "",
    bound: Bounds = "strict,undercut",
    passive_impact: PassiveImpact = None,
    impact_scale: ImpactScale = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """What the shipped policy saves in every recorded market, short ones by half hours, beside all written rules."""
    with report_errors(as_json):
        from studies.tape import markets as study

        terms = impact_terms(passive_impact, impact_scale)
        study.run(lake, split_commas(symbol), split_commas(bound), seed, as_json, terms)


@app.command()
def estimate(
    lake: Lake,
    symbol: Symbols = "",
    horizon: Annotated[str, typer.Option(help="Of each order: 30min, 1h.", metavar="SPAN")] = "1h",
    as_json: AsJson = False,
) -> None:
    """Whether estimates of orders hold on days that gave nothing to them: intervals, worst cases, means by size."""
    with report_errors(as_json):
        from studies.tape import estimate as study

        study.run(lake, split_commas(symbol), horizon, as_json)


@app.command()
def fills_forecast(
    lake: Lakes,
    symbol: Symbols = "",
    bound: Bounds = "strict,undercut",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Forecasts of fills on a symbol left out: does a slice fill, at what cost, and what is that worth to the policy?"""
    with report_errors(as_json):
        from studies.fills import forecast_command as command

        command.run(lake, split_commas(symbol), split_commas(bound), seed, as_json)


@app.command()
def replenishment(
    preset: Annotated[
        str,
        typer.Argument(
            help="Market whose days and hours are read, by name or as a .json file.",
            metavar="PRESET",
        ),
    ],
    lake: Lake,
    as_json: AsJson = False,
) -> None:
    """How long until lots that a market order took are added again, on the days a market was calibrated on."""
    with report_errors(as_json):
        from studies.tape import replenishment_command as command

        command.run(preset, lake, as_json)


@app.command()
def ingredients(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol of a tape of single orders.", metavar="SYM")],
    dates: Annotated[
        str,
        typer.Option("--date", help="Days to calibrate on and compare with.", metavar="D[,D...]"),
    ],
    days: Annotated[
        int, typer.Option(help="Days to simulate with each market.", min=1, max=100, metavar="N")
    ] = 2,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """What each part of the queue-reactive law is worth: fills in markets calibrated without it."""
    with report_errors(as_json):
        from studies.tape import ingredients_command

        ingredients_command.run(lake, symbol, parse_dates(dates), days, seed, as_json)


@app.command()
def causes(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol of a tape of single orders.", metavar="SYM")],
    dates: Annotated[
        str, typer.Option("--date", help="Recorded days to compare with.", metavar="D[,D...]")
    ],
    preset: Annotated[
        str, typer.Option(help="Market; default: the symbol's.", metavar="NAME")
    ] = "",
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1, max=100, metavar="N")] = 8,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Why orders fill too readily in a market: fills and mids after them with one ingredient at a time taken out."""
    with report_errors(as_json):
        from studies.fills import causes_command

        causes_command.run(lake, symbol, parse_dates(dates), preset, days, seed, as_json)


@app.command()
def queues(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol of a tape of single orders.", metavar="SYM")],
    date: Annotated[str, typer.Option(help="Day on the tape.", metavar="YYYY-MM-DD")],
    wait_s: Annotated[
        float, typer.Option(help="Seconds that each order waits.", min=1.0, max=3600.0)
    ] = 30.0,
    lots: Annotated[int, typer.Option(help="Lots of each order.", min=1, max=10**6)] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare the queue models of level tapes with the true queue: own passive orders' fills on one real day."""
    with report_errors(as_json):
        check_date(date)
        from studies.tape import queues_command

        queues_command.run(lake, symbol, date, wait_s, lots, as_json)


@app.command()
def depth(
    lake: Lake,
    symbol: Annotated[
        str,
        typer.Option(help="Symbols of tapes of single orders, with commas.", metavar="SYM[,..]"),
    ],
    date: Annotated[
        str,
        typer.Option(
            help="Days to work orders on, with commas; earlier ones are for estimates. Default: the later third.",
            metavar="D[,D...]",
        ),
    ] = "",
    orders: Annotated[
        int, typer.Option(help="Orders of each symbol, at most.", min=2, max=10_000)
    ] = 24,
    levels: Annotated[
        str, typer.Option(help="Numbers of levels shown, with commas.", metavar="N[,N...]")
    ] = "10,5,1",
    every: Annotated[
        str, typer.Option(help="Times between snapshots, ms, with commas.", metavar="MS[,MS...]")
    ] = "100,500,3000",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Exact costs of 25 strategies' commands beside their bounds where only depth was recorded: how often between, how wide."""
    with report_errors(as_json):
        from studies.tape import depth_command

        symbols, dates = split_commas(symbol), parse_dates(date)
        depth_command.run(lake, symbols, dates, orders, levels, every, seed, as_json)


@app.command()
def thin(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol of recorded days.", metavar="SYM")],
    out: Annotated[Path, typer.Option(help="Lake that the depth is written to.", metavar="LAKE")],
    date: Dates = "",
    levels: Annotated[int, typer.Option(help="Levels shown a side.", metavar="N")] = 10,
    every: Annotated[int, typer.Option(help="Time between snapshots, ms.", metavar="MS")] = 100,
) -> None:
    """The depth that a feed would have shown of recorded days, with their prints, as days of another lake."""
    with report_errors(False):
        from studies.tape import depth_command

        depth_command.write_thin(lake, symbol, parse_dates(date), out, levels, every)


@app.command()
def costs(
    file: Annotated[
        Path, typer.Argument(help="As `tercel portfolio backtest` reads it.", metavar="FILE")
    ],
    on: Annotated[
        str, typer.Option(help="Days on which costs change, each by itself, with commas.")
    ] = "2010-01-01",
    times: Annotated[
        float, typer.Option(help="So many times as high from then on.", min=0.01)
    ] = 3.0,
    half_life: Annotated[
        list[float] | None,
        typer.Option(help="Dates after which a fill counts half; several (default: 8).", min=0.1),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Draws of the noise of fills.", min=1)] = 5,
    picture: Annotated[
        Path | None, typer.Option(help="Write the picture here, SVG.", metavar="FILE")
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """After costs have tripled: how soon a book that learns them from its fills trades as if it had been told."""
    with report_errors(as_json):
        days = parse_dates(on)
        from studies.signals import costs as command

        command.run(
            file, days, times, half_life or [8.0], range(seed, seed + seeds), picture, as_json
        )


@app.command()
def regimes(
    market: Annotated[
        str, typer.Option(help="Preset market, by name or as a .json file.", metavar="NAME")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """What each named regime does to a market, against the same market without it."""
    with report_errors(as_json):
        from studies.regimes import command

        command.show(market, as_json)


@worth_app.command("alpha")
def worth_alpha(
    market: Annotated[str, typer.Option(help="Preset market.", metavar="NAME")] = "csco-santa-fe",
    episodes: Annotated[int, typer.Option(help="Paired episodes.", min=20, max=1_000_000)] = 1000,
    seed: Seed = 1,
    out: Annotated[
        Path | None, typer.Option(help="Write a page with plots here.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a forecast of known skill saves, in bps of implementation shortfall."""
    with report_errors(as_json):
        from studies.value import command

        raise typer.Exit(
            command.alpha(market=market, episodes=episodes, seed=seed, out=out, as_json=as_json)
        )


@worth_app.command("posture")
def worth_posture(
    market: Annotated[str, typer.Option(help="Preset market.", metavar="NAME")] = "csco-santa-fe",
    episodes: Annotated[int, typer.Option(help="Paired episodes.", min=20, max=1_000_000)] = 1000,
    seed: Seed = 1,
    out: Annotated[
        Path | None, typer.Option(help="Write a page with plots here.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a risk state does to the tail and the mean of cost, in calm and when the market turns."""
    with report_errors(as_json):
        from studies.value import command

        raise typer.Exit(
            command.posture(market=market, episodes=episodes, seed=seed, out=out, as_json=as_json)
        )


@app.command()
def signals(
    what: Annotated[
        str,
        typer.Argument(
            help="ofi, phases or online (recursive on daily stocks: rank IC -.011 [-.024, .002] less yearly refits).",
            metavar="STUDY",
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of real data sets.", metavar="DIR")
    ] = None,
    seed: Seed = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results (default: under runs/).", metavar="DIR"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Order flow, the day that weeks begin on, learning online: what signals reach on real data."""
    with report_errors(as_json):
        if what not in SIGNALS:
            raise UnknownNameError(
                f"one of {', '.join(SIGNALS)}", repr(what), suggest_name(what, SIGNALS)
            )
        from studies.signals import command

        raise typer.Exit(command.run(what, data, seed, out, as_json))


if __name__ == "__main__":
    run_app(app)
