"""Tick files that a map does not fit: each is read right, or refused with a key that settles it when typed."""

import re
from fractions import Fraction
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, strategies as st
from tests.feeds.csv.map_text import parse_map
from tests.feeds.csv.test_csv_feed import MAP, NO_RULES, QUOTE, one

from certify.kits.feed import read_all
from tercel.core.errors import FeedError
from tercel.feeds.csv_columns import NS, ROW
from tercel.feeds.csv_day import without_copies
from tercel.feeds.csv_feed import CsvFeed
from tercel.feeds.csv_tape import finest_parts, lots_of, number_ids
from tercel.market.feed import FeedOptions
from tercel.market.tape import schema

EPOCH = 'unit = "us"\norigin = "epoch"'
T = 1_704_465_000_000_000
"""2024-01-05 14:30 in microseconds."""
TRADE = '[file.trade]\nprice = "p"\nsize = "q"\n'
LEVEL = '[file.level]\nside = "s"\nprice = "p"\nsize = "q"\n'
ORDER = '[file.order]\nid = "i"\naction = "k"\nside = "s"\nprice = "p"\nsize = "q"\nadd = "A"\n'


def mapped(section, clock=EPOCH, instrument=""):
    return (
        (MAP % ("x", section) + NO_RULES)
        .replace('unit = "ms"', clock)
        .replace("tick = 0.01", f"tick = 0.01\n{instrument}")
    )


def refused(text, rows, folder, said):
    with pytest.raises(FeedError, match=said):
        one(text, rows, folder)


def lots(day):
    return int(day.events.qty_lots.sum())


ORDERS = ["t,i,k,s,p,q", f"{T},5,A,buy,1.00,5"]
ZONED = 'unit = "text"\nformat = "%Y-%m-%dT%H:%M:%S'


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        (
            mapped(ORDER),
            [*ORDERS, f"{T},7.00000000000001E+18,A,buy,1.00,5"],
            r"7.00000000000001E\+18' in column i, row 3 .*export the ids",
        ),
        (
            mapped(ORDER),
            [*ORDERS, f"{T},7000000000000000001.0,A,buy,1.00,5"],
            "7000000000000000001.0' in column i, row 3 .*export the ids",
        ),
        *(
            (
                mapped(TRADE, f'{ZONED}{style}"'),
                ["t,p,q", "2024-01-05T15:00:00Z,1.00,5", "2024-01-05T15:00:01,1.00,5"],
                "15:00:01' in column t, row 3",
            )
            for style in ("Z", "%z")
        ),
        (
            mapped(TRADE, 'unit = "us"'),
            ["t,p,q", f"{T + 1},1.01,5"],
            'write `origin = "epoch"` under',
        ),
        (mapped(TRADE), ["t,p,q", "34200000000,1,1"], '`origin = "midnight"` under'),
        (
            mapped(LEVEL + 'snapshot = "m"\n'),
            ["t,m,s,p,q", f"{T},snap,bid,1.00,5", f"{T + 1},dunno,ask,1.05,5"],
            "'dunno' .*row 3",
        ),
    ],
)
def test_what_reads_two_ways_is_refused_with_its_row(tmp_path, text, rows, said):
    refused(text, rows, tmp_path, said)


@pytest.fixture
def folder(shared_data):
    """Files and maps of public reports, by the number of their folder."""

    def read(number, name, text="map.toml"):
        (path,) = (shared_data / "reports_2").glob(f"{number}-*")
        return read_all(CsvFeed(parse_map((path / text).read_text())), [path / name], FeedOptions())

    return read


# -- ids --------------------------------------------------------------------------------------------------------------


def test_ids_of_19_digits_and_uuids_give_the_book_of_short_ids(folder):
    short, long, uuids = (
        folder("29", f"{name}_20240105.csv")[0].events for name in ("SHORT", "LONG", "UUID")
    )
    assert [len(np.unique(e.order_id)) for e in (short, long, uuids)] == [1020] * 3
    assert long.order_id.min() == 7_000_000_000_000_000_001
    for other in (long, uuids):  # row by row the same, under ids that belong to one another
        assert len(set(zip(short.order_id.tolist(), other.order_id.tolist(), strict=True))) == 1020
        for name in ("kind", "side", "price_ticks", "qty_lots"):
            np.testing.assert_array_equal(getattr(other, name), getattr(short, name))


