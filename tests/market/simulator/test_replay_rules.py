"""The seven rules of replay: kernels against a plain market, event by event, and one example of each rule."""

import random
from math import inf

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.simulator.audit import audit, ledger_of, public_lots
from tests.market.simulator.replay_oracle import RandomTape, ReplayOracle

from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.engine import advance
from tercel.market.simulator.entry import send_cancel, send_new
from tercel.market.simulator.layout import blank_state
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    CROSS,
    DELETE,
    EXECUTE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE_HIDDEN,
)

NO_FLOW = np.zeros(1)
QUANTITY = 10**6


class Replay:
    """A replay market at the level of the event loop: commands in, what happened out."""

    def __init__(self, rows, side=1, levels=0, orders=256, width=64):
        self.tape = np.array(rows, np.int64).reshape(-1, sim.TAPE_WORDS)
        self.b = lay.new_book(orders, width, 32)
        self.k = sim.extend(blank_state(sim.REPLAY), 2, record_rows=2048, log_rows=512)
        k = self.k
        k[sim.SIDE], k[sim.QUANTITY], k[sim.LEFT] = side, QUANTITY, QUANTITY
        k[sim.PHASE], k[sim.HORIZON_NS] = sim.WORKING, 10**12
        k[sim.CURSOR_END], k[sim.FEED_LEVELS] = len(self.tape), levels
        k[sim.FLOW_NS] = self.tape[0, sim.T_NS] if len(self.tape) else FOREVER_NS
        self.number = {}  # own index -> number of the order

    def run_to(self, ns):
        self.k[sim.DUE_NS] = ns
        return advance(self.b, self.k, NO_FLOW, self.tape) == sim.DUE

    def new(self, price, lots, immediate=False, delay=0):
        self.k[sim.LATENCY_A] = delay
        number = int(self.k[sim.OWN_SEQUENCE])
        assert send_new(self.b, self.k, price, lots, sim.IMMEDIATE if immediate else 0)
        self.rename()
        return number

    def cancel(self, number, lots, delay=0):
        self.k[sim.LATENCY_A] = delay
        assert send_cancel(self.b, self.k, self.index(number), lots)

    def index(self, number):
        led = ledger_of(self.b)
        (found,) = np.flatnonzero(
            (led[:, lay.STATE] != lay.FREE_SLOT) & (led[:, lay.SENT] == number)
        )
        return int(found)

    def rename(self):
        self.fills()  # under the old names
        for i, led in enumerate(ledger_of(self.b)):
            if led[lay.STATE] != lay.FREE_SLOT:
                self.number[i] = int(led[lay.SENT])

    def fills(self):
        """(ns, own number, price, lots, passive, mid2, touch2) of all fills so far."""
        self._fills = getattr(self, "_fills", [])
        self._seen = getattr(self, "_seen", 0)
        rows = self.k[self.k[sim.RECORD_AT] :][: self.k[sim.RECORD] * sim.RECORD_WORDS].reshape(
            -1, sim.RECORD_WORDS
        )
        for r in rows[self._seen :].tolist():
            if r[sim.R_KIND] == sim.OWN_FILL:
                passive = r[sim.R_SIDE] & 1
                touch2 = 2 * r[sim.R_PRICE] if passive else r[sim.R_TOUCH2]
                who = self.number[r[sim.R_WHO]]
                self._fills.append(
                    (r[0], who, r[sim.R_PRICE], r[sim.R_LOTS], passive, r[sim.R_MID2], touch2)
                )
        self._seen = len(rows)
        return self._fills

    def own(self):
        """Resting own orders: number -> price, lots, lots ahead (inf: unknown)."""
        found = {}
        for i, led in enumerate(ledger_of(self.b)):
            if led[lay.STATE] == lay.RESTING and led[lay.OPEN] > 0:
                ahead = int(led[lay.AHEAD])
                unknown = ahead > lay.AHEAD_UNKNOWN_LOTS // 2
                found[self.number[i]] = (
                    int(led[lay.OWN_PRICE]),
                    int(led[lay.OPEN]),
                    inf if unknown else ahead,
                )
        return found


def merged(fills):
    """Fills with those of one order, aggressor and price added up (one level may hold several orders)."""
    out = {}
    for ns, who, price, lots, passive, mid2, touch2 in fills:
        key = (ns, who, price, passive, mid2, touch2)
        out[key] = out.get(key, 0) + lots
    return out


