"""`tercel market arbitrage`: a search for round trips that pay, and its proof on worlds that it never saw."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tercel.app.job.trips import preset_grounds, tape_grounds
from tercel.app.job.venue import latency_of
from tercel.app.output import percent, print_json, print_table, say, with_error
from tercel.core.errors import ConfigError
from tercel.evaluation.trip_search import arbitrage
from tercel.market.flow import preset as presets

HEADINGS = (
    "size", "latency", "first leg", "wait, s", "second leg", "profit, bps", "p", "p adjusted", "ticks a lot", "traded",
    "unfilled",
)  # fmt: skip
LEAVES = ("unfilled", "p", "traded", "latency", "ticks a lot")


def run(
    name: str | None,
    *,
    tape: str,
    symbol: str,
    sizes: Sequence[float],
    latencies: Sequence[str],
    impact: str | None,
    seed: int,
    budget: int,
    minutes: float | None,
    pairs: int,
    as_json: bool,
) -> dict[str, Any]:
    """Search, prove and print.

    Raises
    ------
    ConfigError
        No market or two, an unknown preset or law, a size or a latency of nothing.
    """
    if (name is None) == (not tape) or bool(tape) != bool(symbol):
        received = f"preset {name}, --tape {tape or 'none'}, --symbol {symbol or 'none'}"
        raise ConfigError("a preset, or --tape with --symbol", received, "such as tercel market arbitrage goog")
    if name is not None:
        searched, proof = preset_grounds(presets.load(name), impact, seed)
    else:
        searched, proof = tape_grounds(tape, symbol, impact or "none", seed)
    found = {
        "market": searched.source.name,
        "impact": None if searched.source.impact is None else searched.source.impact.card(),
        "seed": seed,
        "sizes": list(sizes),
        "latencies_ms": list(latencies),
        **arbitrage(
            searched,
            proof,
            sizes=sizes,
            latencies=[latency_of(text, "--latency") for text in latencies],
            seed=seed,
            budget=budget,
            pairs=pairs,
            stop=_after(minutes),
            progress=say,
        ),
    }
    if as_json:
        print_json(found)
    else:
        show(found)
    return found


def _after(minutes: float | None) -> Callable[[], bool]:
    """True once this process has used so many minutes of a core; never without a limit."""
    began = time.process_time()
    return lambda: minutes is not None and time.process_time() - began > 60.0 * minutes


def show(found: Mapping[str, Any]) -> None:
    """The proved trips, the best of each size and a verdict."""
    rows = [_row(one) for one in found["proved"]]
    title = f"{found['market']}: the best of {found['searched']:,} round trips on {found['proof_pairs']:,} fresh pairs"
    print_table(title, HEADINGS, rows, LEAVES, words=["first leg", "second leg"])
    for size, one in found["by_size"].items():
        told, ticks = one["profit_bps"], one["ticks_a_lot"]
        lot = "nothing traded" if ticks is None else f"{ticks:.3g} ticks a lot on {one['share_traded']:.1%} of it"
        say(f"best at {100 * float(size):g} %: {with_error(told)} bps of the order, {lot}")
    say(f"{found['profitable']} of {len(found['proved'])} pay for certain (Holm, 5 %)")


def _row(one: Mapping[str, Any]) -> list[str]:
    legs, ticks = one["legs"], one["ticks_a_lot"]
    return [
        f"{100 * one['size']:g} %", f"{one['latency_ms']:g} ms", leg_words(legs["first"]), f"{legs['wait_s']:g}",
        leg_words(legs["second"]), with_error(one["profit_bps"]), f"{one['p']:.2g}", f"{one['p_adjusted']:.2g}",
        "" if ticks is None else f"{ticks:.3g}", percent(one["share_traded"]), percent(one["unfilled_share"]),
    ]  # fmt: skip


def leg_words(leg: Mapping[str, Any]) -> str:
    """A leg in few words.

    >>> rests = {"rests": True, "shows": 1.0, "ticks_behind": 0, "keeps_its_price": False}
    >>> leg_words({"seconds": 60.0, "takes_slices": 0.0, "tilt": 0.0, "crosses_at_its_end": True, **rests})
    '60 s, rests 100 % at touch+0, then crosses'
    """
    parts = [f"{leg['seconds']:g} s"]
    if leg["takes_slices"] > 0.0:
        tilt = f" tilt {leg['tilt']:.1f}" if abs(leg["tilt"]) >= 0.05 else ""
        parts.append(f"takes {leg['takes_slices']:.2g} slices{tilt}")
    if leg["rests"]:
        stays = " and stays" if leg["keeps_its_price"] else ""
        parts.append(f"rests {100 * leg['shows']:.0f} % at touch{-leg['ticks_behind']:+d}{stays}")
    return ", ".join(parts) + (", then crosses" if leg["crosses_at_its_end"] else "")
