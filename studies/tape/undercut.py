"""How often a public order that improves the touch is undercut, beside moments in which nobody improved it.

Hazards are counted by the classes of the bound `undercut` (`market.simulator.replay`): undercutting orders over the
seconds that quotes stood, by their age, by the room that they left inside the spread and by size. Two placebos
stand in the same room of the same spread within a quarter of an hour, where nobody improved: moments at which somebody
joined the touch, and any moments. The excess over any moments is the *reaction*: replay brings what comes anyway.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.tape import undercut_kernels as u
from tercel.core import ADD, NS_PER_SECOND, TapeError, progress_bar as progress
from tercel.market import CompiledDay, load_compiled
from tercel.market.simulator import AGE_S, ROOM_BPS, SIZE_OVER_USUAL, layout as sim
from tercel.market.tape import Lake

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

MOST_S: Final = 60.0
WINDOW_S: Final = 900.0
EDGE_S: Final = 300.0
"""The first and last five minutes of a session are left out, where it is longer than an hour."""
DRAWS: Final = 16
LEAST_EVENTS, LEAST_S = 5, 60.0
"""A cell counts from so many undercut quotes, or so many seconds, on."""
WHOS: Final = ("improved", "joined", "any moment")
WITHIN_S: Final = (0.1, 1.0, 10.0, 30.0)
RESAMPLES: Final = 1_000
TICKS: Final = (1, 2, 3, 5, 10, 20)


@dataclass(frozen=True, eq=False)
class Counts:
    """Quotes of some days, added up.

    Parameters
    ----------
    events, seconds : float64 (3, rooms, ages, sizes)
        Undercutting orders, and seconds that stood, of quotes, of ghosts at joins, of ghosts at any moment.
    ends : float64 (4,)
        Quotes that stood to the end, were filled, cancelled, undercut.
    matched : float
        Quotes that another order joined at their price first.
    within : float64 (len(WITHIN_S),)
        Quotes undercut within so many seconds, whatever else could come first.
    by_ticks : float64 (2, 3, len(TICKS))
        Events and seconds of the three, from .1 s on, by room in ticks.
    """

    events: Floats
    seconds: Floats
    ends: Floats
    matched: float
    within: Floats
    by_ticks: Floats

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.events + other.events, self.seconds + other.seconds, self.ends + other.ends,
            self.matched + other.matched, self.within + other.within, self.by_ticks + other.by_ticks,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class DayOfQuotes:
    """A day's quotes (int64 (n, QUOTE)), their ghosts (2, n, QUOTE), lots of a usual order, and mids in ticks (n,)."""

    key: str
    date: str
    found: Longs
    ghosts: Longs
    usual: float
    mids: Floats


def read_day(lake: Lake, symbol: str, date: str, venue: str = "", seed: int = 7) -> DayOfQuotes:
    """Improvements of the touch on a day, followed; refuses a tape of level totals."""
    day = load_compiled(lake, symbol, date, venue or None)
    if day.by_level:
        raise TapeError(
            "a tape of single orders", f"level totals of {symbol} on {date}", "name another day"
        )
    tape, about = np.ascontiguousarray(day.rows, np.int64), day.instrument
    seen = touches_of(day)
    begin, end = (
        about.session_open_ns or int(tape[0, 0]),
        about.session_close_ns or int(tape[-1, 0]),
    )
    begin, end = max(begin, int(tape[0, 0])), min(end, int(tape[-1, 0]))
    if end - begin > 3600 * NS_PER_SECOND:
        edge = int(EDGE_S * NS_PER_SECOND)
        begin, end = begin + edge, end - edge
    count = u.quotes(tape, seen, begin, end, np.zeros((0, u.QUOTE), np.int64))
    found, ghosts = np.zeros((count, u.QUOTE), np.int64), np.zeros((2, count, u.QUOTE), np.int64)
    u.quotes(tape, seen, begin, end, found)
    terms = np.array([MOST_S * NS_PER_SECOND, WINDOW_S * NS_PER_SECOND, seed], np.int64)
    u.follow_all(tape, seen, found, ghosts, terms)
    adds = tape[tape[:, sim.T_KIND] == ADD, sim.T_LOTS]
    rows = seen[found[:, u.Q_ROW]] if count else np.zeros((0, u.TOUCHES), np.int64)
    mids = (rows[:, u.BID_BEFORE] + rows[:, u.ASK_BEFORE]) / 2
    return DayOfQuotes(f"{symbol} {date[:4]}", date, found, ghosts, float(np.median(adds)), mids)


