"""Own orders as they reach the market: what is left of one comes to rest in a book that has paid for what traded."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made
from tests.market.simulator.audit import announce, audit
from tests.markets import martingale_market

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import public_lots_at
from tercel.market.impact.impact_events import impact_event
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.bounds import (
    BOUNDS,
    DEPTH_BOUNDS,
    bounds_of,
    with_bound,
    with_strict_bound,
)
from tercel.market.simulator.entry import BAND_PERCENT, ladder_end, process_new_order
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.queue_models import FIRST, POWER_PROB, RISK_AVERSE
from tercel.market.simulator.source import NO_TAPE, reactive, with_impact

LOTS = 40
TICKS = range(4)
SOURCE = with_impact(
    reactive(made(1), worlds=8, seed=3, settle_s=300.0),
    ImpactLaw("translation", mean_trade_lots=4.0, trades=100.0, sigma_ticks=30.0, td_s=2.0),
)
World = tuple[np.ndarray, np.ndarray]


def market(world: int) -> World:
    """A market of our own that is about to work an order of many lots."""
    b, k = SOURCE.worlds_b[world].copy(), sim.extend(SOURCE.worlds_k[world], 0)
    k[sim.LEFT] = k[sim.QUANTITY] = 10_000
    return b, k


def send(b: np.ndarray, k: np.ndarray, own: int, side: int, beyond: int, lots: int = LOTS) -> int:
    """A limit order for so many ticks beyond the far touch has just arrived; its price."""
    price = int(k[sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID]) + side * beyond
    k[sim.SIDE] = side
    announce(b, own, side, price, lots)
    process_new_order(b, k, SOURCE.flow, own, price, lots, 0)
    return price


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("beyond", TICKS)
def test_what_is_left_never_locks_the_book(side: int, beyond: int) -> None:
    """A limit order whose last lots would pay a tick beyond its price: the far touch has moved before it rests."""
    rested = stopped = 0
    for world in range(8):
        b, k = market(world)
        shown = public_lots_at(b, -side, k[sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID])
        price = send(b, k, 0, side, beyond)
        assert b[lay.BEST_BID] < b[lay.BEST_ASK]
        if b[lay.OWN_RESTING] > 0:
            rested += 1
            assert (b[lay.BEST_BID] if side > 0 else b[lay.BEST_ASK]) == price
            audit(b, k)
            stopped += 0 < 10_000 - k[sim.LEFT] < min(shown, LOTS) and k[sim.SHIFT] * side > 0
    assert rested > 0
    assert beyond or stopped > 0, "lots on show at the limit would cost a tick more than it"


def settled(b: np.ndarray, k: np.ndarray) -> None:
    """The law has looked at all that traded up to now."""
    while k[sim.IMPACT_NS] <= k[sim.NOW]:
        impact_event(b, k, SOURCE.flow)


@pytest.mark.parametrize("side", [1, -1])
def test_nor_after_the_law_has_decayed(side: int) -> None:
    """What earlier lots moved has decayed since the law last looked: the book moves less than was charged, or back."""
    rested = 0
    for world, wait_ms, lots in product(range(8), (1, 300, 600, 999), range(1, 15, 2)):
        b, k = market(world)
        send(b, k, 0, side, 5, lots)
        settled(b, k)
        k[sim.NOW] += wait_ms * 1_000_000
        before = int(b[lay.OWN_RESTING])
        send(b, k, 1, side, 0)
        assert b[lay.BEST_BID] < b[lay.BEST_ASK]
        audit(b, k)
        rested += int(b[lay.OWN_RESTING]) > before
    assert rested > 100


HALTED = ([sim.HALTED], 1)
NEVER_TWO_SIDED = ([sim.LAST_BID, sim.PUBLIC_BID], NO_BID)


@pytest.mark.parametrize("still", [HALTED, NEVER_TWO_SIDED])
@pytest.mark.parametrize("beyond", TICKS)
def test_nor_where_the_law_cannot_move_it(still: tuple[list[int], int], beyond: int) -> None:
    """What the law charges and the book cannot follow is the limit of an order: what is left is cancelled."""
    dead = 0
    for world in range(8):
        b, k = market(world)
        k[still[0]] = still[1]
        stands = int(b[lay.BEST_ASK])
        price = send(b, k, 0, 1, beyond)
        assert b[lay.BEST_BID] < b[lay.BEST_ASK]
        assert k[sim.SHIFT] == 0
        if b[lay.OWN_RESTING] == 0 and k[sim.LEFT] > 10_000 - LOTS:
            dead += 1
            assert stands <= b[lay.BEST_ASK] <= price, "it stopped within its limit"
    assert dead > 0


@pytest.mark.parametrize("bid", [1, 2])
def test_nor_at_the_lowest_prices(bid: int) -> None:
    """A book whose bid is at the end of the prices cannot fall, whatever is sold."""
    b, k = lay.new_book(256, 256, 32), sim.extend(blank_state(sim.REPLAY), 0)
    for side, first in ((1, bid), (-1, bid + 1)):
        engine.lay_order(b, k, SOURCE.flow, NO_TAPE, side, first, LOTS)
    k[[sim.IMPACT, sim.LEFT]] = 1, 10_000
    send(b, k, 0, -1, 0)
    assert k[sim.LEFT] < 10_000
    assert k[sim.SHIFT] == 0
    assert b[lay.BEST_BID] < b[lay.BEST_ASK]


@pytest.mark.parametrize("side", [1, -1])
def test_nor_right_after_a_halt(side: int) -> None:
    """Lots filled before a halt are paid by the order that arrives when it ends, before the law looks again."""
    rested = 0
    for world in range(8):
        b, k = market(world)
        k[[sim.PENDING, sim.IMPACT_NS, sim.HALTED]] = side * LOTS, k[sim.NOW], 1
        settled(b, k)
        assert k[sim.SHIFT] == 0
        k[[sim.HALTED, sim.NOW]] = 0, k[sim.NOW] + 100_000_000
        price = send(b, k, 0, side, 2)
        assert b[lay.BEST_BID] < b[lay.BEST_ASK]
        assert k[sim.SHIFT] * side > 0
        assert (k[sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID] - price) * side > 0
        rested += int(b[lay.OWN_RESTING])
    assert rested > 0


@pytest.mark.parametrize("side", [1, -1])
def test_a_stub_quote_beyond_the_band_is_no_price_of_a_book_that_ends(side: int) -> None:
    _, k = market(0)
    k[[sim.APART, sim.MID2, sim.WORST_PAID]] = 0, 20_000, 0
    end, near = 10_000 * (100 + side * BAND_PERCENT) // 100, 10_000 + side * 7
    assert ladder_end(k, side, end + side * 5_000) == end
    assert ladder_end(k, side, near) == near
    k[sim.WORST_PAID] = near + side
    assert ladder_end(k, side, near) == near + side, "what the order has paid before"


@pytest.mark.parametrize("model", [sim.MARTINGALE, sim.REPLAY])
def test_only_a_tape_of_single_orders_has_a_strict_bound(model: int) -> None:
    source = martingale_market()
    source.worlds_k[:, QUEUE] = model == sim.REPLAY  # a tape of level totals
    with pytest.raises(ConfigError, match="a tape of single orders"):
        with_strict_bound(replace(source, model=model))


def test_each_bound_is_what_its_name_says() -> None:
    source = replace(martingale_market(), model=sim.REPLAY)
    kind, strict, undercut = (with_bound(source, bound, "CSCO", "2012-06-21") for bound in BOUNDS)
    assert kind is source
    assert strict.worlds_k[0, [sim.THEIRS, sim.UNDERCUT]].tolist() == [1, 0]
    assert undercut.worlds_k[0, [sim.THEIRS, sim.UNDERCUT]].tolist() == [1, len(source.flow)]


def test_level_totals_have_bounds_of_their_own_which_single_orders_have_not() -> None:
    source = replace(martingale_market(), model=sim.REPLAY)
    assert bounds_of(source) == BOUNDS
    with pytest.raises(ConfigError, match="CSCO on 2012-06-21 shows single orders"):
        with_bound(source, "optimistic", "CSCO", "2012-06-21")
    source.worlds_k[:, QUEUE] = POWER_PROB
    assert bounds_of(source) == DEPTH_BOUNDS
    found = {
        bound: with_bound(source, bound, "BTC", "2024-08-08")
        .worlds_k[0, [QUEUE, sim.THEIRS]]
        .tolist()
        for bound in ("kind", "undercut", *DEPTH_BOUNDS)
    }
    assert found == {
        "kind": [POWER_PROB, 0],
        "undercut": [POWER_PROB, 0],
        "optimistic": [FIRST, 0],
        "pessimistic": [RISK_AVERSE, 1],
    }