TEXTS = st.one_of(
    st.integers(0, 2**64).map(str),
    st.integers(0, 99).map("{:03d}".format),
    st.uuids().map(str),
    st.text("AB0e1", min_size=1, max_size=3),
)


@given(st.lists(TEXTS, min_size=1, max_size=12))
@example(["7000000000000000001", "7000000000000000002"])
@example(["18446744073709551615", "18446744073709551614"])
@example(["007", "7", "07"])
@example(["9223372036854775807", str(UUID(int=5))])
def test_ids_are_equal_where_their_texts_are(texts):
    made = number_ids(pl.Series(texts)).to_list()
    assert len(set(zip(texts, made, strict=True))) == len(set(texts)) == len(set(made))


def test_ids_that_pandas_made_floats_and_empty_ones(tmp_path):
    rows = [f"{T},{key},A,buy,1.00,5" for key in ("7.0", " 8.0 ", "", "nan")]
    day = one(mapped(ORDER), ["t,i,k,s,p,q", *rows], tmp_path)
    assert day.events.order_id.tolist() == [7, 8, 0, 0]


# -- units of time ----------------------------------------------------------------------------------------------------

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@pytest.mark.parametrize("stated", [*UNITS, "auto"])
@pytest.mark.parametrize("right", UNITS)
def test_epoch_times_of_another_unit_name_theirs(tmp_path, stated, right):
    at = 1_704_465_000
    rows = ["t,p,q", f"{at * UNITS[right]},1.00,5", f"{(at + 1) * UNITS[right]},1.01,5"]
    text = mapped(TRADE, f'unit = "{stated}"\norigin = "epoch"')
    if stated in (right, "auto"):
        assert one(text, rows, tmp_path).events.exch_ns.tolist() == [at * 10**9, (at + 1) * 10**9]
    else:
        refused(text, rows, tmp_path, rf'row 2 .*would be .*write `unit = "{right}"` under')


@pytest.mark.parametrize("session", ["", 'session = ["09:30", "16:00"]'])
@pytest.mark.parametrize("stated", UNITS)
@pytest.mark.parametrize("right", UNITS)
def test_times_after_midnight_of_another_unit_name_theirs(tmp_path, stated, right, session):
    rows = ["t,p,q", f"{34_200 * UNITS[right]},1.00,5", f"{57_600 * UNITS[right]},1.01,5"]
    text = mapped(TRADE, f'unit = "{stated}"', session)
    if stated == right:
        assert np.diff(one(text, rows, tmp_path).events.exch_ns).tolist() == [23_400 * 10**9]
    else:
        refused(text, rows, tmp_path, rf'row 2 .*write `unit = "{right}"` under')


def test_first_seconds_of_a_day_with_their_session(tmp_path):
    rows = ["t,p,q", "1000,1.00,5", "86000,1.01,5"]
    refused(mapped(TRADE), rows, tmp_path, 'write `unit = "s"`')
    day = one(mapped(TRADE, 'unit = "ms"', 'session = ["00:00", "00:02"]'), rows, tmp_path)
    assert np.diff(day.events.exch_ns).tolist() == [85 * 10**9]


def test_two_units_in_one_file_and_other_origins(tmp_path):
    rows = ["t,p,q", f"{T // 1000},1.00,5", f"{T + 1},1.01,5"]
    for unit, row in (("ms", 3), ("us", 2)):
        text = mapped(TRADE, f'unit = "{unit}"\norigin = "epoch"')
        refused(text, rows, tmp_path, rf'row {row} .*write `unit = "auto"` under')
    day = one(mapped(TRADE, 'unit = "auto"\norigin = "epoch"'), rows, tmp_path)
    assert day.events.exch_ns.tolist() == [T * 1000, T * 1000 + 1000]
    received = EPOCH + '\nreceived = "r"'
    rows = ["t,r,p,q", f"{T},{T * 1000 + 5},1.00,5"]
    refused(mapped(TRADE, received), rows, tmp_path, r'in column r, row 2 .*`unit = "auto"`')
    day = one(mapped(TRADE, received.replace("us", "auto")), rows, tmp_path)
    assert day.events.recv_ns.tolist() == [T * 1000 + 5]


