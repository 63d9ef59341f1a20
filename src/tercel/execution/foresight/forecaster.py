"""A trained forecaster as a folder, in the form of the served models: arrays and a card, nothing that can run.

    foresight = load(Path("o"))
    foresight.predict(x, 10)

`card.json` holds the version of the features, what it was trained on and how it did, and the hash of every file and of
itself; `flow.npz` the trees. The core package reads and runs it; LightGBM is needed to train one alone.

Inputs of a forecaster: trades, flow, moves and queues of the last seconds, in units of the market's own past.

A market keeps its last seconds (`simulator.past_seconds`) and sums over events that it forgets (`simulator.past_seconds`).
Prices are divided by the standard deviation of its own one-second moves, lots by its own mean queue or mean volume,
distances in the book by its mean spread, so that names of any tick, price and activity look alike. All is oriented by
the heavier queue at the touch: the forecast is of the move towards the thinner one, and a mirrored market gets exactly
the mirrored forecast.

| features | what |
|---|---|
| `move_W` | move of the mid in W seconds over its standard deviation for them |
| `queue`, `near` | imbalance of lots at the touch, and up to a mean spread behind it |
| `micro` | microprice less mid, in standard deviations of a second |
| `gap`, `gap_heavy`, `gap_thin` | from the touch to the second level: thin less heavy, and each |
| `heavy`, `thin` | lots at the touch of each side over the mean queue, log |
| `spread`, `wide` | spread over its mean; half of it in standard deviations of a second |
| `pace_10`, `unrest`, `bounce` | events and moves against the past; moves of 1 s against those of 10 s |
| `last` | price of the last trade, hidden ones too, less the mid |
| `mean_T` | mid less its exponential mean of T seconds |
| `signs_T`, `taken_T` | aggressors' signs; their lots over the mean volume and one mean queue; forgotten in T seconds |
| `newest`, `step` | side of the last aggressor, less the longer ago; last move of the mid |
| `hidden` | hidden trades above the mid less those below it, forgotten in 3 s |
"""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import msgspec
import numpy as np

from tercel.core.arrays import AnyArray, Int32, Ints
from tercel.core.errors import DataError, check_known, refuse_if
from tercel.core.jit import Floats, Longs, Packed, allocating_kernel, kernel
from tercel.core.orders import FEE_UNIT
from tercel.core.serialization import parse_json
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution import columns as c
from tercel.execution.features import imbalance
from tercel.market.book.ladder import in_window, level_at
from tercel.market.simulator import layout as sim, past_seconds
from tercel.market.simulator.past_seconds import WIDEST
from tercel.market.simulator.records import second_at, state_at

# -- features -------------------------------------------------------------------------------------

# Of the features: a forecaster of another is refused.
VERSION: Final = 2
# Seconds that moves are measured over.
WINDOWS: Final = (1, 3, 10, 30, 300)
# Seconds of the past that all is scaled by.
PAST_S: Final = 900
# Seconds of the past without which nothing is said.
LEAST_S: Final = 60
# A market without an event for 10 s or 30 s in which so many were usual shows a book that is old: nothing is said.
STALLED: Final = 40.0
# Names of the features, in order.
NAMES: Final = (
    *(f"move_{window}" for window in WINDOWS),
    *("queue", "near", "micro", "gap", "last"),
    *("mean_1", "mean_5", "mean_30"),
    *("signs_1", "signs_3", "signs_10", "taken_0.3", "taken_1", "taken_3"),
    *("newest", "step", "hidden"),
    *("gap_heavy", "gap_thin", "heavy", "thin", "spread", "wide", "pace_10", "unrest", "bounce"),
)
FEATURES: Final = len(NAMES)
# Of the features those that change their sign in the mirror come first.
ODD: Final = NAMES.index("gap_heavy")
_MOVE, _QUEUE, _MEAN, _SIGNS, _TAKEN, _NEWEST, _EVEN = (
    NAMES.index(one)
    for one in ("move_1", "queue", "mean_1", "signs_1", "taken_0.3", "newest", "gap_heavy")
)
SIGN, UNIT, WIDTH = range(FEATURES, FEATURES + 3)
# SIGN: +1 where the bid is heavier; UNIT: standard deviation of a second's move, half-ticks; WIDTH: words of a row


@kernel
def no_quote(bid: int, ask: int) -> bool:
    """Whether two prices are none to learn from: crossed, or farther apart than 1 % of the mid."""
    return ask <= bid or (ask - bid) * WIDEST > max(abs(bid + ask), WIDEST)


