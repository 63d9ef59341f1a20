"""Where limit orders come to rest, which of those behind the best go: exact cases, closed forms, a tape read back."""

import itertools
from typing import Any

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made
from tests.market.flow.queue_reactive.test_queue_reactive_law import Oracle, memory, situation

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.price_window import allocate
from tercel.market.flow.queue_reactive import (
    empirical,
    extract,
    layout as q,
    memory as kernels,
    touch_history,
)
from tercel.market.flow.queue_reactive.cancellation import draw_order_to_cancel, withdraw
from tercel.market.flow.queue_reactive.events import (
    deeper_price,
    inside_price,
    repeat_price,
    scan,
    send_market_order,
)
from tercel.market.flow.queue_reactive.extract import (
    ExtractedDay,
    day_of,
    hidden_takers,
    ns_since_fall,
    track_state,
)
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset, start_memory
from tercel.market.flow.queue_reactive.repetition import AgainChances
from tercel.market.flow.queue_reactive.tables import LAYOUT, PilotFactors
from tercel.market.observed import observe
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add
from tercel.market.simulator.days import simulated_day
from tercel.market.simulator.source import first_world
from tercel.market.tape import Instrument

DRAWS = 20_000
SHAPE = (q.SHIFTS, q.LASTLY, q.SPREADS)
LAWS = list(itertools.product(*map(range, SHAPE)))


def market(
    knobs: PilotFactors | None = None, scalars: dict[str, float] | None = None, **law: Any
) -> QueueReactivePreset:
    tables = {name: tuple(map(float, np.ravel(x))) for name, x in law.items()}
    return made(3, law=tables, knobs=knobs or PilotFactors(), scalars=scalars or {})


# -- in the spread ----------------------------------------------------------------------------------------------------

SHIFTED = (-7.0, -5.0, -3.0, -1.5, -0.5, 0.5, 2.0, 4.0)
PLACED = (-0.1, 0.3, 0.8, 0.8)
WIDE = tuple(800.0 + 100.0 * n for n in range(q.SPREADS - 1))


@pytest.mark.parametrize("side", [1, -1])
def test_the_place_in_the_spread_comes_from_the_law_of_its_cell(side: int) -> None:
    """Each law says one price of its own, from the own best or from the other; spreads are wide enough for all."""
    numbers = 1.0 + np.arange(len(LAWS))
    for sign in (1, -1):
        preset = market(inside=np.repeat(sign * numbers, q.INSIDE_POINTS), spread_edges=WIDE)
        for n, law in enumerate(LAWS):
            shift, place, wide = law
            s = situation(n)
            s["ask"] = s["bid"] + 750 + 100 * wide
            s["fast"] = s["bid"] + s["ask"] - side * SHIFTED[shift]
            s["age_ns"] = 10**6 if place == 3 else 10**8
            s["made"], s["emptied"], s["vacated"] = (
                {1: (0, 10**12), -1: (0, 10**12)} for _ in range(3)
            )
            near, far = (s["bid"], s["ask"]) if side > 0 else (s["ask"], s["bid"])
            s["last"] = near + round(PLACED[place] * (far - near))
            assert Oracle(preset, s).inside(side) == law
            k, flow = memory(preset, s, n)
            start = near if sign > 0 else far
            assert inside_price(k, flow, side, near, far) == start + sign * side * int(numbers[n])


@pytest.mark.parametrize(
    ("ticks", "gap", "at"), [(9, 5, 4), (0, 5, 1), (-9, 5, 1), (-2, 5, 3), (3, 2, 1)]
)
def test_a_place_in_the_spread_stays_in_it(ticks: int, gap: int, at: int) -> None:
    k, flow = memory(market(inside=np.full(LAYOUT["inside"].length, ticks)), situation(1), 1)
    assert inside_price(k, flow, 1, 100, 100 + gap) == 100 + at
    assert inside_price(k, flow, -1, 100 + gap, 100) == 100 + gap - at


