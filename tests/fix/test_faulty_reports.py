"""Executions whose messages have a fault that keeps nobody from reading them: booked, told, and never rejected."""

from random import Random

import pytest
from tests.desk.trading.desk_of_two import WIDE
from tests.fix.plain import SOH

from exchange.fix import translate
from exchange.fix.hosted_dialect import HostedDialect
from exchange.fix.reports import to_standard
from tercel.core import orders as o
from tercel.core.capabilities import Capabilities
from tercel.core.fixed_point import ONE
from tercel.core.link.price_scale import PriceScale
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_out
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.reconciliation.refold import refold
from tercel.fix.dialect import unread_from_event
from tercel.fix.own_dialect import OwnDialect
from tercel.fix.profiles import load
from tercel.fix.protocol.codec import checksum, decode
from tercel.fix.protocol.message import utc_text
from tercel.fix.protocol.session import FixSession
from tercel.fix.standard import StandardDialect

NOW = 1_750_000_000 * 10**9
S = 10**9
LOTS = 2000
SCALE = PriceScale(0.01, 10)
FAULTY = "faulty_report"
ESSENTIAL = {14, 17, 31, 32, 37, 39, 54, 150}
KEPT = ESSENTIAL | {1, 8, 9, 10, 11, 34, 35, 49, 55, 56}
"""Fields in which a fault is another matter."""
PARTIES = [(453, "2"), (448, "ME"), (447, "D"), (452, "1"), (448, "YOU"), (447, "D"), (452, "3")]
TEXTS = [(382, "1"), (375, "B"), (337, "T"), (58, "hello"), (354, "6"), (355, "a=b\x01c9")]
TERMS = """base = "{base}"
{more}
[session]
sender = "DESK"
target = "VENUE"
[[symbol]]
name = "X"
tick = 0.01
lot = 10
"""


class Line:
    """A desk's gateway behind a session of ours, whose other side is written byte by byte."""

    name, capabilities = "line", Capabilities(answers_questions=False)

    def __init__(self, terms):
        self.terms, self.now_ns, self._number = terms, NOW, 0
        self.target = terms.profile.session.target
        self.session = FixSession(terms.settings("DESK"))
        own = terms.profile.extension
        self.dialect = OwnDialect(lambda: NOW) if own else StandardDialect(terms, lambda: NOW, None)
        self.dialect.scales["X"] = SCALE
        self._host = HostedDialect(terms, NOW) if "binance" in terms.profile.session.host else None
        self.heard, self.reports = [], []
        reset = [(141, "Y")] if "logon" in terms.profile.session.reset else []
        self.session.connect(NOW)
        self.say([*self.head("A"), (98, "0"), (108, "30"), *reset])
        assert self.session.up
        limits = LimitGate(parse(WIDE), self.listings(), ["ann"])
        journal = MemoryJournal(chained=False)
        self.gateway = OrderGateway(self, journal, limits, refold(journal, limits))
        self._journal = journal
        self.send(o.NewOrder("p.1", "X", 1, LOTS, 1000, o.Tif.DAY, "ann", "p", NOW))

    # -- the venue's port ---------------------------------------------------------------------------------------------
    def listings(self):
        return [o.Listing("X", 0.01, 10)]

    def send(self, command):
        self.dialect.commands(command)
        self.gateway.write([entry_out(command)])

    # -- the other side -----------------------------------------------------------------------------------------------
    def head(self, kind):
        self._number += 1
        sent = utc_text(self.now_ns)
        return [(35, kind), (49, self.target), (56, "DESK"), (34, str(self._number)), (52, sent)]

    def fill(self, n, **words):
        """Fields of the n-th execution, of a lot, as our own acceptor says it, and what else a venue may say."""
        own, begin = self.terms.profile.extension, self.terms.profile.version
        name = "p.1" if own else self.dialect.memory.wire_name("p.1")
        said = o.Report(
            exec_id=f"E{n}", exec_type=o.ExecType.TRADE, status=o.OrdStatus.PARTIALLY_FILLED, cl_ord_id=name, orig="",
            order_id="7", account="ann", instrument="X", side=1, lots=LOTS, price=1000, last_qty=ONE,
            last_px=1000 * ONE, cum_qty=n * ONE, leaves_qty=(LOTS - n) * ONE, ns=self.now_ns, **words,
        )  # fmt: skip
        fields = translate.report_out(said, SCALE, exact=own)
        fields = fields if own else to_standard("8", fields, begin, self.now_ns)
        if self._host is not None:
            ((_, fields),) = self._host.outward("8", fields)
        members = self.terms.dictionary.messages["8"].block.members
        more = [*(PARTIES if 453 in members else []), *(TEXTS if 382 in members else [])]
        return [*self.head("8"), *fields, *more]

    def say(self, fields):
        """What the desk makes of a message; what it says back is kept."""
        body = SOH.join(_bytes(field) for field in fields) + SOH
        begin = self.terms.profile.version.encode()
        whole = b"8=%b\x019=%d\x01%b" % (begin, len(body), body)
        result = self.session.receive(b"%b10=%03d\x01" % (whole, checksum(whole)), self.now_ns)
        if result.data:
            self.heard.append(decode(result.data, self.terms.dictionary.data_fields))
        events = [
            unread_from_event(one, self.dialect.own_name, self.now_ns)
            for one in result.events
            if one.message
        ]
        for message in result.messages:
            events += [item for _, item in self.dialect.read(message, self.now_ns)]
        if result.messages or events:
            self.reports += [one for one in events if isinstance(one, o.Report)]
            self.gateway.receive(events)
        self.now_ns += S
        return events

    @property
    def lots(self):
        return self.gateway.ledger.positions.of("ann", "X").qty / ONE

    def alerts(self, code=FAULTY):
        bodies = [entry.body for _, entry in self._journal.read(kinds=[kinds.ALERT])]
        return [(one["severity"], one["text"]) for one in bodies if one["code"] == code]


