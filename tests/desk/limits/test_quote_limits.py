"""Limits of requests for quotes, to the last unit: value in an hour, dealers in a day, the collar of a quote, who takes one."""

import pytest
from tests.desk.trading.desk_of_two import WIDE
from tests.desk.trading.quoting import asking

from tercel.core.errors import LimitsError
from tercel.core.orders import Listing, NewOrder, QuotedOrder, Tif
from tercel.core.quotes import QuoteRequest
from tercel.desk.limits import (
    LimitGate,
    find_loosened,
    from_json,
    limits_json,
    parse,
    tightest,
    with_changes,
)
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.scopes import HOUR_NS
from tercel.desk.limits.units import DAY_NS

MID2 = 2000
"""Half ticks of 0.01: a lot of one share is worth 10."""


def gate_of(text="", **terms):
    """A gate of one instrument at 9.99 to 10.01, whose lot is a share."""
    gate = LimitGate(parse(text or asking(**terms)), [Listing("X", 0.01, 1)], ["ann", "bob"])
    gate.mark("X", BestQuotes(999, 1001), 0)
    gate.register_parent("p", "X", "ann", 1, 5000)
    return gate


def request(lots=10, dealers=("D1",), account="ann", side=1, instrument="X", name="r"):
    return QuoteRequest(name, instrument, side, lots, 10**18, account, 0, dealers)


def ask(gate, at_ns=0, **terms):
    """The code of a denial, or "" where it left and is counted."""
    one = request(**terms)
    denial = gate.check_request(one, at_ns)
    if denial is None:
        gate.count_request(one.instrument, one.account, one.lots, MID2, one.dealers, at_ns)
    return denial.code if denial else ""


def test_the_value_of_an_hour_is_the_most_that_passes():
    gate = gate_of(value=1000)
    assert ask(gate, lots=101) == "RFQ_VALUE"
    assert [ask(gate, n, lots=50) for n in range(3)] == ["", "", "RFQ_VALUE"]
    assert ask(gate, HOUR_NS - 1, lots=1) == "STALE_REFERENCE"
    gate.mark("X", BestQuotes(999, 1001), HOUR_NS - 1)
    for at_ns, lots, code in (
        (-1, 1, "RFQ_VALUE"),
        (0, 50, ""),
        (0, 1, "RFQ_VALUE"),
        (1, 51, "RFQ_VALUE"),
        (1, 50, ""),
    ):
        assert ask(gate, HOUR_NS + at_ns, lots=lots) == code
    assert [len(scope.requests) for scope in (gate.desk, gate.agents["ann"])] == [2, 2]


def test_value_counts_for_the_agent_and_for_the_desk():
    text = asking(value=1000)
    gate = gate_of(text.replace("rfq_value_per_hour = 1000", "rfq_value_per_hour = 1500", 1))
    assert [ask(gate, lots=100), ask(gate, lots=1)] == ["", "RFQ_VALUE"]
    assert [ask(gate, lots=50, account="bob"), ask(gate, account="bob", lots=1)] == [
        "",
        "RFQ_VALUE",
    ]
    used = gate.usage()
    assert used["desk"]["desk"]["rfq_value_per_hour"] == (1500.0, 1500.0, 1200.0)
    assert used["agents"]["bob"]["rfq_value_per_hour"] == (500.0, 1000.0, 800.0)
    assert "rfq_value_per_hour" not in used["instruments"]["X"]


def test_different_dealers_in_a_day():
    gate = gate_of(dealers=3)
    for dealers, account, code in (
        *((("D1", "D2", "D3", "D4"), "ann", "DEALERS"), (("D1", "D2"), "ann", "")),
        *((("D2", "D1"), "ann", ""), (("D3", "D4"), "ann", "DEALERS"), (("D3",), "bob", "")),
        *((("D4",), "ann", "DEALERS"), ((), "ann", "DEALERS")),
    ):
        assert ask(gate, dealers=dealers, account=account) == code, dealers
    gate.mark("X", BestQuotes(999, 1001), DAY_NS)
    assert ask(gate, DAY_NS, dealers=("D4", "D5", "D6")) == ""


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"lots": 5001}, "ORDER_LOTS"),
        ({"lots": 0}, "BAD_QUANTITY"),
        ({"lots": 1.5}, "BAD_QUANTITY"),
        ({"side": 2}, "BAD_SIDE"),
        ({"side": 0}, ""),
        ({"account": "eve"}, "UNKNOWN_AGENT"),
        ({"instrument": "Y"}, "UNKNOWN_INSTRUMENT"),
        ({"name": ""}, "BAD_ID"),
        ({"dealers": None}, "CHECK_FAILED"),
    ],
)
def test_what_orders_are_asked_requests_are_asked(terms, code):
    assert ask(gate_of(), **terms) == code


def test_a_stopped_or_killed_agent_asks_nobody():
    gate = gate_of()
    gate.stop("ann", "OVERFILL")
    assert (ask(gate), ask(gate, account="bob")) == ("STOPPED", "")
    gate.killed = lambda agent: "runaway"
    assert ask(gate, account="bob") == "KILLED"
    blind = LimitGate(parse(asking()), [Listing("X", 0.01, 1)], ["ann"])
    assert ask(blind) == "NO_REFERENCE"


