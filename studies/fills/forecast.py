"""Fills of one slice, forecast: does it fill in the next 5 to 60 s, and what does a fill cost against the mid 30 s later.

On recorded days, in replay with its own queue and bound, a slice is placed, rests for 60 s and is withdrawn. It has
filled once all of it has. Features are those of the forecaster at the decision, turned to the order's side; models are
the forecaster's too, learned on other symbols, and calibrated on the symbol's first days, which are not judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from studies.common.scores import auc
from studies.tape.flow import DAY_NS
from tercel import View
from tercel.core import NS_PER_SECOND, Bools, Floats, Ints
from tercel.core.stats import mean_interval
from tercel.execution import REST0, TAKE, Intents, hold, ladder, step
from tercel.execution.foresight import HORIZONS, NAMES, ODD, Forecaster
from tercel.lab.evaluation import BuiltMarket, Episodes, batches
from tercel.signals.flow import STEP_NS, FlowDay
from tercel.signals.flow.train import build_forecaster
from tercel.signals.flow.trees import CLIP, fit

PLACES: Final = ("take", "inside", "touch", "behind")
"""The far touch, at once; a tick inside the spread, where it has room; the own touch; a tick behind it."""
WAITS_S: Final = (5, 10, 30, 60)
AFTER_S: Final = 30
"""Seconds after a fill whose mid its price is compared with, and after which a slice that rests is taken."""
EVERY: Final = 3
"""Decisions of the schedule from one slice to the next: placed at the first, withdrawn at the third."""
LOG_ROWS: Final = 4_096
BINS: Final = 10
SPREAD: Final = NAMES.index("spread")
OTHERS: Final = {"gap_heavy": "gap_thin", "gap_thin": "gap_heavy", "heavy": "thin", "thin": "heavy"}
SWAP: Final = [NAMES.index(OTHERS.get(one, one)) for one in NAMES]


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices of one symbol at one place.

    Attributes
    ----------
    day : int64[n]
        Days since 1970.
    x : float64[n, FEATURES]
        Features, turned to the order's side.
    other : float64[n, FEATURES]
        Those of another day at the same hour; NaN where they are not known.
    filled_s : float64[n]
        Seconds until the whole slice was filled; infinite where it was not.
    cost : float64[n]
        Price less the mid 30 s after the fill, against the order, in usual half spreads; NaN where it is not known.
    waiting : float64[n]
        What it costs to rest for 30 s and then to take, less what it costs to take at once, in the same.
    """

    day: Ints
    x: Floats
    other: Floats
    filled_s: Floats
    cost: Floats
    waiting: Floats

    def take(self, which: Bools | Ints) -> "Slices":
        """Some of them."""
        return Slices(*(getattr(self, one.name)[which] for one in fields(self)))

    @classmethod
    def concat(cls, parts: "Sequence[Slices]") -> "Slices":
        """Those of several parts, one after the other."""
        return cls(
            *(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls))
        )

    def target(self, what: str) -> Floats:
        """What is forecast: "5" to "60", whether it was filled in so many seconds; "cost"; "waiting"; NaN: not known."""
        if what == "waiting":
            return np.asarray(np.clip(self.waiting, -CLIP, CLIP))
        if what.startswith("cost"):
            return np.where(
                self.filled_s <= float(what[5:]), np.clip(self.cost, -CLIP, CLIP), np.nan
            )
        return np.asarray(self.filled_s <= float(what), np.float64)


# -- slices ---------------------------------------------------------------------------------------


