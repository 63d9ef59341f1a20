"""Patterns that try to earn without an order to work: cash by the exchange's own reports, a free lunch that was planted."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.studies.typed import printed, refused

from studies.round_trips import attacks
from studies.round_trips.attacks import (
    NAME,
    PATTERNS,
    Trader,
    play,
    recorded_worlds,
    simulated_worlds,
)
from tercel.core import M_PRICE, M_SIDE, NS_PER_SECOND, ONE
from tercel.market.flow.registry import load
from tercel.market.impact import law as words
from tercel.market.simulator import Source, layout as sim
from tercel.market.simulator.days import simulated_session
from tercel.market.simulator.source import reactive
from tercel.market.tape import Instrument, Lake
from tercel.venues.exchange import MarketSpec, SimulatedExchange

LOTS = 100


@pytest.fixture(scope="module")
def market() -> Source:
    return reactive(load("goog"), worlds=2, settle_s=60.0)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "LENGTH_S", 120.0)
    monkeypatch.setattr(attacks, "WARM_S", 5.0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_cash_and_lots_are_those_of_the_exchanges_reports_and_nothing_is_held_at_the_end(
    market: Source, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SimulatedExchange] = []

    def exchange_of(specs: dict[str, MarketSpec]) -> SimulatedExchange:
        made.append(SimulatedExchange(specs))
        return made[-1]

    monkeypatch.setattr(attacks, "SimulatedExchange", exchange_of)
    trader = attacks._play_once(PATTERNS[pattern], MarketSpec(market, 1), LOTS, 1)
    [exchange] = made
    trades = exchange.executions("desk")
    signed = [(report.side * report.last_qty // ONE, report.last_px // ONE) for report in trades]
    assert sum(lots for lots, _ in signed) == trader.position == 0
    assert -sum(lots * price for lots, price in signed) == trader.cash
    assert sum(abs(lots) for lots, _ in signed) == trader.traded


def test_the_touch_is_that_of_others(market: Source) -> None:
    trader = Trader(SimulatedExchange({NAME: MarketSpec(market, 1)}))
    trader.run(1.0)
    bid, ask = trader.touch()
    assert ask - bid > 2
    trader.send(1, LOTS, bid + 1)
    trader.run(1e-6)
    rows = trader.exchange.snapshot(NAME).rows
    assert rows[rows[:, M_SIDE] == 1, M_PRICE].max() == bid + 1
    assert trader.touch() == (bid, ask)
    trader.quote(1, LOTS, bid + 1)
    assert len(trader.orders) == 1
    trader.quote(1, LOTS, bid)
    trader.run(1e-6)
    assert [order.price for order in trader.orders.values()] == [bid]


def test_both_signs_of_a_pattern_lose_the_spread_in_a_market_with_a_law(market: Source) -> None:
    played = play(PATTERNS["take 1 trade, back in 10 s"], simulated_worlds(market, 4, 1), LOTS)
    assert (played.unfinished, set(played.lots)) == (0, {LOTS})
    assert played.cash.mean() < 0.0
    assert played.p > 0.5


def test_a_planted_free_lunch_pays_for_certain(market: Source) -> None:
    """A resting fill moves the price as sixty takes do: who bought at rest sells back at once, dearer."""
    flow = market.flow.copy()
    flow[int(flow[sim.IMPACT_AT]) + words.PASSIVE] = 60.0
    pattern = partial(attacks.rest_then_take, trades=1, wait_s=120)
    plain, lunch = (
        play(pattern, simulated_worlds(one, 12, 1), LOTS)
        for one in (market, replace(market, flow=flow))
    )
    assert lunch.p < 0.01 < plain.p


def test_the_command_prints_a_row_a_pattern_and_refuses_what_is_no_ratio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = {name: PATTERNS[name] for name in ("take 1 trade, back in 10 s", "ping inside")}
    monkeypatch.setattr("studies.round_trips.attacks_command.PATTERNS", short)
    words_typed = ("attacks", "--market", "goog", "--worlds", 8)
    found = printed(*words_typed, "--passive-impact", "0,1")
    assert [row["pattern"] for row in found["rows"]] == [*short] * 2
    assert {row["passive_impact"] for row in found["rows"]} == {0.0, 1.0}
    assert np.isfinite([row["ticks_a_lot"]["mean"] for row in found["rows"]]).all()
    for wrong, told in (("2", "from 0 to 1"), ("half", "numbers, separated by commas")):
        assert told in refused(*words_typed, "--passive-impact", wrong)


def test_recorded_worlds_are_quarters_of_an_hour_without_a_silent_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacks, "SKIP_S", 0.0)
    preset = load("csco-santa-fe")
    date, lake = "2020-01-02", Lake(tmp_path)
    about = "SIM", "AAA", date, preset.tick, preset.lot
    open_ns = Instrument(*about).clock_ns("10:00")
    day = Instrument(
        *about, session_open_ns=open_ns, session_close_ns=open_ns + 2000 * NS_PER_SECOND
    )
    lake.write(day, simulated_session(preset, 1, 2000.0, open_ns, warmup_s=300.0))
    card = {**preset.card, "days": [date]}
    marked = preset.model_copy(update={"symbol": "AAA", "venue": "SIM", "card": card})
    worlds = recorded_worlds(tmp_path, marked, None)
    assert len(worlds) == 2  # at 15 and 30 of 33 minutes
    played = play(PATTERNS["take 1 trade, back in 10 s"], worlds, LOTS)
    assert (played.unfinished, set(played.lots)) == (0, {LOTS})
    assert played.cash.mean() < 0.0
    monkeypatch.setattr(attacks, "QUIET_S", 0.5)
    assert recorded_worlds(tmp_path, marked, None) == []
