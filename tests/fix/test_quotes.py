"""Requests for quotes in FIX 4.4: QuickFIX's dictionary has the first word, then what it lets through and we do not."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from certify.fix.stage import HandClock
from certify.tiny import TinyVenue
from exchange.fix.counterparties import Counterparty, Login
from exchange.fix.quotes import QuoteService
from tercel.core import fixed_point, orders as o
from tercel.core.errors import ConfigError, OrderError, VenueError
from tercel.core.link.price_scale import PriceScale
from tercel.core.quotes import (
    Quote,
    QuoteCancel,
    QuoteReject,
    QuoteRequest,
    QuoteState,
    QuoteStatus,
)
from tercel.fix.profiles import load
from tercel.fix.protocol.codec import encode
from tercel.fix.protocol.message import Message
from tercel.fix.protocol.quickfix_xml import read_xml
from tercel.fix.protocol.validate import first_fault
from tercel.fix.quotes import QuoteDesk
from tercel.fix.standard import StandardDialect

NOW = 1_750_000_000 * 10**9
HEAD = [(49, "A"), (56, "B"), (34, "2"), (52, "20250615-15:06:40.250")]
TIMES = st.integers(NOW + 10**9, NOW + 10**14)
NAMES = st.text("abcXYZ019._-", min_size=1, max_size=12)


@pytest.fixture(scope="module")
def quickfix():
    """QuickFIX's own check of a message against its own dictionary."""
    if find_spec("quickfix") is None:
        pytest.skip("no module quickfix")
    fix = pytest.importorskip("quickfix")
    listed = metadata.files("quickfix") or ()
    path = Path(str(next(one for one in listed if one.name == "FIX44.xml").locate())).resolve()
    dictionary = fix.DataDictionary(str(path))

    def checked(kind, fields):
        raw = encode("FIX.4.4", [(35, kind), *HEAD, *fields]).decode()
        dictionary.validate(fix.Message(raw, dictionary, True))
        return raw

    checked.path = path
    return checked


def dialect(profile, quotes="order"):
    text = f'base = "generic-44"\n[orders]\nquotes = "{quotes}"\n[session]\nsender = "A"\ntarget = "B"\n'
    symbol = '[[symbol]]\nname = "XYZ"\ntick = 0.01\nlot = 10'
    terms = load(profile(text + symbol))
    return terms, StandardDialect(terms, lambda: NOW, None)


class Asker:
    """The client's side, whose messages are held here."""

    def __init__(self, terms, known):
        self.sent = []
        self.desk = QuoteDesk(
            terms, known.scales, known.own_name, lambda: "n1", self.send, lambda: NOW, lambda: NOW
        )

    def send(self, messages):
        self.sent += [(one.kind, list(one.fields)) for one in messages]
        return 1

    def ask(self, name="r1", side=1, lots=5, dealers=("D1", "D2")):
        self.desk.request_quotes(
            QuoteRequest(name, "XYZ", side, lots, NOW + 10**10, "ann", NOW, dealers)
        )
        return self.sent[-1]

    def hear(self, kind, fields):
        (item,) = self.desk.read(Message("FIX.4.4", [(35, kind), *HEAD, *fields]), NOW)
        return item


@pytest.fixture
def asker(profile):
    return Asker(*dialect(profile))


@pytest.fixture
def quoted(asker):
    """One that has asked, and holds the quote q1."""
    asker.ask()
    assert isinstance(asker.hear("S", quote()), Quote)
    return asker


def order(quote="q1", **more):
    said = {"side": 1, "lots": 5, "price": 1005} | more
    terms = said["side"], said["lots"], said["price"], o.Tif.IOC, "ann", "p"
    return o.QuotedOrder("c1", "XYZ", *terms, NOW, quote)


class Acceptor:
    """The venue's side, whose messages are held here."""

    def __init__(self):
        self.sent = []
        party = Counterparty(Login("A"))
        scales = {"XYZ": PriceScale(0.01, 10)}
        self.service = QuoteService(
            TinyVenue(NOW),
            {"A": party},
            scales,
            lambda _, kind, fields: self.sent.append((kind, list(fields))),
            HandClock(NOW),
        )

    def say(self, event, side=1, name="A/r1"):
        asked = QuoteRequest(name, "XYZ", side, 5, NOW + 10**10, "ann", NOW)
        self.service._requests[name] = asked
        self.service.say(event)
        return self.sent[-1]


