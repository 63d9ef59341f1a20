"""A counterparty that knows none of our tags: the standard alone, in both versions, and nothing left unanswered."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st
from tests.fix.plain import order, parse

from certify.tiny import TinyVenue
from exchange.fix.aggregated import AggregatedBook, AggregatedView
from exchange.fix.counterparties import Counterparty, Login, OrderFills
from tercel.core.fixed_point import ONE
from tercel.core.link.price_scale import PriceScale
from tercel.core.orders import ExecType, MarketRows, NewOrder, OrdStatus, Report, Tif
from tercel.fix.own_dialect import own_dictionary
from tercel.fix.protocol.codec import decode
from tercel.fix.protocol.message import Message
from tercel.fix.protocol.validate import first_fault

VERSIONS = ("FIX.4.2", "FIX.4.4")


@pytest.fixture
def stranger(serve, plain):
    """A stranger logged on at a venue that serves its version."""

    def make(begin="FIX.4.4", name="A"):
        if not make.served:
            make.served.append(serve([Login("A", begin=begin), Login("B", begin=begin)]))
        made = plain(name, begin=begin, own=False)
        assert made.logon[35] == "A", made.logon
        assert 20021 not in made.logon
        return made

    make.served = []
    return make


def say_order(client, name, **changed):
    client.say("D", [(21, "1"), *order(name, **changed)])


def read(client, *kinds):
    """The next message as pairs; it must be what its version's own dictionary allows, without a tag of ours."""
    while True:
        raw = client.hear_raw()
        assert raw, "the connection is closed"
        fields = parse(raw)
        assert first_fault(decode(raw), own_dictionary(client.begin)) is None, fields
        assert not [tag for tag, _ in fields if tag >= 5000], fields
        if dict(fields)[35] in kinds or not kinds:
            return fields


def recent(text):
    at = datetime.strptime(text, "%Y%m%d-%H:%M:%S.%f").replace(tzinfo=UTC)
    return abs(datetime.now(UTC) - at) < timedelta(minutes=5)


@pytest.mark.parametrize("begin", VERSIONS)
class TestOrders:
    @pytest.mark.parametrize(
        ("changed", "reason", "old"),
        [
            ({"t55": "ZZZ"}, "1", "1"),
            ({"t38": "15"}, "13", "0"),
            ({"t59": "4"}, "11", "0"),
            ({"t59": "1"}, "11", "0"),
            ({"t40": "3", "t99": "5"}, "11", "0"),
            *(({tag: "10"}, "11", "0") for tag in ("t110", "t111", "t210", "t211", "t389")),
            *(({tag: "20300101-00:00:00"}, "11", "0") for tag in ("t126", "t168")),
            ({"t432": "20300101"}, "11", "0"),
            ({"t388": "0"}, "11", "0"),
            ({"t18": "6"}, "11", "0"),
            ({"t44": "4.96"}, "99", "0"),
        ],
    )
    def test_what_cannot_be_done_is_refused_with_its_reason(
        self, stranger, begin, changed, reason, old
    ):
        client = stranger(begin)
        say_order(client, "a", **changed)
        said = dict(read(client, "8", "3", "j"))
        assert (said[35], said[39], said[103]) == ("8", "8", reason if begin == "FIX.4.4" else old)
        assert said[58]
        assert recent(said[60])


