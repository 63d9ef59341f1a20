# ruff: noqa: E402  (skips before what needs the library)
"""Databento's levels and trades: against a reader of dictionaries, the library's own records, and the real sets."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

databento_dbn = pytest.importorskip("databento_dbn", reason="the extra [dbn] is not installed")

from tests.feeds.dbn.dbn_twin import LAST, MIDNIGHT, TICK, Record, metadata, write

from certify.kits.feed import read_all
from tercel.core.errors import FeedError
from tercel.feeds import DbnFeed, FeedOptions, Imported
from tercel.feeds.verify import verify_alone
from tercel.feeds.verify_mbp10 import verify_mbp10
from tercel.market.tape import schema

SCHEMAS = {
    "mbp-10": (databento_dbn.Schema.MBP_10, 10),
    "mbp-1": (databento_dbn.Schema.MBP_1, 1),
    "tbbo": (databento_dbn.Schema.TBBO, 1),
    "trades": (databento_dbn.Schema.TRADES, 0),
}
UNDEFINED = 2**63 - 1
TRADES = {schema.KIND_NAMES[kind] for kind in (schema.TRADE, schema.TRADE_HIDDEN)}
Levels = list[list[tuple[int, int]]]
"""Bids and asks, the best first: ticks and lots."""


def read(paths: list[Path], **options: Any) -> Imported:
    (day,) = read_all(DbnFeed(), paths, FeedOptions(**options))
    return day


def made(seed: int, n: int = 120) -> list[tuple[str, str, int, int, int, Levels]]:
    """Random records: action, side, ticks, lots, flags, and the levels after them; trades change none."""
    rng = np.random.default_rng(seed)
    book: dict[tuple[int, int], int] = {}
    records = []
    for i in range(n):
        if i % 3 == 0 and all(any(s == side for s, _ in book) for side in (0, 1)):
            side = int(rng.integers(2))
            best = (
                min((p for s, p in book if s == 1), default=0)
                if side == 0
                else max(p for s, p in book if s == 0)
            )
            action, letter, price, lots = "T", "BAN"[rng.integers(3)], best, int(rng.integers(1, 9))
        else:
            side = int(rng.integers(2))
            price = 100 + int(rng.integers(1, 15)) * (1 if side else -1)
            lots = int(rng.integers(0, 9))
            action, letter = ("A", "BA"[side]) if lots else ("C", "BA"[side])
            book.pop((side, price), None)
            if lots:
                book[side, price] = lots
        levels = [
            sorted(((p, q) for (s, p), q in book.items() if s == h), reverse=h == 0)[:10]
            for h in (0, 1)
        ]
        records.append((action, letter, price, max(lots, 1), LAST, levels))
    return records  # fmt: skip


def record_of(i: int, schema_name: str, row: tuple[str, str, int, int, int, Levels]) -> Any:
    """The library's record of a row."""
    action, side, price, lots, flags, levels = row
    pairs = []
    for level in range(SCHEMAS[schema_name][1]):
        (bid, bid_lots), (ask, ask_lots) = (
            levels[h][level] if level < len(levels[h]) else (None, 0) for h in (0, 1)
        )
        prices = (UNDEFINED if p is None else p * TICK for p in (bid, ask))
        pairs.append(databento_dbn.BidAskPair(*prices, bid_lots, ask_lots, 1, 1))
    kinds = {0: databento_dbn.TradeMsg, 1: databento_dbn.MBP1Msg, 10: databento_dbn.MBP10Msg}
    facts = {
        "publisher_id": 1, "instrument_id": 7, "ts_event": MIDNIGHT + 10**9 * (i + 1), "price": price * TICK, "size": lots,
        "action": databento_dbn.Action(action), "side": databento_dbn.Side(side), "depth": 0, "flags": flags,
        "ts_recv": MIDNIGHT + 10**9 * (i + 1) + 100, "ts_in_delta": 0, "sequence": i + 1,
    }  # fmt: skip
    levels_of_kind = {} if not pairs else {"levels": pairs if len(pairs) > 1 else pairs[0]}
    return kinds[SCHEMAS[schema_name][1]](**facts, **levels_of_kind)


def dbn_file(
    path: Path, schema_name: str, rows: list[tuple[str, str, int, int, int, Levels]]
) -> Path:
    packed = b"".join(bytes(record_of(i, schema_name, row)) for i, row in enumerate(rows))
    path.write_bytes(metadata({"ESH4": 7}, SCHEMAS[schema_name][0]) + packed)
    return path


