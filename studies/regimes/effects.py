"""What each named regime does to a market: measured on paired episodes without own orders, against the plain market."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel import Task
from tercel.execution import empty_intents as empty
from tercel.lab.evaluation import Episodes, batches, seeded_plan, without_orders
from tercel.market.regimes import NAMED, PLAIN, RegimeScript, with_regimes
from tercel.market.simulator import Source

Floats = NDArray[np.float64]

STEP_S = 10.0
MINUTE = 6
"""Steps."""
WARMUP_S = 900.0
LASTS_S = 1800.0
ONSET_S = 300.0
"""When a regime that passes begins, after arrival; one that stays is in force from the warm-up on."""


@dataclass(frozen=True, eq=False)
class Course:
    """n episodes, step by step from arrival on: what was seen at each of t steps, float64 (n, t), nan where a side was
    empty (depth, spread).

    Parameters
    ----------
    mid : ticks
    depth : lots on five levels of both sides
    spread : ticks
    volume : lots traded since the step before
    """

    mid: Floats
    depth: Floats
    spread: Floats
    volume: Floats


def course(source: Source, *, seed: int, episodes: int, lasts_s: float = LASTS_S) -> Course:
    """Let a market run without own orders and look at it every ten seconds."""
    task = Task(
        side=1,
        horizon_s=lasts_s,
        decisions=round(lasts_s / STEP_S),
        warmup_s=WARMUP_S,
        grid_points=2,
    )
    parts = []
    for part in batches(without_orders(seeded_plan(task, 1, seed, 0, episodes))):
        markets = Episodes(source, task, len(part))
        markets.start(part)
        seen = []
        for _ in range(task.decisions):
            view = markets.view
            ok = np.where(view.tradable, 1.0, np.nan)
            depth = (view.own_depth + view.far_depth).sum(axis=1) * ok
            seen.append(
                (
                    view.mid2 / 2,
                    depth,
                    np.abs(view.far - view.touch) * ok,
                    view.v_same + view.v_against,
                )
            )
            markets.step(empty(len(part)))
        parts.append(np.array(seen, np.float64))
    mid, depth, spread, volume = np.concatenate(parts, axis=2).transpose(1, 2, 0)
    return Course(mid, depth, spread, volume)


@dataclass(frozen=True)
class Effect:
    """A regime against the plain market; factors unless said.

    Parameters
    ----------
    name : str
    passes : bool
        Whether it ends by itself; the others are in force from the warm-up on.
    sd60 : float
        Standard deviation of the mid's changes over a minute, about each minute's mean.
    depth, spread, volume : float
        Means over time.
    drift : float
        Mean move of the mid a minute, in plain standard deviations of a minute.
    lowest_depth : float
        Of the mean depth, step by step: its lowest point after the onset.
    depth_after : float
        Over the last five minutes.
    deepest, back : float
        The mean mid against that at the onset: its lowest point, in plain standard deviations of a minute; and the
        share of this that was made good by the end, nan for a fall of less than one.
    one_sided : float
        Share of steps at which a side was empty.
    """

    name: str
    passes: bool
    sd60: float
    depth: float
    spread: float
    volume: float
    drift: float
    lowest_depth: float
    depth_after: float
    deepest: float
    back: float
    one_sided: float


def effects(
    source: Source, names: tuple[str, ...] = (), *, seed: int = 1, episodes: int = 128
) -> list[Effect]:
    """Effects of the named regimes (all of them where none are given) in a market."""
    plain = course(source, seed=seed, episodes=episodes)
    found = []
    for name in names or tuple(name for name in NAMED if name != PLAIN.name):
        passes = NAMED[name].passes_s > 0
        law = RegimeScript([(ONSET_S if passes else -WARMUP_S, name)])
        found.append(
            _effect(
                name, plain, course(with_regimes(source, law), seed=seed, episodes=episodes), passes
            )
        )
    return found


def _effect(name: str, plain: Course, other: Course, passes: bool) -> Effect:
    onset = round(ONSET_S / STEP_S) if passes else 0
    inside = slice(onset, onset + round(NAMED[name].passes_s / STEP_S)) if passes else slice(None)
    unit = _sd60(plain.mid)
    depth = np.nanmean(other.depth, axis=0) / np.nanmean(plain.depth)
    moves = (other.mid - other.mid[:, [onset]]).mean(axis=0) - (
        plain.mid - plain.mid[:, [onset]]
    ).mean(axis=0)
    lowest = float(moves[onset:].min())
    return Effect(
        name,
        passes,
        _sd60(other.mid[:, inside]) / unit,
        float(depth[inside].mean()),
        _ratio(other.spread[:, inside], plain.spread),
        _ratio(other.volume[:, inside], plain.volume),
        float((other.mid[:, inside][:, -1] - other.mid[:, inside][:, 0]).mean())
        / max(other.mid[:, inside].shape[1] - 1, 1)
        * MINUTE
        / unit,
        float(depth[onset:].min()),
        float(depth[-5 * MINUTE :].mean()),
        lowest / unit,
        float(1 - moves[-5 * MINUTE :].mean() / lowest) if lowest < -unit else float("nan"),
        float(np.isnan(other.depth[:, inside]).mean()),
    )


def _sd60(mid: Floats) -> float:
    changes = np.diff(mid[:, ::MINUTE], axis=1)
    return float(np.sqrt(((changes - changes.mean(axis=0)) ** 2).mean()))


def _ratio(one: Floats, other: Floats) -> float:
    return float(np.nanmean(one) / np.nanmean(other))
