"""The kernel against NumPy, and against itself in batches."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import PolicyError
from tercel.execution.policies.network import HEADS, MlpPolicy, fast_tanh, mlp_forward


def random_policy(sizes, seed=0, activation="tanh", head="logits"):
    rng = np.random.default_rng(seed)
    layers = tuple(
        (
            rng.normal(size=(a, b)).astype(np.float32) / np.sqrt(a, dtype=np.float32),
            rng.normal(size=b).astype(np.float32),
        )
        for a, b in pairwise(sizes)
    )
    mean = rng.normal(size=sizes[0]).astype(np.float32)
    scale = rng.uniform(0.5, 2, sizes[0]).astype(np.float32)
    return MlpPolicy(layers, mean, scale, 5.0, activation, head)


def by_numpy(policy, obs):
    h = np.clip((obs.astype(np.float64) - policy.mean) * policy.scale, -policy.clip, policy.clip)
    for i, (weight, bias) in enumerate(policy.layers):
        h = h @ weight + bias
        if i < len(policy.layers) - 1:
            h = np.tanh(h) if policy.activation == "tanh" else np.maximum(h, 0)
    return h


def test_fast_tanh_is_tanh():
    x = np.linspace(-15, 15, 4001).astype(np.float32)
    assert np.abs(np.array([fast_tanh(v) for v in x]) - np.tanh(x.astype(float))).max() < 5e-7


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    activation=st.sampled_from(["tanh", "relu"]),
    seed=st.integers(0, 99),
)
def test_kernel_equals_numpy(sizes, activation, seed):
    policy = random_policy(sizes, seed, activation)
    obs = (3 * np.random.default_rng(seed).normal(size=(5, sizes[0]))).astype(np.float32)
    np.testing.assert_allclose(policy.logits(obs), by_numpy(policy, obs), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_a_row_alone_gives_the_same_bytes_as_in_a_batch(head):
    policy = random_policy((30, 64, 64, 8), head=head)
    obs = np.random.default_rng(1).normal(size=(50, 30)).astype(np.float32)
    w, layout = policy.packed
    out = np.empty(8, np.float32)
    batch = policy.logits(obs)
    for row, expected in zip(obs, batch, strict=True):
        mlp_forward(w, layout, row, policy.scratch, out)
        assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [1.0, 100.0, 1e4])
def test_shares_are_what_their_formulas_say(size):
    z = (size * np.random.default_rng(3).normal(size=(50, 4))).astype(np.float32)
    eye = ((np.eye(4, dtype=np.float32), np.zeros(4, np.float32)),)
    plain = (np.zeros(4, np.float32), np.ones(4, np.float32), 1e6)
    weights = np.exp(z.astype(float) - z.max(axis=1, keepdims=True))
    alpha = np.logaddexp(0, z.astype(float)) + 1
    for head, expected in (("simplex", weights), ("dirichlet", alpha)):
        shares = MlpPolicy(eye, *plain, head=head).act(z)
        np.testing.assert_allclose(
            shares, expected / expected.sum(axis=1, keepdims=True), atol=1e-6
        )


def test_wrong_shapes_and_numbers_are_refused():
    policy = random_policy((4, 8, 3))
    with pytest.raises(PolicyError, match=r"\(n, 4\)"):
        policy.logits(np.zeros((2, 5), np.float32))
    first, second = policy.layers
    with pytest.raises(PolicyError, match="layer 1"):
        MlpPolicy((first, (second[0][:-1], second[1])), policy.mean, policy.scale)
    with pytest.raises(PolicyError, match="finite"):
        MlpPolicy((first, (second[0] * np.nan, second[1])), policy.mean, policy.scale)