@pytest.mark.parametrize("begin", VERSIONS)
class TestMarketData:
    ASK = ((264, 0), (267, 2), (269, 0), (269, 1), (146, 1), (55, "TINY"))

    @staticmethod
    def entries(fields, first):
        """Entries of a W or X as dicts."""
        made = []
        for tag, value in fields:
            if tag == first:
                made.append({})
            if made:
                made[-1][tag] = value
        return made

    def test_a_snapshot_is_by_price_level_and_deep_as_asked(self, stranger, begin):
        client = stranger(begin)
        for n, (depth, wanted) in enumerate([(0, 4), (1, 2), (2, 4)]):
            client.say("V", [(262, f"m{n}"), (263, 0), (264, depth), *self.ASK[1:]])
            book = read(client)
            assert dict(book)[35] == "W"
            assert dict(book)[262] == f"m{n}"
            rows = [(one[269], one[270], one[271]) for one in self.entries(book, 269)]
            assert len(rows) == wanted
            assert rows[0] == ("0", "4.95", "50")
            assert ("1", "5.05", "50") in rows
        say_order(client, "a")
        read(client, "8")
        client.say("1", [(112, "now")])
        assert dict(read(client))[35] == "0", "a snapshot alone was asked for"

    def test_changes_come_as_new_change_and_delete(self, stranger, begin):
        client, other = stranger(begin), stranger(begin, name="B")
        client.say(
            "V",
            [
                (262, "m"),
                (263, 1),
                (264, 1),
                (265, 1),
                (267, 3),
                (269, 0),
                (269, 1),
                (269, 2),
                *self.ASK[4:],
            ],
        )
        read(client, "W")
        say_order(other, "a", t44="5.00")
        new = self.entries(read(client, "X"), 279)
        assert [(one[279], one[269], one[270], one[271]) for one in new] == [
            ("2", "0", "4.95", "0"),
            ("0", "0", "5.00", "20"),
        ]
        assert {one[55] for one in new} == {"TINY"}
        assert len({one[278] for one in new}) == 2
        say_order(other, "b", t54="2", t44="5.00", t38="10")
        sold = self.entries(read(client, "X"), 279)
        assert [(one[279], one[269], one[270], one[271]) for one in sold] == [
            ("0", "2", "5.00", "10"),
            ("1", "0", "5.00", "10"),
        ]
        client.say("V", [(262, "m"), (263, 2), *self.ASK])
        say_order(other, "c", t54="2", t44="5.00", t38="10")
        read(other, "8")
        client.say("1", [(112, "end")])
        heard = []
        while not heard or heard[-1] != "0":
            heard.append(dict(read(client))[35])
        assert heard in (["0"], ["X", "0"]), "the request to end may cross one more change"

    def test_whole_books_where_they_are_asked_for(self, stranger, begin):
        client, other = stranger(begin), stranger(begin, name="B")
        client.say("V", [(262, "m"), (263, 1), (264, 1), (265, 0), *self.ASK[1:]])
        read(client, "W")
        say_order(other, "a", t44="5.00")
        book = self.entries(read(client, "W", "X"), 269)
        assert [(one[269], one[270]) for one in book] == [("0", "5.00"), ("1", "5.05")]

    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            (((263, 1), (264, 0), (267, 1), (269, 0), (146, 1), (55, "ZZZ")), "0"),
            (((263, 1), (264, 0), (267, 1), (269, 4), (146, 1), (55, "TINY")), "8"),
            (((263, 1), (264, 0), (266, "N"), (267, 1), (269, 0), (146, 1), (55, "TINY")), "7"),
            (((263, 1), (264, -2), (267, 1), (269, 0), (146, 1), (55, "TINY")), "5"),
        ],
    )
    def test_what_cannot_be_had_is_rejected(self, stranger, begin, request_, reason):
        client = stranger(begin)
        client.say("V", [(262, "m"), *request_])
        no = dict(read(client))
        assert (no[35], no[262], no[281]) == ("Y", "m", reason)

    def test_a_name_of_a_request_is_used_once(self, stranger, begin):
        client = stranger(begin)
        for _ in range(2):
            client.say("V", [(262, "m"), (263, 1), *self.ASK])
        assert dict(read(client))[35] == "W"
        assert dict(read(client))[281] == "1"


class TestOther:
    def test_a_list_of_instruments(self, stranger):
        client = stranger()
        client.say("x", [(320, "r"), (559, 4)])
        said = dict(read(client))
        assert (said[35], said[320], said[560], said[146], said[55], said[561]) == (
            "y",
            "r",
            "0",
            "1",
            "TINY",
            "10",
        )
        client.say("x", [(320, "s"), (559, 0), (55, "ELSE")])
        assert dict(read(client))[560] == "2"

    def test_orders_are_asked_about(self, stranger):
        client = stranger()
        client.say("AF", [(584, "all"), (585, 7)])
        none = dict(read(client, "8"))
        assert (none[150], none[584], none[911]) == ("I", "all", "0")
        say_order(client, "a")
        read(client, "8")
        client.say("AF", [(584, "all2"), (585, 7)])
        one = dict(read(client, "8"))
        assert (one[150], one[39], one[584]) == ("I", "0", "all2")
        client.say("D", [(21, "1"), *order("a")], head=[(97, "Y")])
        again = dict(read(client, "8"))
        assert (again[150], again[11]) == ("I", "a"), "told twice, asked once"
        client.say("H", [(11, "zz"), (55, "TINY"), (54, 2)])
        unknown = dict(read(client, "8"))
        assert [unknown[tag] for tag in (39, 103, 11, 54, 55)] == ["8", "5", "zz", "2", "TINY"]

    def test_our_messages_are_for_those_who_announce_them(self, stranger):
        client = stranger()
        client.say("U1", [(20007, 10**18 + 5), (20008, "s")])
        said = dict(read(client))
        assert (said[35], said[372], said[380]) == ("j", "U1", "3")


