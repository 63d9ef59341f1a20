"""A trained forecaster as a folder, in the form of the served models: arrays and a card, nothing that can run.

    foresight = load(Path("o"))
    foresight.predict(x, 10)

`card.json` holds the version of the features, what it was trained on and how it did, and the hash of every file and of
itself; `flow.npz` the trees. The core package reads and runs it; LightGBM is needed to train one alone.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np

from tercel.core.arrays import AnyArray, Floats, Int32, Ints
from tercel.core.errors import DataError, check_known, refuse_if
from tercel.core.jit import Floats as Reals
from tercel.core.jit import Longs, Packed, allocating_kernel
from tercel.core.orders import FEE_UNIT
from tercel.core.serialization import parse_json
from tercel.execution import columns as c
from tercel.execution.foresight import features as f
from tercel.execution.foresight.features import BPS, HORIZONS, MILLI, foresee, walk
from tercel.market.simulator import layout as sim

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
        What its sum is multiplied by, and the standard deviation of the error, in units of the market's past.
    roots : int64
    feature, right : int32
    value : float64
        See `features.walk`.
    card : mapping
    waiting : float
        What an order that rests costs where it is heard, over half the spread (`View.waiting`); 0: as measured there.
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
        """What trees and line say (n,) of features (n, FEATURES), in units of the past, oriented as the features."""
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
        slopes = self.card.get(TABLE, {})
        names = dict.fromkeys((*self.card.get("symbols", {}), *slopes))
        return {
            one: sorted({*self.trained_on(one), *slopes.get(one, {}).get("days", ())})
            for one in names
        }

    def trained_on(self, symbol: str) -> list[str]:
        """Days of a symbol that it was trained on, and those that resampled ones among them are made of."""
        about = self.card.get("symbols", {}).get(symbol, {})
        return [*about.get("days", ()), *about.get("made_of", ())]

    def of(self, symbol: str) -> "Forecaster":
        """The same for one symbol: forecasts times its slope, and nothing said where its gate is closed.

        The slopes stand on the card (`tercel signals flow recalibrate`), and what waiting costs in the symbol; one
        without any keeps its forecasts.

        Parameters
        ----------
        symbol : str
            As its tape or its venue names it.

        Returns
        -------
        Forecaster
            With a `scale` of its own; the standard deviation 0 where it says nothing.

        >>> shipped().of("UNKNOWN") is shipped()
        True
        """
        if (slopes := self.card.get(TABLE, {}).get(symbol)) is None:
            return self
        scale = self.scale.copy()
        for n, h in enumerate(HORIZONS):
            scale[n] *= (slopes[str(h)]["slope"], 1.0) if slopes[str(h)]["speaks"] else (0.0, 0.0)
        return replace(self, scale=scale, waiting=slopes.get(WAITING) or self.waiting)

    def teller(self, symbol: str = "", waiting: float = 0.0) -> "Teller":
        """What writes the forecasts of a symbol into its markets, and what waiting costs there (`View.waiting`)."""
        own = self.of(symbol)
        return Teller(own, own.waiting or waiting)


class Teller:
    """Writes a forecaster's words into markets, and into what a strategy sees of them."""

    def __init__(self, forecaster: Forecaster, waiting: float = 0.0) -> None:
        one = forecaster
        self._of = (np.zeros(f.WIDTH), one.scale.copy(), one.lines, one.ends, *one.trees)
        self._waiting = round(1e6 * waiting)

    def tell(self, books: Packed, states: Longs, outlook: Longs) -> None:
        """Write the forecasts of markets as they stand into their states, and into what is seen of them.

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
    x: Reals,
    out: Reals,
    line: Reals,
    first: int,
    last: int,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Reals,
) -> None:
    for n in range(x.shape[0]):
        out[n] = walk(x[n], line, first, last, roots, feature, right, value)


@allocating_kernel
def _tell_rows(
    bs: Packed,
    ks: Longs,
    out: Longs,
    features: Reals,
    scale: Reals,
    lines: Reals,
    ends: Longs,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Reals,
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
        "features": f.VERSION,
        "names": list(f.NAMES),
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
        When there is none, it is of another format or of other features, or a file is not the one that the card names.
    """
    try:
        text = (folder / CARD).read_bytes()
        card = parse_json(text)
        if card["features"] != f.VERSION:
            raise DataError(
                f"a forecaster of features of version {f.VERSION}",
                f"version {card['features']} in {folder}",
                AGAIN,
            )
        if card["format"] != FORMAT:
            raise DataError(
                f"a forecaster of format {FORMAT}", f"format {card['format']} in {folder}", AGAIN
            )
        refuse_if(
            card["sha256"] != _digest(card),
            "a card as it was written",
            f"{folder / CARD}, which was edited",
            AGAIN,
            DataError,
        )
        data = (folder / ARRAYS).read_bytes()
        refuse_if(
            hashlib.sha256(data).hexdigest() != card["arrays"]["sha256"],
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
            found.lines.shape != (len(HORIZONS), 1 + f.FEATURES)
            or not np.isfinite(np.concatenate([one.ravel() for one in made.values()])).all()
        ):
            raise ValueError(f"lines of shape {found.lines.shape}, or a number that is none")
        for symbol, one in card.get(TABLE, {}).items():
            said = [
                one.get(WAITING, 0.0),
                *(one[str(h)]["slope"] * one[str(h)]["speaks"] for h in HORIZONS),
            ]
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
        lines=np.zeros((horizons, 1 + f.FEATURES)),
        ends=np.zeros(horizons + 1, np.int64),
        scale=np.zeros((horizons, 2)),
        roots=few,
        feature=np.full(1, -1, np.int32),
        right=np.zeros(1, np.int32),
        value=np.zeros(1),
        card={"format": FORMAT, "features": f.VERSION},
        id="spread alone",
    )


def packaged() -> tuple[str, ...]:
    """Names of the forecasters that ship."""
    return tuple(sorted(card.parent.name for card in SHIPPED.glob(f"*/{CARD}")))


@cache
def shipped(name: str = DEFAULT) -> Forecaster:
    """A forecaster that ships, by name.

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
    for symbol, one in found.card.get("simulated", {}).items():
        if one["carry"] is not None and one["carry"] < ENOUGH:
            raise DataError(
                f"a forecaster learned on tape, or in a market with a carry of {ENOUGH}",
                f"{said}, learned on {symbol} of {one['market']}, which has {one['carry']:.2f}",
                f"take {DEFAULT}, or train on days of tape",
            )
    return found


def _digest(card: Mapping[str, Any]) -> str:
    body = {key: value for key, value in card.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