def events(bid, offer, until=NOW + 5 * 10**9):
    about = "XYZ", "ann", NOW
    yield Quote("q1", "A/r1", "D1", "XYZ", bid, offer, 5, until, "ann", NOW)
    yield QuoteReject("A/r1", "D1", *about, "no inventory")
    yield QuoteReject("A/r1", "", *about)
    yield QuoteCancel("q1", "A/r1", "D1", *about)
    for status in QuoteState:
        yield QuoteStatus("q1", "A/r1", status, *about, "words")


class TestQuickFix:
    """The oracle: every message that we write, checked by somebody else's code and dictionary."""

    @pytest.mark.parametrize("side", [1, -1, 0])
    @pytest.mark.parametrize("dealers", [(), ("D1",), ("D1", "D2", "D3")])
    def test_requests(self, asker, quickfix, side, dealers):
        kind, fields = asker.ask(side=side, dealers=dealers)
        raw = quickfix(kind, fields)
        assert ("\x0154=" in raw) == (side != 0)
        assert raw.count("\x01448=") == len(dealers)

    def test_what_takes_and_passes_quotes(self, profile, quickfix):
        for quotes, wanted in (("order", "D"), ("response", "AJ")):
            terms, known = dialect(profile, quotes)
            asker = Asker(terms, known)
            asker.ask()
            asker.hear("S", quote())
            (ready,), _ = known.commands(order())
            assert ready.kind == wanted
            quickfix(ready.kind, ready.fields)
            said = dict(ready.fields)
            assert (said[117], said[44], said[38]) == ("q1", "10.05", "50")
            codes = {"D": {40: "D", 59: "4"}, "AJ": {693: "c1", 694: "1", 11: "c1"}}[wanted]
            assert codes.items() <= said.items()
            asker.desk.pass_quotes("r1")
            quickfix(*asker.sent[-1])
            assert dict(asker.sent[-1][1])[694] == "6"

    @pytest.mark.parametrize(("side", "bid", "offer"), [(1, None, 7), (-1, 7, None), (0, 7, 8)])
    def test_answers(self, quickfix, side, bid, offer):
        for event in events(bid, offer):
            quickfix(*Acceptor().say(event, side))

    def test_the_shipped_dictionary_has_the_same_members(self, quickfix):
        theirs, (terms, _) = read_xml(quickfix.path), (load("generic-44"), None)
        for kind in ("R", "S", "Z", "AG", "AI", "AJ"):
            ours = terms.dictionary.messages[kind].block
            # ours wants a symbol (55) in every instrument, as FIX 4.4 has it
            assert {*ours.tags} == {*theirs.messages[kind].block.tags}, kind
            assert {*ours.required} - {55} == {*theirs.messages[kind].block.required}, kind


def quote(**changed):
    said = {
        131: "r1",
        117: "q1",
        453: "1",
        448: "D1",
        447: "D",
        452: "35",
        55: "XYZ",
        54: "1",
        133: "10.05",
        135: "50",
        62: "20250615-15:06:45",
    }
    said |= {int(tag[1:]): value for tag, value in changed.items()}
    return [(tag, value) for tag, value in said.items() if value != ""]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """The terms and the dialect of one profile."""
    path = tmp_path_factory.mktemp("profile") / "p.toml"

    def profile(text):
        path.write_text(text)
        return str(path)

    return dialect(profile)


