"""A learned policy keeps to the strategy port, and runs as its folder's card says, or is refused."""

import json

import numpy as np
import pytest
from tests.execution.test_identity import small_network

from certify.kits.strategy import random_views
from tercel.core.errors import ConfigError, PolicyError, UnknownNameError
from tercel.execution import decoders
from tercel.execution.action_sets import action_set
from tercel.execution.observation import observer
from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import save_policy
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.strategies import build
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


# -- from a folder ----------------------------------------------------------------------------------------------------


def save(folder, actions, observation, head="logits", zero=False, **parameters):
    watch, wide = observer(observation), action_set(actions, parameters).size
    rng = np.random.default_rng(3)
    weight = np.zeros((watch.size, wide)) if zero else rng.normal(size=(watch.size, wide))
    ones = np.ones(watch.size, np.float32)
    policy = MlpPolicy(
        ((weight.astype(np.float32), np.zeros(wide, np.float32)),), 0 * ones, ones, head=head
    )
    card = Card(
        "mine", watch.entries, actions, wide, observation=observation, action_parameters=parameters
    )
    save_policy(folder, policy, card)
    return policy


def test_a_discrete_policy_runs_as_saved(tmp_path):
    policy = save(tmp_path / "p", "placement", "v2")
    strategy, view = policy_strategy(tmp_path / "p", "shown"), random_views(100, 1)
    assert strategy.name == "shown"
    actions = policy.act(observer("v2").encode(view))
    np.testing.assert_array_equal(
        strategy.decide(view), action_set("placement").decode(actions, view)
    )


def test_a_residual_of_zeros_is_its_base(tmp_path):
    save(
        tmp_path / "p", "residual", "v2", "vector", True, base="peg_behind", parameters={"level": 2}
    )
    strategy, view = policy_strategy(tmp_path / "p"), random_views(100, 1)
    np.testing.assert_array_equal(
        strategy.decide(view), build("peg_behind", None, {"level": 2}).decide(view)
    )
    np.testing.assert_array_equal(strategy.expected(view).sum(axis=1) <= 1, True)


def test_a_residual_moves_its_base_and_needs_a_vector(tmp_path):
    save(tmp_path / "p", "residual", "v2", "vector", base="peg_behind")
    view = random_views(100, 1)
    assert (policy_strategy(tmp_path / "p").decide(view) != build("peg_behind").decide(view)).any()
    save(tmp_path / "q", "residual", "v2", base="peg_behind")
    with pytest.raises(PolicyError, match="continuous actions"):
        policy_strategy(tmp_path / "q")


def test_a_policy_of_an_observation_that_is_no_longer_made_is_to_be_trained_again(tmp_path):
    save(tmp_path / "p", "placement", "v2")
    path = tmp_path / "p" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "observation": "v1"}))
    with pytest.raises(UnknownNameError) as told:
        policy_strategy(tmp_path / "p")
    assert told.value.expected == "a policy of one of the observations v2, v3, costs"
    assert told.value.received == f"{path}: observation 'v1'"
    assert told.value.remedy.startswith("train it again")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("observation", "v9", UnknownNameError),
        ("observation", "v3", PolicyError),
        ("observation", 2, PolicyError),
        ("stack", 0, PolicyError),
        ("stack", 4, PolicyError),
        ("stack", 9, ConfigError),
        ("action_parameters", [], PolicyError),
        ("actions", "placements", UnknownNameError),
    ],
)
def test_a_card_of_something_else_is_refused(tmp_path, name, value, error):
    save(tmp_path / "p", "placement", "v2")
    path = tmp_path / "p" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(error):
        policy_strategy(tmp_path / "p")
