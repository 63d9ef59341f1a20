"""Calibration of a queue-reactive preset from days of tape: classes, weights by raking, other laws empirical."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.calibrate import one_market, power_of_two, sd_of_mid_changes, walking_slope
from tercel.market.flow.queue_reactive import empirical, layout as q
from tercel.market.flow.queue_reactive.edges import (
    beyond,
    cancelled,
    displacements,
    edges,
    hazards,
    leaving,
    leaving_alike,
    rake,
)
from tercel.market.flow.queue_reactive.empirical import repeats
from tercel.market.flow.queue_reactive.extract import (
    WAIT_CELL,
    ExtractedDay,
    FlowState,
    day_of,
    look,
)
from tercel.market.flow.queue_reactive.preset import (
    LAYOUT,
    SCALARS,
    WEIGHTS,
    QueueReactivePreset,
    short,
)
from tercel.market.observed import Observed, observe

# -- minute activity -------------------------------------------------------------------------------
# Activity of the calibration minutes: a seasonal curve, each minute's excess, and its market-order rate.
#
# Latent rate of market orders behind minute counts: a persistent factor separated from Poisson scatter.
#
# Counts over their expected values have the covariance of the rate at every lag but 0, where their own clustering is
# added. So the rate's covariance is a sum of exponentials fitted to the lags from 1 on. Given the counts, the mean of
# the rate is a linear smoother's; it varies less than the rate does. One draw about it has the rate's own variance and
# memory: a path and counts simulated by the law, the path less its own smoothed mean, put on the mean that the true
# counts give.
#
# References
# ----------
# Hoffman & Ribak (1991), Constrained realizations of Gaussian fields: a simple algorithm, Astrophysical Journal 380,
# L5-L8; the same for state space models: Durbin & Koopman (2002), A simple and efficient simulation smoother for state
# space time series analysis, Biometrika 89(3), 603-615.

TAUS: Final = (1.5, 5.0, 15.0, 45.0)
"""Minutes that parts of the rate last."""
LAGS: Final = 60
LEAST, MOST = 0.1, 8.0


def latent(
    counts: Sequence[Floats], expected: Sequence[Floats], seed: int = 0
) -> tuple[Floats, Floats]:
    """Mean and one drawn factor of each minute, days concatenated, both of mean about 1.

    Parameters
    ----------
    counts, expected : sequence of float64[minutes]
        By day: market orders, and how many the events of the minute let expect.
    seed : int
        Of the draw.

    Counts that are what was expected have a rate of 1:

    >>> mean, drawn = latent([np.full(50, 3.0)], [np.full(50, 3.0)])
    >>> bool(np.allclose(mean, 1.0)), bool(np.allclose(drawn, 1.0))
    (True, True)
    """
    variances, scatter = covariance(counts, expected)
    rng = np.random.default_rng(seed)
    means, draws = [], []
    if not variances.any():
        one = np.ones(sum(map(len, counts)))
        return one, one.copy()
    for count, expect in zip(counts, expected, strict=True):
        lag = np.abs(np.subtract.outer(np.arange(len(count)), np.arange(len(count))))
        rate = sum(
            (v * np.exp(-lag / tau) for v, tau in zip(variances, TAUS, strict=True)),
            np.zeros(lag.shape),
        )
        noise = scatter / np.maximum(expect, 1e-3)
        gain = np.linalg.solve(rate + np.diag(noise), rate).T
        seen = count / np.maximum(expect, 1e-3) - 1.0
        path = np.linalg.cholesky(rate + 1e-9 * np.eye(len(count))) @ rng.standard_normal(
            len(count)
        )
        fog = np.sqrt(noise) * rng.standard_normal(len(count))
        means.append(1.0 + gain @ seen)
        draws.append(1.0 + path + gain @ (seen - path - fog))
    return np.clip(np.concatenate(means), LEAST, MOST), np.clip(np.concatenate(draws), LEAST, MOST)


def covariance(counts: Sequence[Floats], expected: Sequence[Floats]) -> tuple[Floats, float]:
    """Variance of each component of the rate, and the overdispersion of counts about it, at least 1."""
    most = min(LAGS, *(len(c) - 1 for c in counts))
    lags = np.arange(1, most + 1)
    over = np.zeros(most + 1)
    under = np.zeros(most + 1)
    for count, expect in zip(counts, expected, strict=True):
        for lag in range(most + 1):
            left, right = slice(0, len(count) - lag), slice(lag, None)
            over[lag] += ((count - expect)[left] * (count - expect)[right]).sum()
            under[lag] += (expect[left] * expect[right]).sum()
    seen = over / np.maximum(under, 1e-9)
    shapes = np.exp(-lags[:, None] / np.array(TAUS)[None, :])
    best, variances = float((seen[1:] ** 2).sum()), np.zeros(len(TAUS))
    for size in range(1, len(TAUS) + 1):
        for chosen in map(list, itertools.combinations(range(len(TAUS)), size)):
            fit, *_ = np.linalg.lstsq(shapes[:, chosen], seen[1:], rcond=None)
            miss = float(((shapes[:, chosen] @ fit - seen[1:]) ** 2).sum())
            if fit.min() >= 0.0 and miss < best:
                best, variances = miss, np.zeros(len(TAUS))
                variances[chosen] = fit
    scatter = (
        (seen[0] - variances.sum()) * under[0] / max(sum(float(e.sum()) for e in expected), 1e-9)
    )
    return variances, max(scatter, 1.0) if seen[0] > 0.0 else 0.0


@dataclass(frozen=True)
class Minutes:
    """Activity by minute of the calibration days.

    Attributes
    ----------
    season : float64[SEASONS]
    edges, mean : float64[ACTIVITIES - 1], float64[ACTIVITIES]
    classes : list of int64[minutes]
        By day.
    rows : float64[n, 3]
        Activity over season, factor of market orders (drawn given the tape), day.
    markets : list of float64[minutes]
        Mean factor of market orders given the tape, by day.
    """

    season: Floats
    edges: Floats
    mean: Floats
    classes: list[Ints]
    rows: Floats
    markets: list[Floats]

    def steady(self) -> "Minutes":
        """The same with the seasonal curve alone: equal minutes within each half hour, one market-order rate."""
        rows = np.column_stack((np.ones((len(self.rows), 2)), self.rows[:, 2]))
        return replace(self, rows=rows, markets=[np.ones_like(one) for one in self.markets])


def minutes_of(days: Sequence[ExtractedDay], session_ns: int) -> Minutes:
    """Estimate the seasonal half hours, each minute's excess, and its market orders per event."""
    everything = np.concatenate([_counts(d, np.ones(len(d.minute), np.bool_)) for d in days])
    half = np.concatenate([_halves(d, session_ns) for d in days])
    mean = everything.mean()
    count = np.bincount(half, minlength=q.SEASONS // 2)
    season = np.where(
        count >= 10,
        np.bincount(half, everything, q.SEASONS // 2) / np.maximum(count, 1) / mean,
        1.0,
    )
    total = everything / mean
    edges = np.quantile(total, np.arange(1, q.ACTIVITIES) / q.ACTIVITIES)
    classes = np.searchsorted(edges, total, side="right")
    by_class = np.array(
        [total[classes == c].mean() if (classes == c).any() else 1.0 for c in range(q.ACTIVITIES)]
    )
    traded = np.concatenate([_counts(d, d.o.kind == q.MARKET) for d in days])
    shares = [
        traded[classes == c].sum() / max(everything[classes == c].sum(), 1.0)
        for c in range(q.ACTIVITIES)
    ]
    bounds = np.cumsum([d.minutes for d in days])[:-1]
    expected = np.array(shares)[classes] * everything
    mean, drawn = latent(np.split(traded, bounds), np.split(expected, bounds))
    day = np.repeat(np.arange(len(days)) % q.DAYS, [d.minutes for d in days])
    return Minutes(
        np.repeat(np.maximum(season, 1e-3), 2),
        edges,
        np.maximum(by_class, 1e-6),
        np.split(classes, bounds),
        np.stack((total / season[half], drawn, day), axis=1),
        np.split(mean, bounds),
    )


def _counts(day: ExtractedDay, rows: Bools) -> Floats:
    """Number of the selected events in each minute."""
    return np.bincount(day.minute[rows], minlength=day.minutes)[: day.minutes].astype(float)


def _halves(day: ExtractedDay, session_ns: int) -> Ints:
    """The half hour of the session that each minute is of."""
    since = day.o.start_ns - day.o.open_ns + 60 * NS_PER_SECOND * np.arange(day.minutes)
    return np.minimum(
        (since % session_ns) * (q.SEASONS // 2) // session_ns, q.SEASONS // 2 - 1
    ).astype(np.int64)


MIN_EVENTS = 2_000
MIN_MARKET_ORDERS = 50
SLOW_S, FAST_S, VALUE_S = 30.0, 2.0, 300.0
RUN_S = 10.0
MOST_WINDOW = 256


PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "emptied touches": ("emptied", "vacated"),
    "a touch in retreat": ("retreat",),
    "young touches": ("fresh",),
    "signs and runs of trades": ("signs", "alone", "runs"),
    "gaps behind the touch": ("behind",),
    "rates that last": ("activity",),
    "orders and cancels of the last seconds": ("insides", "withdrawn"),
    "flow of half a minute": ("pressure",),
    "prices that come again": (),
    "leans": (),
    "age and size of orders": (),
    "hidden executions": (),
}
"""Parts of the law that may be left out, with their tables of weights."""


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
    without: Collection[str] = (),
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
    without : collection of str
        Parts of the law that are left out and fitted around, of `PARTS`: what each is worth.
    tell : callable, optional
        Is called with a line of progress.

    Raises
    ------
    ConfigError
        No days, several symbols or ticks, or too few events.
    """
    unknown = sorted(set(without) - set(PARTS))
    if unknown:
        raise ConfigError(
            f"parts of the law: {', '.join(PARTS)}", ", ".join(unknown), "leave them in"
        )
    first = one_market(days)
    observed = [
        observe(i, e, skip_s=skip_s, levels=q.LEVELS, from_s=from_s, to_s=to_s) for i, e in days
    ]
    _enough(observed, [i for i, _ in days])
    if not any((o.bid_px[:, 1] > 0).any() and (o.ask_px[:, 1] > 0).any() for o in observed):
        raise touch_alone(first.levels)
    lot = lot_shares or first.lot
    stretch = [day_of(o, lot / first.lot) for o in observed]
    sessions = [(i.session_open_ns, i.session_close_ns) for i, _ in days]
    preset = estimate(
        stretch,
        sessions,
        first,
        name=name,
        date=date,
        lot=lot,
        by_imbalance=by_imbalance,
        without=without,
    )
    card = preset.card | {"days": [i.date for i, _ in days], "from_s": from_s, "to_s": to_s}
    preset = preset.model_copy(update={"card": card})
    if tuned:
        from tercel.market.flow.queue_reactive.tune import tune

        preset = tune(preset, stretch, seed, tell=tell, leaning="leans" not in without)
        from tercel.market.impact.fitted import carrying, replenishment

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


def touch_alone(levels: int) -> ConfigError:
    """Error for tape that shows the touch alone: the law needs the levels and gaps behind an emptied touch."""
    return ConfigError(
        "tape that shows levels behind the touch, to calibrate queue_reactive on",
        f"tape of {levels or 1} level{'s' * (levels > 1)} a side, without a second one anywhere",
        "import a feed of two or more levels, such as LOBSTER's of 5, or take `model=santa_fe`",
    )


def estimate(
    days: Sequence[ExtractedDay],
    sessions: Sequence[tuple[int, int]],
    instrument: Any,
    *,
    name: str,
    date: str,
    lot: int,
    by_imbalance: bool | None = None,
    without: Collection[str] = (),
) -> QueueReactivePreset:
    """Preset estimated from stretches of tape, pilot factors neutral."""
    opening, close = sessions[0]
    session_ns = close - opening if close else days[0].o.stop_ns - days[0].o.open_ns
    minutes = minutes_of(days, session_ns)
    if "rates that last" in without:
        minutes = minutes.steady()
    apart = tuple(table for part in without for table in PARTS[part])
    law: dict[str, Floats] = edges(days)
    law |= {
        "season": minutes.season,
        "activity_edges": minutes.edges,
        "activity_mean": minutes.mean,
    }
    scalars = _scalars(days, session_ns)
    activity = [c[d.minute] for c, d in zip(minutes.classes, days, strict=True)]
    blank = _blank(law, scalars)
    first_look = [look(d, blank, a) for d, a in zip(days, activity, strict=True)]
    centres = displacements(law, first_look)
    scalars["deep_power"], law["hazard"] = hazards(days, scalars["beyond"])
    _, law["pull"] = hazards(days, scalars["beyond"], (4.0,))
    leave = leaving_alike if "age and size of orders" in without else leaving
    leaves, scalars["leaves_mean"], totals = leave(days, lot / instrument.lot)
    law |= leaves
    best: Any = None
    for choice in (False, True) if by_imbalance is None else (by_imbalance,):
        scalars["by_imbalance"] = float(choice)
        flow = _blank(law, scalars)
        seen = [look(d, flow, a) for d, a in zip(days, activity, strict=True)]
        tables, score = _weights(days, seen, law["pull"], scalars, minutes.markets, totals, apart)
        if best is None or score > best[0]:
            best = score, dict(scalars), tables, seen
    _, scalars, tables, seen = best
    law["turned"] = np.ones(q.SPREADS * q.KINDS)
    law |= dict(zip(WEIGHTS, tables, strict=True))
    law |= empirical.waits(days, seen, law["wait_edges"])
    law |= empirical.sizes_and_places(days, seen, law)
    law |= repeats(days, seen)
    law |= cancelled(days)
    law |= empirical.laws(days, seen, law["spread_edges"], lot / instrument.lot)
    if "prices that come again" in without:
        law |= {
            name: np.zeros_like(law[name])
            for name in ("again_price", "again_lots", "lost_price", "follow_price")
        }
    if "hidden executions" in without:
        law["hidden"] = np.zeros_like(law["hidden"])
    return _preset(
        days, instrument, law, scalars, minutes.rows, centres, name=name, date=date, lot=lot
    )


def _scalars(days: Sequence[ExtractedDay], session_ns: int) -> dict[str, float]:
    stamps = np.concatenate([d.o.ns for d in days])
    resolution = next((r for r in (10**6, 10**3) if not np.any(stamps % r)), 1)
    limited = days[0].o.window > 0
    fifth = np.concatenate([(d.bid[:, 0] - d.bid[:, -1])[d.bid[:, -1] > 0] for d in days])
    window = float(np.quantile(fifth, 0.995)) if len(fifth) else 10.0
    second = np.concatenate([(d.bid[:, 0] - d.bid[:, 1])[d.bid[:, 1] > 0] for d in days])
    wait = np.concatenate([d.wait for d in days])
    return {
        "resolution_ns": float(resolution),
        "session_ns": float(session_ns),
        "slow_ns": SLOW_S * NS_PER_SECOND,
        "fast_ns": FAST_S * NS_PER_SECOND,
        "run_ns": RUN_S * NS_PER_SECOND,
        "value_ns": VALUE_S * NS_PER_SECOND,
        "unit": max(sd_of_mid_changes([d.o.mid2 for d in days], 60), 0.1),
        "sweep": _sweep(days),
        "window": float(np.clip(round(window), 8, MOST_WINDOW)),
        "hole": max(float(np.quantile(second, 0.995)), 1.0),
        "limited": float(limited),
        "by_imbalance": 0.0,
        "beyond": 0.0 if limited else beyond(days),
        "live_mean": empirical.live_mean(days),
        "deep_power": 4.0,
        "leaves_mean": 0.0,
        "hidden_again": empirical.again(days),
        "short_ns": float(np.quantile(wait, 0.4)),
    }


def _sweep(days: Sequence[ExtractedDay]) -> float:
    """Ticks by which all but one in a thousand market orders that empty a touch make it fall."""
    found = [np.ones(1)]
    for d in days:
        for best, sign in ((d.bid[:, 0], -1), (d.ask[:, 0], 1)):
            rows = (d.o.kind[:-1] == q.MARKET) & (d.o.side[:-1] == sign)
            fell = ((best[1:] - best[:-1]) * sign)[rows]
            found.append(fell[fell > 0].astype(float))
    return float(np.quantile(np.concatenate(found), 0.999))


def _blank(law: dict[str, Floats], scalars: dict[str, float]) -> Floats:
    """Parameters with edges and scalars alone: what `look` needs."""
    flow = np.zeros(q.FIXED)
    for name, values in law.items():
        place = LAYOUT[name]
        flow[place.at : place.at + place.length] = values
    for name, (at, _, _) in SCALARS.items():
        flow[at] = scalars[name]
    return flow


def _weights(
    days: Sequence[ExtractedDay],
    seen: Sequence[FlowState],
    pull: Floats,
    scalars: dict[str, float],
    markets: Sequence[Floats],
    totals: Sequence[Floats],
    apart: Collection[str] = (),
) -> tuple[list[Floats], float]:
    """Raked tables, flat, in the order of `preset.WEIGHTS`, and the mean log likelihood of the events.

    Tables named in `apart` have a single class: they depend on no state.
    """
    cells = np.concatenate([s.cells[:, :WAIT_CELL] for s in seen])
    blind = [t for t, name in enumerate(WEIGHTS) if name in apart]
    cells[:, blind] = 0
    events = np.concatenate([s.event for s in seen])
    each = zip(days, seen, markets, totals, strict=True)
    offsets = np.concatenate(
        [_offsets(d, s, pull, scalars, f[d.minute], total) for d, s, f, total in each]
    )
    sizes = tuple(LAYOUT[name].length // q.EVENTS for name in WEIGHTS)
    tables = rake(cells, offsets, events, sizes)
    for t in blind:
        tables[t][:] = tables[t][0]
    weight = np.ones((len(events), q.EVENTS))
    for t, table in enumerate(tables):
        weight *= table[cells[:, t]]
    columns = (0, 0, -1, -1, -1, -1, 1, 2, 3, 4, 5, 5)
    for e, c in enumerate(columns):
        if c >= 0:
            weight[:, e] *= offsets[:, c]
    likelihood = np.log(
        np.maximum(weight[np.arange(len(events)), events] / weight.sum(axis=1), 1e-12)
    ).mean()
    return [t.ravel() for t in tables], float(likelihood)


def _offsets(
    day: ExtractedDay,
    seen: FlowState,
    pull: Floats,
    scalars: dict[str, float],
    markets: Floats,
    total: Floats,
) -> Floats:
    """Known factors of the weights, float64[n, 6]: see `edges.expect`, and `kernel.offsets` for the market's own.

    `markets` float64[n]: factor of market orders in the event's minute. `total` float64[n, 2]: sums of the weights of
    the orders at the best bid and ask.
    """
    n = len(day.lots)
    side = day.o.side.astype(np.int64) * np.where(seen.event % 2 == 0, 1, -1)  # of the frame
    bids = side > 0
    books = (day.bid_lots, day.ask_lots)
    deep_bid, deep_ask = (scalars["beyond"] + x[:, 1:] @ pull for x in books)
    near, far = (total / (scalars["leaves_mean"] or 1.0)).T
    out = np.ones((n, 6))
    out[:, 0] = day.spread > 1
    out[:, 1], out[:, 2] = np.where(bids, near, far), np.where(bids, far, near)
    out[:, 3], out[:, 4] = np.where(bids, deep_bid, deep_ask), np.where(bids, deep_ask, deep_bid)
    out[:, 5] = markets
    return np.maximum(out, np.where(np.arange(6) == 0, 0.0, 1e-6))


def _preset(
    days: Sequence[ExtractedDay],
    instrument: Any,
    law: dict[str, Floats],
    scalars: dict[str, float],
    minutes: Floats,
    centres: Floats,
    *,
    name: str,
    date: str,
    lot: int,
) -> QueueReactivePreset:
    depth, offset = empirical.mean_book(days)
    markets = np.concatenate([d.lots[d.o.kind == q.MARKET] for d in days])
    seconds = sum(d.o.seconds for d in days)
    mid2 = [d.o.mid2[d.o.mid2 != 0] for d in days]
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
        sd60_ticks=sd_of_mid_changes([d.o.mid2 for d in days], 60),
        volume_curve=_plain(empirical.volume_curve(days, scalars["session_ns"])),
        eta_ticks_per_lot=walking_slope(depth, offset),
        orders=max(1024, power_of_two(8.0 * scalars["live_mean"])),
        width=max(256, power_of_two(4.0 * scalars["window"])),
        version=q.VERSION,
        law={key: _plain(np.asarray(values).ravel()) for key, values in law.items()},
        scalars={key: float(value) for key, value in scalars.items()},
        minutes=tuple((short(a), short(m), float(day)) for a, m, day in minutes.tolist()),
        fast_centres=_plain(centres),
        card={
            "calibrated": date,
            "seconds": seconds,
            "events": int(sum(len(d.lots) for d in days)),
        },
    )


def _plain(values: Floats) -> tuple[float, ...]:
    """Numbers for a file: four figures (integers whole)."""
    return tuple(float(x) if float(x).is_integer() else short(x) for x in values.tolist())
