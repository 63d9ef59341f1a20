"""A trained forecaster of the mid as a folder, saved and loaded: arrays and a card, nothing that can run; no training.

    foresight = load(Path("o"))
    foresight.predict(x, 10)

`card.json` holds the version of the features, what the forecaster was trained on and how it did, and the hash of every
file and of itself; `flow.npz` the trees. The core package reads and runs it; only training needs LightGBM.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import msgspec
import numpy as np

from tercel.core.arrays import AnyArray, Int32, Ints
from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import DataError, check_known, refuse_if
from tercel.core.jit import Floats, Longs, Packed
from tercel.execution import columns as c
from tercel.execution.foresight.flow_features import FEATURES, NAMES, VERSION, WIDTH
from tercel.execution.foresight.forecast_kernels import HORIZONS, walk_rows, write_rows

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
    """Slope of moves on forecasts with standard error and lower bound, and whether the bound is above 0 so that
    forecasts are used.
    """

    slope: float
    se: float | None = None
    low: float | None = None
    speaks: bool = field(kw_only=True)


class Recalibrated(msgspec.Struct, frozen=True):
    """A symbol's entry of a card: days behind its slopes, cost of waiting, and the slope for each horizon."""

    ten: Slope = msgspec.field(name="10")
    thirty: Slope = msgspec.field(name="30")
    days: tuple[str, ...] = ()
    waiting: float = 0.0

    @property
    def slopes(self) -> tuple[Slope, Slope]:
        """Slopes in the order of HORIZONS."""
        return self.ten, self.thirty


@dataclass(frozen=True)
class SimulatedMarket:
    """The market that simulated a symbol's days, and how well its forecasts carry over to tape; None if unknown."""

    market: str
    carry: float | None


class TrainedOn(msgspec.Struct, frozen=True):
    """Days of a symbol used in training, and the recorded days that resampled days were made from."""

    days: tuple[str, ...] = ()
    made_of: tuple[str, ...] = ()


class NamedArrays(msgspec.Struct, frozen=True):
    """File name and hash of the arrays of a card."""

    file: str
    sha256: str


class ForecasterCard(msgspec.Struct, frozen=True):
    """Fields of a forecaster's card that programs read; hashes are empty before it is saved."""

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
    """Forecasts of the move of the mid over HORIZONS seconds, from the features of one moment.

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
        """Arrays of the trees, in the order of kernel arguments."""
        return tuple(getattr(self, name) for name in _TREES)

    def raw(self, x: Floats, horizon_s: int) -> Floats:
        """Uncalibrated forecast (n,) for a horizon from features (n, FEATURES), in standard deviations of past moves
        over it, positive towards the thinner queue."""
        h = HORIZONS.index(horizon_s)
        sums = np.empty(len(x))
        rows = np.ascontiguousarray(x, np.float64)
        walk_rows(rows, sums, self.lines[h], int(self.ends[h]), int(self.ends[h + 1]), *self.trees)
        return sums

    def predict(self, x: Floats, horizon_s: int) -> Floats:
        """Calibrated forecast (n,) for a horizon: expected move in the units of :meth:`raw`, above 0 to the thinner
        queue."""
        return np.asarray(self.scale[HORIZONS.index(horizon_s), 0] * self.raw(x, horizon_s))

    @property
    def seen(self) -> dict[str, list[str]]:
        """Days of each symbol used in training or recalibration, ascending, those that resampled days were made from included.

        >>> list(shipped_forecaster().seen)
        ['IBM', 'YHOO', 'CSCO']
        """
        days_by_symbol = {symbol: {*self.trained_on(symbol)} for symbol in self.facts.symbols}
        for symbol, row in self.facts.recalibrated.items():
            days_by_symbol.setdefault(symbol, set()).update(row.days)
        return {symbol: sorted(days) for symbol, days in days_by_symbol.items()}

    @cached_property
    def facts(self) -> ForecasterCard:
        """The fields of the card that programs read."""
        return msgspec.convert(self.card, ForecasterCard)

    def trained_on(self, symbol: str) -> list[str]:
        """Days of a symbol used in training, and the days that resampled ones were made from."""
        entry = self.facts.symbols.get(symbol, TrainedOn())
        return [*entry.days, *entry.made_of]

    def of(self, symbol: str) -> "Forecaster":
        """The forecaster for one symbol: scaled by the symbol's slopes, forecasting 0 where a slope is not surely above 0; itself
        for a symbol that its card has no slopes of.

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

        >>> shipped_forecaster().of("UNKNOWN") is shipped_forecaster()
        True
        """
        if (row := self.facts.recalibrated.get(symbol)) is None:
            return self
        scale = self.scale.copy()
        for n, slope in enumerate(row.slopes):
            scale[n] *= (slope.slope, 1.0) if slope.speaks else (0.0, 0.0)
        return replace(self, scale=scale, waiting=row.waiting or self.waiting)

    def forecast_writer(self, symbol: str = "", waiting: float = 0.0) -> "ForecastWriter":
        """Writer into markets of a symbol's forecasts and cost of waiting (`View.waiting`): `waiting` if the card has none."""
        calibrated = self.of(symbol)
        return ForecastWriter(calibrated, calibrated.waiting or waiting)


