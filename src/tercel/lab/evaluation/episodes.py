"""Episodes: N markets at once through one task, step by step.

episodes = Episodes(source, task, n=64, seed=1)
episodes.reset(plan_of(...))
while episodes.working.any():
    episodes.work(strategy)
costs = episodes.costs()
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Floats, Int32, Ints
from tercel.core.errors import CapacityError, ConfigError
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.execution import columns as c, step as kernels
from tercel.execution.costs import Costs, costs_of, fills_of
from tercel.execution.foresight.forecaster import Forecaster, Teller, spread_alone
from tercel.execution.guidance import WORDS, Guidance
from tercel.execution.intent import WIDTH, Intents, View
from tercel.execution.outside import Asks, Outside
from tercel.execution.strategy import Strategy
from tercel.execution.task import LATENCIES, Task
from tercel.market.regimes.choice import RegimeOccupancy, in_force
from tercel.market.regimes.law import Factors, impose
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.background import PACKED_WORDS
from tercel.market.simulator.source import Source

MOST_MB: Final = 256
"""Memory that the packed events of one batch take at most, MB. A half hour of csco takes .13."""
_LATE: Final = 4
"""Latencies one after another that an order at the horizon waits for at most; a second is added."""
_LONGEST: Final = 37
"""Means of an exponential latency that none is longer than: a uniform number of 53 bits is drawn for it."""
_OF_THE_ORDER: Final = [kernels.E_SIDE, kernels.E_QUANTITY, kernels.E_LIMIT, kernels.E_LIMIT_OF_MID]
_CURSORS: Final = [sim.CURSOR, sim.CURSOR_END]


def needed_until(k: Ints) -> int:
    """Time beyond which an episode at its arrival needs no market, ns."""
    late = 0
    for a, b, table in (
        (sim.LATENCY_A, sim.LATENCY_B, sim.ENTRY_TABLE),
        (sim.FEED_A, sim.FEED_B, sim.FEED_TABLE),
    ):
        late += int(k[a] + _LONGEST * k[b] + k[table : table + sim.LATENCY_VALUES].max())
    return int(k[sim.START_NS] + k[sim.HORIZON_NS]) + _LATE * late + NS_PER_SECOND


class Backgrounds:
    """Packed events of the markets that batches of one source meet, in one array that their kernels read.

    Markets are stored in the order in which they come, as many as fit. The others simulate their public events
    themselves, with the same results. After one did not fit, the next batch that starts as a whole empties the store:
    no other batch may be running then.

    Parameters
    ----------
    most_mb : float
        Memory that they take at most; it is taken as they come.
    """

    def __init__(self, most_mb: float = MOST_MB) -> None:
        self.rows = np.zeros(
            (int(most_mb * 1_000_000) // (8 * PACKED_WORDS), PACKED_WORDS), np.int64
        )
        self._forget()

    def _forget(self) -> None:
        self._spans: dict[tuple[bytes, int], tuple[int, int]] = {}
        self._used = 0

    def share(self, books: Int32, states: Ints, rows: Ints, which: Ints, flow: Floats) -> None:
        """Let the markets `which`, at the arrival of the orders `rows`, follow what their seeds' public does."""
        if len(which) == len(states) and (0, 0) in self._spans.values():
            self._forget()
        for i, market in zip(which.tolist(), np.delete(rows, _OF_THE_ORDER, axis=1), strict=True):
            key = market.tobytes(), needed_until(states[i])
            alike = states[i, sim.APART] == sim.PARTED and states[i, sim.IMPACT] != sim.WEIGHTS
            if alike and key not in self._spans:
                self._spans[key] = self._simulated(books[i], states[i], flow, key[1])
            states[i, _CURSORS] = self._spans.get(key, (0, 0))

    def _simulated(self, b: Int32, k: Ints, flow: Floats, until: int) -> tuple[int, int]:
        """Simulate a market's background: the rows where it is stored, (0, 0) where it does not fit."""
        first = self._used
        self._used += max(
            engine.pack_background(b.copy(), k.copy(), flow, self.rows[first:], until), 0
        )
        return (first, self._used) if self._used > first else (0, 0)

    def ahead(self, states: Ints) -> Ints:
        """The rows that markets have before them: int64 (n, 2)."""
        return np.concatenate(
            [self.rows[:0], *(self.rows[first:end] for _, first, end in _spans(states))]
        )

    def go_on(self, states: Ints, ahead: Ints) -> None:
        """Let markets follow what :meth:`ahead` said of their states, here or elsewhere."""
        if self._used + len(ahead) > len(self.rows):
            self._forget()
        self.rows[self._used : self._used + len(ahead)] = ahead
        for which, first, end in _spans(states):
            states[which[:, None], _CURSORS] += self._used - first
            self._used += end - first