def compare(kernel, oracle):
    kernel.rename()
    assert kernel.k[sim.NOW] == oracle.now
    assert kernel.k[sim.HALTED] == int(oracle.halted)
    assert public_lots(kernel.b) == oracle.public()
    assert merged(kernel.fills()) == merged(oracle.fills)
    assert kernel.own() == oracle.own()
    assert kernel.k[sim.DOUBLE_LOTS] == oracle.double
    assert kernel.k[sim.LEFT] == QUANTITY - sum(f[3] for f in oracle.fills)
    assert kernel.k[sim.MID2] == oracle.mid2
    audit(kernel.b, kernel.k)


def play(seed, messages, levels, side, delays, theirs):
    rng = random.Random(seed)
    tape = RandomTape(rng, messages, levels)
    kernel, oracle = (
        Replay(tape.rows, side, levels),
        ReplayOracle(list(tape.rows), side, levels, theirs),
    )
    kernel.k[sim.THEIRS] = int(theirs)
    due, number = 0, 0
    while due < tape.now + 40:
        due += rng.choice((0, 1, 2, 9))
        going = oracle.run_to(due)
        assert kernel.run_to(due) == going
        if not going:
            return
        compare(kernel, oracle)
        for _ in range(
            rng.choice((0, 1, 1, 2)) if len(oracle.flying) < sim.COMMAND_SLOTS - 2 else 0
        ):
            delay = rng.choice(delays)
            alive = [n for n in oracle.open if oracle.open[n] - oracle.pending[n] > 0]
            if alive and (rng.random() < 0.3 or len(alive) > 10):
                n = rng.choice(alive)
                lots = rng.randint(1, oracle.open[n] - oracle.pending[n])
                oracle.send(delay, "cancel", n, 0, lots)
                kernel.cancel(n, lots, delay)
            else:
                price, lots = rng.randint(988, 1012), rng.randint(1, 12)
                if rng.random() < 0.7:  # mostly about the own touch
                    touch = oracle.levels_of(side)
                    price = (touch[0] if touch else 1000) - side * rng.randint(-2, 5)
                immediate = rng.random() < 0.2
                oracle.send(delay, "new", number, price, lots, immediate)
                assert kernel.new(price, lots, immediate, delay) == number
                number += 1


@given(
    st.integers(0, 2**32), st.integers(1, 90), st.sampled_from([0, 0, 1, 2, 3]), st.sampled_from([1, -1]),
    st.sampled_from([(0,), (3,), (0, 1, 5, 30)]), st.booleans(),
)  # fmt: skip
def test_kernels_replay_as_the_plain_market(seed, messages, levels, side, delays, theirs):
    play(seed, messages, levels, side, delays, theirs)


# -- the rules, one by one --------------------------------------------------------------------------------------------

BOOK = [(0, ADD, 0, 1, 99, 10), (0, ADD, 1, -1, 101, 10)]


def test_lots_that_the_agent_took_stay_taken():
    m = Replay([*BOOK, (5, EXECUTE, 1, -1, 101, 6), (6, DELETE, 1, -1, 101, 4)])
    m.run_to(1)
    m.new(101, 7, immediate=True)
    m.run_to(2)
    assert public_lots(m.b) == {(1, 99): 10, (-1, 101): 3}
    m.run_to(5)
    assert public_lots(m.b) == {(1, 99): 10}, "clipped to what is left"
    m.run_to(9)
    assert public_lots(m.b) == {(1, 99): 10}


def test_an_execution_fills_better_own_orders_then_those_with_nothing_ahead():
    m = Replay(
        [
            *BOOK,
            (5, EXECUTE, 0, 1, 99, 4),
            (6, EXECUTE, 0, 1, 99, 6),
            (7, ADD, 0, 1, 99, 5),
            (8, EXECUTE, 0, 1, 99, 5),
        ]
    )
    m.run_to(1)
    better, behind = m.new(100, 3), m.new(99, 2)
    m.run_to(5)
    assert m.fills() == [(5, better, 100, 3, 1, 200, 200)]
    assert m.own() == {behind: (99, 2, 6)}, "the tape's order is reduced in full all the same"
    m.run_to(6)
    assert m.own() == {behind: (99, 2, 0)}
    m.run_to(8)
    assert m.fills()[1:] == [(8, behind, 99, 2, 1, 200, 198)]
    assert m.k[sim.DOUBLE_LOTS] == 5
    assert public_lots(m.b) == {(-1, 101): 10}


