"""Queue models on tapes of level totals: the formulas, and kernels against a plain level that counts lot by lot."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.flow.conformance import as_events
from tests.market.simulator.audit import audit
from tests.market.simulator.test_replay_rules import Replay

from tercel.core.errors import ConfigError
from tercel.market.simulator import layout as sim, levels as lv, queue_models
from tercel.market.simulator.records import put_real
from tercel.market.simulator.tape_source import source_of
from tercel.market.tape import Instrument
from tercel.market.tape.compiled import compile_day
from tercel.market.tape.schema import LEVEL_SET, ROLL_IN, ROLL_OUT, STATUS, TRADE

BID, ASK = 100, 110
MODELS = {
    "risk_averse": lambda f, b: 1.0,
    "power_prob:3": lambda f, b: b**3 / (b**3 + f**3),
    "power_prob2:2": lambda f, b: b**2 / (b + f) ** 2,
    "power_prob3:2": lambda f, b: 1 - (f / (f + b)) ** 2,
    "log_prob": lambda f, b: math.log(1 + b) / (math.log(1 + b) + math.log(1 + f)),
    "log_prob2": lambda f, b: math.log(1 + b) / math.log(1 + b + f),
    "first": lambda f, b: 0.0,
}
"""P(behind) as the docstring of `levels` states it, in the open."""


@given(st.sampled_from(list(MODELS)), st.integers(1, 10**6), st.integers(1, 10**6))
def test_shares_are_those_of_the_formulas(name, front, back):
    code, n = queue_models.queue_model(name)
    assert queue_models.share_ahead(code, n, float(front), float(back)) == pytest.approx(
        1 - MODELS[name](front, back), abs=1e-9
    )


@given(st.sampled_from(list(MODELS)), st.integers(2, 10**6), st.data())
def test_shares_grow_from_none_at_the_head_to_all_at_the_tail(name, total, data):
    code, n = queue_models.queue_model(name)
    a, b = sorted(data.draw(st.tuples(st.integers(0, total), st.integers(0, total))))
    low, high = (queue_models.share_ahead(code, n, float(f), float(total - f)) for f in (a, b))
    assert 0 <= low <= high + 1e-12 <= 1 + 1e-12
    assert queue_models.share_ahead(code, n, 0.0, float(total)) == 0
    if name != "risk_averse":
        assert queue_models.share_ahead(code, n, float(total), 0.0) == 1


@pytest.mark.parametrize("name", ["fifo", "power_prob:0", "log_prob:2", "power_prob:x"])
def test_unknown_models_are_refused(name):
    with pytest.raises(ConfigError):
        queue_models.queue_model(name)


class Level:
    """One bid level, lot by lot: what the tape tells, what is printed but still told, own orders with their fronts."""

    def __init__(self, behind):
        self.behind, self.told, self.printed, self.public = behind, 0, 0, 0
        self.own, self.fills, self.doubled = [], [], 0

    @property
    def taken(self):
        return self.told - self.public - self.printed

    def shift(self):
        if self.told == 0:
            return
        if self.taken > 0:
            self.told -= 1
        elif self.public > 0:
            self.public, self.printed = self.public - 1, self.printed + 1
            for o in self.own:
                if o["front"] > 0:
                    o["front"] -= 1

    def trade(self, lots):
        for _ in range(lots):
            if not self.own and self.taken <= 0:
                return
            if self.own and self.own[0]["front"] + self.own[0]["printed"] == 0:
                first = self.own[0]
                first["lots"] -= 1
                self.fills.append(first["number"])
                if first["lots"] == 0:
                    self.own.pop(0)
            self.shift()

    def set(self, total):
        if total == 0:
            self.told = self.printed = self.public = 0
            for o in self.own:
                o["front"] = o["printed"] = 0
            return
        taken, rest = self.taken, self.told - self.printed
        self.printed, self.told = 0, total
        for o in self.own:
            o["printed"] = 0
        if total >= rest:
            self.public += total - rest
            return
        drop = rest - total

        def ahead(front, back):
            return (
                0.0
                if front <= 0
                else 1 - self.behind(front, back)
                if back > 0
                else float(self.behind(1, 1) < 1)
            )

        gone = 0
        if taken > 0:
            gone = math.floor(ahead(taken, self.public) * drop + 1e-9)
            gone = min(max(gone, drop - self.public), taken, drop)
        before, done, less = 0, 0, drop - gone
        for o in self.own:
            front, back = o["front"], self.public - o["front"]
            exact = ahead(taken + front, back) * drop + o["carry"]
            whole = math.floor(exact + 1e-9)
            o["carry"] = max(exact - whole, 0.0)
            want = max(whole - gone, less - back, done)
            want = min(want, done + front - before, less)
            o["front"] -= want
            before, done = front, want
        self.public -= less


def market(name):
    rows = [[0, LEVEL_SET, 1, -1, ASK, 10**6]]
    play = Replay(rows)
    play.k[lv.QUEUE], n = queue_models.queue_model(name)
    put_real(play.k, lv.POWER, n)
    assert play.run_to(1)
    return play


def feed(play, row):
    """One more row of tape, now."""
    now = int(play.k[sim.NOW]) + 1
    play.tape = np.array([[now, *row]], np.int64)
    play.k[sim.CURSOR], play.k[sim.CURSOR_END], play.k[sim.FLOW_NS] = 0, 1, now
    assert play.run_to(now + 1)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("seed", range(8))
def test_kernels_agree_with_a_level_that_counts_lot_by_lot(name, seed):
    rng = random.Random(seed)
    play, level = market(name), Level(MODELS[name])
    for _ in range(150):
        what = rng.choice(("set", "set", "trade", "trade", "new", "cancel", "take"))
        if what == "set":
            total = 0 if rng.random() < 0.05 else max(level.told + rng.randint(-15, 15), 1)
            feed(play, [LEVEL_SET, 0, 1, BID, total])
            level.set(total)
        elif what == "trade" and level.told > 0:
            lots = rng.randint(1, 12)
            feed(play, [TRADE, 0, 1, BID, lots])
            level.trade(lots)
        elif what == "new" and len(level.own) < 4:
            lots = rng.randint(1, 6)
            number = play.new(BID, lots)
            assert play.run_to(int(play.k[sim.NOW]) + 1)
            level.own.append(
                {
                    "front": level.public,
                    "printed": level.printed,
                    "lots": lots,
                    "number": number,
                    "carry": 0.0,
                }
            )
        elif what == "cancel" and level.own:
            o = rng.choice(level.own)
            play.cancel(o["number"], o["lots"])
            assert play.run_to(int(play.k[sim.NOW]) + 1)
            level.own.remove(o)
        elif what == "take" and not level.own and level.public > 0:
            lots = rng.randint(1, level.public)
            play.k[sim.SIDE] = -1
            play.new(BID, lots, immediate=True)
            assert play.run_to(int(play.k[sim.NOW]) + 1)
            play.k[sim.SIDE] = 1
            level.public -= lots  # what is printed stands last
        own = {number: ahead for number, (_, _, ahead) in play.own().items()}
        before, expected = 0, {}
        for o in level.own:
            expected[o["number"]] = o["front"] + o["printed"] + before
            before += o["lots"]
        assert own == expected
        assert lv.public_lots_at(play.b, 1, BID) == level.public + level.printed
        passive = [f for f in play.fills() if f[4] == 1]
        assert [n for f in passive for n in [f[1]] * f[3]] == level.fills
        audit(play.b, play.k)


def rows_of(rows):
    """Events from (kind, side, price, lots), a message and a second each."""
    return as_events(
        [
            (1_704_465_000 * 10**9 + n * 10**9, kind, 0, *rest)
            for n, (kind, *rest) in enumerate(rows)
        ]
    )


INSTRUMENT = Instrument(
    venue="X", symbol="A", date="2024-01-05", tick=0.01, timezone="UTC", levels=2
)


def test_levels_keep_their_slot_while_they_are_shown():
    day = compile_day(INSTRUMENT, rows_of([
        (LEVEL_SET, 1, 100, 5), (LEVEL_SET, -1, 102, 5), (LEVEL_SET, 1, 100, 7), (TRADE, 1, 100, 2),
        (ROLL_OUT, 1, 100, 0), (ROLL_IN, 1, 100, 3), (LEVEL_SET, 1, 100, 0), (LEVEL_SET, 1, 99, 0), (TRADE, 1, 99, 1),
    ]))  # fmt: skip
    assert day.by_level
    assert day.rows[:, 2].tolist() == [
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        -1,
    ]  # what was never shown and goes is no row
    source, _ = source_of([day], "log_prob")
    assert (source.worlds_k[:, lv.QUEUE] == queue_models.LOG_PROB).all()


def test_a_level_that_rolls_out_keeps_the_place_of_an_own_order():
    play = market("power_prob")
    feed(play, [LEVEL_SET, 0, 1, BID, 20])
    play.new(BID, 3)
    assert play.run_to(int(play.k[sim.NOW]) + 1)
    feed(play, [ROLL_OUT, 0, 1, BID, 0])
    feed(play, [ROLL_IN, 2, 1, BID, 12])
    assert play.own()[0] == (BID, 3, 12)  # min(20, 12)
    feed(play, [TRADE, 2, 1, BID, 5])
    assert play.own()[0] == (BID, 3, 7)
    feed(play, [LEVEL_SET, 2, 1, BID, 7])  # the fall is the print
    assert play.own()[0] == (BID, 3, 7)


def test_a_total_that_rises_through_an_own_order_fills_it():
    play = market("power_prob")
    feed(play, [LEVEL_SET, 0, 1, BID, 20])
    play.k[sim.SIDE] = -1
    play.new(BID + 3, 5)
    assert play.run_to(int(play.k[sim.NOW]) + 1)
    feed(play, [LEVEL_SET, 3, 1, BID + 4, 3])
    assert [(f[2], f[3]) for f in play.fills()] == [(BID + 3, 3)]
    assert lv.public_lots_at(play.b, 1, BID + 4) == 0
    feed(play, [LEVEL_SET, 3, 1, BID + 4, 9])
    assert lv.public_lots_at(play.b, 1, BID + 4) == 4  # six more came, two of them traded


def test_in_a_halt_nothing_of_ours_fills_or_arrives():
    play = market("power_prob")
    feed(play, [LEVEL_SET, 0, 1, BID, 4])
    play.new(BID, 3)
    assert play.run_to(int(play.k[sim.NOW]) + 1)
    now = int(play.k[sim.NOW]) + 1
    rows = [
        [now, STATUS, 0, 0, -1, 0],
        [now + 1, TRADE, 0, 1, BID, 50],
        [now + 4, STATUS, 0, 0, 1, 0],
    ]
    play.tape = np.array(rows, np.int64)
    play.k[sim.CURSOR], play.k[sim.CURSOR_END], play.k[sim.FLOW_NS] = 0, 3, now
    sold = int(play.k[sim.SOLD])
    assert play.run_to(now + 6)
    assert play.fills() == []
    assert play.k[sim.SOLD] == sold
    feed(play, [TRADE, 0, 1, BID, 7])
    assert sum(f[3] for f in play.fills()) == 3


def behind_all(total):
    """A market under the pessimistic bound, and an own bid of three behind a total."""
    play = market("risk_averse")
    play.k[sim.THEIRS] = 1
    feed(play, [LEVEL_SET, 0, 1, BID, total])
    play.new(BID, 3)
    assert play.run_to(int(play.k[sim.NOW]) + 1)
    return play


def test_behind_all_that_is_shown_an_order_fills_by_prints_beyond_its_price_alone():
    play = behind_all(20)
    feed(play, [LEVEL_SET, 0, 1, BID, 1])  # cancels bring it no further
    feed(play, [TRADE, 0, 1, BID, 50])
    assert play.fills() == []
    feed(play, [TRADE, -1, 1, BID - 1, 2])
    assert [(f[2], f[3]) for f in play.fills()] == [(BID, 2)]
    audit(play.b, play.k)


@pytest.mark.parametrize(("theirs", "left"), [(0, 12), (1, 4)])
def test_lots_that_own_orders_took_are_the_first_to_leave_or_under_the_pessimistic_bound_the_last(
    theirs, left
):
    play = market("risk_averse")
    play.k[sim.THEIRS] = theirs
    feed(play, [LEVEL_SET, 0, 1, BID, 20])
    play.k[sim.SIDE] = -1
    play.new(BID, 8, immediate=True)
    assert play.run_to(int(play.k[sim.NOW]) + 1)
    play.k[sim.SIDE] = 1
    feed(play, [TRADE, 0, 1, BID, 8])
    feed(play, [LEVEL_SET, 0, 1, BID, 12])
    assert lv.public_lots_at(play.b, 1, BID) == left


@pytest.mark.parametrize("theirs", [0, 1])
def test_a_print_of_an_order_that_was_not_shown_fills_what_the_order_crossed(theirs):
    play = market("power_prob")
    play.k[sim.THEIRS] = theirs
    feed(play, [LEVEL_SET, 0, 1, BID, 20])
    play.k[sim.SIDE] = -1
    play.new(BID + 3, 5)
    assert play.run_to(int(play.k[sim.NOW]) + 1)
    feed(play, [TRADE, 0, 1, BID, 20])  # of what was shown, below the own order
    assert play.fills() == []
    feed(play, [TRADE, -1, 1, BID + 4, 3])
    assert [(f[2], f[3]) for f in play.fills()] == [(BID + 3, 3)]
    audit(play.b, play.k)