@pytest.mark.parametrize(
    ("style", "origin", "text", "hour"),
    [
        ("%Y-%m-%dT%H:%M:%S%.fZ", "midnight", "2024-01-05T15:00:00.5Z", 15),
        ("%Y-%m-%dT%H:%M:%S%.fZ", "epoch", "2024-01-05T15:00:00.5Z", 15),
        ("%Y-%m-%dT%H:%M:%S%.f%z", "midnight", "2024-01-05T15:00:00.5Z", 15),
        ("%Y-%m-%dT%H:%M:%S%.f%:z", "midnight", "2024-01-05T15:00:00.5+09:00", 6),
        ("%Y-%m-%dT%H:%M:%S%.f%z", "midnight", "2024-01-05T15:00:00.5-05", 20),
        ("%Y-%m-%dT%H:%M:%S%.f+09:00", "midnight", "2024-01-05T15:00:00.5+09:00", 6),
        ("%Y-%m-%d %H:%M:%S%.f %Z", "midnight", "2024-01-05 15:00:00.5 UTC", 15),
        ("%Y-%m-%d %H:%M:%S%.f%Z", "midnight", "2024-01-05 15:00:00.5+0900", 6),
        ("%Y-%m-%d %H:%M:%S%.f %Z", "midnight", "2024-01-05 15:00:00.5 EST", 20),
        ("%Y-%m-%d %H:%M:%S%.f", "epoch", "2024-01-05 15:00:00.5", 15),
        ("%Y-%m-%d %H:%M:%S%.f", "midnight", "2024-01-05 15:00:00.5", 20),
    ],
)
def test_text_with_a_zone_is_of_that_zone(tmp_path, style, origin, text, hour):
    clock = f'unit = "text"\nformat = "{style}"\norigin = "{origin}"\ntimezone = "America/New_York"'
    day = one(mapped(TRADE, clock), ["t,p,q", f"{text},1.00,5"], tmp_path)
    assert np.datetime64(int(day.events.exch_ns[0]), "ns") == np.datetime64(
        f"2024-01-05T{hour:02}:00:00.5"
    )


# -- snapshots --------------------------------------------------------------------------------------------------------


def touch_at_end(events):
    """Best prices at the end and number of levels, by a dictionary."""
    levels = {}
    for kind, side, price, qty in zip(
        events.kind, events.side, events.price_ticks, events.qty_lots, strict=True
    ):
        if kind == schema.CLEAR:
            levels.clear()
        levels[side, price] = qty
    there = [key for key, qty in levels.items() if qty]
    bids, asks = ([price for of, price in there if of == side] for side in (1, -1))
    return max(bids), min(asks), len(there)


@pytest.mark.parametrize(
    ("column", "full", "update"),
    [
        ("is_snapshot", "true", "false"),
        ("isSnapshot", "1", "0"),
        ("Snapshot", "TRUE", "FALSE"),
        ("update_type", "snap", "set"),
        ("action", "partial", "insert"),
        ("type", "snapshot", "l2update"),
    ],
)
def test_snapshots_of_exchanges(tmp_path, column, full, update):
    """The first two rows, those at 2 and those at 3 are snapshots; what an update set between them goes."""
    rows = [f"t,{column},s,p,q"]
    for at, word, side, price in (
        *((0, full, "bid", 1.00), (0, full, "ask", 1.05), (1, update, "bid", 1.02)),
        *((2, full, "bid", 0.97), (2, full, "ask", 1.04), (3, full, "bid", 0.96)),
        *((3, full, "ask", 1.04), (4, update, "ask", 1.01)),
    ):
        rows.append(f"{T + at},{word},{side},{price},5")
    refused(mapped(LEVEL), rows, tmp_path, rf'in row 5 of .*write `snapshot = "{column}"` under')
    day = one(mapped(LEVEL + f'snapshot = "{column}"\n'), rows, tmp_path)
    assert touch_at_end(day.events) == (96, 101, 3)
    assert len(np.unique(day.events.seq)) == 5  # a snapshot is one message
    kept = one(mapped(LEVEL + 'snapshot = ""\n'), rows, tmp_path)
    assert (kept.events.n, (kept.events.kind == schema.CLEAR).any()) == (8, False)


