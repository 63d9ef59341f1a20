"""Requests for quotes as a journal tells them, and what they came to: against twins that reckon from plain rows."""

import math
from collections.abc import Iterable
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, strategies as st
from scipy import stats
from tests.desk.trading.quote_journal import (
    LISTED,
    NAME,
    Row,
    S,
    asked,
    order_and_report,
    parent,
    quoted,
    said,
    session,
    story,
)

from tercel.core.fixed_point import Unit
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.tca.dealer_costs import ALL, DealerCosts, dealer_costs
from tercel.desk.trading.tca.dealer_report import dealer_cells, dealer_section, request_sentences
from tercel.desk.trading.tca.rfq import QuotedRequest, requests_of

UNIT = Unit.of(LISTED)


def read(
    entries: Iterable[Entry], now_ns: int = 10**15
) -> tuple[list[QuotedRequest], list[DealerCosts]]:
    ledger, told = Ledger(), list[Entry]()
    for entry in entries:
        ledger.apply(entry)
        told += [entry] if entry.kind == kinds.QUOTE else []
    found = requests_of(told, ledger, lambda _: UNIT, now_ns)
    return found, dealer_costs(found, ledger, lambda _: UNIT)


def one(*entries: Entry, now_ns: int = 10**15) -> QuotedRequest:
    (found,) = read([session(), parent(), *entries], now_ns)[0]
    return found


# -- the twin ---------------------------------------------------------------------------------------------------------


def bps(row: Row, price: float, mid: float) -> float:
    return 1e4 * row.want * (price - mid) / mid


def twin(rows: list[Row], dealer: str) -> dict[str, list[float]]:
    """Values of each figure of a dealer, or of all."""
    found: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for row in rows:
        of = row.dealers if dealer == ALL else [one for one in row.dealers if one == dealer]
        last = row.after[60]
        if of and last is not None:
            traded = "traded" if row.outcome == "traded" else "untraded"
            add(f"drift_{traded}_bps", bps(row, last, row.mid))
        for who in of:
            mine = [answer for answer in row.answers if answer["dealer"] == who]
            takes = [take for take in row.takes if take.get("dealer") == who]
            add("response_rate", float(bool(mine)))
            won = [take for take in takes if not take["rejected"]]
            for answer in mine:
                add("response_s", answer["first"])
                add("hit_ratio", float(bool(won)))
                add("half_spread_request_bps", bps(row, answer["price"], row.mid))
                add("half_spread_quote_bps", bps(row, answer["price"], answer["mid"]))
                if not won and last is not None:
                    add("markout_lost_bps", 1e4 * row.want * (answer["price"] - last) / row.mid)
            for take in takes:
                add("reject_rate", float(take["rejected"]))
                if take["rejected"]:
                    later = [
                        lot
                        for each in row.takes
                        if each["at"] > take["at"]
                        for lot in each["filled"]
                    ][:50]
                    known = [mid for after in (60, 10, 1) if (mid := row.after[after]) is not None]
                    later += [known[0]] * (50 - len(later)) if known else []
                    if later:
                        add(
                            "reject_cost_bps",
                            1e4
                            * row.want
                            * (sum(later) / len(later) - take["price"])
                            / take["mid"],
                        )
                    continue
                add("half_spread_trade_bps", bps(row, take["price"], take["mid"]))
                if len(take["cover"]) > 1:
                    add(
                        "cover_bps",
                        1e4 * row.want * (take["cover"][1] - take["price"]) / take["mid"],
                    )
                if last is not None:
                    add("markout_won_bps", 1e4 * row.want * (take["price"] - last) / row.mid)
    return found


def interval(name: str, values: list[float]) -> tuple[float, float, float]:
    n, mean = len(values), sum(values) / len(values)
    if name in ("response_rate", "hit_ratio", "reject_rate"):
        found = stats.binomtest(round(sum(values)), n).proportion_ci(method="wilson")
        return mean, found.low, found.high
    se = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)
    half = se * float(stats.t.ppf(0.975, n - 1))
    return mean, mean - half, mean + half


