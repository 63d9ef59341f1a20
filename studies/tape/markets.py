"""``python -m studies markets``: what the shipped policy saves in every recorded market, beside every written rule.

A symbol of `flow.LEAST_DAYS` days or more is judged on its later days, which are clusters; what waiting costs is measured on
the days before. A shorter one is judged on all its half hours without a break, which are clusters; what waiting costs is scaled
by the tick, by the line of the other symbols (`tercel.lab.evaluation.scaled_waiting`). Its orders are 10 % of the volume of its
first two thirds or first day, on average; written rules know volume and volatility of the judged half hours.

The forecaster of a symbol is of the other symbols. Its best written rule is the one that costs least of `twap_take` on these.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, cast

import numpy as np

from studies.tape import flow
from studies.tape.flow_command import POOLED, homes_of
from tercel import Market, Task, TercelError
from tercel.cli import print_json, print_table, say
from tercel.core import NS_PER_SECOND, ConfigError, Estimate, Floats, refuse_if
from tercel.core.report import format_interval
from tercel.core.stats import clustered_se, holm, two_sided_p
from tercel.execution import LEAST_USUAL_SPREAD, Strategy, step as columns
from tercel.execution.policies import PlaceboForecast
from tercel.execution.strategies import WRITTEN, MarketEstimates, build
from tercel.lab.evaluation import (
    Plan,
    Scenario,
    Scores,
    Waiting,
    law_of_tape,
    pilot,
    placebo_plan,
    run_strategies,
    split_days,
    tape_plan,
    tape_sampler,
    tick_bps,
)
from tercel.market.simulator import Source, replay_source
from tercel.market.tape import Lake
from tercel.signals.flow.train import progress_steps, read_days

RULES: Final = (*WRITTEN, "twap_repeg+events", flow.LARGE)
YARDSTICK, BEST = "twap_take", "best written rule"
TAKEN, UNFILLED = "taken", "unfilled"
LEAST_HALF_HOURS: Final = 6
LEAST_IN_TAIL: Final = 5
"""Orders among the dearest below which a gain there has no interval."""
MODERN: Final = "2013"
"""The year from which on markets are pooled apart."""
HALF_HOUR_NS: Final = 1800 * NS_PER_SECOND
EVERY_NS: Final = 60 * NS_PER_SECOND
HEADINGS = (
    "fills", "market", "spread, ticks", "orders", "waiting: measured / scaled", "guarded, default, bps", "saves on guarded",
    "on the best rule elsewhere", "rules cheaper, dearer", "less placebo", "taken, unfilled, %", "dearest 5 %: saves on guarded",
)  # fmt: skip


class Ground(NamedTuple):
    """A market to judge in; `waiting` is measured on days that are not judged, of a `short` one on all its half hours, for
    others alone."""

    source: Source
    task: Task
    plan: Plan
    estimates: MarketEstimates
    waiting: Waiting
    short: bool


class Judged(NamedTuple):
    """Costs of a symbol's orders, and shares of the policy's lots taken and unfilled."""

    scores: Scores
    shares: Scores


def ground_of(lake: Lake, symbol: str, bound: str, terms: Mapping[str, float]) -> Ground:
    """The market of a symbol.

    Raises
    ------
    ConfigError
        Fewer than `LEAST_HALF_HOURS` half hours.
    """
    task, dates = Task(latency=flow.LATE), lake.days(symbol)
    if len(dates) >= flow.LEAST_DAYS:
        found = flow.ground(lake, symbol, bound, task=task, terms=terms)
        return Ground(
            found.judged, found.task, found.plan, found.estimates, cast(Waiting, found.judged.waiting), False
        )  # fmt: skip
    changed: Any = terms
    split = split_days(lake, symbol)
    law = law_of_tape(split.days, Market(lake=str(lake.root), symbol=symbol, **changed))
    source, days = replay_source(lake, symbol, dates, bound=bound, impact=law)
    hours = {day.last_row: day.hours for day in days}
    rows = tape_plan(days, task, split.curve).rows
    ends = rows[:, [columns.E_START_NS, columns.E_CURSOR_END]].tolist()
    rows = rows[
        [hours[day].ends_ns(ns, task.horizon_ns) - ns == task.horizon_ns for ns, day in ends]
    ]
    plan = Plan(rows, rows[:, columns.E_START_NS] // HALF_HOUR_NS)
    refuse_if(
        (count := len(np.unique(plan.cluster))) < LEAST_HALF_HOURS,
        f"{LEAST_HALF_HOURS} half hours without a break",
        f"{count}",
        "import longer days",
    )
    every = tape_plan(days, task, split.curve, every_ns=EVERY_NS)
    waiting = Waiting(source, task, tape_sampler(every))
    return Ground(source, task, plan, pilot(source, task, plan), waiting, True)


def judge(ground: Ground, model: str, scaled: Waiting) -> Judged:
    """Costs of the policy, its placebo and all written rules on the orders of a market; a short one's cost of waiting is
    scaled."""
    policy = flow.policy_of(model)
    made: dict[str, Strategy] = {flow.POLICY: policy, flow.PLACEBO: PlaceboForecast(policy)}
    made |= {name: build(name, ground.estimates) for name in RULES}
    placebo = placebo_plan(ground.plan)
    source = replace(ground.source, waiting=scaled if ground.short else ground.waiting)
    costs = {
        name: run_strategies(
            source, ground.task, ground.plan, [one], run_out=False, placebo=placebo
        )[0]
        for name, one in made.items()
    }
    costs = flow.complete(costs)
    own = costs[flow.POLICY]
    shares = {
        TAKEN: flow.taken(costs).bps[flow.POLICY],
        UNFILLED: (own.unfilled_lots / own.qty)[None],
    }
    return Judged(Scores.of(costs, {}), Scores(shares, own.cluster))


def best_elsewhere(parts: Mapping[Any, Judged], symbol: str) -> str:
    """The written rule whose cost over that of `YARDSTICK` is least on average over other symbols, under all bounds.

    Parameters
    ----------
    parts : mapping of (bound, symbol) to Judged
    """
    ratios = [
        [part.scores.mean(name).mean() / part.scores.mean(YARDSTICK).mean() for name in RULES]
        for (_, other), part in parts.items()
        if other != symbol
    ]
    return RULES[int(np.argmin(np.mean(ratios, axis=0)))]


def line_of(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Intercept and slope of costs of waiting on the log of the tick, of (tick, bps; cost) by symbol; flat for one."""
    tick, cost = np.array(points).T
    slope, intercept = np.polyfit(np.log(tick), cost, 1) if len(points) > 1 else (0.0, cost[0])
    return float(intercept), float(slope)


