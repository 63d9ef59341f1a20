"""Shanghai and Shenzhen order by order: against a small exchange in plain Python, the exchange's snapshots, and bad files."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from tests.feeds.china.matching_twin import (
    Exchange,
    Levels,
    clock,
    play,
    write,
    write_second_vendor,
    write_shanghai,
    write_shenzhen,
)
from typer.testing import CliRunner

from certify.kits.feed import FeedContract, read_all
from tercel.cli import app
from tercel.core.errors import FeedError, UnknownNameError
from tercel.feeds import Feed, FeedOptions, Imported
from tercel.feeds.shanghai import ShanghaiFeed
from tercel.feeds.shenzhen import ShenzhenFeed
from tercel.feeds.verify import verify_alone
from tercel.feeds.verify_snapshots import verify_snapshots
from tercel.market.tape import Events, schema

Writer = Callable[[Path, Exchange], list[Path]]
FORMATS: list[tuple[Feed, Writer]] = [
    (ShanghaiFeed(), write_shanghai),
    (ShanghaiFeed(), write_second_vendor),
    (ShenzhenFeed(), write_shenzhen),
]


class TestShanghaiKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return ShanghaiFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        return write_second_vendor(tmp_path / "files", play(1, 20))


class TestShenzhenKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return ShenzhenFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        return write_shenzhen(tmp_path / "files", play(1, 20))


def read(feed: Feed, paths: list[Path], **options: str) -> Imported:
    (only,) = read_all(feed, paths, FeedOptions(**options))
    return only


def states_of(events: Events) -> list[Levels]:
    """Levels after each message but those of status, from a dictionary of orders."""
    orders: dict[int, list[int]] = {}
    states = []
    for kind, key, side, price, lots, flags in zip(
        events.kind,
        events.order_id,
        events.side,
        events.price_ticks,
        events.qty_lots,
        events.flags,
        strict=True,
    ):
        if kind == schema.ADD:
            assert key not in orders
            orders[key] = [side, price, lots]
        elif kind in (schema.REDUCE, schema.DELETE, schema.EXECUTE):
            assert orders[key][:2] == [side, price]
            orders[key][2] -= lots
            if orders[key][2] == 0:
                del orders[key]
            assert kind != schema.DELETE or key not in orders
        if flags & schema.MESSAGE_END and kind != schema.STATUS:
            levels: Levels = ({}, {})
            for its_side, its_price, left in orders.values():
                half = levels[0 if its_side > 0 else 1]
                half[its_price] = half.get(its_price, 0) + left
            states.append(levels)
    return states


@pytest.mark.parametrize("form", range(3))
@pytest.mark.parametrize("seed", range(4))
def test_every_state_of_the_book_is_the_exchanges(tmp_path: Path, seed: int, form: int) -> None:
    exchange = play(seed)
    feed, writer = FORMATS[form]
    day = read(feed, writer(tmp_path, exchange))
    assert states_of(day.events) == exchange.states
    assert day.warnings == ()
    found = verify_alone(day.events)
    assert found["crossed"] == found["unknown_ids"] == found["lots_unaccounted"] == 0
    assert (
        found["executed_behind_best"]
        == found["executed_off_head"]
        == found["executed_not_trading"]
        == 0
    )
    assert found["auction_lots"] + found["lots_executed"] == exchange.volume


def test_what_shenzhen_cancels_at_once_never_rests_and_a_later_cancel_ends_a_rest(
    tmp_path: Path,
) -> None:
    """A market order that rests for a second, one whose rest goes at once, and one without a price to rest at."""
    exchange = Exchange(random.Random(1))
    begin = 34_200_000
    for side in (1, -1):
        exchange.submit(begin, -side, 1000, 300)
        exchange.draw = Mock(random=lambda: 0.9, randint=lambda *_: 1)  # it rests
        exchange.submit(begin + 10, side, 0, 700, "1")
        exchange.cancel_order(begin + 1010, exchange.orders[-1])
        exchange.submit(begin + 1020, -side, 1000, 300)
        exchange.draw = Mock(random=lambda: 0.1, randint=lambda *_: 1)
        exchange.submit(begin + 1030, side, 0, 700, "1")
        exchange.submit(begin + 1040, side, 0, 700, "U")
        begin += 2000
    day = read(ShenzhenFeed(), write_shenzhen(tmp_path, exchange))
    assert states_of(day.events) == exchange.states
    assert [note for note in day.warnings if not note.startswith("no row")] == []


def test_both_exchanges_and_vendors_tell_one_tape(tmp_path: Path) -> None:
    exchange = play(7)
    tapes = [
        read(feed, writer(tmp_path / str(n), exchange)).events
        for n, (feed, writer) in enumerate(FORMATS)
    ]
    assert tapes[0] == tapes[1] == tapes[2]


def test_trading_stands_still_outside_of_the_sessions(tmp_path: Path) -> None:
    day = read(*with_paths(tmp_path))
    is_status = day.events.kind == schema.STATUS
    midnight = day.instrument.session_open_ns - 34_200 * 10**9
    hours = (day.events.exch_ns[is_status][1:] - midnight) / 3600e9
    assert hours.tolist() == [9.5, 11.5, 13.0, 14.95]
    assert day.events.price_ticks[is_status].tolist() == [0, 1, 0, 1, 0]
    assert day.instrument.session_close_ns - midnight == 53_820 * 10**9


def test_a_part_of_a_day_begins_with_the_status_in_force(tmp_path: Path) -> None:
    feed, paths = with_paths(tmp_path)
    for path in paths:
        head, *rows = lines_of(path)
        path.write_text("".join([head, *(row for row in rows if row.split(",")[1] > "13:00")]))
    events = read(feed, paths).events
    is_status = events.kind == schema.STATUS
    assert events.price_ticks[is_status].tolist() == [1, 0]
    assert is_status[0]
    assert events.exch_ns[0] == events.exch_ns[1]


def with_paths(folder: Path, seed: int = 3) -> tuple[Feed, list[Path]]:
    return ShanghaiFeed(), write_second_vendor(folder, play(seed, 60))


# -- the exchange's own snapshots -------------------------------------------------------------------------------------


def write_snapshots(folder: Path, exchange: Exchange) -> Path:
    """Snapshots of ten levels after every 5th state of continuous trading, as the exchange writes them."""
    names = [
        f"{s}{w}{n}" for n in range(1, 11) for s in ("Bid", "Ask") for w in ("Price", "Volume")
    ]
    rows = []
    trades = 0
    told = [m for m in exchange.told if m.what in ("trade", "rest", "cancel")]
    for number, (message, state) in enumerate(zip(told, exchange.states, strict=True)):
        trades += message.what == "trade"
        phase = "TRADE" if 34_200_000 <= message.ms < 53_820_000 else "OCALL"
        if number % 5 == 0:
            sides = sorted(state[0].items(), reverse=True), sorted(state[1].items())
            cells = [
                value
                for n in range(10)
                for side in sides
                for value in ((side[n][0] / 100, side[n][1]) if n < len(side) else ("", ""))
            ]
            rows.append((clock(message.ms), "600001", phase, trades, *cells))
    return write(
        folder / "snapshot.csv",
        ",".join(["UpdateTime,SecurityID,InstruStatus,TradNumber", *names]),
        rows,
    )


def test_snapshots_of_the_exchange_are_states_of_the_tape(tmp_path: Path) -> None:
    exchange = play(5)
    day = read(ShanghaiFeed(), write_second_vendor(tmp_path, exchange))
    path = write_snapshots(tmp_path, exchange)
    found = verify_snapshots(day.instrument, day.events, path)
    assert found["explained"]
    assert found["rows"] == found["matched"] > 50

    events = Events.from_columns(
        {name: getattr(day.events, name).copy() for name in schema.COLUMN_NAMES}
    )
    late = np.flatnonzero(
        (events.kind == schema.ADD) & (events.exch_ns > day.instrument.session_open_ns)
    )
    events.qty_lots[late[5]] += 1  # one share too many
    assert not verify_snapshots(day.instrument, events, path)["explained"]
    with pytest.raises(FeedError, match="none in"):
        verify_snapshots(day.instrument, day.events, tmp_path / "trades.csv")


# -- what files should not be -----------------------------------------------------------------------------------------


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def edit(path: Path, row: int, old: str, new: str) -> None:
    lines = lines_of(path)
    assert old in lines[row - 1]
    lines[row - 1] = lines[row - 1].replace(old, new, 1)
    path.write_text("".join(lines))


def cell(path: Path, row: int, column: str, value: str) -> None:
    """Another value in a cell."""
    lines = lines_of(path)
    place = lines[0].strip().split(",").index(column)
    cells = lines[row - 1].rstrip("\n").split(",")
    cells[place] = value
    lines[row - 1] = ",".join(cells) + "\n"
    path.write_text("".join(lines))


def with_money(lines: list[str], scale: int) -> str:
    """A file of trades with the money of each, and prices in other units than those of money."""
    names = lines[0].strip().split(",")
    rows = [line.strip().split(",") for line in lines[1:]]
    price, lots = names.index("TradePrice"), names.index("TradeQty")
    for row in rows:
        row.append(repr(float(row[price]) * int(row[lots])))
        row[price] = repr(float(row[price]) * scale)
    return "\n".join(",".join(row) for row in [[*names, "TradeMoney"], *rows]) + "\n"


REFUSED = {
    "no file of trades": (
        lambda o, t: t.unlink(),
        r"orders alone, in row 2 of \S*orders.csv.*file of trades",
    ),
    "no file of orders": (
        lambda o, t: o.unlink(),
        r"trades alone, in row 2 of \S*trades.csv.*file of orders",
    ),
    "an id above 2**63": (
        lambda o, t: cell(o, 5, "OrderNO", str(2**63)),
        "one below 2[*][*]63 as OrderNO.*9223372036854775808.*row 5 of .*orders.csv",
    ),
    "a time in ms": (
        lambda o, t: cell(t, 4, "MDTime", "33300000"),
        "a time in China.*row 4 of .*trades.csv",
    ),
    "a time in UTC": (
        lambda o, t: cell(t, 4, "MDTime", "01:30:00.010"),
        "a time in China.*row 4 of",
    ),
    "an unfinished last line": (
        lambda o, t: o.write_text(o.read_text()[:-20]),
        r"column \w+, row \d+ of .*orders.csv",
    ),
    "a symbol that is cut": (
        lambda o, t: cell(o, 9, "SecurityID", "600001.S"),
        "six digits.*600001.S in row 9 of",
    ),
    "a line with more fields": (
        lambda o, t: edit(o, 6, "\n", ",7\n"),
        "fields.*row 6 of .*orders.csv",
    ),
    "another channel": (
        lambda o, t: cell(o, 7, "ChannelNo", "5"),
        "channel 4 for all rows.*channel 5 in row 7",
    ),
    "another code": (
        lambda o, t: cell(o, 8, "OrderType", "4"),
        "one of A, D, 2, 10 as OrderType.*'4'.*row 8 of",
    ),
    "two contents of one number": (
        lambda o, t: cell(o, 9, "ApplSeqNum", lines_of(o)[9].split(",")[8]),
        "one content for each number.*seq .*row",
    ),
    "a price of 0": (lambda o, t: cell(o, 2, "OrderPrice", "0"), "a price above 0.*row 2 of"),
    "a price far off": (
        lambda o, t: cell(o, 2, "OrderPrice", "999999.99"),
        "a price below 16,777,216 ticks of 0.01.*999999.99 in row 2 of",
    ),
    "a date that is none": (
        lambda o, t: cell(o, 9, "MDDate", "11.07.2023"),
        "a date as.*11.07.2023 in row 9 of",
    ),
    "no shares": (
        lambda o, t: cell(t, 9, "TradeQty", "0"),
        "from 1 to 1,073,741,823 as TradeQty.*row 9 of",
    ),
    "prices in thousandths": (
        lambda o, t: t.write_text(with_money(lines_of(t), 1000)),
        "prices in yuan.*TradeMoney.*row 2 of .*trades.csv.*divide them by",
    ),
    "a column less": (
        lambda o, t: edit(o, 1, "ApplSeqNum", "Number"),
        "BizIndex or ApplSeqNum.*none in .*orders.csv",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_with_its_row(tmp_path: Path, what: str) -> None:
    feed, (orders, trades) = with_paths(tmp_path)
    spoil, told = REFUSED[what]
    spoil(orders, trades)
    with pytest.raises(FeedError, match=told):
        read_all(feed, [path for path in (orders, trades) if path.exists()], FeedOptions())


def test_prices_that_agree_with_the_money_are_read_as_without_it(tmp_path: Path) -> None:
    feed, (orders, trades) = with_paths(tmp_path)
    plain = read(feed, [orders, trades])
    trades.write_text(with_money(lines_of(trades), 1))
    assert read(feed, [orders, trades]).events == plain.events


def first_trade(trades: Path, flag: str) -> int:
    """Row of the first trade with a flag."""
    return next(n for n, line in enumerate(lines_of(trades), 1) if line.split(",")[6] == flag)


def drop_rows(path: Path, start: int, stop: int) -> None:
    lines = lines_of(path)
    path.write_text("".join(lines[: start - 1] + lines[stop - 1 :]))


TOLD = {
    "a clock that goes back": (
        lambda o, t: cell(o, 30, "MDTime", "15:00:00.000"),
        "the clock goes back in 1 rows, the first in row",
    ),
    "orders are missing": (
        lambda o, t: drop_rows(o, 40, 60),
        "never added.*the first in row .*rows are missing",
    ),
    "trades are missing": (
        lambda o, t: drop_rows(t, first_trade(t, "1"), 80),
        "crossed or locked.*the first in row",
    ),
    "a trade of too many shares": (
        lambda o, t: cell(t, first_trade(t, "1"), "TradeQty", "99999"),
        "trades of more shares.*the first in row",
    ),
    "a trade off its order's price": (
        lambda o, t: cell(t, first_trade(t, "1"), "TradePrice", "17.77"),
        "at another price.*the first in row",
    ),
    "the last line has no end": (
        lambda o, t: t.write_text(t.read_text()[:-1]),
        "row .*trades.csv ends without a line end",
    ),
    "a part comes twice": (
        lambda o, t: o.write_text(o.read_text() + "".join(lines_of(o)[10:20])),
        "10 rows come again, the first in row",
    ),
}


@pytest.mark.parametrize("what", TOLD)
def test_what_is_missing_is_told_with_its_row(tmp_path: Path, what: str) -> None:
    feed, (orders, trades) = with_paths(tmp_path)
    spoil, told = TOLD[what]
    spoil(orders, trades)
    day = read(feed, [orders, trades])
    assert any(re.search(told, warning) for warning in day.warnings), day.warnings


def test_a_copy_of_a_file_is_told_and_counts_once(tmp_path: Path) -> None:
    feed, paths = with_paths(tmp_path)
    again = paths[0].with_name(f"again-{paths[0].name}")
    again.write_bytes(paths[0].read_bytes())
    once, twice = read(feed, paths), read(feed, [*paths, again])
    assert once.events == twice.events
    assert "rows come again" in twice.warnings[0]


def test_an_order_of_shenzhen_that_trades_more_than_its_shares_is_told(tmp_path: Path) -> None:
    exchange = play(3, 60)
    orders, trades = write_shenzhen(tmp_path, exchange)
    aggressor = max(next((m.buy, m.sell) for m in exchange.told if m.what == "trade" and m.side))
    row = next(
        n for n, line in enumerate(lines_of(orders), 1) if line.split(",")[1] == str(aggressor)
    )
    cell(orders, row, "OrderQty", "1")
    day = read(ShenzhenFeed(), [orders, trades])
    assert any(f"the first in row {row} of" in warning for warning in day.warnings)


def test_numbers_of_two_sequences_are_refused(tmp_path: Path) -> None:
    """Orders and trades that are numbered apart: the clock contradicts their order."""
    feed, (orders, trades) = with_paths(tmp_path)
    for path, column in ((orders, 8), (trades, 10)):
        head, *rows = [line.rstrip("\n").split(",") for line in lines_of(path)]
        for number, row in enumerate(sorted(rows, key=lambda row: int(row[column]))):
            row[column] = str(2 * number + (path == trades))
        path.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n")
    with pytest.raises(FeedError, match=r"one sequence of numbers.*seq .*row"):
        read_all(feed, [orders, trades], FeedOptions())


def test_symbols_of_one_file_are_days_of_their_own(tmp_path: Path) -> None:
    feed, paths = with_paths(tmp_path)
    alone = read(feed, paths)
    others = write_second_vendor(tmp_path / "b", play(4, 60), "600002")
    for path, other in zip(paths, others, strict=True):
        path.write_text(path.read_text() + "".join(lines_of(other)[1:]))
    days = read_all(feed, paths, FeedOptions())
    assert [day.instrument.symbol for day in days] == ["600001", "600002"]
    assert days[0].events == alone.events
    assert read(feed, paths, symbol="600002").events == days[1].events
    for path in paths:  # row by row, as a channel tells them
        head, *rows = lines_of(path)
        path.write_text("".join([head, *sorted(rows, key=lambda row: row.split(",")[1])]))
    assert [day.events for day in read_all(feed, paths, FeedOptions())] == [
        day.events for day in days
    ]


def test_a_channel_that_is_missing_is_told(tmp_path: Path) -> None:
    """The trades of one of two symbols are not there."""
    feed, paths = with_paths(tmp_path)
    other = write_second_vendor(tmp_path / "b", play(4, 60), "600002")[0]
    days = read_all(feed, [*paths, other], FeedOptions())
    assert any("600002 has no trade on 2023-07-11" in warning for warning in days[1].warnings)


def test_another_day_is_refused_or_told(tmp_path: Path) -> None:
    feed, paths = with_paths(tmp_path)
    with pytest.raises(UnknownNameError, match="give one of 600001 2023-07-11"):
        read(feed, paths, date="2023-07-12")
    undated = write_shanghai(tmp_path, play(3, 60))
    assert read(feed, undated).instrument.date == "2023-07-11"
    warned = read(feed, undated, date="2023-07-12")
    assert warned.instrument.date == "2023-07-12"
    assert "named 2023-07-11 and imported as 2023-07-12" in warned.warnings[0]
    nowhere = [path.rename(tmp_path / path.name) for path in undated]
    with pytest.raises(FeedError, match="give `date=YYYY-MM-DD`"):
        read(feed, nowhere)


def test_the_commands_import_verify_and_refuse(tmp_path: Path) -> None:
    exchange = play(5, 60)
    paths = write_shenzhen(tmp_path / "sz", exchange)
    lake = ["--lake", str(tmp_path / "lake")]
    run = CliRunner().invoke
    assert run(app, ["data", "import", "shenzhen", *map(str, paths), *lake]).exit_code == 0
    paths = write_second_vendor(tmp_path, exchange)
    assert run(app, ["data", "import", "shanghai", *map(str, paths), *lake]).exit_code == 0
    snapshots = write_snapshots(tmp_path, exchange)
    day = ["--symbol", "600001", "--date", "2023-07-11", "--against", str(snapshots)]
    verified = run(app, ["data", "verify", *lake, *day])
    assert verified.exit_code == 0, verified.output
    cell(paths[0], 5, "OrderNO", "x")
    refused = run(app, ["data", "import", "shanghai", *map(str, paths), *lake])
    assert refused.exit_code == 2
    assert "Traceback" not in refused.output


# -- recorded days ----------------------------------------------------------------------------------------------------

KNOWN = {
    "600519": (26_572, 563),
    "600536": (33_105, 448),
    "600761": (24_668, 92),
    "600961": (28_520, 417),
}
"""Continuous executions and auction trades."""


def test_recorded_days_of_shanghai_are_what_is_known_of_them(shared_data: Path) -> None:
    folder = shared_data / "shanghai-l3-2023"
    if not folder.exists():
        pytest.skip("no Shanghai files")
    first = folder / "600519_2023-02-01.zip"
    days = read_all(ShanghaiFeed(), [first], FeedOptions())
    days += read_all(ShanghaiFeed(), sorted(folder.glob("2023-07-11_*.zip")), FeedOptions())
    for day in days:
        found = verify_alone(day.events)
        assert day.warnings == ()
        assert (found["prints"], found["auction_prints"]) == KNOWN[day.instrument.symbol]
        assert found["unknown_ids"] == found["crossed"] == found["executed_behind_best"] == 0
        assert (
            found["executed_off_head"]
            == found["executed_not_trading"]
            == found["lots_unaccounted"]
            == 0
        )
    assert [day.instrument.symbol for day in days] == list(KNOWN)
    found = verify_snapshots(days[0].instrument, days[0].events, first)
    assert found["rows"] == found["matched"] == 4_751
