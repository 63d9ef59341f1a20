"""The profile `binance` against the dictionaries that the venue publishes: what is said to it, and what it may say."""

from dataclasses import replace

import pytest
from tests.parts import whole

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.fix.dialect import StepAnswer
from tercel.fix.link import Address, FixLink
from tercel.fix.profiles import load
from tercel.fix.protocol import validate as v
from tercel.fix.protocol.codec import decode, encode
from tercel.fix.protocol.message import Message
from tercel.fix.standard import StandardDialect

NOW = 1_750_000_000 * 10**9
WHEN = "20250615-15:06:40.000000"
ORDERS = """
base = "binance"
dictionary = "{peers}/binance/spot-fix-oe.xml"
[session]
sender = "EXAMPLE"
[logon]
username = {{ env = "TERCEL_BINANCE_KEY" }}
[[symbol]]
name = "BTCUSDT"
tick = "0.01"
lot = "0.00001"
[[symbol]]
name = "LTCBNB"
tick = "0.01"
lot = 1
"""
MARKET = """
base = "binance-md"
dictionary = "{peers}/binance/spot-fix-md.xml"
[session]
sender = "EXAMPLE"
"""


@pytest.fixture
def terms(shared_peers, profile, monkeypatch):
    monkeypatch.setenv("TERCEL_BINANCE_KEY", "api-key")
    return load(profile(ORDERS.format(peers=shared_peers)))


@pytest.fixture
def feed(shared_peers, profile):
    return load(profile(MARKET.format(peers=shared_peers)))


def dialect(terms, market=None):
    return StandardDialect(terms, lambda: NOW, None, market)


def new(name, lots=3, price=6_000_000, tif=o.Tif.DAY, account="agent"):
    return o.NewOrder(name, "BTCUSDT", 1, lots, price, tif, account, "p", 0)


def valid(ready, terms):
    """A message as it goes out, checked by the venue's own dictionary."""
    sent = [
        (35, ready.kind),
        (49, "EXAMPLE"),
        (56, "SPOT"),
        (34, "2"),
        (52, WHEN),
        (25000, "5000"),
        *ready.fields,
    ]
    message = decode(encode("FIX.4.4", sent), terms.dictionary.data_fields)
    assert v.first_fault(message, terms.dictionary) is None, (
        f"{v.first_fault(message, terms.dictionary)} in {sent}"
    )
    assert message.kind in terms.dictionary.messages
    return message


def said(terms, kind, **fields):
    """A message of the venue, checked by its dictionary; its fields as _TAG=VALUE."""
    body = [(int(tag[1:]), value) for tag, value in fields.items()]
    message = Message(
        "FIX.4.4", [(35, kind), (49, "SPOT"), (56, "EXAMPLE"), (34, "7"), (52, WHEN), *body]
    )
    assert v.first_fault(message, terms.dictionary) is None, v.first_fault(
        message, terms.dictionary
    )
    return message


def report(terms, name, kind="0", status="0", qty="0.00003", cum="0", last="0", **more):
    fields = {
        "_17": "9",
        "_11": name,
        "_37": "76",
        "_38": qty,
        "_40": "2",
        "_54": "1",
        "_55": "BTCUSDT",
        "_44": "60000",
    }
    fields |= {"_59": "1", "_60": WHEN, "_150": kind, "_14": cum, "_32": last, "_39": status}
    return said(terms, "8", **(fields | more))


def one(dialect, message):
    """The one report that a message means, market data left out."""
    (found,) = [
        item for _, item in dialect.read(message, NOW) if not isinstance(item, o.MarketRows)
    ]
    return found


