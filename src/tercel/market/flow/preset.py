"""A calibrated market as a file: the rates of a zero-intelligence flow, what its tape looked like, and its
card.

The law (Smith, Farmer, Gillemot and Krishnamurthy 2003; Cont, Stoikov and Talreja 2010), continuous time,
bid and ask alike:

- on each side limit orders arrive ``i = 1 .. I`` ticks from the *opposite* best at rate ``limit_rate[i -
  1]`` per second;
- market orders arrive at ``market_rate`` per second and side, and walk the book at price-time priority;
- each resting public order is cancelled whole at rate ``cancel_rate[i - 1]`` per second, i its distance
  from the opposite best now, the last value beyond I;
- sizes are drawn independently: one of the 64 equally likely entries of ``limit_sizes`` or
  ``market_sizes``.
"""

import difflib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tercel.core.errors import ConfigError, UnknownNameError

DEFAULT = "csco-2003"
"""The market of `tercel run` when none is named."""
MOST_EVENTS_PER_S = 100_000
"""Orders per side and second beyond which rates are a slip: settling the book would take hours."""
SIZES = 64
"""Entries of a size table."""
FOLDER = Path(__file__).parent / "presets"

Rate = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Lots = Annotated[int, Field(ge=1, le=1_000_000)]
Sizes = Annotated[tuple[Lots, ...], Field(min_length=SIZES, max_length=SIZES)]
Five = Annotated[tuple[Rate, ...], Field(min_length=5, max_length=5)]


class Preset(BaseModel):
    """Parameters of one market.

    Attributes
    ----------
    name, symbol, venue : str
    tick : float
        Price units of one tick.
    lot : int
        Shares (units) of one simulated lot.
    start_mid_ticks : int
        Where the mid starts: the mean opening mid of the days calibrated on.
    limit_rate, cancel_rate : tuple of float, length I
        See the module; index 0 is distance 1.
    market_rate : float
        Market orders per second and side.
    limit_sizes, market_sizes : tuple of int, length 64
        Equally likely sizes in lots, ascending. Each is the mean of 1/64 of the sorted sample, rounded so
        that the sum is kept.
    volume_per_s : float
        Lots traded visibly per second, both sides, on the tape. The flow sends as many; where a market order empties
        the thin book of a small-tick name, a few find nobody (what was traded is in ``card["simulated"]``).
    mean_depth : tuple of float, length 5
        Mean lots on the k-th occupied level, over time and both sides (tape).
    level_offset_ticks : tuple of float, length 5
        Mean ticks from the touch to the k-th occupied level (tape).
    mean_spread_ticks, sd60_ticks : float
        Mean spread over time; standard deviation of the mid's 60 s changes (tape). The simulated market's
        own are in ``card["simulated"]``.
    volume_curve : tuple of float, length 13
        Mean lots traded visibly in each thirteenth of the session (half hours of 6.5 h), the opening
        included.
    eta_ticks_per_lot : float
        Slope of the mean cost of walking the mean book: ticks per lot beyond the touch, per lot taken at
        once.
    orders, width : int
        Capacities of a simulated book: order slots and prices of the ring, powers of two.
    card : dict
        From what, when, how, and how well it fits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    symbol: str
    venue: str
    tick: Positive
    lot: Lots
    start_mid_ticks: Annotated[int, Field(ge=1, lt=2**29)]
    limit_rate: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=4096)]
    market_rate: Positive
    cancel_rate: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4096)]
    limit_sizes: Sizes
    market_sizes: Sizes
    volume_per_s: Positive
    mean_depth: Five
    level_offset_ticks: Five
    mean_spread_ticks: Positive
    sd60_ticks: Rate
    volume_curve: Annotated[tuple[Rate, ...], Field(min_length=13, max_length=13)]
    eta_ticks_per_lot: Rate
    orders: Annotated[int, Field(ge=16, le=1 << 22)]
    width: Annotated[int, Field(ge=16, le=1 << 20)]
    card: dict[str, Any]

    @model_validator(mode="after")
    def _fits_together(self) -> "Preset":
        if len(self.limit_rate) != len(self.cancel_rate):
            raise ValueError(f"{len(self.limit_rate)} limit rates with {len(self.cancel_rate)} cancel rates")
        if sum(self.limit_rate) <= 0.0:
            raise ValueError("all limit rates are zero: the book would stay empty")
        if sum(self.limit_rate) + self.market_rate > MOST_EVENTS_PER_S:
            raise ValueError(f"more than {MOST_EVENTS_PER_S:,} orders a second on each side")
        if self.start_mid_ticks <= 2 * len(self.limit_rate):
            raise ValueError(f"start_mid_ticks {self.start_mid_ticks}: prices below zero are within reach")
        if self.width < 2 * len(self.limit_rate):
            raise ValueError(f"width {self.width} holds fewer than twice the {len(self.limit_rate)} distances")
        for name in ("orders", "width"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} {value} is no power of two")
        return self

    def save(self, path: Path) -> None:
        """Write as JSON, floats unrounded, one list a line; aside first, then renamed."""
        body = ",\n".join(f" {json.dumps(k)}: {_json(v)}" for k, v in self.model_dump(mode="json").items())
        aside = path.with_name(path.name + ".part")
        aside.write_text("{\n" + body + "\n}\n", encoding="utf-8")
        aside.replace(path)


def _json(value: Any) -> str:
    """JSON text: the card indented for people, the rest on one line."""
    if isinstance(value, dict):
        return json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n ")
    return json.dumps(value)


def names() -> list[str]:
    """Names of the presets that are shipped.

    >>> "csco-2003" in names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str | Path) -> Preset:
    """A shipped preset by name, or a preset file by path (anything that ends in ``.json``).

    Raises
    ------
    UnknownNameError
        No such preset; the nearest names are offered.
    ConfigError
        A file that is missing, no JSON, or no preset.

    >>> load("csco-2003").symbol
    'CSCO'
    """
    path = Path(name)
    if path.suffix == ".json":
        return _read(path)
    known = names()
    if str(name) not in known:
        near = difflib.get_close_matches(str(name).lower(), known, n=2, cutoff=0.3)
        nearest = f"use {' or '.join(near)} (all: {', '.join(known)})" if near else f"use one of {', '.join(known)}"
        raise UnknownNameError(
            "the name of a preset market, or the path of a preset file (.json)", f"'{name}'", nearest
        )
    return _read(FOLDER / f"{name}.json")


def _read(path: Path) -> Preset:
    try:
        return Preset.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError("a preset file", f"{path}: {error.strerror}", "check the path") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the preset"
        raise ConfigError(
            "a valid preset file", f"{path}, {field}: {first['msg']}", "write it again with `tercel market calibrate`"
        ) from error
