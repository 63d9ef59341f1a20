"""Policies on disk and their kernel: what is read back is what was written; what is damaged or foreign is refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import PolicyError
from tercel.execution.policies.card import Card, layout_hash
from tercel.execution.policies.folder import load_policy, save_policy
from tercel.execution.policies.mlp import HEADS, MlpPolicy, fast_tanh, mlp_forward
from tercel.execution.policies.onnx_policy import OnnxPolicy, from_onnx, to_onnx

NAMES = tuple(f"feature_{i}" for i in range(6))


def card(**changes):
    fields = {
        "name": "ppo",
        "observes": NAMES,
        "actions": "placement",
        "n_actions": 8,
        "seed": 3,
        "frames": 4096,
    }
    return Card(**{**fields, "task": {"share": 0.1}, **changes})


@pytest.fixture
def saved(tmp_path):
    policy = random_policy((6, 64, 64, 8))
    save_policy(tmp_path / "ppo", policy, card())
    return tmp_path / "ppo", policy


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_round_trip_is_exact(tmp_path, activation, head):
    policy = random_policy((6, 16, 16, 8), activation=activation, head=head)
    written = save_policy(tmp_path / "p", policy, card())
    again, read = load_policy(tmp_path / "p", NAMES)
    assert isinstance(again, MlpPolicy)
    assert read == written
    assert (again.activation, again.head, again.clip) == (activation, head, 5.0)
    assert np.array_equal(again.packed[0], policy.packed[0])


@pytest.mark.parametrize(
    ("head", "sizes"),
    [
        *(("logits", sizes) for sizes in ((6, 8), (6, 64, 8), (6, 64, 64, 8))),
        *((head, (6, 64, 8)) for head in ("vector", "simplex", "dirichlet")),
    ],
)
def test_onnx_runtime_agrees(head, sizes):
    pytest.importorskip("onnxruntime")
    policy = random_policy(sizes, head=head)
    obs = (4 * np.random.default_rng(0).normal(size=(2000, 6))).astype(np.float32)
    there, action = OnnxPolicy(to_onnx(policy), head), policy.act(obs)
    np.testing.assert_allclose(there.act(obs), action, atol=1e-5 if head == "vector" else 1e-6)
    if head == "logits":
        assert np.abs(there.logits(obs) - policy.logits(obs)).max() < 1e-5
    elif head != "vector":
        np.testing.assert_allclose(action.sum(axis=1), 1, atol=1e-6)


def test_other_networks_go_through_onnx_runtime():
    pytest.importorskip("onnxruntime")
    import onnx

    model = onnx.load_model_from_string(to_onnx(random_policy((6, 16, 8))))
    for node in model.graph.node:
        if node.op_type == "Tanh":
            node.op_type = "Sigmoid"
    assert isinstance(from_onnx(model.SerializeToString()), OnnxPolicy)


def test_another_layout_is_refused_and_both_are_named(saved):
    folder, _ = saved
    other = (*NAMES[:3], "spread", *NAMES[4:])
    with pytest.raises(PolicyError) as error:
        load_policy(folder, other)
    text = str(error.value)
    assert layout_hash(NAMES) in text
    assert layout_hash(other) in text
    assert "spread here, feature_3 there" in text


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("policy.onnx", lambda path: path.write_bytes(path.read_bytes()[:-7]), "hash"),
        ("policy.onnx", Path.unlink, r"policy\.onnx"),
        ("card.json", lambda path: path.write_text("{"), "JSON"),
        ("card.json", lambda path: path.write_text('{"name": "x"}'), "observes"),
        ("card.json", Path.unlink, r"card\.json"),
    ],
)
def test_damage_is_refused(saved, name, damage, told):
    folder, _ = saved
    damage(folder / name)
    with pytest.raises(PolicyError, match=told):
        load_policy(folder)


@pytest.mark.parametrize("data", [b"", b"not onnx", b"\x08\x07garbage" * 50])
def test_bytes_that_are_no_onnx(data):
    with pytest.raises(PolicyError, match="ONNX"):
        from_onnx(data)


def test_a_killed_save_leaves_the_old_policy(saved, monkeypatch):
    folder, policy = saved

    monkeypatch.setattr(Card, "to_json", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save_policy(folder, random_policy((6, 64, 64, 8), seed=9), card())
    monkeypatch.undo()
    again, _ = load_policy(folder, NAMES)
    assert np.array_equal(again.packed[0], policy.packed[0])
    save_policy(folder, random_policy((6, 64, 64, 8), seed=9), card())
    assert not np.array_equal(load_policy(folder)[0].packed[0], policy.packed[0])
    assert sorted(p.name for p in folder.parent.iterdir()) == ["ppo"]


def test_a_card_of_other_sizes_is_refused(tmp_path):
    with pytest.raises(PolicyError, match="inputs"):
        save_policy(tmp_path / "p", random_policy((5, 8)), card())
    assert not list(tmp_path.iterdir())


# -- the kernel against NumPy, and against itself in batches ----------------------------------------------------------


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
