"""What may be taken of what was quoted, against a plain twin that counts."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from tercel.core.open_quotes import MOST_QUOTES, MOST_REQUESTS, OpenQuotes
from tercel.core.orders import QuotedOrder, Tif
from tercel.core.quotes import (
    Quote,
    QuoteCancel,
    QuoteReject,
    QuoteRequest,
    QuoteState,
    QuoteStatus,
)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), st.integers(0, 5), st.integers(-1, 12), st.integers(1, 9)),
        st.tuples(st.just("hit"), st.integers(0, 5), st.integers(0, 12), st.integers(95, 105)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(0, 5)),
        st.tuples(st.just("over"), st.integers(0, 40), st.integers(0, 10)),
    ),
    max_size=40,
)


def quote(name, lots, until, dealer, price=100):
    return Quote(f"q{name}", "r", dealer, "XYZ", None, price, lots, until, "ann", 0)


@given(steps=STEPS)
def test_no_quote_is_taken_twice_late_or_for_too_much(steps):
    book, now, taken, done = OpenQuotes(), 10, Counter(), {}
    gone, offers = set(), {}
    assert book.add_request(QuoteRequest("r", "XYZ", 1, 10, 1000, "ann", now)) == ""
    for n, (what, *how) in enumerate(steps):
        if what == "quote":
            name, lots, life = how
            said = quote(name, lots, now + life, f"D{name % 2}")
            good = f"q{name}" not in offers and 1 <= lots <= 10
            assert (book.apply_event(said) == "") == good
            if good:
                gone |= {one for one, (_, _, whose) in offers.items() if whose == said.dealer}
                offers[said.id] = lots, said.until_ns, said.dealer
        elif what == "hit":
            name, lots, price = how
            order = QuotedOrder(
                f"c{n}", "XYZ", 1, lots, price, Tif.IOC, "ann", "p", now, f"q{name}"
            )
            most, until, _ = offers.get(f"q{name}", (0, 0, ""))
            good = f"q{name}" not in gone and now < until and price == 100 and 1 <= lots <= most
            good = good and sum(done.values()) + lots <= 10
            assert (book.take_quote(order, now) == "") == good
            if good:
                gone.add(f"q{name}")
                taken[f"q{name}"] += 1
                done[f"c{n}"] = lots
        elif what == "cancel":
            about = "r", "D0", "XYZ", "ann", now
            assert book.apply_event(QuoteCancel(f"q{how[0]}", *about)) == ""
            if f"q{how[0]}" in offers:
                gone.add(f"q{how[0]}")
        elif what == "wait":
            now += how[0]
        else:
            name, lots = f"c{how[0]}", how[1]
            lots = min(lots, done.get(name, 0))
            book.settle(name, lots)
            if name in done:
                done[name] = lots
    assert max(taken.values(), default=0) <= 1
    assert {one.id for one in book.open("r")} == offers.keys() - gone


def test_a_book_forgets_the_oldest_requests():
    book = OpenQuotes()
    for n in range(MOST_REQUESTS + 1):
        assert book.add_request(QuoteRequest(f"r{n}", "XYZ", 1, 5, 9, "ann", 0)) == ""
        said = Quote(f"q{n}", f"r{n}", "D1", "XYZ", None, 100, 5, 9, "ann", 0)
        assert book.apply_event(said) == ""
    assert ("r0" in book.requests, "q0" in book.quotes, len(book.quotes)) == (
        False,
        False,
        MOST_REQUESTS,
    )


def asked_of(*dealers):
    book = OpenQuotes()
    assert book.add_request(QuoteRequest("r", "XYZ", 1, 10, 1000, "ann", 0, dealers)) == ""
    return book


@pytest.mark.parametrize("name", ["q" * 201, "q\t1", "q\x7f", "q\u2028", "q\udcff"])
def test_a_name_that_no_order_could_carry_is_of_no_quote(name):
    book, about = asked_of(), ("XYZ", "ann", 0)
    dealt = Quote("q", "r", name, "XYZ", None, 100, 5, 900, "ann", 0)
    for event in (
        *(Quote(name, "r", "D1", "XYZ", None, 100, 5, 900, "ann", 0), dealt),
        *(QuoteCancel(name, "r", "D1", *about), QuoteReject("r", name, *about)),
        QuoteStatus(name, "r", QuoteState.REJECTED, *about),
    ):
        assert "printable" in book.apply_event(event)
    assert (book.quotes, book.over) == ({}, {})


def test_nobody_answers_for_a_dealer_that_was_not_asked():
    book = asked_of("D1", "D2")
    assert "'D9' is not" in book.apply_event(QuoteReject("r", "D9", "XYZ", "ann", 0))
    assert book.apply_event(QuoteReject("r", "D1", "XYZ", "ann", 0)) == ""
    assert book.apply_event(QuoteReject("r", "", "XYZ", "ann", 0)) == ""


def test_a_quote_is_taken_by_the_account_that_asked():
    book = asked_of()
    assert book.apply_event(quote(1, 5, 900, "D1")) == ""
    terms = "XYZ", 1, 5, 100, Tif.IOC
    assert "for 'ann', not 'bob'" in book.take_quote(
        QuotedOrder("c1", *terms, "bob", "p", 1, "q1"), 1
    )
    assert book.take_quote(QuotedOrder("c2", *terms, "ann", "p", 1, "q1"), 1) == ""


@pytest.mark.parametrize(("dealer", "opened"), [("D1", 1), ("", MOST_QUOTES)])
def test_a_flood_of_one_dealer_costs_no_more_for_each_quote_and_ends_none_of_another(
    dealer, opened
):
    """Counted in quotes that are looked at: time would depend on the machine."""
    book, looked = asked_of("D1", "D2"), Counter()

    class Counted(dict):
        def values(self):
            looked[len(looked)] += len(self)
            return super().values()

    book._by_request["r"] = Counted()
    assert book.apply_event(quote("other", 5, 900, "D2")) == ""
    for n in range(10 * MOST_QUOTES):
        assert book.apply_event(quote(n, 5, 900, dealer)) == ""
    last = [f"q{n}" for n in range(10 * MOST_QUOTES - opened, 10 * MOST_QUOTES)]
    assert [one.id for one in book.open("r")] == ["qother", *last]
    assert len(book.quotes) == 1 + MOST_QUOTES
    assert book.over.keys() <= book.quotes.keys()
    assert max(looked.values()) <= 2 * MOST_QUOTES
