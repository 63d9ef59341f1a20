"""``benchmarks decide``: from a market event to the commands, in process, at the median and the 99th percentile.

A recorded session of a preset is fed row by row to a driver with a decision at every public event, and a 2 x 64 tanh
network over the placement actions decides: book, observation, network, intent, reconcile, commands. The reference is
the same driver with the same weights in NumPy, the path of a policy without a compiled kernel. The session is recorded with
the network itself deciding, so that own orders come, queue and go. Events follow each other without a pause: caches are
warm, as they are in a burst and not after a quiet second.

The shipped policy uses a forecast. Its times a decision are listed separately, for one market (a desk) and for many at once
(an evaluation): ``forecast`` is the compiled forecaster, ``inference`` from the observation to the
scores, ``shipped`` all from the market's state to the intents, with the rule that they move, in NumPy.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured
from benchmarks.arrival import at_arrival
from benchmarks.policy import policy_bench
from tercel import Latency, Task, View
from tercel.execution import Driver, Intents, Strategy, observer
from tercel.execution.decoders import PLACEMENT_LABELS, decode_placement
from tercel.execution.policies import MlpPolicy, PolicyStrategy, policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.lab.evaluation import Episodes, seeded_plan
from tercel.market.flow import load
from tercel.market.simulator import layout as sim, reactive

PRESET = "csco-santa-fe"
SEEN = observer("v3")
SIZES = (SEEN.size, 64, 64, len(PLACEMENT_LABELS))
QUANTITY = 1_000_000
"""Lots: never done, so that every event has its decision."""
EVENTS_PER_S = 4.0
BLOCKS = 100
AT_ONCE = (1, 64, 1024)
"""Markets that decide together."""


@dataclass(frozen=True)
class NumpyStrategy(Strategy):
    """A policy's weights evaluated with NumPy, its actions decoded in Python."""

    policy: MlpPolicy
    name: str = "numpy"

    def decide(self, view: View) -> Intents:
        """Intents of the greedy actions."""
        policy = self.policy
        h = np.clip((SEEN.encode(view) - policy.mean) * policy.scale, -policy.clip, policy.clip)
        for weight, bias in policy.layers[:-1]:
            h = np.tanh(h @ weight + bias)
        weight, bias = policy.layers[-1]
        return decode_placement((h @ weight + bias).argmax(axis=1), view)


