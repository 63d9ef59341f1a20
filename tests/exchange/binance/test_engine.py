"""The exchange in Binance's words against its own books: money conserves, the public book is the exchange's, FOK is."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st
from tests.exchange.binance.conftest import MARKET, SECOND, Bench, bench_of

from exchange.binance.opened import twin
from exchange.binance.report import impact, middles
from exchange.binance.words import BinanceError, SelfTradePrevention
from tercel.core.orders import M_LOTS, M_PRICE, M_SIDE
from tercel.venues.binance_venue import ErrorCode, Status
from tercel.venues.exchange.named_markets import preset_markets

MODES = list(SelfTradePrevention)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["LIMIT", "LIMIT", "MARKET", "LIMIT_MAKER", "cancel", "amend", "wait"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(-6, 6),
        st.sampled_from([1, 5, 100, 3000]),
        st.sampled_from(["GTC", "IOC", "FOK"]),
        st.integers(0, 3_000),
    ),
    max_size=40,
)


def public_book(bench: Bench, side: int) -> dict[int, int]:
    """Level totals of the exchange behind, order by order."""
    rules = bench.engine.rules[bench.symbol]
    rows = bench.engine._exchange.snapshot(rules.instrument).rows[1:]
    totals: Counter[int] = Counter()
    for row in rows.tolist():
        if row[M_SIDE] == side:
            totals[row[M_PRICE]] += row[M_LOTS]
    return dict(totals)


def do(bench: Bench, step: tuple[str, str, int, int, str, int]) -> None:
    what, side, away, lots, tif, wait = step
    living = list(bench.account.living.values())
    if what == "wait":
        bench.go_on(wait / 1000)
    elif what == "cancel" and living:
        bench.engine.cancel(
            bench.account, bench.symbol, living[lots % len(living)].order_id, "", ""
        )
    elif what == "amend" and living:
        order = living[lots % len(living)]
        bench.engine.amend(bench.account, order, max(order.lots // 2, 1), "")
    elif what == "MARKET":
        spent = lots * 10**11 if tif == "IOC" else 0
        bench.place(
            side=side, kind=what, lots=0 if spent else lots, spent=spent, prevention=MODES[wait % 4]
        )
    elif what in ("LIMIT", "LIMIT_MAKER"):
        bench.place(
            side=side,
            kind=what,
            lots=lots,
            ticks=bench.market.middle + away,
            tif=tif if what == "LIMIT" else "GTC",
            prevention=MODES[wait % 4],
        )


def done(bench: Bench, step: tuple[str, str, int, int, str, int]) -> ErrorCode | None:
    """Why a step was refused."""
    try:
        do(bench, step)
    except BinanceError as error:
        return error.code
    return None


@given(STEPS, st.integers(0, 3))
def test_money_conserves_and_the_public_book_is_the_exchanges(steps, seed) -> None:
    bench = bench_of(seed=seed)
    for step in steps:
        refused = done(bench, step)
        assert refused in (
            None,
            ErrorCode.ORDER_REJECTED,
            ErrorCode.INVALID_MESSAGE,
            ErrorCode.AMEND_REJECTED,
        )
        assert bench.engine.imbalance(bench.account.name) == {}
        assert (
            min([*bench.account.balances.free.values(), *bench.account.balances.locked.values()])
            >= 0
        )
        for side in (1, -1):
            assert dict(bench.market.book.top(side)) == public_book(bench, side)
    trades = {one.number: one for one in bench.market.trades}
    for fill in bench.account.fills:
        assert (trades[fill.trade].lots, trades[fill.trade].ticks) == (fill.lots, fill.ticks)
    check_no_self_trade(bench)


def check_no_self_trade(bench: Bench) -> None:
    """No two orders of the account have a trade in common, unless the later one allows it; what expired says so."""
    later: dict[int, int] = {}
    counts = Counter(one.trade for one in bench.account.fills)
    for fill in bench.account.fills:
        later[fill.trade] = max(later.get(fill.trade, 0), fill.order_id)
    own = {later[trade] for trade, count in counts.items() if count > 1}
    assert {bench.account.orders[one].prevention for one in own} <= {SelfTradePrevention.NONE}
    ended = {
        one.order_id
        for one in bench.account.orders.values()
        if one.status is Status.EXPIRED_IN_MATCH
    }
    takers = {one.taker for one in bench.account.prevented if one.taker_lots}
    assert ended == takers | {one.maker for one in bench.account.prevented if one.maker_lots}


@pytest.mark.parametrize(
    ("mode", "taker", "maker", "behind"),
    [
        ("NONE", "FILLED", "FILLED", "NEW"),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW", "NEW"),
        ("EXPIRE_MAKER", "FILLED", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", "NEW"),
    ],
)
@pytest.mark.parametrize("kind", ["LIMIT", "MARKET"])
def test_own_orders_that_would_trade_expire_as_the_mode_says(
    bench, kind, mode, taker, maker, behind
) -> None:
    bench.go_on(3)
    best, lots = bench.market.best(-1)
    mine = bench.place(side="SELL", lots=7, ticks=best)
    deeper = bench.place(side="SELL", lots=5, ticks=best + 40)
    bench.engine.pending_events.clear()
    limit = best + 30 if kind == "LIMIT" else 0
    order = bench.place(kind=kind, lots=lots + 50, ticks=limit, prevention=mode)
    assert (order.status, mine.status, deeper.status) == (taker, maker, behind)
    assert bench.engine.imbalance(bench.account.name) == {}
    check_no_self_trade(bench)
    told = {
        one["i"]: one
        for _, one in bench.engine.pending_events
        if one.get("x") == "TRADE_PREVENTION"
    }
    assert set(told) == {one.order_id for one in (order, mine) if one.status == "EXPIRED_IN_MATCH"}
    quantity = bench.engine.rules[bench.symbol].quantity
    for one, other in ((order, mine), (mine, order)):
        if one.order_id in told:
            event = told[one.order_id]
            assert (event["X"], event["V"], event["U"]) == (
                "EXPIRED_IN_MATCH",
                one.prevention,
                other.order_id,
            )
            assert event["A"] == event["B"] == quantity(one.lots - one.cum)
            assert one.query()["preventedQuantity"] == event["A"]
            assert one.query()["preventedMatchId"] == event["v"]
    if mode in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
        assert 0 < order.cum <= lots, "what others offered before is bought"


def test_an_imbalance_is_seen(bench) -> None:
    bench.account.balances.free["USDT"] += 1
    assert bench.engine.imbalance(bench.account.name) == {"USDT": 1}
    bench.account.balances.lock("USDT", 5)
    assert bench.engine.imbalance(bench.account.name)["locked USDT"] == 5


def test_a_limit_order_sets_its_money_aside_and_a_cancel_gives_it_back(bench) -> None:
    before = bench.account.balances.free["USDT"]
    order = bench.place(lots=100, ticks=1400)
    assert (
        bench.account.balances.locked["USDT"] == 100 * 1400 * bench.engine.rules[bench.symbol].unit
    )
    told = bench.engine.cancel(bench.account, bench.symbol, order.order_id, "", "bye")
    assert (told["status"], told["clientOrderId"], told["origClientOrderId"]) == (
        "CANCELED",
        "bye",
        order.client_id,
    )
    assert bench.account.balances.free["USDT"] == before
    kinds = [(event["e"], event.get("x")) for _, event in bench.engine.pending_events]
    assert kinds == [
        ("executionReport", "NEW"), ("outboundAccountPosition", None),
        ("executionReport", "CANCELED"), ("outboundAccountPosition", None),
    ]  # fmt: skip


def test_a_buyer_gets_the_lots_less_a_fee_in_the_base_asset(bench) -> None:
    held = bench.account.balances.free["CSCO"]
    order = bench.place(kind="MARKET", lots=1000)
    assert order.status is Status.FILLED
    lot = bench.engine.rules[bench.symbol].lot
    assert (
        bench.account.balances.free["CSCO"] - held == 1000 * lot - lot
    )  # 0.1 % of a thousand lots
    assert sum(one.lots for one in order.fills) == 1000


@pytest.mark.parametrize("lots", [10, 5_000, 50_000])
def test_fok_fills_whole_or_not_at_all_though_it_moves_the_market(lots) -> None:
    for away in range(-2, 12):
        bench = bench_of()
        order = bench.place(lots=lots, ticks=bench.market.best(-1)[0] + away, tif="FOK")
        assert order.status in (Status.FILLED, Status.EXPIRED)
        assert order.cum == (lots if order.status is Status.FILLED else 0)


def test_what_is_to_be_spent_is_never_exceeded_and_one_lot_more_would(bench) -> None:
    unit = bench.engine.rules[bench.symbol].unit
    for spent in (2_000 * unit, 10**11, 10**12 - 1):
        order = bench.place(kind="MARKET", lots=0, spent=spent)
        assert order.value * unit <= spent
        assert order.value * unit + 2 * order.fills[-1].ticks * unit > spent
        bench.go_on(1)


def test_too_little_money_is_refused(bench) -> None:
    price = bench.market.best(1)[0]
    most = bench.account.balances.free["USDT"] // (price * bench.engine.rules[bench.symbol].unit)
    with pytest.raises(BinanceError, match="insufficient balance"):
        bench.place(lots=most + 1, ticks=price)
    bench.place(lots=most, ticks=price)


def test_the_same_name_comes_again_only_when_the_order_is_over(bench) -> None:
    order = bench.place(lots=10, ticks=1400, name="mine")
    with pytest.raises(BinanceError, match="Duplicate order sent"):
        bench.place(lots=10, ticks=1400, name="mine")
    bench.engine.cancel(bench.account, bench.symbol, order.order_id, "", "")
    again = bench.place(lots=10, ticks=1400, name="mine")
    assert bench.engine.query(bench.account, bench.symbol, None, "mine") is again


def test_who_trades_nothing_moves_nothing_and_who_buys_moves_it_up() -> None:
    idle, buyer = bench_of(MARKET), bench_of(MARKET)
    for _ in range(20):
        idle.go_on(3)
        buyer.go_on(3)
        buyer.place(kind="MARKET", lots=1000)
    for bench in (idle, buyer):
        bench.go_on(70)
    alone = twin(buyer.engine, preset_markets([MARKET], 1))
    assert middles(alone.markets[buyer.symbol]).tolist() == middles(idle.market).tolist()
    moved = impact(buyer.engine, alone, buyer.account, buyer.symbol)["moved_bps"]
    assert moved["+60s"] > 1.0
    nothing = impact(idle.engine, alone, idle.account, idle.symbol)
    assert (nothing["fills"], nothing["moved_at_end_ticks"]) == (0, 0.0)


def test_an_order_too_large_for_a_moment_is_refused_not_the_end(monkeypatch) -> None:
    monkeypatch.setattr("tercel.venues.exchange.market.RECORD_ROWS", 64)
    small = bench_of()
    small.account.balances.add("USDT", 10**18)
    with pytest.raises(BinanceError, match="MARKET_LOT_SIZE"):
        small.place(kind="MARKET", lots=2**30)
    with pytest.raises(BinanceError, match=": LOT_SIZE"):
        small.place(lots=10**6, ticks=small.market.middle * 4)
    now = small.engine.now_ns
    small.go_on(0.1)
    assert small.engine.now_ns == now + SECOND // 10
    assert small.place(kind="MARKET", lots=10).status is Status.FILLED


@given(
    st.sampled_from([MARKET, "ethbtc"]),
    st.sampled_from([1, -1]),
    st.integers(10, 800),
    st.integers(0, 60),
)
def test_what_an_order_would_fill_is_what_it_fills(name, side, lots, wait) -> None:
    bench = bench_of(name)
    for asset in bench.engine.assets:
        bench.account.balances.add(asset, 10**18)
    bench.go_on(wait)
    instrument = bench.engine.rules[bench.symbol].instrument
    would = bench.engine._exchange.would_fill(instrument, side, None, lots)
    order = bench.place(side="BUY" if side > 0 else "SELL", kind="MARKET", lots=lots)
    assert [(one.ticks, one.lots, -1) for one in order.fills] == would