@pytest.mark.parametrize("seed", range(6))
def test_figures_of_dealers_are_what_a_twin_reckons_from_plain_rows(seed: int) -> None:
    entries, rows = story(seed)
    requests, found = read(entries)
    assert [row.dealer for row in found] == [*sorted({d for row in rows for d in row.dealers}), ALL]
    assert [(one.id, one.outcome) for one in requests] == [(row.id, row.outcome) for row in rows]
    for told, row in zip(requests, rows, strict=True):
        assert (told.mid, told.quantity) == (pytest.approx(row.mid * 0.01), 5000)
        assert sum(quote.usable for quote in told.quotes) >= len(row.answers)
        for after, there in row.after.items():
            drift = None if there is None else pytest.approx(bps(row, there, row.mid))
            assert told.drift_bps[f"{after}s"] == drift
        taken = [take for take in row.takes if "dealer" in take]
        for told_take, take in zip(told.taken, taken, strict=True):
            cover = take["cover"][1] * 0.01 if len(take["cover"]) > 1 else None
            assert told_take.cover == (None if cover is None else pytest.approx(cover))
        assert told.cover == (told.taken[-1].cover if told.taken else None)
    for row in found:
        mine = twin(rows, row.dealer)
        assert row.asked == len(mine["response_rate"])
        assert row.answered == sum(mine["response_rate"])
        assert row.wins == sum(mine.get("hit_ratio", []))
        assert row.rejects == sum(mine.get("reject_rate", []))
        for name, figure in row.figures.items():
            if name == "winners_curse_bps":
                continue
            if figure is None:
                assert name not in mine
                continue
            if len(mine[name]) < 3:
                assert (figure.ci_low, figure.ci_high) == (None, None)
                assert figure.mean == pytest.approx(sum(mine[name]) / len(mine[name]))
            else:
                told = figure.mean, figure.ci_low, figure.ci_high
                assert told == pytest.approx(interval(name, mine[name]), abs=1e-9), name
        curse = row.figures["winners_curse_bps"]
        if "markout_won_bps" in mine and "markout_lost_bps" in mine:
            won, lost = mine["markout_won_bps"], mine["markout_lost_bps"]
            assert curse is not None
            assert curse.mean == pytest.approx(sum(won) / len(won) - sum(lost) / len(lost))
            if min(len(won), len(lost)) < 3:
                assert (curse.ci_low, curse.ci_high) == (None, None)
            else:
                ends = [interval("", some) for some in (won, lost)]
                half = math.sqrt(sum((high - mean) ** 2 for mean, _, high in ends))
                told = (curse.ci_low, curse.ci_high)
                assert told == pytest.approx((curse.mean - half, curse.mean + half))
        else:
            assert curse is None


# -- one request ------------------------------------------------------------------------------------------------------


