"""Every message survives the way over FIX's fields and back, and what cannot be meant is refused with its reason."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exchange.fix import acceptor
from exchange.fix.translate import (
    ENTRIES_EACH,
    cancel_reject_out,
    command_in,
    listings_out,
    market_out,
    order_refusal,
    report_out,
)
from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE
from tercel.core.link.price_scale import PriceScale, RefusedError
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType,
    Listing,
    MarketRows,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
    Unread,
)
from tercel.core.vocabulary import NO_ASK
from tercel.fix import tags as t
from tercel.fix.own_dialect import OwnDialect, listings_in, market_in
from tercel.fix.protocol.message import Message
from tercel.fix.translate import cancel_reject_in, command_out, disowned_out, report_in

TICKS = [0.01, 0.005, 1.0, 0.25, 1e-05, 2.5, 0.1, 1 / 3]
KNOWN = {f"I{n}": PriceScale(tick, lot) for n, tick in enumerate(TICKS) for lot in (1, 100)}

names = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20
).filter(lambda name: name not in (t.NO_NAME, t.NO_SYMBOL) and name.isprintable())
instruments = st.sampled_from(sorted(KNOWN))
sides = st.sampled_from([1, -1])
lots = st.integers(1, 2**31 - 1)
prices = st.integers(-(2**30) + 1, 2**30 - 1)
qty = st.integers(0, 2**31 - 1).map(ONE.__mul__)
times = st.integers(0, 2**63 - 1)
maybe = st.one_of(st.just(""), names)

news = st.builds(
    NewOrder,
    names,
    instruments,
    sides,
    lots,
    st.none() | prices,
    st.sampled_from(Tif),
    maybe,
    maybe,
    times,
)
cancels = st.builds(CancelOrder, names, names, instruments, sides, maybe, times)
replaces = st.builds(
    ReplaceOrder, names, names, instruments, sides, lots, prices, maybe, maybe, times
)
statuses = st.builds(StatusRequest, maybe, maybe, times)
masses = st.builds(MassCancel, names, maybe, st.just("") | instruments, times)
words_of_venue = st.text(max_size=30).filter(str.isprintable)
reports = st.builds(
    Report,
    *(maybe, st.sampled_from(ExecType), st.sampled_from(OrdStatus), maybe, maybe, maybe, maybe),
    *(
        st.just("") | instruments,
        st.sampled_from([1, -1, 0]),
        st.integers(0, 2**31 - 1),
        st.none() | prices,
    ),
    *(qty, prices.map(ONE.__mul__), qty, qty, times),
    *(st.booleans(), words_of_venue, maybe),
)
rejects = st.builds(
    CancelReject, maybe, maybe, maybe, st.sampled_from(OrdStatus), times, words_of_venue
)
rows = st.lists(
    st.tuples(
        *(times, st.integers(1, 12), st.integers(0, 2**62), st.sampled_from([1, -1, 0]), prices),
        *(st.integers(0, 2**31 - 1), st.integers(-1, 2**40)),
    ),
    max_size=2 * ENTRIES_EACH + 3,
)


@given(st.one_of(news, cancels, replaces, statuses, masses))
def test_commands_come_back_as_they_left(command):
    kind, fields = command_out(command, KNOWN.get(getattr(command, "instrument", ""), PriceScale()))
    assert all(value and "\x01" not in value for _, value in fields)
    assert len({tag for tag, _ in fields}) == len(fields)
    assert {tag for tag, _ in fields} <= set(acceptor.READ[kind])
    assert command_in(kind, dict(fields), KNOWN, now_ns=-1) == command


@given(reports)
def test_reports_come_back_as_they_left(report):
    fields = report_out(report, KNOWN.get(report.instrument, PriceScale()))
    assert all(value and "\x01" not in value for _, value in fields)
    said = {tag for tag, _ in fields}
    assert said <= {
        *acceptor.READ[t.EXECUTION_REPORT],
        acceptor.AVG_PX,
        t.TRANSACT_TIME,
        acceptor.RESTATEMENT_REASON,
    }
    assert (acceptor.RESTATEMENT_REASON in said) == (report.exec_type is ExecType.RESTATED), (
        "4.4 and 4.2 ask for it there"
    )
    assert report_in(dict(fields), KNOWN) == report


@given(
    st.decimals(-(10**6), 10**6, places=10) | st.decimals(-99, 99, places=3), st.sampled_from(TICKS)
)
def test_the_price_of_an_execution_is_exact_or_refused(price, tick):
    scale, said = PriceScale(tick), format(price, "f")
    parts = Fraction(price) / Fraction(repr(tick)) * ONE
    finer = max(8, -Decimal(repr(tick)).as_tuple().exponent)
    if parts.denominator != 1 or round(price, finer) != price or abs(parts) >= NO_ASK * ONE:
        with pytest.raises(RefusedError, match=f"31={said}"):
            scale.px(said)
        return
    assert scale.px(said) == parts
    assert Fraction(scale.px_text(scale.px(said))) == Fraction(price)


@given(st.decimals(0, 10**6, places=8), st.sampled_from([1, 100, 3, Decimal("0.00001")]))
def test_the_quantity_of_an_execution_is_exact_or_refused(shares, lot):
    scale, parts = PriceScale(0.01, lot), Fraction(shares) / Fraction(lot) * ONE
    if parts.denominator != 1 or parts >= 2**31 * ONE:
        with pytest.raises(RefusedError, match="32="):
            scale.qty(format(shares, "f"))
        return
    assert scale.qty(format(shares, "f")) == parts
    assert Fraction(scale.qty_text(int(parts))) == Fraction(shares)


@given(rejects, st.booleans())
def test_cancel_rejects_come_back_as_they_left(reject, of_replace):
    assert cancel_reject_in(dict(cancel_reject_out(reject, of_replace))) == reject


def message(kind, fields, number=0):
    return Message("FIX.4.4", [(t.MSG_TYPE, kind), (t.SEQ_NUM, str(number)), *fields])


def dialect():
    return OwnDialect(lambda: 0)


@given(rows, st.booleans(), instruments)
def test_market_rows_come_back_as_they_left_however_many(rows, snapshot, instrument):
    change = MarketRows(instrument, np.array(rows, np.int64).reshape(-1, 7), snapshot)
    messages = [
        message(kind, fields) for kind, fields in market_out(change, "q", KNOWN[instrument])
    ]
    back = np.concatenate([market_in(one, KNOWN[instrument]) for one in messages])
    np.testing.assert_array_equal(back, change.rows)
    assert [one.is_yes(t.CONTINUES) for one in messages] == [True] * (len(messages) - 1) + [False]
    assert {one.kind for one in messages} == {t.SNAPSHOT if snapshot else t.INCREMENT}


@given(
    st.lists(
        st.builds(
            Listing,
            names,
            st.sampled_from(TICKS) | st.floats(1e-9, 1e6),
            st.integers(1, 10**6),
            st.floats(0, 1e9),
            st.integers(0, 2**31),
            times,
            st.booleans(),
            *[st.just(0) | st.integers(-(2**40), 2**40)] * 4,
        )
    )
)
def test_listings_come_back_as_they_left(listings):
    assert listings_in(message("y", listings_out(listings, "r", True, 5))) == listings


def _order(**changed):
    said = {
        11: "a",
        55: "I0",
        54: "1",
        38: "100",
        40: "2",
        44: "10.05",
        59: "0",
        60: "20200101-00:00:00",
    }
    said.update({int(tag[1:]): value for tag, value in changed.items()})
    return {tag: value for tag, value in said.items() if value}


@pytest.mark.parametrize(
    ("changed", "reason", "text"),
    [
        ({"t55": "ZZZ"}, "1", "55=ZZZ"),
        ({"t55": ""}, "1", "tag 55"),
        ({"t44": "10.0500001"}, "99", "tick of 0.01"),
        ({"t44": "1e400"}, "99", "price"),
        ({"t44": "NaN"}, "99", "price"),
        ({"t44": "9" * 4000}, "99", "price"),
        ({"t44": ""}, "99", "tag 44"),
        ({"t38": "0"}, "13", "above zero"),
        ({"t38": "-100"}, "13", "whole lots"),
        ({"t38": "150"}, "13", "whole lots"),
        ({"t38": "0.5"}, "13", "whole lots"),
        ({"t38": ""}, "13", "tag 38"),
        ({"t38": "4294967296000"}, "13", "whole lots"),
        ({"t38": "many"}, "13", "quantity"),
        ({"t40": "3"}, "11", "40=3"),
        ({"t54": "5"}, "11", "54=5"),
        ({"t59": "4"}, "11", "59=4"),
        ({"t11": ""}, "99", "tag 11"),
        ({"t20001": "soon"}, "99", "20001"),
        ({"t20001": "-4"}, "99", "20001"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_reason(changed, reason, text):
    said = _order(**changed)
    with pytest.raises(RefusedError) as refused:
        command_in(t.NEW_ORDER, said, {"I0": PriceScale(0.01, 100)}, 7)
    assert refused.value.reason == reason
    assert text in str(refused.value)
    fields = dict(order_refusal(said, refused.value, "x1", 9))
    assert fields[t.EXEC_TYPE] == fields[t.ORD_STATUS] == "8"
    assert fields[t.ORD_REJ_REASON] == reason
    assert fields[t.CL_ORD_ID if said.get(11) else t.ORDER_ID]
    assert fields[t.TEXT]


def test_an_order_without_an_exact_time_was_sent_when_it_came():
    assert command_in(t.NEW_ORDER, _order(), {"I0": PriceScale(0.01, 100)}, 77).sent_ns == 77


def test_a_replace_without_a_price_is_refused():
    with pytest.raises(RefusedError, match="40=2"):
        command_in(t.REPLACE, _order(t40="1") | {41: "z"}, {"I0": PriceScale(0.01, 100)}, 0)


@pytest.mark.parametrize("name", ["a\x01b", "line\nfeed", "\x00"])
def test_names_that_fix_cannot_carry_are_refused_at_home(name):
    with pytest.raises(OrderError, match="printable"):
        command_out(StatusRequest(name, "", 0))


TRADE = {t.EXEC_TYPE: "F", t.ORD_STATUS: "1", t.CL_ORD_ID: "c", t.EXEC_ID: "e", t.SYMBOL: "I0", t.SIDE: "1"} | {
    t.ORDER_QTY: "9", t.LAST_QTY: "3", t.LAST_PX: "0.05", t.CUM_QTY: "3", t.LEAVES_QTY: "6", t.ACCOUNT: "a",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({t.EXEC_TYPE: "Z"}, "150=Z"),
        ({t.ORD_STATUS: "Z"}, "39=Z"),
        ({t.LAST_PX: "0.051000001"}, "31=0.051000001"),
        ({t.LAST_PX: "NaN"}, "31=NaN"),
        ({t.LAST_PX: "1E1"}, "31=1E1"),
        ({t.LAST_PX: "٣"}, "31=٣"),
        ({t.CUM_QTY: "-0.5"}, "14=-0.5"),
        ({t.LAST_PX: "a lot"}, "a lot"),
        ({t.LAST_QTY: "3.000000005"}, "32=3.000000005"),
        ({t.LAST_PX: ""}, "tag 31"),
    ],
)
def test_a_report_that_cannot_be_read_is_handed_over_as_it_came(changed, told):
    inbound = dialect()
    inbound.scales = {"I0": PriceScale(0.01)}
    tags = {tag: value for tag, value in {**TRADE, **changed}.items() if value}
    ((number, unread),) = inbound.read(message(t.EXECUTION_REPORT, tags.items(), 7), 5)
    assert (number, unread.cl_ord_id, unread.account, unread.instrument, unread.ns) == (
        7,
        "c",
        "a",
        "I0",
        5,
    )
    assert told in unread.why
    assert all(f"{tag}={value}\x01" in unread.raw for tag, value in tags.items())
    kind, fields = disowned_out(unread)
    assert (kind, dict(fields)[t.REF_SEQ_NUM], dict(fields)[t.REF_MSG_TYPE]) == (
        t.BUSINESS_REJECT,
        "7",
        "8",
    )


def test_market_data_that_cannot_be_read_names_its_instrument():
    inbound = dialect()
    inbound.market_request("r1", "I0")
    ((_, unread),) = inbound.read(
        message(t.INCREMENT, [(t.MD_REQ_ID, "r1"), (t.UPDATE_ACTION, "garbage")], 7), 5
    )
    assert (type(unread), unread.instrument, unread.cl_ord_id) == (Unread, "I0", "")


def test_a_message_that_nobody_knows_is_told_as_it_came():
    ((number, unread),) = dialect().read(message("f", [(t.SYMBOL, "I0"), (t.TEXT, "halted")], 7), 5)
    assert (number, type(unread), unread.cl_ord_id, unread.ns) == (7, Unread, "", 5)
    assert "35=f" in unread.why
    assert "58=halted" in unread.raw


def test_a_trade_of_nobodys_order_is_answered_and_what_has_no_answer_is_not():
    report = report_in(TRADE, {"I0": PriceScale(0.01)})
    kind, fields = disowned_out(report, PriceScale(0.01))
    assert kind == t.DONT_KNOW
    assert {t.EXEC_ID: "e", t.DK_REASON: "D", t.LAST_QTY: "3", t.LAST_PX: "0.05"}.items() <= dict(
        fields
    ).items()
    assert disowned_out(CancelReject("c", "o", "a", OrdStatus.NEW, 1)) is None
    for raw in ("", "35=j\x0134=3\x01", "35=3\x0134=3\x01", "35=8\x01"):
        assert disowned_out(Unread(raw, "why", 1)) is None


@pytest.mark.parametrize("code", ["1", "2"])
def test_a_fill_in_the_words_of_4_2_is_booked_and_told(code):
    report = report_in(TRADE | {t.EXEC_TYPE: code}, {"I0": PriceScale(0.01)})
    assert report == replace(report_in(TRADE, {"I0": PriceScale(0.01)}), fault=report.fault)
    assert f"150={code}" in report.fault


def test_a_question_that_is_refused_raises_nothing():
    inbound = dialect()
    inbound.remember(3, StatusRequest("c", "a", 1))
    inbound.remember(4, Unread("35=8", "why", 1))
    ((_, unread),) = inbound.read(message("j", [(t.REF_SEQ_NUM, "3"), (t.TEXT, "no H here")], 9), 5)
    assert (type(unread), disowned_out(unread)) == (Unread, None)
    ((_, status),) = inbound.read(message("j", [(t.REF_SEQ_NUM, "4"), (t.TEXT, "no j here")], 9), 5)
    assert status.up