@kernel
def many_again(k: Longs, flow: Floats, side: int, near: int, far: int, found: Longs) -> None:
    for i in range(found.shape[0]):
        found[i, 0], found[i, 1] = repeat_price(k, flow, side, near, far)


@pytest.mark.parametrize("side", [1, -1])
def test_prices_come_again_with_the_chances_of_their_cells(side: int) -> None:
    """A spread of nine; a cancel took a price two ticks better away, where one of seven lots had stood; the other side
    lost one three ticks before it to a market order."""
    again, lost, follow, lots = 0.3, 0.2, 0.5, 0.6
    chances = {"again_price": again, "again_lots": lots, "lost_price": lost, "follow_price": follow}
    preset = market(**{name: np.full(LAYOUT[name].length, x) for name, x in chances.items()})
    s = situation(1)
    s["ask"] = s["bid"] + 9
    s["emptied"] = {side: (-1, 10**12), -side: (3, 10**8)}
    s["vacated"] = {side: (2, 10**8), -side: (-1, 10**12)}
    near, far = (s["bid"], s["ask"]) if side > 0 else (s["ask"], s["bid"])
    for made_at, first, alike in (
        (2, again, lots),
        (1, again, lots),
        (-1, 0.0, 0.0),
        (9, 0.0, 0.0),
    ):
        s["made"] = {side: (made_at, 10**8), -side: (0, 10**8)}
        k, flow = memory(preset, s, 1)
        k[[q.MADE_LOTS, q.MADE_LOTS + 1]] = 7
        found = np.zeros((DRAWS, 2), np.int64)
        many_again(k, flow, side, near, far, found)
        places = {
            near + side * 2: (1.0 - first) * lost,
            far - side * 3: (1.0 - first) * (1.0 - lost) * follow,
        }
        if first:
            places[near + side * made_at] = places.get(near + side * made_at, 0.0) + first
        for price, share in places.items():
            assert (found[:, 0] == price).mean() == pytest.approx(
                share, abs=4.8 * np.sqrt(share * (1 - share) / DRAWS)
            )
        assert set(found[:, 0].tolist()) == {*places, NO_BID}
        told = (found[:, 1] == 7).mean()
        assert told == pytest.approx(first * alike, abs=4.8 * np.sqrt(0.25 / DRAWS))
        assert set(found[:, 1].tolist()) == ({0, 7} if first else {0})


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("sweep", "left"), [(0.0, 1), (4.0, 2), (6.0, 2), (7.0, 3), (100.0, 3)])
def test_a_market_order_sweeps_no_further_than_the_tapes_did(
    side: int, sweep: float, left: int
) -> None:
    """Levels 0, 4 and 7 ticks off; an order for everything leaves one lot on the last that it may reach."""
    everything = {"take_equal": np.zeros(q.QUEUES), "take_less": np.zeros(q.QUEUES)}
    preset = market(None, {"sweep": sweep}, more=np.full(LAYOUT["more"].length, 1e6), **everything)
    b, k, flow = first_world(preset, 1)
    words = b[lay.HEADER :][: preset.orders * lay.ORDER].reshape(-1, lay.ORDER)
    best = int(k[sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID])
    for away in (0, 4, 7):
        public_add(b, k, allocate(b), -side, best + side * away, 5)
    for slot in np.flatnonzero((words[:, lay.QTY] > 0) & (words[:, lay.SIDE] == -side)):
        if abs(int(words[slot, lay.PRICE]) - best) not in (0, 4, 7):
            withdraw(b, k, int(slot))
    assert scan(b, k, flow, -side) == 3
    at = q.SCAN + (q.SCAN_SIDE if side > 0 else 0)
    there = k[at + q.LEVELS : at + q.LEVELS + left].sum()
    assert send_market_order(b, k, flow, side) == there - 1


# -- behind the best --------------------------------------------------------------------------------------------------


@kernel
def many_deeper(k: Longs, flow: Floats, side: int, near: int, prices: Longs) -> None:
    for i in range(prices.shape[0]):
        prices[i] = deeper_price(k, flow, side, near)


