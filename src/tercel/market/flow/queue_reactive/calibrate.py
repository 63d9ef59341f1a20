"""A queue-reactive preset from days of tape: classes, weights by raking, and the empirical laws of the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.calibrate import one_market, power_of_two, walking_slope
from tercel.market.flow.queue_reactive import pools
from tercel.market.flow.queue_reactive import words as q
from tercel.market.flow.queue_reactive.extract import Day, Seen, day_of, look
from tercel.market.flow.queue_reactive.preset import UNBOUNDED, QueueReactivePreset
from tercel.market.flow.queue_reactive.rake import rake
from tercel.market.flow.queue_reactive.tables import SCALARS
from tercel.market.observed import Observed, observe

MIN_EVENTS = 2_000
MIN_MARKET_ORDERS = 50
SPREAD_AT = (0.15, 0.3, 0.45, 0.6, 0.72, 0.83, 0.91, 0.96, 0.985)
SLOW_AT = (0.15, 0.4, 0.7, 0.92)
FAST_AT = (0.45, 0.85)
TOUCH_POWERS = (0.0, 1.0, 2.0)
SLOW_S, FAST_S = 30.0, 2.0
DRIFT_S = 10.0
MOST_WINDOW = 256


def calibrate(
    days: Sequence[tuple[Any, Any]],
    *,
    name: str,
    date: str,
    lot_shares: int | None = None,
    skip_s: float = 900.0,
    seed: int = 1,
    from_s: float | None = None,
    to_s: float | None = None,
    by_imbalance: bool | None = None,
    tuned: bool = True,
    tell: Callable[[str], None] | None = None,
) -> QueueReactivePreset:
    """A preset from one or more days of one symbol.

    Parameters
    ----------
    days : sequence of (Instrument, Events)
        As `Lake.read` gives them; pooled.
    name, date : str
        Name of the preset; date of the calibration for the card, as the caller says it.
    lot_shares : int, optional
        Units of one simulated lot. Default: the tape's own lot, so that no size is rounded.
    skip_s : float
        Seconds left out at the opening of each day.
    seed : int
        Of the pilot runs.
    from_s, to_s : float, optional
        Only this stretch of each day, seconds after its opening.
    by_imbalance : bool, optional
        Weights by imbalance of the best queues instead of by their two classes. Default: whichever explains the
        events better.
    tuned : bool
        Whether pilot runs turn the knobs.
    tell : callable, optional
        Is told in words how far it has come.

    Raises
    ------
    ConfigError
        No days, several symbols or ticks, or too few events.
    """
    first = one_market(days)
    observed = [observe(i, e, skip_s=skip_s, levels=q.LEVELS, from_s=from_s, to_s=to_s) for i, e in days]
    _enough(observed, [i for i, _ in days])
    lot = lot_shares or first.lot
    stretch = [day_of(o, lot / first.lot) for o in observed]
    sessions = [(i.session_open_ns, i.session_close_ns) for i, _ in days]
    preset = estimate(stretch, sessions, first, name=name, date=date, lot=lot, by_imbalance=by_imbalance)
    card = preset.card | {"days": [i.date for i, _ in days], "from_s": from_s, "to_s": to_s}
    preset = preset.model_copy(update={"card": card})
    if tuned:
        from tercel.market.flow.queue_reactive.tune import tune

        preset = tune(preset, stretch, seed, tell=tell)
        from tercel.market.impact.pilot import carrying  # it runs markets of presets
        from tercel.market.impact.replenishment import replenishment

        if tell:
            tell("measuring its mean trade, and how long lots that were taken stay away")
        preset = carrying(preset, replenishment_s=tuple(replenishment(observed).round(3).tolist()))
    return preset


def _enough(observed: Sequence[Observed], instruments: Sequence[Any]) -> None:
    events = sum(o.n for o in observed)
    markets = sum(int((o.kind == q.MARKET).sum()) for o in observed)
    if events < MIN_EVENTS or markets < MIN_MARKET_ORDERS:
        raise ConfigError(
            f"at least {MIN_EVENTS} events and {MIN_MARKET_ORDERS} market orders to calibrate on",
            f"{events} and {markets} on {', '.join(str(i.date) for i in instruments)}",
            "calibrate on more or longer days",
        )


@dataclass(frozen=True)
class Minutes:
    """Activity of the minutes calibrated on.

    Attributes
    ----------
    season : float64[SEASONS]
    edges, mean : float64[ACTIVITIES - 1], float64[ACTIVITIES]
    classes : list of int64[minutes]
        By day.
    rows : float64[n, 3]
        Activity over season, factor of market orders, day.
    """

    season: NDArray[np.float64]
    edges: NDArray[np.float64]
    mean: NDArray[np.float64]
    classes: list[NDArray[np.int64]]
    rows: NDArray[np.float64]


def minutes_of(days: Sequence[Day], session_ns: int) -> Minutes:
    """Season of the half hours, what each minute had over it, and how many market orders it had over its events."""
    events = [np.bincount(d.minute, minlength=d.minutes)[: d.minutes].astype(float) for d in days]
    markets = [
        np.bincount(d.minute[d.o.kind == q.MARKET], minlength=d.minutes)[: d.minutes].astype(float) for d in days
    ]
    offset = [(d.o.start_ns - d.o.open_ns) for d in days]
    when = [
        np.minimum(
            ((o + 60 * NS_PER_SECOND * np.arange(d.minutes)) % session_ns) * (q.SEASONS // 2) // session_ns,
            q.SEASONS // 2 - 1,
        )
        for o, d in zip(offset, days, strict=True)
    ]
    everything, half = np.concatenate(events), np.concatenate(when).astype(np.int64)
    mean = everything.mean()
    count = np.bincount(half, minlength=q.SEASONS // 2)
    season = np.where(count >= 10, np.bincount(half, everything, q.SEASONS // 2) / np.maximum(count, 1) / mean, 1.0)
    total = everything / mean
    edges = np.quantile(total, np.arange(1, q.ACTIVITIES) / q.ACTIVITIES)
    classes = np.searchsorted(edges, total, side="right")
    by_class = np.array([total[classes == c].mean() if (classes == c).any() else 1.0 for c in range(q.ACTIVITIES)])
    traded = np.concatenate(markets)
    shares = [traded[classes == c].sum() / max(everything[classes == c].sum(), 1.0) for c in range(q.ACTIVITIES)]
    expected = np.array(shares)[classes] * everything
    spare = float(((traded - expected) ** 2 - expected).sum())
    inertia = (expected**2).sum() / spare if spare > 0.0 else 1e6
    factor = (traded + inertia) / (expected + inertia)
    day = np.repeat(np.arange(len(days)) % q.DAYS, [d.minutes for d in days])
    bounds = np.cumsum([d.minutes for d in days])[:-1]
    return Minutes(
        np.repeat(np.maximum(season, 1e-3), 2),
        edges,
        np.maximum(by_class, 1e-6),
        np.split(classes, bounds),
        np.stack((total / season[half], factor, day), axis=1),
    )


def estimate(
    days: Sequence[Day],
    sessions: Sequence[tuple[int, int]],
    instrument: Any,
    *,
    name: str,
    date: str,
    lot: int,
    by_imbalance: bool | None = None,
) -> QueueReactivePreset:
    """The preset of stretches of tape, its knobs at rest."""
    opening, close = sessions[0]
    session_ns = close - opening if close else days[0].o.stop_ns - days[0].o.open_ns
    minutes = minutes_of(days, session_ns)
    law: dict[str, NDArray[np.float64]] = _edges(days)
    law |= {"season": minutes.season, "activity_edges": minutes.edges, "activity_mean": minutes.mean}
    scalars = _scalars(days, session_ns)
    activity = [c[d.minute] for c, d in zip(minutes.classes, days, strict=True)]
    blank = _blank(law, scalars)
    first_look = [look(d, blank, a) for d, a in zip(days, activity, strict=True)]
    centres = _displacements(law, first_look)
    scalars["deep_power"], law["hazard"] = pools.hazards(days, scalars["beyond"])
    _, law["pull"] = pools.hazards(days, scalars["beyond"], (4.0,))
    choices = [(power, choice) for choice in _either(by_imbalance) for power in TOUCH_POWERS]
    best: Any = None
    for power, choice in choices:
        scalars["touch_power"], scalars["by_imbalance"] = power, float(choice)
        flow = _blank(law, scalars)
        seen = [look(d, flow, a) for d, a in zip(days, activity, strict=True)]
        tables, score = _weights(days, seen, law["pull"], scalars)
        if best is None or score > best[0]:
            best = score, dict(scalars), tables, seen
    _, scalars, tables, seen = best
    law |= dict(zip(("state", "before", "before2", "place", "trade", "activity"), tables, strict=True))
    law |= pools.waits(days, seen, law["wait_edges"])
    law |= pools.sizes_and_places(days, law["spread_edges"], law["queue_edges"])
    law |= pools.repeats(days, seen)
    law |= pools.cancelled(days)
    scalars["newest"] = float(law.pop("newest")[0])
    return _preset(days, instrument, law, scalars, minutes.rows, centres, name=name, date=date, lot=lot)


def _either(by_imbalance: bool | None) -> tuple[bool, ...]:
    return (False, True) if by_imbalance is None else (by_imbalance,)


def pad(edges: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Ascending edges filled up with what nothing reaches."""
    return np.concatenate((edges[:count], np.full(max(count - len(edges), 0), UNBOUNDED)))