def test_a_column_that_marks_no_snapshot_within_the_day_is_no_matter(tmp_path):
    rows = [f"{T},true,bid,1.00,5", f"{T + 1},false,ask,1.05,5"]
    assert one(mapped(LEVEL), ["t,snapshot,s,p,q", *rows], tmp_path).events.n == 2
    assert one(mapped(LEVEL), ["t,type,s,p,q", *rows], tmp_path).events.n == 2


def test_words_of_which_none_is_a_snapshot_are_refused_with_their_keys(tmp_path):
    rows = ["t,m,s,p,q", f"{T},set,bid,1.00,5", f"{T},set,ask,1.01,5", f"{T + 1},diff,bid,0.99,5"]
    rows.append(f"{T + 2},set,bid,0.98,5")
    text = mapped(LEVEL + 'snapshot = "m"\n')
    with pytest.raises(FeedError, match="'set' in column m, row 2 of") as refusal:
        one(text, rows, tmp_path)
    full, update = re.findall(r"`((?:full|update) = \[.*?\])`", str(refusal.value))
    for key, cleared in ((full, 2), (update, 0)):
        day = one(text.replace('snapshot = "m"', f'snapshot = "m"\n{key}'), rows, tmp_path)
        assert (day.events.kind == schema.CLEAR).sum() == cleared


@pytest.mark.parametrize("updates", [0, 1])
@pytest.mark.parametrize("shows", [1, 2])
@pytest.mark.parametrize(
    ("times", "cleared"), [([0, 1, 2, 3], 1), ([0, 0, 1, 1], 1), ([0, 1, 1500, 1501], 2)]
)
def test_rows_of_a_snapshot_may_differ_in_time(tmp_path, times, cleared, shows, updates):
    """Snapshots of two bids, then two asks, without an update between them."""
    levels = [("bid", 1.00), ("bid", 0.99), ("ask", 1.01), ("ask", 1.02)]
    rows = [
        f"{T + 1000 * (5000 * n + ms)},1,{side},{price},5"
        for n in range(shows)
        for ms, (side, price) in zip(times, levels, strict=True)
    ]
    rows += [f"{T + 10**8},0,bid,1.00,6"] * updates
    day = one(mapped(LEVEL + 'snapshot = "m"\n'), ["t,m,s,p,q", *rows], tmp_path)
    assert (day.events.kind == schema.CLEAR).sum() == shows * cleared
    if cleared == 1:
        assert touch_at_end(day.events) == (100, 101, 4)


def test_a_snapshot_at_several_times_and_snapshots_alone(tmp_path):
    text = mapped(LEVEL + 'snapshot = "m"\n')
    pairs = [
        f"{T + 1000 * i},1,{side},{price:.2f},5"
        for i in range(5)
        for side, price in (("bid", 1 - i / 100), ("ask", 1.01 + i / 100))
    ]
    for rest, cleared, levels in (([f"{T + 10**6},0,bid,1.00,6"], 1, 10), ([], 5, 2)):
        day = one(text, ["t,m,s,p,q", *pairs, *rest], tmp_path)
        assert (day.events.kind == schema.CLEAR).sum() == cleared
        assert touch_at_end(day.events)[2] == levels
    later = [f"{int(row[:16]) + 10**5}{row[16:]}" for row in pairs]
    day = one(text, ["t,m,s,p,q", *pairs, *later, f"{T + 10**6},0,bid,1.00,6"], tmp_path)
    assert (day.events.kind == schema.CLEAR).sum() == 2


# -- ticks and lots ---------------------------------------------------------------------------------------------------


def test_prints_between_ticks_are_no_matter_beside_quotes_but_alone(tmp_path):
    rows = [f"{T + i},{1 + i % 3 / 200},5" for i in range(9)]
    said = r"1.005 in row 3 .*the first of 3.*`tick=0.005`"
    refused(mapped(TRADE), ["t,p,q", *rows], tmp_path, said)
    finer = one(mapped(TRADE), ["t,p,q", *rows], tmp_path, options=FeedOptions(tick=0.005))
    assert finer.instrument.off_tick_rows == 0
    both = mapped('[file.rows]\ncolumn = "k"\nquote = "Q"\ntrade = "T"\n' + TRADE + QUOTE % 1)
    quote = f"{T},Q,,,1.00,5,1.01,5"
    rows = [quote, *(row.replace(",", ",T,", 1) + ",,,," for row in rows)]
    assert one(both, ["t,k,p,q,b1,bs1,a1,as1", *rows], tmp_path).instrument.off_tick_rows == 3


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=9), st.integers(0, 8))
def test_the_finest_parts_are_a_divisor_of_all(numbers, places):
    parts = finest_parts(np.array(numbers) / 10**places)
    divisor = int(np.gcd.reduce(numbers))
    assert parts == Fraction(10**places, divisor)


