"""Bars of a lake whose tapes are not a market's: without trades, with a locked book, of a holiday."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.market.tape.tapes import DAY
from tests.signals.command.material import configured, done

from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.market.tape import Lake, schema
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import midnight_ns
from tercel.signals.runs.build import load
from tercel.signals.sources.microstructure import MicrostructureBars
from tercel.signals.sources.port import SourceAbsentError

BARS = 390
LAST = 1_600
"""Ticks of the bid; the ask stands `spread` above it."""


def tape(day: str, spread: int = 2, trades: bool = True, gone: float = 0.0, crazy: bool = False) -> Events:
    """A bid and an ask anew each half minute, deeper with time; `gone`: the share of the day's end without an ask."""
    count = 2 * BARS
    rows: list[tuple[int, int, int, int, int, int]] = []
    opens = midnight_ns(day, DAY.timezone) + 34_200 * NS_PER_SECOND
    old: list[tuple[int, int, int, int]] = []
    for n in range(count):
        ns = opens + n * 30 * NS_PER_SECOND + NS_PER_SECOND
        bid, lots = LAST + n % 5, 100 + 7 * (n % 13)
        ask = bid + (90_000 if crazy and n == count - 1 else spread)
        new = [(2 * n + 1, BUY, bid, lots)] + [(2 * n + 2, SELL, ask, lots)] * (n < (1 - gone) * count)
        rows += [(ns, schema.DELETE, *one) for one in old] + [(ns, schema.ADD, *one) for one in new]
        rows += [(ns, schema.TRADE_HIDDEN, 0, BUY, bid, 1 + n % 3)] * trades
        old = new
    found = Events.empty(len(rows))
    ns, kind, order, side, price, shown = np.array(rows, np.int64).T
    found.exch_ns[:] = found.recv_ns[:] = ns
    found.kind[:], found.order_id[:], found.side[:] = kind, order, side
    found.price_ticks[:], found.qty_lots[:] = price, shown
    found.seq[:], found.flags[:] = np.arange(1, len(rows) + 1), schema.MESSAGE_END
    return found


def lake(folder: Path, symbol: str, *days: str, **kind: Any) -> Path:
    for day in days:
        Lake(folder).write(replace(DAY, symbol=symbol, date=day), tape(day, **kind))
    return folder


def bars(folder: Path, *days: str) -> MicrostructureBars:
    return MicrostructureBars(folder, [("S000", day) for day in days], every_s=60.0, levels=1)


def test_a_tape_without_trades_says_nothing_of_trades(tmp_path: Path) -> None:
    source = bars(lake(tmp_path, "S000", "2020-03-02", trades=False), "2020-03-02")
    assert source.facts().height >= BARS - 1
    (note,) = source.notes
    assert note.startswith("left out, as they never change:")
    assert {"signed_volume", "volume", "trades"} <= set(note.partition(": ")[2].split(", "))
    assert not {"volume", "trades"} & set(source.columns)


def test_a_locked_book_is_a_market_and_a_crossed_one_none(tmp_path: Path) -> None:
    source = bars(lake(tmp_path / "a", "S000", "2020-03-02", spread=0), "2020-03-02")
    assert source.facts().height >= BARS - 1
    assert "spread" in source.notes[-1].partition("never change: ")[2]
    crossed = bars(lake(tmp_path / "b", "S000", "2020-03-02", spread=-1), "2020-03-02")
    with pytest.raises(SourceAbsentError, match="of S000 2020-03-02 end without a market: the day is left out"):
        crossed.facts()


def test_a_holidays_file_is_left_out_and_a_wild_quote_alone(tmp_path: Path) -> None:
    lake(tmp_path, "S000", "2020-03-02", crazy=True)
    lake(tmp_path, "S000", "2020-03-03", gone=0.7)
    source = bars(tmp_path, "2020-03-02", "2020-03-03")
    facts = source.facts()
    assert facts["event_time"].dt.date().unique().to_list() == [date(2020, 3, 2)]
    assert facts["move"].abs().max() <= 5  # type: ignore[operator]
    assert facts["mid"].max() < LAST + 10  # type: ignore[operator]
    assert "bars of S000 2020-03-02 end without a market: left out" in source.notes[0]
    assert "S000 2020-03-03 end without a market: the day is left out; is it a trading day?" in source.notes[1]


def test_such_tapes_end_to_end(tmp_path: Path) -> None:
    """Beside the synthetic market, whose days are of 2020: what is left out is said, and the panel is built."""
    days = ["2020-03-02", "2020-03-03", "2020-03-04"]
    for name in ("S000", "S001", "S002"):
        lake(tmp_path / "lake", name, *days[:2], trades=False)
        lake(tmp_path / "lake", name, days[2], gone=0.9)
    pairs = [[name, day] for name in ("S000", "S001", "S002") for day in days]
    part = f'[[source]]\nkind = "bars"\npath = "lake"\ndays = {pairs}\nevery_s = 600.0\nlevels = 1\n'
    built = done("build", configured(tmp_path, part), "--out", tmp_path / "o")
    said = " ".join(built["warnings"])
    assert "S000 2020-03-04 end without a market: the day is left out" in said
    assert "left out, as they never change" in said
    assert not {"bars.volume", "bars.trades"} & set(load(tmp_path / "o")[0].names)