class TestBothWays:
    @given(
        sides=st.sampled_from([(1, None, 1), (-1, 1, None), (0, 1, 1)]),
        price=st.integers(2, 10**6),
        spread=st.integers(0, 50),
        lots=st.integers(1, 5),
        until=TIMES,
        name=NAMES,
    )
    @settings(max_examples=40)
    def test_a_quote_comes_back(self, spoken, sides, price, spread, lots, until, name):
        terms, known = spoken
        side, bid, offer = sides
        said = Quote(
            name,
            "A/r1",
            "D1",
            "XYZ",
            bid and price,
            offer and price + spread,
            lots,
            until - until % 10**6,
            "ann",
            NOW,
        )
        asker = Asker(terms, known)
        asker.ask(side=side)
        kind, fields = Acceptor().say(said, side)
        whole = Message("FIX.4.4", [(35, kind), *HEAD, *fields])
        assert first_fault(whole, terms.dictionary) is None
        back = asker.hear(kind, fields)
        assert back == replace(said, request="r1", ns=NOW)

    @given(side=st.sampled_from([1, -1, 0]), lots=st.integers(1, 10**6), name=NAMES, until=TIMES)
    @settings(max_examples=40)
    def test_a_request_comes_back(self, spoken, side, lots, name, until):
        asker, heard = Asker(*spoken), []
        until -= until % 10**6
        asked = QuoteRequest(name, "XYZ", side, lots, until, "ann", NOW, ("D1", "D 2"))
        asker.desk.request_quotes(asked)
        kind, fields = asker.sent[-1]
        acceptor = Acceptor()

        class Dealers:
            def request_quotes(self, request):
                heard.append(request)

        acceptor.service._dealers = Dealers()
        party = acceptor.service._parties["A"]
        acceptor.service.request(
            party, Message("FIX.4.4", [(35, kind), *HEAD, *fields]), lambda _: None
        )
        (back,) = heard
        assert (back.id, back.side, back.lots, back.until_ns) == (f"A/{name}", side, lots, until)
        assert (back.dealers, back.account, back.instrument) == (("D1", "D 2"), "ann", "XYZ")


class TestWhatIsNoQuote:
    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"_55": ""}, "tag 55"),
            ({"_133": ""}, "a price"),
            ({"_135": ""}, "tag 38"),
            ({"_133": "NaN"}, "133=NaN"),
            ({"_133": "Infinity"}, "a price"),
            ({"_133": "-10.05"}, "above zero"),
            ({"_133": "0"}, "above zero"),
            ({"_133": "10.055"}, "on the tick"),
            ({"_135": "-50"}, "whole lots"),
            ({"_135": "55"}, "whole lots"),
            ({"_135": "60"}, "6 lots; 1 to 5"),
            ({"_132": "10.06", "_134": "50"}, "a bid of 1006 above the offer of 1005"),
            ({"_133": "", "_132": "10.00", "_134": "50"}, "no price to buy"),
            ({"_54": "2"}, "54=2"),
            ({"_448": "D3"}, "'D3' is not in the request"),
            ({"_131": "r2"}, "no request 'r2'"),
            ({"_131": ""}, "tag 131"),
            ({"_117": ""}, "tag 117"),
        ],
    )
    def test_it_is_told_as_unread(self, asker, changed, why):
        asker.ask()
        found = asker.hear("S", quote(**changed))
        assert isinstance(found, o.Unread)
        assert why in found.why
        assert not asker.desk.book.quotes
        refusal = asker.desk.hit(order())
        assert refusal.status is o.OrdStatus.REJECTED
        assert "unknown quote" in refusal.text

    def test_a_second_quote_of_one_name(self, quoted):
        found = quoted.hear("S", quote(_133="9.00", _448="D2"))
        assert isinstance(found, o.Unread)
        assert "came before" in found.why
        for kind, fields in (
            ("S", quote()),
            ("S", quote(_131="r0", _117="q0")),
            ("Z", [(117, "q0")]),
        ):
            repeated = Message("FIX.4.4", [(35, kind), *HEAD, (43, "Y"), *fields])
            assert quoted.desk.read(repeated, NOW) == []
        missed = Message("FIX.4.4", [(35, "S"), *HEAD, (43, "Y"), *quote(_117="q2", _448="D2")])
        assert [one.id for one in quoted.desk.read(missed, NOW)] == ["q2"]

    def test_a_request_that_cannot_be_made(self, asker):
        for more in ({"lots": 0}, {"side": 2}):
            with pytest.raises(OrderError):
                asker.ask("r9", **more)
        asker.ask()
        with pytest.raises(OrderError, match="made before"):
            asker.ask()
        assert len(asker.sent) == 1

    def test_a_request_that_does_not_leave_can_be_made_again(self, asker):
        sends = asker.desk._send

        def down(_):
            raise VenueError("a link", "none", "wait")

        asker.desk._send = down
        with pytest.raises(VenueError):
            asker.ask()
        asker.desk._send = sends
        assert asker.ask()[0] == "R"

    def test_a_profile_of_42_has_none(self, profile):
        text = (
            'base = "generic-42"\n[orders]\nquotes = "order"\n[session]\nsender = "A"\ntarget = "B"'
        )
        with pytest.raises(ConfigError, match="a dictionary with AG, R, S, Z"):
            load(profile(text))


