"""Days of one symbol whose tick and lot a feed infers: the lake holds them in common ones, whatever the order of imports."""

from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import TapeError
from tercel.market.tape import Events, Instrument, Lake, schema

DAYS = {
    "2025-01-06": (0.5, "0.01", [(2000, 520), (2001, 970)]),
    "2025-01-07": (0.1, "0.001", [(10_000, 3_103), (9_999, 3_203)]),
    "2025-01-08": (0.2, "0.004", [(5_000, 8), (5_001, 7)]),
}


def day(date: str, rule: str = "inferred") -> tuple[Instrument, Events]:
    tick, lot, prints = DAYS[date]
    ns = int(np.datetime64(date, "ns").astype(np.int64)) + 10**9
    rows = [(ns, ns, 1, schema.STATUS, 0, 0, 1, 0, schema.MESSAGE_END)]
    rows += [
        (ns + i, ns + i, i + 2, schema.TRADE, 0, 1, price, lots, schema.MESSAGE_END)
        for i, (price, lots) in enumerate(prints)
    ]
    events = Events.from_table(np.array(rows))
    extra = {"lot_size": lot}
    return Instrument(
        "X", "ABC", date, tick, timezone="UTC", rows=events.n, tick_rule=rule, extra=extra
    ), events


def traded(lake: Lake, date: str) -> list[tuple[Fraction, Fraction]]:
    """Price and size of each print, in money and coins."""
    instrument, events = lake.read("ABC", date)
    printed = events.kind == schema.TRADE
    return [
        (int(price) * Fraction(str(instrument.tick)), int(lots) * instrument.lot_units)
        for price, lots in zip(events.price_ticks[printed], events.qty_lots[printed], strict=True)
    ]


@pytest.mark.parametrize("order", list(permutations(DAYS)))
def test_days_share_the_finest_units_and_keep_their_prints(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    lake = Lake(tmp_path)
    for date in order:
        lake.write_in_common_units(*day(date))
    for date, (tick, lot, prints) in DAYS.items():
        instrument, events = lake.check("ABC", date)
        assert (instrument.tick, instrument.lot_units) == (0.1, Fraction(1, 1000))
        assert events.price_ticks[0] == 1  # a status is no price
        assert traded(lake, date) == [
            (price * Fraction(str(tick)), lots * Fraction(lot)) for price, lots in prints
        ]
        assert lake.write_in_common_units(*day(date)) == "unchanged"


def test_a_stated_tick_stays_and_sizes_too_large_are_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for date in list(DAYS)[:2]:
        lake.write_in_common_units(*day(date, "stated"))
    found = [lake.instrument("ABC", date) for date in list(DAYS)[:2]]
    assert [i.tick for i in found] == [0.5, 0.1]
    assert {i.lot_units for i in found} == {Fraction(1, 1000)}
    instrument, events = day("2025-01-08")
    events.qty_lots[1] = 2**29
    with pytest.raises(TapeError, match=r"lots of 0\.001, as other days need.*lake of its own"):
        lake.write_in_common_units(instrument, events)
    assert lake.days("ABC") == list(DAYS)[:2]
