"""Undercutting in replay: a closed form, its rules one by one, never kinder than the strict bound."""

import random

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.simulator.audit import audit, public_lots
from tests.market.simulator.replay_oracle import RandomTape
from tests.market.simulator.test_replay_rules import Replay

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import public_depth
from tercel.market.simulator import layout as sim, undercutting
from tercel.market.simulator.bounds import pack_table, undercut_table, undercut_tables
from tercel.market.simulator.event_loop import advance
from tercel.market.simulator.public_touch import rival_improvement
from tercel.market.tape.schema import ADD, CLEAR, DELETE, EXECUTE

S = NS_PER_SECOND


def words(
    rate: float, life_s: float = 1e9, step: float = 0.01, lots: float = 1.0, usual: float = 5.0
) -> np.ndarray:
    """A table of one rate, one life, one size."""
    sizes, draws = np.ones(undercutting.SIZES), np.ones(undercutting.DRAWS)
    rates = np.full(undercutting.ROOMS * undercutting.AGES, rate)
    return np.concatenate(
        (np.zeros(sim.FLOW_HEAD), [usual], rates, sizes, step * draws, lots * draws, life_s * draws)
    )


class Undercut(Replay):
    """A replay market in which own orders are undercut."""

    def __init__(self, rows, flow, side=1, seed=1, **more):
        super().__init__(rows, side, theirs=True, **more)
        self.flow = flow
        self.k[sim.UNDERCUT] = sim.FLOW_HEAD
        undercutting.begin_undercut(self.k, seed, 0)

    def run_to(self, ns):
        self.k[sim.DUE_NS] = ns
        return advance(self.b, self.k, self.flow, self.tape) == sim.DUE

    def rivals(self):
        """Public orders of the last slots: (price, lots)."""
        slots = range(int(self.b[lay.ORDERS]) - sim.RIVAL_SLOTS, int(self.b[lay.ORDERS]))
        rows = [self.b[lay.HEADER + slot * lay.ORDER :][: lay.ORDER] for slot in slots]
        return [(int(row[lay.PRICE]), int(row[lay.QTY])) for row in rows if row[lay.QTY] > 0]


def book(side):
    return [(0, ADD, 0, side, 1000, 10), (0, ADD, 1, -side, 1000 + 20 * side, 10)]