class TestWhatEndsAQuote:
    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("Z", [(117, "q1"), (298, "1")]),
            ("Z", [(131, "r1"), (117, "*"), (298, "4")]),
            ("Z", [(117, "*"), (298, "4")]),
            ("AI", [(117, "q1"), (55, "XYZ"), (297, "7")]),
            ("AI", [(117, "q1"), (55, "XYZ"), (297, "5"), (58, "no")]),
        ],
    )
    def test_by_a_message(self, quoted, kind, fields):
        found = quoted.hear(kind, fields)
        assert (found.id, found.request, found.account) == ("q1", "r1", "ann")
        assert quoted.desk.hit(order()).status is o.OrdStatus.REJECTED

    @pytest.mark.parametrize(
        ("kind", "fields", "fault"),
        [
            ("Z", [(117, "q1"), (298, "5")], "298: a value that this tag cannot have"),
            ("Z", [(117, "q1"), (298, "1"), (60, "20250615-15:06:41")], "60: no such tag here"),
            ("Z", [(117, "q0"), (117, "q1"), (298, "5")], "117: a tag occurs twice"),
            ("Z", [(131, "r1"), (298, "5")], "117: a required tag is missing"),
            ("Z", [(131, "r1"), (117, "*"), (298, "5")], "298"),
            ("Z", [(298, "5")], "117"),
            ("AI", [(117, "q1"), (55, "XYZ"), (297, "16")], ""),
            ("AI", [(117, "q1"), (55, "XYZ"), (297, "?")], "297"),
            ("S", quote(_117="q2", _133="10.055"), ""),
            ("S", quote(_117="q2", _133="abc"), "133: a value in the wrong format"),
        ],
    )
    def test_by_a_message_that_cannot_be_read(self, quoted, kind, fields, fault):
        quoted.hear("S", quote(_117="q9", _448="D2"))
        message = Message("FIX.4.4", [(35, kind), *HEAD, *fields], fault)
        *gone, unread = quoted.desk.read(message, NOW)
        assert {type(one) for one in gone} == {QuoteCancel}
        assert "q1" in [one.id for one in gone]
        assert isinstance(unread, o.Unread)
        assert "withdrawn" in quoted.desk.hit(order()).text
        named = kind != "Z" or (117, "q1") in fields
        assert ([one.id for one in quoted.desk.book.open("r1")] == ["q9"]) == named

    def test_one_dealer_ends_its_own_alone(self, quoted):
        quoted.hear("S", quote(_117="q2", _448="D2"))
        whose = [(453, "1"), (448, "D2"), (447, "D"), (452, "35")]
        assert quoted.hear("Z", [(131, "r1"), (117, "*"), (298, "4"), *whose]).id == "q2"
        assert [one.id for one in quoted.desk.book.open("r1")] == ["q1"]

    def test_a_second_quote_of_its_name_that_cannot_be_read_leaves_it(self, quoted):
        assert isinstance(quoted.hear("S", quote(_133="10.055")), o.Unread)
        assert quoted.desk.hit(order()) is None

    def test_a_request_that_nobody_quotes(self, asker):
        asker.ask()
        entry = [(146, "1"), (55, "XYZ"), (453, "1"), (448, "D2"), (447, "D"), (452, "35")]
        found = asker.hear("AG", [(131, "r1"), (658, "9"), *entry])
        assert (found.dealer, found.text) == ("D2", "no inventory")

    def test_a_request_that_the_venue_rejects(self, profile):
        _, known = dialect(profile)
        asked = QuoteRequest("r1", "XYZ", 1, 5, NOW + 1, "ann", NOW)
        known.remember(7, asked)
        head = [(35, "j"), *HEAD, (45, "7"), (372, "R"), (380, "3"), (58, "no R here")]
        ((_, found),) = known.read(Message("FIX.4.4", head), NOW)
        assert isinstance(found, QuoteReject)
        assert (found.request, found.dealer) == ("r1", "")
        assert "no R here" in found.text


