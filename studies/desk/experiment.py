"""Desks run again and again on the same seeds: with and without an arrow of the loop, whole and with frozen agents.

Every variant meets the same markets, the same orders and the same news of a seed, so differences are paired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from tercel.api import SimulatedMarkets, open_demo
from tercel.core.stats import Estimate, mean_interval
from tercel.desk.engine import DeskConfig
from tercel.desk.trading.journal import MemoryJournal, kinds

ARROWS: Final = ("alpha", "posture", "feedback")
DESK: Final = "desk"


@dataclass(frozen=True)
class DeskRun:
    """What a variant of a desk came to on one seed.

    Parameters
    ----------
    variant : str
    seed : int
    cost_bps : float
        Of everything that was asked for, bps of its arrival value.
    cost_path : tuple of float
        The same after every round.
    shares : mapping of agent to tuple of float
        Share of the flow after every round, on average over the instruments.
    denials, posture_changes : int
    """

    variant: str
    seed: int
    cost_bps: float
    cost_path: tuple[float, ...]
    shares: Mapping[str, tuple[float, ...]]
    denials: int
    posture_changes: int


def without(config: DeskConfig, arrow: str) -> DeskConfig:
    """The same desk without one arrow: one of ARROWS."""
    changes: dict[str, dict[str, Any]] = {
        "alpha": {"signals": config.signals.model_copy(update={"model": "off"})},
        "posture": {"risk": config.risk.model_copy(update={"posture": "off"})},
        "feedback": {"loop": config.loop.model_copy(update={"feedback": False})},
    }
    return config.model_copy(update=changes[arrow])


def frozen(config: DeskConfig, agent: str) -> DeskConfig:
    """The same desk with one agent that gets all the flow."""
    alone = tuple(section for section in config.agent if section.name == agent)
    return config.model_copy(update={"agent": alone})


def arrows(config: DeskConfig) -> dict[str, DeskConfig]:
    """The whole desk, and one without each arrow."""
    return {DESK: config} | {arrow: without(config, arrow) for arrow in ARROWS}


def freezes(config: DeskConfig) -> dict[str, DeskConfig]:
    """The whole desk, and each of its agents alone."""
    return {DESK: config} | {section.name: frozen(config, section.name) for section in config.agent}


def run_variant(variant: str, config: DeskConfig, seed: int) -> DeskRun:
    """One variant on one seed, on the simulated exchange, with a journal in memory."""
    journal = MemoryJournal(chained=False)
    opened = open_demo(config.with_desk(seed=seed), journal, _markets())
    opened.run()
    steps: dict[str, dict[int, list[float]]] = {name: {} for name in opened.slots}
    for ns, _, shares in opened.share_path:
        for name, share in shares.items():
            steps[name].setdefault(ns, []).append(share)
    return DeskRun(
        variant,
        seed,
        opened.cost_path[-1],
        tuple(opened.cost_path),
        {
            name: tuple(float(np.mean(at)) for at in rounds.values())
            for name, rounds in steps.items()
        },
        sum(1 for _ in journal.read(0, (kinds.DENIED,))),
        opened.posture_changes,
    )


@cache
def _markets() -> SimulatedMarkets:
    return SimulatedMarkets()


def worth(runs: Sequence[DeskRun], seed: int = 0) -> dict[str, Estimate]:
    """What the whole desk saves against each other variant, bps, paired by seed: mean and 95 % interval over seeds.

    Parameters
    ----------
    runs : sequence of DeskRun
        Every variant on every seed.
    """
    costs = by_variant(runs)
    whole = costs.pop(DESK)
    seeds = sorted(whole)
    return {
        variant: mean_interval(
            [cost[s] - whole[s] for s in seeds], np.arange(len(seeds)), np.random.default_rng(seed)
        )
        for variant, cost in costs.items()
    }


def levels(runs: Sequence[DeskRun], seed: int = 0) -> dict[str, Estimate]:
    """Mean cost of each variant, bps, with its 95 % interval over seeds."""
    return {
        variant: mean_interval(
            list(cost.values()), np.arange(len(cost)), np.random.default_rng(seed)
        )
        for variant, cost in by_variant(runs).items()
    }


def by_variant(runs: Sequence[DeskRun]) -> dict[str, dict[int, float]]:
    """Cost by variant and seed."""
    costs: dict[str, dict[int, float]] = {}
    for run in runs:
        costs.setdefault(run.variant, {})[run.seed] = run.cost_bps
    return costs


def mean_paths(runs: Sequence[DeskRun]) -> dict[str, dict[str, list[float]]]:
    """Means over seeds, round by round: `cost_path_bps` of each variant, `share_path` of each agent of the desk."""
    variants = dict.fromkeys(run.variant for run in runs)
    whole = [run.shares for run in runs if run.variant == DESK]
    costs = {
        name: np.mean([run.cost_path for run in runs if run.variant == name], axis=0)
        for name in variants
    }
    shares = {agent: np.mean([each[agent] for each in whole], axis=0) for agent in whole[0]}
    return {
        "cost_path_bps": {name: path.tolist() for name, path in costs.items()},
        "share_path": {agent: path.tolist() for agent, path in shares.items()},
    }
