"""Markets of a simulated exchange by name: presets, or a recorded day of a lake."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, UnknownNameError, refuse_if
from tercel.market.flow import registry as presets
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.queue_models import DEFAULT
from tercel.market.simulator.source import reactive
from tercel.market.simulator.tape_source import replay
from tercel.market.tape import Lake
from tercel.market.tape.recorded_rules import recorded_rules
from tercel.venues.exchange.market_spec import MarketSpec

WIDTH = 1024
"""Prices of the ring of a book whose depth is not declared."""
DEFAULT_PRESET: Final = "sh600961"
"""The market of an exchange when none is named."""


def preset_markets(names: Sequence[str], seed: int) -> dict[str, MarketSpec]:
    """Market specifications by symbol, one for each preset; the default preset without names.

    Raises
    ------
    ConfigError, UnknownNameError
        A preset twice, or one that is none.
    """

    markets: dict[str, MarketSpec] = {}
    for name in names or [DEFAULT_PRESET]:
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
    rules: str = "",
    previous_close: float = 0.0,
) -> dict[str, MarketSpec]:
    """Market specification, by symbol, of a recorded day in the lake `tape`, from its opening; by default the longest.

    Parameters
    ----------
    levels : bool
        For a desk's own exchange: a day of level totals will do, `queue` is then the model of queues, and of lots that
        are parts of a coin prices are those of a lot.
    rules, previous_close : str, float
        As `recorded_rules` takes them.

    Raises
    ------
    ConfigError, UnknownNameError
        No symbol named of several, a day that the lake lacks, or one that shows level totals alone.
    """

    lake = Lake(tape)
    if symbol is None:
        names = sorted({tape_day.symbol for tape_day in lake.list()})
        if len(names) != 1:
            symbols_text = ", ".join(names) or "no days"
            raise ConfigError(
                f"`symbol=` with `tape={tape}`",
                f"none, and the lake holds {symbols_text}",
                "name one",
            )
        symbol = names[0]
    days = lake.days(symbol)
    chosen_date = date or lake.longest(symbol, venue)
    if chosen_date not in days:
        raise UnknownNameError(
            f"a day of {symbol} in {tape}",
            repr(chosen_date),
            f"use one of {', '.join(days) or '(none)'}",
        )
    source, (day,) = replay(lake, symbol, [chosen_date], venue, queue)
    refuse_if(
        source.worlds_k[0, QUEUE] and not levels,
        "a tape of single orders",
        f"level totals in {symbol} {chosen_date}",
        "an exchange shows its clients orders: serve a day of an order-level feed",
    )
    # the last world at or before the opening
    world = max(int((day.world_ns <= day.open_ns).sum()) - 1, 0)
    spec = MarketSpec(
        source,
        seed,
        world=int(day.world[world]),
        began_ns=max(day.open_ns, int(day.world_ns[world])),
        first_row=int(day.world_row[world]),
        last_row=day.last_row,
        rules=recorded_rules(day.instrument, rules, previous_close),
    )
    if (
        levels and (units := day.instrument.lot_units) < 1
    ):  # lots are parts of a coin: a tick is money for a lot
        spec = spec.by_lot(units)
    return {symbol: spec}
