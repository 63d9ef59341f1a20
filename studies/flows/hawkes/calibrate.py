"""Calibration of a Hawkes market from days of tape.

1. `observe` gives the events and the book before each; limit orders and cancels farther than `COVER` of them from their
   own best are left out. Stamps that several events share are spread over the clock's step, in their order.
2. State factors by counts (`state`), the excitation by maximum likelihood given them (`fit`), the factors again given
   the excitation, the excitation again. The spectral radius is kept below `fit.MOST_RADIUS`.
3. Sizes and places are tables of equally likely values; market orders take exactly the queue they meet, less or more,
   in the tape's shares.
4. Pilot runs set the pace, the mix and the depth to the tape's (`tune`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.flows.hawkes import layout as at, tables
from studies.flows.hawkes.fit import Excitation, History, compensators, fit, residuals
from studies.flows.hawkes.preset import HawkesPreset
from studies.flows.hawkes.state import (
    HawkesFactors,
    States,
    cancel_rates,
    classify,
    edges,
    rake,
)
from studies.flows.hawkes.tables import HawkesDay
from studies.flows.hawkes.tune import Means, means, tune
from tercel.core import NS_PER_SECOND, ConfigError, Floats, Int32, Ints
from tercel.market import NAMES, SantaFePreset, calibrate as plain
from tercel.market.flow import Preset
from tercel.market.observed import Observed, observe
from tercel.market.tape import Events, Instrument

DECAYS = (0.03, 0.6, 12.0, 250.0, 6000.0)
"""1/s: half-lives of 23 s, 1.2 s, 58 ms, 2.8 ms and 0.1 ms, whose sums come near a power law."""
MIN_EVENTS = 2000
MOST_EVENTS = 400_000
"""Events that the excitation is fitted on; of longer tapes, the last of every day."""
MOST_LOTS = 1 << 22
MOST_RATE = 20_000.0
REFRESH_S = 0.5
PILOT_EVENTS = 150_000
MOST_PILOT_S = 100_000.0
ESTIMATOR = (
    "Maximum likelihood (EM) of a twelve-type Hawkes process with exponential kernels at five fixed decays, bid and "
    "ask alike; an event weighs 1 / max(F, 1/2), so that the spectral radius below bounds the mean rates whatever the "
    "book does. State factors F (spread x imbalance, queue, depth) by raked counts; sizes and places as tables; pace, "
    "mix of kinds and depth tuned by pilot runs to the tape's."
)


def calibrate(
    days: Sequence[tuple[Instrument, Events]],
    *,
    name: str,
    date: str,
    lot_shares: int | None = None,
    skip_s: float = 900.0,
    seed: int = 1,
) -> HawkesPreset:
    """A preset from one or more days of one symbol.

    Parameters
    ----------
    days : sequence of (Instrument, Events)
        As `Lake.read` gives them; pooled.
    name, date : str
        Name of the preset; date of the calibration for the card, as the caller says it.
    lot_shares : int, optional
        Units of one simulated lot. Default: the tape's own lot, so that odd sizes stay what they are; where its levels
        hold more than `MOST_LOTS` of them, as for `santa_fe`.
    skip_s : float
        Seconds left out at the opening of each day.
    seed : int
        Of the pilot runs.

    Raises
    ------
    ConfigError
        No days, several symbols or ticks, too few events, or a law whose market does not live.
    """
    seen = [observe(instrument, events, skip_s) for instrument, events in days]
    most = max(
        (int(side.max()) for s in seen if s.n for side in (s.bid_lots, s.ask_lots)), default=0
    )
    if lot_shares is None and 0 < most < MOST_LOTS:
        lot_shares = days[0][0].lot
    common = plain.calibrate(days, name=name, date=date, lot_shares=lot_shares, skip_s=skip_s)
    per_lot = common.lot / days[0][0].lot
    read, reach = _days(seen, per_lot)
    events = sum(len(day.kind) for day in read)
    if (
        events < MIN_EVENTS
        or min(np.bincount(np.concatenate([d.kind for d in read]), minlength=at.KINDS)) < 20
    ):
        raise ConfigError(
            f"at least {MIN_EVENTS} events, 20 of each kind, to calibrate on",
            f"{events}",
            "calibrate on more days",
        )
    session_s = max((i.session_close_ns - i.session_open_ns) / NS_PER_SECOND for i, _ in days)
    season_s = max(session_s, *(float(day.seconds[-1]) for day in read)) / at.SEASONS
    law = _law(read, season_s)
    window = max(instrument.levels for instrument, _ in days)
    made = _preset(common, read, law, season_s, reach, window)
    made = tune(
        made,
        _means(read, law.theta),
        seed,
        min(max(PILOT_EVENTS / _rate(read), 3600.0), MOST_PILOT_S),
    )
    from tercel.market.impact import measured_replenishment as replenishment, with_pilot_law

    return with_pilot_law(made, replenishment_s=tuple(replenishment(seen).round(3).tolist()))


def _rate(days: Sequence[HawkesDay]) -> float:
    """Events a second."""
    return sum(len(day.kind) for day in days) / sum(float(day.waits.sum()) for day in days)


def _means(days: Sequence[HawkesDay], theta: Floats) -> Means:
    waits = np.concatenate([day.waits for day in days])
    lots = [
        np.concatenate([getattr(day, side) for day in days]) for side in ("bid_lots", "ask_lots")
    ]
    px = [np.concatenate([getattr(day, side) for day in days]) for side in ("bid_px", "ask_px")]
    return means(
        float(waits.sum()), np.concatenate([day.kind for day in days]), waits, px, lots, theta
    )


# -- reading -----------------------------------------------------------------------------------------------------------


def _days(seen: Sequence[Observed], per_lot: float) -> tuple[list[HawkesDay], int]:
    """The days' events within reach, and the reach: ticks behind the own best that hold `plain.COVER`."""
    deeper = np.concatenate([day.behind[day.kind == at.DEEPER] for day in seen])
    reach = int(np.quantile(deeper, plain.COVER)) if len(deeper) else 1
    reach = min(max(reach, 1), at.REACH - 1)
    return [_day(day, reach, per_lot) for day in seen], reach


