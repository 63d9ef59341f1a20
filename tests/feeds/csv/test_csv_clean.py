"""The cleaning rules against brute force and against a cleaned set that others made."""

import io
import re
import zipfile

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from tests.feeds.csv.exports import export_mat, export_taq, taq_frame
from tests.feeds.csv.map_text import parse_map
from tests.feeds.csv.test_csv_feed import shown_by

from certify.kits.feed import read_all
from tercel.feeds import csv_kernels as k
from tercel.feeds.csv_clean import clean_quotes, clean_trades
from tercel.feeds.csv_columns import NS, RECEIVED, ROW
from tercel.feeds.csv_feed import CsvFeed
from tercel.feeds.csv_map import CleanMap, map_path
from tercel.feeds.csv_rows import RuleCounts
from tercel.market.feed import FeedOptions
from tercel.market.tape import schema


@given(st.lists(st.integers(90, 110), min_size=1, max_size=80), st.integers(2, 12))
def test_outliers_are_those_of_the_definition(values, window):
    x = np.array(values, float)
    out = np.zeros(len(x), np.uint8)
    k.outliers(x, window, 3.0, 0.5, np.zeros(window + 1), out)
    half, n = window // 2, len(x)
    for i in range(n):
        start = min(max(i - half, 0), max(n - 2 * half - 1, 0))
        near = np.delete(x[start : start + 2 * half + 1], i - start)
        far = (
            len(near) >= 2
            and abs(x[i] - np.median(near)) > 3.0 * np.abs(near - np.median(near)).mean() + 0.5
        )
        assert bool(out[i]) == bool(far)


def frame(ns, **columns):
    return pl.DataFrame({NS: ns, RECEIVED: ns, ROW: range(len(ns))} | columns)


def quotes(rows):
    ns, bid, ask = zip(*rows, strict=True)
    sizes = {
        f"{side}_size_1": [float(price > 0) for price in of]
        for side, of in (("bid", bid), ("ask", ask))
    }
    return frame(ns, exchange=[""] * len(ns), bid_1=bid, ask_1=ask, **sizes)


def test_each_rule_takes_its_rows_and_says_so():
    good = [(100 + i, 10.00, 10.02) for i in range(20)]
    bad = [
        (50, 10.0, 10.02),
        (105, 0.0, 10.02),
        (106, 10.05, 10.02),
        (107, 10.0, 12.0),
        (108, 12.0, 12.02),
    ]
    rows = sorted(good + bad + [(110, 10.00, 10.04), (300, 10.0, 10.02)])
    report = RuleCounts()
    kept = clean_quotes(quotes(rows), CleanMap(merge="last"), 100, 200, 0.01, report)
    assert report == {
        "quotes without a price or a size on a side": 1, "quotes outside the session": 2,
        "quotes of negative spread": 1,
        "quotes of wide spread": 1, "quotes merged into others of their stamp": 2, "quotes that are outliers": 1,
    }  # fmt: skip
    assert kept.height == 19
    assert kept.filter(pl.col(NS) == 110)["ask_1"].to_list() == [10.04]  # the last of its stamp
    off = CleanMap(zero=False, session=False, negative_spread=False, wide_spread=0, outliers=0)
    assert clean_quotes(quotes(rows), off, 100, 200, 0.01, RuleCounts()).height == len(rows)


def test_the_last_quote_before_the_session_opens_it():
    kept = clean_quotes(
        quotes([(50, 9.0, 9.02), (60, 10.0, 10.02), (150, 10.0, 10.03)]),
        CleanMap(),
        100,
        200,
        0.01,
        RuleCounts(),
    )
    assert kept[NS].to_list() == [100, 150]
    assert kept["bid_1"][0] == 10.0


def test_trades_of_one_stamp_merge_but_auction_prints_stand_alone():
    trades = frame(
        [1, 1, 1, 2, 2], price=[10.0, 10.2, 10.4, 11.0, 11.0], size=[1.0, 2, 3, 4, 5], sign=[0] * 5,
        cross=[False, False, False, True, False], hidden=[False] * 5,
    )  # fmt: skip
    report = RuleCounts()
    merged = clean_trades(trades, CleanMap(merge="median"), 0, 0, report)
    assert (merged["price"].to_list(), merged["size"].to_list()) == (
        [10.2, 11.0, 11.0],
        [6.0, 4.0, 5.0],
    )
    assert report["trades merged into others of their stamp"] == 2


# -- real sets --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taq(shared_data, tmp_path_factory):
    folder = shared_data / "taq-sample-highfrequency"
    files = export_taq(folder, tmp_path_factory.mktemp("taq"))
    return folder, read_all(CsvFeed("taq"), files, FeedOptions())


