"""`python -m replications ning`: as published, on later days, for the other side, and by taking on the tape."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replications.nevmyvaka.study import Tape, open_tape
from replications.ning import replayed, study, world
from replications.ning.stored import FOLDER, KINDS, Origin, keep, keep_origin, kept
from replications.recorded_figures import gains
from tercel.cli import print_json, print_table, say
from tercel.core.stats import average_over_seeds, moments_of_mean, replicate
from tercel.market.tape import Lake

STUDY: Final = "ning"
PUBLISHED: Final[dict[str, Any]] = {
    "gain_bps": {"low": -0.28, "high": 15.43},
    "p_gain": {"low": 0.457, "high": 0.978},
    "better_on": "7 of 9 symbols",
}
"""Gain over TWAP on nine Nasdaq symbols, 2017 to March 2018, at the mid; no test days are named."""
APART_S: Final = study.EVERY_NS // 10**9
RESAMPLES: Final = 4000
Floats = NDArray[np.float64]
Rows = dict[str, tuple[list[Floats], NDArray[np.int64]]]


def run(
    lake: Path,
    symbol: str,
    train: bool,
    shares: int,
    seeds: Sequence[int],
    out: Path,
    as_json: bool,
) -> None:
    """Print our figures beside the published ones and draw them."""
    if train:
        tape = open_tape(Lake(lake), symbol)
        learn(tape, shares, out / "policies")
    origin, policies = kept(out / "policies" if train else FOLDER, symbol)
    if not train:
        tape = open_tape(Lake(lake), symbol, origin.days)
    rng = np.random.default_rng((seeds[0], 0x2018))
    found = {
        name: _figures(*row, rng) for name, row in _judged(tape, origin, policies, seeds).items()
    }
    out.mkdir(parents=True, exist_ok=True)
    figure = gains(found, PUBLISHED, f"{STUDY}_{symbol.lower()}").save(out)
    spans = dict(zip(("trained_on", "judged_on"), tape.spans, strict=True))
    if as_json:
        about = {"study": STUDY, "symbol": symbol, "shares": origin.shares, **spans, "seeds": seeds}
        print_json({**about, "published": PUBLISHED, "ours": found, "figure": str(figure)})
    else:
        _print(symbol, found)
        say(
            f"learned on {spans['trained_on']}, judged on {spans['judged_on']}, {origin.shares:,} shares"
        )
    say(f"figure  {figure}")


def learn(tape: Tape, shares: int, folder: Path) -> None:
    """Networks of every kind and seed, into a folder."""
    hours = study.hours(tape, shares)
    paths = world.paths_of(study.mids(tape, study.sales(hours.training)))
    days = len(tape.training)
    sd = float(paths.start[:, -1].std())
    shape = (days, max(len(paths) // days, 1))
    drawn = world.walks(*shape, APART_S, sd, np.random.default_rng(0))
    for kind in KINDS:
        say(f"learn  {kind}")
        for seed in study.SEEDS:
            if kind == "take":
                env: Any = replayed.TakeVec(tape.source, hours.training)
            else:
                env = world.MidVec(paths if kind == "mid" else drawn)
            frames = study.FRAMES_REPLAY if kind == "take" else study.FRAMES
            keep(folder, kind, seed, tape.symbol, study.learn(env, seed, frames))
    dates = tuple(day.instrument.date for day in tape.training)
    keep_origin(folder, Origin(tape.symbol, shares, dates, sd, shape))


def _judged(
    tape: Tape, origin: Origin, policies: dict[str, list[Any]], seeds: Sequence[int]
) -> Rows:
    """Gains over TWAP, one array a training seed, and what is drawn independently."""
    hours = study.hours(tape, origin.shares)
    seen, later = study.sales(hours.training), study.sales(hours.judged)
    rows: Rows = {}
    if len(seen):
        inside = world.paths_of(study.mids(tape, seen))
        rows["as published: mid, in sample"] = (
            [study.gains(inside, p) for p in policies["mid"]],
            _labels(tape, seen),
        )
    after = world.paths_of(study.mids(tape, later))
    labels = _labels(tape, later)
    rows["mid, later days"] = [study.gains(after, p) for p in policies["mid"]], labels
    rows["mid, later days, buying"] = (
        [study.gains(world.mirrored(after), p) for p in policies["mid"]],
        labels,
    )
    both = _labels(tape, hours.judged)
    rows["taking, later days, both sides"] = (
        study.replay_gains(tape, hours.judged, policies["take"]),
        both,
    )
    rows["taking, later days, mid's policy"] = (
        study.replay_gains(tape, hours.judged, policies["mid"]),
        both,
    )
    days, starts = origin.walks
    walks = world.walks(days, starts, APART_S, origin.sd_bps, np.random.default_rng(0))
    own = np.tile(np.arange(days), starts)
    rows["random walks, in sample"] = [study.gains(walks, p) for p in policies["walk"]], own
    fresh = world.walks(2000, 1, APART_S, origin.sd_bps, np.random.default_rng((1, *seeds)))
    rows["random walks, fresh"] = [study.gains(fresh, p) for p in policies["walk"]], np.arange(2000)
    return rows


def _labels(tape: Tape, plan: Any) -> NDArray[np.int64]:
    """Days; hours of one day overlap, so that a single one has no interval."""
    days: NDArray[np.int64] = plan.cluster * 0 if tape.cut_ns else plan.cluster // 1000
    return days


def _figures(
    values: Sequence[Floats], labels: NDArray[np.int64], rng: np.random.Generator
) -> dict[str, Any]:
    """Mean gain with its interval over days and training seeds, and how often there is one."""
    count = len(np.unique(labels))
    draws = replicate(
        {str(n): moments_of_mean(one, labels) for n, one in enumerate(values)}, RESAMPLES, rng
    )
    means = [float(one.mean()) for one in values]
    gain = average_over_seeds(
        means, np.stack([draws[str(n)][:, 0] for n in range(len(values))]), count, rng
    )
    return {
        "orders": len(labels),
        "days": count,
        "gain_bps": gain.estimate().to_json(),
        "median_bps": float(np.median(np.concatenate(values))),
        "p_gain": float(np.mean([(one > 0).mean() for one in values])),
        "by_seed_bps": means,
    }


def _print(symbol: str, found: dict[str, Any]) -> None:
    gain, chance = PUBLISHED["gain_bps"], PUBLISHED["p_gain"]
    rows = [
        (
            "published, nine symbols",
            "",
            "",
            f"{gain['low']} to {gain['high']}",
            "",
            f"{chance['low']} to {chance['high']}",
        )
    ]
    for name, one in found.items():
        part = one["gain_bps"]
        span = "-" if part["ci_low"] is None else f"[{part['ci_low']:.1f}, {part['ci_high']:.1f}]"
        rows.append(
            (
                name,
                str(one["orders"]),
                str(one["days"]),
                f"{part['mean']:.2f}",
                span,
                f"{one['p_gain']:.3f}",
            )
        )
    heads = ("how", "orders", "days", "gain, bps", "95 %", "P(gain > 0)")
    print_table(f"{symbol}: double DQN over TWAP (a fill at the mid is no execution)", heads, rows)