def _edges(days: Sequence[Day]) -> dict[str, NDArray[np.float64]]:
    spread = np.concatenate([d.spread for d in days])
    touch = np.concatenate([np.concatenate((d.bid_lots[:, 0], d.ask_lots[:, 0])) for d in days])
    imbalance = np.concatenate(
        [(d.bid_lots[:, 0] - d.ask_lots[:, 0]) / np.maximum(d.bid_lots[:, 0] + d.ask_lots[:, 0], 1) for d in days]
    )
    imbalance = np.concatenate((imbalance, -imbalance))
    wait = np.concatenate([d.wait[1:] for d in days]).astype(float)
    spreads = np.unique(np.quantile(spread, SPREAD_AT).astype(np.int64) + 1)
    if (spread == 1).mean() > 0.01:
        spreads = np.unique(np.concatenate(([2], spreads)))
    width = np.unique(np.quantile(spread, (0.4, 0.85)).astype(np.int64) + 1)
    queues = np.unique(np.quantile(touch, (0.15, 0.35, 0.6, 0.82, 0.95)).astype(np.int64) + 1)
    return {
        "spread_edges": pad(spreads[: q.SPREADS - 1].astype(float), q.SPREADS - 1),
        "width_edges": pad(width.astype(float), q.WIDTHS - 1),
        "queue_edges": pad(queues.astype(float), q.QUEUES - 1),
        "imbalance_edges": np.quantile(imbalance, np.arange(1, q.TOUCHES) / q.TOUCHES),
        "flow_edges": np.array([-0.6, -0.2, 0.2, 0.6]),
        "age_edges": np.array([0.05e9, 2e9]),
        "slow_edges": np.zeros(q.SLOW - 1),
        "fast_edges": np.zeros(q.FAST - 1),
        "wait_edges": _wait_edges(wait),
    }


