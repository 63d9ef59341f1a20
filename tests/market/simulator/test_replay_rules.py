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
from tercel.market.simulator.entry import send_cancel, send_new
from tercel.market.simulator.event_loop import advance
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

    def __init__(self, rows, side=1, levels=0, orders=256, width=64, theirs=False):
        self.tape = np.array(rows, np.int64).reshape(-1, sim.TAPE_WORDS)
        self.b = lay.new_book(orders, width, 32)
        self.k = sim.extend(blank_state(sim.REPLAY), 2, record_rows=2048, log_rows=512)
        k = self.k
        k[sim.SIDE], k[sim.QUANTITY], k[sim.LEFT] = side, QUANTITY, QUANTITY
        k[sim.PHASE], k[sim.HORIZON_NS] = sim.WORKING, 10**12
        k[sim.CURSOR_END], k[sim.FEED_LEVELS] = len(self.tape), levels
        k[sim.THEIRS] = int(theirs)
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
        Replay(tape.rows, side, levels, theirs=theirs),
        ReplayOracle(list(tape.rows), side, levels, theirs),
    )
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
WINDOW = [(0, ADD, 0, 1, 100, 5), (0, ADD, 1, 1, 99, 8), (0, ADD, 2, -1, 102, 5), (0, ADD, 3, -1, 103, 5)]  # fmt: skip
OUT = [(5, ADD, 4, 1, 101, 1), (5, ROLL_OUT, -1, 1, 99, 0), (8, DELETE, 4, 1, 101, 1)]
"""The level of 99 leaves the window of two levels, and is back at 8."""
HALT = [(5, STATUS, -1, 0, 0, 0), (6, EXECUTE, 0, 1, 99, 4), (6, CROSS, -1, 0, 99, 500), (7, STATUS, -1, 0, 1, 0)]  # fmt: skip


def swallowed(side):
    """An own order takes a whole add; the tape goes on with it."""
    rows = [(0, ADD, 0, side, 1000 - side, 10), (0, ADD, 1, -side, 1000 + 2 * side, 10)]
    rows += [(1, DELETE, 1, -side, 1000 + 2 * side, 10), (5, ADD, 2, -side, 1000, 2)]
    return [*rows, (6, EXECUTE, 2, -side, 1000, 1), (7, DELETE, 2, -side, 1000, 1)]


def order(price, lots, immediate=False, delay=0):
    return price, lots, immediate, delay