def _spans(states: Ints) -> Iterator[tuple[Ints, int, int]]:
    """Which markets follow each background, from its first row that one of them still needs to its end."""
    ends = np.where(states[:, sim.APART] == sim.PARTED, states[:, sim.CURSOR_END], 0)
    for end in np.unique(ends).tolist():
        which = np.flatnonzero(ends == end)
        if end > 0:
            yield which, int(states[which, sim.CURSOR].min()), end


# -- episodes -------------------------------------------------------------------------------------

ROOM = [
    sim.GRID_POINTS,
    sim.RECORD_AT,
    sim.RECORD_ROWS,
    sim.LOG_AT,
    sim.LOG_ROWS,
    sim.SECONDS_AT,
    sim.SECONDS_ROOM,
]
"""Words of a market that say where its grid, its record, its log and its seconds lie behind the world it began as."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Episodes to run: one row each, and labels of independent clusters.

    Parameters
    ----------
    rows : int64 (n, EPISODE_WORDS)
        See `execution.step`: seed, index, side, quantity, arrival, warm-up, tape rows, world.
    cluster : int64 (n,)
        Market seed, bank entry, day, or block of a day.
    """

    rows: Ints
    cluster: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: slice | Ints) -> "Plan":
        """Plan of some of the episodes."""
        return Plan(self.rows[which], self.cluster[which])