@given(st.lists(st.floats(0, 50), min_size=1, max_size=30))
def test_lots_of_prints_keep_their_running_sum(sizes):
    exact = np.array(sizes)
    made = lots_of(exact, carry=True)
    assert (made >= 0).all()
    assert np.abs(made.cumsum() - exact.cumsum()).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("section", "row"),
    [
        (TRADE, "{},1.00,{}"),
        (LEVEL, "{},1.00,{},bid"),
        (ORDER, "{},1.00,{},bid,A,7"),
        ('[file.quote]\nbid = "p"\nbid_size = "q"\nask = "a"\nask_size = "q"\n', "{},1.00,{},,,,1.02"),
    ],
)  # fmt: skip
def test_the_lot_that_is_named_fits(tmp_path, section, row):
    rows = ["t,p,q,s,k,i,a", row.format(T, 0.25), row.format(T + 1, 1.75)]
    rows = [text + "," * (6 - text.count(",")) for text in rows]
    refused(mapped(section), rows, tmp_path, r"0.25 in row 2 .*`lot = 0.25` .*`size_unit = 4`")
    for text in (mapped(section, instrument="lot = 0.25"), mapped(section + "size_unit = 4\n")):
        assert one(text, rows, tmp_path).events.qty_lots.tolist()[-1] in (1, 7)


def test_fractional_shares_keep_the_volume(tmp_path):
    rows = [f"{T + i},1.00,{100 if i % 2 else 0.04}" for i in range(1800)]
    day = one(mapped(TRADE), ["t,p,q", *rows], tmp_path)
    assert lots(day) == 90_036
    assert any("sizes of 900 rows are no whole lots" in said for said in day.warnings)


# -- repeated rows ----------------------------------------------------------------------------------------------------

PRINTS = [f"{T + 10**6 * i},{1 + i % 7 / 100},{10 + i % 3}" for i in range(30)]


@pytest.mark.parametrize(
    "rows",
    [
        PRINTS * 2,
        PRINTS * 3,
        PRINTS[::-1] * 2,
        PRINTS[:20] + PRINTS[12:],
        PRINTS[:12] + PRINTS[8:20] + PRINTS[16:],
        PRINTS[1::-1] + PRINTS[2:] + PRINTS,
    ],
)
def test_copies_count_once(tmp_path, rows):
    day = one(mapped(TRADE), ["t,p,q", *rows], tmp_path)
    assert (day.events.n, lots(day)) == (30, sum(10 + i % 3 for i in range(30)))
    assert any(
        re.search(r"row \d+ of .*is row \d+ of .* again; such rows count once", said)
        for said in day.warnings
    )


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1)), max_size=60), st.randoms())
def test_rows_out_of_order_that_come_once_all_stay(rows, rng):
    """However they are shuffled: no row comes again."""
    rows = sorted(set(rows))
    rng.shuffle(rows)
    frame = pl.DataFrame(
        {NS: [at for at, _ in rows], ROW: range(len(rows)), "p": [price for _, price in rows]},
        schema={NS: pl.Int64, ROW: pl.Int64, "p": pl.Int64},
    )
    assert without_copies(frame, [NS, "p"]).equals(frame)


def test_equal_prints_of_one_moment_are_as_many_prints(tmp_path):
    rows = [PRINTS[0]] * 5 + [PRINTS[2], PRINTS[1]] + PRINTS[3:]
    assert one(mapped(TRADE), ["t,p,q", *rows], tmp_path).events.n == 34


