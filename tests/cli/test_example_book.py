"""What a report draws of an episode is the book that the agent traded in, with every law of impact."""

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.execution.test_identity import recorded_tape

from tercel.execution import step
from tercel.execution.market import Market
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation import example
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.example import RECORD_ROWS, apply_row, draw_book_example, levels_of
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.impact.pilot import law_for
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive, settled_bank, with_impact

TASK = Task(horizon_s=240.0, decisions=24, warmup_s=20.0, grid_points=13)
LOUD = ImpactLaw("translation", mean_trade_lots=5.0, trades=10.0, sigma_ticks=6.0)
LINEAR = replace(LOUD, exponent=1.0, explicit=((0.0, 0.3), (0.01, 0.7)))


def market(name: str) -> Source:
    if name.startswith("tape"):
        tape = recorded_tape(2, levels=5 if "levels" in name else 0)
        return with_impact(
            tape, {"tape": None, "tape_square_root": LOUD, "tape_levels": None}.get(name, LINEAR)
        )
    preset = load("sh600961" if "queue" in name else "csco-santa-fe")
    if name == "santa_fe_translation":
        return reactive(preset, settle_s=600.0, impact=LOUD)
    law = name.rsplit("_", 1)[1]
    return reactive(
        preset, settle_s=600.0, impact="none" if law == "none" else law_for(preset, law)
    )


def plan_of(source: Source, quantity: int) -> Plan:
    plan = seeded_plan(TASK, quantity, seed=11, first=0, n=1)
    if source.model == sim.REPLAY:
        plan.rows[:, step.E_START_NS] = source.worlds_k[0, sim.NOW] + TASK.warmup_ns
        plan.rows[:, step.E_CURSOR_END] = len(source.tape)
    return plan


@pytest.mark.parametrize(
    "name",
    [
        "queue_translation",
        "queue_weights",
        "queue_none",
        "santa_fe_translation",
        "santa_fe_none",
        "tape",
        "tape_square_root",
        "tape_levels",
        "tape_propagator",
        "tape_propagator_levels",
    ],
)
@pytest.mark.parametrize("strategy", ["random", "peg_touch"])
def test_the_record_replays_to_the_book_at_every_decision(name: str, strategy: str) -> None:
    source = market(name)
    quantity = 600 if source.lot == 1 and source.model != sim.QUEUE_REACTIVE else 60_000
    episodes = Episodes(source, TASK, 1, record_rows=25_000)
    episodes.start(plan_of(source, quantity))
    levels, at = levels_of(episodes.books[0]), int(episodes.states[0, sim.RECORD])
    rule = build(strategy)
    decisions = 0
    while episodes.working.any():
        rows = episodes.record(0)
        for row in rows[at:]:
            apply_row(levels, row.tolist())
        at = len(rows)
        k = episodes.states[0]
        standing = {level: lots for level, lots in levels.items() if lots}
        assert standing == {
            level: lots for level, lots in levels_of(episodes.books[0]).items() if lots
        }
        for side, word in ((1, sim.PUBLIC_BID), (-1, sim.PUBLIC_ASK)):
            prices = [price for s, price in standing if s == side]
            if prices:
                assert max(prices, key=lambda price, side=side: price * side) == k[word]
        episodes.step(rule.decide(episodes.view))
        decisions += 1
    assert decisions > 5
    if "translation" in name or "square_root" in name:
        assert sim.SHIFTED in episodes.record(0)[:, sim.R_KIND]


def what_is_drawn(  # type: ignore[no-untyped-def]
    time, prices, lots, fills, side, bid, ask, tick, title, name
) -> SimpleNamespace:
    """What a picture is drawn from, in its place."""
    return SimpleNamespace(lots=lots, fills=fills, bid=bid, ask=ask)


@pytest.mark.parametrize("market_name", ["sh600961", "goog"])
def test_no_picture_shows_a_bid_above_an_ask(
    market_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "book_around_trades", what_is_drawn)
    settings = Scenario(Market(market_name))
    built = build_market(replace(settings, episodes=8), quick=True)
    for name in ("twap_take", "random"):
        drawn: Any = draw_book_example(settings, built, build(name))
        both = np.isfinite(drawn.bid) & np.isfinite(drawn.ask)
        assert both.sum() > 100
        assert (drawn.bid[both] < drawn.ask[both]).all()
        for lots in drawn.lots:  # bids are drawn above, asks below zero
            bids, asks = np.flatnonzero(lots > 0), np.flatnonzero(lots < 0)
            assert not len(bids) or not len(asks) or bids.max() < asks.min()


# -- what a picture asks memory for -----------------------------------------------------------------------------------

WINDOWS = 1000
MINUTE = Task(decisions=6, horizon_s=60.0)
SETTINGS = Scenario(Market("csco-santa-fe"), task=MINUTE)
RECORD_BYTES = RECORD_ROWS * sim.RECORD_WORDS * 8


@pytest.fixture(scope="module")
def bank() -> Source:
    """A bank of three worlds, told a thousand times: as many as the windows of many recorded days."""
    three = settled_bank(load("csco-santa-fe"), 3, settle_s=120.0)
    which = np.arange(WINDOWS) % 3
    return replace(three, worlds_b=three.worlds_b[which], worlds_k=three.worlds_k[which])


def market_of(bank: Source, n: int = WINDOWS) -> Any:
    return SimpleNamespace(judged=bank, plan=seeded_plan(MINUTE, 200, 1, 0, 2 * n, worlds=n))


def test_a_picture_asks_for_a_record_or_two_whatever_the_number_of_windows(bank: Source) -> None:
    draw_book_example(
        SETTINGS, market_of(bank), build("twap_passive")
    )  # what is compiled once is not counted
    tracemalloc.start()
    try:
        draw_book_example(SETTINGS, market_of(bank), build("twap_passive"), episode=1500)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert RECORD_BYTES < most < 3 * RECORD_BYTES + bank.worlds_k.nbytes


@pytest.mark.parametrize("episode", [0, 4, 1999])
def test_the_picture_is_that_of_the_window_alone(
    bank: Source, episode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "book_around_trades", what_is_drawn)
    market = market_of(bank)
    world = int(market.plan.take(slice(episode, episode + 1)).rows[0, step.E_WORLD])
    one = replace(
        bank,
        worlds_b=bank.worlds_b[world : world + 1],
        worlds_k=bank.worlds_k[world : world + 1],
    )
    alone = market_of(one, 1)
    alone.plan.rows[:] = market.plan.rows[episode]
    alone.plan.rows[:, step.E_WORLD] = 0
    drawn: Any
    plain: Any
    drawn, plain = (
        draw_book_example(SETTINGS, m, build("twap_passive"), e)
        for m, e in ((market, episode), (alone, 0))
    )
    assert np.array_equal(drawn.lots, plain.lots)
    assert np.array_equal(drawn.fills.time_s, plain.fills.time_s)
