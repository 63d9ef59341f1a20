"""The public market apart from ours: held against a twin in which nobody of ours trades, order by order."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.market.flow.queue_reactive.made import made
from tests.market.simulator.audit import audit

from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.execution.intent import REST0, TAKE, Intents
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy, finish_intents, ladder
from tercel.execution.task import Latency, Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.lab.evaluation.runs import without_orders
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw, law_on_card
from tercel.market.simulator import background, engine, layout as sim
from tercel.market.simulator.entry import process_new_order
from tercel.market.simulator.source import NO_TAPE, Source, reactive, with_impact
from tercel.market.tape.schema import ADD, TRADE_HIDDEN

Book = NDArray[np.int32]
State = NDArray[np.int64]
MODELS = ("ibm", "goog", "csco-hawkes")
TASK = Task(
    share=1.0,
    horizon_s=300.0,
    decisions=30,
    warmup_s=60.0,
    latency=Latency("uniform", 0, 2_000_000_000),
)


class Anything(Strategy):
    """Takes and rests at random, far more than the market trades."""

    name = "anything"

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def decide(self, view: View) -> Intents:
        intents = ladder(view)
        n = len(view.left)
        intents[:, TAKE] = np.where(
            self.rng.random(n) < 0.3, view.left * self.rng.random(n) * 0.3, 0
        )
        for rung in range(5):
            shown = self.rng.random(n) < 0.5
            intents[:, REST0 + rung] = np.where(shown, view.left * self.rng.random(n) * 0.3, 0)
        return finish_intents(intents, view)


def behind(b: Book) -> Book:
    """The background book of a world that has parted."""
    return b[b[lay.BACKGROUND] :]


def orders(b: Book) -> NDArray[np.int32]:
    """Public order records, (slots, words)."""
    return b[lay.HEADER : lay.HEADER + int(b[lay.ORDERS]) * lay.ORDER].reshape(-1, lay.ORDER)


def public(b: Book) -> list[tuple[int, ...]]:
    """What a public book is: slot, side, price, lots and arrival of every order."""
    found = orders(b)
    return [
        (slot, *found[slot, [lay.SIDE, lay.PRICE, lay.QTY, lay.ARR]].tolist())
        for slot in np.flatnonzero(found[:, lay.QTY])
    ]


def shown_lots(b: Book) -> dict[int, int]:
    """Lots of the orders that stand, by slot."""
    return {slot: lots for slot, _, _, lots, _ in public(b)}


def recorded(k: State) -> NDArray[np.int64]:
    """Rows of a market's record."""
    return k[k[sim.RECORD_AT] :][: k[sim.RECORD] * sim.RECORD_WORDS].reshape(-1, sim.RECORD_WORDS)


def source_of(name: str) -> Source:
    return reactive(load(name), worlds=2, seed=3, settle_s=900.0)


def kept_slots(b: Book, k: State) -> list[int]:
    """Slots of the kept orders that stand."""
    listed = k[sim.RESIDUAL_AT : sim.RESIDUAL_AT + k[sim.RESIDUAL]].tolist()
    return [slot for slot in listed if orders(b)[slot, lay.QTY] > 0]


