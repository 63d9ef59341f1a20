"""Markets of an exchange by name: presets, or a recorded day of a lake."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.market.flow import preset as presets
from tercel.market.simulator.levels import DEFAULT, QUEUE
from tercel.market.simulator.source import reactive, replay
from tercel.market.tape import Lake
from tercel.venues.exchange.market import MarketSpec

UNNAMED: Final = "csco"
"""The market of an exchange when none is named."""


def preset_markets(names: Sequence[str], seed: int) -> dict[str, MarketSpec]:
    """One instrument for each preset, under its symbol; the default one without names.

    Raises
    ------
    ConfigError, UnknownNameError
        A preset twice, or one that is none.
    """

    markets: dict[str, MarketSpec] = {}
    for name in names or [UNNAMED]:
        preset = presets.load(name)
        instrument = preset.symbol if preset.symbol not in markets else preset.name
        if instrument in markets:
            raise ConfigError("every market once", f"{name} twice", "name each preset once")
        markets[instrument] = MarketSpec(
            reactive(preset), seed, index=len(markets), volume_per_s=preset.volume_per_s
        )
    return markets


def recorded_market(
    tape: Path,
    symbol: str | None,
    date: str | None,
    seed: int,
    *,
    levels: bool = False,
    queue: str = DEFAULT,
    venue: str | None = None,
) -> dict[str, MarketSpec]:
    """A recorded day of a lake (the longest by default), from its opening; the lake's one symbol where none is named.

    Parameters
    ----------
    levels : bool
        For a desk's own exchange: a day of level totals will do, `queue` is then the model of queues, and of lots that
        are parts of a coin prices are those of a lot.

    Raises
    ------
    ConfigError, UnknownNameError
        No symbol named of several, a day that the lake lacks, or one that shows level totals alone.
    """

    lake = Lake(tape)
    if symbol is None:
        names = sorted({one.symbol for one in lake.list()})
        if len(names) != 1:
            held = ", ".join(names) or "no days"
            raise ConfigError(
                f"`symbol=` with `tape={tape}`", f"none, and the lake holds {held}", "name one"
            )
        symbol = names[0]
    days = lake.days(symbol)
    chosen = date or lake.longest(symbol, venue)
    if chosen not in days:
        raise UnknownNameError(
            f"a day of {symbol} in {tape}",
            repr(chosen),
            f"use one of {', '.join(days) or '(none)'}",
        )
    source, (day,) = replay(lake, symbol, [chosen], venue, queue)
    if source.worlds_k[0, QUEUE] and not levels:
        raise ConfigError(
            "a tape of single orders",
            f"level totals in {symbol} {chosen}",
            "an exchange shows its clients orders: serve a day of an order-level feed",
        )
    # the last world at or before the opening
    at = max(int((day.world_ns <= day.open_ns).sum()) - 1, 0)
    spec = MarketSpec(
        source,
        seed,
        world=int(day.world[at]),
        began_ns=max(day.open_ns, int(day.world_ns[at])),
        first_row=int(day.world_row[at]),
        last_row=day.last_row,
    )
    if (
        levels and (units := day.instrument.lot_units) < 1
    ):  # lots are parts of a coin: a tick is money for a lot
        tick = float(Fraction(repr(source.tick)) * units)
        spec = replace(spec, source=replace(source, tick=tick), part=float(units))
    return {symbol: spec}
