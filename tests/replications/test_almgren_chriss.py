"""The worked example: closed form against equations solved otherwise, the model simulated, the stored agents."""

import numpy as np
import pytest

from replications.almgren_chriss import model as ac
from replications.almgren_chriss.command import PUBLISHED
from replications.stored import stored
from tercel.execution.policies.mlp import MlpPolicy
from tercel.lab.learning.port import check_env

pytestmark = pytest.mark.release

AVERSIONS = (1e-9, 1e-8, 1e-7, 1e-6, 2e-6, 1e-5)


def solved(aversion: float) -> np.ndarray:
    """The trajectory that minimises cost + lambda x variance, from the normal equations: no sinh anywhere."""
    a, b = (ac.ETA - ac.GAMMA * ac.TAU / 2) / ac.TAU, aversion * ac.SIGMA**2 * ac.TAU
    size = ac.BLOCKS - 1
    system = np.diag(np.full(size, 2 * a + b)) - a * (np.eye(size, k=1) + np.eye(size, k=-1))
    right = np.zeros(size)
    right[0] = a * ac.SHARES
    return np.concatenate([[ac.SHARES], np.linalg.solve(system, right), [0.0]])


@pytest.mark.parametrize("aversion", AVERSIONS)
def test_the_closed_form_is_the_minimum(aversion: float) -> None:
    np.testing.assert_allclose(ac.optimal(aversion).left, solved(aversion), atol=1e-3)


@pytest.mark.parametrize("key", list(PUBLISHED))
def test_the_published_figures_exactly(key: str) -> None:
    schedule = {"even": ac.even, "at_once": ac.at_once}.get(key, lambda: ac.optimal(float(key)))()
    theirs = PUBLISHED[key]
    assert (round(schedule.cost), round(schedule.sd)) == (theirs["cost"], theirs["sd"])
    if "left" in theirs:
        assert (schedule.left / 1000).round().tolist() == theirs["left"]
        assert round(ac.urgency(float(key)), 3) == theirs["kappa"]


@pytest.mark.parametrize(
    ("aversion", "cost", "variance", "objective", "half_life"),
    [
        (1e-9, 0.6625, 1.0812, 0.6636, 51.30),
        (4e-9, 0.6625, 1.0758, 0.6668, 25.65),
        (9e-9, 0.6626, 1.0669, 0.6722, 17.10),
    ],
)
def test_figures_of_another_implementation(
    aversion: float, cost: float, variance: float, objective: float, half_life: float
) -> None:
    """DRIP's AlmgrenChriss sample run (lakshmidrip.github.io/DROP): million $, to four digits."""
    schedule = ac.optimal(aversion)
    assert schedule.cost / 1e6 == pytest.approx(cost, abs=6e-5)
    assert (schedule.sd / 1e6) ** 2 == pytest.approx(variance, abs=6e-5)
    assert schedule.objective / 1e6 == pytest.approx(objective, abs=6e-5)
    assert 1 / ac.urgency(aversion) == pytest.approx(half_life, abs=0.02)


@pytest.mark.parametrize("aversion", [1e-7, 2e-6])
def test_the_model_simulated_comes_to_its_formulas(aversion: float) -> None:
    schedule, n = ac.optimal(aversion), 40_000
    drawn = ac.simulate(schedule.left, n, np.random.default_rng(1))
    assert abs(drawn.mean() - schedule.cost) < 4 * schedule.sd / np.sqrt(n)
    assert drawn.std() == pytest.approx(schedule.sd, rel=4 / np.sqrt(2 * n))


def test_the_environment_pays_the_objective() -> None:
    env = ac.AlmgrenChrissVec(4)
    check_env(env)
    env.reset(seed=3)
    aversions, total = ac.aversion_of(env.level), np.zeros(4)
    for day in range(ac.BLOCKS):
        seen, reward, done, *_ = env.step(np.zeros((4, 1), np.float32))  # zero is the even schedule
        total += reward
        assert done.all() == (day == ac.BLOCKS - 1)
    np.testing.assert_allclose(total, -1.0, rtol=1e-12)
    assert seen.shape == (4, 3)
    assert (aversions >= ac.LOWEST).all()
    assert (aversions <= ac.HIGHEST).all()
    assert ac.aversion_of(np.array([ac.level_of(1e-6)]))[0] == pytest.approx(1e-6)


def test_the_last_day_sells_all_and_zero_sells_evenly() -> None:
    assert ac.share_sold(np.array([-9.0]), np.array([1])).tolist() == [1.0]
    assert ac.share_sold(np.zeros(3), np.array([5, 4, 2])) == pytest.approx([1 / 5, 1 / 4, 1 / 2])


def test_stored_agents_are_on_the_frontier() -> None:
    for agent in stored("almgren-chriss", ac.OBSERVES):
        assert isinstance(agent, MlpPolicy)
        for aversion in np.geomspace(ac.LOWEST, ac.HIGHEST, 7):
            run, best, even = ac.scheduled(agent, aversion), ac.optimal(aversion), ac.even(aversion)
            assert best.objective <= run.objective <= 1.003 * best.objective
            assert (even.objective - run.objective) / (even.objective - best.objective) > 0.9


def test_learning_finds_the_frontier_from_nothing() -> None:
    agent = ac.train_agent(5, 131_072)
    best, even, run = (
        make(1e-6) for make in (ac.optimal, ac.even, lambda a: ac.scheduled(agent, a))
    )
    assert (even.objective - run.objective) / (even.objective - best.objective) > 0.98
