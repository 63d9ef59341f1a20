"""``python -m studies attacks``: what layering, pinging, quoting both sides and taking to rest earn in a simulated market."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from studies.legs.legs import ratio
from studies.round_trips.attacks import PATTERNS, play, recorded_worlds, simulated_worlds
from tercel import Market
from tercel.cli import print_json, print_table, say
from tercel.core import Estimate
from tercel.core.report import format_interval
from tercel.core.stats import holm
from tercel.lab.evaluation import law_of_preset
from tercel.market.flow import load
from tercel.market.simulator import reactive

SURE: Final = 0.05
BOOKS: Final = 16
SETTLE_S: Final = 900.0


def run(
    markets: Sequence[str],
    ratios: Sequence[float],
    scale: float,
    worlds: int,
    seed: int,
    as_json: bool,
    lake: Path | None,
) -> None:
    """Print a table a market, a row a pattern: profit of a lot by ratio, and which pay for certain.

    With a `lake`, the recorded days on the market's card are played instead of simulated ones.

    Raises
    ------
    ConfigError, UnknownNameError
        A market that does not exist, or a ratio or scale out of range.
    TapeError
        Days that the lake does not hold.
    """
    terms = [
        (name, Market(preset=name, passive_impact=x, impact_scale=scale))
        for name in markets
        for x in ratios
    ]
    cells = [measure(name, market, worlds, seed, lake) for name, market in terms]
    rows = [row for cell in cells for row in cell]
    kind = "recorded" if lake else "simulated"
    adjusted = holm([row["p"] for row in rows])
    for row, p in zip(rows, adjusted.tolist(), strict=True):
        row.update(p_adjusted=p, pays=bool(p < SURE))
    if as_json:
        print_json(
            {
                "worlds": worlds,
                "seed": seed,
                "impact_scale": scale,
                "kind": kind,
                "rows": rows,
            }
        )
        return
    for name in markets:
        of_market = [row for row in rows if row["market"] == name]
        print_table(
            f"{name}: ticks a lot that a pattern earns, by passive_impact, in {of_market[0]['worlds']} {kind} worlds",
            ("pattern", *(f"{x:g}" for x in ratios), "trades"),
            [
                _cells([row for row in of_market if row["pattern"] == pattern])
                for pattern in PATTERNS
            ],
        )
    paying = sum(row["pays"] for row in rows)
    say(
        f"{paying} of {len(rows)} pay for certain (*; Holm, 5 %). Intervals are 95 %, over worlds; trades: lots bought, in "
        "mean trades."
    )


def measure(
    name: str, market: Market, count: int, seed: int, lake: Path | None = None
) -> list[dict[str, Any]]:
    """Every pattern in `count` simulated worlds of a market, or in those of its days in a `lake`."""
    preset = load(name)
    law = law_of_preset(preset, market)
    if lake:
        worlds = recorded_worlds(lake, preset, law)
    else:
        source = reactive(preset, BOOKS, seed, SETTLE_S, law or "none")
        worlds = simulated_worlds(source, count, seed)
    lots = max(round(law.mean_trade_lots if law else preset.volume_per_s), 1)
    rows = []
    for pattern, attack in PATTERNS.items():
        played = play(attack, worlds, lots)
        rows.append(
            {
                "market": name,
                "passive_impact": market.passive_impact,
                "pattern": pattern,
                "ticks_a_lot": ratio(played.cash, played.lots),
                "trades": float(played.lots.mean()) / lots,
                "p": played.p,
                "worlds": len(worlds),
                "unfinished": played.unfinished,
            }
        )
    say(f"{name}, passive_impact {market.passive_impact:g}: {len(rows)} patterns played")
    return rows


def _cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    earned = [
        format_interval(Estimate.of(row["ticks_a_lot"]), digits=2, signed=True) + " *" * row["pays"]
        for row in rows
    ]
    return [rows[0]["pattern"], *earned, f"{rows[-1]['trades']:.1f}"]
