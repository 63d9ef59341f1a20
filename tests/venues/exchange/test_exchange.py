"""The simulated exchange: the conformance kit, several accounts in one book, regimes, leaving."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.markets import martingale_market
from tests.parts import whole

from certify.kits.venue import PublicBook, Trader, VenueConformance
from tercel.core.errors import ConfigError, UnknownNameError, VenueError
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType,
    MarketRows,
    NewOrder,
    OrdStatus,
    Report,
    Tif,
)
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.regimes.flow_scaling import scale_flow
from tercel.market.regimes.law import RegimeScript, with_regimes
from tercel.market.regimes.named import NAMED
from tercel.market.simulator.source import Source, reactive, with_impact
from tercel.venues.exchange import EntryLatency, MarketSpec, RegimeChange, SimulatedExchange

S = 10**9


@pytest.fixture(scope="session")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


class TestExchange(VenueConformance):
    @pytest.fixture
    def venue(self, csco: Source) -> SimulatedExchange:
        latency = EntryLatency("exponential", 1_000_000, 5_000_000)
        return SimulatedExchange(
            {"A": MarketSpec(csco, 1), "B": MarketSpec(csco, 2)}, latency=latency
        )


def test_several_markets_pass_as_each_would_alone(csco: Source) -> None:
    both = SimulatedExchange({"A": MarketSpec(csco, 1), "B": MarketSpec(csco, 2)})
    alone = SimulatedExchange({"B": MarketSpec(csco, 2)})
    for exchange in (both, alone):
        exchange.subscribe("B")
    both.send(NewOrder("1", "A", 1, 50, None, Tif.IOC, "me", "", 0))
    rows = []
    for exchange in (both, alone):
        heard = []
        for _ in range(50):
            heard += [
                e.rows for e in exchange.step(exchange.now_ns + S) if isinstance(e, MarketRows)
            ]
            if exchange.now_ns >= 330 * S:
                break
        heard += [e.rows for e in exchange.step(340 * S) if isinstance(e, MarketRows)]
        rows.append(np.concatenate(heard))
    np.testing.assert_array_equal(rows[0], rows[1])


STEPS = st.lists(
    st.tuples(
        st.sampled_from("nnnicrt"), st.sampled_from(["a", "b"]), st.sampled_from([1, -1]), st.integers(-3, 4),
        st.integers(1, 40),
    ),
    max_size=30,
)  # fmt: skip


@pytest.mark.parametrize("loud", [False, True])
@given(steps=STEPS, seed=st.integers(0, 50))
def test_two_accounts_and_the_market_share_one_book(
    csco: Source, loud: bool, steps: list[tuple], seed: int
) -> None:
    """Every lot that trades has two sides, an order's lots are filled, open or dead, and the data is the book."""
    source = (
        with_impact(csco, ImpactLaw("translation", 5.0, trades=5.0, sigma_ticks=9.0))
        if loud
        else csco
    )
    exchange = SimulatedExchange(
        {"A": MarketSpec(source, seed, client_orders=16)}, latency=EntryLatency("constant", 1000)
    )
    follower, book, reports = (
        Follower(exchange.listings()[0], width=exchange.width("A")),
        PublicBook(),
        [],
    )
    exchange.subscribe("A")
    rows = []

    def run(ns: int) -> None:
        until = exchange.now_ns + ns
        while exchange.now_ns < until:
            for event in exchange.step(until):
                if isinstance(event, MarketRows):
                    book.apply(event)
                    follower.on_market(event)
                    rows.extend([] if event.snapshot else event.rows.tolist())
                elif isinstance(event, Report):
                    reports.append(event)

    run(S)
    names: dict[str, list[str]] = {"a": [], "b": []}
    for n, (what, who, side, away, lots) in enumerate(steps):
        price = follower.touch[0 if side > 0 else 1] + side * away
        if what in "ni":
            names[who].append(f"{who}{n}")
            tif = Tif.IOC if what == "i" else Tif.DAY
            exchange.send(NewOrder(f"{who}{n}", "A", side, lots, price, tif, who, "", 0))
        elif what == "c" and names[who]:
            exchange.send(
                CancelOrder(f"{who}{n}", names[who][lots % len(names[who])], "A", side, who, 0)
            )
        elif what == "t":
            run(S)
    run(3 * S)

    latest = {
        (r.account, r.cl_ord_id): r
        for r in reports
        if r.exec_type in (ExecType.NEW, ExecType.TRADE)
    }
    trades = [r for r in reports if r.exec_type is ExecType.TRADE]
    for (account, name), last in latest.items():
        mine = sum(whole(r.last_qty) for r in trades if (r.account, r.cl_ord_id) == (account, name))
        assert mine == whole(last.cum_qty)
        assert whole(last.cum_qty) + whole(last.leaves_qty) == last.lots
    dense = exchange.listings()[0].dense_ids
    clients = {dense - 16 + i for i in range(16)}
    executed = [row for row in rows if row[1] == 4]
    assert sum(whole(r.last_qty) for r in trades if r.passive) == sum(
        row[5] for row in executed if row[2] in clients
    )
    assert sum(whole(r.last_qty) for r in trades if not r.passive) == sum(
        row[5] for row in executed if row[6] in clients
    )
    again = PublicBook()
    again.apply(exchange.snapshot("A"))
    assert again.orders == book.orders
    assert (again.best(1), again.best(-1)) == follower.touch


