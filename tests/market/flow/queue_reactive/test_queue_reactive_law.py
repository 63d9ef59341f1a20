"""The kernel's draws against a plain Python reading of the same tables: shares and waits within sampling error."""

import math
from bisect import bisect_right
from typing import Any

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.price_window import allocate
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.cancellation import draw_order_to_cancel, sum_cancel_weights
from tercel.market.flow.queue_reactive.kernel import draw_event
from tercel.market.flow.queue_reactive.memory import next_wait, update_classes
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset, start_memory
from tercel.market.flow.queue_reactive.tables import PilotFactors
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add
from tercel.market.simulator.records import put_real
from tercel.market.simulator.source import NO_TAPE, first_world, run_free

DRAWS = 40_000
SIGMAS = 4.8
NOW = 1_000 * 10**9


@kernel
def many_events(k: Longs, flow: Floats, spread: int, live: int, counts: Longs) -> None:
    for _ in range(DRAWS):
        counts[draw_event(k, flow, spread, live)] += 1


@kernel
def many_waits(k: Longs, flow: Floats, spread: int, waits: Longs, classes: Longs) -> None:
    before = k[q.WAIT]
    for i in range(waits.shape[0]):
        k[q.WAIT] = before
        waits[i] = next_wait(k, flow, spread)
        classes[i] = k[q.WAIT]


