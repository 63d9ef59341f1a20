"""Executors in backtests: what they know and what they trade is what the day and the engine say."""

from decimal import Decimal

import numpy as np
import pytest
from hftbacktest import ADD_ORDER_EVENT, BUY_EVENT, SELL_EVENT
from tercel_hftbacktest.backtest import open_backtest
from tercel_hftbacktest.feed import Events, between, event
from tercel_hftbacktest.loop import work
from tercel_hftbacktest.messages import OrdersSeen

import tercel as tc
from tercel.feeds.export_hftbacktest import records
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import EXECUTE, Events as Tape, Instrument, Lake

S = 1_000_000_000
Day = tuple[Instrument, Tape, Events]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A simulated day of half an hour, as a tape and as events."""
    lake: Lake = simulated_lake(tmp_path_factory.mktemp("lake"), 0.5)
    instrument, tape = lake.read("SIM", lake.days("SIM")[0])
    return instrument, tape, records(instrument, tape)


def test_changes_of_orders_are_those_of_the_tape(day: Day) -> None:
    instrument, tape, events = day
    changes = [change for _, moment in OrdersSeen().changes(events) for change in moment]
    executed = [size for kind, *_, size in changes if kind == "execute"]
    assert executed == (instrument.lot * tape.qty_lots[tape.kind == EXECUTE]).tolist()
    assert len(changes) == tape.n


def test_a_window_begins_with_the_book_that_the_day_has_there(day: Day) -> None:
    instrument, _, events = day
    at = int(events["exch_ts"][len(events) // 2])
    end = int(events["exch_ts"][-1])
    window = between(events, at, end)
    whole, part = (open_backtest(one, instrument.tick) for one in (events, window))
    for backtest in (whole, part):
        backtest.elapse(0)
    for ns in np.linspace(at + S, end - S, 20).astype(int).tolist():
        for backtest in (whole, part):
            backtest.elapse(ns - backtest.current_timestamp)
        depths = [backtest.depth(0) for backtest in (whole, part)]
        quotes = [(one.best_bid_tick, one.best_ask_tick, one.best_bid_qty) for one in depths]
        assert quotes[0] == quotes[1]
    assert len(window) < len(events)


@pytest.mark.parametrize("strategy", ["twap_repeg", "guarded", "default", "twap_take"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_is_worked_to_its_last_lot(day: Day, strategy: str, side: str) -> None:
    instrument, _, events = day
    begin = int(events["exch_ts"][0]) + 300 * S
    seen = between(events, begin, begin + 700 * S)
    executor = tc.Executor(
        strategy,
        tc.Instrument("SIM", instrument.tick, instrument.lot),
        tc.Parent(side, 40 * instrument.lot, 300.0, start_ns=begin + 300 * S, decisions=20),
        latency=tc.Latency("constant", 50_000_000),
        own_orders_shown=False,
        warmup_s=300.0,
    )
    backtest = open_backtest(seen, instrument.tick, 50_000_000)
    done = work(executor, backtest, seen, begin + 700 * S)
    assert executor.done
    assert executor.left == 0
    assert sum(one.size for one in done) == executor.filled == Decimal(40 * instrument.lot)
    assert backtest.position(0) == executor.filled * (1 if side == "buy" else -1)
    assert all(begin + 300 * S < one.ns < begin + 601 * S for one in done)
    backtest.close()


def test_without_a_counterparty_an_order_stays_open() -> None:
    quiet = [event(ADD_ORDER_EVENT, BUY_EVENT, S, 99.0, 5, 1), event(ADD_ORDER_EVENT, SELL_EVENT, S, 101.0, 5, 2)]  # fmt: skip
    gone = [event(11, BUY_EVENT, 40 * S, 99.0, 5, 1)]
    seen = between(np.concatenate((*quiet, *gone)), 2 * S, 100 * S)
    parent = tc.Parent("sell", 10, 60.0, start_ns=20 * S, decisions=6)
    executor = tc.Executor(
        "twap_repeg", tc.Instrument("X", 1), parent, own_orders_shown=False, warmup_s=10.0
    )
    backtest = open_backtest(seen, 1.0)
    assert work(executor, backtest, seen, 99 * S) == []
    assert executor.left == 10
    assert backtest.position(0) == 0
    backtest.close()
