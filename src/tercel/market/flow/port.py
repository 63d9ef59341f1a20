"""The port of a flow model: its preset, a calibrated market as a file, and what the simulator needs of it.

Another package gives a model by the entry point group ``tercel.flows``, under the name that is the `model` of its
presets::

    [project.entry-points."tercel.flows"]
    coin = "coins.model:COIN"

and has it in ``coins/model.py``::

    COIN = FlowModel(CoinPreset, event="coins.kernel:coin_event")
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tercel.core.arrays import Floats, Ints
from tercel.core.files import write_atomic
from tercel.market.simulator.layout import number_of
from tercel.market.tape import Events, Instrument

Rate = Annotated[float, Field(ge=0.0, le=1e12, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, le=1e12, allow_inf_nan=False)]
Lots = Annotated[int, Field(ge=1, le=1_000_000)]
FirstOrder = tuple[int, int, int]
"""Side, price in ticks, lots."""
FiveRates = Annotated[tuple[Rate, ...], Field(min_length=5, max_length=5)]
MAX_EVENTS_PER_S = 100_000
"""Orders per side and second beyond which rates are a slip: settling the book would take hours."""

Card = dict[str, Any]
"""Metadata of a preset or a score: JSON values."""


_NUMBERS = re.compile(r'\[\n[^][{}"]*\n *\]')


class Preset(BaseModel):
    """Common fields of every flow model's preset: market, tape averages, capacities, card.

    Each model has a class of its own beside its kernel; `model`, with a default, says which.

    Attributes
    ----------
    model : str
        Name of the flow model, such as ``santa_fe``.
    name, symbol, venue : str
    tick : float
        Price units of one tick.
    lot : int
        Shares (units) of one simulated lot.
    start_mid_ticks : int
        Where the mid starts: the mean opening mid of the days calibrated on.
    volume_per_s : float
        Lots traded visibly per second, both sides, on the tape. The flow sends as many; where a market order empties
        the thin book of a small-tick name, a few find no counterparty (what was traded is in ``card["simulated"]``).
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

    apart: ClassVar[bool] = False
    """Whether the flow never sees own orders, by choice: they are in a separate book."""
    settles: ClassVar[bool] = True
    """Whether the laid book is run to equilibrium before episodes start (see `reactive`)."""

    model: str
    name: Annotated[str, Field(min_length=1)]
    symbol: str
    venue: str
    tick: Positive
    lot: Lots
    start_mid_ticks: Annotated[int, Field(ge=1, lt=2**29)]
    volume_per_s: Positive
    mean_depth: FiveRates
    level_offset_ticks: FiveRates
    mean_spread_ticks: Positive
    sd60_ticks: Rate
    volume_curve: Annotated[tuple[Rate, ...], Field(min_length=13, max_length=13)]
    eta_ticks_per_lot: Rate
    orders: Annotated[int, Field(ge=16, le=1 << 22)]
    width: Annotated[int, Field(ge=16, le=1 << 20)]
    card: Card

    @field_validator("orders", "width")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        """Refuse a capacity of the arrays that is not a power of two."""
        if value & (value - 1):
            raise ValueError(f"{value} is no power of two")
        return value

    @field_validator("card")
    @classmethod
    def _check_card(cls, card: Card) -> Card:
        """Validate the entries of a card that programs read; the others are free text."""
        days = card.get("days", [])
        window = card.get("window_s")
        for key in ("from_s", "to_s"):
            if not (card.get(key) is None or type(card[key]) in (int, float)):
                raise ValueError(f"{key} {card[key]!r} is no time in seconds")
        if not (isinstance(days, list | tuple) and all(isinstance(day, str) for day in days)):
            raise ValueError(f"days {days!r} are no list of dates")
        numbers = isinstance(window, list | tuple) and all(type(x) in (int, float) for x in window)
        if window is not None and not (numbers and len(window) == 2):
            raise ValueError(f"window_s {window!r} is no start and end in seconds")
        for key in ("scores", "scored_tape", "prediction", "teaches"):
            if not isinstance(card.get(key, {}), dict | None):
                raise ValueError(f"{key} {card[key]!r} is no table")
        return card

    @property
    def code(self) -> int:
        """The model's number in kernels (`simulator.layout`)."""
        return number_of(self.model, self.apart)

    @property
    def stretch_s(self) -> tuple[float | None, float | None]:
        """Start and end of the calibration stretch, seconds after the opening; None: the whole session."""
        start, end = self.card.get("window_s") or (self.card.get("from_s"), self.card.get("to_s"))
        return start, end

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the market, 16 hex digits: of all fields, of the card `impact` alone; new scores do not change it."""
        text = self.model_dump_json(exclude={"card"}) + json.dumps(
            self.card.get("impact"), sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def typical_lots(self) -> int:
        """Typical size of a limit order, lots: that of the orders laid in a first book. Each model defines it."""
        raise NotImplementedError

    def first_orders(self) -> list[FirstOrder]:
        """Orders of the first book: mean depth and spacing of the tape's levels."""
        half = max(round(self.mean_spread_ticks / 2), 1)
        orders: list[FirstOrder] = []
        for offset, depth in zip(self.level_offset_ticks, self.mean_depth, strict=True):
            for side in (1, -1):
                remaining = max(round(depth), 1)
                price = self.start_mid_ticks - side * (half + round(offset))
                while remaining > 0:
                    lots = min(remaining, self.typical_lots)
                    orders.append((side, price, lots))
                    remaining -= lots
        return orders

    def pack_parameters(self) -> Floats:
        """The kernel's parameters, one float64 array; words REGIMES_AT and IMPACT_AT are 0. Each model defines it."""
        raise NotImplementedError

    def make_tape_day(self, date: str, seed: int) -> tuple[Instrument, Events] | None:
        """A whole day resampled from tape, for models without a kernel; None: the model simulates."""
        return None

    def path_seed(self, seed: int, number: int) -> int:
        """Seed of the simulated path that is compared with stretch `number` of a tape; `seed`, unless a model overrides it."""
        return seed

    def init_memory(self, state: Ints) -> None:
        """Initialise the model's memory (`FLOW_MEMORY`) in a blank state with a laid book; times are ns from 0.
        There is none by default: nothing is done.
        """

    def save(self, path: Path) -> None:
        """Write the preset as JSON, atomically; floats unrounded, one list of numbers a line."""
        body = ",\n".join(
            f" {json.dumps(k)}: {_json(v)}" for k, v in self.model_dump(mode="json").items()
        )
        write_atomic(path, "{\n" + body + "\n}\n")