def test_quotes_are_ranked_for_the_side_that_is_wanted_and_tell_what_became_of_them() -> None:
    story = [
        asked(10 * S, by="ann", dealers=["A", "B", "C", "D", "E", "F"]),
        quoted(11 * S, "a1", "A", 10_007),
        quoted(12 * S, "b1", "B", 10_003),
        quoted(12 * S, "x", "X", 9_000, event="unusable", text="the dealer 'X' was not asked"),
        said("declined", 12 * S, dealer="E", text="no inventory"),
        quoted(13 * S, "a2", "A", 10_005),
        quoted(13 * S, "c1", "C", 10_001, firm=False),
        quoted(14 * S, "d1", "D", 10_002),
        said("withdrawn", 15 * S, id="d1", dealer="D", text="moved"),
        quoted(15 * S, "f1", "F", 10_004, until_ns=17 * S),
    ]
    live = one(*story, now_ns=16 * S)
    assert [(quote.id, quote.state) for quote in live.quotes] == [
        ("b1", "open"),
        ("f1", "open"),
        ("a2", "open"),
        ("c1", "indicative"),
        ("d1", "withdrawn"),
        ("a1", "replaced"),
        ("x", "unusable: the dealer 'X' was not asked"),
    ]
    assert (live.outcome, live.by, live.declined) == ("open", "ann", {"E": "no inventory"})
    assert [live.cover, live.quotes[0].bps] == pytest.approx([100.04, 3.0])
    assert one(*story, now_ns=18 * S).cover == pytest.approx(100.05), "f1 has expired"
    taken = [
        said("accepted", 18 * S, id="b1", order="p1.1", by="bob", mid2=20_002),
        *order_and_report("p1.1", 1, 50, 10_003, 18 * S, "p1", rejected=False),
        said("ended", 19 * S, outcome="traded"),
        said("drift", 20 * S, after_s=10, mid2=20_010),
    ]
    done = one(*story, *taken)
    assert [(quote.id, quote.state) for quote in done.quotes][:3] == [
        ("b1", "accepted"),
        ("f1", "expired"),
        ("a2", "expired"),
    ]
    assert done.cover == pytest.approx(100.05)
    assert [(take.quote, take.by, take.mid) for take in done.taken] == [("b1", "bob", 100.01)]
    assert done.drift_bps == {"1s": None, "10s": pytest.approx(5.0), "60s": None}


@pytest.mark.parametrize("how", ["report", "status", "ended"])
def test_a_last_look_is_seen_by_whatever_tells_of_it(how: str) -> None:
    taken = said("accepted", 14 * S, id="a", order="p1.1", mid2=20_000)
    told = {
        "report": order_and_report("p1.1", 1, 50, 10_004, 14 * S, "p1", rejected=True),
        "status": [said("status", 15 * S, id="a", state="rejected")],
        "ended": [said("ended", 15 * S, outcome="rejected")],
    }[how]
    ended = [
        said("ended", 16 * S, outcome="rejected"),
        said("drift", 20 * S, after_s=10, mid2=20_020),
    ]
    entries = [asked(10 * S), quoted(11 * S, "a", "A", 10_004), taken, *told, *ended]
    requests, rows = read([session(), parent(), *entries])
    assert requests[0].quotes[0].state == "rejected"
    assert (rows[-1].wins, rows[-1].rejects) == (0, 1)
    cost = rows[-1].figures["reject_cost_bps"]
    assert cost is not None
    assert cost.mean == pytest.approx(6.0), "never filled again: the last mid, 10010, against 10004"


def test_an_order_that_a_crash_lost_is_no_last_look() -> None:
    """The session that takes over ends the request: no dealer heard of the order that it finds rejected."""
    taken = said("accepted", 14 * S, id="a", order="p1.1", mid2=20_000)
    lost = order_and_report("p1.1", 1, 50, 10_004, 14 * S, "p1", rejected=True)
    entries = [asked(10 * S), quoted(11 * S, "a", "A", 10_004), taken, *lost]
    requests, rows = read([session(), parent(), *entries, said("ended", 16 * S, outcome="expired")])
    assert [one.state for one in requests[0].quotes] == ["expired"]
    assert (requests[0].taken, rows[-1].wins, rows[-1].rejects) == ([], 0, 0)


def test_nothing_is_told_where_a_market_has_one_side_or_a_request_is_unknown() -> None:
    blind = one(asked(10 * S, mid2=None), quoted(11 * S, "a", "A", 10_004, mid2=None))
    assert (blind.mid, blind.quotes[0].bps) == (None, None)
    assert read([session(), said("ended", 9, "nobody", outcome="traded")]) == ([], [])
    below = one(asked(10 * S, mid2=-4), quoted(11 * S, "a", "A", -1, mid2=0))
    assert (below.mid, below.quotes[0].price, below.quotes[0].bps) == (-0.02, -0.01, None)
    two_way = one(
        asked(10 * S, side=0, want=-1), quoted(11 * S, "a", "A", 9_999, side=-1, offer=10_001)
    )
    assert two_way.quotes[0].price == 99.99
    none = one(
        asked(10 * S),
        quoted(11 * S, "a", "A", 9_999, side=-1, event="unusable", text="no price to buy at"),
    )
    assert none.quotes[0].price is None