class Episodes:
    """A batch of markets that run episodes of one task.

    Parameters
    ----------
    source : Source
        Source of the markets' events.
    task : Task
        The execution task in each episode.
    n : int
        Markets at once; 64 to 256 stay inside the cache.
    run_out : bool
        Orders filled early still run to the horizon, so that the grid of mids is complete (judging); training stops
        there.
    threads : int
        1, or more to spread the markets over threads: the results are the same bytes.
    log_rows, record_rows : int
        Own fills and event rows stored per market: the memory grows with `n` and not with the worlds of the source.
    looks_back : bool
        Whether markets store their last seconds, for strategies that read forecasts (:meth:`foresee`).
    """

    def __init__(
        self,
        source: Source,
        task: Task,
        n: int,
        *,
        run_out: bool = True,
        threads: int = 1,
        log_rows: int = 0,
        record_rows: int = 0,
        looks_back: bool = False,
    ) -> None:
        self.source = source
        self.task = task
        self.n = n
        self._backgrounds: Backgrounds | None = None
        self._tape = source.tape
        room = sim.extend(
            source.worlds_k[:1],
            task.grid_points,
            record_rows,
            log_rows,
            sim.PAST_SECONDS if looks_back or source.outside is not None else 0,
        )
        worlds = source.worlds_k[:, : sim.GRID].copy()
        worlds[:, ROOM] = room[0, ROOM]
        worlds[:, sim.HORIZON_NS] = task.horizon_ns
        worlds[:, sim.DECISIONS] = task.decisions
        worlds[:, sim.CLOCK_EVENTS] = task.clock_step if task.clock == "events" else 0
        worlds[:, sim.CLOCK_VOLUME] = task.clock_step if task.clock == "volume" else 0
        worlds[:, sim.RUN_OUT] = int(run_out)
        worlds[:, sim.LATENCY_KIND] = LATENCIES[task.latency.kind]
        worlds[:, sim.LATENCY_A], worlds[:, sim.LATENCY_B] = task.latency.a_ns, task.latency.b_ns
        feed = task.feed_latency
        worlds[:, sim.FEED_KIND] = LATENCIES[feed.kind]
        worlds[:, sim.FEED_A], worlds[:, sim.FEED_B] = feed.a_ns, feed.b_ns
        for latency, table in ((task.latency, sim.ENTRY_TABLE), (feed, sim.FEED_TABLE)):
            worlds[:, table : table + len(latency.values_ns)] = latency.values_ns
        worlds[:, sim.MAKER_FEE : sim.TAKER_RATE + 1] = source.fees.words(source.tick)
        self._worlds = worlds
        self.books = np.zeros((n, source.worlds_b.shape[1]), np.int32)
        self.states = np.zeros((n, room.shape[1]), np.int64)
        self.states[:, sim.PHASE] = sim.DONE
        self.terms = np.zeros((n, kernels.TERMS), np.int64)
        self._x = np.zeros((n, c.PX), np.int64)
        self._m = np.zeros((n, c.MX), np.int64)
        self._draw = np.zeros(n)
        self._cluster = np.zeros(n, np.int64)
        self._guidance: Guidance | None = None
        self._outside: Outside | None = None
        self._teller: Teller | None = None
        self._outlook: Ints | None = None
        self._elsewhere: Ints | None = None
        self._act: Callable[..., None] = kernels.act_batch
        if threads > 1:
            from numba import set_num_threads

            set_num_threads(threads)
            self._act = kernels.act_batch_threads

    def vary(self, horizon_ns: Ints, decisions: Ints, latency_ns: Ints) -> None:
        """Give each prepared world a horizon, a number of decisions and a constant latency of its own, instead of
        the task's; episodes that start in it from now on have them. int64 (worlds,) each.
        """
        self._worlds[:, sim.HORIZON_NS], self._worlds[:, sim.DECISIONS] = horizon_ns, decisions
        self._worlds[:, sim.LATENCY_KIND] = LATENCIES["constant"]
        self._worlds[:, sim.LATENCY_A] = latency_ns

    def share(self, backgrounds: Backgrounds | None) -> None:
        """Simulate what the public does once for all episodes that meet it, whatever is done in them (None: in each).

        It is stored in `backgrounds`, which batches of one source may share. The results are the same bytes; on tape
        nothing changes.
        """
        if self.source.model != sim.REPLAY:
            self._backgrounds = backgrounds
            self._tape = self.source.tape if backgrounds is None else backgrounds.rows

    def pace(self, gap_ns: int) -> None:
        """Set the clock of events of the strategy that decides from now on (`Strategy.gap_ns`), 0: none."""
        self._worlds[:, sim.GAP_NS] = self.states[:, sim.GAP_NS] = gap_ns

    def foresee(self, forecaster: Forecaster | None, elsewhere: Ints | None = None) -> None:
        """Tell the strategy that decides from now on, this decision on, what a forecaster says; None: nothing.

        Recalibrated forecasts are those of the symbol that the source is called by.

        Parameters
        ----------
        forecaster : Forecaster, optional
        elsewhere : int64 (looks, n, OUTLOOK), optional
            Outlooks instead of its forecasts, at looks evenly over each horizon (`placebo.outlooks`).

        Raises
        ------
        ConfigError
            Markets that keep no seconds.
        """
        if (
            forecaster is not None
            and not self.states[0, sim.SECONDS_ROOM]
            and not self._worlds[0, sim.SECONDS_ROOM]
        ):
            raise ConfigError(
                "markets that look back", self.source.name, "make Episodes(..., looks_back=True)"
            )
        self._teller = None
        if forecaster is not None:
            measured = self.source.waiting
            waiting = 0.0 if measured is None or forecaster is spread_alone() else measured.value
            self._teller = forecaster.teller(self.source.name, waiting)
        self._outlook = None if forecaster is None else np.zeros((self.n, c.OUTLOOK), np.int64)
        self._elsewhere = elsewhere
        self._tell()

    def _tell(self) -> None:
        if self._teller is not None and self._outlook is not None:
            self._teller.tell(self.books, self.states, self._outlook)
            if self._elsewhere is not None:
                looks = len(self._elsewhere)
                passed = self.states[:, sim.NOW] - self.states[:, sim.START_NS]
                at = np.clip(passed * looks // self.states[:, sim.HORIZON_NS], 0, looks - 1)
                other = self._elsewhere[at, np.arange(self.n)]
                self._outlook[:, c.FORECAST_10 : c.FEES] = other[:, c.FORECAST_10 : c.FEES]

    @property
    def view(self) -> View:
        """View of this decision; its arrays are overwritten by the next step."""
        return View(self._x, self._m, self._draw, self._outlook)

    @property
    def working(self) -> Bools:
        """Whether each market's episode is running, bool (n,)."""
        return np.asarray(self.states[:, sim.PHASE] == sim.WORKING)

    def start(self, plan: Plan, which: Ints | None = None) -> None:
        """Start the plan's episodes in the markets `which` (all of them by default)."""
        which = np.arange(self.n) if which is None else which
        if len(plan) != len(which):
            raise ConfigError(
                f"{len(which)} episodes",
                f"a plan of {len(plan)}",
                "take as many as there are markets",
            )
        kernels.begin_batch(
            self.books,
            self.states,
            self.source.flow,
            self.source.tape,
            self.source.worlds_b,
            self._worlds,
            plan.rows,
            which,
            self._x,
            self._m,
            self._draw,
        )
        self._cluster[which] = plan.cluster
        if self.source.outside is not None:
            self._beside = plan.rows[:, [kernels.E_SEED, kernels.E_INDEX, kernels.E_SIDE]]
            self.reopen()
        if self._backgrounds is not None:
            self._backgrounds.share(self.books, self.states, plan.rows, which, self.source.flow)
        self._write_guidance()
        self._tell()

    def reopen(self) -> None:
        """Dealers and session as they were at the arrival of the orders, where the market has them."""
        if self.source.outside is not None:
            seconds = float(self.states[:, sim.HORIZON_NS].max()) / NS_PER_SECOND
            seeds, streams, sides = self._beside.T
            self._outside = Outside.begin(
                self.source.outside, int(seeds[0]), streams, sides, seconds
            )

    @property
    def outside(self) -> Outside | None:
        """Dealers and session beside the books; None in a market without them."""
        return self._outside

    def snapshot(self) -> tuple[AnyArray, ...]:
        """A copy of everything that the markets are, for :meth:`restore`: one warm-up serves many strategies."""
        return tuple(array.copy() for array in self._everything)

    def restore(self, snapshot: tuple[AnyArray, ...]) -> None:
        """Put the markets back to what :meth:`snapshot` copied."""
        for array, copy in zip(self._everything, snapshot, strict=True):
            array[...] = copy
        self.reopen()

    @property
    def _everything(self) -> tuple[AnyArray, ...]:
        return (
            self.books,
            self.states,
            self.terms,
            self._x,
            self._m,
            self._draw,
            self._cluster,
        )

    def guide(self, guidance: Guidance | None, which: Ints | None = None) -> None:
        """Set the guidance of signals and risk from now on.

        The current view shows it at once, every later one the remaining part of the forecast; a forecast is not shown
        before it was known. Set before :meth:`start`, it is shown from the first decision on; later episodes have it
        too.

        Parameters
        ----------
        guidance : Guidance, optional
            One row per market of `which` (all of them by default), times as the market counts them; None: no forecast,
            no constraint.

        Raises
        ------
        ConfigError
            Another number of rows.
        """
        which_markets = np.arange(self.n) if which is None else which
        given = Guidance.none(len(which_markets)) if guidance is None else guidance
        if len(given) != len(which_markets):
            raise ConfigError(
                f"guidance of {len(which_markets)} markets",
                f"{len(given)}",
                "give one row per market",
            )
        self._guidance = (self._guidance or Guidance.none(self.n)).put(which_markets, given)
        self._write_guidance()

    def _write_guidance(self) -> None:
        """Write the guidance of each market's time into its state and into the current view."""
        if self._guidance is None:
            return
        now = self.states[:, sim.NOW]
        words = self._guidance.known_by(now).words(now)
        self.states[:, sim.ALPHA : sim.ALPHA + WORDS] = words
        self._x[:, c.ALPHA : c.ALPHA + WORDS] = words
        self._x[:, c.ALPHA] *= self.states[:, sim.SIDE]

    def impose(self, factors: Factors) -> None:
        """Set the factors of a regime in all markets from their next event on, instead of any law.

        Raises
        ------
        ConfigError
            Markets without a flow of their own, or that share it (:meth:`share`).
        """
        if self.source.model in (sim.REPLAY, sim.MARTINGALE) or self._backgrounds is not None:
            raise ConfigError(
                "a reactive market",
                self.source.name,
                "plant stress in a preset's market that no episodes share",
            )
        impose(self.states, factors)

    def work(self, strategy: Strategy) -> None:
        """One decision of a strategy: what it sends beside the book, where the market has dealers, then its intents."""
        self.meet(getattr(strategy, "ask", None))
        intents = strategy.decide(self.view)
        beside = self._outside
        self.step(intents if beside is None else beside.reserve(intents, self.view))

    def meet(self, ask: Callable[[View], Asks] | None = None) -> None:
        """Process requests and sessions up to now in a market with dealers, then send the next requests by `ask`."""
        if self._outside is not None:
            self._outside.turn(self.states, self.view, ask)

    def step(self, intents: Intents) -> None:
        """Reconcile, advance every working market to its next decision or through its horizon, observe.

        Raises
        ------
        ConfigError
            When `intents` is no int32[n, WIDTH]: kernels would read beyond it.
        """
        got = getattr(intents, "dtype", type(intents).__name__), np.shape(intents)
        if got != (np.int32, (self.n, WIDTH)):
            raise ConfigError(
                f"intents int32 of shape ({self.n}, {WIDTH})",
                f"{got[0]} of shape {got[1]}",
                "make them with execution.intent.empty(n)",
            )
        self._act(
            self.books,
            self.states,
            self.source.flow,
            self._tape,
            np.ascontiguousarray(intents),
            self.terms,
            self._x,
            self._m,
            self._draw,
        )
        self._write_guidance()
        self._tell()

    def fills(self, market: int) -> Ints:
        """Logged own fills of a market: int64 (f, 7) of ns, price, lots, mid2, touch2, passive, forced."""
        return fills_of(self.states[market])

    def record(self, market: int) -> Ints:
        """Recorded rows of a market: int64 (r, 8), see `market.simulator.layout`.

        Raises
        ------
        CapacityError
            When more rows were written than fit.
        """
        k = self.states[market]
        rows, at = int(k[sim.RECORD]), int(k[sim.RECORD_AT])
        if rows > k[sim.RECORD_ROWS]:
            raise CapacityError(
                f"at most {k[sim.RECORD_ROWS]} recorded rows", f"{rows}", "raise record_rows"
            )
        return np.asarray(k[at : at + rows * sim.RECORD_WORDS].reshape(rows, sim.RECORD_WORDS))

    def costs(self) -> Costs:
        """Cost sums of the episodes that have ended."""
        return costs_of(self.books, self.states, self.task.grid_points, self._cluster)


def regimes_of(source: Source, task: Task, plan: Plan) -> RegimeOccupancy:
    """Time in each regime in the episodes of a plan; own orders change nothing of it."""
    rows = plan.rows
    now = source.worlds_k[rows[:, kernels.E_WORLD], sim.NOW]
    return in_force(
        source,
        rows[:, kernels.E_SEED],
        rows[:, kernels.E_INDEX],
        now,
        rows[:, kernels.E_WARMUP_NS],
        task.horizon_ns,
    )


def seeded_plan(
    task: Task,
    quantity: int,
    seed: int,
    first: int,
    n: int,
    worlds: int = 1,
    warmup_ns: int | None = None,
) -> Plan:
    """Episodes of a simulated market: `n` from number `first` on, each with its own stream of (seed, number).

    A task of both sides buys and sells in turn, two episodes on one stream: what the market does by itself costs the
    one what the other gains (antithetic variates), so that a mean is known from far fewer. With one world every market
    is warmed up on its own and is a cluster; with a bank of `worlds` the bank entry is the cluster.

    Raises
    ------
    ConfigError
        A price as limit.
    """
    index = np.arange(first, first + n, dtype=np.int64)
    rows = np.zeros((n, kernels.EPISODE_WORDS), np.int64)
    rows[:, kernels.E_SEED] = seed
    rows[:, kernels.E_INDEX] = market = index if task.side else index // 2
    rows[:, kernels.E_SIDE] = task.side if task.side else np.where(index % 2 == 0, 1, -1)
    rows[:, kernels.E_QUANTITY] = quantity
    limits = task.limit_of_mid(BUY), task.limit_of_mid(SELL)
    rows[:, kernels.E_LIMIT_OF_MID] = np.where(rows[:, kernels.E_SIDE] > 0, *limits)
    rows[:, kernels.E_WARMUP_NS] = task.warmup_ns if warmup_ns is None else warmup_ns
    rows[:, kernels.E_WORLD] = (index // 2) % worlds
    return Plan(rows, market if worlds == 1 else rows[:, kernels.E_WORLD])


def streams_plan(task: Task, quantity: int, seed: int, first: int, n: int) -> Plan:
    """`n` episodes of as many streams, from stream `first` on, buys and sells in turn: for what meets a market without
    an order, or takes its episodes to be independent.

    >>> streams_plan(Task(), 1, 7, 2, 3).rows[:, [kernels.E_INDEX, kernels.E_SIDE]].tolist()
    [[2, 1], [3, -1], [4, 1]]
    """
    index = np.arange(n)
    return seeded_plan(task, quantity, seed, 2 * first, 2 * n).take(2 * index + index % 2)


def sides_of(plan: Plan) -> int:
    """Number of sides of a plan: 2 where rows 2i and 2i + 1 buy and sell in one market, else 1.

    >>> sides_of(seeded_plan(Task(), 1, 7, 0, 4)), sides_of(seeded_plan(Task(side=1), 1, 7, 0, 4))
    (2, 1)
    """
    sides = plan.rows[:2, kernels.E_SIDE]
    return 2 if len(plan) > 1 and len(plan) % 2 == 0 and sides[0] == -sides[1] else 1


# -- sampling -------------------------------------------------------------------------------------
# Samplers of training episodes, none of which is ever judged.

Sampler = Callable[[int, int, int], Plan]
"""(seed, first, n) -> the `n` episodes from number `first` on of the run with that seed."""


def bank_sampler(task: Task, quantity: int, worlds: int, warmup_ns: int | None = None) -> Sampler:
    """Training episodes from a bank of warmed books, each with a stream of its own.

    They warm up for one decision interval (the first observation shows its flow), or for `warmup_ns`. Their seeds are
    negative: no judged episode, whatever its seed, is ever trained upon.
    """
    warmup_ns = task.horizon_ns // task.decisions if warmup_ns is None else warmup_ns
    return partial(
        _of_bank, task, quantity, worlds, warmup_ns
    )  # no closure: environments can be pickled


def _of_bank(
    task: Task, quantity: int, worlds: int, warmup_ns: int, seed: int, first: int, n: int
) -> Plan:
    return seeded_plan(task, quantity, -1 - seed, first, n, worlds, warmup_ns)