@dataclass(frozen=True)
class FlowModel:
    """A flow model: the class of its presets, and the kernel of its events.

    Parameters
    ----------
    preset : type of Preset
        Reads a preset file and packs its parameters; the default of its field `model` is the model's name.
    event : str
        ``module:name`` of the kernel of the next event, a ``late_kernel`` of ``(book: Packed, state: Longs, flow: Floats) ->
        None``, imported when a market of the model first moves; "": the loop of the simulator contains it, or days come
        from tape.
    calibrate : str
        ``module:name`` of ``calibrate(days, *, name, date, lot_shares, skip_s)``, which gives a preset; "": parameters
        come from elsewhere.
    presets : Path, optional
        Folder of presets that are known by name, of another package's model.
    """

    preset: type[Preset]
    event: str = ""
    calibrate: str = ""
    presets: Path | None = None

    @property
    def kind(self) -> str:
        """Name of the model."""
        return str(self.preset.model_fields["model"].default)

    @property
    def code(self) -> int:
        """The model's number in kernels."""
        return number_of(self.kind, self.preset.apart)


def check_rates(limit: Sequence[float], cancel: Sequence[float], events_per_s: float) -> None:
    """Refuse (ValueError) unequal numbers of limit and cancel rates, limit rates all 0, or too many events a second a side."""
    if len(limit) != len(cancel):
        raise ValueError(f"{len(limit)} limit rates with {len(cancel)} cancel rates")
    if sum(limit) <= 0.0:
        raise ValueError("all limit rates are zero: the book would stay empty")
    if events_per_s > MAX_EVENTS_PER_S:
        raise ValueError(f"more than {MAX_EVENTS_PER_S:,} orders a second on each side")


def _json(value: Any) -> str:
    """JSON text: the card indented for people, its lists of numbers on one line; the rest on one line."""
    if not isinstance(value, dict):
        return json.dumps(value)
    lines = json.dumps(value, indent=1, ensure_ascii=False)
    return _NUMBERS.sub(lambda numbers: " ".join(numbers[0].split()), lines).replace("\n", "\n ")