def intents_of(view: View, place: str, first: int) -> Intents:
    """Intents that place a slice at decision `first`, leave it, withdraw it, and so on."""
    intents = ladder(view)
    column = TAKE if place == "take" else REST0 + PLACES.index(place) - 1
    turn = (view.decision - first) % EVERY
    new = (turn == 0) & view.tradable & ((place != "inside") | (view.spread > 1))
    intents[new, column] = np.maximum(view.qty0 // view.decisions, 1)[new]
    intents[turn == 1] = hold(view)[turn == 1]
    return intents


def slices_of(market: BuiltMarket, place: str, days: Mapping[int, FlowDay]) -> Slices:
    """What became of slices at a place in each window of a market: one every 30 s, never two at once.

    Parameters
    ----------
    market : JobMarket
        Tape whose prices do not answer.
    place : str
        Of `PLACES`.
    days : mapping of int to FlowDay
        Its days, by number since 1970.
    """
    parts, task = [], market.task
    gap_ns = EVERY * task.horizon_ns // task.decisions
    numbers = sorted(days)
    after = dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    for plan in batches(market.plan):
        markets = Episodes(market.judged, task, len(plan), log_rows=LOG_ROWS)
        markets.start(plan)
        arrived = markets.snapshot()
        for first in range(EVERY):
            markets.restore(arrived)
            lots = _placed(markets, place, first)
            for n, (start, side) in enumerate(
                plan.rows[:, [step.E_START_NS, step.E_SIDE]].tolist()
            ):
                at = start + first * gap_ns // EVERY + gap_ns * np.arange(lots.shape[1])
                number = start // DAY_NS
                found = slices_at(
                    days[number], at, side, *filled(markets.fills(n), at, gap_ns, lots[n])
                )
                elsewhere = at + DAY_NS * (after[number] - number)
                other = features_at(days[after[number]], elsewhere, side)
                parts.append(Slices(at // DAY_NS, found[0], other, *found[1:]).take(lots[n] > 0))
    whole = Slices.concat(parts)
    return whole.take(np.isfinite(whole.x[:, 0]))


def _placed(markets: Episodes, place: str, first: int) -> Ints:
    """Run markets to their end; the lots of each slice, 0 where none was placed."""
    lots = np.zeros((markets.n, markets.task.decisions // EVERY), np.int64)
    whole = lots.shape[1] - (first > 0)  # of the last one the horizon would take what is left
    while markets.working.any():
        view = markets.view
        intents = intents_of(view, place, first)
        slot, turn = np.divmod(view.decision - first, EVERY)
        new = np.flatnonzero(markets.working & (turn == 0) & (slot >= 0) & (slot < whole))
        lots[new, slot[new]] = intents[new, TAKE] + intents[new, REST0:].sum(axis=1)
        markets.step(intents)
    return lots


def filled(fills: Ints, at: Ints, gap_ns: int, lots: Ints) -> tuple[Floats, Floats]:
    """When slices placed at `at` (n,) were filled whole, ns, infinite where they were not, and their mean price, ticks.

    >>> rows = np.array([[5, 100, 2, 0, 0, 1, 0], [7, 100, 1, 0, 0, 1, 0], [12, 99, 2, 0, 0, 1, 0]])
    >>> [one.tolist() for one in filled(rows, np.array([0, 10]), 10, np.array([3, 3]))]
    [[7.0, inf], [100.0, 99.0]]
    """
    slot = (fills[:, 0] - at[0]) // gap_ns
    fills, slot = fills[slot < len(at)], slot[slot < len(at)]
    got = np.bincount(slot, fills[:, 2], len(at))
    paid = np.bincount(slot, fills[:, 1] * fills[:, 2], len(at))
    last = np.zeros(len(at))
    np.maximum.at(last, slot, fills[:, 0])
    return np.where((lots > 0) & (got >= lots), last, np.inf), paid / np.maximum(got, 1)


def turned(x: Floats, way: Floats) -> Floats:
    """Features (n, FEATURES) as an order sees them whose side is the heavier one (`way` +1) or the thinner (-1)."""
    out = np.where(way[:, None] > 0, x, x[:, SWAP])
    out[:, :ODD] *= way[:, None]
    return out


def features_at(day: FlowDay, at: Ints, side: int) -> Floats:
    """Features of an order's side at moments (n,) of a day, at most a second old; NaN where they are not known."""
    quote = (at - day.first_ns) // STEP_NS
    sample = np.maximum(np.searchsorted(day.quote_index, quote, side="right") - 1, 0)
    age = quote - day.quote_index[sample]
    known = (age >= 0) & (age < NS_PER_SECOND // STEP_NS)
    return np.where(known[:, None], turned(day.x[sample], side * day.sign[sample]), np.nan)


def slices_at(day: FlowDay, at: Ints, side: int, done: Floats, price: Floats) -> tuple[Floats, ...]:
    """Features, seconds to the fill, cost and waiting of slices of a side at moments (n,) of a day, filled whole at `done`
    (n,), ns, for `price` (n,), ticks."""

    def quoted(quotes: Floats, ns: Floats | Ints) -> Floats:
        n = ((ns - day.first_ns) // STEP_NS).astype(np.int64)
        inside = (n >= 0) & (n < len(quotes))
        return np.where(inside, quotes[np.clip(n, 0, len(quotes) - 1)], np.nan)

    x, later_ns = features_at(day, at, side), AFTER_S * NS_PER_SECOND
    far = np.where(np.isfinite(day.mid2), 2.0 * (day.ask if side > 0 else day.bid), np.nan)
    usual = side * (quoted(far, at) - quoted(day.mid2, at)) / x[:, SPREAD]
    whole = np.isfinite(done)
    cost = side * (2.0 * price - quoted(day.mid2, np.where(whole, done, 0.0) + later_ns))
    rests = np.where(done <= at + later_ns, 2.0 * price, quoted(far, at + later_ns))
    return (
        x,
        (done - at) / NS_PER_SECOND,
        np.where(whole, cost / usual, np.nan),
        side * (rests - quoted(far, at)) / usual,
    )


# -- models ---------------------------------------------------------------------------------------


def learned(others: Sequence[Slices], what: str, seed: int) -> Forecaster:
    """A forecaster of a target of some symbols' slices; a symbol weighs as the root of its slices."""
    whole, sizes = Slices.concat(others), [len(one.day) for one in others]
    y = whole.target(what)
    known = np.isfinite(y)
    weight = np.repeat(np.sqrt(sizes) / sizes, sizes)[known]
    model = fit("boosting", whole.x[known], y[known], weight / weight.mean(), seed)
    made: Forecaster = build_forecaster([model] * len(HORIZONS))
    return made


def told(model: Forecaster, x: Floats) -> Floats:
    """What a model says (n,) of features (n, FEATURES); NaN where they are not known."""
    return model.raw(x, HORIZONS[0])


# -- judging --------------------------------------------------------------------------------------


def within(values: Floats, day: Ints) -> dict[str, Any]:
    """A mean with its 95 % interval over days."""
    return mean_interval(values, day, np.random.default_rng(0)).to_json()


def judged(said: Floats, y: Floats, day: Ints) -> dict[str, Any]:
    """Forecasts beside what came: means, the share of the variance that they explain (of a chance the Brier skill), the
    slope of what came on them, and deciles.
    """
    gain = ((y - y.mean()) ** 2 - (y - said) ** 2) / max(float(np.var(y)), 1e-12)
    parts = np.array_split(np.argsort(said, kind="stable"), BINS)
    return {
        "slices": len(y),
        "forecast": float(said.mean()),
        "outcome": within(y, day),
        "skill": within(gain, day),
        "slope": float(np.cov(said, y)[0, 1] / max(float(np.var(said)), 1e-12)),
        "deciles": [
            {"forecast": float(said[part].mean()), "outcome": within(y[part], day[part])}
            for part in parts
        ],
    }


def scored(slices: Slices, model: Forecaster, what: str, early: Bools) -> dict[str, Any] | None:
    """How a model of other symbols does on slices that are not `early`, beside its placebo; calibrated on those that are: a
    chance multiplied, a cost shifted to their mean. None where there are fewer than ten fills, or ten without.
    """
    y, chance = slices.target(what), not what.startswith("cost")
    known = np.isfinite(y)
    first, last = known & early, known & ~early
    kinds = (y > 0, y <= 0) if chance else (known,)
    if min((part & kind).sum() for part in (first, last) for kind in kinds) < BINS:
        return None
    raw, other = told(model, slices.x), told(model, slices.other)
    came, meant = float(y[first].mean()), float(raw[first].mean())
    found = {}
    for name, one in (("forecast", raw), ("placebo", other)):
        which = last & np.isfinite(one)
        said = np.clip(one[which] * came / meant, 0.0, 1.0) if chance else one[which] + came - meant
        found[name] = judged(said, y[which], slices.day[which])
        found[name]["auc"] = auc(y[which], said) if chance else None
    return found["forecast"] | {"placebo": found["placebo"]}
