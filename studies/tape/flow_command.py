"""``python -m studies flow``: what the shipped policy saves on a symbol that its forecaster never saw."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.tape import flow
from tercel.cli import print_json, print_table, say
from tercel.core import ConfigError, Estimate
from tercel.core.report import format_interval
from tercel.execution.foresight.forecast_kernels import HALF_AT
from tercel.lab.evaluation import Scores
from tercel.lab.evaluation.assumptions import LATENCY
from tercel.market.tape import Lake
from tercel.signals.flow import FlowDay
from tercel.signals.flow.train import progress_steps, read_days

POOLED, POLICY_ROW = "all", "as default has it"
WITHOUT = {f"worth of {action}": f"without {action}" for action in flow.ACTIONS}
HEADINGS = (
    "assumed",
    "symbol",
    "orders",
    "guarded, bps",
    "default saves",
    *WITHOUT,
    "less placebo",
    "saves on twap_take",
    "saves on twap_repeg",
    "most expensive 5 %: saves on twap_repeg",
    "truth saves",
    "taken, %: guarded, default",
)


def run(
    lakes: Sequence[Path],
    symbols: Sequence[str],
    bounds: Sequence[str],
    seed: int,
    as_json: bool,
    terms: Mapping[str, float] = flow.NO_TERMS,
    assumptions: Sequence[str] = (),
) -> None:
    """Print a row a bound and symbol that was left out, and one of all together; `terms` of impact.

    With `assumptions` also a row under each, and no policy is told the truth.
    """
    days, homes, judged = judged_of(lakes, symbols)
    found: dict[str, list[dict[str, Any]]] = {}
    left = {
        POLICY_ROW: {late: 1.0 / (1.0 + late / (HALF_AT * flow.HORIZON_S)) for late in flow.LATE_S}
    }
    conditions = flow.conditions_of(bounds, assumptions, terms)
    steps = len(conditions) * len(judged)
    with TemporaryDirectory() as kept, progress_steps("judging", steps) as step:
        for condition, (bound, changed) in conditions.items():
            parts: dict[str, Sequence[Scores]] = {}
            for symbol in judged:
                folder = Path(kept) / symbol
                others = {name: one for name, one in days.items() if name != symbol}
                model = str(folder) if folder.exists() else flow.learned(others, folder, seed)
                market = flow.ground(homes[symbol], symbol, bound, changed, terms=terms)
                made = flow.strategies_of(model, market)
                costs = flow.costs_of(market, made, () if assumptions else days[symbol])
                parts[symbol] = Scores.of(costs, {}), flow.taken(costs)
                if LATENCY in assumptions and symbol not in left:
                    left[symbol] = {
                        late: flow.share_left(days[symbol], model, late) for late in flow.LATE_S
                    }
                step()
            parts[POOLED] = [flow.joined(one) for one in zip(*parts.values(), strict=True)]
            found[condition] = [row_of(symbol, *scores) for symbol, scores in parts.items()]
    if as_json:
        print_json({"gains": found, "share_left": left} if assumptions else found)
        return
    if LATENCY in assumptions:
        print_table(
            f"Share of the move that a forecast of {flow.HORIZON_S} s is of which is left when an order arrives late",
            ("", *(f"{late} s late" for late in flow.LATE_S)),
            [(name, *(f"{one:.2f}" for one in row.values())) for name, row in left.items()],
        )
    print_table(
        "half-hour orders of 10 %, both sides; forecasts learned on other symbols; one assumption changed at a time",
        HEADINGS,
        [_line(name, row) for name, rows in found.items() for row in rows],
    )
    say("Saved by default against guarded, bps, on the same orders. Intervals are 95 %, over days.")
    say(
        "Worth of an action: what default saves on itself without it. Taken: share of an order's lots, mean over orders."
    )


def run_sizes(
    lakes: Sequence[Path], symbols: Sequence[str], bounds: Sequence[str], shares: Sequence[float], seed: int,
    as_json: bool, terms: Mapping[str, float] = flow.NO_TERMS,
) -> None:  # fmt: skip
    """Print the policy beside `rest_and_take`, a row a symbol that was left out and size; `terms` of impact."""
    days, homes, judged = judged_of(lakes, symbols)
    rows = list[tuple[str, dict[str, Any]]]()
    with TemporaryDirectory() as kept, progress_steps("judging", len(judged)) as step:
        for symbol in judged:
            others = {name: one for name, one in days.items() if name != symbol}
            model = flow.learned(others, Path(kept) / symbol, seed)
            for share in shares:
                for bound in bounds:
                    row = flow.of_size(homes[symbol], symbol, bound, model, share, terms)
                    rows.append((bound, row))
            step()
    if as_json:
        print_json(
            [
                {
                    "bound": bound,
                    **row,
                    **{key: row[key].to_json() for key in ("saves", "saves_filled")},
                }
                for bound, row in rows
            ]
        )
        return
    heads = (
        "bound", "symbol", "% of volume", "orders", "default saves", "where all was filled",
        "default, bps", flow.LARGE, "unfilled, %",
    )  # fmt: skip
    cells = [
        (
            bound, row["symbol"], f"{100 * row['share']:g}", f"{row['orders']:,}",
            format_interval(row["saves"], signed=True),
            f"{format_interval(row['saves_filled'], signed=True)} ({row['filled']:,})",
            *(f"{row['bps'][name]:.2f}" for name in (flow.POLICY, flow.LARGE)),
            ", ".join(f"{100 * one:.1f}" for one in row["unfilled"].values()),
        )
        for bound, row in rows
    ]  # fmt: skip
    print_table(
        "half-hour orders, both sides, 5 ms late; forecasts learned on other symbols", heads, cells
    )
    say(f"Saved against {flow.LARGE}, bps, on the same orders. Intervals are 95 %, over days.")


def homes_of(lakes: Sequence[Path], symbols: Sequence[str]) -> dict[str, Lake]:
    """The lake of each symbol, of all that the lakes hold or of those named."""
    held = {about.symbol: lake for lake in map(Lake, lakes) for about in lake.list()}
    return {symbol: held.get(symbol, Lake(lakes[0])) for symbol in symbols or sorted(held)}


def judged_of(
    lakes: Sequence[Path], symbols: Sequence[str]
) -> tuple[flow.Days, Mapping[str, Lake], list[str]]:
    """Days by symbol, the lake of each, and the symbols of enough days to be judged.

    Raises
    ------
    ConfigError
        Fewer than two of these.
    """
    homes = homes_of(lakes, symbols)
    days: dict[str, Sequence[FlowDay]] = {}
    for symbol, lake in homes.items():
        days |= read_days(lake, [symbol])
    judged = [one for one in days if len(days[one]) >= flow.LEAST_DAYS]
    if len(judged) < 2:
        raise ConfigError(
            f"two symbols of {flow.LEAST_DAYS} days or more",
            f"{', '.join(judged) or 'none'} of {', '.join(days) or 'none'}",
            "name lakes of more days with --lake",
        )
    return days, homes, judged


def row_of(symbol: str, scores: Scores, taken: Scores) -> dict[str, Any]:
    """The figures of a symbol."""
    ran = [
        row
        for row in (flow.POLICY, *WITHOUT.values(), flow.PLACEBO, flow.TRUTH)
        if row in scores.bps
    ]
    saves_on = (*WITHOUT.values(), flow.PLACEBO, *flow.SCHEDULES)
    return {
        "symbol": symbol,
        "orders": len(scores.cluster),
        "bps": scores.means(),
        "saves": {name: flow.saved(scores, name).to_json() for name in ran},
        "saves_on": {one: flow.saved(scores, flow.POLICY, one).to_json() for one in saves_on},
        "dearest_on_twap_repeg": flow.saved_in_tail(scores, flow.POLICY, "twap_repeg").to_json(),
        "taken": taken.means(),
    }


def _line(condition: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    told = row["saves"].get(flow.TRUTH)
    gains = (row["saves"][flow.POLICY], *row["saves_on"].values(), row["dearest_on_twap_repeg"])
    return (
        condition,
        row["symbol"],
        f"{row['orders']:,}",
        f"{row['bps'][flow.BASE]:.2f}",
        *(format_interval(Estimate.of(one), signed=True) for one in gains),
        format_interval(Estimate.of(told), signed=True) if told else "",
        ", ".join(f"{100 * row['taken'][name]:.1f}" for name in (flow.BASE, flow.POLICY)),
    )
