"""Days of one symbol in one lot, and in one tick where it is inferred: a feed infers them from each day by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from tercel.core.errors import TapeError, refuse_if
from tercel.core.vocabulary import MOST_LOTS
from tercel.market.tape.events import Events, Instrument
from tercel.market.tape.schema import STATUS


def in_units(
    instrument: Instrument, events: Events, tick: Fraction, lot: Fraction
) -> tuple[Instrument, Events]:
    """A day in a lot that divides its own, and in such a tick unless its own is stated; TapeError for numbers too large.

    >>> day = Instrument("X", "ABC", "2025-01-06", 0.5, tick_rule="inferred", extra={"lot_size": "0.1"})
    >>> finer, _ = in_units(day, Events.empty(0), Fraction("0.1"), Fraction("0.001"))
    >>> finer.tick, finer.extra
    (0.1, {'lot_size': '0.001'})
    """
    own_tick, own_lot = units_of(instrument)
    tick = tick if instrument.tick_rule == "inferred" else own_tick
    if (tick, lot) == (own_tick, own_lot):
        return instrument, events
    prices = events.price_ticks * np.where(events.kind == STATUS, 1, int(own_tick / tick))
    lots = events.qty_lots * np.int64(own_lot / lot)
    refuse_if(
        max(prices.max(initial=0), lots.max(initial=0)) >= MOST_LOTS,
        f"prices and sizes below 2**30 in ticks of {float(tick):g} and lots of {float(lot):g}, as other days need",
        f"{'/'.join(instrument.key)}, which has larger ones",
        "import it into a lake of its own",
        TapeError,
    )
    size = f"{Decimal(lot.numerator) / lot.denominator:f}"
    finer = replace(
        instrument,
        tick=float(tick),
        lot=max(int(lot), 1),
        extra=instrument.extra | {"lot_size": size},
    )
    return finer, replace(
        events, price_ticks=prices.astype(np.int32), qty_lots=lots.astype(np.int32)
    )


def units_of(instrument: Instrument) -> tuple[Fraction, Fraction]:
    """Tick in price units and lot in shares, contracts or coins."""
    return Fraction(str(instrument.tick)), instrument.lot_units


def common_units(instruments: Iterable[Instrument]) -> tuple[Fraction, Fraction]:
    """Largest tick and lot of which those of all instruments are multiples."""
    ticks, lots = zip(*map(units_of, instruments), strict=True)
    return _common(ticks), _common(lots)


def _common(values: Sequence[Fraction]) -> Fraction:
    """Largest number of which all values are multiples.

    >>> _common([Fraction("0.5"), Fraction("0.2")])
    Fraction(1, 10)
    """
    parts = lcm(*(value.denominator for value in values))
    return Fraction(gcd(*(int(value * parts) for value in values)), parts)
