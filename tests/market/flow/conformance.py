"""Conformance kit of order-flow models, and the oracle of the zero-intelligence law.

:class:`SantaFe` is the law of `tercel.market.flow.registry` written as plainly as it can be: event by event,
no kernels, nothing shared with the simulator. :func:`simulate` runs any
:class:`~tests.market.flow.port.Flow` on a plain book and gives the day as tape; the same census then
reads real, kernel-made and oracle-made days. :class:`FlowConformance` and :class:`PresetConformance` are
the classes that a new flow model's tests inherit, of its oracle and of its kernel.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.market.flow.port import CANCEL, LIMIT, MARKET, Flow, FlowBook, FlowEvent

from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.market.flow.census import Census, census
from tercel.market.flow.fit_table import quantities
from tercel.market.flow.port import Preset
from tercel.market.flow.santa_fe import SIZE_ENTRIES, SantaFePreset
from tercel.market.regimes.named import Factors, impose
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import run_recorded, simulated_day
from tercel.market.simulator.records import put_real
from tercel.market.simulator.source import first_world
from tercel.market.tape import Events
from tercel.market.tape.schema import ADD, COLUMNS, DELETE, EXECUTE, MESSAGE_END


class SantaFe:
    """The zero-intelligence flow, Gillespie's direct method: total rate, exponential wait, then which
    event.

    While a side is empty its last best price is the reference for distances on the other side.
    """

    name = "santa-fe"

    def __init__(self, preset: SantaFePreset) -> None:
        self.preset = preset
        self._limit_cumulative = list(accumulate(preset.limit_rate))

    def next(self, book: FlowBook, rng: np.random.Generator) -> FlowEvent:
        """The next event: 2 sides x (limits, market orders, cancels of what rests)."""
        preset, reach = self.preset, len(self.preset.cancel_rate)
        limit, market = self._limit_cumulative[-1], preset.market_rate
        resting: list[tuple[int, int, Sequence[int], float]] = []
        withdrawals = 0.0
        for side in (BUY, SELL):
            opposite = book.reference(-side)
            for price, orders in book.levels(side):
                distance = min(max(side * (opposite - price), 1), reach)
                rate = preset.cancel_rate[distance - 1] * len(orders)
                withdrawals += rate
                resting.append((side, price, orders, rate))
        everything = 2.0 * (limit + market) + withdrawals
        wait = float(rng.exponential(1.0 / everything))
        mark = rng.random() * everything
        for side in (BUY, SELL):
            if mark < limit:
                distance = min(bisect_right(self._limit_cumulative, mark) + 1, reach)
                price = book.reference(-side) - side * distance
                return FlowEvent(
                    wait, LIMIT, side, price, preset.limit_sizes[int(rng.integers(SIZE_ENTRIES))]
                )
            mark -= limit
            if mark < market:
                return FlowEvent(
                    wait, MARKET, side, 0, preset.market_sizes[int(rng.integers(SIZE_ENTRIES))]
                )
            mark -= market
        for side, price, orders, rate in resting:
            if mark < rate:
                return FlowEvent(
                    wait,
                    CANCEL,
                    side,
                    price,
                    0,
                    orders[min(int(mark / rate * len(orders)), len(orders) - 1)],
                )
            mark -= rate
        return FlowEvent(
            wait, CANCEL, resting[-1][0], resting[-1][1], 0, resting[-1][2][-1]
        )  # rounding of the last sum


class PlainBook:
    """A book of dictionaries for flows to act on: price -> ids in time priority, id -> lots."""

    def __init__(self, mid_ticks: int) -> None:
        self.queues: dict[int, dict[int, list[int]]] = {BUY: {}, SELL: {}}
        self.lots: dict[int, int] = {}
        self.last = {BUY: mid_ticks, SELL: mid_ticks + 1}
        self.rows: list[tuple[int, int, int, int, int, int]] = []
        self._next_id = 1

    def reference(self, side: int) -> int:
        """Best price of a side, the last one it had when it is empty."""
        return self.last[side]

    def levels(self, side: int) -> Iterable[tuple[int, Sequence[int]]]:
        """Occupied levels of a side, in no order."""
        return self.queues[side].items()

    def best(self, side: int) -> int | None:
        """Best price of a side, None when it is empty."""
        return side * max(side * p for p in self.queues[side]) if self.queues[side] else None

    def add(self, ns: int, side: int, price: int, qty: int) -> None:
        """A limit order comes to rest."""
        self.queues[side].setdefault(price, []).append(self._next_id)
        self.lots[self._next_id] = qty
        self._row(ns, ADD, self._next_id, side, price, qty)
        self._next_id += 1

    def cancel(self, ns: int, side: int, price: int, order: int) -> None:
        """An order is withdrawn whole."""
        self._drop(side, price, order)
        self._row(ns, DELETE, order, side, price, self.lots.pop(order))

    def market(self, ns: int, side: int, qty: int) -> int:
        """A market order walks the other side at price-time priority; returns the lots that found nobody."""
        while qty and (price := self.best(-side)) is not None:
            order = self.queues[-side][price][0]
            fill = min(qty, self.lots[order])
            qty -= fill
            self.lots[order] -= fill
            self._row(ns, EXECUTE, order, -side, price, fill)
            if self.lots[order] == 0:
                del self.lots[order]
                self._drop(-side, price, order)
        return qty

    def _drop(self, side: int, price: int, order: int) -> None:
        queue = self.queues[side][price]
        queue.remove(order)
        if not queue:
            del self.queues[side][price]

    def _row(self, ns: int, kind: int, order: int, side: int, price: int, qty: int) -> None:
        self.rows.append((ns, kind, order, side, price, qty))
        for s in (BUY, SELL):
            if (best := self.best(s)) is not None:
                self.last[s] = best


def simulate(flow: Flow, seed: int, seconds: float, warmup_s: float = 600.0) -> Events:
    """A day of a flow on a plain book as tape, `warmup_s` first; times in ns from 0.

    Parameters
    ----------
    flow : Flow
    seed : int
    seconds : float
        Length after the warm-up.
    warmup_s : float
        Starts from an order of one lot a side one tick apart; these seconds are in the tape too.
    """
    rng = np.random.default_rng(seed)
    book = PlainBook(flow.preset.start_mid_ticks)
    book.add(0, BUY, book.last[BUY], 1)
    book.add(0, SELL, book.last[SELL], 1)
    now, stop = 0.0, warmup_s + seconds
    while True:
        event = flow.next(book, rng)
        now += event.wait_s
        if now >= stop:
            return as_events(book.rows)
        ns = int(now * NS_PER_SECOND)
        apply(book, event, ns)


def apply(book: PlainBook, event: FlowEvent, ns: int) -> None:
    """Let an event happen to a plain book."""
    if event.kind == LIMIT:
        book.add(ns, event.side, event.price_ticks, event.qty_lots)
    elif event.kind == MARKET:
        book.market(ns, event.side, event.qty_lots)
    else:
        book.cancel(ns, event.side, event.price_ticks, event.order_id)


def as_events(rows: Sequence[tuple[int, int, int, int, int, int]]) -> Events:
    """Canonical columns of (ns, kind, id, side, price, lots) rows, one message each."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    n = len(table)
    columns: dict[str, NDArray[np.int64]] = {
        "exch_ns": table[:, 0],
        "recv_ns": table[:, 0],
        "seq": np.arange(1, n + 1),
        "kind": table[:, 1],
        "order_id": table[:, 2],
        "side": table[:, 3],
        "price_ticks": table[:, 4],
        "qty_lots": table[:, 5],
        "flags": np.full(n, MESSAGE_END),
    }
    return Events(**{name: columns[name].astype(dtype) for name, dtype in COLUMNS})


