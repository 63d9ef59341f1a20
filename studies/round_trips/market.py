"""Round trips played in a market, many policies in the same worlds, each bought first and sold first.

The mean of both signs in one world is one observation: what the market did by itself cancels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.legs.legs import begin_legs
from studies.round_trips.trips import (
    STEP_S,
    Legs,
    finish,
    first_legs,
    second_legs,
    wait_steps,
    wants,
)
from tercel import Task
from tercel.core import NS_PER_SECOND
from tercel.execution import BPS, CANCEL, OUTSIDE, empty_intents as empty, step as kernels
from tercel.lab.evaluation import Episodes, Plan
from tercel.market.book import layout as lay
from tercel.market.simulator import Source, layout as sim

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEP_NS = round(STEP_S * NS_PER_SECOND)


@dataclass(frozen=True, eq=False)
class TripGround:
    """Worlds to trade in.

    Parameters
    ----------
    source : Source
    plan : callable
        (first, n) -> Plan of worlds number `first` on; its quantities are the public volume of half an hour, lots.
    """

    source: Source
    plan: Callable[[int, int], Plan]


@dataclass(frozen=True, eq=False)
class TripResults:
    """What g policies made in n worlds, the mean of both signs; NaN where one could not be played.

    Attributes
    ----------
    profit_bps : float64 (g, n)
        Cash over the order's value at arrival.
    ticks_lots : float64 (g, n)
        Cash, ticks x lots.
    lots : float64 (g, n)
        Lots that were bought and sold.
    requested : float64 (n,)
        Lots of the order.
    unfilled : float64 (g, n)
        Lots that the market booked without filling them.
    cluster : int64 (n,)
        What is drawn independently.
    """

    profit_bps: Floats
    ticks_lots: Floats
    lots: Floats
    requested: Floats
    unfilled: Floats
    cluster: Ints


def play(
    ground: TripGround, task: Task, trips: Floats, size: float, first: int, n: int
) -> TripResults:
    """Play trips, float64 (g, trips.SIZE), in worlds `first` to `first + n`, both signs of each.

    Parameters
    ----------
    task : Task
        Its warm-up and latency; horizons are the trips' own.
    size : float
        Order as a share of the public volume of half an hour.
    """
    plan = ground.plan(first, n)
    n = len(plan)
    worlds = Episodes(ground.source, task, n)
    worlds.start(plan)
    where = np.tile(np.repeat(np.arange(n), 2), len(trips))
    run = Episodes(ground.source, task, len(where))
    run.restore(tuple(array[where] for array in worlds.snapshot()))
    run.states[:, sim.PHASE] = sim.DONE
    side = np.tile(np.array([1, -1]), len(where) // 2)
    lots = np.maximum(np.rint(size * plan.rows[where, kernels.E_QUANTITY]), 1).astype(np.int64)
    each = np.repeat(np.asarray(trips, np.float64), 2 * n, axis=0)
    traded = _trade(run, each, side, lots)

    def both(values: Floats) -> Floats:
        return np.asarray(values.reshape(len(trips), n, 2).mean(axis=2), np.float64)

    return TripResults(
        profit_bps=both(traded["profit"] * BPS / (traded["arrival"] * lots)),
        ticks_lots=both(traded["profit"] / 2),
        lots=both(traded["lots"]),
        requested=lots[: 2 * n : 2].astype(np.float64),
        unfilled=both(traded["unfilled"]),
        cluster=plan.cluster,
    )


def _trade(run: Episodes, trips: Floats, side: Ints, lots: Ints) -> dict[str, Floats]:
    """Both legs of every market; profit in half ticks x lots."""
    everywhere = np.arange(run.n)
    arrival = _first(run, first_legs(trips), side, lots)
    got = run.states[:, sim.QUANTITY] - run.states[:, sim.LEFT]
    paid = _paid(run) + side * arrival * got
    void = run.view.live > 0  # a halt kept own lots alive
    on = everywhere[(got > 0) & ~void]
    _wait(run, on, wait_steps(trips))
    gone = _second(run, second_legs(trips), on, -side, got)
    paid[on] += _paid(run)[on] - side[on] * gone * got[on]
    full = (
        run.books[:, lay.OVERFLOW]
        + run.states[:, sim.OWN_OVERFLOW]
        + run.states[:, sim.COMMAND_OVERFLOW]
    )
    unfilled = np.zeros(run.n)
    unfilled[on] = run.states[on, sim.UNFILLED_LOTS]
    fine = ~void & (full == 0)
    found: dict[str, Any] = {"profit": -paid, "arrival": arrival, "lots": got, "unfilled": unfilled}
    return {name: np.where(fine, values, np.nan) for name, values in found.items()}


def _first(run: Episodes, legs: Legs, side: Ints, lots: Ints) -> Ints:
    """Work first legs and take back what is left of them; mids at arrival, half ticks.

    The horizon is put behind the last decision, so that nothing is forced: a trip is as large as its first leg.
    """
    until = run.states[:, sim.NOW] + (legs.steps + 2) * STEP_NS
    begin_legs(
        run, np.arange(run.n), side=side, lots=lots, until_ns=until, decisions=legs.steps + 2, run_out=False
    )  # fmt: skip
    arrival = run.states[:, sim.ARRIVAL_MID2].copy()
    while run.working.any():
        view = run.view
        last = view.decision >= legs.steps
        intents = np.where(last[:, None], finish(view, legs.insist), wants(view, legs))
        run.step(intents)
        run.states[run.states[:, sim.DECISION] > legs.steps, sim.PHASE] = sim.DONE
    return arrival


def _wait(run: Episodes, on: Ints, steps: Ints) -> None:
    """Let the markets `on` that wait run on alone."""
    which = on[steps[on] > 0]
    if not len(which):
        return
    until = run.states[which, sim.NOW] + steps[which] * STEP_NS
    begin_legs(
        run,
        which,
        side=run.states[which, sim.SIDE],
        lots=0,
        until_ns=until,
        decisions=1,
        run_out=True,
    )
    nothing = empty(run.n)
    nothing[:, OUTSIDE] = CANCEL
    while run.working.any():
        run.step(nothing)


def _second(run: Episodes, legs: Legs, on: Ints, side: Ints, lots: Ints) -> Ints:
    """Work second legs to the end, where they cross; mids as they began, half ticks, of the markets `on`."""
    if not len(on):
        return np.zeros(0, np.int64)
    until = run.states[on, sim.NOW] + legs.steps[on] * STEP_NS
    begin_legs(
        run, on, side=side[on], lots=lots[on], until_ns=until, decisions=legs.steps[on], run_out=False
    )  # fmt: skip
    arrival = run.states[on, sim.ARRIVAL_MID2].copy()
    while run.working.any():
        run.step(wants(run.view, legs))
    return np.asarray(arrival, np.int64)


_SUMS = [
    sim.SPREAD,
    sim.WALK,
    sim.TIMING,
    sim.FORCED_SPREAD,
    sim.FORCED_WALK,
    sim.FORCED_TIMING,
    sim.FEES,
]


def _paid(run: Episodes) -> Ints:
    """Cash paid beyond the arrival mid, fees too, half ticks x lots."""
    paid: Ints = run.states[:, _SUMS].sum(axis=1)
    return paid
