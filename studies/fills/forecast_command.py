"""``python -m studies fills-forecast``: does a slice fill in the next seconds, what does a fill cost, can one say before?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.fills import forecast as f, forecast_worth as w
from studies.tape import flow
from studies.tape.flow_command import judged_of
from tercel import Market
from tercel.cli import print_json, print_table, say
from tercel.core import Estimate
from tercel.core.report import NOTHING, format_interval
from tercel.lab.evaluation import Scenario, build_market
from tercel.market.tape import Lake
from tercel.signals.flow import FlowDay, read_day
from tercel.signals.flow.train import progress_steps

EACH_SECOND = 4
"""Quarters of a second from one sample of a day to the next."""
SHOWN_S = 30
"""The wait whose deciles are printed."""
HEADINGS = (
    *("symbol", "place", "s", "slices", "came", "forecast", "skill", "of placebo", "slope"),
    *("AUC", "AUC of placebo"),
)
LEAVES = ("of placebo", "slices", "slope", "AUC of placebo", "forecast")
DECILES = ("symbol", "place", *(str(n + 1) for n in range(f.BINS)))
INNER = ("9", "2", "8", "3", "7", "4", "6", "5")
SAID = {"fill": "chance that a slice is filled", "cost": "cost of a fill, usual half spreads"}


def run(
    lakes: Sequence[Path], symbols: Sequence[str], bounds: Sequence[str], seed: int, as_json: bool
) -> None:
    """Print for each bound how forecasts do on a symbol that they were not learned on, and what they are worth there."""
    read, homes, judged = judged_of(lakes, symbols)
    found: dict[str, dict[str, Any]] = {}
    with (
        TemporaryDirectory() as kept,
        progress_steps("symbols", 4 * len(bounds) * len(judged)) as step,
    ):
        days = {one: days_of(homes[one], one) for one in judged}
        models = {
            one: flow.learned(
                {other: some for other, some in read.items() if other != one},
                Path(kept) / one,
                seed,
            )
            for one in judged
        }
        for bound in bounds:
            slices = {one: slices_of(homes[one], one, bound, days[one], step) for one in judged}
            others = {
                one: {p: [slices[other][p] for other in judged if other != one] for p in f.PLACES}
                for one in judged
            }
            rows = [
                {"symbol": one, **row}
                for one in judged
                for row in rows_of(slices[one], others[one], list(days[one]), seed, step)
            ]
            said = {one: w.said_of(others[one], days[one], seed) for one in judged}
            markets = {one: flow.ground(homes[one], one, bound) for one in judged}
            found[bound] = {"forecasts": rows, "worth": w.worth_of(markets, models, said, step)}
    if as_json:
        print_json(found)
        return
    for bound, one in found.items():
        show(bound, one)


def days_of(lake: Lake, symbol: str) -> dict[int, FlowDay]:
    """Days of a symbol, sampled each second, by number since 1970, ascending."""
    each = [read_day(lake, symbol, date, EACH_SECOND) for date in sorted(lake.days(symbol))]
    return {day.first_ns // flow.DAY_NS: day for day in each}


def slices_of(
    lake: Lake, symbol: str, bound: str, days: Mapping[int, FlowDay], step: Callable[[], None]
) -> dict[str, f.Slices]:
    """Slices at each place on all days of a symbol but the first, of whose volume they are a share."""
    dates, where = tuple(sorted(lake.days(symbol)))[1:], str(lake.root)
    still = Market(lake=where, symbol=symbol, days=dates, bound=bound, impact="none")
    market = build_market(Scenario(still))
    found = {place: f.slices_of(market, place, days) for place in f.PLACES}
    step()
    return found


def rows_of(
    slices: Mapping[str, f.Slices],
    others: Mapping[str, Sequence[f.Slices]],
    days: Sequence[int],
    seed: int,
    step: Callable[[], None],
) -> list[dict[str, Any]]:
    """Chance of a fill and its cost at each place within each wait, judged after the first days."""
    rows: list[dict[str, Any]] = []
    for place, mine in slices.items():
        early = mine.day < days[flow.FIRST]
        for wait in f.WAITS_S if place != "take" else (SHOWN_S,):
            made = {
                name: f.scored(mine, f.learned(others[place], what, seed), what, early)
                for name, what in (("fill", f"{wait}"), ("cost", f"cost {wait}"))
            }
            rows.append({"place": place, "wait_s": wait, **made})
    step()
    return rows


def show(bound: str, found: Mapping[str, Any]) -> None:
    """The tables of a bound."""
    for name, words in SAID.items():
        rows = [(row, row[name]) for row in found["forecasts"] if row[name]]
        print_table(f"{bound}: {words}", HEADINGS, [_line(row, one) for row, one in rows], LEAVES)
        deciles = [
            (row["symbol"], row["place"], *map(_pair, one["deciles"]))
            for row, one in rows
            if row["wait_s"] == SHOWN_S
        ]
        print_table(f"{bound}: forecast / came in {SHOWN_S} s, by decile", DECILES, deciles, INNER)
    worth = found["worth"]
    saves = [
        (way, *(format_interval(Estimate.of(one), signed=True) for one in each.values()))
        for way, each in worth["saves"].items()
    ]
    print_table(f"{bound}: saved on `default`, bps", ("its scores", *worth["orders"]), saves)
    say("chosen by other symbols: " + "; ".join(map(": ".join, worth["chosen"].items())))


def _pair(decile: Mapping[str, Any]) -> str:
    return f"{decile['forecast']:.2f} / {decile['outcome']['mean']:.2f}"


def _line(row: Mapping[str, Any], one: Mapping[str, Any]) -> tuple[str, ...]:
    placebo = one["placebo"]
    areas = (f"{some['auc']:.3f}" if some["auc"] else NOTHING for some in (one, placebo))
    return (
        row["symbol"],
        row["place"],
        f"{row['wait_s']}",
        f"{one['slices']:,}",
        format_interval(Estimate.of(one["outcome"]), digits=3),
        f"{one['forecast']:.3f}",
        format_interval(Estimate.of(one["skill"]), signed=True, digits=3),
        f"{placebo['skill']['mean']:+.3f}",
        f"{one['slope']:.2f}",
        *areas,
    )
