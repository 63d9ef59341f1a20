"""Calibration of a queue-reactive preset from days of tape: classes, weights by raking, other laws empirical."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.calibrate import common_instrument, power_of_two, walking_slope
from tercel.market.flow.fit_table import sd_of_mid_changes
from tercel.market.flow.queue_reactive import empirical, hidden_execution_laws, layout as q
from tercel.market.flow.queue_reactive.cancel_laws import (
    fit_deep_cancels,
    fit_hazards,
    fit_withdrawals,
    share_outside,
    uniform_withdrawals,
)
from tercel.market.flow.queue_reactive.edges import class_edges, set_state_edges
from tercel.market.flow.queue_reactive.extract import (
    WAIT_CELL,
    ExtractedDay,
    FlowState,
    day_of,
    track_state,
)
from tercel.market.flow.queue_reactive.minute_activity import minutes_of
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset
from tercel.market.flow.queue_reactive.raking import rake
from tercel.market.flow.queue_reactive.repetition import repeats
from tercel.market.flow.queue_reactive.tables import LAYOUT, SCALARS, WEIGHTS, four_digits
from tercel.market.observed import Observed, observe, split_at_breaks
from tercel.market.tape.recorded_rules import recorded_hours

MIN_EVENTS = 2_000
MIN_MARKET_ORDERS = 50
SLOW_S = 30.0
FAST_S = 2.0
VALUE_S = 300.0
RUN_S = 10.0
FOLLOW_S = 5.0
MAX_WINDOW = 256
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "emptied touches": ("emptied", "vacated"),
    "young touches": ("fresh",),
    "signs and runs of trades": ("signs", "alone", "runs"),
    "gaps behind the touch": ("behind",),
    "price of the last trade": ("last",),
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
    """A preset from one or more days of one symbol, with knobs set by pilot runs if `tuned`.

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
    reference = common_instrument(days)
    observed = [
        part
        for instrument, events in days
        for part in split_at_breaks(
            observe(instrument, events, skip_s=skip_s, levels=q.LEVELS, from_s=from_s, to_s=to_s),
            recorded_hours(instrument),
        )
    ]
    _require_enough(observed, [instrument for instrument, _ in days])
    if not any((o.bid_px[:, 1] > 0).any() and (o.ask_px[:, 1] > 0).any() for o in observed):
        raise touch_only_error(reference.levels)
    lot = lot_shares or reference.lot
    stretches = [day_of(o, lot / reference.lot) for o in observed]
    sessions = [(instrument.session_open_ns, instrument.session_close_ns) for instrument, _ in days]
    preset = estimate(
        stretches,
        sessions,
        reference,
        name=name,
        date=date,
        lot=lot,
        by_imbalance=by_imbalance,
        without=without,
    )
    card = preset.card | {
        "days": [instrument.date for instrument, _ in days],
        "from_s": from_s,
        "to_s": to_s,
    }
    preset = preset.model_copy(update={"card": card})
    if tuned:
        from tercel.market.flow.queue_reactive.tune import tune

        preset = tune(preset, stretches, seed, tell=tell, leaning="leans" not in without)
        from tercel.market.impact.pilot import with_pilot_law
        from tercel.market.impact.replenishment_delays import replenishment

        if tell:
            tell("measuring its mean trade, and how long lots that were taken stay away")
        preset = with_pilot_law(
            preset, replenishment_s=tuple(replenishment(observed).round(3).tolist())
        )
    return preset


def _require_enough(observed: Sequence[Observed], instruments: Sequence[Any]) -> None:
    """Refuse a calibration on too few events or market orders."""
    events = sum(o.n for o in observed)
    markets = sum(int((o.kind == q.MARKET).sum()) for o in observed)
    if events < MIN_EVENTS or markets < MIN_MARKET_ORDERS:
        raise ConfigError(
            f"at least {MIN_EVENTS} events and {MIN_MARKET_ORDERS} market orders to calibrate on",
            f"{events} and {markets} on {', '.join(str(instrument.date) for instrument in instruments)}",
            "calibrate on more or longer days",
        )