def _bytes(field):
    return field if isinstance(field, bytes) else f"{field[0]}={field[1]}".encode()


@pytest.fixture
def line(profile):
    def make(base="generic-44", more=""):
        return Line(
            load(base) if base == "tercel" else load(profile(TERMS.format(base=base, more=more)))
        )

    return make


# -- one fault each ---------------------------------------------------------------------------------------------------
def places(fields, wanted):
    return [n for n, (tag, _) in enumerate(fields) if wanted(tag)]


def doubled(draw, fields, rules):
    at = draw.choice(places(fields, lambda tag: tag not in KEPT and tag not in INSIDE))
    tag, value = fields[at]
    value = (
        value
        if draw.random() < 0.3 or rules.fields[tag].values
        else "20250615-15:06:41"
        if tag in TIMES
        else "3"
    )
    return [*fields, (tag, value)]


def emptied(draw, fields, rules):
    at = draw.choice(places(fields, lambda tag: tag not in KEPT))
    return [*fields[:at], (fields[at][0], ""), *fields[at + 1 :]]


def ill_formed(draw, fields, rules):
    at = draw.choice(
        places(fields, lambda tag: tag not in KEPT and rules.fields[tag].kind in NUMBERS)
    )
    return [
        *fields[:at],
        (fields[at][0], draw.choice(["ten", "1e3", "+1", "0x1", "1,5", "NaN"])),
        *fields[at + 1 :],
    ]


def unlisted(draw, fields, rules):
    at = draw.choice(
        places(fields, lambda tag: tag not in KEPT and tag != 43 and rules.fields[tag].values)
        or [-1]
    )
    if at < 0:
        return unknown(draw, fields, rules)
    value = "X" if rules.fields[fields[at][0]].kind in ("CHAR", "STRING") else "98"
    return [*fields[:at], (fields[at][0], value), *fields[at + 1 :]]


def unknown(draw, fields, rules):
    at = draw.randrange(1, len(fields) + 1)
    return [
        *fields[:at],
        draw.choice([(4999, "x"), (1362, "1"), (0, "x"), (-5, "x"), (262, "x"), (108, "30")]),
        *fields[at:],
    ]


def missing(draw, fields, rules):
    needed = {*rules.messages["8"].block.required, 52} - KEPT
    gone = draw.choice([tag for tag, _ in fields if tag in needed])
    return [field for field in fields if field[0] != gone]


def moved(draw, fields, rules):
    """A field of the header behind the body, or one of the body in the header."""
    if draw.random() < 0.5:
        at = next(n for n, (tag, _) in enumerate(fields) if tag == 52)
        return [*fields[:at], *fields[at + 1 :], fields[at]]
    at = draw.choice(places(fields, lambda tag: tag in {6, 38, 44, 58, 60, 151}))
    return [fields[0], fields[at], *fields[1:at], *fields[at + 1 :]]


