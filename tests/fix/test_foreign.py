"""What any venue may say: FIX 4.2 and 4.4 by the letter of appendix D, and books of levels against a plain twin."""

import re
import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.parts import whole

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.core.link.connection import WaitLimits
from tercel.core.link.order_memory import OrderMemory
from tercel.core.link.price_scale import PriceScale
from tercel.core.link.shown_book import IDS, ShownBook
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.fix.book_messages import change_book, refresh_book
from tercel.fix.opening import open_fix_venue
from tercel.fix.profiles import load
from tercel.fix.protocol.message import Message
from tercel.fix.standard import StandardDialect
from tercel.venues.address import parse_address

NOW = 1_750_000_000 * 10**9
WHEN = "20250615-15:06:40.250"


def dialect(profile, version="44"):
    names = f'base = "generic-{version}"\n[session]\nsender = "A"\ntarget = "B"\n'
    text = f'{names}[[symbol]]\nname = "XYZ"\ntick = 0.01\nlot = 10'
    return StandardDialect(load(profile(text)), lambda: NOW, None)


def order(name="p.1", lots=3, account="agent"):
    return o.NewOrder(name, "XYZ", 1, lots, 1000, o.Tif.DAY, account, "p", 0)


def say(dialect, version, kind, status, **more):
    """What an 8 of a venue that says as little as it may comes to."""
    fields = {
        "_37": "V1",
        "_17": "E1",
        "_11": "p.1",
        "_55": "XYZ",
        "_54": "1",
        "_14": "0",
        "_151": "30",
        "_6": "0",
    }
    fields |= {"_150": kind, "_39": status, "_60": WHEN, **more}
    body = [(int(tag[1:]), value) for tag, value in fields.items() if value]
    head = [(35, "8"), (49, "B"), (56, "A"), (34, "7"), (52, WHEN)]
    items = dialect.read(Message(f"FIX.4.{version[-1]}", [*head, *body]), NOW)
    return [item for _, item in items if not isinstance(item, o.MarketRows)]


FILL = {"_32": "10", "_31": "10.00", "_14": "10", "_151": "20"}


@pytest.mark.parametrize("version", ["42", "44"])
@pytest.mark.parametrize("named", ["p.2", "theirs"])
def test_an_answer_under_the_name_of_a_cancel_is_about_what_it_cancelled(profile, version, named):
    """FIX, appendix D: once the cancel was taken the order is called by its ClOrdID; its OrderID (37) stays."""
    hears = dialect(profile, version)
    hears.commands(order())
    say(hears, version, "0", "0", _20="0" if version == "42" else "")
    hears.commands(o.CancelOrder("p.2", "p.1", "XYZ", 1, "agent", 0))
    more = {"_11": named, "_151": "0", "_20": "3" if version == "42" else "", "_17": "E2"}
    (report,) = say(hears, version, "4" if version == "42" else "I", "4", **more)
    assert (report.exec_type, report.status, report.orig) == (
        o.ExecType.STATUS,
        o.OrdStatus.CANCELED,
        "p.1",
    )
    assert (report.account, report.lots, report.price) == ("agent", 3, 1000)


@pytest.mark.parametrize("version", ["42", "44"])
def test_an_answer_about_nobodys_order_is_for_whoever_asked(profile, version):
    """A venue need not repeat the account of an order that it does not know."""
    hears = dialect(profile, version)
    hears.commands(o.StatusRequest("~1", "ann", 0))
    hears.commands(o.StatusRequest("~2", "bob", 0))
    for name, account in (("~2", "bob"), ("~1", "ann"), ("~3", "")):
        more = {
            "_11": name,
            "_103": "5",
            "_151": "0",
            "_20": "3" if version == "42" else "",
            "_17": f"E{name}",
        }
        (report,) = say(hears, version, "8" if version == "42" else "I", "8", **more)
        assert (report.exec_type, report.status) == (o.ExecType.STATUS, o.OrdStatus.UNKNOWN)
        assert (report.cl_ord_id, report.account) == (name, account)


