"""``python -m studies pairs``: what a pair costs beside rules, on the same seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from studies.pairs.legs import RULES, Episode, episode
from tercel.cli import print_json, print_table, result_console
from tercel.core.report import Figure, finish_figure, name_rows, palette, sketch
from tercel.market.flow import load
from tercel.market.simulator import reactive

ROOMS: Final = (2.0, 10.0)
"""Limits of the spread, in costs of crossing both legs: one that binds, and one that hardly does."""
Row = dict[str, float | str]
BETTER_OF: Final = ("quote", "slices")


def mean_of(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and its standard error."""
    found = np.asarray(values, float)
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5)


def measure(
    first: str, second: str, lots: int, horizon_s: float, episodes: int, seed: int
) -> list[Row]:
    """A row for each limit and rule: cost and the pair's paired difference from it, bps."""
    sources = reactive(load(first), settle_s=60.0), reactive(load(second), settle_s=60.0)
    rows: list[Row] = []
    for room in ROOMS:
        found: dict[str, list[Episode]] = {
            rule: [
                episode(rule, sources, number, lots, horizon_s, room)
                for number in range(seed, seed + episodes)
            ]
            for rule in RULES
        }
        pair = [one.cost_bps for one in found["pair"]]
        for rule, worked in found.items():
            costs = [one.cost_bps for one in worked]
            less = [a - b for a, b in zip(pair, costs, strict=True)]
            cost, cost_se = mean_of(costs)
            pair_less, pair_less_se = mean_of(less)
            row: Row = {
                "room": room,
                "rule": rule,
                "cost_bps": cost,
                "cost_se": cost_se,
                "pair_less_bps": pair_less,
                "pair_less_se": pair_less_se,
                "left": float(np.mean([one.left for one in worked])),
                "worst": float(max(one.worst for one in worked)),
                "flattened": sum(one.flattened for one in worked),
            }
            rows.append(row)
    return rows


def drawn(rows: Sequence[Row]) -> Figure:
    """The pair's cost less each rule's, with two standard errors, by limit."""
    others = [row for row in rows if row["rule"] != "pair"]
    with sketch(2.6) as drawing:
        panel = drawing.subplots()
        name_rows(panel, [f"{row['rule']}, limit {row['room']:g}" for row in others])
        for place, row in enumerate(others):
            less, error = float(str(row["pair_less_bps"])), float(str(row["pair_less_se"]))
            panel.plot(
                [less - 2 * error, less + 2 * error], [place, place], color=palette.SOFT.token
            )
            panel.plot([less], [place], "o", color=palette.INK.token)
        panel.axvline(0.0, color=palette.INK.token, linewidth=0.8)
        panel.set_xlabel("cost of the pair less the rule's, bps")
        text = "; ".join(f"{row['rule']} {row['pair_less_bps']:.2f}" for row in others)
        caption = "Bars: two standard errors of paired differences. Limits in costs of crossing both legs."
        return finish_figure(drawing, "pairs", text, caption)


def run(
    markets: tuple[str, str],
    lots: int,
    horizon_s: float,
    episodes: int,
    picture: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Print costs by limit and rule; whether the pair costs more than the better of two rules."""
    rows = measure(*markets, lots, horizon_s, episodes, seed)
    bars = {f"limit {room:g}": better(rows, room) for room in ROOMS}
    if picture is not None:
        picture.write_text(drawn(rows).svg, encoding="utf-8")
    words = {"first": markets[0], "second": markets[1], "lots": lots, "horizon_s": horizon_s}
    if as_json:
        print_json({**words, "episodes": episodes, "seed": seed, "rows": rows, "bars": bars})
        return
    table = [
        [f"{row['room']:g}", str(row["rule"]), f"{row['cost_bps']:.2f} ± {row['cost_se']:.2f}",
         f"{row['pair_less_bps']:+.3f} ± {row['pair_less_se']:.3f}", f"{row['left']:.0f}", f"{row['worst']:.0f}",
         f"{row['flattened']}"]
        for row in rows
    ]  # fmt: skip
    title = f"{lots:,} lots of {markets[0]} against {markets[1]}, {horizon_s:g} s, {episodes} pairs; bps of both legs"
    heads = ("limit", "rule", "cost", "pair less it", "left", "most unhedged", "flattened")
    print_table(title, heads, table)
    for limit, bar in bars.items():
        verdict = "not above" if bar["met"] else "above"
        text = f"{limit}: the pair costs {bar['less_bps']:+.3f} bps beside {bar['rule']}, {verdict} it by 2 s.e."
        result_console().print(text)


def better(rows: Sequence[Row], room: float) -> Row:
    """The better of two rules at a limit, and whether the pair is above it by more than two standard errors."""
    one = min(
        (row for row in rows if row["room"] == room and row["rule"] in BETTER_OF),
        key=lambda row: float(str(row["cost_bps"])),
    )
    less, error = float(str(one["pair_less_bps"])), float(str(one["pair_less_se"]))
    return {"rule": one["rule"], "less_bps": less, "se": error, "met": less <= 2 * error}