def test_ids_of_trades(tmp_path):
    head = "t,p,q,trade_id,x"
    twice = [f"{row},{i},N" for i, row in enumerate(PRINTS) for _ in range(2)]
    refused(mapped(TRADE), [head, *twice], tmp_path, r'2 and 3 of .*write `id = "trade_id"` under')
    day = one(mapped(TRADE + 'id = "trade_id"\n'), [head, *twice], tmp_path)
    assert (day.events.n, day.instrument.extra["cleaning"]["trades that come again"]) == (30, 30)
    assert one(mapped(TRADE + 'id = ""\n'), [head, *twice], tmp_path).events.n == 60
    other = [*twice[::2], f"{T + 10**9},9.00,5,7,P"]
    assert one(mapped(TRADE), [head, *other], tmp_path).events.n == 31  # no ids of trades, it seems
    named = TRADE + 'id = "trade_id"\nexchange = "x"\n'
    refused(mapped(named), [head, *other], tmp_path, r"9 and 32 of .*`id = \['trade_id', 'x'\]`")
    both = named.replace('"trade_id"', '["trade_id", "x"]')
    blank = [f"{PRINTS[i]},,N" for i in (3, 4)]
    assert one(mapped(both), [head, *other, *blank], tmp_path).events.n == 33


# -- conditions, sides, blanks, headers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "rest", "left"),
    [
        (["12,37", "52", "2", ""], 'drop = "2"', 3),
        (["[12, 37]", "[2]", "[]"], 'drop = "2"', 2),
        (["12|2", "22"], "drop = [2, 52]", 1),
        (["B2,2", "B2", "C"], 'drop = "2"\ncondition_code = "numbers"', 2),
        (["2.0", "52.0", "100.0"], 'drop = ["2", "52"]', 1),
        (["2/37", "52.0/2.0", "100"], 'drop = ["2", "52"]', 1),
        (["2.0", "12.0"], 'drop = "2"', 1),
        (["AT,NT", "OFF", "N"], 'drop = "NT"', 2),
        (["@ I", "@FTI", " 4 ", "F"], 'drop = ["I", "4"]', 1),
        (["['@', 'I']", "['@', 'T']"], 'keep = ["@", "T"]', 1),
    ],
)
def test_conditions_as_they_are_written(tmp_path, cells, rest, left):
    rows = [f'{T},1.00,5,"{cell}"' for cell in cells]
    day = one(mapped(TRADE + f'condition = "c"\n{rest}\n'), ["t,p,q,c", *rows], tmp_path)
    assert day.events.n == left


def test_conditions_that_no_row_has_are_named(tmp_path, caplog):
    caplog.set_level("INFO", "tercel.progress")
    text = mapped(TRADE + 'condition = "c"\ndrop = ["2", "52"]\n')
    one(text, ["t,p,q,c", f"{T},1.00,5,2", f"{T},1.00,5,4"], tmp_path)
    assert re.search("warning: no row of .* has the condition 52 that", caplog.text)


def test_prints_of_unknown_side(folder):
    (day,) = folder("36", "only_20240105_trades.csv")
    assert day.events.n == 500
    assert day.instrument.extra["signed"]["unsigned"] == 1
    first = day.events.kind[0], day.events.side[0], day.events.price_ticks[0]
    assert first == (schema.TRADE_HIDDEN, 0, 10001)


def test_blanks_that_mean_as_before_name_their_key(folder):
    (day,) = folder("22", "EURUSD_202401050200_202401050250.csv")
    assert any('write `zero_side = "keep"`' in said for said in day.warnings)
    (day,) = folder("22", "EURUSD_202401050200_202401050250.csv", "map-keep.toml")
    assert day.events.n == 5318
    assert not any("zero_side" in said for said in day.warnings)


def test_a_mark_at_the_start_and_no_header(tmp_path):
    text = mapped(TRADE)
    marked = [f"\ufeffsep=;\n{row}" if i == 0 else row for i, row in enumerate(["t,p,q", *PRINTS])]
    assert one(text, [row.replace(",", ";") for row in marked], tmp_path).events.n == 30
    with pytest.raises(FeedError, match=r"columns = \['t', 'p', 'q', 'other4'\]") as refusal:
        one(text, [f"{row},x" for row in PRINTS], tmp_path)
    keys = re.search(r"`(header = false)` and `(columns = \[.*?\])`", str(refusal.value))
    bare = text.replace("[[file]]", "[[file]]\n" + "\n".join(keys.groups()))
    assert one(bare, [f"{row},x" for row in PRINTS], tmp_path).events.n == 30
    refused(bare, ["t,p,q,x", *PRINTS], tmp_path, "'t' in column t, row 1 .*`header = true`")
