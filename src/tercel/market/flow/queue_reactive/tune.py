"""Tuning by pilot runs: simulate, compare with the calibration tape, adjust factors until the misfit is small.

Statistics compared: events and market orders per second, cancels at the best, lots of a market order, sizes that
repeat, spread, depth of each level, how far the levels reach, standard deviations of the mid's changes over 1, 10, 60
and 600 s, how far the mid has moved 3, 10 and 60 s after a market order, and the shares of the kinds of events in each
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
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset
from tercel.market.flow.queue_reactive.tables import PilotFactors, four_digits
from tercel.market.simulator.days import observed_day

HORIZONS = (1, 10, 60, 600)
RESPONSES = (3, 10, 60)
BUSY_S = 300
UNKNOWN = 1e-9
"""A figure that a tape is too short for."""
MAX_LOG_RATIO = 1.0
"""Log ratio at which a step is largest."""
WARMUP_S = 900.0
PILOTS = 5
ROUNDS = 16
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


def tally_events(days: Sequence[ExtractedDay], spread_edges: Sequence[float]) -> Floats:
    """Event counts by spread class and kind, float64[SPREADS, KINDS]."""
    counts = np.zeros((q.SPREADS, q.KINDS))
    for d in days:
        np.add.at(counts, (np.searchsorted(spread_edges, d.spread, side="right"), d.o.kind), 1.0)
    return counts


def event_shares(counts: Floats) -> Floats:
    """Shares of the kinds of events by class of the spread, float64[SPREADS, KINDS]; thin classes are shrunk to all.

    >>> event_shares(np.zeros((q.SPREADS, q.KINDS)))[0].round(3).tolist()
    [0.167, 0.167, 0.167, 0.167, 0.167, 0.167]
    """
    lean = PRIOR * (counts.sum(axis=0) + 1.0) / (counts.sum() + q.KINDS)
    return np.asarray((counts + lean) / (counts.sum(axis=1, keepdims=True) + PRIOR))


def _step_spread_factors(
    factors: Sequence[float], tape: Floats, simulated: Floats, gain: float
) -> tuple[float, ...]:
    """`turned` after a damped step from the pilots' event shares towards the tape's; its mean on the tape stays 1."""
    turned = np.log(np.reshape(factors, tape.shape))
    log_ratio = np.log(event_shares(simulated) / event_shares(tape))
    for kind in TURNED:
        occurs = tape[:, kind] > 0.0
        if occurs.any():
            turned[occurs, kind] -= gain * TURN * log_ratio[occurs, kind]
            turned[occurs, kind] -= np.average(turned[occurs, kind], weights=tape[occurs, kind])
    return tuple(four_digits(x) for x in np.exp(np.clip(turned, -2.0, 2.0)).ravel().tolist())


def measure(days: Sequence[ExtractedDay]) -> dict[str, float]:
    """Quantities by which pilots are compared, days pooled."""
    seconds = sum(d.o.seconds for d in days)
    events = sum(len(d.lots) for d in days)
    markets = np.concatenate([d.lots[d.o.kind == q.MARKET] for d in days])
    depth = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days]).mean(axis=0)
    figures = {
        "rate": events / seconds,
        "markets": len(markets) / seconds,
        "gone": np.concatenate([d.o.kind == q.CANCEL_AT_BEST for d in days]).sum() / events,
        "lots": float(markets.mean()) if len(markets) else UNKNOWN,
        "spread": float(np.concatenate([d.spread for d in days]).mean()),
    }
    for n in range(q.LEVELS):
        figures[f"depth{n}"] = float(depth[n])
    figures["same"] = float(np.concatenate([d.lots[1:] == d.lots[:-1] for d in days]).mean())
    figures["reach"] = float(np.concatenate([_reach(d) for d in days]).mean())
    for horizon in HORIZONS:
        moves = [_moves(d.o.mid2, horizon) for d in days]
        all_moves = np.concatenate(moves)
        figures[f"sd{horizon}"] = (
            float(np.sqrt(np.mean(all_moves**2))) / 2.0 if len(all_moves) else UNKNOWN
        )
    counts = np.concatenate([_counts(d) / np.mean(_counts(d)) for d in days])
    figures["busy"] = max(float(counts.std()), UNKNOWN)
    for after in RESPONSES:
        figures[f"response{after}"] = max(
            float(np.concatenate([_responses(d, after) for d in days]).mean()), UNKNOWN
        )
    return figures


def _counts(day: ExtractedDay) -> Floats:
    """Events in each stretch of BUSY_S."""
    stretch = (day.o.ns - day.o.start_ns) // (BUSY_S * NS_PER_SECOND)
    return np.bincount(stretch)[: max(int(day.o.seconds // BUSY_S), 1)].astype(float)


def _responses(day: ExtractedDay, seconds: int) -> Floats:
    """Move of the mid some seconds after each market order, in its direction, ticks."""
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
    """Overlapping changes of the mid over `horizon` of the seconds that have a mid, half-ticks."""
    quoted = mid2[mid2 != 0]
    return (
        (quoted[horizon:] - quoted[:-horizon]).astype(float)
        if len(quoted) > horizon
        else np.zeros(0)
    )


def pilots(preset: QueueReactivePreset, seconds: float, seeds: Sequence[int]) -> list[ExtractedDay]:
    """Simulated stretches, observed as the tape was."""
    window = q.LEVELS if preset.scalars["limited"] else 0
    return [
        day_of(observed_day(preset, seed, seconds, WARMUP_S, window=window), 1.0) for seed in seeds
    ]


def loss_of(target: Mapping[str, float], measured: Mapping[str, float]) -> float:
    """Weighted sum of squared log ratios."""
    terms = {key: w for key, w in LOSS.items() if target[key] > UNKNOWN}
    loss = sum(
        w * np.log(max(measured[key], UNKNOWN) / target[key]) ** 2 for key, w in terms.items()
    )
    for n in range(q.LEVELS):
        loss += (
            DEPTH_LOSS
            * np.log(max(measured[f"depth{n}"], 1e-9) / max(target[f"depth{n}"], 1e-9)) ** 2
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
    """The preset with knobs and tables adjusted to the tape by rounds of pilot runs: means of the last third of them.

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
    target = measure(days)
    edges = preset.law["spread_edges"]
    tape = tally_events(days, edges)
    seconds = float(np.clip(np.mean([d.o.seconds for d in days]), 1800.0, 23_400.0))
    events = target["rate"] * seconds * PILOTS
    count = int(np.clip(PILOTS * min(1.0, 1.2e6 / events), 2, PILOTS))
    trials: list[tuple[QueueReactivePreset, dict[str, float]]] = []
    for round_number in range(rounds):
        if tell:
            tell(
                f"simulate {count} stretches, adjust the model where they differ from tape: {round_number + 1} of {rounds}"
            )
        seeds = [seed + 1000 * round_number + j for j in range(count)]
        try:
            simulated = pilots(preset, seconds, seeds)
            measured = measure(simulated)
        except CapacityError:
            preset = preset.model_copy(update={"orders": preset.orders * 4})
            continue
        trials.append((preset, measured))
        gain = 1.0 if round_number < rounds // 2 else 0.5
        preset = _step_knobs(preset, target, measured, gain, leaning)
        turned = _step_spread_factors(
            preset.law["turned"], tape, tally_events(simulated, edges), gain
        )
        preset = preset.model_copy(update={"law": preset.law | {"turned": turned}})
    last = trials[-max(rounds // 3, 1) :]
    best = _mean_knobs([p for p, _ in last])
    reached = {
        key: float(np.exp(np.mean([np.log(max(g[key], 1e-9)) for _, g in last]))) for key in target
    }
    figures = {
        key: {"tape": four_digits(target[key]), "pilots": four_digits(reached[key])}
        for key in target
    }
    card: Card = {
        "tuned": figures,
        "rounds": len(trials),
        "loss": round(loss_of(target, reached), 5),
    }
    return best.model_copy(update={"card": best.card | card})


def _mean_knobs(presets: Sequence[QueueReactivePreset]) -> QueueReactivePreset:
    """The last preset with the mean knobs, and mean tables `pull`, `hazard` and `turned`, of several rounds: pilots are noisy."""
    knobs = {
        name: float(np.mean([getattr(p.knobs, name) for p in presets]))
        for name in PilotFactors.model_fields
    }
    law = dict(presets[-1].law)
    for name in ("pull", "hazard", "turned"):
        law[name] = tuple(
            four_digits(x) for x in np.mean([p.law[name] for p in presets], axis=0).tolist()
        )
    return presets[-1].model_copy(update={"knobs": PilotFactors(**knobs), "law": law})


def _step_knobs(
    preset: QueueReactivePreset,
    target: Mapping[str, float],
    measured: Mapping[str, float],
    gain: float,
    leaning: bool = True,
) -> QueueReactivePreset:
    """Preset with knobs, and tables `pull` and `hazard`, after one damped step from `measured` towards `target`.
    Without `leaning` the knobs of the lean (trend, value, push) stay.
    """

    def over(key: str) -> float:
        """Log ratio of a measured quantity to its target, clipped at MAX_LOG_RATIO."""
        if target[key] <= UNKNOWN:
            return 0.0
        return float(
            np.clip(
                np.log(max(measured[key], UNKNOWN) / target[key]), -MAX_LOG_RATIO, MAX_LOG_RATIO
            )
        )

    knobs = preset.knobs
    share = over("markets") - over("rate")
    lean = gain * float(leaning)
    knobs_after = PilotFactors(
        clock=float(np.clip(knobs.clock * np.exp(gain * 0.9 * over("rate")), 0.2, 5.0)),
        market=float(np.clip(knobs.market * np.exp(-gain * 0.9 * share), 0.1, 10.0)),
        inside=float(np.clip(knobs.inside * np.exp(gain * 1.2 * over("spread")), 0.05, 3.0)),
        cancel=float(np.clip(knobs.cancel * np.exp(-gain * 0.9 * over("gone")), 0.3, 6.0)),
        anchor_fast=float(np.clip(knobs.anchor_fast + gain * 0.5 * over("sd10"), -0.3, 2.0)),
        trend=float(np.clip(knobs.trend - lean * 0.15 * over("sd60"), -0.1, 0.5)),
        value=float(np.clip(knobs.value + lean * 0.05 * over("sd600"), 0.0, 0.15)),
        push=float(np.clip(knobs.push - lean * 0.1 * over("response60"), -0.05, 0.1)),
        follow=float(np.clip(knobs.follow - lean * 0.8 * over("response3"), -0.1, 1.0)),
        swing=float(np.clip(knobs.swing - gain * over("busy"), -0.5, 1.5)),
        lots=float(np.clip(knobs.lots * np.exp(-gain * over("lots")), 0.7, 1.6)),
        repeat=float(np.clip(knobs.repeat * np.exp(-gain * 1.0 * over("same")), 0.0, 2.0)),
        lone=float(np.clip(knobs.lone - gain * 1.0 * over("reach"), -1.0, 2.0)),
    )
    depth = np.array([over(f"depth{n}") for n in range(1, q.LEVELS)])
    factor = np.exp(np.clip(gain * 0.6 * depth, -0.5, 0.5))
    law = dict(preset.law)
    for name in ("pull", "hazard"):
        law[name] = tuple(four_digits(x) for x in (np.array(law[name]) * factor).tolist())
    return preset.model_copy(update={"knobs": knobs_after, "law": law})