def touches_of(day: CompiledDay) -> Longs:
    """Touches before and after every row: int64 (n, TOUCHES)."""
    tape, start = (
        np.ascontiguousarray(day.rows, np.int64),
        np.ascontiguousarray(day.checkpoints[0].orders, np.int64),
    )
    prices = np.concatenate([tape[:, sim.T_PRICE], start[:, 2]])
    high = int(min(prices[prices < u.FAR_TICKS].max(initial=1) + 2, u.FAR_TICKS))
    seen = np.zeros((len(tape), u.TOUCHES), np.int64)
    room = (
        np.zeros((day.slots + 1, 4), np.int64),
        np.zeros(high, np.int64),
        np.zeros(high, np.int64),
    )
    u.touches(tape, start, *room, seen)
    return seen


def counts_of(day: DayOfQuotes, which: NDArray[np.bool_] | None = None) -> Counts:
    """The day's quotes that leave room for a better price, counted; `which` bool (n,): some of them."""
    inside = (day.found[:, u.Q_ROOM] >= 1) & (which if which is not None else True)
    found, mids = day.found[inside], day.mids[inside]
    room = (
        np.digitize(found[:, u.Q_ROOM] / mids * 1e4, ROOM_BPS[1:])
        if len(found)
        else np.zeros(0, np.int64)
    )
    size = np.digitize(found[:, u.Q_LOTS] / day.usual, SIZE_OVER_USUAL[1:])
    shape = (3, len(ROOM_BPS), len(AGE_S), len(SIZE_OVER_USUAL))
    events, seconds, ticks = np.zeros(shape), np.zeros(shape), np.zeros((2, 3, len(TICKS)))
    in_ticks = np.digitize(found[:, u.Q_ROOM], TICKS[1:])
    paired = (day.ghosts[0][inside, u.Q_SIDE] != 0) & (day.ghosts[1][inside, u.Q_SIDE] != 0)
    ends = [*AGE_S[1:], MOST_S]
    for who, quotes in enumerate((found, day.ghosts[0][inside], day.ghosts[1][inside])):
        kept = np.ones(len(found), np.bool_) if who == 0 else paired
        age = (quotes[:, u.Q_END_NS] - quotes[:, u.Q_NS]) / NS_PER_SECOND
        cut = quotes[:, u.Q_WHY] == u.UNDERCUT
        for a, (low, high) in enumerate(zip(AGE_S, ends, strict=True)):
            stood = np.where(kept, np.clip(age - low, 0.0, high - low), 0.0)
            came = (kept & cut & (age >= low) & (age < high)).astype(np.float64)
            np.add.at(seconds[who, :, a], (room, size), stood)
            np.add.at(events[who, :, a], (room, size), came)
            if a:
                np.add.at(ticks[0, who], in_ticks, came)
                np.add.at(ticks[1, who], in_ticks, stood)
    age = (found[:, u.Q_END_NS] - found[:, u.Q_NS]) / NS_PER_SECOND
    cut = found[:, u.Q_WHY] == u.UNDERCUT
    within = np.array([float((cut & (age < most)).sum()) for most in WITHIN_S])
    return Counts(
        events, seconds, np.bincount(found[:, u.Q_WHY], minlength=4).astype(np.float64),
        float((found[:, u.Q_MATCHED_NS] > 0).sum()), within, ticks,
    )  # fmt: skip


def clusters_of(days: Sequence[DayOfQuotes]) -> list[Counts]:
    """Counts by day, of a single day by half hour."""
    if len(days) > 1:
        return [counts_of(day) for day in days]
    half = days[0].found[:, u.Q_NS] // (1800 * NS_PER_SECOND)
    return [counts_of(days[0], half == one) for one in np.unique(half)]


