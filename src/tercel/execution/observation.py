"""Observations of policies: one observation for orders of any size, horizon and urgency, in markets of any depth.

A function of the two integer rows alone (`execution.features`), computed by the policy's own encoder: what a market
records stays as it is. Lots are measured in `d`, the mean of the ten displayed levels; moves of the mid in `s`, the
standard deviation of a decision interval so far; so that markets of other ticks, depths and speeds look alike, and `d`
and `s` themselves are entries of their own. Everything is oriented by the order's side. `slog x` is
sign(x) log(1 + |x|).

| entries | private | | entries | market |
|---|---|---|---|---|
| 0 | time left / horizon | | 21 | spread, log(1 + ticks) |
| 1 | lots left / order | | 22-24 | own depth, levels 1, 2, 3-5, log(1 + lots / d) |
| 2 | lots left share - time left share | | 25-27 | far depth, same |
| 3 | horizon, log(seconds / 1800) | | 28-30 | imbalance of 1, 3, 5 levels |
| 4 | time left, log(1 + seconds / 60) | | 31 | microprice - mid, ticks |
| 5 | order / d, log | | 32 | order flow imbalance of the last interval / d, slog |
| 6 | lots left / lots at the far touch, log(1 + x) | | 33-34 | volume with, against / d, log(1 + x) |
| 7 | lots left a decision / d, log(1 + x) | | 35 | their imbalance |
| 8 | lots left a decision / public lots an interval, log(1 + x) | | 36 | events of the last interval, log(1 + n) |
| 9 | urgency | | 37 | volatility of the last interval / s, log(1 + x) |
| 10-14 | own lots at improve, touch, -1, -2, -3 / left | | 38 | s, log(1 + half-ticks) |
| 15 | own lots off the ladder / left | | 39 | mid in the last interval / s, slog |
| 16 | own lots in flight / left | | 40 | mid since arrival / (s sqrt of intervals passed), slog |
| 17-19 | queue ahead at improve, touch, -1: log(1 + lots / d), -1: none | | 41 | d, log(1 + lots) |
| 20 | forecast of the mid against the order, in spreads, slog | | 42 | spread in bps of the mid, log(1 + x) |

Stacked, the decision intervals before the last one follow, the youngest first, five entries each: order flow imbalance
(as 32), volume and its imbalance, volatility (as 37), drift (as 39). They come out of the market row, so that a stacked
policy is a function of one view like any other; the order's own past is not stacked.

Last come own fills, the own share of the volume and the market's slow flow; `"v2"` is the observation without them. "Since
the warm-up" goes back to long before the arrival, and flow is that of aggressors, in lots.

| entry | |
|---|---|
| `fill_rate` | lots done a decision so far, over lots left a decision to come: log, from -4 to 4; 0 at arrival |
| `fill_share` | lots done, over them and all flow against the order since arrival |
| `flow_to_come` | flow against the order, an interval on average, times decisions to come, over lots left: log(1 + x) |
| `pace` | flow an interval since arrival over that since the warm-up: log, from -4 to 4 |
| `lean` | (flow with - flow against) / (flow with + flow against), since the warm-up |
| `lean_since_arrival` | the same since arrival |
| `long_order_flow_imbalance` | order flow imbalance an interval since the warm-up / d, slog |

Two markets at once on which a user's function of a view is tried before anything runs, odd states among them.
"""

import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Bools, Float32, Floats
from tercel.core.errors import ConfigError, UnknownNameError, offer, refuse_if
from tercel.core.jit import Longs, Singles, kernel
from tercel.core.messages import ANY_STYLE
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution import columns as c, intent as it
from tercel.execution.features import imbalance, signed_log
from tercel.execution.intent import View
from tercel.market.simulator.layout import PAST_FEATURES, PAST_INTERVALS

DECISIONS = 10
HORIZON_NS = 600 * 10**9
DEFAULTS = {
    **{"side": 1, "qty0": 100, "left": 100, "decision": 0, "decisions": 10},
    **{"horizon_ns": HORIZON_NS, "time_left_ns": HORIZON_NS},
    **{f"ahead{j}": -1 for j in range(it.K)},
    **{"max_participation": 1_000_000, "styles": int(ANY_STYLE), "size_multiplier": 1_000_000},
    **{"touch": 999, "far": 1001, "mid2": 2000, "arrival_mid2": 2000},
}


