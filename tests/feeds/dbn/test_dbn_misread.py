"""Databento files that would be read as something else without a word."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("databento_dbn", reason="the extra [dbn] is not installed")

from tests.feeds.dbn.dbn_twin import MIDNIGHT, TICK, Record, write
from tests.feeds.dbn.test_dbn import event, read, rows
from tests.feeds.dbn.test_dbn_levels import csv_file, made

from certify.kits.feed import read_all
from tercel.core.errors import FeedError
from tercel.feeds import DbnFeed, FeedOptions, Imported
from tercel.feeds.us_stocks import session_ns
from tercel.feeds.verify import verify_alone
from tercel.market.tape import schema
from tercel.market.tape.crossed import describe_crossed

HEAD = "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,order_id,flags,sequence,symbol"
HOUR = 3600 * 10**9


def orders(path: Path, *lines: str) -> list[Imported]:
    """Days of a file of orders: action, side, price, size, order id, flags, sequence, instrument, symbol and ns of each."""
    cells = []
    for line in lines:
        *facts, instrument, symbol, ns = line.split()
        at = MIDNIGHT + int(ns)
        cells.append(f"{at},{at},160,1,{instrument},{','.join(facts)},{symbol}")
    path.write_text("\n".join([HEAD, *cells]) + "\n")
    return read_all(DbnFeed(), [path], FeedOptions())


def test_an_id_is_named_by_its_symbol_of_the_day(tmp_path: Path) -> None:
    day_ns = 24 * HOUR
    days = orders(
        tmp_path / "a.csv",
        "A B 25.00 3 1 128 1 7 FROG 0",
        "A B 99.00 4 2 128 2 8 AAPL 5",
        f"A B 98.50 5 3 128 3 7 AAPL {day_ns}",
        f"A B 25.25 6 4 128 4 8 FROG {day_ns + 5}",
    )
    found = [(d.instrument.symbol, d.instrument.date[-2:], int(d.events.qty_lots[0])) for d in days]
    assert found == [("AAPL", "05", 4), ("AAPL", "06", 5), ("FROG", "05", 3), ("FROG", "06", 6)]
    with pytest.raises(FeedError, match=r"one symbol.*AAPL and FROG in row 3 of"):
        orders(tmp_path / "b.csv", "A B 25.00 3 1 128 1 7 FROG 0", "A B 25.00 3 2 128 2 7 AAPL 5")


def test_small_letters_and_prices_without_a_point(tmp_path: Path) -> None:
    (day,) = orders(tmp_path / "a.csv", "a b 99 3 1 128 1 7 FROG 0", "A a 101 4 2 128 2 7 FROG 5")
    assert (day.events.side.tolist(), day.instrument.tick) == ([1, -1], 1.0)
    assert day.events.price_ticks.tolist() == [99, 101]


def test_what_a_trade_has_beyond_its_fills_is_hidden(tmp_path: Path) -> None:
    records = event(Record("A", "A", 100 * TICK, 4, 1))
    records += event(
        Record("T", "B", 100 * TICK, 7, 0),
        Record("F", "A", 100 * TICK, 4, 1),
        Record("C", "A", 100 * TICK, 4, 1),
        ts=MIDNIGHT + 2 * 10**9,
    )
    day = read([write(tmp_path / "a.dbn", records)], tick=0.25)
    assert rows(day)[1:] == [("trade_hidden", 0, 100, 3), ("execute", 1, 100, 4)]
    assert day.instrument.extra["trades_over_fills"] == 1
    assert day.warnings == ("1 trades of more lots than their fills; the rest is hidden (a.dbn)",)


def globex(path: Path, *, reopens: bool) -> Imported:
    """A tape of Globex with a trade implied by another instrument before the break (22:00 to 23:00 UTC), and a crossed
    pre-open in it."""
    records = event(Record("A", "A", 100 * TICK, 4, 1), ts=MIDNIGHT + 20 * HOUR)
    for second, key in ((0, 1), (1, 8)):
        records += event(
            Record("T", "B" if key == 1 else "N", 100 * TICK, 1, 0),
            Record("F", "A" if key == 1 else "N", 100 * TICK, 1, 1),
            Record("C", "A", 100 * TICK, 1, 1),
            ts=MIDNIGHT + 21 * HOUR + second,
        )
    records += event(Record("A", "B", 102 * TICK, 2, 2), ts=MIDNIGHT + 22 * HOUR + 1)
    if reopens:
        records += event(
            Record("T", "N", 100 * TICK, 2, 0),
            Record("F", "N", 100 * TICK, 2, 1),
            Record("F", "N", 100 * TICK, 2, 2),
            Record("C", "A", 100 * TICK, 2, 1),
            Record("C", "B", 102 * TICK, 2, 2),
            ts=MIDNIGHT + 23 * HOUR,
        )
        records += event(Record("A", "B", 99 * TICK, 2, 3), ts=MIDNIGHT + 23 * HOUR + 1)
    return read([write(path, records)], tick=0.25)


@pytest.mark.parametrize("reopens", [False, True])
def test_a_pre_open_may_cross_and_an_implied_trade_is_hidden(tmp_path: Path, reopens: bool) -> None:
    day = globex(tmp_path / "a.dbn", reopens=reopens)
    names = [row[0] for row in rows(day)]
    assert names[1:5] == ["execute", "trade_hidden", "reduce", "status"]
    assert names[6:] == (["cross", "delete", "delete", "status", "add"] if reopens else [])
    closes = 23 * HOUR + 1 if reopens else 21 * HOUR + 1
    assert day.instrument.session_close_ns == MIDNIGHT + closes
    counts = verify_alone(day.events)
    assert (counts["crossed"], counts["crossed_not_trading"]) == (0, 1)
    assert describe_crossed(day.instrument, day.events) == ""


def test_half_days_of_stocks_are_those_of_the_calendar() -> None:
    calendars = pytest.importorskip(
        "exchange_calendars", reason="the extra [calendars] is not installed"
    )
    calendar = calendars.get_calendar("XNYS", start="2004-01-01", end="2025-12-31")
    early = set(calendar.early_closes)
    wrong = [
        day for day in calendar.sessions
        if session_ns(f"{day:%Y-%m-%d}")[1] != (13 if day in early else 16) * HOUR
    ]  # fmt: skip
    assert wrong == []


def test_records_of_one_time_out_of_sequence_are_told(tmp_path: Path) -> None:
    (day,) = orders(tmp_path / "a.csv", "A B 9.25 3 1 128 6 7 X 0", "A B 9.50 3 2 128 5 7 X 0")
    assert [text for text in day.warnings if "sequence number" in text and "(a.csv)" in text]


def test_what_is_no_data_is_passed_over_and_a_file_counts_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tercel.progress")
    path = csv_file(tmp_path / "z.mbp-1.csv", "mbp-1", made(6, 20), True)
    for name in ("condition.json", "metadata.json"):
        (tmp_path / name).write_text("{}")
    assert read([tmp_path]).events == read([path]).events
    assert "passed over condition.json, metadata.json" in caplog.text
    with pytest.raises(FeedError, match=r"each file once.*z\.mbp-1\.csv again"):
        read([path, tmp_path / "z.mbp-1.csv"])


def test_what_goes_back_in_a_second_file_is_told_with_that_file(tmp_path: Path) -> None:
    lines = csv_file(tmp_path / "a.csv", "mbp-1", made(6, 40), True).read_text().splitlines()
    (tmp_path / "a.csv").write_text("\n".join(lines[:21]) + "\n")
    (tmp_path / "b.csv").write_text("\n".join([lines[0], lines[30], *lines[21:30]]) + "\n")
    warnings = read([tmp_path / "a.csv", tmp_path / "b.csv"]).warnings
    assert any("the first is record 2 of" in text and "b.csv" in text for text in warnings)


def test_crude_oil_has_all_its_lots_and_no_crossed_state(shared_data: Path) -> None:
    day = read([shared_data / "databento-mbo-clx5-20250924"])
    e = day.events
    traded = np.isin(e.kind, (schema.EXECUTE, schema.TRADE_HIDDEN))
    assert int(e.qty_lots[traded].sum()) == 3_374 + 239
    assert int(e.qty_lots[traded & (e.side != 0)].sum()) == 3_374
    assert "auction_prints" not in verify_alone(e)
