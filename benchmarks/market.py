"""``benchmarks market``: simulated messages per second of the default model, beside Santa Fe's in the same run.

One more strategy in an episode of half an hour, whose public was simulated for others already, is timed beside the
same without sharing (`Episodes.share`).

Each market runs recorded on one core with own orders at and behind both touches, laid again every minute of its time.
A message is one public row: an order placed, withdrawn or executed. The two models take turns, seconds are the
process's own CPU time, and medians of several blocks count. A simulated day is 23,400 s of the market; calibration is
that of such a day, pilots included.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured
from tercel import Task, TercelError
from tercel.core import NS_PER_SECOND
from tercel.execution.strategies import build
from tercel.lab.evaluation import Backgrounds, Episodes, seeded_plan
from tercel.market.book import layout as lay
from tercel.market.flow import Preset, load
from tercel.market.simulator import (
    NO_TAPE,
    OWN_ORDERS,
    engine,
    first_world,
    layout as sim,
    reactive,
    run_free,
    simulated_day,
)
from tercel.market.tape import Instrument

MODEL, RIVAL = "sh600961", "csco-santa-fe"
GATE = 1e6
SHARE = 0.25
DAY_S = 23_400.0
CALIBRATION_S = 60.0
SETTLE_S = 1_800.0
STEP_S = 60
OWN = 5
OWN_LOTS = 2
ROWS = 1 << 16
EPISODES = 32


@dataclass
class Running:
    """A market that runs recorded, with own orders in its book."""

    preset: Preset
    b: NDArray[np.int32] = field(init=False)
    k: NDArray[np.int64] = field(init=False)
    flow: NDArray[np.float64] = field(init=False)
    at: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.b, k, self.flow = first_world(self.preset, seed=1)
        run_free(self.b, k, self.flow, NO_TAPE, int(SETTLE_S * NS_PER_SECOND))
        self.k = sim.extend(k, 0, ROWS)
        self.at = engine.single_market(self.b, self.k, self.flow)

    def lay_own(self) -> None:
        """Own orders on both sides, wherever a place of the ledger is free."""
        states = self.b[int(self.b[lay.AT_LEDGER]) :].reshape(-1, lay.LEDGER)[:, lay.STATE]
        for place in np.flatnonzero(states[: 2 * OWN] == lay.FREE_SLOT):
            side = 1 if place < OWN else -1
            touch = int(self.k[sim.PUBLIC_BID if side > 0 else sim.PUBLIC_ASK])
            price = touch - side * (int(place) % OWN)
            engine.enter_new(
                self.b, self.k, self.flow, self.at, 0, int(place), side, price, OWN_LOTS, False
            )

    def run(self, minutes: int) -> tuple[int, float, int]:
        """Public messages, seconds of CPU, and the fewest own orders in the book when a minute began."""
        before, seconds, fewest = int(self.k[sim.EVENTS]), 0.0, OWN_ORDERS
        for _ in range(minutes):
            self.lay_own()
            fewest = min(fewest, int(self.b[lay.OWN_RESTING]))
            margin = 2 * int(self.b[lay.ORDERS]) + 64
            until = int(self.k[sim.NOW]) + STEP_S * NS_PER_SECOND
            start = process_time()
            full = 1
            while full:
                self.k[sim.RECORD] = 0
                full = engine.run_until_full(self.b, self.k, self.flow, NO_TAPE, until, margin)
            seconds += process_time() - start
        return int(self.k[sim.EVENTS]) - before, seconds, fewest


def bench(minutes: int = 390, blocks: int = 5, calibrated: bool = True) -> list[dict[str, Any]]:
    """Measure the default model and Santa Fe in turns.

    Parameters
    ----------
    minutes, blocks : int
        Simulated minutes a block, and how many blocks.
    calibrated : bool
        Whether a calibration is timed too.

    Raises
    ------
    TercelError
        When a market has lost orders, or own orders were not in its book.
    """
    markets = [Running(load(MODEL)), Running(load(RIVAL))]
    rates: list[list[float]] = [[], []]
    days = []
    for block in range(blocks + 1):
        for market, found in zip(markets, rates, strict=True):
            messages, seconds, own = market.run(minutes if block else 1)
            _check(market, own)
            if block:
                found.append(messages / seconds)
                if market is markets[0]:
                    days.append(seconds * DAY_S / (minutes * STEP_S))
    rate, rival = median(rates[0]), median(rates[1])
    rows = [
        measured("market.messages_per_s", rate, "messages/s", "gate", GATE),
        measured("market.share_of_santa_fe", rate / rival, "of santa_fe's rate", "target", SHARE),
        measured(
            "market.day_s",
            median(days),
            "s a simulated day",
            "the market's clock",
            DAY_S,
            less=True,
        ),
    ]
    rows.append(measured("market.one_more_strategy_ms", *_one_more(blocks), less=True))
    if calibrated:
        seconds = _timed(_calibration(markets[0].preset))
        bar = CALIBRATION_S
        rows.append(
            measured("market.calibration_s", seconds, "s a day of tape", "bar", bar, less=True)
        )
    return rows


def _one_more(blocks: int, n: int = EPISODES) -> tuple[float, str, str, float]:
    """CPU of one more strategy in an episode, ms, with the public's events at hand and with each simulating them."""
    task, preset, strategy = Task(), load(MODEL), build("twap_repeg")
    plan = seeded_plan(task, task.lots(preset.volume_per_s), 1, 0, n)
    ways = [Episodes(reactive(preset), task, n) for _ in range(2)]
    times: tuple[list[float], list[float]] = ([], [])
    ways[0].share_backgrounds(Backgrounds())
    arrived = []
    for episodes in ways:
        episodes.start(plan)
        arrived.append(episodes.snapshot())
    for _ in range(blocks + 1):
        for episodes, start, found in zip(ways, arrived, times, strict=True):
            episodes.restore(start)
            began = process_time()
            while episodes.working.any():
                episodes.step(strategy.decide(episodes.view))
            found.append(1e3 * (process_time() - began) / n)
    shared, anew = (median(found[1:]) for found in times)
    return shared, "ms an episode", "the public simulated anew", anew


def _check(market: Running, own: int) -> None:
    lost = int(market.b[lay.OVERFLOW])
    if lost or own < OWN:
        raise TercelError(
            f"a market with at least {OWN} own orders that loses none",
            f"{own} own orders, {lost} orders without room in {market.preset.name}",
            "report this as a bug of `python -m benchmarks market`",
        )


def _calibration(preset: Preset) -> Callable[[], object]:
    """A calibration, ready to be timed, on a simulated day as tape."""
    from tercel.market import calibrate_queue_reactive as calibrate

    events = simulated_day(preset, seed=1, seconds=DAY_S, warmup_s=0.0)
    instrument = Instrument("BENCH", preset.symbol, "2000-01-03", tick=preset.tick, lot=preset.lot)
    day = [(instrument, events)]
    calibrate(
        [(instrument, events.slice(0, len(events) // 8))],
        name="warm",
        date="2000-01-03",
        tuned=False,
        skip_s=0,
    )
    return lambda: calibrate(day, name="bench", date="2000-01-03", lot_shares=preset.lot)


def _timed(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start