def touch_only_error(levels: int) -> ConfigError:
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
    """Preset estimated from stretches of tape, with neutral factors where pilot runs (`tune`) would turn knobs."""
    opening, close = sessions[0]
    session_ns = close - opening if close else days[0].o.stop_ns - days[0].o.open_ns
    minutes = minutes_of(days, session_ns)
    if "rates that last" in without:
        minutes = minutes.steady()
    excluded = tuple(table for part in without for table in PARTS[part])
    law: dict[str, Floats] = class_edges(days)
    law |= {
        "season": minutes.season,
        "activity_edges": minutes.edges,
        "activity_mean": minutes.mean,
    }
    scalars = _scalars(days, session_ns)
    activity = [c[d.minute] for c, d in zip(minutes.classes, days, strict=True)]
    blank = _partial_parameters(law, scalars)
    first_states = [track_state(d, blank, a) for d, a in zip(days, activity, strict=True)]
    centres = set_state_edges(law, first_states)
    scalars["deep_power"], law["hazard"] = fit_hazards(days, scalars["beyond"])
    _, law["pull"] = fit_hazards(days, scalars["beyond"], (4.0,))
    fit_queue = uniform_withdrawals if "age and size of orders" in without else fit_withdrawals
    leaves, scalars["leaves_mean"], totals = fit_queue(days, lot / instrument.lot)
    law |= leaves
    best: Any = None
    for by_queue_imbalance in (False, True) if by_imbalance is None else (by_imbalance,):
        scalars["by_imbalance"] = float(by_queue_imbalance)
        flow = _partial_parameters(law, scalars)
        states = [track_state(d, flow, a) for d, a in zip(days, activity, strict=True)]
        tables, score = _weights(
            days, states, law["pull"], scalars, minutes.markets, totals, excluded
        )
        if best is None or score > best[0]:
            best = score, dict(scalars), tables, states
    _, scalars, tables, states = best
    law["turned"] = np.ones(q.SPREADS * q.KINDS)
    law |= dict(zip(WEIGHTS, tables, strict=True))
    law |= empirical.waits(days, states, law["wait_edges"])
    law |= empirical.sizes_and_places(days, states, law)
    law |= repeats(days, states)
    law |= fit_deep_cancels(days)
    law |= hidden_execution_laws.hidden_laws(
        days, states, law["spread_edges"], lot / instrument.lot
    )
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
    """Scalars of the law from the days: resolution, session, time constants and thresholds, by name."""
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
        "follow_ns": FOLLOW_S * NS_PER_SECOND,
        "unit": max(sd_of_mid_changes([d.o.mid2 for d in days], 60), 0.1),
        "sweep": _sweep(days),
        "window": float(np.clip(round(window), 8, MAX_WINDOW)),
        "hole": max(float(np.quantile(second, 0.995)), 1.0),
        "limited": float(limited),
        "by_imbalance": 0.0,
        "beyond": 0.0 if limited else share_outside(days),
        "live_mean": empirical.live_mean(days),
        "deep_power": 4.0,
        "leaves_mean": 0.0,
        "hidden_again": hidden_execution_laws.hidden_again_share(days),
        "short_ns": float(np.quantile(wait, 0.4)),
    }


def _sweep(days: Sequence[ExtractedDay]) -> float:
    """0.999 quantile of the ticks (at least 1) by which a touch falls at market orders that empty it, bid and ask together."""
    falls = [np.ones(1)]
    for d in days:
        for best, sign in ((d.bid[:, 0], -1), (d.ask[:, 0], 1)):
            rows = (d.o.kind[:-1] == q.MARKET) & (d.o.side[:-1] == sign)
            fell = ((best[1:] - best[:-1]) * sign)[rows]
            falls.append(fell[fell > 0].astype(float))
    return float(np.quantile(np.concatenate(falls), 0.999))