def csv_file(
    path: Path, schema_name: str, rows: list[tuple[str, str, int, int, int, Levels]], pretty: bool
) -> Path:
    """The same rows as Databento writes them in CSV, with decimal prices and ISO times or with whole numbers."""
    count = SCHEMAS[schema_name][1]
    names = ["ts_recv", "ts_event", "rtype", "publisher_id", "instrument_id", "action", "side", "depth", "price", "size",
             "flags", "ts_in_delta", "sequence"]  # fmt: skip
    for n in range(count):
        names += [f"{s}_{f}_{n:02}" for f in ("px", "sz", "ct") for s in ("bid", "ask")]
    lines = [",".join([*names, "symbol"])]
    for i, (action, side, price, lots, flags, levels) in enumerate(rows):
        ns = MIDNIGHT + 10**9 * (i + 1)
        times = [f"{np.datetime64(t, 'ns')}Z" if pretty else str(t) for t in (ns + 100, ns)]
        prices = [p for side in levels for p, _ in side] + [price]
        money = {p: f"{p * TICK / 10**9:.9f}" if pretty else str(p * TICK) for p in prices}
        cells = [*times, {10: "10", 1: "1", 0: "0"}[count], "1", "7", action, side, "0", money[price], str(lots), str(flags),
                 "0", str(i + 1)]  # fmt: skip
        for n in range(count):
            pair = [levels[h][n] if n < len(levels[h]) else (None, 0) for h in (0, 1)]
            nothing = "" if pretty else str(UNDEFINED)
            cells += [nothing if p is None else money[p] for p, _ in pair]
            cells += [str(q) for _, q in pair] + ["1", "1"]
        lines.append(",".join([*cells, "ESH4"]))
    path.write_text("\n".join(lines) + "\n")
    return path


def states(day: Imported) -> Iterator[tuple[str, int, int, Levels]]:
    """Of each row of a tape: kind, ticks, lots, and the levels after it, by a dictionary."""
    book: dict[tuple[int, int], int] = {}
    e = day.events
    for kind, side, price, lots in zip(e.kind, e.side, e.price_ticks, e.qty_lots, strict=True):
        if kind in (schema.LEVEL_SET, schema.ROLL_IN, schema.ROLL_OUT):
            book.pop((0 if side > 0 else 1, int(price)), None)
            if lots and kind != schema.ROLL_OUT:
                book[0 if side > 0 else 1, int(price)] = int(lots)
        levels = [
            sorted(((p, q) for (s, p), q in book.items() if s == h), reverse=h == 0) for h in (0, 1)
        ]
        yield schema.KIND_NAMES[kind], int(price), int(lots), levels


@pytest.mark.parametrize("name", ["mbp-10", "mbp-1"])
@pytest.mark.parametrize("seed", [1, 2])
def test_each_state_of_the_tape_is_that_of_a_record(tmp_path: Path, name: str, seed: int) -> None:
    """A level that rolls in or out wrongly, or a trade after its levels, would differ."""
    rows, count = made(seed), SCHEMAS[name][1]
    day = read([dbn_file(tmp_path / "a.dbn", name, rows)], tick=0.25)
    last: dict[int, Levels] = {}
    touch: Levels = [[], []]
    trades = []
    for ns, row in zip(day.events.exch_ns, states(day), strict=True):
        if row[0] in TRADES:
            trades.append((row[1], row[2], touch))
        touch = row[3]
        last[int(ns)] = row[3]
    shown: Levels = [[], []]
    for i, record in enumerate(rows):
        shown = last.get(MIDNIGHT + 10**9 * (i + 1), shown)
        assert shown == [side[:count] for side in record[5]], i
    expected = [(r[2], r[3], [side[:count] for side in r[5]]) for r in rows if r[0] == "T"]
    assert trades == expected