def deeper(preset: QueueReactivePreset, side: int, behind: tuple[int, ...]) -> np.ndarray:
    """Ticks behind the best at which orders come to rest, levels lying `behind` it."""
    k, flow = np.zeros(sim.GRID, np.int64), preset.pack_parameters()
    seed_stream(k, sim.FLOW_RNG, 1, 0, 0)
    at = 0 if side > 0 else 1
    scanned = q.SCAN + at * q.SCAN_SIDE
    k[scanned : scanned + len(behind)] = 1_000 - side * np.array(behind)
    k[scanned + 2 * q.LEVELS] = len(behind)
    k[q.BEHIND + at] = behind[1]
    prices = np.zeros(DRAWS, np.int64)
    many_deeper(k, flow, side, 1_000, prices)
    return (1_000 - prices) * side


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("gap", "law"), [(1, 0), (2, 1), (5, 4), (13, 7), (19, 8), (40, 9)])
def test_the_gap_behind_the_best_has_its_own_law(side: int, gap: int, law: int) -> None:
    ticks = np.arange(1.0, 1.0 + q.SPREADS)
    preset = market(PilotFactors(lone=-1.0), deep=np.repeat(ticks, q.DEEP_POINTS))
    assert set(deeper(preset, side, (0, gap, gap + 5)).tolist()) == {int(ticks[law])}


@pytest.mark.parametrize("lone", [-1.0, -0.7, -0.25, 0.0, 1.0])
def test_orders_behind_the_second_level_go_by_level_or_by_distance_as_lone_says(
    lone: float,
) -> None:
    """By distance they lie 15 ticks behind, by level on the third level, 10 behind."""
    third = np.arange(2 * (q.LEVELS - 1)) >= 1
    preset = market(PilotFactors(lone=lone), deep=np.full(LAYOUT["deep"].length, 15), slot=third)
    found = deeper(preset, 1, (0, 2, 10, 20, 30))
    by_level = 1.0 + min(lone, 0.0)
    assert set(found.tolist()) <= {10, 15}
    assert (found == 10).mean() == pytest.approx(
        by_level, abs=4.5 * np.sqrt(by_level * (1 - by_level) / DRAWS)
    )


@pytest.mark.parametrize("behind", [1, 2])
def test_up_to_the_second_level_no_level_is_asked(behind: int) -> None:
    preset = market(deep=np.full(LAYOUT["deep"].length, behind))
    assert set(deeper(preset, -1, (0, 2, 10, 20, 30)).tolist()) == {behind}


