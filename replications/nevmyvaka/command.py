"""`python -m replications nevmyvaka`: learn if requested, judge on later days, print beside the published figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replications.nevmyvaka import study
from replications.nevmyvaka.stored import FOLDER, Kept, keep, kept, path_of
from replications.recorded_figures import savings
from tercel.cli import print_json, print_table, say
from tercel.core.stats import Replicates, average_over_seeds, moments_of_mean, replicate
from tercel.market.tape import Lake

STUDY: Final = "nevmyvaka"
LEAVE: Final = "submit and leave"
PUBLISHED: Final[dict[str, Any]] = {
    "private_over_submit_and_leave_percent": {"low": 27.16, "high": 35.50},
    "over_private_percent": {"spread, cost, volume": 12.85, "imbalance": 0.13},
    "all_over_submit_and_leave_percent": {"at_least": 50.0},
}
"""Savings of cost that the study reports, for AMZN, NVDA and QCOM on INET; 5,000 and 10,000 shares."""
RESAMPLES: Final = 4000


def run(
    lake: Path,
    symbol: str,
    train: bool,
    shares: int,
    most: int,
    seeds: Sequence[int],
    out: Path,
    as_json: bool,
) -> None:
    """Print our figures beside the published ones and draw them."""
    tape, tables = (
        _learned(Lake(lake), symbol, shares, out) if train else _stored(Lake(lake), symbol)
    )
    found = {}
    for one in tables:
        say(f"judge  {one.table.setting.name}")
        plan = study.judged_plan(tape, one.table.setting, one.shares, seeds, most)
        costs = study.judge(tape, one.table, one.offsets, plan)
        found[one.table.setting.name] = _figures(one, costs, plan.cluster, seeds)
    out.mkdir(parents=True, exist_ok=True)
    figure = savings(found, PUBLISHED, f"{STUDY}_{symbol.lower()}").save(out)
    spans = dict(zip(("trained_on", "judged_on"), tape.spans, strict=True))
    if as_json:
        about = {
            "study": STUDY,
            "symbol": symbol,
            "shares": tables[0].shares,
            **spans,
            "seeds": seeds,
        }
        print_json({**about, "published": PUBLISHED, "ours": found, "figure": str(figure)})
    else:
        _print(symbol, tables[0].shares, spans, found)
    say(f"figure  {figure}")


def _learned(lake: Lake, symbol: str, shares: int, out: Path) -> tuple[study.Tape, list[Kept]]:
    """Learn what is not in `out` yet."""
    tape = study.open_tape(lake, symbol)
    days = tuple(day.instrument.date for day in tape.training)
    offsets = study.offsets_for(tape)
    tables = []
    for setting in study.SETTINGS:
        if path_of(out / "tables", symbol, setting).exists():
            done = kept(out / "tables", symbol, setting)
            if (done.days, done.shares, done.offsets.tolist()) == (days, shares, offsets.tolist()):
                tables.append(done)
                continue
        say(f"learn  {setting.name}")
        table = study.learn(tape, setting, offsets, shares)
        keep(out / "tables", Kept(table, symbol, shares, days, bool(tape.cut_ns), offsets))
        tables.append(
            kept(out / "tables", symbol, setting)
        )  # judged as it is kept: numbers are written rounded
    return tape, tables


def _stored(lake: Lake, symbol: str) -> tuple[study.Tape, list[Kept]]:
    tables = [kept(FOLDER, symbol, setting) for setting in study.SETTINGS]
    return study.open_tape(lake, symbol, tables[0].days), tables


def _figures(
    one: Kept,
    costs: Mapping[str, NDArray[np.float64]],
    cluster: NDArray[np.int64],
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Costs, and savings of one strategy on another, with intervals over half hours."""
    rng = np.random.default_rng((seeds[0], 0x1CE))
    count = len(np.unique(cluster))
    draws = replicate(
        {name: moments_of_mean(values, cluster) for name, values in costs.items()}, RESAMPLES, rng
    )
    drawn = {
        name: average_over_seeds([values.mean()], draws[name].T, count, rng)
        for name, values in costs.items()
    }
    market = [name for name in study.VARIANTS if name != "private"]
    return {
        "orders": len(cluster),
        "half_hours": count,
        "submit_and_leave_ticks": one.table.leave,
        "cost_bps": {name: part.estimate().to_json() for name, part in drawn.items()},
        "sd_bps": {name: float(values.std()) for name, values in costs.items()},
        "private_over_submit_and_leave_percent": _saved(drawn["private"], drawn[LEAVE]),
        "over_private_percent": {name: _saved(drawn[name], drawn["private"]) for name in market},
        "all_over_submit_and_leave_percent": _saved(drawn["all"], drawn[LEAVE]),
    }


def _saved(ours: Replicates, theirs: Replicates) -> dict[str, float | None]:
    """Cost saved, percent of `theirs`."""
    ratio = (ours / theirs).estimate()
    low, high = ratio.ci_low, ratio.ci_high
    return {
        "mean": 100 * (1 - ratio.mean),
        "ci_low": None if high is None else 100 * (1 - high),
        "ci_high": None if low is None else 100 * (1 - low),
    }


def _print(
    symbol: str, shares: int, spans: Mapping[str, str], found: Mapping[str, Mapping[str, Any]]
) -> None:
    say(f"learned on {spans['trained_on']}, judged on {spans['judged_on']}")
    names = ["market order", LEAVE, *study.VARIANTS]
    leaves = ["cost", "volume", "imbalance", "spread", "orders", "spread, cost, volume"]
    rows = [
        (setting, str(ours["orders"]), *(f"{ours['cost_bps'][name]['mean']:.2f}" for name in names))
        for setting, ours in found.items()
    ]
    print_table(
        f"{symbol}, {shares:,} shares: cost against the mid at arrival, bps",
        ("setting", "orders", *names),
        rows,
    )
    theirs = PUBLISHED["private_over_submit_and_leave_percent"]
    over = PUBLISHED["over_private_percent"]
    rows = [
        ("published", f"{theirs['low']:.1f} to {theirs['high']:.1f}", f"{over['spread, cost, volume']:.1f}",
         f"{over['imbalance']:.1f}", "50 or more"),
        *(
            (
                setting,
                _cell(ours["private_over_submit_and_leave_percent"]),
                _cell(ours["over_private_percent"]["spread, cost, volume"]),
                _cell(ours["over_private_percent"]["imbalance"]),
                _cell(ours["all_over_submit_and_leave_percent"]),
            )
            for setting, ours in found.items()
        ),
    ]  # fmt: skip
    heads = (
        "setting",
        "private on S&L",
        "+ spread, cost, volume",
        "+ imbalance alone",
        "all on S&L",
    )
    leaves = ["+ imbalance alone", "+ spread, cost, volume"]
    print_table("cost saved, % [95 % over half hours]", heads, rows, leaves)


def _cell(part: Mapping[str, float | None]) -> str:
    if part["ci_low"] is None:
        return f"{part['mean']:.1f}"
    return f"{part['mean']:.1f} [{part['ci_low']:.1f}, {part['ci_high']:.1f}]"