@pytest.mark.parametrize("name", list(SCHEMAS))
@pytest.mark.parametrize("pretty", [True, False])
def test_a_csv_file_gives_the_tape_of_the_dbn_file(tmp_path: Path, name: str, pretty: bool) -> None:
    rows = [row for row in made(3) if name in ("mbp-10", "mbp-1") or row[0] == "T"]
    day = read([dbn_file(tmp_path / "a.dbn", name, rows)])
    theirs = read([csv_file(tmp_path / "a.csv", name, rows, pretty)])
    assert day.events == theirs.events
    assert (day.instrument.tick, day.instrument.symbol) == (0.25, "ESH4")
    assert theirs.instrument.extra == day.instrument.extra
    assert day.instrument.levels == SCHEMAS[name][1]


def test_a_trade_of_tbbo_comes_after_the_levels_it_met(tmp_path: Path) -> None:
    rows = [
        ("T", "B", 101, 2, LAST, [[(99, 5)], [(101, 4)]]),
        ("T", "A", 98, 1, LAST, [[(98, 3)], [(102, 4)]]),
    ]
    found = [
        (kind, price)
        for kind, price, *_ in states(read([dbn_file(tmp_path / "a.dbn", "tbbo", rows)]))
    ]
    trade = schema.KIND_NAMES[schema.TRADE]
    assert (found[2], found[-1]) == ((trade, 101), (trade, 98))


def test_what_is_out_of_order_is_told_with_its_record(tmp_path: Path) -> None:
    rows = made(4, 40)
    path = csv_file(tmp_path / "a.csv", "mbp-10", rows, True)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:20], lines[30], *lines[20:30], *lines[31:]]) + "\n")
    warnings = read([path]).warnings
    assert any("10 records with a time before" in text and "record 21" in text for text in warnings)
    assert any("1 records whose sequence" in text and "record 21" in text for text in warnings)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.replace(",T,", ",T,x", 1), "in column side, row"),
        (lambda t: t[:-40], "fields in each row.*in row 41 .*take that away"),
        (lambda t: t.replace("2024-03-05T", "2024-03-05x", 1).replace(":00:01", ":00-01", 1), "column ts_"),
        (lambda t: t.replace(",ESH4\n", ",ESH4,\n", 1), "74 fields in each row; received 75 in row 2"),
        (lambda t: t.replace("ts_event", "when", 1), "no ts_event"),
        (lambda t: t.replace(",10,1,7,", ",160,1,7,", 1), "records of the schema mbp-10.*received 160 in row 2"),
    ],
)  # fmt: skip
def test_bad_rows_are_refused_with_their_row(
    tmp_path: Path, spoil: Callable[[str], str], says: str
) -> None:
    path = csv_file(tmp_path / "a.csv", "mbp-10", made(5, 40), True)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(FeedError, match=says):
        read([path])