def view_of(draw: ArrayLike = 0.0, **values: ArrayLike) -> View:
    """A view with the given columns, scalars or (n,) each, and an ordinary state in all others.

    An order to buy 100 lots over ten minutes with ten decisions, at its arrival, market 999 at 1001.

    >>> view = view_of(left=[30, 20], touch=500)
    >>> view.n, view.left.tolist(), view.touch.tolist(), view.side.tolist()
    (2, [30, 20], [500, 500], [1, 1])
    """
    n = max(np.size(value) for value in (draw, *values.values()))
    x, m = np.zeros((n, c.PX), np.int64), np.zeros((n, c.MX), np.int64)
    for name, value in {**DEFAULTS, **values}.items():
        if name in c.X_NAMES:
            x[:, c.X_NAMES.index(name)] = value
        else:
            m[:, c.M_NAMES.index(name)] = value
    return View(x, m, np.broadcast_to(np.asarray(draw, np.float64), n).copy())


def probe(decision: int = 1) -> View:
    """Two markets at a decision of ten, one buying and one selling.

    >>> probe().n, probe(9).time_left_ns.tolist()
    (2, [1000000000, 1000000000])
    """
    x, m = np.zeros((2, c.PX), np.int64), np.zeros((2, c.MX), np.int64)
    x[:, c.SIDE] = 1, -1
    x[:, [c.QTY0, c.DECISION, c.DECISIONS]] = 100, decision, DECISIONS
    x[:, c.LEFT] = 100 if decision == 0 else 60
    x[:, [c.TIME_LEFT_NS, c.HORIZON_NS]] = (DECISIONS - decision) * 10**9, DECISIONS * 10**9
    x[:, c.AHEAD0 : c.ALPHA] = -1
    x[:, [c.MAX_PARTICIPATION, c.STYLES, c.SIZE_MULTIPLIER]] = 1_000_000, int(ANY_STYLE), 1_000_000
    m[:, [c.MID2, c.ARRIVAL_MID2]] = 20_001
    m[:, c.TOUCH], m[:, c.FAR] = (10_000, 10_001), (10_001, 10_000)
    m[:, c.OWN1 : c.V_SEEN + 3] = 10
    m[:, [c.RV, c.RV_LONG, c.EVENTS]] = 4
    return View(x, m, np.full(2, 0.5))


def whole_order() -> Iterator[View]:
    """The course of one order in two markets: at its arrival, half-way in markets that differ, at its last decision.

    Half-way one order is filled and the other has lots that rest; at the end one market is halted and the other has no
    quote on the far side.
    """
    yield probe(0)
    half_way = probe(5)
    half_way.x[:, c.LEFT] = 0, 45
    half_way.x[1, [c.LIVE, c.REST1, c.AHEAD1]] = 20, 20, 7
    yield half_way
    last = probe(DECISIONS - 1)
    last.x[:, c.LEFT] = 7, 33
    last.m[0, c.HALTED] = 1
    last.m[1, c.FAR] = -NO_ASK
    last.m[1, c.FAR1 : c.FAR1 + c.LEVELS] = 0
    yield last


# Entries of the order, the book and the last interval, in order.
LAST: Final = (
    *("time_left", "lots_left", "lots_left_ahead_of_time", "horizon", "seconds_left"),
    *("order_in_depths", "left_in_far_touches", "slice_in_depths", "slice_in_volume", "urgency"),
    *(f"own_lots_{rung}" for rung in ("improve", "touch", "touch_1", "touch_2", "touch_3")),
    *(
        "own_lots_off_ladder",
        "own_lots_in_flight",
        "queue_improve",
        "queue_touch",
        "queue_touch_1",
        "forecast",
    ),
    *(
        "spread",
        "own_depth_1",
        "own_depth_2",
        "own_depth_3_5",
        "far_depth_1",
        "far_depth_2",
        "far_depth_3_5",
    ),
    *("imbalance_1", "imbalance_3", "imbalance_5", "microprice", "order_flow_imbalance"),
    *("volume_with", "volume_against", "volume_imbalance", "events"),
    *("volatility_now", "volatility", "drift", "drift_since_arrival", "depth", "spread_bps"),
)
N_LAST: Final = len(LAST)
# Entries of an earlier interval that are stacked.
STACKED: Final = ("order_flow_imbalance", "volume", "volume_imbalance", "volatility_now", "drift")
# Decision intervals that can be seen at once.
MOST: Final = 1 + PAST_INTERVALS
# Entries of own fills and the slow flow, in order.
SLOW: Final = (
    *("fill_rate", "fill_share", "flow_to_come"),
    *("pace", "lean", "lean_since_arrival", "long_order_flow_imbalance"),
)
# The first entry that is the market's alone.
MARKET: Final = 21

