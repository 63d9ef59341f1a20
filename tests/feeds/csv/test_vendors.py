"""Files of Tardis, Binance's public archive and Chinese futures, by their documentation and the real sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest

from certify.kits.feed import read_all
from tercel.core.errors import FeedError
from tercel.feeds import BinanceFeed, CsvFeed, FeedOptions, Imported
from tercel.feeds.csv_map import load_map
from tercel.feeds.verify import verify_alone
from tercel.market.tape import Lake, schema
from tercel.market.tape.recorded_rules import recorded_hours

T0 = 1_735_689_600_000_000
"""2025-01-01, microseconds."""
L2 = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
NAME = "binance-futures_{}_2025-01-01_BTCUSDT.csv"


def read(paths: list[Path], feed: str = "tardis", **options: Any) -> Imported:
    (day,) = read_all(
        BinanceFeed() if feed == "binance" else CsvFeed(feed), paths, FeedOptions(**options)
    )
    return day


def write(folder: Path, kind: str, text: str) -> Path:
    path = folder / NAME.format(kind)
    path.write_text(text)
    return path


def books(day: Imported) -> Iterator[dict[tuple[int, int], int]]:
    """The book after each message of a tape, by a dictionary of side and price."""
    book: dict[tuple[int, int], int] = {}
    e = day.events
    for kind, side, price, lots, flags in zip(
        e.kind, e.side, e.price_ticks, e.qty_lots, e.flags, strict=True
    ):
        key = int(side), int(price)
        if kind == schema.CLEAR:
            book.clear()
        elif kind in (schema.LEVEL_SET, schema.ROLL_IN, schema.ROLL_OUT):
            book.pop(key, None)
            if lots and kind != schema.ROLL_OUT:
                book[key] = int(lots)
        if flags & schema.MESSAGE_END:
            yield dict(book)


def l2_rows(seed: int, n: int) -> list[list[str]]:
    """Random updates of both sides, with a snapshot at the start and one in the middle, whose times go back."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        snapshot = i < 4 or n // 2 <= i < n // 2 + 4
        side = int(rng.integers(2))
        step = 1 + i % 4 if snapshot else int(rng.integers(1, 9))
        price = 50_000 + (1 if side else -1) * 0.5 * step
        amount = 0.001 * int(rng.integers(1 if snapshot else 0, 6))
        local = T0 + 1000 * (i - i % 4 if snapshot else i)
        sent = local - (3000 if snapshot else int(rng.integers(10, 5000)))
        rows.append(["binance-futures", "BTCUSDT", str(sent), str(local), str(snapshot).lower(), ("bid", "ask")[side],
                     f"{price:.1f}", f"{amount:.3f}".rstrip("0").rstrip(".") or "0"])  # fmt: skip
    return rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_state_of_a_tardis_book_is_that_of_its_updates(tmp_path: Path, seed: int) -> None:
    """A snapshot that did not clear, or rows put in order of the exchange's time, would differ."""
    rows = l2_rows(seed, 80)
    day = read([write(tmp_path, "incremental_book_L2", L2 + "\n".join(map(",".join, rows)) + "\n")])
    assert (day.instrument.venue, day.instrument.tick) == ("BINANCE-FUTURES", 0.5)
    assert day.instrument.extra["lot_size"] == "0.001"
    book: dict[tuple[int, int], int] = {}
    expected = []
    for i, row in enumerate(rows):
        snapshot = row[4] == "true"
        if snapshot and (i == 0 or rows[i - 1][4] == "false"):
            book.clear()
        key = 1 if row[5] == "bid" else -1, round(float(row[6]) * 2)
        book.pop(key, None)
        if float(row[7]):
            book[key] = round(float(row[7]) * 1000)
        if not snapshot or i + 1 == len(rows) or rows[i + 1][4] == "false":
            expected.append(dict(book))
    assert list(books(day)) == expected
    assert (np.diff(day.events.exch_ns) >= 0).all()