def check(b: Book, k: State) -> None:
    """Public orders on show are the background's, at their price moved by the law, or kept; what they have more than
    those is no more than own orders traded in their place.
    """
    shown, real, kept = orders(b), orders(behind(b)), kept_slots(b, k)
    more, seen = int(shown[kept, lay.QTY].sum()), set(kept)
    assert len(seen) == len(kept)
    for slot in np.flatnonzero(real[:, lay.QTY]).tolist():
        spare = np.flatnonzero(k[sim.SPARE_AT : sim.SPARE_AT + k[sim.SPARES]] == slot + 1)
        at = len(shown) - sim.RESIDUAL_SLOTS + int(spare[0]) if len(spare) else slot
        assert len(spare) < 2
        if shown[at, lay.QTY] > 0:
            assert shown[at, lay.SIDE] == real[slot, lay.SIDE]
            assert shown[at, lay.PRICE] == real[slot, lay.PRICE] + k[sim.SHIFT]
            more += max(int(shown[at, lay.QTY] - real[slot, lay.QTY]), 0)
            assert at not in seen
            seen.add(at)
    assert seen == set(np.flatnonzero(shown[:, lay.QTY]).tolist())
    assert more <= k[sim.PASSIVE_LOTS]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_we_do_the_background_is_the_twin(name: str, seed: int) -> None:
    """At every decision: the same public orders, touches and tallies as in the world without us."""
    source, preset = source_of(name), load(name)
    plan = seeded_plan(TASK, TASK.lots(preset.volume_per_s), seed, 0, 8, 2)
    ours, twins = Episodes(source, TASK, 8), Episodes(source, TASK, 8)
    ours.start(plan)
    twins.start(without_orders(plan))
    strategy = Anything(seed)
    while ours.working.any():
        for b, k, tb, tk in zip(ours.books, ours.states, twins.books, twins.states, strict=True):
            audit(b, k)
            check(b, k)
            assert public(behind(b)) == public(behind(tb)) == public(tb)
            theirs = tk[sim.EVENTS : sim.EVENTS + sim.TALLIES]
            assert k[sim.BACKGROUND : sim.BACKGROUND + sim.TALLIES].tolist() == theirs.tolist()
            assert (
                k[[sim.FLOW_NS, sim.FLOW_RNG, sim.FLOW_RNG + 1]].tolist()
                == tk[[1, 14, 15]].tolist()
            )
        ours.step(strategy.decide(ours.view))
        twins.step(np.zeros((8, len(build("twap_take").decide(twins.view)[0])), np.int32))
    assert ours.states[:, sim.PASSIVE_LOTS].sum() > 0
    assert np.abs(ours.states[:, sim.SHIFT]).max() > 0


def _enter(
    b: Book, k: State, source: Source, side: int, price: int, lots: int, place: int, now: bool
) -> None:
    k[sim.SIDE], k[sim.LEFT], k[sim.QUANTITY] = side, 10**9, 10**9
    at = engine.single_market(b, k, source.flow)
    engine.enter_new(b, k, source.flow, at, 0, place, side, price, lots, now)


def _until(b: Book, k: State, source: Source, ns: int) -> None:
    engine.run_until_full(b, k, source.flow, NO_TAPE, ns, -(10**9))


def _taken(delays: tuple[float, ...]) -> tuple[Book, State, Source, int, int]:
    """A market in which we have just taken the best ask whole: what it is, its price, its lots."""
    source = source_of("ibm")
    quiet = ImpactLaw(**{**_law_of("ibm").card(), "y": 0.0, "replenishment_s": delays})
    source = with_impact(source, quiet)
    b, k = source.worlds_b[0].copy(), sim.extend(source.worlds_k[0], 0)
    ask = int(k[sim.PUBLIC_ASK])
    real = orders(b)
    there = (real[:, lay.SIDE] == -1) & (real[:, lay.PRICE] == ask)
    lots = int(real[there, lay.QTY].sum())
    _enter(b, k, source, 1, ask, lots, 0, True)
    assert k[sim.PUBLIC_ASK] > ask == k[sim.BACKGROUND + sim.PUBLIC_ASK - sim.EVENTS]
    return b, k, source, ask, lots


def _law_of(name: str) -> ImpactLaw:
    law = law_on_card(load(name).card)
    assert law is not None
    return law


def _missing(b: Book) -> int:
    return int((orders(behind(b))[:, lay.QTY] - orders(b)[:, lay.QTY]).sum())


