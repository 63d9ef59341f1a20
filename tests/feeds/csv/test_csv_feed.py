"""The column-map feed: the port's contract, snapshots rebuilt from their rows, signs, rules, and refusals."""

import random

import numpy as np
import pytest
from tests.feeds.csv.map_text import parse_map

from certify.kits.feed import FeedContract, read_all
from tercel.core.errors import ConfigError, FeedError
from tercel.feeds.csv_feed import CsvFeed
from tercel.feeds.csv_map import load_map, shipped_maps
from tercel.market.feed import FeedOptions
from tercel.market.tape import schema
from tercel.market.tape.local_times import midnight_ns

MAP = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>\\d{8})_%s\\.csv'
[file.time]
column = "t"
unit = "ms"
%s
"""
NO_RULES = (
    "[clean]\nzero=false\nnegative_spread=false\nwide_spread=0\noutliers=0\ntrade_outliers=false\n"
)
QUOTE = '[file.quote]\nbid = "b{n}"\nbid_size = "bs{n}"\nask = "a{n}"\nask_size = "as{n}"\nlevels = %d\n'
BOTH = """
[file.rows]
column = "what"
quote = ["q"]
trade = ["t"]
[file.quote]
bid = "b"
ask = "a"
bid_size = "n"
ask_size = "n"
[file.trade]
price = "b"
size = "n"
aggressor = "s"
buy = ["B"]
sell = ["S"]
"""


def one(text, rows, folder, name="abc_20240105_x.csv", options=None):
    (folder / name).write_text("\n".join(rows) + "\n")
    (day,) = read_all(CsvFeed(parse_map(text)), [folder / name], options or FeedOptions())
    return day


def shown_by(events):
    """(time, bids, asks) after each message, best first, by a dictionary that obeys the rows."""
    book = {1: {}, -1: {}}
    for i in range(events.n):
        if events.kind[i] == schema.TRADE:
            continue
        side, price = book[int(events.side[i])], int(events.price_ticks[i])
        if events.kind[i] == schema.ROLL_OUT or events.qty_lots[i] == 0:
            del side[price]
        else:
            assert events.kind[i] != schema.ROLL_IN or price not in side
            side[price] = int(events.qty_lots[i])
        if events.flags[i] & schema.MESSAGE_END:
            bids, asks = sorted(book[1].items(), reverse=True), sorted(book[-1].items())
            yield int(events.exch_ns[i]), bids, asks


def snapshots(rng, n, levels):
    """Random walks of two sides, best first, at most `levels` shown of up to 9 that are there."""
    sides = (
        {100 - i: rng.randint(1, 9) for i in range(5)},
        {101 + i: rng.randint(1, 9) for i in range(5)},
    )
    shown = []
    for _ in range(n):
        for book, other, sign in ((sides[0], sides[1], 1), (sides[1], sides[0], -1)):
            for _ in range(rng.randint(0, 3)):
                if rng.random() < 0.5 and len(book) > 1:
                    del book[rng.choice(list(book))]
                else:
                    best = (min if sign > 0 else max)(other, default=100)
                    book[best - sign * rng.randint(1, 8)] = rng.randint(1, 9)
        bids, asks = sorted(sides[0].items(), reverse=True), sorted(sides[1].items())
        shown.append((bids[:levels], asks[:levels]))
    return shown


def as_rows(shown, levels):
    names = [f"{c}{n}" for n in range(1, levels + 1) for c in ("b", "bs", "a", "as")]
    rows = [",".join(["t", *names])]
    for i, (bids, asks) in enumerate(shown):
        fields = [str(1000 + i)]
        for n in range(levels):
            for side in (bids, asks):
                fields += [f"{side[n][0] / 100}", str(side[n][1])] if n < len(side) else ["", ""]
        rows.append(",".join(fields))
    return rows


class TestContract(FeedContract):
    @pytest.fixture
    def feed(self):
        return CsvFeed(parse_map(MAP % ("x", QUOTE % 2) + NO_RULES))

    @pytest.fixture
    def paths(self, tmp_path):
        path = tmp_path / "abc_20240105_x.csv"
        path.write_text("\n".join(as_rows(snapshots(random.Random(1), 30, 2), 2)) + "\n")
        return [path]


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("seed", range(6))
def test_rows_rebuild_the_snapshots(tmp_path, levels, seed):
    """A dictionary that obeys the rows shows each snapshot in turn, whole and no more."""
    shown = snapshots(random.Random(seed), 60, levels)
    day = one(MAP % ("x", QUOTE % levels) + NO_RULES, as_rows(shown, levels), tmp_path)
    assert day.instrument.levels == levels
    first = midnight_ns("2024-01-05", "UTC") + 1000 * 10**6
    assert day.events.exch_ns[0] == first
    after = {(at - first) // 10**6: (bids, asks) for at, bids, asks in shown_by(day.events)}
    for i in range(1, len(shown)):  # a snapshot without news has no rows
        after.setdefault(i, after[i - 1])
    assert [after[i] for i in range(len(shown))] == shown


def test_levels_beyond_those_shown_roll_and_those_within_are_set(tmp_path):
    rows = [
        "t,b1,bs1,a1,as1",
        "0,1.00,5,1.02,7",
        "1,1.01,2,1.02,7",
        "2,1.00,5,1.02,7",
        "3,1.00,4,1.03,1",
    ]
    e = one(MAP % ("x", QUOTE % 1) + NO_RULES, rows, tmp_path).events
    got = [
        (int(e.kind[i]), int(e.side[i]), int(e.price_ticks[i]), int(e.qty_lots[i]))
        for i in range(2, e.n)
    ]
    assert got == [
        (schema.ROLL_OUT, 1, 100, 0), (schema.LEVEL_SET, 1, 101, 2),  # a better bid: what was there is out of sight
        (schema.LEVEL_SET, 1, 101, 0), (schema.ROLL_IN, 1, 100, 5),  # it went: the old one comes back into sight
        (schema.LEVEL_SET, -1, 102, 0), (schema.LEVEL_SET, 1, 100, 4), (schema.ROLL_IN, -1, 103, 1),
    ]  # fmt: skip


def test_signs_by_feed_by_quotes_and_by_ticks(tmp_path):
    rows = [
        "t,what,b,a,n,s",
        "0,q,1.00,1.04,5,",
        "1,t,1.03,,2,",
        "2,t,1.01,,2,",
        "3,t,1.02,,2,",
        "4,t,1.02,,2,B",
    ]
    rows += ["5,t,1.04,,9,S", "6,t,1.02,,1,"]
    day = one(MAP % ("x", BOTH) + NO_RULES, rows, tmp_path)
    trades = day.events.kind == schema.TRADE
    assert (-day.events.side[trades]).tolist() == [
        1,
        -1,
        1,
        1,
        -1,
        -1,
    ]  # above, below, uptick, said, said, downtick
    assert day.instrument.extra["signed"] == {
        "by feed": 2,
        "by quotes": 2,
        "by ticks": 2,
        "unsigned": 0,
    }


def test_off_tick_prints_are_rounded_away_from_the_touch(tmp_path):
    rows = ["t,what,b,a,n,s", "0,q,1.00,1.04,5,", "1,t,1.035,,2,", "2,t,1.005,,2,"]
    e = one(MAP % ("x", BOTH) + NO_RULES, rows, tmp_path).events
    trades = e.kind == schema.TRADE
    assert e.price_ticks[trades].tolist() == [104, 100]
    assert (e.flags[trades] & schema.OFF_TICK).all()


def test_level_updates_and_order_events(tmp_path):
    level = '[file.level]\nside="s"\nprice="p"\nsize="q"\n'
    e = one(
        MAP % ("x", level), ["t,s,p,q", "0,bid,1.00,5", "1,ask,1.02,3", "2,bid,1.00,0"], tmp_path
    ).events
    assert e.kind.tolist() == [schema.LEVEL_SET] * 3
    assert e.qty_lots.tolist() == [5, 3, 0]
    with pytest.raises(FeedError, match="'left' in column s, row 3"):
        one(MAP % ("x", level), ["t,s,p,q", "0,bid,1,1", "1,left,1,1"], tmp_path)
    order = '[file.order]\nid="i"\naction="k"\nside="s"\nprice="p"\nsize="q"\nadd="A"\ndelete="D"\nexecute="E"\n'
    e = one(
        MAP % ("x", order),
        ["t,i,k,s,p,q", "0,7,A,buy,1.00,5", "1,7,E,buy,1.00,2", "2,7,D,buy,1,3"],
        tmp_path,
    ).events
    assert e.kind.tolist() == [schema.ADD, schema.EXECUTE, schema.DELETE]
    assert e.order_id.tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("clock", "first"),
    [
        (
            'column="t"\nunit="text"\nformat="%Y-%m-%d %H:%M:%S%.f"\ntimezone="America/New_York"',
            "2024-01-05 09:30:00.5",
        ),
        ('column="t"\nunit="s"\norigin="epoch"', "1704465000.500000001"),
        ('column="t"\nunit="us"\norigin="epoch"', "1704465000500000"),
        (
            'column="t"\nunit="text"\nformat="%Y-%m-%dT%H:%M:%S%.f%:z"',
            "2024-01-05T15:30:00.5+01:00",
        ),
    ],
)
def test_clocks(tmp_path, clock, first):
    text = MAP % ("x", QUOTE % 1) + NO_RULES
    text = text.replace('column = "t"\nunit = "ms"', clock)
    e = one(text, ["t,b1,bs1,a1,as1", f"{first},1.00,5,1.02,7"], tmp_path).events
    assert e.exch_ns[0] == 1704465000500000000 + (1 if first.endswith("01") else 0)


def test_a_file_of_several_symbols_and_days(tmp_path):
    text = MAP.replace("name = '(?P<symbol>[a-z]+)_(?P<date>\\d{8})_%s\\.csv'", 'symbol = "y"%s')
    text = text.replace('unit = "ms"', 'unit = "s"\norigin="epoch"') % ("", QUOTE % 1) + NO_RULES
    rows = [
        "t,y,b1,bs1,a1,as1",
        "1704465000,aa,1,1,2,1",
        "1704465001,bb,1,1,2,1",
        "1704551400,aa,3,1,4,1",
    ]
    path = tmp_path / "ticks.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(FeedError, match="named as the map says"):
        one(MAP % ("x", QUOTE % 1), rows, tmp_path, "ticks.csv")
    days = read_all(CsvFeed(parse_map(text)), [path], FeedOptions())
    assert [(d.instrument.symbol, d.instrument.date) for d in days] == [
        ("AA", "2024-01-05"), ("AA", "2024-01-06"), ("BB", "2024-01-05")
    ]  # fmt: skip
    assert [d.events.n for d in days] == [2, 2, 2]
    assert [d.warnings for d in days] == [("cleaning took 1 rows of another day",)] * 2 + [()]


# -- refusals ---------------------------------------------------------------------------------------------------------


HEAD = "t,b1,bs1,a1,as1"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0,1.0x,5,1.02,7", "'1.0x' in column b1, row 2"),
        ("later,1.00,5,1.02,7", "'later' in column t, row 2"),
        ("0,1.00,five,1.02,7", "'five' in column bs1, row 2"),
        (
            "0,1.00,1e30,1.02,7",
            r"a size of 0 to 2\*\*30 lots; received 1e\+30 lots of 1 in row 2.*correct the row\.",
        ),
        ("0,1.00,5,1.02,2147483648", r"a size .*lots of 1 in row 2.*write `lot = 10` in"),
        (
            "0,1.00,5,1e300,7",
            r"a price of 0 to 2\*\*30 ticks; received 1e\+302 ticks of 0.01 in row 2",
        ),
        ("0,1.00,5,20000000,7", r"a price .* 2e\+09 ticks of 0.01 in row 2.*write `tick = 0.1` in"),
        ("0,0,0,1.02,7", "none left of"),
        ("0,1.00,5,1.02,7,8", "separated fields"),
        (["t,b1,b_s1,a1,as1", "0,1,1,2,1"], "try 'b_s1' in the map"),
    ],
)
def test_a_bad_value_is_named_with_its_row(tmp_path, row, said):
    with pytest.raises(FeedError, match=said):
        one(MAP % ("x", QUOTE % 1), row if isinstance(row, list) else [HEAD, row], tmp_path)


ONE_FILE = "[instrument]\nvenue='A'\ntick=1\n[[file]]\n[file.time]\ncolumn='t'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[instrument]\nvenue='A'\ntikc=1\n", "try 'tick'"),
        ("[instrument]\nvenue='A'\n", "instrument.tick: a value"),
        ("[instrument]\nvenue='A'\ntick='a'\n", "instrument.tick: a value of type float"),
        ("[instrument]\nvenue='A'\ntick=true\n", "instrument.tick: a value of type float; .*received the map: True"),
        ("[instrument]\nvenue='A'\ntick=1\nlot=true\n", "instrument.lot: a value of type int"),
        ("[instrument]\nvenue='A'\ntick=1\nuppercase='yes'\n", "instrument.uppercase: a value of type bool"),
        (ONE_FILE + "[file.trade]\nprice='p'\nsize='q'\nsize_unit=true", "size_unit: a value of type int"),
        (ONE_FILE.replace("[[file]]", "[[file]]\nprice_scale=true"), "price_scale: a value of type int"),
        ("[instrument]\nvenue='A'\ntick=1e-300\n", "instrument: a tick of at least 1e-12"),
        ("[instrument]\nvenue='A'\ntick=1e7\n", "instrument.tick: less than or equal to 1000000"),
        ("[instrument]\nvenue='A'\ntick=1\nlot=1073741824\n", "instrument.lot: less than 1073741824"),
        (ONE_FILE + "unit='h'\n[file.trade]\nprice='p'\nsize='q'", "time.unit"),
        ("[instrument", "a map in TOML"),
        ("[instrument]\nvenue='A'\ntick=1\nsession=['9','16']\n[[file]]\n[file.time]\ncolumn='t'", "session as HH:MM"),
    ],
)  # fmt: skip
def test_a_map_that_makes_no_sense_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        parse_map(text)


def test_shipped_maps_load_and_an_unknown_name_offers_one():
    for name in shipped_maps():
        assert load_map(name).about
    with pytest.raises(ConfigError, match="try 'lean'"):
        load_map("leen")


def test_times_that_go_back_are_put_in_order_and_counted(tmp_path):
    rows = ["t,b1,bs1,a1,as1", "5,1.00,5,1.02,7", "3,1.00,4,1.02,7", "6,1.00,3,1.02,7"]
    day = one(MAP % ("x", QUOTE % 1) + NO_RULES, rows, tmp_path)
    assert day.instrument.extra["clock_backwards"] == 1
    assert (np.diff(day.events.exch_ns) >= 0).all()
    assert any("goes back" in w for w in day.warnings)


def test_one_best_over_exchanges_with_one_sided_rows(tmp_path):
    text = MAP % (
        "x",
        '[file.quote]\nbid="b"\nask="a"\nbid_size="n"\nask_size="n"\nexchange="e"\nzero_side="keep"\n',
    )
    rows = [
        "t,e,b,a,n",
        "0,P,1.00,1.05,3",
        "1,Q,1.01,0,4",
        "2,N,1.01,1.04,2",
        "3,Q,0.99,0,1",
        "4,N,1.01,1.06,2",
    ]
    day = one(text + NO_RULES, rows, tmp_path)
    shown = [(bids[0], asks[0]) for _, bids, asks in shown_by(day.events)]
    assert shown == [
        ((100, 3), (105, 3)), ((101, 4), (105, 3)), ((101, 6), (104, 2)), ((101, 2), (104, 2)), ((101, 2), (105, 3))
    ]  # fmt: skip


def test_columns_without_header_must_be_as_many_as_the_map_names(tmp_path):
    text = (MAP % ("x", QUOTE % 1)).replace(
        "[[file]]", '[[file]]\nheader = false\ncolumns = ["t", "b1", "bs1", "a1", "as1"]'
    )
    assert one(text, ["0,1.00,5,1.02,7"], tmp_path).events.n == 2
    with pytest.raises(FeedError, match="5 columns, t, b1, bs1, a1, as1"):
        one(text, ["0,1.00,5,1.02"], tmp_path)


def test_taq_as_wrds_exports_it(tmp_path):
    quotes = [
        "DATE,TIME_M,EX,SYM_ROOT,BID,BIDSIZ,ASK,ASKSIZ",
        "20180102,9:30:01.5,N,IBM,10.00,2,10.02,3",
        "20180102,9:30:02.000000001,P,IBM,10.01,2,10.02,3",
        "20180102,15:59:59,N,IBM,10.00,1,10.02,3",
    ]
    trades = [
        "DATE,TIME_M,EX,SYM_ROOT,TR_SCOND,SIZE,PRICE,TR_CORR",
        "20180102,9:30:02,N,IBM,@  I,7,10.02,00",
        "20180102,9:30:03,N,IBM, O X,900,10.01,00",
        "20180102,9:30:04,N,IBM,,5,10.00,08",
        "20180102,16:00:00,N,IBM,6,50,10,00",
    ]
    (tmp_path / "quotes.csv").write_text("\n".join(quotes) + "\n")
    (tmp_path / "trades.csv").write_text("\n".join(trades) + "\n")
    (day,) = read_all(CsvFeed("taq-wrds"), [tmp_path], FeedOptions())
    e = day.events
    assert (e.exch_ns[0] - day.instrument.session_open_ns) == 1_500_000_000
    assert e.kind.tolist() == [schema.ROLL_IN] * 2 + [
        schema.TRADE,
        schema.CROSS,
        schema.LEVEL_SET,
        schema.CROSS,
    ]
    assert e.qty_lots.tolist() == [200, 300, 7, 900, 100, 50]
    assert day.instrument.extra["cleaning"]["trades corrected"] == 1
