"""Pairs: decisions by hand, bad terms, and sequences against a hostile twin."""

from fractions import Fraction
from itertools import pairwise

import pytest
from tests.execution.pair_twin import Fill, Twin, run

from tercel.core.errors import OrderError
from tercel.core.orders import Listing
from tercel.execution import pairs
from tercel.execution.pairs import LegBook, PairOrder, PairTerms, PairView, Role, decide

S = 10**9
A, B = Listing("A", 0.01, 1), Listing("B", 0.05, 10)
ONE, TWO = LegBook([(1000, 5)], [(1002, 5)]), LegBook([(199, 30), (198, 99)], [(201, 30)])


def terms(**other):
    """Buy 100 A, sell a tenth of B: a hedge of equal shares."""
    given = {"side": 1, "lots": 100, "ratio": Fraction(1, 10), "bound": 40}
    given["limit"] = Fraction(str(other.pop("limit", 0.1)))
    return PairTerms(**given | {"first": A, "second": B} | other)


def view(filled=(), orders=(), now=0, one=ONE, two=TWO, fills=(), **other):
    booked = {role: Fraction(lots) for role, lots in dict(filled).items()}
    return PairView(now, one, two, booked, fills, orders, **other)


def said(decision):
    return [(order.role.value, order.lots, order.price) for order in decision.send]


def test_the_quote_is_what_the_limit_leaves_after_the_hedge():
    # The hedge sells at 199 ticks of .05, 9.95: with a limit of .05 the first leg may cost 10.00, 1000 ticks.
    assert said(decide(terms(limit=0.05), view())) == [("quote", 40, 1000)]
    assert said(decide(terms(limit=0.03), view())) == [("quote", 40, 998)]
    # A lean of 40 lots is found at 198: 9.90.
    assert said(decide(terms(limit=0.05, lean=40), view())) == [("quote", 40, 995)]
    assert said(decide(terms(limit=0.05, lean=130), view())) == []
    sells = terms(side=-1, limit=-0.04)
    assert said(decide(sells, view())) == [
        ("quote", 40, 1002)
    ]  # receives 10.02 - 10.05 at best: joins
    assert said(decide(terms(side=-1, limit=-0.01), view())) == [("quote", 40, 1004)]


def test_a_fill_is_hedged_at_once_by_whole_lots_and_the_rest_is_carried():
    fills = [Fill(0, 1000, 14)]
    assert said(decide(terms(), view({Role.QUOTE: 14}, fills=fills)))[0] == ("hedge", 1, 199)
    hedged = {Role.QUOTE: 14, Role.HEDGE: 1}
    assert said(decide(terms(), view(hedged, fills=fills)))[0][0] == "quote"
    assert said(decide(terms(), view(hedged | {Role.QUOTE: 16}, fills=[Fill(0, 1000, 16)])))[0] == (
        "hedge",
        1,
        199,
    )
    assert said(decide(terms(pay_up=2), view({Role.QUOTE: 14}, fills=fills)))[0] == (
        "hedge",
        1,
        197,
    )


def test_late_hedges_cross_then_the_first_leg_is_flattened():
    fills, gap = [Fill(0, 1000, 20)], {Role.QUOTE: 20}
    rests = PairOrder(Role.HEDGE, 2, 199, "h")
    crossing = decide(terms(), view(gap, [rests], 1 * S, fills=fills))
    assert "h" in crossing.cancel
    assert said(decide(terms(), view(gap, [], 1 * S, fills=fills)))[0] == ("hedge", 2, None)
    late = decide(terms(), view(gap, [rests], 5 * S, fills=fills))
    assert (late.cancel, said(late)) == (("h",), [])
    assert said(decide(terms(), view(gap, [], 5 * S, fills=fills))) == [("flatten", 20, None)]
    # A cancel that is never confirmed does not keep it waiting for ever.
    assert said(decide(terms(), view(gap, [rests], 6 * S, fills=fills))) == [("flatten", 20, None)]