def _wait_edges(wait: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges that part the zeros from the rest and the rest evenly."""
    positive = np.sort(wait[wait > 0])
    zeros = 1.0 - len(positive) / max(len(wait), 1)
    edges = np.array([positive[0] / 2.0]) if zeros > 0.01 else np.zeros(0)
    missing = q.WAITS - 1 - len(edges)
    at = (np.arange(1, missing + 1)) / (missing + 1)
    more = np.unique(np.quantile(positive, at))
    more = more[more > positive[0]] if len(edges) else more
    return pad(np.unique(np.concatenate((edges, more))), q.WAITS - 1)


def _scalars(days: Sequence[Day], session_ns: int) -> dict[str, float]:
    stamps = np.concatenate([d.o.ns for d in days])
    resolution = next((r for r in (10**6, 10**3) if not np.any(stamps % r)), 1)
    limited = days[0].o.window > 0
    fifth = np.concatenate([(d.bid[:, 0] - d.bid[:, -1])[d.bid[:, -1] > 0] for d in days])
    window = float(np.quantile(fifth, 0.995)) if len(fifth) else 10.0
    second = np.concatenate([(d.bid[:, 0] - d.bid[:, 1])[d.bid[:, 1] > 0] for d in days])
    touch = np.concatenate([np.concatenate((d.bid_lots[:, 0], d.ask_lots[:, 0])) for d in days])
    wait = np.concatenate([d.wait for d in days])
    return {
        "resolution_ns": float(resolution),
        "session_ns": float(session_ns),
        "slow_ns": SLOW_S * NS_PER_SECOND,
        "fast_ns": FAST_S * NS_PER_SECOND,
        "drift_ns": DRIFT_S * NS_PER_SECOND,
        "window": float(np.clip(round(window), 8, MOST_WINDOW)),
        "hole": max(float(np.quantile(second, 0.995)), 1.0),
        "limited": float(limited),
        "by_imbalance": 0.0,
        "beyond": 0.0 if limited else pools.beyond(days),
        "live_mean": pools.live_mean(days),
        "touch_power": 0.0,
        "deep_power": 4.0,
        "touch_mean": float(touch.mean()),
        "newest": 0.0,
        "short_ns": float(np.quantile(wait, 0.4)),
    }


def _blank(law: dict[str, NDArray[np.float64]], scalars: dict[str, float]) -> NDArray[np.float64]:
    """Parameters with edges and scalars alone: what `look` needs."""
    from tercel.market.flow.queue_reactive.tables import LAYOUT

    flow = np.zeros(q.FIXED)
    for name, values in law.items():
        place = LAYOUT[name]
        flow[place.at : place.at + place.length] = values
    for name, (at, _, _) in SCALARS.items():
        flow[at] = scalars[name]
    return flow


def _displacements(law: dict[str, NDArray[np.float64]], seen: Sequence[Seen]) -> dict[str, NDArray[np.float64]]:
    """Set symmetric edges of the displacement classes; the centre of each in standard deviations."""
    centres = {}
    for name, at in (("slow", SLOW_AT), ("fast", FAST_AT)):
        x = np.concatenate([getattr(s, name) for s in seen])
        upper = np.quantile(np.abs(x), at)
        upper = np.maximum.accumulate(upper + 1e-6 * np.arange(1, len(upper) + 1))
        edges = np.concatenate((-upper[::-1], upper))
        classes = np.searchsorted(edges, x, side="right")
        sd = max(float(x.std()), 1e-9)
        centre = np.array([x[classes == c].mean() if (classes == c).any() else 0.0 for c in range(len(edges) + 1)]) / sd
        law[f"{name}_edges"] = edges
        centres[name] = np.clip((centre - centre[::-1]) / 2.0, -3.0, 3.0)
    return centres


def _weights(
    days: Sequence[Day], seen: Sequence[Seen], pull: NDArray[np.float64], scalars: dict[str, float]
) -> tuple[list[NDArray[np.float64]], float]:
    """Raked tables, flat, and the mean log likelihood of the events."""
    cells = np.concatenate([s.cells[:, :6] for s in seen])
    events = np.concatenate([s.event for s in seen])
    offsets = np.concatenate([_offsets(d, s, pull, scalars) for d, s in zip(days, seen, strict=True)])
    sizes = (q.STATES, q.BEFORE, q.BEFORE2, q.PLACES, q.TRADES, q.ACTIVITIES)
    tables = rake(cells, offsets, events, sizes)
    weight = np.ones((len(events), q.EVENTS))
    for t, table in enumerate(tables):
        weight *= table[cells[:, t]]
    columns = (0, 0, -1, -1, -1, -1, 1, 2, 3, 4, 5, 5)
    for e, c in enumerate(columns):
        if c >= 0:
            weight[:, e] *= offsets[:, c]
    likelihood = np.log(np.maximum(weight[np.arange(len(events)), events] / weight.sum(axis=1), 1e-12)).mean()
    return [t.ravel() for t in tables], float(likelihood)


def _offsets(day: Day, seen: Seen, pull: NDArray[np.float64], scalars: dict[str, float]) -> NDArray[np.float64]:
    """Known factors of the weights, as `kernel.offsets` has them."""
    n = len(day.lots)
    side = day.o.side.astype(np.int64) * np.where(seen.event % 2 == 0, 1, -1)  # of the frame
    bids = side > 0
    books = (day.bid_lots, day.ask_lots)
    deep_bid, deep_ask = (scalars["beyond"] + x[:, 1:] @ pull for x in books)
    near, far = (pools.quarters(x[:, 0] / scalars["touch_mean"], scalars["touch_power"]) for x in books)
    out = np.ones((n, 6))
    out[:, 0] = day.spread > 1
    out[:, 1], out[:, 2] = np.where(bids, near, far), np.where(bids, far, near)
    out[:, 3], out[:, 4] = np.where(bids, deep_bid, deep_ask), np.where(bids, deep_ask, deep_bid)
    return np.maximum(out, np.where(np.arange(6) == 0, 0.0, 1e-6))


def _preset(
    days: Sequence[Day],
    instrument: Any,
    law: dict[str, NDArray[np.float64]],
    scalars: dict[str, float],
    minutes: NDArray[np.float64],
    centres: dict[str, NDArray[np.float64]],
    *,
    name: str,
    date: str,
    lot: int,
) -> QueueReactivePreset:
    depth, offset = pools.mean_book(days)
    markets = np.concatenate([d.lots[d.o.kind == q.MARKET] for d in days])
    seconds = sum(d.o.seconds for d in days)
    mid2 = [d.o.mid2[d.o.mid2 != 0] for d in days]
    sd60 = np.concatenate([np.diff(m[::60]) for m in mid2]) / 2.0
    spread = np.concatenate([d.o.spread[d.o.mid2 != 0] for d in days])
    return QueueReactivePreset(
        name=name,
        symbol=instrument.symbol,
        venue=instrument.venue,
        tick=instrument.tick,
        lot=lot,
        start_mid_ticks=round(float(np.mean([m[0] for m in mid2])) / 2.0),
        volume_per_s=float(markets.sum() / seconds),
        mean_depth=_plain(depth),
        level_offset_ticks=_plain(offset),
        mean_spread_ticks=float(spread.mean()),
        sd60_ticks=float(np.sqrt(np.mean(sd60**2))) if len(sd60) else 0.0,
        volume_curve=_plain(pools.volume_curve(days, scalars["session_ns"])),
        eta_ticks_per_lot=walking_slope(depth, offset),
        orders=max(1024, power_of_two(8.0 * scalars["live_mean"])),
        width=max(256, power_of_two(4.0 * scalars["window"])),
        version=q.VERSION,
        law={key: _plain(np.asarray(values).ravel()) for key, values in law.items()},
        scalars={key: float(value) for key, value in scalars.items()},
        minutes=tuple((_short(a), _short(m), float(day)) for a, m, day in minutes.tolist()),
        slow_centres=_plain(centres["slow"]),
        fast_centres=_plain(centres["fast"]),
        card={"calibrated": date, "seconds": seconds, "events": int(sum(len(d.lots) for d in days))},
    )


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Numbers for a file: four figures (integers whole)."""
    return tuple(float(x) if float(x).is_integer() else float(f"{x:.4g}") for x in values.tolist())


def _short(x: float) -> float:
    return float(f"{x:.4g}")