@pytest.mark.parametrize(
    ("version", "kind", "status", "more", "meant", "stands"),
    [
        ("42", "0", "0", {"_20": "0"}, o.ExecType.NEW, o.OrdStatus.NEW),
        ("42", "1", "1", {"_20": "0", **FILL}, o.ExecType.TRADE, o.OrdStatus.PARTIALLY_FILLED),
        ("42", "2", "2", {"_20": "0", **FILL, "_151": "0"}, o.ExecType.TRADE, o.OrdStatus.FILLED),
        (
            "42",
            "1",
            "1",
            {"_20": "1", "_19": "E0"},
            o.ExecType.BUSTED,
            o.OrdStatus.PARTIALLY_FILLED,
        ),
        (
            "42",
            "1",
            "1",
            {"_20": "2", "_19": "E0", **FILL},
            o.ExecType.CORRECTED,
            o.OrdStatus.PARTIALLY_FILLED,
        ),
        ("42", "1", "1", {"_20": "3", **FILL}, o.ExecType.STATUS, o.OrdStatus.PARTIALLY_FILLED),
        ("42", "5", "5", {"_20": "0"}, o.ExecType.REPLACED, o.OrdStatus.NEW),
        ("42", "6", "6", {"_20": "0"}, o.ExecType.PENDING_CANCEL, o.OrdStatus.PENDING_CANCEL),
        ("44", "A", "A", {}, o.ExecType.PENDING_NEW, o.OrdStatus.PENDING_NEW),
        ("44", "F", "1", FILL, o.ExecType.TRADE, o.OrdStatus.PARTIALLY_FILLED),
        ("44", "H", "0", {"_19": "E0"}, o.ExecType.BUSTED, o.OrdStatus.NEW),
        ("44", "G", "1", {"_19": "E0", **FILL}, o.ExecType.CORRECTED, o.OrdStatus.PARTIALLY_FILLED),
        ("44", "D", "0", {"_378": "3"}, o.ExecType.RESTATED, o.OrdStatus.NEW),
        ("44", "3", "3", {}, o.ExecType.DONE_FOR_DAY, o.OrdStatus.DONE_FOR_DAY),
        ("44", "9", "9", {}, o.ExecType.SUSPENDED, o.OrdStatus.SUSPENDED),
        ("44", "C", "C", {"_151": "0"}, o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
        ("44", "8", "8", {"_103": "3", "_151": "0"}, o.ExecType.REJECTED, o.OrdStatus.REJECTED),
        ("44", "I", "8", {"_103": "5", "_151": "0"}, o.ExecType.STATUS, o.OrdStatus.UNKNOWN),
    ],
)
def test_each_word_means_what_the_standard_says(
    profile, version, kind, status, more, meant, stands
):
    hears = dialect(profile, version)
    hears.commands(order())
    (report,) = say(hears, version, kind, status, **more)
    assert (report.exec_type, report.status, report.ref) == (meant, stands, more.get("_19", ""))
    assert (report.cl_ord_id, report.account, report.lots, report.price) == (
        "p.1",
        "agent",
        3,
        1000,
    ), "as it was sent"
    if meant in (o.ExecType.TRADE, o.ExecType.CORRECTED):
        assert (whole(report.last_qty), whole(report.last_px), whole(report.cum_qty)) == (
            1,
            1000,
            1,
        )
    assert report.ns == NOW + 250_000_000


@pytest.mark.parametrize(
    "more",
    [
        {"_150": "Z"},
        {"_39": "Z"},
        {"_150": "F", "_32": "10"},
        {"_150": "F", "_32": "5.000000001", "_31": "10"},
    ],
)
def test_what_cannot_be_read_is_handed_over_as_it_came(profile, more):
    hears = dialect(profile)
    hears.commands(order())
    (unread,) = say(hears, "44", more.pop("_150", "0"), more.pop("_39", "0"), **more)
    assert (type(unread), unread.cl_ord_id, unread.account) == (o.Unread, "p.1", "agent")
    assert "37=V1\x01" in unread.raw


def test_names_and_orders_outlive_the_process(tmp_path):
    remembered = partial(OrderMemory, tmp_path, re.compile("[A-Z0-9]"), most=16)
    first = remembered()
    told = first.record(order("p.1/x"))
    first.close()
    (tmp_path / "orders.jsonl").open("a").write('{"wire":"torn')
    again = remembered()
    assert again.by_wire.get(told.wire) == told
    assert again.wire_name("p.1/x") == told.wire
    assert again.wire_name("p.2/x") != told.wire
    again.close()


def test_what_is_over_long_ago_leaves_memory_and_what_may_trade_stays(monkeypatch, tmp_path):
    monkeypatch.setattr("tercel.core.link.order_memory.MOST_STORED", 10)
    remembered = partial(OrderMemory, tmp_path, re.compile("[a-z0-9.]"), most=16)
    memory = remembered()
    for number in range(100):
        told = memory.record(order(f"p.{number}"))
        told.order_id = f"V{number}"
        told.status = o.OrdStatus.NEW if number in (0, 50) else o.OrdStatus.CANCELED
        memory.write(told)
    memory.close()
    assert {one.name for one in memory.live()} == {"p.0", "p.50"}
    for known in (memory, again := remembered()):
        assert len(known.by_wire) == len(known.by_name) <= 13
        assert {"p.0", "p.50", "p.99"} <= set(known.by_name)
        assert known.find_by_order_id("V0") is known.by_name["p.0"]
        assert known.find_by_order_id("V1") is None
    again.close()


class TestBooksOfLevels:
    @given(
        st.lists(
            st.tuples(
                st.sampled_from((1, -1)), st.integers(0, 5), st.integers(0, 9), st.booleans()
            ),
            min_size=1,
            max_size=40,
        )
    )
    def test_a_follower_shows_the_totals_that_were_said(self, changes):
        """The twin: a dictionary of totals. Bids stand at 90 to 95, offers at 101 to 106."""
        book = ShownBook("XYZ", PriceScale(1.0))
        follower = Follower(o.Listing("XYZ", 1.0, 1, dense_ids=IDS))
        twin = {(1, 95): 5, (-1, 101): 5}
        entries = [entry("0", 95, 5), entry("1", 101, 5)]
        follower.on_market(refresh_book(book, entries, 1))
        for n, (side, level, size, deletes) in enumerate(changes, 2):
            price = 90 + level if side > 0 else 101 + level
            lots = 0 if deletes else size
            action = "2" if deletes else "1"
            rows = change_book(book, [entry("0" if side > 0 else "1", price, lots, action)], n)
            twin[side, price] = lots
            if rows is not None:
                follower.on_market(rows)
        best = lambda side: max(  # noqa: E731
            (p * side for (s, p), q in twin.items() if s == side and q), default=None
        )
        bid, ask = follower.touch
        if best(1) is not None:
            assert bid == best(1)
        if best(-1) is not None:
            assert ask == -best(-1)
        shown = refresh_book(
            book, [entry("0" if s > 0 else "1", p, q) for (s, p), q in twin.items() if q], 99
        ).rows
        totals = {}
        for row in shown[1:].tolist():
            totals[row[3], row[4]] = totals.get((row[3], row[4]), 0) + row[5]
        assert totals == {at: lots for at, lots in twin.items() if lots}

    def test_own_orders_stand_in_the_totals(self):
        book = ShownBook("XYZ", PriceScale(1.0))
        follower = Follower(o.Listing("XYZ", 1.0, 1, dense_ids=IDS))
        follower.on_market(refresh_book(book, [entry("0", 95, 5), entry("1", 101, 5)], 1))
        book.number_sent_order("p.1", 1, 95)
        acked = report("p.1", o.ExecType.NEW, leaves=3)
        follower.on_market(book.market_rows(book.rest_after(acked)))
        assert change_book(book, [entry("0", 95, 8)], 3) is None, "the total has our lots in it"
        (less,) = change_book(book, [entry("0", 95, 6)], 4).rows.tolist()
        assert less[1:6] == [2, less[2], 1, 95, 2], "other people's lots went"
        assert less[2] != book.number("p.1")
        filled = report("p.1", o.ExecType.TRADE, leaves=1, last=2)
        (taken,) = book.take_trade(filled)
        assert taken[1:6] == (4, book.number("p.1"), 1, 95, 2)
        assert book.rest_after(filled) == []

    def test_an_order_that_crosses_rests_when_the_other_side_is_gone(self):
        book = ShownBook("XYZ", PriceScale(1.0))
        refresh_book(book, [entry("0", 95, 5), entry("1", 101, 5)], 1)
        book.number_sent_order("p.1", 1, 101)
        assert book.rest_after(report("p.1", o.ExecType.NEW, leaves=8, price=101)) == []
        rows = change_book(book, [entry("1", 101, 0, "2")], 3).rows
        assert rows[:, o.M_ID].tolist()[-1] == book.number("p.1")
        assert np.array_equal(rows[-1, 3:6], [1, 101, 8])

    def test_a_change_that_cannot_be_read_has_the_book_asked_for_anew(self, profile):
        hears = dialect(profile)
        hears.market_request("M1", "XYZ")
        whole = [(55, "XYZ"), (268, "1"), (269, "0"), (270, "10.00"), (271, "50")]
        hears.read(Message("FIX.4.4", [(35, "W"), (34, "8"), (52, WHEN), (262, "M1"), *whole]), NOW)
        head = [(35, "X"), (34, "9"), (52, WHEN), (262, "M1"), (268, "1"), (279, "1")]
        ((_, unread),) = hears.read(
            Message("FIX.4.4", [*head, (269, "0"), (270, "nan"), (271, "10")]), NOW
        )
        assert isinstance(unread, o.Unread)
        assert hears.stale_instruments == ["XYZ"]


def entry(kind, price, lots, action="1"):
    return Message("FIX.4.4", [(279, action), (269, kind), (270, str(price)), (271, str(lots))])


def report(name, kind, leaves, last=0, price=95):
    status = o.OrdStatus.PARTIALLY_FILLED if last else o.OrdStatus.NEW
    return o.Report(
        f"E{leaves}",
        kind,
        status,
        name,
        "",
        "V1",
        "a",
        "XYZ",
        1,
        3,
        price,
        *(value * ONE for value in (last, price, 3 - leaves, leaves)),
        2,
    )


class TestWhere:
    def test_addresses(self):
        assert parse_address("fix://A@h:1?profile=generic-42").profile == "generic-42"
        assert (parse_address("fix:venue.toml").host, parse_address("fix:/a/b.cfg").profile) == (
            "",
            "/a/b.cfg",
        )

    @pytest.mark.parametrize(
        "where",
        ["fix://h", "fix://h:1?speed=3", "fix:", "wire://h:1", "fix://a:hunter2@h:1", "x://h:1"],
    )
    def test_what_is_no_address(self, where):
        with pytest.raises(Exception, match="expected simulated") as refused:
            parse_address(where)
        assert "hunter2" not in str(refused.value)

    def test_a_venue_that_is_not_there_is_an_error_in_seconds(self, port):
        began = time.monotonic()
        with pytest.raises(VenueError, match="Connection refused"):
            open_fix_venue("127.0.0.1", port, "A")
        with pytest.raises(VenueError, match="FIX server"):
            open_fix_venue("192.0.2.1", port, "A", patience=WaitLimits(logon_s=0.5))
        assert time.monotonic() - began < 10
