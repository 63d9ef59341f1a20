"""`tercel market arbitrage`: a search for round trips that pay, and its proof on worlds that it never saw."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.commands.cells import percent, with_error
from studies.commands.market_response import SIZES, Sizes
from tercel.cli import (
    IN_LAKE,
    PRESET,
    TAPES,
    AsJson,
    ImpactScale,
    PassiveImpact,
    Seed,
    hand_over,
    impact_terms,
    print_table,
    say,
)
from tercel.core import ConfigError

HEADINGS = (
    "size", "latency", "first leg", "wait, s", "second leg", "profit, bps", "p", "p adjusted", "ticks a lot", "traded",
    "unfilled",
)  # fmt: skip
LEAVES = ("unfilled", "p", "traded", "latency", "ticks a lot")


@dataclass(frozen=True)
class Arbitrage:
    """What is asked of `tercel market arbitrage`."""

    preset: Annotated[str | None, PRESET] = None
    sizes: Sizes = None
    latencies: Annotated[
        list[str] | None,
        typer.Option(
            "--latency",
            help="Order entry, ms: X, or evenly on A,B; may be given again. Default: 0, 50.",
            metavar="X",
        ),
    ] = None
    seed: Seed = 0
    budget: Annotated[
        int,
        typer.Option(
            help="Round trips that the search plays, over all sizes and latencies.",
            min=1,
            metavar="N",
        ),
    ] = 80_000
    minutes: Annotated[
        float | None,
        typer.Option(
            help="End the search after so many minutes of a core; the result then hangs on the machine."
        ),
    ] = None
    pairs: Annotated[
        int, typer.Option(help="Fresh worlds of the proof, both signs in each.", metavar="N")
    ] = 512
    impact: Annotated[
        str | None,
        typer.Option(
            help="Of a preset none, translation, weights (default: what it carries); of a tape none (default), "
            "square_root, propagator.",
            metavar="LAW",
        ),
    ] = None
    passive_impact: PassiveImpact = None
    impact_scale: ImpactScale = None
    tape: Annotated[
        Path | None,
        typer.Option(help="Search on this lake's days instead of a preset.", metavar="LAKE"),
    ] = None
    symbol: Annotated[str, TAPES, IN_LAKE] = ""
    as_json: AsJson = False


def arbitrage(request: Arbitrage) -> None:
    """Search for round trips that pay, and prove the best on worlds that the search never saw."""
    tape = "" if request.tape is None else str(request.tape)
    if (request.preset is None) == (not tape) or bool(tape) != bool(request.symbol):
        received = (
            f"preset {request.preset}, --tape {tape or 'none'}, --symbol {request.symbol or 'none'}"
        )
        raise ConfigError(
            "a preset, or --tape with --symbol", received, "such as tercel market arbitrage goog"
        )
    from studies.round_trips.grounds import preset_grounds, tape_grounds
    from studies.round_trips.search import arbitrage as search
    from tercel import Market
    from tercel.execution import latency_of
    from tercel.market.flow import load

    terms: Any = impact_terms(request.passive_impact, request.impact_scale)
    if request.preset is not None:
        market = replace(Market(preset=request.preset, impact=request.impact or ""), **terms)
        searched, proof = preset_grounds(load(request.preset), market, request.seed)
    else:
        market = Market(lake=tape, symbol=request.symbol, impact=request.impact or "none")
        searched, proof = tape_grounds(replace(market, **terms), request.seed)
    sizes, latencies = request.sizes or SIZES, request.latencies or ("0", "50")
    began = time.process_time()

    def over() -> bool:
        return request.minutes is not None and time.process_time() - began > 60.0 * request.minutes

    found = {
        "market": searched.source.name,
        "impact": None if searched.source.impact is None else searched.source.impact.card(),
        "seed": request.seed,
        "sizes": sizes,
        "latencies_ms": latencies,
        **search(
            searched, proof, sizes=sizes, latencies=[latency_of(text, "latency") for text in latencies],
            seed=request.seed, budget=request.budget, pairs=request.pairs, stop=over, progress=say,
        ),
    }  # fmt: skip
    hand_over(found, request.as_json, lambda: show(found))


def show(found: Mapping[str, Any]) -> None:
    """The proved trips, the best of each size and a verdict."""
    rows = [_row(one) for one in found["proved"]]
    title = f"{found['market']}: the best of {found['searched']:,} round trips on {found['proof_pairs']:,} fresh pairs"
    print_table(title, HEADINGS, rows, LEAVES, left_aligned=["first leg", "second leg"])
    for size, one in found["by_size"].items():
        profit, ticks = one["profit_bps"], one["ticks_a_lot"]
        lot = (
            "nothing traded"
            if ticks is None
            else f"{ticks:.3g} ticks a lot on {one['share_traded']:.1%} of it"
        )
        say(f"best at {100 * float(size):g} %: {with_error(profit)} bps of the order, {lot}")
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
