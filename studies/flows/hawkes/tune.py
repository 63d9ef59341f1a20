"""Tuning of a Hawkes market by pilot runs: matches rates, spread and depth that the likelihood leaves free.

Near criticality a small error of the branching ratio is a large one of the rates, and the book's own state moves both.
Each pilot day is read like a tape, and four things are moved towards it: the mean rates that the base rates aim at, by
one number for what happens at the touch, one for what happens behind it and one for market orders; the factors of limit
orders in the spread (towards the tape's mean spread); and the depth scale (towards the lots behind the touch, each
times its cancel rate: lots a level would say little of a sparse book). The base rates are then (1 - branching) aim, by
the means of a linear Hawkes process, `LEAST_ALONE` of it at least. Steps are damped; what every
pilot had goes on the card.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.flows.hawkes import layout as at
from studies.flows.hawkes.preset import HawkesPreset
from studies.flows.hawkes.state import resting
from studies.flows.hawkes.tables import nested
from tercel.core import CapacityError, ConfigError, Floats, Int8, Int32
from tercel.market import NAMES
from tercel.market.simulator import observed_day

PILOTS = 12
WARMUP_S = 1200.0
MOST_STEP = 2.0
LEAST_SHARE = 0.02
"""Least share of the tape's events that a market which lives has."""
LEAST_ALONE = 0.02
"""Least share of a kind's events that nothing excites."""
GROUPS = ([at.IN_SPREAD, at.AT_BEST, at.CANCEL_BEST], [at.DEEPER, at.CANCEL_DEEPER], [at.MARKET])


@dataclass(frozen=True)
class Means:
    """Means over time of a tape or of a pilot: events a second of each kind (both sides), spread (ticks), lots behind
    the touch times their cancel rates (`state.resting`), lots on levels 1 to 5; sides averaged."""

    rates: Floats
    spread: float
    resting: float
    depth: Floats


def means(
    seconds: float,
    kind: Int8,
    waits: Floats,
    px: Sequence[Int32],
    lots: Sequence[Floats],
    theta: Floats,
) -> Means:
    """Time averages of one stretch: `waits` are seconds since the event before, `px` and `lots` bid and ask [n, 5]."""
    weights = waits / waits.sum()
    return Means(
        np.bincount(kind, minlength=at.KINDS) / seconds,
        float(weights @ (px[1][:, 0] - px[0][:, 0])),
        sum(float(weights @ resting(p, q, theta)) for p, q in zip(px, lots, strict=True)) / 2.0,
        np.asarray(weights @ (lots[0] + lots[1]) / 2.0),
    )


def pilot(preset: HawkesPreset, seed: int, seconds: float) -> Means:
    """Time averages of a simulated day, as a feed of its window would show it.

    Raises
    ------
    ConfigError
        When the book overflows or dies out: the law does not hold such a market.
    """
    try:
        seen = observed_day(preset, seed, seconds, WARMUP_S, window=preset.window)
    except CapacityError as error:
        raise _no_market(preset, "overflows") from error
    if seen.n < LEAST_SHARE * preset.card["events_per_s"] * seconds:
        raise _no_market(preset, "dies out")
    reach = max(max(row) for row in preset.distance)
    kind = seen.kind.astype(np.int8)
    keep = ~(((kind == at.DEEPER) | (kind == at.CANCEL_DEEPER)) & (seen.behind > reach))
    waits = np.diff(seen.ns * 1e-9, prepend=WARMUP_S)
    return means(
        seconds,
        kind[keep],
        waits[keep],
        (seen.bid_px[keep], seen.ask_px[keep]),
        (seen.bid_lots[keep].astype(np.float64), seen.ask_lots[keep].astype(np.float64)),
        np.asarray(preset.cancel_rate),
    )


def _no_market(preset: HawkesPreset, what: str) -> ConfigError:
    return ConfigError(
        "a tape whose events come one by one",
        f"{preset.symbol} on {', '.join(preset.card['days'])}: a pilot run's book {what}",
        "calibrate on a feed of orders (level totals sent in batches hide what excites what), or another model",
    )


def tune(preset: HawkesPreset, wanted: Means, seed: int, seconds: float) -> HawkesPreset:
    """A preset whose pilot runs have the target rates and depth."""
    found: list[dict[str, object]] = []
    aim = wanted.rates / 2.0
    branching = preset.branching
    had = wanted
    for run in range(PILOTS):
        if run:
            damp = 0.7 if run <= PILOTS // 2 else 0.35
            for group in GROUPS:
                aim[group] *= _step(wanted.rates[group].sum() / had.rates[group].sum(), damp)
            inside = np.ones(at.KINDS)
            inside[at.IN_SPREAD] = _step(had.spread / wanted.spread, damp)
            preset = preset.model_copy(
                update={
                    "spread_imbalance": nested(
                        np.asarray(preset.spread_imbalance) * inside[:, None, None]
                    ),
                    "depth_scale": float(
                        f"{preset.depth_scale * _step(had.resting / wanted.resting, damp):.6g}"
                    ),
                }
            )
        base = np.maximum(aim - branching @ aim, LEAST_ALONE * aim)
        preset = preset.model_copy(update={"base": nested(base)})
        had = pilot(preset, seed + run, seconds)
        found.append(
            {
                "events_per_s": float(had.rates.sum()),
                "over_tape": {
                    n: float(x) for n, x in zip(NAMES, had.rates / wanted.rates, strict=True)
                },
                "spread_ticks": had.spread,
                "resting": had.resting,
                "depth_lots": had.depth.tolist(),
            }
        )
    card = preset.card | {
        "pilots": found,
        "tape": {
            "events_per_s": float(wanted.rates.sum()),
            "spread_ticks": wanted.spread,
            "resting": wanted.resting,
        },
    }
    return preset.model_copy(update={"card": card})


def _step(ratio: float, damp: float) -> float:
    return float(min(max(ratio, 1.0 / MOST_STEP), MOST_STEP) ** damp)