def row_of(part: Judged) -> dict[str, Any]:
    """The figures of a market or of several: `BEST` is a row of its scores.

    Written rules are told apart by Holm's procedure at 5 %, all of them together, over clusters.
    """
    scores, freedom = part.scores, len(np.unique(part.scores.cluster)) - 1
    gains = [scores.mean(name) - scores.mean(flow.POLICY) for name in RULES]
    errors = [clustered_se(one, scores.cluster) or np.inf for one in gains]
    t = np.array([one.mean() / error for one, error in zip(gains, errors, strict=True)])
    dearest = flow.saved_in_tail(scores, flow.POLICY, flow.BASE)
    if len(scores) * flow.TAIL < LEAST_IN_TAIL:
        dearest = Estimate(dearest.mean, None, None)
    apart = holm([two_sided_p(one, freedom) for one in t.tolist()]) < 0.05
    return {
        "orders": len(scores),
        "clusters": freedom + 1,
        "bps": scores.means(),
        "saves": flow.saved(scores, flow.POLICY).to_json(),
        "saves_on_best": flow.saved(scores, flow.POLICY, BEST).to_json(),
        "rules": len(RULES),
        "rules_cheaper": int((apart & (t < 0)).sum()),
        "rules_dearer": int((apart & (t > 0)).sum()),
        "over_placebo": flow.saved(scores, flow.POLICY, flow.PLACEBO).to_json(),
        **{name: float(table.mean()) for name, table in part.shares.bps.items()},
        "dearest": dearest.to_json(),
    }


def sets_of(
    homes: Mapping[str, Lake], bound: str, terms: Mapping[str, float]
) -> tuple[dict[str, Any], dict[str, Ground], dict[str, str]]:
    """Days of each symbol that can be learned from, the markets that can be judged, and why others cannot, by symbol."""
    days: dict[str, Any] = {}
    grounds: dict[str, Ground] = {}
    skipped: dict[str, str] = {}
    for symbol, lake in homes.items():
        lake.days(symbol)  # refuses a symbol that the lakes do not hold
        try:
            days |= read_days(lake, [symbol])
            grounds[symbol] = ground_of(lake, symbol, bound, terms)
        except TercelError as error:
            skipped[symbol] = f"expected {error.expected}, received {error.received}"
    return days, grounds, skipped