def test_times_of_another_unit_are_refused(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", "mbp-1", made(5, 9), False)
    text = path.read_text()
    for i in range(9):  # microseconds
        for ns in (MIDNIGHT + 10**9 * (i + 1), MIDNIGHT + 10**9 * (i + 1) + 100):
            text = text.replace(str(ns), str(ns // 1000))
    path.write_text(text)
    with pytest.raises(FeedError, match=r"ts_event in ns since 1970.*row 2 of"):
        read([path])


def test_a_file_twice_two_schemas_and_two_days(tmp_path: Path) -> None:
    rows = made(6, 40)
    first = dbn_file(tmp_path / "a.dbn", "mbp-10", rows)
    again = dbn_file(tmp_path / "b.dbn", "mbp-10", rows)
    with pytest.raises(FeedError, match=r"b\.dbn, which begins before the end of .*a\.dbn"):
        read([first, again])
    other = dbn_file(tmp_path / "c.dbn", "trades", [row for row in rows if row[0] == "T"])
    with pytest.raises(FeedError, match="one schema under ESH4"):
        read([first, other])
    first.write_bytes(first.read_bytes()[:-9])
    with pytest.raises(FeedError, match="record 40 is cut"):
        read([first])


def test_two_symbols_of_one_file_are_two_days(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", "mbp-1", made(7, 30), True)
    lines = path.read_text().splitlines()
    second = [line.replace(",1,1,7,", ",1,1,8,").replace("ESH4", "NQH4") for line in lines[1:]]
    mixed = [line for pair in zip(lines[1:], second, strict=True) for line in pair]
    path.write_text("\n".join([lines[0], *mixed]) + "\n")
    days = read_all(DbnFeed(), [path], FeedOptions())
    assert [day.instrument.symbol for day in days] == ["ESH4", "NQH4"]
    assert days[0].events == days[1].events


# -- orders: the top of the book, and ids above 2**63 -----------------------------------------------------------------


def test_an_add_of_the_top_of_the_book_replaces_its_side(tmp_path: Path) -> None:
    """Read as plain adds, the second bid would rest beside the first, and the book would cross."""
    top = 64 | LAST
    at = [MIDNIGHT + 10**9 * (n + 1) for n in range(5)]
    records = [
        Record("A", "B", 100 * TICK, 5, 11, top, at[0]),
        Record("A", "A", 102 * TICK, 4, 12, top, at[1]),
        Record("A", "B", 99 * TICK, 6, 13, top, at[2]),
        Record("A", "A", 100 * TICK, 3, 14, top, at[3]),
        Record("A", "A", UNDEFINED, 0, 15, top, at[4]),
    ]
    day = read([write(tmp_path / "a.dbn", records)], tick=0.25)
    book: dict[int, tuple[int, int]] = {}
    seen = []
    e = day.events
    for kind, key, side, price, lots in zip(
        e.kind, e.order_id, e.side, e.price_ticks, e.qty_lots, strict=True
    ):
        if kind == schema.ADD:
            book[int(key)] = int(side) * int(price), int(lots)
        elif kind == schema.DELETE:
            del book[int(key)]
        seen.append(sorted(book.values()))
    assert seen[-1] == [(99, 6)]
    assert [(-100, 3), (99, 6)] in seen
    assert (day.instrument.extra["duplicate_ids"], day.warnings) == (0, ())
    assert verify_alone(day.events)["crossed"] == 0


def test_ids_above_2_to_63_stay_apart(tmp_path: Path) -> None:
    columns = "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,order_id,flags,sequence,symbol"
    ids = (2**63 + 5, 2**64 - 2, 5)
    rows = [
        f"{MIDNIGHT + n},{MIDNIGHT + n},160,1,7,{what},B,25.{n % 3}0,3,{ids[n % 3]},128,{n},ESH4"
        for n, what in enumerate("AAAC")
    ]
    (tmp_path / "a.csv").write_text("\n".join([columns, *rows]) + "\n")
    day = read([tmp_path / "a.csv"])
    assert day.instrument.extra["unknown_ids"] == 0
    assert len(set(day.events.order_id.tolist())) == 3
    found = verify_alone(day.events)
    assert (found["unknown_ids"], found["lots_resting"], found["lots_unaccounted"]) == (0, 6, 0)


# -- real sets --------------------------------------------------------------------------------------------------------


def test_frog_has_its_known_truth(shared_data: Path) -> None:
    folder = shared_data / "databento-mbp10-frog-20250403"
    day = read([folder])
    found = verify_alone(day.events)
    assert (found["crossed"], found["locked"], day.instrument.tick) == (0, 0, 0.01)
    outside = found["prints_outside_quotes"] + found["hidden_outside_quotes"]
    e = day.events
    trades = np.isin(e.kind, (schema.TRADE, schema.TRADE_HIDDEN))
    assert (int(e.qty_lots[trades].sum()), int(trades.sum()), outside) == (232_833, 3_817, 23)
    at_touch = 0
    touch: set[int] = set()
    for (kind, price, _, levels), flags in zip(states(day), e.flags, strict=True):
        if kind in TRADES:
            at_touch += price in touch and not flags & schema.OFF_TICK
        touch = {side[0][0] for side in levels if side}
    assert at_touch == 2_409
    checked = verify_mbp10(day.instrument, e, folder)
    assert (checked["matched"], checked["rows"]) == (33_286, 33_286)


def test_the_tape_of_levels_is_that_of_the_orders(shared_data: Path) -> None:
    """ARL by its orders and by its ten levels: Databento made the second from the first."""
    pair = shared_data / "databento-mbo-mbp10-pair"
    day = read([pair / "mbp.csv"])
    assert verify_mbp10(day.instrument, day.events, pair / "mbp.csv")["explained"]


def test_crude_oil_without_a_snapshot(shared_data: Path) -> None:
    day = read([shared_data / "databento-mbo-clx5-20250924"])
    extra = day.instrument.extra
    assert (extra["unknown_cancels"], extra["unknown_modifies"]) == (1_224, 216)
    assert verify_alone(day.events)["crossed_not_trading"] == 172  # in the pre-open
    assert "1,224 cancels, 216 modifies" in day.warnings[0]
