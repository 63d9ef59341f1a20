"""``python -m studies estimate``: whether estimates of orders hold on days that gave nothing to them.

The first days of a symbol fix the law of impact, the sizes and what strategies know; they are not judged. Each later day is
judged once, by the estimate of at most `DAYS` days before it. Its mean cost in a group (size, side, hour) is to lie in the
90 % interval, and each of its orders below the 95 % worst case. What happened is the replay of the same orders on that day.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from studies.tape.flow_command import POOLED, homes_of
from tercel import Lake, Market, Task
from tercel.cli import print_json, print_table, say
from tercel.core import ConfigError, Estimate, Floats
from tercel.core.report import format_interval, format_number
from tercel.core.stats import clustered_se, t_quantile
from tercel.execution import Strategy
from tercel.execution.policies import policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.execution.strategies import MarketEstimates, build
from tercel.lab.pretrade import LikeCosts, Prediction, load_days, predict, run_like_orders
from tercel.signals.flow.train import progress_steps

STRATEGIES: Final = ("default", "guarded", "twap_take", "immediate")
SCHEDULE: Final = "twap_take"
SHARES: Final = (0.02, 0.1, 0.2)
HOURS: Final = ("10:00", "11:00", "12:00", "13:00", "14:00")
FIRST: Final = 10
DAYS: Final = 20
FEW: Final = (1, 3)
"""Days that a closed form rests on where it is judged."""
BLOCK: Final = 8
LEAST: Final = 5
"""Days before a judged one below which it is not estimated."""
HEADINGS: Final = (
    "strategy", "symbol", "% of volume", "days of groups", "in the 90 % interval, %", "orders",
    "below the 95 % worst case, %", "expected, bps", "came, bps", "closed form, bps",
)  # fmt: skip


Key = tuple[str, str, float]
"""Strategy, symbol, share of the volume."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What was judged of a strategy in a symbol at a size; dates are numbers of days, shared by symbols.

    Parameters
    ----------
    days : float64 (n, 2)
        Days of groups: whether the interval held, date.
    orders : float64 (m, 5)
        Orders: whether the worst case held, date; expected, came, and what even takes cost in closed form, bps.
    """

    days: Floats
    orders: Floats


def shares_held(rows: Floats) -> Estimate:
    """Share of rows (n, 2 or more) that held, %, with its 95 % interval over dates."""
    held, days = 100.0 * rows[:, 0], len(np.unique(rows[:, 1]))
    mean = float(held.mean())
    if days < LEAST:
        return Estimate(mean, None, None)
    half = t_quantile(0.975, days - 1) * clustered_se(held, rows[:, 1].astype(np.int64))
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, 100.0))


def judge(costs: LikeCosts, first: int, numbers: Sequence[int], closed: float) -> Judged:
    """Judge each day from `first` on by the estimate of the days before it; `numbers` of dates by day, `closed` form."""
    parts = []
    for day in range(first, len(numbers)):
        before = (costs.day < day) & (costs.day >= day - DAYS)
        if len(np.unique(costs.day[before])) < LEAST:
            continue
        found = predict(costs.bps[before], costs.day[before], costs.side[before])
        parts.append(judge_day(costs, day, numbers[day], found, closed))
    return joined(parts)


def judge_day(costs: LikeCosts, day: int, number: int, found: Prediction, closed: float) -> Judged:
    """Judge a day, of a `number` among all dates, by what was predicted."""
    days, orders = [], []
    for side in (1, -1):
        came = costs.bps[(costs.day == day) & (costs.side == side)]
        if len(came):
            days.append((found.low <= came.mean() <= found.high, number))
        orders += [(cost <= found.worst, number, found.mean, cost, closed) for cost in came]
    return Judged(
        np.array(days, np.float64).reshape(-1, 2), np.array(orders, np.float64).reshape(-1, 5)
    )


def judged_by_few(
    lake: Lake, symbol: str, numbers: Mapping[str, int], horizon: str
) -> dict[Key, Judged]:
    """Even takes in closed form, of one day and of three days, on the days that follow within `BLOCK`."""
    dates = list(lake.days(symbol))
    market = Market(lake=str(lake.root), symbol=symbol)
    parts: dict[Key, list[Judged]] = defaultdict(list)
    for few, at, hour in product(FEW, range(0, len(dates) - LEAST, BLOCK // 2), HOURS[::2]):
        block = dates[at : at + BLOCK]
        with suppress(ConfigError):  # the first days are too short
            days = load_days(
                lake, market, block, Task(quantity=1, start=hour, horizon=horizon), learned=few
            )
            mid_ticks = float(np.median(days.mids[days.plan.cluster < few])) / 2
            for share in SHARES:
                sized = days.with_quantity(max(round(share * days.estimates.expected_volume), 1))
                one = sized.schedules(few=True)[0].times(1e4 / mid_ticks)
                high = one.mean + one.half_width
                found = Prediction(one.mean, one.mean - one.half_width, high, 0.0, one.sd, high)
                costs = run_like_orders(sized, {SCHEDULE: build(SCHEDULE)}, ends=(1.0,))[SCHEDULE]
                parts[f"closed form of {few}", symbol, share] += [
                    judge_day(costs, day, numbers[block[day]], found, one.mean)
                    for day in range(few, len(block))
                ]
    return {key: joined(found) for key, found in parts.items()}


def judged_of(
    lake: Lake, symbol: str, numbers: Mapping[str, int], horizon: str, step: Callable[[], None]
) -> dict[Key, Judged]:
    """Each strategy and size in a symbol, all hours."""
    dates = list(lake.days(symbol))
    first = min(FIRST, len(dates) // 2)
    market = Market(lake=str(lake.root), symbol=symbol)
    parts: dict[Key, list[Judged]] = defaultdict(list)
    for hour in HOURS:
        task = Task(quantity=1, start=hour, horizon=horizon)
        days = load_days(lake, market, dates, task, learned=first)
        mid_ticks = float(days.mids[days.plan.cluster < first, 0].mean()) / 2
        for share in SHARES:
            sized = days.with_quantity(max(round(share * days.estimates.expected_volume), 1))
            made = {name: strategy_of(name, days.estimates) for name in STRATEGIES}
            closed = sized.schedules()[0].times(1e4 / mid_ticks).mean
            for name, costs in run_like_orders(sized, made, ends=(1.0,)).items():
                judged = judge(costs, first, [numbers[date] for date in dates], closed)
                parts[name, symbol, share].append(judged)
            step()
    return {key: joined(found) for key, found in parts.items()}


def joined(parts: Sequence[Judged]) -> Judged:
    """Several of them as one."""
    return Judged(
        np.concatenate([part.days for part in parts]),
        np.concatenate([part.orders for part in parts]),
    )


def strategy_of(name: str, estimates: MarketEstimates) -> Strategy:
    """The packaged policy, or a rule."""
    return (
        policy_strategy(folder_of("default-1"), name)
        if name == "default"
        else build(name, estimates)
    )


def run(lake: Path, symbols: Sequence[str], horizon: str, as_json: bool) -> None:
    """Print shares of days in the interval and of orders below the worst case, by strategy, symbol and size."""
    homes = homes_of([lake], symbols)
    dates = sorted({date for symbol in homes for date in homes[symbol].days(symbol)})
    numbers = {date: number for number, date in enumerate(dates)}
    found: dict[Key, Judged] = {}
    by_few: dict[Key, Judged] = {}
    with progress_steps("replay like orders", len(homes) * len(HOURS) * len(SHARES)) as step:
        for symbol, home in homes.items():
            if len(home.days(symbol)) < 2 * LEAST:
                raise ConfigError(
                    f"{2 * LEAST} days or more of each symbol",
                    f"{len(home.days(symbol))} of {symbol}",
                    "name others with --symbol",
                )
            found |= judged_of(home, symbol, numbers, horizon, step)
            by_few |= judged_by_few(home, symbol, numbers, horizon)
    cells = [row_of(*key, judged) for key, judged in found.items()]
    rows = [
        row_of(name, symbol, share, joined(of))
        for name, symbol in (
            *((name, POOLED) for name in STRATEGIES),
            *((POOLED, one) for one in (*homes, POOLED)),
        )
        for share in (*SHARES, None)
        if (of := _matching(found, name, symbol, share))
    ]
    rows += [
        row_of(name, symbol, None, joined(_matching(by_few, name, symbol, None)))
        for name in (f"closed form of {few}" for few in FEW)
        for symbol in (*homes, POOLED)
    ]
    if as_json:
        print_json({"table": rows, "cells": cells})
        return
    print_table(
        f"Orders of {horizon} from {HOURS[0]} to {HOURS[-1]} on days that gave nothing to their estimates",
        HEADINGS,
        [_line(row) for row in rows],
    )
    say(
        "Shares have 95 % intervals over dates. What came is the replay of the same orders on the judged day."
    )


def _matching(
    found: Mapping[Key, Judged], name: str, symbol: str, share: float | None
) -> list[Judged]:
    """What was found of a strategy (or all), a symbol (or all) and a size (or all)."""
    return [
        judged
        for (one, home, size), judged in found.items()
        if name in (one, POOLED) and symbol in (home, POOLED) and share in (size, None)
    ]


def row_of(name: str, symbol: str, share: float | None, judged: Judged) -> dict[str, Any]:
    """Figures of a row."""
    return {
        "strategy": name,
        "symbol": symbol,
        "share": share,
        "groups": len(judged.days),
        "in_interval": shares_held(judged.days).to_json(),
        "orders": len(judged.orders),
        "below_worst": shares_held(judged.orders).to_json(),
        "expected_bps": float(judged.orders[:, 2].mean()),
        "came_bps": float(judged.orders[:, 3].mean()),
        "closed_form_bps": float(judged.orders[:, 4].mean()) if name == SCHEDULE else None,
    }


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    shares = (
        format_interval(Estimate.of(row[key]), digits=1) for key in ("in_interval", "below_worst")
    )
    inside, below = shares
    return (
        row["strategy"],
        row["symbol"],
        "all" if row["share"] is None else f"{100 * row['share']:g}",
        f"{row['groups']:,}",
        inside,
        f"{row['orders']:,}",
        below,
        *(format_number(row[key], 1) for key in ("expected_bps", "came_bps", "closed_form_bps")),
    )
