"""A learned policy keeps to the strategy port."""

from itertools import pairwise

import numpy as np
import pytest

from certify.kits.strategy import StrategyConformance
from tercel.core.errors import PolicyError
from tercel.execution import decoders
from tercel.execution.observation import observer
from tercel.execution.policies.network import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategy import shares

SEEN = observer("v3")


def policy(actions, head="logits", seed=0):
    rng = np.random.default_rng(seed)
    sizes = (SEEN.size, 16, actions)
    layers = tuple(
        (rng.normal(size=(a, b)).astype(np.float32), rng.normal(size=b).astype(np.float32))
        for a, b in pairwise(sizes)
    )
    # in bps of the price, which is negative where the kit mirrors a market
    for name in ("forecast", "spread_bps"):
        layers[0][0][SEEN.entries.index(name)] = 0.0
    return MlpPolicy(
        layers,
        np.zeros(SEEN.size, np.float32),
        np.ones(SEEN.size, np.float32),
        10.0,
        "tanh",
        head,
    )


class TestGreedy(StrategyConformance):
    def strategy(self):
        return PolicyStrategy("ppo", policy(8))


class TestLevel(StrategyConformance):
    def strategy(self):
        return PolicyStrategy("dqn", policy(6, "q"), "level")


def test_expected_intent_is_that_of_what_is_judged():
    view = TestGreedy().views()[0]
    weights = policy(8)
    greedy = PolicyStrategy("ppo", weights)
    np.testing.assert_array_equal(
        greedy.decide(view), decoders.decode_placement(weights.act(SEEN.encode(view)), view)
    )
    np.testing.assert_array_equal(greedy.expected(view), shares(greedy.decide(view), view))


def test_a_policy_for_other_actions_is_refused():
    with pytest.raises(PolicyError, match="6 actions of 'level'"):
        PolicyStrategy("ppo", policy(8), "level")


def test_what_is_no_number_is_refused():
    view = TestGreedy().views()[0]
    obs = SEEN.encode(view)
    obs[0, 7] = np.nan
    with pytest.raises(PolicyError, match="nan in entry 7 of row 0"):
        PolicyStrategy("ppo", policy(8)).answer(obs, view)