def grouped(draw, fields, rules):
    """A repeating group that begins with another field, counts wrongly, or has a field twice or out of place."""
    at = [n for n, (tag, _) in enumerate(fields) if tag in (453, 382)]
    if not at:
        return unknown(draw, fields, rules)
    at, how = draw.choice(at), draw.randrange(4)
    counter, first, second = fields[at : at + 3]
    if how == 0:
        return [*fields[:at], counter, second, first, *fields[at + 3 :]]
    if how == 1:
        return [*fields[:at], (counter[0], draw.choice(["0", "7", "-1"])), *fields[at + 1 :]]
    if how == 2:
        return [*fields[:at], counter, first, second, second, *fields[at + 3 :]]
    return [*fields[:at], *fields[at + 1 :]]


def miscounted(draw, fields, rules):
    """A data field whose length is wrong, missing or no number, and a length without its data."""
    at = next((n for n, (tag, _) in enumerate(fields) if tag == 354), -1)
    if at < 0:
        return unknown(draw, fields, rules)
    how = draw.choice(["1", "5", "7", "999", "-3", "x", "gone", "alone"])
    if how == "gone":
        return [*fields[:at], *fields[at + 1 :]]
    if how == "alone":
        return [*fields[: at + 1], *fields[at + 2 :]]
    return [*fields[:at], (354, how), *fields[at + 1 :]]


def broken(draw, fields, rules):
    """What is no tag and value."""
    at = draw.randrange(1, len(fields) + 1)
    at -= fields[at - 1][0] == 354
    return [
        *fields[:at],
        draw.choice([b"58", b"x=1", b"058=a", b"=a", b"", b"5 8=a"]),
        *fields[at:],
    ]


def repeated(draw, fields, rules):
    """A repetition without its first time, with one in the future, and none that says neither Y nor N."""
    again = draw.choice([[(43, "Y")], [(43, "Z")], [(43, "Y"), (122, "20990101-00:00:00")]])
    return [*fields[:5], *again, *fields[5:]]


def dated(draw, fields, rules):
    at = next(n for n, (tag, _) in enumerate(fields) if tag == 52)
    return [
        *fields[:at],
        (52, draw.choice(["20250615-13:00:00", "20300101-00:00:00", "noon"])),
        *fields[at + 1 :],
    ]


def unusual(draw, fields, rules):
    """A size, a rest or a price that the dictionary allows, and that means nothing here."""
    tag, value = draw.choice(
        [(38, "15"), (38, "-10"), (44, "9.995"), (44, "99999999999999999"), (151, "0.0000000001")]
    )
    return [(tag, value) if one == tag else (one, old) for one, old in fields]


INSIDE = {354, 355, 375, 337, 382, 447, 448, 452, 453}
TIMES = {52, 60, 122}
NUMBERS = {"INT", "QTY", "PRICE", "FLOAT", "NUMINGROUP", "LENGTH", "AMT", "UTCTIMESTAMP"}
FAULTS = (
    *(
        doubled,
        emptied,
        ill_formed,
        unlisted,
        unknown,
        missing,
        moved,
        grouped,
        miscounted,
        broken,
        repeated,
        dated,
    ),
    unusual,
)