_HALF_HOUR_S = 1800.0
_MOST_RATIO: Final = 4.0


@kernel
def mean_depth(m: Longs) -> float:
    """Mean of the ten displayed levels, lots, at least 1: what lots are measured in."""
    depth = 0.0
    for n in range(2 * c.LEVELS):
        depth += m[c.OWN1 + n]
    return max(depth / (2 * c.LEVELS), 1.0)


@kernel
def encode_last(x: Longs, m: Longs, o: Singles) -> None:
    """The float row of an integer pair (see the module's table)."""
    depth = mean_depth(m)
    _encode_order(x, m, depth, o)
    _encode_book(x, m, depth, o)
    _encode_moves(x, m, depth, o)


@kernel
def _encode_order(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Entries 0 to 20 without the forecast."""
    left = max(x[c.LEFT], 1)
    decisions_left = max(x[c.DECISIONS] - x[c.DECISION], 1)
    # public lots an interval: since arrival, where that is at least one interval long, with the one just over
    seen = m[c.V_SEEN] if x[c.DECISION] > 0 else m[c.V_SAME] + m[c.V_AGAINST]
    pace = seen / max(x[c.DECISION], 1)
    o[0] = x[c.TIME_LEFT_NS] / x[c.HORIZON_NS]
    o[1] = x[c.LEFT] / max(x[c.QTY0], 1)
    o[2] = o[1] - o[0]
    o[3] = math.log(x[c.HORIZON_NS] / NS_PER_SECOND / _HALF_HOUR_S)
    o[4] = math.log1p(x[c.TIME_LEFT_NS] / NS_PER_SECOND / 60.0)
    o[5] = math.log(max(x[c.QTY0], 1) / depth)
    o[6] = math.log1p(x[c.LEFT] / max(m[c.FAR1], 1))
    o[7] = math.log1p(x[c.LEFT] / decisions_left / depth)
    o[8] = math.log1p(x[c.LEFT] / decisions_left / max(pace, 1.0))
    o[9] = x[c.URGENCY] / 1e6
    for j in range(it.K):
        o[10 + j] = x[c.REST0 + j] / left
    o[15] = x[c.OUTSIDE_LOTS] / left
    o[16] = x[c.INFLIGHT] / left
    for j in range(3):
        ahead = x[c.AHEAD0 + j]
        o[17 + j] = math.log1p(ahead / depth) if ahead >= 0 else -1.0


@kernel
def _encode_book(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Encode spread, depths, imbalances, and entries in units of the spread."""
    side = 1 if m[c.FAR] > m[c.TOUCH] else -1
    quoted = m[c.TOUCH] > NO_BID and m[c.TOUCH] < NO_ASK and m[c.FAR] > NO_BID and m[c.FAR] < NO_ASK
    spread = max((m[c.FAR] - m[c.TOUCH]) * side, 0) if quoted else 0
    bps = spread / max(m[c.MID2] / 2.0, 1.0) * 1e4
    o[20] = signed_log(x[c.ALPHA] / 1000.0 / max(bps, 0.1))
    o[21] = math.log1p(float(spread))
    own, far = 0.0, 0.0
    for n in range(c.LEVELS):
        own += m[c.OWN1 + n]
        far += m[c.FAR1 + n]
        if n == 0:
            o[28] = imbalance(own, far)
            o[22], o[25] = math.log1p(own / depth), math.log1p(far / depth)
        elif n == 1:
            o[23] = math.log1p(m[c.OWN1 + n] / depth)
            o[26] = math.log1p(m[c.FAR1 + n] / depth)
        elif n == 2:
            o[29] = imbalance(own, far)
    o[30] = imbalance(own, far)
    o[24] = math.log1p((own - m[c.OWN1] - m[c.OWN1 + 1]) / depth)
    o[27] = math.log1p((far - m[c.FAR1] - m[c.FAR1 + 1]) / depth)
    o[31] = 0.5 * spread * o[28]
    o[41] = math.log1p(depth)
    o[42] = math.log1p(bps)


@kernel
def _encode_moves(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Flow, volatility and moves of the mid."""
    side = 1 if m[c.FAR] > m[c.TOUCH] else -1
    sd = math.sqrt(max(float(m[c.RV_LONG]), 1.0))
    passed = max(x[c.DECISION], 1)
    o[32] = signed_log(m[c.OFI] / depth)
    o[33] = math.log1p(m[c.V_SAME] / depth)
    o[34] = math.log1p(m[c.V_AGAINST] / depth)
    o[35] = imbalance(float(m[c.V_SAME]), float(m[c.V_AGAINST]))
    o[36] = math.log1p(float(m[c.EVENTS]))
    o[37] = math.log1p(math.sqrt(float(m[c.RV])) / sd)
    o[38] = math.log1p(sd)
    o[39] = signed_log(m[c.DRIFT] / sd)
    o[40] = signed_log(side * (m[c.MID2] - m[c.ARRIVAL_MID2]) / (sd * math.sqrt(float(passed))))


@kernel
def encode_past(m: Longs, back: int, at: int, o: Singles) -> None:
    """Entries `at` and on: the interval `back` (from 1) before the last one."""
    depth = mean_depth(m)
    sd = math.sqrt(max(float(m[c.RV_LONG]), 1.0))
    first = c.PAST0 + (back - 1) * PAST_FEATURES
    same, against = float(m[first]), float(m[first + 1])
    o[at] = signed_log(m[first + 2] / depth)
    o[at + 1] = math.log1p((same + against) / depth)
    o[at + 2] = imbalance(same, against)
    o[at + 3] = math.log1p(math.sqrt(float(m[first + 3])) / sd)
    o[at + 4] = signed_log(m[first + 5] / sd)


@kernel
def _log_ratio(over: float, under: float) -> float:
    """log(over / under), cut at 4 either way; where neither is anything, 0."""
    if over <= 0.0 or under <= 0.0:
        return (
            0.0 if over <= 0.0 and under <= 0.0 else (_MOST_RATIO if over > 0.0 else -_MOST_RATIO)
        )
    return min(max(math.log(over / under), -_MOST_RATIO), _MOST_RATIO)


@kernel
def encode_slow(x: Longs, m: Longs, at: int, o: Singles) -> None:
    """Entries `at` and on: how the order fares, and the slow state of the market (see the module's table)."""
    depth = mean_depth(m)
    passed, to_come = x[c.DECISION], max(x[c.DECISIONS] - x[c.DECISION], 1)
    intervals = max(m[c.AGE_NS] / max(x[c.HORIZON_NS] / max(x[c.DECISIONS], 1), 1.0), 1.0)
    left, done = float(max(x[c.LEFT], 1)), float(max(x[c.QTY0] - x[c.LEFT], 0))
    same, against = float(m[c.LONG_SAME]), float(m[c.LONG_AGAINST])
    seen, seen_against = float(m[c.V_SEEN]), float(m[c.SEEN_AGAINST])
    o[at] = _log_ratio(done / max(passed, 1), left / to_come) if passed > 0 else 0.0
    o[at + 1] = done / max(done + seen_against, 1.0)
    o[at + 2] = math.log1p(against / intervals * to_come / left)
    o[at + 3] = (
        _log_ratio(seen / max(passed, 1), (same + against) / intervals) if passed > 0 else 0.0
    )
    o[at + 4] = imbalance(same, against)
    o[at + 5] = imbalance(seen - seen_against, seen_against)
    o[at + 6] = signed_log(m[c.LONG_OFI] / intervals / depth)


@kernel
def encode_rows(x: Longs, m: Longs, slow: int, out: Singles) -> None:
    """int64 (n, PX), int64 (n, MX) -> `out`, float32 (n, N_LAST + 5 (stack - 1) + slow): all entries of each row.

    `slow` is the number of entries of the slow flow, or 0 without them.
    """
    behind = out.shape[1] - slow
    for row in range(out.shape[0]):
        encode_last(x[row], m[row], out[row])
        for back in range(1, 1 + (behind - N_LAST) // len(STACKED)):
            encode_past(m[row], back, N_LAST + (back - 1) * len(STACKED), out[row])
        if slow > 0:
            encode_slow(x[row], m[row], behind, out[row])


# -- costs ----------------------------------------------------------------------------------------
# What the actions `costs` go by: what an order pays now, and what it pays if it waits, in usual half spreads.

# Moves of the mid expected against the order in 10 s and 30 s, half the spread and the taker's fee less the maker's,
# what resting costs (in usual half spreads each), the share of the order that is left less that of its time, the
# latter.
COST_ENTRIES: Final = (
    "forecast_10",
    "forecast_30",
    "half_spread",
    "waiting",
    "behind",
    "time_left",
)
# A move counts up to so many usual half spreads; what taking costs counts in full, or a forecast could be worth any.
MOST_HALF_SPREADS: Final = 3.0


def half_spread(view: View) -> Floats:
    """Half the public spread, bps, float64 (n,); 0 where a side is not quoted, or prices lock or cross.

    Orders that a bound draws against the order do not narrow it: they say nothing of the market.

    >>> from tercel.execution.observation import view_of
    >>> half_spread(view_of(touch=999, far=1001, mid2=2000)).tolist()
    [10.0]
    """
    shown = view.spread
    spread = np.where(shown > 0, shown + view.undercut, 0)
    return np.asarray(1e4 * spread / np.maximum(np.abs(view.mid2), 1), np.float64)


def is_known(view: View) -> Bools:
    """Whether a forecast, the usual spread and the cost of waiting are known, bool (n,); False where prices lock or
    cross."""
    said = (view.forecast_30_sd_bps > 0) & (view.usual_spread > 0) & (view.waiting > 0)
    return np.asarray(said & ~view.halted & (view.spread > 0))


def observe_costs(view: View) -> Float32:
    """The observation `"costs"`, float32 (n, 6); unknown entries are 0, and the whole row does not count unless
    :func:`is_known`.

    >>> from tercel.execution.observation import view_of
    >>> observe_costs(view_of(left=75, time_left_ns=300 * 10**9)).tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.25, 0.5]]
    """
    mid2 = np.maximum(np.abs(view.mid2), 1)
    usual = np.where(view.usual_spread > 0, 1e4 * view.usual_spread / mid2, np.inf)
    time_left = view.time_left_ns / np.maximum(view.horizon_ns, 1)
    moves = (view.forecast_10_bps, view.forecast_30_bps)
    rows = np.stack(
        [
            *(np.clip(one / usual, -MOST_HALF_SPREADS, MOST_HALF_SPREADS) for one in moves),
            (half_spread(view) + view.fees_bps) / usual,
            view.waiting,
            view.left / np.maximum(view.qty0, 1) - time_left,
            time_left,
        ],
        axis=1,
    )
    return rows.astype(np.float32)


# -- observations by name -------------------------------------------------------------------------

# Modules that a user named by their file are called so, and then as the file.
FROM_FILE: Final = "tercel_own_"
# An observation of the user's: a :class:`View` of n markets -> numbers of shape (n, k).
ObservationFunction = Callable[[View], Any]


class Observer(NamedTuple):
    """An observation: name, entries, and the function that fills them from a view."""

    name: str
    # What it says, in order.
    entries: tuple[str, ...]
    # A view -> float32 (n, D).
    encode: Callable[[View], Float32]
    # Decision intervals that it shows.
    stack: int = 1

    @property
    def size(self) -> int:
        """Number of entries D."""
        return len(self.entries)


# Observations that policies can be made for: what each has behind the entries of the last intervals.
BY_NAME: Final = {"v2": (), c.OBSERVATION: SLOW}
# What the actions `costs` go by (`execution.action_sets`): no rows of the past.
COSTS: Final = "costs"
OBSERVERS: Final = (*BY_NAME, COSTS)


def _named(name: str, stack: int) -> Observer:
    """An observation by name, of so many decision intervals."""
    past = tuple(f"{what}_{back}_ago" for back in range(1, stack) for what in STACKED)
    slow = BY_NAME[name]
    names = LAST + past + slow
    encode = partial(_encoded, len(names), len(slow))  # no closure: environments can be pickled
    return Observer(name, names, encode, stack)


def _encoded(size: int, slow: int, view: View) -> Float32:
    out = np.empty((view.n, size), np.float32)
    encode_rows(view.x, view.m, slow, out)
    return out


def observer(name: str | ObservationFunction, stack: int = 1) -> Observer:
    """The observation called `name`, of the last `stack` decision intervals, or a function of a view as one.

    Raises
    ------
    UnknownNameError
        No such observation; the nearest name is offered.
    ConfigError
        More intervals than a view shows; a function that does not answer rows of numbers.

    >>> observer("v3").size, observer("v2", 3).size - observer("v2").size
    (50, 10)
    >>> def sizes(view):
    ...     return np.column_stack([view.left / view.qty0, view.spread])
    >>> observer(sizes).entries
    ('sizes_0', 'sizes_1')
    """
    if not isinstance(name, str):
        if stack != 1:
            raise ConfigError(
                f"a stack of 1 to 1 for observation {name_of(name)}",
                f"{stack}",
                "one of Tercel's can be stacked",
            )
        return _own(name)
    if name not in OBSERVERS:
        raise UnknownNameError(
            f"one of {', '.join(OBSERVERS)}",
            f"observation {name!r}",
            "pass the function itself" if is_own_name(name) else offer(name, OBSERVERS),
        )
    most = 1 if name == COSTS else MOST
    refuse_if(
        not 1 <= stack <= most,
        f"a stack of 1 to {most} for observation {name}",
        f"{stack}",
        "name a number of these",
    )
    return Observer(COSTS, COST_ENTRIES, observe_costs) if name == COSTS else _named(name, stack)


def looks_back(name: str) -> bool:
    """Whether an observation includes the time before arrival, so that a simulated market needs the warm-up of its task.

    >>> looks_back("v3"), looks_back("v2"), looks_back("my_module:sizes")
    (True, False, False)
    """
    return bool(BY_NAME.get(name))


def is_own_name(name: str) -> bool:
    """Whether a card or a configuration names a user's observation, as ``module:name``.

    >>> is_own_name("my_module:sizes"), is_own_name("v2")
    (True, False)
    """
    return ":" in name


def name_of(function: Any) -> str:
    """``module:name`` of a function; a script's and a file's module is the file's name without its ending.

    >>> name_of(name_of)
    'tercel.execution.observation:name_of'
    """
    module = getattr(function, "__module__", None) or "__main__"
    file = getattr(sys.modules.get(module), "__file__", None)
    if file and (module == "__main__" or module.startswith(FROM_FILE)):
        module = Path(file).stem
    return f"{module}:{getattr(function, '__name__', type(function).__name__)}"


def same_name(one: str, other: str) -> bool:
    """Whether two names mean one function, whichever package or file its module was imported from.

    >>> same_name("mine:a", "pkg.mine:a"), same_name("mine:a", "a/mine.py:a"), same_name("m:a", "m:b")
    (True, True, False)
    """
    return _short(one) == _short(other)


def _short(name: str) -> tuple[str, str]:
    where, _, what = name.rpartition(":")
    return Path(where).stem if where.endswith(".py") else where.rpartition(".")[2], what


def _own(function: ObservationFunction) -> Observer:
    """A user's function as an observation; two ordinary markets tell how many entries it has."""
    refuse_if(
        not callable(function),
        "the name of an observation, or a function of a view",
        repr(function),
        "such as def sizes(view): return numpy.column_stack([view.left, view.spread])",
    )
    name = name_of(function)
    size = _rows_of(function, name, probe(), None).shape[1]
    entries = tuple(getattr(function, "entries", ())) or tuple(
        f"{name.partition(':')[2]}_{i}" for i in range(size)
    )
    refuse_if(
        len(entries) != size,
        f"a name for each column of {name}",
        f"{len(entries)} entries for {size} columns",
        "let its `entries` name them all",
    )
    return Observer(name, entries, partial(_rows_of, function, name, size=size))


def _rows_of(function: ObservationFunction, name: str, view: View, size: int | None) -> Float32:
    """Return the function's rows as float32, after checks of kind and shape."""
    found = np.asarray(function(view.read_only()))
    wide = size or max((1, *found.shape[1:]))
    if found.dtype.kind not in "fiub" or found.shape != (view.n, wide):
        wanted = f"({view.n}, {size or 'k'})"
        raise ConfigError(
            f"numbers of shape {wanted} from {name}",
            f"{found.dtype} of shape {found.shape}",
            "return a row of numbers a market, such as numpy.column_stack([view.left, view.spread])",
        )
    rows = np.array(found, np.float32)
    if not np.isfinite(rows).all():
        row, entry = np.argwhere(~np.isfinite(rows))[0]
        raise ConfigError(
            f"finite numbers from {name}",
            f"{rows[row, entry]} in column {entry} of row {row}",
            "look for divisions by zero, and unquoted sides",
        )
    return rows