def found_of(
    lakes: Sequence[Path],
    symbols: Sequence[str],
    bounds: Sequence[str],
    seed: int,
    terms: Mapping[str, float] = flow.NO_TERMS,
) -> dict[str, Any]:
    """Rows by bound and symbol or pool, symbols that are skipped and why, and the line of costs of waiting.

    Raises
    ------
    ConfigError
        Fewer than two symbols that can be judged.
    """
    homes = homes_of(lakes, symbols)
    for bound in bounds:
        Scenario(Market(lake="lake", symbol="any", bound=bound), Task()).in_market(
            **terms
        )  # or refuses
    days, grounds, skipped = sets_of(homes, bounds[0], terms)
    known = list(grounds)
    if len(known) < 2:
        raise ConfigError(
            f"two symbols of {LEAST_HALF_HOURS} half hours or more",
            f"{', '.join(known) or 'none'}; {'; '.join(skipped.values()) or 'no others'}",
            "name lakes of more markets with --lake",
        )
    parts: dict[tuple[str, str], Judged] = {}
    costs: dict[str, dict[str, float]] = {}
    with (
        TemporaryDirectory() as kept,
        progress_steps("judging", len(known) * (1 + len(bounds))) as step,
    ):
        for symbol in known:
            ground = grounds[symbol]
            costs[symbol] = {
                "tick_bps": tick_bps(ground.source),
                "measured": ground.waiting.measured[0],
            }
            step()
        points = {one: (row["tick_bps"], row["measured"]) for one, row in costs.items()}
        for symbol in known:
            others = {name: one for name, one in days.items() if name != symbol}
            model = flow.learned(others, Path(kept, symbol), seed)
            line = line_of([point for one, point in points.items() if one != symbol])
            by_line = Waiting(grounds[symbol].source, grounds[symbol].task, None, line)
            costs[symbol]["scaled"] = by_line.value
            for bound in bounds:
                ground = ground_of(homes[symbol], symbol, bound, terms)
                parts[bound, symbol] = judge(ground, model, by_line)
                step()
    best = {symbol: best_elsewhere(parts, symbol) for symbol in known}
    for (_, symbol), part in parts.items():
        cast(dict[str, Floats], part.scores.bps)[BEST] = part.scores.bps[best[symbol]]
    spread = {symbol: ground.estimates.spread for symbol, ground in grounds.items()}
    pools = {
        POOLED: known,
        f"since {MODERN}": [one for one in known if homes[one].days(one)[0] >= MODERN],
        "one tick": [one for one in known if spread[one] < LEAST_USUAL_SPREAD],
    }
    rows: dict[str, dict[str, Any]] = {bound: {} for bound in bounds}
    for (bound, symbol), part in parts.items():
        rows[bound][symbol] = {
            "by": "half hours" if grounds[symbol].short else "days",
            "spread_ticks": spread[symbol],
            "best": best[symbol],
            **costs[symbol],
            **row_of(part),
        }
    for bound in bounds:
        for name, members in pools.items():
            if len(members) > 1:
                pooled = [parts[bound, one] for one in members]
                rows[bound][name] = {"by": "clusters", "members": members} | row_of(
                    Judged(*(flow.joined(scores) for scores in zip(*pooled, strict=True)))
                )
    measured, scaled = (
        np.array([row[key] for row in costs.values()]) for key in ("measured", "scaled")
    )
    return {
        "rows": rows,
        "skipped": skipped,
        "waiting_line": line_of(list(points.values())),
        "waiting_misses": float(np.sqrt(np.mean((measured - scaled) ** 2))),
        "waiting_mean_misses": float(measured.std() * len(known) / (len(known) - 1)),
    }


def run(
    lakes: Sequence[Path],
    symbols: Sequence[str],
    bounds: Sequence[str],
    seed: int,
    as_json: bool,
    terms: Mapping[str, float] = flow.NO_TERMS,
) -> None:
    """Print a table, a row a market and bound and then one of all, those since 2013 and those of one tick; `terms` of impact."""
    began = time.process_time()
    found = found_of(lakes, symbols, bounds, seed, terms)
    found["cpu_s"] = time.process_time() - began
    if as_json:
        print_json(found)
        return
    print_table(
        "orders of 10 % in half an hour, both sides, 5 ms late; forecasts learned on other symbols",
        HEADINGS,
        [
            _line(bound, name, row)
            for bound, rows in found["rows"].items()
            for name, row in rows.items()
        ],
    )
    intercept, slope = found["waiting_line"]
    say(
        "Saves: bps on the same orders, above 0 where default is cheaper; intervals are 95 %, over clusters. "
        f"Rules: of {len(RULES)}, those cheaper and dearer than default by Holm's procedure at 5 %."
    )
    say(
        "Waiting costs are scaled, not measured, where half hours are judged: by the line of the other symbols, which misses by "
        f"{found['waiting_misses']:.2f} (root mean square; their mean by {found['waiting_mean_misses']:.2f}). Over all it is "
        f"{intercept:.2f} {slope:+.2f} ln(tick, bps)."
    )
    skipped = "; ".join(f"{symbol} ({why})" for symbol, why in found["skipped"].items())
    say(f"Not judged: {skipped or 'none'}. {found['cpu_s']:.0f} CPU seconds.")


def _line(bound: str, name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    saves, on_best, over, dearest = (
        format_interval(Estimate.of(row[key]), signed=True)
        for key in ("saves", "saves_on_best", "over_placebo", "dearest")
    )
    alone = "best" in row
    return (
        bound,
        name,
        f"{row['spread_ticks']:.1f}" if alone else "",
        f"{row['orders']:,} in {row['clusters']} {row['by']}",
        f"{row['measured']:.2f} / {row['scaled']:.2f}" if alone else "",
        f"{row['bps'][flow.BASE]:.2f}, {row['bps'][flow.POLICY]:.2f}",
        saves,
        f"{row['best']} {on_best}" if alone else on_best,
        f"{row['rules_cheaper']}, {row['rules_dearer']}",
        over,
        f"{100 * row[TAKEN]:.1f}, {100 * row[UNFILLED]:.1f}",
        dearest,
    )
