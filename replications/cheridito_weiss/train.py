"""Doing it again: rules tuned, policies learned, each in a worker, each kept as soon as it is finished."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replications.cheridito_weiss import learned, tune
from replications.cheridito_weiss.cells import CELLS, Cell
from replications.cheridito_weiss.market import CellVec
from tercel.execution.policies import MlpPolicy
from tercel.lab.learning import Ppo, PpoSettings

Floats = NDArray[np.float64]
EPISODES: Final = 320
"""Episodes at once, so 3,200 decisions a batch."""
BASE: Final = PpoSettings(
    hidden=(64, 64), steps=10, minibatch=400, epochs=4, learning_rate=5e-4, lam=1.0, entropy=0.0
)
RESIDUAL: Final = replace(BASE, distribution="gaussian", sigma_start=0.5, sigma_end=0.2)
"""On top of the tuned rule."""
CAUTIOUS: Final = replace(RESIDUAL, sigma_start=0.25, sigma_end=0.08)
"""... closer to it, for longer: where the rule is so good that a wider search costs more than it finds."""
SHARES: Final = replace(
    BASE,
    distribution="logistic_normal",
    sigma_start=1.0,
    sigma_end=0.32,
    start=(0.063, 0.063, 0.063, 0.063, 0.063, 0.466, 0.219),
)
"""On the paper's shares; the start is theirs, mostly deep in the book."""
FRAMES: Final = {
    "noise_20": 1_600_000,
    "noise_60": 1_280_000,
    "flow_20": 800_000,
    "flow_60": 640_000,
    "strategic_20": 1_000_000,
    "strategic_60": 1_000_000,
}
"""Decisions that a cell is learned for."""
SETTINGS: Final = {"noise_20": SHARES, "noise_60": CAUTIOUS}
"""Where they are not those of a residual."""
ON_SHARES: Final = ("noise_20",)
"""Cells that are learned on the paper's shares: a residual did not get beyond the rule there."""
SEEDS: Final = (1, 2, 3)
"""Training seeds."""


def learn(
    cell: Cell,
    base: Floats | None,
    frames: int,
    seed: int,
    stop: Callable[[], bool] = lambda: False,
    threads: int = 1,
    settings: PpoSettings | None = None,
) -> MlpPolicy | None:
    """A policy after `frames` decisions, None when it was stopped.

    Parameters
    ----------
    base : float64 (16,), optional
        The rule that it is a residual of; None: shares.
    """
    chosen = settings or (SHARES if base is None else RESIDUAL)
    ppo = Ppo(CellVec(cell, base, EPISODES, threads), replace(chosen, anneal_frames=frames), seed)
    while ppo.frames < frames:
        if stop():
            return None
        ppo.update()
    return ppo.policy()


def tune_into(folder: Path, name: str, quick: bool, stop: Callable[[], bool]) -> bool:
    """Tune both rules of a cell and keep them, unless that was done."""
    cell = CELLS[name]
    if learned.rules_path(folder, cell).exists():
        return True
    search = tune.QUICK if quick else tune.Search()
    found = {}
    for kind in tune.KINDS:
        result = tune.tune(cell, kind, 1, search, stop)
        if result is None:
            return False
        parameters, value = result
        found[kind] = (tune.rule_of(kind, parameters), value)
    learned.keep_rules(
        folder, cell, found, name not in ON_SHARES, {"frames": frames_of(name, quick)}
    )
    return True


def learn_into(folder: Path, name: str, seed: int, quick: bool, stop: Callable[[], bool]) -> bool:
    """Learn the policy of a training seed on the cell's best rule and keep it, unless that was done."""
    cell = CELLS[name]
    if learned.policy_path(folder, cell, seed).exists():
        return True
    tuned, _, base = learned.read_rules(folder, cell)
    policy = learn(
        cell,
        None if base is None else tuned[base].vector,
        frames_of(name, quick),
        seed,
        stop,
        settings=SETTINGS.get(name),
    )
    if policy is None:
        return False
    learned.keep_policy(folder, cell, seed, policy)
    return True


def frames_of(name: str, quick: bool) -> int:
    """Decisions that a cell is learned for."""
    return 6_400 if quick else FRAMES[name]