def bench(events: int = 20_000) -> list[dict[str, Any]]:
    """``decide.p50_us``, ``decide.p99_us`` over some `events` decisions, and the rows of `benchmarks.policy`."""
    policy = _network(np.random.default_rng(0))
    book, state, rows, last = _session(policy, events)
    drivers = [
        Driver(book, state, PolicyStrategy("mlp", policy)),
        Driver(book, state, NumpyStrategy(policy)),
    ]
    times, sending = _race(drivers, rows, last)
    mine = np.percentile(times[0], [50, 99]) / 1e3
    other = np.percentile(times[1], 50) / 1e3, _calm_p99(times[1]) / 1e3
    results = [
        measured(
            f"decide.{name}_us",
            float(value),
            "us",
            "the same driver, NumPy policy",
            float(reference),
            less=True,
            decisions=times.shape[1],
            with_commands=sending,
        )
        for name, value, reference in zip(("p50", "p99"), mine, other, strict=True)
    ]
    return results + shipped_bench(max(events // 100, 20)) + policy_bench()


def shipped_bench(calls: int = 200) -> list[dict[str, Any]]:
    """Microseconds a decision of the shipped policy, at the median of `calls` calls, for each number of markets."""
    packaged = replace(policy_strategy(folder_of("default-1")), waiting=0.4)
    source, task = reactive(load(PRESET)), Task(share=0.1, warmup_s=120.0)
    rows = []
    for n in AT_ONCE:
        markets = Episodes(source, task, n, looks_back=True)
        markets.start(seeded_plan(task, task.lots(load(PRESET).volume_per_s), 1, 0, n))
        markets.set_forecaster(packaged.forecaster)
        view = markets.view
        told, seen = view.outlook_rows, packaged.observe(view)
        assert packaged.forecaster is not None
        teller = packaged.forecaster.forecast_writer()

        def tell(
            teller: Any = teller, markets: Episodes = markets, told: NDArray[np.int64] = told
        ) -> None:
            teller.write_forecasts(markets.books, markets.states, told.copy())

        def whole(view: View = view, tell: Callable[[], None] = tell) -> None:
            tell()
            packaged.decide(view)

        def infer(seen: NDArray[np.float32] = seen) -> None:
            packaged.policy.act(seen)

        for what, run in (("forecast", tell), ("inference", infer), ("shipped", whole)):
            run()  # compiles
            times = [_timed(run) for _ in range(calls)]
            rows.append(measured(f"decide.{what}_{n}_us", float(np.median(times)) / 1e3 / n, "us"))
    return rows


def _timed(run: Callable[[], None]) -> int:
    """Nanoseconds of a call."""
    start = perf_counter_ns()
    run()
    return perf_counter_ns() - start


def _race(
    drivers: list[Driver], rows: NDArray[np.int64], last: list[bool]
) -> tuple[NDArray[np.int64], float]:
    """Nanoseconds of every event with a decision, int64 (drivers, decisions), and the share of them that sent commands.

    The drivers take turns in blocks of the session.
    """
    times: list[list[int]] = [[] for _ in drivers]
    feed = list(zip(rows, last, strict=True))
    size = len(feed) // BLOCKS + 1
    sending = 0
    gc.collect()
    gc.disable()
    try:
        for start in range(0, len(feed), size):
            for driver, kept in zip(drivers, times, strict=True):
                sending += _feed(driver, feed[start : start + size], kept)
    finally:
        gc.enable()
    share = sending / sum(len(kept) for kept in times)
    warm = len(times[0]) // 50  # compiles, and fills the caches
    return np.array([kept[warm:] for kept in times]), share


def _calm_p99(times: NDArray[np.int64]) -> float:
    """99th percentile in the calmest block: what else the machine did to a slow reference is not counted for us."""
    return float(min(np.percentile(block, 99) for block in np.array_split(times, BLOCKS)))


def _feed(driver: Driver, feed: list[tuple[NDArray[np.int64], bool]], kept: list[int]) -> int:
    """Time a part of the session; returns how many decisions sent commands."""
    on_event, decisions = driver.on_event, driver.state[sim.DECISION : sim.DECISION + 1]
    sending = 0
    for row, last in feed:
        before = decisions[0]
        start = perf_counter_ns()
        commands = on_event(row, last)
        spent = perf_counter_ns() - start
        if decisions[0] != before:
            kept.append(spent)
            sending += commands is not None
    return sending


def _session(
    policy: MlpPolicy, events: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], list[bool]]:
    """A market as an order arrives in it, what then happened (commands left out), and where its moments end."""
    preset = load(PRESET)
    source = reactive(preset)
    task = Task(
        side=1, horizon_s=2 * events / EVENTS_PER_S, decisions=10**9, clock="events", clock_step=1,
        latency=Latency("constant", 50_000_000),
    )  # fmt: skip
    episodes = Episodes(source, task, 1, record_rows=12 * events)
    plan = seeded_plan(task, QUANTITY, 1, 0, 1)
    book, state = at_arrival(episodes, plan)
    episodes.start(plan)
    strategy = PolicyStrategy("mlp", policy)
    while episodes.working.any() and episodes.states[0, sim.DECISION] < events * 21 // 20:
        episodes.step(strategy.decide(episodes.view))
    rows = episodes.record(0)[state[sim.RECORD] :]
    rows = rows[rows[:, sim.R_KIND] != sim.OWN_SENT].copy()
    last = np.append(rows[1:, sim.R_NS] > rows[:-1, sim.R_NS], True).tolist()
    state[sim.RECORD_ROWS] = 0
    return book, state, rows, last


def _network(rng: np.random.Generator) -> MlpPolicy:
    layers = tuple(
        (
            rng.normal(size=(a, b)).astype(np.float32) / np.sqrt(a, dtype=np.float32),
            np.zeros(b, np.float32),
        )
        for a, b in pairwise(SIZES)
    )
    return MlpPolicy(layers, np.zeros(SEEN.size, np.float32), np.ones(SEEN.size, np.float32))
