"""Where round trips are searched and proved: other seeds of a simulated market, earlier and later days of a tape."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from studies.round_trips.market import TripGround
from studies.round_trips.trips import LONGEST_S
from tercel import Market, Task
from tercel.core import FOREVER_NS, NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.lab.evaluation import (
    Plan,
    Split,
    law_of_preset,
    law_of_tape,
    seeded_plan,
    split_days,
    tape_plan,
)
from tercel.market.flow import Preset
from tercel.market.simulator import TapeDay, reactive, replay_source as replay
from tercel.market.tape import Lake

HALF_HOUR_S = 1800.0
PROOF = 1 << 32
"""Between the seeds of search and proof: no seed of one is a seed of the other."""
EVERY_NS = 60 * NS_PER_SECOND


def preset_grounds(preset: Preset, market: Market, seed: int) -> tuple[TripGround, TripGround]:
    """Search and proof in a simulated market of a preset, by its terms: streams of different seeds."""
    source = reactive(preset, seed=seed, impact=law_of_preset(preset, market) or "none")
    volume = max(round(preset.volume_per_s * HALF_HOUR_S), 1)
    plans = (partial(seeded_plan, Task(), volume, at) for at in (seed, seed + PROOF))
    searched, proof = (TripGround(source, plan) for plan in plans)
    return searched, proof


def tape_grounds(market: Market, seed: int) -> tuple[TripGround, TripGround]:
    """Search on the earlier days of a tape, proof on the later ones; of one day, before and after two thirds of it.

    Raises
    ------
    ConfigError
        Days in which no longest trip fits.
    """
    lake = Lake(market.lake)
    split = split_days(lake, market.symbol)
    law = law_of_tape(split.days, market)
    earlier, days = replay(lake, market.symbol, split.train, impact=law)
    later, later_days = (
        (earlier, days) if split.cut_ns else replay(lake, market.symbol, split.test, impact=law)
    )
    searched = _windows(split, days, seed, 0, split.cut_ns or FOREVER_NS)
    proof = _windows(split, later_days, seed, split.cut_ns, FOREVER_NS)
    return TripGround(earlier, DrawnWindows(searched, seed)), TripGround(
        later, DrawnWindows(proof, seed + PROOF)
    )


def _windows(
    split: Split, days: list[TapeDay], seed: int, earliest_ns: int, latest_ns: int
) -> Plan:
    """Every minute from which the longest trip fits, with the volume expected in half an hour."""
    task = Task(share=HALF_HOUR_S / LONGEST_S, horizon_s=LONGEST_S)
    return tape_plan(
        days, task, split.curve, every_ns=EVERY_NS, both_sides=False, seed=seed, earliest_ns=earliest_ns,
        latest_ns=latest_ns,
    )  # fmt: skip


class DrawnWindows:
    """Windows of a plan in a drawn order; after the last the first comes again, with streams of its own."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.order: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(plan))

    def __call__(self, first: int, n: int) -> Plan:
        """Windows number `first` to `first + n`."""
        numbers = np.arange(first, first + n)
        part = self.plan.take(self.order[numbers % len(self.order)])
        rows = part.rows.copy()
        rows[:, kernels.E_INDEX] = numbers
        return Plan(rows, part.cluster)