@pytest.mark.long
def test_taq_cleans_to_what_others_cleaned(taq):
    """R's highfrequency package (its rules stop before Q4 and T4): 46,564 quotes and 7,168 trades of its raw sample."""
    folder, days = taq
    theirs = (
        taq_frame(folder / "sampleQData.rda").height,
        taq_frame(folder / "sampleTData.rda").height,
    )
    assert theirs == (46_564, 7_168)

    def left(day, what):
        taken = day.instrument.extra["cleaning"]
        later = ("quotes that are outliers", "trades beyond the quotes")
        of = (
            v
            for name, v in taken.items()
            if name.startswith(what) and not name.endswith(" read") and name not in later
        )
        return taken[f"{what} read"] - sum(of)

    crosses = sum(int((d.events.kind == schema.CROSS).sum()) for d in days)
    assert sum(left(d, "quotes") for d in days) == theirs[0]
    assert sum(left(d, "trades") for d in days) - crosses == theirs[1]
    assert crosses == 4  # an opening and a closing trade a day: prints, not trades in the book


def test_lean_days(shared_data):
    days = read_all(
        CsvFeed("lean"), [shared_data / "lean-us-equity-tick-2013" / "tick" / "ibm"], FeedOptions()
    )
    assert [d.instrument.date for d in days] == [f"2013-10-{n:02}" for n in range(7, 12)]
    first = days[0]
    cross = first.events.kind == schema.CROSS
    assert first.events.qty_lots[cross].tolist() == [
        138_862,
        151_665,
    ]  # the opening and the closing print
    assert first.events.price_ticks[cross].tolist() == [18_200, 18_201]
    assert first.instrument.extra["cleaning"]["trades of irregular conditions"] == 249


def test_b3_days(shared_data):
    days = read_all(CsvFeed("b3"), [shared_data / "b3-l1-trades-2025"], FeedOptions())
    assert len(days) == 19
    read = {
        w: sum(d.instrument.extra["cleaning"][f"{w} read"] for d in days)
        for w in ("quotes", "trades")
    }
    assert sum(read.values()) == 71_194
    assert all(d.instrument.extra["signed"]["unsigned"] == 0 for d in days)


def test_snapshots_of_a_mat_file(shared_data, tmp_path):
    """20 levels: the tape's book shows every snapshot whole."""
    files = export_mat(
        shared_data / "nasdaq-lob-1s-20141103" / "INTC_20141103.mat", tmp_path, rows=4000
    )
    (day,) = read_all(CsvFeed("lob-snapshots"), files, FeedOptions())
    frame = pl.read_csv(files[0])
    want = {}
    for n in range(1, 21):
        for side, p, q in ((1, "BuyPrice", "BuyVolume"), (-1, "SellPrice", "SellVolume")):
            want[side, n] = (frame[f"{p}{n}"].to_numpy() // 100, frame[f"{q}{n}"].to_numpy())
    midnight = day.instrument.session_open_ns - 34_200_000 * 10**6
    rows = {int(t): i for i, t in enumerate(frame["EventTime"].to_numpy())}
    seen = 0
    for ns, *sides in shown_by(day.events):
        at = rows[(ns - midnight) // 10**6]
        for side, shown in zip((1, -1), sides, strict=True):
            true = [(int(p[at]), int(q[at])) for p, q in (want[side, n] for n in range(1, 21))]
            assert shown == true
        seen += 1
    assert seen > 1000


def test_lean_prints_add_up_to_the_minute_bars_of_the_same_vendor(shared_data):
    """Every print of SPY, none left out, against the volume of bars that were made apart from them."""
    folder = shared_data / "lean-us-equity-tick-2013"
    text = re.sub(r"\ndrop = .*", "", map_path("lean").read_text())
    (day,) = read_all(
        CsvFeed(parse_map(text)), [folder / "tick" / "spy" / "20131007_trade.zip"], FeedOptions()
    )
    with zipfile.ZipFile(folder / "minute" / "spy" / "20131007_trade.zip") as archive:
        bars = np.loadtxt(io.BytesIO(archive.read(archive.namelist()[0])), delimiter=",")
    bars = bars[(bars[:, 0] >= 34_200_000) & (bars[:, 0] < 57_600_000)]
    assert len(bars) == 390
    e = day.events
    minute = (e.exch_ns - day.instrument.session_open_ns) // (60 * 10**9)
    inside = (minute >= 0) & (minute < 390)
    volume = np.bincount(minute[inside], weights=e.qty_lots[inside], minlength=390)
    assert (
        volume[1:-1] == bars[1:-1, 5]
    ).all()  # the bars leave official prices of the first and last minute out