def hazards(counts: Counts, first_age: int = 1) -> Floats:
    """Undercutting orders a second, from an age class on, by room: float64 (3, rooms)."""
    events, seconds = (
        counts.events[:, :, first_age:].sum((2, 3)),
        counts.seconds[:, :, first_age:].sum((2, 3)),
    )
    rates: Floats = np.divide(
        events, seconds, out=np.full(events.shape, np.nan), where=seconds > LEAST_S
    )
    return rates


def interval(
    clusters: Sequence[Counts], of: Callable[[Counts], Floats], seed: int
) -> tuple[Floats, Floats]:
    """Ends of the 95 % interval of a figure, clusters drawn anew."""
    rng = np.random.default_rng(seed)
    tables = [np.stack([getattr(one, name) for one in clusters]) for name in ("events", "seconds")]
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(clusters), size=len(clusters))
        events, seconds = (table[rows].sum(0) for table in tables)
        drawn.append(of(Counts(events, seconds, np.zeros(4), 0.0, np.zeros(1), np.zeros(1))))
    low, high = np.nanquantile(np.stack(drawn), (0.025, 0.975), axis=0)
    return low, high


# -- what is drawn ----------------------------------------------------------------------------------------------------


def undercutters(days: Sequence[DayOfQuotes]) -> tuple[Floats, Floats, Floats]:
    """Of orders that undercut: ticks better over the room, lots over the usual, quantiles of the time they stand (s).

    The last is of cancels alone (Kaplan & Meier 1958): those that traded, or were undercut, stood at least so long.
    """
    steps, lots, lives, cancelled = list[float](), list[float](), list[float](), list[bool]()
    for day in days:
        at = {int(row): i for i, row in enumerate(day.found[:, u.Q_ROW])}
        for q in day.found[(day.found[:, u.Q_WHY] == u.UNDERCUT) & (day.found[:, u.Q_ROOM] >= 1)]:
            if (i := at.get(int(q[u.Q_BY]))) is not None:
                one = day.found[i]
                steps.append(min((one[u.Q_PRICE] - q[u.Q_PRICE]) * q[u.Q_SIDE] / q[u.Q_ROOM], 1.0))
                lots.append(one[u.Q_LOTS] / day.usual)
                lives.append((one[u.Q_END_NS] - one[u.Q_NS]) / NS_PER_SECOND)
                cancelled.append(bool(one[u.Q_WHY] == u.CANCELLED))
    return np.array(steps), np.array(lots), _until_cancelled(np.array(lives), np.array(cancelled))


def _until_cancelled(lives: Floats, cancelled: NDArray[np.bool_]) -> Floats:
    order = np.argsort(lives, kind="stable")
    stands = np.cumprod(1.0 - cancelled[order] / np.arange(len(order), 0, -1))
    levels = 1.0 - (np.arange(DRAWS) + 0.5) / DRAWS
    places = np.searchsorted(-stands, -levels)
    return np.array([lives[order[at]] if at < len(order) else MOST_S for at in places])


def _levels(values: Floats) -> list[float]:
    return [round(float(one), 4) for one in np.quantile(values, (np.arange(DRAWS) + 0.5) / DRAWS)]


def reaction(counts: Counts) -> Floats:
    """Excess of the hazard over any moment's, 1/s, at least 0: float64 (rooms, ages), NaN where too little was seen."""
    events, seconds = counts.events.sum(3), counts.seconds.sum(3)
    known = (
        (seconds[0] > 0) & (seconds[2] > 0) & ((seconds[0] > LEAST_S) | (events[0] >= LEAST_EVENTS))
    )
    rates = np.divide(events, seconds, out=np.zeros(events.shape), where=seconds > 0)
    return np.where(known, np.maximum(rates[0] - rates[2], 0.0), np.nan)