def test_tardis_days_by_receipt_and_trades_before_the_book(tmp_path: Path) -> None:
    """A snapshot sent before midnight is of the day on which it was received."""
    rows = [
        f"binance-futures,BTCUSDT,{T0 - 900},{T0 + 5},true,bid,100.5,1",
        f"binance-futures,BTCUSDT,{T0 - 900},{T0 + 5},true,ask,101,2",
        f"binance-futures,BTCUSDT,{T0 + 50},{T0 + 60},false,ask,101,1.5",
    ]
    book = write(tmp_path, "incremental_book_L2", L2 + "\n".join(rows) + "\n")
    trades = write(
        tmp_path,
        "trades",
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        f"binance-futures,BTCUSDT,{T0 + 50},{T0 + 55},7,buy,101,0.5\n",
    )
    day = read([book, trades])
    kinds = [schema.KIND_NAMES[kind] for kind in day.events.kind]
    assert kinds.index(schema.KIND_NAMES[schema.TRADE]) == len(kinds) - 2
    assert day.events.exch_ns[0] == T0 * 1000
    assert verify_alone(day.events)["prints_outside_quotes"] == 0


def test_tardis_snapshots_and_quotes(tmp_path: Path) -> None:
    names = [
        f"{side}[{n}].{what}"
        for n in range(25)
        for side in ("asks", "bids")
        for what in ("price", "amount")
    ]
    cells = [str(v) for n in range(25) for v in (101 + n, 1 + n, 100 - n, 2 + n)]
    cells[-4:] = ["", "", "", ""]  # fewer levels than columns
    text = ",".join(["exchange,symbol,timestamp,local_timestamp", *names]) + "\n"
    text += ",".join(["binance-futures,BTCUSDT", str(T0), str(T0 + 1), *cells]) + "\n"
    cells[1] = "9"
    text += ",".join(["binance-futures,BTCUSDT", str(T0 + 9), str(T0 + 10), *cells]) + "\n"
    first, last = books(read([write(tmp_path, "book_snapshot_25", text)]))
    assert (len(first), first[1, 100], first[-1, 101], last[-1, 101]) == (48, 2, 1, 9)
    quotes = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
    quotes += f"binance-futures,BTCUSDT,{T0},{T0 + 1},1,101,100,2\n"
    path = write(tmp_path, "quotes", quotes)
    assert list(books(read([path]))) == [{(1, 100): 2, (-1, 101): 1}]
    with pytest.raises(
        FeedError, match=r"one file of quote or level or order rows.*import one of them"
    ):
        read([path, write(tmp_path, "book_snapshot_25", text)])


def spoil(rows: list[list[str]], what: str) -> str:
    """A Tardis file with one thing wrong."""
    if what == "other symbol":
        rows[9][1] = "ETHUSDT"
    elif what == "wrong day":
        for row in rows:
            row[2:4] = [str(int(cell) + 86_400_000_000) for cell in row[2:4]]
    elif what == "milliseconds":
        for row in rows:
            row[2:4] = [cell[:-3] for cell in row[2:4]]
    elif what == "bad cell":
        rows[9][6] = "x"
    text = L2 + "\n".join(map(",".join, rows)) + "\n"
    return text[:-20] if what == "cut line" else text


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("wrong day", "rows of BTCUSDT on 2025-01-01.*rows of another day"),
        ("milliseconds", 'times in us.*row 2 .*`unit = "ms"`'),
        ("bad cell", "'x' in column price, row 11"),
        ("cut line", "8 fields in each row.*in row 41 .*take that line away"),
    ],
)
def test_what_is_wrong_in_a_tardis_file_is_refused(tmp_path: Path, what: str, says: str) -> None:
    path = write(tmp_path, "incremental_book_L2", spoil(l2_rows(4, 40), what))
    with pytest.raises(FeedError, match=says):
        read([path])


def test_what_is_odd_in_a_tardis_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = read([write(tmp_path, "incremental_book_L2", spoil(l2_rows(4, 40), "other symbol"))])
    assert any("1 rows of other symbols" in text for text in day.warnings)
    told: list[str] = []
    monkeypatch.setattr("tercel.feeds.csv_read.say", told.append)
    folder = tmp_path / "uncut"
    folder.mkdir()
    read([write(folder, "incremental_book_L2", spoil(l2_rows(4, 40), "")[:-1])])
    assert "the last line of" in told[0]
    path = write(folder, "incremental_book_L2", spoil(l2_rows(4, 40), ""))
    with pytest.raises(FeedError, match="one file of each kind"):
        read([path, write(tmp_path, "incremental_book_L2", path.read_text())])


# -- Binance's public archive -----------------------------------------------------------------------------------------


