"""`resampled`: a market whose days are made of blocks of real days, order by order (`market.tape.resampled`)."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.market.flow.calibrate import calibrate as counted
from tercel.market.flow.port import Positive, Preset
from tercel.market.simulator import layout as sim
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.checkpoints import compiled
from tercel.market.tape.resampled import BLOCK_S, Resampler


class ResampledPreset(Preset):
    """Days of a lake that others are made of; its card names them.

    It has no kernel: its days are written (`tercel market simulate`), and orders are worked on them as on any tape.

    Attributes
    ----------
    lake : str
        Folder of the lake.
    block_s : float
        Length of a block, s.
    """

    code: ClassVar[int] = sim.REPLAY
    model: Literal["resampled"] = "resampled"
    lake: str
    block_s: Positive = BLOCK_S

    def recorded(self, date: str, seed: int) -> tuple[Instrument, Events]:
        """A day of its own for each seed.

        Raises
        ------
        TapeError
            Days that the lake does not hold any more, or that cannot be resampled.
        """
        return _resampler(self.lake, self.symbol, self.venue, tuple(self.card["days"]), self.block_s).day(date, seed)

    def path(self, seed: int, number: int) -> int:
        """Another day for each stretch."""
        return 1000 * number + seed

    def packed(self) -> Floats:
        """Refused: nothing answers here but tape.

        Raises
        ------
        ConfigError
        """
        remedy = (
            f"write days with `tercel market simulate {self.name}.json --out LAKE --days 60`, then name `tape=LAKE`"
        )
        raise ConfigError("a flow model that is simulated as orders are worked", f"{self.name}, of tape", remedy)


@lru_cache(maxsize=2)
def _resampler(lake: str, symbol: str, venue: str, dates: tuple[str, ...], block_s: float) -> Resampler:
    store = Lake(Path(lake))
    store.refuse_absent(symbol, dates, venue)
    return Resampler([compiled(store, symbol, date, venue) for date in dates], block_s)


def calibrate(
    days: Sequence[tuple[Instrument, Events]],
    *,
    name: str,
    date: str,
    lot_shares: int | None = None,
    skip_s: float = 900.0,
    lake: str = "",
    block_s: float = BLOCK_S,
) -> ResampledPreset:
    """A preset whose days are made of these.

    Parameters
    ----------
    days, name, date, lot_shares, skip_s
        As for every model (`market.flow.calibrate`); they are counted for the averages of the preset.
    lake : str
        Folder of the lake that holds them.
    block_s : float

    Raises
    ------
    ConfigError
        As for every model.
    """
    common = counted(days, name=name, date=date, lot_shares=lot_shares, skip_s=skip_s)
    fields = {field: getattr(common, field) for field in Preset.model_fields if field != "model"}
    return ResampledPreset(**fields, lake=lake, block_s=block_s)
