"""Tuning by pilot runs: simulate, compare with the calibration tape, adjust factors until the misfit is small.

Statistics compared: events and market orders per second, cancels at the best, lots of a market order, sizes that
repeat, spread, depth of each level, how far the levels reach, standard deviations of the mid's changes over 1, 10, 60
and 600 s, how far the mid has moved 10 and 60 s after a market order, and the shares of the kinds of events in each
class of the spread. Every target has a knob that moves it nearly alone, so that damped steps on the logarithms converge
in a few rounds; the mean knobs of the last third are returned.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import CapacityError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Card
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.extract import ExtractedDay, day_of
from tercel.market.flow.queue_reactive.preset import PilotFactors, QueueReactivePreset, short
from tercel.market.simulator.days import observed_day

HORIZONS = (1, 10, 60, 600)
RESPONSES = (10, 60)
UNTOLD = 1e-9
"""A figure that a tape is too short for."""
MOST = 1.0
"""Log ratio at which a step is largest."""
WARMUP_S = 900.0
PILOTS = 5
ROUNDS = 12
LOSS = {
    "rate": 1.0,
    "markets": 1.0,
    "gone": 1.0,
    "lots": 1.0,
    "spread": 1.0,
    "sd1": 1.0,
    "sd10": 1.0,
    "sd60": 1.0,
    "sd600": 0.5,
}
DEPTH_LOSS = 0.15


TURNED = (q.LIMIT_IN_SPREAD, q.CANCEL_AT_BEST, q.MARKET)
"""Kinds of events whose share by the spread is turned."""
TURN = 0.7
PRIOR = 50.0
"""Events of a class of the spread at the shares overall."""


def tallied(days: Sequence[ExtractedDay], spread_edges: Sequence[float]) -> Floats:
    """Event counts by spread class and kind, float64[SPREADS, KINDS]."""
    counts = np.zeros((q.SPREADS, q.KINDS))
    for d in days:
        np.add.at(counts, (np.searchsorted(spread_edges, d.spread, side="right"), d.o.kind), 1.0)
    return counts


def mixes(counts: Floats) -> Floats:
    """Shares of the kinds of events by class of the spread, float64[SPREADS, KINDS]; thin classes are shrunk to all.

    >>> mixes(np.zeros((q.SPREADS, q.KINDS)))[0].round(3).tolist()
    [0.167, 0.167, 0.167, 0.167, 0.167, 0.167]
    """
    lean = PRIOR * (counts.sum(axis=0) + 1.0) / (counts.sum() + q.KINDS)
    return np.asarray((counts + lean) / (counts.sum(axis=1, keepdims=True) + PRIOR))


def _by_spread(
    factors: Sequence[float], tape: Floats, made: Floats, gain: float
) -> tuple[float, ...]:
    """`turned` after a damped step from what pilots made to what the tape tallied; their mean on the tape stays 1."""
    turned = np.log(np.reshape(factors, tape.shape))
    over = np.log(mixes(made) / mixes(tape))
    for kind in TURNED:
        seen = tape[:, kind] > 0.0
        if seen.any():
            turned[seen, kind] -= gain * TURN * over[seen, kind]
            turned[seen, kind] -= np.average(turned[seen, kind], weights=tape[seen, kind])
    return tuple(short(x) for x in np.exp(np.clip(turned, -2.0, 2.0)).ravel().tolist())


def measure(days: Sequence[ExtractedDay]) -> dict[str, float]:
    """Quantities by which pilots are compared, days pooled."""
    seconds = sum(d.o.seconds for d in days)
    events = sum(len(d.lots) for d in days)
    markets = np.concatenate([d.lots[d.o.kind == q.MARKET] for d in days])
    depth = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days]).mean(axis=0)
    out = {
        "rate": events / seconds,
        "markets": len(markets) / seconds,
        "gone": np.concatenate([d.o.kind == q.CANCEL_AT_BEST for d in days]).sum() / events,
        "lots": float(markets.mean()) if len(markets) else UNTOLD,
        "spread": float(np.concatenate([d.spread for d in days]).mean()),
    }
    for n in range(q.LEVELS):
        out[f"depth{n}"] = float(depth[n])
    out["same"] = float(np.concatenate([d.lots[1:] == d.lots[:-1] for d in days]).mean())
    out["reach"] = float(np.concatenate([_reach(d) for d in days]).mean())
    for horizon in HORIZONS:
        moves = [_moves(d.o.mid2, horizon) for d in days]
        every = np.concatenate(moves)
        out[f"sd{horizon}"] = float(np.sqrt(np.mean(every**2))) / 2.0 if len(every) else UNTOLD
    for after in RESPONSES:
        out[f"response{after}"] = max(
            float(np.concatenate([_responses(d, after) for d in days]).mean()), UNTOLD
        )
    return out


def _responses(day: ExtractedDay, seconds: int) -> Floats:
    """Ticks by which the mid has moved with each market order so many seconds after it."""
    o = day.o
    rows = np.flatnonzero(o.kind == q.MARKET)
    then = (o.ns[rows] - o.start_ns) // NS_PER_SECOND + seconds + 1
    rows, then = rows[then < len(o.mid2)], then[then < len(o.mid2)]
    moved = (o.mid2[then] - day.bid[rows, 0] - day.ask[rows, 0]) * o.side[rows] / 2.0
    return moved if len(moved) else np.zeros(1)


def _reach(day: ExtractedDay) -> Floats:
    """Ticks from the best bid to the last of the levels, the far ones cut to eight times the median."""
    away = (day.bid[:, 0] - day.bid[:, -1])[day.bid[:, -1] > 0].astype(float)
    return np.minimum(away, 8.0 * max(float(np.median(away)), 1.0)) if len(away) else np.ones(1)


def _moves(mid2: Ints, horizon: int) -> Floats:
    known = mid2[mid2 != 0]
    return (
        (known[horizon:] - known[:-horizon]).astype(float) if len(known) > horizon else np.zeros(0)
    )


def pilots(preset: QueueReactivePreset, seconds: float, seeds: Sequence[int]) -> list[ExtractedDay]:
    """Simulated stretches, observed as the tape was."""
    window = q.LEVELS if preset.scalars["limited"] else 0
    return [
        day_of(observed_day(preset, seed, seconds, WARMUP_S, window=window), 1.0) for seed in seeds
    ]


def loss_of(target: Mapping[str, float], got: Mapping[str, float]) -> float:
    """Weighted sum of squared log ratios."""
    terms = {key: w for key, w in LOSS.items() if target[key] > UNTOLD}
    loss = sum(w * np.log(max(got[key], UNTOLD) / target[key]) ** 2 for key, w in terms.items())
    for n in range(q.LEVELS):
        loss += (
            DEPTH_LOSS * np.log(max(got[f"depth{n}"], 1e-9) / max(target[f"depth{n}"], 1e-9)) ** 2
        )
    return float(loss)


def tune(
    preset: QueueReactivePreset,
    days: Sequence[ExtractedDay],
    seed: int,
    rounds: int = ROUNDS,
    tell: Callable[[str], None] | None = None,
    leaning: bool = True,
) -> QueueReactivePreset:
    """The preset with factors adjusted to the tape.

    Parameters
    ----------
    preset : QueueReactivePreset
        As estimated, knobs at rest.
    days : sequence of ExtractedDay
        Days of the estimate.
    seed : int
        Of the pilots; a round uses seeds of its own.
    rounds : int
        Of pilots.
    tell : callable, optional
        Is called with a line when a round begins.
    leaning : bool
        Whether the lean's knobs are turned.
    """
    target, edges = measure(days), preset.law["spread_edges"]
    tape = tallied(days, edges)
    seconds = float(np.clip(np.mean([d.o.seconds for d in days]), 1800.0, 23_400.0))
    events = target["rate"] * seconds * PILOTS
    count = int(np.clip(PILOTS * min(1.0, 1.2e6 / events), 2, PILOTS))
    tried: list[tuple[QueueReactivePreset, dict[str, float]]] = []
    for turn in range(rounds):
        if tell:
            tell(
                f"simulate {count} stretches, adjust the model where they differ from tape: {turn + 1} of {rounds}"
            )
        seeds = [seed + 1000 * turn + j for j in range(count)]
        try:
            made = pilots(preset, seconds, seeds)
            got = measure(made)
        except CapacityError:
            preset = preset.model_copy(update={"orders": preset.orders * 4})
            continue
        tried.append((preset, got))
        gain = 1.0 if turn < rounds // 2 else 0.5
        preset = _turned(preset, target, got, gain, leaning)
        turned = _by_spread(preset.law["turned"], tape, tallied(made, edges), gain)
        preset = preset.model_copy(update={"law": preset.law | {"turned": turned}})
    last = tried[-max(rounds // 3, 1) :]
    best = _middle([p for p, _ in last])
    reached = {
        key: float(np.exp(np.mean([np.log(max(g[key], 1e-9)) for _, g in last]))) for key in target
    }
    figures = {key: {"tape": short(target[key]), "pilots": short(reached[key])} for key in target}
    card: Card = {
        "tuned": figures,
        "rounds": len(tried),
        "loss": round(loss_of(target, reached), 5),
    }
    return best.model_copy(update={"card": best.card | card})


def _middle(presets: Sequence[QueueReactivePreset]) -> QueueReactivePreset:
    """The last preset with the mean knobs of them all: single pilots are noisy, their mean is less so."""
    knobs = {
        name: float(np.mean([getattr(p.knobs, name) for p in presets]))
        for name in PilotFactors.model_fields
    }
    law = dict(presets[-1].law)
    for name in ("pull", "hazard", "turned"):
        law[name] = tuple(
            short(x) for x in np.mean([p.law[name] for p in presets], axis=0).tolist()
        )
    return presets[-1].model_copy(update={"knobs": PilotFactors(**knobs), "law": law})


def _turned(
    preset: QueueReactivePreset,
    target: Mapping[str, float],
    got: Mapping[str, float],
    gain: float,
    leaning: bool = True,
) -> QueueReactivePreset:
    """Knobs after one damped step."""

    def over(key: str) -> float:
        if target[key] <= UNTOLD:
            return 0.0
        return float(np.clip(np.log(max(got[key], UNTOLD) / target[key]), -MOST, MOST))

    knobs = preset.knobs
    share = over("markets") - over("rate")
    response, lean = 0.5 * (over("response10") + over("response60")), gain * float(leaning)
    turned = PilotFactors(
        clock=float(np.clip(knobs.clock * np.exp(gain * 0.9 * over("rate")), 0.2, 5.0)),
        market=float(np.clip(knobs.market * np.exp(-gain * 0.9 * share), 0.1, 10.0)),
        inside=float(np.clip(knobs.inside * np.exp(gain * 1.2 * over("spread")), 0.05, 3.0)),
        cancel=float(np.clip(knobs.cancel * np.exp(-gain * 0.9 * over("gone")), 0.3, 6.0)),
        anchor_fast=float(np.clip(knobs.anchor_fast + gain * 0.5 * over("sd10"), -0.3, 2.0)),
        trend=float(np.clip(knobs.trend - lean * 0.15 * over("sd60"), -0.1, 0.5)),
        value=float(np.clip(knobs.value + lean * 0.05 * over("sd600"), 0.0, 0.15)),
        push=float(np.clip(knobs.push - lean * 0.05 * response, -0.05, 0.05)),
        lots=float(np.clip(knobs.lots * np.exp(-gain * over("lots")), 0.7, 1.6)),
        repeat=float(np.clip(knobs.repeat * np.exp(-gain * 1.0 * over("same")), 0.0, 2.0)),
        lone=float(np.clip(knobs.lone - gain * 1.0 * over("reach"), -1.0, 2.0)),
    )
    depth = np.array([over(f"depth{n}") for n in range(1, q.LEVELS)])
    factor = np.exp(np.clip(gain * 0.6 * depth, -0.5, 0.5))
    law = dict(preset.law)
    for name in ("pull", "hazard"):
        law[name] = tuple(short(x) for x in (np.array(law[name]) * factor).tolist())
    return preset.model_copy(update={"knobs": turned, "law": law})