def archive(folder: Path, name: str, lines: list[str]) -> Path:
    path = folder / f"{name}.zip"
    folder.mkdir(exist_ok=True)
    with ZipFile(path, "w") as packed:
        packed.writestr(f"{name}.csv", "\n".join(lines) + "\n")
    return path


def aggregated(first: int, unit: int, spot: bool) -> list[str]:
    return [
        f"{first + i},{42_000 + i / 100:.2f},0.{i + 1:05},{i},{i},{T0 * unit // 1000 + i},{('true', 'false')[i % 2]}"
        + ",true" * spot
        for i in range(4)
    ]


HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


@pytest.mark.parametrize(("unit", "spot"), [(1000, True), (1, True), (1, False)])
def test_aggregated_trades_with_and_without_a_header(tmp_path: Path, unit: int, spot: bool) -> None:
    """Microseconds since 2025, milliseconds before; futures have a header, which must not count as a trade."""
    lines = ([] if spot else [HEADER]) + aggregated(7, unit, spot)
    day = read(
        [archive(tmp_path, "BTCUSDT-aggTrades-2025-01-01", lines)],
        "binance-spot" if spot else "binance-futures",
    )
    assert day.instrument.venue == ("BINANCE" if spot else "BINANCE-USDM")
    assert day.events.exch_ns.tolist() == [T0 * 1000 + i * 1_000_000 // unit for i in range(4)]
    assert (day.instrument.tick, day.instrument.extra["lot_size"]) == (0.01, "0.00001")
    assert day.events.side.tolist() == [1, -1, 1, -1]
    assert day.events.qty_lots.tolist() == [1, 2, 3, 4]


def test_missing_trades_and_trades_of_two_kinds(tmp_path: Path) -> None:
    lines = aggregated(7, 1000, True)
    path = archive(tmp_path, "BTCUSDT-aggTrades-2025-01-01", lines[:2] + lines[3:])
    assert any(
        "agg_trade_id leaves out numbers 1 times" in text and "row 3" in text
        for text in read([path], "binance-spot").warnings
    )
    single = [f"{i},42000.5,0.1,4200.05,{T0 + i},true,true" for i in range(3)]
    trades = archive(tmp_path, "BTCUSDT-trades-2025-01-01", single)
    assert read([trades], "binance-spot").events.n == 3
    with pytest.raises(FeedError, match="one file of trade rows"):
        read([path, trades], "binance-spot")
    with pytest.raises(FeedError, match="7 columns"):
        read([path], "binance-futures")


def test_best_quotes_of_futures(tmp_path: Path) -> None:
    lines = [
        "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
    ]
    lines += [
        f"{5 - i},42000.{i},1.5,42000.{i + 1},2.5,{T0 // 1000 + i},{T0 // 1000 + i + 1}"
        for i in range(3)
    ]
    day = read([archive(tmp_path, "BTCUSDT-bookTicker-2025-01-01", lines)], "binance-futures")
    assert (day.instrument.venue, day.instrument.levels) == ("BINANCE-USDM", 1)
    assert list(books(day))[-1] == {(1, 420_002): 3, (-1, 420_003): 5}
    assert any("update_id goes back 2 times" in text and "row 3" in text for text in day.warnings)


def test_the_recorded_hour_of_depth_diffs(shared_data: Path) -> None:
    day = read([shared_data / "binance-depth-ethbtc-20201101"], "binance")
    extra = day.instrument.extra
    assert (extra["gaps"], extra["trades"], day.instrument.tick) == (0, 1_736, 1e-6)
    assert verify_alone(day.events)["crossed"] == 0


# -- Chinese futures --------------------------------------------------------------------------------------------------


def snapshots(days: list[str]) -> pl.DataFrame:
    """Snapshots of a trading day: in the evening of the first date, in the morning of the second."""
    times = [
        f"{days[0]}T20:59:00.5",
        f"{days[0]}T21:00:00.5",
        f"{days[1]}T09:00:00.5",
        f"{days[1]}T14:59:59",
    ]
    columns: dict[str, object] = {
        "timestamp": times,
        "instrumentID": ["rb2510"] * 4,
        "last": [2975.0, 2975, 2974, 2974],
    }
    for n in range(1, 6):
        columns |= {f"bid{n}": [2975.0 - n] * 4, f"ask{n}": [2974.0 + n] * 4}
        columns |= {f"bidSize{n}": [10.0 * n] * 4, f"askSize{n}": [20.0 * n + i for i in range(4)]}
    columns["volume_chg"] = [7.0, 0.0, 5.0, 3.0]
    return pl.DataFrame(columns).with_columns(pl.col("timestamp").str.to_datetime(time_unit="ns"))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_evening_before_a_weekend_is_of_monday(tmp_path: Path, form: str) -> None:
    frame = snapshots(["2025-06-06", "2025-06-09"])
    path = tmp_path / f"rb_20250609.{form}"
    frame.write_parquet(path) if form == "parquet" else frame.write_csv(path)
    day = read([path], "shfe")
    i = day.instrument
    assert (i.symbol, i.date, i.tick, i.levels) == ("rb2510", "2025-06-09", 1.0, 5)
    assert np.datetime64(i.session_open_ns, "ns") == np.datetime64("2025-06-06T12:55")
    assert np.datetime64(i.clock_ns("21:30"), "ns") == np.datetime64("2025-06-06T13:30")
    assert np.datetime64(i.clock_ns("10:00"), "ns") == np.datetime64("2025-06-09T02:00")
    trades = np.isin(day.events.kind, (schema.TRADE, schema.TRADE_HIDDEN))
    assert day.events.qty_lots[trades].tolist() == [7, 5, 3]
    assert Lake(tmp_path / "lake").write(i, day.events) == "written"
    with pytest.raises(FeedError, match=r"trading day 2025-06-06.*in row \d of.*after the day"):
        read([path], "shfe", date="2025-06-06")


def moved(frame: pl.DataFrame, hours: int) -> pl.DataFrame:
    """The same with its evening moved by some hours."""
    time = pl.col("timestamp")
    is_evening = time.dt.hour() > 19
    return frame.with_columns(
        pl.when(is_evening).then(time + pl.duration(hours=hours)).otherwise(time)
    )


def written(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(path)
    return path


def test_a_night_that_is_stamped_with_its_trading_day_is_of_the_evening_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rb_20250609.parquet"
    frame = snapshots(["2025-06-06", "2025-06-09"])
    plain = read([written(path, frame)], "shfe")
    stamped = read([written(path, moved(frame, 72))], "shfe")
    assert stamped.instrument.session_open_ns == plain.instrument.session_open_ns
    np.testing.assert_array_equal(stamped.events.to_frame(), plain.events.to_frame())
    assert "2 times of the evening stamped with the trading day" in stamped.warnings[0]


def test_a_trading_day_without_a_night_opens_with_its_first_row(tmp_path: Path) -> None:
    frame = snapshots(["2025-06-02", "2025-06-03"])[2:]
    day = read([written(tmp_path / "rb_20250603.parquet", frame)], "shfe")
    assert np.datetime64(day.instrument.session_open_ns, "ns") == day.events.exch_ns[:1].view(
        "M8[ns]"
    )
    assert len(recorded_hours(day.instrument).windows) == 3


def test_two_trading_days_in_one_file_are_refused_and_a_night_behind_its_day_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rb_20250606.parquet"
    one, two = snapshots(["2025-06-05", "2025-06-06"]), snapshots(["2025-06-04", "2025-06-05"])
    for parts in ([two, one], [one, two]):
        with pytest.raises(FeedError, match=r"2025-06-0[45]T.*in row \d of .*split"):
            read([written(path, pl.concat(parts))], "shfe")
    day = read([written(path, pl.concat([one[2:], one[:2]]))], "shfe")
    assert any("goes back by 1,081 minutes in row 3" in note for note in day.warnings)


def test_trades_in_a_break_and_time_without_rows_are_told(tmp_path: Path) -> None:
    frame = snapshots(["2025-06-05", "2025-06-06"])
    path = tmp_path / "x_20250606.parquet"
    late = moved(frame, 3)  # a night until after midnight
    gold = read([written(path, late.with_columns(instrumentID=pl.lit("au2508")))], "shfe")
    assert not any("break" in note for note in gold.warnings)
    unknown = late.with_columns(instrumentID=pl.lit("xx2508"))
    day = read([written(path, unknown)], "shfe")
    assert any("trades lie in the break 23:00:00.000 to 09:00" in note for note in day.warnings)
    assert any(note.startswith("no row from 09:00:00") for note in day.warnings)
    map = load_map("shfe")
    about = map.instrument.model_copy(update={"rules": "SHFE-0230"})
    named = CsvFeed(map.model_copy(update={"instrument": about}))
    (day,) = read_all(named, [path], FeedOptions())
    assert not any("break" in note for note in day.warnings)
    assert day.instrument.extra["rules"] == "SHFE-0230"


def test_rebar_has_its_known_truth(shared_data: Path) -> None:
    day = read([shared_data / "shfe-rb2510-202506" / "rb_20250606.parquet"], "shfe")
    found = verify_alone(day.events)
    assert (found["crossed"], found["locked"]) == (0, 0)
    trades = np.isin(day.events.kind, (schema.TRADE, schema.TRADE_HIDDEN))
    assert day.events.qty_lots[trades].sum() == 1_845_348


def test_asx_trades_are_a_market_by_their_quotes(shared_data: Path) -> None:
    """Each trade has two sides in the file, and counts once."""
    day = read([shared_data / "asx-drr-20240905" / "drr_20240905_trades.csv.gz"], "asx")
    found = verify_alone(day.events)
    assert found["prints"] + found["hidden_prints"] + found["auction_prints"] == 8_302 // 2
    assert found["crossed"] == 0


# -- files that would be read as something else -----------------------------------------------------------------------


def test_columns_in_another_order_are_read_by_their_names(tmp_path: Path) -> None:
    """By position, price and quantity would change places."""
    for feed, spot in (("binance-futures", False), ("binance-spot", True)):
        plain = archive(tmp_path, "BTCUSDT-aggTrades-2025-01-01", aggregated(7, 1000, spot))
        rows = [HEADER + ",is_best_match" * spot, *aggregated(7, 1000, spot)]
        cells = [line.split(",") for line in rows]
        moved = [",".join([c[0], c[2], c[1], *c[3:5], c[6], c[5], *c[7:]]) for c in cells]
        swapped = archive(tmp_path / feed, "BTCUSDT-aggTrades-2025-01-01", moved)
        assert read([swapped], feed).events == read([plain], feed).events


@pytest.mark.parametrize(("yes", "no"), [("TRUE", "FALSE"), ("1", "0")])
def test_a_month_of_trades_is_days_and_other_words_keep_the_sides(
    tmp_path: Path, yes: str, no: str
) -> None:
    day_us = 24 * 3600 * 1_000_000
    rows = [
        f"{i},42000.5,0.{i + 1},4200.05,{T0 + i + i // 2 * day_us},{(yes, no)[i % 2]},true"
        for i in range(4)
    ]
    days = read_all(
        CsvFeed("binance-spot"), [archive(tmp_path, "BTCUSDT-trades-2025-01", rows)], FeedOptions()
    )
    assert [(d.instrument.date, d.events.side.tolist()) for d in days] == [
        ("2025-01-01", [1, -1]),
        ("2025-01-02", [1, -1]),
    ]


def test_a_level_without_an_amount_is_refused_and_snapshots_stay_apart(tmp_path: Path) -> None:
    head = f"binance-futures,BTCUSDT,{T0}"
    update = f"{head},{T0 + 5},false,bid,99.5,\n"
    with pytest.raises(FeedError, match=r"a size .*as amount.*row 2 of"):
        read([write(tmp_path, "incremental_book_L2", L2 + update)])
    rows = "".join(
        f"{head},{T0 + receipt},true,{side},{price},1\n"
        for receipt, low in ((1, 98.5), (2, 97.5))
        for side, price in (("bid", low), ("ask", low + 1))
    )
    day = read([write(tmp_path, "incremental_book_L2", L2 + rows)])
    *_, last = books(day)
    assert len(last) == 2


def test_crossed_quotes_are_told(tmp_path: Path) -> None:
    rows = "".join(
        f"binance-futures,BTCUSDT,{T0 + i},{T0 + i},1,{100 + i},{bid},1\n"
        for i, bid in enumerate((99, 103, 100))
    )
    head = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
    day = read([write(tmp_path, "quotes", head + rows)])
    assert day.instrument.extra["crossed_states"] == 1
    assert "1 of 3 states are crossed" in day.warnings[0]
    assert "`negative_spread = true`" in day.warnings[0]