def _day(day: Observed, reach: int, per_lot: float) -> HawkesDay:
    kind, away = day.kind.astype(np.int8), day.behind
    keep = (
        ~day.remainder
        & (day.bid_lots[:, 0] > 0)
        & (day.ask_lots[:, 0] > 0)
        & (day.ask_px[:, 0] > day.bid_px[:, 0])
    )
    keep &= ~(((kind == at.DEEPER) | (kind == at.CANCEL_DEEPER)) & (away > reach))
    seconds = spread_ties(day.ns[keep] - day.open_ns)
    lots = plain.to_lots(day.lots[keep].astype(np.int64), per_lot)
    return HawkesDay(
        day,
        seconds,
        kind[keep],
        (day.side[keep] < 0).astype(np.int8),
        lots,
        away[keep],
        _in_lots(day.bid_lots[keep], per_lot),
        _in_lots(day.ask_lots[keep], per_lot),
        day.bid_px[keep],
        day.ask_px[keep],
    )


def _in_lots(units: Int32, per_lot: float) -> Floats:
    """Level totals in simulated lots, at least one where there is anything."""
    return np.where(units > 0, plain.to_lots(units.astype(np.int64), per_lot), 0).astype(np.float64)


def spread_ties(ns: Ints) -> Floats:
    """Seconds, strictly ascending: events of one stamp spread evenly over the clock's step, in their order.

    The step is the largest power of ten (at most a millisecond) that divides all stamps.

    >>> spread_ties(np.array([0, 2_000_000, 2_000_000])).tolist()
    [0.0, 0.002, 0.0025]
    """
    step = 1_000_000
    while step > 1 and np.any(ns % step):
        step //= 10
    first = np.concatenate(([True], ns[1:] != ns[:-1]))
    group = np.cumsum(first) - 1
    size = np.bincount(group)
    rank = np.arange(len(ns)) - np.flatnonzero(first)[group]
    return np.asarray((ns + step * rank / size[group]) / NS_PER_SECOND)


# -- the law -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Law:
    """Estimated law, and the convergence of its estimation."""

    excitation: Excitation
    factors: HawkesFactors
    season: Floats
    theta: Floats
    spread_edges: Ints
    queue_edges: Ints
    plain_likelihood: float
    likelihood: float
    radius_before: float
    ks: tuple[float, ...]


