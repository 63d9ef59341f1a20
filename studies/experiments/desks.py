"""Desks that run an experiment on orders of pools: arms drawn, entries folded and analysed by the code that a desk runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec import structs

from studies.experiments.pools import Pool
from tercel.core import NS_PER_SECOND, Entry
from tercel.core.stats.confidence_sequence import LEVEL
from tercel.desk.trading.experiment import (
    BEGAN,
    ORDER,
    ExperimentEntry,
    ExperimentRecord,
    ExperimentTerms,
    draw_arm,
    fold_experiment,
)
from tercel.desk.trading.experiment_analysis import order_weight, saving_path
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.bodies import ParentEntry

NAME: Final = "study"
OPEN_S: Final = 7 * 3600
DAY_S: Final = 86_400
STRATA: Final = ("symbol", "side", "size")


@dataclass(frozen=True)
class Design:
    """What a desk does.

    Parameters
    ----------
    unit : str
    planned : int
    days : int
    orders : int
        A day.
    day_sd : float
        Standard deviation of what is added to all costs of a day, bps.
    share : float
        Of the second arm.
    trend : float
        By how many bps costs rise from day to day.
    """

    unit: str = ORDER
    planned: int = 1000
    days: int = 20
    orders: int = 24
    day_sd: float = 0.0
    share: float = 0.5
    trend: float = 0.0


def run_desk(
    pools: Sequence[Pool], arms: Mapping[str, tuple[str, float]], design: Design, seed: int
) -> ExperimentRecord:
    """Experiment of a desk whose orders come one after another, one of each pool at a time.

    Parameters
    ----------
    pools : sequence of Pool
        Of one horizon.
    arms : mapping of arm to (cost of the pools, bps)
        The baseline first; the bps are taken off its costs.
    design : Design
    seed : int
    """
    rng = np.random.default_rng(seed)
    horizon_s = int(pools[0].horizon_s)
    slots = design.orders // len(pools)
    terms = ExperimentTerms(
        list(arms), {arm: cost for arm, (cost, _) in arms.items()},
        design.unit, list(STRATA), seed, design.planned, [pool.symbol for pool in pools],
    )  # fmt: skip
    shares = dict(zip(arms, (1.0 - design.share, design.share), strict=True))
    began = ExperimentEntry(event=BEGAN, name=NAME, terms=terms, shares=shares)
    records: dict[str, ExperimentRecord] = {}
    fold_experiment(records, Entry(kinds.EXPERIMENT, 0, agent=NAME, body=began.json()))
    record = records[NAME]
    drawn = [rng.integers(len(pool.covariates), size=(design.days, slots)) for pool in pools]
    common = rng.normal(size=design.days) * design.day_sd + design.trend * np.arange(design.days)
    for day, slot in np.ndindex(design.days, slots):
        ns = (day * DAY_S + OPEN_S + slot * horizon_s) * NS_PER_SECOND
        ends: list[Entry] = []
        for pool, rows in zip(pools, drawn, strict=True):
            row = int(rows[day, slot])
            known = structs.replace(pool.covariates[row], hour=ns // (3600 * NS_PER_SECOND) % 24)
            parent = f"{pool.symbol}-{day}-{slot}"
            draw = draw_arm(record, parent, pool.symbol, ns, known)
            cost, saved = arms[draw.arm]
            bps = float(pool.costs[cost][row] - saved + common[day])
            accepted = ParentEntry(
                event="accepted", side=known.side, lots=known.lots,
                horizon_ns=horizon_s * NS_PER_SECOND, experiment=draw.json(),
            )  # fmt: skip
            whole = CostEntry(is_bps=bps, notional=1e6, filled=known.lots)
            record.apply(Entry(kinds.PARENT, ns, pool.symbol, NAME, parent, body=accepted.json()))
            ns_end = ns + horizon_s * NS_PER_SECOND - 1
            ends += [
                Entry(kind, ns_end, pool.symbol, NAME, parent, body=body.json())
                for kind, body in (
                    (kinds.PARENT, ParentEntry(event="done")),
                    (kinds.FEEDBACK, whole),
                )
            ]
        for entry in ends:
            record.apply(entry)
    return record


def scores_of(record: ExperimentRecord) -> Iterator[tuple[int, float]]:
    """Day and score of each order, of two arms."""
    baseline, arm = record.terms.arms
    for order in record.known_orders:
        weight = order_weight(order, arm, baseline)
        yield order.draw.day, weight * ((order.cost_bps or 0.0) - order.expected)


def first_call(record: ExperimentRecord) -> tuple[int, float] | None:
    """Orders at the first look that tells the arm from the baseline, and the saving there; None: no look does."""
    baseline, arm = record.terms.arms
    _, path, *_ = saving_path(record, record.known_orders, arm, baseline)
    return next(((point.n, point.mean) for point in path if point.p <= 1.0 - LEVEL), None)