@kernel
def look_at_side(b: Packed, side: int, touch: int, near: float, out: Floats, at: int) -> None:
    """Lots at the touch and up to `near` ticks behind it, ticks to the second level: three words of `out` from `at`."""
    out[at] = out[at + 1] = out[at + 2] = 0.0
    price, n = touch, 0
    while in_window(b, side, price) and (n < 2 or (touch - price) * side <= near):
        lv = level_at(b, side, price)
        lots = lv.lots - lv.own_lots
        if lots > 0:
            if n == 0:
                out[at] = lots
            elif n == 1:
                out[at + 2] = (touch - price) * side
            if (touch - price) * side <= near:
                out[at + 1] += lots
            n += 1
        price -= side


@kernel
def features(b: Packed, k: Longs, out: Floats) -> bool:
    """The features of a market now, float64 (WIDTH,); False, and nothing to be read, where they are not known:

    a side is not quoted, trading is halted, the feed is stale, or the past is too short.
    """
    s = state_at(k)
    bid, ask, last = s.public_bid, s.public_ask, s.second - 1
    if s.seconds_room == 0 or bid == NO_BID or ask == NO_ASK or s.halted != 0 or no_quote(bid, ask):
        return False
    first = max(s.first_second, last - PAST_S)
    if last - first < LEAST_S or s.now // NS_PER_SECOND - last > 1:
        return False
    then, end = second_at(k, first), second_at(k, last)
    seconds = float(last - first)
    unit = math.sqrt(max(end.tens - then.tens, 4) / (10.0 * seconds))
    second = math.sqrt(max(end.squares - then.squares, 4) / seconds)
    usual_spread = (end.spreads - then.spreads) / seconds
    usual_lots = max((end.depths - then.depths) / (2.0 * seconds), 1.0)
    usual_volume = max((end.bought + end.sold - then.bought - then.sold) / seconds, 1.0 / seconds)
    usual_events = max((end.events - then.events) / seconds, 1.0 / seconds)
    for back in (10, 30):
        same = s.events == second_at(k, max(last - back, first)).events
        if same and usual_events * back > STALLED:
            return False
    look_at_side(b, 1, bid, usual_spread, out, 0)
    look_at_side(b, -1, ask, usual_spread, out, 3)
    bid1, bid_near, bid_gap, ask1, ask_near, ask_gap = (
        out[0],
        out[1],
        out[2],
        out[3],
        out[4],
        out[5],
    )
    ten = second_at(k, max(last - 10, first))
    sign = 1.0 if bid1 > ask1 or (bid1 == ask1 and s.ofi >= ten.ofi) else -1.0
    spread = float(ask - bid)
    for j in range(len(WINDOWS)):
        row = second_at(k, max(last - WINDOWS[j], first))
        out[_MOVE + j] = sign * (s.mid2 - row.mid2) / (unit * math.sqrt(WINDOWS[j]))
    at = _QUEUE
    out[at] = sign * imbalance(bid1, ask1)
    out[at + 1] = sign * imbalance(bid_near, ask_near)
    out[at + 2] = out[at] * spread / unit
    out[at + 3] = sign * (ask_gap - bid_gap) / usual_spread
    out[at + 4] = sign * (2 * s.traded_price - s.mid2) / unit if s.traded_price != 0 else 0.0
    for j in range(3):
        out[_MEAN + j] = sign * past_seconds.left_of(k, past_seconds.MOVES + j, s.moved_ns) / unit
        out[_SIGNS + j] = sign * past_seconds.left_of(
            k, past_seconds.RECENT_TRADES + j, s.traded_ns
        )
        usual = usual_volume * past_seconds.TAUS_S[past_seconds.RECENT_TRADES + 3 + j] + usual_lots
        out[_TAKEN + j] = (
            sign * past_seconds.left_of(k, past_seconds.RECENT_TRADES + 3 + j, s.traded_ns) / usual
        )
    at = _NEWEST
    out[at] = sign * s.traded_side / (1.0 + math.log1p((s.now - s.traded_ns) * 1e-8))
    out[at + 1] = sign * s.moved_by / unit
    out[at + 2] = sign * past_seconds.left_of(k, past_seconds.PRINTS, s.printed_ns)
    at = _EVEN
    out[at] = (bid_gap if sign > 0 else ask_gap) / usual_spread
    out[at + 1] = (ask_gap if sign > 0 else bid_gap) / usual_spread
    out[at + 2] = math.log1p((bid1 if sign > 0 else ask1) / usual_lots)
    out[at + 3] = math.log1p((ask1 if sign > 0 else bid1) / usual_lots)
    out[at + 4] = spread / usual_spread
    out[at + 5] = spread / unit
    out[at + 6] = (s.events - ten.events) / (usual_events * 10)
    row = second_at(k, max(last - 60, first))
    out[at + 7] = math.sqrt((end.squares - row.squares) / 60) / second
    out[at + 8] = second / unit
    out[SIGN], out[UNIT] = sign, unit
    return True


