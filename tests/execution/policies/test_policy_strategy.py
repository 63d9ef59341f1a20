"""A learned policy keeps to the strategy port."""

import numpy as np
import pytest
from tests.execution.test_identity import small_network

from certify.kits.strategy import random_views
from tercel.core.errors import PolicyError
from tercel.execution import decoders
from tercel.execution.observation import observer
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategy import shares

SEEN = observer("v3")


def test_expected_intent_is_that_of_what_is_judged():
    view = random_views(200, 0)
    weights = small_network(0, 8)
    greedy = PolicyStrategy("ppo", weights)
    np.testing.assert_array_equal(
        greedy.decide(view), decoders.decode_placement(weights.act(SEEN.encode(view)), view)
    )
    np.testing.assert_array_equal(greedy.expected(view), shares(greedy.decide(view), view))


def test_a_policy_for_other_actions_is_refused():
    with pytest.raises(PolicyError, match="6 actions of 'level'"):
        PolicyStrategy("ppo", small_network(0, 8), "level")


def test_what_is_no_number_is_refused():
    view = random_views(200, 0)
    obs = SEEN.encode(view)
    obs[0, 7] = np.nan
    with pytest.raises(PolicyError, match="nan in entry 7 of row 0"):
        PolicyStrategy("ppo", small_network(0, 8)).answer(obs, view)