def simulated_census(flow: Flow, seed: int, seconds: float, warmup_s: float = 600.0) -> Census:
    """Census of a simulated day, the warm-up left out."""
    events = simulate(flow, seed, seconds, warmup_s)
    return census(
        events, 0, int((warmup_s + seconds) * NS_PER_SECOND), int(warmup_s * NS_PER_SECOND)
    )


def z_scores(first: Sequence[Census], second: Sequence[Census]) -> dict[str, float]:
    """How far two samples of simulated days are apart, quantity by quantity of `market.flow.calibrate.quantities`.

    Each day is one observation (days of different seeds are independent), so the score is Welch's: the difference
    of the means over its standard error. Give at least some eight days each. This is how a fast kernel is held
    against the oracle: ``max(map(abs, z_scores(kernel, oracle).values())) < 4.5``.
    """
    rows = [[quantities([day]) for day in days] for days in (first, second)]
    scores = {}
    for key in rows[0][0]:
        samples = [np.array([row[key] for row in side]) for side in rows]
        error = np.sqrt(sum(x.var(ddof=1) / len(x) for x in samples))
        difference = float(samples[0].mean() - samples[1].mean())
        scores[key] = (
            difference / float(error) if error > 0.0 else (0.0 if difference == 0.0 else np.inf)
        )
    return scores