def _law(days: Sequence[HawkesDay], season_s: float) -> Law:
    """Factors and excitation in turns."""
    waits = np.concatenate([day.waits for day in days])
    spread_edges = edges(np.concatenate([day.spread for day in days]), waits, at.SPREADS)
    spread_edges[0] = 2
    spread_edges = np.maximum(spread_edges, np.arange(2, at.SPREADS + 1))
    touch = np.concatenate(
        [np.concatenate((d.bid_lots[:, 0], d.ask_lots[:, 0])) for d in days]
    ).astype(np.int64)
    queue_edges = edges(touch, np.concatenate([np.tile(d.waits, 2) for d in days]), at.QUEUES)
    theta = _theta(days)
    states = [
        classify(d.bid_px, d.ask_px, d.bid_lots, d.ask_lots, spread_edges, queue_edges, theta)
        for d in days
    ]
    season = _season(days, season_s)
    alone = [np.repeat(day.waits[:, None, None], 2, axis=1) * np.ones(at.KINDS) for day in days]
    factors = _rake(days, states, alone)
    beta = np.array(DECAYS)
    histories = [
        _history(d, s, factors, season, season_s) for d, s in zip(days, states, strict=True)
    ]
    counts = np.bincount(np.concatenate([day.kind for day in days]), minlength=at.KINDS)
    nothing = Excitation(
        counts / _exposed(histories), np.zeros((at.KINDS, 2, at.KINDS, at.DECAYS)), beta
    )
    first, _ = fit([_tail(h) for h in histories], at.KINDS, beta, iterations=25)
    exposure = [compensators(history, first) for history in histories]
    factors = _rake(days, states, exposure)
    histories = [
        _history(d, s, factors, season, season_s) for d, s in zip(days, states, strict=True)
    ]
    tails = [_tail(history) for history in histories]
    found, trace = fit(tails, at.KINDS, beta, first=first)
    plain_likelihood = fit(tails, at.KINDS, beta, iterations=1, first=nothing)[1][0]
    ks = tuple(
        _distance(np.concatenate(waits))
        for waits in zip(*(residuals(h, found) for h in histories), strict=True)
    )
    return Law(
        found,
        factors,
        season,
        theta,
        spread_edges,
        queue_edges,
        plain_likelihood,
        trace[-1],
        first.radius,
        ks,
    )


def _rake(
    days: Sequence[HawkesDay], states: Sequence[States], exposure: Sequence[Floats]
) -> HawkesFactors:
    return rake(
        states, [d.kind for d in days], [d.side for d in days], [d.waits for d in days], exposure
    )


def _exposed(histories: Sequence[History]) -> Floats:
    """Integral of F times the season over both sides, per kind."""
    total: Floats = np.sum(
        [
            np.einsum("n,nsi->i", np.diff(h.seconds, prepend=h.start_s) * h.season, h.factor)
            for h in histories
        ],
        axis=0,
    )
    return np.maximum(total, 1e-12)


def _history(
    day: HawkesDay, states: States, factors: HawkesFactors, season: Floats, season_s: float
) -> History:
    factor = factors.of(states)
    own = factor[np.arange(len(day.kind)), day.side, day.kind]
    bins = np.clip((day.seconds / season_s).astype(np.int64), 0, at.SEASONS - 1)
    return History(
        day.seconds,
        day.kind,
        day.side,
        1.0 / np.maximum(own, at.LEAST_FACTOR),
        factor,
        season[bins],
        day.start_s,
    )


def _tail(history: History) -> History:
    """The last `MOST_EVENTS` of a day."""
    cut = len(history.seconds) - MOST_EVENTS
    if cut <= 0:
        return history
    return History(
        history.seconds[cut:],
        history.kind[cut:],
        history.side[cut:],
        history.weight[cut:],
        history.factor[cut:],
        history.season[cut:],
        float(history.seconds[cut - 1]),
    )


def _theta(days: Sequence[HawkesDay]) -> Floats:
    """Relative cancel rates by distance, from cancels and lots on the levels shown behind the touch."""
    away, rested, lot_seconds = [], [], []
    for day in days:
        shown = np.where(
            day.side == 0,
            _depth_shown(day.bid_px, day.bid_lots),
            _depth_shown(day.ask_px, day.ask_lots),
        )
        away.append(day.away[(day.kind == at.CANCEL_DEEPER) & (day.away <= shown)])
        for px, lots in ((day.bid_px, day.bid_lots), (day.ask_px, day.ask_lots)):
            distance = np.abs(px[:, 1:].astype(np.int64) - px[:, :1])
            there = lots[:, 1:] > 0
            rested.append(distance[there])
            lot_seconds.append((lots[:, 1:] * day.waits[:, None])[there])
    return cancel_rates(np.concatenate(away), np.concatenate(rested), np.concatenate(lot_seconds))


