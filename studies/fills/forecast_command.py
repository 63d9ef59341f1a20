"""``python -m studies fills-forecast``: does a slice fill in the next seconds, what does a fill cost, can one say before?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.fills import forecast as f
from studies.fills import forecast_worth as w
from studies.tape import flow
from studies.tape.flow_command import judged_of
from tercel import Market
from tercel.cli import print_json, print_table, say
from tercel.core.report import NOTHING, spelt_cell
from tercel.lab.evaluation import MarketTask, build_market
from tercel.market.tape import Lake
from tercel.signals.flow import FlowDay, read_day
from tercel.signals.flow.train import steps

EACH_SECOND = 4
"""Quarters of a second from one sample of a day to the next."""
SHOWN_S = 30
"""The wait whose deciles are printed."""
HEADINGS = (
    *("symbol", "place", "s", "slices", "filled, %", "forecast, %", "AUC", "its placebo"),
    *("Brier skill", "slope", "cost of a fill", "forecast", "R²", "its placebo"),
)
DECILES = ("symbol", "place", *(str(n + 1) for n in range(f.BINS)))


def run(
    lakes: Sequence[Path], symbols: Sequence[str], bounds: Sequence[str], seed: int, as_json: bool
) -> None:
    """Print for each bound how forecasts do on a symbol that they were not learned on, and what they are worth there."""
    read, homes, judged = judged_of(lakes, symbols)
    found: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as kept, steps("symbols", 4 * len(bounds) * len(judged)) as step:
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
            worth = w.worth_of(markets, models, said, step)
            found[bound] = {"forecasts": rows, "worth": worth}
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
    market = build_market(MarketTask(still))
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
        for wait in f.WAITS_S if place != "take" else f.WAITS_S[:1]:
            early = mine.day < days[flow.FIRST]
            made = {
                name: f.scored(mine, f.learned(others[place], what, seed), what, early)
                for name, what in (("fill", f"{wait}"), ("cost", f"cost {wait}"))
            }
            rows.append({"place": place, "wait_s": wait, **made})
    step()
    return rows


def show(bound: str, found: Mapping[str, Any]) -> None:
    """The tables of a bound."""
    rows, worth = found["forecasts"], found["worth"]
    title = "a slice of half-hour orders of 10 %; forecasts learned on other symbols"
    print_table(f"{bound}: {title}", HEADINGS, [_line(row) for row in rows])
    for name, scale, words in (("fill", 100, "chance of a fill, %"), ("cost", 1, "cost of a fill")):
        shown = [
            (row["symbol"], row["place"], *(_pair(one, scale) for one in row[name]["deciles"]))
            for row in rows
            if row[name] and row["wait_s"] == SHOWN_S
        ]
        print_table(f"{bound}: {words} in {SHOWN_S} s, forecast / came, by decile", DECILES, shown)
    names = list(worth["orders"])
    saves = [
        (name, *(spelt_cell(each[one], "+") for one in names))
        for name, each in worth["saves"].items()
    ]
    print_table(f"{bound}: saved on `default`, bps", ("scores moved", *names), saves)
    say("chosen: " + "; ".join(f"{one}: {way}" for one, way in worth["chosen"].items()))


def _pair(decile: Mapping[str, Any], scale: float) -> str:
    digits = 0 if scale > 1 else 2
    forecast, came = scale * decile["forecast"], scale * decile["outcome"]["mean"]
    return f"{forecast:.{digits}f} / {came:.{digits}f}"


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    fill, cost = row["fill"], row["cost"]
    chance = (
        [
            f"{fill['slices']:,}",
            f"{100 * fill['outcome']['mean']:.1f}",
            f"{100 * fill['forecast']:.1f}",
            f"{fill['auc']:.3f}",
            f"{fill['auc_placebo']:.3f}",
            spelt_cell(fill["skill"], "+", 3),
            f"{fill['slope']:.2f}",
        ]
        if fill
        else [NOTHING] * 7
    )
    paid = (
        [
            spelt_cell(cost["outcome"]),
            f"{cost['forecast']:.2f}",
            spelt_cell(cost["skill"], "+", 3),
            f"{cost['skill_placebo']['mean']:+.3f}",
        ]
        if cost
        else [NOTHING] * 4
    )
    return (row["symbol"], row["place"], f"{row['wait_s']}", *chance, *paid)
