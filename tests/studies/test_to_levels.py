"""A rude tape of orders and the totals made of it show the same levels after every message."""

import numpy as np
import pytest
from tests.market.tape.tapes import DAY, play, queues, rude_events

from studies.tape.to_levels import to_levels
from tercel.market.book import Book, layout as lay
from tercel.market.simulator import layout as sim, levels as lv
from tercel.market.simulator.layout import blank_state
from tercel.market.tape.compiled import compile_day
from tercel.market.tape.schema import EXECUTE, LEVEL_SET, MESSAGE_END, TRADE

pytestmark = pytest.mark.release


def totals(book):
    rows = book.orders()
    found = {}
    for _, side, price, lots, _ in rows.tolist():
        found[side, price] = found.get((side, price), 0) + lots
    return found


@pytest.mark.parametrize("seed", range(6))
def test_both_show_the_same_levels(seed):
    orders = rude_events(seed, 400)
    _, levels = to_levels(DAY, orders)
    assert not np.isin(levels.kind, (EXECUTE,)).any()
    a, b = Book(own_orders=0), Book(own_orders=0)
    seen = 0
    for row in range(orders.n):
        a.apply(orders, row, row + 1)
        mine = np.flatnonzero(levels.seq == orders.seq[row])
        if len(mine):
            b.apply(levels, int(mine[0]), int(mine[-1]) + 1)
            assert levels.flags[mine[-1]] & MESSAGE_END
        assert totals(a) == totals(b)
        seen += len(mine)
    assert seen == levels.n
    assert (levels.kind == TRADE).sum() == (orders.kind == EXECUTE).sum()


@pytest.mark.parametrize("seed", range(6))
def test_replay_of_the_totals_shows_them_too(seed):
    _, levels = to_levels(DAY, rude_events(seed, 400))
    if not (levels.kind == LEVEL_SET).any():
        return
    day = compile_day(DAY, levels)
    b, k = lay.new_book(day.slots, 1024, 32), blank_state(sim.REPLAY)
    k[lv.QUEUE] = 1
    play(b, k, day.rows)
    book = Book(own_orders=0)
    book.apply(levels)
    assert {level: sum(lots for lots, _ in queue) for level, queue in queues(b).items()} == totals(
        book
    )