def test_lots_that_we_took_come_back_after_their_delay() -> None:
    b, k, source, ask, lots = _taken((0.05,))
    assert _missing(b) == lots
    start = int(k[sim.NOW])
    _until(b, k, source, start + 40_000_000)
    assert _missing(b) > 0
    _until(b, k, source, start + 60_000_000)
    assert _missing(b) == 0
    assert k[sim.PUBLIC_ASK] == k[sim.BACKGROUND + sim.PUBLIC_ASK - sim.EVENTS] <= ask
    assert k[sim.RESTORE_NS] == FOREVER_NS


def test_they_do_not_come_back_through_a_resting_own_order() -> None:
    b, k, source, ask, lots = _taken((0.05,))
    _enter(b, k, source, 1, ask, 7, 1, False)
    assert b[lay.BEST_BID] == ask
    for _ in range(20):
        _until(b, k, source, int(k[sim.NOW]) + 100_000_000)
        if k[sim.PASSIVE_LOTS] > 0:
            break
        real = orders(behind(b))
        gone = int(real[(real[:, lay.SIDE] == -1) & (real[:, lay.PRICE] <= ask), lay.QTY].sum())
        assert _missing(b) >= min(gone, lots)
        assert b[lay.BEST_BID] < b[lay.BEST_ASK]
        audit(b, k)


def test_an_event_of_more_rows_than_there_is_room_for_lays_the_book_anew() -> None:
    b, k, source, _, _ = _taken((600.0,))
    _enter(b, k, source, 1, int(k[sim.PUBLIC_BID]) - 1, 900, 1, False)
    before = public(behind(b))
    background.rebuild_shown(b, k)
    assert public(behind(b)) == before
    assert _missing(b) == 0
    check(b, k)
    audit(b, k)


def test_rows_of_the_record_are_those_of_the_book_on_show() -> None:
    source = source_of("ibm")
    b, k = source.worlds_b[0].copy(), sim.extend(source.worlds_k[0], 0, 20_000)
    _enter(b, k, source, 1, int(k[sim.PUBLIC_ASK]) + 3, 4_000, 0, True)
    _until(b, k, source, int(k[sim.NOW]) + 300 * NS_PER_SECOND)
    shift, lots = 0, shown_lots(source.worlds_b[0])
    for row in recorded(k):
        kind, slot = int(row[sim.R_KIND]), int(row[sim.R_WHO])
        if kind == sim.SHIFTED:
            shift += int(row[sim.R_PRICE])
        elif kind == ADD:
            assert lots.get(slot, 0) == 0
            lots[slot] = int(row[sim.R_LOTS])
        elif kind < sim.OWN_REST and kind != TRADE_HIDDEN:
            assert 0 < row[sim.R_LOTS] <= lots[slot]
            lots[slot] -= int(row[sim.R_LOTS])
    assert shift == k[sim.SHIFT] > 0
    assert {slot: n for slot, n in lots.items() if n} == shown_lots(b)


@pytest.mark.parametrize("seed", [1, 2])
def test_hidden_executions_are_the_twins_told_and_counted_once(seed: int) -> None:
    """Own orders and the law leave them as they are, but for the ticks that the law has moved the visible book by."""
    law = ImpactLaw("translation", mean_trade_lots=20.0, trades=100.0, sigma_ticks=40.0)
    source = with_impact(reactive(made(seed), seed=3, settle_s=300.0), law)
    rows, lots = [], []
    for trades in (False, True):
        b, k = source.worlds_b[0].copy(), sim.extend(source.worlds_k[0], 0, 40_000)
        start = int(k[sim.NOW])
        for n in range(30):
            if trades:
                _enter(b, k, source, 1, int(k[sim.PUBLIC_ASK]) + 50, 15, n, True)
                _enter(b, k, source, 1, int(k[sim.PUBLIC_BID]), 15, 30 + n, False)
            _until(b, k, source, start + (n + 1) * 20 * NS_PER_SECOND)
        found, shift = [], 0
        for row in recorded(k):
            shift += int(row[sim.R_PRICE]) if row[sim.R_KIND] == sim.SHIFTED else 0
            if row[sim.R_KIND] == TRADE_HIDDEN:
                found.append(
                    [
                        *row[[sim.R_NS, sim.R_SIDE, sim.R_LOTS]].tolist(),
                        int(row[sim.R_PRICE]) - shift,
                    ]
                )
        assert (shift != 0) == trades
        rows.append(found)
        lots.append(int(k[sim.HIDDEN_LOTS] - source.worlds_k[0][sim.HIDDEN_LOTS]))
    assert rows[0] == rows[1]
    assert lots[0] == lots[1] == sum(row[2] for row in rows[0]) > 0