def test_the_share_undercut_by_a_time_is_exponential():
    """1 - exp(-rate t), whatever classes of age begin on the way."""
    rate, t, n = 0.05, 12.0, 2000
    flow = words(rate)
    undercut = 0
    for seed in range(n):
        m = Undercut(book(1), flow, seed=seed, orders=16)
        m.run_to(1)
        m.new(1005, 3)
        m.run_to(int(t * S))
        undercut += bool(m.rivals())
    expected = 1.0 - np.exp(-rate * t)
    assert abs(undercut / n - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def rules(side):
    """Rate, rows behind those of the book, and at each time what is seen and the order (price, lots) that is sent then."""

    def at(ticks):
        return 1000 + ticks * side

    near, far = (side, 1000), (-side, at(20))
    return {
        "an undercutting order is one of the book": (50.0, [(9 * S, DELETE, 1, -side, at(20), 10)], [
            (1, {}, (at(5), 3)),
            # one tick better, as large as usual; everybody reads the tape's touch, and how much better it stands
            (2 * S, {"rivals": [(at(6), 5)], "public": {near: 10, far: 10, (side, at(6)): 5}, "touch": 1000,
                     "better": 6, "own": {0: (at(5), 3, 0)}}, (at(7), 2)),  # undercuts it in turn, and is undercut
            (4 * S, {"rivals": [(at(6), 5), (at(8), 5)]}),
        ]),
        "trades meet it first and count once": (
            50.0, [(3 * S, EXECUTE, 0, side, 1000, 3), (4 * S, EXECUTE, 0, side, 1000, 4)], [
                (1, {}, (at(5), 30)),
                (3 * S, {"fills": [], "rivals": [(at(6), 2)]}),
                (4 * S, {"fills": [(0, 2)], "volume": 7, "double": 2}),  # the tape's volume alone
            ],
        ),
        "an order that crosses trades with it first": (5.0, [(3 * S, ADD, 2, -side, at(5), 7)], [
            (1, {}, (at(5), 30)), (3 * S, {"fills": [(0, 2)], "public": {near: 10, far: 10}}),
        ]),
        **{f"what crosses it alone stands on the tape, and it goes, {lots}": (5.0, [(3 * S, ADD, 2, -side, at(6), lots)], [
            (1, {}, (at(5), 30)),
            (3 * S - 1, {"rivals": [(at(6), 5)]}),
            (3 * S, {"rivals": [], "public": {near: 10, far: 10, (-side, at(6)): lots}, "fills": []}),
        ]) for lots in (3, 7)},
        **{f"it goes when the tape reaches or passes it, {more}": (50.0, [(3 * S, ADD, 2, side, at(6 + more), 7)], [
            (1, {}, (at(5), 30)),
            (3 * S, {"rivals": [], "public": {near: 10, far: 10, (side, at(6 + more)): 7}}),
        ]) for more in (0, 3)},
        "nobody undercuts what joins, or stands behind": (1e6, [], [
            (1, {}, (1000, 3), (at(-3), 3)), (2 * S, {"rivals": []}),
        ]),
        "nobody undercuts where no price is left inside": (1e6, [], [(1, {}, (at(19), 3)), (4 * S, {"rivals": []})]),
    }  # fmt: skip


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("rule", rules(1))
def test_a_rule_by_hand(rule, side):
    rate, rows, times = rules(side)[rule]
    m = Undercut([*book(side), *rows], words(rate), side)
    for ns, expected, *sent in times:
        m.run_to(ns)
        seen = {
            "rivals": m.rivals(),
            "public": public_lots(m.b),
            "touch": m.k[sim.PUBLIC_BID if side > 0 else sim.PUBLIC_ASK],
            "better": rival_improvement(m.b, m.k),
            "own": m.own(),
            "fills": [(number, lots) for _, number, _, lots, *_ in m.fills()],
            "volume": m.k[sim.SOLD if side > 0 else sim.BOUGHT],
            "double": m.k[sim.DOUBLE_LOTS],
        }
        assert {name: seen[name] for name in expected} == expected
        for price, lots in sent:
            m.new(price, lots)
        audit(m.b, m.k)


@pytest.mark.parametrize("side", [1, -1])
def test_it_goes_when_its_time_is_over(side):
    m = Undercut([*book(side), (3 * S, CLEAR, -1, 0, 0, 0)], words(0.0, life_s=0.5), side)
    m.run_to(1)
    m.new(1000 + 5 * side, 30)
    m.flow = words(1e6, life_s=0.5)
    m.k[sim.HAZARD_LEFT] = 0
    m.run_to(
        S // 10 + 5000
    )  # a new age begins: from here on it is undercut at once, again and again
    assert m.rivals() == [(1000 + 6 * side, 5)]
    m.flow = words(0.0)
    m.run_to(S)
    assert m.rivals() == []
    m.run_to(3 * S)
    assert m.k[sim.RIVALS] == 0
    audit(m.b, m.k)


def stretched(rows, by):
    return [(row[0] * by, *row[1:]) for row in rows]


def inside(play, at, side, ticks):
    """Price of an order so many ticks inside the spread of a market at a time; none where the spread has no room."""
    play.run_to(at)
    near, far = (int(play.k[at]) for at in (sim.PUBLIC_BID, sim.PUBLIC_ASK)[::side])
    if not 0 < near < 10**6 or not 0 < far < 10**6 or (far - near) * side < 3:
        return None
    return near + side * min(ticks, (far - near) * side - 2)


def filled_by(seed, messages, side, ticks, flow):
    """Lots of one resting order that are filled, after each of the tape's moments."""
    rows = stretched(RandomTape(random.Random(seed), messages, 0).rows, S)
    m = Replay(rows, side, theirs=True) if flow is None else Undercut(rows, flow, side, seed=seed)
    price = inside(m, rows[-1][0] // 4 + 1, side, ticks)
    if price is None:
        return []
    m.new(price, 8)
    out = []
    for ns in range(rows[-1][0] // 4 + 2, rows[-1][0] + S, S):
        m.run_to(ns)
        out.append(sum(f[3] for f in m.fills()))
    audit(m.b, m.k)
    return out


TAPES = (st.integers(0, 2**32), st.integers(20, 90), st.sampled_from([1, -1]), st.integers(0, 3))
"""Seed and length of a tape, side of the own order, ticks that it stands inside."""


@given(*TAPES, st.floats(0.01, 20.0))
def test_it_never_fills_more_than_the_strict_bound(seed, messages, side, ticks, rate):
    strict = filled_by(seed, messages, side, ticks, None)
    under = filled_by(seed, messages, side, ticks, words(rate, life_s=3.0))
    assert len(strict) == len(under)
    assert all(a <= b for a, b in zip(under, strict, strict=True))


COUNTED = [sim.EVENTS, sim.BOUGHT, sim.SOLD, sim.OFI, sim.VARIANCE, sim.MID2, sim.HIDDEN_LOTS]
COUNTED += [sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK]


def counted(m):
    """What is counted of a market: its tallies, prices, and five levels of either side."""
    depth = np.zeros((2, 5), np.int64)
    for row, side in enumerate((1, -1)):
        touch = int(m.k[sim.PUBLIC_BID if side > 0 else sim.PUBLIC_ASK])
        public_depth(m.b, side, touch, depth[row], 0, 5)
    return m.k[COUNTED].tolist(), depth.tolist()


def drawn_against(seed, side):
    """What is counted, second by second, of a tape with an own order inside the spread that is undercut, and of the
    tape alone, until the tape would trade with that order; and in how many seconds a drawn order stood."""
    rows = stretched(RandomTape(random.Random(seed), 80, 0).rows, S)
    alone, m = Replay(rows, side), Undercut(rows, words(20.0, life_s=3.0), side, seed=seed)
    start, stop = rows[-1][0] // 4 + 1, rows[-1][0]
    alone.run_to(start)
    price = inside(m, start, side, 1)
    if price is None:
        return [], [], 0
    m.new(price, 8)
    for ns, kind, _, of, at, _ in rows:
        if ns >= start and kind == ADD and of == -side and (price - at) * side >= 0:
            stop = ns - 1
            break
    mine, tape, stood = [], [], 0
    for ns in range(start + 1, stop, S):
        alone.run_to(ns)
        m.run_to(ns)
        if (
            m.fills()
        ):  # an execution at the touch that it joined: from here on the public's lots differ
            break
        tape.append(counted(alone))
        mine.append(counted(m))
        stood += bool(m.rivals())
    audit(m.b, m.k)
    return mine, tape, stood


def test_nothing_that_is_counted_has_it():
    found = [drawn_against(seed, side) for seed in range(40) for side in (1, -1)]
    assert sum(stood for *_, stood in found) > 50
    assert all(mine == tape for mine, tape, _ in found)


@pytest.mark.parametrize("seed", range(6))
def test_a_rate_of_nothing_is_the_strict_bound(seed):
    rows = stretched(RandomTape(random.Random(seed), 80, 0).rows, S)
    plain, other = Replay(rows, theirs=True), Undercut(rows, words(0.0))
    for m in (plain, other):
        m.run_to(10 * S)
        m.new(1001, 4)
        m.run_to(rows[-1][0] + S)
    assert plain.fills() == other.fills()
    assert plain.b.tobytes() == other.b.tobytes()


def test_every_table_is_whole_and_a_stranger_has_one():
    assert {"", "2003", "2012", "IBM 2003"} <= set(undercut_tables())
    for name in undercut_tables():
        table = pack_table(name, 400.0)
        assert table.shape == (undercutting.RATE_WORDS,)
        assert (table >= 0).all()
        assert table[undercutting.USUAL] == 400.0
        assert (np.diff(table[undercutting.LIVES :]) >= 0).all()
    assert undercut_table("IBM", "2012-06-21") == "2012"