def test_executions_of_two_runs_have_names_of_their_own(csco: Source) -> None:
    named = []
    for run in ("", "", "monday-"):
        exchange = SimulatedExchange({"A": MarketSpec(csco, 4)}, run=run)
        exchange.send(NewOrder("o", "A", 1, 1, 1, Tif.DAY, "me", "", exchange.now_ns))
        named.append(
            next(r.exec_id for r in exchange.step(exchange.now_ns + S) if isinstance(r, Report))
        )
    assert named[0] == named[1]
    assert named[2] == f"monday-{named[0]}"


def test_leaving_cancels_where_it_was_asked_for(csco: Source) -> None:
    exchange = SimulatedExchange({"A": MarketSpec(csco, 4)})
    stays, goes = Trader(exchange, "stays"), Trader(exchange, "goes")
    exchange.login("goes", cancel_on_disconnect=True)
    kept, lost = stays.rest()[0], goes.rest()[0]
    exchange.disconnect("stays")
    exchange.disconnect("goes")
    ended = {r.cl_ord_id for r in exchange.step(exchange.now_ns + S) if isinstance(r, Report)}
    assert ended == {lost}
    assert kept not in ended


@pytest.mark.parametrize("more", [3, 0, -1])
def test_a_replace_of_a_part_filled_order_never_has_fewer_lots_than_are_filled(
    csco: Source, more: int
) -> None:
    """FIX 4.4, appendix D, D.10 to D.13."""
    exchange = SimulatedExchange({"A": MarketSpec(csco, 4)})
    trader = Trader(exchange, "me")
    offer = trader.book.best(-1)
    shown = sum(
        lots for side, price, lots in trader.book.orders.values() if (side, price) == (-1, offer)
    )
    name = trader.new(1, shown + 10, offer)
    changed = trader.replace(name, 1, shown + more, offer)
    said = trader.report(changed, ExecType.REPLACED)
    left = max(more, 0)
    assert (said.lots, whole(said.cum_qty), whole(said.leaves_qty)) == (shown + left, shown, left)
    assert said.status is (OrdStatus.PARTIALLY_FILLED if left else OrdStatus.FILLED)
    late = trader.cancel(changed)
    if not left:
        assert (
            trader.wait(CancelReject, lambda one: one.cl_ord_id == late).status is OrdStatus.FILLED
        )


def test_regimes_of_a_law_change_the_market_and_are_told_to_nobody(csco: Source) -> None:
    def heard(source: Source, *regimes: RegimeChange) -> np.ndarray:
        exchange = SimulatedExchange({"A": MarketSpec(source, 1, regimes=regimes)})
        exchange.subscribe("A")
        rows = []
        while exchange.now_ns < 420 * S:
            rows += [e.rows for e in exchange.step(420 * S) if isinstance(e, MarketRows)]
        return np.concatenate(rows)

    busy = with_regimes(
        csco, RegimeScript([(30.0, "volatile"), (60.0, "plain"), (61.0, "flash_crash")])
    )
    plain, law = heard(csco), heard(busy)
    assert law[:, 1].max() == plain[:, 1].max()
    before = (law[:, 0] < 330 * S).sum()
    np.testing.assert_array_equal(law[:before], plain[:before])
    assert len(law) > 1.1 * len(plain)
    f = NAMED["volatile"].phases[0].factors
    factors = heard(csco, RegimeChange(330 * S, factors=f))
    flow = heard(
        csco,
        RegimeChange(
            330 * S, scale_flow(load("csco-santa-fe"), f.limit, trades=f.market, pace=f.pace)
        ),
    )
    assert len(factors) == pytest.approx(len(flow), rel=0.05)


@pytest.mark.parametrize(
    ("error", "words", "make"),
    [
        (ConfigError, "market", lambda _: SimulatedExchange({})),
        (ConfigError, "guard", lambda _: MarketSpec(martingale_market())),
        (ConfigError, "regimes", lambda csco: MarketSpec(
            csco, regimes=[RegimeChange(5, csco.flow), RegimeChange(1, csco.flow)])),
        (ConfigError, "latency", lambda _: EntryLatency("often", 1)),
        (UnknownNameError, "use one of A", lambda csco: SimulatedExchange({"A": MarketSpec(csco)}).subscribe("Z")),
    ],
)  # fmt: skip
def test_what_is_no_market_is_refused(
    csco: Source, error: type[Exception], words: str, make: Callable[[Source], object]
) -> None:
    with pytest.raises(error, match=words):
        make(csco)


def test_an_exchange_that_is_closed_takes_no_order(csco: Source) -> None:
    exchange = SimulatedExchange({"A": MarketSpec(csco)})
    exchange.close()
    with pytest.raises(VenueError, match="open"):
        exchange.send(NewOrder("1", "A", 1, 1, 1, Tif.DAY, "me", "", 0))