@pytest.mark.parametrize(
    ("base", "many"), [("generic-44", 500), ("generic-42", 130), ("tercel", 130), ("binance", 130)]
)
def test_every_execution_that_can_be_read_is_booked_and_its_fault_told(
    line, shared_peers, base, many
):
    more = (
        f'dictionary = "{shared_peers / "binance" / "spot-fix-oe.xml"}"'
        if base == "binance"
        else ""
    )
    at = line(base, more)
    for n, fault in zip(range(1, many + 1), (FAULTS * many)[:many], strict=True):
        draw = Random(n)
        said = fault(draw, at.fill(n), at.terms.dictionary)
        at.say(said)
        assert at.lots == n, (fault.__name__, said, at.heard)
        assert at.reports[-1].fault, (fault.__name__, said)
        assert (at.reports[-1].lots, at.reports[-1].price, at.reports[-1].side) in (
            (LOTS, 1000, 1),
            (LOTS, None, 1),
        ), said
        assert at.reports[-1].leaves_qty == (LOTS - n) * ONE, said
    assert at.heard == [], "no reject, no request"
    assert at.session.up
    told = at.alerts()
    assert len(told) == many, "each is told"
    warned = [text for severity, text in told if severity == "warning"]
    assert len(warned) == -(-many // 60), "a person is warned once a minute"
    assert at.alerts("unreadable") == []
    assert at.gateway.ledger.orders.get("p.1").base == o.OrdStatus.PARTIALLY_FILLED
    at.say(at.fill(many + 1))
    assert (at.lots, at.reports[-1].fault, len(at.alerts())) == (many + 1, "", many), (
        "one without a fault"
    )


@pytest.mark.parametrize(
    ("less", "more"),
    [
        *(
            ((), [(32, "20")]),
            ((), [(31, "10.01")]),
            ((), [(14, "20")]),
            ((), [(17, "E9")]),
            ((), [(37, "V9")]),
        ),
        *(
            ((), [(54, "2")]),
            ((), [(150, "4")]),
            ((), [(39, "4")]),
            ((), [(11, "p.2")]),
            ((), [(1, "bob")]),
        ),
        *(
            ((), [(55, "Y")]),
            ((32,), [(32, "ten")]),
            ((54,), [(54, "Z")]),
            ((150,), [(150, "Z")]),
            ((14,), [(14, "")]),
        ),
        *(
            ((17,), []),
            ((31,), []),
            ((32,), []),
            ((55,), []),
            ((), [(49, "OTHER")]),
            ((), [(34, "99")]),
        ),
    ],
)
def test_what_is_booked_is_said_clearly_or_the_message_is_rejected(line, less, more):
    at = line()
    fields = [field for field in at.fill(1) if field[0] not in less]
    (said,) = at.say([*fields, *more, (58, "another text")])
    assert isinstance(said, o.Unread)
    assert (at.lots, at.reports, [one.kind for one in at.heard]) == (0, [], ["3"])
    assert at.alerts("unreadable")
    at.say(at.fill(1))
    assert at.lots == 1, "the session goes on"


@pytest.mark.parametrize(
    ("base", "part", "full"),
    [("generic-44", "1", "2"), ("generic-42", "F", "F"), ("generic-42", "1", "2")],
)
def test_fills_are_booked_once_in_the_words_of_either_version(line, base, part, full):
    """ExecType 1 and 2 of FIX 4.2 and F of 4.4; the last execution ends the order."""
    at = line(base)
    at.say(changed(at.fill(1), {150: part}))
    at.say(changed(at.fill(1), {150: part}))
    last = {150: full, 39: "2", 32: f"{(LOTS - 1) * 10}", 14: f"{LOTS * 10}", 151: "0"}
    at.say(changed(at.fill(2), last))
    at.say([*at.fill(2)[:5], (43, "Y"), (122, "20250101-00:00:00"), *changed(at.fill(2), last)[5:]])
    assert (at.lots, at.heard, at.alerts("unreadable")) == (LOTS, [], [])
    assert at.gateway.ledger.orders.get("p.1").base == o.OrdStatus.FILLED
    assert bool(at.alerts()) == ((base, part) != ("generic-42", "1"))


@pytest.mark.parametrize(
    ("base", "less", "put", "lots", "kind"),
    [
        ("generic-44", {14}, {}, 3, "trade"),
        ("generic-44", {6, 14, 38, 151}, {}, 3, "trade"),
        ("generic-44", {37}, {}, 3, "trade"),
        ("generic-42", {20}, {}, 3, "trade"),
        ("generic-44", set(), {39: "E"}, 3, "trade"),
        ("generic-44", {14, 31, 32, 151}, {150: "6", 39: "6"}, 2, "pending_cancel"),
        ("generic-44", {14, 31, 32, 151}, {150: "4", 39: "4"}, 2, "canceled"),
        ("generic-44", set(), {150: "1", 20: "0"}, 3, "trade"),
        ("generic-44", set(), {150: "1", 20: "1", 19: "E2", 14: "10"}, 1, "busted"),
        ("generic-44", set(), {20: "1", 19: "E2", 14: "10"}, 1, "busted"),
        ("generic-42", set(), {150: "H", 19: "E2", 14: "10"}, 1, "busted"),
        ("generic-44", set(), {150: "1", 20: "3"}, 2, "status"),
        ("generic-42", set(), {150: "I"}, 2, "status"),
    ],
)
def test_what_a_report_leaves_out_or_says_in_the_other_version_is_understood(
    line, base, less, put, lots, kind
):
    at = line(base)
    at.say(at.fill(1))
    at.say(at.fill(2))
    at.say([field for field in changed(at.fill(3), put) if field[0] not in less])
    assert (at.lots, at.reports[-1].exec_type, at.heard) == (lots, kind, [])
    assert at.reports[-1].cum_qty == lots * ONE or kind == "status"
    assert kind == "status" or not at.alerts("missing_executions")


@pytest.mark.parametrize(
    ("put", "more", "words"),
    [
        ({150: "Z"}, "", "(150=Z)"),
        ({39: "F"}, "", "(39=F)"),
        ({54: "Z"}, "", "(54=Z); a profile with known_values = false under [session] takes it"),
        ({54: ""}, "", "(54=); a profile with have_values = false under [session] takes it"),
        ({54: "Z"}, "known_values = false", ""),
        ({54: ""}, "have_values = false", ""),
    ],
)
def test_what_is_rejected_is_named_with_the_key_that_takes_it(profile, put, more, words):
    text = TERMS.format(base="generic-44", more="").replace('"VENUE"', f'"VENUE"\n{more}')
    at = Line(load(profile(text)))
    at.say(changed([*at.fill(1), (58, "another text")], put))
    assert at.lots == (not words)
    assert [words in text for _, text in at.alerts("unreadable")] == [True] * bool(words)


def changed(fields, put):
    """Fields with other values; those that are not there come last."""
    return [(tag, put.get(tag, value)) for tag, value in fields] + [
        field for field in put.items() if field[0] not in dict(fields)
    ]


def test_what_stands_twice_and_says_the_same_is_read(line):
    at = line()
    at.say([*at.fill(1), (32, "10"), (54, "1"), (11, "p.1")])
    assert (at.lots, at.heard) == (1, [])
    assert (
        at.reports[0].fault
        == "32: a tag occurs twice; 54: a tag occurs twice; 11: a tag occurs twice"
    )


@pytest.mark.parametrize("said", [["3", "3"], ["0", "3"], ["1", "1"], ["0", "1"]])
def test_what_is_perhaps_no_trade_is_not_booked_as_one(line, said):
    """ExecTransType of FIX 4.2: a status or a cancel that stands twice, or beside a new one."""
    at = line("generic-42")
    at.say([*(field for field in at.fill(1) if field[0] != 20), *((20, one) for one in said)])
    assert at.lots == 0


@pytest.mark.parametrize(
    ("base", "bust"), [("generic-44", {150: "H"}), ("generic-42", {150: "1", 20: "1"})]
)
def test_a_bust_takes_back_the_execution_that_it_names_or_none(line, base, bust):
    at = line(base)
    at.say(at.fill(1))
    at.say(at.fill(2))
    for named, left in ((["E1", "E2"], 2), (["E1"], 1)):
        fields = [
            (tag, bust.get(tag, f"B{left}" if tag == 17 else value)) for tag, value in at.fill(2)
        ]
        at.say([*fields, *((19, one) for one in named), (58, "another text")])
        assert at.lots == left
    assert [one.kind for one in at.heard] == ["3"], "which one the first took back nobody knows"


def test_fields_of_a_group_are_not_those_of_the_message(line):
    """A later version's group with LastPx in it, which this dictionary does not know: two prices, none is believed."""
    at = line()
    at.say([*at.fill(1), (1362, "1"), (1363, "F1"), (31, "9.00")])
    assert (at.lots, len(at.heard)) == (0, 1)


@pytest.mark.parametrize("tag", [11, 41])
@pytest.mark.parametrize("name", ["x" * 201, "a\tb"])
def test_a_report_with_a_name_that_no_order_can_repeat_is_unread(line, tag, name):
    """A gate refuses to ask about such an order, which ended the desk behind it."""
    made = line()
    fields = [(tag, name) if field[0] == 11 else field for field in made.fill(1)]
    (unread,) = made.say([*fields, *[(11, "nobody")] * (tag == 41)])
    assert isinstance(unread, o.Unread)
    assert "printable names" in unread.why
    assert {order.root for order in made.gateway.ledger.orders.live()} == {"p.1"}