def test_the_other_bound_leaves_the_tape_what_trades_at_an_own_price():
    m = Replay([*BOOK, (5, EXECUTE, 0, 1, 99, 6), (6, ADD, 2, 1, 99, 4), (7, EXECUTE, 2, 1, 99, 4)])
    m.k[sim.THEIRS] = 1
    m.run_to(1)
    better, behind = m.new(100, 3), m.new(99, 2)
    m.run_to(9)
    assert m.fills() == [(5, better, 100, 3, 1, 200, 200)], (
        "a trade beyond an own price would have met it first"
    )
    assert m.own()[behind][:2] == (99, 2)


def test_a_crossing_add_fills_own_orders_and_rests_with_the_remainder():
    m = Replay([*BOOK, (5, ADD, 2, -1, 100, 8)])
    m.run_to(1)
    own = m.new(100, 3)
    m.run_to(5)
    assert m.fills() == [(5, own, 100, 3, 1, 200, 200)]
    assert public_lots(m.b)[-1, 100] == 5
    assert m.k[sim.DOUBLE_LOTS] == 3


@pytest.mark.parametrize("side", [1, -1])
def test_an_add_that_own_orders_swallow_whole_may_go_on_living_on_tape(side):
    """Its slot was never used here: later rows of it find nothing, whichever side has own orders alone."""
    rows = [
        (0, ADD, 0, side, 1000 - side, 10),
        (0, ADD, 1, -side, 1000 + 2 * side, 10),
        (1, DELETE, 1, -side, 1000 + 2 * side, 10),
    ]
    rows += [
        (5, ADD, 2, -side, 1000, 2),
        (6, EXECUTE, 2, -side, 1000, 1),
        (7, DELETE, 2, -side, 1000, 1),
    ]
    m = Replay(rows, side)
    m.run_to(2)
    m.new(1000, 5)
    m.run_to(9)
    assert m.own() == {0: (1000, 3, 0)}
    assert public_lots(m.b) == {(side, 1000 - side): 10}
    audit(m.b, m.k)


def test_hidden_trades_crosses_and_halts_fill_nothing():
    rows = [
        *BOOK,
        (4, TRADE_HIDDEN, -1, 1, 98, 50),
        (5, CROSS, -1, 0, 98, 500),
        (6, STATUS, -1, 0, -1, 0),
        (9, STATUS, -1, 0, 1, 0),
    ]
    m = Replay(rows)
    m.run_to(1)
    own = m.new(100, 3)
    m.run_to(5)
    assert m.own() == {own: (100, 3, 0)}
    m.new(101, 1, immediate=True, delay=2)  # would arrive in the halt
    m.run_to(7)
    assert m.k[sim.NOW] == 9, "no decision falls due in a halt"
    assert [f[:1] for f in m.fills()] == [(9,)], (
        "what would arrive in a halt arrives when trading resumes"
    )


def test_executions_of_an_auction_fill_nothing_and_are_no_volume():
    """What trades while trading is not on: the book loses it, own orders and volume clocks do not see it."""
    rows = [
        *BOOK,
        (5, STATUS, -1, 0, 0, 0),
        (6, EXECUTE, 0, 1, 99, 4),
        (6, CROSS, -1, 0, 99, 500),
        (7, STATUS, -1, 0, 1, 0),
        (8, TRADE_HIDDEN, -1, 1, 99, 7),
        (9, EXECUTE, 0, 1, 99, 2),
    ]
    m = Replay(rows)
    m.run_to(1)
    own = m.new(100, 3)
    m.run_to(6)
    assert m.k[sim.NOW] == 7
    assert m.own() == {own: (100, 3, 0)}
    assert public_lots(m.b)[1, 99] == 6
    assert [int(m.k[word]) for word in (sim.SOLD, sim.BOUGHT, sim.HIDDEN_LOTS)] == [0, 0, 0]
    m.run_to(9)
    assert m.own() == {own: (100, 1, 0)}, "trading is on: the execution at 99 passes 100 first"
    assert [int(m.k[word]) for word in (sim.SOLD, sim.HIDDEN_LOTS)] == [2, 7]


def test_a_market_that_never_resumes_is_never_due():
    m = Replay([*BOOK, (6, STATUS, -1, 0, 0, 0), (8, ADD, 2, 1, 98, 1)])
    m.run_to(1)
    m.new(101, 1, immediate=True, delay=7)
    assert not m.run_to(7)
    assert m.k[sim.NOW] == 8
    assert m.fills() == []


def test_time_never_goes_back_after_a_halt():
    m = Replay([*BOOK, (6, STATUS, -1, 0, -1, 0), (50, STATUS, -1, 0, 1, 0)])
    m.run_to(10)
    assert m.k[sim.NOW] == 50
    m.run_to(20)
    assert m.k[sim.NOW] == 50