def _partial_parameters(law: dict[str, Floats], scalars: dict[str, float]) -> Floats:
    """Parameters with edges and scalars alone: what `track_state` needs."""
    flow = np.zeros(q.FIXED)
    for name, values in law.items():
        place = LAYOUT[name]
        flow[place.offset : place.offset + place.length] = values
    for name, (offset, _, _) in SCALARS.items():
        flow[offset] = scalars[name]
    return flow


def _weights(
    days: Sequence[ExtractedDay],
    states: Sequence[FlowState],
    pull: Floats,
    scalars: dict[str, float],
    markets: Sequence[Floats],
    totals: Sequence[Floats],
    excluded: Collection[str] = (),
) -> tuple[list[Floats], float]:
    """Raked tables as flat arrays, in the order of `tables.WEIGHTS`, and the mean log likelihood of the events.

    Tables named in `excluded` have a single class: they depend on no state.
    """
    cells = np.concatenate([s.cells[:, :WAIT_CELL] for s in states])
    excluded_columns = [t for t, name in enumerate(WEIGHTS) if name in excluded]
    cells[:, excluded_columns] = 0
    events = np.concatenate([s.event for s in states])
    inputs = zip(days, states, markets, totals, strict=True)
    offsets = np.concatenate(
        [_offsets(d, s, pull, scalars, f[d.minute], total) for d, s, f, total in inputs]
    )
    sizes = tuple(LAYOUT[name].length // q.EVENTS for name in WEIGHTS)
    tables = rake(cells, offsets, events, sizes)
    for t in excluded_columns:
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
    state: FlowState,
    pull: Floats,
    scalars: dict[str, float],
    markets: Floats,
    total: Floats,
) -> Floats:
    """Known factors of the weights, float64[n, 6]: see `raking.add_expected`, and `kernel.cancel_factors` for the market's own.

    `markets` float64[n]: factor of market orders in the event's minute. `total` float64[n, 2]: sums of the weights of
    the orders at the best bid and ask.
    """
    n = len(day.lots)
    side = day.o.side.astype(np.int64) * np.where(state.event % 2 == 0, 1, -1)  # of the frame
    bids = side > 0
    books = (day.bid_lots, day.ask_lots)
    deep_bid, deep_ask = (scalars["beyond"] + x[:, 1:] @ pull for x in books)
    near, far = (total / (scalars["leaves_mean"] or 1.0)).T
    factors = np.ones((n, 6))
    factors[:, 0] = day.spread > 1
    factors[:, 1], factors[:, 2] = np.where(bids, near, far), np.where(bids, far, near)
    factors[:, 3], factors[:, 4] = (
        np.where(bids, deep_bid, deep_ask),
        np.where(bids, deep_ask, deep_bid),
    )
    factors[:, 5] = markets
    return np.maximum(factors, np.where(np.arange(6) == 0, 0.0, 1e-6))


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
    """Preset from the estimated law, scalars and minutes, with the tape's averages."""
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
        mean_depth=_rounded_tuple(depth),
        level_offset_ticks=_rounded_tuple(offset),
        mean_spread_ticks=float(spread.mean()),
        sd60_ticks=sd_of_mid_changes([d.o.mid2 for d in days], 60),
        volume_curve=_rounded_tuple(empirical.volume_curve(days, scalars["session_ns"])),
        eta_ticks_per_lot=walking_slope(depth, offset),
        orders=max(1024, power_of_two(8.0 * scalars["live_mean"])),
        width=max(256, power_of_two(4.0 * scalars["window"])),
        version=q.VERSION,
        law={key: _rounded_tuple(np.asarray(values).ravel()) for key, values in law.items()},
        scalars={key: float(value) for key, value in scalars.items()},
        minutes=tuple(
            (four_digits(a), four_digits(m), float(day)) for a, m, day in minutes.tolist()
        ),
        fast_centres=_rounded_tuple(centres),
        card={
            "calibrated": date,
            "seconds": seconds,
            "events": int(sum(len(d.lots) for d in days)),
        },
    )


def _rounded_tuple(values: Floats) -> tuple[float, ...]:
    """Numbers for a file: four figures (integers whole)."""
    return tuple(float(x) if float(x).is_integer() else four_digits(x) for x in values.tolist())
