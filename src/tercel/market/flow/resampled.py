"""`resampled`: a market whose days are made of blocks of real days (`market.tape.resampled`), with whole books."""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.kernel_keys import cache_root
from tercel.core.progress import say
from tercel.market.flow.calibrate import calibrate as counted
from tercel.market.flow.port import Positive, Preset
from tercel.market.flow.whole_books import whole_book
from tercel.market.tape.compiled import CompiledDay, compile_day
from tercel.market.tape.compiled_store import load_compiled
from tercel.market.tape.events import Events, Instrument
from tercel.market.tape.lake import TRAINING_SHARE, Lake, count_training_days
from tercel.market.tape.local_times import FIRST_SYNTHETIC_DATE, working_days
from tercel.market.tape.resampled import BLOCK_S, MIN_LEVELS, Resampler

DAYS = 60
"""Days of a market on which orders are worked: the earlier two thirds to learn on, the others to judge on."""
VERSION = "1"
"""Of how days are made: days that were written by another are made again."""


class ResampledPreset(Preset):
    """Preset of a market whose days are resampled from days of a lake, which its card names.

    It has no kernel: orders are worked on days of it that are written once, as on any tape.

    Attributes
    ----------
    lake : str
        Folder of the lake.
    block_s : float
        Length of a block, s.
    """

    model: Literal["resampled"] = "resampled"
    lake: str
    block_s: Positive = BLOCK_S

    def make_tape_day(self, date: str, seed: int) -> tuple[Instrument, Events]:
        """A resampled day for a date; each seed gives another.

        Raises
        ------
        TapeError
            Days that the lake does not hold any more, or that cannot be resampled.
        """
        return self._resampler_of(self._dates).day(date, seed)

    @property
    def _dates(self) -> tuple[str, ...]:
        """Dates of the days that the preset resamples, from its card, ascending."""
        return tuple(sorted(self.card.get("days", [])))

    def _resampler_of(self, dates: Sequence[str]) -> Resampler:
        """Resampler of some of the preset's days, cached."""
        until_s = self.stretch_s[1] or math.inf
        return _resampler(self.lake, self.symbol, self.venue, tuple(dates), self.block_s, until_s)

    def path_seed(self, seed: int, number: int) -> int:
        """Seed of the resampled day that is compared with stretch `number`: another day for each stretch."""
        return 1000 * number + seed

    def write_days(self, days: int = DAYS) -> Path:
        """Write so many resampled days to a lake in the cache, but for those that are there; returns the lake's folder.

        The earlier two thirds, to learn on, are made of the earlier two thirds of its days, the others of the others:
        no hour is learned on and judged. A single day is behind both, as reports say.

        Raises
        ------
        TapeError
            As :meth:`make_tape_day`, and a cache that cannot be written.
        """
        source = Lake(Path(self.lake))
        source.refuse_absent(self.symbol, self._dates, self.venue)
        hashes = [
            source.instrument(self.symbol, date, self.venue).content_hash for date in self._dates
        ]
        hashes += map(
            str, self.card.get("window_s", ())
        )  # the same days to another hour are another market
        key = hashlib.sha256(
            "|".join((VERSION, self.fingerprint, *self._dates, *hashes)).encode()
        ).hexdigest()[:16]
        lake = Lake(cache_root() / "resampled" / key)
        cut = round(TRAINING_SHARE * len(self._dates))
        early = self._dates[:cut]
        late = self._dates[cut:] or self._dates
        known = {day.date for day in lake.list()} if lake.root.is_dir() else set()
        dates = list(working_days(FIRST_SYNTHETIC_DATE, days))
        if missing := [(seed, date) for seed, date in enumerate(dates, 1) if date not in known]:
            say(f"{self.name}: {len(missing)} days are resampled, once")
        for seed, date in missing:
            part = early if seed <= count_training_days(len(dates)) else late
            lake.write(*self._resampler_of(part).day(date, seed), replace=True)
        return lake.root

    def pack_parameters(self) -> Floats:
        """Raise ConfigError: this model has no kernel that could react to orders.

        Raises
        ------
        ConfigError
        """
        raise ConfigError(
            "a flow model that is simulated as orders are worked",
            f"{self.name}, of tape",
            "orders are worked in it, and `tercel market simulate` writes its days",
        )


@lru_cache(maxsize=2)
def _resampler(
    lake: str, symbol: str, venue: str, dates: tuple[str, ...], block_s: float, until_s: float
) -> Resampler:
    """Resampler of days of a lake, compiled as whole books; cached."""
    store = Lake(Path(lake))
    store.refuse_absent(symbol, dates, venue)
    return Resampler(
        [_compile_whole(store, symbol, date, venue) for date in dates], block_s, until_s
    )


def _compile_whole(store: Lake, symbol: str, date: str, venue: str) -> CompiledDay:
    """Compile a day of a lake; single orders in a window of levels are first rewritten as a day of whole books.

    Level totals, and windows below `MIN_LEVELS`, are compiled as they are: `Resampler` refuses them.
    """
    day = load_compiled(store, symbol, date, venue)
    return (
        day
        if day.by_level or day.instrument.levels < MIN_LEVELS
        else compile_day(*whole_book(*store.read(symbol, date, venue)))
    )


def calibrate(
    days: Sequence[tuple[Instrument, Events]],
    *,
    name: str,
    date: str,
    lot_shares: int | None = None,
    skip_s: float = 900.0,
    lake: str = "",
    until_s: float | None = None,
) -> ResampledPreset:
    """A preset that resamples the given days.

    Parameters
    ----------
    days, name, date, lot_shares, skip_s
        As for every model (`market.flow.calibrate`); they are counted for the averages of the preset.
    lake : str
        Folder of the lake that holds them.
    until_s : float, optional
        Blocks are of the hours up to then, s after the opening. Default: the close.

    Raises
    ------
    ConfigError
        As for every model.
    """
    common = counted(days, name=name, date=date, lot_shares=lot_shares, skip_s=skip_s)
    fields = {field: getattr(common, field) for field in Preset.model_fields if field != "model"}
    preset = ResampledPreset(**fields | {"card": common.card | {"to_s": until_s}}, lake=lake)
    if lake:  # what cannot be resampled is refused now
        preset._resampler_of([instrument.date for instrument, _ in days]).day(
            FIRST_SYNTHETIC_DATE, 1
        )
    return preset