class FlowConformance:
    """What every flow model must hold. Inherit, and give `flow` as a fixture.

    ``class TestMine(FlowConformance): flow = pytest.fixture(lambda self: MyFlow(load("csco-santa-fe")))``
    """

    EVENTS = 3000

    @pytest.fixture
    def flow(self) -> Flow:
        """The model under test."""
        raise NotImplementedError("give the flow model under test as the fixture `flow`")

    def test_speaks_the_port(self, flow: Flow) -> None:
        assert isinstance(flow, Flow)
        assert flow.name
        assert flow.preset.card["days"]

    def test_every_event_is_legal(self, flow: Flow) -> None:
        """Waits are positive, a limit never crosses, sizes are whole lots, a cancel names a resting public order."""
        rng, book = np.random.default_rng(1), PlainBook(flow.preset.start_mid_ticks)
        book.add(0, BUY, book.last[BUY], 1)
        book.add(0, SELL, book.last[SELL], 1)
        for k in range(self.EVENTS):
            event = flow.next(book, rng)
            assert event.wait_s > 0.0
            assert event.side in {BUY, SELL}
            if event.kind == LIMIT:
                opposite = book.best(-event.side)
                assert opposite is None or event.side * (opposite - event.price_ticks) >= 1
            if event.kind in {LIMIT, MARKET}:
                assert event.qty_lots >= 1
            else:
                assert event.kind == CANCEL
                assert event.order_id in book.queues[event.side][event.price_ticks]
            apply(book, event, k)

    def test_seed_determines_every_byte(self, flow: Flow) -> None:
        first, second, other = (simulate(flow, seed, 60.0, 0.0) for seed in (5, 5, 6))
        for name, _ in COLUMNS:
            assert np.array_equal(getattr(first, name), getattr(second, name))
        assert not np.array_equal(first.exch_ns, other.exch_ns)

    def test_book_stays_bounded(self, flow: Flow) -> None:
        """Resting orders stay well below the preset's capacity."""
        day = simulated_census(flow, 3, 1200.0)
        assert day.orders_live_time / day.seconds < 0.5 * flow.preset.orders


class PresetConformance:
    """What the preset and the kernel of every flow model must hold. Inherit, and give `preset` as a fixture."""

    SECONDS = 300

    @pytest.fixture
    def preset(self) -> Preset:
        """A market of the model under test."""
        raise NotImplementedError("give a preset of the model under test as the fixture `preset`")

    def rows(
        self, preset: Preset, factors: Factors, bias: float | None = None
    ) -> NDArray[np.int64]:
        """Public rows of `SECONDS` from the mean book, under factors of a regime and the bias of own trades."""
        b, k, flow = first_world(preset, 1)
        impose(k, factors)
        if bias is not None:
            k[sim.IMPACT] = sim.WEIGHTS
            put_real(k, sim.BIAS, bias)
        return run_recorded(b, k, flow, self.SECONDS * NS_PER_SECOND)

    def test_seed_determines_the_day(self, preset: Preset) -> None:
        first, second, other = (
            simulated_day(preset, seed, self.SECONDS, 0.0) for seed in (1, 1, 2)
        )
        assert first == second
        assert first != other

    @pytest.mark.parametrize("name", ["limit", "market", "cancel", "pace", "lean"])
    def test_regimes_reach_the_flow(self, preset: Preset, name: str) -> None:
        """A kernel that leaves a factor out would ignore `--regimes` in silence."""
        assert not np.array_equal(
            self.rows(preset, Factors(**{name: 0.5})), self.rows(preset, Factors())
        )

    def test_a_faster_pace_brings_more_events(self, preset: Preset) -> None:
        assert len(self.rows(preset, Factors(pace=4.0))) > 2 * len(self.rows(preset, Factors()))

    def test_own_trades_lean_on_the_flow_under_weights(self, preset: Preset) -> None:
        """A kernel that leaves `bias` out would ignore `--impact weights` in silence."""
        assert not np.array_equal(
            self.rows(preset, Factors(), 2.0), self.rows(preset, Factors(), 0.0)
        )