PRICES = st.lists(st.integers(9_900, 10_100), min_size=1, max_size=8)


@given(PRICES, st.sampled_from((-1, 1)), st.integers(0, 7))
def test_the_best_comes_first_and_the_cover_is_the_second_best(
    prices: list[int], side: int, which: int
) -> None:
    names = [f"D{n}" for n in range(len(prices))]
    quotes = [
        quoted(11 * S + n, f"q{n}", names[n], price, side=side) for n, price in enumerate(prices)
    ]
    chosen = which % len(prices)
    taken = said("accepted", 14 * S, id=f"q{chosen}", mid2=20_000)
    found = one(asked(10 * S, want=side, dealers=names), *quotes, taken)
    best = sorted(prices, reverse=side < 0)
    assert [quote.price for quote in found.quotes] == pytest.approx(
        [price * 0.01 for price in best]
    )
    assert [quote.bps for quote in found.quotes] == sorted(
        quote.bps or 0.0 for quote in found.quotes
    )
    assert found.cover == (pytest.approx(best[1] * 0.01) if len(best) > 1 else None)
    ties = [quote.at for quote in found.quotes if quote.price == found.quotes[0].price]
    assert ties == sorted(ties)


EVENTS = (
    "requested",
    "quoted",
    "unusable",
    "declined",
    "withdrawn",
    "status",
    "accepted",
    "passed",
    "ended",
    "drift",
)
WILD = st.builds(
    lambda event, request, **words: said(event, 20 * S, request, **words),
    st.sampled_from(EVENTS),
    st.sampled_from(("r1", "r2")),
    id=st.sampled_from(("", "a", "b")),
    dealer=st.sampled_from(("", "A", "B")),
    bid=st.none() | st.integers(-5, 10_000),
    offer=st.none() | st.integers(-5, 10_000),
    mid2=st.none() | st.integers(-2, 20_000),
    want=st.sampled_from((-1, 1)),
    lots=st.integers(0, 9),
    until_ns=st.integers(0, 40 * S),
    ids=st.none() | st.lists(st.sampled_from(("a", "b", "z"))),
    state=st.sampled_from(("", "expired", "rejected", "accepted")),
    outcome=st.sampled_from(("traded", "rejected", "expired")),
    after_s=st.sampled_from((1.0, 10.0, 60.0)),
)


@given(st.lists(WILD, max_size=25))
def test_whatever_a_journal_holds_is_read_and_said_in_five_sentences_at_most(
    entries: list[Entry],
) -> None:
    requests, rows = read([session(), *entries], 30 * S)
    assert len(request_sentences(requests, rows)) <= 5
    assert len(dealer_cells(rows)) == len(rows)
    for found in requests:
        assert (
            sum(quote.state == "open" for quote in found.quotes)
            <= len({e.body.get("id") for e in entries}) + 1
        )


def test_words_and_the_section_of_a_page() -> None:
    requests, rows = read(chain.from_iterable([story(3)[0]]))
    lines = request_sentences(requests, rows)
    assert len(lines) == 5
    assert lines[0].startswith("25 requests: ")
    page = dealer_section(requests, rows)
    assert page.title == "RFQ"
    assert "winner&#x27;s curse" in page.html
    assert "too few" in " ".join(
        str(cell) for one in dealer_cells(read(story(3, 2)[0])[1]) for cell in one.values()
    )
    assert request_sentences([], []) == ["0 requests: none."]
    empty: tuple[list[Any], list[Any]] = ([], [])
    assert dealer_section(*empty).html == ""
    assert NAME in {one.name for one in requests}
