"""``benchmarks env``: decisions per second of the batched environment at a fixed load.

64 markets of one zero-intelligence flow, some 300 live orders in each, a ladder of five rungs of own orders that stays
in the queue while the touch moves under it, full observation, decoding and reconcile at every decision, after 1 or 100
public messages. The load is checked: a bench of an idle market would say nothing. The reference is the same flow on
the plain Python book, without an agent.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured
from benchmarks.book import ORDERS, WIDTH, apply, make_stream
from benchmarks.reference_book import MARKET, ReferenceBook
from tercel import Task, TercelError
from tercel.core import NS_PER_SECOND, Longs, Packed, kernel, seed_stream
from tercel.execution import columns as c, intent as it
from tercel.lab.evaluation import Episodes, seeded_plan
from tercel.market.book import Book, allocate, layout as lay
from tercel.market.flow import santa_fe
from tercel.market.simulator import (
    NO_TAPE,
    OWN_ORDERS,
    Source,
    blank_state,
    layout as sim,
    public_add,
    run_free,
)

MARKETS = 64
LIVE, OWN = 250, 4  # what every market must hold at least, whenever it is looked at
REACH, LIMITS, TAKERS, CANCELS = (
    30,
    10.0,
    1.2,
    0.045,
)  # ticks; per second and side; per second and side; per order
LOTS, TAKEN = 2, 3  # lots of a limit and of a market order
MID = 10_000
SETTLE_S = 1_000.0
BLOCKS = 5
BOOK_MESSAGES = 200_000


@dataclass(frozen=True)
class Load:
    """A batch at the fixed load, and how to make decisions in it."""

    episodes: Episodes
    intents: NDArray[np.int32]

    def decide(self, decisions: int) -> None:
        """So many decisions in every market."""
        view = self.episodes.view
        for _ in range(decisions):
            ladders(view.x, view.m, self.intents)
            self.episodes.step(self.intents)

    def events(self) -> int:
        """Public messages of all markets so far."""
        return int(self.episodes.states[:, sim.EVENTS].sum())


@kernel
def ladders(x: Longs, m: Longs, out: Packed) -> None:
    """Intents of all markets: 3 lots on each of five rungs from the touch on, one more on two that take turns."""
    for n in range(x.shape[0]):
        out[n, it.TAKE] = 0
        out[n, it.ANCHOR] = m[n, c.TOUCH] - x[n, c.SIDE]
        out[n, it.OUTSIDE] = it.KEEP if x[n, c.OUTSIDE_LOTS] < 12 else it.CANCEL
        out[n, it.STEP] = 1
        for j in range(it.K):
            out[n, it.REST0 + j] = 3
        out[n, it.REST0 + x[n, c.DECISION] % it.K] = 4
        out[n, it.REST0 + (x[n, c.DECISION] + 2) % it.K] = 4


def market() -> Source:
    """The flow of the bench and one settled book of it."""
    limit = np.exp(-np.arange(REACH) / 8.0)
    sizes = np.full(64, LOTS), np.full(64, TAKEN)
    flow = santa_fe.pack(limit * (LIMITS / limit.sum()), TAKERS, np.full(REACH, CANCELS), *sizes)
    b, k = lay.new_book(512, 256, OWN_ORDERS), blank_state(sim.SANTA_FE)
    seed_stream(k, sim.FLOW_RNG, 1, 0, 0)
    for distance in range(1, REACH):
        for side in (1, -1):
            public_add(b, k, allocate(b), side, MID - side * distance, LOTS)
    k[sim.FLOW_NS] = 1
    run_free(b, k, flow, NO_TAPE, int(SETTLE_S * NS_PER_SECOND))
    return Source("bench", sim.SANTA_FE, flow, NO_TAPE, b[None], k[None], 0.01, 1)


def load(source: Source, messages: int, threads: int = 1) -> Load:
    """The batch with a decision every so many public messages; its episodes never end."""
    task = Task(
        side=0,
        horizon_s=1e7,
        decisions=10**7,
        clock="events",
        clock_step=messages,
        warmup_s=SETTLE_S / 4,
        grid_points=2,
    )
    episodes = Episodes(source, task, MARKETS, threads=threads)
    episodes.start(seeded_plan(task, 10**7, seed=1, first=0, n=MARKETS))
    made = Load(episodes, it.empty(MARKETS))
    made.decide(50)
    return made


def check(made: Load) -> None:
    """Refuse to time a load that is none.

    Raises
    ------
    TercelError
        When a market is too empty, has ended, or found no room.
    """
    books, states = made.episodes.books, made.episodes.states
    live, own = int(books[:, lay.LIVE].min()), int(books[:, lay.OWN_RESTING].min())
    lost = int(
        books[:, lay.OVERFLOW].sum() + states[:, [sim.OWN_OVERFLOW, sim.COMMAND_OVERFLOW]].sum()
    )
    if live < LIVE or own < OWN or lost or not made.episodes.working.all():
        raise TercelError(
            f"markets at work with {LIVE} live orders each and {OWN} own ones in the queue",
            f"{live} live, {own} own, {lost} without room, {int(made.episodes.working.sum())} at work",
            "report this as a bug of `python -m benchmarks env`",
        )


def timed(work: Callable[[], object], clock: Callable[[], float] = process_time) -> float:
    """Seconds that it takes."""
    start = clock()
    work()
    return clock() - start


def bench(decisions: int = 400, blocks: int = BLOCKS, threads: int = 2) -> list[dict[str, Any]]:
    """Measure the environment: medians of `blocks` blocks, the things compared taking turns.

    Threads are measured in wall time and best against best: on cores that are busy otherwise they gain nothing.

    Parameters
    ----------
    decisions : int
        Per market and block at 100 messages each; ten times as many at one message each.
    blocks, threads : int
        Repeats, and threads of the threaded batch.

    Raises
    ------
    TercelError
        When the load is not what it should be, or the threaded batch ends in other bytes than the single one.
    """
    source = market()
    one, hundred, threaded = load(source, 1), load(source, 100), load(source, 100, threads)
    stream = make_stream(BOOK_MESSAGES, seed=1)
    apply(Book(ORDERS, WIDTH, own_orders=0), stream, 1_000)  # compiles
    at_one, at_hundred, at_threads, book, plain, wall = [], [], [], [], [], []
    for block in range(blocks):
        at_one.append(10 * decisions * MARKETS / timed(lambda: one.decide(10 * decisions)))
        before = hundred.events()
        seconds = timed(lambda: hundred.decide(decisions))
        at_hundred.append((decisions * MARKETS / seconds, (hundred.events() - before) / seconds))
        book.append(
            BOOK_MESSAGES
            / timed(lambda: apply(Book(ORDERS, WIDTH, own_orders=0), stream, BOOK_MESSAGES))
        )
        at_threads.append(timed(lambda: threaded.decide(decisions), perf_counter))
        wall.append(timed(lambda: hundred.decide(decisions), perf_counter))
        threaded.decide(decisions)
        plain.append(plain_rate(seed=block))
        for made in (one, hundred, threaded):
            check(made)
    if any(
        (getattr(hundred.episodes, a) != getattr(threaded.episodes, a)).any()
        for a in ("books", "states")
    ):
        raise TercelError(
            "the same bytes from one thread and from several",
            "others",
            "report this as a bug of the simulator",
        )
    rate, messages, reference = (
        median(x for x, _ in at_hundred),
        median(x for _, x in at_hundred),
        median(plain),
    )
    share, faster = (
        messages / median(book),
        min(wall) / min(at_threads),
    )  # best of each: threads need idle cores
    on_python = "the same flow on ReferenceBook in plain Python, no agent"
    return [
        measured("env.decisions_per_s.k1", median(at_one), "decisions/s", on_python, reference),
        measured("env.decisions_per_s.k100", rate, "decisions/s", on_python, reference / 100),
        measured("env.share_of_book", share, "of book.events_per_s, at k100", "target", 0.25),
        measured("env.two_threads", faster, "x one thread, at k100", "one thread", 1.0),
    ]


def plain_rate(seed: int, messages: int = 8_000, settle: int = 4_000) -> float:
    """Public messages per second of :class:`PlainFlow` once its book has filled."""
    flow = PlainFlow(seed)
    flow.run(settle)
    return messages / timed(lambda: flow.run(messages))


class PlainFlow:
    """The bench's flow in plain Python, as short as it can be: a book of dictionaries, cancels drawn by place."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.book = ReferenceBook(own=0)
        self.ids: list[int] = []
        self.place: dict[int, int] = {}
        self.left: dict[int, int] = {}
        self.seconds, self.made = 0.0, 0
        limit = [math.exp(-i / 8.0) for i in range(REACH)]
        self.distances = [sum(limit[: i + 1]) for i in range(REACH)]
        for distance in range(1, REACH):
            for side in (1, -1):
                self._add(side, MID - side * distance)

    def run(self, messages: int) -> None:
        """So many events."""
        draw, arrivals = self.random.random, 2 * (LIMITS + TAKERS)
        for _ in range(messages):
            rate = arrivals + CANCELS * len(self.ids)
            self.seconds -= math.log(1.0 - draw()) / rate
            u, side = draw() * rate, 1 if draw() < 0.5 else -1
            if u < 2 * LIMITS:
                far = self.book.best_ask if side > 0 else self.book.best_bid
                self._add(
                    side,
                    far - side * (1 + bisect_right(self.distances, draw() * self.distances[-1])),
                )
            elif u < arrivals:
                fills = self.book.submit(0, side, 0, TAKEN, MARKET)
                for order_id, _, lots in fills:
                    self.left[order_id] -= lots
                    if self.left[order_id] == 0:
                        self._forget(order_id)
            else:
                order_id = self.ids[int(draw() * len(self.ids))]
                self.book.delete(order_id)
                self._forget(order_id)

    def _add(self, side: int, price: int) -> None:
        self.made += 1
        self.book.add(self.made, side, price, LOTS)
        self.place[self.made], self.left[self.made] = len(self.ids), LOTS
        self.ids.append(self.made)

    def _forget(self, order_id: int) -> None:
        place, last = self.place.pop(order_id), self.ids.pop()
        del self.left[order_id]
        if last != order_id:
            self.ids[place], self.place[last] = last, place
