"""Benchmarks of training and inference print their rows; `python -m benchmarks train policy` measures."""

import pytest
from tests.lab.learning.toy import ToyVec

from benchmarks import policy, train

pytestmark = pytest.mark.release

NAMES = [
    "train.ppo_frames_per_s.64x10",
    "train.ppo_frames_per_s.256x4",
    "train.ppo_frames_per_s.2048x4",
    "train.ppo_frames_per_s.64x10.pool",
    "train.ppo_frames_per_s.256x4.pool",
    "train.learner_frames_per_s.2x64",
    "train.learner_frames_per_s.2x128",
]


def toy() -> ToyVec:
    return ToyVec(64, 8)


def test_training_has_a_row_for_each_setting_beside_its_reference():
    pytest.importorskip("stable_baselines3")
    results = train.bench(toy, updates=1, make_pool=toy)
    assert [r["name"] for r in results] == NAMES
    assert all(r["ratio"] > 0 for r in results[:5])


def test_without_torch_the_reference_is_null(monkeypatch):
    monkeypatch.setattr(train.sb3_judge, "available", lambda: False)
    results = train.bench(toy, updates=1, make_pool=toy) + policy.policy_bench(200, 2)
    acts = [f"policy.{name}_p99_us" for name in ("logits", "vector", "simplex", "onnx")]
    assert [r["name"] for r in results] == [
        *NAMES,
        "policy.p50_us",
        *acts[: len(results) - len(NAMES) - 1],
    ]
    assert all(r["value"] > 0 for r in results)
    assert all(r["reference_value"] is None and r["ratio"] is None for r in results)


def test_inference_has_its_row_beside_torch():
    pytest.importorskip("torch")
    result = policy.policy_bench(4_000, 8)[0]
    assert result["value"] > 0
    assert result["ratio"] > 0