class ForecastWriter:
    """Writes a forecaster's forecasts into markets' states and into the views of strategies."""

    def __init__(self, forecaster: Forecaster, waiting: float = 0.0) -> None:
        source = forecaster
        self._kernel_arguments = (
            np.zeros(WIDTH),
            source.scale.copy(),
            source.lines,
            source.ends,
            *source.trees,
        )
        self._waiting = round(1e6 * waiting)

    def write_forecasts(self, books: Packed, states: Longs, outlook: Longs) -> None:
        """Write current forecasts, of markets with a working order, into their states and into `outlook`, the forecast columns of
        a view; the cost of waiting into all its rows.

        Parameters
        ----------
        books : int32 (n, ...)
        states : int64 (n, ...)
            With room for seconds (`sim.extend`).
        outlook : int64 (n, OUTLOOK)
            Out.
        """
        write_rows(books, states, outlook, *self._kernel_arguments)
        outlook[:, c.WAITING] = self._waiting


def save(folder: Path, forecaster: Forecaster) -> Forecaster:
    """Save a forecaster in a folder, replacing one there, the card last; the forecaster as loaded from there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    arrays = {name: getattr(forecaster, name) for name in ("lines", "ends", "scale", *_TREES)}
    np.savez_compressed(folder / ARRAYS, allow_pickle=False, **arrays)
    array_entry = {
        "file": ARRAYS,
        "sha256": hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest(),
    }
    card = {
        "format": FORMAT,
        "features": VERSION,
        "names": list(NAMES),
        "horizons_s": list(HORIZONS),
    }
    card = card | dict(forecaster.card) | {"arrays": array_entry}
    signed = card | {"sha256": _digest(card)}
    (folder / CARD).write_text(
        json.dumps(signed, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    return load(folder)


def load(folder: Path) -> Forecaster:
    """Load the forecaster of a folder; DataError for another version, a hash that differs, or a damaged file.

    Raises
    ------
    DataError
        If the folder has none, the format or the features differ, or a file does not match its hash on the card.
    """
    try:
        text = (folder / CARD).read_bytes()
        card = parse_json(text)
        version = card["features"]
        form = card["format"]
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
            arrays: dict[str, Any] = {
                name: np.ascontiguousarray(stored[name]) for name in stored.files
            }
        forecaster = Forecaster(**arrays, card=card, id=hashlib.sha256(text).hexdigest()[:12])
        if (
            forecaster.lines.shape != (len(HORIZONS), 1 + FEATURES)
            or not np.isfinite(np.concatenate([array.ravel() for array in arrays.values()])).all()
        ):
            raise ValueError(f"lines of shape {forecaster.lines.shape}, or a number that is none")
        for symbol, row in facts.recalibrated.items():
            figures = [row.waiting, *(slope.slope * slope.speaks for slope in row.slopes)]
            if not all(0.0 <= value <= MOST_COST for value in figures):
                raise ValueError(f"{figures} as cost of waiting and slopes of {symbol}")
    except OSError as error:
        raise DataError("the folder of a forecaster", f"{folder}: {error}", AGAIN) from error
    except _DAMAGED as error:
        raise DataError(
            "a forecaster as it was trained", f"{folder}: {type(error).__name__} {error}", AGAIN
        ) from error
    return forecaster


@cache
def spread_only_forecaster() -> Forecaster:
    """A forecaster without forecasts: a strategy that reads it sees the usual spread alone."""
    zero = np.zeros(1, np.int64)
    horizons = len(HORIZONS)
    return Forecaster(
        lines=np.zeros((horizons, 1 + FEATURES)),
        ends=np.zeros(horizons + 1, np.int64),
        scale=np.zeros((horizons, 2)),
        roots=zero,
        feature=np.full(1, -1, np.int32),
        right=np.zeros(1, np.int32),
        value=np.zeros(1),
        card={"format": FORMAT, "features": VERSION},
        id="spread alone",
    )


def packaged_forecasters() -> tuple[str, ...]:
    """Names of the pre-trained forecasters that the package ships."""
    return tuple(sorted(card.parent.name for card in SHIPPED.glob(f"*/{CARD}")))


@cache
def shipped_forecaster(name: str = DEFAULT) -> Forecaster:
    """Load a pre-trained forecaster by name, once per process; UnknownNameError for another name.

    Raises
    ------
    UnknownNameError
        No such forecaster; the nearest name is offered.
    """
    check_known(name, packaged_forecasters(), received=f"forecaster {name!r}")
    return load(SHIPPED / name)


def find_forecaster(name: str) -> Forecaster:
    """Load a forecaster by the name of a shipped one, else from a folder of that path."""
    return shipped_forecaster(name) if name in packaged_forecasters() else load(Path(name))


def readable_forecaster(name: str) -> Forecaster:
    """Load a forecaster for a policy; DataError if trained in a simulated market of which forecasts carry below 0.5 to tape.

    Raises
    ------
    DataError
        A forecaster learned in a market whose carry is too low.
    """
    forecaster = find_forecaster(name)
    for symbol, market in forecaster.facts.simulated.items():
        if market.carry is not None and market.carry < ENOUGH:
            raise DataError(
                f"a forecaster learned on tape, or in a market with an R² ratio of {ENOUGH}",
                f"{name}, learned on {symbol} of {market.market}, which has {market.carry:.2f}",
                f"take {DEFAULT}, or train on days of tape",
            )
    return forecaster


def _digest(card: Mapping[str, Any]) -> str:
    """Hash of a card without its own hash."""
    body = {key: value for key, value in card.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