@pytest.mark.parametrize("limited", [0.0, 1.0])
def test_what_nobody_would_see_is_drawn_again_and_lies_on_the_last_level_at_most(
    limited: float,
) -> None:
    """Half of the law lies beyond the last of the levels: four draws, then the last level itself."""
    ticks = np.tile(np.repeat((1, 50), q.DEEP_POINTS // 2), q.SPREADS)
    found = deeper(
        market(PilotFactors(lone=-1.0), {"limited": limited}, deep=ticks), 1, (0, 2, 10, 20, 30)
    )
    far = 0.5**4 if limited else 0.5
    assert set(found.tolist()) == {1, 30 if limited else 50}
    assert (found > 1).mean() == pytest.approx(far, abs=4.5 * np.sqrt(far * (1 - far) / DRAWS))


# -- which order behind the best goes ---------------------------------------------------------------------------------


@kernel
def many_cancels(b: Packed, k: Longs, flow: Floats, side: int, counts: Longs) -> None:
    for _ in range(DRAWS):
        counts[draw_order_to_cancel(b, k, flow, q.CANCEL_DEEPER, side)] += 1


def crowded(preset: QueueReactivePreset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A world with one bid on levels 2 and 4, some on level 3, more on 5; behind the best: [slot, level, alone]."""
    b, k, flow = first_world(preset, 1)
    assert scan(b, k, flow, 1) == q.LEVELS
    words = b[lay.HEADER :][: preset.orders * lay.ORDER].reshape(-1, lay.ORDER)
    rows = []
    for level, price in enumerate(k[q.SCAN + 1 : q.SCAN + q.LEVELS].tolist(), start=1):
        mine = np.flatnonzero(
            (words[:, lay.QTY] > 0) & (words[:, lay.SIDE] == 1) & (words[:, lay.PRICE] == price)
        )
        alone = level in (1, 3)
        for slot in mine[alone:] if alone else ():
            withdraw(b, k, int(slot))
        if level == 4:
            mine = np.append(mine, allocate(b))
            public_add(b, k, int(mine[-1]), 1, price, 2)
        rows += [(slot, level, alone) for slot in (mine[:1] if alone else mine)]
    return b, k, flow, np.array(rows, np.int64)


@pytest.mark.parametrize("lone", [-0.5, 0.0, 0.7, 2.0])
def test_orders_alone_at_their_price_go_more_readily_as_lone_says(lone: float) -> None:
    """A level, then an order of it, each alike; taken with its chance, eight times at most."""
    quiet = {
        "rank": np.zeros(q.RANKS),
        "leaves": np.ones(LAYOUT["leaves"].length),
        "hazard": np.ones(q.LEVELS - 1),
    }
    preset = market(PilotFactors(lone=lone), {"beyond": 0.0, "deep_power": 0.0}, **quiet)
    b, k, flow, orders = crowded(preset)
    slot, level, alone = orders.T
    assert 0 < alone.sum() < len(alone)
    picked = 1.0 / (4.0 * np.bincount(level)[level])
    assert picked.sum() == pytest.approx(1.0)
    goes = np.where(alone == 1, 1.0, np.exp(-max(lone, 0.0)))
    stays = 1.0 - picked @ goes
    shares = picked * goes * (stays ** np.arange(7)).sum() + picked * stays**7
    counts = np.zeros(preset.orders, np.int64)
    many_cancels(b, k, flow, 1, counts)
    assert counts[slot].sum() == DRAWS
    assert (
        np.abs(counts[slot] / DRAWS - shares) < 4.8 * np.sqrt(shares * (1 - shares) / DRAWS) + 1e-9
    ).all()


def test_of_the_newest_orders_too_those_alone_go_more_readily() -> None:
    """The newest stands with others and is passed over; the one before it is alone, and goes."""
    preset = market(PilotFactors(lone=1.0), rank=np.ones(q.RANKS), stays=np.ones(q.STAY_CLASSES))
    b, k, flow, orders = crowded(preset)
    old, new = orders[orders[:, 2] == 1][0, 0], orders[orders[:, 2] == 0][-1, 0]
    for n, slot in enumerate((old, new)):
        k[q.RING + n] = int(b[lay.HEADER + slot * lay.ORDER + lay.ARR]) << 24 | int(slot)
    k[q.RING_AT] = 2
    counts = np.zeros(preset.orders, np.int64)
    many_cancels(b, k, flow, 1, counts)
    goes = np.exp(-1.0)
    assert counts[old] + counts[new] == DRAWS
    assert counts[new] / DRAWS == pytest.approx(
        goes, abs=4.8 * np.sqrt(goes * (1.0 - goes) / DRAWS)
    )


# -- a tape read back -------------------------------------------------------------------------------------------------


AGAIN = ("again_price", "lost_price", "follow_price")


@pytest.fixture(scope="module")
def told() -> tuple[QueueReactivePreset, ExtractedDay]:
    """A market in which a cell says one place, no price is repeated, and spreads are wide; a day of it."""
    ticks = np.random.default_rng(1).choice([-1, 1], len(LAWS)).repeat(q.INSIDE_POINTS)
    again = {name: np.zeros(LAYOUT[name].length) for name in ("repeat_size", "repost_size", *AGAIN)}
    preset = market(PilotFactors(inside=0.5, market=3.0), inside=ticks, **again)
    instrument = Instrument("TEST", "MADE", "2003-01-13", tick=0.01, lot=1)
    return preset, day_of(
        observe(instrument, simulated_day(preset, 2, 200_000.0, 0.0), 0.0, q.LEVELS), 1.0
    )


def replayed(preset: QueueReactivePreset, day: ExtractedDay) -> dict[str, np.ndarray]:
    """What the flow's own memory says before each event, of bid and ask."""
    flow, o = preset.pack_parameters(), day.o
    k = np.zeros(sim.GRID, np.int64)
    start_memory(k, int(day.bid[0, 0] + day.ask[0, 0]), int(o.ns[0]))
    hidden = hidden_takers(day)
    found: dict[str, list[Any]] = {name: [] for name in ("place", "since_fell", "beyond")}
    for i in range(o.n):
        now, bid, ask = int(o.ns[i]), int(day.bid[i, 0]), int(day.ask[i, 0])
        kernels.update_classes(
            k, flow, now, bid, ask, int(day.bid_lots[i, 0]), int(day.ask_lots[i, 0]), 1, 1
        )
        found["place"].append([touch_history.last_place(k, side) for side in (1, -1)])
        found["since_fell"].append(
            [touch_history.fall_class(k, flow, now, side) for side in (1, -1)]
        )
        found["beyond"].append([touch_history.beyond_last(k, side) for side in (1, -1)])
        while len(hidden) and hidden[0, 0] <= now:
            kernels.record_taker(k, now, int(hidden[0, 1]), int(hidden[0, 2]))
            hidden = hidden[1:]
        after = min(i + 1, o.n - 1)
        kernels.record_event(
            k, now, int(o.kind[i]), int(o.side[i]), int(o.price[i]), int(day.lots[i]),
            int(day.bid[after, 0] + day.ask[after, 0]),
        )  # fmt: skip
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.long
def test_a_tape_is_read_as_the_flow_remembers_it_and_its_places_come_back(
    told: tuple[QueueReactivePreset, ExtractedDay],
) -> None:
    preset, day = told
    kernel_says = replayed(preset, day)
    seen = track_state(day, preset.pack_parameters(), np.zeros(day.o.n, np.int64))
    law = {name: np.asarray(values) for name, values in preset.law.items()}
    np.testing.assert_array_equal(seen.last_place, kernel_says["place"])
    np.testing.assert_array_equal(seen.beyond_last, kernel_says["beyond"])
    fell = np.searchsorted(law["fell_edges"], ns_since_fall(day), side="right")
    np.testing.assert_array_equal(fell, kernel_says["since_fell"])
    for name, many in (("place", q.LAST_PLACES), ("since_fell", q.FELL)):
        assert set(kernel_says[name].ravel().tolist()) == set(range(many)), name

    inside = (day.o.kind == q.LIMIT_IN_SPREAD) & ~AgainChances().count(day, seen)[0]
    wide = np.searchsorted(law["spread_edges"], day.spread, side="right")[inside]
    shift = np.searchsorted(law["shift_edges"], seen.shift, side="right")[inside]
    place = seen.before[inside, extract.LAST_TRADE_PLACE]
    count = np.bincount(np.ravel_multi_index((shift, place, wide), SHAPE), minlength=len(LAWS))
    found = empirical.sizes_and_places([day], [seen], law)["inside"].reshape(-1, q.INSIDE_POINTS)
    truth = law["inside"].reshape(-1, q.INSIDE_POINTS)
    clear = (count >= 60) & (
        np.arange(len(LAWS)) % q.SPREADS > 1
    )  # in the first classes both ends are one price
    assert clear.sum() > 10
    for axis in range(3):
        assert len({LAWS[n][axis] for n in np.flatnonzero(clear)}) > 1
    # a hidden execution within 10 ms before a market order is read as part of it: a few orders are of a neighbouring cell
    assert (found[clear] == truth[clear]).mean() > 0.99