class TestWhatIsSaid:
    def test_every_command_is_as_the_dictionary_has_it(self, terms):
        speaks = dialect(terms)
        ready, _ = speaks.commands(new("p.1"))
        order = valid(ready[0], terms)
        assert (order.get(38), order.get(44), order.get(59), order.get(40)) == (
            "0.00003",
            "60000.00",
            "1",
            "2",
        )
        assert (1 in order, 60 in order) == (False, False), (
            "it knows neither Account nor TransactTime here"
        )
        ready, _ = speaks.commands(new("p.2", price=None, tif=o.Tif.IOC))
        assert valid(ready[0], terms).get(40) == "1"
        ready, _ = speaks.commands(new("p.3", tif=o.Tif.IOC))
        assert valid(ready[0], terms).get(59) == "3"
        ready, _ = speaks.commands(o.CancelOrder("p.4", "p.1", "BTCUSDT", 1, "agent", 0))
        assert valid(ready[0], terms).get(41) == order.get(11)

    def test_fewer_lots_keep_their_place_and_all_else_is_cancel_and_new(self, terms):
        speaks = dialect(terms)
        speaks.commands(new("p.1", 9))
        ready, _ = speaks.commands(
            o.ReplaceOrder("p.2", "p.1", "BTCUSDT", 1, 4, 6_000_000, "agent", "p", 0)
        )
        amend = valid(ready[0], terms)
        assert (amend.kind, amend.get(38)) == ("XAK", "0.00004")
        ready, _ = speaks.commands(
            o.ReplaceOrder("p.3", "p.2", "BTCUSDT", 1, 4, 6_000_001, "agent", "p", 0)
        )
        swap = valid(ready[0], terms)
        assert (swap.kind, swap.get(44), swap.get(25033)) == ("XCN", "60000.01", "1")
        assert swap.get(25034) not in ("", swap.get(11))

    def test_mass_cancels_go_by_symbol_or_by_order(self, terms):
        speaks = dialect(terms)
        speaks.commands(new("p.1"))
        speaks.commands(new("p.2", account="other"))
        ready, _ = speaks.commands(o.MassCancel("all", "", "", 0))
        assert [(valid(each, terms).kind, valid(each, terms).get(55)) for each in ready] == [
            ("q", "BTCUSDT")
        ]
        ready, _ = speaks.commands(o.MassCancel("mine", "agent", "", 0))
        assert [valid(each, terms).kind for each in ready] == ["F"], (
            "q would cancel the other account's too"
        )

    def test_nothing_is_asked_that_it_does_not_answer(self, terms):
        ready, note = dialect(terms).commands(o.StatusRequest("p.1", "agent", 0))
        assert ready == []
        assert "answers no questions" in note
        assert dialect(terms).disowning_messages(o.Unread("35=8\x0134=3\x01", "why", 1)) == []

    def test_names_fit_its_rule_and_come_back(self, terms):
        speaks = dialect(terms)
        names = ["p.1", "65f1-1.AAA:x/1.7", "a" * 60, "plain-1"]
        wires = [valid(speaks.commands(new(name))[0][0], terms).get(11) for name in names]
        assert len(set(wires)) == len(names)
        assert all(len(wire) <= 36 and set(wire) <= set("-_" + LETTERS) for wire in wires)
        assert wires[-1] == "plain-1"
        assert [
            one(speaks, report(terms, wire, _151="0.00003")).cl_ord_id for wire in wires
        ] == names

    def test_more_messages_than_it_takes_are_refused_here(self, terms):
        few = terms.profile.limits.model_copy(update={"messages": 3})
        tight = replace(terms, profile=terms.profile.model_copy(update={"limits": few}))
        link = FixLink(tight, Address("127.0.0.1", 9), "", wall=lambda: NOW)
        link._throttle(3, 1)
        with pytest.raises(VenueError, match="at most 3 messages in 10 s"):
            link._throttle(1, 1)
        link.end()


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class TestWhatItSays:
    def test_cancel_and_new_is_a_replacement(self, terms):
        hears = dialect(terms)
        first = hears.commands(new("p.1", 5))[0][0].fields[0][1]
        one(hears, report(terms, first, qty="0.00005", _151="0.00005"))
        trade = {"_31": "60000", "_17": "10", "_151": "0.00003"}
        one(
            hears,
            report(terms, first, "F", "1", qty="0.00005", cum="0.00002", last="0.00002", **trade),
        )
        swap = dict(
            hears.commands(
                o.ReplaceOrder("p.2", "p.1", "BTCUSDT", 1, 5, 5_999_900, "agent", "p", 0)
            )[0][0].fields
        )
        assert swap[38] == "0.00003", "what is filled is not ordered again"
        gone = report(
            terms,
            swap[25034],
            "4",
            "4",
            qty="0.00005",
            cum="0.00002",
            _41=first,
            _17="11",
            _151="0",
        )
        assert hears.read(gone, NOW) == [], "the other half tells it"
        back = report(
            terms, swap[11], qty="0.00003", _44="59999.00", _17="12", _151="0.00003", _37="77"
        )
        changed = one(hears, back)
        assert (changed.exec_type, changed.cl_ord_id, changed.orig) == (
            o.ExecType.REPLACED,
            "p.2",
            "p.1",
        )
        assert (changed.lots, whole(changed.cum_qty), whole(changed.leaves_qty), changed.price) == (
            5,
            2,
            3,
            5_999_900,
        )

    def test_a_new_half_that_is_refused_leaves_a_cancelled_order(self, terms):
        hears = dialect(terms)
        first = hears.commands(new("p.1", 5))[0][0].fields[0][1]
        one(hears, report(terms, first, qty="0.00005", _151="0.00005"))
        swap = dict(
            hears.commands(
                o.ReplaceOrder("p.2", "p.1", "BTCUSDT", 1, 5, 5_999_900, "agent", "p", 0)
            )[0][0].fields
        )
        assert (
            hears.read(
                report(terms, swap[25034], "4", "4", qty="0.00005", _41=first, _17="11"), NOW
            )
            == []
        )
        refused = report(
            terms,
            swap[11],
            "8",
            "8",
            _58="Account has insufficient balance",
            _25016="-2010",
            _17="12",
        )
        over = one(hears, refused)
        assert (over.exec_type, over.status, over.orig, whole(over.leaves_qty)) == (
            *(o.ExecType.CANCELED, o.OrdStatus.CANCELED, "p.1", 0),
        )
        assert "insufficient balance" in over.text

    def test_refusals(self, terms):
        hears = dialect(terms)
        wire = hears.commands(new("p.1"))[0][0].fields[0][1]
        one(hears, report(terms, wire, _151="0.00003"))
        cancel = dict(
            hears.commands(o.CancelOrder("p.2", "p.1", "BTCUSDT", 1, "agent", 0))[0][0].fields
        )
        fields = {
            "_11": cancel[11],
            "_41": wire,
            "_55": "BTCUSDT",
            "_434": "1",
            "_25016": "-2011",
            "_58": "Unknown order sent.",
        }
        unknown = one(hears, said(terms, "9", **fields))
        assert (unknown.cl_ord_id, unknown.orig, unknown.status, unknown.account) == (
            *("p.2", "p.1", o.OrdStatus.UNKNOWN, "agent"),
        )
        barred = one(
            hears,
            said(terms, "9", **fields | {"_58": "This account may not place or cancel orders."}),
        )
        assert barred.status is o.OrdStatus.NEW, (
            "the code alone does not say that the order is unknown"
        )
        amend = dict(
            hears.commands(
                o.ReplaceOrder("p.3", "p.1", "BTCUSDT", 1, 2, 6_000_000, "agent", "p", 0)
            )[0][0].fields
        )
        fields = {
            "_11": amend[11],
            "_41": wire,
            "_55": "BTCUSDT",
            "_38": "0.00002",
            "_25016": "-2038",
            "_58": "no change",
        }
        refused = one(hears, said(terms, "XAR", **fields))
        assert (refused.cl_ord_id, refused.orig, refused.status) == ("p.3", "p.1", o.OrdStatus.NEW)
        mass = {"_55": "BTCUSDT", "_11": "all", "_530": "1", "_531": "0", "_532": "99", "_58": "no"}
        assert isinstance(one(hears, said(terms, "r", **mass)), o.CancelReject)
        hears.remember(12, new("p.9"))
        lost = one(hears, said(terms, "3", _45="12", _372="D", _373="5", _25016="-1102", _58="bad"))
        assert (lost.exec_type, lost.cl_ord_id) == (o.ExecType.REJECTED, "p.9")

    def test_all_else_in_its_dictionary_means_something_or_is_passed_over(self, terms, feed):
        """Every message of both dictionaries, with what it must have, is read without an error."""
        made = 0
        for told in (terms, feed):
            hears = dialect(terms, feed)
            for kind, rule in told.dictionary.messages.items():
                if rule.admin or kind in SAID:
                    continue
                fields = {f"_{tag}": sample(told.dictionary, tag) for tag in rule.block.required}
                for tag in rule.block.required:
                    assert rule.block.members[tag] is None or fields[f"_{tag}"] == "0"
                items = hears.read(said(told, kind, **fields), NOW)
                refused = [item for _, item in items if isinstance(item, o.Unread)]
                assert len(refused) == (kind == "Y"), (kind, items)
                made += 1
        assert made == 13

    def test_instruments_and_books(self, terms, feed):
        hears = dialect(terms, feed)
        listed = [
            (146, "1"),
            (55, "BTCUSDT"),
            (15, "USDT"),
            (25039, "0.00001000"),
            (969, "0.01000000"),
        ]
        message = Message(
            "FIX.4.4",
            [(35, "y"), (49, "SPOT"), (56, "E"), (34, "2"), (52, WHEN), (320, "L"), *listed],
        )
        assert v.first_fault(message, feed.dictionary) is None
        ((_, answer),) = hears.read(message, NOW)
        assert isinstance(answer, StepAnswer)
        (listing,) = answer.listings
        assert (listing.instrument, listing.lot) == ("BTCUSDT", 1)
        assert listing.tick == pytest.approx(0.01 * 0.00001), (
            "the price of a lot, so that its value is right"
        )
        hears.market_request("M1", "BTCUSDT")
        entries = [
            (269, "0"),
            (270, "59999.99"),
            (271, "0.00007"),
            (269, "1"),
            (270, "60000.01"),
            (271, "0.00002"),
        ]
        head = [(49, "SPOT"), (56, "E"), (34, "3"), (52, WHEN), (262, "M1")]
        ((_, book),) = hears.read(
            Message("FIX.4.4", [(35, "W"), *head, (55, "BTCUSDT"), (268, "2"), *entries]), NOW
        )
        assert book.snapshot
        assert [row[2:6] for row in book.rows.tolist()[1:]] == [
            [0, 1, 5_999_999, 7],
            [1, -1, 6_000_001, 2],
        ]
        change = [(279, "1"), (270, "59999.99"), (271, "0.00004"), (269, "0"), (55, "BTCUSDT")]
        ((_, less),) = hears.read(Message("FIX.4.4", [(35, "X"), *head, (268, "1"), *change]), NOW)
        assert less.rows.tolist() == [[NOW, 2, 0, 1, 5_999_999, 3, -1]]


SAID = {"D", "E", "F", "q", "XCN", "XAK", "XLQ", "x", "V"}
"""What only we send."""


def sample(dictionary, tag):
    """A value that a field may have."""
    rule = dictionary.fields[tag]
    if rule.values:
        return sorted(rule.values)[0]
    by_kind = {"UTCTIMESTAMP": WHEN, "BOOLEAN": "Y", "STRING": "BTCUSDT" if tag == 55 else "a"}
    return "0" if rule.kind == "NUMINGROUP" else by_kind.get(rule.kind, "1")