def test_what_nobody_sold_moves_nothing() -> None:
    """Lots that the book could not fill are priced by a rule and move no price: the law counts the others alone."""
    source = source_of("goog")
    b, k = source.worlds_b[0].copy(), sim.extend(source.worlds_k[0], 0)
    ask, mid2 = int(k[sim.PUBLIC_ASK]), int(k[sim.MID2])
    k[sim.SIDE], k[sim.LEFT], k[sim.QUANTITY], k[sim.UNFILLED_TICKS] = 1, 10**7, 10**7, 40
    led = int(b[lay.AT_LEDGER])
    b[[led + lay.STATE, led + lay.OPEN, led + lay.OWN_SIDE]] = lay.IN_FLIGHT, 10**7, 1
    process_new_order(b, k, source.flow, 0, sim.LAST_ASK + 10**8, 10**7, sim.FORCED | sim.IMMEDIATE)
    assert 0 < k[sim.UNFILLED_LOTS] < 10**7
    law = _law_of("goog")
    own = (
        float(law.kernel()[1] @ k[sim.KERNEL : sim.KERNEL + 14].view(np.float64))
        * law.mean_trade_lots
    )
    assert own + k[sim.PENDING] == pytest.approx(10**7 - k[sim.UNFILLED_LOTS])
    assert k[sim.LEFT] == 0
    shown = orders(b)
    beyond = (shown[:, lay.QTY] > 0) & (shown[:, lay.SIDE] == -1)
    assert (shown[beyond, lay.PRICE] * 2 > 1.05 * mid2).all()
    assert ask * 2 < 1.05 * mid2


def test_one_order_costs_what_its_lots_sent_one_by_one_do() -> None:
    """The law moves the book while an order matches: slicing it at one moment neither saves nor costs a tick."""
    source = source_of("ibm")
    paid = []
    for slices in (1, 200):
        b, k = source.worlds_b[0].copy(), sim.extend(source.worlds_k[0], 0)
        for n in range(slices):
            _enter(b, k, source, 1, int(k[sim.PUBLIC_ASK]) + 300, 1_000 // slices, n % 60, True)
            _until(b, k, source, int(k[sim.NOW]) + 1)
        spent = k[sim.SPREAD : sim.SPREAD + 3].sum() + 1_000 * k[sim.ARRIVAL_MID2]
        paid.append((int(spent), int(k[sim.SHIFT])))
    assert paid[0][1] == paid[1][1] > 5
    assert paid[0][0] == pytest.approx(paid[1][0], rel=2e-5)


def test_a_single_order_is_not_given_its_own_impact() -> None:
    """Buying at one moment and selling at the next pays the spread at least, however deep the book stands."""
    source = source_of("ibm")
    for world in range(2):
        for lots in (50, 500, 3_000):
            b, k = source.worlds_b[world].copy(), sim.extend(source.worlds_k[world], 0)
            cash = 0
            for side in (1, -1):
                k[[sim.STEP_CASH, sim.DECISION_MID2]] = 0
                _enter(b, k, source, side, side * 10**8, lots, 0, True)
                cash -= int(k[sim.STEP_CASH])
                _until(b, k, source, int(k[sim.NOW]) + 1)
            assert cash < 0