def test_a_halted_hedge_leg_cancels_the_quote_and_flattens():
    halted = LegBook(TWO.bids, TWO.asks, False)
    quote = PairOrder(Role.QUOTE, 10, 1000, "q")
    fills = [Fill(0, 1000, 20)]
    now = decide(terms(), view({Role.QUOTE: 20}, [quote], two=halted, fills=fills))
    assert (now.cancel, said(now)) == (("q",), [])
    assert "B does not trade" in now.reason
    late = decide(terms(), view({Role.QUOTE: 20}, now=5 * S, two=halted, fills=fills))
    assert said(late) == [("flatten", 20, None)]
    over = decide(terms(), view({Role.QUOTE: 20, Role.FLATTEN: 20}, now=6 * S, fills=fills))
    assert over.over


def test_beyond_its_loss_it_is_flattened_at_once():
    # Bought at 10.00 for a limit of .1, the hedge fell to 9.00: .9 beyond, for 20 shares 18.
    fell, fills = LegBook([(180, 30)], [(182, 30)]), [Fill(0, 1000, 20)]
    for loss, role in ((18.1, "hedge"), (17.9, "flatten")):
        found = decide(terms(loss=loss), view({Role.QUOTE: 20}, two=fell, fills=fills))
        assert said(found)[0][0] == role


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"second": A}, "two legs"),
        (
            {
                "first": Listing("A", 0.01, 1, currency="USD"),
                "second": Listing("B", 0.01, 1, currency="EUR"),
            },
            "currency",
        ),
        ({"ratio": Fraction(0)}, "ratio"),
        ({"ratio": Fraction(-1, 2)}, "ratio"),
        ({"lots": 4}, "a lot of the hedge"),
        ({"bound": 5}, "a bound of 6"),
        ({"cross_ns": 9 * S}, "cross"),
        ({"loss": float("nan")}, "loss"),
        ({"side": 0}, "side"),
    ],
)
def test_terms_that_make_no_pair_are_refused(wrong, why):
    with pytest.raises(OrderError, match=why):
        terms(**wrong)


@pytest.mark.parametrize(
    "asked",
    [
        {"ratio": "1/0"},
        {"spread": "x"},
        {"spread": "nan"},
        {"spread": ""},
        {"hedge": "1"},
        {"bound": "1.5"},
    ],
)
def test_what_is_typed_wrong_is_refused(asked):
    with pytest.raises(OrderError, match="ratio=3/2"):
        PairTerms.of(1, 10, A, B, {"spread": "1", "bound": "9"} | asked)


def sequences(seeds):
    roles = dict.fromkeys(Role, 0)
    for seed in seeds:
        for role in {row[1] for row in run(seed).fills}:
            roles[role] += 1
    assert min(roles.values()) > 0, roles


def test_hostile_sequences_keep_the_bound():
    """Unhedged lots, by the venue's own fills and whatever is open, stay within the bound; late ones are flattened."""
    sequences(range(60))
    run(
        4121
    )  # a hedge whose cancel the halted venue refused is cancelled again after the first leg was flattened


@pytest.mark.release
@pytest.mark.parametrize("part", list(pairwise(range(0, 10_001, 1000))))
def test_ten_thousand_hostile_sequences_keep_the_bound(part):
    sequences(range(*part))


@pytest.mark.parametrize("name", ["up", "down", "late"])
def test_the_twin_finds_what_breaks_the_bound(name, monkeypatch):
    """A pair that forgets open quotes, hedges in flight or the time bound is caught."""
    broken = {
        "up": lambda v: [o for o in v.orders if o.role is not Role.QUOTE],
        "down": lambda v: [o for o in v.orders if o.role is not Role.HEDGE],
        "late": lambda v: v.orders,
    }[name]

    def forgetful(given, at):
        fills = () if name == "late" else at.fills
        other = PairView(at.now_ns, at.first, at.second, at.filled, fills, broken(at), at.closing)
        return pairs.decide(given, other)

    monkeypatch.setattr("tests.execution.pair_twin.decide", forgetful)
    with pytest.raises(AssertionError):
        sequences(range(60))


def test_in_a_calm_market_all_is_filled_and_hedged():
    found = run(7, events=400, hostile=0.0)
    assert isinstance(found, Twin)
    assert all(row[1] in (Role.QUOTE, Role.HEDGE) for row in found.fills)