def filled_in(rates: Floats) -> Floats:
    """The same, with what was not seen from the nearest room that was."""
    out = rates.copy()
    for age in range(rates.shape[1]):
        known = np.flatnonzero(~np.isnan(rates[:, age]))
        for room in range(len(rates)):
            if np.isnan(out[room, age]):
                nearest = known[np.argmin(np.abs(known - room))] if len(known) else -1
                out[room, age] = rates[nearest, age] if nearest >= 0 else 0.0
    return out


def by_size(counts: Counts, rates: Floats) -> Floats:
    """Reaction by size over that of all sizes, within a half and the double; from .1 s on."""
    seconds = counts.seconds[2].sum(2)
    calm = np.divide(counts.events[2].sum(2), seconds, out=np.zeros(rates.shape), where=seconds > 0)
    came = counts.events[0] - calm[:, :, None] * counts.seconds[0]
    expected = np.nan_to_num(rates)[:, :, None] * counts.seconds[0]
    over: Floats = came[:, 1:].sum((0, 1)) / np.maximum(expected[:, 1:].sum((0, 1)), 1e-9)
    return np.clip(over, 0.5, 2.0)


def rates_file(names: Mapping[str, Sequence[DayOfQuotes]]) -> dict[str, Any]:
    """The table of every name and year, of every year, and of all names: plain values, as the package reads them."""
    own, drawn = (
        dict[str, tuple[Floats, Floats]](),
        dict[str, tuple[list[float], list[float], list[float]]](),
    )
    for key, days in names.items():
        counts = reduce(add, [counts_of(day) for day in days])
        rates = reaction(counts)
        own[key] = rates, by_size(counts, rates)
        steps, lots, lives = undercutters(days)
        drawn[key] = _levels(steps), _levels(lots), [round(float(one), 4) for one in lives]
    groups = {key: [key] for key in own}
    for key in own:
        groups.setdefault(key[-4:], []).append(key)
    groups[""] = list(own)
    with np.errstate(all="ignore"):
        tables = {
            group: {
                "rates": filled_in(_mean([own[key][0] for key in keys])).round(5).tolist(),
                "by_size": np.mean([own[key][1] for key in keys], axis=0).round(3).tolist(),
                **{
                    name: np.mean([drawn[key][at] for key in keys], axis=0).round(4).tolist()
                    for at, name in enumerate(("steps", "lots", "lives_s"))
                },
            }
            for group, keys in groups.items()
        }
    tapes = {
        key: {
            "days": [day.date for day in days],
            "quotes": int(sum(len(day.found) for day in days)),
        }
        for key, days in names.items()
    }
    return {
        "card": {"tapes": tapes, "room_bps": ROOM_BPS, "age_s": AGE_S, "size": SIZE_OVER_USUAL},
        "tables": tables,
    }


def _mean(tables: Sequence[Floats]) -> Floats:
    """Mean of what was seen."""
    stacked = np.stack(tables)
    known = (~np.isnan(stacked)).sum(0)
    return np.where(known > 0, np.nansum(stacked, axis=0) / np.maximum(known, 1), np.nan)


def read_names(
    lakes: Sequence[Path], symbols: Sequence[str], leave_out: Sequence[str], seed: int
) -> Any:
    """Days by name and year: of the symbols that are named, or of all of the lakes."""
    wanted = [
        (lake, one.symbol, one.date, one.venue)
        for lake in lakes
        for one in Lake(lake).list()
        if (not symbols or one.symbol in symbols) and one.date not in leave_out
    ]
    if not wanted:
        raise TapeError(
            "days of single orders",
            f"none in {', '.join(map(str, lakes))}",
            "name others with --lake",
        )
    out = dict[str, list[DayOfQuotes]]()
    with progress() as shown:
        bar = shown.add_task("days", total=len(wanted))
        for lake, symbol, date, venue in wanted:
            day = read_day(Lake(lake), symbol, date, venue, seed)
            shown.advance(bar)
            if len(day.found):
                out.setdefault(day.key, []).append(day)
    return out


def written(names: Mapping[str, Sequence[DayOfQuotes]], path: Path) -> None:
    """Write the file of rates."""
    path.write_text(json.dumps(rates_file(names), indent=1) + "\n", encoding="utf-8")