def _depth_shown(px: Int32, lots: Floats) -> Ints:
    """Ticks from the best to the last level shown."""
    distance = np.abs(px.astype(np.int64) - px[:, :1])
    return np.asarray(np.where(lots > 0, distance, 0).max(axis=1))


def _season(days: Sequence[HawkesDay], season_s: float) -> Floats:
    """Events over time in each part of the session, over its mean; 1 where nothing was seen."""
    at_events = np.concatenate([day.seconds for day in days])
    cuts = np.arange(at.SEASONS + 1) * season_s
    time = np.zeros(at.SEASONS)
    for day in days:
        clipped = np.clip(cuts, day.start_s, float(day.seconds[-1]))
        time += np.diff(clipped)
    events = np.histogram(at_events, cuts)[0]
    rate = events.sum() / time.sum()
    enough = time > 0.2 * season_s
    return np.where(enough, np.maximum(events, 1.0) / np.maximum(time, 1.0) / rate, 1.0)


def _distance(waits: Floats) -> float:
    """Kolmogorov-Smirnov distance of rescaled waits from Exp(1)."""
    ordered = np.sort(waits)
    law = -np.expm1(-ordered)
    steps = np.arange(len(ordered) + 1) / max(len(ordered), 1)
    return (
        float(max(np.abs(law - steps[:-1]).max(), np.abs(law - steps[1:]).max()))
        if len(ordered)
        else 0.0
    )


# -- the file ----------------------------------------------------------------------------------------------------------


def _preset(
    common: SantaFePreset,
    days: Sequence[HawkesDay],
    law: Law,
    season_s: float,
    reach: int,
    window: int,
) -> HawkesPreset:
    """Everything but the pilots."""
    shared = {
        key: getattr(common, key) for key in Preset.model_fields if key not in ("model", "card")
    }
    shared |= {"orders": max(1024, common.orders), "width": max(512, common.width)}
    children = law.excitation.alpha / law.excitation.beta
    kind = np.concatenate([day.kind for day in days])
    card = {
        key: common.card[key]
        for key in ("days", "calibrated", "seconds", "feed_levels", "hidden_over_visible_volume")
    }
    card |= {
        "estimator": ESTIMATOR,
        "events": {
            name: int(n)
            for name, n in zip(NAMES, np.bincount(kind, minlength=at.KINDS), strict=True)
        },
        "events_per_s": _rate(days),
        "reach_ticks": reach,
        "spectral_radius": law.excitation.radius,
        "spectral_radius_before_projection": law.radius_before,
        "log_likelihood_per_event": {
            "state factors alone": law.plain_likelihood,
            "with excitation": law.likelihood,
        },
        "ks_distance_of_rescaled_waits": {
            name: [law.ks[i], law.ks[at.KINDS + i]] for i, name in enumerate(NAMES)
        },
    }
    return HawkesPreset(
        **shared,
        card=card,
        decays=DECAYS,
        base=tables.nested(np.maximum(law.excitation.base, 1e-9)),
        children=tables.nested(children),
        spread_edges=tuple(law.spread_edges.tolist()),
        queue_edges=tuple(law.queue_edges.tolist()),
        spread_imbalance=tables.nested(law.factors.state),
        queue=tables.nested(law.factors.queue),
        cancel_rate=tables.nested(law.theta),
        depth_scale=law.factors.depth_scale,
        sizes=tables.sizes(days),
        less=tables.less_than_queue(days, law.queue_edges),
        more=tables.more_than_queue(days),
        improvement=tables.improvements(days, law.spread_edges),
        distance=tables.distances(days, law.spread_edges),
        sweep=tables.sweeps(days, law.queue_edges),
        back=tables.returns(days),
        season=tables.nested(law.season),
        season_s=season_s,
        most_rate=MOST_RATE,
        refresh_s=REFRESH_S,
        window=window,
    )