# -- walker ---------------------------------------------------------------------------------------
# A forecaster's arithmetic: a sum of trees and of a line, walked by compiled code.
#
# Trees lie end to end in three arrays, 16 bytes a node, so that all of them stay near the processor. An inner node sends
# a value of its `feature` up to its `value` to the next node, others to `right`; a leaf has a `feature` of -1. Sums run
# in the order of the trees, as LightGBM adds them.

MILLI = 1000.0
BPS = 10_000.0
# Seconds ahead that a decision sees forecasts of.
HORIZONS: Final = (10, 30)
# A sum beyond this is no forecast.
MOST_SAID: Final = 1e6


@kernel
def walk(
    x: Floats,
    line: Floats,
    first: int,
    last: int,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Floats,
) -> float:
    """Sum of the trees `first` to `last`, and of the line: an intercept and a weight for each feature; NaN in, NaN out.

    Parameters
    ----------
    x : float64 (>= FEATURES,)
    line : float64 (1 + FEATURES,)
    roots : int64 (trees,)
        Node that each tree begins with.
    feature, right : int32 (nodes,)
    value : float64 (nodes,)
    """
    total, trees = float(line[0]), 0.0
    for j in range(FEATURES):
        if math.isnan(x[j]):
            return math.nan
        if line[1 + j] != 0.0:
            total += line[1 + j] * x[j]
    for tree in range(first, last):
        node = roots[tree]
        while feature[node] >= 0:
            node = node + 1 if x[feature[node]] <= value[node] else right[node]
        trees += value[node]
    return float(total + trees)


@kernel
def foresee(
    b: Packed,
    k: Longs,
    x: Floats,
    scale: Floats,
    lines: Floats,
    ends: Longs,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Floats,
) -> bool:
    """Write the forecasts of a market into its state, and its usual spread; False where nothing can be said.

    Parameters
    ----------
    x : float64 (WIDTH,)
        Out: the features.
    scale : float64 (2, 2)
        For both horizons what a forecast is multiplied by, and the standard deviation of its error, in units of
        the past.
    lines : float64 (2, 1 + FEATURES)
    ends : int64 (3,)
        Where the trees of each horizon begin, and where the last end.
    """
    s = state_at(k)
    usual_spread(k)
    for j in range(sim.FORECAST_WORDS):
        k[sim.FORECAST + j] = 0
    if not features(b, k, x):
        return False
    for h in range(len(HORIZONS)):
        said = walk(x, lines[h], ends[h], ends[h + 1], roots, feature, right, value)
        if not abs(said) <= MOST_SAID:
            return False
        unit = MILLI * BPS * x[UNIT] * math.sqrt(HORIZONS[h]) / abs(s.mid2)
        k[sim.FORECAST + 2 * h] = round(x[SIGN] * scale[h, 0] * said * unit)
        if scale[h, 1] > 0.0:
            k[sim.FORECAST + 2 * h + 1] = max(round(scale[h, 1] * unit), 1)
    return True


@kernel
def usual_spread(k: Longs) -> None:
    """Write the mean spread of the seconds stored, thousandths of a tick; 0 where they are too few."""
    s = state_at(k)
    s.usual_spread = 0
    last = s.second - 1
    if s.seconds_room == 0 or s.now // NS_PER_SECOND - last > 1:
        return
    first = max(s.first_second, last - PAST_S)
    if last - first >= LEAST_S:
        s.usual_spread = (
            1000 * (second_at(k, last).spreads - second_at(k, first).spreads) // (last - first)
        )