class Oracle:
    """The law in words of its own: dictionaries and bisection on the preset's tables, nothing of the kernel."""

    def __init__(self, preset: QueueReactivePreset, situation: dict[str, Any]) -> None:
        self.p, self.s = preset, situation

    def table(self, name: str, *cell: int, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(self.p.law[name]).reshape(*shape, 12)[cell]

    def shares(self) -> np.ndarray:
        """Probability of each event, sides as seen from the previous event's."""
        s, law, scalars = self.s, self.p.law, self.p.scalars
        side = int(s["side"])
        spread = int(s["ask"] - s["bid"])
        wide = bisect_right(law["spread_edges"], spread)
        narrow = bisect_right(law["narrow_edges"], spread)
        queues = (s["bid_lots"], s["ask_lots"]) if side > 0 else (s["ask_lots"], s["bid_lots"])
        classes = [bisect_right(law["queue_edges"], x) for x in queues]
        mid2 = s["ask"] + s["bid"]
        fast = bisect_right(law["fast_edges"], side * (mid2 - s["fast"]))
        flow = bisect_right(law["flow_edges"], side * s["flow"])
        age = bisect_right(law["age_edges"], s["age_ns"])
        w = self.table("state", wide, *classes, shape=(12, 6, 6)).copy()
        for kind in range(6):
            w[2 * kind : 2 * kind + 2] *= law["turned"][6 * wide + kind]
        w *= self.table("before", int(s["kind"]), int(s["wait"]), shape=(8, 10))
        other = 0 if s["side2"] == side else 1
        w *= self.table("before2", int(s["kind"]), int(s["kind2"]), other, shape=(8, 8, 2))
        w *= self.table("place", fast, 0 if s["move"] * side >= 0 else 1, shape=(5, 2))
        w *= self.table(
            "pressure", bisect_right(law["pressure_edges"], side * s["pressure"]), shape=(7,)
        )
        for what, many in (("insides", 5), ("withdrawn", 4)):
            cell = (bisect_right(law[f"{what}_edges"], s[what][x]) for x in (side, -side))
            w *= self.table(what, *cell, shape=(many, many))
        turn = 0 if s["sign"] * side >= 0 else 1
        w *= self.table("trade", flow, age, turn, int(s["moved"]), narrow, shape=(5, 5, 2, 2, 4))
        w *= self.table("activity", int(s["activity"]), shape=(4,))
        for what in ("emptied", "vacated"):
            w *= self.table(
                what, self.touched(what, side), self.touched(what, -side), shape=(17, 17)
            )
        w *= self.table("fresh", self.fresh(side), self.fresh(-side), shape=(10, 10))
        w *= self.table("signs", bisect_right(law["sign_edges"], side * s["signs"]), shape=(7,))
        w *= self.table("alone", *(min(s["orders"][x], 4) - 1 for x in (side, -side)), shape=(4, 4))
        w *= self.table("runs", *(self.run(x) for x in (side, -side)), narrow, shape=(5, 5, 4))
        w *= self.table("last", *(self.last(x) for x in (side, -side)), age, shape=(6, 6, 5))
        w *= self.table(
            "behind",
            *(bisect_right(law["behind_edges"], s["behind"][x]) for x in (side, -side)),
            shape=(5, 5),
        )
        up = math.exp(-self.p.knobs.anchor_fast * self.p.fast_centres[fast] + side * s["lean"])
        for event, towards in ((0, 1), (1, -1), (6, -1), (7, 1), (10, 1), (11, -1)):
            w[event] *= up**towards
        w[0:2] *= self.p.knobs.inside * (spread > 1)
        w[10:12] *= self.p.knobs.market * s["markets"]
        w[6] *= self.p.knobs.cancel * s["ready"][side]
        w[7] *= self.p.knobs.cancel * s["ready"][-side]
        far = scalars["beyond"] * s["live"] / scalars["live_mean"]
        deep = {1: sum(a * b for a, b in zip(law["pull"], s["deep_bid"], strict=True)),
                -1: sum(a * b for a, b in zip(law["pull"], s["deep_ask"], strict=True))}  # fmt: skip
        w[8] *= far + deep[side]
        w[9] *= far + deep[-side]
        return w / w.sum()

    def run(self, side: int) -> int:
        return bisect_right(self.p.law["run_edges"], self.s["runs"][side])

    def last(self, side: int) -> int:
        """By the ticks that a best price is better than the last trade's."""
        best = self.s["bid"] if side > 0 else self.s["ask"]
        return bisect_right(self.p.law["last_edges"], (best - self.s["last"]) * side)

    def touched(self, what: str, side: int) -> int:
        """0: long ago; 1 to 12: the price that was emptied not yet back, by age, then by the drop; 13 to 16: back."""
        better, age_ns = self.s[what][side]
        age = bisect_right(self.p.law["since_edges"], age_ns)
        if age == 4:
            return 0
        return (
            13 + age
            if better <= 0
            else 1 + 3 * age + bisect_right(self.p.law["drop_edges"], better)
        )

    def fresh(self, side: int) -> int:
        """0: the best price is old, or another than the one that was made; 1 to 9: by its origin, and by age."""
        better, age_ns = self.s["made"][side]
        age = bisect_right(self.p.law["young_edges"], age_ns)
        return 0 if better != 0 or age == 3 else 1 + 3 * int(self.s["origin"][side]) + age

    def wait_shares(self, spread: int) -> np.ndarray:
        width = bisect_right(self.p.law["width_edges"], spread)
        since = bisect_right(
            self.p.law["since_edges"][:3], min(age for _, age in self.s["emptied"].values())
        )
        cell = int(self.s["kind"]), int(self.s["wait"]), int(self.s["activity"]), width, since
        return np.diff(
            np.asarray(self.p.law["wait_law"]).reshape(8, 10, 4, 4, 4, 10)[cell], prepend=0.0
        )

    def inside(self, side: int) -> tuple[int, int, int]:
        """Which law says where orders of a side come to rest in the spread: the mid's shift, last trade, spread."""
        s, law = self.s, self.p.law
        spread = s["ask"] - s["bid"]
        into = (s["last"] - s["bid"]) if side > 0 else (s["ask"] - s["last"])
        shift = bisect_right(law["shift_edges"], side * (s["ask"] + s["bid"] - s["fast"]))
        place = 0 if not 0 <= into <= spread else 1 if into <= spread / 2 else 2
        if place == 2 and s["age_ns"] < law["age_edges"][0]:
            place = 3
        return shift, place, bisect_right(law["spread_edges"], spread)


def situation(seed: int) -> dict[str, Any]:
    """A random state of market and memory; by side: ticks that a remembered price is better than now, and its age.
    `last`: price of the last trade.
    """
    rng = np.random.default_rng(seed)
    bid = 10_000
    ages = (10**5, 5 * 10**6, 5 * 10**7, 5 * 10**8, 3 * 10**9, 10**10, 10**11)
    return {
        **{what: {side: (int(rng.integers(-2, 7)), int(rng.choice(ages))) for side in (1, -1)}
           for what in ("emptied", "vacated")},
        "made": {side: (int(rng.integers(-1, 2)), int(rng.choice(ages))) for side in (1, -1)},
        "last": bid + int(rng.integers(-4, 16)), "moved": int(rng.integers(0, 2)),
        "orders": {side: int(rng.integers(1, 7)) for side in (1, -1)},
        "ready": {side: rng.uniform(0.2, 3.0) for side in (1, -1)},
        "behind": {side: int(rng.integers(1, 14)) for side in (1, -1)},
        "runs": {side: rng.uniform(0.0, 4.0) for side in (1, -1)}, "signs": rng.uniform(-0.8, 0.8),
        "bid": bid, "ask": bid + int(rng.integers(1, 12)), "bid_lots": int(rng.integers(1, 40)),
        "ask_lots": int(rng.integers(1, 40)), "deep_bid": rng.integers(1, 30, 4).tolist(),
        "deep_ask": rng.integers(1, 30, 4).tolist(), "side": int(rng.choice([-1, 1])), "kind": int(rng.integers(0, 8)),
        "side2": int(rng.choice([-1, 1])), "kind2": int(rng.integers(0, 8)), "wait": int(rng.integers(0, 10)),
        "origin": {side: int(rng.integers(0, 3)) for side in (1, -1)}, "pressure": rng.normal(0.0, 4.0),
        "insides": {side: rng.uniform(0.0, 5.0) for side in (1, -1)}, "lean": rng.normal(0.0, 0.2),
        "withdrawn": {side: rng.uniform(0.0, 4.0) for side in (1, -1)},
        "fast": 2 * bid + rng.normal(0, 3), "flow": rng.uniform(-1, 1),
        "age_ns": int(rng.choice([10**6, 2 * 10**7, 10**8, 10**9, 10**11])), "sign": int(rng.choice([-1, 1])),
        "move": int(rng.choice([-1, 1])), "activity": int(rng.integers(0, 4)), "markets": rng.uniform(0.5, 2.0),
        "live": 50,
    }  # fmt: skip


def memory(
    preset: QueueReactivePreset, s: dict[str, Any], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The kernel's state in that situation, classes found."""
    flow = preset.pack_parameters()
    k = np.zeros(sim.GRID, np.int64)
    seed_stream(k, sim.FLOW_RNG, seed, 0, 0)
    start_memory(k, s["bid"] + s["ask"], NOW)
    words = {q.P_KIND: "kind", q.P_SIDE: "side", q.P2_KIND: "kind2", q.P2_SIDE: "side2", q.WAIT: "wait",
             q.TRADE_SIGN: "sign", q.MOVE: "move", q.ACTIVITY: "activity", q.TRADE_MOVED: "moved"}  # fmt: skip
    for word, name in words.items():
        k[word] = s[name]
    k[[q.TRADE_NS, q.LAST_TRADE]] = NOW - s["age_ns"], s["last"]
    reals = {q.MEAN_FAST: "fast", q.SIGN_FLOW: "flow", q.MARKETS: "markets", q.SLOW_SIGNS: "signs",
             q.PRESSURE: "pressure"}  # fmt: skip
    put_real(k, q.LEAN_UP, math.exp(s["lean"]))
    put_real(k, q.LEAN_DOWN, math.exp(-s["lean"]))
    for word, name in reals.items():
        put_real(k, word, float(s[name]))
    for at, (side, touch) in enumerate(((1, s["bid"]), (-1, s["ask"]))):
        put_real(k, q.READY + at, s["ready"][side])
        k[q.BEHIND + at], k[q.ORIGIN + at] = s["behind"][side], s["origin"][side]
        put_real(k, q.INSIDE_RUN + at, s["insides"][side])
        put_real(k, q.WITHDRAWN_RUN + at, s["withdrawn"][side])
        put_real(k, q.RUN + at, s["runs"][side])
        for word, name in ((q.EMPTIED, "emptied"), (q.VACATED, "vacated"), (q.MADE, "made")):
            better, age_ns = s[name][side]
            k[word + at], k[word + 2 + at] = touch + side * better, NOW - age_ns
    for at, lots, deep in (
        (q.SCAN, "bid_lots", "deep_bid"),
        (q.SCAN + q.SCAN_SIDE, "ask_lots", "deep_ask"),
    ):
        k[at + q.LEVELS : at + 2 * q.LEVELS] = [s[lots], *s[deep]]
        k[at + 2 * q.LEVELS] = q.LEVELS
    update_classes(
        k,
        flow,
        NOW,
        s["bid"],
        s["ask"],
        s["bid_lots"],
        s["ask_lots"],
        s["orders"][1],
        s["orders"][-1],
    )
    return k, flow


@pytest.mark.parametrize("seed", range(12))
def test_events_come_with_the_shares_that_the_tables_say(seed: int) -> None:
    turned = tuple(np.random.default_rng(seed).uniform(0.5, 2.0, q.SPREADS * q.KINDS).tolist())
    preset = made(
        seed,
        law={"turned": turned},
        knobs=PilotFactors(market=1.3, inside=0.8, cancel=1.2, anchor_fast=0.3),
    )
    s = situation(100 + seed)
    k, flow = memory(preset, s, seed)
    counts = np.zeros(q.EVENTS, np.int64)
    many_events(k, flow, s["ask"] - s["bid"], s["live"], counts)
    shares = Oracle(preset, s).shares()
    error = np.sqrt(np.maximum(shares * (1.0 - shares) / DRAWS, 1e-12))
    assert (
        np.abs(counts / DRAWS - shares).max()
        < SIGMAS * error[np.argmax(np.abs(counts / DRAWS - shares))] + 1e-12
    )
    assert (np.abs(counts / DRAWS - shares) < SIGMAS * error + 1e-9).all()


@pytest.mark.parametrize("seed", range(6))
def test_waits_come_from_their_law(seed: int) -> None:
    preset = made(seed)
    s = situation(200 + seed)
    k, flow = memory(preset, s, seed)
    waits, classes = np.zeros(DRAWS, np.int64), np.zeros(DRAWS, np.int64)
    many_waits(k, flow, s["ask"] - s["bid"], waits, classes)
    shares = Oracle(preset, s).wait_shares(s["ask"] - s["bid"])
    counted = np.bincount(classes, minlength=q.WAITS) / DRAWS
    assert (np.abs(counted - shares) < SIGMAS * np.sqrt(shares * (1 - shares) / DRAWS) + 1e-9).all()
    quantiles = np.asarray(preset.law["wait_ns"]).reshape(q.WAITS, q.WAIT_POINTS)
    means = ((quantiles[:, 1:] + quantiles[:, :-1]) / 2.0).mean(axis=1)
    assert waits.mean() == pytest.approx(float(shares @ means), rel=0.05)
    assert waits.min() >= 0


# -- which order is withdrawn -----------------------------------------------------------------------------------------


@kernel
def many_leavers(b: Packed, k: Longs, flow: Floats, side: int, counts: Longs) -> None:
    for _ in range(DRAWS):
        counts[draw_order_to_cancel(b, k, flow, q.CANCEL_AT_BEST, side)] += 1


@pytest.mark.parametrize("seed", range(4))
def test_an_order_at_the_best_leaves_by_its_age_and_size(seed: int) -> None:
    preset = made(seed)
    b, k, flow = first_world(preset, seed)
    run_free(b, k, flow, NO_TAPE, 300 * NS_PER_SECOND)
    rng = np.random.default_rng(seed)
    price = int(k[sim.PUBLIC_BID])
    for _ in range(60):  # orders at the best bid, and others that make them older
        slot = allocate(b)
        public_add(
            b,
            k,
            slot,
            *((1, price) if rng.random() < 0.3 else (-1, price + 40)),
            int(rng.integers(1, 9)),
        )
    words = b[lay.HEADER :][: preset.orders * lay.ORDER].reshape(-1, lay.ORDER)
    there = np.flatnonzero(
        (words[:, lay.QTY] > 0) & (words[:, lay.SIDE] == 1) & (words[:, lay.PRICE] == price)
    )
    came = int(words[words[:, lay.QTY] > 0, lay.ARR].max())
    leaves = np.asarray(preset.law["leaves"]).reshape(q.LIFE, q.STAY_CLASSES)
    weight = np.array([
        leaves[bisect_right(preset.law["life_edges"], came - arr), bisect_right(preset.law["leaves_edges"], lots)]
        for arr, lots in words[there][:, [lay.ARR, lay.QTY]].tolist()
    ])  # fmt: skip
    orders, total = sum_cancel_weights(b, flow, 1, price)
    assert (orders, total) == (len(there), pytest.approx(weight.sum()))
    counts = np.zeros(preset.orders, np.int64)
    many_leavers(b, k, flow, 1, counts)
    shares = weight / weight.sum()
    assert counts[there].sum() == DRAWS
    assert (
        np.abs(counts[there] / DRAWS - shares)
        < SIGMAS * np.sqrt(shares * (1 - shares) / DRAWS) + 1e-9
    ).all()