WINDOW = [
    (0, ADD, 0, 1, 100, 5),
    (0, ADD, 1, 1, 99, 8),
    (0, ADD, 2, -1, 102, 5),
    (0, ADD, 3, -1, 103, 5),
]


@pytest.mark.parametrize(("block", "ahead"), [(20, 8), (8, 8), (3, 3)])
def test_lots_ahead_freeze_while_the_level_is_out_of_the_window(block, ahead):
    rows = [*WINDOW, (5, ADD, 4, 1, 101, 1), (5, ROLL_OUT, -1, 1, 99, 0)]
    rows += [(8, DELETE, 4, 1, 101, 1), (8, ROLL_IN, 1, 1, 99, block)]
    m = Replay(rows, levels=2)
    m.run_to(1)
    m.new(99, 2)
    m.run_to(6)
    assert m.own() == {0: (99, 2, 8)}
    m.run_to(9)
    assert m.own() == {0: (99, 2, ahead)}
    audit(m.b, m.k)


@pytest.mark.parametrize("first_leaves", [False, True])
def test_the_whole_block_goes_ahead_of_orders_placed_out_of_the_window(first_leaves):
    """Of all of them: also of one that stood behind another own order when it was placed."""
    m = Replay([*WINDOW, (8, DELETE, 0, 1, 100, 5), (8, ROLL_IN, 0, 1, 97, 20)], levels=2)
    m.run_to(1)
    m.new(97, 2)
    m.run_to(2)
    m.new(97, 3)
    m.run_to(3)
    assert [o[2] for o in m.own().values()] == [inf, inf]
    if first_leaves:
        m.cancel(0, 2)
    m.run_to(9)
    assert m.own() == ({1: (97, 3, 20)} if first_leaves else {0: (97, 2, 20), 1: (97, 3, 22)})
    audit(m.b, m.k)


def test_a_clear_takes_the_pieces_of_a_split_block_too():
    rows = [*WINDOW, (5, ADD, 4, 1, 101, 1), (5, ROLL_OUT, -1, 1, 99, 0), (8, DELETE, 4, 1, 101, 1)]
    rows += [(8, ROLL_IN, 1, 1, 99, 20), (9, CLEAR, -1, 0, 0, 0)]
    m = Replay(rows, levels=2)
    m.run_to(1)
    m.new(99, 2)
    m.run_to(9)
    assert public_lots(m.b) == {}
    assert m.own() == {0: (99, 2, 0)}
    audit(m.b, m.k)


def test_a_block_that_rolls_in_through_an_own_order_trades_with_it():
    rows = [
        (0, ADD, 0, 1, 99, 5),
        (0, ADD, 1, -1, 101, 5),
        (5, DELETE, 1, -1, 101, 5),
        (5, ROLL_IN, 1, -1, 102, 9),
    ]
    m = Replay(rows, levels=1)
    m.run_to(1)
    m.new(103, 7)  # takes 5 at 101, rests with 2 at 103 where the feed shows nothing
    m.run_to(6)
    assert [f[2:5] for f in m.fills()] == [(101, 5, 0), (103, 2, 1)]
    assert public_lots(m.b) == {(1, 99): 5, (-1, 102): 7}
    audit(m.b, m.k)


def test_one_aggressor_meets_one_mid():
    """Executions of one time and side are one aggressor: the mid is that before its first row."""
    rows = [(0, ADD, 0, 1, 100, 5), (0, ADD, 1, 1, 98, 5), (0, ADD, 2, -1, 102, 5)]
    rows += [(5, EXECUTE, 0, 1, 100, 5), (5, EXECUTE, 1, 1, 98, 5)]
    m = Replay(rows)
    m.run_to(1)
    m.new(99, 2)
    m.run_to(6)
    assert m.fills() == [(5, 0, 99, 2, 1, 202, 198)]


def test_far_public_orders_stay_the_touch_behind_an_own_order():
    """Own orders may stand a whole window away from the next public one: the public touch is still found."""
    m = Replay(
        [
            (0, ADD, 0, 1, 1, 5),
            (0, ADD, 1, -1, 1000, 5),
            (5, ADD, 2, 1, 2, 5),
            (6, DELETE, 2, 1, 2, 5),
        ],
        width=16,
    )
    m.run_to(1)
    m.new(990, 2)
    for ns, touch in ((2, 1), (5, 2), (6, 1)):
        m.run_to(ns)
        assert m.k[sim.PUBLIC_BID] == touch
        audit(m.b, m.k)