CARD: Final = "card.json"
ARRAYS: Final = "flow.npz"
FORMAT: Final = 2
AGAIN: Final = "train one: tercel signals flow train LAKE `symbol=SYM` `out=FOLDER`"
SHIPPED: Final = Path(__file__).parent / "packaged"
DEFAULT: Final = "flow-2"
# Where a card keeps the slopes of symbols.
TABLE: Final = "recalibrated"
# Where it keeps what waiting costs in one of them.
WAITING: Final = "waiting"
# Carry of a simulated market below which no policy reads a forecast that was learned in it.
ENOUGH: Final = 0.5
# Largest cost of waiting, half spreads, or slope that a card may tell.
MOST_COST: Final = 1000.0
_TREES: Final = ("roots", "feature", "right", "value")
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, BadZipFile)


@dataclass(frozen=True)
class Slope:
    """A slope of moves on forecasts, and whether it is above 0, so that forecasts are used; standard error and lower end
    of the days alone.
    """

    slope: float
    se: float | None = None
    low: float | None = None
    speaks: bool = field(kw_only=True)


class Recalibrated(msgspec.Struct, frozen=True):
    """A symbol's entry in a card's table: days that its slopes know, what waiting costs, the slope of each horizon."""

    ten: Slope = msgspec.field(name="10")
    thirty: Slope = msgspec.field(name="30")
    days: tuple[str, ...] = ()
    waiting: float = 0.0

    @property
    def slopes(self) -> tuple[Slope, Slope]:
        """In the order of HORIZONS."""
        return self.ten, self.thirty


@dataclass(frozen=True)
class SimulatedMarket:
    """The market that simulated a symbol's days, and its carry to tape: None where no card knows of one."""

    market: str
    carry: float | None


class TrainedOn(msgspec.Struct, frozen=True):
    """Days of a symbol that were trained on, and those that resampled ones among them are made of."""

    days: tuple[str, ...] = ()
    made_of: tuple[str, ...] = ()


class NamedArrays(msgspec.Struct, frozen=True):
    """The file of arrays that a card names."""

    file: str
    sha256: str


class ForecasterCard(msgspec.Struct, frozen=True):
    """Fields of a card that programs read; a card that was never saved has no hashes."""

    format: int = FORMAT
    features: int = VERSION
    symbols: dict[str, TrainedOn] = {}
    recalibrated: dict[str, Recalibrated] = {}
    simulated: dict[str, SimulatedMarket] = {}
    levels: tuple[float, ...] = ()
    widths: tuple[tuple[float, ...], ...] = ()
    arrays: NamedArrays | None = None
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Forecasts of the mid over HORIZONS, from the features of one moment.

    Parameters
    ----------
    lines : float64 (2, 1 + FEATURES)
        Of each horizon an intercept and a weight for each feature.
    ends : int64 (3,)
        Where its trees begin among all.
    scale : float64 (2, 2)
        Factor of its sum, and the standard deviation of the error, in units of the market's past.
    roots : int64
    feature, right : int32
    value : float64
        See `features.walk`.
    card : mapping
    waiting : float
        Cost of a resting order in its market, over half the spread (`View.waiting`); 0: as measured there.
    id : str
        The first 12 hex digits of the hash of the card.
    """

    lines: Floats
    ends: Ints
    scale: Floats
    roots: Ints
    feature: Int32
    right: Int32
    value: Floats
    card: Mapping[str, Any] = field(default_factory=dict)
    waiting: float = 0.0
    id: str = ""

    @property
    def trees(self) -> tuple[AnyArray, ...]:
        """The arrays of the trees, in the order that kernels take them."""
        return tuple(getattr(self, name) for name in _TREES)

    def raw(self, x: Floats, horizon_s: int) -> Floats:
        """Raw forecast (n,) by trees and line from features (n, FEATURES), in units of the past, oriented as the
        features."""
        h = HORIZONS.index(horizon_s)
        out = np.empty(len(x))
        rows = np.ascontiguousarray(x, np.float64)
        _walk_rows(rows, out, self.lines[h], int(self.ends[h]), int(self.ends[h + 1]), *self.trees)
        return out

    def predict(self, x: Floats, horizon_s: int) -> Floats:
        """The same, calibrated: the expected move over its standard deviation."""
        return np.asarray(self.scale[HORIZONS.index(horizon_s), 0] * self.raw(x, horizon_s))

    @property
    def seen(self) -> dict[str, list[str]]:
        """Days of each symbol that it was trained on, or recalibrated by, ascending.

        >>> list(shipped().seen)
        ['IBM', 'YHOO', 'CSCO']
        """
        found = {one: {*self.trained_on(one)} for one in self.facts.symbols}
        for one, row in self.facts.recalibrated.items():
            found.setdefault(one, set()).update(row.days)
        return {one: sorted(days) for one, days in found.items()}

    @cached_property
    def facts(self) -> ForecasterCard:
        """Fields of the card that programs read."""
        return msgspec.convert(self.card, ForecasterCard)

    def trained_on(self, symbol: str) -> list[str]:
        """Days of a symbol that it was trained on, and those that resampled ones among them are made of."""
        about = self.facts.symbols.get(symbol, TrainedOn())
        return [*about.days, *about.made_of]

    def of(self, symbol: str) -> "Forecaster":
        """Forecaster for one symbol: forecasts times the symbol's slope, and no forecast where its gate is closed.

        The card has the slopes (`tercel signals flow recalibrate`) and the cost of waiting in the symbol; forecasts of
        a symbol without an entry do not change.

        Parameters
        ----------
        symbol : str
            As its tape or its venue names it.

        Returns
        -------
        Forecaster
            With a `scale` of its own; the standard deviation is 0 where the gate is closed.

        >>> shipped().of("UNKNOWN") is shipped()
        True
        """
        if (row := self.facts.recalibrated.get(symbol)) is None:
            return self
        scale = self.scale.copy()
        for n, one in enumerate(row.slopes):
            scale[n] *= (one.slope, 1.0) if one.speaks else (0.0, 0.0)
        return replace(self, scale=scale, waiting=row.waiting or self.waiting)

    def teller(self, symbol: str = "", waiting: float = 0.0) -> "Teller":
        """Writer of a symbol's forecasts, and of the cost of waiting there (`View.waiting`), into its markets."""
        own = self.of(symbol)
        return Teller(own, own.waiting or waiting)