def test_requests_are_messages():
    gate = gate_of(asking().replace("messages = 5000", "messages = 2"))
    assert [ask(gate, n) for n in range(3)] == ["", "", "MESSAGES"]
    assert ask(gate, 10**9 + 1) == ""


def test_what_a_request_counts_for_fails_closed():
    gate = gate_of()
    gate.count_request("X", "eve", 1, MID2, ("D1",), 0)
    assert gate.fault
    assert ask(gate) == "CHECK_FAILED"


# -- orders that take a quote -----------------------------------------------------------------------------------------


def quoted(price, side=1, name="c1", quote="q"):
    return QuotedOrder(name, "X", side, 10, price, Tif.IOC, "ann", "p", 0, quote)


@pytest.mark.parametrize(
    ("price", "passes"), [(990, True), (989, False), (1010, True), (1011, False)]
)
def test_the_collar_of_quotes_on_both_sides_to_the_tick(price, passes):
    gate = gate_of(collar=100)
    denial = gate.check(quoted(price), 0)
    assert (denial is None) == passes
    assert passes or denial.code == "COLLAR"
    plain = NewOrder("c1", "X", 1, 10, price, Tif.DAY, "ann", "p", 0)
    assert gate.check(plain, 0) is None


def test_a_quote_is_not_traded_with_own_orders_in_the_book():
    gate = gate_of()
    gate.register_parent("s", "X", "bob", -1, 100)
    gate.count_sent(NewOrder("s1", "X", -1, 10, 1001, Tif.DAY, "bob", "s", 0), 0)
    assert (
        gate.check(NewOrder("c1", "X", 1, 10, 1001, Tif.DAY, "ann", "p", 0), 0).code == "OWN_CROSS"
    )
    assert gate.check(quoted(1001), 0) is None


def test_another_quote_is_another_order():
    gate = gate_of(asking().replace("duplicate_ms = 0", "duplicate_ms = 1000"))
    gate.count_sent(quoted(1001), 0)
    assert gate.check(quoted(1001, name="c2"), 1).code == "DUPLICATE"
    assert gate.check(quoted(1001, name="c2", quote="q2"), 1) is None


# -- the file, and changes of it --------------------------------------------------------------------------------------


def test_a_file_that_says_nothing_lets_nobody_be_asked():
    limits = parse(WIDE)
    assert (limits.desk.rfq_value_per_hour, limits.desk.person_accepts) == (0, True)
    of = limits.of_instrument("X")
    assert (of.dealers_per_day, of.quote_collar_bps) == (0, of.collar_bps)
    gate = gate_of(WIDE)
    assert ask(gate) == "RFQ_VALUE"
    assert gate.person_accepts("ann")
    assert "rfq_value_per_hour" not in gate.usage()["desk"]["desk"]


@pytest.mark.parametrize(
    ("desk", "agent", "accepts"),
    [(True, True, True), (True, False, True), (False, True, True), (False, False, False)],
)
def test_a_person_accepts_where_desk_or_agent_says_so(desk, agent, accepts):
    text = asking(person=agent).replace(
        f"person_accepts = {str(agent).lower()}", f"person_accepts = {str(desk).lower()}", 1
    )
    gate = gate_of(text)
    assert gate.person_accepts("ann") is accepts


@pytest.mark.parametrize(
    ("path", "tighter", "looser"),
    [
        ("desk.rfq_value_per_hour", "9_999_999", "10_000_001"),
        ("agents.ann.rfq_value_per_hour", "0", "1e8"),
        ("desk.person_accepts", "true", ""),
        ("instruments.X.dealers_per_day", "9", "11"),
        ("instruments.X.quote_collar_bps", "499", "501"),
    ],
)
def test_what_is_tighter(path, tighter, looser):
    limits = parse(asking())
    assert find_loosened(limits, with_changes(limits, {path: tighter})) == []
    if looser:
        assert find_loosened(limits, with_changes(limits, {path: looser})) == [path]
    closed = with_changes(limits, {path: tighter})
    assert find_loosened(closed, limits) == [path]
    assert limits_json(tightest(closed, limits)) == limits_json(tightest(limits, closed))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("desk.person_accepts", "1"),
        ("desk.person_accepts", '"yes"'),
        ("desk.rfq_value_per_hour", "-1"),
        ("instruments.X.dealers_per_day", "2.5"),
        ("instruments.X.quote_collar_bps", "0"),
        ("instruments.X.rfq_value_per_hour", "5"),
    ],
)
def test_what_is_no_limit(path, value):
    with pytest.raises(LimitsError):
        with_changes(parse(asking()), {path: value})


def test_limits_that_an_older_version_wrote_allow_none():
    limits = parse(asking())
    said = limits_json(limits)
    assert limits_json(from_json(said)) == said
    for name in ("rfq_value_per_hour", "person_accepts", "legged_value"):
        del said["desk"][name]
        del said["agents"]["*"][name]
    del said["instruments"]["*"]["quote_collar_bps"]
    found = from_json(said)
    for scope in (found.desk, found.agents["*"]):
        assert (scope.rfq_value_per_hour, scope.person_accepts, scope.legged_value) == (0, True, 0)
    assert found.of_instrument("X").quote_collar_bps == 0
