"""Episodes: N markets at once through one task, decision by decision.

episodes = Episodes(source, task, n=64)
episodes.start(plan)
while episodes.working.any():
    episodes.work(strategy)
costs = episodes.costs()
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Ints
from tercel.core.errors import CapacityError, ConfigError, refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import columns as c, step as kernels
from tercel.execution.costs import Costs, costs_of, fills_of
from tercel.execution.foresight.forecaster import Forecaster, ForecastWriter, spread_only_forecaster
from tercel.execution.guidance import WORDS, Guidance
from tercel.execution.intent import WIDTH, Intents
from tercel.execution.outside import OffBookOrders, OffBookTrading
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import LATENCIES, Task
from tercel.execution.view import View
from tercel.lab.evaluation.backgrounds import Backgrounds
from tercel.lab.evaluation.plans import Plan
from tercel.market.regimes.named import Factors, impose
from tercel.market.regimes.occupancy import RegimeOccupancy, regime_occupancy
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

STORE_WORDS = [
    sim.GRID_POINTS,
    sim.RECORD_AT,
    sim.RECORD_ROWS,
    sim.LOG_AT,
    sim.LOG_ROWS,
    sim.SECONDS_AT,
    sim.SECONDS_ROOM,
]
"""Words of a market that say where its grid, its record, its log and its seconds lie behind the world it began as."""


class Episodes:
    """A batch of n markets that run episodes of one task side by side.

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
        Whether markets store their last seconds, for strategies that read forecasts (set_forecaster).
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
        """Allocate `n` markets of a source for a task; :meth:`start` begins episodes in them."""
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
        worlds[:, STORE_WORDS] = room[0, STORE_WORDS]
        worlds[:, sim.HORIZON_NS] = task.horizon_ns
        worlds[:, sim.DECISIONS] = task.decisions
        worlds[:, sim.CLOCK_EVENTS] = task.clock_step if task.clock == "events" else 0
        worlds[:, sim.CLOCK_VOLUME] = task.clock_step if task.clock == "volume" else 0
        worlds[:, sim.RUN_OUT] = int(run_out)
        worlds[:, sim.LATENCY_KIND] = LATENCIES[task.latency.kind]
        worlds[:, sim.LATENCY_A] = task.latency.a_ns
        worlds[:, sim.LATENCY_B] = task.latency.b_ns
        feed = task.feed_latency
        worlds[:, sim.FEED_KIND] = LATENCIES[feed.kind]
        worlds[:, sim.FEED_A], worlds[:, sim.FEED_B] = feed.a_ns, feed.b_ns
        for latency, table in ((task.latency, sim.ENTRY_TABLE), (feed, sim.FEED_TABLE)):
            worlds[:, table : table + len(latency.values_ns)] = latency.values_ns
        worlds[:, sim.DELAY_NS] = task.delay_ns
        worlds[:, sim.MAKER_FEE : sim.TAKER_RATE + 1] = source.fees.kernel_values(source.tick)
        self._worlds = worlds
        self.books = np.zeros((n, source.worlds_b.shape[1]), np.int32)
        self.states = np.zeros((n, room.shape[1]), np.int64)
        self.states[:, sim.PHASE] = sim.DONE
        self.reward_terms = np.zeros((n, kernels.REWARD_TERMS), np.int64)
        self._x = np.zeros((n, c.PX), np.int64)
        self._m = np.zeros((n, c.MX), np.int64)
        self._draw = np.zeros(n)
        self._cluster = np.zeros(n, np.int64)
        self._guidance: Guidance | None = None
        self.outside: OffBookTrading | None = None
        self._teller: ForecastWriter | None = None
        self._outlook: Ints | None = None
        self._placebo_outlooks: Ints | None = None
        edges = np.linspace(0, n, max(min(threads, n), 1) + 1).astype(int)
        self._parts = [slice(*pair) for pair in pairwise(edges.tolist())]
        self._threads = ThreadPoolExecutor(len(self._parts)) if len(self._parts) > 1 else None

    def vary_worlds(self, horizon_ns: Ints, decisions: Ints, latency_ns: Ints) -> None:
        """Give each prepared world a horizon, a number of decisions and a constant order latency, int64 (worlds,) each.

        Episodes that start in a world from now on use its values instead of the task's.
        """
        self._worlds[:, sim.HORIZON_NS] = horizon_ns
        self._worlds[:, sim.DECISIONS] = decisions
        self._worlds[:, sim.LATENCY_KIND] = LATENCIES["constant"]
        self._worlds[:, sim.LATENCY_A] = latency_ns
        self._worlds[:, sim.DELAY_NS] = latency_ns + round(self.task.feed_latency.mean_ns)

    def share_backgrounds(self, backgrounds: Backgrounds | None) -> None:
        """Simulate the public events of each market once and reuse them in all its episodes; None: simulate in each.

        It is stored in `backgrounds`, which batches of one source may share. The results are the same bytes; on tape
        nothing changes.
        """
        if self.source.model != sim.REPLAY:
            self._backgrounds = backgrounds
            self._tape = self.source.tape if backgrounds is None else backgrounds.rows

    def follow(self, strategy: Strategy, placebo_outlooks: Ints | None = None) -> None:
        """Set clock and forecaster to those of a strategy (:meth:`set_gap`, :meth:`set_forecaster`)."""
        self.set_gap(gap_of(strategy))
        self.set_forecaster(forecaster_of(strategy), placebo_outlooks)

    def set_gap(self, gap_ns: int) -> None:
        """Set the shortest time between decisions, ns, on the clock of events (`Strategy.gap_ns`); 0: none."""
        self._worlds[:, sim.GAP_NS] = self.states[:, sim.GAP_NS] = gap_ns

    def set_forecaster(
        self, forecaster: Forecaster | None, placebo_outlooks: Ints | None = None
    ) -> None:
        """Set the forecaster whose forecasts strategies see from this decision on; None: no forecasts. ConfigError
        unless the markets were made with `looks_back`.

        Recalibrated forecasts are those of the symbol that the source is called by.

        Parameters
        ----------
        forecaster : Forecaster, optional
        placebo_outlooks : int64 (looks, n, OUTLOOK), optional
            Outlooks instead of its forecasts, at looks evenly over each horizon (`windows.forecast_outlooks`).

        Raises
        ------
        ConfigError
            Markets that keep no seconds.
        """
        refuse_if(
            forecaster is not None
            and not self.states[0, sim.SECONDS_ROOM]
            and not self._worlds[0, sim.SECONDS_ROOM],
            "markets that look back",
            self.source.name,
            "make Episodes(..., looks_back=True)",
        )
        self._teller = None
        if forecaster is not None:
            measured = self.source.waiting
            waiting = (
                0.0
                if measured is None or forecaster is spread_only_forecaster()
                else measured.value
            )
            self._teller = forecaster.forecast_writer(self.source.name, waiting)
        self._outlook = None if forecaster is None else np.zeros((self.n, c.OUTLOOK), np.int64)
        self._placebo_outlooks = placebo_outlooks
        self._write_outlook()

    def _write_outlook(self) -> None:
        """Write the forecasts for the current decision (or the placebo's) into the view."""
        if self._teller is not None and self._outlook is not None:
            self._teller.write_forecasts(self.books, self.states, self._outlook)
            if self._placebo_outlooks is not None:
                looks = len(self._placebo_outlooks)
                elapsed_ns = self.states[:, sim.NOW] - self.states[:, sim.START_NS]
                look = np.clip(elapsed_ns * looks // self.states[:, sim.HORIZON_NS], 0, looks - 1)
                outlook = self._placebo_outlooks[look, np.arange(self.n)]
                self._outlook[:, c.FORECAST_10 : c.FEES] = outlook[:, c.FORECAST_10 : c.FEES]

    @property
    def view(self) -> View:
        """View of the current decision; its arrays are overwritten by the next step."""
        return View(self._x, self._m, self._draw, self._outlook)

    @property
    def working(self) -> Bools:
        """Mask of the markets whose episode is running, bool (n,)."""
        return np.asarray(self.states[:, sim.PHASE] == sim.WORKING)

    def start(self, plan: Plan, markets: Ints | None = None) -> None:
        """Start the plan's episodes in the markets `markets` (all by default); ConfigError unless there is one for
        each.
        """
        markets = np.arange(self.n) if markets is None else markets
        refuse_if(
            len(plan) != len(markets),
            f"{len(markets)} episodes",
            f"a plan of {len(plan)}",
            "take as many as there are markets",
        )
        if self._backgrounds is not None:
            self._backgrounds.leave(self.states, markets)
        kernels.begin_batch(
            self.books,
            self.states,
            self.source.flow,
            self.source.tape,
            self.source.worlds_b,
            self._worlds,
            plan.rows,
            markets,
            self._x,
            self._m,
            self._draw,
        )
        self._cluster[markets] = plan.cluster
        if self.source.outside is not None:
            self._outside_streams = plan.rows[:, [kernels.E_SEED, kernels.E_INDEX, kernels.E_SIDE]]
            self.reset_outside()
        if self._backgrounds is not None:
            self._backgrounds.share(self.books, self.states, plan.rows, markets, self.source.flow)
        self._write_guidance()
        self._write_outlook()

    def reset_outside(self) -> None:
        """Reset dealers and session to their state at the arrival of the orders, in a market that has them."""
        if self.source.outside is not None:
            seconds = float(self.states[:, sim.HORIZON_NS].max()) / NS_PER_SECOND
            seeds, streams, sides = self._outside_streams.T
            self.outside = OffBookTrading.begin(
                self.source.outside, int(seeds[0]), streams, sides, seconds
            )

    def snapshot(self) -> tuple[AnyArray, ...]:
        """Copy of the whole state of the markets for :meth:`restore`, so that one warm-up serves many strategies."""
        return tuple(array.copy() for array in self._arrays)

    def restore(self, snapshot: tuple[AnyArray, ...]) -> None:
        """Restore the markets to the state copied by :meth:`snapshot`; dealers and session to their state at arrival."""
        for array, copy in zip(self._arrays, snapshot, strict=True):
            array[...] = copy
        self.reset_outside()

    @property
    def _arrays(self) -> tuple[AnyArray, ...]:
        """Arrays that hold the whole state of the markets."""
        return (
            self.books,
            self.states,
            self.reward_terms,
            self._x,
            self._m,
            self._draw,
            self._cluster,
        )

    def set_guidance(self, guidance: Guidance | None, markets: Ints | None = None) -> None:
        """Set guidance (signals and risk limits) for the markets `markets` from now on; None: no guidance.

        The current view shows it at once, every later one the remaining part of the forecast; a forecast is not shown
        before it was known. Set before :meth:`start`, it is shown from the first decision on; later episodes have it
        too.

        Parameters
        ----------
        guidance : Guidance, optional
            One row per market of `markets` (all of them by default), times as the market counts them; None: no forecast,
            no constraint.

        Raises
        ------
        ConfigError
            Another number of rows.
        """
        rows = np.arange(self.n) if markets is None else markets
        new_rows = Guidance.none(len(rows)) if guidance is None else guidance
        if len(new_rows) != len(rows):
            raise ConfigError(
                f"guidance of {len(rows)} markets",
                f"{len(new_rows)}",
                "give one row per market",
            )
        self._guidance = (self._guidance or Guidance.none(self.n)).put(rows, new_rows)
        self._write_guidance()

    def _write_guidance(self) -> None:
        """Write the guidance for each market's current time into its state and the current view."""
        if self._guidance is None:
            return
        now = self.states[:, sim.NOW]
        columns = self._guidance.known_by(now).words(now)
        self.states[:, sim.ALPHA : sim.ALPHA + WORDS] = columns
        self._x[:, c.ALPHA : c.ALPHA + WORDS] = columns
        self._x[:, c.ALPHA] *= self.states[:, sim.SIDE]

    def impose(self, factors: Factors) -> None:
        """Replace any regime law in all markets by fixed regime factors, from their next event on; ConfigError for a
        replayed or martingale market, or a shared background.

        Raises
        ------
        ConfigError
            Markets without a flow of their own, or that share it (:meth:`share`).
        """
        refuse_if(
            self.source.model in (sim.REPLAY, sim.MARTINGALE) or self._backgrounds is not None,
            "a reactive market",
            self.source.name,
            "plant stress in a preset's market that no episodes share",
        )
        impose(self.states, factors)

    def run(self, strategy: Strategy) -> None:
        """Take the decisions of a strategy until all episodes have ended."""
        while self.working.any():
            self.work(strategy)

    def work(self, strategy: Strategy) -> None:
        """Take one decision of a strategy in all working markets and advance them to the next decision."""
        self.advance_outside(getattr(strategy, "ask", None))
        intents = strategy.decide(self.view)
        self.step(intents if self.outside is None else self.outside.reserve(intents, self.view))

    def advance_outside(self, ask: Callable[[View], OffBookOrders] | None = None) -> None:
        """Advance dealers and sessions, if any, to the present, then send the requests that `ask` returns (None: no requests)."""
        if self.outside is not None:
            self.outside.turn(self.states, self.view, ask)

    def step(self, intents: Intents) -> None:
        """Apply intents to own orders, advance every working market to its next decision, and observe.

        Raises
        ------
        ConfigError
            When `intents` is no int32[n, WIDTH]: kernels would read beyond it.
        """
        received = getattr(intents, "dtype", type(intents).__name__), np.shape(intents)
        if received != (np.int32, (self.n, WIDTH)):
            raise ConfigError(
                f"intents int32 of shape ({self.n}, {WIDTH})",
                f"{received[0]} of shape {received[1]}",
                "make them with execution.intent.empty(n)",
            )
        intents = np.ascontiguousarray(intents)
        if self._threads is None:
            self._act(intents, self._parts[0])
        else:
            list(self._threads.map(partial(self._act, intents), self._parts))
        self._write_guidance()
        self._write_outlook()

    def _act(self, intents: Intents, part: slice) -> None:
        """Apply the intents of some of the markets, and advance them; without the interpreter's lock."""
        kernels.act_batch(
            self.books[part],
            self.states[part],
            self.source.flow,
            self._tape,
            intents[part],
            self.reward_terms[part],
            self._x[part],
            self._m[part],
            self._draw[part],
        )

    def fills(self, market: int) -> Ints:
        """Own fills logged in a market: int64 (f, 7) of ns, price, lots, mid2, touch2, passive, forced; at most
        `log_rows`, more are dropped silently.
        """
        return fills_of(self.states[market])

    def record(self, market: int) -> Ints:
        """Event rows recorded in a market: int64 (r, 8), columns as in `market.simulator.layout`; CapacityError if
        there were more than fit.

        Raises
        ------
        CapacityError
            When more rows were written than fit.
        """
        k = self.states[market]
        rows = int(k[sim.RECORD])
        offset = int(k[sim.RECORD_AT])
        if rows > k[sim.RECORD_ROWS]:
            raise CapacityError(
                f"at most {k[sim.RECORD_ROWS]} recorded rows", f"{rows}", "raise record_rows"
            )
        return np.asarray(
            k[offset : offset + rows * sim.RECORD_WORDS].reshape(rows, sim.RECORD_WORDS)
        )

    def costs(self) -> Costs:
        """Costs of each market's episode so far, summed over its fills, one row per market; running episodes are included."""
        return costs_of(self.books, self.states, self.task.grid_points, self._cluster)


def regimes_of(source: Source, task: Task, plan: Plan) -> RegimeOccupancy:
    """Time spent in each regime in the episodes of a plan, which own orders do not change."""
    rows = plan.rows
    now = source.worlds_k[rows[:, kernels.E_WORLD], sim.NOW]
    return regime_occupancy(
        source,
        rows[:, kernels.E_SEED],
        rows[:, kernels.E_INDEX],
        now,
        rows[:, kernels.E_WARMUP_NS],
        task.horizon_ns,
    )