class Teller:
    """Writes a forecaster's words into markets, and into what a strategy sees of them."""

    def __init__(self, forecaster: Forecaster, waiting: float = 0.0) -> None:
        one = forecaster
        self._of = (np.zeros(WIDTH), one.scale.copy(), one.lines, one.ends, *one.trees)
        self._waiting = round(1e6 * waiting)

    def tell(self, books: Packed, states: Longs, outlook: Longs) -> None:
        """Write current forecasts of markets into their states and into `outlook`, the forecast columns of a view.

        Parameters
        ----------
        books : int32 (n, ...)
        states : int64 (n, ...)
            With room for seconds (`sim.extend`).
        outlook : int64 (n, OUTLOOK)
            Out.
        """
        _tell_rows(books, states, outlook, *self._of)
        outlook[:, c.WAITING] = self._waiting


@allocating_kernel
def _walk_rows(
    x: Floats,
    out: Floats,
    line: Floats,
    first: int,
    last: int,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Floats,
) -> None:
    for n in range(x.shape[0]):
        out[n] = walk(x[n], line, first, last, roots, feature, right, value)


@allocating_kernel
def _tell_rows(
    bs: Packed,
    ks: Longs,
    out: Longs,
    features: Floats,
    scale: Floats,
    lines: Floats,
    ends: Longs,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Floats,
) -> None:
    for n in range(ks.shape[0]):
        if ks[n, sim.PHASE] != sim.WORKING:
            continue
        foresee(
            bs[n],
            ks[n],
            features,
            scale,
            lines,
            ends,
            roots,
            feature,
            right,
            value,
        )
        side = ks[n, sim.SIDE]
        out[n, c.USUAL_SPREAD] = ks[n, sim.USUAL_SPREAD]
        a_lot = (ks[n, sim.TAKER_FEE] - ks[n, sim.MAKER_FEE]) / max(abs(ks[n, sim.MID2]), 1)
        of_value = ks[n, sim.TAKER_RATE] - ks[n, sim.MAKER_RATE]
        out[n, c.FEES] = round(MILLI * BPS * (a_lot + of_value) / FEE_UNIT)
        for h in range(0, sim.FORECAST_WORDS, 2):
            out[n, c.FORECAST_10 + h] = side * ks[n, sim.FORECAST + h]
            out[n, c.FORECAST_10 + h + 1] = ks[n, sim.FORECAST + h + 1]