RULES = {
    "lots that the agent took stay taken": (
        [*BOOK, (5, EXECUTE, 1, -1, 101, 6), (6, DELETE, 1, -1, 101, 4)], {}, [
            (1, {}, order(101, 7, True)),
            (2, {"public": {(1, 99): 10, (-1, 101): 3}}),
            (5, {"public": {(1, 99): 10}}),  # clipped to what is left
            (9, {"public": {(1, 99): 10}}),
        ],
    ),
    "an execution fills better own orders, then those with nothing ahead": (
        [*BOOK, (5, EXECUTE, 0, 1, 99, 4), (6, EXECUTE, 0, 1, 99, 6), (7, ADD, 0, 1, 99, 5), (8, EXECUTE, 0, 1, 99, 5)],
        {}, [
            (1, {}, order(100, 3), order(99, 2)),
            # the tape's order is reduced in full all the same
            (5, {"fills": [(5, 0, 100, 3, 1, 200, 200)], "own": {1: (99, 2, 6)}}),
            (6, {"own": {1: (99, 2, 0)}}),
            (8, {"fills": [(5, 0, 100, 3, 1, 200, 200), (8, 1, 99, 2, 1, 200, 198)], sim.DOUBLE_LOTS: 5,
                 "public": {(-1, 101): 10}}),
        ],
    ),
    "the other bound leaves the tape what trades at an own price, not beyond it": (
        [*BOOK, (5, EXECUTE, 0, 1, 99, 6), (6, ADD, 2, 1, 99, 4), (7, EXECUTE, 2, 1, 99, 4)], {"theirs": True}, [
            (1, {}, order(100, 3), order(99, 2)),
            (9, {"fills": [(5, 0, 100, 3, 1, 200, 200)], "own": {1: (99, 2, 4)}}),
        ],
    ),
    "a crossing add fills own orders and rests with the remainder": (
        [*BOOK, (5, ADD, 2, -1, 100, 8)], {}, [
            (1, {}, order(100, 3)),
            (5, {"fills": [(5, 0, 100, 3, 1, 200, 200)], sim.DOUBLE_LOTS: 3,
                 "public": {(1, 99): 10, (-1, 101): 10, (-1, 100): 5}}),
        ],
    ),
    **{f"an add that own orders swallow whole may go on living on tape, {side}": (
        swallowed(side), {"side": side}, [
            (2, {}, order(1000, 5)),
            (9, {"own": {0: (1000, 3, 0)}, "public": {(side, 1000 - side): 10}}),
        ],
    ) for side in (1, -1)},
    "hidden trades, crosses and halts fill nothing": (
        [*BOOK, (4, TRADE_HIDDEN, -1, 1, 98, 50), (5, CROSS, -1, 0, 98, 500), (6, STATUS, -1, 0, -1, 0),
         (9, STATUS, -1, 0, 1, 0)], {}, [
            (1, {}, order(100, 3)),
            (5, {"own": {0: (100, 3, 0)}}, order(101, 1, True, delay=2)),
            (7, {sim.NOW: 9, "fills": [(9, 1, 101, 1, 0, 200, 202)]}),  # neither decisions nor orders in a halt
        ],
    ),
    "executions of an auction fill nothing and are no volume": (
        [*BOOK, *HALT, (8, TRADE_HIDDEN, -1, 1, 99, 7), (9, EXECUTE, 0, 1, 99, 2)], {}, [
            (1, {}, order(100, 3)),
            (6, {sim.NOW: 7, "own": {0: (100, 3, 0)}, "public": {(1, 99): 6, (-1, 101): 10}, sim.SOLD: 0,
                 sim.BOUGHT: 0, sim.HIDDEN_LOTS: 0}),
            (9, {"own": {0: (100, 1, 0)}, sim.SOLD: 2, sim.HIDDEN_LOTS: 7}),  # the execution at 99 passes 100 first
        ],
    ),
    "a market that never resumes is never due": (
        [*BOOK, (6, STATUS, -1, 0, 0, 0), (8, ADD, 2, 1, 98, 1)], {}, [
            (1, {}, order(101, 1, True, delay=7)),
            (7, {sim.NOW: 8, "fills": []}),
        ],
    ),
    "time never goes back after a halt": (
        [*BOOK, (6, STATUS, -1, 0, -1, 0), (50, STATUS, -1, 0, 1, 0)], {}, [(10, {sim.NOW: 50}), (20, {sim.NOW: 50})],
    ),
    **{f"lots ahead freeze while the level is out of the window, {block}": (
        [*WINDOW, *OUT, (8, ROLL_IN, 1, 1, 99, block)], {"levels": 2}, [
            (1, {}, order(99, 2)), (6, {"own": {0: (99, 2, 8)}}), (9, {"own": {0: (99, 2, ahead)}}),
        ],
    ) for block, ahead in ((20, 8), (8, 8), (3, 3))},
    **{f"the whole block goes ahead of all that were placed out of the window, {gone}": (
        [*WINDOW, (8, DELETE, 0, 1, 100, 5), (8, ROLL_IN, 0, 1, 97, 20)], {"levels": 2}, [
            (1, {}, order(97, 2)),
            (2, {}, order(97, 3)),
            (3, {"own": {0: (97, 2, inf), 1: (97, 3, inf)}}, *([(0, 2)] if gone else [])),
            (9, {"own": {1: (97, 3, 20)} if gone else {0: (97, 2, 20), 1: (97, 3, 22)}}),
        ],
    ) for gone in (False, True)},
    "a clear takes the pieces of a split block too": (
        [*WINDOW, *OUT, (8, ROLL_IN, 1, 1, 99, 20), (9, CLEAR, -1, 0, 0, 0)], {"levels": 2}, [
            (1, {}, order(99, 2)), (9, {"public": {}, "own": {0: (99, 2, 0)}}),
        ],
    ),
    "a block that rolls in through an own order trades with it": (  # it took 5 at 101, and rests where nothing is shown
        [(0, ADD, 0, 1, 99, 5), (0, ADD, 1, -1, 101, 5), (5, DELETE, 1, -1, 101, 5), (5, ROLL_IN, 1, -1, 102, 9)],
        {"levels": 1}, [
            (1, {}, order(103, 7)),
            (6, {"fills": [(1, 0, 101, 5, 0, 200, 202), (5, 0, 103, 2, 1, 200, 206)],
                 "public": {(1, 99): 5, (-1, 102): 7}}),
        ],
    ),
    "executions of one time and side are one aggressor, who meets the mid before the first": (
        [(0, ADD, 0, 1, 100, 5), (0, ADD, 1, 1, 98, 5), (0, ADD, 2, -1, 102, 5), (5, EXECUTE, 0, 1, 100, 5),
         (5, EXECUTE, 1, 1, 98, 5)], {}, [
            (1, {}, order(99, 2)), (6, {"fills": [(5, 0, 99, 2, 1, 202, 198)]}),
        ],
    ),
    "public orders a whole window behind an own one stay the touch": (
        [(0, ADD, 0, 1, 1, 5), (0, ADD, 1, -1, 1000, 5), (5, ADD, 2, 1, 2, 5), (6, DELETE, 2, 1, 2, 5)], {"width": 16},
        [
            (1, {}, order(990, 2)), (2, {sim.PUBLIC_BID: 1}), (5, {sim.PUBLIC_BID: 2}), (6, {sim.PUBLIC_BID: 1}),
        ],
    ),
}  # fmt: skip
"""Rows, options, and at each time what is seen and what is sent then: an order, or a cancel of (number, lots)."""


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_by_hand(rule):
    rows, options, times = RULES[rule]
    m = Replay(rows, **options)
    about = {"side": 1} | {name: value for name, value in options.items() if name != "width"}
    oracle = ReplayOracle(list(rows), **about)
    for ns, expected, *sent in times:
        assert m.run_to(ns) == oracle.run_to(ns)
        compare(m, oracle)
        seen = {"own": m.own(), "public": public_lots(m.b), "fills": m.fills()}
        for what, value in expected.items():
            assert (seen[what] if isinstance(what, str) else m.k[what]) == value
        for price, lots, *more in sent:
            if more:
                oracle.send(more[1], "new", len(oracle.open), price, lots, more[0])
                m.new(price, lots, *more)
            else:
                oracle.send(0, "cancel", price, 0, lots)
                m.cancel(price, lots)