def trade(name, lots, price, kind=ExecType.TRADE, ref=""):
    return Report(
        name,
        kind,
        OrdStatus.NEW,
        "a",
        "",
        "1",
        "A",
        "X",
        1,
        99,
        5,
        lots * ONE,
        price * ONE,
        0,
        0,
        1,
        ref=ref,
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["trade", "bust", "correct"]),
            st.integers(0, 9),
            st.integers(1, 9),
            st.integers(1, 50),
        )
    )
)
def test_the_mean_price_is_that_of_the_executions_that_stand(steps):
    fills, stand = OrderFills(), {}
    names = {}
    for count, (what, which, lots, price) in enumerate(steps):
        if what == "trade" or not names:
            names[f"e{count}"] = f"e{count}"
            stand[f"e{count}"] = (lots, price)
            report = trade(f"e{count}", lots, price)
        else:
            ref = sorted(names)[which % len(names)]
            first = names[ref]
            names[f"e{count}"] = first
            kind = ExecType.BUSTED if what == "bust" else ExecType.CORRECTED
            stand.pop(first, None)
            if what == "correct":
                stand[first] = (lots, price)
            report = trade(f"e{count}", lots, price, kind, ref)
        assert fills.take(report)
        assert not fills.take(report), "told twice, booked once"
        total = sum(lots for lots, _ in stand.values())
        wanted = sum(lots * price for lots, price in stand.values()) / total if total else 0
        assert float(fills.average) == pytest.approx(wanted)


@given(st.data())
@settings(deadline=None)
def test_a_view_that_is_told_changes_is_the_book(data):
    """The oracle: the levels of a venue's own snapshot, cut to the view's depth."""
    venue, book = TinyVenue(), AggregatedBook()
    venue.subscribe("TINY")
    (first,) = venue.step(venue.now_ns)
    book.apply(first)
    depth = data.draw(st.sampled_from([0, 1, 2, 3]))
    view, scale = AggregatedView("m", "TINY", depth, frozenset("01"), False), PriceScale(0.05, 10)
    seen = {}

    def told(fields, names):
        for tag, value in fields:
            if tag == names[0]:
                told.at = {}
            told.at[tag] = value
            if tag == 271:
                key = told.at[269], told.at[270]
                if told.at.get(279, "0") == "2":
                    del seen[key]
                else:
                    assert (key in seen) == (told.at.get(279) == "1")
                    seen[key] = value

    told.at = {}
    told(view.snapshot(book, scale)[1], (269,))
    for n in range(data.draw(st.integers(1, 12))):
        side, lots = data.draw(st.sampled_from([1, -1])), data.draw(st.integers(1, 9))
        venue.send(
            NewOrder(
                f"o{n}", "TINY", side, lots, data.draw(st.integers(96, 104)), Tif.DAY, "A", "", 0
            )
        )
        for event in venue.step(venue.now_ns + 10**6):
            if isinstance(event, MarketRows):
                touched, trades = book.apply(event)
                for _, fields in view.change(book, touched, trades, scale):
                    told(fields, (279,))
        wanted = {}
        for side, code in ((1, "0"), (-1, "1")):
            prices = sorted(
                {one.price for one in venue._book if one.side == side}, key=lambda p: -side * p
            )
            for price in prices[: depth or None]:
                lots = sum(
                    one.left for one in venue._book if (one.side, one.price) == (side, price)
                )
                wanted[code, scale.price(price)] = scale.quantity(lots)
        assert seen == wanted


def test_a_login_says_who_sees_what():
    assert Login("E", copies=("*",)).sees("anybody")
    assert not Login("E", copies=("A",)).sees("B")
    party = Counterparty(Login("A", cancel_on_disconnect=True))
    for said, cancels in ({}, True), ({20022: "N"}, False), ({20022: "Y"}, True):
        party.greet(Message("FIX.4.4", [(35, "A"), *said.items()]))
        assert (party.uses_private_tags, party.cancels) == (False, cancels)