def save(folder: Path, forecaster: Forecaster) -> Forecaster:
    """Write a forecaster, the card last; returns it as it is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    arrays = {name: getattr(forecaster, name) for name in ("lines", "ends", "scale", *_TREES)}
    np.savez_compressed(folder / ARRAYS, allow_pickle=False, **arrays)
    named = {"file": ARRAYS, "sha256": hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest()}
    card = {
        "format": FORMAT,
        "features": VERSION,
        "names": list(NAMES),
        "horizons_s": list(HORIZONS),
    }
    card = card | dict(forecaster.card) | {"arrays": named}
    whole = card | {"sha256": _digest(card)}
    (folder / CARD).write_text(
        json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    return load(folder)


def load(folder: Path) -> Forecaster:
    """The forecaster in a folder.

    Raises
    ------
    DataError
        If the folder has none, the format or the features differ, or a file does not match its hash on the card.
    """
    try:
        text = (folder / CARD).read_bytes()
        card = parse_json(text)
        version, form = card["features"], card["format"]
        refuse_if(
            version != VERSION,
            f"a forecaster of features of version {VERSION}",
            f"version {version} in {folder}",
            AGAIN,
            DataError,
        )
        refuse_if(
            form != FORMAT,
            f"a forecaster of format {FORMAT}",
            f"format {form} in {folder}",
            AGAIN,
            DataError,
        )
        facts = msgspec.convert(card, ForecasterCard)
        refuse_if(
            facts.sha256 != _digest(card),
            "a card as it was written",
            f"{folder / CARD}, which was edited",
            AGAIN,
            DataError,
        )
        data = (folder / ARRAYS).read_bytes()
        refuse_if(
            facts.arrays is None or hashlib.sha256(data).hexdigest() != facts.arrays.sha256,
            "the file that the card names",
            f"{folder / ARRAYS}, which was changed",
            AGAIN,
            DataError,
        )
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            made: dict[str, Any] = {
                name: np.ascontiguousarray(stored[name]) for name in stored.files
            }
        found = Forecaster(**made, card=card, id=hashlib.sha256(text).hexdigest()[:12])
        if (
            found.lines.shape != (len(HORIZONS), 1 + FEATURES)
            or not np.isfinite(np.concatenate([one.ravel() for one in made.values()])).all()
        ):
            raise ValueError(f"lines of shape {found.lines.shape}, or a number that is none")
        for symbol, row in facts.recalibrated.items():
            said = [row.waiting, *(one.slope * one.speaks for one in row.slopes)]
            if not all(0.0 <= value <= MOST_COST for value in said):
                raise ValueError(f"{said} as cost of waiting and slopes of {symbol}")
    except OSError as error:
        raise DataError("the folder of a forecaster", f"{folder}: {error}", AGAIN) from error
    except _DAMAGED as error:
        raise DataError(
            "a forecaster as it was trained", f"{folder}: {type(error).__name__} {error}", AGAIN
        ) from error
    return found


@cache
def spread_alone() -> Forecaster:
    """A forecaster that forecasts nothing: a strategy with it sees the usual spread alone."""
    few, horizons = np.zeros(1, np.int64), len(HORIZONS)
    return Forecaster(
        lines=np.zeros((horizons, 1 + FEATURES)),
        ends=np.zeros(horizons + 1, np.int64),
        scale=np.zeros((horizons, 2)),
        roots=few,
        feature=np.full(1, -1, np.int32),
        right=np.zeros(1, np.int32),
        value=np.zeros(1),
        card={"format": FORMAT, "features": VERSION},
        id="spread alone",
    )


def packaged() -> tuple[str, ...]:
    """Names of the pre-trained forecasters."""
    return tuple(sorted(card.parent.name for card in SHIPPED.glob(f"*/{CARD}")))


@cache
def shipped(name: str = DEFAULT) -> Forecaster:
    """A pre-trained forecaster, by name.

    Raises
    ------
    UnknownNameError
        No such forecaster; the nearest name is offered.
    """
    check_known(name, packaged(), said=f"forecaster {name!r}")
    return load(SHIPPED / name)


def resolve(said: str) -> Forecaster:
    """A forecaster by the name that it ships under, or by its folder."""
    return shipped(said) if said in packaged() else load(Path(said))


def heard(said: str) -> Forecaster:
    """The same for a policy to read, which learns of the future from tape, or from a market that carries to tape.

    Raises
    ------
    DataError
        A forecaster learned in a market whose carry is too low.
    """
    found = resolve(said)
    for symbol, one in found.facts.simulated.items():
        if one.carry is not None and one.carry < ENOUGH:
            raise DataError(
                f"a forecaster learned on tape, or in a market with an R² ratio of {ENOUGH}",
                f"{said}, learned on {symbol} of {one.market}, which has {one.carry:.2f}",
                f"take {DEFAULT}, or train on days of tape",
            )
    return found


def _digest(card: Mapping[str, Any]) -> str:
    body = {key: value for key, value in card.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
