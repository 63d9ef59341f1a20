"""A planted optimum is found from `twap_take` by both learners: Almgren-Chriss, and a drift that the observation shows."""

import logging

import numpy as np
import pytest
from tests.lab.learning import planted
from tests.lab.learning.planted import ALMGREN_CHRISS, DRIFT, IMPACT, LOTS, MOST, STEPS, PlantedVec

from tercel.lab.learning.agent.learner import START_RULE_PROBABILITY, START_VALUE_GAP
from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import Learner, train

WORLDS = {"almgren_chriss": ALMGREN_CHRISS, "drift": DRIFT}
FRAMES = 800_000


def from_even(kind: str, world: planted.World, seed: int) -> Learner:
    """A learner whose greedy policy is `twap_take` before it learns, as those of `tc.train` are their start."""
    others = [n != planted.EVEN for n in range(MOST + 1)]
    if kind == "ppo":
        start = tuple(
            (1 - START_RULE_PROBABILITY) / MOST if o else START_RULE_PROBABILITY for o in others
        )
        settings = PpoSettings(
            learning_rate=1e-3, anneal_frames=FRAMES, entropy_end=0.0, start=start
        )
        return Ppo(PlantedVec(world), settings, seed)
    gaps = tuple(-START_VALUE_GAP * other for other in others)
    return Dqn(PlantedVec(world), DqnSettings(anneal_frames=FRAMES, start=gaps), seed)


def test_the_optimum_without_a_drift_is_that_of_almgren_and_chriss() -> None:
    kappa = np.arccosh(1 + ALMGREN_CHRISS.risk / IMPACT / 2)
    k = np.arange(STEPS + 1)
    left = LOTS * np.sinh(kappa * (STEPS - k)) / np.sinh(kappa * STEPS)
    closed = IMPACT * (np.diff(left) ** 2).sum() + ALMGREN_CHRISS.risk * (left[1:] ** 2).sum()
    assert closed <= ALMGREN_CHRISS.cost() <= 1.02 * closed, "whole lots cost a little more"


def test_exact_costs_are_what_play_costs() -> None:
    n = 50_000
    for world in WORLDS.values():
        env = PlantedVec(world, n)
        env.reset(seed=1)
        paid = sum(-env.step(np.full(n, planted.EVEN))[1] for _ in range(STEPS))
        assert abs(paid.mean() - world.cost(planted.even())) <= 4 * paid.std() / n**0.5 + 1e-9


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(
            name, kind, marks=pytest.mark.release if at and kind == "dqn" else pytest.mark.long
        )
        for at, name in enumerate(WORLDS)
        for kind in ("ppo", "dqn")
    ],
)
def test_the_planted_optimum_is_reached_within_five_percent(name: str, kind: str) -> None:
    world = WORLDS[name]
    learner = from_even(kind, world, 1)
    assert (planted.table_of(learner.policy()) == planted.EVEN).all()
    train(learner, FRAMES)
    best, even = world.cost(), world.cost(planted.even())
    reached = world.cost(planted.table_of(learner.policy()))
    assert even - best > 0.1 * abs(best), "there is something to learn"
    paid = f"twap_take {even:.3f}, learned {reached:.3f}, optimum {best:.3f}"
    assert reached - best <= 0.05 * abs(best), paid
    logging.getLogger(__name__).info("%s %s: %s", name, kind, paid)