def test_times_are_those_of_the_wire(asker):
    asker.ask()
    found = asker.hear("S", quote())
    assert found.until_ns == int(datetime(2025, 6, 15, 15, 6, 45, tzinfo=UTC).timestamp()) * 10**9
    unsaid = asker.hear("S", quote(_117="q2", _62="", _448="D2"))
    assert unsaid.until_ns == NOW + 10**10


class TestOneRequestTradesOnce:
    """What the venue says of an order that took a quote of five lots of five, and whether another quote may be taken."""

    ACCEPTED = (o.ExecType.NEW, o.OrdStatus.NEW, 0)
    REFUSED = (o.ExecType.REJECTED, o.OrdStatus.REJECTED, 0)

    @pytest.mark.parametrize(
        ("said", "free"),
        [
            ([REFUSED], True),
            ([(o.ExecType.PENDING_NEW, o.OrdStatus.PENDING_NEW, 0), REFUSED], True),
            ([(o.ExecType.STATUS, o.OrdStatus.REJECTED, 0)], True),
            (["AI"], True),
            ([ACCEPTED, "AI"], False),
            ([ACCEPTED, REFUSED], False),
            ([ACCEPTED, (o.ExecType.STATUS, o.OrdStatus.REJECTED, 0)], False),
            ([(o.ExecType.TRADE, o.OrdStatus.REJECTED, 5)], False),
            (
                [
                    (o.ExecType.TRADE, o.OrdStatus.FILLED, 5),
                    (o.ExecType.CANCELED, o.OrdStatus.CANCELED, 0),
                ],
                False,
            ),
            ([(o.ExecType.TRADE, o.OrdStatus.FILLED, 0)], False),
            ([ACCEPTED, (o.ExecType.CANCELED, o.OrdStatus.CANCELED, 0)], True),
            ([ACCEPTED, (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED, 0)], True),
            ([(o.ExecType.STATUS, o.OrdStatus.UNKNOWN, 0)], False),
        ],
    )
    def test_until_it_was_refused_before_all_else(self, profile, said, free):
        terms, known = dialect(profile, "response")
        asker = Asker(terms, known)
        asker.ask()
        asker.hear("S", quote())
        asker.hear("S", quote(_117="q2", _448="D2"))
        assert asker.desk.hit(order()) is None
        known.commands(order())
        for word in said:
            if word == "AI":
                fields = [(117, "q1"), (693, "c1"), (55, "XYZ"), (297, "5")]
                found = asker.desk.read(Message("FIX.4.4", [(35, "AI"), *HEAD, *fields]), NOW)
                reports = [one for one in found if isinstance(one, o.Report)]
                assert bool(reports) == free
            else:
                kind, status, lots = word
                reports = [
                    replace(
                        o.refusal_report(order(), "E1", NOW, "", kind, status),
                        cum_qty=lots * fixed_point.ONE,
                    )
                ]
            for report in reports:
                asker.desk.record_report(report)
        refusal = asker.desk.hit(replace(order("q2"), cl_ord_id="c2"))
        assert (refusal is None) == free
        assert free or "has traded 5 of 5" in refusal.text


def test_an_expiry_beyond_64_bits_is_that_of_the_request(asker):
    asker.ask()
    for n, text in enumerate(("99991231-23:59:59", "00010101-00:00:00")):
        found = asker.hear("S", quote(_117=f"q{n}", _62=text, _448="D2"))
        assert found.until_ns == NOW + 10**10
